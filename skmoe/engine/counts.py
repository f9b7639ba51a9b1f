"""Quantiles of counts."""

import numpy as np
from scipy.special import ndtri


def least_count(q, cdf, guess, low=-1.0, high=np.inf):
    """Least counts above `low` and up to `high` whose cdf reaches q, (n,).

    `cdf(count, rows)` is that of some rows (index array).  A row is left out once it is
    found: first beside its guess (n,), then by growing steps, in the end by halving.
    """
    low, high = (np.array(np.broadcast_to(end, guess.shape)) for end in (low, high))
    rows = np.flatnonzero((guess > low) & (guess < high))
    at, width = guess[rows], 1.0
    while rows.size:
        reached = cdf(at, rows) >= q[rows]
        high[rows[reached]], low[rows[~reached]] = at[reached], at[~reached]
        below, above = low[rows], high[rows]
        is_open = np.isinf(above)
        middle = np.floor(below + (above - below) / 2)
        at = np.where(is_open, below + width, np.maximum(above - width, middle))
        moving = ((at > below) & (at < above)) | is_open
        rows, at, width = rows[moving], at[moving], 2 * width
    return high


def normal_guess(q, mean, variance, skewness):
    """Counts near a quantile, by Cornish and Fisher's first term, of any shape.

    `skewness` is the third cumulant over the variance.
    """
    normal = ndtri(q)
    shift = skewness * (np.square(normal) - 1) / 6
    return np.maximum(np.ceil(mean + np.sqrt(variance) * normal + shift - 0.5), 0)
