"""EM is mirror descent: identities of the complete data as an exponential family."""

from functools import partial

import numpy as np
import pytest
from _data import (
    MODELS,
    all_features,
    flat,
    random_theta,
    soft_start,
    tree_logits,
    unflat,
)
from scipy import optimize, stats
from scipy.special import digamma, gammaln, loggamma, ndtr

from skmoe.engine.descent import minimise
from skmoe.engine.m_step import project_exactly
from skmoe.engine.predictor import linear_predictor
from skmoe.solvers import MirrorDescent, make_solver

SEEDS = (0, 1)
TINY_STEP = 1e-30  # of complex-step differentiation, exact to rounding

every_model = pytest.mark.parametrize("name", MODELS)
every_seed = pytest.mark.parametrize("seed", SEEDS)


def some_weights(n, seed):
    return np.random.default_rng(seed).uniform(0.5, 2.0, size=n)


def is_student(name):
    return MODELS[name].noise_df is not None


def make_problem(name, seed, n=120, signal=0.5, **options):
    """Classes overlap: exact steps without penalty then have finite coefficients."""
    data = MODELS[name].data(n=n, seed=seed, signal=signal)
    return MODELS[name].problem(data, weight=some_weights(n, seed), **options)


def make_complete(name, seed, **options):
    mixture = make_problem(name, seed, **options).mixture
    return CompleteData(mixture, name)


def logsumexp(values):
    """Over the first axis, of values that may be complex."""
    top = values.real.max(axis=0)
    return top + np.log(np.exp(values - top).sum(axis=0))


class Normal:
    """Normal experts as an exponential family in T(y) = (y, y^2), written out by hand.

    Natural parameters and statistics of the experts are (K, s, n), log-partitions and
    log-densities (K, n).
    """

    def __init__(self, mixture):
        self.mixture, self.y = mixture, mixture.target
        self.at_experts = all_features(mixture.expert_design)

    def natural(self, theta):
        mean, variance = self.means_and_variances(theta)
        return np.concatenate([mean / variance, 0 * mean - 0.5 / variance], axis=1)

    def log_partition(self, own):
        linear, square = np.split(own, 2, axis=1)
        return (0.5 * np.log(-np.pi / square) - linear**2 / (4 * square)).sum(axis=1)

    def log_partition_given_y(self, own):
        """log of the integral over what is hidden of exp<b, T>."""
        return (own * self.statistic(None)).sum(axis=1)

    def statistic(self, theta):
        """T(y), or its mean over what is hidden given y."""
        return np.concatenate([self.y, self.y**2])[None]

    def expected(self, theta):
        """Mean of T under the model."""
        mean, variance = self.means_and_variances(theta)
        return np.concatenate([mean, mean**2 + variance], axis=1)

    def log_density(self, theta, here):
        """Of y, up to a constant also of what is hidden, expected at `here`."""
        mean, variance = self.means_and_variances(theta)
        return stats.norm.logpdf(self.y, mean, np.sqrt(variance)).sum(axis=1)

    def predictor(self, theta):
        coef = theta.experts
        if coef.shape[0] < self.mixture.n_experts:
            coef = np.concatenate([coef, -coef])
        return coef @ self.at_experts

    def means_and_variances(self, theta):
        mean = self.predictor(theta)
        variance = np.exp(theta.log_variance)[:, :, None]
        return mean, np.broadcast_to(variance, mean.shape[:2] + (1,))


