"""One quantile as a regressor: scikit-learn's checks, one fit for many, its score."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import QuantileRegressor, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureQuantileRegressor,
)

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (400, 2))
Y = 3 * np.abs(X[:, 0]) + 0.3 * RNG.standard_normal(400)
MIXTURE = MixtureOfLinearExperts(2, random_state=0)


@pytest.mark.filterwarnings(
    "ignore:The . experts coincide:sklearn.exceptions.ConvergenceWarning",
    "ignore:Columns of X vary little",
)
@parametrize_with_checks([MixtureQuantileRegressor(MixtureOfLinearExperts(1))])
def test_estimator_check(estimator, check):
    check(estimator)


def test_is_a_quantile_of_the_mixture():
    found = MixtureQuantileRegressor(MIXTURE, 0.9).fit(X, Y)
    expected = clone(MIXTURE).fit(X, Y).predict_quantile(X, 0.9)
    np.testing.assert_array_equal(found.predict(X), expected)
    assert np.mean(expected >= Y) == pytest.approx(0.9, abs=0.03)
    assert not hasattr(MIXTURE, "coef_")


def test_one_expert_is_the_line_of_least_squares_and_normal_quantiles():
    found = MixtureQuantileRegressor(MixtureOfLinearExperts(1, alpha=0), 0.2)
    found.fit(X, Y)
    line = Ridge(1e-9).fit(X, Y).predict(X)
    sigma = np.sqrt(found.estimator_.noise_variance_[0])
    expected = stats.norm.ppf(0.2, line, sigma)
    np.testing.assert_allclose(found.predict(X), expected, rtol=1e-6)


def test_a_frozen_mixture_is_fitted_once():
    mixture = clone(MIXTURE).fit(X, Y)
    levels = 0.1, 0.5, 0.9
    regressors = [
        MixtureQuantileRegressor(FrozenEstimator(mixture), level).fit(X[:9], Y[:9])
        for level in levels
    ]
    found = np.stack([one.predict(X) for one in regressors], axis=1)
    np.testing.assert_array_equal(found, mixture.predict_quantile(X, levels))


def test_a_quantile_may_be_set_after_the_fit():
    found = MixtureQuantileRegressor(MIXTURE).fit(X, Y)
    below = found.set_params(quantile=0.1).predict(X)
    np.testing.assert_array_equal(below, found.estimator_.predict_quantile(X, 0.1))


def test_what_goes_with_rows_is_handed_on():
    exposure = RNG.uniform(1, 5, 400)
    y, offset = RNG.poisson(exposure * np.exp(X[:, 0])), np.log(exposure)
    mixture = MixtureOfGLMExperts(1)
    found = MixtureQuantileRegressor(mixture, 0.8)
    found.fit(X, y, exposure, offset=offset)
    mixture.fit(X, y, exposure, offset=offset)
    expected = mixture.predict_quantile(X, 0.8, offset=offset)
    np.testing.assert_array_equal(found.predict(X, offset=offset), expected)


def test_score_is_that_of_a_quantile():
    found = MixtureQuantileRegressor(MIXTURE, 0.9).fit(X, Y)

    def loss(predicted):
        return np.maximum(0.9 * (Y - predicted), 0.1 * (predicted - Y)).mean()

    expected = 1 - loss(found.predict(X)) / loss(np.quantile(Y, 0.9))
    assert found.score(X, Y) == pytest.approx(expected)
    line = QuantileRegressor(quantile=0.9, alpha=0).fit(X, Y)
    assert loss(found.predict(X)) < loss(line.predict(X)) / 2


def test_in_pipelines_and_searches():
    pipe = make_pipeline(StandardScaler(), MixtureQuantileRegressor(MIXTURE, 0.9))
    assert cross_val_score(pipe, X, Y, cv=2).min() > 0.5
    own = "mixturequantileregressor__estimator__n_experts"
    search = GridSearchCV(pipe, {own: [1, 2]}, cv=2).fit(X, Y)
    assert search.best_params_ == {own: 2}


def test_errors_name_the_parameter():
    for level in (0, 1.0, np.nan, [0.5, 1]):
        with pytest.raises(ValueError, match="quantile=.* is no probability"):
            MixtureQuantileRegressor(MIXTURE, level).fit(X, Y)
    with pytest.raises(ValueError, match=r"quantile=\[0.5\] is not one number"):
        MixtureQuantileRegressor(MIXTURE, [0.5]).fit(X, Y)
    with pytest.raises(TypeError, match="estimator is a Ridge, which has no"):
        MixtureQuantileRegressor(Ridge()).fit(X, Y)
