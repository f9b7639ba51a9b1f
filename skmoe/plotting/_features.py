"""Features as the user gave them, numbers or not, and rows where they have a value."""

from collections.abc import Hashable
from numbers import Complex, Integral, Number, Real

import numpy as np

from skmoe._sklearn import frame_like, safe_indexing
from skmoe.plotting._model import (
    array_names,
    check_n_features,
    checked_array,
    feature_index,
)

# Kinds of types: of integers, of what has a mean, and of what can be an axis.
_INTEGERS, _WITH_MEAN, _NUMBERS = "iu", "iuf", "biuf"


class Features:
    """Features of an estimator's X.

    Columns of a data frame, or of an array of objects, may be text or lack values, as
    far as the estimator takes them; one that is no number is only not an axis.

    Parameters
    ----------
    estimator : a fitted mixture, or a pipeline that ends in one
    X : array-like or data frame of shape (n, p)

    Attributes
    ----------
    names : list of str
    """

    def __init__(self, estimator, X):
        self.is_frame = hasattr(X, "columns")
        if self.is_frame:
            self.X, self.columns = X, list(X.columns)
            self.names = list(map(str, self.columns))
            check_n_features(estimator, len(self.names))
        else:
            self.X = checked_array(estimator, X)
            self.names = array_names(estimator, self.X.shape[1])

    def index(self, feature, parameter="feature"):
        """Column of a feature that is given by index or name."""
        return feature_index(feature, self.names, parameter)

    def values(self, column, parameter="feature"):
        """Values of a feature that is to be an axis, (n,), NaN where they are missing.

        `parameter` is what errors call the choice of the feature.
        """
        given = self._column(column)
        if not _is_axis(given):
            raise ValueError(
                f"{parameter}={self.names[column]!r} has values that are no numbers or "
                f"bools, such as {_example(given)!r}, so that it has no axis; give "
                "another feature."
            )
        values = _floats(given)
        known = values[~np.isnan(values)]
        if not (known.size and np.isfinite(known).all()):
            raise ValueError(
                f"{parameter}={self.names[column]!r} has values that are no finite "
                "numbers, so that it has no axis; give another feature."
            )
        return values

    def known(self, column, parameter="feature"):
        """Values of a feature that is to be an axis, without those that are missing."""
        values = self.values(column, parameter)
        return values[~np.isnan(values)]

    def n_others(self, shown):
        """How many features are no axes, and are held at their most frequent values."""
        others = [j for j in range(len(self.names)) if j not in shown]
        kinds = [_kind(self._column(j)) for j in others]
        return len(kinds), sum(kind not in _WITH_MEAN for kind in kinds)

    def rows_at(self, shown, points):
        """Rows at points (g, c) of the features shown, and others at typical values.

        These are means, of integers the observed value nearest to it, and the most
        frequent value of what has no mean.
        """
        if self.is_frame:
            return self._frame_at(shown, points)
        rows = np.tile(self._typical_values(), (len(points), 1))
        rows[:, shown] = points
        return rows

    def everywhere(self, column, value):
        """X where a feature has a value in all rows."""
        if self.is_frame:
            values = np.full(len(self.X), value)
            return _with_values(self.X, self.columns[column], values)
        rows = self.X.astype(_dtype_of_rows(self.X))
        rows[:, column] = value
        return rows

    def _column(self, column):
        """A column (n,) of the type that it has in X."""
        return self.X[self.columns[column]] if self.is_frame else self.X[:, column]

    def _typical_values(self):
        """Typical values of the columns of an array, (p,)."""
        if self.X.dtype.kind == "f":
            return _means(self.X)
        columns = self.X.T
        rows = map(_typical_row, columns)
        held = [_mean(c) if row is None else c[row] for c, row in zip(columns, rows)]
        return np.array(held, dtype=_dtype_of_rows(self.X))

    def _frame_at(self, shown, points):
        """A data frame of the rows at points."""
        numbers, observed = {}, {}
        for column, name in enumerate(self.columns):
            if column in shown:
                numbers[name] = points[:, shown.index(column)]
                continue
            row = _typical_row(self.X[name])
            if row is None:
                numbers[name] = np.full(len(points), _mean(self.X[name]))
            else:
                observed[name] = np.full(len(points), row)
        return _frame_of(self.X, numbers, observed)


