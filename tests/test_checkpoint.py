"""Checkpoints: what is in the file, and that a killed fit goes on from it."""

import os
import pickle
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _slow_fit import make_data, make_model
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmoe.callbacks
from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.callbacks import Checkpoint, load_checkpoint

needs_callbacks = pytest.mark.skipif(
    find_spec("sklearn.callback") is None, reason="needs scikit-learn 1.9"
)
HERE = Path(__file__).parent
PATIENCE = 120  # seconds until a test gives up

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 3))
Y = np.where(X[:, 0] > 0, X @ [1, 2, 3], -X @ [3, 2, 1]) + RNG.standard_normal(200)
CODES = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
FRAME = pd.DataFrame(X, columns=["age", "bmi", "size"])
WEIGHT = RNG.integers(0, 4, 200)

# Estimator, X, y, sample_weight.
LINEAR, LOGISTIC = MixtureOfLinearExperts, MixtureOfLogisticExperts
NAMED = {"gate_features": ["age"], "expert_features": ["bmi", "size"]}
KINDS = {
    "one output": (LINEAR(), X, Y, None),
    "two outputs": (LINEAR(), X, np.column_stack([Y, X[:, 1] - Y]), None),
    "shared noise": (LINEAR(n_experts=3, noise="shared"), X, Y, WEIGHT),
    "symmetric": (LINEAR(symmetric=True), X, Y, None),
    "float32": (LINEAR(), X.astype(np.float32), Y, None),
    "columns": (LINEAR(**NAMED), FRAME, Y, None),
    "given start": (LINEAR(init=(X[:, 0] > 0).astype(int)), X, Y, None),
    "binary": (LOGISTIC(), X, CODES > 0, WEIGHT),
    "three classes": (LOGISTIC(), X, np.array(["a", "bb", "c"])[CODES], None),
}


class Hooks:
    """Callback that does nothing."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


class Interrupt(Hooks):
    """Callback that ends the fit by an exception after so many iterations."""

    def __init__(self, iterations):
        self.left = iterations

    def on_fit_task_end(self, estimator, context):
        self.left -= context.task_name == "iteration"
        if self.left == 0:
            raise KeyboardInterrupt


def interrupted(model, path, iterations, *data):
    """The checkpoint of a fit that an exception ended."""
    model.set_callbacks(Checkpoint(path, every=1), Interrupt(iterations))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data)
    return load_checkpoint(path)


def start(path, solver="plain em", every=1, seconds=0.01):
    """A process that fits slowly."""
    arguments = [path, solver, every, seconds]
    return subprocess.Popen(
        [sys.executable, HERE / "_slow_fit.py", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(condition, process):
    """Wait until a condition holds, while a process runs."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


def wait_for_new(path, process):
    """Wait until a process has written a file anew."""
    seen = path.read_bytes() if path.exists() else None
    wait_for(lambda: path.exists() and path.read_bytes() != seen, process)


def kill(process):
    """End a running process at once."""
    assert process.poll() is None
    process.kill()
    assert process.wait() != 0


def assert_same_optimum(model, expected):
    """Same objective and coefficients, experts in any order."""
    assert model.converged_
    assert model.objective_curve_[-1] == pytest.approx(
        expected.objective_curve_[-1], abs=1e-9
    )
    for name in ("coef_", "intercept_", "gate_coef_", "gate_intercept_"):
        found, value = (
            getattr(fit, name)[np.argsort(fit.coef_[:, 0])] for fit in (model, expected)
        )
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-3)


