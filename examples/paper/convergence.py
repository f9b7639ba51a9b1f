"""
==============================================
EM, gradient EM and gradient descent: how fast
==============================================

The paper claims that EM beats gradient EM and gradient descent, in convergence rate and
in final accuracy, on data of symmetric mixtures of two linear (SymMoLinE) and of two
logistic experts (SymMoLogE).  Here all start from the same points, at half the norm of
the true parameters from them, and are compared iteration by iteration: the objective's
gap to the best optimum known, and the distance of beta and w from the truth.

EM takes the mirror step 1; with logistic experts its M-step is one Newton step.
Gradient EM replaces the M-step by five gradient steps on the M-step's objective; with
one step it would be gradient descent on F.  Both gradient methods have a fixed step
size, tuned on a grid.  An iteration of EM or gradient descent is one pass over the
data, one of gradient EM six.  A further gradient descent, skmoe's ``solver='gd'``,
chooses each step itself (Barzilai and Borwein 1988); where it backtracks, an iteration
is two passes or more.

With the signal of the linear model the likelihood of 1000 logistic samples has no
maximum in about half of the data sets (parameters grow for ever); the logistic model
has twice the signal.  The linear model's noise variance is estimated too.

Run it with ``python convergence.py [picture.png]``.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from common import (
    COLOURS,
    best_near,
    parameter_error,
    plot_band,
    print_table,
    save,
    start_near,
    symmetric_instance,
    trace,
)

from skmoe.solvers import GradientDescent, GradientSteps, MirrorDescent

MODELS = {
    "linear": ("SymMoLinE", {"signal": 2.0, "gate_signal": 1.0}),
    "logistic": ("SymMoLogE", {"signal": 4.0, "gate_signal": 2.0}),
}
GRID = 2.0 ** np.arange(-3, 5)  # step sizes tried
N_STEPS = 5  # of gradient EM
SOLVERS = {
    "EM": lambda step_size: MirrorDescent(1.0),
    "gradient EM": lambda step_size: MirrorDescent(
        1.0, GradientSteps(N_STEPS, step_size)
    ),
    "GD": GradientDescent,
    "GD, Barzilai-Borwein": lambda step_size: GradientDescent("auto"),
}
TUNED = ("gradient EM", "GD")
REACHED, EXACT = 1e-3, 1e-6  # gaps in nats per sample
_ROUNDING = 1e-14  # gaps below are not drawn


class Runs(NamedTuple):
    """One solver on all instances."""

    step_size: float  # the tuned one, or nan
    gap: np.ndarray  # F less the best optimum's, (instances, n_iter + 1)
    error: np.ndarray  # distance from the truth, (instances, n_iter + 1)


class Task(NamedTuple):
    """An instance with its start and the lowest optimum known."""

    instance: object
    start: tuple
    optimum: float


def make_task(kind, seed, n, d, distance):
    """A data set, a start, and the lower of the optima near start and truth."""
    instance = symmetric_instance(kind, n=n, d=d, seed=seed, **MODELS[kind][1])
    start = start_near(instance, distance, np.random.default_rng([seed, 1]))
    optima = [best_near(instance.problem, near) for near in (start, instance.theta)]
    return Task(instance, start, min(value for _, value in optima))


def run(tasks, name, step_size, n_iter):
    """The solver of that name on all tasks, a `Runs`."""
    gaps, errors = [], []
    for instance, start, optimum in tasks:
        solver = SOLVERS[name](step_size)
        curve, error = trace(
            instance.problem,
            start,
            solver,
            n_iter,
            lambda theta, instance=instance: parameter_error(instance, theta),
        )
        gaps.append(curve - optimum)
        errors.append(error)
    return Runs(step_size, np.array(gaps), np.array(errors))


def iterations_to(gap, bound):
    """First iteration with a gap up to `bound` or else inf, (instances,)."""
    met = gap <= bound
    return np.where(met.any(axis=1), met.argmax(axis=1), np.inf)


def tuned(tasks, name, grid, n_iter):
    """The step size whose median instance is exact first, or else ends lowest.

    Where several step sizes end at the optimum, the final objective tells them apart by
    rounding only.
    """

    def score(step_size):
        gap = run(tasks, name, step_size, n_iter).gap
        return np.median(iterations_to(gap, EXACT)), np.median(gap[:, -1])

    return min(grid, key=score)


def experiment(
    instances=50, n=1000, d=10, n_iter=400, distance=0.5, grid=GRID, tuned_on=10
):
    """Runs of all solvers, ``results[kind][solver]``, tuned on the first instances."""
    results = {}
    for kind in MODELS:
        tasks = [make_task(kind, seed, n, d, distance) for seed in range(instances)]
        results[kind] = {}
        for name in SOLVERS:
            step_size = np.nan
            if name in TUNED:
                step_size = tuned(tasks[:tuned_on], name, grid, n_iter)
            results[kind][name] = run(tasks, name, step_size, n_iter)
    return results


def draw(results):
    """Gap (left) and parameter error (right) by iteration, a row for each model."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for row, (kind, runs) in zip(axes, results.items()):
        for name, (_, gap, error) in runs.items():
            for ax, values in zip(row, (np.maximum(gap, _ROUNDING), error)):
                if name in COLOURS:
                    plot_band(ax, values, name)
                else:
                    ax.plot(
                        np.median(values, axis=0), ":", c=COLOURS["other"], label=name
                    )
        for ax in row:
            ax.set_xscale("symlog", linthresh=1)
            ax.set_xlim(0, gap.shape[1] - 1)
            ax.set(xlabel="iteration", title=MODELS[kind][0])
            ax.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        row[0].set(yscale="log", ylabel="gap in F (nats per sample)")
        row[1].set(ylabel=r"error of $(\beta, w)$", ylim=(0, None))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def rows(results):
    """Rows of the table."""
    for kind, runs in results.items():
        for name, (step_size, gap, error) in runs.items():
            yield (
                MODELS[kind][0],
                name,
                "" if np.isnan(step_size) else f"{step_size:g}",
                *(_count(iterations_to(gap, bound), gap) for bound in (REACHED, EXACT)),
                f"{np.mean(gap[:, -1] <= REACHED):.0%}",
                _spread(error.min(axis=1)),
                _spread(error[:, -1]),
            )


def _count(counts, gap):
    """Median iterations and the middle 80 %; those never met lie beyond the last."""
    quantiles = np.quantile(counts, [0.5, 0.1, 0.9], method="inverted_cdf")
    last = gap.shape[1] - 1
    middle, low, high = (f"{q:.0f}" if q <= last else f"> {last}" for q in quantiles)
    return f"{middle} ({low} to {high})"


def _spread(errors):
    """Median and middle 80 %."""
    low, middle, high = np.quantile(errors, [0.1, 0.5, 0.9])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main():
    """Run, print the table, save the picture."""
    results = experiment()
    heading = (
        "Model",
        "Solver",
        "Step size",
        f"Iterations to a gap of {REACHED:g}",
        f"... of {EXACT:g}",
        "Best optimum reached",
        "Lowest error on the way",
        "Final error",
    )
    print_table(heading, rows(results))
    save(draw(results), "convergence.png")


if __name__ == "__main__":
    main()
