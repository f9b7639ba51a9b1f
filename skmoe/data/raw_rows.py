"""Dense rows as they are, with their standardisation in the coefficients.

A product with rows of many columns takes less than to standardise them, and in float32
half of what it takes in float64.  Where means are large beside scales rounding would
show, so that rows are standardised first.
"""

import numpy as np

from skmoe.data.design import DenseDesign

ROWS_AT_ONCE = 1024
# Means of so many scales at most: digits that are lost where they are taken away.
_LARGEST_MEAN = 32.0


def raw_rows(design):
    """A `RawRows` of a design, or the design where its rows must be standardised."""
    if not isinstance(design, DenseDesign) or design.X is None:
        return design
    is_close = np.abs(design.mean) <= _LARGEST_MEAN * design.scale
    return RawRows(design) if design.columns is None and is_close.all() else design


class RawRows:
    """Rows of a dense design in their own units, in the arithmetic of X.

    Parameters
    ----------
    design : DenseDesign
    """

    def __init__(self, design):
        self.design, self.n_rows = design, design.n_rows
        self.n_columns = design.n_columns

    def block(self, rows):
        """Block of a slice of rows."""
        return RawBlock(self.design, self.design.X[rows])


class RawBlock:
    """Rows `X` (b, d) of a dense design."""

    def __init__(self, design, X):
        self.design, self.X = design, X

    def dot(self, coef):
        """Standardised features times coefficients, (q, p) -> (q, b)."""
        design, d = self.design, self.X.shape[1]
        slopes = coef[:, :d] / design.scale
        shift = -slopes @ design.mean
        if design.intercept:
            shift += coef[:, d]
        out = (slopes.astype(self.X.dtype) @ self.X.T).astype(np.float64, copy=False)
        out += shift[:, None]
        return out

    def adjoint(self, rows):
        """Sum over the rows of value times features, (q, b) -> (q, p)."""
        design, total = self.design, rows.sum(axis=1, keepdims=True)
        out = (rows.astype(self.X.dtype) @ self.X).astype(np.float64, copy=False)
        out -= total * design.mean
        out /= design.scale
        return np.hstack([out, total]) if design.intercept else out
