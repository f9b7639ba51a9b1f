"""Experts whose predictors are linear in x: the one place that joins y with X.

A distribution says what follows, row by row, from predictors ``eta = x' beta_k`` and
dispersions ``phi_k``: the score is ``residual / phi``, its slope ``-curvature / phi``,
and phi enters by ``log_normaliser(phi) - deviance / (2 phi)``.  Where it enters in
another way (`is_dispersion_model`) rows weigh by what they tell of it, and their
deviances make the derivative by log(phi) what it is.
"""

import copy

import numpy as np
from scipy.linalg import block_diag

from skmoe.engine.blended_regression import TwiceSeen, newton
from skmoe.engine.coupling import Separate, Together
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.penalty import NoisePrior, Penalty
from skmoe.engine.sharing import OwnCoefficients, SharedCoefficients
from skmoe.engine.tie import expand, expand_adjoint, is_tied, tie_matrix, untied

# Below this share of all mass an expert has nothing to learn from; it is left as it is.
DEAD_MASS = 1e-10
_MAX_ALTERNATIONS, _CONVERGED = 50, 1e-13
_TINY = np.finfo(np.float64).tiny
# What a dispersion's logarithm is taken to bend F by at least, for each row.
_LEAST_CURVATURE = 1e-6


class LinearExperts:
    """K experts of one distribution.

    Parameters
    ----------
    distribution : see `skmoe.distributions`
    n_experts : int, K
    penalty : Penalty
    symmetric : bool, default=False
        Whether the second of two experts has the coefficients of the first, negated.
    shares_noise : bool, default=False
        Whether experts have their dispersions in common; symmetric ones do.
    coef_sets : ndarray of int of shape (K, p), default=None
        Which coefficients are shared, see `SharedCoefficients`; each expert has its
        own by default.
    noise_sets : ndarray of int of shape (K,), default=None
        Which dispersion each expert has, from 0 on; its own by default.
    is_numbered : bool, default=False
        Whether experts differ in what they see or share, and so keep their numbers.
    has_intercept : bool, default=True

    Attributes
    ----------
    target_mean : float, of targets that are not standardised, which a `Problem` sets
    responses : ndarray of shape (C, q), free predictors to those that are reported
    coupling : Separate or Together, of the predictors of one expert
    m_step_is_exact : bool, whether one M-step is the end of all, but for penalties
    recentres_exactly : bool, whether `recentred` is more than first order
    n_kept_curvatures : int, weights of each row that `implicit_curvatures` needs
    """

    target_mean = 1.0

    def __init__(
        self,
        distribution,
        n_experts,
        penalty,
        *,
        symmetric=False,
        shares_noise=False,
        coef_sets=None,
        noise_sets=None,
        is_numbered=False,
        has_intercept=True,
    ):
        self.distribution, self.penalty = distribution, penalty
        self.has_intercept = has_intercept
        self.n_columns, self.n_free = penalty.ridge.shape[0], distribution.n_predictors
        coupling = Together if distribution.n_categories else Separate
        self.coupling = coupling(distribution.contrasts)
        # Their intercepts are relative; but two classes are reported by one logit.
        self.is_zero_sum = distribution.is_relative and self.n_free > 1
        self.responses = np.eye(self.n_free)
        if self.is_zero_sum:
            self.responses = distribution.contrasts
        self.curvature_size = self.n_columns * self.coupling.size
        self.m_step_is_exact = self.recentres_exactly = distribution.is_quadratic
        self.noise_bounds = np.ones((2, 1))
        self.noise_prior = NoisePrior()
        self.is_numbered = is_numbered
        if shares_noise or symmetric:
            noise_sets = np.zeros(n_experts, dtype=int)
        self._arrange(n_experts, symmetric, coef_sets)
        self._arrange_noise(n_experts, noise_sets)

    def _arrange(self, n_experts, symmetric, coef_sets=None):
        """Which coefficients experts have in common."""
        self.tie = tie_matrix(n_experts, symmetric)
        n_sets = self.tie.shape[1]
        self.n_coefs = n_sets * self.n_free * self.n_columns
        self.n_kept_curvatures = n_sets if self.coupling.keeps_curvature else 0
        self.sharing = OwnCoefficients(n_sets, self.n_columns)
        if coef_sets is not None:
            self.sharing = SharedCoefficients(coef_sets)

    def _arrange_noise(self, n_experts, noise_sets):
        """Which dispersions experts have in common, numbers (K,) or None."""
        has_noise = self.distribution.has_dispersion
        if noise_sets is None:
            noise_sets = np.arange(n_experts)
        tie = np.eye(noise_sets.max(initial=0) + 1)[noise_sets]
        self.noise_tie = tie if has_noise else tie[:, :0]
        self.noise_sets = noise_sets
        self.n_noises = self.noise_tie.shape[1] * self.n_free
        self.shares_noise = has_noise and n_experts > tie.shape[1]

    def alone(self):
        """One of the experts."""
        one = copy.copy(self)
        one._arrange(1, False)
        one._arrange_noise(1, None)
        one.noise_prior = NoisePrior()
        return one

    def with_noise_prior(self, prior):
        """The same experts with a `NoisePrior`."""
        changed = copy.copy(self)
        changed.noise_prior = prior
        return changed

    def with_distribution(self, distribution):
        """The same experts of another distribution with as many predictors."""
        changed = copy.copy(self)
        changed.distribution = distribution
        return changed

    def with_equal_noise(self):
        """The same experts, all with the same dispersion and without a prior."""
        equal = copy.copy(self)
        equal._arrange_noise(len(self.tie), np.zeros(len(self.tie), dtype=int))
        equal.noise_prior = NoisePrior()
        return equal

    def learn_target_mean(self, target_mean, floor=None):
        """Take what all targets tell: their mean, and least dispersions (m,)."""
        self.target_mean = target_mean
        if self.n_noises:
            self.noise_bounds = self.distribution.dispersion_bounds(floor)

    def learn_unit(self, scale):
        """Take the unit of real outputs, their scale (m,)."""
        self.distribution = self.distribution.in_units(scale)

    def initial(self):
        """Neutral coefficients (J, q, p) and log-dispersions (S, q), or (0, 0).

        Predictors are 0, or the logarithm of the targets' mean.
        """
        coef = np.zeros((self.tie.shape[1], self.n_free, self.n_columns))
        if self.has_intercept:
            # A batch may have no counts.
            coef[..., -1] = np.log(max(self.target_mean, _TINY))
        n_sets = self.noise_tie.shape[1]
        return coef, np.zeros((n_sets, self.n_free if n_sets else 0))

    def reported(self, coef):
        """Coefficients of the responses from free ones, (J, q, p) -> (K, C, p)."""
        return np.matmul(self.responses, expand(self.tie, coef))

    def free(self, reported):
        """Inverse of `reported`."""
        free = np.matmul(self.responses.T, reported[: self.tie.shape[1]])
        return self.sharing.projected(free)

    def logit_offset(self, offset):
        """Offsets (C, n) of reported predictors for all classes, (C, n), or None."""
        if offset is None:
            return None
        return self.distribution.contrasts @ (self.responses.T @ offset)

    def at(self, theta, block, target):
        """Rows of a block under `theta`, see `ExpertRows`."""
        return ExpertRows(self, theta, block, target)

    def near_targets(self):
        """The same experts with rows for the first step of a log link."""
        first = copy.copy(self)

        def at(theta, block, target):
            target_mean = self.target_mean
            if block.offset is not None:
                target_mean = target_mean * np.exp(block.offset[0])
            start = self.distribution.first_predictor(target, target_mean)
            return FirstRows(self.at(theta, block, target), *start)

        first.at = at
        return first

    @property
    def can_be_gate(self):
        """Whether gate and experts, if they see the same, may change places.

        Symmetric logistic ones do, since
        ``P(y=1 | x) = (1 + tanh(x'w/2) tanh(x'beta/2)) / 2``.
        """
        return self.distribution.is_relative and is_tied(self.tie)

    def learning(self, mass):
        """Whether there are rows to learn from, where experts have some mass (K,).

        For coefficients, (J, 1, 1) or (K, 1, p), and each noise, (S,).  The mass of
        experts without parameters, which come last, does not count.
        """
        mass = mass[: len(self.tie)]
        coefs, noises = (
            tie.T @ mass > DEAD_MASS for tie in (self.tie**2, self.noise_tie)
        )
        return self.sharing.has_rows(coefs), noises

    def all_learn(self, mass):
        """Whether all experts have rows to learn from, by their mass, (K,) or more."""
        return bool(mass.min() > DEAD_MASS)

    def gradient(self, theta, stats):
        """Gradient of the mean loss in coefficients and log-dispersions."""
        score = -self.precision(theta.log_variance)[:, :, None] * stats.expert_score
        score = self.sharing.projected(score)
        if not self.n_noises:
            return score, theta.log_variance
        expected = self.expected_deviance(theta, stats.behind_dispersion)
        slope = self.distribution.natural_slope(theta.log_variance)
        return score, slope * self._of_noises(expected - stats.deviance)

    def prior_loss(self, log_variance):
        """Minus the log-density of the prior on noise, in the user's units, (S, q)."""
        if not self.has_prior:
            return np.zeros_like(log_variance)
        dispersion, prior = np.exp(log_variance), self.noise_prior
        value = 0.5 * (prior.log_unit + self.prior_deviance / dispersion)
        return prior.rows * (value - self.distribution.log_normaliser(dispersion))

    @property
    def least_prior_loss(self):
        """`prior_loss` of all dispersions at its mode, a number."""
        if not self.has_prior:
            return 0.0
        shape = self.noise_tie.shape[1], self.n_free
        mode = np.broadcast_to(np.log(self.noise_prior.variance), shape)
        return float(self.prior_loss(mode).sum())

    def prior_slope(self, log_variance):
        """Derivative of `prior_loss` by log-dispersions, (S, q)."""
        if not self.has_prior:
            return np.zeros_like(log_variance)
        dispersion = np.exp(log_variance)
        excess = self.distribution.expected_deviance(dispersion) - self.prior_deviance
        return 0.5 * self.noise_prior.rows * excess / dispersion

    def prior_curvature(self, log_variance):
        """Second derivative of `prior_loss`, (S, q)."""
        if not self.has_prior:
            return np.zeros_like(log_variance)
        dispersion = np.exp(log_variance)
        bend = self.distribution.deviance_slope(dispersion) / dispersion
        slope = self.prior_slope(log_variance)
        return 0.5 * self.noise_prior.rows * bend - slope

    @property
    def has_prior(self):
        """Whether there is a prior on noise."""
        return self.n_noises > 0 and self.noise_prior.rows > 0

    @property
    def prior_deviance(self):
        """Deviance of a row of the prior, (q,)."""
        return self.distribution.expected_deviance(self.noise_prior.variance)

    def expected_deviance(self, theta, mass):
        """Deviance that the model expects at some mass (K, 1) or (K, q), (K, q)."""
        dispersion = self.dispersions(theta.log_variance)
        return mass * self.distribution.expected_deviance(dispersion)

    def complete_information(self, theta, stats, at_model):
        """Hessian of -log p(y | x, z), experts then noise, a matrix.

        Mean over the responsibilities, or with `at_model` over the model's y and z: the
        Fisher information.  Without what `ExpertRows.noise_curvature` says.
        """
        precision = self.precision(theta.log_variance)
        grams = stats.model_grams if at_model else stats.expert_grams
        matrix = self.coupling.information(grams, precision)
        if not self.n_noises:
            return matrix
        if not self.distribution.is_dispersion_model:
            return block_diag(matrix, np.zeros((self.n_noises, self.n_noises)))
        dispersion = self.dispersions(theta.log_variance)
        mass = (stats.model_mass if at_model else stats.mass)[:, None]
        expected = self.expected_deviance(theta, mass)
        deviance = expected if at_model else stats.deviance
        slope = mass * self.distribution.deviance_slope(dispersion)
        curvature = 0.5 * self._of_noises(slope - expected + deviance)
        curvature = curvature / np.exp(theta.log_variance)
        matrix = block_diag(matrix, np.diag(curvature.ravel()))
        if not at_model:
            self._add_cross(matrix, precision[:, :, None] * stats.expert_score)
        return matrix

    def _add_cross(self, matrix, score):
        """Add the slope of the score in log-dispersions: it is the score."""
        coefs = np.arange(score.size).reshape(score.shape)
        noises = score.size + np.arange(self.n_noises).reshape(-1, self.n_free)
        noises = noises[self.noise_sets[: len(score)]]
        noises = np.broadcast_to(noises[:, :, None], score.shape)
        matrix[coefs, noises] = matrix[noises, coefs] = score

    def natural_step(self, theta, stats, curvatures, gradient):
        """Complete information to the -1, times a gradient; coefficients and noise."""
        strength = 1 / self.precision(theta.log_variance)
        scaled = strength[:, :, None] * gradient.experts
        systems = curvatures, strength, scaled
        step = self._steps(Penalty.natural_step, systems, theta, range(len(scaled)))
        if not self.n_noises:
            return step, gradient.log_variance
        slope = self.distribution.natural_slope(theta.log_variance)
        slope = slope * self.distribution.deviance_slope(np.exp(theta.log_variance))
        rows = self._noise_mass(stats.behind_dispersion) + self.noise_prior.rows
        least = np.maximum(self._noise_mass(stats.mass[:, None]), DEAD_MASS)
        curvature = np.maximum(slope * rows, _LEAST_CURVATURE * least)
        return step, gradient.log_variance / curvature

    def m_step(self, theta, stats, curvatures, step_size, damping, exact=False):
        """Maximum likelihood on blended moments, or a damped Newton step towards it.

        With residuals e taken from the current mean the blended moments are
        ``a = (1 - eta) pi + eta r``, ``eta r e``, and deviances blended as masses are;
        the prior on noise adds rows of its own, eta times.  Where predictors enter
        squared it is exact but for the penalty, which couples coefficients and
        dispersions: one alternation between them never raises F, `exact` goes on until
        they converge.  So it is with coefficients that are shared, whose least squares
        are weighted by dispersions.  Else dispersions are those at the old
        coefficients.
        """
        mass = (1 - step_size) * stats.model_mass + step_size * stats.mass
        if self.n_noises and (mass < -DEAD_MASS).any():
            raise InfeasibleStep("an expert's blended mass is negative")
        learning = np.flatnonzero(expand_adjoint(self.tie**2, mass) > DEAD_MASS)
        score = step_size * stats.expert_score
        damping = 1.0 if self.m_step_is_exact else damping
        log_variance = theta.log_variance
        for _ in range(_MAX_ALTERNATIONS if exact else 1):
            strength = step_size / self.precision(log_variance)
            systems = curvatures, strength, score
            step = damping * self._steps(Penalty.solve, systems, theta, learning)
            if not self.n_noises:
                break
            gain = None
            if self.m_step_is_exact:
                gain = self._gain(step, score, curvatures)
            before = log_variance
            log_variance = self._dispersions(theta, stats, mass, step_size, gain)
            if damping != 1:
                change = log_variance - theta.log_variance
                log_variance = theta.log_variance + damping * change
            if np.abs(log_variance - before).max() < 1e-12:
                break
        return theta.experts + step, log_variance

    def _dispersions(self, theta, stats, mass, step_size, gain):
        """Log-dispersions of blended moments, deviances less a gain (J, q)."""
        deviance, behind = stats.deviance, mass[:, None]
        model_mass = stats.model_mass[:, None]
        is_scoring = not self.distribution.is_dispersion_model
        if is_scoring:
            behind = model_mass = stats.dispersion_mass
        if step_size != 1:
            expected = self.expected_deviance(theta, model_mass)
            deviance = (1 - step_size) * expected + step_size * deviance
        deviance = self._of_noises(deviance)
        if gain is not None:
            deviance = deviance - self._of_noises(gain)
        mass, behind = self._noise_mass(mass[:, None]), self._noise_mass(behind)
        prior_mass, prior_deviance = self._prior_moments(step_size)
        behind, deviance = behind + prior_mass, deviance + prior_deviance
        alive = (mass + prior_mass > DEAD_MASS) & (behind > 0)
        if step_size > 1 and not is_scoring and (deviance[alive] <= 0).any():
            raise InfeasibleStep("a blended dispersion is not positive")
        mean = np.divide(deviance, behind, out=np.ones_like(deviance), where=alive)
        low, high = self.noise_bounds
        found = np.minimum(np.maximum(self.distribution.dispersion_of(mean), low), high)
        return np.where(alive, np.log(found), theta.log_variance)

    def m_step_exactly(self, theta, stats, rows, step_size, max_iter, tol):
        """As `m_step`, to the end, where predictors enter in another way than squared.

        `rows` are all features, targets and two masses (K, n), of posterior and model.
        """
        block, target, posterior, model = rows
        mean = self.at(theta, block, target).local.mean
        target = np.broadcast_to(target[..., None, :], mean.shape)
        targets = np.stack([target, mean], axis=-2)
        mass = np.stack([step_size * posterior, (1 - step_size) * model], axis=1)
        prior_mass, beyond = self._prior_moments(step_size)
        if self.n_noises:
            expected = self.expected_deviance(theta, stats.model_mass[:, None])[:, 0]
            beyond = beyond + (1 - step_size) * expected
        coef, log_variance = theta.experts.copy(), theta.log_variance.copy()
        dispersion = 1 / self.precision(log_variance)[:, 0]
        for k in np.flatnonzero(mass.sum(axis=(1, 2)) > DEAD_MASS):
            for _ in range(_MAX_ALTERNATIONS):
                rows = mass[k], targets[..., k, :, :], dispersion[k]
                loss = TwiceSeen(self.distribution, block, *rows)
                penalty = self.penalty.times(step_size * dispersion[k])
                coef[k] = newton(loss, penalty, coef[k], max_iter, tol)
                if not self.n_noises:
                    break
                deviance = loss.deviance(coef[k]) + beyond[k]
                mean_deviance = deviance / (mass[k].sum() + prior_mass)
                dispersion[k] = self.distribution.dispersion_of(mean_deviance)
                change = np.log(dispersion[k]) - log_variance[k, 0]
                log_variance[k] += change
                if abs(change) < _CONVERGED or max_iter == 1:
                    break
        return coef, log_variance

    def recentred(self, stats, curvatures, change):
        """Statistics with residuals from the predictors after a change (J, q, p).

        Exact where predictors enter squared, else scores are to first order, and
        deviances, of which they are the slope, to second.
        """
        deviance = stats.deviance
        # Else a dispersion and predictors are orthogonal: the mean does not change.
        if self.n_noises and self.distribution.is_dispersion_model:
            gain = self._gain(change, stats.expert_score, curvatures)
            deviance = deviance.copy()
            # Experts that share coefficients share their dispersions too.
            deviance[: gain.shape[0]] -= gain
        score = stats.expert_score - self._curvature_product(change, curvatures)
        return stats._replace(expert_score=score, deviance=deviance)

    def curvatures(self, grams, mass):
        """Stored curvature of each set of coefficients at a blended mass, a list."""
        return self.coupling.stored(grams, expand_adjoint(self.tie**2, mass))

    def implicit_curvatures(self, design, weights, probability, exact, passes):
        """As `curvatures`, by their products with all rows.

        Weights (J, n) of the rows; of classes also their probabilities (K, C, n).
        The options are those of `ImplicitCurvature`.
        """
        return self.coupling.implicit(design, weights, probability, exact, passes)

    def _steps(self, solve, systems, theta, learning):
        """Steps of the experts that learn, see `OwnCoefficients.steps`."""
        coef, groups = theta.experts, self.coupling.groups
        return self.sharing.steps(solve, self.penalty, systems, coef, learning, groups)

    def _curvature_product(self, step, curvatures):
        """Products of the curvatures with a step, (J, q, p)."""
        product = np.zeros_like(step)
        for j, curvature in enumerate(curvatures):
            for rows in self.coupling.groups:
                product[j, rows] = curvature.dot(step[j, rows])
        return product

    def _gain(self, step, score, curvatures):
        """How far a step lowers the deviances, (J, q)."""
        remaining = 2 * score - self._curvature_product(step, curvatures)
        return np.einsum("jqp,jqp->jq", step, remaining)

    def _prior_moments(self, step_size):
        """Mass, and deviance (q,), that the prior adds to blended moments."""
        rows = step_size * self.noise_prior.rows
        return rows, rows * self.prior_deviance if rows else 0.0

    def precision(self, log_variance):
        """1 / dispersion of each set of coefficients, (J, q)."""
        n_sets = self.tie.shape[1]
        if not self.n_noises:
            return np.ones((n_sets, self.n_free))
        return np.exp(-log_variance)[self.noise_sets[:n_sets]]

    def information_of_row(self, log_variance):
        """About what a row tells of each of its predictors, (J, q)."""
        distribution = self.distribution
        told = self.precision(log_variance) / distribution.rows_per_number
        if distribution.first_predictor is None:
            return told
        mean = np.full(told.shape, self.target_mean)
        dispersion = self.dispersions(log_variance) if self.n_noises else 1.0
        return np.square(mean) / distribution.variance(mean, dispersion)

    def dispersions(self, log_variance):
        """Dispersions of the experts, (K, q), or (1, q) where all are the same."""
        if len(log_variance) == 1:
            return np.exp(log_variance)
        return np.exp(log_variance)[self.noise_sets]

    def _noise_mass(self, mass):
        """Mass (K, 1) or (K, q) behind each dispersion, (S, q)."""
        if mass.shape[1] != self.n_free:
            mass = np.broadcast_to(mass, (len(mass), self.n_free))
        return self._of_noises(mass)

    def _of_noises(self, values):
        """Sum (K or J, q) over the experts that share a dispersion, (S, q)."""
        if self.noise_tie.shape[1] == 1:
            return values.sum(axis=0, keepdims=True)
        return self.noise_tie.T @ values if self.shares_noise else values


