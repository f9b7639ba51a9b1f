"""Export to ONNX: onnxruntime predicts what the estimators predict."""

import subprocess
import sys
from inspect import cleandoc
from textwrap import dedent

import numpy as np
import pytest
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.distributions.log_link import log_bounds
from skmoe.onnx import register_converters

onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
STANDARD = {"Gemm", "Softmax", "Reshape", "Mul", "ReduceSum", "ArgMax", "Gather"}
CHOICE = {"TopK", "OneHot", "Cast", "Where"}

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 3)) + [0, 1, -1]
Y = np.where(X[:, 0] > 0, X @ [1, 2, 3], -X @ [3, 2, 1]) + RNG.standard_normal(200)
BINARY = (Y > np.median(Y)).astype(int)
SEVERAL = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
regressors = pytest.mark.parametrize(
    "params, y",
    [
        ({}, Y),
        ({"n_experts": 1}, Y),
        ({"n_experts": 3, "noise": "shared"}, Y),
        ({"symmetric": True}, Y),
        ({"fit_intercept": False}, Y),
        ({"fit_intercept": False, "gate_intercept": True}, Y),
        ({"fit_intercept": False, "gate_features": []}, Y),
        ({"gate_features": [0], "expert_features": [2, 1]}, Y),
        ({"gate_features": []}, Y),
        ({"expert_features": []}, Y),
        ({"n_experts": 4, "depth": 2, "gate_features": [2, 0]}, Y),
        ({"n_experts": 5, "top_k": 2}, Y),
        ({}, Y[:, None]),
        ({"n_experts": 3, "gate_features": [2, 0]}, np.stack([Y, X[:, 1] - Y]).T),
    ],
)
classifiers = pytest.mark.parametrize(
    "params, y",
    [
        ({}, BINARY),
        ({"n_experts": 1}, BINARY),
        ({"symmetric": True}, BINARY),
        ({"gate_features": [2], "expert_features": [True, True, False]}, BINARY),
        ({"expert_features": []}, BINARY),
        ({}, BINARY == 1),
        ({}, 2.0 * BINARY),
        ({}, np.array(["no", "yes"])[BINARY]),
        ({"n_experts": 3}, 10 * SEVERAL - 5),
        ({"n_experts": 8, "depth": 3}, SEVERAL),
        ({"n_experts": 8, "top_k": 2}, SEVERAL),
        ({"gate_features": [1]}, np.array(["a", "bb", "c"])[SEVERAL]),
        ({"gate_features": []}, np.array(["a", "bb", "c"], dtype=object)[SEVERAL]),
    ],
)


@pytest.fixture(autouse=True)
def converters():
    """Register twice: a second call must do no harm."""
    register_converters()
    register_converters()


def exported(model, rows, **kwargs):
    """Session of the exported model."""
    content = skl2onnx.to_onnx(model, rows[:1], **kwargs).SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def outputs(model, rows, **kwargs):
    """Outputs of the exported model by name; declared shapes and types must hold."""
    session = exported(model, rows, **kwargs)
    values = session.run(None, {"X": rows})
    found = {}
    for declared, value in zip(session.get_outputs(), values, strict=True):
        assert len(declared.shape) == value.ndim
        assert list(value.shape[1:]) == declared.shape[1:]
        found[declared.name] = value
    return found


def piped(model, scaled):
    """The model, in a pipeline or not."""
    return make_pipeline(StandardScaler(), model) if scaled else model


def gate_of(model, rows):
    """Gate probabilities of a model or pipeline."""
    if hasattr(model, "gate_proba"):
        return model.gate_proba(rows)
    return model[-1].gate_proba(model[:-1].transform(rows))


@pytest.mark.sampled(4)
@dtypes
@pytest.mark.parametrize("scaled", [False, True])
@regressors
def test_regressor(params, y, scaled, dtype):
    rows = X.astype(dtype)
    model = MixtureOfLinearExperts(random_state=0, **params)
    model = piped(model, scaled).fit(rows, y)
    found = outputs(model, rows)
    assert list(found) == ["variable", "gate"]
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    expected = model.predict(rows).reshape(len(rows), -1)
    np.testing.assert_allclose(found["variable"], expected, **tolerance)
    np.testing.assert_allclose(found["gate"], gate_of(model, rows), **tolerance)
    assert all(value.dtype == dtype for value in found.values())


