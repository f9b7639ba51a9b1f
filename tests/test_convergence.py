"""Fits that say they converged: little is left, and they are not on a saddle."""

import numpy as np
import pytest
from _data import MODELS, soft_start
from _paper import load

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe._fit import task_in_memory
from skmoe.data.sample import Known
from skmoe.engine.descent import minimise
from skmoe.engine.information import information_matrices
from skmoe.engine.m_step import project_responsibilities
from skmoe.engine.outlook import outlook, way_down
from skmoe.solvers import AcceleratedEM, make_solver

TOL = 1e-5
SOLVERS = {
    "em": {},
    "em-plain": {"step_size": 1.0},
    "md": {"solver": "md"},
    "gd": {"solver": "gd"},
}


overlapping = load("converged", "benchmarks").make_problem


# Fits that used to stop with 20 to 2000 tol left, on the way past a saddle.
@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "family, solver, seed",
    [
        ("linear", "em", 39),
        ("linear", "em-plain", 90),
        ("linear", "md", 90),
        ("linear", "gd", 33),
        ("logistic", "em", 17),
        ("logistic", "em", 19),
        ("logistic", "em-plain", 35),
        ("logistic", "md", 17),
        ("logistic", "gd", 8),
    ],
)
def test_little_is_left_where_a_fit_converged(family, solver, seed):
    X, targets, n_experts, labels = overlapping(seed)
    y, kind, options = targets[family], MixtureOfLinearExperts, {"noise_prior": 0.0}
    if family == "logistic":
        kind, options = MixtureOfLogisticExperts, {}
    # A thousandth per row: other penalties have other saddles.
    options |= {"alpha": 0.3, "gate_alpha": 0.3, **SOLVERS[solver]}
    model = kind(n_experts, init=labels, tol=TOL, max_iter=5000, **options)
    end = model.fit(X, y).objective_curve_[-1]
    assert model.converged_
    assert model.n_iter_ == len(model.objective_curve_) - 1
    assert (np.diff(model.objective_curve_) <= 0).all()
    model.set_params(warm_start=True, solver="em", step_size="auto", tol=1e-12)
    assert end - model.fit(X, y).objective_curve_[-1] < 10 * TOL


def mixture_and_start(name):
    data = MODELS[name].data(n=400, d=3, seed=2, signal=2.0, gate_signal=2.0)
    problem = MODELS[name].problem(data, alpha=0.02, gate_alpha=0.02)
    return problem.mixture, soft_start(problem.mixture, data.expert)


@pytest.mark.parametrize("name", ["linear-2", "linear-two-outputs", "binary-2"])
def test_decrement_is_that_of_the_exact_hessian(name):
    mixture, start = mixture_and_start(name)
    theta = minimise(mixture, start, AcceleratedEM(), 1000, 1e-5).theta
    hessian = information_matrices(mixture, theta).objective_hessian()
    state = mixture.evaluate(theta)
    gradient = mixture.gradient(state).flat()
    exact = 0.5 * gradient @ np.linalg.solve(hessian, gradient)
    assert outlook(mixture, state, 2 * exact).decrement == pytest.approx(exact, rel=0.2)


@pytest.mark.parametrize("solver", ["em", "md", "gd"])
def test_a_saddle_is_seen_and_left_without_a_rise(solver):
    X, targets, _, _ = overlapping(0)
    y = targets["linear"]
    model = MixtureOfLinearExperts(2, init="random", max_iter=1)
    mixture = task_in_memory(model, X, y, Known()).problem.mixture
    solver = make_solver(solver, "auto")
    # Twins, a little apart: EM creeps away from where both do the work of one.
    apart = np.random.RandomState(0).uniform(size=(2, len(y))) * 1e-4 + 0.5
    theta = project_responsibilities(mixture, apart / apart.sum(axis=0))
    state = solver.evaluate(mixture, theta)
    seen = outlook(mixture, state, TOL)
    assert seen.downhill is not None and seen.curvature < 0
    lower, distance = way_down(mixture, state, seen, solver.evaluate)
    assert distance > 0
    assert lower.objective < state.objective - 10 * TOL
    loose = minimise(mixture, theta, solver, 2000, 1e-3, confirm=True)
    assert loose.converged
    assert (np.diff(loose.objective_curve) <= 0).all()
    end = solver.evaluate(mixture, loose.theta)
    assert outlook(mixture, end, TOL).downhill is None
