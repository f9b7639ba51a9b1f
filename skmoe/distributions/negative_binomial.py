"""Counts that vary more than Poisson's.

With a hidden ``u ~ Gamma(1/a, rate 1/a)`` for each row, ``y | u ~ Poisson(u mu)``, so
that the variance is ``mu + a mu^2`` (NB2 of Cameron and Trivedi); a = 0 is Poisson.  As
a falls all of u is missing and EM in u would hardly move a, so that rows are taken as
they are, without u: a then follows Fisher's scoring.
"""

import numpy as np
from scipy import stats
from scipy.special import betainc, gammaincinv

from skmoe.distributions.gamma_functions import (
    log1p_gap,
    log_gamma_gap,
    psi_tail,
    trigamma_tail,
)
from skmoe.distributions.log_link import LogLink
from skmoe.distributions.poisson import Poisson
from skmoe.distributions.tails import log_beta_tails
from skmoe.engine.counts import least_count

# Logarithms of means beyond are brought back.
_FARTHEST = 600.0
_MOST, _LEAST = 1e300, 1e-100
_MANY = 1e8
# Odds a mu below which 1 / (1 + odds) has lost digits of them.
_NEAR = 0.5


class OverdispersedCounts:
    """Counts: variance ``mu + a mu^2``, with the dispersion a; shapes broadcast."""

    has_dispersion, is_discrete, power = True, True, 1
    dispersion_limits = 1e-10, 1e6

    def check(self, target):
        """Raise an error if the targets cannot come from the family."""
        if (target < 0).any():
            raise ValueError(
                f"y has a negative value, {target.min()}; family='negative_binomial' "
                "is for counts, y >= 0."
            )

    def cdf(self, target, mean, dispersion):
        """P(Y <= target)."""
        count = np.floor(np.minimum(target, _MOST))
        odds, size = self._product(dispersion, mean), 1 / dispersion
        odds, size, count = np.broadcast_arrays(odds, size, count)
        found, near = np.zeros(count.shape), odds < _NEAR
        near, far = (count >= 0) & near, (count >= 0) & ~near
        share = odds[near] / (1 + odds[near])
        # The complement of the incomplete beta function is slow, and SciPy 1.11 has it
        # here alone.
        found[near] = stats.beta.sf(share, count[near] + 1, size[near])
        found[far] = betainc(size[far], count[far] + 1, 1 / (1 + odds[far]))
        return found

    def _log_tails(self, target, mean, dispersion):
        """log P(Y <= target) and log P(Y > target)."""
        count = np.floor(np.minimum(target, _MOST))
        odds = self._product(dispersion, mean)
        shares = 1 / (1 + odds), odds / (1 + odds)
        return log_beta_tails(1 / dispersion, count + 1, shares)

    def quantile(self, q, mean, dispersion):
        """Least count whose cdf is at least q.

        Beyond means of 1e8 that of the Gamma distribution of mean and variance.
        """
        q, mean, dispersion = np.broadcast_arrays(q, mean, dispersion)
        one = 1 + self._product(dispersion, mean)
        guess = np.minimum(gammaincinv(mean / one, q), _MOST / one) * one
        found, few = np.array(np.floor(guess)), mean < _MANY
        q, mean, dispersion = (values[few] for values in (q, mean, dispersion))

        def cdf(count, rows):
            return self.cdf(count, mean[rows], dispersion[rows])

        found[few] = least_count(q, cdf, found[few])
        return found

    def _product(self, dispersion, mean):
        """a mu, brought back where it overflows."""
        with np.errstate(over="ignore"):
            return np.minimum(dispersion * mean, _MOST)

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`."""
        hidden = rng.gamma(1 / dispersion, dispersion, size=np.shape(mean))
        return Poisson().sample(np.minimum(mean * hidden, _MOST), 1.0, rng)

    def log_density(self, predictor, mean, target, dispersion):
        """Of each expert, (K, b), without large terms that cancel (Loader 2000)."""
        size, count = 1 / dispersion, np.maximum(target, _LEAST)
        log_one = np.log1p(dispersion * mean)
        log_more = np.log1p(dispersion * count) - log_one
        gap = (count - mean) / (1 + dispersion * mean)
        half_deviance = size * log1p_gap(dispersion * gap, log_more)
        log_ratio = np.log(mean) - np.log(count) + log_more
        half_deviance = half_deviance + count * log1p_gap(-gap / count, log_ratio)
        gaps = log_gamma_gap(size) + log_gamma_gap(count) - log_gamma_gap(size + count)
        found = gaps - np.log(count) - half_deviance
        return np.where(target > 0, found, -size * log_one)

    def residual(self, mean, target, dispersion=1.0):
        """Derivative of the log-density by the predictor, times the dispersion."""
        return dispersion * (target - mean) / (1 + dispersion * mean)

    def curvature(self, mean, target, dispersion=1.0):
        """Minus its derivative by the predictor."""
        share = dispersion * mean / (1 + dispersion * mean)
        return share * (1 + dispersion * target) / (1 + dispersion * mean)

    def first_mean(self, target, target_mean):
        """Means to start Newton's method from, near the targets."""
        return (target + target_mean) / 2

    def expected_curvature(self, mean, dispersion=1.0):
        """The mean of the curvature."""
        return dispersion * mean / (1 + dispersion * mean)

    def dispersion_score(self, mean, target, dispersion):
        """Derivative of the log-density by the dispersion."""
        size = 1 / dispersion
        excess = dispersion * (target - mean) / (1 + dispersion * mean)
        log_more = np.log1p(dispersion * target) - np.log1p(dispersion * mean)
        tails = psi_tail(size + target) - psi_tail(size)
        half = 0.5 * target / (1 + dispersion * target)
        return np.square(size) * (log1p_gap(excess, log_more) + tails) - half

    def dispersion_curvatures(self, mean, target, dispersion):
        """Minus second derivatives by log(a), with the predictor and alone."""
        size, gap = 1 / dispersion, target - mean
        one, more = 1 + dispersion * mean, 1 + dispersion * target
        cross = dispersion * mean * gap / np.square(one)
        log_more = np.log1p(dispersion * target) - np.log1p(dispersion * mean)
        excess = log1p_gap(dispersion * gap / one, log_more)
        tails = psi_tail(size + target) - psi_tail(size)
        slopes = trigamma_tail(size + target) - trigamma_tail(size)
        second = dispersion * np.square(gap / one) / more - 2 * size * (excess + tails)
        second = second + 0.5 * np.square(dispersion * target / more)
        second = second + np.square(size) * slopes
        score = self.dispersion_score(mean, target, dispersion)
        return cross, -second - dispersion * score

    def dispersion_weight(self, mean, dispersion):
        """Twice Fisher's information on the dispersion.

        Exact as a or 1/mu vanishes for a mu small; else of its size, which suffices for
        scoring.
        """
        share = np.square(mean / (1 + dispersion * mean))
        return share * (1 + 2 * mean) / (1 + 2 * mean + dispersion)


class NegativeBinomial(LogLink):
    """Counts (n,), overdispersed, whose mean is the exponential of one predictor."""

    is_dispersion_model = False

    def __init__(self):
        super().__init__(OverdispersedCounts())

    def at(self, predictor, target, dispersion):
        """Rows of predictors (K, 1, b) and targets (b,)."""
        return NegativeBinomialRows(self.family, predictor[:, 0], target, dispersion)

    def variance(self, mean, dispersion):
        """Variances of y, (K, 1, b)."""
        return mean + dispersion * np.square(mean)

    def natural_slope(self, log_dispersion):
        """Such that the derivative by log(a) is that times (deviance - weight a)."""
        return 0.5 * np.exp(log_dispersion)

    def expected_deviance(self, dispersion):
        """Mean of the deviance, where a row weighs 1."""
        return dispersion

    def deviance_slope(self, dispersion):
        """Derivative of that by log(a)."""
        return dispersion

    def dispersion_of(self, deviance):
        """Dispersion whose expected deviance is the given one."""
        return deviance


class NegativeBinomialRows:
    """Rows of means (K, b) and dispersions (K or 1, 1)."""

    weight = None

    def __init__(self, family, predictor, target, dispersion):
        mean = np.exp(np.clip(predictor, -_FARTHEST, _FARTHEST))
        self.family, self.at = family, (mean, target, dispersion)
        self.mean = mean
        self.log_density = family.log_density(predictor, *self.at)

    def residual(self):
        """Score in the predictor, times the dispersion, (K, 1, b)."""
        return self.family.residual(*self.at)[:, None]

    def curvature(self, at_model=False):
        """Minus the residual's slope in the predictor, or its mean, (K, 1, b)."""
        if at_model:
            mean, _, dispersion = self.at
            return self.family.expected_curvature(mean, dispersion)[:, None]
        return self.family.curvature(*self.at)[:, None]

    def hidden(self):
        """Nothing is hidden but z."""
        return []

    def dispersion_weight(self):
        """What a row weighs for the dispersion, (K, 1, b)."""
        mean, _, dispersion = self.at
        return self.family.dispersion_weight(mean, dispersion)[:, None]

    def deviance(self):
        """What it tells of the dispersion, (K, 1, b): twice the score, and weight a."""
        _, _, dispersion = self.at
        score = self.family.dispersion_score(*self.at)
        return dispersion[:, :, None] * self.dispersion_weight() + 2 * score[:, None]

    def dispersion_curvatures(self, at_model=False):
        """Minus second derivatives by log(a), with the predictor and alone, (K, 1, b).

        Or their means.
        """
        mean, _, dispersion = self.at
        if at_model:
            alone = 0.5 * np.square(dispersion)[:, :, None] * self.dispersion_weight()
            return np.zeros_like(alone), alone
        found = self.family.dispersion_curvatures(*self.at)
        return tuple(values[:, None] for values in found)