class ExpertRows:
    """A block of rows under the experts: a distribution's rows, joined with X.

    Attributes
    ----------
    log_density : ndarray of shape (K, b)
    probability : ndarray of shape (K, C, b), of classes
    """

    def __init__(self, experts, theta, block, target):
        self.experts = experts
        self.predictor = block.predictor(experts.reported(theta.experts))
        self.dispersion = np.ones((1, 1))
        if experts.n_noises:
            self.dispersion = experts.dispersions(theta.log_variance)
        distribution = experts.distribution
        self.local = distribution.at(self.predictor, target, self.dispersion)
        self.log_density = self.local.log_density

    @property
    def probability(self):
        """Class probabilities, (K, C, b)."""
        return self.local.probability

    def score(self, mass):
        """Weighted residuals, to be multiplied with the features, (J, q, b)."""
        residual = self.local.residual()
        return expand_adjoint(
            self.experts.tie, self._weighted(mass)[:, None] * residual
        )

    def deviance(self, mass):
        """Weighted deviances, (K, q); an empty array without dispersions."""
        if not self.experts.n_noises:
            return np.zeros((0, 0))
        mass = self._weighted(mass)
        return (self.local.deviance() @ mass[:, :, None])[:, :, 0]

    def dispersion_mass(self, mass):
        """What rows tell of the dispersions, (K, q); empty where it is their mass."""
        experts = self.experts
        if not experts.n_noises or experts.distribution.is_dispersion_model:
            return np.zeros((0, 0))
        return (self.local.dispersion_weight() @ mass[:, :, None])[:, :, 0]

    def noise_curvature(self, at_model=False):
        """What is missing in `LinearExperts.complete_information`, or None.

        Minus second derivatives of log p(y | x, z=k) by predictors and log-dispersions,
        and by these alone, or their means, as `complete_score` has them.
        """
        experts = self.experts
        if not experts.n_noises or experts.distribution.is_dispersion_model:
            return None
        cross, alone = self.local.dispersion_curvatures(at_model)
        return untied(experts.tie, cross), untied(experts.noise_tie, alone)

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, (J, pairs, b); with `at_model` expected ones.

        The model's mean of hidden weights is 1.
        """
        mass = (mass if at_model else self._weighted(mass))[:, None]
        curvature = self.local.curvature(at_model)
        weights = mass if curvature is None else mass * curvature
        return expand_adjoint(self.experts.tie**2, weights)

    def complete_score(self):
        """Gradient of log p(y | x, z=k) by coefficients and noise, two arrays.

        The first, to be multiplied with the features, is (K, J * q, b), the second
        (K, noises, b); at the mean of hidden weights.
        """
        weight = self.local.weight
        weight = 1.0 if weight is None else weight[:, None]
        residual, excess = weight * self.local.residual(), 0.0
        if self.experts.n_noises:
            distribution = self.experts.distribution
            expected = distribution.expected_deviance(self.dispersion)[:, :, None]
            if not distribution.is_dispersion_model:
                expected = expected * self.local.dispersion_weight()
            excess = weight * self.local.deviance() - expected
        return self._scores(residual, excess)

    def hidden_scores(self):
        """Variances (K, b) of what is hidden beside z, and the score's slopes, a list.

        The complete score is linear in it; a slope is two arrays, as the score is.
        Given y and z no two of them covary.
        """
        return [
            (variance, self._scores(*slopes))
            for variance, *slopes in self.local.hidden()
        ]

    def _scores(self, residual, excess):
        """Scores in coefficients and noise, of residuals and of deviances (K, q, b)."""
        experts, precision = self.experts, 1 / self.dispersion[:, :, None]
        scores = untied(experts.tie, precision * residual)
        if not experts.n_noises:
            return scores, np.zeros((len(residual), 0, residual.shape[2]))
        slope = experts.distribution.natural_slope(np.log(self.dispersion))
        excess = np.broadcast_to(slope[:, :, None] * excess, residual.shape)
        return scores, untied(experts.noise_tie, excess)

    def _weighted(self, mass):
        """Masses (K, b) times what rows weigh."""
        return mass if self.local.weight is None else mass * self.local.weight


class FirstRows:
    """Rows whose first Newton step starts from predictors near the targets.

    Parameters
    ----------
    rows : ExpertRows, whose predictors it starts from otherwise
    predictor, weight : ndarray of shape (b,)
    """

    def __init__(self, rows, predictor, weight):
        self.log_density, self.deviance = rows.log_density, rows.deviance
        self.dispersion_mass = rows.dispersion_mass
        self.weight, self.residual = weight, predictor - rows.predictor

    def score(self, mass):
        """Weighted residuals, (K, 1, b)."""
        return (mass * self.weight)[:, None] * self.residual

    def curvature_weights(self, mass, at_model=False):
        """Weights of the Gram matrices, (K, 1, b)."""
        return (mass * self.weight)[:, None]
