"""What fits that are made of fits have in common."""

import numpy as np

from skmoe._validation import check_weights


def fit_of_many(estimator, X, y, known, is_quiet=True):
    """The estimator, fitted as one of many, whose rows are not judged.

    It warns of nothing if it is quiet.
    """
    estimator._is_quiet, estimator._trusts_rows = is_quiet, True
    estimator.fit(X, y, **known.given())
    del estimator._is_quiet, estimator._trusts_rows
    return estimator


def named_init(estimator):
    """Start of an estimator for other rows, where an array of these would not do."""
    return estimator.init if isinstance(estimator.init, str) else "short_runs"


def class_weighted(fit, y, sample_weight):
    """Weights of rows times those of the classes in a fit, (n,)."""
    weight = check_weights(sample_weight, y).copy()
    kept = weight > 0
    target = fit._fitted_target(np.asarray(y)[kept])
    weight[kept] = fit._class_weighted(weight[kept], target)
    return weight
