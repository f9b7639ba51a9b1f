"""Curvature of the mirror map for one block of coefficients, and Newton systems in it.

Two forms with the same two methods: a stored matrix where there are few coefficients,
products with vectors (a pass over the rows each) where there are many.
"""

import numpy as np
from scipy.linalg import lapack

from skmoe.engine.design import block_rows, blocks_of
from skmoe.engine.softmax import free_diagonal, softmax_product

# Relative damping of Newton systems: keeps collinear columns finite, and leaves the
# fixed points alone since systems are solved for steps, never for coefficients.
_RELATIVE_DAMPING = 1e-12
# Truncated Newton: residual reduction and most products per system (Dembo and
# Steihaug 1983); outer iterations repair what is left.
_FORCING = 0.05
_MAX_PRODUCTS = 40


class InfeasibleStep(ArithmeticError):
    """Blended moments with no maximum likelihood: the step was too long."""


class DenseCurvature:
    """Curvature as a `matrix` of shape (q * p, q * p)."""

    def __init__(self, matrix):
        self.matrix = matrix

    def dot(self, step):
        """Product with a step, (q, p) -> (q, p)."""
        return (self.matrix @ step.ravel()).reshape(step.shape)

    def solve(self, gradient, ridge):
        """Solve (curvature + diag(ridge)) step = gradient; (q, p), (p,) -> (q, p)."""
        if not gradient.size:
            return gradient
        matrix = self.matrix.copy()
        diagonal = np.einsum("ii->i", matrix)
        diagonal += np.tile(ridge, gradient.shape[0])
        scale = np.sqrt(np.maximum(diagonal, 0.0))
        scale[scale == 0] = 1.0
        matrix /= scale
        matrix /= scale[:, None]
        diagonal += _RELATIVE_DAMPING
        _, solution, info = lapack.dposv(matrix, gradient.ravel() / scale)
        if info != 0:
            raise InfeasibleStep("curvature is not positive definite")
        return (solution.ravel() / scale).reshape(gradient.shape)


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
        """Truncated conjugate gradients with the diagonal as preconditioner."""
        inverse = self._diagonal(gradient.shape) + ridge
        inverse = 1.0 / np.maximum(inverse, _RELATIVE_DAMPING * inverse.max())
        step, residual = np.zeros_like(gradient), gradient.copy()
        direction = inverse * residual
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
            previous, energy = energy, np.vdot(residual, inverse * residual)
            direction = inverse * residual + energy / previous * direction
        return step

    def _diagonal(self, shape):
        """Diagonal of the curvature, (q, p)."""
        total = np.zeros(shape)
        for rows in self._blocks():
            weights = np.broadcast_to(
                self.mass[rows], (shape[0], rows.stop - rows.start)
            )
            if self.probability is not None:
                probability = self.probability[:, rows]
                weights = weights * free_diagonal(probability, self.contrasts)
            total += self.design.block(rows).square_sums(weights)
        return total

    def _blocks(self):
        return blocks_of(self.design.n_rows, block_rows(self.design.n_columns))
