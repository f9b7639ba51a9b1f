"""Fits to batches of rows: the same parameters as in memory, and bad batches."""

import contextvars
import itertools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from _data import Model
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.callbacks import Checkpoint, load_checkpoint
from skmoe.data import sampling
from skmoe.data.canonical import Rows
from skmoe.engine import parts
from skmoe.streaming import array_batches, fit_batches

CASES = {
    "linear-3": (Model("linear", 3), MixtureOfLinearExperts(3)),
    "shared-noise-two-outputs": (
        Model("linear", 3, n_outputs=2),
        MixtureOfLinearExperts(3, noise="shared"),
    ),
    "own-columns": (
        Model("linear", 2),
        MixtureOfLinearExperts(gate_features=[2], expert_features=[1, 0]),
    ),
    "lasso": (
        Model("linear", 3),
        MixtureOfLinearExperts(
            3, l1_ratio=0.5, gate_l1_ratio=0.5, alpha=0.02, gate_alpha=0.02
        ),
    ),
    "symmetric": (
        Model("linear", symmetric=True),
        MixtureOfLinearExperts(symmetric=True),
    ),
    "t-noise": (
        Model("linear", n_outputs=2, noise_df=4.0),
        MixtureOfLinearExperts(noise_df=4.0),
    ),
    "shared-coefficients": (
        Model("linear", 3),
        MixtureOfLinearExperts(
            3,
            expert_features={1: [0, 1]},
            shared_features={0: [0, 1]},
            noise=[[0, 2], [1]],
        ),
    ),
    "shared-intercept": (
        Model("gamma"),
        MixtureOfGLMExperts(family="gamma", shared_features=[1], shared_intercept=True),
    ),
    "tree": (Model("linear", 4, depth=2), MixtureOfLinearExperts(4, depth=2)),
    "binary-3": (Model("logistic", 3), MixtureOfLogisticExperts(3)),
    "three-class": (Model("logistic", 2, n_classes=3), MixtureOfLogisticExperts()),
    "poisson-3": (Model("poisson", 3), MixtureOfGLMExperts(3)),
    "gamma": (Model("gamma"), MixtureOfGLMExperts(family="gamma")),
    "negative-binomial": (
        Model("negative_binomial"),
        MixtureOfGLMExperts(family="negative_binomial"),
    ),
    "one-expert": (Model("logistic", 2), MixtureOfLogisticExperts(1)),
    "two-part": (Model("gamma"), MixtureOfGLMExperts(family="gamma", point_mass=0.0)),
}
# Slow, and like Gamma; it is compared in fewer tests.
many = pytest.mark.parametrize("name", sorted(set(CASES) - {"negative-binomial"}))
solvers = pytest.mark.parametrize("solver", ["em", "md", "gd"])


# Mirror descent without acceleration may take a thousand iterations to the end; the
# steps of Barzilai and Borwein amplify rounding from iteration to iteration.
SETTINGS = {"md": {"max_iter": 60}, "gd": {"max_iter": 8, "tol": 0.0}}


def drawn(name, n=3000, solver="em"):
    """Data with weights, some of them zero, and an estimator that ends soon."""
    model, estimator = CASES[name]
    data = model.data(n, d=3)
    target = data.target if data.target.ndim == 1 else data.target.T
    if getattr(estimator, "point_mass", None) is not None:
        target = np.where(np.arange(n) % 3 == 0, estimator.point_mass, target)
    weight = np.random.default_rng(1).integers(0, 3, size=n).astype(float)
    estimator = clone(estimator).set_params(
        solver=solver, random_state=0, **SETTINGS.get(solver, {})
    )
    return data.X, target, weight, estimator


def assert_same_fit(found, expected, atol=1e-8):
    """All fitted attributes agree."""
    names = [name for name in vars(expected) if name.endswith("_")]
    assert {*names} == {name for name in vars(found) if name.endswith("_")}
    if expected.n_experts == 1:
        # It starts at its optimum; how many steps still help is a matter of rounding.
        ends = (model.objective_curve_[-1] for model in (found, expected))
        assert next(ends) == pytest.approx(next(ends))
        names = sorted({*names} - {"n_iter_", "objective_curve_", "converged_"})
    for name in names:
        one, two = getattr(found, name), getattr(expected, name)
        if isinstance(two, float | np.ndarray) and np.asarray(two).dtype.kind == "f":
            np.testing.assert_allclose(one, two, rtol=0, atol=atol, err_msg=name)
            assert np.asarray(one).dtype == np.asarray(two).dtype
        else:
            np.testing.assert_array_equal(one, two, err_msg=name)


