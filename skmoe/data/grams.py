"""Weighted Gram matrices of a dense block of rows, by the cheaper of two ways.

A copy of the rows for each weight suits few of them.  For many the products of all
pairs of columns are made once, and are then one matrix product away from every Gram
matrix: half the multiplications, and none of the copies.
"""

import math
import threading
from functools import cache

import numpy as np

# Rows and bytes of weighted copies in one product, and bytes of products of columns.
_ROWS, _BYTES = 1024, 2**20
_MIN_ROWS = 32
# Fewer numbers than this are multiplied sooner than pairs are sorted out.
_FEW = 2**13
_LOCAL = threading.local()


def weighted_grams(values, weights):
    """One Gram matrix for each row of weights; (p, b), (M, b) -> (M, p, p)."""
    n_grams, (p, b) = weights.shape[0], values.shape
    if 2 * n_grams > p and n_grams * p * b > _FEW:
        return _of_pairs(values, weights)
    return _of_copies(values, weights)


def _of_pairs(values, weights):
    """The matrices from the products of all pairs of columns."""
    p, b = values.shape
    first, second = _pairs(p)
    n_rows = max(_BYTES // (8 * first.size), _MIN_ROWS)
    products = _scratch((first.size, min(b, n_rows)))
    total = np.zeros((weights.shape[0], first.size))
    for start in range(0, b, n_rows):
        rows, end = values[:, start : start + n_rows], 0
        own = products[:, : rows.shape[1]]
        for i in range(p):
            end, begin = end + p - i, end
            np.multiply(rows[i], rows[i:], out=own[begin:end])
        total += weights[:, start : start + n_rows] @ own.T
    grams = np.empty((weights.shape[0], p, p))
    grams[:, first, second] = grams[:, second, first] = total
    return grams


@cache
def _pairs(p):
    """Index pairs i <= j of columns, two arrays."""
    return np.triu_indices(p)


def _of_copies(values, weights):
    """The matrices from a weighted copy of the rows each."""
    n_grams, (p, b) = weights.shape[0], values.shape
    grams = np.zeros((n_grams, p, p))
    row_bytes = 8 * p * max(min(b, _ROWS), 1)
    at_once = max(1, min(n_grams, _BYTES // row_bytes))
    if n_grams <= at_once and b <= _ROWS:
        return np.matmul(values * weights[:, None], values.T)
    weighted = _scratch((at_once, p, min(b, _ROWS)))
    for start in range(0, b, _ROWS):
        rows = slice(start, start + _ROWS)
        own = values[:, rows]
        for k in range(0, n_grams, at_once):
            some = slice(k, k + at_once)
            part = weights[some, None, rows]
            part = np.multiply(
                own, part, out=weighted[: part.shape[0], :, : part.shape[2]]
            )
            grams[some] += np.matmul(part, own.T)
    return grams


def _scratch(shape):
    """Uninitialised memory of the calling thread, the same at each call."""
    size = math.prod(shape)
    memory = getattr(_LOCAL, "memory", None)
    if memory is None or memory.size < size:
        memory = _LOCAL.memory = np.empty(size)
    return memory[:size].reshape(shape)
