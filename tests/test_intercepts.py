"""Intercepts of the gate and of the experts, each on its own."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference, information
from skmoe.streaming import array_batches, fit_batches

LINEAR, LOGISTIC, GLM = (
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    MixtureOfGLMExperts,
)
EXACT = {"alpha": 0.0, "gate_alpha": 0.0, "tol": 1e-13, "random_state": 0}
N = 400
kinds = pytest.mark.parametrize(
    "kind, options",
    [(LINEAR, {"noise_prior": 0.0}), (LOGISTIC, {}), (GLM, {})],
    ids=["linear", "logistic", "poisson"],
)


def drawn(kind, n=N, offset=3.0):
    """X of two columns, the first far from zero and seen by the gate, and y."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2))
    second = rng.uniform(size=n) < 1 / (1 + np.exp(0.5 - 1.5 * x[:, 0]))
    mean = np.where(second, 1.5, -1.0) * x[:, 1] + np.where(second, 0.5, 1.0)
    if kind is LINEAR:
        y = mean + 0.3 * rng.standard_normal(n)
    elif kind is GLM:
        y = rng.poisson(np.exp(1 + mean)).astype(float)
    else:
        y = np.digitize(2 * mean + rng.logistic(size=n), [-1, 2])
    return x + [offset, 0], y


@pytest.mark.sampled(3)
@kinds
@pytest.mark.parametrize("make", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_constant_gate_leaves_experts_through_the_origin(
    kind, options, make, grouped
):
    X, y = drawn(kind)
    model = kind(gate_features=[], fit_intercept=False, **EXACT, **options)
    groups = np.arange(N) // 2 if grouped else None
    model.fit(make(X), y, groups=groups)
    assert (model.intercept_ == 0).all()
    proba = model.responsibilities(X, y, groups=groups)
    gate = model.gate_proba(X[:1])[0]
    np.testing.assert_allclose(gate, proba.mean(axis=0), atol=1e-5)
    assert model.gate_coef_.shape == (2, 0) and model.gate_intercept_.any()
    for k in range(2 if kind is LINEAR else 0):
        root = np.sqrt(proba[:, k])
        coef, square, *_ = np.linalg.lstsq(root[:, None] * X, root * y)
        np.testing.assert_allclose(model.coef_[k], coef, rtol=1e-4)
        variance = square[0] / proba[:, k].sum()
        assert model.noise_variance_[k] == pytest.approx(variance, rel=1e-4)
    with pytest.raises(ValueError, match=r"gate_features=\[\].*gate_intercept=True"):
        model.set_params(gate_intercept=False).fit(X, y)


def with_ones(kind, of_gate, **options):
    """Two models that are the same, and X for both.

    One has an intercept, the other a column of ones, in the gate or in the experts.
    """
    X, y = drawn(kind)
    X = np.column_stack([X, np.ones(N)])
    switch, columns, other = "fit_intercept", "expert_features", "gate_intercept"
    if of_gate:
        switch, columns, other = "gate_intercept", "gate_features", "fit_intercept"
    options = {"gate_features": [0], "expert_features": [1], **EXACT, **options}
    first = kind(**{**options, switch: True, other: False})
    seen = [*options[columns], 2]
    second = kind(**{**options, switch: False, other: False, columns: seen})
    return first, second, X, y


def assert_same_model(first, second, X, y, of_gate, atol=1e-5):
    """The same densities, and the intercept is the coefficient of the ones."""
    np.testing.assert_allclose(
        first.score_samples(X, y), second.score_samples(X, y), atol=atol
    )
    names = ("gate_coef_", "gate_intercept_") if of_gate else ("coef_", "intercept_")
    coef, intercept = (getattr(first, name) for name in names)
    expected = getattr(second, names[0])
    np.testing.assert_allclose(coef, expected[..., :-1], atol=100 * atol)
    np.testing.assert_allclose(intercept, expected[..., -1], atol=100 * atol)
    absent = first.intercept_ if of_gate else first.gate_intercept_
    assert not absent.any()


@kinds
@pytest.mark.parametrize("of_gate", [True, False], ids=["gate", "experts"])
class TestOneOfThemAlone:
    def test_is_a_column_of_ones(self, kind, options, of_gate):
        first, second, X, y = with_ones(kind, of_gate, **options)
        first.fit(X, y), second.set_params(init=first.responsibilities(X, y)).fit(X, y)
        assert_same_model(first, second, X, y, of_gate)
        assert first.bic(X, y) == pytest.approx(second.bic(X, y))
        found, expected = inference(first, X, y), inference(second, X, y)
        np.testing.assert_allclose(
            found.standard_error, expected.standard_error, rtol=1e-3
        )
        part = "gate 0" if of_gate else "expert 0"
        named = [name for name in found.names if "intercept" in name]
        assert named and all(name.startswith(part[:-2]) for name in named)
        rates = [information(model, X, y).em_rate for model in (first, second)]
        assert rates[0] == pytest.approx(rates[1], rel=1e-3)
        coef = first.coef_.copy()
        first.set_params(warm_start=True).fit(X, y)
        np.testing.assert_allclose(first.coef_, coef, atol=1e-4)

    @pytest.mark.sampled(2)
    def test_sparse_rows_and_parts(self, kind, options, of_gate):
        first, _, X, y = with_ones(kind, of_gate, **options)
        first.fit(X, y)
        fits = [
            fit_batches(clone(first), array_batches(X, y, batch_size=90)),
            clone(first).fit(csr_array(X), y),
        ]
        for other in fits:
            found, expected = (m.score_samples(X, y) for m in (other, first))
            np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_partial_fit(self, kind, options, of_gate):
        first, second, X, y = with_ones(kind, of_gate, **options)
        second.set_params(init="regression_clustering", tol=1e-6)
        first.set_params(init="regression_clustering", tol=1e-6)
        kept = np.tile(np.arange(N), 4)  # enough for the moments to run
        first_classes = {"classes": [0, 1, 2]} if kind is LOGISTIC else {}
        for rows in np.array_split(kept, 4):
            for model in (first, second):
                model.partial_fit(X[rows], y[rows], **first_classes)
        assert first._online["stats"] is not None
        assert_same_model(first, second, X, y, of_gate, atol=1e-3)
        with pytest.raises(ValueError, match="gate_intercept='auto' is not what"):
            first.set_params(gate_intercept="auto").partial_fit(X, y)


def test_a_symmetric_model_may_have_a_constant_gate():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 2))
    sign = np.where(rng.uniform(size=1000) < 0.8, 1, -1)
    y = sign * (X @ [1.0, 2.0]) + 0.3 * rng.standard_normal(1000)
    model = MixtureOfLinearExperts(symmetric=True, gate_features=[], random_state=0)
    model.fit(X, y)
    plus = np.argmax(model.coef_[:, 1])
    assert model.gate_proba(X[:1])[0, plus] == pytest.approx(
        np.mean(sign > 0), abs=0.02
    )
    np.testing.assert_allclose(model.coef_[plus], [1, 2], atol=0.05)


