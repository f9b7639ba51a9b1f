"""Starts in parallel: the same fit, whatever the backend, and threads in bounds."""

import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info, threadpool_limits

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    _restarts,
)
from skmoe._restarts import start_rngs

BACKENDS = ["loky", "threading", "sequential"]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((600, 3))
Y = np.where(X[:, 0] > 0, X @ [1, 2, 3], -X @ [3, 2, 1]) + RNG.standard_normal(600)
REGRESSOR = MixtureOfLinearExperts(3, init="random", n_init=4, random_state=0)
CLASSIFIER = MixtureOfLogisticExperts(3, init="random", n_init=4, random_state=0)

both = pytest.mark.parametrize(
    "estimator, y", [(REGRESSOR, Y), (CLASSIFIER, (Y > 0).astype(int))]
)


def assert_same_fit(model, other):
    """The same parameters and the same way there, to the last bit."""
    for name in ("coef_", "intercept_", "gate_coef_", "objective_curve_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    assert model.converged_ == other.converged_


@pytest.mark.sampled(2)
@both
@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_find_the_same_fit(estimator, y, backend):
    expected = clone(estimator).fit(X, y)
    with joblib.parallel_config(backend, n_jobs=2):
        model = clone(estimator).fit(X, y)
    assert_same_fit(model, expected)


@pytest.mark.sampled(1)
@both
@pytest.mark.parametrize("n_jobs", [2, -1])
def test_number_of_jobs_does_not_change_the_fit(estimator, y, n_jobs):
    expected = clone(estimator).fit(X, y)
    assert_same_fit(clone(estimator).set_params(n_jobs=n_jobs).fit(X, y), expected)


GROUPS = np.repeat(np.arange(200), 3)
THREADED = {
    "linear": (MixtureOfLinearExperts(3), {}),
    "plain noise": (MixtureOfLinearExperts(3, init="kmeans", alpha=0), {}),
    "groups": (MixtureOfLinearExperts(2, gate_features=[]), {"groups": GROUPS}),
    "classes": (MixtureOfLogisticExperts(2), {}),
    "counts": (MixtureOfGLMExperts(2, family="poisson"), {}),
    "zeros": (MixtureOfGLMExperts(2, family="poisson", point_mass=0.0), {}),
}


@pytest.mark.parametrize("kind", THREADED)
def test_starts_are_sent_from_fits_that_have_threads(kind):
    """A pool of threads stays in its process, whatever a mixture remembers."""
    estimator, with_rows = THREADED[kind]
    y = {"classes": Y > 0, "counts": np.rint(abs(Y)), "zeros": np.rint(abs(Y))}
    estimator = clone(estimator).set_params(n_init=3, max_iter=5, random_state=0)
    with threadpool_limits(2, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [
            clone(estimator)
            .set_params(n_jobs=n_jobs)
            .fit(X, y.get(kind, Y), **with_rows)
            for n_jobs in (1, 2)
        ]
    assert_same_fit(*fits)


def test_dask_finds_the_same_fit():
    distributed = pytest.importorskip("distributed")
    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
    ):
        with joblib.parallel_config("dask"):
            model = clone(REGRESSOR).fit(X, Y)
    assert_same_fit(model, clone(REGRESSOR).fit(X, Y))


@pytest.mark.long
def test_short_runs_and_curvature_are_those_of_each_start():
    """Many rows: samples are drawn, and the gate's matrix is kept between steps."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((20_000, 3))
    y = np.where(rows[:, 0] > 0, rows[:, 1], -rows[:, 2]) + rng.standard_normal(20_000)
    model = MixtureOfLinearExperts(3, n_init=3, random_state=0)
    expected = clone(model).fit(rows, y)
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend, n_jobs=2):
            assert_same_fit(clone(model).fit(rows, y), expected)


def test_first_start_is_that_of_one_start():
    alone = start_rngs(3, 1)[0].uniform(size=5)
    first, second = start_rngs(3, 2)
    np.testing.assert_array_equal(first.uniform(size=5), alone)
    assert second.uniform() not in alone


def test_a_generator_goes_on_from_fit_to_fit():
    rng = np.random.RandomState(0)
    first, second = (start_rngs(rng, 3)[1].uniform() for _ in range(2))
    assert first != second


@pytest.mark.parametrize("n_threads, share", [(4, 2), (3, 1), (1, 1)])
def test_starts_share_the_threads_of_the_fit(monkeypatch, n_threads, share):
    shares, block_map = [], _restarts.block_map

    def recorded(at_most):
        shares.append(at_most)
        return block_map(at_most)

    monkeypatch.setattr(_restarts, "block_map", recorded)
    with threadpool_limits(n_threads, user_api="blas"):
        allowed = max(
            lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
        )
        with joblib.parallel_config("threading", n_jobs=2):
            clone(REGRESSOR).fit(X, Y)
    if allowed == n_threads:
        # The first start comes before the others and has all of them.
        assert shares == [share] * 3
    assert max(shares) <= max(1, n_threads // 2)


def test_blas_keeps_its_threads():
    before = [lib["num_threads"] for lib in threadpool_info()]
    with joblib.parallel_config("threading", n_jobs=2):
        clone(REGRESSOR).fit(X, Y)
    assert [lib["num_threads"] for lib in threadpool_info()] == before


def test_verbose_tells_starts_apart_in_threads(capsys):
    with joblib.parallel_config("threading", n_jobs=2):
        clone(REGRESSOR).set_params(verbose=1).fit(X, Y)
    printed = capsys.readouterr().out
    assert all(f"init {number}, iteration 1:" in printed for number in range(1, 5))


def test_callbacks_see_one_start_after_another():
    pytest.importorskip("sklearn.callback")
    begun = []

    class Recorder:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            begun.append((context.task_name, context.task_id))

        def on_fit_task_end(self, estimator, context):
            pass

    model = clone(REGRESSOR).set_params(n_jobs=2).set_callbacks(Recorder())
    assert_same_fit(model.fit(X, Y), clone(REGRESSOR).fit(X, Y))
    assert [item for item in begun if item[0] == "init"] == [
        ("init", number) for number in range(4)
    ]


def test_given_start_and_one_start_need_no_jobs(monkeypatch):
    monkeypatch.setattr(_restarts, "_in_parallel", None)
    labels = (X[:, 0] > 0).astype(int)
    clone(REGRESSOR).set_params(n_jobs=2, init=labels).fit(X, Y)
    clone(REGRESSOR).set_params(n_jobs=2, n_init=1).fit(X, Y)


def test_no_jobs_is_an_error():
    with pytest.raises(ValueError, match="n_jobs"):
        clone(REGRESSOR).set_params(n_jobs=0).fit(X, Y)


def test_best_start_that_did_not_converge_warns():
    model = clone(REGRESSOR).set_params(max_iter=1, n_jobs=2)
    with joblib.parallel_config("threading"):
        with pytest.warns(ConvergenceWarning, match="max_iter=1"):
            model.fit(X, Y)
