"""Elastic net penalties of experts and gate: exact zeros, the right ones."""

import numpy as np
import pytest
from _data import MODELS, soft_start
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, LogisticRegression

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.data.design import DenseBlock, make_design
from skmoe.engine.curvature import ImplicitCurvature
from skmoe.engine.descent import minimise
from skmoe.engine.gate import Gate
from skmoe.engine.lasso import lasso_step
from skmoe.engine.penalty import Penalty
from skmoe.engine.softmax import class_contrasts
from skmoe.inspection import inference
from skmoe.solvers import make_solver

every_solver = pytest.mark.parametrize("solver", ["em", "md", "gd"])
both = pytest.mark.parametrize(
    "kind", [MixtureOfLinearExperts, MixtureOfLogisticExperts]
)
every_ratio = pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
TO_THE_END = {"tol": 1e-13, "max_iter": 30_000}


def sparse_regression(n=400, d=15, seed=0):
    """X with two columns that nearly agree, and a predictor of four features."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.linspace(0.5, 2, d)
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    return X, X[:, :4] @ [2.0, -1.0, 1.0, 0.5], rng


def two_regimes(kind, n_experts=2, n=1500, d=8, seed=0):
    """Experts that use features 0 to 2, a gate that uses 3 and 4."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    slopes, gate = np.zeros((2, n_experts, d))
    slopes[:, :3] = 3 * rng.standard_normal((n_experts, 3))
    gate[:, 3:5] = 4 * rng.standard_normal((n_experts, 2))
    cumulated = softmax(X @ gate.T, axis=1).cumsum(axis=1)
    regime = (rng.uniform(size=n)[:, None] > cumulated).sum(axis=1)
    mean = (X * slopes[regime]).sum(axis=1)
    if kind is MixtureOfLinearExperts:
        return X, mean + 0.5 * rng.standard_normal(n)
    return X, (mean + rng.logistic(size=n) > 0).astype(int)


@every_solver
@every_ratio
def test_one_linear_expert_is_elastic_net(solver, l1_ratio):
    X, mean, rng = sparse_regression()
    y = 5 * (mean + rng.standard_normal(len(mean)))
    model = MixtureOfLinearExperts(
        1, alpha=0.1 * len(y), l1_ratio=l1_ratio, solver=solver, **TO_THE_END
    ).fit(X, y)
    variance = model.noise_variance_[0]
    lasso = 0.1 * l1_ratio * variance / y.std()
    ridge = 0.1 * (1 - l1_ratio) * variance / y.var()
    alone = ElasticNet(
        lasso + ridge, l1_ratio=lasso / (lasso + ridge), tol=1e-12, max_iter=100_000
    ).fit(X, y)
    assert 3 < np.count_nonzero(alone.coef_) < X.shape[1]
    np.testing.assert_array_equal(model.coef_[0] == 0, alone.coef_ == 0)
    np.testing.assert_allclose(model.coef_[0], alone.coef_, atol=1e-4 * y.std())
    np.testing.assert_allclose(model.intercept_[0], alone.intercept_, atol=1e-3)


@every_solver
@every_ratio
@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_logistic_expert_is_logistic_regression(solver, l1_ratio, n_classes):
    X, mean, rng = sparse_regression()
    noisy = mean + rng.logistic(size=len(mean))
    y = np.digitize(noisy, [0.0] if n_classes == 2 else [-1.0, 1.0])
    model = MixtureOfLogisticExperts(
        1, alpha=0.03 * len(y), l1_ratio=l1_ratio, solver=solver, **TO_THE_END
    ).fit(X, y)
    alone = LogisticRegression(
        C=1 / (0.03 * len(y)),
        l1_ratio=l1_ratio,
        solver="saga",
        tol=1e-10,
        max_iter=100_000,
    ).fit(X, y)
    coef = model.coef_.reshape(alone.coef_.shape)
    assert 2 < np.count_nonzero(alone.coef_) < alone.coef_.size
    np.testing.assert_array_equal(coef == 0, alone.coef_ == 0)
    np.testing.assert_allclose(coef, alone.coef_, atol=2e-5)
    np.testing.assert_allclose(
        model.predict_proba(X), alone.predict_proba(X), atol=2e-5
    )