class Student(Normal):
    """t noise: the complete data is (y, z, u), and T = (u y, u y^2, u)."""

    def __init__(self, mixture):
        super().__init__(mixture)
        self.df = mixture.experts.distribution.df

    def natural(self, theta):
        mean, variance = self.means_and_variances(theta)
        square = (mean**2 / variance).sum(axis=1, keepdims=True)
        own = super().natural(theta)
        return np.concatenate([own, -0.5 * (self.df + square)], axis=1)

    def log_partition(self, own):
        linear, square, rate = self._split(own)
        rate = -rate + (linear**2 / (4 * square)).sum(axis=1)
        half = self.df / 2
        log_partition = half * np.log(half) - half * np.log(rate)
        return log_partition - 0.5 * np.log(-2 * square).sum(axis=1)

    def log_partition_given_y(self, own):
        linear, square, rate = self._split(own)
        half, m = self.df / 2, self.y.shape[0]
        shape = half + m / 2
        rate = -rate - (linear * self.y + square * self.y**2).sum(axis=1)
        constant = gammaln(shape) - gammaln(half) + half * np.log(half)
        return constant - m / 2 * np.log(2 * np.pi) - shape * np.log(rate)

    def statistic(self, theta):
        hidden = self.scales(theta)[:, None]
        return np.concatenate([hidden * self.y, hidden * self.y**2, hidden], axis=1)

    def expected(self, theta):
        expected = super().expected(theta)
        return np.insert(expected, expected.shape[1], 1.0, axis=1)

    def log_density(self, theta, here):
        mean, variance = self.means_and_variances(theta)
        std = np.sqrt(variance / self.scales(here)[:, None])
        return stats.norm.logpdf(self.y, mean, std).sum(axis=1)

    def scales(self, theta):
        """Mean of u given y and z, (K, n)."""
        mean, variance = self.means_and_variances(theta)
        distance = ((self.y - mean) ** 2 / variance).sum(axis=1)
        return (self.df + mean.shape[1]) / (self.df + distance)

    def _split(self, own):
        """Natural parameters of u y, of u y^2, (K, m, n), and of u, (K, n)."""
        m = self.y.shape[0]
        return own[:, :m], own[:, m : 2 * m], own[:, 2 * m]


class Censored(Normal):
    """Censored normal experts: y is hidden, T = (y, y^2)."""

    def __init__(self, mixture):
        super().__init__(mixture)
        # Far ends in place of infinite ones.
        self.lower, self.upper = np.clip(mixture.target[1:3], -50.0, 50.0)
        self.is_known = self.lower == self.upper
        self.log_unit = mixture.experts.distribution.log_unit

    def log_partition_given_y(self, own):
        linear, square = own[:, 0], own[:, 1]
        mean, std = -linear / (2 * square), np.sqrt(-0.5 / square)
        lower, upper = (ndtr((end - mean) / std) for end in (self.lower, self.upper))
        whole = np.log(std) + 0.5 * np.log(2 * np.pi) + mean**2 / (2 * std**2)
        known = linear * self.lower + square * self.lower**2
        within = whole + np.log(upper - lower + self.is_known) + self.log_unit
        return np.where(self.is_known, known, within)

    def statistic(self, theta):
        mean, variance = self.means_and_variances(theta)
        mean, std = mean[:, 0], np.sqrt(variance[:, 0])
        lower, upper = ((end - mean) / std for end in (self.lower, self.upper))
        upper = np.where(self.is_known, lower + 1, upper)
        first, second = stats.truncnorm.stats(lower, upper, mean, std)
        first = np.where(self.is_known, self.lower, first)
        second = np.where(self.is_known, self.lower**2, first**2 + second)
        return np.stack([first, second], axis=1)

    def log_density(self, theta, here):
        mean, variance = self.means_and_variances(theta)
        first, second = np.moveaxis(self.statistic(here), 1, 0)
        square = second - 2 * mean[:, 0] * first + mean[:, 0] ** 2
        return -0.5 * (square / variance[:, 0] + np.log(2 * np.pi * variance[:, 0]))


class Categorical(Normal):
    """Logistic experts: T is one-hot."""

    def natural(self, theta):
        return self.mixture.experts.distribution.contrasts @ self.predictor(theta)

    def log_partition(self, own):
        return logsumexp(np.moveaxis(own, 1, 0))

    def statistic(self, theta):
        return self.mixture.experts.distribution.moments(self.y)[None]

    def expected(self, theta):
        return self.mixture.row_moments(theta).expert

    def log_density(self, theta, here):
        logits = np.moveaxis(self.natural(theta), 1, 0)
        log_probability = logits - logsumexp(logits)
        return log_probability[self.y, :, np.arange(self.y.shape[0])].T


class Counts(Normal):
    """Poisson experts: T is y."""

    def natural(self, theta):
        return self.predictor(theta)

    def log_partition(self, own):
        return np.exp(own[:, 0])

    def log_partition_given_y(self, own):
        return own[:, 0] * self.y - gammaln(self.y + 1)

    def statistic(self, theta):
        return self.y[None, None]

    def expected(self, theta):
        return np.exp(self.predictor(theta))

    def log_density(self, theta, here):
        return stats.poisson.logpmf(self.y, np.exp(self.predictor(theta)[:, 0]))


