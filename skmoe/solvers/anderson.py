"""EM with safeguarded Anderson acceleration."""

from collections import deque

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.mixture import Parameters
from skmoe.solvers.mirror import MirrorDescent

_MEMORY = 5
_RELATIVE_RIDGE = 1e-10


class AcceleratedEM:
    """Extrapolates the last EM steps; F never rises.

    With M the EM map and residuals f_t = M(theta_t) - theta_t, the next point is the
    affine combination of the M(theta_i) whose combined residual is least (Anderson
    1965, Walker and Ni 2011).  Where it does not lower F, a plain EM step is taken and
    the memory emptied.
    """

    patience = 5

    def __init__(self):
        self.mirror = MirrorDescent(1.0)
        self._maps, self._residuals = deque(maxlen=_MEMORY), deque(maxlen=_MEMORY)

    def evaluate(self, mixture, theta):
        """State at `theta` with the statistics that `step` needs."""
        return self.mirror.evaluate(mixture, theta)

    def step(self, mixture, state):
        """Next state and its distance in EM steps, as `MirrorDescent.step`."""
        if self._remember(mixture, state) > 1:
            theta = mixture.feasible(_like(self._extrapolated(), state.theta))
            trial = self.evaluate(mixture, theta)
            # Not finite is not lower either.
            if trial.objective < state.objective:
                length = np.linalg.norm(_flat(theta) - _flat(state.theta))
                return trial, length / np.linalg.norm(self._residuals[-1])
            self._maps.clear()
            self._residuals.clear()
        return self.mirror.step(mixture, state)

    def _remember(self, mixture, state):
        """Add the EM step from a state to the memory; the number of steps in it."""
        try:
            mapped = _flat(mixture.project(state))
        except InfeasibleStep:
            mapped = np.array([np.nan])
        if np.isfinite(mapped).all():
            self._maps.append(mapped)
            self._residuals.append(mapped - _flat(state.theta))
        else:
            self._maps.clear()
            self._residuals.clear()
        return len(self._maps)

    def _extrapolated(self):
        """Combination of the mapped points with the least combined residual, flat."""
        residual = self._residuals[-1]
        change = np.diff(np.array(self._residuals), axis=0)
        scale = max(np.abs(change).max(), np.finfo(np.float64).tiny)
        change, residual = change / scale, residual / scale
        gram = change @ change.T
        gram[np.diag_indices_from(gram)] *= 1 + _RELATIVE_RIDGE
        weights = np.linalg.lstsq(gram, change @ residual, rcond=None)[0]
        return self._maps[-1] - weights @ np.diff(np.array(self._maps), axis=0)


def _flat(theta):
    """Parameters as one vector."""
    return np.concatenate([part.ravel() for part in theta])


def _like(vector, theta):
    """A vector in the shapes of `theta`."""
    ends = np.cumsum([part.size for part in theta])
    parts = np.split(vector, ends[:-1])
    return Parameters(*(p.reshape(t.shape) for p, t in zip(parts, theta)))
