"""Soft-label softmax regression, the projection of gates and logistic experts."""

from functools import partial

import numpy as np
import pytest
from _data import all_features, softmax
from scipy import sparse
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from skmoe.data.design import column_moments, make_design
from skmoe.engine.blended_regression import SoftLabels, newton
from skmoe.engine.penalty import Penalty
from skmoe.engine.softmax import class_contrasts, orthonormal_contrasts

every_form = pytest.mark.parametrize("dense", [True, False])
every_class_count = pytest.mark.parametrize("n_classes", [2, 3, 4])


def make_X(n=300, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) * np.arange(1, d + 1) + rng.standard_normal(d)


def make_soft_labels(X, n_classes, seed=0):
    """Row masses a (n,) and targets t (C, n) that sum to them."""
    rng = np.random.default_rng(seed)
    coef = rng.standard_normal((n_classes, X.shape[1])) / np.arange(1, X.shape[1] + 1)
    logits = coef @ X.T + rng.standard_normal((n_classes, X.shape[0]))
    mass = rng.uniform(0.1, 2.0, X.shape[0])
    mass /= mass.sum()
    return mass, mass * softmax(logits)


def standardised(X, weight=None):
    weight = np.ones(X.shape[0]) if weight is None else weight
    return make_design(X, None, *column_moments(X, weight, True), True)


def zeros(design, contrasts):
    return np.zeros((contrasts.shape[1], design.n_columns))


def penalty_of(design, alpha):
    """A penalty of `alpha` on coefficients in the units of X."""
    return Penalty(np.append(alpha / design.scale**2, 0.0))


def value(design, mass, target, coef, contrasts, penalty):
    logits = contrasts @ coef @ all_features(design)
    likelihood = (target * logits).sum() - mass @ logsumexp(logits, axis=0)
    return 0.5 * (penalty.ridge * coef**2).sum() - likelihood


def soft_label_regression(
    design, mass, target, coef, contrasts, penalty, *, dense, **options
):
    loss = SoftLabels(design, mass, target, contrasts, dense)
    return newton(loss, penalty, coef, **options)


converged = partial(soft_label_regression, max_iter=200, tol=1e-18)


@every_form
@every_class_count
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_value_never_rises_with_iterations(dense, n_classes, alpha):
    X = make_X()
    design, contrasts = standardised(X), class_contrasts(n_classes)
    mass, target = make_soft_labels(X, n_classes)
    penalty = penalty_of(design, alpha)
    # Far from the optimum, where full Newton steps overshoot.
    start = 10 * np.random.default_rng(1).standard_normal(
        zeros(design, contrasts).shape
    )
    values = [value(design, mass, target, start, contrasts, penalty)]
    for n_iter in range(1, 12):
        coef = soft_label_regression(
            design,
            mass,
            target,
            start,
            contrasts,
            penalty,
            dense=dense,
            max_iter=n_iter,
        )
        values.append(value(design, mass, target, coef, contrasts, penalty))
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    assert values[-1] < 0.5 * values[0]


@every_form
@every_class_count
def test_solution_has_no_gradient(dense, n_classes):
    X = make_X()
    design, contrasts = standardised(X), orthonormal_contrasts(n_classes)
    mass, target = make_soft_labels(X, n_classes)
    penalty = penalty_of(design, 0.01)
    start = zeros(design, contrasts)
    coef = converged(design, mass, target, start, contrasts, penalty, dense=dense)
    features = all_features(design)
    excess = mass * softmax(contrasts @ coef @ features) - target
    gradient = contrasts.T @ excess @ features.T + penalty.ridge * coef
    np.testing.assert_allclose(gradient, 0, atol=1e-8)


@every_class_count
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_stored_and_implicit_curvature_agree(n_classes, make, alpha):
    X = make_X()
    mass, target = make_soft_labels(X, n_classes)
    design, contrasts = standardised(make(X)), class_contrasts(n_classes)
    start, penalty = zeros(design, contrasts), penalty_of(design, alpha)
    stored, implicit = (
        converged(design, mass, target, start, contrasts, penalty, dense=dense)
        for dense in (True, False)
    )
    np.testing.assert_allclose(stored, implicit, rtol=1e-6, atol=1e-7)


