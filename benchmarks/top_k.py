"""Time and accuracy of sparse mixtures beside dense ones.

    python benchmarks/top_k.py [--experts 64] [--top-k 2] [--rows 20000] [--repeats 7]

First, time of a prediction with random parameters, and the ratio of dense to sparse in
the same run.  Then a fit to real images: digits, each shifted by up to one pixel and
half of them inverted, 20 principal components, ten classes; images of the test set are
of other digits.  The dense fit predicts with all experts and with the best ones only,
the sparse fit with the best ones.  Both start from k-means and end after `--max-iter`
iterations.
"""

import argparse
import time
from itertools import product

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from timing import best_time, fit_quietly

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

# Name, features, classes (None: linear experts).
SHAPES = {
    "linear, 20 features": (20, None),
    "two classes, 20 features": (20, 2),
    "10 classes, 20 features": (20, 10),
    "10 classes, 64 features": (64, 10),
}


def random_model(n_experts, n_features, n_classes, X):
    """A model with random coefficients, as a fit would leave it."""
    rng = np.random.default_rng(0)
    rows = X[: 20 * n_experts]
    if n_classes is None:
        model, y = MixtureOfLinearExperts, rng.standard_normal(len(rows))
    else:
        model, y = MixtureOfLogisticExperts, np.arange(len(rows)) % n_classes
    model = model(n_experts, init="random", max_iter=1, random_state=0)
    fit_quietly(model, rows, y)
    model.gate_coef_ = rng.standard_normal(model.gate_coef_.shape)
    model.coef_ = rng.standard_normal(model.coef_.shape)
    return model


def prediction_times(n_experts, top_k, repeats, n=40_000):
    """Rows of the table of times, microseconds a row."""
    for name, (n_features, n_classes) in SHAPES.items():
        X = np.random.default_rng(1).standard_normal((n, n_features))
        model = random_model(n_experts, n_features, n_classes, X)
        dense, sparse = (
            1e6 / n * prediction_time(model.set_params(top_k=value), X, repeats)
            for value in (None, top_k)
        )
        yield name, f"{dense:.2f}", f"{sparse:.2f}", f"{dense / sparse:.1f}"


def prediction_time(model, X, repeats):
    """Seconds of `predict`, or of `predict_proba` where there are classes."""
    predict = getattr(model, "predict_proba", model.predict)
    return best_time(lambda: predict(X), repeats)


def shifted_digits(n_rows, seed=0):
    """Components of shifted and inverted digits: X, y of training and of test rows."""
    X, y = load_digits(return_X_y=True)
    images = X.reshape(-1, 8, 8)
    shifts = list(product((-1, 0, 1), repeat=2))
    moved = np.stack([np.roll(images, shift, axis=(1, 2)) for shift in shifts], axis=1)
    moved = np.concatenate([moved, 16 - moved], axis=1).reshape(len(y), -1, 64)
    rng = np.random.default_rng(seed)
    is_test = rng.uniform(size=len(y)) < 0.3
    parts = []
    for chosen in (~is_test, is_test):
        rows = moved[chosen].reshape(-1, 64)
        labels = np.repeat(y[chosen], moved.shape[1])
        drawn = rng.permutation(len(rows))[:n_rows]
        parts.append((rows[drawn], labels[drawn]))
    (X, y), (X_new, y_new) = parts
    components = PCA(20, random_state=0).fit(X)
    scaler = StandardScaler().fit(components.transform(X))
    X, X_new = (scaler.transform(components.transform(part)) for part in (X, X_new))
    return X, y, X_new, y_new


def accuracies(n_experts, top_k, n_rows, max_iter, repeats):
    """Rows of the table of fits."""
    X, y, X_new, y_new = shifted_digits(n_rows)
    for fitted_with in (None, top_k):
        model = MixtureOfLogisticExperts(n_experts, top_k=fitted_with, init="kmeans")
        model.set_params(max_iter=max_iter, random_state=0)
        start = time.perf_counter()
        fit_quietly(model, X, y)
        seconds = time.perf_counter() - start
        for predicted_with in sorted({fitted_with or n_experts, top_k}, reverse=True):
            model.set_params(top_k=predicted_with)
            took = prediction_time(model, X_new, repeats)
            yield (
                fitted_with or "all",
                predicted_with if predicted_with < n_experts else "all",
                f"{seconds / model.n_iter_:.2f}",
                f"{1e6 * took / len(X_new):.2f}",
                f"{model.score(X_new, y_new):.4f}",
                f"{model.score_samples(X_new, y_new).mean():.4f}",
            )


def print_table(heading, rows):
    """A Markdown table, row by row."""
    print("| " + " | ".join(heading) + " |")
    print("|" + "---|" * len(heading))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experts", type=int, default=64)
    parser.add_argument("--top-k", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--max-iter", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print_table(
        ("experts", "dense, us a row", f"top {options.top_k}, us a row", "ratio"),
        prediction_times(options.experts, options.top_k, options.repeats),
    )
    print()
    print_table(
        (
            "fitted with",
            "predicted with",
            "fit, s an iteration",
            "predict, us a row",
            "accuracy",
            "log-likelihood",
        ),
        accuracies(
            options.experts,
            options.top_k,
            options.rows,
            options.max_iter,
            options.repeats,
        ),
    )


if __name__ == "__main__":
    main()
