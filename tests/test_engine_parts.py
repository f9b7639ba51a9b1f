"""Small parts of the engine, whose slips a fit would hide: it corrects itself."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from _data import MODELS, random_theta
from scipy import sparse, stats
from scipy.spatial.distance import cdist
from scipy.special import softmax

from skmoe.data import sampling
from skmoe.data.canonical import Rows, canonical_rows
from skmoe.data.design import column_moments
from skmoe.data.scaling import Means, Scaling, Squares, scaling_from
from skmoe.distributions import Gamma, LogLink, Poisson
from skmoe.engine.clustering import by_distance, lloyd
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.descent import _remaining
from skmoe.engine.draws import Draw
from skmoe.engine.mixture import Mixture
from skmoe.engine.one_expert import OneExpert, beats_one_expert, bound_by_part
from skmoe.engine.parts import on_parts
from skmoe.engine.penalty import NoisePrior, Penalty
from skmoe.engine.problem import Problem
from skmoe.engine.quantiles import OutputMixture, mixture_quantile
from skmoe.engine.softmax import free_variance, gate_contrasts
from skmoe.engine.specification import Specification
from skmoe.engine.state import Parameters, Statistics
from skmoe.streaming import Stream

every_model = pytest.mark.parametrize("name", MODELS)


def problem_of(name, n=120, **options):
    model = MODELS[name]
    return model.problem(model.data(n), **options)


@every_model
def test_sizes_are_the_numbers_of_free_coefficients(name):
    mixture = problem_of(name).mixture
    theta = mixture.initial()
    assert mixture.gate_size == theta.gate.size
    assert mixture.experts.n_coefs == theta.experts.size


@every_model
def test_attributes_lead_back_to_the_parameters(name):
    """As a warm start goes on from them."""
    problem = problem_of(name)
    theta = random_theta(problem.mixture, 0)
    found = problem.parameters(problem.attributes(theta, np.float64))
    for part, expected in zip(found, theta):
        np.testing.assert_allclose(part, expected, atol=1e-10)


def test_gate_and_experts_share_a_design_only_where_they_see_the_same():
    shared = problem_of("linear-2").mixture
    assert shared.gate_design is shared.expert_design
    for columns in ({"gate_columns": (2,)}, {"expert_columns": (2,)}):
        model = replace(MODELS["linear-2"], **columns)
        mixture = model.problem(model.data(50)).mixture
        widths = mixture.gate_design.n_columns, mixture.expert_design.n_columns
        assert sorted(widths) == [2, 4]


def test_parameters_add_up():
    one = Parameters(np.ones((1, 2)), np.ones((2, 1, 2)), np.ones((2, 1)))
    two = one.plus(one)
    assert all((part == 2).all() for part in two)
    assert all((part == 3).all() for part in one.plus(two))
    assert all((part == -3).all() for part in one.plus(two, -2.0))


def test_statistics_are_blended_by_weight():
    one = Statistics(*(np.full(2, 1.0) for _ in Statistics._fields))
    other = Statistics(*(np.full(2, 5.0) for _ in Statistics._fields))
    assert all((part == 2.0).all() for part in one.towards(other, 0.25))


@pytest.mark.parametrize("is_sparse", [False, True])
def test_column_that_begins_to_vary_gets_the_scale_of_the_news(is_sparse):
    scaling = Scaling.of_units(np.array([[0.0, 0.0], [1.0, np.inf]]), np.zeros((2, 0)))
    X = np.array([[1.0, 3.0], [2.0, 0.0], [5.0, -1.0]])
    weight = np.array([1.0, 2.0, 1.0])
    rows = sparse.csr_array(X) if is_sparse else X
    found = scaling.with_news(rows, weight)
    np.testing.assert_allclose(found.scale, [1.0, np.sqrt((9 + 0 + 1) / 4)])


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_constant_column_has_no_scale_until_it_varies(make):
    X = make(np.full((19_000, 1), 0.1))
    weight = np.random.default_rng(0).uniform(size=19_000)
    scaling = Scaling(weight.sum(), *column_moments(X, weight, True))
    assert scaling.with_news(X[:3], weight[:3]).scale == np.inf
    news = make(np.array([[0.1], [0.1], [0.3]]))
    found = scaling.with_news(news, np.ones(3))
    # Sparse rows are not centred.
    expected = [0.1, 0.2 / np.sqrt(3)] if make is np.asarray else [0, np.sqrt(0.11 / 3)]
    np.testing.assert_allclose(np.ravel(found[1:3]), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 600, 6001, 19_000, 100_000])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 3.0, 1e-300, -1e300])
def test_constant_column_or_output_is_one_at_any_number_of_rows(n, value):
    X = np.column_stack([np.full(n, value), np.arange(n)])
    weight = np.random.default_rng(0).uniform(size=n)
    parts = np.array_split(np.arange(n), 2)
    means = Means.joined([Means.of(X[r], X[r].T, weight[r]) for r in parts])
    assert means.columns[0] == means.target[0] == value
    scaling = Scaling(weight.sum(), *column_moments(X, weight, True))
    scaling = scaling.of_target(X.T, weight / weight.sum(), True)
    assert scaling.scale[0] == np.inf and scaling.target_scale[0] == 1
    assert scaling.mean[0] == scaling.target_mean[0] == value
    squares = Squares.of(X, X.T, weight, means.columns, means.target)
    joined = scaling_from(means, squares, means[1:3], X.dtype)
    for one, two in zip(joined[:-1], scaling[:-1]):
        np.testing.assert_allclose(one, two, rtol=1e-13)
    sparse_scale = column_moments(sparse.csr_array(X), weight, True)[1]
    assert np.isinf(sparse_scale).tolist() == [True, False]


def test_sparse_rows_have_the_order_of_dense_ones():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(60, 3)).astype(float)
    target, weight = rng.integers(0, 2, size=60), np.ones(60)
    dense = canonical_rows(X, target, weight)
    found = canonical_rows(sparse.csr_array(X), target, weight)
    np.testing.assert_array_equal(found[0].toarray(), dense[0])
    np.testing.assert_array_equal(found[2], dense[2])
    assert dense[2].max() > 1  # equal rows were merged


class TestDraws:
    def test_are_spread_over_the_units(self):
        mixture = problem_of("linear-2", n=100).mixture
        draw = Draw(mixture, np.random.RandomState(0))
        assert np.unique(draw.systematic(50)).size == 50

    def test_know_how_many_units_are_distinct(self):
        model = MODELS["linear-2"]
        data = model.data(40)
        twice = data._replace(
            X=np.tile(data.X, (2, 1)), target=np.tile(data.target, (1, 2))
        )
        mixture = model.problem(twice).mixture
        assert Draw(mixture, np.random.RandomState(0)).n_distinct == 40

    def test_cluster_rows_of_weight_as_repeated_rows(self):
        model = MODELS["linear-3"]
        data = model.data(60, d=2)
        times = np.random.default_rng(0).integers(1, 9, size=60)
        again = np.repeat(np.arange(60), times)
        repeated = data._replace(X=data.X[again], target=data.target[:, again])
        labels = [
            by_distance(mixture, Draw(mixture, np.random.RandomState(0)), 30)
            for mixture in (
                model.problem(data, weight=times.astype(float)).mixture,
                model.problem(repeated).mixture,
            )
        ]
        np.testing.assert_array_equal(labels[0][again], labels[1])


class TestClusters:
    def test_begin_with_the_nearest_of_drawn_rows(self):
        mixture = problem_of("linear-3", n=60).mixture
        rows = mixture.gate_design.features(np.arange(60))
        chosen = Draw(mixture, np.random.RandomState(0)).independent(3)
        draw = Draw(mixture, np.random.RandomState(0))
        labels = by_distance(mixture, draw, 1)
        expected = cdist(rows, rows[chosen]).argmin(axis=1)
        np.testing.assert_array_equal(labels, expected)

    @pytest.mark.parametrize("is_sparse", [False, True])
    def test_of_k_means_are_of_rows_nearest_to_their_mean(self, is_sparse):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((80, 2)) * (rng.uniform(size=(80, 2)) > 0.2)
        weight = rng.uniform(0.1, 3, size=80)
        rows = sparse.csr_array(X) if is_sparse else X
        labels = lloyd(rows, weight, 4, np.random.RandomState(0))
        means = [
            np.average(X[labels == k], axis=0, weights=weight[labels == k])
            for k in range(4)
        ]
        np.testing.assert_array_equal(labels, cdist(X, means).argmin(axis=1))

    def test_of_k_means_may_be_more_than_the_distinct_rows(self):
        X = np.repeat([[0.0, 1.0], [5.0, 5.0]], 10, axis=0)
        labels = lloyd(X, np.ones(20), 5, np.random.RandomState(0))
        assert np.unique(labels[:10]).size == np.unique(labels[10:]).size == 1
        assert labels[0] != labels[10]


@pytest.mark.parametrize("q", [0.05, 0.5, 0.999])
def test_quantiles_of_a_component_on_its_own(q):
    mean = np.array([1.0, 8.0, 30.0])
    # The second expert widens the bracket, and has no share.
    gate = np.array([[1 - 1e-300], [1e-300]]) * np.ones(3)
    means, dispersion = np.stack([mean, 40 * mean]), np.full((2, 1), 0.25)
    for family, of_scipy in (
        (Poisson(), stats.poisson(mean)),
        (Gamma(), stats.gamma(4, scale=mean / 4)),
    ):
        mixture = OutputMixture(gate, means, dispersion, LogLink(family))
        found = mixture_quantile(np.array([q]), mixture)
        np.testing.assert_allclose(found[0], of_scipy.ppf(q), rtol=1e-12)


@pytest.mark.parametrize("n_categories", [2, 3, 5])
def test_mean_variance_of_free_logits_of_even_probabilities(n_categories):
    """Exact where all probabilities are the same, and in the mean of the traces."""
    contrasts = gate_contrasts(n_categories, True)
    probability = softmax(np.zeros((n_categories, 4)), axis=0)
    covariance = np.diag(probability[:, 0]) - np.outer(*2 * [probability[:, 0]])
    expected = np.trace(contrasts.T @ covariance @ contrasts) / contrasts.shape[1]
    np.testing.assert_allclose(free_variance(probability, contrasts), expected)


def glm_problem(distribution, n_experts=2, n=200):
    """GLM experts on a target of another mean than 1, and that mean."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, 2)), np.ceil(rng.gamma(4.0, 2.0, n))
    problem = Problem(
        X,
        y,
        np.ones(n),
        Specification(LogLink(distribution), n_experts),
    )
    return problem, y.mean()


