"""Small fits: ten starts beside flexmix's, a search beside GaussianMixture's.

    python benchmarks/small_fits.py [--rscript Rscript] [--repeats 5]

Times are the least of the repeats, one core, whole fits; those of flexmix are of
`stepFlexmix(nrep = 10)` on its own example sets, R's start not counted.  The best
log-likelihoods of the repeats stand beside; flexmix drops components and divides
variances by n - p.
The search is of 5 folds and 10 candidates on 500 x 5 rows, two components in both.
"""

import argparse
import subprocess
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from cases import CASES, mixture_data
from report import table
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits
from timing import best_time

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts

HERE = Path(__file__).resolve().parent
RECORDED = HERE.parent / "tests" / "recorded"


NAMES = ["NPreg", "NregFix", "BregFix", "fabricfault", "seizure", "dmft"]


def models():
    """Estimator, X, y and what else is known of rows, by the name of a set."""
    common = {"gate_features": [], "n_init": 10, "alpha": 0.0}
    linear, glm = MixtureOfLinearExperts, MixtureOfGLMExperts
    poisson = glm(n_experts=2, **common)
    normal, fixed, counts, faults, seizure, teeth = (
        pd.read_csv(RECORDED / f"{name}.csv") for name in NAMES
    )
    trials, log_hours = counts["yes"] + counts["no"], np.log(seizure["Hours"])
    binomial = glm(n_experts=3, family="binomial", **common)
    days = seizure.drop(columns=["Seizures", "Hours"])
    models = [
        (linear(2, **common), normal[["x", "I(x^2)"]], normal["yn"], {}),
        (linear(3, **common), fixed[["x1", "x21"]], fixed["y"], {}),
        (binomial, counts[["x"]], counts["yes"], {"trials": trials}),
        (poisson, faults[["log(Length)"]], faults["Faults"], {}),
        (poisson, days, seizure["Seizures"], {"offset": log_hours}),
        (poisson, teeth.drop(columns="End"), teeth["End"], {}),
    ]
    return dict(zip(NAMES, models))


def fitted(model, X, y, known, seed):
    """Log-likelihood of a fit."""
    fit = model.set_params(random_state=seed).fit(X, y, **known)
    return fit.log_likelihood(X, y, **known)


def least_time(run, repeats):
    """Least seconds of some runs, which take a seed, and their results."""
    times, results = [], []
    for seed in range(repeats):
        start = time.perf_counter()
        results.append(run(seed))
        times.append(time.perf_counter() - start)
    return min(times), results


def flexmix_times(rscript, repeats):
    """Seconds and log-likelihood by set, a dict, empty without R."""
    command = [rscript, HERE / "peers" / "small_fits.R", RECORDED, repeats]
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    except FileNotFoundError:
        return {}
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0]: tuple(map(float, row[1:])) for row in rows if len(row) == 3}


def searches(repeats):
    """Seconds of a grid search over a mixture of experts, and over GaussianMixture."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5))
    y = np.where(X[:, 0] > 0, X.sum(axis=1), -X[:, 1]) + 0.3 * rng.standard_normal(500)
    experts = GridSearchCV(
        MixtureOfLinearExperts(2, random_state=0), {"alpha": np.geomspace(1e-4, 1, 10)}
    )
    gaussian = GridSearchCV(
        GaussianMixture(2, random_state=0), {"reg_covar": np.geomspace(1e-7, 1e-3, 10)}
    )
    both = np.column_stack([X, y])
    own = best_time(lambda: experts.fit(X, y), repeats)
    return own, best_time(lambda: gaussian.fit(both), repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rscript", default="Rscript")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    flexmix = flexmix_times(options.rscript, options.repeats)
    rows = []
    for name, model in models().items():
        run = partial(fitted, *model)
        seconds, values = least_time(run, options.repeats)
        other, value = flexmix.get(name, (np.nan, np.nan))
        row = name, f"{seconds:.3f}", f"{other:.3f}", f"{other / seconds:.1f}"
        rows.append((*row, f"{max(values):.2f}", f"{value:.2f}"))
    own, other = searches(min(options.repeats, 3))
    rows.append(
        ("grid search", f"{own:.2f}", f"{other:.2f}", f"{other / own:.2f}", "", "")
    )
    X, y, _ = mixture_data(CASES["D"])
    one, _ = least_time(
        lambda seed: MixtureOfLinearExperts(2, random_state=seed).fit(X, y), 20
    )
    rows.append(("case D, one start", f"{one:.4f}", "", "", "", ""))
    header = "set", "skmoe s", "other s", "other / skmoe", "log-likelihood", "other's"
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
