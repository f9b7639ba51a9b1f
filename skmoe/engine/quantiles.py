"""Quantiles of mixtures of distributions of one output."""

import numpy as np

_MAX_ROOT_STEPS = 200
# Ends of brackets are brought back, so that differences are finite.
_LARGEST = 1e300


def mixture_quantile(q, gate, mean, dispersion, distribution):
    """Quantiles of mixtures, (r,), (K, n), (K, n), (K, 1 or n) -> (r, n)."""
    mixture = gate, mean, dispersion, distribution
    return np.stack([_quantile_of_rows(level, *mixture) for level in q])


def _quantile_of_rows(q, gate, mean, dispersion, distribution):
    """One quantile of each row, (n,); it lies between those of the experts.

    Above the median a symmetric mixture is reflected, so that the tail that is small
    keeps its digits.
    """
    if q > 0.5 and distribution.is_symmetric:
        return -_quantile_of_rows(1 - q, gate, -mean, dispersion, distribution)
    dispersion = np.broadcast_to(dispersion, mean.shape)
    ends = distribution.quantile(q, mean, dispersion)
    ends = np.clip(ends, -_LARGEST, _LARGEST)
    # Experts that do not count may be anywhere.
    low = np.where(gate > 0, ends, np.inf).min(axis=0)
    high = np.where(gate > 0, ends, -np.inf).max(axis=0)

    def cdf(y, rows):
        below = distribution.cdf(y, mean[:, rows], dispersion[:, rows])
        return (gate[:, rows] * below).sum(axis=0)

    if distribution.is_discrete:
        return _least_count(q, cdf, low, high)

    def density(y, rows):
        of_experts = distribution.density(y, mean[:, rows], dispersion[:, rows])
        return (gate[:, rows] * of_experts).sum(axis=0)

    return _root(q, cdf, density, low, high)


def _root(q, cdf, density, low, high):
    """Where the cdf is q, by Newton's method within brackets, (n,).

    Rows that have converged are left out: rows do not see each other.
    """
    found, rows = (low + high) / 2, np.arange(low.shape[0])
    at, step = found, high - low
    for _ in range(_MAX_ROOT_STEPS):
        excess = cdf(at, rows) - q
        low, high = np.where(excess < 0, at, low), np.where(excess < 0, high, at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = at - excess / density(at, rows)
        # Newton's step if it stays inside and shrinks, else half the bracket.
        good = (newton > low) & (newton < high) & (np.abs(newton - at) < step / 2)
        following = np.where(good, newton, (low + high) / 2)
        moving = (step > 4 * np.spacing(np.abs(at))) & (following != at)
        rows, step = rows[moving], np.abs(following - at)[moving]
        if not rows.size:
            break
        low, high, at = low[moving], high[moving], following[moving]
        found[rows] = at
    return found


def _least_count(q, cdf, low, high):
    """Least count whose cdf reaches q, by bisection, (n,)."""
    found, rows, low = high.copy(), np.arange(low.shape[0]), low - 1
    for _ in range(_MAX_ROOT_STEPS):
        middle = np.floor((low + high) / 2)
        moving = (middle > low) & (middle < high)
        rows, low, high, middle = (a[moving] for a in (rows, low, high, middle))
        if not rows.size:
            break
        reached = cdf(middle, rows) >= q
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        found[rows] = high
    return found
