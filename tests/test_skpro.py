"""The adapter to skpro: its own checks, and the numbers of the mixture."""

import numpy as np
import pytest

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts, MixtureOfLogisticExperts

pd = pytest.importorskip("pandas")
pytest.importorskip("skpro")
estimator_checks = pytest.importorskip("skpro.utils.estimator_checks")
metrics = pytest.importorskip("skpro.metrics")

from skmoe.skpro import MixtureDistribution, MixtureProbaRegressor  # noqa: E402

RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.uniform(-1, 1, 200), "b": RNG.uniform(-1, 1, 200)})
X.index = X.index + 7
LINE = 3 * X["a"].abs()
Y = pd.DataFrame({"y": LINE + 0.3 * RNG.standard_normal(200)}, index=X.index)
COUNTS = pd.DataFrame({"y": RNG.poisson(LINE + 0.5)}, index=X.index)
MIXTURE = MixtureOfLinearExperts(2, random_state=0)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", [MixtureProbaRegressor, MixtureDistribution])
def test_passes_skpros_own_checks(kind):
    found = estimator_checks.check_estimator(kind, verbose=False)
    assert len(found) > 50
    assert {name: result for name, result in found.items() if result != "PASSED"} == {}


@pytest.fixture(scope="module")
def regressor():
    return MixtureProbaRegressor(MIXTURE).fit(X, Y)


def test_is_the_mixture(regressor):
    model = MIXTURE.fit(X, Y["y"])
    found = regressor.predict_proba(X)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(regressor.predict(X)["y"], mean, rtol=1e-12)
    np.testing.assert_allclose(regressor.predict_var(X)["y"], std**2, rtol=1e-12)
    np.testing.assert_allclose(found.log_pdf(Y)["y"], model.score_samples(X, Y["y"]))
    np.testing.assert_allclose(found.pdf(Y), np.exp(found.log_pdf(Y)))
    np.testing.assert_allclose(found.cdf(Y)["y"], model.cdf(X, Y["y"]))
    assert (found.index == X.index).all() and found.shape == (200, 1)
    intervals = regressor.predict_interval(X, coverage=0.9)
    np.testing.assert_allclose(intervals, model.predict_interval(X, 0.9), rtol=1e-12)
    loss = metrics.LogLoss()(Y, found)
    assert loss == pytest.approx(-model.score_samples(X, Y["y"]).mean())


def test_rows_and_entries_are_those_of_the_table(regressor):
    found = regressor.predict_proba(X)
    mean = found.mean()
    pd.testing.assert_frame_equal(found.iloc[[3, 1]].mean(), mean.iloc[[3, 1]])
    pd.testing.assert_frame_equal(found.loc[[10, 8]].mean(), mean.loc[[10, 8]])
    one = found.loc[9, "y"]
    assert one.shape == () and one.mean() == pytest.approx(mean.loc[9, "y"])
    assert one.cdf(one.ppf(0.3)) == pytest.approx(0.3)
    assert np.ndim(one.sample()) == 0 and one.sample(3).shape == (3, 1)
    drawn = found.iloc[:2].sample(4000)
    assert drawn.shape == (8000, 1)
    average = drawn.groupby(level=1).mean()
    np.testing.assert_allclose(average, mean.iloc[:2], atol=0.05)
    assert found.iloc[:2].sample().shape == (2, 1)


def test_counts_have_probabilities():
    estimator = MixtureOfGLMExperts(2, random_state=0)
    found = MixtureProbaRegressor(estimator).fit(X, COUNTS).predict_proba(X)
    expected = estimator.fit(X, COUNTS["y"]).score_samples(X, COUNTS["y"])
    np.testing.assert_allclose(found.log_pmf(COUNTS)["y"], expected)
    np.testing.assert_allclose(found.pmf(COUNTS)["y"], np.exp(expected))
    assert (found.pdf(COUNTS) == 0).all(axis=None)


def test_a_point_mass_has_a_probability_and_others_a_density():
    y = Y.where(X["b"] < 0.3, 0.0)
    estimator = MixtureOfLinearExperts(2, point_mass=0.0, random_state=0)
    found = MixtureProbaRegressor(estimator).fit(X, y).predict_proba(X)
    at = np.exp(estimator.fit(X, y["y"]).score_samples(X, y["y"]))
    is_zero = (y == 0)["y"]
    np.testing.assert_allclose(found.pmf(y)["y"], np.where(is_zero, at, 0))
    np.testing.assert_allclose(found.pdf(y)["y"], np.where(is_zero, 0, at))


def test_update_is_partial_fit(regressor):
    other = MixtureProbaRegressor(MIXTURE).fit(X, Y).update(X, Y)
    expected = MIXTURE.fit(X, Y["y"]).partial_fit(X, Y["y"])
    np.testing.assert_allclose(other.predict(X)["y"], expected.predict(X))


def test_columns_may_have_any_names():
    table = X.set_axis([1, "b"], axis=1)
    found = MixtureProbaRegressor(MIXTURE).fit(table, Y).predict(table)
    np.testing.assert_allclose(
        found, MixtureProbaRegressor(MIXTURE).fit(X, Y).predict(X)
    )


def test_errors_name_what_is_wrong():
    with pytest.raises(TypeError, match="estimator is a MixtureOfLogisticExperts"):
        MixtureProbaRegressor(MixtureOfLogisticExperts()).fit(X, Y)
    with pytest.raises(ValueError, match="y has 2 columns"):
        MixtureProbaRegressor(MIXTURE).fit(X, pd.concat([Y, Y], axis=1))
