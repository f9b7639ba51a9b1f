"""Families of one parameter, the mean, and perhaps a dispersion, with a log link."""

import numpy as np

_TINY = np.finfo(np.float64).tiny
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


class LogLink:
    """Counts or amounts (n,) whose mean is the exponential of one predictor.

    Parameters
    ----------
    family : Poisson, Gamma, or an object with the methods of one of them
    """

    n_categories, n_predictors, is_quadratic = 0, 1, False
    dispersion_name = "dispersion_"

    def __init__(self, family):
        self.family, self.has_dispersion = family, family.has_dispersion
        self.contrasts = np.eye(1)

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, 1, b) and targets (b,)."""
        return LogLinkRows(self.family, predictor[:, 0], target, dispersion)

    def moments(self, target):
        """Sufficient statistics of the targets, (n,) -> (1, n)."""
        return target[None]

    def dispersion_bounds(self, floor):
        """Least and largest dispersion, two (1,); they depend on no target."""
        return np.array(self.family.dispersion_limits)[:, None]

    def without_outliers(self, target, weight):
        """The targets: large ones tell of the mean."""
        return target

    def first_predictor(self, target, level):
        """Predictors that the first step starts from, (n,), and its weights, (n,).

        It is the first step of iteratively reweighted least squares: a regression of
        the logarithms of the targets, of the mean `level`.  From equal means steps
        would be as far too long as the largest target is from the mean.
        """
        mean = self.family.first_mean(target, max(level, _TINY))
        weight = self.family.curvature(mean, target)
        return np.log(mean) + self.family.residual(mean, target) / weight, weight

    def log_normaliser(self, dispersion):
        """Of a density ``exp(log_normaliser - deviance / (2 dispersion))`` at 1.

        For small dispersions it is that of a normal distribution.
        """
        return self.family.log_density(0.0, 1.0, 1.0, dispersion) + _HALF_LOG_2PI

    def expected_deviance(self, dispersion):
        """Mean of the unit deviance."""
        return self.family.expected_deviance(dispersion)

    def deviance_slope(self, dispersion):
        """Derivative of the expected deviance by log(dispersion)."""
        return self.family.deviance_slope(dispersion)

    def dispersion_of(self, deviance):
        """Dispersion whose expected deviance is the given one."""
        return self.family.dispersion_of(deviance)


class LogLinkRows:
    """Rows of means (K, b) and dispersions (K or 1, 1)."""

    weight = hidden_variance = None

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
