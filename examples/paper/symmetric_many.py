"""
Symmetric mixtures of more than two experts: how fast is EM?
============================================================

The paper proves that EM converges linearly for symmetric mixtures of two experts, in
terms of the signal-to-noise ratio (SNR), and leaves open under what conditions it does
for more: the missing information no longer has a simple form.

Measured here: EM's rate for K = 2 to 6 linear experts that are rotations of one,
``beta_k = R_k beta`` and ``w_k = R_k w``, where ``R_k`` rotates each of d/2 planes
by ``2 pi k / K``; two experts are the paper's symmetric ones.  The noise has variance
1, ``SNR = ||beta||``, and the smallest distance of two experts, their separation, is
``2 SNR sin(pi / K)``.  The mixture that is fitted has free experts, since the engine
does not tie more than two.  What rate tied ones would have, which no run measures here,
follows from the information matrices at the truth, reduced to beta, w and the noise.

The rate is the factor by which an EM step shrinks the distance from the optimum that EM
itself reaches from a start near the truth, in the end (power iteration).  The largest
eigenvalue of the missing information matrix there is the paper's prediction of it.

Run it with ``python symmetric_many.py [picture.png]``.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from common import COLOURS, Instance, best_near, print_table, save, start_near

from skmoe.distributions import Normal
from skmoe.engine.descent import minimise
from skmoe.engine.information import InformationMatrices, information_matrices
from skmoe.engine.problem import Problem
from skmoe.engine.specification import Specification
from skmoe.solvers import MirrorDescent

COUNTS = (2, 3, 4, 5, 6)
SIGNALS = (0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0, 32.0)
GATE_SIGNAL = 1.0
_START_DISTANCE = 0.05  # relative to the truth's norm
_DISTANCE = 1e-3  # at which the rate is measured: small, but far above rounding
# The factor has converged when it moves by less, relative to 1 - rate, in iterations.
_CONVERGED, _RECENT = 0.002, 10
_SLOW = 0.9
_MARKERS = "osD^v"


class Rates(NamedTuple):
    """Of EM, arrays of shape (experts, signals, instances)."""

    measured: np.ndarray
    predicted: np.ndarray  # largest missing eigenvalue at the optimum
    free: np.ndarray  # the same at the truth
    tied: np.ndarray  # at the truth, of a model with tied experts


class Results(NamedTuple):
    """Rates, and the numbers of experts and SNRs that they belong to."""

    counts: np.ndarray
    signals: np.ndarray
    rates: Rates

    def separation(self):
        """Smallest distance of two experts, (experts, signals)."""
        return 2 * np.sin(np.pi / self.counts)[:, None] * self.signals


def rotations_of(n_experts, d):
    """Rotations of each plane by multiples of 2 pi / K, (K, d, d); d is even."""
    angles = 2 * np.pi * np.arange(n_experts) / n_experts
    cos, sin = np.cos(angles), np.sin(angles)
    planes = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    return np.stack([np.kron(np.eye(d // 2), plane) for plane in planes])


def attributes(beta, w, variance, n_experts):
    """Fitted attributes of the mixture that beta and w generate."""
    rotations = rotations_of(n_experts, beta.size)
    return {
        "gate_coef_": rotations @ w,
        "gate_intercept_": np.zeros(n_experts),
        "coef_": (rotations @ beta)[:, None],
        "intercept_": np.zeros((n_experts, 1)),
        "noise_variance_": np.full((n_experts, 1), variance),
    }


def rotated_instance(n_experts, signal, n, d, seed):
    """Data of a mixture of rotated experts, x ~ N(0, I); the problem has free ones."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    beta, w = (
        size * direction / np.linalg.norm(direction)
        for size, direction in zip(
            (signal, GATE_SIGNAL), rng.standard_normal((2, d)), strict=True
        )
    )
    truth = attributes(beta, w, 1.0, n_experts)
    # The largest of logits with Gumbel noise is a draw from their softmax.
    logits = X @ truth["gate_coef_"].T
    expert = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    mean = np.einsum("nd,nd->n", X, truth["coef_"][expert, 0])
    problem = make_problem(X, mean + rng.standard_normal(n), n_experts)
    return Instance(problem, truth, problem.parameters(truth))


