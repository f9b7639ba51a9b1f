"""Starts of a fit: one after another, or in parallel through joblib."""

import copy
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils import check_random_state

from skmoe._callbacks import FitProgress, print_iteration
from skmoe.engine.descent import Descent, minimise
from skmoe.engine.m_step import project_responsibilities
from skmoe.engine.mixture import Mixture
from skmoe.engine.one_expert import beats_one_expert
from skmoe.engine.problem import Problem
from skmoe.engine.rival import ConfirmedRival
from skmoe.engine.starts import (
    as_labelled,
    of_labels,
    one_more,
    starting_point,
    ways_out,
)
from skmoe.engine.state import Parameters
from skmoe.engine.threads import block_map
from skmoe.solvers import AcceleratedEM, make_solver

_SEEDS = 2**31 - 1
# Objectives that differ by `tol` are the same, within these bounds.
_ROUNDING, _CLEAR = 1e-8, 1e-5


class FitTask(NamedTuple):
    """What one fit works on, wherever its rows are."""

    estimator: Any
    problem: Problem  # on all rows, or on those that starts are made from
    mixture: Mixture  # that of the problem, with passes over all rows
    start: object  # a strategy's name, responsibilities (K, n) or Parameters
    dtype: Any = None  # of X
    n_seen: float | None = None  # rows, or their weight
    data: dict | None = None  # what callbacks see: X, y, metadata
    over: Any = None  # makes the mixture of a problem, where rows come in parts

    def describe(self, descent):
        """Fitted attributes after a descent, a dict."""
        if isinstance(self.start, str):
            descent = self.problem.ordered(descent)
        after = self.problem, self.dtype, self.n_seen
        return self.estimator._after_fit(descent, *after)


class _Plan(NamedTuple):
    """What every start has in common; it can be sent to another process."""

    sample: Mixture  # the rows in memory
    mixture: Mixture  # all rows; the same object where they are in memory
    start: object
    solver: str
    step_size: float | str
    max_iter: int
    tol: float

    @property
    def margin(self):
        """Difference of objectives that counts as none."""
        return float(np.clip(self.tol, _ROUNDING, _CLEAR))


class _First(NamedTuple):
    """What the first start led to; the others are compared with it."""

    descent: Descent
    is_clear: bool  # see `Start`


def best_descent(task):
    """The descent of the lowest objective among the starts of a fit."""
    estimator, start = task.estimator, task.start
    n_init = estimator.n_init if isinstance(start, str) else 1
    plan = _Plan(
        task.problem.mixture,
        task.mixture,
        start,
        estimator.solver,
        estimator.step_size,
        estimator.max_iter,
        estimator.tol,
    )
    rngs = start_rngs(estimator.random_state, n_init)
    progress = FitProgress(estimator, task.data, n_init, task.describe)
    report, finish = progress.run(0)
    first = _first(plan, rngs[0], report)
    finish(first.descent)
    others = list(enumerate(rngs))[1:]
    n_jobs = min(effective_n_jobs(estimator.n_jobs), len(others))
    if n_jobs <= 1 or progress.is_watched or plan.mixture is not plan.sample:
        found = _in_turn(plan, first, others, progress)
    else:
        found = _in_parallel(plan, first, others, n_jobs, estimator)
    best = first.descent
    for descent in found:
        # Another way to the same optimum is no better, whatever the last digits.
        if descent.objective < best.objective - plan.margin:
            best = descent
    report = partial(print_iteration, n_init) if estimator.verbose else None
    best = _escaped(best, plan, report)
    progress.finish(best)
    return best


def descent_from(task, theta):
    """The descent of a task from parameters, without callbacks."""
    estimator, mixture = task.estimator, task.mixture
    solver = make_solver(estimator.solver, estimator.step_size)
    stop = estimator.max_iter, estimator.tol
    return minimise(mixture, theta, solver, *stop, confirm=True)


