"""Where most values are, whatever the others."""

import numpy as np

# Of more rows the deviation of the bulk is that of a part.
_MANY_ROWS = 2**17
# Values farther from the median, in robust standard deviations, are brought back.
_FAR = 10.0
# Standard deviation of normal data in units of its median absolute deviation.
_NORMAL_MAD = 1.482602218505602


def near_bulk(target, weight):
    """Targets (m, n) brought near the bulk of each output."""
    rows = []
    for row in target:
        center, deviation = _bulk(row, weight)
        reach = _FAR * _NORMAL_MAD * deviation if deviation > 0 else np.inf
        rows.append(np.clip(row, center - reach, center + reach))
    return np.stack(rows)


def bulk_variance(target, weight):
    """Variance of the bulk of standardised targets (m, n), at most 1, (m,).

    Outliers make the variance, 1, large.
    """
    stride = -(-target.shape[1] // _MANY_ROWS)
    deviation = [_bulk(row[::stride], weight[::stride])[1] for row in target]
    share = np.square(_NORMAL_MAD * np.array(deviation))
    # More than half of the rows may have one value.
    return np.where(share > 0, np.minimum(share, 1), 1.0)


def _bulk(values, weight):
    """Weighted median of values (n,), and median absolute deviation from it."""
    center = _median(values, weight)
    return center, _median(np.abs(values - center), weight)


def _median(values, weight):
    """Weighted lower median of values (n,)."""
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    return values[order[np.searchsorted(cumulated, 0.5 * cumulated[-1])]]