@pytest.mark.sampled(8)
@every_solver
@pytest.mark.parametrize("name", [n for n in MODELS if n[-1] not in "34"])
def test_solvers_end_where_the_subgradient_vanishes(name, solver):
    model = MODELS[name]
    data = model.data(n=200, d=5, seed=2, signal=2.0, gate_signal=2.0)
    strength = {"alpha": 0.05, "gate_alpha": 0.02}
    mixture = model.problem(data, l1_ratio=0.8, gate_l1_ratio=0.7, **strength).mixture
    descent = minimise(
        mixture,
        soft_start(mixture, data.expert),
        make_solver(solver, "auto"),
        5_000,
        1e-11,
    )
    assert (np.diff(descent.objective_curve) <= 1e-9).all()
    theta = descent.theta
    state = mixture.evaluate(theta)
    gradient = mixture.gradient(state)
    converged = 2e-2 if solver == "gd" else 1e-4
    for penalty, coef, slope in zip(mixture.penalties.of_coefs, theta, gradient):
        lasso = np.broadcast_to(penalty.lasso, coef.shape)
        excess = np.where(
            coef == 0, np.abs(slope) - lasso, np.abs(slope + lasso * np.sign(coef))
        )
        assert excess.max() < converged
    assert np.abs(gradient.log_variance).max(initial=0.0) < converged


@pytest.mark.sampled(1)
@both
@pytest.mark.parametrize("n_experts", [2, 3])
def test_finds_the_features_of_experts_and_gate(kind, n_experts):
    X, y = two_regimes(kind, n_experts)
    alpha = (0.02 if kind is MixtureOfLinearExperts else 0.005) * len(y)
    penalties = {"alpha": alpha, "gate_alpha": alpha, "l1_ratio": 1, "gate_l1_ratio": 1}
    model = kind(n_experts, random_state=0, **penalties).fit(X, y)
    assert np.abs(model.coef_[:, :3]).max(axis=0).min() > 0.1
    of_gate = np.abs(model.gate_coef_).sum(axis=0)
    assert of_gate[3:5].all()
    assert of_gate[3:5].sum() > 0.9 * of_gate.sum()
    assert np.count_nonzero(of_gate) <= 4
    share = np.abs(model.coef_[:, 3:]).sum() / np.abs(model.coef_).sum()
    ridge = kind(n_experts, random_state=0).fit(X, y)
    assert share < np.abs(ridge.coef_[:, 3:]).sum() / np.abs(ridge.coef_).sum()


# Of logistic experts; linear ones may differ in their noise.
@pytest.mark.filterwarnings("ignore:The 2 experts coincide")
@both
def test_a_strong_penalty_leaves_intercepts_only(kind):
    X, y = two_regimes(kind)
    strong = {"alpha": 10 * len(y), "gate_alpha": 10 * len(y)}
    model = kind(2, l1_ratio=1, gate_l1_ratio=1, random_state=0, **strong).fit(X, y)
    assert not model.coef_.any()
    assert not model.gate_coef_.any()
    gate = model.gate_proba(X)
    assert np.ptp(gate, axis=0).max() == 0


@both
def test_no_share_of_the_lasso_is_ridge(kind):
    X, y = two_regimes(kind)
    without, given = kind(random_state=0), kind(random_state=0, l1_ratio=0.0)
    np.testing.assert_array_equal(without.fit(X, y).coef_, given.fit(X, y).coef_)


@both
def test_criteria_count_what_is_not_zero(kind):
    X, y = two_regimes(kind, 3)
    strength = 0.005 * len(y)  # so that all experts have rows
    penalties = {"alpha": strength, "gate_alpha": strength}
    model = kind(3, l1_ratio=1, gate_l1_ratio=1, random_state=0, **penalties).fit(X, y)
    log_likelihood = model.score_samples(X, y).sum()
    n_free = (model.aic(X, y) + 2 * log_likelihood) / 2
    n_noises = 3 if kind is MixtureOfLinearExperts else 0
    slopes = np.count_nonzero(model.coef_) + np.count_nonzero(model.gate_coef_)
    assert round(n_free, 6) == slopes + 3 + 2 + n_noises


