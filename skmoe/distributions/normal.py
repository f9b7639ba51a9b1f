"""The normal distribution: y ~ N(predictor, dispersion), each output by itself."""

import numpy as np
from scipy.special import ndtr, ndtri

# A noise variance is at least this share of var(y): the likelihood of a mixture of
# normal distributions has no maximum without such a bound.
NOISE_FLOOR = 1e-6
# Gradient steps may leave towards infinity; a maximum never lies there.
NOISE_CEILING = 1e30
_LOG_2PI = np.log(2 * np.pi)


class Normal:
    """Real outputs, whose dispersions are their variances.

    Parameters
    ----------
    n_outputs : int, default=1
    """

    n_categories, is_quadratic, has_dispersion = 0, True, True
    dispersion_name = "noise_variance_"
    first_predictor = None  # the first step leads to the optimum from anywhere
    variance, cdf, quantile = 1.0, staticmethod(ndtr), staticmethod(ndtri)

    def __init__(self, n_outputs=1):
        self.n_predictors = n_outputs
        self.contrasts = np.eye(n_outputs)

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, m, b), which it overwrites, and targets (m, b)."""
        residual = np.subtract(target, predictor, out=predictor)
        return NormalRows(residual, dispersion)

    def moments(self, target):
        """Sufficient statistics of the targets, (m, n) -> (m, n)."""
        return target

    def noise_floor(self, target, weight):
        """Least variance of standardised targets (m, n), (m,)."""
        return np.full(target.shape[0], NOISE_FLOOR)

    def dispersion_bounds(self, floor):
        """Least and largest variances, two (m,)."""
        return np.stack([floor, np.full_like(floor, NOISE_CEILING)])

    def without_outliers(self, target, weight):
        """Targets (m, n) that starts are made from: normal noise has no outliers."""
        return target

    def log_normaliser(self, dispersion):
        """Of a density ``exp(log_normaliser - deviance / (2 dispersion))``."""
        return -0.5 * np.log(dispersion)

    def expected_deviance(self, dispersion):
        """Mean of the deviance, which is the squared residual."""
        return dispersion

    def deviance_slope(self, dispersion):
        """Derivative of the expected deviance by log(dispersion)."""
        return dispersion

    def dispersion_of(self, deviance):
        """Dispersion whose expected deviance is the given one."""
        return deviance

    def density(self, at):
        """Density of the noise of scale 1 at some points."""
        return np.exp(-0.5 * np.square(at)) / np.sqrt(2 * np.pi)

    def log_density(self, distance, variance, log_factor=0.0):
        """Of outputs at squared distances in units of the noise, (n, K), (K, m).

        Distances are larger by a factor where these would overflow.  Here it is left
        out: the logarithm would overflow too.
        """
        return -0.5 * (distance + (_LOG_2PI + np.log(variance)).sum(axis=-1))

    def sample(self, shape, rng):
        """Draws of the noise of scale 1, (..., m)."""
        return rng.standard_normal(shape)


class NormalRows:
    """Rows of residuals (K, m, b) and variances (K or 1, m)."""

    # What rows weigh, and the variance of that where it is a hidden scale.
    weight = hidden_variance = None

    def __init__(self, residual, variance):
        self._residual, self._square = residual, np.square(residual)
        constant = -0.5 * (_LOG_2PI + np.log(variance)).sum(axis=1)
        # Squared, in units of the noise, (K, b).
        self.distance = ((1 / variance)[:, None] @ self._square)[:, 0]
        self.log_density = constant[:, None] - 0.5 * self.distance

    def residual(self):
        """Score in the predictors, times the dispersion, (K, m, b)."""
        return self._residual

    def deviance(self):
        """Squared residuals, (K, m, b)."""
        return self._square

    def curvature(self, at_model=False):
        """None: 1 everywhere."""
        return None
