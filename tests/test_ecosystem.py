"""The estimators inside scikit-learn: pipelines, searches, frames, callbacks."""

import pickle
import re
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

COLUMNS = ["age", "bmi", "size_x"]
SOLVERS = ["em", "md", "gd"]
ENOUGH = {"em": 1000, "md": 1000, "gd": 20_000}


def make_data(n=200, seed=0):
    """X and y of two linear experts, each on a cluster of its own."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    X[:, 0] += 2 * np.sign(X[:, 0])
    mean = np.where(X[:, 0] > 0, 1 + X @ [1, 2, 3], -1 - X @ [3, 2, 1])
    return X, mean + 0.5 * rng.standard_normal(n)


X, Y = make_data()
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y, np.quantile(Y, [0.3, 0.7]))]
WEIGHT = np.random.default_rng(1).integers(0, 4, len(X))
REGRESSOR = MixtureOfLinearExperts(init="kmeans", random_state=0)
CLASSIFIER = MixtureOfLogisticExperts(init="kmeans", random_state=0)
both = pytest.mark.parametrize(
    "estimator, y",
    [(REGRESSOR, Y), (CLASSIFIER, LABELS)],
    ids=["regressor", "classifier"],
)


def assert_same_model(first, second):
    """Same bits in attributes and predictions."""
    for name in ("coef_", "intercept_", "gate_coef_", "gate_intercept_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    np.testing.assert_array_equal(first.gate_proba(X), second.gate_proba(X))


class TestComposition:
    def test_scikit_learn_knows_what_they_are(self):
        assert is_regressor(REGRESSOR)
        assert is_classifier(CLASSIFIER)

    @both
    def test_pipeline(self, estimator, y):
        pipeline = make_pipeline(StandardScaler(), clone(estimator)).fit(X, y)
        single = clone(estimator).fit(StandardScaler().fit_transform(X), y)
        np.testing.assert_array_equal(
            pipeline.predict(X), single.predict(StandardScaler().fit_transform(X))
        )
        assert pipeline.score(X, y) > 0.8

    @both
    def test_grid_search_over_experts_and_solver(self, estimator, y):
        pipeline = make_pipeline(StandardScaler(), clone(estimator))
        step = pipeline.steps[-1][0]
        pipeline.set_params(**{f"{step}__max_iter": 20_000, f"{step}__alpha": 0.01})
        grid = {f"{step}__n_experts": [1, 2], f"{step}__solver": SOLVERS}
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
        scores = search.cv_results_["mean_test_score"]
        assert scores.shape == (6,)
        assert np.isfinite(scores).all()
        assert search.best_params_[f"{step}__n_experts"] == 2
        assert search.best_score_ > scores[:3].max() + 0.05  # one expert

    def test_randomised_search_in_two_threads(self):
        search = RandomizedSearchCV(
            clone(CLASSIFIER),
            {"alpha": [0.001, 0.01, 0.1], "n_experts": [1, 2]},
            n_iter=3,
            cv=2,
            n_jobs=2,
            random_state=0,
            error_score="raise",
        )
        with joblib.parallel_backend("threading"):
            search.fit(X, LABELS)
        assert search.best_score_ > 0.6

    def test_cross_validate_takes_own_scorers(self):
        def log_likelihood(model, X, y):
            return model.score_samples(X, y).mean()

        results = cross_validate(
            clone(REGRESSOR),
            X,
            Y,
            cv=3,
            scoring={"r2": "r2", "log_likelihood": log_likelihood},
            return_estimator=True,
            error_score="raise",
        )
        single = cross_validate(
            clone(REGRESSOR).set_params(n_experts=1), X, Y, cv=3, scoring=log_likelihood
        )
        assert results["test_r2"].mean() > 0.9
        assert results["test_log_likelihood"].mean() > single["test_score"].mean()
        assert all(model.converged_ for model in results["estimator"])

    def test_cross_validate_takes_scorers_of_probabilities(self):
        scores = cross_val_score(
            clone(CLASSIFIER),
            X,
            LABELS,
            cv=3,
            scoring="neg_log_loss",
            error_score="raise",
        )
        single = cross_val_score(
            LogisticRegression(solver="newton-cg"),
            X,
            LABELS,
            cv=3,
            scoring="neg_log_loss",
        )
        assert scores.mean() > single.mean()
        proba = cross_val_predict(clone(CLASSIFIER), X, LABELS, method="predict_proba")
        assert proba.shape == (len(X), 3)

    @both
    def test_clone_keeps_parameters_and_forgets_the_fit(self, estimator, y):
        given = {
            "n_experts": 3,
            "solver": "md",
            "step_size": 0.5,
            "alpha": 0.1,
            "gate_alpha": 0.2,
            "fit_intercept": True,
            "gate_features": np.array([0, 1]),
            "expert_features": [2],
            "init": "random",
            "n_init": 2,
            "max_iter": 5000,
            "tol": 1e-3,
            "warm_start": True,
            "random_state": 7,
        }
        model = clone(estimator).set_params(**given)
        copy = clone(model.fit(X, y))
        for name, value in given.items():
            np.testing.assert_array_equal(copy.get_params()[name], value)
        for method in ("predict", "gate_proba", "predict_expert", "sample"):
            with pytest.raises(NotFittedError):
                getattr(copy, method)(X)
        for method in ("score_samples", "responsibilities", "aic", "bic"):
            with pytest.raises(NotFittedError):
                getattr(copy, method)(X, y)

    def test_stacking(self):
        stack = StackingRegressor(
            [("mixture", clone(REGRESSOR)), ("ridge", Ridge())], cv=3
        ).fit(X, Y)
        assert stack.score(X, Y) > 0.9
        stack = StackingClassifier(
            [("mixture", clone(CLASSIFIER)), ("ridge", RidgeClassifier())],
            final_estimator=LogisticRegression(solver="newton-cg"),
            cv=3,
        ).fit(X, LABELS)
        assert stack.score(X, LABELS) > 0.8

    def test_bagging(self):
        bag = BaggingClassifier(clone(CLASSIFIER), n_estimators=3, random_state=0)
        assert bag.fit(X, LABELS).score(X, LABELS) > 0.8
        weighted = bag.fit(X, LABELS, sample_weight=1 + WEIGHT)
        assert weighted.predict_proba(X).shape == (len(X), 3)
        bag = BaggingRegressor(clone(REGRESSOR), n_estimators=3, random_state=0)
        assert bag.fit(X, Y).score(X, Y) > 0.9

    @pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
    def test_calibration(self, method):
        calibrated = CalibratedClassifierCV(clone(CLASSIFIER), method=method, cv=3)
        proba = calibrated.fit(X, LABELS).predict_proba(X)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        assert calibrated.score(X, LABELS) > 0.75

    def test_voting_and_transformed_targets(self):
        vote = VotingClassifier(
            [("a", clone(CLASSIFIER)), ("b", LogisticRegression(solver="newton-cg"))],
            voting="soft",
        )
        assert vote.fit(X, LABELS).score(X, LABELS) > 0.7
        scaled = TransformedTargetRegressor(
            clone(REGRESSOR), transformer=StandardScaler()
        )
        assert scaled.fit(X, Y).score(X, Y) > 0.9
        chain = RegressorChain(clone(REGRESSOR))
        assert chain.fit(X, np.column_stack([Y, Y**2])).predict(X).shape == (len(X), 2)

    @both
    def test_permutation_importance_finds_the_idle_feature(self, estimator, y):
        idle = np.column_stack([X, np.random.default_rng(2).standard_normal(len(X))])
        model = clone(estimator).fit(idle, y)
        found = permutation_importance(model, idle, y, n_repeats=3, random_state=0)
        assert found.importances_mean.argmin() == 3
        assert (found.importances_mean[:3] > 0.02).all()

    def test_partial_dependence(self):
        model = clone(REGRESSOR).fit(X, Y)
        found = partial_dependence(model, X, [0], grid_resolution=5)
        assert found["average"].shape == (1, 5)

    @both
    def test_representations_are_those_of_scikit_learn(self, estimator, y):
        model = clone(estimator).set_params(n_experts=3)
        assert repr(model).endswith("(init='kmeans', n_experts=3, random_state=0)")
        assert "n_experts" in model._repr_html_()

    @pytest.mark.long
    @pytest.mark.parametrize(
        "estimator, data",
        [(REGRESSOR, load_diabetes), (CLASSIFIER, load_iris)],
        ids=["regressor", "classifier"],
    )
    def test_real_data_is_fitted_no_worse_than_by_one_model(self, estimator, data):
        X, y = data(return_X_y=True)
        single = (
            Ridge()
            if is_regressor(estimator)
            else LogisticRegression(solver="newton-cg")
        )
        scores = [
            cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=5)
            for model in (type(estimator)(random_state=0), single)
        ]
        difference = scores[0] - scores[1]
        assert difference.mean() > -difference.std(ddof=1) / np.sqrt(5) - 0.01


class TestPersistence:
    @both
    @pytest.mark.parametrize("how", ["pickle", "joblib"])
    def test_round_trip_predicts_the_same(self, estimator, y, how, tmp_path):
        model = clone(estimator).set_params(gate_features=[0, 1]).fit(X, y)
        if how == "pickle":
            again = pickle.loads(pickle.dumps(model))
        else:
            joblib.dump(model, tmp_path / "model.joblib")
            again = joblib.load(tmp_path / "model.joblib")
        assert_same_model(again, model)
        np.testing.assert_array_equal(
            again.score_samples(X, y), model.score_samples(X, y)
        )
        assert again.aic(X, y) == model.aic(X, y)
        assert_same_model(again.fit(X, y), model)

    @both
    def test_unfitted_round_trip_fits_the_same(self, estimator, y):
        again = pickle.loads(pickle.dumps(clone(estimator)))
        assert_same_model(again.fit(X, y), clone(estimator).fit(X, y))

    @both
    def test_pickle_is_small(self, estimator, y):
        n = 5000
        big, target = make_data(n)
        target = target if is_regressor(estimator) else (target > 0)
        assert len(pickle.dumps(clone(estimator).fit(big, target))) < 5000


FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=COLUMNS),
    "polars": lambda X: pl.DataFrame(X, schema=COLUMNS),
}


def knows_polars():
    """Whether this scikit-learn finds the names in this polars's frames."""
    return hasattr(StandardScaler().fit(FRAMES["polars"](X)), "feature_names_in_")


