"""Degrees of freedom of t noise that are learned: the profile of F over them.

One number for all experts.  With it the scales of the noise and the experts change, so
that each value has a descent of its own, which goes on from the nearest so far.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from skmoe._restarts import descent_from
from skmoe.distributions import StudentT

# Where fits begin, and all values that there can be: noise is as good as normal beyond.
FIRST_DF, LEAST_DF, MOST_DF = 4.0, 0.5, 200.0
# Logarithms of degrees of freedom that differ by less are the same.
_TOL = 1e-3
# Of two that are as good, so much of F, in nats per row, the bound is taken.
_ROUNDING = 1e-9


def is_at_bound(df):
    """Whether degrees of freedom are held by a bound, and not by the data."""
    return not LEAST_DF < df < MOST_DF


def learned(task, first):
    """Task and descent of the degrees of freedom of lowest F, from the first descent.

    As an iteration of the fit.
    """
    start = task.problem.specification.distribution.df
    tasks, found = {start: task}, {start: first}

    def objective(df):
        """F at its optimum."""
        nearest = min(found, key=lambda other: abs(np.log(other / df)))
        tasks[df] = _task_with(task, df)
        found[df] = descent_from(tasks[df], found[nearest].theta)
        return found[df].objective

    ends = LEAST_DF, MOST_DF
    best = np.exp(
        minimize_scalar(
            lambda log_df: objective(np.exp(log_df)),
            bounds=np.log(ends),
            method="bounded",
            options={"xatol": _TOL},
        ).x
    )
    for end in ends:
        if abs(np.log(best / end)) < 10 * _TOL:
            at_best = found[best].objective
            if objective(end) < at_best + _ROUNDING:
                best = end
    last = found[best]
    curve = np.append(first.objective_curve, last.objective)
    return tasks[best], first._replace(
        theta=last.theta,
        mass=last.mass,
        objective_curve=curve,
        n_iter=first.n_iter + 1,
        converged=last.converged,
    )


def problem_with(problem, df):
    """The same problem with other degrees of freedom."""
    n_outputs = problem.specification.distribution.n_predictors
    return problem.with_distribution(StudentT(float(df), n_outputs))


def _task_with(task, df):
    """The same task with other degrees of freedom."""
    problem = problem_with(task.problem, df)
    mixture = problem.mixture if task.over is None else task.over(problem)
    return task._replace(problem=problem, mixture=mixture)
