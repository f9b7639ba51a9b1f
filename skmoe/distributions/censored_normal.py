"""The normal distribution of outputs of which only an interval may be known.

What is hidden is y itself: EM takes its mean and variance given that it is in the
interval (Tobin 1958, Amemiya 1984).  Rows that were seen only because y was above some
entry are `unseen` below it in the same population (Dempster, Laird and Rubin 1977).
"""

import numpy as np

from skmoe.distributions.normal import NOISE_FLOOR, Normal, NormalRows
from skmoe.distributions.truncated_normal import truncated_moments

# In place of no entry, in standardised units: nothing is below, but it is a number.
_NOWHERE = -1e100
_TINY = np.finfo(np.float64).tiny


class CensoredNormal(Normal):
    """One real output, known to lie between two ends, and above an entry.

    Targets are (4, n): a number in the interval, its lower and upper end, the same
    where y is known, and the entry below which a row would not have been seen, or minus
    infinity.  Of rows that are all known, (1, n) suffices.

    Parameters
    ----------
    log_unit : float, default=0.0
        Logarithm of the unit of targets, which densities have and probabilities lack.
    """

    def __init__(self, log_unit=0.0):
        super().__init__(1)
        self.log_unit = log_unit

    def in_units(self, scale):
        """The same for targets in units of a scale (1,)."""
        return CensoredNormal(float(np.log(scale[0])))

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, 1, b), which it overwrites, and targets."""
        if len(target) == 1:
            return super().at(predictor, target, dispersion)
        return CensoredRows(self, predictor, target, dispersion)

    def moments(self, target):
        """Numbers that stand for targets, (1, n)."""
        return target[:1]

    def without_outliers(self, target, weight):
        """Targets that starts are made from: numbers (1, n), as if y were known."""
        return target[:1]

    def noise_floor(self, target, weight):
        """Least variance of standardised targets, (1,)."""
        return np.full(1, NOISE_FLOOR)

    def unseen(self, target):
        """Targets below the entries, and above them, two (4, n); None without any."""
        if len(target) == 1 or not (target[3] > -np.inf).any():
            return None
        entry = np.maximum(target[3], _NOWHERE)
        end = np.full_like(entry, np.inf)
        return np.stack([entry, -end, entry, -end]), np.stack([entry, entry, end, -end])

    def far_log_density(self, predictor, target, dispersion):
        """As of `Normal`, by the distance from the nearer end."""
        if len(target) > 1:
            target = np.clip(predictor, target[1], target[2])
        return super().far_log_density(predictor, target, dispersion)


class CensoredRows(NormalRows):
    """As `NormalRows`, at the mean of y given the interval, deviances at its square."""

    def __init__(self, distribution, predictor, target, variance):
        _, lower, upper, _ = target
        self.scale = np.sqrt(variance)
        self.chosen = chosen = np.flatnonzero(lower < upper)
        center = predictor[:, 0, chosen]
        residual = np.subtract(lower, predictor, out=predictor)
        residual[:, :, chosen] = 0.0
        super().__init__(distribution, residual, variance)
        self.intervals = truncated_moments(
            (lower[chosen] - center) / self.scale,
            (upper[chosen] - center) / self.scale,
            np.broadcast_to((upper - lower)[chosen] / self.scale, center.shape),
        )
        mean, known = self.intervals.mean, self.intervals.variance
        self._residual[:, 0, chosen] = self.scale * mean
        self._square[:, 0, chosen] = variance * (known + np.square(mean))
        in_unit = self.intervals.log_probability + distribution.log_unit
        self.log_density[:, chosen] = in_unit

    def hidden(self):
        """Variances (K, b) of what is hidden, and slopes of residual and deviance.

        With the distance v from the mean of y, squared residuals change by
        ``2 mean v + v^2``; v, and what of ``v^2`` does not go with it.
        """
        _, mean, variance, third, fourth = self.intervals
        along = third / np.maximum(variance, _TINY)
        slope = np.zeros_like(self._residual)
        slope[:, 0, self.chosen] = self.scale * (2 * mean + along)
        rest = fourth - np.square(variance) - along * third
        parts = np.zeros((2, *self.log_density.shape))
        parts[0][:, self.chosen] = np.square(self.scale) * variance
        parts[1][:, self.chosen] = np.square(self.scale) ** 2 * np.maximum(rest, 0.0)
        ones = np.ones_like(slope)
        return [(parts[0], ones, slope), (parts[1], np.zeros_like(ones), ones)]
