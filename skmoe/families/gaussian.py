"""Linear experts: y | x, z=k ~ N(x' beta_k, diag(sigma_k^2))."""

import copy

import numpy as np
from scipy.linalg import block_diag
from scipy.special import ndtr, ndtri

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.mixture import DEAD_MASS
from skmoe.engine.penalty import NoisePrior
from skmoe.engine.tie import expand, fold, tie_matrix, untied

# A noise variance is at least this share of var(y): the likelihood of a Gaussian
# mixture has no maximum without such a bound.
NOISE_FLOOR = 1e-6
# Gradient steps may leave towards infinity; a maximum never lies there.
NOISE_CEILING = 1e30
_LOG_2PI = np.log(2 * np.pi)
_MAX_ALTERNATIONS = 50


class NormalNoise:
    """The normal distribution as noise, also the protocol of a noise distribution.

    Attributes
    ----------
    variance : float, of the noise of scale 1
    cdf, quantile : functions of the noise of scale 1
    """

    variance, cdf, quantile = 1.0, staticmethod(ndtr), staticmethod(ndtri)

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

    def rows(self, family, residual, variance):
        """A block's residuals and what follows from them."""
        return GaussianRows(family, residual, variance)

    def without_outliers(self, target, weight):
        """Targets (m, n) that starts are made from: normal noise has no outliers."""
        return target

    def floor(self, target, weight):
        """Least noise variance of standardised targets (m, n), (m,)."""
        return np.full(target.shape[0], NOISE_FLOOR)


