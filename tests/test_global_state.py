"""What a process shares is as it was, after fits that end well, fail or are stopped."""

import locale
import os
import random
import signal
import sys
import threading
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from _interrupts import Interrupt, number_of_steps
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info, threadpool_limits

import skmoe
from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference, information
from skmoe.model_selection import n_experts_path
from skmoe.streaming import array_batches, fit_batches

FILES = os.path.dirname(skmoe.__file__)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((80, 2))
Y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1]) + 0.3 * RNG.standard_normal(80)
CLASSES = np.digitize(Y, [-0.5, 0.5])
LINEAR = MixtureOfLinearExperts(random_state=0)
LOGISTIC = MixtureOfLogisticExperts(alpha=0.01, random_state=0)
POISSON = MixtureOfGLMExperts(random_state=0)
STARTS = ["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]


def shared():
    """State of this process that others see, by name."""
    generator = np.random.get_state()  # noqa: NPY002
    state = {
        "numpy's generator": (generator[1].tobytes(), generator[2:]),
        "python's generator": random.getstate(),
        "warning filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "numpy's errors": (np.geterr(), np.geterrcall()),
        "numpy's printing": np.get_printoptions(),
        "thread limits": [
            (library["filepath"], library["num_threads"])
            for library in threadpool_info()
        ],
        "scikit-learn": sklearn.get_config(),
        "locale": locale.setlocale(locale.LC_ALL),
        "environment": {**os.environ, "PYTEST_CURRENT_TEST": ""},
        "folder": os.getcwd(),
        "sys": (sys.getrecursionlimit(), sys.getswitchinterval(), list(sys.path)),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook),
        "Ctrl-C": signal.getsignal(signal.SIGINT),
    }
    if "matplotlib" in sys.modules:
        state["matplotlib"] = dict(sys.modules["matplotlib"].rcParams)
    return state


@pytest.fixture
def untouched():
    """Odd settings, which must be the same after the test."""
    before = np.geterr()
    with threadpool_limits(2), warnings.catch_warnings():
        warnings.filterwarnings("once", "a filter of the user's")
        np.seterr(under="print", over="warn")
        with sklearn.config_context(print_changed_only=False):
            expected = shared()
            yield
            found = shared()
    np.seterr(**before)
    for name, value in expected.items():
        assert found[name] == value, name


def batches(model, y):
    """The model after two batches and a third."""
    classes = [np.unique(y)] if hasattr(model, "predict_log_proba") else []
    for rows in np.split(np.arange(80), [40, 60]):
        model.partial_fit(X[rows], y[rows], *classes)
    return model


def counts():
    return np.floor(np.exp(Y))


CALLS = {
    **{
        f"{solver}-{name}": lambda model=model, y=y, solver=solver: (
            clone(model).set_params(solver=solver, max_iter=10_000).fit(X, y)
        )
        for solver in ("em", "md", "gd")
        for name, model, y in [
            ("linear", LINEAR, Y),
            ("logistic", LOGISTIC, CLASSES),
            ("poisson", POISSON, counts()),
        ]
    },
    **{
        f"start-{init}": lambda init=init: clone(LINEAR).set_params(init=init).fit(X, Y)
        for init in STARTS
    },
    "partial_fit": lambda: batches(clone(LOGISTIC), CLASSES),
    "fit_batches": lambda: fit_batches(
        clone(LINEAR), array_batches(X, Y, batch_size=30)
    ),
    "path": lambda: n_experts_path(LINEAR, X, Y, max_experts=3),
    "repeats": lambda: MixtureOfLinearExperts(5, init="kmeans", random_state=0).fit(
        np.repeat(X[:3], 20, axis=0), Y[:60]
    ),
    "inference": lambda: inference(clone(LINEAR).fit(X, Y), X, Y).summary(),
    "information": lambda: information(clone(LOGISTIC).fit(X, CLASSES), X, CLASSES),
}


@pytest.mark.sampled(5)
@pytest.mark.filterwarnings("ignore:The penalties move", "ignore:An expert has")
@pytest.mark.parametrize("name", CALLS)
def test_fits_leave_it(name, untouched):
    CALLS[name]()


def test_fits_in_parallel_leave_it(untouched):
    model = MixtureOfLinearExperts(3, n_init=4, n_jobs=2, random_state=0)
    with joblib.parallel_backend("threading"):
        for _ in range(4):
            model.fit(X, Y)


