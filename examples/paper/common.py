"""What the experiments share: data of symmetric mixtures, and traces of solvers."""

import sys
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")  # the experiments save their pictures and need no display

import matplotlib.pyplot as plt
import numpy as np

from skmoe.distributions import Categorical, Normal
from skmoe.engine.descent import minimise
from skmoe.engine.problem import Problem
from skmoe.engine.specification import Specification
from skmoe.solvers import AcceleratedEM

# Colours that colour-blind readers tell apart (Okabe and Ito).
COLOURS = {
    "EM": "#0072B2",
    "gradient EM": "#E69F00",
    "GD": "#D55E00",
    "MD": "#009E73",
    "other": "#CC79A7",
}


class Instance(NamedTuple):
    """One data set with the parameters it was drawn from."""

    problem: Problem
    truth: dict  # attributes as `Problem.attributes` gives them
    theta: tuple  # the same as Parameters in the engine's coordinates


def symmetric_instance(kind, n=1000, d=10, signal=2.0, gate_signal=1.0, seed=0):
    """Data of SymMoLinE (`kind` "linear") or SymMoLogE ("logistic"), and its problem.

    x ~ N(0, I), z in {-1, +1} with P(z=+1 | x) = sigmoid(x'w), and y = z x'beta + noise
    of variance 1, or P(y=1 | x, z) = sigmoid(z x'beta); ||beta|| = signal is the
    signal-to-noise ratio, ||w|| = gate_signal.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    beta, w = (
        size * direction / np.linalg.norm(direction)
        for size, direction in zip((signal, gate_signal), rng.standard_normal((2, d)))
    )
    z = np.where(rng.uniform(size=n) < sigmoid(X @ w), 1, -1)
    truth = {
        "gate_coef_": np.stack([w / 2, -w / 2]),
        "gate_intercept_": np.zeros(2),
        "coef_": np.stack([beta, -beta])[:, None],
        "intercept_": np.zeros((2, 1)),
    }
    if kind == "linear":
        target = (z * (X @ beta) + rng.standard_normal(n))[None]
        truth["noise_variance_"] = np.ones((2, 1))
    else:
        target = (rng.uniform(size=n) < sigmoid(z * (X @ beta))).astype(int)
    problem = make_problem(X, target, symmetric=True)
    return Instance(problem, truth, problem.parameters(truth))


def draw_mixture(kind, n, d, n_experts, seed, signal=4.0, gate_signal=2.0):
    """An instance of a general mixture, and the latent expert of each row (n,).

    x ~ N(0, I); coefficients of a gate's logit and of an expert have random directions
    and lengths `gate_signal` and `signal`, intercepts of experts are N(0, 1), and the
    noise of linear experts has variance 1.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    directions = rng.standard_normal((2, n_experts, d))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    gate, coef = gate_signal * directions[0], signal * directions[1]
    intercept = rng.standard_normal(n_experts)
    # The largest of logits with Gumbel noise has the softmax's distribution.
    expert = (gate @ X.T + rng.gumbel(size=(n_experts, n))).argmax(axis=0)
    predictor = (X * coef[expert]).sum(axis=1) + intercept[expert]
    truth = {
        "gate_coef_": gate - gate.mean(axis=0),
        "gate_intercept_": np.zeros(n_experts),
        "coef_": coef[:, None],
        "intercept_": intercept[:, None],
    }
    if kind == "linear":
        target = (predictor + rng.standard_normal(n))[None]
        truth["noise_variance_"] = np.ones((n_experts, 1))
    else:
        target = (rng.uniform(size=n) < sigmoid(predictor)).astype(int)
    # Without a penalty a logistic expert may have no finite maximum.
    problem = make_problem(X, target, n_experts, alpha=1e-4)
    return Instance(problem, truth, problem.parameters(truth)), expert


def make_problem(X, target, n_experts=2, symmetric=False, alpha=0.0, n_classes=2):
    """The engine's problem; `target` (1, n) for linear, (n,) for logistic experts.

    `alpha` is the penalty for each row, so that F does not depend on their number.
    """
    specification = Specification(
        Normal() if target.ndim == 2 else Categorical(n_classes),
        n_experts,
        symmetric=symmetric,
        fit_intercept=not symmetric,
        gate_intercept=not symmetric,
        alpha=alpha * X.shape[0],
        gate_alpha=alpha * X.shape[0],
    )
    return Problem(X, target, np.ones(X.shape[0]), specification)


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def start_near(instance, distance, rng):
    """The truth moved in a random direction by `distance` times its norm."""
    truth = instance.theta
    change = type(truth)(*(rng.standard_normal(part.shape) for part in truth))
    change = change._replace(log_variance=0 * truth.log_variance)
    coefs = truth._replace(log_variance=0 * truth.log_variance)
    length = distance * np.sqrt(coefs.dot(coefs) / change.dot(change))
    return truth.plus(change, length)


def best_near(problem, theta):
    """The optimum that EM reaches from `theta`, to rounding, and F there."""
    found = minimise(problem.mixture, theta, AcceleratedEM(), 2000, 1e-14)
    return found.theta, found.objective_curve[-1]


def parameter_error(instance, theta):
    """Distance of beta and w from the truth in its units; the sign of both is free."""
    fitted = instance.problem.attributes(theta, np.float64)
    found = np.concatenate([fitted["coef_"][0, 0], 2 * fitted["gate_coef_"][0]])
    truth = instance.truth
    true = np.concatenate([truth["coef_"][0, 0], 2 * truth["gate_coef_"][0]])
    return min(np.linalg.norm(found - true), np.linalg.norm(found + true))


def trace(problem, theta, solver, n_iter, measure=None):
    """F, and `measure(theta)`, at the start and after each of `n_iter` iterations.

    Two arrays of shape (n_iter + 1,); a solver that ends early keeps its last values.
    """
    measured = [] if measure is None else [measure(theta)]

    def report(iteration, state, change, step_size):
        if measure is not None:
            measured.append(measure(state.theta))
        return False

    descent = minimise(problem.mixture, theta, solver, n_iter, 0.0, report)
    curve = descent.objective_curve
    return _padded(curve, n_iter + 1), _padded(measured, n_iter + 1)


def _padded(values, length):
    """Values followed by repetitions of the last one, (length,)."""
    values = np.asarray(values, dtype=float)[:length]
    if values.size == 0:
        return values
    return np.concatenate([values, np.full(length - values.size, values[-1])])


def plot_band(ax, values, name, colour=None):
    """Median and middle 80 % of curves (instances, iterations)."""
    colour = COLOURS.get(name, colour)
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], axis=0)
    ax.plot(middle, label=name, color=colour, linewidth=1.8)
    ax.fill_between(np.arange(middle.size), low, high, color=colour, alpha=0.2)


def print_table(heading, rows):
    """A Markdown table on the screen; the docs show it as it is."""
    print("| " + " | ".join(heading) + " |")
    print("|" + "---|" * len(heading))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def save(figure, default):
    """Save to the path given on the command line, or to `default`."""
    paths = [value for value in sys.argv[1:] if value.endswith(".png")]
    figure.savefig(paths[0] if paths else default, dpi=110, bbox_inches="tight")
    plt.close(figure)
