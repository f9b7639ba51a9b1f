"""EM accelerated: over-relaxed far from an optimum, quasi-Newton near it."""

from collections import deque

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.solvers.mirror import GROWTH, LONGEST_STEP, MirrorDescent

# An iteration that gains less than this, in nats per sample, ends the far phase.
_NEAR = 3e-3
_MEMORY = 10
# Pairs of changes have at least this curvature, relative to their lengths.
_LEAST_CURVATURE = 1e-10
_SUFFICIENT_DECREASE = 1e-4
_MAX_TRIALS = 3


class AcceleratedEM:
    """EM in fewer iterations; F never rises.

    Far from an optimum the EM step is lengthened while F falls, and goes back to 1 when
    it does not (Salakhutdinov and Roweis 2003).  Near it the step is L-BFGS's with the
    complete information I_c in place of the identity: EM's own step is ``-I_c^-1 grad``
    to first order, and changes of the gradient tell what is missing (Jamshidian and
    Jennrich 1997).  Where no such step lowers F the plain EM step is taken, and where a
    lasso lets a coefficient leave zero; other steps keep to the orthant where they are,
    and leave experts without rows alone: their curvature is rounding.
    """

    def __init__(self, patience=3):
        self.patience = patience
        self.mirror = MirrorDescent(1.0)
        self.step_size, self.gain, self.is_near = 1.0, 0.0, False
        # Changes of theta and of the gradient, and their inner product.
        self.changes = deque(maxlen=_MEMORY)
        self.last = None  # state and gradient before the last step

    def evaluate(self, mixture, theta):
        """State at `theta` with the statistics that `step` needs."""
        return self.mirror.evaluate(mixture, theta)

    def step(self, mixture, state):
        """Next state and its length in EM steps (of L-BFGS: its share of the full one).

        As `MirrorDescent.step`.
        """
        smooth = mixture.gradient(state)
        gradient = mixture.penalties.face_gradient(state, smooth)
        self._learn(mixture, state, gradient)
        is_quasi_newton = self.is_near and mixture.penalties.stays_on_face(
            state, smooth
        )
        find = self._quasi_newton_step if is_quasi_newton else self._long_step
        try:
            found = find(mixture, state, gradient)
        except InfeasibleStep:
            found = None
        if found is not None:
            return found
        self.changes.clear()
        return self.mirror.step(mixture, state)

    def _learn(self, mixture, state, gradient):
        """Remember how the last step changed theta and the gradient."""
        if self.last is not None:
            before, slope = self.last
            moved, turned = state.theta.minus(before.theta), gradient.minus(slope)
            curvature = moved.dot(turned)
            if not mixture.penalties.is_same_face(state, before):
                curvature = 0.0
            if curvature > _LEAST_CURVATURE * np.sqrt(
                moved.dot(moved) * turned.dot(turned)
            ):
                self.changes.append((moved, turned, curvature))
            else:
                self.changes.clear()
            gain = before.objective - state.objective
            # Small gains that grow are those of an escape from a saddle.
            self.is_near |= gain < min(_NEAR, self.gain)
            self.gain = gain
        self.last = state, gradient

    def _long_step(self, mixture, state, gradient):
        """The EM step lengthened, or None where that does not lower F."""
        length, self.step_size = self.step_size, GROWTH
        if length == 1:
            return None
        projected = mixture.project(state)
        step = projected.minus(state.theta)
        trial = self._trial(mixture, state, step, length, projected)
        if not trial.objective < state.objective:
            return None
        self.step_size = min(GROWTH * length, LONGEST_STEP)
        return trial, length

    def _quasi_newton_step(self, mixture, state, gradient):
        """A step by L-BFGS with backtracking, or None where that does not lower F."""
        if not self.changes:
            return None
        step = self._direction(mixture, state, gradient)
        slope = gradient.dot(step)
        length = 1.0
        for _ in range(_MAX_TRIALS):
            if not slope < 0:
                return None
            trial = self._trial(mixture, state, step, length, state.theta)
            rise = trial.objective - state.objective
            if rise <= _SUFFICIENT_DECREASE * length * slope:
                return trial, length
            # The minimum of the parabola through what is known.
            shorter = -slope * length**2 / (2 * (rise - length * slope))
            length = np.clip(shorter, 0.1 * length, 0.5 * length)
        return None

    def _direction(self, mixture, state, gradient):
        """Minus the approximate inverse Hessian times the gradient (two loops)."""
        weights = []
        for moved, turned, curvature in reversed(self.changes):
            weights.append(moved.dot(gradient) / curvature)
            gradient = gradient.plus(turned, -weights[-1])
        step = mixture.natural_step(state, gradient)
        for (moved, turned, curvature), weight in zip(self.changes, reversed(weights)):
            step = step.plus(moved, weight - turned.dot(step) / curvature)
        return step.plus(step, -2.0)

    def _trial(self, mixture, state, step, length, like):
        """State at the end of a step, in the orthant of other parameters."""
        theta = mixture.feasible(state.theta.plus(step, length))
        return self.evaluate(mixture, mixture.penalties.within_orthant(theta, like))
