"""Generalised linear experts with a log link: counts and positive amounts.

``y | x, z=k`` has the mean ``exp(x' beta_k)`` and, but for counts, a dispersion
``phi_k``.  What tells one distribution from another is in a few functions, those of
`Poisson` and `Gamma`.
"""

import copy

import numpy as np
from scipy import stats
from scipy.linalg import block_diag
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv, gammaln, ndtri, pdtr

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.mixture import DEAD_MASS
from skmoe.engine.penalty import NoisePrior
from skmoe.engine.tie import tie_matrix
from skmoe.families.large import log_gamma_gap, log_less_psi, trigamma_excess
from skmoe.families.regression import BlendedRegression

# Counts beyond are normal, but for their skewness; SciPy does not go much further.
_MANY = 1e8
_MOST = 1e307
_DISPERSION_BOUNDS = 1e-6, 1e6
_MAX_NEWTON, _TINY = 50, np.finfo(np.float64).tiny
_LARGEST_LOG = np.log(np.finfo(np.float64).max)


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

    def quantile(self, q, mean, dispersion):
        """Least count whose cdf is at least q."""
        few = np.minimum(mean, _MANY)
        # Cornish and Fisher's first term, and half a count.
        normal = ndtri(q)
        skew = (np.square(normal) - 4) / 6
        normal = np.ceil(mean + np.sqrt(mean) * normal + skew)
        return np.where(mean < _MANY, stats.poisson.ppf(q, few), normal)

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

    def first_mean(self, target, level):
        """Means to start Newton's method from, near the targets, of mean `level`."""
        return (target + level) / 2

    def expected_curvature(self, mean):
        """The mean of the curvature."""
        return mean


class Gamma:
    """Positive amounts: variance phi mu^2; 1 / phi is the shape.

    A family with a dispersion has the last four methods too.
    """

    has_dispersion, is_discrete, power = True, False, 2

    def check(self, target):
        """Raise an error if the targets cannot come from the family."""
        if (target <= 0).any():
            raise ValueError(
                f"y has a value that is not positive, {target.min()}; family='gamma' "
                "is for amounts, y > 0."
            )

    def cdf(self, target, mean, dispersion):
        """P(Y <= target)."""
        return gammainc(1 / dispersion, target / (mean * dispersion))

    def quantile(self, q, mean, dispersion):
        """Inverse of `cdf`."""
        return gammaincinv(1 / dispersion, q) * mean * dispersion

    def sample(self, mean, dispersion, rng):
        """Draws, of the shape of `mean`."""
        return rng.gamma(1 / dispersion, mean * dispersion)

    def log_density(self, predictor, mean, target, dispersion):
        """Of each expert, (K, b)."""
        shape = 1 / dispersion
        return log_gamma_gap(shape) - shape * self.spread(mean, target) - np.log(target)

    def residual(self, mean, target):
        """Derivative of the log-density by the predictor, times the dispersion."""
        return target / mean - 1

    def curvature(self, mean, target):
        """Minus its derivative by the predictor."""
        return target / mean

    def first_mean(self, target, level):
        """Means to start Newton's method from."""
        return target

    def expected_curvature(self, mean):
        """The mean of the curvature."""
        return np.ones_like(mean)

    def spread(self, mean, target):
        """Half the unit deviance, the sufficient statistic of the dispersion."""
        gap = (target - mean) / mean
        near = gap - np.log1p(np.clip(gap, -0.5, 0.5))
        # The ratio of target and mean may underflow.
        far = gap + np.log(mean) - np.log(target)
        return np.where(np.abs(gap) < 0.5, near, far)

    def expected_spread(self, dispersion):
        """The mean of the spread, ``log(shape) - psi(shape)``."""
        return log_less_psi(1 / dispersion)

    def spread_slope(self, dispersion):
        """Derivative of the expected spread by log(dispersion)."""
        return trigamma_excess(1 / dispersion)

    def dispersion_of(self, spread):
        """Dispersion whose expected spread is the given one."""
        bounds = self.expected_spread(np.array(_DISPERSION_BOUNDS))
        spread = np.clip(spread, *bounds)
        # Within 2% (Minka 2002), and then Newton's method in the logarithm.
        root = np.sqrt(np.square(spread - 3) + 24 * spread)
        log = np.log(12 * spread / (3 - spread + root))
        for _ in range(_MAX_NEWTON):
            dispersion = np.exp(log)
            excess = self.expected_spread(dispersion) - spread
            step = excess / self.spread_slope(dispersion)
            log = log - np.clip(step, -1, 1)
            if np.abs(step).max(initial=0.0) < 1e-13:
                break
        return np.clip(np.exp(log), *_DISPERSION_BOUNDS)