@pytest.mark.parametrize("distribution", [Poisson(), Gamma()])
def test_glm_experts_begin_with_the_mean_of_the_targets(distribution):
    problem, target_mean = glm_problem(distribution)
    theta = problem.mixture.initial()
    assert (theta.experts[..., :-1] == 0).all()
    np.testing.assert_allclose(theta.experts[..., -1], np.log(target_mean))


@pytest.mark.parametrize("distribution", [Poisson(), Gamma()])
def test_attributes_of_glm_experts_lead_back_to_the_parameters(distribution):
    problem, _ = glm_problem(distribution)
    theta = random_theta(problem.mixture, 0)
    found = problem.parameters(problem.attributes(theta, np.float64))
    for part, expected in zip(found, theta):
        np.testing.assert_allclose(part.ravel(), expected.ravel(), atol=1e-10)


def test_step_to_a_negative_dispersion_is_refused():
    """One expert, whose mass no step changes, with too large a dispersion."""
    mixture = glm_problem(Gamma(), 1)[0].mixture
    theta = mixture.initial()
    theta = theta._replace(log_variance=theta.log_variance + 1.0)
    state = mixture.evaluate(theta, blend=True)
    expected = Gamma().expected_deviance(np.exp(theta.log_variance[:, 0]))[0]
    # Where the blend of both deviances is nothing.
    longest = expected / (expected - state.stats.deviance[0, 0])
    assert longest > 1
    mixture.project(state, longest - 1e-3)
    with pytest.raises(InfeasibleStep, match="dispersion"):
        mixture.project(state, longest + 1e-3)


