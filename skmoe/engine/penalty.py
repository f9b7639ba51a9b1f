"""Elastic net ``ridge/2 v^2 + lasso |v|`` of one kind of coefficients.

Where the lasso is not 0 projections are proximal steps: the same quadratic model, and
the penalty as it is, so that coefficients come out as exact zeros.  Between them the
coefficients that are not 0 keep their signs: on that face F is smooth.
"""

from typing import NamedTuple

import numpy as np

from skmoe.engine.lasso import excesses
from skmoe.engine.state import Parameters

# A coefficient held at zero is as one with this ridge.
_STIFF = 1e18
# Share of the slopes that a proximal step may leave to the next one (inexact Newton).
_FORCING = 0.1


class Penalty:
    """Penalty of standardised coefficients (..., p).

    Parameters
    ----------
    ridge, lasso : ndarray of shape (p,), or (K, 1, p); no lasso by default
    """

    def __init__(self, ridge, lasso=None):
        self.ridge = ridge
        self.lasso = np.zeros_like(ridge) if lasso is None else lasso
        self.is_smooth = lasso is None or not lasso.any()

    def times(self, factor):
        """The penalty times a factor."""
        lasso = None if self.is_smooth else factor * self.lasso
        return Penalty(factor * self.ridge, lasso)

    def value(self, coef):
        """Penalty of coefficients, a float."""
        return 0.5 * float(np.vdot(self.ridge * coef, coef)) + self.rough_value(coef)

    def rough_value(self, coef):
        """The lasso's part of it."""
        if self.is_smooth:
            return 0.0
        if self.lasso.ndim > 1:
            return float((np.abs(coef) * self.lasso).sum())
        return float((np.abs(coef) @ self.lasso).sum())

    def slope(self, coef):
        """Gradient of the penalty; 0 where the lasso has a kink."""
        return self.ridge * coef + self.lasso * np.sign(coef)

    def solve(self, curvature, score, coef):
        """Step (q, p) from `coef` to the least of a quadratic model and the penalty.

        Minimises ``step' curvature step / 2 - score' step + penalty(coef + step)``;
        with a lasso up to a share of the slopes at `coef`.
        """
        score = score - self.ridge * coef
        if self.is_smooth:
            return curvature.solve(score, self.ridge)
        left = _FORCING * excesses(coef, -score, self.lasso).max(initial=0.0)
        return curvature.solve_lasso(score, self.ridge, self.lasso, coef, left)

    def natural_step(self, curvature, gradient, coef):
        """Curvature to the -1, times a gradient, on the face of `coef`."""
        if self.is_smooth:
            return curvature.solve(gradient, self.ridge)
        held, step = self._held(coef), np.zeros_like(gradient)
        free = np.flatnonzero(~held.all(axis=0))
        ridge = np.where(held, _STIFF, self.ridge)[:, free]
        step[:, free] = curvature.on(free, coef.shape[1]).solve(
            gradient[:, free], ridge
        )
        return np.where(held, 0.0, step)

    def shrunk(self, coef, length):
        """Proximal step of the lasso: coefficients moved towards zero."""
        if self.is_smooth:
            return coef
        reach = np.maximum(np.abs(coef) - length * self.lasso, 0.0)
        return np.where(self.lasso > 0, np.sign(coef) * reach, coef)

    def face_gradient(self, gradient, coef):
        """Gradient of F on the face, from that of its smooth part."""
        if self.is_smooth:
            return gradient
        slope = gradient + self.lasso * np.sign(coef)
        return np.where(self._held(coef), 0.0, slope)

    def stays_on_face(self, gradient, coef):
        """Whether no coefficient has reason to leave zero."""
        return bool((np.abs(gradient) <= self.lasso)[self._held(coef)].all())

    def within_orthant(self, coef, like):
        """Coefficients of another sign than those of `like` set to zero."""
        if self.is_smooth:
            return coef
        differs = np.sign(coef) != np.sign(like)
        return np.where(differs & (self.lasso > 0), 0.0, coef)

    def face(self, coef):
        """Signs of the coefficients with a lasso, the others 0."""
        return np.sign(coef) * (self.lasso > 0)

    def n_free(self, coef, learnt, rank):
        """Free parameters among coefficients (q, p): those that are not zero.

        `learnt` (q, p) says which the data determines; at most `rank` of the q rows of
        coefficients without a lasso are free.
        """
        with_lasso = np.count_nonzero(self.face(coef)[learnt])
        without = (learnt & (self.lasso == 0)).sum(axis=0)
        return with_lasso + int(np.minimum(without, rank).sum())

    def _held(self, coef):
        """Where coefficients are held at zero."""
        return (self.lasso > 0) & (coef == 0)