class Amounts(Normal):
    """Gamma experts: T = (y, log y), with natural parameters (-shape / mean, shape)."""

    def natural(self, theta):
        mean, shape = self._means_and_shapes(theta)
        return np.stack([-shape / mean, shape + 0 * mean], axis=1)

    def log_partition(self, own):
        rate, shape = -own[:, 0], own[:, 1]
        return loggamma(shape) - shape * np.log(rate)

    def log_partition_given_y(self, own):
        log_y = np.log(self.y)
        return own[:, 0] * self.y + own[:, 1] * log_y - log_y

    def statistic(self, theta):
        return np.stack([self.y, np.log(self.y)])[None]

    def expected(self, theta):
        mean, shape = self._means_and_shapes(theta)
        return np.stack([mean, digamma(shape) - np.log(shape / mean)], axis=1)

    def log_density(self, theta, here):
        mean, shape = self._means_and_shapes(theta)
        return stats.gamma.logpdf(self.y, shape, scale=mean / shape)

    def _means_and_shapes(self, theta):
        return np.exp(self.predictor(theta)[:, 0]), np.exp(-theta.log_variance)


class CompleteData:
    """(y, z) given x as an exponential family, written out by hand.

    log p(y, z=k | x) = a_k + <b_k, T(y)> - A(a, b) with A = lse_k(a_k + A_k(b_k)): the
    natural parameter of 1[z=k] is the gate's logit less the expert's log-partition.
    Natural parameters and moments are (K, 1 + s, n).
    """

    KINDS = {"logistic": Categorical, "poisson": Counts, "gamma": Amounts}

    def __init__(self, mixture, name):
        model = MODELS[name]
        kind = Normal if model.noise_df is None else Student
        kind = Censored if model.censored else kind
        self.own = self.KINDS.get(model.family, kind)(mixture)
        self.mixture, self.weight = mixture, mixture.weight
        self.at_gate = all_features(mixture.gate_design)

    def natural(self, theta):
        own = self.own.natural(theta)
        gate = self._gate(theta) - self.own.log_partition(own)
        return np.concatenate([gate[:, None], own], axis=1)

    def log_partition(self, natural):
        return logsumexp(natural[:, 0] + self.own.log_partition(natural[:, 1:]))

    def log_partition_given_y(self, natural):
        own = self.own.log_partition_given_y(natural[:, 1:])
        return logsumexp(natural[:, 0] + own)

    def loss(self, natural):
        return self.log_partition(natural) - self.log_partition_given_y(natural)

    def model_moments(self, theta):
        """(pi_k, pi_k E_k[T(y)]); gate and class probabilities are the engine's."""
        gate = self.mixture.row_moments(theta).model
        return gate[:, None] * np.insert(self.own.expected(theta), 0, 1.0, axis=1)

    def posterior_moments(self, theta):
        """(r_k, r_k T(y)) with the engine's responsibilities."""
        posterior = self.mixture.row_moments(theta).posterior
        return posterior[:, None] * np.insert(self.own.statistic(theta), 0, 1.0, axis=1)

    def mean(self, rows):
        return rows @ self.weight

    def inner(self, moments, natural):
        """Mean over x of inner products."""
        return self.mean((moments * natural).sum(axis=(0, 1)))

    def divergence(self, natural, other):
        """Bregman divergence of A, mean over x."""
        change = self.log_partition(natural) - self.log_partition(other)
        slope = complex_step_gradient(self.log_partition, other)
        return self.mean(change) - self.inner(slope, natural - other)

    def surrogate(self, theta, here):
        """Q( . | here): the negated expected complete log-likelihood."""
        posterior = self.mixture.row_moments(here).posterior
        gate = self._gate(theta)
        log_joint = gate - logsumexp(gate) + self.own.log_density(theta, here)
        return -self.mean((posterior * log_joint).sum(axis=0))

    def _gate(self, theta):
        logits = self.mixture.gate.contrasts @ (theta.gate @ self.at_gate)
        gate = self.mixture.gate
        return tree_logits(logits, gate.n_branches, gate.n_experts)


def complex_step_gradient(function, natural):
    """Gradient of a function of each row in that row's natural parameters."""
    gradient = np.empty_like(natural)
    for k in range(natural.shape[0]):
        for s in range(natural.shape[1]):
            moved = natural.astype(complex)
            moved[k, s] += 1j * TINY_STEP
            gradient[k, s] = function(moved).imag / TINY_STEP
    return gradient


