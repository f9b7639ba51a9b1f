"""Counts of successes among known numbers of trials."""

import numpy as np
from scipy.special import betainc, betaln, expit, log_expit

from skmoe.distributions.tails import log_beta_tails
from skmoe.engine.counts import least_count, normal_guess

# Under no expert a row is less probable, in nats: the gate then decides.
_LEAST = -1e300


class Binomial:
    """Successes and failures (2, n), whose probability is the sigmoid of a predictor.

    The trials of a row share its expert.  Means are those of one trial; of several they
    are so many times as large, and so are dispersions, 1 here: `cdf`, `quantile` and
    `sample` take both as those of all trials, so that the dispersion is their number.
    """

    n_categories, n_predictors, is_quadratic = 0, 1, False
    is_relative, is_separable, rows_per_number = False, False, 1
    is_standardised, has_dispersion = False, False
    dispersion_name, dispersion_kind = "dispersion_", "dispersion"
    inverse_link = "sigmoid"
    first_predictor = None  # the first step starts from even chances
    is_discrete, is_symmetric, power = True, False, 1
    contrasts = np.eye(1)

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, 1, b) and targets (2, b)."""
        return BinomialRows(predictor[:, 0], target)

    def under(self, penalty):
        """The same, whatever the penalty of coefficients."""
        return self

    def moments(self, target):
        """Shares of successes, (2, n) -> (1, n)."""
        return target[:1] / target.sum(axis=0)

    def unseen(self, target):
        """None: all rows of a population are seen."""
        return None

    def without_outliers(self, target, weight):
        """The targets: successes have no outliers."""
        return target

    def bounded(self, predictor):
        """The predictors: no logit is too large."""
        return predictor

    def mean(self, predictor):
        """Probabilities of success, of predictors (K, 1, b)."""
        return expit(predictor)

    def mean_slope(self, mean):
        """Derivatives of probabilities (K, 1, b) by predictors, (K, 1, 1, b)."""
        return (mean * (1 - mean))[:, :, None]

    def mean_slope_change(self, mean, change):
        """What the slopes change by with the means, (K, 1, b) -> (K, 1, 1, b)."""
        return ((1 - 2 * mean) * change)[:, :, None]

    def variance(self, mean, dispersion):
        """Variances of y, (K, 1, b); of as many trials as the dispersion."""
        return mean * (1 - mean / dispersion)

    def far_log_density(self, predictor, target, dispersion):
        """As `at(...).log_density`, where it is not finite, (K, b)."""
        return np.fmax(self.at(predictor, target, dispersion).log_density, _LEAST)

    def cdf(self, target, mean, dispersion):
        """P(Y <= target); of as many trials as the dispersion."""
        count = np.clip(np.floor(target), -1, dispersion)
        inside = (count >= 0) & (count < dispersion)
        count = np.where(inside, count, 0)
        below = betainc(dispersion - count, count + 1, 1 - mean / dispersion)
        return np.where(inside, below, target >= dispersion)

    def log_tails(self, target, mean, dispersion):
        """log P(Y <= target) and log P(Y > target)."""
        count = np.floor(target)
        count, trials, share = np.broadcast_arrays(count, dispersion, mean / dispersion)
        is_all = count >= trials
        failures = np.where(is_all, 1.0, trials - count)
        found = log_beta_tails(failures, count + 1, (1 - share, share))
        return tuple(
            np.where(is_all, end, one) for one, end in zip(found, (0, -np.inf))
        )

    def quantile(self, q, mean, dispersion):
        """Least count whose cdf is at least q."""
        q, mean, trials = np.broadcast_arrays(q, mean, dispersion)
        share = np.minimum(mean / trials, 1)
        guess = normal_guess(q, mean, mean * (1 - share), 1 - 2 * share)
        shape = guess.shape
        q, mean, trials, guess = (part.ravel() for part in (q, mean, trials, guess))

        def cdf(count, rows):
            return self.cdf(count, mean[rows], trials[rows])

        guess = np.minimum(guess, trials - 1)
        return least_count(q, cdf, guess, high=trials).reshape(shape)

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`."""
        proba = np.minimum(mean / dispersion, 1)
        return rng.binomial(dispersion.astype(np.int64), proba)


class BinomialRows:
    """Rows of logits (K, b), or of two targets in place of K experts."""

    weight = None

    def __init__(self, logit, target):
        self.logit, (self.successes, self.failures) = logit, target
        ways = -betaln(self.successes + 1, self.failures + 1)
        ways = ways - np.log1p(self.successes + self.failures)
        self.log_density = ways + self.successes * log_expit(logit)
        self.log_density += self.failures * log_expit(-logit)

    @property
    def mean(self):
        """Successes and failures that are expected, (2, K, b)."""
        trials = self.successes + self.failures
        return np.stack([trials * expit(self.logit), trials * expit(-self.logit)])

    def residual(self):
        """Score in the logit, (K, 1, b)."""
        score = self.successes * expit(-self.logit)
        return (score - self.failures * expit(self.logit))[:, None]

    def curvature(self, at_model=False):
        """Its variance, (K, 1, b)."""
        trials = self.successes + self.failures
        return (trials * expit(self.logit) * expit(-self.logit))[:, None]

    def hidden(self):
        """Nothing is hidden but z."""
        return []
