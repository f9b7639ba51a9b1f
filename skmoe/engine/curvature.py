"""Curvature of the mirror map for one block of coefficients, and Newton systems in it.

Two forms with the same two methods: a stored matrix where there are few coefficients,
products with vectors (a pass over the rows each) where there are many.
"""

import numpy as np
from scipy.linalg import block_diag, lapack

from skmoe.data.design import block_rows, blocks_of
from skmoe.data.raw_rows import ROWS_AT_ONCE, raw_rows
from skmoe.engine.lasso import by_working_sets, lasso_step
from skmoe.engine.preconditioner import OWN_GRAM_LIMIT, inverse_of
from skmoe.engine.softmax import free_variance, join_pairs, pair_weights
from skmoe.engine.threads import IN_ONE_THREAD

# Relative damping of Newton systems: keeps collinear columns finite, and leaves the
# fixed points alone since systems are solved for steps, never for coefficients.  The
# second is for rounding that made a semidefinite curvature indefinite.
RELATIVE_DAMPINGS = (1e-12, 1e-7)
# Truncated Newton: residual reduction and most products per system (Dembo and
# Steihaug 1983); outer iterations repair what is left.
_FORCING, _MAX_PRODUCTS = 0.1, 40
# The same for classes where the rows' common Gram matrix preconditions: with it a
# softmax's system is soon solved roughly, and late to digits that the next one changes.
_ROUGH_FORCING, _FEWER_PRODUCTS = 0.3, 20
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
        matrix, diagonal = self.with_ridge(gradient.shape, ridge)
        # A column without curvature has no gradient either.
        diagonal[diagonal == 0] = 1.0
        for damping in RELATIVE_DAMPINGS:
            diagonal *= 1 + damping
            _, solution, info = lapack.dposv(matrix, gradient.ravel())
            if info == 0:
                return solution.reshape(gradient.shape)
        raise InfeasibleStep("curvature is not positive definite")

    def solve_lasso(self, score, ridge, lasso, coef, left=0.0):
        """As `solve`, for a step from `coef` (q, p) that the lasso (p,) is charged.

        `left` as `lasso_step` takes it.
        """
        if not score.size:
            return score
        matrix, _ = self.with_ridge(score.shape, ridge)
        lasso = np.broadcast_to(lasso, coef.shape).ravel()
        given = score.ravel(), lasso, coef.ravel()
        return lasso_step(matrix, *given, left).reshape(coef.shape)

    def on(self, columns, n_columns):
        """Curvature of some columns (index array) of `n_columns`, stored."""
        predictors = np.arange(self.matrix.shape[0] // n_columns)
        rows = (n_columns * predictors[:, None] + columns).ravel()
        part = DenseCurvature(self.matrix[np.ix_(rows, rows)])
        part.floor = self.floor
        return part

    def with_ridge(self, shape, ridge):
        """A copy of the matrix with the ridge added, and a view of its diagonal."""
        matrix = self.matrix.copy()
        diagonal = matrix.ravel()[:: matrix.shape[0] + 1]
        shared = diagonal.reshape(shape)
        shared += ridge + self.floor
        return matrix, diagonal


class ImplicitCurvature:
    """Curvature known by its products, sum_i a_i (B' (diag p_i - p_i p_i') B) x x_i'.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    mass : ndarray of shape (n,)
    probability : ndarray of shape (C, n), or None for squared error
    contrasts : ndarray `B` of shape (C, q), or None for squared error
    exact : bool, default=False
        Solve systems to the end.
    passes : Threads
        How products sum over the rows.
    """

    def __init__(
        self,
        design,
        mass,
        probability=None,
        contrasts=None,
        exact=False,
        passes=IN_ONE_THREAD,
    ):
        self.design, self.mass, self.passes = design, mass, passes
        self.probability, self.contrasts = probability, contrasts
        self.floor = 0.0 if probability is None else _SATURATED * mass.sum()
        self.blocks = blocks_of(design.n_rows, block_rows(design.row_size))
        self.cheap = design, self.blocks  # rows as systems see them
        self.forcing, self.max_products = _FORCING, _MAX_PRODUCTS
        if exact:
            self.forcing, self.max_products = 1e-12, 10 * design.n_columns
        elif design.gram is not None:
            if probability is not None:
                self.forcing, self.max_products = _ROUGH_FORCING, _FEWER_PRODUCTS
            self.cheap = raw_rows(design), blocks_of(design.n_rows, ROWS_AT_ONCE)

    def dot(self, step):
        """Product with a step, (q, p) -> (q, p); one pass over the rows."""
        return self._product(step, self.design, self.blocks)

    def _product(self, step, design, blocks):
        """As `dot`, with the rows of a design block by block."""
        if self.probability is None:
            return self._weighted(step, lambda change, rows: change, design, blocks)
        coef, transform = self.contrasts @ step, self._softmax_product
        return self.contrasts.T @ self._weighted(coef, transform, design, blocks)

    def _weighted(self, coef, transform, design, blocks):
        """Adjoint of the transformed predictors of `coef`, (C, p) -> (C, p)."""

        def total_of(run):
            total = np.zeros_like(coef)
            for rows in run:
                block = design.block(rows)
                change = transform(block.dot(coef), rows)
                change *= self.mass[rows]
                total += block.adjoint(change)
            return total

        work = self.design.n_rows * coef.size
        return sum(self.passes.totals(total_of, blocks, work))

    def _softmax_product(self, change, rows):
        """diag p - p p' times a change of logits, (C, b) -> (C, b), in place."""
        probability = self.probability[:, rows]
        change *= probability
        change -= probability * change.sum(axis=0)
        return change

    def solve(self, gradient, ridge):
        """Truncated, preconditioned conjugate gradients; (q, p), (p,) -> (q, p)."""
        ridge = ridge + self.floor
        precondition = self._preconditioner(ridge)
        step, residual = np.zeros_like(gradient), gradient.copy()
        direction = precondition(residual)
        energy = start = np.vdot(residual, direction)
        for _ in range(self.max_products):
            if energy <= self.forcing**2 * start:
                break
            product = self._product(direction, *self.cheap) + ridge * direction
            curvature = np.vdot(direction, product)
            if curvature <= 0:
                if not step.any():
                    raise InfeasibleStep("curvature is not positive definite")
                break
            step += energy / curvature * direction
            residual -= energy / curvature * product
            conditioned = precondition(residual)
            previous, energy = energy, np.vdot(residual, conditioned)
            direction = conditioned + energy / previous * direction
        return step

    def solve_lasso(self, score, ridge, lasso, coef, left=0.0):
        """As of `DenseCurvature`; no more is stored than of a working set."""
        shape, n_columns = coef.shape, coef.shape[1]
        damped = np.broadcast_to(ridge + self.floor, shape)
        lasso = np.broadcast_to(lasso, shape)

        def product(step):
            step = step.reshape(shape)
            return (self.dot(step) + damped * step).ravel()

        def solve(chosen, score, coef, left):
            columns = np.unique(chosen % n_columns)
            parts = score.reshape(shape), lasso, coef.reshape(shape)
            score, own, coef = (part[:, columns] for part in parts)
            step = np.zeros(shape)
            curvature = self.on(columns, n_columns)
            step[:, columns] = curvature.solve_lasso(
                score, ridge[columns], own, coef, left
            )
            return step.ravel()

        given = score.ravel(), lasso.ravel(), coef.ravel()
        return by_working_sets(product, solve, *given, left).reshape(shape)

    def on(self, columns, n_columns):
        """As of `DenseCurvature`; a pass over the rows."""
        grams, row_size = 0.0, max(self.design.row_size, 1)
        # Each block adds a matrix, and should have as many numbers itself.
        size = max(block_rows(row_size), int(columns.size**2 / row_size))
        for rows in blocks_of(self.design.n_rows, size):
            weights = self.mass[rows][None]
            if self.probability is not None:
                own = pair_weights(self.probability[:, rows], self.contrasts)
                weights = weights * own
            grams = grams + self.design.block(rows).columns(columns).gram(weights)
        n_free = 1 if self.probability is None else self.contrasts.shape[1]
        part = DenseCurvature(join_pairs(grams, n_free))
        part.floor = self.floor
        return part

    def _preconditioner(self, ridge):
        """Approximate inverse of curvature + diag(ridge), (q, p) -> (q, p).

        All free logits of a row share their mean curvature: one Gram matrix where
        there are few features, else that of all systems, or its diagonal.
        """
        if self.design.n_columns <= OWN_GRAM_LIMIT:
            gram = self._sum(lambda block, weight: block.gram(weight)[0])
            return inverse_of(gram, ridge)
        if self.design.gram is not None:
            mass = sum(self._mean_curvature(rows).sum() for rows in self.blocks)
            return inverse_of(mass * self.design.gram.matrix, ridge)
        inverse = self._sum(lambda block, weight: block.square_sums(weight)) + ridge
        inverse = 1.0 / np.maximum(inverse, RELATIVE_DAMPINGS[0] * inverse.max())
        return lambda residual: inverse * residual

    def _sum(self, product):
        """Sum over blocks of a product of the rows at their mean curvatures."""
        total = 0.0
        for rows in self.blocks:
            weight = self._mean_curvature(rows)[None]
            total = total + product(self.design.block(rows), weight)
        return total

    def _mean_curvature(self, rows):
        """Curvature of each row, its mean over the free logits, (b,)."""
        weight = np.maximum(self.mass[rows], 0.0)
        if self.probability is None:
            return weight
        return weight * free_variance(self.probability[:, rows], self.contrasts)


class BlockCurvature:
    """Curvature of softmaxes that do not see each other, such as a tree's nodes.

    Parameters
    ----------
    blocks : list of DenseCurvature or ImplicitCurvature, all for as many coefficients
    """

    def __init__(self, blocks):
        self.blocks = blocks

    @property
    def matrix(self):
        """Stored matrices of all blocks in one, (q * p, q * p)."""
        return block_diag(*(block.matrix for block in self.blocks))

    def dot(self, step):
        """Product with a step, (q, p) -> (q, p)."""
        return self._each("dot", step)

    def solve(self, gradient, ridge):
        """As of `DenseCurvature`, block by block."""
        return self._each("solve", gradient, ridge)

    def solve_lasso(self, score, ridge, lasso, coef, left=0.0):
        """As of `DenseCurvature`, block by block."""
        return self._each("solve_lasso", score, ridge, lasso, coef, left)

    def on(self, columns, n_columns):
        """As of `DenseCurvature`, block by block."""
        return BlockCurvature([block.on(columns, n_columns) for block in self.blocks])

    def _each(self, method, *arguments):
        """Results of a method of every block on its rows of the arguments.

        These are (q, p), or (p,) or a number for all rows alike.
        """
        n = len(self.blocks)
        parts = zip(*(np.split(a, n) if np.ndim(a) > 1 else [a] * n for a in arguments))
        results = [
            getattr(block, method)(*part) for block, part in zip(self.blocks, parts)
        ]
        return np.concatenate(results)


class SoftmaxCurvature:
    """Collects the curvature of a softmax block by block, stored or by its products.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    mass : ndarray of shape (n,)
    contrasts : ndarray `B` of shape (C, q)
    dense : bool, whether the matrix may be stored
    """

    def __init__(self, design, mass, contrasts, dense):
        self.design, self.mass, self.contrasts = design, mass, contrasts
        self.grams = self.probability = self.shares = None
        if dense:
            q, p = contrasts.shape[1], design.n_columns
            self.grams = np.zeros((q * (q + 1) // 2, p, p))
        else:
            self.probability = np.empty((contrasts.shape[0], design.n_rows))

    def add(self, rows, block, probability, share=None):
        """Add a block of rows (slice) with their probabilities (C, b).

        `share` (b,) is that of their mass which counts, all by default.
        """
        if share is not None:
            if self.shares is None:
                self.shares = np.zeros(self.design.n_rows)
            self.shares[rows] = share
        if self.grams is None:
            self.probability[:, rows] = probability
            return
        pairs = pair_weights(probability, self.contrasts)
        pairs *= self.mass[rows] if share is None else share * self.mass[rows]
        self.grams += block.gram(pairs)

    def collected(self, exact=False, passes=IN_ONE_THREAD):
        """The curvature of all rows added; `ImplicitCurvature` takes the options."""
        mass = self.mass if self.shares is None else self.shares * self.mass
        if self.grams is None:
            return ImplicitCurvature(
                self.design, mass, self.probability, self.contrasts, exact, passes
            )
        matrix = join_pairs(self.grams, self.contrasts.shape[1])
        return DenseCurvature(matrix, mass.sum())
