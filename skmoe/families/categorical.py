"""Logistic experts: y | x, z=k ~ Categorical(softmax(x' beta_k))."""

import numpy as np
from scipy.linalg import block_diag

from skmoe.engine.mixture import DEAD_MASS
from skmoe.engine.softmax import (
    class_contrasts,
    join_pairs,
    pair_weights,
    positive_probability,
    softmax_in_place,
)
from skmoe.engine.tie import expand, fold, tie_matrix, untied


class CategoricalExperts:
    """Family of logistic experts; targets are class codes.

    Parameters
    ----------
    n_experts : int, K
    n_classes : int, C
    penalty : Penalty
    symmetric : bool
    """

    n_noises, is_quadratic = 0, False
    noise_bounds = 1.0, 1.0

    def __init__(self, n_experts, n_classes, penalty, symmetric):
        self.penalty = penalty
        self.contrasts = class_contrasts(n_classes, penalty.is_smooth)
        self.n_free = self.contrasts.shape[1]
        self.tie = tie_matrix(n_experts, symmetric)
        self.noise_tie = np.zeros((n_experts, 0))
        self.n_columns = penalty.ridge.shape[0]
        self.curvature_size = self.n_free * self.n_columns
        self.n_coefs = self.tie.shape[1] * self.curvature_size

    def alone(self):
        """The same family with one expert."""
        return CategoricalExperts(1, len(self.contrasts), self.penalty, False)

    def initial(self):
        """Zero coefficients (J, q, p); no noise parameters."""
        shape = (self.tie.shape[1], self.n_free, self.n_columns)
        return np.zeros(shape), np.zeros((0, 0))

    def moments(self, target):
        """Sufficient statistics of the targets, (n,) -> one-hot (C, n)."""
        return np.eye(self.contrasts.shape[0])[:, target]

    def at(self, theta, block, target):
        """Rows of a block under `theta`; `target` is (b,), class codes."""
        coef = expand(self.tie, theta.experts)
        if self.n_free == 1:
            return BinaryRows(self, block.dot(coef[:, 0]), target)
        logits = block.dot(np.matmul(self.contrasts, coef))
        return CategoricalRows(self, logits, target)

    def gradient(self, theta, stats):
        """Gradient of the mean loss in the coefficients; no noise parameters."""
        return -stats.expert_score, theta.log_variance

    def complete_information(self, theta, stats, at_model):
        """Hessian of -log p(y | x, z), a matrix, as of `GaussianExperts`."""
        grams = stats.model_grams if at_model else stats.expert_grams
        return block_diag(*(join_pairs(gram, self.n_free) for gram in grams))

    def natural_step(self, theta, stats, curvatures, gradient):
        """Complete information to the -1, times a gradient; coefficients, no noise."""
        parts = zip(curvatures, gradient.experts, theta.experts)
        step = [self.penalty.natural_step(*part) for part in parts]
        return np.stack(step), gradient.log_variance

    def recentred(self, stats, curvatures, change):
        """Statistics after a change of the coefficients, (J, q, p), to first order."""
        bend = [curvature.dot(step) for curvature, step in zip(curvatures, change)]
        return stats._replace(expert_score=stats.expert_score - np.stack(bend))

    def project(self, theta, stats, curvatures, step_size, damping):
        """One damped Newton step towards maximum likelihood on blended moments."""
        experts, penalty = theta.experts.copy(), self.penalty.times(step_size)
        mass = (1 - step_size) * stats.model_mass + step_size * stats.mass
        alive = fold(self.tie**2, mass) > DEAD_MASS
        for j in np.flatnonzero(alive):
            pull = step_size * stats.expert_score[j]
            experts[j] += damping * penalty.solve(curvatures[j], pull, experts[j])
        return experts, theta.log_variance


class CategoricalRows:
    """A block's class probabilities (K, C, b) and what follows from them."""

    def __init__(self, family, logits, target):
        self.family, self.target = family, target
        rows = np.arange(target.shape[0])
        self.log_density = logits[:, target, rows]
        classes_first = np.moveaxis(logits, 1, 0)
        self.log_density -= softmax_in_place(classes_first)
        self.probability = logits

    def complete_score(self):
        """As of `GaussianRows`, (K, J * q, b) and no noise parameters, (K, 0, b)."""
        return _without_noise(untied(self.family.tie, self._residual()))

    def score(self, mass):
        """Weighted residuals of the free logits, (J, q, b)."""
        residual = self._residual()
        residual *= mass[:, None]
        return fold(self.family.tie, residual)

    def _residual(self):
        """Residuals of the free logits, (K, q, b)."""
        contrasts = self.family.contrasts
        return contrasts[self.target].T - np.matmul(contrasts.T, self.probability)

    def spread(self, mass):
        """No noise parameters: an empty array."""
        return np.zeros((0, 0))

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, (J, pairs, b)."""
        contrasts = self.family.contrasts
        weights = np.stack([pair_weights(p, contrasts) for p in self.probability])
        weights *= mass[:, None]
        return fold(self.family.tie**2, weights)


class BinaryRows:
    """As `CategoricalRows` for two classes: one logit (K, b)."""

    def __init__(self, family, logit, target):
        self.family, self.target = family, target
        self.positive, self.variance, small = positive_probability(logit)
        towards = np.where(target, logit, -logit)
        self.log_density = np.minimum(towards, 0)
        self.log_density -= np.log1p(small)

    @property
    def probability(self):
        """Class probabilities, (K, 2, b)."""
        return np.stack([1 - self.positive, self.positive], axis=1)

    def complete_score(self):
        """As of `CategoricalRows`, (K, J, b) and (K, 0, b)."""
        residual = self.target - self.positive
        return _without_noise(untied(self.family.tie, residual[:, None]))

    def score(self, mass):
        """Weighted residuals of the logit, (J, 1, b)."""
        return fold(self.family.tie, mass * (self.target - self.positive))[:, None]

    def spread(self, mass):
        """No noise parameters: an empty array."""
        return np.zeros((0, 0))

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, (J, 1, b)."""
        return fold(self.family.tie**2, mass * self.variance)[:, None]


def _without_noise(score):
    """The scores (K, q, b) beside those of no noise parameter."""
    return score, np.zeros((score.shape[0], 0, score.shape[2]))
