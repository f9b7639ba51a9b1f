"""float32 in and out, double precision inside."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference
from skmoe.streaming import array_batches, fit_batches

N = 400
RNG = np.random.default_rng(0)
# Far from zero, so that rounded coefficients move predictions.
X = (1e4 + RNG.standard_normal((N, 2))).astype(np.float32)
SIGNAL = np.where(X[:, 0] > 1e4, X[:, 1] - 1e4, 1e4 - X[:, 1])
Y = SIGNAL + 0.1 * RNG.standard_normal(N)
MODELS = {
    "linear": (MixtureOfLinearExperts(random_state=0), Y),
    "t": (MixtureOfLinearExperts(noise_df=4, random_state=0), Y),
    "tree": (MixtureOfLinearExperts(4, depth=2, init="kmeans", random_state=0), Y),
    "top_k": (MixtureOfLinearExperts(4, top_k=2, init="kmeans", random_state=0), Y),
    "logistic": (MixtureOfLogisticExperts(random_state=0), Y > 0),
    "poisson": (MixtureOfGLMExperts(random_state=0), RNG.poisson(np.exp(SIGNAL))),
}
every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_predictions_are_those_of_the_fit_in_double_precision(name):
    model, y = MODELS[name]
    single = model.fit(X, y)
    double = copy.deepcopy(model).fit(X.astype(np.float64), y)
    assert single.coef_.dtype == single.predict_expert(X).dtype == np.float32
    for method in ("gate_proba", "predict_expert", "responsibilities", "score_samples"):
        needs_y = method in ("responsibilities", "score_samples")
        found, expected = (
            getattr(fitted, method)(rows, *([y] if needs_y else []))
            for fitted, rows in ((single, X), (double, X.astype(np.float64)))
        )
        precision = 1e-7 if found.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(found, expected, rtol=10 * precision, atol=precision)


def test_inference_sees_no_rounding():
    """A warning that the estimator is not at an optimum would be an error."""
    model, y = MODELS["linear"]
    single = inference(model.set_params(tol=1e-10).fit(X, y), X, y)
    wide = X.astype(np.float64)
    double = inference(copy.deepcopy(model).fit(wide, y), wide, y)
    np.testing.assert_allclose(single.standard_error, double.standard_error, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_goes_on_from_double_precision():
    model, y = MODELS["linear"]
    again = copy.deepcopy(model.fit(X, y)).set_params(
        warm_start=True, max_iter=1, tol=9
    )
    start = again.fit(X, y).objective_curve_[0]
    assert start == pytest.approx(model.objective_curve_[-1], abs=1e-12)


@pytest.mark.parametrize("fit", ["fit_batches", "partial_fit", "pickle"])
def test_keeps_double_precision_however_it_was_fitted(fit):
    model = MixtureOfLinearExperts(1, alpha=0, noise_prior=0)
    if fit == "fit_batches":
        fit_batches(model, array_batches(X, Y, batch_size=100))
    elif fit == "partial_fit":
        model.partial_fit(X, Y)
    else:
        model = pickle.loads(pickle.dumps(model.fit(X, Y)))
    design = np.column_stack([X.astype(np.float64), np.ones(N)])
    residual = Y - design @ np.linalg.lstsq(design, Y)[0]
    variance = np.mean(residual**2)
    expected = -0.5 * (np.log(2 * np.pi * variance) + residual**2 / variance)
    np.testing.assert_allclose(model.score_samples(X, Y), expected, rtol=1e-6)


def test_attributes_that_are_set_count():
    model, y = MODELS["linear"]
    model.fit(X, y)
    model.coef_ = np.zeros_like(model.coef_)
    model.intercept_ = np.array([1.0, 2.0], dtype=np.float32)
    np.testing.assert_array_equal(model.predict_expert(X), np.tile([1.0, 2.0], (N, 1)))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_coefficients_that_vanish_are_an_error(make):
    centred = X - np.float32(1e4)
    # One of them alone would vanish.
    rows = make(centred * np.array([1, 1e30], dtype=np.float32))
    with pytest.raises(ValueError, match="coef_ has values.*do not fit into float32"):
        MixtureOfLinearExperts(random_state=0).fit(rows, 1e-17 * Y)
    MixtureOfLinearExperts(random_state=0).fit(rows, Y)


def test_coefficients_that_do_nothing_may_vanish():
    rows = (X - np.float32(1e4)) * np.array([1, 1e30], dtype=np.float32)
    model = MixtureOfLinearExperts(1, alpha=1e20).fit(rows, Y)
    np.testing.assert_allclose(model.coef_, 0, atol=1e-15)
