"""Counts."""

import numpy as np
from scipy.special import gammaln, pdtr

from skmoe.distributions.tails import log_gamma_tails
from skmoe.engine.counts import least_count, normal_guess

# Counts beyond are normal, but for their skewness; SciPy does not go much further.
_MANY = 1e8
_MOST = 1e307


class Poisson:
    """Counts: variance mu.

    Also the protocol of a family: means are exp(predictor), targets and means of the
    experts have shapes that broadcast, and a dispersion is 1 where there is none.
    `power` is that of the variance ``mu**power``, for the deviance.
    """

    has_dispersion, is_discrete, power = False, True, 1

    def check(self, target):
        """Raise an error if the targets cannot come from the family."""
        if (target < 0).any():
            raise ValueError(
                f"y has a negative value, {target.min()}; family='poisson' is for "
                "counts, y >= 0."
            )

    def cdf(self, target, mean, dispersion):
        """P(Y <= target)."""
        return pdtr(np.floor(np.minimum(target, _MOST)), np.minimum(mean, _MOST))

    def _log_tails(self, target, mean, dispersion):
        """log P(Y <= target) and log P(Y > target)."""
        count = np.floor(np.minimum(target, _MOST))
        above, below = log_gamma_tails(count + 1, np.minimum(mean, _MOST))
        return below, above

    def quantile(self, q, mean, dispersion):
        """Least count whose cdf is at least q."""
        q, mean = np.broadcast_arrays(q, mean)
        found = normal_guess(q, mean, mean, 1.0)
        few = mean < _MANY
        q, mean = q[few], mean[few]
        found[few] = least_count(q, lambda y, rows: pdtr(y, mean[rows]), found[few])
        return found

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`."""
        few = rng.poisson(np.minimum(mean, _MANY))
        if (mean < _MANY).all():
            return few
        normal = np.round(mean + np.sqrt(mean) * rng.standard_normal(np.shape(mean)))
        return np.where(mean < _MANY, few, normal)

    def log_density(self, predictor, mean, target, dispersion):
        """Of each expert, (K, b)."""
        return target * predictor - mean - gammaln(target + 1)

    def residual(self, mean, target):
        """Derivative of the log-density by the predictor, times the dispersion."""
        return target - mean

    def curvature(self, mean, target):
        """Minus its derivative by the predictor."""
        return mean

    def first_mean(self, target, target_mean):
        """Means to start Newton's method from, near the targets."""
        return (target + target_mean) / 2

    def expected_curvature(self, mean):
        """The mean of the curvature."""
        return mean