@pytest.mark.parametrize("name", ["linear-2", "linear-3", "three-class-3"])
def test_elastic_net_of_the_gate_is_that_of_its_attributes(name):
    """Two experts share one logit, more have one each."""
    problem = problem_of(name, gate_alpha=0.3, gate_l1_ratio=0.4)
    theta = random_theta(problem.mixture, 0)
    fitted = problem.attributes(theta, np.float64)
    gate = fitted["gate_coef_"]
    expected = 0.3 * (0.4 * np.abs(gate).sum() + 0.3 * np.square(gate).sum())
    found = problem.mixture.gate_penalty.value(theta.gate)
    assert found == pytest.approx(expected)


def test_coefficients_are_held_at_zero_by_slopes_less_than_the_lasso():
    penalty = Penalty(np.zeros(3), np.array([0.5, 0.5, 0.0]))
    coef = np.array([[0.0, 2.0, 0.0]])
    slope = np.array([[0.4, -0.9, 0.7]])
    assert penalty.stays_on_face(slope, coef)
    assert not penalty.stays_on_face(np.array([[-0.6, 0.0, 0.0]]), coef)
    np.testing.assert_allclose(penalty.face_gradient(slope, coef), [[0, -0.4, 0.7]])


def test_only_coefficients_with_a_lasso_keep_their_sign():
    penalty = Penalty(np.zeros(2), np.array([0.5, 0.0]))
    found = penalty.within_orthant(np.array([[-1.0, -1.0]]), np.array([[2.0, 2.0]]))
    np.testing.assert_array_equal(found, [[0.0, -1.0]])


