"""How parameters in the user's units change with the free, standardised ones."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import block_diag

# A noise variance this near a bound, in logarithms, is held there by it.
_AT_BOUND = 1e-5


class Coordinates(NamedTuple):
    """Linear maps from the free standardised parameters, P of them.

    `reported` leads to all entries of the fitted attributes, expert by expert: gate,
    experts, logarithms of the noise variances; once each of those that experts share.
    `expansion` leads from these to all entries, copies among them.  `relative` leads to
    as many numbers as are free: gates less the first expert's, classes less the first
    class.  Coefficients come before their intercept.  `copies` leads to the entries of
    `Parameters`, where shared coefficients come once for each expert.
    """

    reported: np.ndarray  # (n_reported, P)
    expansion: sparse.csr_array  # (entries of the attributes, n_reported)
    relative: np.ndarray  # (P, P)
    copies: sparse.csr_array  # (entries, P)
    is_listed: np.ndarray  # of all entries of the attributes, those of `reported`
    is_first: np.ndarray  # of entries of `Parameters`, those of `relative`
    learnt: np.ndarray  # indices of parameters that the data determines


def coordinates(problem, theta, mass):
    """Coordinates at `theta`, where the experts' posterior mass is `mass` (K,)."""
    experts, gate = problem.experts, problem.mixture.gate
    gate_units, expert_units = map(_units, (problem.gate_design, problem.expert_design))
    responses = _responses(problem)
    outputs = np.eye(theta.log_variance.shape[1])
    reported = block_diag(
        np.kron(gate.contrasts, gate_units),
        np.kron(np.kron(experts.tie, responses), expert_units),
        np.kron(experts.noise_tie, outputs),
    )
    if responses.shape[0] > responses.shape[1]:
        responses = responses[1:] - responses[0]
    n_free_experts, n_noises = theta.experts.shape[0], theta.log_variance.shape[0]
    relative = block_diag(
        np.kron(gate.relative, gate_units),
        np.kron(np.kron(np.eye(n_free_experts), responses), expert_units),
        np.kron(np.eye(n_noises), outputs),
    )
    listed, first = _without_copies(problem, theta, len(_responses(problem)))
    copies = sparse.block_diag(
        [
            sparse.csr_array(sparse.eye(theta.gate.size)),
            experts.sharing.embedding(experts.n_free),
            sparse.csr_array(sparse.eye(theta.log_variance.size)),
        ],
        format="csr",
    )
    learnt = learnt_parts(problem, theta, mass)
    learnt = np.concatenate([part.ravel() for part in learnt])
    return Coordinates(
        reported[listed] @ copies,
        _expansion(problem, listed, len(_responses(problem))),
        relative[first] @ copies,
        copies,
        listed,
        first,
        np.flatnonzero(learnt[first]),
    )


def _without_copies(problem, theta, n_responses):
    """Which entries of attributes and of `Parameters` are not copies of earlier ones.

    In the order of `Coordinates.reported`, for each of the experts' responses, and of
    theta; two bool arrays.
    """
    gate, firsts = problem.mixture.gate, problem.experts.sharing.firsts()
    n_experts, n_columns = problem.mixture.n_experts, firsts.shape[2]
    n_logits = gate.contrasts.shape[0] * theta.gate.shape[1]
    shape = n_experts, n_responses, n_columns
    n_noises = theta.log_variance.shape[1] * n_experts
    n_noises = n_noises if problem.experts.n_noises else 0
    return [
        np.concatenate([np.ones(before, bool), np.ravel(own), np.ones(after, bool)])
        for before, own, after in (
            (n_logits, np.broadcast_to(firsts, shape), n_noises),
            (
                theta.gate.size,
                np.broadcast_to(firsts, theta.experts.shape),
                theta.log_variance.size,
            ),
        )
    ]


def _expansion(problem, is_listed, n_responses):
    """Entries that are listed to all entries of the attributes, a sparse matrix."""
    if is_listed.all():
        return sparse.csr_array(sparse.eye(is_listed.size))
    of_experts = problem.experts.sharing.embedding(n_responses)
    n_logits = problem.mixture.gate.contrasts.shape[0] * problem.gate_design.n_columns
    n_noises = is_listed.size - n_logits - of_experts.shape[0]
    parts = sparse.eye(n_logits), of_experts, sparse.eye(n_noises)
    return sparse.csr_array(sparse.block_diag(parts))


def _units(design):
    """Standardised coefficients to the user's, intercept last, (p, p)."""
    d = design.scale.shape[0]
    units = np.eye(design.n_columns)
    units[:d, :d] /= design.scale[:, None]
    if design.intercept:
        units[d, :d] = -design.mean / design.scale
    return units


def _responses(problem):
    """Free linear predictors of an expert to those in the attributes, (C, q)."""
    if problem.target_scale is not None:
        return np.diag(problem.target_scale)
    return problem.experts.responses


def learnt_parts(problem, theta, mass):
    """Which free parameters the data determines, three arrays of their shapes.

    None of constant columns, of experts without rows, and no noise at its bounds; of
    coefficients that experts share the first copy.
    """
    experts, mass = problem.experts, problem.counted(mass)
    gate = np.ones(theta.gate.shape, dtype=bool)
    gate &= problem.mixture.gate.has_rows(mass)[:, None]
    coef = np.ones(theta.experts.shape, dtype=bool)
    for part, design in ((gate, problem.gate_design), (coef, problem.expert_design)):
        part[..., : design.scale.shape[0]] &= np.isfinite(design.scale)
    has_rows, has_noise_rows = experts.learning(mass)
    coef &= has_rows & experts.sharing.firsts()
    low, high = np.log(experts.noise_bounds)
    noise = theta.log_variance - low > _AT_BOUND
    noise &= high - theta.log_variance > _AT_BOUND
    noise &= has_noise_rows[:, None]
    return gate, coef, noise