class GaussianExperts:
    """Family of linear experts on standardised outputs.

    Parameters
    ----------
    n_experts : int, K
    n_outputs : int, m
    penalty : Penalty
    noise : {'per_expert', 'shared'}
    symmetric : bool
    distribution : NormalNoise or StudentNoise, default=NormalNoise()
    """

    contrasts, is_quadratic, noise_name = None, True, "noise_variance_"
    noise_bounds = NOISE_FLOOR, NOISE_CEILING

    def __init__(
        self, n_experts, n_outputs, penalty, noise, symmetric, distribution=None
    ):
        self.penalty, self.n_free = penalty, n_outputs
        n_columns = penalty.ridge.shape[0]
        self.tie = tie_matrix(n_experts, symmetric)
        self.shares_noise = noise == "shared" or symmetric
        self.noise_tie = np.ones((n_experts, 1)) if self.shares_noise else self.tie
        self.n_coefs = self.tie.shape[1] * n_outputs * n_columns
        self.n_noises = n_outputs * (1 if self.shares_noise else n_experts)
        # One Gram matrix serves all outputs.
        self.curvature_size = n_columns
        self.distribution = distribution or NormalNoise()
        self.noise_prior = NoisePrior()

    def alone(self):
        """The same family with one expert."""
        one = GaussianExperts(
            1, self.n_free, self.penalty, "per_expert", False, self.distribution
        )
        one.noise_bounds = self.noise_bounds
        return one

    def with_noise_prior(self, prior):
        """The same family with a `NoisePrior`."""
        changed = copy.copy(self)
        changed.noise_prior = prior
        return changed

    @property
    def prior_spread(self):
        """Squared residuals of a row of the prior, (m,)."""
        return self.noise_prior.variance

    def with_equal_noise(self):
        """The same family, all experts with the same noise and without a prior."""
        equal = copy.copy(self)
        equal.shares_noise, equal.noise_prior = True, NoisePrior()
        equal.noise_tie = np.ones((self.tie.shape[0], 1))
        equal.n_noises = self.n_free
        return equal

    def initial(self):
        """Zero coefficients (J, m, p) and zero log-variances (K or 1, m)."""
        n_free_experts = self.tie.shape[1]
        n_noises = 1 if self.shares_noise else self.tie.shape[0]
        coef = np.zeros((n_free_experts, self.n_free, self.curvature_size))
        return coef, np.zeros((n_noises, self.n_free))

    def without_outliers(self, target, weight):
        """Targets (m, n) that starts are made from."""
        return self.distribution.without_outliers(target, weight)

    def noise_floor(self, target, weight):
        """Least noise variance, (m,), learned from standardised targets (m, n)."""
        return self.distribution.floor(target, weight)

    def bound_noise(self, floor):
        """Take a least noise variance, (m,)."""
        self.noise_bounds = np.stack([floor, np.full_like(floor, NOISE_CEILING)])

    def noise_of_spread(self, spread):
        """Noise variance of mean squared residuals, (m,)."""
        return spread

    def moments(self, target):
        """Sufficient statistics of the targets, (m, n) -> (m, n)."""
        return target

    def at(self, theta, block, target):
        """Rows of a block under `theta`; `target` is (m, b)."""
        predictor = block.dot(expand(self.tie, theta.experts))
        residual = np.subtract(target, predictor, out=predictor)
        return self.distribution.rows(self, residual, np.exp(theta.log_variance))

    def gradient(self, theta, stats):
        """Gradient of the mean loss in coefficients and log-variances."""
        precision = self._of_experts(np.exp(-theta.log_variance))
        score = -stats.expert_score * precision[:, :, None]
        mass = self._noise_mass(stats)
        spread = self._of_noises(stats.spread)
        return score, 0.5 * (mass - spread * np.exp(-theta.log_variance))

    def prior_loss(self, log_variance):
        """Minus the log-density of a row of the prior, its slope and its bend.

        By log-variances, three arrays (K or 1, m); squares in the user's units.
        """
        ratio = self.noise_prior.variance * np.exp(-log_variance)
        value = log_variance + self.noise_prior.log_unit + ratio
        return 0.5 * value, 0.5 * (1 - ratio), 0.5 * ratio

    def complete_information(self, theta, stats, at_model):
        """Hessian of -log p(y | x, z), experts then noise, a matrix.

        Mean over the responsibilities, or with `at_model` over the model's y and z: the
        Fisher information.
        """
        if at_model:
            grams, score = stats.model_grams, np.zeros_like(theta.experts)
            _, spread = self._blended(theta, stats, 0)
        else:
            grams, score, spread = stats.expert_grams, stats.expert_score, stats.spread
        precision = self._of_experts(np.exp(-theta.log_variance))
        coefs = [
            scale * gram[0] for gram, row in zip(grams, precision) for scale in row
        ]
        bend = 0.5 * self._of_noises(spread) * np.exp(-theta.log_variance)
        matrix = block_diag(*coefs, np.diag(bend.ravel()))
        # Residuals pull at the coefficients of an output, which scale with its noise.
        pull = precision[:, :, None] * score
        coef_rows = np.arange(pull.size).reshape(pull.shape)
        noise_rows = pull.size + np.arange(self.n_noises).reshape(bend.shape)
        noise_rows = np.broadcast_to(
            self._of_experts(noise_rows)[:, :, None], pull.shape
        )
        matrix[coef_rows, noise_rows] = matrix[noise_rows, coef_rows] = pull
        return matrix

    def natural_step(self, theta, stats, curvatures, gradient):
        """Complete information to the -1, times a gradient; coefficients and noise."""
        variance = self._of_experts(np.exp(theta.log_variance))
        learning = np.ones(variance.shape, dtype=bool)
        pull = variance[:, :, None] * gradient.experts
        coef = self._solve(curvatures, pull, variance, learning, theta, natural=True)
        mass = self._noise_mass(stats) + self.noise_prior.rows
        return coef, 2 * gradient.log_variance / np.maximum(mass, DEAD_MASS)

    def project(self, theta, stats, curvatures, step_size, damping, exact=False):
        """Maximum likelihood on blended moments: K weighted least squares.

        With residuals e taken from the current mean the blended moments are
        ``a = (1 - eta) pi + eta r``, ``eta r e``, ``(1 - eta) pi sigma^2 + eta r e^2``;
        the prior on noise adds rows of its own, eta times.
        Coefficients and variances are coupled by the penalty alone; one alternation
        between them never raises F, `exact` goes on until they settle.
        """
        expert_mass, spread = self._blended(theta, stats, step_size)
        if (expert_mass < -DEAD_MASS).any():
            raise InfeasibleStep("an expert's blended mass is negative")
        prior_rows = step_size * self.noise_prior.rows
        mass = self._of_noises(expert_mass) + prior_rows
        spread = self._of_noises(spread) + prior_rows * self.noise_prior.variance
        alive = mass > DEAD_MASS
        learning = fold(self.tie**2, expert_mass) > DEAD_MASS
        score = step_size * stats.expert_score
        log_variance = theta.log_variance.copy()
        for _ in range(_MAX_ALTERNATIONS if exact else 1):
            variance = self._of_experts(np.exp(log_variance))
            strength = step_size * variance
            step = self._solve(curvatures, score, strength, learning, theta)
            remaining = spread - self._of_noises(self._gain(step, score, curvatures))
            if step_size > 1 and (remaining[alive] <= 0).any():
                raise InfeasibleStep("a blended noise variance is not positive")
            previous = log_variance.copy()
            floor = np.broadcast_to(self.noise_bounds[0], mass.shape)[alive]
            ratio = remaining[alive] / mass[alive]
            log_variance[alive] = np.log(np.maximum(ratio, floor))
            if np.abs(log_variance - previous).max() < 1e-12:
                break
        return theta.experts + step, log_variance

    def recentred(self, stats, curvatures, change):
        """Statistics with residuals from the means after a change (J, m, p)."""
        gain = self._gain(change, stats.expert_score, curvatures)
        spread = stats.spread.copy()
        # Experts that share coefficients share their noise too.
        spread[: gain.shape[0]] -= gain
        bend = [
            np.stack([curvature.dot(output[None])[0] for output in outputs])
            for curvature, outputs in zip(curvatures, change)
        ]
        return stats._replace(
            expert_score=stats.expert_score - np.stack(bend), spread=spread
        )

    def expected_spread(self, theta, mass):
        """Squared residuals that the model expects at some mass (K,), (K, m)."""
        return mass[:, None] * np.exp(theta.log_variance)

    def _blended(self, theta, stats, step_size):
        """Blended mass and squared residuals of each expert, two arrays (K, m)."""
        mass, spread = stats.mass[:, None], stats.spread
        if step_size != 1:
            mass = (1 - step_size) * stats.model_mass[:, None] + step_size * mass
            model_spread = self.expected_spread(theta, stats.model_mass)
            spread = (1 - step_size) * model_spread + step_size * spread
        return np.repeat(mass, self.n_free, axis=1), spread

    def _solve(self, curvatures, pull, strength, learning, theta, natural=False):
        """Penalised least squares of all coefficients from `theta`, (J, m, p).

        `pull` (J, m, p), `strength` (J, m) of the penalty, `learning` (J, m) or False.
        """
        step = np.zeros_like(pull)
        for where in zip(*np.nonzero(learning)):
            penalty = self.penalty.times(strength[where])
            solve = penalty.natural_step if natural else penalty.solve
            change = solve(
                curvatures[where[0]], pull[where][None], theta.experts[where][None]
            )
            step[where] = change[0]
        return step

    def _gain(self, step, score, curvatures):
        """How far the steps lower the squared residuals, (J, m)."""
        gain = 2 * np.einsum("jmp,jmp->jm", step, score)
        for j, curvature in enumerate(curvatures):
            for output in range(self.n_free):
                change = step[j, output]
                gain[j, output] -= change @ curvature.dot(change[None])[0]
        return gain

    def _noise_mass(self, stats):
        """Posterior mass behind each noise parameter, (K or 1, m)."""
        return self._of_noises(np.repeat(stats.mass[:, None], self.n_free, axis=1))

    def _of_noises(self, values):
        """Sum (K or J, m) over the experts that share a noise parameter."""
        return values.sum(axis=0, keepdims=True) if self.shares_noise else values

    def _of_experts(self, values):
        """Repeat (K or 1, m) for every set of free coefficients, (J, m)."""
        n_free_experts = self.tie.shape[1]
        if values.shape[0] == n_free_experts:
            return values
        return np.repeat(values, n_free_experts, axis=0)


