"""The complete M-step of given responsibilities, which fits begin with.

The loop of a fit takes one Newton step towards it at a time.  Here regressions are
solved to the end: where the experts are one step from the neutral ones, which is far
from where responsibilities put them, EM may not find back.
"""

import copy

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.state import Parameters, State
from skmoe.engine.sweep import sweep

_MAX_HALVINGS = 30


def neutral_state(mixture, responsibilities):
    """The neutral start with given responsibilities (K, u) for posterior ones."""
    rows_of = mixture
    if mixture.experts.distribution.first_predictor is not None:
        rows_of = copy.copy(mixture)
        rows_of.experts = mixture.experts.near_targets()
    return _state(mixture, rows_of, mixture.initial(), responsibilities)


def fitted_experts(mixture, neutral, responsibilities, max_iter, tol):
    """Experts, coefficients and log-variances, after up to `max_iter` steps.

    Newton steps from the neutral state, until one gains at most `tol`; the first is
    taken as it is if there is no other.
    """
    experts = _one_step(mixture, neutral, responsibilities)
    if max_iter == 1:
        return experts
    theta = Parameters(neutral.theta.gate, *experts)
    state = _state(mixture, mixture, theta, responsibilities)
    if not state.objective <= neutral.objective:
        state = _state(mixture, mixture, neutral.theta, responsibilities)
    for _ in range(max_iter - 1):
        before, state = state, _lower(mixture, state, responsibilities)
        if before.objective - state.objective <= tol:
            break
    return state.theta[1:]


def _one_step(mixture, neutral, responsibilities):
    """Experts after one step from the neutral state."""
    coef, noise = mixture.project_experts(neutral)
    if mixture.experts.distribution.first_predictor is None:
        return coef, noise
    # Means of log links may overflow, and their noise is that about the new means.
    theta = neutral.theta._replace(experts=coef)
    state = _state(mixture, mixture, theta, responsibilities)
    if not np.isfinite(state.objective):
        return neutral.theta[1:]
    return coef, mixture.project_experts(state)[1]


def _lower(mixture, state, responsibilities):
    """State after a step of the experts that lowers F, or the same if there is none."""
    try:
        projected = Parameters(state.theta.gate, *mixture.project_experts(state))
    except InfeasibleStep:
        return state
    step = projected.minus(state.theta)
    for halvings in range(_MAX_HALVINGS):
        theta = state.theta.plus(step, 0.5**halvings) if halvings else projected
        trial = _state(mixture, mixture, theta, responsibilities)
        if trial.objective <= state.objective:
            return trial
    return state


def _state(mixture, rows_of, theta, responsibilities):
    """State whose F is that of the complete data; statistics of `rows_of`, a mixture.

    The gate's part of it does not change with the experts.
    """
    rows = mixture.allocate_rows()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stats = sweep(rows_of, theta, True, False, rows, responsibilities)
        objective = mixture.offset - float(stats.log_likelihood)
        return State(theta, objective + mixture.penalties.value(theta), stats, rows)
