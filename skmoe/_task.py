"""What one call of fit works on, validated."""

import numpy as np

from skmoe._fitted import STRUCTURE, check_as_fitted
from skmoe._groups import averaged_by_group, check_groups
from skmoe._restarts import FitTask
from skmoe._rows import rows_to_fit
from skmoe._validation import check_enough, check_init, check_weights
from skmoe.engine.problem import canonical_rows
from skmoe.engine.sweep import IN_MEMORY


def make_task(estimator, X, y, sample_weight, groups, passes=IN_MEMORY):
    """Validate everything that fit needs; the estimator learns names and classes."""
    X, y, columns = rows_to_fit(estimator, X, y)
    estimator._check_structure()
    warm = goes_on(estimator)
    weight = check_weights(sample_weight, X)
    group = check_groups(groups, X.shape[0])
    metadata = {} if sample_weight is None else {"sample_weight": weight}
    metadata |= {} if groups is None else {"groups": groups}
    data = {"X": X, "y": y, "metadata": metadata or None}
    init = None
    if not isinstance(estimator.init, str):
        init = check_init(estimator.init, X.shape[0], estimator.n_experts)
        init = init[:, weight > 0]
    X, y, weight, group = of_positive_weight(X, y, weight, group)
    check_enough(estimator.n_experts, X.shape[0], group)
    encoder = estimator._learn_target(estimator._target_encoder().summary(y))
    target = encoder.encode(y)
    weight = estimator._class_weighted(weight, target)
    n_seen = X.shape[0]
    if sample_weight is not None or estimator.class_weight is not None:
        n_seen = float(weight.sum())
    if init is None:
        X, target, weight, group = canonical_rows(X, target, weight, group)
    elif group is not None:
        init = averaged_by_group(init, weight, group)
    prior = estimator._fitted_prior() if warm else None
    problem = estimator._make_problem(
        X, target, weight, columns, group=group, prior_noise=prior, passes=passes
    )

    def describe(descent):
        if not warm and init is None:
            descent = problem.ordered(descent)
        return estimator._after_fit(descent, problem, X.dtype, n_seen)

    return FitTask(problem, init, warm, data, describe)


def goes_on(estimator):
    """Whether a fit goes on from an earlier one, of the same model."""
    if not (estimator.warm_start and hasattr(estimator, "converged_")):
        return False
    purpose = "warm_start=True goes on from that"
    check_as_fitted(estimator, STRUCTURE, purpose)
    return True


def of_positive_weight(X, y, weight, group):
    """The rows of positive weight; X, y, weight and codes of groups, or None."""
    kept = np.flatnonzero(weight)
    if kept.size == weight.size:
        return X, y, weight, group
    group = None if group is None else check_groups(group[kept], kept.size)
    return X[kept], y[kept], weight[kept], group
