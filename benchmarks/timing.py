"""Time of one EM iteration within `fit`, and of repeated calls."""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

# Iterations of the shorter and the longer of two fits whose difference is timed; both
# end well before they converge from labels of which this share is drawn anew.
_SHORT, _LONG = 2, 8
_REDRAWN = 0.9


def best_time(call, repeats):
    """Least wall-clock seconds of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def noisy_labels(labels, n_experts, seed=0):
    """Labels of which most are drawn anew: a start far from the solution."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n_experts, size=labels.shape[0])
    return np.where(rng.random(labels.shape[0]) < _REDRAWN, drawn, labels)


def fit_quietly(estimator, X, y):
    """Fit without a warning where max_iter ends it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def iteration_time(case, X, y, labels, repeats, **parameters):
    """Seconds an iteration: difference of a longer and a shorter fit, per iteration.

    Both start from the same labels and do not stop before `max_iter`.
    """
    kind = MixtureOfLinearExperts
    if case.family != "gaussian":
        kind = MixtureOfLogisticExperts
    init = noisy_labels(labels, case.n_experts)
    seconds, n_iters = [], []
    for max_iter in (_SHORT, _LONG):
        estimator = kind(
            case.n_experts, init=init, tol=0, max_iter=max_iter, **parameters
        )
        seconds.append(best_time(lambda e=estimator: fit_quietly(e, X, y), repeats))
        n_iters.append(estimator.n_iter_)
    return (seconds[1] - seconds[0]) / (n_iters[1] - n_iters[0])
