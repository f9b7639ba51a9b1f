"""
=========================================================
Batch size: online EM against stochastic gradient descent
=========================================================

The paper asks which batch size is best for EM, and how it compares with the best one
for gradient descent, and leaves it open.  Measured here: how far F of all rows is above
its minimum after a fixed number of passes over the data, by batch size.

Online EM is mirror descent on running moments (Cappe and Moulines 2009): batch t counts
for ``t**-exponent`` of them, with an exponent of 0.6 or 1, and nothing else to tune.
The gradient's step is tuned for each batch size and number of passes, by the median
F over the instances, and shrinks as ``(1 + passes)**-0.6``; its grid is in units of the
square root of the batch's share of the data.  Lines for EM, and for gradient descent
with the best fixed step, both on all rows, are there to compare.

A pass costs the same work in all of them but for overhead per batch, which favours
large batches on a clock: this is about passes, not seconds.

Run it alone: ``python batch_size.py [picture.png]``.
"""

import matplotlib.pyplot as plt
import numpy as np
from common import (
    COLOURS,
    best_near,
    draw_mixture,
    print_table,
    save,
    start_near,
    trace,
)

from skmoe.solvers import (
    GradientDescent,
    MirrorDescent,
    StochasticGradientDescent,
    StochasticMirrorDescent,
)

BATCH_SIZES = (20, 60, 200, 600, 2000, 5000, 10_000)
PASSES = (1, 3, 10)
EXPONENTS = (0.6, 1.0)
N_FEATURES, N_EXPERTS = 5, 2
# Steps of the gradient, times sqrt(batch size / rows) for batches.
STEPS = {"linear": (0.1, 0.3, 1.0, 3.0), "logistic": (1.0, 3.0, 10.0, 30.0, 100.0)}
STYLES = {
    "online EM, 0.6": (COLOURS["EM"], "o-"),
    "online EM, 1": (COLOURS["MD"], "s--"),
    "stochastic GD": (COLOURS["GD"], "^-"),
}


def runs_of(drawn, starts, make):
    """F after each pass by the solver of `make(seed)`, (instances, passes + 1)."""
    return np.array(
        [
            trace(instance.problem, theta, make(seed), max(PASSES))[0]
            for seed, (instance, theta) in enumerate(zip(drawn, starts))
        ]
    )


def tuned(runs):
    """Runs (steps, instances, passes + 1) with the step that is best for each pass.

    Returns F (instances, passes + 1) and the indices of the steps (passes + 1,).
    """
    best = np.median(runs, axis=1).argmin(axis=0)
    return np.stack([runs[s, :, j] for j, s in enumerate(best)], axis=1), best


def online_em(drawn, starts, batch_size, exponent):
    """F of online EM, (instances, passes + 1)."""
    return runs_of(
        drawn,
        starts,
        lambda seed: StochasticMirrorDescent(batch_size, exponent, random_state=seed),
    )


def stochastic_gd(drawn, starts, batch_size, steps, n):
    """F of the tuned gradient on batches, and the steps chosen, (passes + 1,)."""
    steps = np.array(steps) * np.sqrt(batch_size / n)
    runs = [
        runs_of(
            drawn,
            starts,
            lambda seed, step=step: StochasticGradientDescent(
                batch_size, step, decay=n / batch_size, random_state=seed
            ),
        )
        for step in steps
    ]
    values, best = tuned(np.stack(runs))
    return values, steps[best]


