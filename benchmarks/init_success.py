"""Success rate of the starting points: how often one start reaches the best objective.

    python benchmarks/init_success.py [--seeds 50] [--only WORD] [--out FILE.md]

For each generated set (those with WORD in their name) every strategy of `init` is
fitted from `--seeds` random states, with one start each; a fit succeeds if its
objective is within 1e-3 nats per sample (of groups: per group) of the best that any fit
of any strategy found.  Prints a Markdown table of success rates and of the median time
relative to the default's.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.engine.starts import STRATEGIES

GENERATED = {
    # name: family, n, d, K, gate variance x d, expert spread, noise
    "linear, easy (n=2000, d=2, K=2)": ("linear", 2000, 2, 2, 4.0, 0.5),
    "linear, piecewise (n=2000, d=5, K=4)": ("linear", 2000, 5, 4, 25.0, 0.5),
    "linear, overlapping (n=2000, d=5, K=3)": ("linear", 2000, 5, 3, 1.0, 1.0),
    "linear, constant gate (n=2000, d=3, K=3)": ("linear", 2000, 3, 3, 0.0, 0.3),
    "linear, many experts (n=5000, d=5, K=8)": ("linear", 5000, 5, 8, 9.0, 0.3),
    "logistic, piecewise (n=3000, d=5, K=2)": ("logistic", 3000, 5, 2, 25.0, 0.0),
    "logistic, overlapping (n=5000, d=5, K=3)": ("logistic", 5000, 5, 3, 4.0, 0.0),
}


def generate(family, n, d, n_experts, gate_variance, noise, seed=0):
    """A set drawn from a mixture of experts; X (n, d), y (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    ones = np.c_[X, np.ones(n)]
    gate = rng.standard_normal((n_experts, d + 1)) * np.sqrt(gate_variance / d)
    scale = 1.0 if family == "linear" else 3.0
    coef = scale * rng.standard_normal((n_experts, d + 1))
    logits = ones @ gate.T + rng.gumbel(size=(n, n_experts))
    expert = logits.argmax(axis=1)
    predictor = (ones * coef[expert]).sum(axis=1)
    if family == "linear":
        return X, predictor + noise * rng.standard_normal(n)
    return X, (rng.uniform(size=n) < 1 / (1 + np.exp(-predictor))).astype(int)


def generated(setting):
    """Estimator and data of a generated mixture of experts with a gate."""
    X, y = generate(*setting)
    kinds = {"linear": MixtureOfLinearExperts, "logistic": MixtureOfLogisticExperts}
    return kinds[setting[0]](setting[3]), X, y, None


def parallel_lines():
    """Two lines eight standard deviations of the noise apart."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 300)
    y = 0.5 * x + 2.5 * (rng.random(300) < 0.5) + 0.3 * rng.standard_normal(300)
    return MixtureOfLinearExperts(2), x[:, None], y, None


def equal_means():
    """Experts that differ in their noise alone."""
    rng = np.random.default_rng(0)
    scale = np.where(rng.random(1000) < 0.3, 5.0, 1.0)
    y = scale * rng.standard_normal(1000)
    return MixtureOfLinearExperts(2), np.ones((1000, 1)), y, None


def glm(family):
    """Two regressions with a log link that cross, and a constant gate."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 600)
    mean = np.exp(np.where(rng.random(600) < 0.5, 1 + x, 3 - x))
    y = rng.poisson(mean) if family == "poisson" else rng.gamma(10, mean / 10)
    model = MixtureOfGLMExperts(2, family=family, gate_features=[])
    return model, x[:, None], y, None


def rare_outcomes():
    """Rows with rates near .03, which depend on x in two ways; a gate."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 2))
    is_first = rng.random(20_000) < 1 / (1 + np.exp(-2 * X[:, 1]))
    logit = -3.5 + np.where(is_first, 1.5, -1.5) * X[:, 0]
    y = rng.random(20_000) < 1 / (1 + np.exp(-logit))
    return MixtureOfLogisticExperts(2), X, y.astype(int), None


def constant_gate_logistic():
    """Two logistic regressions mixed at random."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 2))
    coef = np.array([[4.0, 0.0], [-2.0, 3.0]])[(rng.random(3000) < 0.4).astype(int)]
    y = rng.random(3000) < 1 / (1 + np.exp(-(coef * X).sum(axis=1)))
    return MixtureOfLogisticExperts(2, gate_features=[]), X, y.astype(int), None


def grouped_rates(low, high, size):
    """30 groups of binary outcomes with one of two rates."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), size)
    y = rng.random(group.size) < np.where(group % 2, low, high)
    model = MixtureOfLogisticExperts(2, gate_features=[], expert_features=[])
    return model, np.ones((group.size, 1)), y.astype(int), group


def latent_classes():
    """200 persons of three classes who answer twelve items with yes or no."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.1, 0.9, size=(3, 12))
    of_person = rng.integers(3, size=200)
    person, item = np.divmod(np.arange(200 * 12), 12)
    y = rng.random(person.size) < rate[of_person[person], item]
    model = MixtureOfLogisticExperts(3, gate_features=[])
    return model, np.eye(12)[item], y.astype(int), person


def large_groups():
    """Twelve groups of 1000 rows on one of three lines."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(12), 1000)
    x = rng.standard_normal(group.size)
    slope = np.array([0.0, 0.5, 1.0])[group % 3]
    y = slope * x + rng.standard_normal(group.size)
    return MixtureOfLinearExperts(3, gate_features=[]), x[:, None], y, group


CASES = {
    **{name: partial(generated, setting) for name, setting in GENERATED.items()},
    "linear, parallel lines (n=300, K=2)": parallel_lines,
    "linear, equal means (n=1000, K=2)": equal_means,
    "Poisson, constant gate (n=600, K=2)": partial(glm, "poisson"),
    "Gamma, constant gate (n=600, K=2)": partial(glm, "gamma"),
    "logistic, rare outcomes (n=20000, K=2)": rare_outcomes,
    "logistic, constant gate (n=3000, K=2)": constant_gate_logistic,
    "groups, rates .02 and .05 (30 of 200)": partial(grouped_rates, 0.02, 0.05, 200),
    "groups, rates .1 and .2 (30 of 100)": partial(grouped_rates, 0.1, 0.2, 100),
    "groups, latent classes (200 of 12, K=3)": latent_classes,
    "groups, few and large (12 of 1000, K=3)": large_groups,
}


def measure(case, n_seeds):
    """Objectives and times of every strategy, two dicts of arrays (n_seeds,).

    Objectives in nats per unit, of a row or of a group.
    """
    base, X, y, group = case()
    rows_per_unit = 1 if group is None else len(y) / np.unique(group).size
    objectives = {name: [] for name in STRATEGIES}
    times = {name: [] for name in STRATEGIES}
    for seed in range(n_seeds):
        for name in STRATEGIES:
            model = clone(base).set_params(init=name, random_state=seed)
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y, groups=group)
            times[name].append(time.perf_counter() - start)
            objectives[name].append(rows_per_unit * model.objective_curve_[-1])
    return objectives, times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", default="")
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = [
        "| data | " + " | ".join(STRATEGIES) + " |",
        "|---|" + "---|" * len(STRATEGIES),
    ]
    totals = {name: [] for name in STRATEGIES}
    for title in [title for title in CASES if options.only in title]:
        case = CASES[title]
        objectives, times = measure(case, options.seeds)
        best = min(min(values) for values in objectives.values())
        cells = []
        for name in STRATEGIES:
            rate = np.mean(np.array(objectives[name]) <= best + 1e-3)
            ratio = np.median(times[name]) / np.median(times[STRATEGIES[0]])
            totals[name].append(rate)
            cells.append(f"{100 * rate:.0f} % ({ratio:.1f}x)")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    mean = [f"{100 * np.mean(totals[name]):.0f} %" for name in STRATEGIES]
    lines.append("| mean | " + " | ".join(mean) + " |")
    print("\n".join(lines))
    if options.out:
        with open(options.out, "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
