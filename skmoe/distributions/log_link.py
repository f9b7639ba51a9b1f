"""Families of one parameter, the mean, and perhaps a dispersion, with a log link."""

import math

import numpy as np

# Under no expert a row is less probable, in nats: the gate then decides.
_LEAST = -1e300
_TINY = np.finfo(np.float64).tiny
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


class LogLink:
    """Counts or amounts (n,) whose mean is the exponential of one predictor.

    Parameters
    ----------
    family : Poisson, Gamma, or an object with the methods of one of them
    """

    n_categories, n_predictors, is_quadratic = 0, 1, False
    is_relative, is_separable, rows_per_number = False, False, 1
    is_standardised, inverse_link = False, "exp"
    dispersion_name, dispersion_kind = "dispersion_", "dispersion"
    is_symmetric, is_dispersion_model = False, True

    def __init__(self, family):
        self.family, self.has_dispersion = family, family.has_dispersion
        self.is_discrete, self.contrasts = family.is_discrete, np.eye(1)
        self.power = family.power

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, 1, b) and targets (b,)."""
        return LogLinkRows(self.family, predictor[:, 0], target, dispersion)

    def under(self, penalty):
        """The same, whatever the penalty of coefficients."""
        return self

    def moments(self, target):
        """Sufficient statistics of the targets, (n,) -> (1, n)."""
        return target[None]

    def dispersion_bounds(self, floor):
        """Least and largest dispersion, two (1,); they depend on no target."""
        return np.array(self.family.dispersion_limits)[:, None]

    def unseen(self, target):
        """None: all rows of a population are seen."""
        return None

    def without_outliers(self, target, weight):
        """The targets: large ones tell of the mean."""
        return target

    def first_predictor(self, target, target_mean):
        """Predictors that the first step starts from, (n,), and its weights, (n,).

        It is the first step of iteratively reweighted least squares: a regression of
        the logarithms of the targets, whose mean is a float or (n,).  From equal means
        steps would be as far too long as the largest target is from the mean.
        """
        mean = self.family.first_mean(target, np.maximum(target_mean, _TINY))
        weight = self.family.curvature(mean, target)
        return np.log(mean) + self.family.residual(mean, target) / weight, weight

    def log_normaliser(self, dispersion):
        """Of a density ``exp(log_normaliser - deviance / (2 dispersion))`` at 1.

        For small dispersions it is that of a normal distribution.
        """
        return self.family.log_density(0.0, 1.0, 1.0, dispersion) + _HALF_LOG_2PI

    def natural_slope(self, log_dispersion):
        """Derivative of ``-1 / (2 phi)`` by log(phi)."""
        return 0.5 * np.exp(-log_dispersion)

    def expected_deviance(self, dispersion):
        """Mean of the unit deviance."""
        return self.family.expected_deviance(dispersion)

    def deviance_slope(self, dispersion):
        """Derivative of the expected deviance by log(dispersion)."""
        return self.family.deviance_slope(dispersion)

    def dispersion_of(self, deviance):
        """Dispersion whose expected deviance is the given one."""
        return self.family.dispersion_of(deviance)

    def mean(self, predictor):
        """Means of predictors (K, 1, b)."""
        return np.exp(self.bounded(predictor))

    def mean_slope(self, mean):
        """Derivatives of means (K, 1, b) by predictors, (K, 1, 1, b)."""
        return mean[:, :, None]

    def mean_slope_change(self, mean, change):
        """What the slopes change by with the means, (K, 1, b) -> (K, 1, 1, b)."""
        return change[:, :, None]

    def variance(self, mean, dispersion):
        """Variances of y, (K, 1, b).

        Scores ``(y - mu) mu / (phi V(mu))`` in the predictor have the variance
        ``mu^2 / (phi V(mu))``, which is the expected curvature over phi.
        """
        return dispersion * mean * (mean / self.family.expected_curvature(mean))

    def bounded(self, predictor):
        """Predictors whose means can be held: experts may be steep."""
        return np.clip(predictor, *log_bounds(np.float64))

    def cdf(self, target, mean, dispersion):
        """P(Y <= target)."""
        with np.errstate(over="ignore"):
            return self.family.cdf(target, mean, dispersion)

    def log_tails(self, target, mean, dispersion):
        """log P(Y <= target) and log P(Y > target).

        Of a family of the user's own from its `cdf`: no less than 1e-16 above.
        """
        with np.errstate(over="ignore", divide="ignore"):
            # A subclass may have a cdf of its own.
            kinds = [kind for kind in type(self.family).__mro__ if "cdf" in vars(kind)]
            if kinds and "_log_tails" in vars(kinds[0]):
                return self.family._log_tails(target, mean, dispersion)
            below = self.family.cdf(target, mean, dispersion)
            return np.log(below), np.log1p(-below)

    def density(self, target, mean, dispersion):
        """Density of amounts."""
        with np.errstate(all="ignore"):
            predictor = np.log(mean)
            return np.exp(self.family.log_density(predictor, mean, target, dispersion))

    def quantile(self, q, mean, dispersion):
        """Inverse of `cdf`."""
        with np.errstate(over="ignore"):
            return self.family.quantile(q, mean, dispersion)

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`, (..., 1)."""
        return self.family.sample(mean, dispersion, rng)

    def far_log_density(self, predictor, target, dispersion):
        """As `at(...).log_density` where an expert cannot have a target, (K, b)."""
        return np.fmax(self.at(predictor, target, dispersion).log_density, _LEAST)


def log_bounds(dtype):
    """Logarithms of the least and largest mean of a type, two floats."""
    info = np.finfo(dtype)
    # Strictly inside, whatever the type rounds them to.
    return math.log(info.tiny) + 1, math.log(info.max) - 1


class LogLinkRows:
    """Rows of means (K, b) and dispersions (K or 1, 1)."""

    weight = None

    def __init__(self, family, predictor, target, dispersion):
        self.family, self.target, self.mean = family, target, np.exp(predictor)
        self.log_density = family.log_density(predictor, self.mean, target, dispersion)

    def residual(self):
        """Score in the predictor, times the dispersion, (K, 1, b)."""
        return self.family.residual(self.mean, self.target)[:, None]

    def deviance(self):
        """Unit deviance, (K, 1, b)."""
        return self.family.deviance(self.mean, self.target)[:, None]

    def curvature(self, at_model=False):
        """Minus the residual's slope in the predictor, or its mean, (K, 1, b)."""
        if at_model:
            return self.family.expected_curvature(self.mean)[:, None]
        return self.family.curvature(self.mean, self.target)[:, None]

    def hidden(self):
        """Nothing is hidden but z."""
        return []