@pytest.mark.parametrize(
    "model, y", [(LINEAR, Y), (LOGISTIC, CLASSES), (POISSON, counts())]
)
def test_predictions_leave_it(model, y, untouched):
    model = clone(model).fit(X, y)
    for name in ("predict", "predict_expert", "gate_proba"):
        getattr(model, name)(X)
    model.sample(X, random_state=0)
    for name in ("score", "score_samples", "responsibilities", "aic", "icl"):
        getattr(model, name)(X, y)
    for name in ("predict_proba", "predict_interval"):
        if hasattr(model, name):
            getattr(model, name)(X)


@pytest.mark.filterwarnings("ignore:The penalties move estimates")
def test_plots_leave_it(untouched):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from skmoe import plotting

    model = clone(LINEAR).fit(X, Y)
    for display in (
        plotting.CoefficientsDisplay,
        plotting.ExpertCurvesDisplay,
        plotting.GateRegionsDisplay,
        plotting.ResponsibilitiesDisplay,
    ):
        ax = Figure(layout="constrained").subplots()
        display.from_estimator(model, X, Y, ax=ax)


@pytest.mark.parametrize(
    "parameters, y, error",
    [
        ({"gate_features": [7]}, Y, ValueError),
        ({"init": np.zeros(3)}, Y, ValueError),
        ({"n_experts": 100}, Y, ValueError),
        ({"solver": "sgd"}, Y, ValueError),
        ({}, np.full(80, np.nan), ValueError),
        ({"gate_features": lambda X: 1 / 0}, Y, ZeroDivisionError),
    ],
)
def test_failing_fits_leave_it(parameters, y, error, untouched):
    with pytest.raises(error):
        clone(LINEAR).set_params(**parameters).fit(X, y)


@pytest.mark.parametrize("name", ["start-kmeans", "start-kmeans_xy", "path", "repeats"])
def test_warnings_are_not_silenced_for_all_threads(name, monkeypatch):
    """`catch_warnings` changes what the warnings of other threads do."""

    class Forbidden(warnings.catch_warnings):
        def __init__(self, *arguments, **options):
            caller = sys._getframe(1).f_code.co_filename
            assert not caller.startswith(FILES), caller
            super().__init__(*arguments, **options)

    monkeypatch.setattr(warnings, "catch_warnings", Forbidden)
    CALLS[name]()


def test_warnings_that_are_errors_leave_it(untouched):
    with pytest.raises(ConvergenceWarning):
        clone(LINEAR).set_params(max_iter=1).fit(X, Y)


def bits(model):
    """Attributes but for those of scikit-learn's callbacks, arrays as bytes."""
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else repr(value)
        for name, value in vars(model).items()
        if "callback" not in name
    }


def refit(kind, model):
    """Learn again, from other rows and classes than the first time."""
    rows = slice(10, None)
    if kind == "fit":
        return model.fit(X[rows], Y[rows])
    if kind == "parts":
        return fit_batches(model, array_batches(X[rows], Y[rows], batch_size=40))
    return model.partial_fit(X[rows], Y[rows])


@pytest.mark.sampled(1)
@pytest.mark.parametrize("was_fitted", [False, True])
@pytest.mark.parametrize("kind", ["fit", "parts", "batch"])
def test_interrupts_leave_the_earlier_fit_or_the_new_one(kind, was_fitted):
    """Ctrl-C at steps spread over all that are taken."""

    def begun():
        model = MixtureOfLinearExperts(init="kmeans", max_iter=200, random_state=0)
        return model.fit(X[:, :1] if kind != "batch" else X, Y) if was_fitted else model

    refit(kind, begun())  # what is imported or cached
    earlier = begun()
    before, after = bits(earlier), bits(refit(kind, begun()))
    n_steps = number_of_steps(FILES, lambda: refit(kind, earlier))
    assert n_steps > 1000
    state = shared()
    points = np.unique(np.geomspace(1, n_steps, 20).astype(int))
    points = np.union1d(points, n_steps + 1 - points)
    outcomes = set()
    for at in points:
        model = begun()
        with Interrupt(FILES, at) as interrupt:
            refit(kind, model)
        assert interrupt.came
        found = bits(model)
        assert found in (before, after)
        outcomes.add(found == before)
        assert shared() == state
    assert True in outcomes
