"""Predictive distribution of the regressor: quantiles, intervals, cdf, samples."""

import numpy as np
import pytest
from _data import MODELS
from scipy import optimize, sparse, stats

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.distributions.binomial import Binomial
from skmoe.distributions.negative_binomial import OverdispersedCounts
from skmoe.distributions.poisson import Poisson
from skmoe.engine.counts import least_count
from skmoe.engine.quantiles import OutputMixture

LEVELS = [1e-12, 1e-4, 0.05, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9]


def fitted(noise=0.5, n=400, outputs=1, **options):
    """A model of three experts and its data."""
    model = MODELS["linear-3"]
    if outputs > 1:
        model = MODELS["linear-two-outputs"]
    data = model.data(n=n, seed=2, noise=noise, signal=3.0)
    y = data.target[0] if outputs == 1 else data.target.T
    estimator = MixtureOfLinearExperts(model.n_experts, random_state=0, **options)
    return estimator.fit(data.X, y), data.X, y


def test_one_expert_has_the_quantiles_of_a_normal():
    X, y = np.random.default_rng(0).standard_normal((2, 100))
    model = MixtureOfLinearExperts(1).fit(X[:, None], y)
    normal = stats.norm(model.predict(X[:, None]), np.sqrt(model.noise_variance_[0]))
    found = model.predict_quantile(X[:, None], LEVELS)
    expected = normal.ppf(np.array(LEVELS)[:, None]).T
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(model.cdf(X[:, None], y), normal.cdf(y), rtol=1e-12)


