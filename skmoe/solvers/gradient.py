"""Gradient descent: the same loop with the Euclidean mirror map."""

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.solvers.mirror import ROUNDING

_SUFFICIENT_DECREASE = 1e-4
_MAX_HALVINGS = 50
_SHORTEST_STEP = 1e-100


class GradientDescent:
    """Steps ``theta - eta grad F`` in standardised coordinates and log-variances.

    A lasso takes its proximal step after each.

    Parameters
    ----------
    step_size : float or 'auto'
        A float is used as it is: F may then rise.  'auto' starts from the step of
        Barzilai and Borwein (1988) and backtracks until F falls enough (Armijo).
    """

    patience = 10  # its decreases come in bursts

    def __init__(self, step_size):
        self.adapts = step_size == "auto"
        self.step_size = 1.0 if self.adapts else float(step_size)
        self._previous = None

    def evaluate(self, mixture, theta):
        """State at `theta` with the statistics that `step` needs."""
        return mixture.evaluate(theta, curvature=False)

    def step(self, mixture, state):
        """Next state and step size; None where only rounding is left to gain.

        Raises InfeasibleStep where F is not finite or no step lowers it enough.
        """
        gradient = mixture.gradient(state)
        if not self.adapts:
            trial = self._move(mixture, state, gradient, self.step_size)
            if not np.isfinite(trial.objective):
                raise InfeasibleStep("the objective is not finite after a step")
            return trial, self.step_size
        step_size = self._first_step(state.theta, gradient)
        self._previous = state.theta, gradient
        try:
            return self._descend(mixture, state, gradient, step_size)
        except InfeasibleStep:
            if mixture.gate.is_continuous:
                raise
        # Where gates choose few experts F jumps, but not in the experts.
        gradient = gradient._replace(gate=np.zeros_like(gradient.gate))
        return self._descend(mixture, state, gradient, step_size)

    def _descend(self, mixture, state, gradient, step_size):
        """As `step`, with a first length to try."""
        rounding = ROUNDING * max(1.0, abs(state.objective))
        for _ in range(_MAX_HALVINGS):
            trial = self._move(mixture, state, gradient, step_size)
            # Of the projected gradient: what the noise bounds block promises nothing.
            change = trial.theta.minus(state.theta)
            promised = -mixture.slope(state, trial.theta)
            square = change.dot(change) / step_size
            if trial.objective <= state.objective - _SUFFICIENT_DECREASE * square:
                self.step_size = step_size
                return trial, step_size
            if max(promised, trial.objective - state.objective) <= rounding:
                return None
            step_size /= 2
        raise InfeasibleStep("no gradient step lowers the objective")

    def _first_step(self, theta, gradient):
        """Barzilai-Borwein step from the last two points, or twice the last step."""
        if self._previous is None:
            return self.step_size
        change = theta.minus(self._previous[0])
        curvature = change.dot(gradient.minus(self._previous[1]))
        step_size = change.dot(change) / curvature if curvature > 0 else 0.0
        # A change so small that its square vanishes tells no step.
        return step_size if step_size > _SHORTEST_STEP else 2 * self.step_size

    def _move(self, mixture, state, gradient, step_size):
        """State after a step; it stays feasible."""
        theta = state.theta.plus(gradient, -step_size)
        theta = mixture.penalties.shrunk(theta, step_size)
        return self.evaluate(mixture, mixture.feasible(theta))
