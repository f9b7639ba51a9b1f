"""Threads: over blocks inside a fit, and fits in many threads of the user's."""

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest
import threadpoolctl
from _interrupts import Interrupt, number_of_steps
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.base import clone
from threadpoolctl import threadpool_info, threadpool_limits

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.engine import threads
from skmoe.engine.threads import block_map
from skmoe.inspection import inference
from skmoe.model_selection import n_experts_path
from skmoe.streaming import array_batches, fit_batches

LINEAR, LOGISTIC, GLM = (
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    MixtureOfGLMExperts,
)
STARTS = ["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]
N_THREADS = 8


def blas_threads():
    """Threads of each BLAS library in this process."""
    return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]


def data(n=40_000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5))
    return X, np.where(X[:, 0] > 0, X[:, 1], -X[:, 2]) + 0.3 * rng.standard_normal(n)


def fitted_bits(model):
    """Fitted attributes, as bytes where they are arrays."""
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else value
        for name, value in vars(model).items()
        if name.endswith("_")
    }


@pytest.fixture
def hasty():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def fit_copy(estimator, X, y):
    return clone(estimator).fit(X, y)


def in_threads(calls):
    """Results of some functions, called from many threads at once."""
    with ThreadPoolExecutor(N_THREADS) as executor:
        return [each.result() for each in [executor.submit(call) for call in calls]]


@pytest.fixture
def small_runs(monkeypatch):
    """Few blocks are worth a thread; lists how many runs the passes had."""
    n_runs, thread_runs = [], threads.thread_runs

    def recorded(*arguments):
        runs = thread_runs(*arguments)
        n_runs.append(len(runs))
        return runs

    monkeypatch.setattr(threads, "_WORK_PER_THREAD", 2**12)
    monkeypatch.setattr(threads, "thread_runs", recorded)
    return n_runs


def test_number_of_threads_does_not_change_the_fit(small_runs):
    X, y = data()
    fits, most = [], []
    for n_threads in (1, 2, 3):
        small_runs.clear()
        with threadpool_limits(n_threads, user_api="blas"):
            allowed = max(blas_threads(), default=1)
            fits.append(LINEAR(random_state=0).fit(X, y))
        most.append((max(small_runs), allowed))
    assert all(found == allowed for found, allowed in most)
    for other in fits[1:]:
        np.testing.assert_allclose(other.coef_, fits[0].coef_, atol=1e-8)
        assert np.isclose(other.objective_curve_[-1], fits[0].objective_curve_[-1])


def test_threads_see_the_configuration_of_their_caller():
    with config_context(assume_finite=True), threadpool_limits(2, user_api="blas"):
        with block_map() as (map_threads, n_threads):
            seen = list(map_threads(lambda _: get_config(), range(4 * n_threads)))
        assert seen == [get_config()] * len(seen)


def test_one_thread_gives_the_same_bits_twice():
    X, y = data()
    with threadpool_limits(1, user_api="blas"):
        first, second = (LINEAR(random_state=0).fit(X, y).coef_ for _ in range(2))
    assert (first == second).all()


def test_blas_keeps_its_threads_after_concurrent_fits():
    X, y = data(3000)
    before = blas_threads()

    def fit(seed):
        model = LOGISTIC(random_state=seed)
        return model.fit(X, y > 0).score(X, y > 0)

    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as executor:
        together = list(executor.map(fit, range(4)))
    assert together == alone
    assert blas_threads() == before


@pytest.mark.long
class TestFitsAtOnce:
    """Fits of all kinds from many threads: the bits of the same fits one by one."""

    @staticmethod
    def fits():
        """Functions that fit, each with an estimator and data of its own."""
        enough = {"max_iter": 300, "tol": 1e-3, "random_state": 0}
        found = []
        for seed, solver in enumerate(["em", "md", "gd"]):
            X, y = data(250, seed)
            counts = np.random.default_rng(seed).poisson(np.exp(0.5 * y))
            for estimator, target in [
                (LINEAR(3, **enough), y),
                (LINEAR(2, noise="shared", **enough), np.column_stack([y, -y])),
                (LOGISTIC(2, alpha=0.01, **enough), y > 0),
                (LOGISTIC(2, alpha=0.01, **enough), np.digitize(y, [-1, 1])),
                (GLM(2, **enough), counts),
                (GLM(2, family="gamma", **enough), np.exp(y)),
            ]:
                found.append((estimator.set_params(solver=solver), X, target))
        X, y = data(300, 7)
        for init in STARTS:
            found.append((LINEAR(3, init=init, n_init=2, **enough), X, y))
        found.append((LINEAR(2, **enough), sparse.csr_array(X * (X > 0)), y))
        lasso = {"l1_ratio": 0.5, "gate_l1_ratio": 0.5, "alpha": 0.01}
        found.append((LINEAR(2, gate_alpha=0.01, **lasso, **enough), X, y))
        return [partial(fit_copy, estimator, X, y) for estimator, X, y in found]

    @staticmethod
    def others():
        """Functions that learn in other ways than `fit`."""
        X, y = data(600, 3)
        seeded = {"random_state": 0}

        def online():
            model = LINEAR(2, **seeded)
            for rows in np.split(np.arange(600), 6):
                model.partial_fit(X[rows], y[rows])
            return model

        def batches():
            return fit_batches(
                LOGISTIC(2, **seeded), array_batches(X, y > 0, batch_size=200)
            )

        def path():
            return n_experts_path(LINEAR(**seeded), X, y, max_experts=3).estimators[-1]

        return [online, batches, path]

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_give_the_bits_of_fits_one_by_one(self, hasty):
        fits = self.fits() + self.others()
        with threadpool_limits(1, user_api="blas"):
            alone = [fitted_bits(fit()) for fit in fits]
            order = np.random.default_rng(0).permutation(
                np.tile(np.arange(len(fits)), 3)
            )
            together = in_threads([fits[number] for number in order])
        for number, model in zip(order, together):
            assert fitted_bits(model) == alone[number]

    def test_give_the_same_bits_where_each_has_threads(self, hasty, small_runs):
        problems = [data(20_000, seed) for seed in range(4)]
        model = LINEAR(3, tol=1e-3, init="random", random_state=0)
        fits = [partial(fit_copy, model, X, y) for X, y in problems]
        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            alone = [fitted_bits(fit()) for fit in fits]
            together = in_threads(2 * fits)
            assert blas_threads() == before
        assert list(map(fitted_bits, together)) == 2 * alone
        assert max(small_runs) == max(before, default=1)


