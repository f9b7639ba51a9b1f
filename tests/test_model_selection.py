"""Criteria, the path over the number of experts, and the held-out likelihood."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import sklearn
from _paper import load
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.model_selection import log_likelihood_scorer, n_experts_path

draw = load("n_experts", "benchmarks").draw
sample = load("merging", "benchmarks").sample


@pytest.mark.sampled(1)
@pytest.mark.parametrize("n_experts", [1, 2, 3, 4])
def test_bic_finds_the_number_of_experts(n_experts):
    """Three sets of each; `benchmarks/n_experts.py` counts 50."""
    found = []
    for seed in range(3):
        X, y = draw(n_experts, seed)
        path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y)
        found.append(path.best("bic").n_experts)
    assert found.count(n_experts) >= 2


@pytest.mark.long
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


def test_an_expert_without_rows_is_none_that_was_found():
    X, y, _ = sample("two", 1000, 0)  # a steep gate between two lines
    path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y, max_experts=3)
    np.testing.assert_allclose(path.bic[2], path.bic[1], atol=0.01, rtol=0)
    for change, expected in ((-1e-4, 2), (1e-4, 2), (-1, 3)):
        bic = path.bic[[0, 1, 1]] + np.array([0, 0, change])
        assert replace(path, bic=bic).best("bic").n_experts == expected


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


MODEL = MixtureOfLinearExperts(random_state=0)
SCALED = make_pipeline(StandardScaler(), MODEL)
NAME = "mixtureoflinearexperts__n_experts"


@pytest.mark.parametrize(
    "model, name",
    [
        (MODEL, "n_experts"),
        (SCALED, NAME),
        (make_pipeline(MODEL), NAME),
        (make_pipeline("passthrough", None, SCALED), f"pipeline__{NAME}"),
    ],
    ids=["alone", "pipeline", "one step", "nested"],
)
def test_grid_search_by_held_out_likelihood(model, name):
    X, y = draw(2, 1, n=300)
    search = GridSearchCV(model, {name: [1, 2]}, scoring=log_likelihood_scorer, cv=3)
    search.fit(X, y)
    assert search.best_params_ == {name: 2}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    last, Z = best, X
    while isinstance(last, Pipeline):
        steps = [step for _, step in last.steps]
        for step in steps[:-1]:
            Z = Z if step in (None, "passthrough") else step.transform(Z)
        last = steps[-1]
    expected = last.score_samples(Z, y).mean()
    assert log_likelihood_scorer(last, Z, y) == pytest.approx(expected)
    for fitted in (search, best, make_pipeline(search)):
        assert log_likelihood_scorer(fitted, X, y) == pytest.approx(expected)


def grouped():
    """X, y, and the metadata of 60 groups of four rows."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    x = rng.standard_normal((240, 1))
    y = rng.choice([-1, 1], 60)[groups] * x[:, 0] + 0.7 * rng.standard_normal(240)
    return x, y, {"sample_weight": rng.integers(1, 4, 240), "groups": groups}


class TestScorerWithMetadata:
    model = MixtureOfLinearExperts(gate_features=[], random_state=0)

    def expected(self, folds, **given):
        """Scores of the folds, from repeated rows, one group at a time."""
        X, y, metadata = grouped()
        for train, test in folds:
            of_train = {name: metadata[name][train] for name in given}
            fit = clone(self.model).fit(X[train], y[train], **of_train)
            times = np.ones(240, dtype=int)
            if "sample_weight" in given:
                times = metadata["sample_weight"]
            rows = np.repeat(test, times[test])
            units = [rows]
            if "groups" in given:
                of_rows = metadata["groups"][rows]
                units = [rows[of_rows == group] for group in np.unique(of_rows)]
            log_density = [
                fit.score_samples(
                    X[unit], y[unit], np.ones(len(unit)), groups=np.zeros(len(unit))
                )
                if "groups" in given
                else fit.score_samples(X[unit], y[unit])
                for unit in units
            ]
            yield np.concatenate(log_density).sum() / len(rows)

    @pytest.mark.sampled(2)
    @pytest.mark.parametrize(
        "names", [["sample_weight"], ["groups"], ["sample_weight", "groups"]]
    )
    @pytest.mark.parametrize("in_pipeline", [False, True])
    def test_is_routed_in_searches(self, names, in_pipeline):
        X, y, metadata = grouped()
        given = {name: True for name in names}
        folds = list(GroupKFold(3).split(X, y, metadata["groups"]))
        with sklearn.config_context(enable_metadata_routing=True):
            scorer = log_likelihood_scorer.set_score_request(**given)
            model = clone(self.model).set_fit_request(**given)
            model = make_pipeline(model) if in_pipeline else model
            params = {name: metadata[name] for name in names}
            found = cross_validate(
                model, X, y, scoring=scorer, cv=folds, params=params
            )["test_score"]
            parameter = "mixtureoflinearexperts__tol" if in_pipeline else "tol"
            search = GridSearchCV(model, {parameter: [1e-5]}, scoring=scorer, cv=folds)
            search.fit(X, y, **params)
        expected = list(self.expected(folds, **given))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        by_search = [search.cv_results_[f"split{i}_test_score"][0] for i in range(3)]
        np.testing.assert_allclose(by_search, expected, rtol=1e-9)

    def test_is_passed_under_another_name(self):
        X, y, metadata = grouped()
        folds = list(GroupKFold(3).split(X, y, metadata["groups"]))
        with sklearn.config_context(enable_metadata_routing=True):
            found, expected = (
                cross_validate(
                    clone(self.model).set_fit_request(groups=name),
                    X,
                    y,
                    scoring=log_likelihood_scorer.set_score_request(groups=name),
                    cv=folds,
                    params={passed: metadata["groups"]},
                )["test_score"]
                for name, passed in (("person", "person"), (True, "groups"))
            )
        np.testing.assert_array_equal(found, expected)

    def test_must_be_asked_for(self):
        X, y, metadata = grouped()
        with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
            log_likelihood_scorer.set_score_request(groups=True)
        with sklearn.config_context(enable_metadata_routing=True):
            model = clone(self.model).set_fit_request(sample_weight=True)
            # The requests of one user are not those of all.
            log_likelihood_scorer.set_score_request(sample_weight=True)
            with pytest.raises(
                UnsetMetadataPassedError, match="log_likelihood_scorer.score"
            ):
                cross_validate(
                    model,
                    X,
                    y,
                    scoring=log_likelihood_scorer,
                    params={"sample_weight": metadata["sample_weight"]},
                )

    def test_may_be_one_of_several(self):
        X, y, _ = grouped()
        scoring = {"nats": log_likelihood_scorer, "r2": "r2"}
        found = cross_validate(self.model, X, y, scoring=scoring, cv=3)
        assert np.isfinite(found["test_nats"]).all()
        again = pickle.loads(pickle.dumps(log_likelihood_scorer))
        fitted = clone(self.model).fit(X, y)
        assert again(fitted, X, y) == log_likelihood_scorer(fitted, X, y)


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


def test_a_path_is_printed_with_all_columns():
    X = np.random.default_rng(0).standard_normal((60, 1))
    path = n_experts_path(MixtureOfLinearExperts(), X, X[:, 0] ** 2, max_experts=1)
    heading = str(path).splitlines()[0].split()
    assert heading == path.table().columns.tolist()