@needs_callbacks
class TestKilledProcess:
    @pytest.mark.parametrize(
        "solver, seconds", [("plain em", 0.01), ("em", 0.1), ("gd", 0.03)]
    )
    def test_resumes_to_the_same_optimum(self, tmp_path, solver, seconds):
        path, data = tmp_path / "fit.pkl", make_data()
        whole = make_model(solver).fit(*data)
        process = start(path, solver, 5, seconds)
        wait_for(path.exists, process)
        wait_for(lambda: load_checkpoint(path).n_iter_ >= 20, process)
        kill(process)
        model = load_checkpoint(path)
        done, reached = model.n_iter_, model.objective_curve_[-1]
        assert not model.converged_
        assert done % 5 == 0
        np.testing.assert_allclose(
            model.objective_curve_, whole.objective_curve_[: done + 1], rtol=1e-12
        )
        model.fit(*data)
        assert model.objective_curve_[0] == pytest.approx(reached, rel=1e-12)
        assert_same_optimum(model, whole)
        if solver == "plain em":  # the others have a memory, and lose it
            assert model.n_iter_ < whole.n_iter_
            assert done + model.n_iter_ == pytest.approx(whole.n_iter_, abs=5)

    @pytest.mark.long
    def test_can_be_killed_again_and_again(self, tmp_path):
        path, data = tmp_path / "fit.pkl", make_data()
        rng, before = np.random.default_rng(0), np.inf
        for _ in range(4):
            process = start(path)
            wait_for_new(path, process)
            time.sleep(rng.uniform(0, 0.1))
            kill(process)
            reached = load_checkpoint(path).objective_curve_[-1]
            assert reached < before
            before = reached
        model = load_checkpoint(path).fit(*data)
        assert model.objective_curve_[0] == pytest.approx(before, rel=1e-12)
        assert_same_optimum(model, make_model("plain em").fit(*data))

    @pytest.mark.parametrize("moment", ["fsync", "replace"])
    def test_killed_while_writing_leaves_the_last_checkpoint(self, tmp_path, moment):
        path = tmp_path / "fit.pkl"
        script = f"""
import os
from _slow_fit import main

calls, original = [], os.{moment}

def die(file, *rest):
    calls.append(file)
    if len(calls) == 4:
        if {moment == "fsync"}:
            os.ftruncate(file, 50)  # a part of it
        os.kill(os.getpid(), 9)
    return original(file, *rest)

os.{moment} = die
main({str(path)!r}, "plain em", 10, 0)
"""
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=HERE, timeout=PATIENCE
        )
        assert done.returncode != 0
        assert load_checkpoint(path).n_iter_ == 30
        assert len(list(tmp_path.glob(".fit.pkl.*.part"))) == 1