def _escaped(best, plan, report):
    """The best descent, or of more if it is no better than that of one expert.

    Where experts are known, that from their labels alone is another.
    """
    sample = plan.sample
    if sample.known is not None and isinstance(plan.start, str):
        other = _from_theta(plan.mixture, plan, of_labels(sample), report)
        return min(best, other, key=_objective)
    if sample.n_experts == 1 or not best.converged or sample.known is not None:
        return best
    if _beats_one(best, plan):
        return best
    if not isinstance(plan.start, Parameters):
        starts = ways_out(sample, np.random.RandomState(0))
        others = (_from_theta(plan.mixture, plan, start, report) for start in starts)
        best = min([best, *others], key=_objective)
    return best._replace(is_collapsed=not _beats_one(best, plan))


def _beats_one(descent, plan):
    """Whether a descent ends lower than one expert, on the rows in memory."""
    sample, objective = plan.sample, descent.objective
    if plan.mixture is not sample:
        objective = sample.evaluate(descent.theta, curvature=False).objective
    return beats_one_expert(sample, objective, plan.margin)


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


def _in_turn(plan, first, others, progress):
    """Descents of the starts after the first, one after another."""
    for number, rng in others:
        report, finish = progress.run(number)
        descent = _another(plan, first, rng, number, report, plan.sample.passes)
        finish(descent)
        yield descent


def _in_parallel(plan, first, others, n_jobs, estimator):
    """As `_in_turn`, in processes or threads of the joblib backend in use."""
    n_threads = max(1, plan.sample.passes.n_threads // n_jobs)
    # joblib's own: scikit-learn's sets filters of warnings, which threads share.
    return Parallel(n_jobs=estimator.n_jobs)(
        delayed(_elsewhere)(plan, first, rng, number, n_threads, estimator.verbose)
        for number, rng in others
    )


def _elsewhere(plan, first, rng, number, n_threads, verbose):
    """One start with its share of the threads."""
    report = partial(print_iteration, number) if verbose else None
    with block_map(n_threads) as (map_threads, _):
        # Blocks in as many runs as without `n_jobs`, so that sums round alike.
        passes = plan.sample.passes._replace(map_threads=map_threads)
        return _another(plan, first, rng, number, report, passes)


def _first(plan, rng, report):
    """The first start and what follows from it."""
    sample, mixture = _afresh(plan, plan.sample.passes)
    theta, is_clear = plan.start, False
    if isinstance(theta, str):
        theta, is_clear = starting_point(sample, theta, rng, AcceleratedEM)
        theta = as_labelled(sample, theta)
    elif isinstance(theta, np.ndarray):
        theta = project_responsibilities(sample, theta)
    return _First(_from_theta(mixture, plan, theta, report), is_clear)


def _another(plan, first, rng, number, report, passes):
    """A later start's descent, broken off once it clearly ends no lower."""
    sample, mixture = _afresh(plan, passes)
    objective, margin = first.descent.objective, plan.margin
    rival = ConfirmedRival(sample, objective, margin)
    if first.is_clear:
        theta = one_more(sample, number - 1, rng, AcceleratedEM, rival)
    else:
        theta = starting_point(sample, plan.start, rng, AcceleratedEM).theta
    if rival.has_won:
        plan = plan._replace(max_iter=0)
    rival = ConfirmedRival(mixture, objective, margin)

    def is_over(*iteration):
        wants_end = report is not None and report(*iteration)
        return rival.report(*iteration) or wants_end

    return _from_theta(mixture, plan, as_labelled(sample, theta), is_over)


def _afresh(plan, passes):
    """The rows in memory and all rows, for a descent that knows of no other."""
    sample = plan.sample.afresh(passes)
    if plan.mixture is plan.sample:
        return sample, sample
    return sample, plan.mixture.afresh(plan.mixture.passes)


def _from_theta(mixture, plan, theta, report=None):
    """The descent from some parameters."""
    solver = make_solver(plan.solver, plan.step_size)
    return minimise(
        mixture, theta, solver, plan.max_iter, plan.tol, report, confirm=True
    )


def _objective(descent):
    """F where a descent ended."""
    return descent.objective
