"""One Gram matrix of all rows that preconditions every Newton system in them.

The curvature of a softmax is about ``c G`` in each of its free logits, G the mean Gram
matrix of the rows and c their summed curvature.  G is made once, for all experts,
iterations and starts on the same rows; a system of many columns then costs a Cholesky
factor, where a Gram matrix of its own would cost a pass of many products.
"""

import copy
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from skmoe.data.design import DenseDesign, block_rows, blocks_of

# Up to so many columns each system has a Gram matrix of its own; beyond so many a
# factor takes longer than the products that it saves.
OWN_GRAM_LIMIT, _MOST_COLUMNS = 256, 2048
_DAMPING = 1e-6
_TINY = np.finfo(np.float64).tiny


class CommonGram:
    """Mean Gram matrix of the rows of a design, made when it is asked for.

    Parameters
    ----------
    design : DenseDesign
    weight : ndarray of shape (n,)
    """

    def __init__(self, design, weight):
        self.rows = design, weight

    @cached_property
    def matrix(self):
        """The matrix, (p, p)."""
        design, weight = self.rows
        total = 0.0
        for rows in blocks_of(design.n_rows, block_rows(design.n_columns)):
            total = total + design.block(rows).gram(weight[rows][None])[0]
        return total / weight.sum()


def with_gram(design, weight):
    """The same design, with a `CommonGram` at weights (n,) where one is worthwhile.

    Where rows are fewer than columns a product costs less than what it would save.
    """
    p = design.n_columns
    is_wide = OWN_GRAM_LIMIT < p <= min(_MOST_COLUMNS, design.n_rows)
    changed = copy.copy(design)
    changed.gram = None
    if is_wide and isinstance(design, DenseDesign):
        changed.gram = CommonGram(design, weight)
    return changed


def inverse_of(gram, ridge):
    """Approximate inverse of a Gram matrix (p, p) + diag(ridge), (q, p) -> (q, p)."""
    gram = gram.copy()
    diagonal = np.einsum("ii->i", gram)
    diagonal += ridge + _DAMPING * diagonal.max() + _TINY
    factor, _ = lapack.dpotrf(gram)
    return lambda residual: lapack.dpotrs(factor, residual.T)[0].T