class GLMExperts:
    """Family of generalised linear experts; targets are (n,).

    Parameters
    ----------
    distribution : Poisson, Gamma, or an object with the methods of one of them
    n_experts : int, K
    penalty : Penalty
    has_intercept : bool

    Attributes
    ----------
    level : float, mean of all targets, which a `Problem` sets
    """

    contrasts, n_free, noise_name = None, 1, "dispersion_"
    is_quadratic = False
    shares_noise, level = False, 1.0
    noise_prior, prior_spread = NoisePrior(), 0.0

    def __init__(self, distribution, n_experts, penalty, has_intercept):
        self.distribution, self.penalty = distribution, penalty
        self.has_intercept = has_intercept
        self.tie = tie_matrix(n_experts, False)
        self.curvature_size = penalty.ridge.shape[0]
        self.n_coefs = n_experts * self.curvature_size
        has_dispersion = distribution.has_dispersion
        self.noise_tie = self.tie[:, : n_experts * has_dispersion]
        self.n_noises = n_experts * has_dispersion
        self.noise_bounds = _DISPERSION_BOUNDS if has_dispersion else (1.0, 1.0)

    def alone(self):
        """The same family with one expert."""
        one = GLMExperts(self.distribution, 1, self.penalty, self.has_intercept)
        one.level = self.level
        return one

    def with_noise_prior(self, prior):
        """The same family with a `NoisePrior`."""
        changed = copy.copy(self)
        changed.noise_prior = prior
        spread = self.distribution.expected_spread(np.ravel(prior.variance))
        changed.prior_spread = float(spread[0])
        changed.prior_target = self._target_of_spread(changed.prior_spread)
        changed.prior_least = changed._prior_value(np.ravel(prior.variance))
        return changed

    def _prior_value(self, dispersion):
        """Minus the log-density of a row of the prior, but for a constant."""
        return -self.distribution.log_density(0.0, 1.0, self.prior_target, dispersion)

    def with_equal_noise(self):
        """The same family, all experts with the same dispersion and without a prior."""
        equal = copy.copy(self)
        equal.noise_prior = NoisePrior()
        if self.n_noises:
            equal.shares_noise, equal.n_noises = True, 1
            equal.noise_tie = np.ones((self.tie.shape[0], 1))
        return equal

    def initial(self):
        """Experts of the targets' mean (K, 1, p); log-dispersions 0, (K, 1 or 0; 1)."""
        coef = np.zeros((self.tie.shape[0], 1, self.curvature_size))
        if self.has_intercept:
            # A batch may have no counts.
            coef[..., -1] = np.log(max(self.level, _TINY))
        return coef, np.zeros((self.n_noises, min(self.n_noises, 1)))

    def noise_of_spread(self, spread):
        """Dispersion of a mean spread, (1,)."""
        return self.distribution.dispersion_of(spread)

    def moments(self, target):
        """Sufficient statistics of the targets, (n,) -> (1, n)."""
        return target[None]

    def at(self, theta, block, target):
        """Rows of a block under `theta`; `target` is (b,)."""
        return GLMRows(self, theta, block.dot(theta.experts[:, 0]), target)

    def near_targets(self):
        """The same family with rows for the first step, see `FirstRows`."""
        first = copy.copy(self)
        first.at = lambda *arguments: FirstRows(self.at(*arguments))
        return first

    def gradient(self, theta, stats):
        """Gradient of the mean loss in coefficients and log-dispersions."""
        precision = self._precision(theta)
        score = -precision[:, None, None] * stats.expert_score
        if not self.n_noises:
            return score, theta.log_variance
        lack = self._lack_of_spread(theta, stats.mass, stats.spread)
        return score, self._of_noises(precision[:, None] * lack)

    def prior_loss(self, log_variance):
        """Minus the log-density of a row of the prior, its slope and its bend.

        By log-dispersions, three arrays (K or 1, 1); 0 at the prior's own dispersion.
        """
        precision, distribution = np.exp(-log_variance), self.distribution
        dispersion = 1 / precision
        value = self._prior_value(dispersion) - self.prior_least
        lack = distribution.expected_spread(dispersion) - self.prior_spread
        slope = precision * lack
        return value, slope, precision * distribution.spread_slope(dispersion) - slope

    def _target_of_spread(self, spread):
        """Target above its mean, which is 1, that has a given spread."""

        def excess(log_target):
            return float(self.distribution.spread(1.0, np.exp(log_target))) - spread

        return np.exp(brentq(excess, 0.0, _LARGEST_LOG, xtol=1e-15))

    def complete_information(self, theta, stats, at_model):
        """Hessian of -log p(y | x, z), a matrix, as of `GaussianExperts`."""
        precision = self._precision(theta)
        grams = stats.model_grams if at_model else stats.expert_grams
        matrix = block_diag(*(a * gram[0] for a, gram in zip(precision, grams)))
        if not self.n_noises:
            return matrix
        dispersion, distribution = 1 / precision, self.distribution
        mass = stats.model_mass if at_model else stats.mass
        bend = precision * mass * distribution.spread_slope(dispersion)
        pull = np.zeros_like(stats.expert_score[:, 0])
        if not at_model:
            lack = self._lack_of_spread(theta, mass, stats.spread)
            bend = bend - precision * lack[:, 0]
            pull = precision[:, None] * stats.expert_score[:, 0]
        cross = block_diag(*pull[:, :, None])
        return np.block([[matrix, cross], [cross.T, np.diag(bend)]])

    def natural_step(self, theta, stats, curvatures, gradient):
        """Complete information to the -1, times a gradient; coefficients and noise."""
        dispersion = 1 / self._precision(theta)
        step = np.stack(
            [
                self.penalty.times(scale).natural_step(curvature, scale * slope, coef)
                for scale, curvature, slope, coef in zip(
                    dispersion, curvatures, gradient.experts, theta.experts
                )
            ]
        )
        if not self.n_noises:
            return step, gradient.log_variance
        slope = self.distribution.spread_slope(dispersion) / dispersion
        bend = self._of_noises((slope * stats.mass)[:, None])
        bend = bend + self.noise_prior.rows * slope[: len(bend), None]
        return step, gradient.log_variance / np.maximum(bend, DEAD_MASS)

    def recentred(self, stats, curvatures, change):
        """Statistics after a change of the coefficients, (K, 1, p).

        To first order; spreads, of which scores are the slope, to second.
        """
        bend = [curvature.dot(step) for curvature, step in zip(curvatures, change)]
        score = stats.expert_score - np.stack(bend)
        spread = stats.spread
        if self.n_noises:
            pull = 0.5 * (stats.expert_score + score)
            spread = spread - np.einsum("kqp,kqp->kq", pull, change)
        return stats._replace(expert_score=score, spread=spread)

    def expected_spread(self, theta, mass):
        """Spreads that the model expects at some mass (K,), (K, 1)."""
        if not self.n_noises:
            return np.zeros((0, 0))
        expected = self.distribution.expected_spread(np.exp(theta.log_variance))
        return mass[:, None] * expected

    def project(self, theta, stats, curvatures, step_size, damping):
        """A damped Newton step of the coefficients, and dispersions at the old ones."""
        mass = (1 - step_size) * stats.model_mass + step_size * stats.mass
        if (mass < -DEAD_MASS).any():
            raise InfeasibleStep("an expert's blended mass is negative")
        alive, coef = mass > DEAD_MASS, theta.experts.copy()
        dispersion = 1 / self._precision(theta)
        for k in np.flatnonzero(alive):
            penalty = self.penalty.times(step_size * dispersion[k])
            pull = step_size * stats.expert_score[k]
            coef[k] += damping * penalty.solve(curvatures[k], pull, coef[k])
        log_variance = theta.log_variance.copy()
        if self.n_noises:
            spread = (1 - step_size) * self.expected_spread(theta, stats.model_mass)
            spread = self._of_noises(spread + step_size * stats.spread)
            mass = self._of_noises(mass[:, None])
            prior_mass, prior_spread = self._prior_moments(step_size)
            mass, spread = mass + prior_mass, spread + prior_spread
            alive = mass > DEAD_MASS
            if step_size > 1 and (spread[alive] <= 0).any():
                raise InfeasibleStep("a blended spread is not positive")
            found = self.distribution.dispersion_of(spread[alive] / mass[alive])
            log_variance[alive] = np.log(found)
        return coef, log_variance

    def project_exactly(self, theta, stats, rows, step_size, max_iter, tol):
        """As `project`, to the end; `rows` are all features, targets and two masses.

        The masses (K, n) are those of the posterior and of the model.
        """
        block, target, posterior, model = rows
        mean = np.exp(block.dot(theta.experts[:, 0]))
        mass = np.stack([step_size * posterior, (1 - step_size) * model], axis=1)
        beyond = np.zeros((mass.shape[0], 2))
        if self.n_noises:
            expected = self.expected_spread(theta, stats.model_mass)
            beyond[:, 1] = (1 - step_size) * expected[:, 0]
            beyond += self._prior_moments(step_size)
        log_variance, coef = theta.log_variance.copy(), theta.experts.copy()
        dispersion = 1 / self._precision(theta)
        penalty = self.penalty.times(step_size)
        for k in np.flatnonzero(mass.sum(axis=(1, 2)) > DEAD_MASS):
            targets = np.stack([target, mean[k]])
            regression = BlendedRegression(
                self.distribution, block, mass[k], targets, beyond[k], penalty
            )
            coef[k], found = regression.solve(coef[k], dispersion[k], max_iter, tol)
            log_variance[k : k + 1] = np.log(found)
        return coef, log_variance

    def _prior_moments(self, step_size):
        """Mass and spread that the prior on dispersions adds to blended moments."""
        rows = step_size * self.noise_prior.rows
        return rows, rows * self.prior_spread

    def _precision(self, theta):
        """1 / dispersion of each expert, (K,)."""
        if not self.n_noises:
            return np.ones(self.tie.shape[0])
        return np.broadcast_to(np.exp(-theta.log_variance[:, 0]), self.tie.shape[:1])

    def _of_noises(self, values):
        """Sum (K, 1) over the experts that share a dispersion."""
        return values.sum(axis=0, keepdims=True) if self.shares_noise else values

    def _lack_of_spread(self, theta, mass, spread):
        """Expected less found spread of each expert, (K, 1)."""
        return self.expected_spread(theta, mass) - spread