class GaussianRows:
    """A block's residuals (K, m, b) and what follows from them."""

    probability = None

    def __init__(self, family, residual, variance):
        self.family, self.residual, self.variance = family, residual, variance
        self.square = np.square(residual)
        constant = -0.5 * (_LOG_2PI + np.log(variance)).sum(axis=1)
        # Squared, in units of the noise, (K, b).
        self.distance = ((1 / variance)[:, None] @ self.square)[:, 0]
        self.log_density = constant[:, None] - 0.5 * self.distance

    def score(self, mass):
        """Weighted residuals, to be multiplied with the features, (J, m, b)."""
        return fold(self.family.tie, mass[:, None] * self.residual)

    def complete_score(self, scale=1.0):
        """Gradient of log p(y | x, z=k) by coefficients and noise, two arrays.

        The first, to be multiplied with the features, is (K, J * m, b), the second
        (K, noises, b).  In a row the noise variance is divided by `scale` (K, 1, b).
        """
        family, precision = self.family, scale / self.variance[:, :, None]
        residual = self.residual * precision
        scaled = 0.5 * (self.square * precision - 1)
        return untied(family.tie, residual), untied(family.noise_tie, scaled)

    def spread(self, mass):
        """Weighted squared residuals, (K, m)."""
        return (self.square @ mass[:, :, None])[:, :, 0]

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, one per set of coefficients, (J, 1, b)."""
        return fold(self.family.tie**2, mass)[:, None]
