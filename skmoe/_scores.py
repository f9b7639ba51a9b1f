"""The share of the deviance that is explained, from sums over rows."""

import numpy as np
from scipy.special import rel_entr


def sums_of_successes(y, weight):
    """Weighted sums of successes and of failures, of y (n, 2) and weights (n,)."""
    return weight @ y


def deviances_of_successes(y, found, sums, weight):
    """Deviances of means (n,), and of the share of successes in `sums`, two floats."""
    trials = y.sum(axis=1)
    rate = sums[0] / sums.sum()
    return np.array(
        [
            2 * weight @ (rel_entr(y[:, 0], mean) + rel_entr(y[:, 1], trials - mean))
            for mean in (np.clip(found, 0, trials), rate * trials)
        ]
    )


def share_explained(deviances):
    """D^2 of the deviances of a model and of the mean."""
    left, whole = deviances
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(whole > 0, 1 - left / whole, left == 0))
