"""The normal distribution: y ~ N(predictor, dispersion), each output by itself."""

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from skmoe.distributions.bulk import bulk_variance, near_bulk

# A noise variance is at least this share of var(y): the likelihood of a mixture of
# normal distributions has no maximum without such a bound.
NOISE_FLOOR = 1e-6
# Gradient steps may leave towards infinity; a maximum never lies there.
NOISE_CEILING = 1e30
_LOG_2PI = np.log(2 * np.pi)
# Distances beyond are brought back, so that their squares are finite.
_FAR, _FARTHEST = 1e150, 1e307


class Normal:
    """Real outputs, whose dispersions are their variances.

    Parameters
    ----------
    n_outputs : int, default=1
    has_outliers : bool, default=False
        Whether some targets may be far from all experts: starts and the noise floor
        are then those of the bulk.
    """

    n_categories, is_quadratic, has_dispersion = 0, True, True
    is_standardised, inverse_link = True, "identity"
    is_relative, is_separable, rows_per_number = False, False, 1
    dispersion_name, dispersion_kind = "noise_variance_", "variance"
    first_predictor = None  # the first step leads to the optimum from anywhere
    is_discrete, is_symmetric, power = False, True, 0
    is_dispersion_model = True
    noise_variance = 1.0  # of the noise of scale 1

    def __init__(self, n_outputs=1, has_outliers=False):
        self.has_outliers = has_outliers
        self.n_predictors = n_outputs
        self.contrasts = np.eye(n_outputs)

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, m, b), which it overwrites, and targets (m, b)."""
        residual = np.subtract(target, predictor, out=predictor)
        return NormalRows(self, residual, dispersion)

    def in_units(self, scale):
        """The same for targets in units of scales (m,): all rows have a density."""
        return self

    def unseen(self, target):
        """None: all rows of a population are seen, see `CensoredNormal`."""
        return None

    def under(self, penalty):
        """The same, whatever the penalty of coefficients."""
        return self

    def moments(self, target):
        """Sufficient statistics of the targets, (m, n) -> (m, n)."""
        return target

    def noise_floor(self, target, weight):
        """Least variance of standardised targets (m, n), (m,)."""
        if self.has_outliers:
            return NOISE_FLOOR * bulk_variance(target, weight)
        return np.full(target.shape[0], NOISE_FLOOR)

    def dispersion_bounds(self, floor):
        """Least and largest variances, two (m,)."""
        return np.stack([floor, np.full_like(floor, NOISE_CEILING)])

    def without_outliers(self, target, weight):
        """Targets (m, n) that starts are made from."""
        return near_bulk(target, weight) if self.has_outliers else target

    def log_normaliser(self, dispersion):
        """Of a density ``exp(log_normaliser - deviance / (2 dispersion))``."""
        return -0.5 * np.log(dispersion)

    def natural_slope(self, log_dispersion):
        """Derivative of ``-1 / (2 phi)`` by log(phi)."""
        return 0.5 * np.exp(-log_dispersion)

    def expected_deviance(self, dispersion):
        """Mean of the deviance, which is the squared residual."""
        return dispersion

    def deviance_slope(self, dispersion):
        """Derivative of the expected deviance by log(dispersion)."""
        return dispersion

    def dispersion_of(self, deviance):
        """Dispersion whose expected deviance is the given one."""
        return deviance

    def mean(self, predictor):
        """Means of linear predictors, (K, m, b)."""
        return predictor

    def mean_slope(self, mean):
        """Derivatives of means (K, m, b) by predictors, (K, m, m, b)."""
        return np.broadcast_to(
            np.eye(mean.shape[1])[:, :, None], (*mean.shape[:2], *mean.shape[1:])
        )

    def mean_slope_change(self, mean, change):
        """What the slopes change by with the means, (K, m, b) -> (K, m, m, b)."""
        return np.zeros_like(self.mean_slope(mean))

    def variance(self, mean, dispersion):
        """Variances of y, (K, m, 1) or (K, m, b)."""
        return dispersion * self.noise_variance

    def bounded(self, predictor):
        """Predictors whose means can be held."""
        return predictor

    def standardised(self, target, mean, dispersion):
        """Residuals in units of the noise."""
        with np.errstate(over="ignore"):
            return (target - mean) / np.sqrt(dispersion)

    def cdf(self, target, mean, dispersion):
        """P(Y <= target) of one output."""
        return self._cdf(self.standardised(target, mean, dispersion))

    def log_tails(self, target, mean, dispersion):
        """log P(Y <= target) and log P(Y > target) of one output."""
        return self._log_tails(self.standardised(target, mean, dispersion))

    def density(self, target, mean, dispersion):
        """Density of one output."""
        at = self.standardised(target, mean, dispersion)
        return self._density(at) / np.sqrt(dispersion)

    def quantile(self, q, mean, dispersion):
        """Inverse of `cdf`."""
        with np.errstate(over="ignore"):
            return mean + np.sqrt(dispersion) * self._quantile(q)

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`, (..., m)."""
        return mean + np.sqrt(dispersion) * self._noise(mean.shape, rng)

    def far_log_density(self, predictor, target, dispersion):
        """As `at(...).log_density`, where squared residuals overflow, (K, b).

        Where they do for all experts, distances are smaller by a factor that experts
        have in common, so that their order remains.
        """
        with np.errstate(over="ignore"):
            gap = np.abs(target - predictor) / np.sqrt(dispersion)[:, :, None]
        distance = np.hypot.reduce(np.minimum(gap, _FARTHEST), axis=1)
        factor = np.maximum(distance.min(axis=0) / _FAR, 1.0)
        square = np.square(np.minimum(distance / factor, _FAR * 1e3))
        return self.log_density(square, dispersion[:, :, None], 2 * np.log(factor))

    def log_density(self, distance, dispersion, log_factor=0.0):
        """Of squared distances in units of the noise, (K, b), dispersions (K, m, 1).

        Distances are larger by a factor where these would overflow.  Here it is left
        out: the logarithm would overflow too.
        """
        return -0.5 * (distance + (_LOG_2PI + np.log(dispersion)).sum(axis=1))

    def _cdf(self, at):
        """P(noise of scale 1 <= at)."""
        return ndtr(at)

    def _log_tails(self, at):
        """Logarithms of the probabilities of noise of scale 1 up to and above."""
        return log_ndtr(at), log_ndtr(-at)

    def _quantile(self, q):
        """Inverse of `_cdf`."""
        return ndtri(q)

    def _density(self, at):
        """Density of the noise of scale 1."""
        return np.exp(-0.5 * np.square(at)) / np.sqrt(2 * np.pi)

    def _noise(self, shape, rng):
        """Draws of the noise of scale 1, (..., m)."""
        return rng.standard_normal(shape)


class NormalRows:
    """Rows of residuals (K, m, b) and variances (K or 1, m)."""

    weight = None  # what rows weigh, where a scale is hidden

    def __init__(self, distribution, residual, variance):
        self._residual, self._square = residual, np.square(residual)
        # Squared, in units of the noise, (K, b).
        self.distance = ((1 / variance)[:, None] @ self._square)[:, 0]
        self.log_density = distribution.log_density(self.distance, variance[:, :, None])

    def residual(self):
        """Score in the predictors, times the dispersion, (K, m, b)."""
        return self._residual

    def deviance(self):
        """Squared residuals, (K, m, b)."""
        return self._square

    def curvature(self, at_model=False):
        """None: 1 everywhere."""
        return None

    def hidden(self):
        """Nothing is hidden but z."""
        return []