def partial_derivatives(function, vector):
    """Gradient of a function of a vector by complex steps."""
    steps = 1j * TINY_STEP * np.eye(vector.size)
    return np.array([function(vector + step).imag for step in steps]) / TINY_STEP


@every_model
@every_seed
def test_gradient_of_log_partition_is_the_model_moments(name, seed):
    complete = make_complete(name, seed)
    theta = random_theta(complete.mixture, seed)
    gradient = complex_step_gradient(complete.log_partition, complete.natural(theta))
    np.testing.assert_allclose(
        gradient, complete.model_moments(theta), rtol=1e-10, atol=1e-12
    )


@every_model
@every_seed
def test_gradient_of_loss_is_model_moments_less_posterior_moments(name, seed):
    complete = make_complete(name, seed)
    theta = random_theta(complete.mixture, seed)
    gradient = complex_step_gradient(complete.loss, complete.natural(theta))
    gap = complete.model_moments(theta) - complete.posterior_moments(theta)
    np.testing.assert_allclose(gradient, gap, rtol=1e-10, atol=1e-11)


@every_model
def test_objective_is_the_mean_loss_of_the_exponential_family(name):
    complete = make_complete(name, 0)
    mixture = complete.mixture
    theta = random_theta(mixture, 0)
    loss = complete.mean(complete.loss(complete.natural(theta)))
    objective = mixture.evaluate(theta).objective - mixture.constant
    assert objective == pytest.approx(loss, rel=1e-12)


@every_model
@every_seed
def test_surrogate_is_linearised_loss_plus_divergence(name, seed):
    complete = make_complete(name, seed)
    mixture = complete.mixture
    here, there = random_theta(mixture, seed), random_theta(mixture, seed + 10)
    change = complete.surrogate(there, here) - complete.surrogate(here, here)

    at_here, at_there = complete.natural(here), complete.natural(there)
    slope = complete.model_moments(here) - complete.posterior_moments(here)
    linear = complete.inner(slope, at_there - at_here)
    divergence = complete.divergence(at_there, at_here)
    assert change == pytest.approx(linear + divergence, rel=1e-10, abs=1e-10)


@every_model
@every_seed
def test_surrogate_bounds_the_change_of_the_objective(name, seed):
    complete = make_complete(name, seed)
    mixture = complete.mixture
    here, there = random_theta(mixture, seed), random_theta(mixture, seed + 10)
    bound = complete.surrogate(there, here) - complete.surrogate(here, here)
    change = mixture.evaluate(there).objective - mixture.evaluate(here).objective
    assert change <= bound + 1e-12


@every_model
def test_gradient_is_jacobian_of_natural_parameters_times_moment_gap(name):
    complete = make_complete(name, 0)
    mixture = complete.mixture
    theta = random_theta(mixture, 0)
    gap = complete.model_moments(theta) - complete.posterior_moments(theta)

    def linear(vector):
        return complete.inner(gap, complete.natural(unflat(vector, theta)))

    gradient = flat(mixture.gradient(mixture.evaluate(theta)))
    expected = partial_derivatives(linear, flat(theta))
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)


@every_model
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_gradient_agrees_with_finite_differences(name, alpha):
    mixture = make_problem(name, 0, alpha=alpha, gate_alpha=2 * alpha).mixture
    theta = random_theta(mixture, 0)
    vector, h = flat(theta), 1e-5

    def objective(vector):
        return mixture.evaluate(unflat(vector, theta), curvature=False).objective

    steps = h * np.eye(vector.size)
    slopes = [objective(vector + s) - objective(vector - s) for s in steps]
    differences = unflat(np.array(slopes) / (2 * h), theta)
    gradient = mixture.gradient(mixture.evaluate(theta))
    for block, expected in zip(gradient, differences):
        error = np.linalg.norm(block - expected)
        assert error <= 1e-6 * np.linalg.norm(expected)


def student_density(residual, scale, model):
    """Log-density of residuals (n, K, m) under each expert, (n, K)."""
    densities = [
        stats.multivariate_t.logpdf(residual[:, k], None, np.diag(s**2), model.noise_df)
        for k, s in enumerate(scale)
    ]
    return np.stack(densities, axis=1)


