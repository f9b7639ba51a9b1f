"""Starts of a fit: one after another, or in parallel through joblib."""

import copy
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils import check_random_state

from skmoe._callbacks import FitProgress, print_iteration
from skmoe.engine.descent import minimise
from skmoe.engine.mixture import Mixture
from skmoe.engine.one_expert import OneExpert
from skmoe.engine.problem import Problem
from skmoe.engine.starts import starting_point, ways_out
from skmoe.engine.threads import block_map
from skmoe.solvers import make_solver

_SEEDS = 2**31 - 1
# Objectives that differ by `tol` are the same, within these bounds.
_ROUNDING, _CLEAR = 1e-8, 1e-5


class FitTask(NamedTuple):
    """What one call of fit works on."""

    problem: Problem
    init: np.ndarray | None  # given responsibilities, (K, n)
    warm: bool  # whether to go on from the fitted attributes
    data: dict | None  # what callbacks see: X, y, metadata
    describe: Callable | None  # Descent -> dict of fitted attributes


class _Plan(NamedTuple):
    """What every start has in common; it can be sent to another process."""

    mixture: Mixture
    start: object  # a strategy's name, responsibilities (K, n) or Parameters
    solver: str
    step_size: float | str
    max_iter: int
    tol: float


def best_descent(estimator, task, warm_theta=None):
    """The descent of the lowest objective among the starts of a fit.

    Parameters
    ----------
    estimator : BaseMixtureOfExperts
    task : FitTask of it
    warm_theta : Parameters, default=None
        Where to go on, in place of a start.
    """
    start = estimator.init if task.init is None else task.init
    start = start if warm_theta is None else warm_theta
    n_init = estimator.n_init if isinstance(start, str) else 1
    plan = _Plan(
        task.problem.mixture,
        start,
        estimator.solver,
        estimator.step_size,
        estimator.max_iter,
        estimator.tol,
    )
    rngs = start_rngs(estimator.random_state, n_init)
    progress = FitProgress(estimator, task.data, n_init, task.describe)
    n_jobs = min(effective_n_jobs(estimator.n_jobs), n_init)
    if n_jobs == 1 or progress.is_watched:
        best = _in_turn(plan, rngs, progress)
    else:
        best = _in_parallel(plan, rngs, n_jobs, estimator)
    descend = partial(_from_theta, plan.mixture, plan)
    best = escaped(best, plan.mixture, plan.tol, descend, warm_theta is None)
    progress.finish(best)
    return best


def escaped(best, rows, tol, descend, may_restart=True):
    """The best descent, or of more if it is no better than that of one expert.

    Parameters
    ----------
    best : Descent
    rows : Mixture, on all rows or many of them
    tol : float
    descend : callable, Parameters -> Descent
    may_restart : bool, whether other starts are allowed
    """
    if rows.n_experts == 1 or not best.converged:
        return best
    one, margin = OneExpert(rows), np.clip(tol, _ROUNDING, _CLEAR)
    if not one.is_as_good(rows, best.theta, margin):
        return best
    starts = ways_out(rows, np.random.RandomState(0)) if may_restart else []
    best = min(best, *map(descend, starts), key=last_objective) if starts else best
    return best._replace(is_collapsed=one.is_as_good(rows, best.theta, margin))


def start_rngs(random_state, n_init):
    """A generator for each start, whatever its turn and process.

    The first is that of a fit of one start.
    """
    rng = check_random_state(random_state)
    if n_init == 1:
        return [rng]
    first = copy.deepcopy(rng)
    seeds = rng.randint(_SEEDS, size=n_init - 1)
    return [first, *map(np.random.RandomState, seeds)]


def _in_turn(plan, rngs, progress):
    """The best of the starts made one after another; earlier ones win ties."""
    best = None
    for number, rng in enumerate(rngs):
        report, finish = progress.run(number)
        descent = _descent(plan, rng, report, plan.mixture.passes)
        finish(descent)
        if best is None or last_objective(descent) < last_objective(best):
            best = descent
    return best


def _in_parallel(plan, rngs, n_jobs, estimator):
    """As `_in_turn`, in processes or threads of the joblib backend in use."""
    passes = plan.mixture.passes
    n_threads = max(1, passes.n_threads // n_jobs)
    # A pool cannot be pickled.
    mixture = plan.mixture.afresh(passes._replace(map_threads=map))
    plan = plan._replace(mixture=mixture)
    # joblib's own: scikit-learn's sets filters of warnings, which threads share.
    descents = Parallel(n_jobs=estimator.n_jobs)(
        delayed(_elsewhere)(plan, rng, number, n_threads, estimator.verbose)
        for number, rng in enumerate(rngs)
    )
    return min(descents, key=last_objective)


def _elsewhere(plan, rng, number, n_threads, verbose):
    """One start with its share of the threads."""
    report = partial(print_iteration, number) if verbose else None
    with block_map(n_threads) as (map_threads, _):
        # Blocks in as many runs as without `n_jobs`, so that sums round alike.
        passes = plan.mixture.passes._replace(map_threads=map_threads)
        return _descent(plan, rng, report, passes)


def _descent(plan, rng, report, passes):
    """One start and what follows from it."""
    mixture, start = plan.mixture.afresh(passes), plan.start
    if isinstance(start, str):
        start = starting_point(mixture, start, rng)
    elif isinstance(start, np.ndarray):
        start = mixture.project_responsibilities(start)
    return _from_theta(mixture, plan, start, report)


def _from_theta(mixture, plan, theta, report=None):
    """The descent from some parameters."""
    solver = make_solver(plan.solver, plan.step_size)
    return minimise(
        mixture, theta, solver, plan.max_iter, plan.tol, report, confirm=True
    )


def last_objective(descent):
    """F where a descent ended."""
    return descent.objective_curve[-1]
