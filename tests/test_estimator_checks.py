"""scikit-learn's own suite: every check, every solver, symmetric and not."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

# Gradient descent needs many iterations on the suite's tiny data.
MAX_ITER = {"em": 1000, "md": 1000, "gd": 20_000}

ESTIMATORS = [
    estimator(solver=solver, symmetric=symmetric, max_iter=MAX_ITER[solver])
    for estimator in (MixtureOfLinearExperts, MixtureOfLogisticExperts)
    for solver in ("em", "md", "gd")
    for symmetric in (False, True)
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    try:
        check(estimator)
    except pytest.skip.Exception as skipped:  # pragma: no cover
        pytest.fail(f"skipped: {skipped}")
