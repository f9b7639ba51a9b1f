"""Criteria, the path over the number of experts, and the held-out likelihood."""

import numpy as np
import pytest
from _paper import load
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.model_selection import log_likelihood_scorer, n_experts_path

draw = load("n_experts", "benchmarks").draw


@pytest.mark.parametrize("n_experts", [1, 2, 3, 4])
def test_bic_finds_the_number_of_experts(n_experts):
    """Three sets of each; `benchmarks/n_experts.py` counts 50."""
    found = []
    for seed in range(3):
        X, y = draw(n_experts, seed)
        path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y)
        found.append(path.best("bic").n_experts)
    assert found.count(n_experts) >= 2


def test_more_experts_never_raise_the_objective():
    X, y = draw(3, 0)
    path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y, max_experts=6)
    objectives = [fit.objective_curve_[-1] for fit in path.estimators]
    assert (np.diff(objectives) < 1e-3).all()
    assert objectives[2] < objectives[0] - 0.3
    np.testing.assert_array_equal(path.n_experts, np.arange(1, 7))
    assert [fit.n_experts for fit in path.estimators] == list(range(1, 7))


def test_path_holds_the_criteria_of_its_fits():
    X, y = draw(2, 0, n=500)
    weight = np.random.default_rng(0).integers(0, 3, size=500)
    path = n_experts_path(
        MixtureOfLinearExperts(random_state=0),
        X,
        y,
        max_experts=3,
        sample_weight=weight,
    )
    for name in ("aic", "bic", "icl"):
        expected = [getattr(fit, name)(X, y, weight) for fit in path.estimators]
        np.testing.assert_allclose(getattr(path, name), expected)
        best = path.best(name)
        assert best is path.estimators[int(np.argmin(expected))]


def test_classes_have_a_path_too():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(1500, 1))
    outside = 1 / (1 + np.exp(6 * (1 - np.abs(X[:, 0]))))
    y = np.where(rng.uniform(size=1500) < outside, "out", "in")
    path = n_experts_path(MixtureOfLogisticExperts(random_state=0), X, y, max_experts=3)
    assert path.best().n_experts == 2


def test_a_path_leaves_the_estimator_alone():
    X, y = draw(2, 0, n=300)
    model = MixtureOfLinearExperts(3, random_state=0)
    parameters = clone(model).get_params()
    n_experts_path(model, X, y, max_experts=2)
    assert model.get_params() == parameters and not hasattr(model, "coef_")


@pytest.mark.parametrize(
    "init, left", [("kmeans", "kmeans"), (np.zeros(300, dtype=int), "short_runs")]
)
def test_fits_of_a_path_can_be_fitted_to_other_rows(init, left):
    X, y = draw(2, 0, n=300)
    model = MixtureOfLinearExperts(init=init, random_state=0)
    best = n_experts_path(model, X, y, max_experts=2).best()
    assert best.n_experts == 2 and best.init == left
    assert cross_val_score(best, X, y).mean() > 0.5


def test_a_path_goes_on_where_no_expert_can_be_split():
    """Classes that one expert tells apart: its rows may be of one class."""
    X = np.linspace(-1, 1, 60)[:, None]
    y = (X[:, 0] > 0).astype(int)
    model = MixtureOfLogisticExperts(random_state=0, alpha=0.1, gate_alpha=0.1)
    path = n_experts_path(model, X, y, max_experts=4)
    assert np.isfinite(path.bic).all() and path.best().n_experts == 1


def test_icl_is_bic_and_the_entropy_of_responsibilities():
    X, y = draw(2, 0, n=300)
    model = MixtureOfLinearExperts(random_state=0).fit(X, y)
    r = model.responsibilities(X, y)
    entropy = -(r * np.log(np.maximum(r, 1e-300))).sum()
    assert model.icl(X, y) == pytest.approx(model.bic(X, y) + 2 * entropy)
    weight = np.random.default_rng(0).integers(0, 3, size=300)
    rows = np.repeat(np.arange(300), weight)
    assert model.icl(X, y, weight) == pytest.approx(model.icl(X[rows], y[rows]))
    one = MixtureOfLinearExperts(1).fit(X, y)
    assert one.icl(X, y) == one.bic(X, y)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_grid_search_by_held_out_likelihood(in_pipeline):
    X, y = draw(2, 1, n=800)
    model, name = MixtureOfLinearExperts(random_state=0), "n_experts"
    if in_pipeline:
        model = make_pipeline(StandardScaler(), model)
        name = "mixtureoflinearexperts__n_experts"
    search = GridSearchCV(model, {name: [1, 2]}, scoring=log_likelihood_scorer, cv=3)
    search.fit(X, y)
    assert search.best_params_ == {name: 2}
    last = search.best_estimator_
    if in_pipeline:
        X, last = last[:-1].transform(X), last[-1]
    expected = last.score_samples(X, y).mean()
    assert log_likelihood_scorer(last, X, y) == pytest.approx(expected)


def test_bad_arguments_are_named():
    X, y = draw(1, 0, n=50)
    with pytest.raises(ValueError, match="max_experts=0"):
        n_experts_path(MixtureOfLinearExperts(), X, y, max_experts=0)
    with pytest.raises(ValueError, match="symmetric=True"):
        n_experts_path(MixtureOfLinearExperts(symmetric=True), X, y)
    with pytest.raises(TypeError, match="last step"):
        n_experts_path(make_pipeline(MixtureOfLinearExperts()), X, y)
    with pytest.raises(ValueError, match="criterion='mdl'"):
        n_experts_path(MixtureOfLinearExperts(), X, y, max_experts=1).best("mdl")
