"""Censored normal experts in the engine: moments, objective, gradient, information."""

import itertools

import numpy as np
import pytest
from _data import random_theta, unflat
from scipy.special import logsumexp
from scipy.stats import norm

from skmoe.distributions import CensoredNormal
from skmoe.distributions.truncated_normal import truncated_moments
from skmoe.engine.descent import minimise
from skmoe.engine.gate import Gate
from skmoe.engine.information import information_matrices
from skmoe.engine.m_step import project_exactly
from skmoe.engine.problem import Problem
from skmoe.engine.specification import Specification
from skmoe.solvers import make_solver

INF = np.inf
FAR_ENDS = (-40.0, -5.0, -1.2, -0.7, 0.0, 0.3, 1.5, 3.9, 4.1, 6.0, 30.0, 100.0, 1e4)
WIDTHS = (1e-8, 1e-4, 0.1, 0.99, 1.01, 3.0, 20.0, INF)
STEP = 1e-5


def moments_by_mpmath(mpmath, lower, upper):
    """Logarithm of the probability, mean and central moments, in 300 digits."""
    mp = mpmath.mp.clone()
    mp.dps = 300
    lower, upper, sign = mp.mpf(lower), mp.mpf(upper), 1
    if -lower > upper:
        lower, upper, sign = -upper, -lower, -1

    def density(z, power=0):
        if mp.isinf(z):
            return mp.mpf(0)
        return z**power * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)

    def beyond(z):
        return mp.erfc(z / mp.sqrt(2)) / 2

    probability = beyond(lower) - beyond(upper)
    raw = [mp.mpf(1), (density(lower) - density(upper)) / probability]
    for k in (2, 3, 4):
        ends = density(lower, k - 1) - density(upper, k - 1)
        raw.append((k - 1) * raw[k - 2] + ends / probability)
    m, second, third, fourth = raw[1:]
    central = (
        second - m**2,
        sign * (third - 3 * m * second + 2 * m**3),
        fourth - 4 * m * third + 6 * m**2 * second - 3 * m**4,
    )
    return [float(value) for value in (mp.log(probability), sign * m, *central)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("is_left", (False, True))
def test_moments_are_those_of_mpmath_also_far_out(width, is_left):
    mpmath = pytest.importorskip("mpmath")
    for end in FAR_ENDS:
        ends = (-end - width, -end) if is_left else (end, end + width)
        found = truncated_moments(*(np.array([v]) for v in (*ends, ends[1] - ends[0])))
        log_probability, mean, *central = moments_by_mpmath(mpmath, *ends)
        assert found.log_probability[0] == pytest.approx(log_probability, 1e-13, 1e-14)
        deviation = np.sqrt(central[0])
        assert found.mean[0] == pytest.approx(mean, abs=1e-10 * deviation, rel=1e-15)
        assert found.variance[0] == pytest.approx(central[0], 1e-11)
        assert found.third[0] == pytest.approx(central[1], abs=1e-9 * deviation**3)
        assert found.fourth[0] == pytest.approx(central[2], 1e-9)


def test_narrow_intervals_are_densities_times_their_width():
    rng = np.random.default_rng(0)
    target, width = rng.normal(size=50), 1e-7
    predictor, variance = rng.normal(size=(2, 1, 50)), np.array([[0.04], [2.0]])
    entry = np.full(50, -INF)
    exact, narrow = (
        CensoredNormal().at(
            predictor.copy(), np.stack([target, *ends, entry]), variance
        )
        for ends in ((target, target), (target - width / 2, target + width / 2))
    )
    np.testing.assert_allclose(
        narrow.log_density, exact.log_density + np.log(width), atol=1e-8
    )
    np.testing.assert_allclose(narrow.residual(), exact.residual(), atol=1e-7)
    np.testing.assert_allclose(narrow.deviance(), exact.deviance(), atol=1e-6)
    assert max(variance.max() for variance, *_ in narrow.hidden()) < 1e-14


MODELS = {
    "two": {"n_experts": 2},
    "three": {"n_experts": 3},
    "shared noise": {"n_experts": 2, "shares_noise": True},
    "tree": {"n_experts": 4, "depth": 2},
    "symmetric": {"n_experts": 2, "symmetric": True},
}
every_model = pytest.mark.parametrize("name", MODELS)
with_entry_or_not = pytest.mark.parametrize("has_entry", (False, True))


class Brute:
    """A mixture on censored rows, whose F is written out in the user's units."""

    def __init__(self, name, has_entry, n=150, **options):
        rng = np.random.default_rng(1)
        self.X = rng.normal(size=(n, 2))
        sign = np.where(rng.random(n) < 1 / (1 + np.exp(-2 * self.X[:, 0])), 1, -1)
        y = 3 + sign * (1 + self.X @ [1, 0.5]) + 0.7 * rng.normal(size=n)
        entry = np.full(n, -INF)
        if has_entry:
            entry = np.where(rng.random(n) < 0.7, y - rng.exponential(2.0, n), entry)
        kind = rng.integers(4, size=n)
        lower, upper = y.copy(), y.copy()
        lower[kind == 1], upper[kind == 1] = np.floor(y[kind == 1]), INF
        lower[kind == 2], upper[kind == 2] = -INF, np.ceil(y[kind == 2])
        lower[kind == 3], upper[kind == 3] = y[kind == 3] - 0.5, y[kind == 3] + 0.3
        lower = np.maximum(lower, entry)
        self.weight, self.target = (
            rng.uniform(0.5, 2, n),
            np.stack([y, lower, upper, entry]),
        )
        spec = Specification(
            CensoredNormal(), **MODELS[name], alpha=2.0, gate_alpha=1.0, **options
        )
        self.spec = spec
        self.problem = Problem(self.X, self.target, self.weight, spec)
        self.mixture = self.problem.mixture

    def log_likelihood(self, theta):
        """Of each row, (n,)."""
        found = self.problem.attributes(theta, np.float64)
        gate = Gate(self.spec.n_experts, self.spec.depth)
        logits = found["gate_coef_"] @ self.X.T + found["gate_intercept_"][..., None]
        logits = logits.reshape(-1, self.X.shape[0])
        if gate.depth > 1:
            nodes = logits.reshape(-1, gate.n_branches, len(self.X))
            nodes = nodes - logsumexp(nodes, axis=1, keepdims=True)
            logits = (nodes[0][:, None] + nodes[1:]).reshape(-1, len(self.X))
        log_gate = (logits - logsumexp(logits, axis=0)).T
        mean = self.X @ found["coef_"][:, 0].T + found["intercept_"][:, 0]
        scale = np.sqrt(found["noise_variance_"][:, 0])
        lower, upper, entry = self.target[1:, :, None]
        below = norm.cdf(upper, mean, scale) - norm.cdf(lower, mean, scale)
        log_interval = np.log(np.where(lower < upper, below, 1.0))
        exact = norm.logpdf(np.where(lower < upper, 0.0, lower), mean, scale)
        own = np.where(lower < upper, log_interval, exact)
        seen = logsumexp(log_gate + norm.logsf(entry, mean, scale), axis=1)
        return logsumexp(log_gate + own, axis=1) - seen

    def objective(self, theta):
        share = self.weight / self.weight.sum()
        return self.mixture.penalties.value(theta) - share @ self.log_likelihood(theta)

    def gradient(self, vector):
        theta = unflat(vector, self.mixture.initial())
        return self.mixture.gradient(self.mixture.evaluate(theta)).flat()


def slopes(function, vector):
    """Central differences of a function of a vector."""
    steps = STEP * np.eye(vector.size)
    ends = ((function(vector + step), function(vector - step)) for step in steps)
    return np.array([(up - down) / (2 * STEP) for up, down in ends])


@every_model
@with_entry_or_not
def test_objective_and_gradient_are_those_of_the_likelihood(name, has_entry):
    brute = Brute(name, has_entry)
    theta = random_theta(brute.mixture, 0, scale=0.4)
    state = brute.mixture.evaluate(theta)
    assert state.objective == pytest.approx(brute.objective(theta), rel=1e-12)

    def objective(vector):
        return brute.objective(unflat(vector, theta))

    expected = slopes(objective, theta.flat())
    np.testing.assert_allclose(brute.gradient(theta.flat()), expected, atol=1e-8)


@every_model
@with_entry_or_not
def test_information_is_the_hessian(name, has_entry):
    brute = Brute(name, has_entry)
    theta = random_theta(brute.mixture, 3, scale=0.4)
    expected = slopes(brute.gradient, theta.flat())
    matrices = information_matrices(brute.mixture, theta)
    np.testing.assert_allclose(matrices.objective_hessian(), expected, atol=1e-7)


@with_entry_or_not
def test_products_of_scores_are_those_of_single_rows(has_entry):
    brute = Brute("two", has_entry, n=60)
    theta = random_theta(brute.mixture, 3, scale=0.4)

    def of_rows(vector):
        return brute.log_likelihood(unflat(vector, theta))

    scores = slopes(of_rows, theta.flat())
    share = brute.weight / brute.weight.sum()
    found = information_matrices(brute.mixture, theta).score_products
    np.testing.assert_allclose(found, (share * scores) @ scores.T, atol=1e-7)


@every_model
@with_entry_or_not
def test_no_step_of_em_raises_the_objective(name, has_entry):
    mixture = Brute(name, has_entry).mixture
    theta = random_theta(mixture, 0)
    descent = minimise(mixture, theta, make_solver("em", 1.0), 40, 0.0)
    assert descent.n_iter == 40
    assert np.diff(descent.objective_curve).max() < 1e-13


@with_entry_or_not
def test_all_solvers_find_the_same_optimum(has_entry):
    mixture = Brute("two", has_entry).mixture
    theta = random_theta(mixture, 0)
    descents = [
        minimise(mixture, theta, make_solver(*solver), 5000, 1e-11, confirm=True)
        for solver in itertools.product(("em", "md", "gd"), ("auto",))
    ]
    assert all(descent.converged for descent in descents)
    lowest = [descent.objective_curve[-1] for descent in descents]
    np.testing.assert_allclose(lowest, lowest[0], atol=1e-8)


def test_a_gate_that_chooses_counts_the_unseen_of_its_experts():
    mixture = Brute("three", True, top_k=2).mixture
    theta = random_theta(mixture, 0)
    dense = mixture.evaluate(theta)
    mixture.is_routed = True
    routed = mixture.evaluate(theta)
    assert routed.objective == pytest.approx(dense.objective, rel=1e-13)
    for one, other in zip(dense.stats, routed.stats):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_rows_without_an_entry_are_as_if_nothing_had_one():
    brute = Brute("two", False)
    theta = random_theta(brute.mixture, 0)
    entries = brute.target.copy()
    entries[3, 0] = -1e6  # of one row, and without effect
    other = Problem(brute.X, entries, brute.weight, brute.spec).mixture
    assert other.unseen is not None
    one, other = (mixture.evaluate(theta) for mixture in (brute.mixture, other))
    assert one.objective == pytest.approx(other.objective, rel=1e-14)
    for mine, theirs in zip(one.stats, other.stats):
        np.testing.assert_allclose(mine, theirs, atol=1e-14)


def test_projections_of_seen_rows_alone_are_refused():
    mixture = Brute("two", True).mixture
    state = mixture.evaluate(random_theta(mixture, 0))
    with pytest.raises(TypeError, match="not all"):
        project_exactly(mixture, state)
