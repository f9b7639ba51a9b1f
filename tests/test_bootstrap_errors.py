"""Standard errors by the bootstrap: what is drawn, refitted, matched and counted."""

import numpy as np
import pytest
from _effects import MODELS, rows
from sklearn.base import clone

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.inspection import _bootstrap, inference

FREE = {
    "alpha": 0,
    "gate_alpha": 0,
    "noise_prior": 0,
    "tol": 1e-10,
    "random_state": 0,
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:The penalties move estimates"),
    pytest.mark.filterwarnings("ignore:The optimum may be"),
]


def crossing(n=200, seed=0):
    """X and y of two lines, and groups of five rows."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n, 2))
    group = np.repeat(np.arange(n // 5), 5)
    rises = (rng.uniform(size=n // 5) < 0.5)[group]
    y = np.where(rises, 1 + 2 * X[:, 1], -X[:, 1]) + 0.5 * rng.standard_normal(n)
    return X, y, group


def draws(n, n_resamples, seed=0):
    """Rows that are drawn, a list of arrays (n,)."""
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=n_resamples)
    return [np.random.RandomState(seed).randint(n, size=n) for seed in seeds]


def by_bootstrap(model, X, y, n_resamples=4, **known):
    options = {"n_resamples": n_resamples, "random_state": 0, **known}
    return inference(model, X, y, method="bootstrap", **options)


@pytest.fixture(scope="module")
def model():
    X, y, _ = crossing()
    return MixtureOfLinearExperts(**FREE, gate_features=[]).fit(X, y)


def test_one_expert_is_least_squares_on_rows_drawn_anew():
    X, y, _ = crossing()
    model = MixtureOfLinearExperts(1, **FREE).fit(X, y)
    result = by_bootstrap(model, X, y, 20)
    ones = np.column_stack([X, np.ones(len(y))])
    expected = []
    for drawn in draws(len(y), 20):
        coef, square, *_ = np.linalg.lstsq(ones[drawn], y[drawn], rcond=None)
        expected.append([*coef, square[0] / len(y)])
    experts = [not name.startswith("gate") for name in result.names]
    found = result.resamples.estimates[:, experts]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    spread = np.std(expected, axis=0, ddof=1)
    np.testing.assert_allclose(result.standard_error[experts], spread, rtol=1e-5)
    assert result.resamples[1:] == (0, 0, 0)
    assert "bootstrap, 20 refits" in result.summary()


def test_refits_are_those_of_weights(model):
    X, y, _ = crossing()
    found = by_bootstrap(model, X, y).resamples.estimates
    for values, drawn in zip(found, draws(len(y), 4)):
        again = clone(model).set_params(init=model.responsibilities(X, y))
        again.fit(X, y, np.bincount(drawn, minlength=len(y)))
        np.testing.assert_allclose(
            values[2:5], [*again.coef_[0], *again.intercept_[:1]], rtol=1e-3
        )
        np.testing.assert_allclose(values[-2:], again.noise_variance_, rtol=1e-3)


def test_a_group_that_is_drawn_twice_is_two_groups():
    X, y, group = crossing()
    model = MixtureOfLinearExperts(**FREE, gate_features=[]).fit(X, y, groups=group)
    found = by_bootstrap(model, X, y, groups=group).resamples.estimates
    for values, drawn in zip(found, draws(group.max() + 1, 4)):
        taken = (5 * drawn[:, None] + np.arange(5)).ravel()
        own = np.repeat(np.arange(drawn.size), 5)
        start = model.responsibilities(X, y, groups=group)[taken]
        again = clone(model).set_params(init=start).fit(X[taken], y[taken], groups=own)
        np.testing.assert_allclose(values[-2:], again.noise_variance_, rtol=1e-3)
        np.testing.assert_allclose(values[2:4], again.coef_[0], rtol=1e-3)


@pytest.mark.parametrize("parametric", [False, True])
def test_spread_is_near_that_of_the_information(parametric):
    X, y, _ = crossing(1000)
    model = MixtureOfLinearExperts(**FREE, gate_features=[]).fit(X, y)
    options = {"parametric": parametric, "n_resamples": 150}
    found = by_bootstrap(model, X, y, **options).standard_error
    expected = inference(model, X, y).standard_error
    np.testing.assert_allclose(found, expected, rtol=0.3)
    np.testing.assert_allclose(np.mean(found / expected), 1, atol=0.1)


def test_the_result_is_the_same_in_parallel(model):
    X, y, _ = crossing()
    one, two = (by_bootstrap(model, X, y, n_jobs=n_jobs) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.covariance, two.covariance)
    assert one.average_effects(X).standard_error.shape == (2,)


def test_experts_that_change_places_are_put_back(model, monkeypatch):
    X, y, _ = crossing()
    expected = by_bootstrap(model, X, y).resamples.estimates
    descent_of = _bootstrap._Refits._descent

    def swapped(refits, sample):
        problem, descent = descent_of(refits, sample)
        attributes = problem.attributes(descent.theta, np.float64)
        other = {name: value[::-1] for name, value in attributes.items()}
        return problem, descent._replace(theta=problem.parameters(other))

    monkeypatch.setattr(_bootstrap._Refits, "_descent", swapped)
    found = by_bootstrap(model, X, y).resamples
    np.testing.assert_allclose(found.estimates, expected, rtol=1e-8, atol=1e-10)
    assert found.n_unmatched == 0


def test_experts_that_are_not_told_apart_are_counted():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 1))
    y = X[:, 0] + rng.standard_normal(60)
    model = MixtureOfLinearExperts(3, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="refits are left out"):
        result = by_bootstrap(model, X, y, 40)
    n_kept = len(result.resamples.estimates)
    assert 0 < result.resamples.n_unmatched == 40 - n_kept


def test_data_sets_of_one_class_are_counted():
    X = np.arange(12.0)[:, None]
    y = np.array([1] + [0] * 11)
    model = MixtureOfLogisticExperts(1, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="data sets have no fit"):
        result = by_bootstrap(model, X, y, 30)
    n_without = sum(0 not in drawn for drawn in draws(12, 30))
    assert result.resamples.n_not_fitted == n_without > 3


KINDS = ["two outputs", "censored", "symmetric", "tree", "shared", "background"]
KINDS += ["three classes", "offset", "zeros in excess", "negative binomial", "binomial"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore:.* refits are left out")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_all_kinds_of_models_have_them(name):
    kind, params, draw = MODELS[name]
    X, predictor, rng = rows()
    y, known = draw(X, predictor, rng)
    model = kind(**{"random_state": 0, "tol": 1e-4} | params).fit(X, y, **known)
    by_curvature = inference(model, X, y, **known)
    for parametric in (False, True)[: 1 if name == "censored" else 2]:
        result = by_bootstrap(model, X, y, 6, parametric=parametric, **known)
        assert result.names == by_curvature.names
        np.testing.assert_array_equal(result.estimate, by_curvature.estimate)
        is_known = np.isfinite(by_curvature.standard_error)
        np.testing.assert_array_equal(np.isfinite(result.standard_error), is_known)
        assert (result.standard_error[is_known] > 0).all()
        assert np.isnan(result.penalty_bias).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "jackknife"}, "method='jackknife' is unknown"),
        ({"robust": True}, "robust=True with method='bootstrap'"),
        ({"n_resamples": 1}, "n_resamples=1"),
        ({"parametric": True, "sample_weight": np.full(200, 0.5)}, "whole numbers"),
        ({"parametric": True, "expert_labels": np.zeros(200, int)}, "expert_labels"),
    ],
)
@pytest.mark.filterwarnings("ignore:The rows weigh")
def test_what_cannot_be_drawn_is_refused(model, options, message):
    X, y, _ = crossing()
    with pytest.raises(ValueError, match=message):
        inference(model, X, y, **{"method": "bootstrap"} | options)


def test_degrees_of_freedom_that_are_learned_have_none():
    X, y, _ = crossing()
    model = MixtureOfLinearExperts(noise_df="estimate", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="method='bootstrap' with noise_df='estimate'"):
        by_bootstrap(model, X, y)
