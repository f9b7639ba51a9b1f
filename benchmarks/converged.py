"""What `converged_` is worth: how much F still falls after fits that say so.

Random problems of both families; each fit that converged goes on from where it ended,
with accelerated EM and a `tol` of 1e-12, and what that gains is what was left.
"""

import argparse
import json
import warnings
from time import process_time

import numpy as np
from report import table
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

TOL, MAX_ITER = 1e-5, 5000
FAMILIES = {"linear": MixtureOfLinearExperts, "logistic": MixtureOfLogisticExperts}
SOLVERS = {
    "em auto": {},
    "em plain": {"step_size": 1.0},
    "md auto": {"solver": "md"},
    "gd": {"solver": "gd"},
}


def make_problem(seed, n_samples=300):
    """X, targets by family, number of experts and labels to start from."""
    rng = np.random.default_rng(seed)
    n_experts = rng.integers(2, 5)
    X = rng.normal(size=(n_samples, 2))
    expert = rng.integers(n_experts, size=n_samples)
    coef = rng.normal(size=(n_experts, 2))
    mean = (X * coef[expert]).sum(axis=1)
    y = mean + rng.choice([0.1, 0.5, 1]) * rng.standard_normal(n_samples)
    targets = {"linear": y, "logistic": (y > 0).astype(int)}
    labels = rng.integers(n_experts, size=n_samples)
    return X, targets, int(n_experts), labels


def measure(model, X, y):
    """What was left, whether a fit converged, its iterations, seconds of CPU and F."""
    started = process_time()
    model.fit(X, y)
    seconds = process_time() - started
    end, converged = model.objective_curve_[-1], model.converged_
    n_iter, left = model.n_iter_, np.nan
    if converged:
        model.set_params(
            warm_start=True, solver="em", step_size="auto", tol=1e-12, max_iter=3000
        )
        left = end - model.fit(X, y).objective_curve_[-1]
    return left, converged, n_iter, seconds, end


def measure_all(seeds):
    """Measurements by family and solver."""
    found = {}
    for seed in seeds:
        X, targets, n_experts, labels = make_problem(seed)
        for family, kind in FAMILIES.items():
            for solver, options in SOLVERS.items():
                model = kind(
                    n_experts, init=labels, tol=TOL, max_iter=MAX_ITER, **options
                )
                found.setdefault(f"{family}, {solver}", []).append(
                    measure(model, X, targets[family])
                )
    return found


def row_of(values):
    """Summary of one family and solver."""
    left, converged, n_iter, seconds, _ = np.array(values, dtype=float).T
    left = left[converged > 0]
    return (
        f"{len(left)} of {len(converged)}",
        f"{100 * (left > TOL).mean():.0f} %",
        f"{100 * (left > 10 * TOL).mean():.0f} %",
        f"{left.max():.1e}",
        f"{np.median(n_iter):.0f}",
        f"{n_iter.mean():.0f}",
        f"{seconds.sum():.1f}",
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=100, help="of each family")
    parser.add_argument("--output", help="file for all measurements, as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    found = measure_all(range(options.problems))
    if options.output:
        with open(options.output, "w") as file:
            json.dump(found, file, default=float)
    header = ("fits", "converged", "> tol left", "> 10 tol left", "largest left")
    header += ("median iterations", "mean iterations", "seconds")
    print(table(header, [(key, *row_of(rows)) for key, rows in found.items()]))


if __name__ == "__main__":
    main()