@pytest.mark.sampled(10)
@dtypes
@pytest.mark.parametrize("scaled", [False, True])
@classifiers
def test_classifier(params, y, scaled, dtype):
    rows = X.astype(dtype)
    model = MixtureOfLogisticExperts(random_state=0, **params)
    model = piped(model, scaled).fit(rows, y)
    found = outputs(model, rows)
    assert list(found) == ["label", "probabilities", "gate"]
    tolerance = {"rtol": 0, "atol": TOLERANCE[dtype]}
    proba = model.predict_proba(rows)
    np.testing.assert_allclose(found["probabilities"], proba, **tolerance)
    np.testing.assert_allclose(found["gate"], gate_of(model, rows), **tolerance)
    assert found["probabilities"].dtype == found["gate"].dtype == dtype
    np.testing.assert_array_equal(found["label"], model.predict(rows))
    assert found["label"].dtype == (object if y.dtype.kind in "UO" else np.int64)


@pytest.mark.sampled(6)
@dtypes
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"family": "gamma", "gate_features": [2, 0], "expert_features": [1]},
        {"family": "negative_binomial"},
        {"n_experts": 4, "depth": 2, "fit_intercept": False},
        {"n_experts": 5, "top_k": 2, "gate_features": [0]},
        {"n_experts": 1, "expert_features": []},
    ],
)
def test_experts_with_a_log_link(params, scaled, dtype):
    rows, y = X.astype(dtype), np.ceil(np.exp(Y / 4))
    model = MixtureOfGLMExperts(random_state=0, **params)
    model = piped(model, scaled).fit(rows, y)
    found = outputs(model, rows)
    assert list(found) == ["variable", "gate"]
    tolerance = TOLERANCE[dtype]
    expected = model.predict(rows)[:, None]
    np.testing.assert_allclose(found["variable"], expected, rtol=tolerance)
    np.testing.assert_allclose(found["gate"], gate_of(model, rows), atol=tolerance)
    assert all(value.dtype == dtype for value in found.values())


@dtypes
def test_means_of_far_rows_are_within_their_type(dtype):
    model = MixtureOfGLMExperts(random_state=0).fit(X, np.ceil(np.exp(Y / 4)))
    model.coef_, model.gate_coef_ = model.coef_.astype(dtype), 0 * model.gate_coef_
    model.intercept_ = model.intercept_.astype(dtype)
    far = (1e6 * X).astype(dtype)
    found = outputs(model, far, target_opset=12)["variable"][:, 0]
    expected = np.log(model.predict(far))
    assert np.isfinite(found).all() and (found > 0).all()
    # Here the means of experts are bounded, there their sum: they share its logarithm.
    shares = model.gate_proba(far).min()
    expected = np.clip(expected, *log_bounds(dtype))
    np.testing.assert_allclose(np.log(found), expected, atol=1e-4 - np.log(shares))


@dtypes
def test_of_equal_gates_the_first_count(dtype):
    params = {"top_k": 2, "fit_intercept": False, "gate_features": [0]}
    model = MixtureOfLinearExperts(6, random_state=0, **params).fit(X, Y)
    rows = np.array([[0, 1, 2], [0, -1, 0.5]], dtype=dtype)
    np.testing.assert_array_equal(model.gate_proba(rows)[:, :2], 0.5)
    found = outputs(model, rows)
    np.testing.assert_allclose(found["gate"], model.gate_proba(rows), atol=1e-6)
    found = found["variable"].ravel()
    np.testing.assert_allclose(found, model.predict(rows), atol=TOLERANCE[dtype])


@pytest.mark.parametrize("opset", [12, 13, 18, None])
@pytest.mark.parametrize("top_k", [None, 2])
def test_nodes_are_standard_operators(opset, top_k):
    model = MixtureOfLogisticExperts(3, top_k=top_k, random_state=0).fit(X, SEVERAL)
    graph = skl2onnx.to_onnx(model, X[:1], target_opset=opset).graph
    used = STANDARD | {"Min"} | (CHOICE if top_k else set())
    assert {node.op_type for node in graph.node} == used
    assert {node.domain for node in graph.node} == {""}
    found = outputs(model, X, target_opset=opset)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_any_number_of_rows(n_rows):
    model = MixtureOfLinearExperts(random_state=0).fit(X, Y)
    found = exported(model, X).run(None, {"X": X[:n_rows]})
    assert [value.shape for value in found] == [(n_rows, 1), (n_rows, 2)]


