"""
============================================
Scalability: more experts and more features
============================================

The paper's experiments have two experts, and how EM fares with more of them and with
more features is left open.  Measured here, on mixtures of linear and of logistic
experts drawn at random: what an iteration costs, how many iterations it takes to come
within 1e-3 nats per sample of the best F found, and the product of both, in seconds.

Three solvers start from the same point, the labels of the truth blurred: EM (whose
M-step for softmaxes is one Newton step), EM accelerated by L-BFGS, which is skmoe's
default, and gradient descent with steps of Barzilai and Borwein.  EM's curvature costs
of the order of n (K d)^2 for the gate, n K d^2 for the experts, and a factorisation, in
each iteration; a gradient costs n K d.

Seconds are CPU seconds on one thread.  They belong to the machine: the picture shows
ratios to EM, and the table ends with exponents of growth.

Run it alone: ``python scalability.py [picture.png]``.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from common import COLOURS, draw_mixture, print_table, save
from matplotlib.ticker import LogLocator
from threadpoolctl import threadpool_limits

from skmoe.engine.descent import minimise
from skmoe.engine.m_step import project_responsibilities
from skmoe.solvers import AcceleratedEM, GradientDescent, MirrorDescent

SOLVERS = {
    "EM": lambda: MirrorDescent(1.0),
    "accelerated EM": AcceleratedEM,
    "GD": lambda: GradientDescent("auto"),
}
STYLES = {
    "EM": (COLOURS["EM"], "o"),
    "accelerated EM": (COLOURS["MD"], "s"),
    "GD": (COLOURS["GD"], "^"),
}
GAP = 1e-3  # nats per sample above the best F found
MORE_EXPERTS = [(2, 10), (4, 10), (8, 10), (16, 10)]  # (K, d)
MORE_FEATURES = [(4, 5), (4, 20), (4, 80)]


def blurred_start(mixture, expert, blur=0.6):
    """Parameters fitted to the latent labels (n,), mixed with uniform ones."""
    n_experts = mixture.n_experts
    onehot = np.arange(n_experts)[:, None] == expert
    return project_responsibilities(mixture, (1 - blur) * onehot + blur / n_experts)


def timed_run(mixture, theta, solver, max_iter):
    """F at the start and after each iteration, and mean CPU seconds of an iteration."""
    started = time.process_time()
    descent = minimise(mixture, theta, solver, max_iter, tol=0.01 * GAP)
    seconds = time.process_time() - started
    return descent.objective_curve, seconds / descent.n_iter


def measure(kind, n_experts, d, n, seed, max_iter):
    """Seconds per iteration and iterations to the gap of each solver, (2, S).

    Iterations are infinite for a solver that does not come so near.
    """
    instance, expert = draw_mixture(kind, n, d, n_experts, seed)
    mixture = instance.problem.mixture
    theta = blurred_start(mixture, expert)
    runs = [timed_run(mixture, theta, make(), max_iter) for make in SOLVERS.values()]
    best = min(curve.min() for curve, _ in runs)
    n_iter = []
    for curve, _ in runs:
        near = curve <= best + GAP
        n_iter.append(near.argmax() if near.any() else np.inf)
    return np.array([[seconds for _, seconds in runs], n_iter])


def experiment(
    experts=MORE_EXPERTS, features=MORE_FEATURES, n=10_000, instances=3, max_iter=300
):
    """Medians over instances, a dict from (kind, K, d) to an array (3, S).

    Its rows are seconds per iteration, iterations to the gap and seconds to the gap,
    its columns the solvers.
    """
    results = {}
    with threadpool_limits(1):
        for kind in ("linear", "logistic"):
            for n_experts, d in sorted({*experts, *features}):
                runs = np.array(
                    [
                        measure(kind, n_experts, d, n, seed, max_iter)
                        for seed in range(instances)
                    ]
                )
                runs = np.append(runs, runs.prod(axis=1, keepdims=True), axis=1)
                results[kind, n_experts, d] = np.median(runs, axis=0)
    return results


def along(results, kind, sizes):
    """Results of one kind at some (K, d), (len(sizes), 3, S)."""
    return np.stack([results[kind, n_experts, d] for n_experts, d in sizes])


def exponents(sizes, values):
    """Slopes of log values (len(sizes), 3, S) by log size, (3, S)."""
    logs = np.log(values).reshape(len(sizes), -1)
    slopes = np.full(logs.shape[1], np.nan)
    finite = np.isfinite(logs).all(axis=0)
    slopes[finite] = np.polyfit(np.log(sizes), logs[:, finite], 1)[0]
    return slopes.reshape(values.shape[1:])


def sweeps():
    """Name of what grows, its values, and the (K, d) along them."""
    features = sorted([*MORE_FEATURES, (4, 10)])
    return [
        ("K", [n_experts for n_experts, _ in MORE_EXPERTS], MORE_EXPERTS),
        ("d", [d for _, d in features], features),
    ]


def draw(results):
    """Figure of time per iteration and of time to the gap, as ratios to EM's."""
    figure, axes = plt.subplots(
        2, 2, figsize=(9, 6.4), sharex="col", sharey="row", layout="constrained"
    )
    for column, (name, values, sizes) in zip(axes.T, sweeps()):
        for ax, quantity in zip(column, (0, 2)):
            draw_ratios(ax, values, sizes, results, quantity)
        column[1].set_xlabel(f"{'Experts' if name == 'K' else 'Features'} {name}")
    axes[0, 0].set_title("More experts, d = 10")
    axes[0, 1].set_title("More features, K = 4")
    axes[0, 0].set_ylabel("Time per iteration\n(EM = 1)")
    axes[1, 0].set_ylabel(f"Time to within {GAP:g} nats\nper sample (EM = 1)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, loc="outside lower center", frameon=False)
    return figure


def draw_ratios(ax, values, sizes, results, quantity):
    """One panel: a line for each kind and solver, relative to EM of that kind."""
    for kind, line in (("linear", "-"), ("logistic", "--")):
        times = along(results, kind, sizes)[:, quantity]
        for number, (solver, (colour, marker)) in enumerate(STYLES.items()):
            if solver == "EM":
                continue
            ratio = times[:, number] / times[:, 0]
            ax.plot(
                values,
                ratio,
                line,
                color=colour,
                marker=marker,
                label=f"{solver}, {kind} experts",
            )
    ax.axhline(1, color=COLOURS["EM"], linewidth=1.5, zorder=0, label="EM")
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(values, [str(value) for value in values])
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.grid(axis="y", alpha=0.3)


def rows_of(results):
    """Rows of the table: medians at each size, then exponents of growth."""
    rows = []
    for kind, n_experts, d in results:
        each, n_iter, total = results[kind, n_experts, d]
        cells = [f"{1e3 * value:.1f}" for value in each]
        cells += [f"{value:.0f}" for value in n_iter]
        cells += [f"{value:.2g}" for value in total]
        rows.append([kind, n_experts, d, *cells])
    for kind in ("linear", "logistic"):
        for name, values, sizes in sweeps():
            slopes = exponents(values, along(results, kind, sizes)).ravel()
            ends = ["exponent", "10"] if name == "K" else ["4", "exponent"]
            # Adding zero drops the sign of a slope that is rounded to none.
            slopes = [f"{round(slope, 1) + 0:.1f}" for slope in slopes]
            rows.append([kind, *ends, *slopes])
    return rows


def main():
    results = experiment()
    save(draw(results), "scalability.png")
    names = ["EM", "accelerated", "GD"]
    quantities = ["ms per iteration", "iterations", "seconds"]
    heading = [f"{name}, {quantity}" for quantity in quantities for name in names]
    print_table(["experts", "K", "d", *heading], rows_of(results))


if __name__ == "__main__":
    main()