def standard_errors(*arguments):
    return inference(*arguments).standard_error


@pytest.mark.parametrize("is_sparse", [False, True])
def test_predictions_from_many_threads(hasty, is_sparse):
    X, y = data(500)
    models = [
        LINEAR(random_state=0).fit(X, y),
        LOGISTIC(alpha=0.01, random_state=0).fit(X, np.digitize(y, [-1, 1])),
        GLM(family="gamma", random_state=0).fit(X, np.exp(y)),
    ]
    targets = [y, np.digitize(y, [-1, 1]), np.exp(y)]
    rows = sparse.csr_array(X) if is_sparse else X
    calls = []
    for model, target in zip(models, targets):
        for name in ("predict", "predict_expert", "gate_proba"):
            calls.append(partial(getattr(model, name), rows))
        for name in ("responsibilities", "score_samples", "score", "bic"):
            calls.append(partial(getattr(model, name), rows, target))
        calls.append(partial(model.sample, rows, random_state=0))
        calls.append(partial(standard_errors, model, rows, target))
    for model in (models[0], models[2]):
        calls.append(partial(model.predict_interval, rows[:50]))
    calls.append(partial(models[1].predict_proba, rows))
    with threadpool_limits(1, user_api="blas"):
        alone = [call() for call in calls]
        together = in_threads(10 * calls)
    for found, expected in zip(together, 10 * alone):
        np.testing.assert_array_equal(found, expected)


class TestThreadThatSetsTheLimit:
    """threadpoolctl 3.8 listens to one thread only; a fit may end in another."""

    def test_need_not_be_the_one_that_restores_it(self):
        with ExitStack() as stack, threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            first, second = (
                stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2)
            )
            one, two = block_map(), block_map()
            first.submit(one.__enter__).result()
            second.submit(two.__enter__).result()
            assert set(blas_threads()) <= {1}
            first.submit(one.__exit__, None, None, None).result()
            assert set(blas_threads()) <= {1}
            second.submit(two.__exit__, None, None, None).result()
            assert blas_threads() == before

    def test_leaves_others_the_right_to_set_it(self):
        def limited():
            with threadpool_limits(2, user_api="blas"):
                return blas_threads()

        with ThreadPoolExecutor(1) as executor:
            # Which thread is heard depends on who came first in this process.
            theirs, own = executor.submit(limited).result(), limited()
            with block_map():
                pass
            assert executor.submit(limited).result() == theirs
            executor.submit(TestInterrupts.use).result()
            assert limited() == own

    def test_may_be_one_that_holds_no_limit(self):
        """The user's limit is set in this thread, the fit runs in another."""

        def numbers():
            with block_map() as (_, n_threads):
                return n_threads, blas_threads()

        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            n_threads, during = in_threads([numbers])[0]
            assert n_threads == max(before, default=1)
            assert set(during) <= {1}
            assert blas_threads() == before


class TestInterrupts:
    """Ctrl-C at each step of what limits BLAS: afterwards it is as it was."""

    FILES = threads.__file__, contextlib.__file__, threadpoolctl.__file__

    @staticmethod
    def use():
        with block_map() as (map_threads, _):
            return list(map_threads(abs, [-1, 2]))

    @pytest.mark.long
    def test_leave_blas_as_it_was(self):
        self.use()  # finds the libraries
        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            n_steps = number_of_steps(self.FILES, self.use)
            assert n_steps > 30
            for at in range(1, n_steps + 1):
                with Interrupt(self.FILES, at) as interrupt:
                    self.use()
                assert interrupt.came
                assert blas_threads() == before
                assert not threads._LIMIT.uses
                assert in_threads([self.use]) == [[1, 2]]  # the lock is open

    def test_of_one_fit_leave_another_its_limit(self):
        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            n_steps = number_of_steps(threads.__file__, self.use)
            with block_map():
                for at in range(1, n_steps + 1):
                    with Interrupt(threads.__file__, at):
                        self.use()
                    assert set(blas_threads()) <= {1}
            assert blas_threads() == before

    def test_while_blas_is_limited_are_made_good_by_the_next_fit(self, monkeypatch):
        """An interrupted use that is still referred to, as by a debugger."""
        with threadpool_limits(2, user_api="blas"):
            before = blas_threads()
            abandoned = threads._Use()
            threads._LIMIT.enter(abandoned)
            assert set(blas_threads()) <= {1}
            self.use()
            del abandoned
            assert blas_threads() == before
