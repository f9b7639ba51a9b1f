"""
=============================================
Other mirror maps: the regulariser exchanged
=============================================

EM is mirror descent with the Kullback-Leibler divergence of the complete data as its
regulariser.  Whether other Bregman divergences help, for instance against poor starts,
is open.  In skmoe a mirror map is one small class with an attribute `patience` and two
methods, `evaluate` and `step`, for the same loop; this script defines two that the
package does not have, and runs them beside those that it has:

- `FixedMetric`: the divergence ``||theta - theta_t||^2 / 2`` in the metric of the
  complete information at the start, or of its diagonal: gradient descent
  preconditioned once;
- `DampedKL`: KL to second order, plus ``delta / 2 ||theta - theta_t||^2``.

Measured: how far F is above the best found, by iterations, and how often a run ends
within 1e-3 nats per sample of it, from starts at growing distances from the truth.
Steps of the maps with a fixed metric, the Euclidean one included, are tuned on a grid
for each kind of data and each distance, by the median of the final F.

Run it alone: ``python mirror_maps.py [picture.png]``.
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
    symmetric_instance,
    trace,
)

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.information import information_matrices
from skmoe.solvers import GradientDescent, MirrorDescent

GAP = 1e-3  # nats per sample above the best F found
DISTANCES = (0.5, 1.0, 2.0, 4.0)  # of starts, in norms of the true coefficients
SHOWN = 1.0  # the distance whose curves are drawn
FLOOR = 1e-10  # gaps below this are rounding
METRIC_STEPS = (0.03, 0.1, 0.3, 0.7, 1.0, 1.5)
DAMPINGS = (1e-3, 1e-2, 1e-1)
EUCLIDEAN_STEPS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SETTINGS = {
    "linear, symmetric": lambda seed: symmetric_instance("linear", seed=seed),
    "logistic, symmetric": lambda seed: symmetric_instance(
        "logistic", d=5, signal=4.0, gate_signal=2.0, seed=seed
    ),
    "linear, K = 3": lambda seed: draw_mixture("linear", 1000, 5, 3, seed)[0],
    "logistic, K = 3": lambda seed: draw_mixture("logistic", 1000, 5, 3, seed)[0],
}


class FixedMetric:
    """Steps ``theta - eta D^-1 grad F``, D the complete information at the start."""

    patience = 10

    def __init__(self, step_size, diagonal=False):
        self.step_size, self.diagonal, self.metric = step_size, diagonal, None

    def evaluate(self, mixture, theta):
        """State at `theta` with the gradient's statistics."""
        return mixture.evaluate(theta, curvature=False)

    def step(self, mixture, state):
        """Next state and step size; F may rise."""
        if self.metric is None:
            self.metric = complete_information(mixture, state.theta)
            if self.diagonal:
                self.metric = np.diag(np.diag(self.metric))
        change = solve(self.metric, mixture.gradient(state))
        theta = mixture.feasible(state.theta.plus(change, -self.step_size))
        trial = self.evaluate(mixture, theta)
        if not np.isfinite(trial.objective):
            raise InfeasibleStep("the objective is not finite after a step")
        return trial, self.step_size


class DampedKL:
    """Steps ``theta - (I_c(theta) + delta)^-1 grad F``; delta grows until F falls."""

    patience = 3

    def __init__(self, delta):
        self.delta = delta

    def evaluate(self, mixture, theta):
        """State at `theta` with the gradient's statistics."""
        return mixture.evaluate(theta, curvature=False)

    def step(self, mixture, state):
        """Next state and step size; F never rises."""
        gradient = mixture.gradient(state)
        metric = complete_information(mixture, state.theta)
        for delta in self.delta * 10.0 ** np.arange(10):
            change = solve(metric + delta * np.eye(len(metric)), gradient)
            theta = mixture.feasible(state.theta.plus(change, -1.0))
            trial = self.evaluate(mixture, theta)
            if trial.objective <= state.objective:
                return trial, 1.0
        return None


def complete_information(mixture, theta):
    """Hessian of EM's surrogate at `theta`, penalties included, (P, P)."""
    matrices = information_matrices(mixture, theta)
    return matrices.complete + matrices.penalty


def solve(matrix, gradient):
    """A matrix (P, P) to the -1 times a gradient, both as Parameters."""
    flat = np.concatenate([part.ravel() for part in gradient])
    ends = np.cumsum([part.size for part in gradient])[:-1]
    parts = np.split(np.linalg.solve(matrix, flat), ends)
    return type(gradient)(
        *(part.reshape(old.shape) for part, old in zip(parts, gradient))
    )


