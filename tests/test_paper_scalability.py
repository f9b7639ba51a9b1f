"""The scalability experiment at a small size; nothing here depends on the clock."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

pytestmark = pytest.mark.long

scalability = load("scalability")

SMALL, LARGE = (2, 4), (4, 4)


@pytest.fixture(scope="module")
def results():
    """The experiment with few experts, features and rows."""
    return scalability.experiment([SMALL, LARGE], [(2, 8)], n=1200, instances=3)


def test_every_size_is_measured(results):
    sizes = {(n_experts, d) for _, n_experts, d in results}
    assert sizes == {SMALL, LARGE, (2, 8)}
    for value in results.values():
        assert value.shape == (3, len(scalability.SOLVERS))
        assert (value[0] > 0).all() and (value[1] >= 0).all()


def test_em_comes_near_in_fewer_iterations_than_gradient_descent_on_linear_experts(
    results,
):
    for n_experts, d in (SMALL, LARGE, (2, 8)):
        em, accelerated, gd = results["linear", n_experts, d][1]
        assert np.isfinite([em, accelerated, gd]).all()
        assert max(em, accelerated) < gd


def test_acceleration_saves_iterations_on_logistic_experts(results):
    for d in (4, 8):
        em, accelerated, _ = results["logistic", 2, d][1]
        assert accelerated < em


def test_exponents_are_those_of_a_power_law():
    sizes = [2, 4, 8]
    values = np.array(
        [[[3 * size**2, size], [1, np.inf], [1, 1]] for size in sizes], dtype=float
    )
    slopes = scalability.exponents(sizes, values)
    np.testing.assert_allclose(slopes[0], [2, 1])
    np.testing.assert_allclose(slopes[1], [0, np.nan], atol=1e-12)


def test_a_drawn_mixture_is_near_the_optimum_of_its_data():
    instance, expert = scalability.draw_mixture("linear", 3000, 4, 3, seed=0)
    mixture = instance.problem.mixture
    start = scalability.blurred_start(mixture, expert)
    best = scalability.minimise(
        mixture, start, scalability.AcceleratedEM(), 300, 1e-12
    ).objective_curve[-1]
    at_truth, at_start = (
        mixture.evaluate(theta).objective for theta in (instance.theta, start)
    )
    # Half the number of parameters (8 + 12 + 3 + 2) by the rows, up to chance.
    assert 0 < at_truth - best < 0.02 < at_start - best