@every_model
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_objective_is_penalised_likelihood_in_the_users_units(name, alpha):
    gate_alpha = 2 * alpha
    model, weight = MODELS[name], some_weights(120, 0)
    data = model.data(n=120)
    problem = model.problem(data, weight=weight, alpha=alpha, gate_alpha=gate_alpha)
    theta = random_theta(problem.mixture, 0)
    fitted = problem.attributes(theta, np.float64)
    gate_X, expert_X = (
        data.X if columns is None else data.X[:, columns]
        for columns in (model.gate_columns, model.expert_columns)
    )
    logits = fitted["gate_coef_"] @ gate_X.T + fitted["gate_intercept_"][..., None]
    logits = logits.reshape(-1, 120)
    gate = tree_logits(logits, model.n_branches, model.n_experts)
    gate = (gate - logsumexp(gate)).T
    coef, intercept = fitted["coef_"], fitted["intercept_"]
    if model.family == "linear":
        mean = np.einsum("kmd,nd->nkm", coef, expert_X) + intercept
        std = np.sqrt(fitted["noise_variance_"])
        y = data.target[1:2] if model.censored else data.target
        density = stats.norm.logpdf(y.T[:, None], mean, std).sum(axis=2)
        if model.censored:
            ends = data.target[1:3, :, None, None]
            lower, upper = (stats.norm.cdf(end, mean, std) for end in ends)
            is_known = ends[0] == ends[1]
            within = np.log(upper - lower + is_known)
            density = np.where(is_known, density[..., None], within)[..., 0]
        if is_student(name):
            density = student_density(data.target.T[:, None] - mean, std, model)
        # The experts' penalty is relative to the spread of y.
        coef = coef / problem.target_scale[:, None]
    elif model.family in ("poisson", "gamma"):
        coef, intercept = coef[:, 0], intercept[:, 0]
        mean = np.exp(expert_X @ coef.T + intercept)
        if model.family == "poisson":
            density = stats.poisson.logpmf(data.target[:, None], mean)
        else:
            shape = 1 / fitted["dispersion_"][:, 0]
            density = stats.gamma.logpdf(
                data.target[:, None], shape, scale=mean / shape
            )
    else:
        logits = linear_predictor(expert_X, coef, intercept)
        log_class = model.distribution().log_mean(logits)
        density = log_class[:, data.target, np.arange(120)].T
    free = 1 if model.symmetric else model.n_experts
    loss = -np.average(logsumexp((gate + density).T), weights=weight)
    loss += 0.5 * alpha * np.square(coef[:free]).sum()
    loss += 0.5 * gate_alpha * np.square(fitted["gate_coef_"]).sum()
    assert problem.mixture.evaluate(theta).objective == pytest.approx(loss, rel=1e-10)


@every_model
@pytest.mark.parametrize("exact", [False, True])
def test_em_step_is_mirror_step_of_unit_length(name, exact):
    mixture = make_problem(name, 0, alpha=0.1, gate_alpha=0.1).mixture
    theta = soft_start(mixture, MODELS[name].data(n=120).expert)
    em = mixture.evaluate(theta)
    md = mixture.evaluate(theta, blend=True)
    project = partial(project_exactly, mixture) if exact else mixture.project
    np.testing.assert_allclose(flat(project(em)), flat(project(md, 1.0)), rtol=1e-12)


@every_model
def test_em_and_md_of_unit_step_size_visit_the_same_points(name):
    mixture = make_problem(name, 0, alpha=0.1, gate_alpha=0.1).mixture
    theta = random_theta(mixture, 0)
    em, md = (
        minimise(mixture, theta, make_solver(*solver), 5, 0.0)
        for solver in (("em", 1.0), ("md", 1.0))
    )
    np.testing.assert_array_equal(em.objective_curve, md.objective_curve)
    np.testing.assert_array_equal(flat(em.theta), flat(md.theta))


