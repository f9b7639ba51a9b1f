"""What a user's type checker makes of the public API; mypy checks it, nothing runs."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from skmoe import (
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    MixtureQuantileRegressor,
    PredictiveDistribution,
)
from skmoe.dask import DaskMixture
from skmoe.inspection import (
    Estimates,
    Inference,
    Information,
    Predictions,
    WaldTest,
    inference,
    information,
)
from skmoe.model_selection import ExpertsPath, log_likelihood_scorer, n_experts_path
from skmoe.plotting import ExpertCurvesDisplay


def regressor(X: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    model = MixtureOfLinearExperts(3, step_size=0.5, init="kmeans", gate_features=[0])
    assert_type(model.fit(X, y, sample_weight=y), MixtureOfLinearExperts)
    assert_type(model.fit([[0.0], [1.0]], [0, 1]).n_iter_, int)
    assert_type(model.partial_fit(X, y), MixtureOfLinearExperts)
    assert_type(model.coef_, NDArray[np.floating])
    assert_type(model.predict(X), NDArray[np.floating])
    mean, std = model.predict(X, return_std=True)
    assert_type(std, NDArray[np.floating])
    assert_type(model.predict_quantile(X, [0.1, 0.9]), NDArray[np.floating])
    assert_type(model.gate_proba(X), NDArray[np.floating])
    assert_type(model.bic(X, y), float)


def classifier(X: NDArray[np.float64], labels: list[str]) -> None:
    model = MixtureOfLogisticExperts(random_state=0).fit(X, labels)
    assert_type(model, MixtureOfLogisticExperts)
    model.partial_fit(X, labels, classes=["no", "yes"]).set_params(n_jobs=2)
    assert_type(model.classes_, NDArray[Any])
    assert_type(model.predict_proba(X), NDArray[np.floating])


def predictive(
    model: MixtureOfLinearExperts, X: NDArray[np.float64], y: NDArray[np.float64]
) -> None:
    found = model.predictive(X)
    assert_type(found, PredictiveDistribution)
    assert_type(found[:5].cdf(1.0), NDArray[np.floating])
    assert_type(model.summary(X, y), str)
    quantile = MixtureQuantileRegressor(model, 0.9).fit(X, y)
    assert_type(quantile, MixtureQuantileRegressor)
    assert_type(quantile.predict(X), NDArray[np.floating])


def on_dask(X: Any, y: Any) -> None:
    model = DaskMixture(MixtureOfLinearExperts(3)).fit(X, y)
    assert_type(model, DaskMixture[MixtureOfLinearExperts])
    assert_type(model.to_local(), MixtureOfLinearExperts)
    assert_type(model.score(X, y), float)


def selection(X: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    path = n_experts_path(MixtureOfLinearExperts(), X, y, max_experts=3)
    assert_type(path, ExpertsPath[MixtureOfLinearExperts])
    best = path.best("bic")
    assert_type(best, MixtureOfLinearExperts)
    assert_type(log_likelihood_scorer(best, X, y), float)
    assert_type(best.log_likelihood(X, y, groups=y), float)


def inspection(
    model: MixtureOfLinearExperts, X: NDArray[np.float64], y: NDArray[np.float64]
) -> None:
    result = inference(model, X, y, robust=True)
    assert_type(result, Inference)
    test = result.wald_test({"expert 0: x0": 1, "expert 1: x0": -1})
    assert_type(test, WaldTest)
    assert_type(test.p_value, float)
    assert_type(result.predictions(X, of="gate"), Predictions)
    assert_type(result.average_effects(X), Estimates)
    result.average_predictions(X, of="odds")  # type: ignore[arg-type]
    assert_type(information(model, X, y), Information)
    display = ExpertCurvesDisplay.from_estimator(model, X, y, feature="x0")
    assert_type(display, ExpertCurvesDisplay)


def mistakes(X: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    MixtureOfLinearExperts(solver="newton")  # type: ignore[arg-type]
    MixtureOfLinearExperts(n_experts="2")  # type: ignore[arg-type]
    MixtureOfLinearExperts().fit(X)  # type: ignore[call-arg]
