"""
============================================
The signal-to-noise ratio and the rate of EM
============================================

By the paper EM converges linearly where the eigenvalues of the Missing Information
Matrix ``M = I_c^-1 I_m`` stay below 1, and for symmetric mixtures of two experts the
signal-to-noise ratio ``||beta|| / sigma`` decides how far.  A summary of the paper adds
that convergence turns sub-linear as eigenvalues near 1, in "the high-SNR regime".
Which regime that is, is measured here, for linear and for logistic experts:

- the rate that EM shows near an optimum, and the one predicted there, lambda_max(M);
- the gap in F by iteration for three signals, and without any: beta = w = 0;
- lambda_max(M) at the true parameters, by signal ``||beta||`` and by ``||w||``.

The rate is the factor by which an iteration of EM shrinks the distance from the
optimum, averaged over late iterations; EM starts at a tenth of the optimum's norm from
it.

Run it with ``python snr.py [picture.png]``.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from common import (
    COLOURS,
    best_near,
    print_table,
    save,
    start_near,
    symmetric_instance,
    trace,
)

from skmoe.engine.information import information_matrices
from skmoe.solvers import MirrorDescent

MODELS = {"linear": "SymMoLinE", "logistic": "SymMoLogE"}
SIGNALS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
GATE_SIGNAL = 2.0
CURVES = {4.0: "EM", 1.0: "MD", 0.25: "gradient EM"}  # signals and their colours
_TAIL = 0.25  # share of the iterations, the last ones, that ratios are averaged over
_ROUNDING = 1e-4  # distances below, relative to the first, are not exact enough
_LEAST_GAP = 1e-9  # gaps below are not drawn


class Sweep(NamedTuple):
    """What is measured by signal, arrays of shape (signals, instances)."""

    largest: np.ndarray  # eigenvalue of M at the optimum: the predicted rate
    smallest: np.ndarray  # eigenvalue of M there
    measured: np.ndarray  # rate of EM
    gap_ratio: np.ndarray  # factor by which an iteration shrinks the gap in F


class Results(NamedTuple):
    """All measurements of one model."""

    sweep: Sweep
    curves: dict  # signal -> gap in F, (instances, n_iter + 1)
    no_signal: np.ndarray  # gap in F where beta = w = 0, (instances, n_iter + 1)
    by_gate: np.ndarray  # lambda_max(M) at the truth, (gate signals, signals)


def missing_eigenvalues(problem, theta):
    """Rising eigenvalues of the Missing Information Matrix, (P,)."""
    return information_matrices(problem.mixture, theta).missing_eigenvalues()


def gaps_and_distances(problem, start, optimum, lowest, n_iter):
    """F less `lowest` and the distance from `optimum` along EM, (n_iter + 1,) each."""

    def distance(theta):
        step = theta.minus(optimum)
        return np.sqrt(step.dot(step))

    curve, distances = trace(problem, start, MirrorDescent(1.0), n_iter, distance)
    return curve - lowest, distances


def late(distances):
    """First and last of the iterations whose distances tell the rate."""
    exact = distances > _ROUNDING * distances[0]
    last = exact.size - 1 if exact.all() else exact.argmin() - 1
    return min(int((1 - _TAIL) * last), last - 1), last


def mean_ratio(values, first, last):
    """Geometric mean of the factors between successive values."""
    return (values[last] / values[first]) ** (1 / (last - first))


def measure(instance, seed, n_iter):
    """Predicted and measured rates near the optimum, a tuple as of `Sweep`."""
    optimum, lowest = best_near(instance.problem, instance.theta)
    values = missing_eigenvalues(instance.problem, optimum)
    start = start_near(instance._replace(theta=optimum), 0.1, _generator(seed))
    gaps, distances = gaps_and_distances(
        instance.problem, start, optimum, lowest, n_iter
    )
    span = late(distances)
    return values[-1], values[0], mean_ratio(distances, *span), mean_ratio(gaps, *span)


def far_curve(instance, start, n_iter):
    """Gap in F along EM from a start, (n_iter + 1,)."""
    optima = [best_near(instance.problem, near) for near in (start, instance.theta)]
    optimum, lowest = min(optima, key=lambda found: found[1])
    return gaps_and_distances(instance.problem, start, optimum, lowest, n_iter)[0]


def no_signal_curve(kind, n, d, seed, n_iter):
    """Gap in F along EM where nothing is to be found, (n_iter + 1,).

    The start has ||beta|| = 1 and w = 0.  Of the logistic model this is a saddle, where
    beta says nothing, and its w starts as beta does.
    """
    instance = symmetric_instance(kind, n, d, 0.0, 0.0, seed)
    beta = np.eye(d)[0]
    w = beta if kind == "logistic" else 0 * beta
    start = instance.truth | {
        "coef_": np.stack([beta, -beta])[:, None],
        "gate_coef_": np.stack([w / 2, -w / 2]),
    }
    return far_curve(instance, instance.problem.parameters(start), n_iter)


def rates_by_gate(kind, n, d, signals, gate_signals, instances):
    """Median lambda_max(M) at the truth, (gate signals, signals)."""

    def rate(gate_signal, signal):
        drawn = (
            symmetric_instance(kind, n, d, signal, gate_signal, seed)
            for seed in range(instances)
        )
        return np.median(
            [missing_eigenvalues(one.problem, one.theta)[-1] for one in drawn]
        )

    return np.array([[rate(w, beta) for beta in signals] for w in gate_signals])


def experiment(
    instances=10,
    n=20000,
    d=5,
    n_iter=300,
    signals=SIGNALS,
    curve_signals=tuple(CURVES),
    curve_instances=5,
    no_signal_rows=100000,
    no_signal_instances=3,
):
    """`Results` of each kind of model, a dict."""
    results = {}
    for kind in MODELS:

        def draw_some(signal, number, kind=kind):
            for seed in range(number):
                yield symmetric_instance(kind, n, d, signal, GATE_SIGNAL, seed), seed

        measured = [
            [measure(*drawn, n_iter) for drawn in draw_some(signal, instances)]
            for signal in signals
        ]
        curves = {
            signal: np.array(
                [
                    far_curve(one, start_near(one, 0.5, _generator(seed)), n_iter)
                    for one, seed in draw_some(signal, curve_instances)
                ]
            )
            for signal in curve_signals
        }
        no_signal = [
            no_signal_curve(kind, no_signal_rows, d, seed, n_iter)
            for seed in range(no_signal_instances)
        ]
        results[kind] = Results(
            Sweep(*np.moveaxis(measured, -1, 0)),
            curves,
            np.array(no_signal),
            rates_by_gate(kind, n, d, signals, signals, 3),
        )
    return results


def _generator(seed):
    """Random numbers other than those of the data."""
    return np.random.default_rng([seed, 1])


def power(gap, first=3, last=30):
    """Slope p where the median gap falls like ``iteration**p``."""
    middle = np.median(gap, axis=0)
    return np.log(middle[last] / middle[first]) / np.log(last / first)


def draw(results, signals=SIGNALS):
    """Rates by signal, gaps by iteration, rates by signal and gate; a row per model."""
    figure, axes = plt.subplots(2, 3, figsize=(14, 8), layout="constrained")
    for row, (kind, result) in zip(axes, results.items()):
        _draw_rates(row[0], result.sweep, signals)
        _draw_curves(row[1], result)
        shown = _draw_map(row[2], result.by_gate, signals)
        figure.colorbar(shown, ax=row[2], label=r"$\lambda_{\max}(M)$ at the truth")
        for ax in row:
            ax.set_title(MODELS[kind])
    return figure


def _draw_rates(ax, sweep, signals):
    """Predicted and measured rates, and the smallest eigenvalue, by signal."""
    for values, style, colour, label in (
        (sweep.largest, "-", COLOURS["EM"], r"predicted, $\lambda_{\max}(M)$"),
        (sweep.smallest, "--", COLOURS["MD"], r"$\lambda_{\min}(M)$"),
    ):
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], axis=1)
        ax.plot(signals, middle, style, c=colour, label=label)
        ax.fill_between(signals, low, high, color=colour, alpha=0.2)
    measured = np.median(sweep.measured, axis=1)
    ax.plot(signals, measured, "o", c=COLOURS["GD"], label="measured rate of EM")
    ax.set_xscale("log", base=2)
    ax.set_xticks(signals, [f"{value:g}" for value in signals])
    ax.set(
        xlabel=rf"signal $\|\beta\|$, with $\|w\|$ = {GATE_SIGNAL:g}",
        ylabel=r"rate, eigenvalue of $M$",
        ylim=(-0.03, 1.03),
    )
    _legend_below(ax)


def _draw_curves(ax, result):
    """Gap in F by iteration."""
    for signal, gap in result.curves.items():
        _draw_gap(ax, gap, "-", CURVES[signal], rf"$\|\beta\|$ = {signal:g}")
    _draw_gap(ax, result.no_signal, ":", "GD", r"$\beta = w = 0$")
    ax.set(yscale="log", xlabel="iteration", ylabel="gap in F (nats per sample)")
    _legend_below(ax)


def _draw_gap(ax, gap, style, colour, label):
    """Median gap, as far as it is told from rounding."""
    middle = np.median(gap, axis=0)
    middle[middle < _LEAST_GAP] = np.nan
    ax.plot(middle, style, c=COLOURS[colour], label=label)


def _legend_below(ax):
    """A legend clear of the curves."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)


