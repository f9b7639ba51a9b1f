"""Linear predictors in the user's units, also where they are too large for floats."""

import numpy as np
from scipy import sparse

# Predictors beyond are brought back, so that differences are finite.
_LARGEST, _LARGEST_POWER = 1e300, 990


def linear_predictor(X, coef, intercept, is_relative=False):
    """coef X' + intercept, (n, d), (..., d), (...) -> (..., n), within +-1e300.

    `is_relative` says that differences count, along the last axis but the rows.
    """
    return linear_predictors(X, (coef, intercept, is_relative))[0]


def linear_predictors(X, *parts):
    """As `linear_predictor` of several parts by one product, a list.

    A part is a tuple of its arguments after X.
    """
    flat = [
        coef.reshape(intercept.size, coef.shape[-1]) for coef, intercept, _ in parts
    ]
    constant = np.concatenate([intercept.ravel() for _, intercept, _ in parts])
    joined = _product(X, np.concatenate(flat), constant)
    found, first = [], 0
    for coef, (_, intercept, is_relative) in zip(flat, parts):
        values = joined[first : first + intercept.size]
        first += intercept.size
        # Of NaN no comparison holds.
        if not np.abs(values).max(initial=0.0) <= _LARGEST:
            far = ~(np.abs(values) <= _LARGEST).all(axis=0)
            own = coef, intercept, is_relative
            values[:, far] = _bounded(X[far], *own).reshape(len(values), -1)
        found.append(values.reshape(*intercept.shape, -1))
    return found


def _product(X, coef, intercept):
    """coef X' + intercept, (n, d), (q, d), (q,) -> (q, n), which may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        if sparse.issparse(X):
            found = np.asarray((X @ coef.T).T)
        else:
            # Else each product makes a copy of its own, column by column.
            found = coef @ X.astype(np.float64, copy=False).T
        found += intercept[:, None]
    return found


def _bounded(X, coef, intercept, is_relative):
    """Predictors that overflow computed in parts, (n, d), (q, d), (...) -> (..., n)."""
    X = (X.toarray() if sparse.issparse(X) else X).astype(np.float64)
    # Terms in units of the largest, in powers of 2: their sums cannot overflow.
    x_power, power = (
        np.frexp(np.abs(a).max(axis=1, initial=0.0))[1] for a in (X, coef)
    )
    X, coef = np.ldexp(X, -x_power[:, None]), np.ldexp(coef, -power[:, None])
    power = power[:, None] + x_power
    with np.errstate(over="ignore", under="ignore"):
        found = coef @ X.T + np.ldexp(intercept.ravel()[:, None], -power)
        found, power = (a.reshape(*intercept.shape, -1) for a in (found, power))
        if is_relative:
            excess = power.max(axis=-2, keepdims=True) - _LARGEST_POWER
            power = power - np.maximum(excess, 0)
        return np.clip(np.ldexp(found, power), -_LARGEST, _LARGEST)
