"""Level and power of the bootstrapped likelihood ratio test of one expert more.

    python benchmarks/bootstrap_calibration.py run KIND TRUTH FIRST LAST sets.jsonl
    python benchmarks/bootstrap_calibration.py table sets.jsonl

`run` appends a line for each data set from FIRST to LAST (excluded): its statistic, and
those of `RESAMPLES` data sets drawn from its null.  KIND is linear, logistic or
poisson; TRUTH is null (one expert), near or far (two).  `table` says how many
statistics are beyond the 95 % quantile of all that were drawn under the same KIND and
TRUTH: the rejections of a test with many resamples, of which each data set makes a few
(Giacomini, Politis and White, "A warp-speed method for conducting Monte Carlo
experiments involving bootstrap estimators", Econometric Theory 29, 2013).
"""

import json
import sys
import warnings

import numpy as np

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.model_selection import bootstrap_lr_test

N_ROWS, RESAMPLES, LEVEL = 200, 2, 0.05
MODELS = {
    "linear": MixtureOfLinearExperts,
    "logistic": MixtureOfLogisticExperts,
    "poisson": MixtureOfGLMExperts,
}
# Slopes of two experts, of which x tells the shares.
SLOPES = {"null": (1.0, 1.0), "near": (1.0, 0.0), "far": (1.0, -1.0)}
TRUTHS = {"null": "one expert", "near": "slopes 1 and 0", "far": "slopes 1 and -1"}


def draw(kind, truth, seed):
    """X (200, 1) and y of a data set."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=N_ROWS)
    is_first = rng.uniform(size=N_ROWS) < 1 / (1 + np.exp(-x))
    predictor = np.where(is_first, *SLOPES[truth]) * x
    if kind == "linear":
        y = predictor + 0.5 * rng.standard_normal(N_ROWS)
    elif kind == "poisson":
        y = rng.poisson(np.exp(1 + 0.7 * predictor))
    else:
        odds = np.exp(2 * predictor)
        y = (rng.uniform(size=N_ROWS) < odds / (1 + odds)).astype(int)
    return x[:, None], y


def run(kind, truth, first, last, path):
    """Append the statistics of data sets to a file, a line for each."""
    warnings.simplefilter("ignore")
    for seed in range(int(first), int(last)):
        X, y = draw(kind, truth, seed)
        model = MODELS[kind](1, random_state=0)
        test = bootstrap_lr_test(model, X, y, n_resamples=RESAMPLES, random_state=seed)
        found = test.null_distribution.tolist()
        with open(path, "a") as file:
            line = [kind, truth, seed, test.statistic, found]
            file.write(json.dumps(line) + "\n")


def table(path):
    """Print the share of rejections by kind and truth."""
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    print("| y | truth | data sets | rejected at 5 % | standard error |")
    print("|---|---|---|---|---|")
    for kind in MODELS:
        for truth, name in TRUTHS.items():
            own = [line for line in lines if line[:2] == [kind, truth]]
            if not own:
                continue
            drawn = np.concatenate([line[4] for line in own])
            bound = np.quantile(drawn, 1 - LEVEL)
            share = np.mean([line[3] > bound for line in own])
            # The bound is estimated, too.
            spread = share * (1 - share) / len(own)
            spread += LEVEL * (1 - LEVEL) / drawn.size * (truth == "null")
            cells = kind, name, len(own), f"{share:.1%}", f"{np.sqrt(spread):.1%}"
            print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    {"run": run, "table": table}[sys.argv[1]](*sys.argv[2:])