def test_columns_far_from_zero_are_centred_where_there_is_an_intercept():
    """Where gate or experts have none, that does not spoil the others."""
    X, y = drawn(LINEAR)
    for options in (
        {"gate_intercept": False, "expert_features": [0, 1], "gate_features": [1]},
        {"fit_intercept": False, "gate_intercept": True, "expert_features": [1]},
    ):
        near = LINEAR(**EXACT, **options).fit(X, y)
        far = LINEAR(**EXACT, **options).fit(X + [1e7, 0], y)
        np.testing.assert_allclose(
            far.score_samples(X + [1e7, 0], y), near.score_samples(X, y), atol=1e-3
        )


@kinds
@pytest.mark.parametrize("make", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_a_constant_column_is_an_intercept_for_those_without(kind, options, make):
    X, y = drawn(kind)
    X = np.column_stack([X, np.full(N, 2.0)])
    every = {"gate_features": [0, 2], "gate_intercept": True, **EXACT, **options}
    model = kind(fit_intercept=False, expert_features=[1, 2], **every).fit(make(X), y)
    assert (model.gate_coef_[..., 1] == 0).all() and (model.intercept_ == 0).all()
    with_intercept = kind(expert_features=[1], **every)
    with_intercept.set_params(init=model.responsibilities(X, y)).fit(X, y)
    np.testing.assert_allclose(
        2 * model.coef_[..., 1], with_intercept.intercept_, atol=1e-3
    )
    found, expected = (m.score_samples(X, y) for m in (model, with_intercept))
    np.testing.assert_allclose(found, expected, atol=1e-5)