def _kind(column):
    """Kind of a column's type, a letter; of objects that of their values."""
    dtype = column.dtype
    if hasattr(dtype, "is_numeric"):  # polars
        is_number, kind = dtype.is_numeric(), "i" if dtype.is_integer() else "f"
        return kind if is_number else _kind_of_values(column)
    return _kind_of_values(column) if _has_objects(column) else dtype.kind


def _has_objects(column):
    """Whether a column's type, or an array's, says nothing of its values."""
    return str(column.dtype).lower() == "object"


def _kind_of_values(column):
    """Kind of the values that are not missing; 'O' if they are no numbers."""
    if any(map(_is_no_number, _known_objects(column))):
        return "O"
    types = set(map(type, _known_objects(column)))
    for kind, kinds in {"b": bool | np.bool_, "i": Integral, "f": Number}.items():
        if types and all(issubclass(one, kinds) for one in types):
            return kind
    return "O"


def _is_axis(column):
    """Whether a column has numbers or bools, whatever its type."""
    return _kind(column) in _NUMBERS or _kind_of_values(column) in _NUMBERS


def _example(column):
    """The first value that is no number, None if all are missing."""
    return next(filter(_is_no_number, _known_objects(column)), None)


def _is_no_number(value):
    """Whether a value has no place on an axis."""
    is_complex = isinstance(value, Complex) and not isinstance(value, Real)
    return is_complex or not isinstance(value, Number | np.bool_)


def _known_objects(column):
    """Values that are not missing, one after the other."""
    return filter(_is_known, np.asarray(column, dtype=object))


def _floats(column):
    """Values of numbers as floats, (n,), NaN where they are missing."""
    if _kind(column) not in _NUMBERS or _has_objects(column):
        return np.array(
            [
                float(value) if _is_known(value) else np.nan
                for value in np.asarray(column, dtype=object)
            ]
        )
    if hasattr(column, "iloc"):  # pandas, which has an NA of its own
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(column, dtype=np.float64)


def _typical_row(column):
    """Row of a column's typical value; None if that is the mean, of no row."""
    kind = _kind(column)
    if kind in _INTEGERS:
        return _nearest_mean(_floats(column))
    return None if kind == "f" else _most_frequent(np.asarray(column, dtype=object))


def _dtype_of_rows(array):
    """Type of an array's rows at points, which are floats."""
    return object if _has_objects(array) else np.float64


def _mean(column):
    """Mean of the known values of a column of numbers."""
    return _means(_floats(column)[:, None])[0]


def _means(values):
    """Means of the known values of columns (n, p); NaN where there are none."""
    n_known = np.count_nonzero(~np.isnan(values), axis=0)
    total = np.nansum(values, axis=0)
    return np.divide(
        total, n_known, out=np.full(total.shape, np.nan), where=n_known > 0
    )


def _nearest_mean(values):
    """Row of the first value that is nearest to the mean, or 0 if all are missing."""
    distance = np.abs(values - _means(values[:, None])[0])
    return 0 if np.isnan(distance).all() else int(np.nanargmin(distance))


def _most_frequent(values):
    """Row of the first of the most frequent values that are not missing, or 0."""
    rows = {}
    for row, value in enumerate(values):
        if isinstance(value, Hashable) and _is_known(value):
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


def _frame_of(frame, numbers, observed):
    """A data frame of g rows, all columns made at once: each is a copy otherwise.

    `numbers` are values (g,) of columns, `observed` are rows (g,) of the data frame
    with values of others, which keep their types.
    """
    first = np.zeros(len(next(iter(numbers.values()))), dtype=int)
    columns = {name: frame[name] for name in observed}
    if hasattr(frame, "with_columns"):  # polars
        made = frame_like(frame[list(numbers)], np.column_stack(list(numbers.values())))
        kept = [column[observed[name]] for name, column in columns.items()]
        return safe_indexing(frame, first).with_columns(*made, *kept)
    kept = {name: column.iloc[observed[name]].array for name, column in columns.items()}
    made = {name: (numbers | kept)[name] for name in frame.columns}
    return type(frame)(made, index=frame.index[first])