@needs_callbacks
class TestFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "fit.pkl"

    @pytest.fixture
    def saved(self, monkeypatch):
        """Estimators in the order in which they are saved."""
        saved, replace = [], skmoe.callbacks._replace

        def record(path, content):
            saved.append(pickle.loads(content))
            replace(path, content)

        monkeypatch.setattr(skmoe.callbacks, "_replace", record)
        return saved

    @pytest.mark.parametrize("kind", KINDS)
    def test_predicts_and_goes_on(self, kind, path):
        model, X, y, weight = KINDS[kind]
        model = clone(model)
        if isinstance(model.init, str):
            model.set_params(init="random", random_state=0)
        model.set_params(tol=1e-12, max_iter=5000, alpha=0.1, gate_alpha=0.1)
        if "noise_prior" in model.get_params():
            model.set_params(noise_prior=0.5)
        whole = clone(model).fit(X, y, weight)
        part = interrupted(clone(model), path, 3, X, y, weight)
        assert part.get_params().keys() == model.get_params().keys()
        assert vars(part).keys() == vars(whole).keys()
        assert part.n_iter_ == 3
        assert part.converged_ is False
        np.testing.assert_allclose(part.objective_curve_, whole.objective_curve_[:4])
        assert part.predict(X).shape == y.shape
        assert part.coef_.dtype == whole.coef_.dtype
        if weight is None:
            reached = part.objective_curve_[-1]
            assert -part.score_samples(X, y).mean() == pytest.approx(reached, abs=0.05)
        assert np.isfinite(part.bic(X, y, weight))
        part.fit(X, y, weight)
        accuracy = 1e-5 if kind == "float32" else 1e-9
        assert part.objective_curve_[-1] == pytest.approx(
            whole.objective_curve_[-1], abs=accuracy
        )

    def test_ends_as_the_fit(self, path):
        model = LINEAR(n_experts=3, random_state=0).set_callbacks(Checkpoint(path))
        model.fit(X, Y)
        other = load_checkpoint(path)
        assert vars(other).keys() == vars(model).keys() - {"_skl_callbacks"}
        for name in ("coef_", "gate_coef_", "noise_variance_", "objective_curve_"):
            np.testing.assert_array_equal(getattr(other, name), getattr(model, name))
        assert other.n_iter_ == model.n_iter_
        assert other.converged_ is model.converged_ is True
        assert other.warm_start and not model.warm_start

    def test_changes_nothing_in_the_fit(self, path):
        plain = LINEAR(random_state=0, n_init=2).fit(X, Y)
        model = LINEAR(random_state=0, n_init=2).set_callbacks(Checkpoint(path, 1))
        np.testing.assert_array_equal(model.fit(X, Y).coef_, plain.coef_)

    @pytest.mark.parametrize("every", [1, 4, 1000])
    def test_is_written_every_so_many_iterations(self, path, saved, every):
        model = LINEAR(init="random", random_state=0, tol=1e-9)
        model.set_callbacks(Checkpoint(path, every)).fit(X, Y)
        expected = list(range(every, model.n_iter_ + 1, every))
        assert [fit.n_iter_ for fit in saved if not fit.converged_] == expected
        assert saved[-1].converged_

    def test_is_the_best_start_so_far(self, path, saved):
        model = LOGISTIC(n_experts=3, init="random", n_init=4, random_state=0)
        model.set_callbacks(Checkpoint(path, 1)).fit(X, CODES)
        objectives = [fit.objective_curve_[-1] for fit in saved]
        assert (np.diff(objectives) <= 0).all()
        assert objectives[-1] == model.objective_curve_[-1]

    def test_is_about_this_fit_and_not_an_earlier_one(self, path):
        model = LINEAR(random_state=0).fit(X, Y)
        part = interrupted(model.set_params(init="random"), path, 2, X[::2], -Y[::2])
        assert part.n_iter_ == 2
        assert part.converged_ is False
        assert len(part.objective_curve_) == 3

    def test_of_a_resumed_fit_goes_on(self, path):
        model = LINEAR(init="random", random_state=0, tol=1e-9)
        first = interrupted(model, path, 3, X, Y).objective_curve_
        second = interrupted(load_checkpoint(path), path, 3, X, Y).objective_curve_
        assert second[0] == pytest.approx(first[-1], rel=1e-12)
        assert second[-1] < first[-1]

    def test_has_no_callbacks(self, path):
        part = interrupted(LINEAR(random_state=0, init="random"), path, 2, X, Y)
        assert not [name for name in vars(part) if "callback" in name]

    @pytest.mark.parametrize("kind", [str, Path])
    def test_relative_path_means_the_folder_of_the_start(
        self, kind, tmp_path, monkeypatch
    ):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        checkpoint = Checkpoint(kind("fit.pkl"))
        monkeypatch.chdir("elsewhere")
        LINEAR(random_state=0).set_callbacks(checkpoint).fit(X, Y)
        assert load_checkpoint(kind("../fit.pkl")).converged_
        assert {entry.name for entry in tmp_path.iterdir()} == {"elsewhere", "fit.pkl"}

    def test_that_cannot_be_written_later_does_not_end_the_fit(
        self, path, tmp_path, monkeypatch
    ):
        path.write_bytes(b"earlier")

        def fail(*arguments):
            raise OSError("the disk is full")

        monkeypatch.setattr(os, "fsync", fail)
        model = LINEAR(random_state=0).set_callbacks(Checkpoint(path))
        with pytest.warns(UserWarning, match="fit.pkl.*the disk is full"):
            model.fit(X, Y)
        assert model.converged_
        assert path.read_bytes() == b"earlier"
        assert list(tmp_path.iterdir()) == [path]


