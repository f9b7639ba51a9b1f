"""Quantiles of mixtures of distributions of one output."""

import numpy as np

from skmoe.engine.design import blocks_of

_BLOCK_ROWS = 8192
_MAX_ROOT_STEPS = 200
# Ends of brackets are brought back, so that differences are finite.
_LARGEST = 1e300


def mixture_quantile(q, gate, mean, dispersion, distribution):
    """Quantiles of mixtures, (r,), (K, n), (K, n), (K, 1) -> (r, n)."""
    quantile = np.empty((q.shape[0], gate.shape[1]))
    for rows in blocks_of(gate.shape[1], max(1, _BLOCK_ROWS // q.shape[0])):
        part = gate[:, rows], mean[:, rows], dispersion, distribution
        for number, level in enumerate(q):
            quantile[number, rows] = _quantile_of_rows(level, *part)
    return quantile


def _quantile_of_rows(q, gate, mean, dispersion, distribution):
    """One quantile of each row, (n,); it lies between those of the experts.

    Above the median a symmetric mixture is reflected, so that the tail that is small
    keeps its digits.
    """
    if q > 0.5 and distribution.is_symmetric:
        return -_quantile_of_rows(1 - q, gate, -mean, dispersion, distribution)
    ends = distribution.quantile(q, mean, dispersion)
    ends = np.clip(ends, -_LARGEST, _LARGEST)
    # Experts that do not count may be anywhere.
    low = np.where(gate > 0, ends, np.inf).min(axis=0)
    high = np.where(gate > 0, ends, -np.inf).max(axis=0)

    def cdf(y):
        return (gate * distribution.cdf(y, mean, dispersion)).sum(axis=0)

    if distribution.is_discrete:
        return _least_count(q, cdf, low, high)

    def density(y):
        return (gate * distribution.density(y, mean, dispersion)).sum(axis=0)

    return _root(q, cdf, density, low, high)


def _root(q, cdf, density, low, high):
    """Where the cdf is q, by Newton's method within brackets, (n,)."""
    at, step = (low + high) / 2, high - low
    for _ in range(_MAX_ROOT_STEPS):
        excess = cdf(at) - q
        low, high = np.where(excess < 0, at, low), np.where(excess < 0, high, at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = at - excess / density(at)
        # Newton's step if it stays inside and shrinks, else half the bracket.
        good = (newton > low) & (newton < high) & (np.abs(newton - at) < step / 2)
        following = np.where(good, newton, (low + high) / 2)
        # A row that has settled stays: rows do not see each other.
        following = np.where(step <= 4 * np.spacing(np.abs(at)), at, following)
        step = np.abs(following - at)
        if not step.any():
            break
        at = following
    return at


def _least_count(q, cdf, low, high):
    """Least count whose cdf reaches q, by bisection, (n,)."""
    low = low - 1
    for _ in range(_MAX_ROOT_STEPS):
        middle = np.floor((low + high) / 2)
        if ((middle <= low) | (middle >= high)).all():
            break
        reached = cdf(middle) >= q
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