def make_problem(X, y, n_experts, symmetric=False):
    """The engine's problem without intercepts or penalties; one noise for all."""
    return Problem(
        X,
        y[None],
        np.ones(y.size),
        Specification(
            Normal(),
            n_experts,
            symmetric=symmetric,
            shares_noise=True,
            fit_intercept=False,
            gate_intercept=False,
        ),
    )


def tied_directions(problem, n_experts, d):
    """Derivatives of the parameters in (beta, w, log-variance), (P, 2 d + 1)."""
    # At unit variance of the standardised target the logarithm does not move.
    variance = problem.target_scale[0] ** 2
    columns = [
        problem.parameters(attributes(*halves, variance, n_experts)).flat()
        for halves in np.eye(2 * d).reshape(-1, 2, d)
    ]
    noise = problem.mixture.initial()
    noise = noise._replace(log_variance=np.ones_like(noise.log_variance))
    return np.stack([*columns, noise.flat()], axis=1)


def missing_eigenvalue(matrices, directions=None):
    """Largest missing eigenvalue, of a model with these directions alone if given."""
    if directions is not None:
        along = (directions.T @ matrix @ directions for matrix in matrices)
        matrices = InformationMatrices(*along)
    return matrices.missing_eigenvalues()[-1]


def measured_rate(mixture, theta, best, max_iter):
    """Factor by which EM shrinks the distance from `best`, after many iterations.

    The distance is scaled back after each, so that the slowest direction wins before
    rounding does, until the factor converges.
    """
    factors = []
    for _ in range(max_iter):
        change = theta.minus(best)
        before = best.plus(change, _DISTANCE / np.sqrt(change.dot(change)))
        theta = minimise(mixture, before, MirrorDescent(1.0), 1, 0.0).theta
        change = theta.minus(best)
        factors.append(np.sqrt(change.dot(change)) / _DISTANCE)
        recent = factors[-_RECENT:]
        if len(recent) == _RECENT and np.ptp(recent) < _CONVERGED * (1 - factors[-1]):
            break
    return factors[-1]


def rates_of(n_experts, signal, n, d, seed, max_iter):
    """The four rates of `Rates` on one instance."""
    instance = rotated_instance(n_experts, signal, n, d, seed)
    problem, mixture = instance.problem, instance.problem.mixture
    start = start_near(instance, _START_DISTANCE, np.random.default_rng(seed))
    best, _ = best_near(problem, start)
    at_truth = information_matrices(mixture, instance.theta)
    return (
        measured_rate(mixture, start, best, max_iter),
        missing_eigenvalue(information_matrices(mixture, best)),
        missing_eigenvalue(at_truth),
        missing_eigenvalue(at_truth, tied_directions(problem, n_experts, d)),
    )


def experiment(
    counts=COUNTS, signals=SIGNALS, n_instances=4, n=10_000, d=4, max_iter=500
):
    """Rates for numbers of experts and SNRs, on instances of their own."""
    values = [
        [
            [rates_of(k, signal, n, d, seed, max_iter) for seed in range(n_instances)]
            for signal in signals
        ]
        for k in counts
    ]
    rates = Rates(*np.moveaxis(np.array(values), -1, 0))
    return Results(np.array(counts), np.array(signals), rates)


def needed_signal(results):
    """SNR at which the median rate falls to 0.9, by interpolation, (experts,)."""
    middle = np.median(results.rates.measured, axis=2)
    log_signal = np.log(results.signals)
    # Rates fall with the SNR; np.interp wants them to rise.
    return np.exp([np.interp(-_SLOW, -rates, log_signal) for rates in middle])