def test_what_is_still_to_come_is_unknown_after_a_rise_or_a_larger_gain():
    assert _remaining(1.0, 0.5, 1e-9) == pytest.approx(0.5)
    assert _remaining(1.0, 0.9, 1e-9) == pytest.approx(8.1)
    assert _remaining(1.0, -0.5, 1e-9) == np.inf
    assert _remaining(1.0, 1.5, 1e-9) == np.inf


def test_a_gate_that_needs_all_rows_of_parts_makes_do_with_those_of_starts(monkeypatch):
    monkeypatch.setattr(sampling, "_MOST_ROWS", 50)
    sizes = np.array([100, 100])
    drawn = sampling.Sampling(sizes, sizes.astype(float), 3, 2, 1, 1)
    assert not drawn.is_whole
    rng = np.random.default_rng(0)
    rows = [
        Rows(rng.standard_normal((100, 2)), rng.standard_normal((1, 100)), w)
        for w in np.ones((2, 100))
    ]
    samples = [share.of(part) for share, part in zip(drawn.shares(), rows)]
    gate, start = drawn.gathered(samples)
    assert gate is start
    assert start.weight.sum() == pytest.approx(200)


@every_model
@pytest.mark.parametrize("prior_rows", [0.0, 5.0])
def test_copies_of_one_expert_cost_no_less_than_its_lower_bound(name, prior_rows):
    mixture = problem_of(name, alpha=0.1).mixture
    variance = 0.5 * np.ones(mixture.experts.n_free)
    prior = NoisePrior(prior_rows / 120, variance, np.log(2.0))
    mixture = mixture.replaced(experts=mixture.experts.with_noise_prior(prior))
    one = OneExpert(mixture)
    copies = one.objective_of_copies(mixture)
    assert one.least <= copies + 1e-8
    if one.least > -np.inf:
        assert one.least > copies - 0.2
    log_variance = np.linspace(-3, 3, 601)[:, None, None] + mixture.initial()[2]
    losses = [mixture.experts.prior_loss(values).sum() for values in log_variance]
    assert mixture.experts.least_prior_loss <= min(losses, default=0.0) + 1e-12
    least = max(one.least, copies - 0.1)
    for objective in (least - 1e-3, least + 1e-3, copies - 1e-3, copies + 1e-3):
        is_beaten = one.is_beaten(mixture, objective, 1e-6)
        assert is_beaten == (objective < copies - 1e-6)


@every_model
def test_one_expert_of_a_part_bounds_that_of_all_rows(name):
    mixture = problem_of(name, 6000, alpha=0.1).mixture
    one = OneExpert(mixture)
    has_slow_steps = name.startswith(("linear-student", "linear-censored"))
    assert (one.least == -np.inf) == (one.is_tied or has_slow_steps)
    if one.least == -np.inf:
        return
    bound = bound_by_part(mixture)
    assert one.least - 0.3 < bound <= one.least
    assert beats_one_expert(mixture, bound - 1e-3, 1e-6)
    assert not beats_one_expert(mixture, one.least + 1.0, 1e-6)


class OnePart(NamedTuple):
    """What a `Stream` reads."""

    part: Mixture

    def read(self, n_threads):
        return (part for part in self), n_threads


@pytest.mark.parametrize(
    "of_rows",
    [
        lambda mixture, theta: mixture.row_moments(theta),
        lambda mixture, theta: mixture.take(np.arange(10)).evaluate(theta),
        lambda mixture, theta: OneExpert(mixture),
    ],
)
def test_what_needs_single_rows_is_refused_over_parts(of_rows):
    sample = problem_of("linear-2").mixture
    whole = on_parts(sample, Stream(OnePart(sample.with_stored_curvature())))
    theta = random_theta(sample, 0)
    assert whole.evaluate(theta).objective == sample.evaluate(theta).objective
    with pytest.raises(TypeError, match="Parts have sums"):
        of_rows(whole, theta)
