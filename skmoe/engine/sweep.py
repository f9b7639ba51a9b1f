"""The one pass over the rows: everything that a step needs, summed over blocks."""

from functools import reduce

import numpy as np

from skmoe.engine.softmax import softmax_in_place
from skmoe.engine.state import Statistics

# Fewer entries of X times experts are not worth a thread.
_WORK_PER_THREAD = 2**21


def sweep(mixture, theta, curvature, blend, keep, given=None):
    """Statistics of all rows, a sum over blocks."""

    def sweep_run(run):
        parts = (
            _block_statistics(mixture, theta, block, curvature, blend, keep, given)
            for block in run
        )
        # Threads do not inherit the caller's error state, see `minimise`.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return reduce(_added, parts)

    runs = _thread_runs(mixture)
    if len(runs) == 1:
        return sweep_run(runs[0])
    return reduce(_added, mixture.map_threads(sweep_run, runs))


def _thread_runs(mixture):
    """Blocks in as many runs as are worth a thread each."""
    n_threads = min(
        mixture.n_threads, mixture.work // _WORK_PER_THREAD, len(mixture.blocks)
    )
    if n_threads < 2:
        return [mixture.blocks]
    bounds = np.linspace(0, len(mixture.blocks), n_threads + 1).astype(int)
    return [mixture.blocks[a:b] for a, b in zip(bounds, bounds[1:])]


def _block_statistics(mixture, theta, block, curvature, blend, keep, given=None):
    """Statistics of one block: the fused pass.

    `given` responsibilities (K, u) replace the posterior ones.
    """
    units = mixture.units
    weight = units.weight[block.units]
    gate_block, expert_block = designs = mixture.design_blocks(block)
    gate, local, posterior = logits_of_block(mixture, theta, block, designs)
    log_scale = softmax_in_place(gate)
    log_density = softmax_in_place(posterior) - log_scale
    if given is not None:
        posterior = given[:, block.units].copy()
    if keep is not None:
        keep.posterior[:, block.units], keep.model[:, block.units] = posterior, gate
        if keep.expert.size:
            keep.expert[..., block.rows] = local.probability
    posterior *= weight
    gate *= weight
    mass, model_mass = units.spread(posterior, block), units.spread(gate, block)
    if keep is not None and keep.bend.size:
        keep.bend[0][:, block.rows] = local.curvature_weights(mass)[:, 0]
        keep.bend[1][:, block.rows] = local.curvature_weights(model_mass, True)[:, 0]
    score = local.score(mass)
    return Statistics(
        weight @ log_density,
        mass.sum(axis=1),
        model_mass.sum(axis=1),
        mixture.contrasts.T @ gate_block.adjoint(gate - posterior),
        _adjoint(expert_block, score),
        local.spread(mass),
        _expert_grams(mixture, expert_block, local, mass, curvature),
        _expert_grams(
            mixture, expert_block, local, model_mass, curvature and blend, at_model=True
        ),
    )


def logits_of_block(mixture, theta, block, designs):
    """Logits of the gate (K, u), rows under the experts, posterior logits (K, u)."""
    gate_block, expert_block = designs
    gate = gate_block.dot(mixture.contrasts @ theta.gate)
    local = mixture.experts.at(theta, expert_block, mixture.target[..., block.rows])
    return gate, local, gate + mixture.units.sum(local.log_density, block)


def _expert_grams(mixture, block, local, mass, curvature, at_model=False):
    """Gram matrices of the experts' curvature, (J, pairs, p, p), or empty."""
    if not (curvature and mixture.experts_are_dense):
        return np.zeros(0)
    weights = local.curvature_weights(mass, at_model)
    grams = block.gram(weights.reshape(-1, weights.shape[-1]))
    return grams.reshape(weights.shape[:2] + grams.shape[1:])


def _added(first, second):
    """Sum of two statistics."""
    return Statistics(*map(np.add, first, second))


def _adjoint(block, score):
    """Adjoint of scores (J, q, b) -> (J, q, p)."""
    flat = block.adjoint(score.reshape(-1, score.shape[-1]))
    return flat.reshape(score.shape[:2] + flat.shape[1:])
