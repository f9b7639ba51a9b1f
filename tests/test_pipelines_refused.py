"""Functions that speak of coefficients refuse pipelines, and their advice works."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureQuantileRegressor
from skmoe.inspection import (
    feature_importances,
    inference,
    information,
    signal_to_noise,
)
from skmoe.model_selection import (
    alpha_path,
    bootstrap_lr_test,
    n_experts_path,
    refit_on_support,
)

RNG = np.random.default_rng(0)
X = 0.01 * RNG.standard_normal((80, 2))
Y = np.abs(100 * X[:, 0]) + 0.3 * RNG.standard_normal(80)
# What a function is asked of an estimator and X.
ASKED = {
    "inference": lambda model, X: inference(model, X, Y),
    "information": lambda model, X: information(model, X, Y),
    "importances": lambda model, X: feature_importances(model),
    "signal": lambda model, X: signal_to_noise(model),
    "alpha_path": lambda model, X: alpha_path(model, X, Y, cv=2, alphas=[1.0]),
    "n_experts_path": lambda model, X: n_experts_path(model, X, Y, max_experts=1),
    "bootstrap": lambda model, X: bootstrap_lr_test(model, X, Y, n_resamples=2),
    "refit": lambda model, X: refit_on_support(model, X, Y),
}


@pytest.fixture(scope="module")
def pipe():
    mixture = MixtureOfLinearExperts(random_state=0)
    return make_pipeline(StandardScaler(), mixture).fit(X, Y)


@pytest.mark.parametrize("name", ASKED)
def test_pipelines_are_refused_in_one_line_that_says_what_to_do(name, pipe):
    with pytest.raises(TypeError, match=r"estimator is a Pipeline.*give pipe\[-1\]"):
        ASKED[name](pipe, X)


@pytest.mark.parametrize("name", ["inference", "importances", "n_experts_path"])
def test_the_advice_works(name, pipe):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ASKED[name](pipe[-1], pipe[:-1].transform(X))


def test_quantile_regressors_say_so_without_the_whole_pipeline(pipe):
    with pytest.raises(TypeError, match="is a Pipeline, which has no .* last in a pi"):
        MixtureQuantileRegressor(pipe).fit(X, Y)


def test_the_advice_looks_at_the_steps():
    one_step = make_pipeline(MixtureOfLinearExperts(random_state=0)).fit(100 * X, Y)
    with pytest.raises(TypeError, match=r"give pipe\[-1\]\.$"):
        inference(one_step, X, Y)
    other = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    with pytest.raises(TypeError, match="The last step of .* is a LinearRegression"):
        inference(other, X, Y)