@every_model
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_inexact_projection_is_the_first_newton_step_of_the_exact_one(name, eta):
    # A penalty couples coefficients and noise: no Newton step then.
    has_noise = MODELS[name].family in ("linear", "gamma")
    alpha = 0.0 if has_noise else 0.1
    mixture = make_problem(name, 0, alpha=alpha, gate_alpha=0.1).mixture
    # Far from an optimum a full Newton step is too long for amounts.
    scale = 0.1 if MODELS[name].family == "gamma" else 0.3
    state = mixture.evaluate(random_theta(mixture, 0, scale=scale), blend=True)
    newton = project_exactly(mixture, state, eta, max_iter=1, tol=0.0)
    found = mixture.project(state, eta)
    if MODELS[name].family == "gamma":
        # The inexact projection has dispersions at the old coefficients.
        found, newton = (
            theta._replace(log_variance=np.zeros(0)) for theta in (found, newton)
        )
    if MODELS[name].depth > 1:
        # Below the root the step takes the model's weight of a node, see test_deep.py.
        root = mixture.gate.node_contrasts.shape[1]
        found, newton = (t._replace(gate=t.gate[:root]) for t in (found, newton))
    np.testing.assert_allclose(flat(found), flat(newton), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("linear")])
def test_em_step_is_weighted_least_squares(name):
    complete = make_complete(name, 0)
    mixture = complete.mixture
    theta = random_theta(mixture, 0)
    mass = all_mass = mixture.row_moments(theta).posterior * mixture.weight
    if is_student(name):
        mass = mass * complete.own.scales(theta)
    X, y, hidden = complete.own.at_experts, mixture.target[None], 0.0
    if MODELS[name].censored:
        first, second = np.moveaxis(complete.own.statistic(theta), 1, 0)
        y, hidden = first[:, None], (second - first**2)[:, None]
    if MODELS[name].symmetric:
        sign = np.array([1.0, -1.0])
        signed = np.einsum("k,kn,mn->mn", sign, mass, y[0])
        coef = np.linalg.solve((X * mass.sum(axis=0)) @ X.T, X @ signed.T).T[None]
        mean = np.einsum("k,jmp,pn->kmn", sign, coef, X)
    else:
        y = np.broadcast_to(y, (len(mass), *y.shape[1:]))
        coef = [
            np.linalg.solve((X * m) @ X.T, (X * m) @ own.T).T for m, own in zip(mass, y)
        ]
        mean = np.stack(coef) @ X
    spread = np.einsum("kn,kmn->km", mass, (y - mean) ** 2 + hidden)
    variance = spread / all_mass.sum(axis=1)[:, None]
    if theta.log_variance.shape[0] == 1:
        variance = spread.sum(axis=0, keepdims=True)

    moved = mixture.project(mixture.evaluate(theta))
    np.testing.assert_allclose(moved.experts, np.stack(coef), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.exp(moved.log_variance), variance, rtol=1e-8)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "name",
    [
        "linear-2",
        "linear-shared-noise",
        "linear-two-outputs",
        "linear-own-columns",
        "linear-symmetric",
        "linear-student",
        "linear-student-two-outputs-shared",
        "binary-3",
        "three-class-2",
        "binary-symmetric",
        "poisson-3",
        "gamma-2",
    ],
)
@pytest.mark.parametrize(
    "eta, alpha",
    [(0.3, 0.1), (0.5, 0.0), (1.0, 0.0), (1.0, 0.1), (1.5, 0.0), (1.5, 0.1)],
)
def test_mirror_step_minimises_linearised_loss_plus_divergence(name, eta, alpha):
    data = MODELS[name].data(n=200, signal=0.5)
    problem = MODELS[name].problem(data, alpha=alpha, gate_alpha=alpha / 2)
    mixture = problem.mixture
    theta = soft_start(mixture, data.expert)
    complete = CompleteData(mixture, name)
    here = complete.natural(theta)
    slope = complete.model_moments(theta) - complete.posterior_moments(theta)
    here_slope = complete.model_moments(theta)
    ridges = [mixture.gate_penalty.ridge, mixture.experts.penalty.ridge, np.zeros(1)]

    def criterion(vector):
        moved = unflat(vector, theta)
        natural = complete.natural(moved)
        value = eta * complete.inner(slope, natural)
        value += complete.mean(complete.log_partition(natural))
        value -= complete.inner(here_slope, natural - here)
        for part, ridge in zip(moved[:2], ridges):
            value += 0.5 * eta * (ridge * part**2).sum()
        return value

    found = optimize.minimize(
        criterion,
        flat(theta),
        jac=lambda vector: partial_derivatives(criterion, vector),
        method="BFGS",
        options={"gtol": 1e-9},
    )
    solver = MirrorDescent(eta, project_exactly)
    moved = project_exactly(mixture, solver.evaluate(mixture, theta), eta)
    np.testing.assert_allclose(flat(moved), found.x, rtol=1e-6, atol=1e-6)
    slope_there = partial_derivatives(criterion, flat(moved))
    np.testing.assert_allclose(slope_there, 0, atol=1e-7)


