"""Positive amounts."""

import numpy as np
from scipy.special import gammainc, gammaincinv

from skmoe.distributions.gamma_functions import (
    log_gamma_gap,
    log_less_psi,
    trigamma_excess,
)
from skmoe.distributions.tails import log_gamma_tails

_MAX_NEWTON = 50


class Gamma:
    """Positive amounts: variance phi mu^2; 1 / phi is the shape.

    A family with a dispersion has the last four methods too, and its limits.
    """

    has_dispersion, is_discrete, power = True, False, 2
    dispersion_limits = 1e-6, 1e6

    def check(self, target):
        """Raise an error if the targets cannot come from the family."""
        if (target <= 0).any():
            remedy = "." if target.min() else "; point_mass=0.0 adds an expert at 0."
            raise ValueError(
                f"y has a value that is not positive, {target.min()}; family='gamma' "
                f"is for amounts, y > 0{remedy}"
            )

    def cdf(self, target, mean, dispersion):
        """P(Y <= target)."""
        return gammainc(1 / dispersion, target / (mean * dispersion))

    def _log_tails(self, target, mean, dispersion):
        """log P(Y <= target) and log P(Y > target)."""
        return log_gamma_tails(1 / dispersion, target / (mean * dispersion))

    def quantile(self, q, mean, dispersion):
        """Inverse of `cdf`; q is a number or, beside a point mass, one for each row."""
        return gammaincinv(1 / dispersion, q) * mean * dispersion

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`."""
        return rng.gamma(1 / dispersion, mean * dispersion)

    def log_density(self, predictor, mean, target, dispersion):
        """Of each expert, (K, b)."""
        shape = 1 / dispersion
        return (
            log_gamma_gap(shape)
            - shape * self.deviance(mean, target) / 2
            - np.log(target)
        )

    def residual(self, mean, target):
        """Derivative of the log-density by the predictor, times the dispersion."""
        return target / mean - 1

    def curvature(self, mean, target):
        """Minus its derivative by the predictor."""
        return target / mean

    def first_mean(self, target, target_mean):
        """Means to start Newton's method from."""
        return target

    def expected_curvature(self, mean):
        """The mean of the curvature."""
        return np.ones_like(mean)

    def deviance(self, mean, target):
        """Unit deviance, the sufficient statistic of the dispersion."""
        gap = (target - mean) / mean
        near = gap - np.log1p(np.clip(gap, -0.5, 0.5))
        # The ratio of target and mean may underflow.
        far = gap + np.log(mean) - np.log(target)
        return 2 * np.where(np.abs(gap) < 0.5, near, far)

    def expected_deviance(self, dispersion):
        """The mean of the deviance, ``2 (log(shape) - psi(shape))``."""
        return 2 * log_less_psi(1 / dispersion)

    def deviance_slope(self, dispersion):
        """Derivative of the expected deviance by log(dispersion)."""
        return 2 * trigamma_excess(1 / dispersion)

    def dispersion_of(self, deviance):
        """Dispersion whose expected deviance is the given one."""
        bounds = self.expected_deviance(np.array(self.dispersion_limits))
        deviance = np.clip(deviance, *bounds)
        # Within 2% (Minka 2002), and then Newton's method in the logarithm.
        half = deviance / 2
        root = np.sqrt(np.square(half - 3) + 24 * half)
        log = np.log(12 * half / (3 - half + root))
        for _ in range(_MAX_NEWTON):
            dispersion = np.exp(log)
            excess = self.expected_deviance(dispersion) - deviance
            step = excess / self.deviance_slope(dispersion)
            log = log - np.clip(step, -1, 1)
            if np.abs(step).max(initial=0.0) < 1e-13:
                break
        return np.clip(np.exp(log), *self.dispersion_limits)