def test_intercepts_sum_to_zero_where_slopes_do_not():
    X, _ = two_regimes(MixtureOfLogisticExperts)
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    strength = 0.02 * len(y)
    model = MixtureOfLogisticExperts(
        3,
        alpha=strength,
        gate_alpha=strength,
        l1_ratio=1,
        gate_l1_ratio=1,
        random_state=0,
    ).fit(X, y)
    np.testing.assert_allclose(model.gate_intercept_.sum(), 0, atol=1e-12)
    np.testing.assert_allclose(model.intercept_.sum(axis=1), 0, atol=1e-12)
    again = clone(model).set_params(warm_start=True).fit(X, y)
    before = again.objective_curve_[-1]
    assert again.fit(X, y).objective_curve_[0] == pytest.approx(before, abs=1e-12)


@both
def test_sparse_and_dense_input_agree(kind):
    X, y = two_regimes(kind)
    X = np.where(np.abs(X) > 0.5, X, 0)
    strength = 0.02 * len(y)
    options = {"alpha": strength, "gate_alpha": strength}
    options |= {"l1_ratio": 1, "gate_l1_ratio": 1}
    model = kind(fit_intercept=False, random_state=0, tol=1e-10, **options)
    dense = model.fit(X, y).coef_
    np.testing.assert_allclose(
        clone(model).fit(csr_array(X), y).coef_, dense, atol=1e-5
    )


def test_more_features_than_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 300))
    y = X[:, 0] - X[:, 1] > 0
    model = MixtureOfLogisticExperts(1, alpha=8.0, l1_ratio=1).fit(X, y)
    used = np.flatnonzero(model.coef_[0])
    assert set(used) >= {0, 1}
    assert len(used) < 20


def test_inference_is_refused():
    X, y = two_regimes(MixtureOfLinearExperts)
    model = MixtureOfLinearExperts(l1_ratio=0.5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="l1_ratio=0.5.*no standard errors"):
        inference(model, X, y)