@pytest.mark.parametrize(
    "name",
    # With t noise (x'beta)^2 has the statistic u, which depends on theta.
    [name for name in MODELS if "symmetric" in name and not is_student(name)],
)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("eta", [0.5, 1.0, 1.5])
@every_seed
def test_step_of_symmetric_model_is_unconstrained_mirror_step(
    name, fit_intercept, eta, seed
):
    """grad A(theta+) = grad A(theta) - eta grad L(theta) in (beta, w), noise held.

    Up to constants -log p(y, z | x) is, for linear experts,
    (x'beta)^2 / 2s^2 - zy x'beta / s^2 + log(1 + e^{x'w}) - 1[z=1] x'w, and for
    logistic ones, with y in {-1, 1},
    log(1 + e^{x'beta}) - 1[zy=1] x'beta + log(1 + e^{x'w}) - 1[z=1] x'w:
    the statistics do not depend on theta, so E[A] is a mirror map of (beta, w).
    """
    mixture = make_problem(name, seed, fit_intercept=fit_intercept).mixture
    theta = random_theta(mixture, seed, scale=0.4)
    X, weight, y = all_features(mixture.gate_design), mixture.weight, mixture.target
    is_linear = y.ndim == 2
    precision = np.exp(-theta.log_variance[0])[:, None] if is_linear else None

    def vector_of(theta):
        logits = mixture.gate.contrasts @ theta.gate
        return np.concatenate([theta.experts.ravel(), logits[0] - logits[1]])

    def predictors(vector):
        *beta, w = vector.reshape(-1, X.shape[0]) @ X
        return np.array(beta), w

    def softplus(values):
        return logsumexp(np.stack([0 * values, values]))

    def mirror_map(vector):
        beta, w = predictors(vector)
        own = 0.5 * precision * beta**2 if is_linear else softplus(beta)
        return (own.sum(axis=0) + softplus(w)) @ weight

    def loss(vector):
        beta, w = predictors(vector)
        joint = []
        for z in (1, -1):
            if is_linear:
                own = -0.5 * (precision * (y - z * beta) ** 2).sum(axis=0)
            else:
                own = -softplus(-z * (2 * y - 1) * beta[0])
            joint.append(own - softplus(-z * w))
        return -logsumexp(np.stack(joint)) @ weight

    here = vector_of(theta)
    state = mixture.evaluate(theta, blend=True)
    there = vector_of(project_exactly(mixture, state, eta, tol=1e-20))
    expected = partial_derivatives(mirror_map, here)
    expected = expected - eta * partial_derivatives(loss, here)
    np.testing.assert_allclose(
        partial_derivatives(mirror_map, there), expected, rtol=1e-9, atol=1e-10
    )


@every_model
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_unguarded_em_steps_never_raise_the_objective(name, alpha):
    mixture = make_problem(name, 2, n=400, alpha=alpha, gate_alpha=alpha).mixture
    state = mixture.evaluate(random_theta(mixture, 2))
    for _ in range(6):
        moved = mixture.evaluate(project_exactly(mixture, state))
        assert moved.objective <= state.objective + 1e-12
        state = moved


@pytest.mark.sampled(30)
@every_model
@pytest.mark.parametrize("solver", ["em", "md"])
@pytest.mark.parametrize("seed, alpha", [(0, 0.0), (1, 0.0), (2, 0.2)])
def test_objective_never_rises_along_the_descent(name, solver, seed, alpha):
    problem = make_problem(name, seed, signal=1.5, alpha=alpha, gate_alpha=alpha)
    mixture = problem.mixture
    theta = random_theta(mixture, seed)
    descent = minimise(mixture, theta, make_solver(solver, "auto"), 40, 0.0)
    assert (np.diff(descent.objective_curve) <= 0).all()
    assert descent.objective_curve[-1] < descent.objective_curve[0]
    reached = mixture.evaluate(descent.theta).objective
    assert reached == pytest.approx(descent.objective_curve[-1], rel=1e-12)
