"""Validated rows; columns of a data frame that nobody sees may hold anything."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, check_X_y, validate_data

from skmoe._sklearn import safe_indexing
from skmoe.data.sample import Known

DTYPES = [np.float64, np.float32]
_NOTHING = Known()  # beside X and y


def rows_to_fit(estimator, X, y, known, accept_sparse="csr", **options):
    """X and y of a first fit, and columns of gate and experts; names are learned."""
    _check_dense(y)
    warn_of_other_order(X=X, y=y, **known.given())
    given, y = y, _without_infinite(y, known)
    checks = {"accept_sparse": accept_sparse, **estimator._target_checks, **options}
    if _is_frame(X):
        validate_data(estimator, X, y, skip_check_array=True)
        columns = estimator._check_columns(X)
        rows, y = _seen_rows(estimator, columns, X, y, **checks)
    else:
        rows, y = validate_data(estimator, X, y, dtype=DTYPES, **checks)
        columns = estimator._check_columns(X)
    y = _finite(y)
    return rows, np.asarray(given, np.float64) if known.bounds_y else y, columns


def rows_like_fit(estimator, X, *y, known=_NOTHING):
    """X, or X and y, for a fitted estimator."""
    _check_dense(*y)
    warn_of_other_order(X=X, **dict(zip("y", y)), **known.given())
    given, y = y, [_without_infinite(values, known) for values in y]
    checks = {"accept_sparse": "csr", **(estimator._target_checks if y else {})}
    if _is_frame(X):
        validate_data(estimator, X, *y, reset=False, skip_check_array=True)
        columns = estimator._fitted["columns"]
        found = _seen_rows(estimator, columns, X, *y, **checks)
    else:
        found = validate_data(estimator, X, *y, dtype=DTYPES, reset=False, **checks)
    if not y:
        return found
    y = _finite(found[1])
    return found[0], np.asarray(*given, dtype=np.float64) if known.bounds_y else y


def warn_of_other_order(**parts):
    """Warn where pandas objects have the rows' labels in another order, by name.

    Rows go by their place, as everywhere in scikit-learn.
    """
    indices = {
        name: part.index for name, part in parts.items() if hasattr(part, "iloc")
    }
    if len(indices) < 2:
        return
    (first, labels), *others = indices.items()
    for name, found in others:
        if _is_reordered(labels, found):
            warnings.warn(
                f"The index of {name} has the labels of {first}'s in another order, "
                "but rows go by their place, not by labels; align them, such as "
                f"{name}.loc[{first}.index], or give an array if this is meant.",
                stacklevel=2,
            )


def _is_reordered(labels, found):
    """Whether a pandas index has the same labels as another in another order."""
    if len(labels) != len(found) or labels.equals(found):
        return False
    if not (labels.is_unique and found.is_unique):
        return False
    return bool((labels.get_indexer(found) >= 0).all())


def _check_dense(y=None):
    """Raise an error if y is sparse."""
    if sparse.issparse(y):
        raise TypeError("y is sparse; give a dense array, such as y.toarray().ravel().")


def _without_infinite(y, known):
    """y, or numbers in place of ends that may be infinite, to be checked."""
    if not known.bounds_y:
        return y
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        return y
    return np.where(np.isinf(values), 0.0, values)


def _finite(y):
    """Validated y, if it is finite."""
    # scikit-learn may be told to assume so; of X sums are checked later.
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("y contains NaN or infinite values; leave these rows out.")
    return y


def _is_frame(X):
    """Whether X is a data frame."""
    return hasattr(X, "columns") and hasattr(X, "__array__")


def _seen_rows(estimator, columns, X, *y, **checks):
    """Validated rows of a data frame, zero in columns that nobody sees."""
    columns = columns[:2]
    if any(chosen is None for chosen in columns):
        seen, part = np.arange(estimator.n_features_in_), X
    else:
        seen = np.union1d(*columns)
        part = safe_indexing(X, seen, axis=1) if seen.size else np.empty((len(X), 0))
        checks["ensure_min_features"] = 0
    check = check_X_y if y else check_array
    try:
        found = check(part, *y, estimator=estimator, dtype=DTYPES, **checks)
    except (TypeError, ValueError) as error:
        _blame_column(X, seen, error)
        raise
    if not y:
        return _widened(found, seen, estimator.n_features_in_)
    return _widened(found[0], seen, estimator.n_features_in_), found[1]


def _blame_column(X, seen, error):
    """Raise an error again that names the first column that is at fault, if any is."""
    for column in seen:
        values = safe_indexing(X, [int(column)], axis=1)
        try:
            check_array(values, dtype=DTYPES, ensure_min_samples=0)
        except type(error) as of_column:
            message = f"X, column {X.columns[column]!r}: {error}"
            raise type(error)(message) from of_column


def _widened(part, seen, n_features):
    """Rows of all features from those that are seen."""
    if part.shape[1] == n_features:
        return part
    shape = part.shape[0], n_features
    if sparse.issparse(part):
        return type(part)((part.data, seen[part.indices], part.indptr), shape=shape)
    rows = np.zeros(shape, part.dtype)
    rows[:, seen] = part
    return rows