@pytest.mark.parametrize("seed", range(5))
def test_lasso_step_is_the_minimum(seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((12, 8))
    matrix = A.T @ A / 12 if seed % 2 else A[:5].T @ A[:5]  # definite or not
    score, coef = matrix @ rng.standard_normal(8), rng.standard_normal(8)
    lasso = np.append(np.full(7, 0.4), 0.0)

    def value(step):
        smooth = 0.5 * step @ matrix @ step - score @ step
        return smooth + lasso @ np.abs(coef + step)

    step = lasso_step(matrix, score, lasso, coef)
    assert ((coef + step)[:7] == 0).any()
    for _ in range(200):
        other = step + rng.standard_normal(8) * 10.0 ** rng.uniform(-5, 0)
        assert value(other) >= value(step) - 1e-12


def wide_lasso(n=60, p=200, strength=5e-4):
    """Matrix, score, lasso and coefficients of a wide weighted regression."""
    rng = np.random.default_rng(0)
    X, weight = rng.standard_normal((n, p)), rng.exponential(size=n) / n
    y = X[:, :5].sum(axis=1) + rng.standard_normal(n)
    lasso = np.append(np.full(p - 1, strength), 0.0)
    return X.T @ (weight[:, None] * X), X.T @ (weight * y), lasso, np.zeros(p)


@pytest.mark.parametrize("strength", [5e-4, 5e-2, 5.0])
def test_lasso_step_of_many_columns_meets_the_optimality_conditions(strength):
    """Also where many more columns than rows leave nearly no residual."""
    matrix, score, lasso, coef = wide_lasso(strength=strength)
    for _ in range(2):  # from zero, and from another optimum
        value = coef + lasso_step(matrix, score - matrix @ coef, lasso, coef)
        slope = matrix @ value - score
        kink = np.abs(slope) - lasso
        smooth = np.abs(slope + lasso * np.sign(value))
        assert np.where(value == 0, kink, smooth).max() < 1e-12
        assert np.count_nonzero(value) <= 61
        coef, score = value, score + 0.1 * matrix @ np.ones(200)


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("n_classes", [None, 2, 3])
def test_curvature_that_is_not_stored_has_the_same_lasso_step(n_classes, is_sparse):
    rng = np.random.default_rng(0)
    X = np.where(rng.uniform(size=(50, 80)) < 0.3, rng.standard_normal((50, 80)), 0)
    rows = csr_array(X) if is_sparse else X
    design = make_design(rows, None, np.zeros(80), np.full(80, 0.5), True)
    mass, probability, contrasts = rng.exponential(size=50) / 50, None, None
    if n_classes:
        probability = rng.dirichlet(np.ones(n_classes), 50).T
        contrasts = class_contrasts(n_classes, smooth=False)
    implicit = ImplicitCurvature(design, mass, probability, contrasts)
    stored = implicit.on(np.arange(81), 81)
    shape = 1 if n_classes in (None, 2) else n_classes, 81
    step = rng.standard_normal(shape)
    np.testing.assert_allclose(stored.dot(step), implicit.dot(step), rtol=1e-10)
    lasso = np.append(np.full(80, 0.15), 0.0)
    ridge, coef = np.full(81, 1e-3), np.zeros(shape)
    for score in rng.standard_normal((2, *shape)) * 0.1:
        found, expected = (
            curvature.solve_lasso(score, ridge, lasso, coef)
            for curvature in (implicit, stored)
        )
        np.testing.assert_allclose(found, expected, atol=1e-9)
        coef = coef + found
        assert (coef[:, :80] != 0).any() and (coef[:, :80] == 0).any()


@pytest.mark.parametrize("name", ["linear", "logistic", "poisson"])
def test_fits_of_many_columns_are_those_of_stored_systems(monkeypatch, name):
    kind = {
        "linear": MixtureOfLinearExperts,
        "logistic": MixtureOfLogisticExperts,
        "poisson": MixtureOfGLMExperts,
    }[name]
    X, y = two_regimes(kind)
    options = {"l1_ratio": 0.9, "gate_l1_ratio": 1, "alpha": 20, "gate_alpha": 10}
    model = kind(random_state=0, tol=1e-9, **options)
    stored = clone(model).fit(X, y)
    monkeypatch.setattr("skmoe.engine.mixture.DENSE_LIMIT", 0)
    found = clone(model).fit(X, y)
    assert found.objective_curve_[-1] < stored.objective_curve_[-1] + 1e-8
    np.testing.assert_allclose(found.coef_, stored.coef_, atol=1e-4)


def test_no_matrix_of_all_columns_is_made_where_they_are_many(monkeypatch):
    sizes, gram_of = [], DenseBlock.gram

    def gram(block, weights):
        sizes.append(len(block.values) if len(weights) else 0)
        return gram_of(block, weights)

    monkeypatch.setattr(DenseBlock, "gram", gram)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 400))
    y = rng.poisson(np.exp(np.clip(X[:, 0], None, 2)))
    strength = {"alpha": 20, "gate_alpha": 20, "l1_ratio": 1, "gate_l1_ratio": 1}
    model = MixtureOfGLMExperts(random_state=0, **strength).fit(X, y)
    assert model.coef_[:, 0].any() and np.count_nonzero(model.coef_) < 60
    assert max(sizes) < 200


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(
    ("n_experts", "depth"), [(2, 1), (3, 1), (4, 1), (4, 2), (9, 2), (8, 3)]
)
def test_the_gates_penalty_is_of_the_coefficients_that_are_reported(
    n_experts, depth, smooth
):
    gate, rng = Gate(n_experts, depth, smooth), np.random.default_rng(0)
    ridge, lasso = rng.uniform(size=(2, 3))
    lasso = 0 * lasso if smooth else lasso
    free = rng.standard_normal((gate.contrasts.shape[1], 3))
    reported = gate.reported(free).reshape(-1, 3)
    expected = (0.5 * ridge * reported**2 + lasso * abs(reported)).sum()
    penalty = gate.free_penalty(Penalty(ridge, lasso))
    assert penalty.value(free) == pytest.approx(expected)
