"""Linear predictors in the user's units, also where they are too large for floats."""

import numpy as np
from scipy import sparse

# Predictors beyond are brought back, so that differences are finite.
_LARGEST, _LARGEST_POWER = 1e300, 990


def linear_predictor(X, coef, intercept, is_relative=False):
    """coef X' + intercept, (n, d), (..., d), (...) -> (..., n), within +-1e300.

    `is_relative` says that differences count, along the last axis but the rows.
    """
    flat = coef.reshape(intercept.size, coef.shape[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray((X @ flat.T).T) if sparse.issparse(X) else flat @ X.T
        values = values + intercept.ravel()[:, None]
    values = values.reshape(intercept.shape + values.shape[1:])
    far = ~(np.abs(values) <= _LARGEST).reshape(-1, values.shape[-1]).all(axis=0)
    if far.any():
        values[..., far] = _bounded(X[far], flat, intercept, is_relative)
    return values


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
