"""How near partial_fit comes to the optimum of fit, on cases A and C.

    python benchmarks/partial_fit.py [--seeds 50] [--batch-size 1000] [--passes 3]

For each seed a data set is drawn, and an estimator of default parameters sees its rows
in batches, `--passes` times in the same order.  The gap is F of all rows under its
parameters less the best F of a fit with `--n-init` starts, in nats per sample; a seed
succeeds if it is at most `--within`.  Prints a Markdown table: successes after one pass
and after all, and the gaps after all.
"""

import argparse
import copy
import time
import warnings

import numpy as np
from cases import CASES, mixture_data
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

KINDS = {"gaussian": MixtureOfLinearExperts, "binary": MixtureOfLogisticExperts}


def objective(model, X, y):
    """F of all rows under the fitted parameters."""
    again = copy.deepcopy(model).set_params(warm_start=True, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return again.fit(X, y).objective_curve_[0]


def one_pass(model, X, y, batch_size):
    """Learn all rows once, batch by batch."""
    first = {"classes": np.unique(y)} if hasattr(model, "predict_proba") else {}
    for start in range(0, len(y), batch_size):
        rows = slice(start, start + batch_size)
        model.partial_fit(X[rows], y[rows], **first)


def measure(case, seed, options):
    """Gaps after each pass, and seconds of partial_fit and of one fit."""
    X, y, _ = mixture_data(case, seed=seed)
    model = KINDS[case.family](case.n_experts, random_state=seed)
    start, values = time.perf_counter(), []
    for _ in range(options.passes):
        one_pass(model, X, y, options.batch_size)
        values.append(objective(model, X, y))
    middle = time.perf_counter()
    fit = KINDS[case.family](
        case.n_experts, n_init=options.n_init, n_jobs=options.n_jobs, random_state=seed
    )
    best = fit.fit(X, y).objective_curve_[-1]
    return np.array(values) - best, middle - start, time.perf_counter() - middle


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="A,C")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--within", type=float, default=0.01)
    parser.add_argument("--n-init", type=int, default=5)
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--each", action="store_true", help="print every seed")
    options = parser.parse_args()
    lines = [
        f"| case | 1 pass | {options.passes} passes | median gap | 90 % | largest |",
        "|---|---|---|---|---|---|",
    ]
    for name in options.cases.split(","):
        gaps = []
        for seed in range(options.seeds):
            found, *seconds = measure(CASES[name], seed, options)
            gaps.append(found)
            if options.each:
                print(name, seed, found.round(5), np.round(seconds, 2), flush=True)
        gaps = np.array(gaps)
        counts = (gaps[:, [0, -1]] <= options.within).sum(axis=0)
        last = gaps[:, -1]
        spread = [np.median(last), np.quantile(last, 0.9), last.max()]
        cells = [f"{count} of {options.seeds}" for count in counts]
        cells += [f"{value:.4f}" for value in spread]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