def power(x, y):
    """Exponent of the power law nearest to y(x)."""
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def factor_per_expert(results, signal):
    """What each further expert multiplies 1 - rate by at one SNR."""
    column = np.flatnonzero(results.signals == signal)[0]
    gap = 1 - np.median(results.rates.measured[:, column], axis=1)
    return np.exp(np.polyfit(results.counts, np.log(gap), 1)[0])


def table_rows(results):
    """A row for each number of experts."""
    measured, predicted, free, tied = results.rates
    middle, separation = np.median(measured, axis=2), results.separation()
    for i, (k, signal) in enumerate(zip(results.counts, needed_signal(results))):
        yield (
            k,
            *(f"{rate:.3f}" for rate in middle[i]),
            f"{signal:.2f}",
            f"{2 * signal * np.sin(np.pi / k):.2f}",
            f"{power(separation[i, -2:], middle[i, -2:]):.2f}",
            f"{np.abs(measured - predicted)[i].max():.4f}",
            f"{(free - tied)[i].max():.4f}",
        )


def draw(results):
    """Figure of the rates over SNR and separation."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
    colours = ["black", *(COLOURS[name] for name in ("EM", "MD", "gradient EM", "GD"))]
    measured = np.median(results.rates.measured, axis=2)
    predicted = np.median(results.rates.predicted, axis=2)
    panels = (
        (np.broadcast_to(results.signals, measured.shape), lambda rate: 1 - rate),
        (results.separation(), lambda rate: 1 - rate),
        (results.separation(), lambda rate: rate),
    )
    for ax, (x, transform) in zip(axes, panels):
        for i, k in enumerate(results.counts):
            style = {"color": colours[i % 5], "marker": _MARKERS[i % 5]}
            ax.plot(x[i], transform(measured[i]), linestyle="", ms=5, **style)
            ax.plot(x[i], transform(predicted[i]), color=style["color"], lw=1.3)
            # What the legend shows: both in one.
            ax.plot([], [], label=f"K = {k}", ms=5, lw=1.3, **style)
        grey = {"color": "0.4", "ms": 5, "lw": 1.3}
        ax.plot([], [], label="measured", linestyle="", marker="o", **grey)
        ax.plot([], [], label="predicted", **grey)
        ax.set(xscale="log", yscale="log")
        ax.grid(alpha=0.3)
    axes[0].set(xlabel="SNR, ||β|| / σ", ylabel="1 − rate of EM")
    axes[1].set(xlabel="Separation of experts / σ")
    axes[2].set(xlabel="Separation of experts / σ", ylabel="Rate of EM")
    guide = np.array([8.0, results.separation().max()])
    axes[2].plot(guide, 1.4 / guide, color="0.4", linestyle=":")
    axes[2].annotate("slope −1 ", (guide[0], 1.4 / guide[0]), ha="right", va="center")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def main():
    """Run, print the table and the laws, and save the picture."""
    results = experiment()
    print_table(
        [
            "experts K",
            *(f"rate at SNR {signal:g}" for signal in results.signals),
            f"SNR for rate {_SLOW}",
            f"separation for rate {_SLOW}",
            "exponent of the rate in the last two SNRs",
            "largest error of the predicted rate",
            "largest fall of the rate by tying",
        ],
        table_rows(results),
    )
    signal = needed_signal(results)
    separation = 2 * signal * np.sin(np.pi / results.counts)
    print(
        f"\nThe SNR needed for a rate of {_SLOW} grows about as K to the power "
        f"{power(results.counts, signal):.2f}, the separation needed as K to the power "
        f"{power(results.counts, separation):.2f}."
    )
    factors = [f"{factor_per_expert(results, s):.2f} at SNR {s:g}" for s in (1, 2, 4)]
    print(f"Each further expert multiplies 1 - rate by about {', '.join(factors)}.")
    save(draw(results), "symmetric_many.png")


if __name__ == "__main__":
    main()
