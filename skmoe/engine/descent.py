"""The one loop: every solver starts, steps and stops here."""

from typing import NamedTuple

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.outlook import outlook, way_down
from skmoe.engine.state import Parameters

_NEGLIGIBLE = 1e-2  # share of `tol` at which a decrease counts as none
# After a look ahead that fails so many iterations follow, or this share of all so far.
_LEAST_WAIT, _WAIT = 4, 0.125
_ROUNDING = 1e-12  # decrease relative to F that no step can be trusted to make


class Descent(NamedTuple):
    """What the loop leaves behind."""

    theta: Parameters
    mass: np.ndarray  # responsibilities of each expert, summed to 1, (K,)
    objective_curve: np.ndarray  # F at the start and after each iteration
    n_iter: int
    converged: bool
    is_collapsed: bool = False  # no better than one expert, whatever was tried

    @property
    def objective(self):
        """F at the end."""
        return self.objective_curve[-1]


def minimise(mixture, theta, solver, max_iter, tol, report=None, confirm=False):
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
    confirm : bool
        Whether the end must stand up to `outlook`: no saddle, and Newton's decrement
        at most `tol`.  A step out of a saddle is an iteration.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # A trial point may overflow; F is then not finite, and solvers refuse it.
        ends = _Confirmed if confirm and mixture.gate.is_continuous else _Converged
        return _minimise(
            mixture, theta, solver, max_iter, ends(mixture, solver, tol), report
        )


def _minimise(mixture, theta, solver, max_iter, end, report):
    """The loop of `minimise`."""
    state = solver.evaluate(mixture, theta)
    curve, converged = [state.objective], False
    for iteration in range(1, max_iter + 1):
        try:
            outcome = end.step(state)
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
        converged = end.is_reached(state, curve)
        if stop or converged:
            break
    return Descent(
        state.theta, mixture.shares(state), np.array(curve), len(curve) - 1, converged
    )


class _Converged:
    """The end of a descent where the decreases promise little."""

    def __init__(self, mixture, solver, tol):
        self.mixture, self.solver, self.tol = mixture, solver, tol

    def step(self, state):
        """As the solver's."""
        return self.solver.step(self.mixture, state)

    def is_reached(self, state, curve):
        """Whether the descent ends here, at the end of its curve."""
        return _has_converged(curve, self.tol, self.solver.patience)


class _Confirmed(_Converged):
    """The same, confirmed by the second derivatives of F; saddles are left."""

    def __init__(self, mixture, solver, tol):
        super().__init__(mixture, solver, tol)
        self.next_look = 0  # not before this iteration
        self.exit = None  # next state and distance, out of a saddle

    def step(self, state):
        """The solver's step or, where that has nothing to gain, out of a saddle."""
        if self.exit is None:
            outcome = super().step(state)
            if outcome is not None:
                return outcome
            self._stands(state)
        outcome, self.exit = self.exit, None
        return outcome

    def is_reached(self, state, curve):
        """Whether the descent ends here; after a look that fails it goes on a while."""
        n_iter = len(curve) - 1
        if n_iter < self.next_look or not super().is_reached(state, curve):
            return False
        if self._stands(state):
            return True
        self.next_look = n_iter + max(_LEAST_WAIT, int(_WAIT * n_iter))
        return False

    def _stands(self, state):
        """Whether neither a saddle nor a slow way down is in sight."""
        bound = max(self.tol, _ROUNDING * max(1.0, abs(state.objective)))
        try:
            seen = outlook(self.mixture, state, bound)
        except InfeasibleStep:  # no complete information to measure by
            return True
        if seen.downhill is None:
            return not seen.promises(bound)
        self.exit = way_down(self.mixture, state, seen, self.solver.evaluate)
        return self.exit is None


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
