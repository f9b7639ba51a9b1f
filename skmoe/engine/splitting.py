"""Starts with one expert more, whose units it takes from one of the others."""

import numpy as np

from skmoe.engine.clustering import expert_steps
from skmoe.engine.descent import minimise
from skmoe.engine.m_step import first_step
from skmoe.engine.starts import short_run, ways_out

# Steps by which starts are told apart, and starts that go on to the end.
_FEW_STEPS, _N_KEPT = 3, 2
_TINY = np.finfo(np.float64).tiny


def split_starts(mixture, two, posterior):
    """Parameters of K + 1 experts, of which two come from one of K, a list.

    The units that each expert has most of are shared out between two experts in every
    way that starts know.

    Parameters
    ----------
    mixture : Mixture of K + 1 experts
    two : Mixture of two experts, on the same rows
    posterior : ndarray of shape (E, u), responsibilities of K experts and of those
        without parameters
    """
    rng, starts = np.random.RandomState(0), []
    labels = posterior.argmax(axis=0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for k in range(mixture.n_experts - 1):
            own = np.flatnonzero(labels == k)
            if own.size < 2 * two.expert_design.n_columns:
                continue
            sample = two if own.size == labels.size else two.take(own)
            for theta in ways_out(sample, rng):
                parts = _shared_out(two, theta, posterior, k)
                starts.append(first_step(mixture, parts, *expert_steps(mixture)))
    return starts


def best_of_starts(mixture, starts, solver):
    """Parameters that the best of some starts leads to, or near them.

    After a few steps the better half goes on, a few more tell the best two, and these
    go on as short runs.

    Parameters
    ----------
    mixture : Mixture
    starts : list of Parameters
    solver : callable, as of `starting_point`
    """
    for n_kept in (max(_N_KEPT, -(-len(starts) // 2)), _N_KEPT):
        if len(starts) > n_kept:
            runs = [
                minimise(mixture, theta, solver(1), _FEW_STEPS, 0.0) for theta in starts
            ]
            runs.sort(key=lambda run: run.objective)
            starts = [run.theta for run in runs[:n_kept]]
    best = None
    for theta in starts:
        found = short_run(mixture, theta, solver, best)
        if best is None or found.objective < best.objective:
            best = found
    return best.theta


def _shared_out(two, theta, posterior, k):
    """Responsibilities where two experts share those of expert k, (E + 1, u)."""
    first, second = two.row_moments(theta).posterior[:2]
    first = posterior[k] * first / np.maximum(first + second, _TINY)
    rest = np.delete(posterior, k, axis=0)
    return np.concatenate([[first, posterior[k] - first], rest])
