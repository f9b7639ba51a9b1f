"""The one pass over the rows: everything that a step needs, summed over blocks."""

from functools import reduce

import numpy as np

from skmoe.engine.e_step import logits_of_block, unseen_of_block
from skmoe.engine.softmax import softmax_in_place
from skmoe.engine.state import RowMoments, Statistics
from skmoe.engine.threads import Threads


def sweep(mixture, theta, curvature, blend, keep, given=None):
    """Statistics of all rows, wherever they are, as `_block_statistics` of one block.

    Every sum over rows at some parameters comes from here, by the mixture's `passes`.
    """
    return mixture.passes.total(mixture, theta, curvature, blend, keep, given)


class InMemory(Threads):
    """Passes over rows that the mixture holds, in threads that take runs of blocks."""

    def total(self, mixture, *arguments):
        """Statistics of all rows, a sum over blocks."""

        def total_of(run):
            parts = (_block_statistics(mixture, block, *arguments) for block in run)
            return reduce(_added, parts)

        return reduce(_added, self.totals(total_of, mixture.blocks, mixture.work))


IN_MEMORY = InMemory()  # in one thread


def kept_rows(mixture, always=False):
    """Room for the moments of every row where a projection will need them."""
    if mixture.experts_are_dense and not always:
        return None
    experts, n_rows = mixture.experts, mixture.weight.shape[0]
    n_classes = experts.distribution.n_categories
    n_sets = 0 if mixture.experts_are_dense else experts.n_kept_curvatures
    return RowMoments(
        *np.empty((2, mixture.gate.n_experts, mixture.units.weight.shape[0])),
        np.empty((mixture.n_experts, n_classes, n_rows)),
        np.empty((2, n_sets, n_rows)),
    )


def _block_statistics(mixture, block, theta, curvature, blend, keep, given):
    """Statistics of one block: the fused pass.

    `given` responsibilities (K, u) replace the posterior ones, and the log-likelihood
    is then that of the complete data.
    """
    units = mixture.units
    weight = units.weight[block.units]
    designs = mixture.design_blocks(block)
    gate, local, posterior = logits_of_block(
        mixture, theta, block, designs, mixture.is_routed
    )
    log_scale = gate.normalise()
    if given is None:
        log_density = softmax_in_place(posterior) - log_scale
    else:
        joint, posterior = posterior - log_scale, given[:, block.units].copy()
        # An expert without a share may not be able to have the row.
        log_density = np.where(posterior > 0, posterior * joint, 0.0).sum(axis=0)
    model = gate.probability
    if keep is not None:
        keep.posterior[:, block.units], keep.model[:, block.units] = posterior, model
        if keep.expert.size:
            keep.expert[..., block.rows] = local.probability
    posterior *= weight
    model *= weight
    masses = units.expand(posterior, block), units.expand(model, block)
    own = [mass[: mixture.n_experts] for mass in masses]
    if keep is not None and keep.curvature_weights.size:
        for of_rows, mass, at_model in zip(keep.curvature_weights, own, (False, True)):
            of_rows[:, block.rows] = local.curvature_weights(mass, at_model)[:, 0]
    curvature = curvature and mixture.experts_are_dense
    wants = curvature, curvature and blend
    log_likelihood = weight @ log_density
    shares = posterior, model
    stats = _statistics(
        mixture, designs, gate, local, log_likelihood, shares, masses, wants
    )
    if mixture.unseen is None:
        return stats
    unseen = unseen_of_block(mixture, theta, block, designs, mixture.is_routed)
    mass = weight * unseen.odds
    shares = mass * unseen.posterior, mass * unseen.gate.probability
    log_likelihood = -(weight @ unseen.log_seen)
    rest = unseen.gate, unseen.local, log_likelihood, shares, shares, wants
    return _added(stats, _statistics(mixture, designs, *rest))


def _statistics(mixture, designs, gate, local, log_likelihood, shares, masses, wants):
    """Statistics of a block, by posterior and model masses of units and of rows."""
    (posterior, model), (gate_block, expert_block) = shares, designs
    own = [mass[: mixture.n_experts] for mass in masses]
    if mixture.is_routed:
        sums = _routed_sums(local, own, wants)
    else:
        sums = _expert_sums(expert_block, local, own, wants)
    return Statistics(
        log_likelihood,
        *(mass.sum(axis=1) for mass in masses),
        mixture.gate.contrasts.T @ gate_block.adjoint(gate.score(model - posterior)),
        *sums,
    )


def _expert_sums(block, local, masses, wants):
    """What a block adds to score, deviance, Gram matrices, and mass of deviances."""
    mass, model_mass = masses
    return (
        _adjoint(block, local.score(mass)),
        local.deviance(mass),
        _expert_grams(block, local, mass, wants[0]),
        _expert_grams(block, local, model_mass, wants[1], at_model=True),
        local.dispersion_mass(mass),
    )


def _routed_sums(local, masses, wants):
    """As `_expert_sums`, each expert on its own rows."""
    of_experts = [
        _expert_sums(
            part.block,
            part.local,
            [mass[k : k + 1, part.chosen] for mass in masses],
            wants,
        )
        for k, part in enumerate(local.parts)
    ]
    return tuple(map(np.concatenate, zip(*of_experts)))


def _expert_grams(block, local, mass, wanted, at_model=False):
    """Gram matrices of the experts' curvature, (J, pairs, p, p), or empty."""
    if not wanted:
        return np.zeros(0)
    weights = local.curvature_weights(mass, at_model)
    grams = block.gram(_flat(weights))
    return grams.reshape(weights.shape[:2] + grams.shape[1:])


def _added(first, second):
    """Sum of two statistics."""
    return Statistics(*map(np.add, first, second))


def _adjoint(block, score):
    """Adjoint of scores (J, q, b) -> (J, q, p)."""
    flat = block.adjoint(_flat(score))
    return flat.reshape(score.shape[:2] + flat.shape[1:])


def _flat(values):
    """First two axes in one, also of no rows, (J, q, b) -> (J * q, b)."""
    return values.reshape(values.shape[0] * values.shape[1], values.shape[2])