def test_extreme_rows_stay_finite():
    model = MixtureOfLogisticExperts(random_state=0).fit(X, BINARY)
    rows = (1e6 * X).astype(np.float32)
    found = outputs(model, rows)
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, rtol=1e-6)
    assert found["probabilities"].max() <= 1


def test_integer_input_is_read_as_float():
    rows = np.round(3 * X).astype(np.int64)
    model = MixtureOfLinearExperts(random_state=0).fit(rows, Y)
    found = outputs(model, rows)
    assert found["variable"].dtype == np.float32
    np.testing.assert_allclose(
        found["variable"][:, 0], model.predict(rows), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("scaled", [False, True])
def test_zipmap(scaled):
    model = piped(MixtureOfLogisticExperts(random_state=0), scaled).fit(X, BINARY)
    for value in (True, False):
        found = outputs(model, X, options={id(model): {"zipmap": value}})
        assert found["probabilities"].shape == (len(X), 2)
    with pytest.raises(ValueError, match="zipmap"):
        exported(model, X, options={id(model): {"zipmap": "columns"}})


def test_search():
    search = GridSearchCV(
        MixtureOfLogisticExperts(random_state=0), {"n_experts": [1, 2]}, cv=2
    )
    search.fit(X, SEVERAL)
    found = outputs(search, X)
    np.testing.assert_allclose(found["probabilities"], search.predict_proba(X))
    np.testing.assert_allclose(found["gate"], search.best_estimator_.gate_proba(X))


@pytest.mark.parametrize("ensemble", [VotingRegressor, StackingRegressor])
def test_ensemble_of_regressors(ensemble):
    model = MixtureOfLinearExperts(random_state=0)
    model = ensemble([("a", model), ("b", model.__class__(1))]).fit(X, Y)
    found = outputs(model, X)
    assert list(found) == ["variable"]
    np.testing.assert_allclose(found["variable"][:, 0], model.predict(X), atol=1e-10)


@pytest.mark.parametrize(
    "ensemble",
    [
        lambda members: VotingClassifier(
            members, voting="soft", flatten_transform=False
        ),
        lambda members: StackingClassifier(members, cv=2),
    ],
    ids=["voting", "stacking"],
)
def test_ensemble_of_classifiers(ensemble):
    members = [(str(k), MixtureOfLogisticExperts(k, random_state=0)) for k in (1, 2)]
    rows = X.astype(np.float32)
    model = ensemble(members).fit(rows, SEVERAL)
    found = outputs(model, rows, options={id(model): {"zipmap": False}})
    assert list(found) == ["label", "probabilities"]
    np.testing.assert_allclose(
        found["probabilities"], model.predict_proba(rows), atol=1e-5
    )


def test_labels_that_onnx_lacks():
    # Since type_of_target refuses fractions, only an edited model gets here.
    model = MixtureOfLogisticExperts(random_state=0).fit(X, BINARY)
    model.classes_ = np.array([0.5, 1.5])
    with pytest.raises(ValueError, match="integers or strings"):
        exported(model, X)


@pytest.mark.parametrize(
    "kind", [MixtureOfLinearExperts, MixtureOfLogisticExperts, MixtureOfGLMExperts]
)
def test_unfitted(kind):
    with pytest.raises(NotFittedError):
        exported(kind(), X)


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'skmoe\[onnx\]'"):
        register_converters()


@pytest.mark.parametrize("module", ["skmoe", "skmoe.onnx"])
def test_import_leaves_onnx_alone(module):
    code = f"import sys, {module}; assert not {{'onnx', 'skl2onnx'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_example_of_docstring():
    text = cleandoc(register_converters.__doc__).partition("onnxruntime``::\n")[2]
    names = {}
    exec(dedent(text), names)
    model, rows = names["model"], names["X"]
    predicted = model.predict(rows)[:, None]
    np.testing.assert_allclose(names["prediction"], predicted, atol=1e-5)
    np.testing.assert_allclose(names["gate"], model.gate_proba(rows), atol=1e-5)


@dtypes
def test_probabilities_of_success(dtype):
    rows = X.astype(dtype)
    model = MixtureOfGLMExperts(2, family="binomial", random_state=0).fit(rows, BINARY)
    found = outputs(model, rows)["variable"][:, 0]
    np.testing.assert_allclose(found, model.predict(rows), atol=TOLERANCE[dtype])