LIBRARIES = [
    "pandas",
    pytest.param(
        "polars",
        marks=pytest.mark.skipif(
            not knows_polars(), reason="scikit-learn is older than this polars"
        ),
    ),
]


@pytest.mark.parametrize("library", LIBRARIES)
class TestFrames:
    @both
    def test_names_are_learnt_and_predictions_are_those_of_arrays(
        self, estimator, y, library
    ):
        frame = FRAMES[library](X)
        model = clone(estimator).fit(frame, y)
        assert model.feature_names_in_.tolist() == COLUMNS
        plain = clone(estimator).fit(X, y)
        np.testing.assert_array_equal(model.predict(frame), plain.predict(X))
        np.testing.assert_array_equal(model.gate_proba(frame), plain.gate_proba(X))
        np.testing.assert_array_equal(
            model.score_samples(frame, y), plain.score_samples(X, y)
        )

    @both
    def test_target_may_be_a_series(self, estimator, y, library):
        series = {"pandas": pd.Series, "polars": pl.Series}[library](y)
        weight = {"pandas": pd.Series, "polars": pl.Series}[library](WEIGHT)
        model = clone(estimator).fit(FRAMES[library](X), series, sample_weight=weight)
        plain = clone(estimator).fit(X, y, sample_weight=WEIGHT)
        np.testing.assert_array_equal(model.coef_, plain.coef_)
        np.testing.assert_array_equal(
            model.score_samples(FRAMES[library](X), series), plain.score_samples(X, y)
        )

    def test_targets_may_be_a_frame(self, library):
        targets = np.column_stack([Y, -Y])
        make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
        model = clone(REGRESSOR).fit(FRAMES[library](X), make(targets))
        np.testing.assert_array_equal(
            model.coef_, clone(REGRESSOR).fit(X, targets).coef_
        )

    @both
    def test_columns_are_chosen_by_name(self, estimator, y, library):
        model = clone(estimator).set_params(
            gate_features=["size_x"], expert_features=["bmi", "age"]
        )
        model.fit(FRAMES[library](X), y)
        plain = clone(estimator).set_params(gate_features=[2], expert_features=[1, 0])
        plain.fit(X, y)
        np.testing.assert_array_equal(model.coef_, plain.coef_)
        np.testing.assert_array_equal(
            model.predict(FRAMES[library](X)), plain.predict(X)
        )

    @both
    @pytest.mark.parametrize(
        "wrong", [["age", "bmi", "weight"], ["bmi", "age", "size_x"]]
    )
    def test_wrong_names_are_an_error(self, estimator, y, library, wrong):
        model = clone(estimator).fit(FRAMES[library](X), y)
        frame = FRAMES[library](X)
        if library == "pandas":
            frame.columns = wrong
        else:
            frame = frame.rename(dict(zip(COLUMNS, wrong)))
        for method in ("predict", "gate_proba", "predict_expert", "sample"):
            with pytest.raises(ValueError, match="feature names should match"):
                getattr(model, method)(frame)
        for method in ("score_samples", "responsibilities"):
            with pytest.raises(ValueError, match="feature names should match"):
                getattr(model, method)(frame, y)

    @both
    def test_missing_names_are_a_warning(self, estimator, y, library):
        model = clone(estimator).fit(FRAMES[library](X), y)
        with pytest.warns(UserWarning, match="valid feature names"):
            model.predict(X)

    @both
    def test_set_output_hands_names_to_the_gate(self, estimator, y, library):
        model = clone(estimator).set_params(gate_features=["age"])
        pipeline = make_pipeline(StandardScaler(), model).set_output(transform=library)
        pipeline.fit(FRAMES[library](X), y)
        assert pipeline[-1].feature_names_in_.tolist() == COLUMNS
        assert pipeline[-1].gate_coef_.shape == (2, 1)
        assert pipeline.predict(FRAMES[library](X)).shape == y.shape

    def test_column_transformer_hands_names_on(self, library):
        frame = FRAMES[library](X)
        sex = np.where(np.arange(len(X)) % 2, "f", "m")
        if library == "pandas":
            frame["sex"] = sex
        else:
            frame = frame.with_columns(pl.Series("sex", sex))
        prepare = ColumnTransformer(
            [
                ("numbers", StandardScaler(), COLUMNS),
                ("categories", OneHotEncoder(sparse_output=False), ["sex"]),
            ],
            verbose_feature_names_out=False,
        )
        model = clone(REGRESSOR).set_params(gate_features=["age", "sex_f"])
        pipeline = make_pipeline(prepare, model).set_output(transform=library)
        pipeline.fit(frame, Y)
        assert pipeline[-1].gate_coef_.shape == (2, 2)
        assert pipeline.score(frame, Y) > 0.9


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
class TestMetadataRouting:
    @both
    def test_pipeline_passes_weights_on_request(self, estimator, y):
        model = clone(estimator).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model).fit(X, y, sample_weight=WEIGHT)
        scaled = StandardScaler().fit_transform(X)
        expected = clone(estimator).fit(scaled, y, sample_weight=WEIGHT)
        np.testing.assert_array_equal(pipeline[-1].coef_, expected.coef_)
        unweighted = clone(estimator).fit(scaled, y)
        assert (expected.coef_ != unweighted.coef_).any()

    @both
    def test_cross_validate_passes_weights_on_request(self, estimator, y):
        model = (
            clone(estimator)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True)
        )
        results = cross_validate(
            model,
            X,
            y,
            cv=2,
            params={"sample_weight": WEIGHT},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
        for fold, (model, train, test) in enumerate(
            zip(results["estimator"], *results["indices"].values())
        ):
            expected = clone(estimator)
            expected.fit(X[train], y[train], sample_weight=WEIGHT[train])
            np.testing.assert_array_equal(model.coef_, expected.coef_)
            score = expected.score(X[test], y[test], sample_weight=WEIGHT[test])
            assert results["test_score"][fold] == pytest.approx(score)

    @both
    def test_grid_search_passes_weights_on_request(self, estimator, y):
        model = (
            clone(estimator)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=False)
        )
        search = GridSearchCV(model, {"n_experts": [1, 2]}, cv=2, error_score="raise")
        search.fit(X, y, sample_weight=WEIGHT)
        expected = clone(estimator).set_params(**search.best_params_)
        expected.fit(X, y, sample_weight=WEIGHT)
        np.testing.assert_array_equal(search.best_estimator_.coef_, expected.coef_)

    def test_unrequested_weights_are_an_error(self):
        with pytest.raises(Exception, match="sample_weight"):
            GridSearchCV(clone(REGRESSOR), {"n_experts": [1, 2]}).fit(
                X, Y, sample_weight=WEIGHT
            )


