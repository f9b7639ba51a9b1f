"""Columns of data frames that neither gate nor experts see hold what they like."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import feature_importances, inference
from skmoe.model_selection import n_experts_path
from skmoe.plotting import CoefficientsDisplay, ExpertCurvesDisplay
from skmoe.streaming import fit_batches

RNG = np.random.default_rng(0)
N = 200
A, B = RNG.standard_normal((2, N))
Y = np.where(A > 0, B, -B) + 0.2 * RNG.standard_normal(N)
SEEN = np.column_stack([A, B])
WHEN = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N), "D")
PANDAS = pd.DataFrame(
    {
        "city": np.where(A > 0, "north", "south"),
        "a": A,
        "gap": np.where(B > 1, np.nan, B),
        "kind": pd.Categorical(np.where(B > 0, "x", "y")),
        "b": B,
        "mixed": [None, "text", 3.0, 1] * (N // 4),
        "when": WHEN,
    }
)
POLARS = pl.DataFrame(
    {
        "city": PANDAS["city"].tolist(),
        "a": A,
        "gap": [None if b > 1 else b for b in B],
        "kind": pl.Series(PANDAS["kind"].tolist(), dtype=pl.Categorical),
        "b": B,
        "mixed": [None, "text"] * (N // 2),
        "when": WHEN.to_pydatetime().tolist(),
    }
)
NAMES = list(PANDAS.columns)
frames = pytest.mark.parametrize("frame", [PANDAS, POLARS], ids=["pandas", "polars"])
MODELS = {
    "linear": (MixtureOfLinearExperts(random_state=0), Y),
    "logistic": (MixtureOfLogisticExperts(random_state=0), Y > 0),
    "poisson": (MixtureOfGLMExperts(random_state=0), np.ceil(np.exp(Y))),
}
models = pytest.mark.parametrize("name", MODELS)
WITH_Y = ("responsibilities", "score_samples", "score", "aic", "log_likelihood", "cdf")
WITHOUT_Y = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_expert",
    "predict_interval",
    "gate_proba",
)


def pair(name):
    """A model that sees some columns of a frame, that of an array of them, and y."""
    model, y = MODELS[name]
    seeing = clone(model).set_params(gate_features=["a"], expert_features=["b", "a"])
    plain = clone(model).set_params(gate_features=[0], expert_features=[1, 0])
    return seeing, plain, y


def assert_same(model, plain, frame, y):
    """Attributes and results of all methods are those without the other columns."""
    assert model.n_features_in_ == len(NAMES)
    assert model.feature_names_in_.tolist() == NAMES
    # Rows are sorted by all columns, so that sums are rounded in another way.
    near = {"rtol": 1e-6, "atol": 1e-6}
    for name in ("coef_", "gate_coef_", "intercept_"):
        np.testing.assert_allclose(getattr(model, name), getattr(plain, name), **near)
    for method in WITH_Y:
        if hasattr(model, method):
            ones = {} if method == "cdf" else {"sample_weight": np.ones(N)}
            found = getattr(model, method)(frame, y, **ones)
            expected = getattr(plain, method)(SEEN, y, **ones)
            np.testing.assert_allclose(found, expected, **near)
    for method in WITHOUT_Y:
        if hasattr(model, method):
            found = getattr(model, method)(frame)
            np.testing.assert_allclose(found, getattr(plain, method)(SEEN), **near)
    drawn = model.sample(frame, 2, random_state=0)
    expected = plain.sample(SEEN, 2, random_state=0)
    np.testing.assert_allclose(drawn, expected, **near)


@frames
@models
def test_fits_and_methods_leave_them_alone(name, frame):
    model, plain, y = pair(name)
    weight = 1.0 + (A > 0)
    plain.fit(SEEN, y, weight)
    assert_same(model.fit(frame, y, weight), plain, frame, y)
    found = inference(model, frame, y, weight).covariance
    np.testing.assert_allclose(found, inference(plain, SEEN, y, weight).covariance)
    importances = feature_importances(model)
    np.testing.assert_allclose(importances[[1, 4]], feature_importances(plain))
    assert (importances[[0, 2, 3, 5, 6]] == 0).all()


@frames
@models
def test_batches_leave_them_alone(name, frame):
    model, plain, y = pair(name)
    parts = [slice(0, 120), slice(120, N)]
    fit_batches(model, [(frame[part], y[part]) for part in parts])
    fit_batches(plain, [(SEEN[part], y[part]) for part in parts])
    assert_same(model, plain, frame, y)
    model, plain, y = pair(name)
    classes = {"classes": [False, True]} if name == "logistic" else {}
    for part in parts:
        model.partial_fit(frame[part], y[part], **classes)
        plain.partial_fit(SEEN[part], y[part], **classes)
    assert_same(model, plain, frame, y)


def test_paths_groups_and_pictures_leave_them_alone():
    model, plain, y = pair("linear")
    model.set_params(gate_features=[]), plain.set_params(gate_features=[])
    groups = np.arange(N) // 4
    options = {"max_experts": 2, "groups": groups}
    found = n_experts_path(model, PANDAS, y, **options)
    np.testing.assert_allclose(found.bic, n_experts_path(plain, SEEN, y, **options).bic)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    CoefficientsDisplay.from_estimator(found.estimators[1], PANDAS, y, groups=groups)
    model.fit(PANDAS, y)
    ExpertCurvesDisplay.from_estimator(model, PANDAS, y, feature="b")
    pyplot.close("all")


@frames
def test_nobody_may_see_anything(frame):
    model = MixtureOfLinearExperts(gate_features=[], expert_features=[], random_state=0)
    found = model.fit(frame, np.abs(Y)).predict(frame)
    np.testing.assert_allclose(found, model.fit(SEEN, np.abs(Y)).predict(SEEN))


def test_selectors_see_the_frame_as_it_is():
    numbers = PANDAS[["city", "a", "b"]]
    selector = make_column_selector(dtype_include=float)
    model = MixtureOfLinearExperts(random_state=0)
    model.set_params(gate_features=selector, expert_features=selector)
    plain = MixtureOfLinearExperts(random_state=0).fit(SEEN, Y)
    np.testing.assert_allclose(model.fit(numbers, Y).coef_, plain.coef_)
    fit_batches(model, [(numbers[:90], Y[:90]), (numbers[90:], Y[90:])])
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-5)
    other = numbers[90:].astype({"b": int})
    with pytest.raises(ValueError, match="batch 1 has columns of gate and experts"):
        fit_batches(model, [(numbers[:90], Y[:90]), (other, Y[90:])])


@frames
@pytest.mark.parametrize(
    "column, message",
    [("gap", "NaN"), ("city", "convert"), ("mixed", "convert|NaN|float")],
)
def test_errors_of_seen_columns_name_them(frame, column, message):
    model = MixtureOfLinearExperts(gate_features=["a"], expert_features=["b"])
    model.fit(frame, Y)
    seeing = clone(model).set_params(expert_features=["b", column])
    named = rf"column '{column}': (.|\n)*({message})"
    for fit in (
        seeing.fit,
        seeing.partial_fit,
        lambda X, y: fit_batches(seeing, [(X, y)]),
    ):
        with pytest.raises((TypeError, ValueError), match=named):
            fit(frame, Y)
    if isinstance(frame, pd.DataFrame):
        swapped = frame.assign(b=frame[column])
        with pytest.raises((TypeError, ValueError), match="column 'b'"):
            model.predict(swapped)
    with pytest.raises((TypeError, ValueError), match="column '(city|gap)'"):
        MixtureOfLinearExperts().fit(frame, Y)