@needs_callbacks
class TestComposition:
    def test_last_step_of_a_pipeline(self, tmp_path):
        path = tmp_path / "fit.pkl"
        model = LINEAR(init="random", random_state=0, tol=1e-12)
        whole = make_pipeline(StandardScaler(), clone(model)).fit(X, Y)
        model.set_callbacks(Checkpoint(path, 1), Interrupt(3))
        pipeline = make_pipeline(StandardScaler(), model)
        with pytest.raises(KeyboardInterrupt):
            pipeline.fit(X, Y)
        part = load_checkpoint(path)
        assert part.n_iter_ == 3
        resumed = make_pipeline(StandardScaler(), part).fit(X, Y)
        assert_same_optimum(resumed[-1], whole[-1])

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_search_ends_with_its_refit(self, tmp_path, n_jobs):
        path = tmp_path / "fit.pkl"
        model = LINEAR(init="kmeans", random_state=0)
        model.set_callbacks(Checkpoint(path, 1))
        search = GridSearchCV(model, {"n_experts": [1, 2]}, cv=2, n_jobs=n_jobs)
        search.fit(X, Y)
        found = load_checkpoint(path)
        np.testing.assert_array_equal(found.coef_, search.best_estimator_.coef_)
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        "other",
        [
            make_pipeline(StandardScaler(), LINEAR()),
            GridSearchCV(LINEAR(), {"n_experts": [1, 2]}),
        ],
    )
    def test_other_estimators_are_refused(self, other, tmp_path):
        other = clone(other).set_callbacks(Checkpoint(tmp_path / "fit.pkl"))
        with pytest.raises(TypeError, match="call set_callbacks of the mixture"):
            other.fit(X, Y)


@needs_callbacks
class TestErrors:
    @pytest.mark.parametrize("path", [None, 3, b"fit.pkl"])
    def test_path_of_another_type(self, path):
        with pytest.raises(TypeError, match="path=.*give a str or a Path"):
            Checkpoint(path)

    @pytest.mark.parametrize("every", [0, -1, 2.5, "10", None])
    def test_every(self, every):
        with pytest.raises(ValueError, match="every=.*give a positive integer"):
            Checkpoint("fit.pkl", every=every)

    @pytest.mark.parametrize("name", ["", "missing/fit.pkl", "file/fit.pkl", "x" * 300])
    def test_path_that_cannot_be_written(self, name, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        model = LINEAR(random_state=0).fit(X, Y)
        coef = model.coef_
        monkeypatch.setattr("skmoe._restarts.starting_point", None)  # is not reached
        model.set_callbacks(Checkpoint(tmp_path / name))
        with pytest.raises(OSError, match="path=.*give a file in a folder that exists"):
            model.fit(X[::2], Y[::2])
        assert model.coef_ is coef
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    def test_estimator_that_pickle_refuses(self, tmp_path):
        model = LINEAR(gate_features=lambda X: [0])
        model.set_callbacks(Checkpoint(tmp_path / "fit.pkl"))
        with pytest.raises(TypeError, match="cannot pickle the estimator"):
            model.fit(X, Y)


class TestLoading:
    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="fit.pkl.*no checkpoint"):
            load_checkpoint(tmp_path / "fit.pkl")

    def test_folder(self, tmp_path):
        with pytest.raises(OSError, match=tmp_path.name):
            load_checkpoint(tmp_path)

    @pytest.mark.parametrize(
        "content",
        [b"", b"nonsense", pickle.dumps(LINEAR())[:-9], pickle.dumps(Ridge())],
    )
    def test_file_that_is_no_checkpoint(self, content, tmp_path):
        path = tmp_path / "fit.pkl"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="fit.pkl.*the path of a Checkpoint"):
            load_checkpoint(path)


def test_needs_callbacks_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(skmoe.callbacks, "CallbackSupportMixin", object)
    with pytest.raises(ImportError, match="scikit-learn 1.9 or later"):
        Checkpoint("fit.pkl")