class TestVerbose:
    LINE = re.compile(
        r"iteration (\d+): objective (-?\d+\.\d+), change (-?\d\.\d+e[-+]\d+), "
        r"step (\d\S*)"
    )

    @both
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_prints_iteration_objective_change_and_step(
        self, estimator, y, solver, capsys
    ):
        model = clone(estimator).set_params(solver=solver, max_iter=ENOUGH[solver])
        model.set_params(verbose=1, init="random").fit(X, y)
        lines = [
            self.LINE.search(line) for line in capsys.readouterr().out.splitlines()
        ]
        assert all(lines)
        # The last iteration may find no step that lowers F, and says nothing then.
        assert 0 <= model.n_iter_ - len(lines) <= 1
        curve = model.objective_curve_
        for number, line in enumerate(lines, start=1):
            assert int(line[1]) == number
            assert float(line[2]) == pytest.approx(curve[number], abs=1e-6)
            change = curve[number] - curve[number - 1]
            assert float(line[3]) == pytest.approx(change, rel=0.1, abs=1e-12)
            assert float(line[4]) > 0

    def test_tells_initialisations_apart(self, capsys):
        clone(REGRESSOR).set_params(verbose=1, n_init=3).fit(X, Y)
        printed = capsys.readouterr().out
        found = [
            int(number) for number in re.findall(r"init (\d+), iteration 1:", printed)
        ]
        assert found == [1, 2, 3]

    @both
    def test_is_silent_by_default(self, estimator, y, capsys):
        clone(estimator).fit(X, y)
        captured = capsys.readouterr()
        assert captured.out == captured.err == ""


