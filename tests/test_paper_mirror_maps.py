"""The mirror maps of the experiment, and its outcomes at a small size."""

import inspect

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

from skmoe.engine.descent import minimise
from skmoe.solvers import GradientDescent, MirrorDescent

pytestmark = pytest.mark.long

maps = load("mirror_maps")

LINEAR = "linear, symmetric"
NEAR, FAR = 0.5, 2.0


@pytest.fixture(scope="module")
def results():
    """Gaps and steps of the symmetric linear setting, few instances."""
    return maps.experiment([LINEAR], (NEAR, FAR), instances=4, n_iter=40)


@pytest.fixture
def instance():
    """A symmetric linear instance."""
    return maps.SETTINGS[LINEAR](0)


def start(instance):
    """A start at some distance."""
    return maps.start_near(instance, 0.3, np.random.default_rng(0))


def test_a_mirror_map_is_one_small_class():
    for kind in (maps.FixedMetric, maps.DampedKL):
        assert len(inspect.getsource(kind).splitlines()) <= 30
        assert all(hasattr(kind, name) for name in ("patience", "evaluate", "step"))


def test_the_identity_for_a_metric_is_gradient_descent(instance, monkeypatch):
    def identity(mixture, theta):
        return np.eye(sum(part.size for part in theta))

    monkeypatch.setattr(maps, "complete_information", identity)
    curves = [
        maps.trace(instance.problem, start(instance), solver, 5)[0]
        for solver in (maps.FixedMetric(0.2), GradientDescent(0.2))
    ]
    np.testing.assert_allclose(*curves, rtol=1e-12)


def test_without_damping_a_step_is_em_to_first_order(instance):
    problem = instance.problem
    optimum, _ = maps.best_near(problem, instance.theta)
    change = instance.theta.minus(optimum)
    theta = optimum.plus(change, 1e-3 / np.sqrt(change.dot(change)))
    em, damped = (
        minimise(problem.mixture, theta, solver, 1, 0.0).theta
        for solver in (MirrorDescent(1.0), maps.DampedKL(0.0))
    )
    moved, gap = em.minus(theta), em.minus(damped)
    assert gap.dot(gap) < 1e-2**2 * moved.dot(moved)


def test_damping_shortens_steps_and_never_raises_the_objective(instance):
    lengths = []
    for delta in (1e-3, 1.0, 100.0):
        theta = start(instance)
        descent = minimise(
            instance.problem.mixture, theta, maps.DampedKL(delta), 1, 0.0
        )
        assert descent.objective_curve[1] < descent.objective_curve[0]
        moved = descent.theta.minus(theta)
        lengths.append(moved.dot(moved))
    assert lengths[0] > lengths[1] > lengths[2]
    far = maps.start_near(instance, 4.0, np.random.default_rng(1))
    curve, _ = maps.trace(instance.problem, far, maps.DampedKL(1e-3), 30)
    assert (np.diff(curve) <= 0).all()


def test_gaps_are_not_negative_and_steps_come_from_the_grid(results):
    gaps, steps = results
    for key, values in gaps.items():
        assert values.shape == (4, 41) and values.min() >= 0
        assert steps[key] in maps.MAPS[key[1]][0]


def test_kl_maps_need_fewer_iterations_than_fixed_metrics(results):
    gaps, _ = results
    n_iter = {name: maps.n_iterations(gaps[LINEAR, name, NEAR]) for name in maps.MAPS}
    for name in ("EM (KL)", "KL, step 1.5", "KL damped"):
        assert n_iter[name] < n_iter["Euclidean"] / 2


def test_a_metric_taken_far_away_fails_where_kl_follows(results):
    gaps, _ = results
    rates = {
        name: maps.success_rate(gaps[LINEAR, name, FAR])
        for name in ("EM (KL)", "metric of the start")
    }
    assert rates["EM (KL)"] == 1
    assert rates["metric of the start"] <= 0.5
