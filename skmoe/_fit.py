"""One fit, wherever its rows are: what it works on, and what becomes of it."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from skmoe._docs import see
from skmoe._fitted import STRUCTURE, check_as_fitted, settings_of
from skmoe._penalty_units import heavy_penalties
from skmoe._restarts import FitTask, best_descent
from skmoe._validation import (
    check_enough,
    check_init,
    n_all_experts,
    restored_on_failure,
)
from skmoe.data.canonical import canonical_rows
from skmoe.data.groups import averaged_by_group, check_gate_sees_groups
from skmoe.data.rows import rows_to_fit
from skmoe.data.sample import sample_of
from skmoe.engine.sweep import IN_MEMORY, InMemory
from skmoe.engine.threads import block_map
from skmoe.solvers import AcceleratedEM


def fit_task(estimator, make_task):
    """What `make_task(passes)` gives, a FitTask, and the best descent on it.

    The estimator gets the fitted attributes; an earlier fit survives errors.
    """
    # All of it: BLAS rounds in another way once another fit limits its threads.
    with restored_on_failure(estimator), block_map() as threads:
        estimator._forget_learned()
        task = make_task(InMemory(*threads))
        task, best = estimator._refined(task, best_descent(task))
        for name, value in task.describe(best).items():
            setattr(estimator, name, value)
    return task, best


def task_of(
    estimator, rows, columns, n_seen, *, init=None, data=None, over=None, **how
):
    """Task of a fit that starts from some `Rows`.

    `init` are responsibilities, `over` makes a mixture on all rows of the problem, and
    `how` are options of the problem.  A warm start goes on from the fitted attributes.
    """
    is_warm = goes_on(estimator)
    prior = estimator._fitted_prior() if is_warm else None
    problem = estimator._make_problem(rows, columns, prior_noise=prior, **how)
    problem.learn_noise_prior(AcceleratedEM)
    start = estimator.init if init is None else init
    if is_warm:
        start = estimator._fitted_theta(problem)
    mixture = problem.mixture if over is None else over(problem)
    dtype = rows.X.dtype
    return FitTask(estimator, problem, mixture, start, dtype, n_seen, data, over)


def goes_on(estimator):
    """Whether a fit goes on from an earlier one, of the same model."""
    if not (estimator.warm_start and hasattr(estimator, "converged_")):
        return False
    purpose = "warm_start=True goes on from that"
    check_as_fitted(estimator, STRUCTURE, purpose, "set warm_start=False")
    return True


def task_in_memory(
    estimator,
    X,
    y,
    known,
    passes=IN_MEMORY,
):
    """Task of a fit to arrays; the estimator learns names and classes."""
    X, y, columns = rows_to_fit(estimator, X, y, known)
    estimator._check_structure()
    goes_on(estimator)  # before y is taken for another model's
    encoder = estimator._target_encoder()
    sample = sample_of(encoder, settings_of(estimator), X, y, known)
    metadata = known.given()  # for callbacks
    if "sample_weight" in metadata:
        metadata["sample_weight"] = sample.weight
    data = {"X": X, "y": y, "metadata": metadata or None}
    init = None
    if not isinstance(estimator.init, str):
        numbers = estimator.n_experts, n_all_experts(settings_of(estimator))
        init = check_init(estimator.init, X.shape[0], *numbers)
        init = init[:, sample.weight > 0]
    sample = sample.of_positive_weight()
    estimator._known = sample.known
    check_enough(estimator.n_experts, sample.X.shape[0], sample.group)
    if sample.group is not None:
        check_gate_sees_groups(estimator, sample, columns[0])
    encoder = estimator._learn_target(encoder.summary(sample.y))
    rows = sample.rows(encoder)
    rows = rows._replace(weight=estimator._class_weighted(rows.weight, rows.target))
    n_seen = rows.X.shape[0]
    if known.sample_weight is not None or estimator.class_weight is not None:
        n_seen = float(rows.weight.sum())
    if init is None:
        rows = canonical_rows(*rows)
    elif rows.group is not None:
        init = averaged_by_group(init, rows.weight, rows.group)
    how = {"init": init, "data": data, "passes": passes}
    return task_of(estimator, rows, columns, n_seen, **how)


def warn_of(estimator, task, best, stacklevel):
    """Warn of what is wrong with a finished fit, the best descent on a task."""
    if estimator._is_quiet:
        return
    if message := _lack_of_success(estimator, best):
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)
    mass = estimator._fitted["mass"]
    if estimator.point_mass is not None and mass[estimator.n_experts] == 0:
        warnings.warn(
            f"point_mass={estimator.point_mass!r}: y is never that, so that the expert "
            "there has no rows; give a value that y takes, or leave point_mass out."
            + see("Zeros in excess"),
            stacklevel=stacklevel,
        )
    lack_of_rows = estimator._fitted["lack_of_rows"]
    if lack_of_rows and not estimator._trusts_rows:
        warnings.warn(
            f"{lack_of_rows} Lower n_experts, raise alpha and gate_alpha, "
            "choose columns by expert_features and gate_features, or select them "
            "by l1_ratio." + see("More parameters than rows"),
            stacklevel=stacklevel,
        )
    if message := heavy_penalties(estimator, task, best):
        warnings.warn(message, stacklevel=stacklevel)


def _lack_of_success(estimator, best):
    """What is to be said of the best descent, or None."""
    if not best.converged:
        return _not_converged(estimator, best)
    if not best.is_collapsed:
        return None
    return (
        f"The {estimator.n_experts} experts coincide, or all but one have no rows: the "
        "fit is no better than that of one expert. Try more starts (n_init=10), "
        "scale X (StandardScaler) if columns vary little, give init as an array, or "
        "take fewer experts (n_experts=1)." + see("Starting points")
    )


def _not_converged(estimator, best):
    """What is to be said of a descent that ran out of iterations."""
    stopped = f"Stopped after {best.n_iter} of max_iter={estimator.max_iter} iterations"
    if best.n_iter < estimator.max_iter:
        return (
            f"{stopped}, since no step that was tried lowered the objective. Scale X "
            "and y, shorten a fixed step_size, or try other starts."
            + see("When a fit stops")
        )
    return (
        f"{stopped} before the objective converged to tol={estimator.tol}. Increase "
        "max_iter or tol, shorten a fixed step_size, or scale the features."
        + see("When a fit stops")
    )