class Recorder:
    """Callback that records the hooks and stops after so many iterations."""

    def __init__(self, stop_after=None, fail_after=None):
        self.stop_after, self.fail_after = stop_after, fail_after
        self.hooks, self.tasks, self.fitted, self.data = [], [], [], []

    def setup(self, estimator, context):
        self.hooks.append("setup")

    def teardown(self, estimator, context):
        self.hooks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.hooks.append(f"begin {context.task_name}")

    def on_fit_task_end(
        self,
        estimator,
        context,
        *,
        X=None,
        y=None,
        metadata=None,
        fitted_estimator=None,
    ):
        self.hooks.append(f"end {context.task_name}")
        self.data.append((X, y, metadata))
        self.fitted.append((context.task_name, fitted_estimator))
        ended = self.hooks.count("end iteration")
        if self.fail_after is not None and ended >= self.fail_after:
            raise RuntimeError("the callback failed")
        return self.stop_after is not None and ended >= self.stop_after


class TestCallbacks:
    @pytest.fixture(autouse=True)
    def needs_callbacks(self):
        pytest.importorskip("sklearn.callback")

    def progress_bar(self):
        pytest.importorskip("rich")
        from sklearn.callback import ProgressBar

        return ProgressBar()

    @pytest.mark.sampled(1)
    @both
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_progress_bar(self, estimator, y, solver, capsys):
        model = clone(estimator).set_params(solver=solver, max_iter=ENOUGH[solver])
        model.set_params(n_init=2).set_callbacks(self.progress_bar()).fit(X, y)
        printed = capsys.readouterr().out
        assert type(model).__name__ in printed
        assert "100%" in printed
        assert_same_model(model, clone(model).fit(X, y))  # a clone has no callbacks

    @both
    def test_progress_bar_in_grid_search(self, estimator, y, capsys):
        search = GridSearchCV(clone(estimator), {"n_experts": [1, 2]}, cv=2)
        search.set_callbacks(self.progress_bar()).fit(X, y)
        printed = capsys.readouterr().out
        assert "GridSearchCV" in printed
        assert type(estimator).__name__ in printed
        plain = GridSearchCV(clone(estimator), {"n_experts": [1, 2]}, cv=2).fit(X, y)
        assert_same_model(search.best_estimator_, plain.best_estimator_)

    @both
    def test_progress_bar_in_a_pipeline(self, estimator, y, capsys):
        pipeline = make_pipeline(StandardScaler(), clone(estimator))
        pipeline.set_callbacks(self.progress_bar()).fit(X, y)
        assert type(estimator).__name__ in capsys.readouterr().out

    @both
    def test_hooks_come_in_order(self, estimator, y):
        recorder = Recorder()
        model = clone(estimator).set_callbacks(recorder).set_params(n_init=2)
        model.fit(X, y)
        hooks = recorder.hooks
        assert hooks[:3] == ["setup", "begin fit", "begin init"]
        assert hooks[-3:] == ["end init", "end fit", "teardown"]
        assert hooks.count("begin init") == hooks.count("end init") == 2
        assert hooks.count("begin iteration") == hooks.count("end iteration") > 2

    @both
    def test_callback_stops_the_fit(self, estimator, y):
        recorder = Recorder(stop_after=2)
        model = (
            clone(estimator).set_params(init="random", tol=0).set_callbacks(recorder)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        assert model.n_iter_ == 2
        assert model.converged_ is False
        assert recorder.hooks.count("end iteration") == 2
        assert recorder.hooks[-1] == "teardown"
        assert np.isfinite(model.score_samples(X, y)).all()

    @both
    def test_no_warning_blames_max_iter_for_a_callback(self, estimator, y):
        model = clone(estimator).set_params(init="random", tol=0)
        model.set_callbacks(Recorder(stop_after=2))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y)
        assert not [w for w in caught if "after max_iter=1000" in str(w.message)]

    @both
    def test_callback_sees_a_fitted_estimator(self, estimator, y):
        recorder = Recorder()
        model = clone(estimator).set_callbacks(recorder).fit(X, y)
        for _, seen in recorder.fitted:
            assert seen is not model
            assert seen.predict(X).shape == y.shape
            assert seen.gate_proba(X).shape == (len(X), 2)
        scores = [
            seen.score_samples(X, y).mean()
            for name, seen in recorder.fitted
            if name == "iteration"
        ]
        assert scores[-1] > scores[0] - 1e-6
        # The last one is the model itself, experts in any order.
        np.testing.assert_allclose(seen.gate_proba(X).sum(axis=1), 1)
        np.testing.assert_allclose(
            seen.score_samples(X, y), model.score_samples(X, y), rtol=1e-9
        )

    @both
    def test_callback_sees_how_the_fit_went(self, estimator, y):
        recorder = Recorder()
        model = clone(estimator).fit(X[::2], y[::2])  # leaves nothing behind
        model.set_callbacks(recorder).fit(X, y)
        seen = [fitted for name, fitted in recorder.fitted if name == "iteration"]
        for number, fitted in enumerate(seen, start=1):
            assert fitted.n_iter_ == number
            assert fitted.converged_ is False
            np.testing.assert_allclose(
                fitted.objective_curve_, model.objective_curve_[: number + 1]
            )
        _, last = recorder.fitted[-1]
        assert last.converged_ is model.converged_ is True
        assert last.n_iter_ == model.n_iter_
        assert_same_model(last, model)

    @both
    def test_callback_sees_the_data_as_given(self, estimator, y):
        recorder = Recorder()
        clone(estimator).set_params(gate_features=[0]).set_callbacks(recorder).fit(
            X, y, sample_weight=1 + WEIGHT
        )
        seen_X, seen_y, metadata = recorder.data[-1]
        np.testing.assert_array_equal(seen_X, X)
        np.testing.assert_array_equal(seen_y, y)
        np.testing.assert_array_equal(metadata["sample_weight"], 1 + WEIGHT)

    @both
    def test_scoring_monitor(self, estimator, y):
        from sklearn.callback import ScoringMonitor

        scoring = "r2" if is_regressor(estimator) else "accuracy"
        monitor = ScoringMonitor(scoring=scoring)
        model = clone(estimator).set_callbacks(monitor).fit(X, y)
        log = monitor.get_logs().data
        iterations = [row for row in log if row["task_name"] == "iteration"]
        assert len(iterations) == pytest.approx(model.n_iter_, abs=1)
        last = [row for row in log if row["task_name"] == "fit"][-1]
        assert last[scoring] == pytest.approx(model.score(X, y))

    @both
    def test_teardown_runs_if_the_fit_fails(self, estimator, y):
        recorder = Recorder(fail_after=1)
        model = clone(estimator).set_callbacks(recorder)
        with pytest.raises(RuntimeError, match="the callback failed"):
            model.fit(X, y)
        assert recorder.hooks[-1] == "teardown"
        assert recorder.hooks.count("teardown") == 1
        with pytest.raises(NotFittedError):
            model.predict(X)

    @both
    def test_callback_that_fails_leaves_an_earlier_fit_alone(self, estimator, y):
        model = clone(estimator).fit(X, y)
        expected = clone(estimator).fit(X, y)
        model.set_callbacks(Recorder(fail_after=1))
        with pytest.raises(RuntimeError):
            model.fit(X[::2], y[::2])
        assert_same_model(model, expected)

    @both
    def test_invalid_data_fails_as_without_callbacks(self, estimator, y):
        recorder = Recorder()
        model = clone(estimator).set_callbacks(recorder)
        with pytest.raises(ValueError, match="n_experts"):
            model.set_params(n_experts=50).fit(X[:40], y[:40])
        assert "begin init" not in recorder.hooks
        assert recorder.hooks.count("setup") == recorder.hooks.count("teardown")