def _draw_map(ax, by_gate, signals):
    """Rate by signal and gate, as numbers on colours."""
    shown = ax.imshow(by_gate, origin="lower", vmin=0, vmax=1, cmap="viridis")
    names = [f"{value:g}" for value in signals]
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=r"signal $\|\beta\|$", ylabel=r"gate $\|w\|$")
    for (i, j), value in np.ndenumerate(by_gate):
        colour = "black" if value > 0.5 else "white"
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
    return shown


def rows(results, signals=SIGNALS):
    """Rows of the table."""
    for kind, result in results.items():
        sweep = [np.median(values, axis=1) for values in result.sweep]
        for signal, largest, smallest, measured, gap_ratio in zip(signals, *sweep):
            yield (
                MODELS[kind],
                f"{signal:g}",
                f"{abs(smallest):.2f}",
                *(f"{value:.3f}" for value in (largest, measured, gap_ratio)),
                f"{np.log(10) / -np.log(gap_ratio):.1f}",
            )


def main():
    """Run, print the table and what happens without signal, save the picture."""
    results = experiment()
    heading = (
        "Model",
        "Signal",
        "Smallest eigenvalue of M",
        "Largest: predicted rate",
        "Measured rate",
        "Shrinkage of the gap in F",
        "Iterations per digit of F",
    )
    print_table(heading, rows(results))
    powers = ", ".join(
        f"{power(result.no_signal):.1f} ({MODELS[kind]})"
        for kind, result in results.items()
    )
    print("\nWithout signal (beta = w = 0) the gap in F falls like a power of the")
    print(f"iteration, from the 3rd to the 30th: {powers}.")
    save(draw(results), "snr.png")


if __name__ == "__main__":
    main()
