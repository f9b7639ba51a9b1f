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
    tasks, found = {np.log(FIRST_DF): task}, {np.log(FIRST_DF): first}

    def objective(log_df):
        """F at its optimum."""
        nearest = min(found, key=lambda other: abs(other - log_df))
        tasks[log_df] = with_df(task, np.exp(log_df))
        found[log_df] = descent_from(tasks[log_df], found[nearest].theta)
        return found[log_df].objective_curve[-1]

    ends = np.log([LEAST_DF, MOST_DF])
    best = minimize_scalar(
        objective, bounds=ends, method="bounded", options={"xatol": _TOL}
    ).x
    for end, bound in zip(ends, (LEAST_DF, MOST_DF)):
        if abs(best - end) < 10 * _TOL:
            at_end = objective(end)
            tasks[end] = with_df(task, bound)
            if at_end < found[best].objective_curve[-1] + _ROUNDING:
                best = end
    last = found[best]
    curve = np.append(first.objective_curve, last.objective_curve[-1])
    return tasks[best], first._replace(
        theta=last.theta,
        mass=last.mass,
        objective_curve=curve,
        n_iter=first.n_iter + 1,
        converged=last.converged,
    )


def with_df(task, df):
    """The same task with other degrees of freedom."""
    before = task.problem.specification.distribution
    distribution = StudentT(float(df), before.n_predictors)
    problem = task.problem.with_distribution(distribution)
    mixture = problem.mixture if task.over is None else task.over(problem)
    return task._replace(problem=problem, mixture=mixture)
