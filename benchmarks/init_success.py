"""Success rate of the starting points: how often one start reaches the best objective.

    python benchmarks/init_success.py [--seeds 50] [--out FILE.md]

For each generated set every strategy of `init` is fitted from `--seeds` random states,
with one start each; a fit succeeds if its objective is within 1e-3 nats per sample of
the best that any fit of any strategy found.  Prints a Markdown table of success rates
and of the median time relative to the default's.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.engine.starts import STRATEGIES

CASES = {
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


def measure(case, n_seeds):
    """Objectives and times of every strategy, two dicts of arrays (n_seeds,)."""
    family, n, d, n_experts, gate_variance, noise = case
    X, y = generate(family, n, d, n_experts, gate_variance, noise)
    kinds = {"linear": MixtureOfLinearExperts, "logistic": MixtureOfLogisticExperts}
    objectives = {name: [] for name in STRATEGIES}
    times = {name: [] for name in STRATEGIES}
    for seed in range(n_seeds):
        for name in STRATEGIES:
            model = kinds[family](n_experts, init=name, random_state=seed)
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
            times[name].append(time.perf_counter() - start)
            objectives[name].append(model.objective_curve_[-1])
    return objectives, times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = [
        "| data | " + " | ".join(STRATEGIES) + " |",
        "|---|" + "---|" * len(STRATEGIES),
    ]
    totals = {name: [] for name in STRATEGIES}
    for title, case in CASES.items():
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
