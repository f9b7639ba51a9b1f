"""Newton systems of many outputs, whose matrices differ by their ridges alone.

An expert's outputs share the Gram matrix A of its rows, and their noise scales the
ridge R: ``(A + s_q R) x_q = g_q``.  With the Cholesky factor of ``M = A + s R``, s amid
all s_q, ``x_q = sum_i [(s - s_q) M^-1 R]^i M^-1 g_q``; the series converges since
``|s - s_q| < s``, and in a few terms where the data outweigh the penalty.
"""

import numpy as np
from scipy.linalg import lapack

from skmoe.engine.curvature import RELATIVE_DAMPINGS, DenseCurvature

# From so many outputs on one factor is quicker than one for each (measured for 2 to 201
# columns).
_MANY = 8
# Series whose terms shrink by less, and those of more terms, take longer than a factor.
_SLOWEST, _MOST_TERMS = 0.15, 20
_ROUNDING = np.finfo(np.float64).eps


def is_for_many(curvature, groups):
    """Whether systems with a stored curvature, one for each group, share a factor."""
    return len(groups) >= _MANY and isinstance(curvature, DenseCurvature)


class ForMany:
    """A stored curvature that each of q predictors has for itself.

    Parameters
    ----------
    curvature : DenseCurvature of one predictor
    """

    def __init__(self, curvature):
        self.curvature = curvature

    def solve(self, gradient, ridge):
        """As of `DenseCurvature`, with ridges (q, p); each system to rounding."""
        if not gradient.size:
            return gradient
        solution, is_exact = self._by_series(gradient, ridge)
        for q in np.flatnonzero(~is_exact):
            one = slice(q, q + 1)
            solution[one] = self.curvature.solve(gradient[one], ridge[q])
        return solution

    def _by_series(self, gradient, ridge):
        """Sums of the series (q, p), and which have converged, (q,)."""
        amid = (ridge.min(axis=0) + ridge.max(axis=0)) / 2
        matrix, diagonal = self.curvature.with_ridge(amid.shape, amid)
        diagonal[diagonal == 0] = 1.0
        diagonal *= 1 + RELATIVE_DAMPINGS[0]
        factor, info = lapack.dpotrf(matrix)
        change, is_exact = amid - ridge, np.zeros(len(gradient), dtype=bool)
        # Pivots are the curvature that is left: no more than the ridge where A is 0.
        rate = _largest(change / np.square(factor.diagonal()))
        if info or np.median(rate) > _SLOWEST:
            return np.empty_like(gradient), is_exact
        term = solution = lapack.dpotrs(factor, gradient.T)[0].T
        for _ in range(_MOST_TERMS):
            term = lapack.dpotrs(factor, (change * term).T)[0].T
            solution = solution + term
            is_exact = _largest(term) <= _ROUNDING * _largest(solution)
            if is_exact.all():
                break
        return solution, is_exact


def _largest(values):
    """Largest absolute value of each output, (q, p) -> (q,)."""
    return np.abs(values).max(axis=1)
