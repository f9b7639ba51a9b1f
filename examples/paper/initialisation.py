"""
=====================================
How near to the truth EM has to start
=====================================

The paper shows that EM converges linearly to the true parameters from a start in a
region around them where F is strongly convex relative to the mirror map A.  Here EM
starts at growing distances from the truth, in units of the true parameters' norm and in
random directions, for several signal-to-noise ratios and for both models.  Measured are

- the share of starts from which EM reaches F within 0.001 nats per sample of the best
  optimum known of the data set (from the truth, or from any of its starts);
- the share of starts where F's Hessian in beta and w is positive definite, so that its
  smallest eigenvalue relative to the Hessian of A is positive: there the theory holds.
  The linear model's noise variance is known in the paper and estimated here; with it
  as a further parameter fewer starts pass, and the table tells how many.

EM is slow at low signals, and a plateau looks like an optimum.  So after 300 iterations
skmoe's accelerated EM, where F never rises either, goes on to the optimum.

A flat F would make for easy success: the table also tells how many starts are as good
as the best optimum before the first iteration.

Run it with ``python initialisation.py [picture.png]``.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from common import best_near, print_table, save, start_near, symmetric_instance

from skmoe.engine.descent import minimise
from skmoe.engine.information import information_matrices
from skmoe.solvers import MirrorDescent

MODELS = {"linear": "SymMoLinE", "logistic": "SymMoLogE"}
DISTANCES = (0.0625, 0.25, 0.5, 1.0, 2.0, 4.0)
SIGNALS = (0.5, 1.0, 2.0, 4.0, 8.0)
GATE_SIGNAL = 2.0
SUCCESS = 1e-3  # nats per sample above the best optimum known
_TOLERANCE = 1e-6


class Starts(NamedTuple):
    """What became of the starts, arrays of shape (signals, instances, distances)."""

    before: np.ndarray  # F at the start, less the best optimum's
    after: np.ndarray  # F at the optimum it leads to, less the best optimum's
    convexity: np.ndarray  # smallest eigenvalue of F's Hessian in beta and w
    full_convexity: np.ndarray  # the same with the noise variance among the parameters


def relative_convexity(problem, theta):
    """Smallest eigenvalue of F's Hessian relative to A's, without and with noise."""
    matrices = information_matrices(problem.mixture, theta)
    coefs = matrices.take(np.arange(theta.gate.size + theta.experts.size))
    return coefs.strong_convexity(), matrices.strong_convexity()


def run_instance(instance, distances, rng, max_iter):
    """Starts of one data set, a tuple as of `Starts`, (distances,) each."""
    problem = instance.problem
    _, best = best_near(problem, instance.theta)
    measured = []
    for distance in distances:
        start = start_near(instance, distance, rng)
        run = minimise(problem.mixture, start, MirrorDescent(1.0), max_iter, _TOLERANCE)
        before = run.objective_curve[0]
        _, after = best_near(problem, run.theta)
        measured.append((before, after, *relative_convexity(problem, start)))
    before, after, *convexities = np.transpose(measured)
    best = min(best, after.min())
    return before - best, after - best, *convexities


def experiment(
    instances=20, n=3000, d=5, signals=SIGNALS, distances=DISTANCES, max_iter=300
):
    """`Starts` of each kind of model, a dict."""
    results = {}
    for kind in MODELS:

        def run_one(signal, seed, kind=kind):
            instance = symmetric_instance(kind, n, d, signal, GATE_SIGNAL, seed)
            rng = np.random.default_rng([seed, 1])
            return run_instance(instance, distances, rng, max_iter)

        measured = [
            [run_one(signal, seed) for seed in range(instances)] for signal in signals
        ]
        results[kind] = Starts(*np.moveaxis(measured, 2, 0))
    return results


def draw(results, signals=SIGNALS, distances=DISTANCES):
    """Shares of success (left) and of convexity (right), a row for each model."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for row, (kind, starts) in zip(axes, results.items()):
        shares = {
            "EM reaches the best optimum": starts.after <= SUCCESS,
            "F is convex at the start": starts.convexity > 0,
        }
        for ax, (name, holds) in zip(row, shares.items()):
            shown = _draw_map(ax, holds.mean(axis=1), signals, distances)
            ax.set_title(f"{MODELS[kind]}: {name}")
    figure.colorbar(shown, ax=axes, label="share of the starts", shrink=0.7)
    return figure


def _draw_map(ax, share, signals, distances):
    """Share by distance and signal, as numbers on colours."""
    shown = ax.imshow(
        share, origin="lower", vmin=0, vmax=1, cmap="cividis", aspect="auto"
    )
    ax.set_xticks(range(len(distances)), [f"{value:g}" for value in distances])
    ax.set_yticks(range(len(signals)), [f"{value:g}" for value in signals])
    ax.set(
        xlabel="distance of the start from the truth, relative",
        ylabel=r"signal $\|\beta\|$",
    )
    for (i, j), value in np.ndenumerate(share):
        colour = "black" if value > 0.5 else "white"
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
    return shown


def rows(results, distances=DISTANCES):
    """Rows of the table: shares over all signals."""
    for kind, starts in results.items():
        success, convex = starts.after <= SUCCESS, starts.convexity > 0
        for j, distance in enumerate(distances):
            yield (
                MODELS[kind],
                f"{distance:g}",
                *(
                    _share(holds[..., j])
                    for holds in (
                        starts.before <= SUCCESS,
                        success,
                        convex,
                        starts.full_convexity > 0,
                    )
                ),
                _share(success[..., j][convex[..., j]]),
                _share(success[..., j][~convex[..., j]]),
            )


def _share(holds):
    """Mean of booleans in percent, or a dash where there are none."""
    return f"{holds.mean():.0%}" if holds.size else "-"


def main():
    """Run, print the table, save the picture."""
    results = experiment()
    heading = (
        "Model",
        "Distance",
        "Best before EM",
        "Best after EM",
        "Convex",
        "... noise included",
        "Best after EM, of the convex",
        "... of the others",
    )
    print_table(heading, rows(results))
    save(draw(results), "initialisation.png")


if __name__ == "__main__":
    main()
