"""Threads over blocks: same result, and BLAS as it was."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts


def blas_threads():
    """Threads of each BLAS library in this process."""
    return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]


def data(n=40_000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5))
    return X, np.where(X[:, 0] > 0, X[:, 1], -X[:, 2]) + 0.3 * rng.standard_normal(n)


def test_number_of_threads_does_not_change_the_fit():
    X, y = data()
    fits = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            fits.append(MixtureOfLinearExperts(random_state=0).fit(X, y))
    for other in fits[1:]:
        np.testing.assert_allclose(other.coef_, fits[0].coef_, atol=1e-8)
        assert np.isclose(other.objective_curve_[-1], fits[0].objective_curve_[-1])


def test_one_thread_gives_the_same_bits_twice():
    X, y = data()
    with threadpool_limits(1, user_api="blas"):
        first, second = (
            MixtureOfLinearExperts(random_state=0).fit(X, y).coef_ for _ in range(2)
        )
    assert (first == second).all()


def test_blas_keeps_its_threads_after_concurrent_fits():
    X, y = data(3000)
    before = blas_threads()

    def fit(seed):
        model = MixtureOfLogisticExperts(random_state=seed)
        return model.fit(X, y > 0).score(X, y > 0)

    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as executor:
        together = list(executor.map(fit, range(4)))
    assert together == alone
    assert blas_threads() == before