# For each map the steps to choose from, and a solver made from a step.
MAPS = {
    "EM (KL)": ((1.0,), MirrorDescent),
    "KL, step 1.5": ((1.5,), MirrorDescent),
    "KL damped": (DAMPINGS, DampedKL),
    "metric of the start": (METRIC_STEPS, FixedMetric),
    "its diagonal": (METRIC_STEPS, lambda step: FixedMetric(step, diagonal=True)),
    "Euclidean": (EUCLIDEAN_STEPS, GradientDescent),
}
MAP_COLOURS = {
    "EM (KL)": COLOURS["EM"],
    "KL, step 1.5": COLOURS["MD"],
    "KL damped": "#56B4E9",
    "metric of the start": COLOURS["gradient EM"],
    "its diagonal": COLOURS["other"],
    "Euclidean": COLOURS["GD"],
}


def tuned(problems, starts, steps, make, n_iter):
    """Curves of F with the step of the least median final F, (starts, n_iter + 1)."""
    runs = {
        step: np.array(
            [
                trace(problem, theta, make(step), n_iter)[0]
                for problem, theta in zip(problems, starts)
            ]
        )
        for step in steps
    }
    best = min(steps, key=lambda step: np.median(runs[step][:, -1]))
    return runs[best], best


def experiment(
    settings=tuple(SETTINGS), distances=DISTANCES, instances=10, n_iter=100, maps=MAPS
):
    """F above the best found and the chosen steps, two dicts.

    Keys are (setting, map, distance), values arrays (instances, n_iter + 1) and floats.
    The best F of an instance is the lowest that any run on it finds, EM from the truth
    included.
    """
    gaps, steps = {}, {}
    for setting in settings:
        drawn = [SETTINGS[setting](seed) for seed in range(instances)]
        problems = [instance.problem for instance in drawn]
        best = [best_near(instance.problem, instance.theta)[1] for instance in drawn]
        for distance in distances:
            starts = [
                start_near(instance, distance, np.random.default_rng(seed))
                for seed, instance in enumerate(drawn)
            ]
            for name, (grid, make) in maps.items():
                key = setting, name, distance
                gaps[key], steps[key] = tuned(problems, starts, grid, make, n_iter)
                best = np.minimum(best, gaps[key].min(axis=1))
        for key in gaps:
            if key[0] == setting:
                gaps[key] = gaps[key] - best[:, None]
    return gaps, steps


def success_rate(gaps):
    """Share of runs (instances, n_iter + 1) that end within the gap."""
    return (gaps[:, -1] <= GAP).mean()


def n_iterations(gaps):
    """Median iterations to the gap; infinite where less than half of the runs do."""
    near = gaps <= GAP
    return np.median(np.where(near.any(axis=1), near.argmax(axis=1), np.inf))


def draw(gaps):
    """Figure of the gap by iterations, and of success by distance, for each setting."""
    figure, axes = plt.subplots(
        2, len(SETTINGS), figsize=(13, 6.4), sharey="row", layout="constrained"
    )
    for (curves, rates), setting in zip(axes.T, SETTINGS):
        for name, colour in MAP_COLOURS.items():
            found = np.median(gaps[setting, name, SHOWN], axis=0)
            curves.plot(np.maximum(found, FLOOR), color=colour, label=name)
            success = [success_rate(gaps[setting, name, far]) for far in DISTANCES]
            # A little aside of each other, so that equal rates stay visible.
            aside = 1.035 ** (np.arange(len(MAPS)).mean() - len(rates.lines))
            rates.plot(
                aside * np.array(DISTANCES), success, "o-", color=colour, markersize=5
            )
        curves.set(title=setting, yscale="log", ylim=(FLOOR, 30), xlabel="Iteration")
        rates.set(xscale="log", ylim=(-0.05, 1.05))
        rates.set_xlabel("Distance of the start\n(norms of the truth)")
        rates.set_xticks(DISTANCES, [f"{far:g}" for far in DISTANCES])
        rates.minorticks_off()
    axes[0, 0].set_ylabel(
        f"F above the best (nats per\nsample), from distance {SHOWN:g}"
    )
    axes[1, 0].set_ylabel(f"Share of runs that end\nwithin {GAP:g} nats of it")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=6, loc="outside lower center", frameon=False)
    return figure


def rows_of(gaps, steps):
    """Rows of the table: success at each distance, iterations, and steps chosen."""
    rows = []
    for setting in SETTINGS:
        for name in MAPS:
            found = [gaps[setting, name, far] for far in DISTANCES]
            chosen = [steps[setting, name, far] for far in DISTANCES]
            rates = [f"{success_rate(values):.0%}" for values in found]
            n_iter = [n_iterations(values) for values in found[:2]]
            n_iter = ["-" if np.isinf(value) else f"{value:.0f}" for value in n_iter]
            tried = ", ".join(f"{step:g}" for step in chosen)
            tuned = len(MAPS[name][0]) > 1
            rows.append([setting, name, *rates, *n_iter, tried if tuned else ""])
    return rows


def main():
    gaps, steps = experiment()
    save(draw(gaps), "mirror_maps.png")
    print_table(
        [
            "data",
            "mirror map",
            *(f"success from {far:g}" for far in DISTANCES),
            *(f"iterations from {far:g}" for far in DISTANCES[:2]),
            "steps chosen",
        ],
        rows_of(gaps, steps),
    )


if __name__ == "__main__":
    main()