class Penalties:
    """Penalties of all parameters: elastic nets, and the prior on noise.

    On the face of a state coefficients with a lasso keep their signs, and experts
    without rows stay as they are.

    Parameters
    ----------
    gate : Penalty
    experts : LinearExperts, with their penalty and prior
    """

    def __init__(self, gate, experts):
        self.of_coefs = gate, experts.sharing.of_copies(experts.penalty)
        self.experts = experts
        self.is_smooth = all(penalty.is_smooth for penalty in self.of_coefs)

    def value(self, theta):
        """Their sum, a float."""
        prior = float(self.experts.prior_loss(theta.log_variance).sum())
        return prior + sum(self._each("value", theta))

    def gradient(self, theta):
        """Their gradient but for the lasso, as Parameters."""
        ridges = (p.ridge * part for p, part in zip(self.of_coefs, theta))
        return Parameters(*ridges, self.experts.prior_slope(theta.log_variance))

    def curvature(self, theta):
        """Diagonal of their Hessian, as Parameters."""
        parts = zip(self.of_coefs, theta)
        ridges = (np.broadcast_to(p.ridge, part.shape) for p, part in parts)
        return Parameters(*ridges, self.experts.prior_curvature(theta.log_variance))

    def slopes(self, theta):
        """Gradients of the elastic nets of gate and experts, a list."""
        return self._each("slope", theta)

    def rough_change(self, theta, before):
        """What the lasso changes by, a float."""
        after, before = (self._each("rough_value", at) for at in (theta, before))
        return sum(np.subtract(after, before))

    def shrunk(self, theta, length):
        """Proximal step of the lasso after a gradient step of some length."""
        lengths = [length] * 2
        return Parameters(*self._each("shrunk", theta, lengths), theta.log_variance)

    def within_orthant(self, theta, like):
        """Coefficients with a lasso set to zero where signs are not those of `like`."""
        if self.is_smooth:
            return theta
        return Parameters(
            *self._each("within_orthant", theta, like), theta.log_variance
        )

    def face_gradient(self, state, gradient):
        """Gradient of F on the face of a state, from that of its smooth part."""
        if self._is_free(state):
            return gradient
        gate, experts = self._each("face_gradient", gradient, state.theta)
        coefs, noises = self.experts.learning(state.stats.mass)
        experts = np.where(coefs, experts, 0.0)
        noise = np.where(noises[:, None], gradient.log_variance, 0.0)
        return Parameters(gate, experts, noise)

    def stays_on_face(self, state, gradient):
        """Whether no coefficient of a state has reason to leave zero."""
        return all(self._each("stays_on_face", gradient, state.theta))

    def is_same_face(self, state, other):
        """Whether two states are on the same face."""
        if self._is_free(state) and self._is_free(other):
            return True
        one, two = (
            [*self._each("face", at.theta), *self.experts.learning(at.stats.mass)]
            for at in (state, other)
        )
        return all(map(np.array_equal, one, two))

    def _is_free(self, state):
        """Whether nothing holds a parameter of a state: no lasso, no lack of rows."""
        return self.is_smooth and self.experts.all_learn(state.stats.mass)

    def _each(self, method, *arguments):
        """Results of a method of both elastic nets, a list."""
        parts = zip(self.of_coefs, *arguments)
        return [getattr(penalty, method)(*part) for penalty, *part in parts]


class NoisePrior(NamedTuple):
    """Conjugate prior of noise parameters: rows with given squared residuals.

    It keeps an expert on a few rows from driving its noise to the floor.
    """

    rows: float = 0.0  # how many, as a share of all rows
    variance: np.ndarray | float = 1.0  # of their noise, (m,)
    log_unit: np.ndarray | float = 0.0  # of a variance in the user's units, (m,)
