"""The gate's curvature from a sample of the rows, and steps in the natural metric."""

import numpy as np
import pytest
from _data import MODELS, flat, random_theta, soft_start

from skmoe.engine.descent import minimise
from skmoe.engine.gate_curvature import GateCurvature
from skmoe.engine.starts import lighter
from skmoe.solvers import AcceleratedEM, MirrorDescent

MANY = 40_000


def mixture_of(name, n=400, alpha=0.01):
    drawn = MODELS[name].data(n=n, d=3, seed=3)
    problem = MODELS[name].problem(drawn, alpha=alpha, gate_alpha=alpha)
    return problem.mixture, drawn


def curvature_of(mixture, weight, dense=True):
    return GateCurvature(mixture.gate_design, weight, mixture.gate, dense)


def test_few_rows_are_all_taken():
    mixture, _ = mixture_of("linear-3")
    design, weight = mixture.gate_curvature.rows
    assert design is mixture.gate_design and weight is mixture.weight


@pytest.mark.parametrize("name", ["linear-2", "binary-4"])
def test_sample_of_many_rows_has_nearly_the_curvature_of_all(name):
    mixture, _ = mixture_of(name, n=MANY)
    theta = random_theta(mixture, 0)
    sampled = mixture.gate_curvature
    design, of_sample = sampled.rows
    assert design.n_rows < MANY / 2
    assert of_sample.sum() == pytest.approx(1)
    found = sampled.at(theta.gate).matrix
    everything = curvature_of(mixture, mixture.weight)
    everything.rows = mixture.gate_design, mixture.weight
    expected = everything.at(theta.gate).matrix
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_sample_is_not_taken_where_few_rows_weigh_much():
    mixture, _ = mixture_of("linear-2", n=MANY)
    weight = np.full(MANY, 0.5 / (MANY - 1))
    weight[17] = 0.5
    assert curvature_of(mixture, weight).rows[0] is mixture.gate_design


def test_stored_and_implicit_curvature_agree_on_a_sample():
    mixture, _ = mixture_of("linear-3", n=MANY)
    gate = random_theta(mixture, 1).gate
    step = random_theta(mixture, 2).gate
    stored, implicit = (
        curvature_of(mixture, mixture.weight, dense).at(gate).dot(step)
        for dense in (True, False)
    )
    np.testing.assert_allclose(stored, implicit, rtol=1e-10)


def test_curvature_nearby_is_that_of_a_gate_that_moved_little():
    mixture, _ = mixture_of("linear-2")
    gate, curvature = random_theta(mixture, 1).gate, mixture.gate_curvature
    known = curvature.near(gate)
    assert curvature.near(gate + 1e-3) is known
    assert curvature.near(gate + 1.0) is not known
    assert curvature.at(gate + 1.0) is not curvature.at(gate + 1.0)


@pytest.mark.long
@pytest.mark.long
def test_fit_on_a_sampled_curvature_ends_at_a_stationary_point():
    mixture, drawn = mixture_of("binary-2", n=MANY)
    theta = soft_start(mixture, drawn.expert)
    end = minimise(mixture, theta, MirrorDescent(1.0), 2000, 1e-13)
    assert end.converged
    gradient = flat(mixture.gradient(mixture.evaluate(end.theta)))
    assert np.abs(gradient).max() < 1e-5


@pytest.mark.parametrize(
    "name", ["linear-3", "binary-2", "three-class-3", "linear-shared-noise"]
)
def test_natural_step_is_minus_the_em_step_near_a_fixed_point(name):
    # A penalty couples noise and coefficients, which the information leaves out.
    mixture, drawn = mixture_of(name, n=2000, alpha=0.0)
    start = soft_start(mixture, drawn.expert)
    end = minimise(mixture, start, AcceleratedEM(), 500, 1e-15).theta
    nearby = end.plus(random_theta(mixture, 5), 1e-4)
    state = mixture.evaluate(nearby)
    em_step = flat(mixture.project(state).minus(nearby))
    natural = flat(mixture.natural_step(state, mixture.gradient(state)))
    np.testing.assert_allclose(natural, -em_step, atol=2e-2 * np.abs(em_step).max())


def test_lighter_of_two_equal_symmetric_models_is_chosen():
    drawn = MODELS["binary-symmetric"].data(n=300, d=3)
    problem = MODELS["binary-symmetric"].problem(drawn, alpha=0.5, gate_alpha=1e-3)
    mixture, theta = problem.mixture, random_theta(problem.mixture, 0)
    theta = theta._replace(experts=10 * theta.experts)
    light = lighter(mixture, theta)
    before, after = mixture.evaluate(theta), mixture.evaluate(light)
    np.testing.assert_allclose(
        after.stats.log_likelihood, before.stats.log_likelihood, rtol=1e-12
    )
    assert after.objective < before.objective
    assert lighter(mixture, light) is light


def test_other_models_are_left_as_they_are():
    mixture, _ = mixture_of("binary-2")
    theta = random_theta(mixture, 0)
    assert lighter(mixture, theta) is theta