@every_form
@every_class_count
@pytest.mark.parametrize("alpha", [1e-3, 0.1])
def test_hard_labels_are_logistic_regression(dense, n_classes, alpha):
    X = make_X()
    n = X.shape[0]
    _, target = make_soft_labels(X, n_classes)
    labels = target.argmax(axis=0)
    onehot = np.arange(n_classes)[:, None] == labels
    design, contrasts = standardised(X), class_contrasts(n_classes)
    coef = contrasts @ converged(
        design,
        np.full(n, 1 / n),
        onehot / n,
        zeros(design, contrasts),
        contrasts,
        penalty_of(design, alpha),
        dense=dense,
    )
    slopes = coef[:, :-1] / design.scale
    intercept = coef[:, -1] - slopes @ design.mean
    if n_classes == 2:
        slopes, intercept = slopes[1:], intercept[1:]

    expected = LogisticRegression(
        C=1 / (alpha * n), solver="newton-cg", tol=1e-8, max_iter=1000
    ).fit(X, labels)
    np.testing.assert_allclose(slopes, expected.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(intercept, expected.intercept_, rtol=1e-4, atol=1e-5)


@every_form
@every_class_count
def test_soft_labels_equal_weighted_hard_labels(dense, n_classes):
    X = make_X()
    mass, target = make_soft_labels(X, n_classes)
    contrasts, design = class_contrasts(n_classes), standardised(X)
    start, penalty = zeros(design, contrasts), penalty_of(design, 0.01)
    soft = converged(design, mass, target, start, contrasts, penalty, dense=dense)

    repeated = make_design(
        np.tile(X, (n_classes, 1)), None, design.mean, design.scale, True
    )
    weight = target.ravel()
    hard = np.repeat(np.eye(n_classes), X.shape[0], axis=1) * weight
    from_hard = converged(
        repeated, weight, hard, start, contrasts, penalty, dense=dense
    )
    np.testing.assert_allclose(soft, from_hard, rtol=1e-6, atol=1e-7)


@every_form
def test_solution_is_kept_as_it_is(dense):
    X = make_X()
    mass, target = make_soft_labels(X, 3)
    contrasts, design = class_contrasts(3), standardised(X)
    start, penalty = zeros(design, contrasts), penalty_of(design, 0.01)
    solution = converged(design, mass, target, start, contrasts, penalty, dense=dense)
    again = converged(design, mass, target, solution, contrasts, penalty, dense=dense)
    np.testing.assert_allclose(again, solution, rtol=1e-7, atol=1e-9)


@every_form
def test_no_iterations_return_the_start(dense):
    X = make_X()
    mass, target = make_soft_labels(X, 3)
    contrasts, design = class_contrasts(3), standardised(X)
    start = zeros(design, contrasts) + 0.1
    coef = soft_label_regression(
        design,
        mass,
        target,
        start,
        contrasts,
        penalty_of(design, 0.0),
        dense=dense,
        max_iter=0,
    )
    np.testing.assert_array_equal(coef, start)


@every_form
def test_start_is_not_overwritten(dense):
    X = make_X()
    mass, target = make_soft_labels(X, 3)
    contrasts, design = class_contrasts(3), standardised(X)
    start, penalty = zeros(design, contrasts), penalty_of(design, 0.1)
    converged(design, mass, target, start, contrasts, penalty, dense=dense)
    assert not start.any()


@pytest.mark.parametrize("n_classes", [3, 4])
def test_orthonormal_contrasts_give_coefficients_that_sum_to_zero(n_classes):
    X = make_X()
    mass, target = make_soft_labels(X, n_classes)
    contrasts, design = orthonormal_contrasts(n_classes), standardised(X)
    start, penalty = zeros(design, contrasts), penalty_of(design, 0.1)
    coef = converged(design, mass, target, start, contrasts, penalty, dense=True)
    np.testing.assert_allclose((contrasts @ coef).sum(axis=0), 0, atol=1e-12)
    assert np.square(contrasts @ coef).sum() == pytest.approx(np.square(coef).sum())