class GLMRows:
    """A block's means (K, b) and what follows from them."""

    probability = None

    def __init__(self, family, theta, predictor, target):
        self.family, self.theta, self.target = family, theta, target
        self.predictor, self.mean = predictor, np.exp(predictor)
        dispersion = 1 / family._precision(theta)[:, None]
        self.log_density = family.distribution.log_density(
            predictor, self.mean, target, dispersion
        )

    def score(self, mass):
        """Weighted residuals, (K, 1, b)."""
        residual = self.family.distribution.residual(self.mean, self.target)
        return (mass * residual)[:, None]

    def complete_score(self):
        """Gradient of log p(y | x, z=k) by coefficients and dispersion, two arrays."""
        family = self.family
        precision = family._precision(self.theta)[:, None]
        residual = family.distribution.residual(self.mean, self.target)
        scaled = _own(precision * residual)
        if not family.n_noises:
            return scaled, np.zeros((len(scaled), 0, scaled.shape[2]))
        spread = family.distribution.spread(self.mean, self.target)
        excess = spread - family.distribution.expected_spread(1 / precision)
        return scaled, _own(precision * excess)

    def spread(self, mass):
        """Weighted spreads, (K, 1), or an empty array."""
        if not self.family.n_noises:
            return np.zeros((0, 0))
        spread = self.family.distribution.spread(self.mean, self.target)
        return (mass * spread).sum(axis=1, keepdims=True)

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, (K, 1, b); with `at_model` expected ones."""
        distribution = self.family.distribution
        if at_model:
            weights = distribution.expected_curvature(self.mean)
        else:
            weights = distribution.curvature(self.mean, self.target)
        return (mass * weights)[:, None]


class FirstRows:
    """Rows whose first Newton step starts from means near the targets.

    It is the first step of iteratively reweighted least squares: a regression of the
    logarithms of the targets.  From equal means steps would be as far too long as the
    largest target is from the mean.
    """

    probability = None

    def __init__(self, rows):
        self.rows, self.log_density = rows, rows.log_density
        distribution, target = rows.family.distribution, rows.target
        mean = distribution.first_mean(target, max(rows.family.level, _TINY))
        self.weight = distribution.curvature(mean, target)
        gap = distribution.residual(mean, target) / self.weight
        self.residual = np.log(mean) + gap - rows.predictor

    def score(self, mass):
        """Weighted residuals, (K, 1, b)."""
        return (mass * self.weight * self.residual)[:, None]

    def spread(self, mass):
        """As of `GLMRows`."""
        return self.rows.spread(mass)

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, (K, 1, b)."""
        return (mass * self.weight)[:, None]


def _own(values):
    """Values of each expert (K, b) in a column of its own, (K, K, b)."""
    return np.eye(values.shape[0])[:, :, None] * values[:, None]
