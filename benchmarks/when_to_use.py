"""When a mixture of experts pays: beside trees, boosting and Gaussian mixtures.

    python benchmarks/when_to_use.py

It needs linear-tree, whose release 0.3.5 needs scikit-learn before 1.7.
Five-fold cross-validated R2 or accuracy on real data, everything behind a
StandardScaler.  skmoe takes the number of experts, 1 to 5, from BIC on the training
rows; trees and linear trees their depth from cross-validation; boosting has its
defaults.  Gaussian mixture regression is the conditional mean of scikit-learn's
GaussianMixture fitted to (X, y), its number of components from BIC too.  Prints two
Markdown tables.
"""

import warnings

import numpy as np
from lineartree import LinearTreeClassifier, LinearTreeRegressor
from real_data import classification_sets, regression_sets
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.model_selection import n_experts_path

MOST = 5  # experts or components
DEPTHS = {"max_depth": [2, 3, 4, 6, 8, 12]}
# Not run: an hour and more, a linear model of 64 columns for each possible split.
TOO_SLOW = {("inverted digits", "linear tree")}
FEW_DEPTHS = {"max_depth": [1, 2, 3, 5]}  # a depth of 1 is two linear models


class ByBic(BaseEstimator):
    """The best of a path over the number of experts."""

    def fit(self, X, y):
        path = n_experts_path(self.kind(random_state=0), X, y, max_experts=MOST)
        self.best_ = path.best("bic")
        return self

    def predict(self, X):
        return self.best_.predict(X)


class LinearByBic(RegressorMixin, ByBic):
    kind = MixtureOfLinearExperts


class LogisticByBic(ClassifierMixin, ByBic):
    kind = MixtureOfLogisticExperts

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = self.best_.classes_
        return self


class GaussianMixtureRegression(RegressorMixin, BaseEstimator):
    """E[y | x] under a Gaussian mixture of (X, y)."""

    def fit(self, X, y):
        joint = np.column_stack([X, y])
        fits = [
            GaussianMixture(k, reg_covar=1e-4, random_state=0).fit(joint)
            for k in range(1, MOST + 1)
        ]
        self.best_ = min(fits, key=lambda fit: fit.bic(joint))
        return self

    def predict(self, X):
        parts = zip(
            self.best_.weights_, self.best_.means_, self.best_.covariances_, strict=True
        )
        log_mass, means = [], []
        for weight, mean, covariance in parts:
            normal = multivariate_normal(mean[:-1], covariance[:-1, :-1])
            log_mass.append(np.log(weight) + np.atleast_1d(normal.logpdf(X)))
            slopes = np.linalg.solve(covariance[:-1, :-1], covariance[:-1, -1])
            means.append(mean[-1] + (X - mean[:-1]) @ slopes)
        return (softmax(np.array(log_mass), axis=0) * means).sum(axis=0)


REGRESSORS = {
    "Ridge": Ridge(),
    "skmoe": LinearByBic(),
    "tree": GridSearchCV(DecisionTreeRegressor(random_state=0), DEPTHS),
    "linear tree": GridSearchCV(LinearTreeRegressor(Ridge()), FEW_DEPTHS),
    "Gaussian mixture regression": GaussianMixtureRegression(),
    "boosting": HistGradientBoostingRegressor(random_state=0),
}
CLASSIFIERS = {
    "LogisticRegression": LogisticRegression(max_iter=1000),
    "skmoe": LogisticByBic(),
    "tree": GridSearchCV(DecisionTreeClassifier(random_state=0), DEPTHS),
    "linear tree": GridSearchCV(
        LinearTreeClassifier(LogisticRegression(max_iter=1000)), FEW_DEPTHS
    ),
    "boosting": HistGradientBoostingClassifier(random_state=0),
}


def table(models, sets, folds):
    """Print mean scores of all models on all sets."""
    print("| data | rows | " + " | ".join(models) + " |")
    print("|---" * (2 + len(models)) + "|", flush=True)
    for name, X, y in sets:
        cells = [name, len(y)]
        for kind, model in models.items():
            if (name, kind) in TOO_SLOW:
                cells.append("not run")
                continue
            # Few rows and many components: a mixture's warning is part of the result.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pipeline = make_pipeline(StandardScaler(), model)
                score = cross_val_score(pipeline, X, y, cv=folds)
            cells.append(f"{score.mean():.3f}")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    table(REGRESSORS, regression_sets(), KFold(5, shuffle=True, random_state=0))
    print()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    sets = [entry for entry in classification_sets() if len(entry[2]) < 1000]
    sets += [entry for entry in classification_sets() if entry[0] == "inverted digits"]
    table(CLASSIFIERS, sets, folds)


if __name__ == "__main__":
    main()
