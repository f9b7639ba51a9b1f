"""What lies ahead of a point where the decreases of F have become small.

Slow progress looks like the end near a saddle and along nearly flat directions.  The
Hessian H of F tells them apart, relative to the complete information I_c: EM's step is
the gradient's in its metric, and the eigenvalues of ``I_c^-1 H`` are 1 minus EM's rates
of convergence.  The least matter; the Lanczos method finds them from the gradient, with
products of H from differences of gradients, each a pass over the rows.
"""

from typing import NamedTuple

import numpy as np

from skmoe.engine.state import Parameters

# The gradients of EM need few products, those of gradient descent hide slow directions.
_MIN_PRODUCTS, _MAX_PRODUCTS = 4, 30
# Less curvature than this, of either sign, is lost in the differences of gradients.
_LEAST_CURVATURE = 1e-4
_DIFFERENCE = np.finfo(float).eps ** (1 / 3)  # in the metric of I_c
# The least eigenvalue is known to this share of itself, the decrement to this share.
_ACCURACY, _UNSEEN = 0.5, 0.1
# Decrements of this share of the bound and more are tried: the gradient must shrink.
_TRIED = 0.3
_NEGLIGIBLE = 1e-10  # length, as a share of the gradient's
# A step from a saddle gains this share of what the curvature promises.
_SUFFICIENT_GAIN, _MAX_HALVINGS = 0.1, 10


class Outlook(NamedTuple):
    """Newton's view of a point."""

    decrement: float  # g' |H|^-1 g / 2, nats per sample
    is_quadratic: bool  # whether Newton's step shrinks the gradient, as far as tried
    downhill: Parameters | None  # direction of negative curvature, of length 1 in I_c
    curvature: float  # along it, or the least that was seen

    def promises(self, more):
        """Whether F may fall by more than so many nats per sample."""
        return self.decrement > more or not self.is_quadratic


def outlook(mixture, state, bound):
    """Outlook at a state, in up to 32 passes over the rows.

    Lasso's zeros, experts without rows and noise at its bounds stay as they are.

    Parameters
    ----------
    mixture : Mixture
    state : State
    bound : float
        The search ends where it knows on which side of this the decrement is.
    """
    local = _Local(mixture, state)
    view, basis = _searched(local, bound)
    if view is None:
        return Outlook(0.0, True, None, np.inf)
    if view.is_saddle:
        return Outlook(view.decrement, False, view.downhill(local, basis), view.least)
    is_quadratic = True
    if _TRIED * bound < view.decrement <= bound:
        end = local.gradient_at(state.theta.plus(local.parameters(view.newton @ basis)))
        is_quadratic = local.length(end) <= local.length(local.gradient)
    return Outlook(view.decrement, bool(is_quadratic), None, view.least)


def _searched(local, bound):
    """View of a subspace, None if it is empty, and its basis (s, P) (Lanczos)."""
    basis, duals, view = [], [], None
    dual, vector = local.gradient, local.natural(local.gradient)
    length = start = local.length(dual)
    projected = np.zeros((_MAX_PRODUCTS, _MAX_PRODUCTS))
    for size in range(1, _MAX_PRODUCTS + 1):
        if not length > _NEGLIGIBLE * start:
            break
        basis.append(vector / length)
        duals.append(dual / length)
        dual = local.product(basis[-1])
        if not np.isfinite(dual).all():
            basis.pop()
            break
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            along = np.array(basis) @ dual
            projected[size - 1, :size] += along
            dual = dual - along @ np.array(duals)
        vector = local.natural(dual)
        length = np.sqrt(max(dual @ vector, 0.0))
        view = _View(projected[:size, :size], start, length)
        if view.is_clear(bound):
            break
    return view, np.array(basis)


