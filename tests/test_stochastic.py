"""Stochastic mirror descent: running moments, and where its passes lead."""

import numpy as np
import pytest
from _data import MODELS, Model, flat, random_theta, soft_start

from skmoe.engine.curvature import DenseCurvature
from skmoe.engine.descent import minimise
from skmoe.engine.running import RunningMoments
from skmoe.engine.state import State
from skmoe.engine.sweep import sweep
from skmoe.solvers import (
    AcceleratedEM,
    MirrorDescent,
    StochasticGradientDescent,
    StochasticMirrorDescent,
)
from skmoe.solvers.stochastic import batches

every_model = pytest.mark.parametrize("name", MODELS)


def make_mixture(name, n=400, weight=None, d=3, **options):
    model = MODELS[name] if isinstance(name, str) else name
    data = model.data(n=n, d=d, seed=1, signal=2.0, gate_signal=2.0)
    problem = model.problem(data, weight=weight, alpha=0.01, gate_alpha=0.01, **options)
    return data, problem.mixture


@every_model
def test_one_batch_of_all_rows_is_one_em_step(name):
    data, mixture = make_mixture(name)
    theta = soft_start(mixture, data.expert)
    moments = RunningMoments()
    moments.blend(mixture, theta, 1.0)
    found = moments.project(mixture, theta)
    expected = mixture.project(mixture.evaluate(theta))
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name",
    # What else is hidden stays fixed, too, which a sweep does not take.
    [n for n, model in MODELS.items() if "linear" in n and model.hides_z_alone],
)
def test_moments_of_linear_experts_move_with_the_parameters_exactly(name):
    """Residuals, and their squares, at fixed responsibilities."""
    data, mixture = make_mixture(name)
    here, there = random_theta(mixture, 0), random_theta(mixture, 1)
    posterior = mixture.row_moments(here).posterior
    stats = sweep(mixture, here, True, False, None, posterior)
    expected = sweep(mixture, there, True, False, None, posterior)
    curvature = DenseCurvature(np.zeros((here.gate.size,) * 2))
    state = State(here, np.nan, stats, None)
    found = mixture.recentred(state, curvature, there.minus(here))
    np.testing.assert_allclose(found.expert_score, expected.expert_score, rtol=1e-9)
    of_noises = mixture.experts._of_noises
    np.testing.assert_allclose(
        of_noises(found.deviance), of_noises(expected.deviance), rtol=1e-9
    )


@pytest.mark.parametrize("name", ["binary-3", "three-class-2", "binary-symmetric"])
def test_moments_of_softmaxes_move_to_first_order(name):
    data, mixture = make_mixture(name)
    here = soft_start(mixture, data.expert)
    change = random_theta(mixture, 1, scale=1e-4)
    posterior = mixture.row_moments(here).posterior
    stats = sweep(mixture, here, True, False, None, posterior)
    expected = sweep(mixture, here.plus(change), True, False, None, posterior)
    state = State(here, np.nan, stats, None)
    curvature = mixture.gate_curvature.at(here.gate)
    found = mixture.recentred(state, curvature, change)
    for part in ("gate_gradient", "expert_score"):
        old, new, true = (getattr(s, part) for s in (stats, found, expected))
        assert np.abs(new - true).max() <= 1e-3 * np.abs(old - true).max()


def test_batches_cover_the_rows_once_with_their_weights():
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=400)
    _, mixture = make_mixture("linear-2", weight=weight)
    sizes, seen = [], []
    for batch in batches(mixture, 150, np.random.RandomState(0)):
        assert batch.weight.sum() == pytest.approx(1.0)
        sizes.append(batch.weight.size)
        seen.append(batch.target[0])
    assert sizes == [150, 150, 100]
    np.testing.assert_array_equal(
        np.sort(np.concatenate(seen)), np.sort(mixture.target[0])
    )


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["linear-2", "linear-symmetric", "binary-symmetric"])
@pytest.mark.parametrize("batch_size", [20, 200])
def test_passes_approach_the_optimum(name, batch_size):
    data, mixture = make_mixture(name, n=8000)
    start = soft_start(mixture, data.expert, certainty=0.6)
    best = minimise(mixture, start, AcceleratedEM(), 1000, 1e-10).objective_curve[-1]
    solver = StochasticMirrorDescent(batch_size)
    curve = minimise(mixture, start, solver, 5, 0.0).objective_curve
    assert curve[-1] - best < min(0.01, 0.2 * (curve[0] - best))


def test_more_passes_lower_the_gap():
    """Decreasing weights average the batches' noise out."""
    data, mixture = make_mixture("linear-2", n=4000)
    start = soft_start(mixture, data.expert)
    best = minimise(mixture, start, AcceleratedEM(), 1000, 1e-12).objective_curve[-1]
    curve = minimise(mixture, start, StochasticMirrorDescent(100), 30, 0.0)
    gaps = curve.objective_curve[[1, 5, 30]] - best
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


def test_nothing_moves_before_there_are_rows_for_every_coefficient():
    data, mixture = make_mixture("linear-2", n=100)
    theta = soft_start(mixture, data.expert)
    solver = StochasticMirrorDescent(10)
    for number, batch in enumerate(batches(mixture, 10, np.random.RandomState(0)), 1):
        moved, share = solver.update(batch, theta)
        if 10 * number < 5 * flat(theta).size:
            assert share == 1 / number and moved is theta
        else:
            assert share > 1 / number and moved is not theta
            break


def test_many_coefficients_keep_their_curvature_in_matrices():
    model = Model("logistic", 2, n_classes=4)
    data, mixture = make_mixture(model, n=4000, d=90)
    assert not mixture.experts_are_dense
    start = soft_start(mixture, data.expert)
    found = minimise(mixture, start, StochasticMirrorDescent(4000), 1, 0.0).theta
    stored = mixture.with_stored_curvature()
    expected = minimise(stored, start, MirrorDescent(1.0), 1, 0.0).theta
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-9, atol=1e-12)
    assert not mixture.experts_are_dense


def test_gradient_steps_on_one_batch_are_gradient_descent():
    data, mixture = make_mixture("binary-2")
    start = soft_start(mixture, data.expert)
    solver = StochasticGradientDescent(400, 0.5, decay=1.0, exponent=1.0)
    state = solver.evaluate(mixture, start)
    for length in (0.5, 0.25):
        expected = start.plus(mixture.gradient(state), -length)
        state, step_size = solver.step(mixture, state)
        assert step_size == length
        np.testing.assert_allclose(flat(state.theta), flat(expected), rtol=1e-10)
        start = state.theta


def test_a_step_that_overflows_ends_the_descent():
    data, mixture = make_mixture("linear-2")
    start = soft_start(mixture, data.expert)
    solver = StochasticGradientDescent(10, 1e6, decay=1e9)
    descent = minimise(mixture, start, solver, 5, 0.0)
    assert not descent.converged and np.isfinite(descent.objective_curve).all()
