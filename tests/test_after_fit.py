"""What was fitted stays as it was, whatever parameters are set afterwards."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.distributions import Gamma
from skmoe.inspection import feature_importances, inference, information

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, size=(300, 2))
Y = np.abs(X[:, 0]) + 0.1 * RNG.standard_normal(300)
CLASSES = (np.abs(X[:, 0]) > 0.5).astype(int)
COUNTS = RNG.poisson(np.exp(1 + np.abs(X[:, 0])))
AMOUNTS = RNG.gamma(3.0, np.exp(np.abs(X[:, 0])))

MODELS = {
    "linear": (MixtureOfLinearExperts, {}, Y),
    "t": (MixtureOfLinearExperts, {"noise_df": 4.0}, Y),
    "logistic": (MixtureOfLogisticExperts, {}, CLASSES),
    "counts": (MixtureOfGLMExperts, {}, COUNTS),
    "amounts": (MixtureOfGLMExperts, {"family": "gamma"}, AMOUNTS),
}
STRUCTURE = {
    "n_experts": 3,
    "depth": 2,
    "fit_intercept": False,
    "gate_intercept": False,
    "gate_features": [0],
    "expert_features": [1],
    "symmetric": True,
    "noise": "shared",
    "noise_df": 7.0,
    "family": Gamma(),
}
STRENGTHS = {
    "alpha": 20.0,
    "gate_alpha": 20.0,
    "l1_ratio": 0.5,
    "gate_l1_ratio": 0.5,
    "noise_prior": 1.0,
    "class_weight": {0: 2.0},
}
CHANGES = [
    (name, parameter)
    for name, (estimator, _, _) in MODELS.items()
    for parameter in STRUCTURE | STRENGTHS
    if parameter in estimator().get_params()
]
every_change = pytest.mark.parametrize("name, parameter", CHANGES)
REFUSAL = r"is not what the model was fitted with.*; set it back, or (fit|set|begin)"


@pytest.fixture(scope="module")
def fitted():
    """A fitted model of a name, made once, and its targets."""
    known = {}

    def make(name):
        if name not in known:
            estimator, params, y = MODELS[name]
            model = estimator(random_state=0, **params).fit(X, y)
            known[name] = pickle.dumps(model), y
        content, y = known[name]
        return pickle.loads(content), y

    return make


def answers(model, y):
    """Everything that a fitted model says of its data, a dict."""
    found = {"importances": feature_importances(model)}
    for name in ("predict", "gate_proba", "predict_expert", "predict_proba"):
        if hasattr(model, name):
            found[name] = getattr(model, name)(X)
    for name in ("predict_interval", "predict_log_proba"):
        if hasattr(model, name):
            found[name] = getattr(model, name)(X[:20])
    if hasattr(model, "cdf"):
        found["cdf"] = model.cdf(X, y)
    found["sample"] = model.sample(X, random_state=0)
    for name in ("score", "score_samples", "responsibilities", "log_likelihood"):
        found[name] = getattr(model, name)(X, y)
    for name in ("aic", "bic", "icl"):
        found[name] = getattr(model, name)(X, y)
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.sampled(4)
@every_change
def test_set_parameters_change_no_answer(name, parameter, fitted):
    model, y = fitted(name)
    expected = answers(model, y)
    model.set_params(**{parameter: (STRUCTURE | STRENGTHS)[parameter]})
    assert_same(answers(model, y), expected)
    assert_same(answers(pickle.loads(pickle.dumps(model)), y), expected)


@pytest.mark.sampled(16)
@every_change
def test_inspection_refuses_what_was_not_fitted(name, parameter, fitted):
    model, y = fitted(name)
    before = model.get_params()[parameter]
    expected = inference(model, X, y).standard_error
    model.set_params(**{parameter: (STRUCTURE | STRENGTHS)[parameter]})
    for inspect in (inference, information):
        with pytest.raises(ValueError, match=f"^{parameter}=.*{REFUSAL}"):
            inspect(model, X, y)
    model.set_params(**{parameter: before})
    np.testing.assert_array_equal(inference(model, X, y).standard_error, expected)


@pytest.mark.sampled(20)
@pytest.mark.parametrize("after", ["fit", "partial_fit", "loading"])
@pytest.mark.parametrize(
    "name, parameter", [change for change in CHANGES if change[1] in STRUCTURE]
)
def test_going_on_refuses_another_model(name, parameter, after, fitted):
    model, y = fitted(name)
    if after == "partial_fit":
        classes = {"classes": [0, 1]} if name == "logistic" else {}
        model = clone(model).partial_fit(X, y, **classes)
    model.set_params(**{parameter: STRUCTURE[parameter]})
    if parameter == "depth":
        model.set_params(n_experts=4)  # a tree has as many as that
    if after == "loading":
        model = pickle.loads(pickle.dumps(model))
    expected = model.predict(X)
    calls = [lambda: model.partial_fit(X, y)]
    if after != "partial_fit":
        calls.append(lambda: model.set_params(warm_start=True).fit(X, y))
    for call in calls:
        with pytest.raises(ValueError, match=REFUSAL):
            call()
        np.testing.assert_array_equal(model.predict(X), expected)


def test_another_penalty_goes_on(fitted):
    # What a prior expects would stay.
    model, y = fitted("linear")
    model.set_params(noise_prior=0).fit(X, y)
    weaker = {"alpha": 0.1, "gate_alpha": 0.1, "tol": 1e-8}
    model.set_params(**weaker, warm_start=True).fit(X, y)
    anew = clone(model).fit(X, y)
    gap = model.objective_curve_[-1] - anew.objective_curve_[-1]
    assert abs(gap) < 1e-6


def test_values_that_mean_the_same_are_no_change(fitted):
    model, y = fitted("linear")
    model.set_params(n_experts=np.int64(2), gate_features=np.array([0, 1]))
    model.fit(X, y)
    model.set_params(n_experts=2, gate_features=np.array([0, 1]))
    inference(model, X, y)


def test_other_functions_and_weights_are_changes(fitted):
    model, y = fitted("linear")
    model.set_params(gate_features=lambda rows: [0]).fit(X, y)
    model.set_params(gate_features=lambda rows: [1])
    with pytest.raises(ValueError, match=f"^gate_features=.*{REFUSAL}"):
        inference(model, X, y)
    model, y = fitted("logistic")
    model.set_params(class_weight={0: 1.0, 1: 2.0}).fit(X, y)
    model.set_params(class_weight={1: 2.0, 0: 1})
    inference(model, X, y)
    model.set_params(class_weight={1: 2.0, 0: 3.0})
    with pytest.raises(ValueError, match=f"^class_weight=.*{REFUSAL}"):
        inference(model, X, y)


class Scaled(Gamma):
    """A family with an array of its own."""

    def __init__(self):
        self.scale = np.ones(2)


def test_a_family_of_ones_own_is_itself_after_loading():
    model = MixtureOfGLMExperts(family=Scaled(), random_state=0).fit(X, AMOUNTS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        inference(again, X, AMOUNTS).estimate, inference(model, X, AMOUNTS).estimate
    )


class TestTopK:
    """The one parameter that may be set after a fit, where the gate can choose."""

    def test_of_one_gate_chooses_in_predictions(self):
        model = MixtureOfLinearExperts(4, random_state=0).fit(X, Y)
        dense = model.gate_proba(X)
        model.set_params(top_k=2)
        proba = model.gate_proba(X)
        assert ((proba > 0).sum(axis=1) == 2).all()
        kept = np.where(proba > 0, dense, 0)
        np.testing.assert_allclose(proba, kept / kept.sum(axis=1, keepdims=True))
        mean = (proba * model.predict_expert(X)).sum(axis=1)
        np.testing.assert_allclose(model.predict(X), mean)

    def test_of_a_tree_is_an_error(self):
        model = MixtureOfLinearExperts(4, depth=2, random_state=0).fit(X, Y)
        model.set_params(top_k=2)
        for call in (model.gate_proba, model.predict, model.predict_interval):
            with pytest.raises(ValueError, match="^depth=2 and top_k=2: .*top_k=None"):
                call(X)
        with pytest.raises(ValueError, match="^depth=2 and top_k=2"):
            model.score_samples(X, Y)

    def test_that_is_none_is_an_error(self, fitted):
        model, _ = fitted("linear")
        model.set_params(top_k=0.5)
        with pytest.raises(ValueError, match="'top_k' parameter"):
            model.predict(X)

    def test_that_changed_ends_partial_fit(self, fitted):
        model, y = fitted("linear")
        model.set_params(n_experts=4, top_k=2)
        model.fit(X, y)
        model.set_params(top_k=3)
        with pytest.raises(ValueError, match=f"^top_k=3 {REFUSAL}"):
            model.partial_fit(X, y)
