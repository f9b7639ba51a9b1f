"""Curvature of the mirror map for one block of coefficients, and Newton systems in it.

Two forms with the same two methods: a stored matrix where there are few coefficients,
products with vectors (a pass over the rows each) where there are many.
"""

import numpy as np
from scipy.linalg import lapack

from skmoe.engine.design import block_rows, blocks_of
from skmoe.engine.softmax import free_diagonal, softmax_product

# Relative damping of Newton systems: keeps collinear columns finite, and leaves the
# fixed points alone since systems are solved for steps, never for coefficients.  The
# second is for rounding that made a semidefinite curvature indefinite.
_RELATIVE_DAMPINGS = (1e-12, 1e-7)
# Truncated Newton: residual reduction and most products per system (Dembo and
# Steihaug 1983); outer iterations repair what is left.
_FORCING = 0.1
_MAX_PRODUCTS = 40
# Up to this many features a Gram matrix preconditions the products.
_GRAM_LIMIT = 256
_PRECONDITION_DAMPING = 1e-6
_TINY = np.finfo(np.float64).tiny


# Share of the mass below which the curvature of a softmax counts as vanished: without
# it a Newton step divides rounding by nothing where classes are separable.
_SATURATED = 1e-10


class InfeasibleStep(ArithmeticError):
    """No step to take: blended moments without maximum likelihood, or no descent."""


class DenseCurvature:
    """Curvature as a `matrix` of shape (q * p, q * p).

    `mass` is the mass behind it where it is a softmax's, whose curvature vanishes as
    probabilities saturate; systems then keep a share of the mass on the diagonal.
    """

    def __init__(self, matrix, mass=0.0):
        self.matrix, self.floor = matrix, _SATURATED * mass

    def dot(self, step):
        """Product with a step, (q, p) -> (q, p)."""
        return (self.matrix @ step.ravel()).reshape(step.shape)

    def solve(self, gradient, ridge):
        """Solve (curvature + diag(ridge)) step = gradient; (q, p), (p,) -> (q, p)."""
        if not gradient.size:
            return gradient
        matrix = self.matrix.copy()
        diagonal = np.einsum("ii->i", matrix)
        diagonal += np.tile(ridge, gradient.shape[0]) + self.floor
        scale = np.sqrt(np.maximum(diagonal, 0.0))
        scale[scale == 0] = 1.0
        matrix /= scale
        matrix /= scale[:, None]
        scaled = gradient.ravel() / scale
        for damping in _RELATIVE_DAMPINGS:
            diagonal += damping
            _, solution, info = lapack.dposv(matrix, scaled)
            if info == 0:
                return (solution.ravel() / scale).reshape(gradient.shape)
        raise InfeasibleStep("curvature is not positive definite")


class ImplicitCurvature:
    """Curvature known by its products, sum_i a_i (B' (diag p_i - p_i p_i') B) x x_i'.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    mass : ndarray of shape (n,)
    probability : ndarray of shape (C, n), or None for squared error
    contrasts : ndarray `B` of shape (C, q), or None for squared error
    """

    def __init__(self, design, mass, probability=None, contrasts=None, exact=False):
        self.design, self.mass = design, mass
        self.probability, self.contrasts = probability, contrasts
        self.floor = 0.0 if probability is None else _SATURATED * mass.sum()
        self.forcing, self.max_products = _FORCING, _MAX_PRODUCTS
        if exact:
            self.forcing, self.max_products = 1e-12, 10 * design.n_columns

    def dot(self, step):
        """Product with a step, (q, p) -> (q, p); one pass over the rows."""
        total = np.zeros_like(step)
        for rows in self._blocks():
            block = self.design.block(rows)
            change = block.dot(step)
            if self.probability is not None:
                probability = self.probability[:, rows]
                change = softmax_product(probability, self.contrasts, change)
            total += block.adjoint(change * self.mass[rows])
        return total

    def solve(self, gradient, ridge):
        """Truncated, preconditioned conjugate gradients; (q, p), (p,) -> (q, p)."""
        ridge = ridge + self.floor
        precondition = self._preconditioner(gradient.shape, ridge)
        step, residual = np.zeros_like(gradient), gradient.copy()
        direction = precondition(residual)
        energy = start = np.vdot(residual, direction)
        for _ in range(self.max_products):
            if energy <= self.forcing**2 * start:
                break
            product = self.dot(direction) + ridge * direction
            bend = np.vdot(direction, product)
            if bend <= 0:
                if not step.any():
                    raise InfeasibleStep("curvature is not positive definite")
                break
            step += energy / bend * direction
            residual -= energy / bend * product
            conditioned = precondition(residual)
            previous, energy = energy, np.vdot(residual, conditioned)
            direction = conditioned + energy / previous * direction
        return step

    def _preconditioner(self, shape, ridge):
        """Approximate inverse of curvature + diag(ridge), (q, p) -> (q, p).

        With few features the Gram matrix weighted by the mass, scaled to the mean
        curvature of a free logit (Boehning and Lindsay 1988 bound it so); else the
        diagonal.
        """
        diagonal, gram = self._diagonal_and_gram(shape)
        if gram is None:
            inverse = diagonal + ridge
            inverse = 1.0 / np.maximum(inverse, _RELATIVE_DAMPINGS[0] * inverse.max())
            return lambda residual: inverse * residual
        scale = diagonal.sum() / (shape[0] * max(np.trace(gram), _TINY))
        floor = _PRECONDITION_DAMPING * np.diag(gram).max() + _TINY
        approximate = scale * gram + np.diag(ridge + scale * floor + _TINY)
        factor, _ = lapack.dpotrf(approximate)
        return lambda residual: lapack.dpotrs(factor, residual.T)[0].T

    def _diagonal_and_gram(self, shape):
        """Diagonal of the curvature (q, p); the mass's Gram matrix (p, p) or None."""
        diagonal = np.zeros(shape)
        gram = np.zeros((shape[1],) * 2) if shape[1] <= _GRAM_LIMIT else None
        for rows in self._blocks():
            block, mass = self.design.block(rows), self.mass[rows]
            weights = np.broadcast_to(mass, (shape[0], mass.shape[0]))
            if self.probability is not None:
                probability = self.probability[:, rows]
                weights = weights * free_diagonal(probability, self.contrasts)
            diagonal += block.square_sums(weights)
            if gram is not None:
                gram += block.gram(np.maximum(mass, 0.0)[None])[0]
        return diagonal, gram

    def _blocks(self):
        return blocks_of(self.design.n_rows, block_rows(self.design.n_columns))
