"""Rows as the engine takes them, and their order."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmoe.data.design import column_range

# Up to this many rows the fit does not depend on their order, to the last bit.
_CANONICAL_ROWS, _CANONICAL_SIZE = 5_000, 2**22


class Rows(NamedTuple):
    """Validated rows of positive weight; None for what was not given."""

    X: object  # ndarray or CSR, (n, d)
    target: np.ndarray  # (m, n), or (n,) class codes, counts or amounts
    weight: np.ndarray  # (n,)
    group: np.ndarray | None = None  # codes, (n,)
    offset: np.ndarray | None = None  # known part of the predictors, (C, n)
    expert: np.ndarray | None = None  # known experts or -1, (n,)
    # Log-densities under experts without parameters, (F, n).
    fixed: np.ndarray | None = None

    def take(self, rows):
        """Some of them (index array or slice)."""
        rest = (None if values is None else values[..., rows] for values in self[1:])
        return Rows(self.X[rows], *rest)

    @classmethod
    def joined(cls, parts):
        """Rows of several parts in one, without groups."""
        X, target, weight = (
            [getattr(part, name) for part in parts] for name in cls._fields[:3]
        )
        is_sparse = sparse.issparse(X[0])
        return cls(
            sparse.vstack(X).tocsr() if is_sparse else np.concatenate(X),
            np.concatenate(target, axis=-1),
            np.concatenate(weight),
            offset=_joined(parts, "offset", 0.0),
            expert=_joined(parts, "expert", -1),
            fixed=_joined(parts, "fixed", 0.0),
        )


def _joined(parts, name, absent):
    """What some parts have and others may not, (..., n); None if none has it."""
    found = [getattr(part, name) for part in parts]
    known = [values for values in found if values is not None]
    if not known:
        return None
    filled = [
        np.full((*known[0].shape[:-1], part.weight.size), absent)
        if values is None
        else values
        for part, values in zip(parts, found)
    ]
    return np.concatenate(filled, axis=-1)


def canonical_rows(X, target, weight, group=None, offset=None, expert=None, fixed=None):
    """`Rows` in an order of their own, equal rows merged.

    Steps that adapt (over-relaxation, Barzilai-Borwein) amplify rounding, and on few
    rows that can decide between two optima.  So that integer weights equal repeated
    rows all the same, small data is sorted: by `group` (n,), codes or None, by fixed
    random projections, and where these agree by the rows themselves.
    """
    if X.shape[0] > _CANONICAL_ROWS or X.size > _CANONICAL_SIZE:
        return Rows(X, target, weight, group, offset, expert, fixed)
    if sparse.issparse(X):
        X = sparse.csr_array(X, copy=True)
        X.sum_duplicates()
        X.eliminate_zeros()
    codes = _row_codes(X, target, group, offset, expert, fixed)
    order = np.lexsort([weight, codes, *np.atleast_2d(target), *_projections(X)])
    if group is not None:
        order = order[np.argsort(group[order], kind="stable")]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    rows = Rows(X, target, weight, group, offset, expert, fixed).take(order[starts])
    return rows._replace(weight=np.add.reduceat(weight[order], starts))


def _row_codes(X, *rest):
    """Codes from 0 on that rows share if all their values are the same, (n,)."""
    rest = np.vstack([values for values in rest if values is not None])
    # Of the two zeros one is as good as the other.
    rest = np.ascontiguousarray(rest.T) + 0.0
    if sparse.issparse(X):
        stored = map(slice, X.indptr[:-1], X.indptr[1:])
        rows = [X.indices[at].tobytes() + X.data[at].tobytes() for at in stored]
    else:
        rows = [row.tobytes() for row in X + 0.0]
    rows = [row + other.tobytes() for row, other in zip(rows, rest)]
    code = {row: number for number, row in enumerate(sorted(set(rows)))}
    return np.array([code[row] for row in rows])


def _projections(X):
    """Two fixed random projections of the columns that vary, (2, n)."""
    low, high = column_range(X)
    X = X[:, low < high]
    directions = np.random.RandomState(0).standard_normal((2, X.shape[1]))
    if sparse.issparse(X):
        return (X @ directions.T).T
    # Unlike a BLAS product, these sums give equal rows equal bits.
    return [(np.ascontiguousarray(X) * row).sum(axis=1) for row in directions]


def in_groups(rows):
    """`Rows` in the order of their group's code; as they are without groups."""
    if rows.group is None or (np.diff(rows.group) >= 0).all():
        return rows
    return rows.take(np.argsort(rows.group, kind="stable"))