def experiment(n=10_000, instances=5, batch_sizes=BATCH_SIZES, kinds=tuple(STEPS)):
    """F above its minimum, and the gradient's steps, two dicts.

    Gaps are (batch sizes, instances, passes + 1) for (kind, method on batches) and
    (instances, passes + 1) for (kind, method on all rows); steps are (batch sizes,
    passes + 1) for each kind.  The minimum of an instance is the lowest F that any run
    on it finds, EM from the truth included.
    """
    gaps, chosen = {}, {}
    for kind in kinds:
        drawn = [
            draw_mixture(kind, n, N_FEATURES, N_EXPERTS, seed)[0]
            for seed in range(instances)
        ]
        starts = [
            start_near(instance, 0.5, np.random.default_rng(seed))
            for seed, instance in enumerate(drawn)
        ]
        values = {
            f"online EM, {exponent:g}": np.stack(
                [online_em(drawn, starts, size, exponent) for size in batch_sizes]
            )
            for exponent in EXPONENTS
        }
        curves, steps = zip(
            *(
                stochastic_gd(drawn, starts, size, STEPS[kind], n)
                for size in batch_sizes
            )
        )
        values["stochastic GD"], chosen[kind] = np.stack(curves), np.stack(steps)
        values["EM"] = runs_of(drawn, starts, lambda seed: MirrorDescent(1.0))
        grid = [
            runs_of(drawn, starts, lambda seed, step=step: GradientDescent(step))
            for step in STEPS[kind]
        ]
        values["GD"] = tuned(np.stack(grid))[0]
        lowest = np.array(
            [best_near(instance.problem, instance.theta)[1] for instance in drawn]
        )
        for method in values:
            axes = (0, 2) if values[method].ndim == 3 else 1
            lowest = np.minimum(lowest, values[method].min(axis=axes))
        for method in values:
            gaps[kind, method] = values[method] - lowest[:, None]
    return gaps, chosen


def draw(gaps):
    """Figure of the gap by batch size, for each kind and number of passes."""
    figure, axes = plt.subplots(
        2, 3, figsize=(11, 6.6), sharex=True, sharey="row", layout="constrained"
    )
    for row, kind in zip(axes, STEPS):
        for ax, n_passes in zip(row, PASSES):
            draw_passes(ax, gaps, kind, n_passes)
            ax.set_title(
                f"{kind.capitalize()} experts, {n_passes} "
                f"{'pass' if n_passes == 1 else 'passes'}"
            )
        row[0].set_ylabel("F above its minimum\n(nats per sample)")
    for ax in axes[1]:
        ax.set_xlabel("Batch size (rows)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=5, loc="outside lower center", frameon=False)
    return figure


def draw_passes(ax, gaps, kind, n_passes):
    """One panel: medians, and middle 80 % of the instances."""
    for method, (colour, line) in STYLES.items():
        low, middle, high = np.quantile(
            gaps[kind, method][:, :, n_passes], [0.1, 0.5, 0.9], axis=1
        )
        ax.plot(BATCH_SIZES, middle, line, color=colour, label=method, markersize=5)
        ax.fill_between(BATCH_SIZES, low, high, color=colour, alpha=0.15)
    for method in ("EM", "GD"):
        ax.axhline(
            np.median(gaps[kind, method][:, n_passes]),
            color=COLOURS[method],
            linestyle=":",
            linewidth=1.8,
            label=f"{method}, all rows",
        )
    ax.set(xscale="log", yscale="log")


def rows_of(gaps, chosen):
    """Rows of the table: median gaps for each batch size."""
    rows = []
    for kind in STEPS:
        for number, batch_size in enumerate(BATCH_SIZES):
            cells = [
                f"{value:.1e}"
                for method in STYLES
                for value in np.median(gaps[kind, method][number], axis=0)[list(PASSES)]
            ]
            rows.append([kind, batch_size, *cells, f"{chosen[kind][number, -1]:.2g}"])
        whole = {
            method: [
                f"{value:.1e}"
                for value in np.median(gaps[kind, method], axis=0)[list(PASSES)]
            ]
            for method in ("EM", "GD")
        }
        empty = [""] * len(PASSES)
        rows.append([kind, "all, fixed step", *whole["EM"], *empty, *whole["GD"], ""])
    return rows


def main():
    gaps, chosen = experiment()
    save(draw(gaps), "batch_size.png")
    heading = [f"{method}: {passes}" for method in STYLES for passes in PASSES]
    print("Median gaps (nats per sample) after 1, 3 and 10 passes.\n")
    print_table(
        ["experts", "batch size", *heading, "GD's step, 10 passes"],
        rows_of(gaps, chosen),
    )


if __name__ == "__main__":
    main()
