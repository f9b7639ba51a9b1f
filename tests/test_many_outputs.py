"""Many outputs: one factorisation for all systems of an expert, the same result."""

import numpy as np
import pytest
from sklearn.base import clone

from skmoe import MixtureOfLinearExperts
from skmoe.engine import many_outputs
from skmoe.engine.curvature import DenseCurvature, InfeasibleStep
from skmoe.engine.many_outputs import ForMany

RNG = np.random.default_rng(0)
N_OUTPUTS, P = 12, 7


def curvature_of(n_rows, columns=P):
    """Gram matrix of standard normal rows, mean over them; of a column of ones too."""
    X = RNG.standard_normal((n_rows, columns))
    X[:, -1] = 1.0
    return X.T @ X / n_rows


@pytest.mark.parametrize("is_even", [False, True])
@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("n_rows", [4, 500])
def test_systems_are_solved_as_each_alone(n_rows, size, is_even):
    """Where the series converges, where it does not, and where A is singular."""
    matrix = curvature_of(n_rows)
    noise = np.ones(N_OUTPUTS) if is_even else RNG.uniform(0.01, 1, N_OUTPUTS)
    ridge = size * noise[:, None] * np.append(np.ones(P - 1), 0.0)
    gradient = RNG.standard_normal((N_OUTPUTS, P)) @ matrix
    found = ForMany(DenseCurvature(matrix)).solve(gradient, ridge)
    for g, r, x in zip(gradient, ridge, found):
        np.testing.assert_allclose(matrix @ x + r * x, g, atol=1e-10)
    if n_rows > P:
        systems = matrix + np.eye(P) * ridge[:, None]
        exact = np.linalg.solve(systems, gradient[..., None])[..., 0]
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)


def test_columns_without_curvature_stay():
    matrix = curvature_of(500)
    matrix[2] = matrix[:, 2] = 0.0
    gradient = RNG.standard_normal((N_OUTPUTS, P)) @ matrix
    ridge = np.zeros_like(gradient)
    found = ForMany(DenseCurvature(matrix)).solve(gradient, ridge)
    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(found @ matrix, gradient, atol=1e-10)
    nothing = np.empty((N_OUTPUTS, 0))
    assert ForMany(DenseCurvature(np.empty((0, 0)))).solve(nothing, nothing).size == 0


def test_what_cannot_be_solved_is_refused():
    matrix, gradient = -np.eye(P), np.ones((N_OUTPUTS, P))
    with pytest.raises(InfeasibleStep, match="not positive definite"):
        ForMany(DenseCurvature(matrix)).solve(gradient, np.zeros_like(gradient))


def data(n=400, d=4):
    """Rows of two experts, which differ in noise from output to output."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, d))
    coef = rng.standard_normal((2, d, N_OUTPUTS))
    expert = (X[:, 0] > 0).astype(int)
    noise = rng.uniform(0.05, 1.0, N_OUTPUTS)
    Y = np.einsum("nd,ndq->nq", X, coef[expert])
    return X, Y + noise * rng.standard_normal((n, N_OUTPUTS))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"alpha": 50.0, "gate_alpha": 1.0},
        {"noise": "shared"},
        {"noise_df": 5.0},
        {"symmetric": True},
        {"solver": "md"},
        {"noise_prior": 0.0, "expert_features": [0, 2]},
        {"l1_ratio": 0.5, "alpha": 5.0},
        {"shared_features": [1]},
    ],
    ids=lambda settings: "-".join(settings) or "plain",
)
def test_fits_are_those_of_a_factorisation_for_each(settings, monkeypatch):
    X, Y = data()
    weight = np.random.default_rng(2).uniform(0.5, 2, len(X))
    model = MixtureOfLinearExperts(random_state=0, tol=1e-9).set_params(**settings)
    found = clone(model).fit(X, Y, sample_weight=weight)
    monkeypatch.setattr(many_outputs, "_MANY", np.inf)
    expected = model.fit(X, Y, sample_weight=weight)
    assert found.objective_curve_[-1] == pytest.approx(
        expected.objective_curve_[-1], abs=1e-8
    )
    for name in ("coef_", "intercept_", "gate_coef_", "noise_variance_"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0, atol=1e-6
        )
