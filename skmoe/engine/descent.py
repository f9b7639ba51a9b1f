"""The one loop: every solver starts, steps and stops here."""

from typing import NamedTuple

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.state import Parameters

_NEGLIGIBLE = 1e-2  # share of `tol` at which a decrease counts as none


class Descent(NamedTuple):
    """What the loop leaves behind."""

    theta: Parameters
    mass: np.ndarray  # responsibilities of each expert, summed to 1, (K,)
    objective_curve: np.ndarray  # F at the start and after each iteration
    n_iter: int
    converged: bool


def minimise(mixture, theta, solver, max_iter, tol, report=None):
    """Minimise F from `theta`.

    Stops when the decrease still to come is estimated below `tol` (nats per sample):
    decreases that shrink by a ratio rho leave ``rho / (1 - rho)`` times the last one
    (Aitken), so that slow progress is not taken for convergence.

    Parameters
    ----------
    mixture : Mixture
    theta : Parameters
    solver : object with `patience`, `evaluate(mixture, theta)`, `step(mixture, state)`
    max_iter : int
    tol : float
    report : callable(iteration, state, change, step_size) -> bool, asks to stop
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # A trial point may overflow; F is then not finite, and solvers refuse it.
        return _minimise(mixture, theta, solver, max_iter, tol, report)


def _minimise(mixture, theta, solver, max_iter, tol, report):
    """The loop of `minimise`."""
    state = solver.evaluate(mixture, theta)
    curve, converged = [state.objective], False
    for iteration in range(1, max_iter + 1):
        try:
            outcome = solver.step(mixture, state)
        except InfeasibleStep:
            break
        if outcome is None:
            curve.append(state.objective)
            converged = True
            break
        state, step_size = outcome
        curve.append(state.objective)
        stop = report is not None and report(
            iteration, state, curve[-1] - curve[-2], step_size
        )
        converged = _has_converged(curve, tol, solver.patience)
        if stop or converged:
            break
    return Descent(
        state.theta, state.stats.mass, np.array(curve), len(curve) - 1, converged
    )


def _has_converged(curve, tol, patience):
    """Whether each recent decrease promises less than `tol` to come."""
    if len(curve) < patience + 2:
        return False
    decreases = -np.diff(curve[-patience - 2 :])
    return all(
        _remaining(previous, last, tol) <= tol
        for previous, last in zip(decreases, decreases[1:])
    )


def _remaining(previous, last, tol):
    """Estimated decrease still to come, at least the last one."""
    if abs(last) <= _NEGLIGIBLE * tol:
        return abs(last)
    if last <= 0 or last >= previous:
        return np.inf
    return max(last, still_to_come(previous, last))


def still_to_come(previous, last):
    """Decrease to come where decreases shrink by a constant ratio (Aitken)."""
    return last * (last / (previous - last))  # last**2 may overflow
