"""The rows of X, standardised block by block: products, adjoints and Gram matrices.

Everything downstream works on *features-major* blocks: a block of ``b`` rows is a
``(p, b)`` array, so that the few experts lie along the first axis and the long axis
is contiguous.  ``p`` counts the columns a design sees plus one for the intercept.
"""

import copy
import threading

import numpy as np
from scipy import sparse

from skmoe.data.grams import weighted_grams

# Rows in a block: it should stay in a core's cache, and be worth the calls it takes.
_BLOCK_BYTES = 2**20
_MIN_ROWS, _MAX_ROWS = 128, 8192
# A sparse block's Gram matrix of so many products, or of so many for each product of
# stored values, is quicker as a dense one (measured for 1 to 1,000 columns).
_SMALL_GRAM, _DENSE_GAIN = 2**17, 16
# Up to this size the standardised rows are kept from pass to pass.
_KEPT_BYTES = 2**25
# Values that differ by so many units of rounding are the same.
_ROUNDING = 10
_KEEPING = threading.Lock()


def block_rows(row_size):
    """Rows per block where a row has so many numbers, as a design's `row_size`."""
    fitting = int(max(_BLOCK_BYTES // (8 * max(row_size, 1)), 1))
    return min(max(2 ** (fitting.bit_length() - 1), _MIN_ROWS), _MAX_ROWS)


def blocks_of(n_rows, size):
    """Slices of at most `size` rows that cover ``range(n_rows)``."""
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def column_moments(X, sample_weight, fit_intercept):
    """Weighted mean and scale of each column, shapes (d,), (d,).

    Without intercept (or for sparse X, which must not be centred) the mean is 0 and
    the scale the root mean square.  A constant column, beside an intercept, or a zero
    one gets an infinite scale: it is then exactly zero once standardised, and so is its
    coefficient.  Its mean is its value, also in sparse X.
    """
    total, mean = sample_weight.sum(), np.zeros(X.shape[1])
    if not sparse.issparse(X):
        if fit_intercept:
            mean = means(X, sample_weight)
        square = column_squares(X, sample_weight, mean) / total
        return mean, column_scale(square, mean, X.dtype)
    with np.errstate(over="ignore"):
        square = X.power(2, dtype=np.float64).T @ sample_weight
    if fit_intercept:
        low, high = column_range(X)
        constant = is_constant(low, high, X.dtype)
        mean[constant], square[constant] = low[constant], 0.0
    scale = np.sqrt(check_squares("X", square) / total)
    scale[scale == 0] = np.inf
    return mean, scale


def column_range(X):
    """Least and largest value of each column, dense or CSR, two arrays (d,)."""
    ends = X.min(axis=0), X.max(axis=0)
    return [e.toarray().ravel() for e in ends] if sparse.issparse(X) else ends


def is_constant(low, high, dtype):
    """Whether columns between these ends vary by no more than rounding, (d,)."""
    with np.errstate(over="ignore"):
        return high - low <= _ROUNDING * np.finfo(dtype).eps * np.maximum(-low, high)


def means(values, sample_weight):
    """Weighted mean of each column of a dense array (n, d), (d,).

    Of equal values it is that value, however many there are: what is summed are
    differences from the first row.
    """
    first = values[0].astype(np.float64)
    rows = blocks_of(values.shape[0], block_rows(values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        total = sum(sample_weight[r] @ (values[r] - first) for r in rows)
        return first + total / sample_weight.sum()


def column_squares(X, sample_weight, mean):
    """Weighted sum of squared deviations of each column of dense X, (d,)."""
    rows = blocks_of(X.shape[0], block_rows(X.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        total = sum(sample_weight[r] @ np.square(X[r] - mean) for r in rows)
    return check_squares("X", total)


def check_squares(name, square):
    """Weighted sums of squares of X or y, if they are finite."""
    if np.isnan(square).any():
        raise ValueError(
            f"{name} contains NaN or infinite values; impute them, or leave their rows "
            "or columns out."
        )
    if not np.isfinite(square).all():
        raise ValueError(
            f"{name} has values whose squares, times their weights, overflow; "
            f"scale {name}, or large weights."
        )
    return square


def column_scale(square, mean, dtype):
    """Scale of columns with these mean squares (d,), infinite for constant ones."""
    scale = np.sqrt(square)
    scale[scale <= _ROUNDING * np.finfo(dtype).eps * np.abs(mean)] = np.inf
    return scale


def n_varying(design):
    """Number of features of a design that are not constant."""
    return int(np.isfinite(design.scale).sum())


def varying_columns(design):
    """Which columns of a design are not constant features, (p,)."""
    return np.append(np.isfinite(design.scale), [True] * design.intercept)


def make_design(X, columns, mean, scale, intercept):
    """Design over the given columns (index array or None for all of them)."""
    kind = SparseDesign if sparse.issparse(X) else DenseDesign
    return kind(X, columns, mean, scale, intercept)


class DenseDesign:
    """Dense X; blocks are standardised as they are visited, a large X is not copied.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
    columns : ndarray of int or None
    mean, scale : ndarray of shape (d,)
    intercept : bool

    Attributes
    ----------
    offset : ndarray of shape (C, n), known part of predictors; None of zero
    gram : CommonGram of the rows, or None
    row_size : float, numbers that a row takes
    """

    offset = gram = None

    def __init__(self, X, columns, mean, scale, intercept):
        self.X, self.columns, self.intercept = X, columns, intercept
        self.mean = mean if columns is None else mean[columns]
        self.scale = scale if columns is None else scale[columns]
        self.n_rows = X.shape[0]
        self.n_columns = self.row_size = self.mean.shape[0] + intercept
        self._kept = None

    def features(self, rows):
        """Standardised features of some rows (index array), (len(rows), d)."""
        return self._standardised(rows)[: self.mean.shape[0]].T

    def take(self, rows):
        """Design of some rows (index array), with the same standardisation."""
        taken = _taken(self, rows)
        if self._is_kept(rows.shape[0]):
            taken.X, taken._kept = None, self._standardised(rows)
        else:
            taken.X, taken._kept = self.X[rows], None
        return taken

    def on(self, X):
        """Design of other rows (n, d), with the same standardisation and no offset."""
        other = copy.copy(self)
        other.X, other.n_rows = X, X.shape[0]
        other._kept = other.offset = None
        return other

    def block(self, rows):
        """Block of a slice of rows."""
        if self._kept is None and self._is_kept(self.n_rows):
            with _KEEPING:
                if self._kept is None:
                    self._kept = self._standardised(slice(0, self.n_rows))
        return DenseBlock(self._standardised(rows), _of_rows(self.offset, rows))

    def _is_kept(self, n_rows):
        """Whether so many standardised rows are kept from pass to pass."""
        return 8 * n_rows * self.n_columns <= _KEPT_BYTES

    def _standardised(self, rows):
        """Standardised rows (slice or index array) with their ones, (p, b)."""
        if self._kept is not None:
            if isinstance(rows, slice):
                return self._kept[:, rows]
            # The order in memory, and so rounding, is that of rows that are not kept.
            return self._kept.take(rows, axis=1)
        X = self.X[rows] if self.columns is None else self.X[rows][:, self.columns]
        values = np.empty((self.n_columns, X.shape[0]))
        features = values[: self.mean.shape[0]]
        np.subtract(X.T, self.mean[:, None], out=features)
        features /= self.scale[:, None]
        values[self.mean.shape[0] :] = 1.0
        return values


class DenseBlock:
    """Standardised rows as an array `values` of shape (p, b), with their offsets."""

    def __init__(self, values, offset=None):
        self.values, self.offset = values, offset

    def take(self, rows):
        """Some of the rows (index array)."""
        return DenseBlock(self.values.take(rows, axis=1), _of_rows(self.offset, rows))

    def columns(self, chosen):
        """The same rows with some columns (index array) alone."""
        return DenseBlock(self.values[chosen])

    def dot(self, coef):
        """Features times coefficients, (..., p) -> (..., b)."""
        return coef @ self.values

    def predictor(self, coef):
        """Linear predictors, offsets included, (..., C, p) -> (..., C, b)."""
        return _with_offset(self, coef)

    def adjoint(self, rows):
        """Sum over the rows of value times features, (q, b) -> (q, p)."""
        return rows @ self.values.T

    def gram(self, weights):
        """One weighted Gram matrix for each row of `weights`, (M, b) -> (M, p, p)."""
        return weighted_grams(self.values, weights)

    def square_sums(self, weights):
        """Weighted sums of squared features, (q, b) -> (q, p)."""
        return weights @ np.square(self.values).T


class SparseDesign:
    """CSR X; blocks are views of its rows, scaled through the coefficients."""

    offset = gram = None

    def __init__(self, X, columns, mean, scale, intercept):
        X = X if columns is None else X[:, columns]
        self.X, self.intercept = sparse.csr_array(X), intercept
        self.mean = mean if columns is None else mean[columns]
        self.scale = scale if columns is None else scale[columns]
        self.n_rows = X.shape[0]
        self.n_columns = self.scale.shape[0] + intercept

    @property
    def row_size(self):
        """Numbers of a row, on average: those that are stored, and the intercept."""
        return self.X.nnz / max(self.n_rows, 1) + self.intercept

    def features(self, rows):
        """Scaled features of some rows (index array), CSR (len(rows), d)."""
        return sparse.csr_array(self.X[rows] / self.scale)

    def take(self, rows):
        """Design of some rows (index array), with the same standardisation."""
        taken = _taken(self, rows)
        taken.X = self.X[rows]
        return taken

    def block(self, rows):
        """Block of a slice of rows; shares the memory of X."""
        X = self.X
        ends = X.indptr[rows.start : rows.stop + 1]
        stored = slice(ends[0], ends[-1])
        parts = (X.data[stored], X.indices[stored], ends - ends[0])
        shape = (rows.stop - rows.start, X.shape[1])
        view = sparse.csr_array(parts, shape=shape, copy=False)
        offset = _of_rows(self.offset, rows)
        return SparseBlock(view, self.scale, self.intercept, offset)


class SparseBlock:
    """Rows `X` (b, d) in CSR form, to be divided by `scale` (d,), with offsets."""

    def __init__(self, X, scale, intercept, offset=None):
        self.X, self.scale, self.intercept = X, scale, intercept
        self.offset = offset

    def take(self, rows):
        """Some of the rows (index array)."""
        offset = _of_rows(self.offset, rows)
        return SparseBlock(self.X[rows], self.scale, self.intercept, offset)

    def columns(self, chosen):
        """The same rows with some columns (rising index array) alone."""
        d = self.scale.shape[0]
        own = chosen[chosen < d]
        has_ones = self.intercept and own.size < chosen.size
        return SparseBlock(self.X[:, own], self.scale[own], has_ones)

    def dot(self, coef):
        """Features times coefficients, (..., p) -> (..., b)."""
        d = self.scale.shape[0]
        flat = coef.reshape(-1, coef.shape[-1])
        out = np.ascontiguousarray((self.X @ (flat[:, :d] / self.scale).T).T)
        if self.intercept:
            out += flat[:, d:]
        return out.reshape(coef.shape[:-1] + (self.X.shape[0],))

    def predictor(self, coef):
        """Linear predictors, offsets included, (..., C, p) -> (..., C, b)."""
        return _with_offset(self, coef)

    def adjoint(self, rows):
        """Sum over the rows of value times features, (q, b) -> (q, p)."""
        out = (self.X.T @ rows.T).T / self.scale
        return self._with_intercept(out, rows)

    def gram(self, weights):
        """One weighted Gram matrix for each row of `weights`, (M, b) -> (M, p, p)."""
        d, p = self.scale.shape[0], self.scale.shape[0] + self.intercept
        counts = np.diff(self.X.indptr)
        if counts.size * p**2 <= max(
            _SMALL_GRAM, _DENSE_GAIN * np.square(counts).sum()
        ):
            return self._dense().gram(weights)
        scaled, weighted = self.X.copy(), self.X.copy()
        scaled.data = self.X.data / self.scale[self.X.indices]
        grams = np.empty((weights.shape[0], p, p))
        for weight, gram in zip(weights, grams):
            weighted.data = scaled.data * np.repeat(weight, counts)
            gram[:d, :d] = (weighted.T @ scaled).toarray()
            if self.intercept:
                gram[d, :d] = gram[:d, d] = scaled.T @ weight
                gram[d, d] = weight.sum()
        return grams

    def _dense(self):
        """The same rows as a DenseBlock."""
        values = self.X.toarray().T / self.scale[:, None]
        ones = np.ones((int(self.intercept), values.shape[1]))
        return DenseBlock(np.concatenate([values, ones]))

    def square_sums(self, weights):
        """Weighted sums of squared features, (q, b) -> (q, p)."""
        out = (self.X.power(2, dtype=np.float64).T @ weights.T).T / self.scale**2
        return self._with_intercept(out, weights)

    def _with_intercept(self, out, rows):
        """Append the sums that belong to the column of ones, (q, d) -> (q, p)."""
        if not self.intercept:
            return out
        return np.concatenate([out, rows.sum(axis=1, keepdims=True)], axis=1)


def with_offset(design, offset):
    """A design of the same rows with a known part of their predictors, (C, n)."""
    changed = copy.copy(design)
    changed.offset = offset
    return changed


def _taken(design, rows):
    """Copy of a design for some rows (index array), but for X."""
    taken = copy.copy(design)
    taken.n_rows, taken.offset = rows.shape[0], _of_rows(design.offset, rows)
    return taken


def _of_rows(offset, rows):
    """Offsets (C, n) or None of some rows."""
    return None if offset is None else offset[:, rows]


def _with_offset(block, coef):
    """Linear predictors of a block, (..., C, p) -> (..., C, b)."""
    found = block.dot(coef)
    return found if block.offset is None else found + block.offset
