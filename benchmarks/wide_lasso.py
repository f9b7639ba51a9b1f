"""Fits with an L1 penalty of many columns: two experts, dense counts and sparse texts.

    python benchmarks/wide_lasso.py [--texts 20000]

Prints seconds of this process (CPU, one thread of BLAS) of whole fits, and their F.
"""

import argparse
import time
import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skmoe import MixtureOfGLMExperts, MixtureOfLogisticExperts


def counts(n_columns):
    """200 rows whose counts depend on three columns."""
    rng = np.random.default_rng(0)
    X, coef = rng.normal(size=(200, n_columns)), np.zeros(n_columns)
    coef[[0, 1, 4]] = 1.2, 0.8, -0.6
    return X, rng.poisson(np.exp(np.minimum(X @ coef, 6)))


def texts(n_rows, n_words=3000):
    """Sparse counts of words, 15 a row, and two classes in two regimes."""
    rng = np.random.default_rng(0)
    X = sparse.random(n_rows, n_words, density=0.005, format="csr", random_state=0)
    X.data[:] = 1 + rng.poisson(0.3, X.data.size)
    coef = np.zeros((3, n_words))
    coef[0, :40], coef[1, 20:60] = 2 * rng.normal(size=(2, 40))
    coef[2, 100:130] = 3 * rng.normal(size=30)
    *experts, gate = np.asarray(X @ coef.T).T
    noise = rng.logistic(size=(2, n_rows))
    return X, np.where(gate + noise[0] > 0, *experts) + noise[1] > 0


def report(name, kind, alpha, X, y):
    """Print the time of a fit and where it ends."""
    strength = {"alpha": alpha, "gate_alpha": alpha, "l1_ratio": 1, "gate_l1_ratio": 1}
    start = time.process_time()
    model = kind(random_state=0, **strength).fit(X, y)
    seconds = time.process_time() - start
    print(f"{name}: {seconds:.1f} s, F {model.objective_curve_[-1]:.8f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=20_000)
    n_texts = parser.parse_args().texts
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1):
        for n_columns, alpha in ((500, 20), (500, 5), (2000, 20)):
            name = f"200 x {n_columns}, alpha {alpha}"
            report(name, MixtureOfGLMExperts, alpha, *counts(n_columns))
        drawn = texts(n_texts)
        alpha = n_texts / 1000
        report(f"{n_texts} texts", MixtureOfLogisticExperts, alpha, *drawn)


if __name__ == "__main__":
    main()
