"""Sparse mixtures: each expert sees only the rows whose gates chose it."""

from typing import NamedTuple

import numpy as np

# An expert is taken by itself where so few of them count: it costs calls of its own.
_WORTHWHILE = 0.25
# So many blocks are then one, of which an expert has a share.
BLOCKS_AT_ONCE = 4


class Part(NamedTuple):
    """One expert on the rows of a block that chose it."""

    chosen: np.ndarray  # indices of the rows
    block: object  # their features
    local: object  # `ExpertRows` of one expert


def is_worthwhile(gate):
    """Whether so few experts count that each is better taken by itself."""
    return not gate.is_continuous and gate.n_counted <= _WORTHWHILE * gate.n_experts


class RoutedRows:
    """A block's rows under the experts that their gates chose.

    Parameters
    ----------
    experts : LinearExperts
    theta : Parameters
    block : DenseBlock or SparseBlock, of b rows
    target : ndarray of shape (m, b) or (b,)
    chosen : ndarray of bool of shape (K, b)
    """

    def __init__(self, experts, theta, block, target, chosen):
        self.log_density = np.zeros(chosen.shape)
        self.parts, alone = [], experts.alone()
        self._n_classes = experts.distribution.n_categories
        for k, counts in enumerate(chosen):
            rows = np.flatnonzero(counts)
            own = block.take(rows)
            one = _of_one(theta, k, experts.noise_sets)
            local = alone.at(one, own, target[..., rows])
            self.log_density[k, rows] = local.log_density[0]
            self.parts.append(Part(rows, own, local))

    def curvature_weights(self, mass, at_model=False):
        """As of `ExpertRows` of one predictor, (K, 1, b)."""
        weights = np.zeros((mass.shape[0], 1, mass.shape[1]))
        for k, part in enumerate(self.parts):
            own = mass[k : k + 1, part.chosen]
            (own,) = part.local.curvature_weights(own, at_model)
            weights[k][:, part.chosen] = own
        return weights

    @property
    def probability(self):
        """Class probabilities, (K, C, b); zero where a row did not choose."""
        shape = (self.log_density.shape[0], self._n_classes, self.log_density.shape[1])
        probability = np.zeros(shape)
        for k, part in enumerate(self.parts):
            probability[k][:, part.chosen] = part.local.probability[0]
        return probability


def _of_one(theta, k, noise_sets):
    """Parameters of one expert, where experts have dispersions of some numbers (K,)."""
    noise = theta.log_variance
    return theta._replace(
        experts=theta.experts[k : k + 1],
        log_variance=noise[noise_sets[k : k + 1]] if noise.size else noise,
    )
