"""Time of a bootstrapped likelihood ratio test, beside flexmix and mixtools in R.

    python benchmarks/bootstrap_lr_test.py [--rows 200] [--resamples 9]

One component against two, linear regressions of one column with constant shares, on one
core: `bootstrap_lr_test`, flexmix's `LR_test` (one random start for each fit, as by
default) and mixtools' `boot.comp`.  The three draw data sets of their own from the same
null.  Needs R with both packages.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts
from skmoe.model_selection import bootstrap_lr_test

# Prints seconds; what the packages print goes elsewhere.
_R = """
suppressMessages({{library(flexmix); library(mixtools)}})
d <- read.csv("{path}")
set.seed(1)
one <- flexmix(y ~ x, data = d, k = 1, model = FLXMRglm(family = "{family}"))
start <- proc.time()[3]
invisible(LR_test(one, R = {resamples}, alternative = "greater"))
cat("flexmix", proc.time()[3] - start, "\\n")
start <- proc.time()[3]
invisible(capture.output(boot.comp(d$y, d$x, mix.type = "{mix}", max.comp = 1,
  B = {resamples}, hist = FALSE)))
cat("mixtools", proc.time()[3] - start, "\\n")
"""
_KINDS = {"linear": ("gaussian", "regmix"), "poisson": ("poisson", "poisregmix")}


def draw(kind, n_rows):
    """X and y of one expert."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n_rows)
    if kind == "linear":
        return x[:, None], 1 + x + 0.5 * rng.standard_normal(n_rows)
    return x[:, None], rng.poisson(np.exp(1 + 0.5 * x))


def seconds_of_r(kind, X, y, resamples):
    """Seconds of the R packages by name."""
    family, mix = _KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        pd.DataFrame({"x": X[:, 0], "y": y}).to_csv(path, index=False)
        code = _R.format(path=path, family=family, mix=mix, resamples=resamples)
        printed = subprocess.run(
            ["Rscript", "-e", code], capture_output=True, text=True, check=True
        ).stdout
    lines = (line.split() for line in printed.splitlines())
    return {words[0]: float(words[1]) for words in lines}


def seconds_here(kind, X, y, resamples):
    """Seconds of `bootstrap_lr_test`."""
    model = MixtureOfLinearExperts if kind == "linear" else MixtureOfGLMExperts
    model = model(1, gate_features=[], random_state=0)
    bootstrap_lr_test(model, X, y, n_resamples=1)  # so that all is loaded
    start = time.perf_counter()
    bootstrap_lr_test(model, X, y, n_resamples=resamples, random_state=0)
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=9)
    args = parser.parse_args()
    print("| y | rows | skmoe, s | flexmix, s | mixtools, s |\n|---|---|---|---|---|")
    for kind in _KINDS:
        X, y = draw(kind, args.rows)
        here = seconds_here(kind, X, y, args.resamples)
        r = seconds_of_r(kind, X, y, args.resamples)
        print(
            f"| {kind} | {args.rows} | {here:.2f} | {r['flexmix']:.2f} "
            f"| {r['mixtools']:.2f} |"
        )
