"""Experts that are known for some rows: counted for their expert alone."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference
from skmoe.streaming import array_batches, fit_batches

N, K = 300, 2
RNG = np.random.default_rng(1)
X = RNG.uniform(-2, 2, size=(N, 2))
EXPERT = (RNG.random(N) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
ETA = np.where(EXPERT, 0.5 + X[:, 1], -0.5 - X[:, 1])
LABELS = np.where(RNG.random(N) < 0.3, EXPERT, -1)
TARGETS = {
    "linear": ETA + 0.5 * RNG.standard_normal(N),
    "poisson": RNG.poisson(np.exp(1 + ETA)),
    "classes": (RNG.random(N) < 1 / (1 + np.exp(-2 * ETA))).astype(int),
}
KINDS = {
    "linear": MixtureOfLinearExperts(random_state=0),
    "poisson": MixtureOfGLMExperts(random_state=0),
    "classes": MixtureOfLogisticExperts(random_state=0),
}
EVERY = pytest.mark.parametrize("name", KINDS)


def log_joint(model, y):
    """Logarithms of gate times density, (n, K), by SciPy."""
    gate = log_softmax(X @ model.gate_coef_.T + model.gate_intercept_, axis=1)
    eta = X @ model.coef_.T + model.intercept_
    if isinstance(model, MixtureOfLinearExperts):
        density = stats.norm.logpdf(y[:, None], eta, np.sqrt(model.noise_variance_))
    elif isinstance(model, MixtureOfGLMExperts):
        density = stats.poisson.logpmf(y[:, None], np.exp(eta))
    else:
        density = stats.bernoulli.logpmf(y[:, None], 1 / (1 + np.exp(-eta)))
    return gate + density


def known_likelihood(model, y, labels):
    """Log-likelihood of y and of the experts that are known, (n,)."""
    joint = log_joint(model, y)
    of_known = joint[np.arange(N), np.maximum(labels, 0)]
    return np.where(labels >= 0, of_known, logsumexp(joint, axis=1))


@EVERY
def test_objective_and_criteria_are_those_of_brute_force(name):
    model, y = clone(KINDS[name]), TARGETS[name]
    model.fit(X, y, expert_labels=LABELS)
    total = known_likelihood(model, y, LABELS).sum()
    found = model.log_likelihood(X, y, expert_labels=LABELS)
    assert np.isclose(found, total, atol=1e-9)
    n_parameters = model._fitted["n_parameters"]
    assert np.isclose(model.aic(X, y, expert_labels=LABELS), 2 * (n_parameters - total))
    assert model.log_likelihood(X, y, expert_labels=np.full(N, -1)) > found


@EVERY
def test_fit_is_a_minimum(name):
    model, y = (
        clone(KINDS[name]).set_params(tol=1e-12, alpha=1, gate_alpha=1),
        (TARGETS[name]),
    )
    if name == "linear":
        model.set_params(noise_prior=0)
    model.fit(X, y, expert_labels=LABELS)
    names = ["gate_coef_", "gate_intercept_", "coef_", "intercept_"]
    shapes = [getattr(model, each).shape for each in names]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    unit = np.var(y) if name == "linear" else 1.0

    def objective(flat):
        for each, part, shape in zip(names, np.split(flat, ends[:-1]), shapes):
            setattr(model, each, part.reshape(shape))
        penalty = (
            np.square(model.coef_).sum() / unit + np.square(model.gate_coef_).sum()
        )
        return 0.5 * penalty / N - known_likelihood(model, y, LABELS).mean()

    start = np.concatenate([getattr(model, each).ravel() for each in names])
    first = objective(start)
    assert np.isclose(first, model.objective_curve_[-1], atol=1e-8)
    best = minimize(objective, start, method="BFGS", options={"gtol": 1e-7})
    assert first - best.fun < 1e-6


@pytest.mark.sampled(8)
@EVERY
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    "init", ["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]
)
def test_experts_keep_their_numbers(name, init, swapped):
    labels = np.where(LABELS >= 0, 1 - LABELS, -1) if swapped else LABELS
    model = clone(KINDS[name]).set_params(init=init, solver="em")
    model.fit(X, TARGETS[name], expert_labels=labels)
    slope = model.coef_[:, 1]
    assert (slope[0] > slope[1]) == swapped


@EVERY
@pytest.mark.parametrize("solver", ["md", "gd"])
def test_solvers_agree(name, solver):
    how = {"tol": 1e-10, "max_iter": 50_000}
    em, other = (
        clone(KINDS[name])
        .set_params(solver=each, **how)
        .fit(X, TARGETS[name], expert_labels=LABELS)
        for each in ("em", solver)
    )
    assert np.isclose(em.objective_curve_[-1], other.objective_curve_[-1], atol=1e-6)


def test_all_known_is_two_regressions_and_a_logistic_regression():
    model = MixtureOfLinearExperts(alpha=0, gate_alpha=1, noise_prior=0, tol=1e-12)
    y = TARGETS["linear"]
    model.fit(X, y, expert_labels=EXPERT)
    for k in range(K):
        own = EXPERT == k
        line = LinearRegression().fit(X[own], y[own])
        np.testing.assert_allclose(model.coef_[k], line.coef_, atol=1e-8)
        noise = np.square(y[own] - line.predict(X[own])).mean()
        assert np.isclose(model.noise_variance_[k], noise)
    # Coefficients of two logits are +-1/2 those of one: half their squares.
    gate = LogisticRegression(C=2, tol=1e-10).fit(X, EXPERT)
    found = model.gate_coef_[1] - model.gate_coef_[0]
    np.testing.assert_allclose(found, gate.coef_[0], atol=1e-4)


@EVERY
def test_one_row_tells_the_expert_of_its_group(name):
    groups = np.arange(N) // 2
    y = TARGETS[name]
    model = clone(KINDS[name]).set_params(gate_features=[])
    first = np.where(np.arange(N) % 2 == 0, EXPERT, -1)
    both = np.repeat(EXPERT[::2], 2)
    one, other = (
        clone(model).fit(X, y, groups=groups, expert_labels=labels)
        for labels in (first, both)
    )
    assert (one.coef_ == other.coef_).all()
    shares = np.bincount(EXPERT[::2]) / (N / 2)
    found = one.gate_proba(X)[0]
    np.testing.assert_allclose(found, shares, atol=1e-6)


@EVERY
def test_no_label_changes_no_bit(name):
    y = TARGETS[name]
    plain = clone(KINDS[name]).fit(X, y)
    other = clone(KINDS[name]).fit(X, y, expert_labels=np.full(N, -1))
    assert (plain.coef_ == other.coef_).all()


@EVERY
def test_weights_are_repeated_rows(name):
    times, y = np.arange(N) % 3, TARGETS[name]
    one = clone(KINDS[name]).fit(X, y, times, expert_labels=LABELS)
    long = [np.repeat(each, times, axis=0) for each in (X, y, LABELS)]
    other = clone(KINDS[name]).fit(*long[:2], expert_labels=long[2])
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-8)


@EVERY
def test_batches_are_the_fit(name):
    y, model = TARGETS[name], clone(KINDS[name]).set_params(tol=1e-11)
    whole = clone(model).fit(X, y, expert_labels=LABELS)
    batches = array_batches(X, y, expert_labels=LABELS, batch_size=70)
    found = fit_batches(model, batches)
    np.testing.assert_allclose(found.coef_, whole.coef_, atol=1e-7)


@EVERY
def test_partial_fit_keeps_numbers(name):
    model, rng = clone(KINDS[name]), np.random.default_rng(0)
    named = {"classes": [0, 1]} if name == "classes" else {}
    for _ in range(8):
        rows = rng.integers(N, size=300)
        labels = np.where(LABELS[rows] >= 0, 1 - LABELS[rows], -1)
        model.partial_fit(X[rows], TARGETS[name][rows], expert_labels=labels, **named)
    assert model.coef_[0, 1] > model.coef_[1, 1]


def test_standard_errors_shrink_where_experts_are_known():
    y, model = TARGETS["linear"], clone(KINDS["linear"])
    plain = inference(clone(model).fit(X, y), X, y).standard_error
    model.fit(X, y, expert_labels=EXPERT)
    known = inference(model, X, y, expert_labels=EXPERT)
    assert np.median(known.standard_error) < np.median(plain)
    own = EXPERT == 1
    design = np.column_stack([X[own], np.ones(own.sum())])
    wanted = np.sqrt(
        model.noise_variance_[1] * np.linalg.inv(design.T @ design).diagonal()
    )
    found = known.standard_error[list(known.names).index("expert 1: x1")]
    assert np.isclose(found, wanted[1], rtol=0.02)  # the penalty is left


@pytest.mark.parametrize("depth", [1, 2])
def test_of_a_tree_they_are_its_leaves(depth):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(400, 1))
    expert = np.clip(np.floor(x[:, 0] + 2), 0, 3).astype(int)
    y = expert * 3 + 0.1 * rng.standard_normal(400)
    model = MixtureOfLinearExperts(4, depth=depth, random_state=0)
    order = np.array([1, 0, 3, 2])  # neighbours share a node
    labels = np.where(rng.random(400) < 0.5, order[expert], -1)
    model.fit(x, y, expert_labels=labels)
    assert (model.gate_proba(x).argmax(axis=1) == order[expert]).mean() > 0.9


@pytest.mark.parametrize("kind", [MixtureOfLinearExperts, MixtureOfLogisticExperts])
def test_of_mirrored_experts_they_tell_the_sign(kind):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 2))
    expert = (rng.random(500) < 1 / (1 + np.exp(-3 * x[:, 0]))).astype(int)
    eta = np.where(expert == 0, 2.0, -2.0) * x[:, 1]
    y = eta + 0.5 * rng.standard_normal(500)
    if kind is MixtureOfLogisticExperts:
        y = (rng.random(500) < 1 / (1 + np.exp(-eta))).astype(int)
    for flipped in (False, True):
        labels = 1 - expert if flipped else expert
        labels = np.where(rng.random(500) < 0.3, labels, -1)
        model = kind(symmetric=True, random_state=0).fit(x, y, expert_labels=labels)
        assert (model.coef_[0, 1] < -1) if flipped else (model.coef_[0, 1] > 1)
        found = model.gate_proba([[1.0, 0.0]])[0]
        assert (found[0] > 0.5) == flipped


@pytest.mark.sampled(2)
@pytest.mark.parametrize("n_labels", [1, 2, 5])
@pytest.mark.parametrize("way", ["fit", "batches"])
def test_few_labels_among_many_rows_are_heard(n_labels, way):
    rng = np.random.default_rng(n_labels)
    x = rng.normal(size=(8_000, 1))
    expert = (rng.random(8_000) < 0.8).astype(int)
    y = np.where(expert, x[:, 0] + 1, -x[:, 0] - 1) + 0.5 * rng.normal(size=8_000)
    labels = np.full(8_000, -1)
    for k in (0, 1):
        sure = (expert == k) & (np.abs(x[:, 0] + 1) > 1.5)
        labels[rng.choice(np.flatnonzero(sure), n_labels, replace=False)] = k
    for swapped in (False, True):
        given = np.where(labels >= 0, 1 - labels, -1) if swapped else labels
        model = MixtureOfLinearExperts(random_state=0)
        if way == "fit":
            model.fit(x, y, expert_labels=given)
        else:
            fit_batches(model, array_batches(x, y, expert_labels=given, batch_size=999))
        wanted = [1, -1] if swapped else [-1, 1]
        np.testing.assert_allclose(model.coef_[:, 0], wanted, atol=0.1)


@pytest.mark.parametrize("after_fit", [False, True])
def test_labels_that_come_late_are_refused(after_fit):
    rng = np.random.default_rng(0)
    model, y = clone(KINDS["linear"]), TARGETS["linear"]
    rows = rng.integers(N, size=3_000)
    if after_fit:
        model.fit(X[rows], y[rows])
    else:
        model.partial_fit(X[rows], y[rows])
    coef = model.coef_.copy()
    with pytest.raises(ValueError, match="expert_labels are given, but earlier rows"):
        model.partial_fit(X, y, expert_labels=LABELS)
    assert (model.coef_ == coef).all()
    model.partial_fit(X, y, expert_labels=np.full(N, -1))


def test_labels_as_pandas_makes_them():
    y = TARGETS["linear"]
    wanted = clone(KINDS["linear"]).fit(X, y, expert_labels=LABELS).coef_
    for made in (LABELS.astype(float), pd.Series(LABELS, dtype=object)):
        found = clone(KINDS["linear"]).fit(X, y, expert_labels=made).coef_
        assert (found == wanted).all()


def test_responsibilities_may_know_them():
    model, y = clone(KINDS["linear"]), TARGETS["linear"]
    model.fit(X, y, expert_labels=LABELS)
    proba = model.responsibilities(X, y, expert_labels=LABELS)
    known = LABELS >= 0
    assert (proba[known] == np.eye(2)[LABELS[known]]).all()
    plain = model.responsibilities(X, y)
    assert (proba[~known] == plain[~known]).all()
    assert not (plain[known] == proba[known]).all()


def test_inference_misses_labels_of_the_fit():
    model, y = clone(KINDS["linear"]), TARGETS["linear"]
    model.fit(X, y, expert_labels=LABELS)
    with pytest.raises(ValueError, match="expert_labels=None, but the model was"):
        inference(model, X, y)


def test_of_a_gate_that_chooses_since_the_fit_there_are_none():
    y = TARGETS["linear"]
    model = MixtureOfLinearExperts(3, random_state=0).fit(X, y).set_params(top_k=2)
    with pytest.raises(ValueError, match="top_k=2.*expert_labels"):
        model.log_likelihood(X, y, expert_labels=LABELS)
    model.log_likelihood(X, y, expert_labels=np.full(N, -1))


WRONG = {
    "too high": (np.where(LABELS == 1, 2, LABELS), "from -1 to 2.*n_experts=2"),
    "too low": (np.where(LABELS == 1, -2, LABELS), "from -2 to 0"),
    "no integers": (LABELS + 0.5, "dtype float64.*give integers"),
    "missing": (np.where(LABELS < 0, np.nan, LABELS), "also for missing values"),
    "too few": (LABELS[:-1], "has shape"),
}


@EVERY
@pytest.mark.parametrize("what", WRONG)
def test_wrong_labels_are_named_and_destroy_nothing(name, what):
    y = TARGETS[name]
    model, (wrong, message) = clone(KINDS[name]).fit(X, y), WRONG[what]
    coef = model.coef_.copy()
    for call in (
        lambda: model.fit(X, y, expert_labels=wrong),
        lambda: model.partial_fit(X, y, expert_labels=wrong),
        lambda: fit_batches(model, [{"X": X, "y": y, "expert_labels": wrong}]),
        lambda: model.bic(X, y, expert_labels=wrong),
    ):
        with pytest.raises(ValueError, match=f"expert_labels.*{message}"):
            call()
    assert (model.coef_ == coef).all()


def test_labels_of_a_group_must_agree():
    model = clone(KINDS["linear"]).set_params(gate_features=[])
    groups = np.arange(N) // 2
    with pytest.raises(
        ValueError, match="expert_labels has . and . within group [0-9]+; rows"
    ):
        model.fit(X, TARGETS["linear"], groups=groups, expert_labels=EXPERT)


def test_a_gate_that_chooses_has_no_known_experts():
    model = MixtureOfLinearExperts(3, top_k=2)
    with pytest.raises(ValueError, match="top_k=2.*expert_labels"):
        model.fit(X, TARGETS["linear"], expert_labels=LABELS)
