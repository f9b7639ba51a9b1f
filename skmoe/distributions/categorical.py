"""Classes: y ~ Categorical(softmax(predictors)); two classes have one predictor."""

import numpy as np
from scipy.special import expit, log_expit

from skmoe.engine.softmax import (
    class_contrasts,
    log_softmax_in_place,
    normalise_in_place,
    pair_weights,
    positive_probability,
    softmax_in_place,
)


class Categorical:
    """Class codes (n,).

    Parameters
    ----------
    n_classes : int, C
    smooth : bool, default=True
        Whether the penalty of coefficients has no lasso.
    """

    is_quadratic, has_dispersion, dispersion_name = False, False, None
    is_standardised = False
    is_relative, is_separable, rows_per_number = True, True, 2
    first_predictor = None  # the first step starts from equal classes

    def __init__(self, n_classes, smooth=True):
        self.n_categories = n_classes
        self.contrasts = class_contrasts(n_classes, smooth)
        self.n_predictors = self.contrasts.shape[1]

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, q, b) or logits (K, C, b), and targets (b,)."""
        if self.n_categories == 2:
            return BinaryRows(predictor[:, 0], target)
        return CategoricalRows(self.contrasts, predictor, target)

    def under(self, penalty):
        """The same, with predictors that suit the penalty of coefficients."""
        return Categorical(self.n_categories, penalty.is_smooth)

    def mean(self, logits):
        """Class probabilities, (K, C, b), of logits, which it overwrites.

        Those of two classes are (K, 1, b), else (K, C, b).
        """
        if self.n_categories == 2:
            found = np.empty((logits.shape[0], 2, logits.shape[2]))
            positive = expit(logits, out=found[:, 1:])
            np.subtract(1, positive, out=found[:, :1])
            return found
        normalise_in_place(np.moveaxis(logits, 1, 0))
        return logits

    def mean_slope(self, mean):
        """Derivatives of class probabilities (K, C, b) by logits.

        Of two classes (K, 2, 1, b), else (K, C, C, b).
        """
        own = np.eye(self.n_categories)[:, :, None] * mean[:, None]
        return self._by_logits(own - mean[:, :, None] * mean[:, None])

    def mean_slope_change(self, mean, change):
        """What the slopes change by with the probabilities, of the same shape."""
        own = np.eye(self.n_categories)[:, :, None] * change[:, None]
        cross = mean[:, :, None] * change[:, None]
        return self._by_logits(own - cross - np.swapaxes(cross, 1, 2))

    def _by_logits(self, slope):
        """Slopes by the logits that are reported, of those by all classes'."""
        return slope[:, :, 1:] if self.n_categories == 2 else slope

    def log_mean(self, logits):
        """Logarithms of the class probabilities, (K, C, b); may overwrite logits."""
        if self.n_categories == 2:
            return log_expit(np.concatenate([-logits, logits], axis=1))
        log_softmax_in_place(np.moveaxis(logits, 1, 0))
        return logits

    def bounded(self, predictor):
        """The predictors: no logit is too large."""
        return predictor

    def moments(self, target):
        """Sufficient statistics of the targets, (n,) -> one-hot (C, n)."""
        return np.eye(self.n_categories)[:, target]

    def unseen(self, target):
        """None: all rows of a population are seen."""
        return None

    def without_outliers(self, target, weight):
        """The targets: a class has no outliers."""
        return target


class CategoricalRows:
    """Rows of class probabilities (K, C, b)."""

    weight = None

    def __init__(self, contrasts, logits, target):
        self.contrasts, self.target = contrasts, target
        rows = np.arange(target.shape[0])
        self.log_density = logits[:, target, rows]
        classes_first = np.moveaxis(logits, 1, 0)
        self.log_density -= softmax_in_place(classes_first)
        self.probability = logits

    def residual(self):
        """Score in the free predictors, (K, q, b)."""
        expected = np.matmul(self.contrasts.T, self.probability)
        return np.subtract(self.contrasts[self.target].T, expected, out=expected)

    def curvature(self, at_model=False):
        """Its variance by pairs of predictors, (K, pairs, b)."""
        return np.stack([pair_weights(p, self.contrasts) for p in self.probability])

    def hidden(self):
        """Nothing is hidden but z."""
        return []


class BinaryRows:
    """As `CategoricalRows` for two classes: one logit (K, b)."""

    weight = None

    def __init__(self, logit, target):
        self.target = target
        self.positive, self.variance, small = positive_probability(logit)
        towards = np.where(target, logit, -logit)
        self.log_density = np.minimum(towards, 0)
        self.log_density -= np.log1p(small)

    @property
    def probability(self):
        """Class probabilities, (K, 2, b)."""
        return np.stack([1 - self.positive, self.positive], axis=1)

    def residual(self):
        """Score in the logit, (K, 1, b)."""
        return (self.target - self.positive)[:, None]

    def curvature(self, at_model=False):
        """Its variance, (K, 1, b)."""
        return self.variance[:, None]

    def hidden(self):
        """Nothing is hidden but z."""
        return []
