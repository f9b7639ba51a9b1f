"""Solvers: where they end, how they get there, and how much memory they need."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from _data import MODELS, Data, Model, flat, random_theta, soft_start

from skmoe.distributions.normal import NOISE_FLOOR
from skmoe.engine import mixture as mixture_module
from skmoe.engine.descent import minimise
from skmoe.engine.m_step import project_exactly, project_responsibilities
from skmoe.solvers import GradientDescent, MirrorDescent, make_solver

# Models and data of well-conditioned optima.  An intercept that only one class needs
# would be unbounded.
MILD = {
    "linear-2": {},
    "linear-shared-noise": {},
    "linear-two-outputs": {},
    "linear-own-columns": {},
    "linear-symmetric": {},
    "binary-2": {},
    "three-class-2": {"fit_intercept": False},
    "binary-symmetric": {},
}
every_mild_model = pytest.mark.parametrize("name", MILD)
SOLVERS = {
    "em": partial(make_solver, "em", "auto"),
    "em-plain": partial(MirrorDescent, 1.0),
    "em-exact": partial(MirrorDescent, 1.0, project_exactly),
    "md-auto": partial(make_solver, "md", "auto"),
    "md-short": partial(make_solver, "md", 0.5),
    "md-long": partial(make_solver, "md", 1.5),
    "gd-auto": partial(make_solver, "gd", "auto"),
}
MONOTONE = {**SOLVERS, "md-too-long": partial(make_solver, "md", 30.0)}
ALL_SOLVERS = {**MONOTONE, "gd-fixed": partial(make_solver, "gd", 0.1)}


def make_mixture(name, alpha=0.02, n=400, seed=2, **options):
    """A mixture and a start near one optimum of it."""
    options = {"signal": 2.0, "gate_signal": 2.0, **options}
    data = MODELS[name].data(n=n, d=3, seed=seed, **options)
    problem = MODELS[name].problem(
        data, alpha=alpha, gate_alpha=alpha, **MILD.get(name, {})
    )
    return problem.mixture, soft_start(problem.mixture, data.expert)


def run(mixture, theta, solver, max_iter=20_000, tol=1e-10, report=None):
    return minimise(mixture, theta, ALL_SOLVERS[solver](), max_iter, tol, report)


def gradient_norm(mixture, theta):
    return np.linalg.norm(flat(mixture.gradient(mixture.evaluate(theta))))


@pytest.fixture(scope="module")
def reference():
    """Where plain EM with exact projections ends, by model."""
    found = {}

    def end_of(name):
        if name not in found:
            mixture, theta = make_mixture(name)
            found[name] = run(mixture, theta, "em-exact", tol=1e-13)
        return found[name]

    return end_of


@pytest.mark.sampled(3)
@every_mild_model
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_reaches_the_same_objective(name, solver, reference):
    mixture, theta = make_mixture(name)
    descent = run(mixture, theta, solver)
    expected = reference(name).objective_curve[-1]
    assert descent.converged
    assert descent.objective_curve[-1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.sampled(8)
@every_mild_model
@pytest.mark.parametrize("solver", ["em", "em-plain", "md-auto", "md-short"])
def test_inexact_projections_end_at_the_fixed_point_of_exact_ones(
    name, solver, reference
):
    mixture, theta = make_mixture(name)
    found = run(mixture, theta, solver, tol=1e-13).theta
    exact = reference(name).theta
    np.testing.assert_allclose(flat(found), flat(exact), rtol=1e-4, atol=1e-4)
    assert gradient_norm(mixture, exact) < 1e-5
    again = mixture.project(mixture.evaluate(exact))
    np.testing.assert_allclose(flat(again), flat(exact), rtol=1e-4, atol=1e-4)


@pytest.mark.sampled(20)
@pytest.mark.parametrize(
    "name",
    ["linear-4", "linear-two-outputs-shared", "binary-3", "three-class-4", *MILD],
)
@pytest.mark.parametrize("solver", MONOTONE)
def test_objective_never_rises_from_a_random_start(name, solver):
    mixture, _ = make_mixture(name, signal=1.5, alpha=1e-3)
    descent = run(mixture, random_theta(mixture, 1, 1.5), solver, max_iter=25, tol=0)
    assert (np.diff(descent.objective_curve) <= 0).all()
    assert descent.objective_curve[-1] < descent.objective_curve[0]


@every_mild_model
def test_too_long_step_falls_back_and_ends_at_a_stationary_point(name):
    mixture, theta = make_mixture(name)
    taken = []

    def report(iteration, state, change, step_size):
        taken.append(step_size)

    solver = make_solver("md", 30.0)
    descent = minimise(mixture, theta, solver, 5000, 1e-12, report)
    assert (np.diff(descent.objective_curve) <= 0).all()
    assert min(taken) <= 1
    assert descent.converged
    assert gradient_norm(mixture, descent.theta) < 1e-4


@every_mild_model
def test_half_steps_need_more_iterations_than_em(name):
    mixture, theta = make_mixture(name)
    half, full = (run(mixture, theta, s).n_iter for s in ("md-short", "em-plain"))
    assert half > full


@every_mild_model
def test_fixed_gradient_step_moves_against_the_gradient(name):
    mixture, theta = make_mixture(name)
    solver = make_solver("gd", 0.05)
    state = solver.evaluate(mixture, theta)
    moved, step_size = solver.step(mixture, state)
    expected = flat(theta) - 0.05 * flat(mixture.gradient(state))
    assert step_size == 0.05
    np.testing.assert_allclose(flat(moved.theta), expected, rtol=1e-13)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name, step_size", [("linear-2", 0.2), ("binary-2", 2.0)])
def test_short_fixed_gradient_steps_reach_the_same_objective(name, step_size):
    mixture, theta = make_mixture(name, noise=3.0)
    expected = run(mixture, theta, "em-exact").objective_curve[-1]
    descent = minimise(mixture, theta, make_solver("gd", step_size), 5000, 1e-10)
    assert descent.converged
    assert (np.diff(descent.objective_curve) <= 1e-13).all()
    assert descent.objective_curve[-1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["linear-2", "binary-2"])
@pytest.mark.parametrize("step_size", [1e3, 1e200])
def test_diverging_gradient_steps_are_not_reported_as_converged(name, step_size):
    mixture, theta = make_mixture(name)
    descent = minimise(mixture, theta, GradientDescent(step_size), 50, 1e-8)
    assert np.isfinite(descent.objective_curve).all()
    rose = descent.objective_curve[-1] > descent.objective_curve[0]
    still_steep = gradient_norm(mixture, descent.theta) > 1e-3
    assert rose or still_steep
    assert not descent.converged


def saturated_mixture(name):
    """A mixture and a start whose probabilities are 0 or 1, most of them wrong."""
    mixture, _ = make_mixture(name, alpha=0.0, n=60)
    theta = random_theta(mixture, 0)
    return mixture, theta._replace(gate=1e5 * theta.gate, experts=1e5 * theta.experts)


saturated_models = pytest.mark.parametrize(
    "name", ["linear-2", "binary-2", "three-class-3"]
)
every_limit = pytest.mark.parametrize("dense_limit", [256, 0])


@pytest.mark.sampled(6)
@saturated_models
@every_limit
@pytest.mark.parametrize("solver", ["em", "em-plain", "md-auto", "gd-auto"])
def test_start_of_saturated_probabilities_is_no_error(
    name, dense_limit, solver, monkeypatch
):
    monkeypatch.setattr(mixture_module, "DENSE_LIMIT", dense_limit)
    mixture, theta = saturated_mixture(name)
    descent = run(mixture, theta, solver, max_iter=20, tol=0)
    assert np.isfinite(descent.objective_curve).all()
    assert (np.diff(descent.objective_curve) <= 0).all()


@pytest.mark.sampled(5)
@saturated_models
@every_limit
@pytest.mark.parametrize("solver", ["em-plain", "md-auto", "gd-auto"])
def test_giving_up_far_from_a_stationary_point_is_not_convergence(
    name, dense_limit, solver, monkeypatch
):
    monkeypatch.setattr(mixture_module, "DENSE_LIMIT", dense_limit)
    mixture, theta = saturated_mixture(name)
    descent = run(mixture, theta, solver, max_iter=20, tol=1e-8)
    assert not descent.converged or gradient_norm(mixture, descent.theta) < 1e-3


@every_mild_model
@pytest.mark.parametrize("solver", ["em", "em-plain", "md-auto", "md-short"])
def test_decrease_left_at_convergence_is_of_the_order_of_tol(name, solver, reference):
    mixture, theta = make_mixture(name)
    descent = run(mixture, theta, solver, tol=1e-6)
    left = descent.objective_curve[-1] - reference(name).objective_curve[-1]
    assert descent.converged
    assert left < 5e-6


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_running_out_of_iterations_is_not_convergence(solver):
    mixture, theta = make_mixture("linear-3")
    descent = run(mixture, theta, solver, max_iter=2, tol=1e-8)
    assert not descent.converged
    assert descent.n_iter == 2
    assert descent.objective_curve.shape == (3,)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_report_sees_every_iteration_and_may_stop_the_descent(solver):
    mixture, theta = make_mixture("linear-3")
    seen = []

    def report(iteration, state, change, step_size):
        seen.append((iteration, state.objective, change))
        return iteration == 3

    descent = run(mixture, theta, solver, report=report)
    iterations, objectives, changes = zip(*seen)
    assert iterations == (1, 2, 3)
    assert descent.n_iter == 3
    assert not descent.converged
    np.testing.assert_array_equal(objectives, descent.objective_curve[1:])
    np.testing.assert_array_equal(changes, np.diff(descent.objective_curve))


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_descent_ends_with_the_parameters_of_its_last_objective(solver):
    mixture, theta = make_mixture("three-class-2")
    descent = run(mixture, theta, solver, max_iter=5, tol=0)
    state = mixture.evaluate(descent.theta)
    assert state.objective == pytest.approx(descent.objective_curve[-1], rel=1e-12)
    np.testing.assert_allclose(descent.mass, state.stats.mass, rtol=1e-12)
    assert descent.mass.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_start_is_left_as_it_was(solver):
    mixture, theta = make_mixture("linear-3")
    before = flat(theta).copy()
    run(mixture, theta, solver, max_iter=5)
    np.testing.assert_array_equal(flat(theta), before)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "name", ["linear-2", "linear-shared-noise", "linear-symmetric"]
)
def test_noise_variance_stops_at_its_floor_on_data_without_noise(name, solver):
    mixture, theta = make_mixture(name, alpha=0.0, noise=0.0)
    descent = run(mixture, theta, solver, max_iter=200)
    floor = np.log(NOISE_FLOOR)
    assert (descent.theta.log_variance >= floor - 1e-9).all()
    assert (np.diff(descent.objective_curve) <= 0).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("family", ["linear", "logistic"])
def test_more_columns_than_rows_do_not_stop_the_descent(family, solver):
    model = Model(family)
    data = model.data(n=30, d=40, seed=1)
    mixture = model.problem(data, alpha=1e-6, gate_alpha=1e-6).mixture
    theta = random_theta(mixture, 0)
    descent = run(mixture, theta, solver, max_iter=20, tol=0)
    assert (np.diff(descent.objective_curve) <= 0).all()
    assert descent.objective_curve[-1] < descent.objective_curve[0] - 0.1


@pytest.mark.parametrize("solver", ["em-plain", "em-exact", "md-auto", "md-long"])
@pytest.mark.parametrize("name", ["linear-2", "binary-2", "three-class-2"])
def test_repeated_column_without_penalty_changes_nothing(name, solver):
    data = MODELS[name].data(n=200, d=2, seed=3, signal=0.7)
    ends = []
    for columns in ([0, 1], [0, 1, 1]):
        mixture = MODELS[name].problem(data._replace(X=data.X[:, columns])).mixture
        theta = soft_start(mixture, data.expert)
        ends.append(run(mixture, theta, solver, max_iter=10, tol=0))
    once, twice = (descent.objective_curve for descent in ends)
    np.testing.assert_allclose(twice, once, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["binary-2", "three-class-3", "three-class-4"])
def test_separable_classes_without_penalty_are_no_obstacle(name, solver):
    data = MODELS[name].data(n=60, d=3, seed=0, signal=5.0)
    mixture = MODELS[name].problem(data).mixture
    descent = run(mixture, random_theta(mixture, 0), solver, max_iter=60, tol=0)
    assert (np.diff(descent.objective_curve) <= 0).all()
    assert descent.objective_curve[-1] < 0.5 * descent.objective_curve[0]


@pytest.mark.sampled(10)
@every_mild_model
@pytest.mark.parametrize(
    "solver", ["em", "em-plain", "em-exact", "md-auto", "md-short"]
)
def test_implicit_curvature_ends_where_stored_curvature_does(
    name, solver, reference, monkeypatch
):
    expected = reference(name).objective_curve[-1]
    monkeypatch.setattr(mixture_module, "DENSE_LIMIT", 0)
    mixture, theta = make_mixture(name)
    assert not (mixture.gate_curvature.dense or mixture.experts_are_dense)
    descent = run(mixture, theta, solver)
    assert (np.diff(descent.objective_curve) <= 0).all()
    assert descent.objective_curve[-1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.sampled(15)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("eta", [1.0, 0.5])
def test_implicit_curvature_takes_the_exact_step_of_stored_curvature(
    name, eta, monkeypatch
):
    stored, theta = make_mixture(name, alpha=0.1, signal=0.5)
    monkeypatch.setattr(mixture_module, "DENSE_LIMIT", 0)
    implicit, _ = make_mixture(name, alpha=0.1, signal=0.5)
    assert stored.gate_curvature.dense and not implicit.gate_curvature.dense
    steps = [
        flat(project_exactly(mixture, mixture.evaluate(theta, blend=True), eta))
        for mixture in (stored, implicit)
    ]
    np.testing.assert_allclose(*steps, rtol=1e-5, atol=1e-6)


def test_many_features_and_classes_never_store_the_curvature():
    """The experts' 9 x 785 free coefficients would need 400 MB of curvature."""
    rng = np.random.default_rng(0)
    data = Data(rng.standard_normal((300, 784)), rng.integers(10, size=300), None)
    model = Model("logistic", n_classes=10)
    tracemalloc.start()
    try:
        mixture = model.problem(data, alpha=1.0, gate_alpha=1.0).mixture
        responsibilities = rng.uniform(0.2, 0.8, size=300)
        theta = project_responsibilities(
            mixture, np.stack([responsibilities, 1 - responsibilities])
        )
        descent = run(mixture, theta, "em", max_iter=2, tol=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6
    assert descent.objective_curve[-1] < descent.objective_curve[0]