@pytest.mark.sampled(6)
@many
@solvers
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_is_that_in_memory(name, solver):
    X, y, weight, estimator = drawn(name, solver=solver)
    expected = clone(estimator).fit(X, y, weight)
    found = fit_batches(estimator, array_batches(X, y, weight, batch_size=700))
    assert_same_fit(found, expected)
    assert found._fitted["n_parameters"] == expected._fitted["n_parameters"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_gate_without_a_stored_curvature_is_that_in_memory():
    """Its systems are solved by products with rows that stay in memory."""
    data = Model("linear", 6).data(1200, d=2)
    options = {"init": "kmeans", "max_iter": 4, "random_state": 0}
    estimator = MixtureOfLinearExperts(6, **options)
    expected = clone(estimator).fit(data.X, data.target[0])
    found = fit_batches(
        estimator, array_batches(data.X, data.target[0], batch_size=500)
    )
    assert_same_fit(found, expected)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", ["poisson-3", "gamma"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_starts_of_means_are_those_in_memory(name, intercept):
    """The mean of y is where experts start, with an intercept or not."""
    X, y, weight, estimator = drawn(name)
    estimator.set_params(fit_intercept=intercept, max_iter=1)
    expected = clone(estimator).fit(X, y, weight)
    found = fit_batches(estimator, array_batches(X, y, weight, batch_size=700))
    np.testing.assert_allclose(
        found.objective_curve_, expected.objective_curve_, rtol=1e-12
    )


@pytest.mark.long
def test_several_starts_are_those_in_memory():
    X, y, weight, estimator = drawn("linear-3")
    # Not 0: 76 iterations of its first start amplify rounding.
    estimator.set_params(n_init=3, init="random", random_state=1)
    expected = clone(estimator).fit(X, y, weight)
    found = fit_batches(estimator, array_batches(X, y, weight, batch_size=700))
    assert_same_fit(found, expected)


def test_callbacks_see_each_start_and_a_checkpoint_goes_on(tmp_path):
    pytest.importorskip("sklearn.callback")
    X, y, weight, estimator = drawn("linear-3")
    ended = []

    class Recorder(Checkpoint):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            super().on_fit_task_end(
                estimator, context, fitted_estimator=fitted_estimator
            )
            ended.append((context.task_name, fitted_estimator.objective_curve_[-1]))

    batches = array_batches(X, y, weight, batch_size=700)
    path = tmp_path / "fit.pkl"
    estimator.set_params(n_init=2, init="random", n_jobs=2)
    model = fit_batches(estimator.set_callbacks(Recorder(path, every=2)), batches)
    tasks = [name for name, _ in ended]
    assert tasks.count("init") == 2 and tasks[-1] == "fit"
    ends = [objective for name, objective in ended if name == "init"]
    assert min(ends) == ended[-1][1] == model.objective_curve_[-1]
    assert {"iteration"} == {*tasks} - {"init", "fit"}
    saved = load_checkpoint(path)
    np.testing.assert_array_equal(saved.predict(X), model.predict(X))
    resumed = fit_batches(saved, batches)
    assert resumed.n_iter_ < model.n_iter_ / 2
    np.testing.assert_allclose(resumed.objective_curve_[-1], ended[-1][1], rtol=1e-6)


@pytest.mark.sampled(1)
@many
@solvers
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_fit_beyond_the_sample_is_that_in_memory(name, solver, monkeypatch):
    """The start is given; the gate's curvature comes from the same rows."""
    monkeypatch.setattr(sampling, "_MOST_ROWS", 3000)
    X, y, weight, estimator = drawn(name, 20_000, solver)
    weight += 1
    estimator.set_params(warm_start=True).fit(X[:2000], y[:2000])
    expected = clone(estimator)
    vars(expected).update(vars(estimator))
    expected.fit(X, y, weight)
    found = fit_batches(estimator, array_batches(X, y, weight, batch_size=3333))
    assert_same_fit(found, expected)


@pytest.mark.parametrize("name", ["linear-3", "three-class"])
def test_cold_fit_beyond_the_sample_reaches_the_optimum(name, monkeypatch):
    monkeypatch.setattr(sampling, "_MOST_ROWS", 3000)
    X, y, weight, estimator = drawn(name, 20_000)
    # Uneven weights: the even sample of the gate's rows does not serve.
    weight = np.where(np.arange(20_000) % 50, 0.01, 5.0)
    estimator.set_params(tol=1e-9)
    if name == "linear-3":
        estimator.set_params(noise_prior=0.0)  # it learns from another sample
    expected = clone(estimator).fit(X, y, weight)
    found = fit_batches(estimator, array_batches(X, y, weight, batch_size=6000))
    np.testing.assert_allclose(
        found.objective_curve_[-1], expected.objective_curve_[-1], atol=1e-7
    )


@pytest.mark.parametrize("uneven", [False, True])
def test_samples_are_drawn_as_the_weights_say(uneven, monkeypatch):
    monkeypatch.setattr(sampling, "_MOST_ROWS", 2000)
    sizes = np.array([9000, 1, 20_999])
    rng = np.random.default_rng(0)
    weight = rng.uniform(size=30_000)
    if uneven:
        weight[::6000] = 1e5
    ends = np.cumsum(sizes)[:-1]
    totals = np.array([part.sum() for part in np.split(weight, ends)])
    drawn = sampling.Sampling(sizes, totals, 2, 2, 1, 5)
    rows = Rows(np.arange(30_000.0)[:, None], np.zeros((1, 30_000)), weight)
    of_parts = [rows.take(r) for r in np.split(np.arange(30_000), ends)]
    shares = drawn.shares()
    gate, start = drawn.gathered([s.of(p) for s, p in zip(shares, of_parts)])
    index = start.X[:, 0].astype(int)
    assert (np.diff(index) >= 0).all() and index.shape == (2000,)
    # A systematic draw is never further from the weights than one row is.
    counts = np.bincount(index, minlength=30_000).cumsum() / 2000
    assert np.abs(counts - weight.cumsum() / weight.sum()).max() < 2 / 2000
    np.testing.assert_allclose(start.weight, weight.sum() / 2000)
    np.testing.assert_allclose(gate.weight.sum(), weight.sum())
    assert (gate is start) == uneven


def test_float32_and_mixed_batches():
    X, y, _, estimator = drawn("linear-3")
    half = X.astype(np.float32)
    found = fit_batches(clone(estimator), array_batches(half, y, batch_size=1000))
    assert_same_fit(found, clone(estimator).fit(half, y), 1e-6)
    mixed = [(half[:1000], y[:1000]), (X[1000:], y[1000:])]
    assert fit_batches(clone(estimator), mixed).coef_.dtype == np.float64


def test_labels_and_empty_batches_and_batches_of_one_class():
    X, y, weight, estimator = drawn("three-class")
    names = np.array(["amber", "blue", "cyan"])[y]
    order = np.argsort(names, kind="stable")
    X, names, weight = X[order], names[order], weight[order]
    weight[:200] = 0
    batches = [
        (X[rows], names[rows], weight[rows])
        for rows in np.split(np.arange(3000), [200, 200, 900])
    ]
    found = fit_batches(clone(estimator), batches)
    assert found.classes_.tolist() == ["amber", "blue", "cyan"]
    assert_same_fit(found, estimator.fit(X, names, weight))


def test_frames_keep_their_names():
    X, y, _, estimator = drawn("linear-3")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["d"] = np.arange(3000) % 4
    estimator.set_params(gate_features=["c"], expert_features=make_column_selector("a"))
    batches = [(frame[:1500], pd.Series(y[:1500, 0])), (frame[1500:], y[1500:, 0])]
    found = fit_batches(clone(estimator), batches)
    assert_same_fit(found, clone(estimator).fit(frame, y[:, 0]))
    assert found.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    found = fit_batches(
        found.set_params(gate_features=None, expert_features=None), [(X, y)]
    )
    assert not hasattr(found, "feature_names_in_")


def test_memory_maps_are_fitted_in_place(tmp_path):
    X, y, _, estimator = drawn("linear-3", 20_000)
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    np.save(tmp_path / "y.npy", y[:, 0].astype(np.float32))
    X, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xy")
    found = fit_batches(clone(estimator), array_batches(X, y, batch_size=6000))
    expected = clone(estimator).fit(X, y)
    assert_same_fit(found, expected, 1e-6)
    assert_same_fit(expected, clone(estimator).fit(np.array(X), np.array(y)), 0.0)


def test_parquet_dataset(tmp_path):
    X, y, _, estimator = drawn("three-class")
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": y})
    for number in range(2):
        part = table.slice(1500 * number, 1500)
        pa.parquet.write_table(part, tmp_path / f"{number}.parquet")
    dataset = pa.dataset.dataset(tmp_path)

    def batches():
        for batch in dataset.to_batches(batch_size=400):
            frame = batch.to_pandas()
            yield frame[["a", "b", "c"]], frame["y"]

    found = fit_batches(clone(estimator), batches)
    assert_same_fit(found, estimator.fit(table.select(["a", "b", "c"]).to_pandas(), y))


@pytest.mark.parametrize("solver", ["em", "md"])
def test_threads_change_nothing(solver, monkeypatch):
    X, y, weight, estimator = drawn("linear-3", solver=solver)
    batches = array_batches(X, y, weight, batch_size=300)
    expected = fit_batches(clone(estimator), batches)
    in_threads(monkeypatch, 3)
    assert_same_fit(fit_batches(estimator, batches), expected, 0.0)


def test_verbose_prints_and_a_short_fit_warns(capsys):
    X, y, _, estimator = drawn("linear-3")
    estimator.set_params(verbose=1, max_iter=2, n_init=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        fit_batches(estimator, [(X, y)])
    assert caught[0].filename == __file__
    assert "init 2, iteration 2: objective" in capsys.readouterr().out


X, y, _, LINEAR = drawn("linear-3", 60)
LOGISTIC = MixtureOfLogisticExperts()
NAN = np.where(np.arange(60)[:, None] == 7, np.nan, X)
CODES = (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    "estimator, batches, message",
    [
        (LINEAR, [(X, y), (NAN, y)], "batch 1: Input X contains NaN"),
        (LINEAR, [(X, y), (X, y[:50])], "batch 1: .*inconsistent numbers of samples"),
        (LINEAR, [(X, y), (X[:, :2], y)], "batch 1 has number of features 2, but"),
        (LINEAR, [(X, y), (X, y[:, 0])], "batch 1 has targets of shape"),
        (LINEAR, [(X, y), (X, y, -np.ones(60))], "batch 1: .*negative value, -1"),
        (LINEAR, [(X, y), (X, y, np.ones(3))], "batch 1: .*shape \\(3,\\), X has 60"),
        (LINEAR, [(X, y, np.zeros(60))], "no rows of positive weight"),
        (LINEAR, [], "no rows of positive weight"),
        (LINEAR, [(X[:1], y[:1]), (X[:1], y[:1])], "n_samples = 2 .*n_experts=3"),
        (LOGISTIC, [(X, CODES), (X, X[:, 0])], "batch 1: Unknown label type"),
        (LOGISTIC, [(X, CODES * 0), (X, CODES * 0)], "y has one class only"),
        (LOGISTIC, [(X, CODES), (X, CODES.astype(str))], "batch 1 has .* labels, but"),
    ],
)
def test_bad_batch_is_named(estimator, batches, message):
    with pytest.raises(ValueError, match=message):
        fit_batches(clone(estimator), batches)


@pytest.mark.parametrize(
    "later, message",
    [
        ((NAN, y, None), "batch 0: Input X contains NaN"),
        ((X, np.full_like(y, np.inf), None), "batch 0: Input y contains infinity"),
        ((X, y, -np.ones(60)), "batch 0: .*negative value, -1"),
    ],
)
def test_batch_that_goes_bad_in_a_later_pass_is_named(later, message):
    passes = iter([(X, y, None), (X, y, None), later])
    with pytest.raises(ValueError, match=message):
        fit_batches(clone(LINEAR), lambda: [next(passes)])


@pytest.mark.parametrize(
    "batches, message",
    [
        (iter([(X, y)]), "batches is an iterator of type list_iterator"),
        (7, "batches is of type int"),
        ([X], "batch 0 is of type ndarray"),
        ([(X,)], "batch 0 is of type tuple of length 1"),
    ],
)
def test_bad_batches_are_told(batches, message):
    with pytest.raises(TypeError, match=message):
        fit_batches(clone(LINEAR), batches)


def test_batches_that_change_are_told():
    passes = iter([3, 2, 2])

    def batches():
        yield from [(X, y)] * next(passes)

    with pytest.raises(ValueError, match="3 batches of 180 rows .* 2 of 120"):
        fit_batches(clone(LINEAR), batches)


def test_bad_estimator_and_init_are_told():
    with pytest.raises(TypeError, match="estimator is of type Pipeline"):
        fit_batches(make_pipeline(LINEAR), [(X, y)])
    with pytest.raises(ValueError, match="init is an array of shape"):
        fit_batches(MixtureOfLogisticExperts(init=CODES), [(X, CODES)])
    with pytest.raises(ValueError, match="batch_size=0"):
        array_batches(X, y, batch_size=0)
    with pytest.raises(ValueError, match=r"\[60, 7\] rows"):
        array_batches(X, y[:7])


def test_failed_fit_leaves_an_earlier_one():
    model = fit_batches(clone(LINEAR), [(X, y)])
    before = model.predict(X)
    with pytest.raises(ValueError, match="batch 1"):
        fit_batches(model, [(X[:, :2], y), (NAN[:, :2], y)])
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.predict(X), before)


DATA, TARGET = drawn("linear-3", 600)[:2]
ROWS = [slice(start, start + 150) for start in range(0, 600, 150)]


def in_threads(monkeypatch, n_threads):
    """Let fits run in so many threads."""

    @contextmanager
    def pool():
        with ThreadPoolExecutor(n_threads) as executor:
            yield executor.map, n_threads

    monkeypatch.setattr("skmoe._fit.block_map", pool)


def before_sums(monkeypatch, hook):
    """Call `hook()` before the sums of each batch."""
    sweep = parts.sweep

    def hooked(*args):
        hook()
        return sweep(*args)

    monkeypatch.setattr(parts, "sweep", hooked)


class TestReadingAhead:
    """A thread takes the next batch while the sums of the one before are made."""

    def test_goes_on_while_sums_are_made(self, monkeypatch):
        second = threading.Event()

        def batches():
            second.clear()
            for number, rows in enumerate(ROWS[:2]):
                if number:
                    second.set()
                yield DATA[rows], TARGET[rows]

        ahead = []
        before_sums(monkeypatch, lambda: ahead.append(second.wait(20)))
        fit_batches(clone(LINEAR), batches)
        assert ahead and all(ahead)

    @pytest.mark.parametrize("n_threads", [1, 2])
    def test_holds_at_most_one_batch_more_than_threads(self, n_threads, monkeypatch):
        in_threads(monkeypatch, n_threads)
        arrays, most = weakref.WeakValueDictionary(), []

        def kept(values):
            array = values.copy()
            arrays[next(names)] = array
            return array

        def batches():
            most.append(0)
            for rows in ROWS:
                batch = kept(DATA[rows]), kept(TARGET[rows])
                most[-1] = max(most[-1], len(arrays) // 2)
                yield batch
                del batch

        names = itertools.count()
        fit_batches(clone(LINEAR), batches)
        del most[1]  # when samples of rows are taken: here these are all
        assert max(most) <= n_threads + 1

    def test_tells_errors_after_the_batches_before(self, monkeypatch):
        n_passes, sums = itertools.count(), []

        def batches():
            is_last = next(n_passes) == 3
            sums.clear()
            for number, rows in enumerate(ROWS):
                if is_last and number == 2:
                    raise OSError("the disk is gone")
                yield DATA[rows], TARGET[rows]

        before_sums(monkeypatch, lambda: sums.append(1))
        with pytest.raises(OSError, match="the disk is gone"):
            fit_batches(clone(LINEAR), batches)
        assert len(sums) == 2

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_ends_with_the_fit(self, error, monkeypatch):
        """No thread is left, and the user's function is closed where it was read."""
        closed, n_sums = [], itertools.count()

        def batches():
            reader = threading.get_ident()
            try:
                for rows in ROWS:
                    yield DATA[rows], TARGET[rows]
            finally:
                closed.append(threading.get_ident() == reader)

        def failing():
            if next(n_sums) == 5:
                raise error

        before_sums(monkeypatch, failing)
        before = threading.enumerate()
        with pytest.raises(error):
            fit_batches(clone(LINEAR), batches)
        assert threading.enumerate() == before
        assert len(closed) > 3 and all(closed)

    def test_is_in_the_context_of_the_fit(self):
        number, found = contextvars.ContextVar("number"), []
        number.set(7)

        def batches():
            found.append((number.get(None), get_config()["assume_finite"]))
            yield from [(DATA[rows], TARGET[rows]) for rows in ROWS]

        with config_context(assume_finite=True):
            fit_batches(clone(LINEAR), batches)
        assert set(found) == {(7, True)}


@pytest.mark.parametrize("n_buffers, n_threads", [(1, 1), (1, 3), (2, 2)])
def test_buffers_may_be_filled_anew(n_buffers, n_threads, monkeypatch):
    """No batch overwrites one that is in use."""
    in_threads(monkeypatch, n_threads)
    buffers = np.empty((n_buffers, *DATA[ROWS[0]].shape))

    def batches():
        for number, rows in enumerate(ROWS):
            buffer = buffers[number % n_buffers]
            buffer[:] = DATA[rows]
            yield buffer, TARGET[rows]

    expected = fit_batches(clone(LINEAR), [(DATA[rows], TARGET[rows]) for rows in ROWS])
    assert_same_fit(fit_batches(clone(LINEAR), batches), expected, 0.0)
