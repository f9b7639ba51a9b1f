"""One fit, wherever its rows are: what it works on, and what becomes of it."""

from skmoe._fitted import STRUCTURE, check_as_fitted
from skmoe._restarts import FitTask, best_descent
from skmoe._validation import (
    check_enough,
    check_init,
    check_weights,
    of_positive_weight,
    restored_on_failure,
)
from skmoe.data.groups import averaged_by_group, check_groups
from skmoe.data.rows import rows_to_fit
from skmoe.engine.problem import canonical_rows
from skmoe.engine.sweep import IN_MEMORY, InMemory
from skmoe.engine.threads import block_map
from skmoe.solvers import AcceleratedEM


def fit_task(estimator, make_task):
    """The best descent on what `make_task(passes)` gives, a FitTask.

    The estimator gets the fitted attributes; an earlier fit survives errors.
    """
    # All of it: BLAS rounds in another way once another fit limits its threads.
    with restored_on_failure(estimator), block_map() as threads:
        task = make_task(InMemory(*threads))
        best = best_descent(task)
        for name, value in task.describe(best).items():
            setattr(estimator, name, value)
    return best


def task_of(
    estimator, rows, columns, n_seen, *, init=None, data=None, over=None, **how
):
    """Task of a fit that starts from some rows (X, targets, weights).

    `init` are responsibilities, `over` makes a mixture on all rows of the problem, and
    `how` are options of the problem.  A warm start goes on from the fitted attributes.
    """
    is_warm = goes_on(estimator)
    prior = estimator._fitted_prior() if is_warm else None
    problem = estimator._make_problem(*rows, columns, prior_noise=prior, **how)
    problem.learn_noise_prior(AcceleratedEM)
    start = estimator.init if init is None else init
    if is_warm:
        start = estimator._fitted_theta(problem)
    mixture = problem.mixture if over is None else over(problem)
    dtype = rows[0].dtype
    return FitTask(estimator, problem, mixture, start, dtype, n_seen, data)


def goes_on(estimator):
    """Whether a fit goes on from an earlier one, of the same model."""
    if not (estimator.warm_start and hasattr(estimator, "converged_")):
        return False
    purpose = "warm_start=True goes on from that"
    check_as_fitted(estimator, STRUCTURE, purpose, "set warm_start=False")
    return True


def task_in_memory(estimator, X, y, sample_weight, groups, passes=IN_MEMORY):
    """Task of a fit to arrays; the estimator learns names and classes."""
    X, y, columns = rows_to_fit(estimator, X, y)
    estimator._check_structure()
    goes_on(estimator)  # before y is taken for another model's
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
    rows = X, target, weight
    how = {"init": init, "data": data, "group": group, "passes": passes}
    return task_of(estimator, rows, columns, n_seen, **how)
