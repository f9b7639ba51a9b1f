"""Iterations and time of the solvers where the experts overlap heavily.

Gate weights N(0, 1/d) and noise 1.5 leave most rows with several likely experts; plain
EM then needs many iterations.  All solvers start from the same point and are followed
until F is within 1e-6 nats per sample of the best F that any of them reached.
"""

import argparse

import numpy as np
from cases import Case, mixture_data
from load import wait_until_quiet
from report import table
from timing import best_time, fit_quietly, noisy_labels

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

CLOSE = 1e-6
SIZES = (
    ("gaussian", 5_000, 2, 2),
    ("gaussian", 10_000, 5, 3),
    ("gaussian", 50_000, 10, 3),
    ("gaussian", 50_000, 20, 4),
    ("binary", 20_000, 5, 2),
)
PLAIN = "plain em"
SOLVERS = {
    PLAIN: {"solver": "md", "step_size": 1.0},
    "em, default": {"solver": "em"},
    "md, auto": {"solver": "md"},
    "gd, auto": {"solver": "gd"},
}


class Run:
    """One solver on one problem, followed as far as it goes."""

    def __init__(self, make, X, y, max_iter, parameters):
        self.make, self.X, self.y, self.parameters = make, X, y, parameters
        self.curve = self._fit(max_iter=max_iter, tol=1e-12).objective_curve_

    def iterations_to(self, objective):
        """Iterations until F is at most `objective`, or None."""
        there = np.flatnonzero(self.curve <= objective)
        return int(there[0]) if there.size else None

    def seconds_for(self, n_iter, repeats):
        """Seconds of a fit of so many iterations, start included."""
        return best_time(lambda: self._fit(max_iter=max(n_iter, 1), tol=0), repeats)

    def _fit(self, **parameters):
        return fit_quietly(self.make(**parameters, **self.parameters), self.X, self.y)


def measure(size, seed, options):
    """Rows of the table for one size and seed."""
    family, n, d, n_experts = size
    case = Case("overlap", family, max(500, int(options.scale * n)), d, n_experts, 2)
    X, y, labels = mixture_data(case, gate_scale=1.0, noise=1.5, seed=seed)
    kind = MixtureOfLinearExperts
    if family != "gaussian":
        kind, y = MixtureOfLogisticExperts, y.astype(int)
    wait_until_quiet(options.quiet)
    init = noisy_labels(labels, n_experts) if options.start == "labels" else "random"

    def make(**parameters):
        return kind(n_experts, init=init, random_state=seed, **parameters)

    runs = {
        name: Run(make, X, y, options.max_iter, parameters)
        for name, parameters in SOLVERS.items()
    }
    best = min(run.curve[-1] for run in runs.values())
    plain = None
    for name, run in runs.items():
        n_iter = run.iterations_to(best + CLOSE)
        label = f"{family} n={case.n_samples:,} d={d} K={n_experts}"
        behind = f"{run.curve[-1] - best:.1e}"
        if n_iter is None:
            yield (label, seed, name, "not there", "-", "-", "-", behind)
            continue
        seconds = run.seconds_for(n_iter, options.repeats)
        plain = (n_iter, seconds) if name == PLAIN else plain
        shares = ("-", "-")
        if plain is not None:
            shares = (f"{n_iter / max(plain[0], 1):.2f}", f"{seconds / plain[1]:.2f}")
        yield (label, seed, name, n_iter, f"{seconds:.3f}", *shares, behind)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", choices=("labels", "random"), default="labels")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--max-iter", type=int, default=5000)
    parser.add_argument("--quiet", type=float, default=0, help="wait for idle, seconds")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    options = parser.parse_args()
    header = (
        "data",
        "seed",
        "solver",
        "iterations",
        "s",
        "iterations / plain",
        "time / plain",
        "F behind best",
    )
    rows = [
        row
        for size in SIZES
        for seed in range(options.seeds)
        for row in measure(size, seed, options)
    ]
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
