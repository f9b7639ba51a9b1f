"""Weights of classes are weights of their rows, in whatever way rows come."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skmoe import MixtureOfLogisticExperts
from skmoe.inspection import inference
from skmoe.model_selection import n_experts_path
from skmoe.streaming import array_batches, fit_batches

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 2))
LABELS = np.array(["a", "b", "c"])[
    np.digitize(np.abs(X[:, 0]) + X[:, 1] + 0.5 * RNG.standard_normal(300), [1, 2])
]
BINARY = (LABELS == "c").astype(int)
WEIGHT = RNG.integers(0, 4, 300).astype(float)
DICT = {"a": 0.5, "c": 3.0}
BY_CLASS = np.select([LABELS == "a", LABELS == "c"], [0.5, 3.0], 1.0)
weights = pytest.mark.parametrize("sample_weight", [None, WEIGHT])


def balanced(y, weight):
    """Weights of rows by definition: all classes have the same total."""
    weight = np.ones(len(y)) if weight is None else weight
    _, codes = np.unique(y, return_inverse=True)
    return (weight.sum() / (codes.max() + 1) / np.bincount(codes, weight))[codes]


def product(weight, by_class):
    """Weights of rows times those of their classes."""
    return by_class if weight is None else weight * by_class


def assert_same_fit(found, expected, rtol=1e-9):
    for name in ("coef_", "intercept_", "gate_coef_", "gate_intercept_"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=rtol, atol=rtol
        )
    assert found.n_samples_seen_ == pytest.approx(expected.n_samples_seen_)


@weights
@pytest.mark.parametrize("y", [LABELS, BINARY], ids=["three classes", "two classes"])
@pytest.mark.parametrize("as_given", ["dict", "balanced"])
def test_one_expert_is_logistic_regression(y, as_given, sample_weight):
    given = as_given
    if as_given == "dict":
        given = DICT if y is LABELS else {0: 1.5, 1: 0.25}
    alone = LogisticRegression(class_weight=given, solver="newton-cg", tol=1e-9)
    model = MixtureOfLogisticExperts(1, class_weight=given, tol=1e-10)
    # Weights of classes that are themselves weighted came with scikit-learn 1.7.
    if as_given == "balanced":
        alone.class_weight = None
        alone.fit(X, y, product(sample_weight, balanced(y, sample_weight)))
    else:
        alone.fit(X, y, sample_weight)
    model.fit(X, y, sample_weight)
    np.testing.assert_allclose(
        model.predict_proba(X), alone.predict_proba(X), atol=1e-5
    )


@pytest.mark.sampled(4)
@weights
@pytest.mark.parametrize("way", ["fit", "sparse", "groups", "parts", "init"])
@pytest.mark.parametrize("given", [DICT, "balanced"], ids=["dict", "balanced"])
def test_weights_of_classes_are_weights_of_rows(given, way, sample_weight):
    by_class = BY_CLASS if given is DICT else balanced(LABELS, sample_weight)
    plain = MixtureOfLogisticExperts(random_state=0)
    rows, options = X, {}
    if way == "sparse":
        rows = sparse.csr_array(X)
    if way == "groups":
        plain.set_params(gate_features=[])
        options["groups"] = np.arange(300) // 3
    if way == "init":
        plain.set_params(init=(X[:, 0] > 0).astype(int))
    weighted = clone(plain).set_params(class_weight=given)
    both = product(sample_weight, by_class)
    if way == "parts":
        fit_batches(plain, array_batches(X, LABELS, both, batch_size=120))
        fit_batches(weighted, array_batches(X, LABELS, sample_weight, batch_size=120))
    else:
        plain.fit(rows, LABELS, both, **options)
        weighted.fit(rows, LABELS, sample_weight, **options)
    assert_same_fit(weighted, plain)
    if way == "fit":
        found = inference(weighted, X, LABELS, sample_weight)
        expected = inference(plain, X, LABELS, both)
        np.testing.assert_allclose(found.covariance, expected.covariance)


def test_batches_and_paths_take_weights_of_classes():
    plain = MixtureOfLogisticExperts(random_state=0)
    weighted = clone(plain).set_params(class_weight=DICT)
    for rows in np.split(np.arange(300), 2):
        plain.partial_fit(X[rows], LABELS[rows], list("abc"), BY_CLASS[rows])
        weighted.partial_fit(X[rows], LABELS[rows], list("abc"))
    assert_same_fit(weighted, plain)
    for given in (DICT, "balanced"):
        by_class = BY_CLASS if given is DICT else balanced(LABELS, WEIGHT)
        options = {"max_experts": 2, "sample_weight": WEIGHT}
        found = n_experts_path(
            weighted.set_params(class_weight=given), X, LABELS, **options
        )
        options["sample_weight"] = WEIGHT * by_class
        expected = n_experts_path(plain, X, LABELS, **options)
        np.testing.assert_allclose(found.bic, expected.bic)
        assert_same_fit(found.estimators[1], expected.estimators[1])
        assert found.estimators[1].class_weight == given


def test_weights_that_cannot_be_are_named():
    model = MixtureOfLogisticExperts(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='balanced' needs the classes"):
        model.partial_fit(X, LABELS, classes=list("abc"))
    assert not hasattr(model, "classes_")
    for given, message in (
        ({"a": 0.0}, "class_weight={'a': 0.0}: weights of classes must be positive"),
        ({"a": -1.0}, "must be positive"),
        ({"d": 2.0}, "not in class_weight"),
        ("even", "The 'class_weight' parameter"),
    ):
        model.set_params(class_weight=given)
        with pytest.raises(ValueError, match=message):
            model.fit(X, LABELS)
        with pytest.raises(ValueError, match=message):
            fit_batches(model, array_batches(X, LABELS, batch_size=200))
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, LABELS, classes=list("abc"))