class _View:
    """What the products so far tell, in coordinates of the subspace.

    Parameters
    ----------
    rows : ndarray of shape (s, s), lower triangle of the projected Hessian
    start : float, length of the gradient, which is along the first basis vector
    residual : float, length of what leaves the subspace
    """

    def __init__(self, rows, start, residual):
        matrix = np.tril(rows) + np.tril(rows, -1).T
        values, self.vectors = np.linalg.eigh(matrix)
        scale = np.maximum(np.abs(values), _LEAST_CURVATURE)
        self.slope, self.residual = start * self.vectors[0], residual
        self.decrement = 0.5 * float(self.slope**2 @ (1 / scale))
        self.newton = -self.vectors @ (self.slope / scale)
        self.least, self.least_scale = float(values[0]), scale[0]
        self.is_saddle = self.least <= -_LEAST_CURVATURE

    def is_clear(self, bound):
        """Whether more products would not change the verdict."""
        is_known = (
            self.residual * abs(self.vectors[-1, 0]) <= _ACCURACY * self.least_scale
        )
        if self.is_saddle:
            return is_known
        if self.decrement > bound:
            return True
        unseen = 0.5 * (self.residual * self.newton[-1]) ** 2 / self.least_scale
        is_long = self.newton.size >= _MIN_PRODUCTS
        return is_long and is_known and unseen <= _UNSEEN * bound

    def downhill(self, local, basis):
        """Direction of the least curvature, along which F falls to first order too."""
        sign = -1.0 if self.slope[0] > 0 else 1.0
        return local.parameters(sign * self.vectors[:, 0] @ basis)


class _Local:
    """Derivatives of F at a point, in flat vectors (P,)."""

    def __init__(self, mixture, state):
        theta = state.theta
        self.mixture, self.theta = mixture, theta
        self.state = state if state.has_curvature else mixture.evaluate(theta)
        smooth = mixture.gradient(self.state)
        moved = mixture.feasible(theta.plus(smooth, -1.0))
        self.noise_moves = moved.log_variance != theta.log_variance
        self.gradient = self._free(smooth)

    def product(self, vector):
        """Hessian of F times a vector."""
        theta = self.theta.plus(self.parameters(vector), _DIFFERENCE)
        return (self.gradient_at(theta) - self.gradient) / _DIFFERENCE

    def gradient_at(self, theta):
        """Gradient of F at other parameters on the face, 0 where they stay."""
        state = self.mixture.evaluate(theta, curvature=False)
        return self._free(self.mixture.gradient(state))

    def natural(self, dual):
        """Complete information to the -1, times a gradient."""
        step = self.mixture.natural_step(self.state, self.parameters(dual))
        return self._moving(step).flat()

    def length(self, dual):
        """Length of a gradient in the metric of the complete information."""
        return np.sqrt(max(dual @ self.natural(dual), 0.0))

    def parameters(self, vector):
        """A vector as Parameters."""
        ends = np.cumsum([part.size for part in self.theta])
        parts = np.split(vector, ends[:-1])
        return Parameters(*(a.reshape(b.shape) for a, b in zip(parts, self.theta)))

    def _free(self, smooth):
        """Gradient of F from that of its smooth part."""
        return self._moving(
            self.mixture.penalties.face_gradient(self.state, smooth)
        ).flat()

    def _moving(self, values):
        """Values with 0 for noise that its bounds hold."""
        noise = np.where(self.noise_moves, values.log_variance, 0.0)
        return values._replace(log_variance=noise)


def way_down(mixture, state, seen, evaluate):
    """A lower state along a direction of negative curvature, and its distance.

    None where F does not fall as the curvature promises.

    Parameters
    ----------
    mixture : Mixture
    state : State, the saddle
    seen : Outlook there
    evaluate : callable(mixture, theta) -> State, a solver's
    """
    distance = 1.0
    for _ in range(_MAX_HALVINGS):
        theta = mixture.feasible(state.theta.plus(seen.downhill, distance))
        trial = evaluate(mixture, mixture.penalties.within_orthant(theta, state.theta))
        promised = -0.5 * seen.curvature * distance**2
        if trial.objective <= state.objective - _SUFFICIENT_GAIN * promised:
            return trial, distance
        distance /= 2
    return None