@pytest.mark.sampled(1)
@pytest.mark.filterwarnings("ignore:Stopped after 5 of max_iter=5")
@pytest.mark.parametrize("of", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("structure", [{}, {"depth": 2}, {"top_k": 2}])
def test_rounding_leaves_no_probability_above_one(structure, dtype, of):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = np.digitize(X[:, 0] * X[:, 1], [-1, 0, 1])
    far = of(np.concatenate([rows * X for rows in (1, 10, 1000)]).astype(dtype))
    rows, options = X.astype(dtype), {"max_iter": 5, "random_state": 0, **structure}
    classifier = MixtureOfLogisticExperts(4, **options).fit(rows, y)
    assert classifier.predict_proba(far).max() <= 1
    assert classifier.predict_log_proba(far).max() <= 0
    assert classifier.gate_proba(far).max() <= 1
    assert classifier.predict_expert(far).max() <= 1
    for kind in (MixtureOfLinearExperts, MixtureOfGLMExperts):
        model = kind(4, **options).fit(rows, y)
        assert model.gate_proba(far).max() <= 1
        for above in (1.0, 10.0, 1e4):
            assert model.cdf(far, np.full(900, above)).max() <= 1


@pytest.mark.parametrize("noise", [0.01, 0.5, 5.0])
def test_quantiles_invert_the_cdf(noise):
    model, X, _ = fitted(noise)
    for level in LEVELS:
        back = model.cdf(X, model.predict_quantile(X, level))
        np.testing.assert_allclose(back, level, rtol=1e-8, atol=0)
        if level > 0.5:
            np.testing.assert_allclose(1 - back, 1 - level, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:An expert has")
@pytest.mark.parametrize("noise", [0.01, 0.5])
def test_quantiles_are_those_of_a_root_finder(noise):
    model, X, _ = fitted(noise, n=30)
    gate, mean = model.gate_proba(X), model.predict_expert(X)
    deviation = np.sqrt(model.noise_variance_)
    for level in (0.05, 0.5, 0.75):
        found = model.predict_quantile(X, level)
        for row in range(30):

            def excess(value, gate=gate[row], mean=mean[row], level=level):
                return gate @ stats.norm.cdf(value, mean, deviation) - level

            reach = mean[row].min() - 50 * noise, mean[row].max() + 50 * noise
            expected = optimize.brentq(excess, *reach, xtol=1e-14, rtol=1e-15)
            assert found[row] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_experts_far_apart_leave_a_gap_that_quantiles_jump_over():
    """Half of the mass at -1000, half at 1000, and a gate that does not know."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 1))
    y = np.where(rng.uniform(size=400) < 0.5, -1000.0, 1000.0)
    y += 0.1 * rng.standard_normal(400)
    model = MixtureOfLinearExperts(2, gate_features=[], random_state=0).fit(X, y)
    found = model.predict_quantile(X[:5], [0.25, 0.75])
    np.testing.assert_allclose(found, [[-1000, 1000]] * 5, atol=1)
    assert np.isfinite(model.predict_quantile(X, np.linspace(0.01, 0.99, 99))).all()


@pytest.mark.filterwarnings("ignore:An expert has")
def test_samples_have_these_quantiles():
    model, X, _ = fitted(n=40)
    samples = model.sample(X, 20_000, random_state=0)
    levels = [0.1, 0.5, 0.9]
    below = samples[:, None] <= model.predict_quantile(X, levels)[:, :, None]
    error = np.abs(below.mean(axis=2) - levels)
    assert error.max() <= 5 * np.sqrt(0.25 / 20_000)


def test_intervals_hold_their_share_of_new_data():
    model, X, _ = fitted(n=2000)
    y = model.sample(X, random_state=1)[:, 0]
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(X, coverage).T
        share = ((low <= y) & (y <= high)).mean()
        assert share == pytest.approx(coverage, abs=0.03)
        tail = (1 - coverage) / 2
        np.testing.assert_array_equal(low, model.predict_quantile(X, tail))


def test_probability_integral_transform_is_uniform():
    model, X, _ = fitted(n=2000)
    y = model.sample(X, random_state=1)[:, 0]
    assert stats.kstest(model.cdf(X, y), "uniform").pvalue > 0.01


def test_cdf_is_the_integral_of_the_density():
    model, X, _ = fitted()
    row = np.repeat(X[:1], 20_001, axis=0)
    values = np.linspace(*model.predict_quantile(X[:1], [1e-9, 1 - 1e-9])[0], 20_001)
    density = np.exp(model.score_samples(row, values))
    integral = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    integral *= values[1] - values[0]
    np.testing.assert_allclose(model.cdf(row, values), integral, atol=1e-5)


def test_several_outputs_have_quantiles_each():
    model, X, y = fitted(outputs=2)
    assert model.predict_quantile(X).shape == (400, 2)
    several = model.predict_quantile(X, [0.1, 0.5, 0.9])
    assert several.shape == (400, 2, 3)
    np.testing.assert_array_equal(several[..., 1], model.predict_quantile(X))
    assert model.predict_interval(X).shape == (400, 2, 2)
    assert model.cdf(X, y).shape == (400, 2)
    back = model.cdf(X, several[..., 2])
    np.testing.assert_allclose(back, 0.9, rtol=1e-10)


def test_rows_do_not_see_each_other_and_dtypes_stay():
    model, X, y = fitted()
    whole = model.predict_quantile(X, [0.1, 0.9])
    alone = [model.predict_quantile(row[None], [0.1, 0.9])[0] for row in X[:50]]
    np.testing.assert_allclose(alone, whole[:50], rtol=1e-13, atol=1e-14)
    single = MixtureOfLinearExperts(random_state=0).fit(X.astype(np.float32), y)
    assert single.predict_quantile(X.astype(np.float32)).dtype == np.float32


@pytest.mark.filterwarnings("ignore:An expert has")
@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, np.nan, [], [[0.5]], [0.5, 2]])
def test_what_is_no_probability_is_an_error(value):
    model, X, _ = fitted(n=30)
    with pytest.raises(ValueError, match="q="):
        model.predict_quantile(X, value)
    with pytest.raises(ValueError, match="coverage="):
        model.predict_interval(X, value)


@pytest.mark.filterwarnings("ignore:An expert has")
def test_one_coverage_at_a_time():
    model, X, _ = fitted(n=30)
    with pytest.raises(ValueError, match="coverage=.*predict_quantile"):
        model.predict_interval(X, [0.5, 0.9])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("noise", [None, 4.0])
@pytest.mark.parametrize("q", [0.001, 0.05, 0.5])
def test_rows_whose_quantile_is_found_are_left_out(noise, q, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 3))
    y = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(4000)
    model = MixtureOfLinearExperts(4, noise_df=noise, random_state=0).fit(X, y)
    seen, cdf = [], OutputMixture.cdf

    def counted(mixture, at, rows):
        seen.append(at.size)
        return cdf(mixture, at, rows)

    monkeypatch.setattr(OutputMixture, "cdf", counted)
    found = model.predict_quantile(X, q)
    assert sum(seen) < 8 * len(X)
    monkeypatch.undo()
    np.testing.assert_allclose(model.cdf(X, found), q, rtol=1e-13)


class TestLeastCount:
    """The search that quantiles of counts share, from guesses near and far."""

    @pytest.mark.parametrize("shift", [-900, -30, -1, 0, 1, 30, 900])
    def test_is_where_the_cdf_reaches_the_level(self, shift):
        rng = np.random.default_rng(0)
        mean, q = rng.uniform(0.01, 400, 500), rng.uniform(1e-6, 1 - 1e-6, 500)
        expected = stats.poisson.ppf(q, mean)
        guess = np.maximum(expected + shift, 0)
        found = least_count(q, lambda y, rows: stats.poisson.cdf(y, mean[rows]), guess)
        np.testing.assert_array_equal(found, expected)

    def test_a_good_guess_costs_two_looks(self):
        q, mean = np.full(100, 0.3), np.linspace(1, 50, 100)
        looks = []

        def cdf(y, rows):
            looks.append(y.size)
            return stats.poisson.cdf(y, mean[rows])

        guess = stats.poisson.ppf(q, mean)
        np.testing.assert_array_equal(least_count(q, cdf, guess), guess)
        assert sum(looks) <= 200

    def test_keeps_to_its_ends(self):
        q, ends = np.array([0.1, 0.9]), np.array([[2.0, 2.0], [5.0, 5.0]])

        def cdf(y, rows):
            assert ((y > 2) & (y < 5)).all()
            return np.zeros(y.size)

        found = least_count(q, cdf, np.array([3.0, 4.0]), *ends)
        np.testing.assert_array_equal(found, 5)

    def test_families_have_the_counts_of_scipy(self):
        rng = np.random.default_rng(1)
        q = rng.uniform(1e-5, 1 - 1e-5, 2000)
        mean = np.exp(rng.uniform(-5, 9, 2000))
        found = Poisson().quantile(q, mean, 1.0)
        np.testing.assert_array_equal(found, stats.poisson.ppf(q, mean))
        trials = rng.integers(1, 300, 2000).astype(float)
        share = rng.uniform(size=2000)
        share[:3] = 0, 1, 0
        found = Binomial().quantile(q, share * trials, trials)
        np.testing.assert_array_equal(found, stats.binom.ppf(q, trials, share))
        a = np.exp(rng.uniform(-4, 2, 2000))
        found = OverdispersedCounts().quantile(q, mean, a)
        expected = stats.nbinom.ppf(q, 1 / a, 1 / (1 + a * mean))
        np.testing.assert_array_equal(found, expected)
