"""Features as the user gave them, numbers or not, and rows where they have a value."""

import numpy as np

from skmoe._sklearn import frame_like, safe_indexing
from skmoe.plotting._model import checked_features, feature_index

# Kinds of types that are numbers, with a mean.
_NUMBERS = "fiu"


class Features:
    """Features of an estimator's X.

    Columns of a data frame may be text or lack values, as far as the estimator takes
    them; one that is no number is only not an axis.

    Parameters
    ----------
    estimator : a fitted mixture, or a pipeline that ends in one
    X : array-like or data frame of shape (n, p)

    Attributes
    ----------
    names : list of str
    """

    def __init__(self, estimator, X):
        self.X, self.is_frame = X, hasattr(X, "columns")
        if self.is_frame:
            self.columns, self.names = list(X.columns), list(map(str, X.columns))
            _check_number(estimator, self.names)
        else:
            self.array, self.names = checked_features(estimator, X)

    def index(self, feature, parameter="feature"):
        """Column of a feature that is given by index or name."""
        return feature_index(feature, self.names, parameter)

    def values(self, column):
        """Values of a feature, (n,), NaN where they are missing."""
        try:
            values = self._numbers(column)
        except (TypeError, ValueError):
            values = np.array([np.nan])
        known = values[~np.isnan(values)]
        if not (known.size and np.isfinite(known).all()):
            raise ValueError(
                f"feature={self.names[column]!r} has values that are no finite "
                "numbers, so that it has no axis; give another feature."
            )
        return values

    def known(self, column):
        """Values of a feature that are not missing."""
        values = self.values(column)
        return values[~np.isnan(values)]

    def is_number(self, column):
        """Whether a feature has a mean."""
        if not self.is_frame:
            return True
        dtype = self.X[self.columns[column]].dtype
        if hasattr(dtype, "is_numeric"):  # polars
            return dtype.is_numeric()
        return dtype.kind in _NUMBERS

    def _numbers(self, column):
        """Values of a feature as floats."""
        if not self.is_frame:
            return self.array[:, column]
        values = self.X[self.columns[column]]
        if hasattr(values, "iloc"):  # pandas, which has an NA of its own
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(values, dtype=np.float64)

    def n_others(self, shown):
        """How many features are no axes, and how many of these have no mean."""
        others = [j for j in range(len(self.names)) if j not in shown]
        return len(others), sum(not self.is_number(j) for j in others)

    def rows_at(self, shown, points):
        """Rows at points (g, c) of the features shown, and others at typical values.

        These are means, and the most frequent value of what has none.
        """
        if not self.is_frame:
            rows = np.tile(_means(self.array), (len(points), 1))
            rows[:, shown] = points
            return rows
        rows = safe_indexing(self.X, np.zeros(len(points), dtype=int))
        for column, name in enumerate(self.columns):
            if column in shown:
                values = points[:, shown.index(column)]
            elif self.is_number(column):
                mean = _means(self._numbers(column)[:, None])
                values = np.repeat(mean, len(points))
            else:
                row = _most_frequent(np.asarray(self.X[name], dtype=object))
                rows = _with_column(rows, name, self.X[name], row)
                continue
            rows = _with_values(rows, name, values)
        return rows

    def everywhere(self, column, value):
        """X where a feature has a value in all rows."""
        if not self.is_frame:
            rows = self.array.copy()
            rows[:, column] = value
            return rows
        values = np.full(len(self.X), value)
        return _with_values(self.X, self.columns[column], values)


def _check_number(estimator, names):
    """Raise an error if X has another number of features than the fit."""
    expected = getattr(estimator, "n_features_in_", len(names))
    if len(names) != expected:
        raise ValueError(
            f"X has {len(names)} features, but the estimator was fitted with "
            f"{expected}; give X with the columns of the fit."
        )


def _means(values):
    """Means of the known values of columns (n, p); NaN where there are none."""
    n_known = np.count_nonzero(~np.isnan(values), axis=0)
    total = np.nansum(values, axis=0)
    return np.divide(
        total, n_known, out=np.full(total.shape, np.nan), where=n_known > 0
    )


def _most_frequent(values):
    """Row of the first of the most frequent values that are not missing, or 0."""
    rows = {}
    for row, value in enumerate(values):
        if _is_known(value):
            rows.setdefault(value, []).append(row)
    return max(rows.values(), key=len)[0] if rows else 0


def _is_known(value):
    """Whether a value is not None, NaN or the NA of pandas."""
    is_same = value == value  # NA says neither
    return value is not None and isinstance(is_same, bool | np.bool_) and bool(is_same)


def _with_values(frame, name, values):
    """A data frame with other numbers in a column."""
    if hasattr(frame, "with_columns"):  # polars
        one = frame_like(frame[[name]], values[:, None])
        return frame.with_columns(one[name])
    frame = frame.copy()
    frame[name] = values
    return frame


def _with_column(frame, name, column, row):
    """A data frame with one row's value of a column, of its type, everywhere."""
    rows = [row] * len(frame)
    if hasattr(frame, "with_columns"):  # polars
        return frame.with_columns(column[rows])
    frame = frame.copy()
    frame[name] = column.iloc[rows].array
    return frame
