"""The share of the deviance that is explained, from sums over rows."""

import numpy as np
from scipy.special import rel_entr

from skmoe._docs import see

# Power of a deviance that is finite for amounts of zero (compound Poisson and Gamma).
_WITH_ZEROS = 1.5


def check_has_score(known, is_known=False):
    """Raise an error if there is no R^2: y is not known, or rows are not all.

    By names of what went with the rows of the fit; `is_known` says that y is.
    """
    if "entry" in known or ("y_upper" in known and not is_known):
        raise ValueError(
            "score is R^2 of y that is known, in a sample of all rows; the model was "
            "fitted to censored or truncated y, or y_upper differs from y.  Use "
            "log_likelihood or score_samples, which take y_upper and entry, or give "
            "y_upper=y where y is known." + see("Censored and truncated y")
        )


def deviance_power(estimator):
    """Power of the variance whose deviance a fitted regressor's score has."""
    power = estimator._fitted_distribution().power
    has_zeros = estimator._fitted["settings"].get("point_mass") is not None
    return min(power, _WITH_ZEROS) if has_zeros else power


def deviances_of_successes(y, found, sums, weight):
    """Deviances of means (n,), and of the share of successes in `sums`, two floats.

    Of successes and failures y (n, 2), of which `sums` (2,) are the weighted ones.
    """
    trials = y.sum(axis=1)
    rate = sums[0] / sums.sum()
    return np.array(
        [
            2 * weight @ (rel_entr(y[:, 0], mean) + rel_entr(y[:, 1], trials - mean))
            for mean in (np.clip(found, 0, trials), rate * trials)
        ]
    )


def share_explained(deviances):
    """D^2 of the deviances of a model and of the mean, (2,), or its mean, (2, m).

    As scikit-learn has it where an output is constant.
    """
    left, whole = deviances
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(whole > 0, 1 - left / whole, left == 0).mean())
