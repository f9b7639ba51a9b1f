"""Importances of columns: their definition, and selections that use them."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, RFECV, SelectFromModel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import feature_importances
from skmoe.streaming import array_batches, fit_batches

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 4)) * [1, 2, 3, 4] + [0, 1, 2, 3]
# The first column decides, the second one counts.
Y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1]) + 0.3 * RNG.standard_normal(300)
CLASSES = np.digitize(Y, [-1, 1])
FRAME = pd.DataFrame(X, columns=list("abcd"))
TWO = np.column_stack([Y, 5 * X[:, 2] - Y])
COUNTS = RNG.poisson(np.exp(Y.clip(-2, 2)))

models = pytest.mark.parametrize(
    "model, y",
    [
        (MixtureOfLinearExperts(3), Y),
        (MixtureOfLinearExperts(), TWO),
        (MixtureOfLinearExperts(4, depth=2), Y),
        (MixtureOfLinearExperts(5, top_k=2), Y),
        (MixtureOfLinearExperts(symmetric=True), Y),
        (MixtureOfLinearExperts(3, gate_l1_ratio=1, gate_alpha=3), Y),
        (MixtureOfLogisticExperts(), Y > 0),
        (MixtureOfLogisticExperts(), CLASSES),
        (MixtureOfLogisticExperts(l1_ratio=1, alpha=3), CLASSES),
        (MixtureOfGLMExperts(), COUNTS),
        (MixtureOfGLMExperts(family="negative_binomial"), COUNTS),
        (MixtureOfGLMExperts(family="binomial"), Y > 0),
        (MixtureOfGLMExperts(1, point_mass=0.0), COUNTS),
    ],
)


def by_definition(model, scale, unit, mass):
    """Importances of a model that sees all columns, by loops over experts."""
    experts, gate = np.zeros(4), np.zeros(4)
    for m, coef in zip(mass, model.coef_ * scale):
        rows = np.atleast_2d(coef) / np.reshape(unit, (-1, 1))
        if hasattr(model, "classes_"):
            classes = rows if coef.ndim == 2 else np.vstack([0 * coef, coef])
            experts += m * np.var(classes, axis=0)
        else:
            experts += m * np.mean(rows**2, axis=0)
    below = [mass]  # shares of the branches of each node
    if model.gate_coef_.ndim == 3:
        leaves = mass.reshape(2, 2)
        below = [leaves.sum(axis=1), *leaves]
    nodes = model.gate_coef_.reshape(len(below), -1, 4) * scale
    for coef, m in zip(nodes, below):
        gate += m @ (coef - np.average(coef, axis=0, weights=m)) ** 2
    return np.sqrt(experts / (1 + experts.sum()) + gate / (1 + gate.sum()))


@pytest.mark.sampled(4)
@models
def test_importances_are_what_the_documentation_defines(model, y):
    model = model.set_params(random_state=0).fit(X, y)
    mass = model.responsibilities(X, y).mean(axis=0)
    scale = np.sqrt((X**2).mean(axis=0)) if model.symmetric else X.std(axis=0)
    regressor = isinstance(model, MixtureOfLinearExperts)
    unit = np.sqrt((y**2).mean(axis=0)) if model.symmetric else np.std(y, axis=0)
    found = feature_importances(model)
    expected = by_definition(model, scale, unit if regressor else 1.0, mass)
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-3)
    assert found.shape == (4,)
    assert (found < np.sqrt(2)).all()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "model, y",
    [
        (MixtureOfLinearExperts(), TWO),
        (MixtureOfLogisticExperts(), CLASSES),
        (MixtureOfGLMExperts(), COUNTS),
        (MixtureOfGLMExperts(family="binomial"), Y > 0),
    ],
)
def test_each_column_has_its_own_wherever_it_stands(model, y):
    model.set_params(random_state=0, expert_features=["c", "b"], gate_features=["d"])
    found = feature_importances(model.fit(FRAME, y))
    assert found[0] == 0 < found[1:].min()
    order = list("dbac")
    again = feature_importances(model.fit(FRAME[order], y))
    np.testing.assert_allclose(pd.Series(again, order)[list("abcd")], found, atol=1e-4)
    model.set_params(gate_features=[])
    assert (feature_importances(model.fit(FRAME, y))[[0, 3]] == 0).all()


def test_units_of_columns_and_of_y_do_not_matter():
    start = (X[:, 0] > 0).astype(int)
    model = MixtureOfLinearExperts(alpha=0, gate_alpha=0, tol=1e-9, init=start)
    soft = Y + RNG.logistic(size=300)
    found = feature_importances(model.fit(X, soft))
    other = feature_importances(model.fit(X * [1e-6, 1, 1e6, 10] + 5, 1e3 * soft))
    np.testing.assert_allclose(other, found, rtol=1e-3)


def test_all_ways_to_fit_give_the_same():
    rows = X - X.mean(axis=0)  # sparse columns are not centred
    model = MixtureOfLinearExperts(random_state=0)
    expected = feature_importances(model.fit(rows, Y))
    found = feature_importances(model.fit(sparse.csr_array(rows), Y))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    fit_batches(model, array_batches(rows, Y, batch_size=100))
    np.testing.assert_allclose(feature_importances(model), expected, rtol=1e-3)
    online = MixtureOfLinearExperts(random_state=0).partial_fit(rows, Y)
    np.testing.assert_allclose(feature_importances(online), expected, rtol=1e-3)


def test_constant_columns_and_zeros_of_a_lasso_have_none():
    rows = np.column_stack([X[:, :3], np.full(300, 7.0)])
    assert feature_importances(MixtureOfLinearExperts().fit(rows, Y))[3] == 0
    lasso = dict(l1_ratio=1, alpha=40, gate_l1_ratio=1, gate_alpha=3, random_state=0)
    for kind, y in (
        (MixtureOfLinearExperts, Y),
        (MixtureOfLogisticExperts, CLASSES),
        (MixtureOfGLMExperts, COUNTS),
    ):
        model = SelectFromModel(
            kind(2, **lasso), threshold=1e-5, importance_getter=feature_importances
        )
        kept = model.fit(FRAME / X.std(axis=0), y).get_support()
        own = (model.estimator_.coef_ != 0).reshape(-1, 4).any(axis=0)
        gate = (model.estimator_.gate_coef_ != 0).reshape(-1, 4).any(axis=0)
        np.testing.assert_array_equal(kept, own | gate)
        assert kept[1] and not kept.all()


@pytest.mark.parametrize(
    "model, y",
    [
        (MixtureOfLinearExperts(random_state=0), Y),
        (MixtureOfLinearExperts(random_state=0), np.column_stack([Y, -Y])),
        (MixtureOfLogisticExperts(random_state=0), CLASSES),
        (MixtureOfGLMExperts(random_state=0), COUNTS),
    ],
)
def test_selections_keep_what_gate_and_experts_need(model, y):
    for select in (
        RFE(model, n_features_to_select=2, importance_getter=feature_importances),
        SelectFromModel(model, importance_getter=feature_importances),
    ):
        assert select.fit(FRAME, y).get_feature_names_out().tolist() == ["a", "b"]


def test_recursive_elimination_finds_how_many_columns_count():
    model = MixtureOfLinearExperts(random_state=0)
    select = RFECV(model, cv=3, importance_getter=feature_importances).fit(X, Y)
    assert select.get_support()[:2].all()
    assert select.cv_results_["mean_test_score"][1] > 0.8


def test_only_columns_that_are_seen_are_kept():
    model = MixtureOfLinearExperts(
        gate_features=["a"], expert_features=["c", "b"], random_state=0
    )
    select = SelectFromModel(model, importance_getter=feature_importances)
    assert select.fit(FRAME, Y).get_feature_names_out().tolist() == ["a", "b"]


def test_other_estimators_are_refused():
    pipeline = make_pipeline(StandardScaler(), MixtureOfLinearExperts(random_state=0))
    with pytest.raises(TypeError, match=r"is a Pipeline.* give pipe\[-1\]"):
        feature_importances(pipeline.fit(X, Y))
    assert feature_importances(pipeline[-1]).shape == (4,)
    with pytest.raises(NotFittedError):
        feature_importances(MixtureOfLinearExperts())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MixtureOfLogisticExperts, MixtureOfLinearExperts])
def test_shap_explains_the_mixture_if_it_is_given_a_method(kind):
    shap = pytest.importorskip("shap")
    rows, y = X[:60], Y[:60] > 0 if kind is MixtureOfLogisticExperts else Y[:60]
    model = kind(random_state=0).fit(rows, y)
    proba = "predict" if kind is MixtureOfLinearExperts else "predict_proba"
    for method in (proba, "gate_proba"):
        explain = shap.Explainer(getattr(model, method), rows)
        found = explain(rows[:3])
        total = found.values.sum(axis=1) + found.base_values
        np.testing.assert_allclose(total, getattr(model, method)(rows[:3]), atol=1e-9)
    # What the user guide warns of: the experts alone, each on its own.
    found = shap.Explainer(model, rows)(rows[:3])
    total = found.values.sum(axis=1) + found.base_values
    expected = rows[:3] @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(total, expected, atol=1e-9)
