"""From how far EM reaches the best optimum, the experiment in small."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

pytestmark = pytest.mark.long

initialisation = load("initialisation")
SIGNALS, DISTANCES = (1.0, 4.0), (0.0625, 0.5, 4.0)


@pytest.fixture(scope="module")
def results():
    return initialisation.experiment(
        instances=8, n=1500, d=3, signals=SIGNALS, distances=DISTANCES, max_iter=500
    )


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_em_descends_to_what_is_known_at_best(results, kind):
    starts = results[kind]
    assert all(values.shape == (2, 8, 3) for values in starts)
    assert (starts.after >= 0).all()
    assert (starts.after <= starts.before).all()


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_near_the_truth_em_succeeds(results, kind):
    success = results[kind].after <= initialisation.SUCCESS
    assert success[..., :2].mean() > 0.9


def test_far_from_the_truth_em_of_linear_experts_may_fail(results):
    success = results["linear"].after <= initialisation.SUCCESS
    assert success[..., 2].mean() < success[..., 0].mean()


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_convexity_at_the_start_is_not_necessary(results, kind):
    starts = results[kind]
    convex = (starts.convexity > 0).mean(axis=(0, 1))
    assert convex[0] > 0.5 and convex[-1] < convex[0]
    success = starts.after <= initialisation.SUCCESS
    assert success[starts.convexity <= 0].mean() > 0.5


def test_the_noise_variance_makes_convexity_rarer(results):
    linear, logistic = results["linear"], results["logistic"]
    # The sign of the smallest eigenvalue cannot rise with a further parameter.
    assert (linear.convexity > 0)[linear.full_convexity > 0].all()
    assert (linear.full_convexity > 0).sum() < (linear.convexity > 0).sum()
    np.testing.assert_array_equal(logistic.convexity, logistic.full_convexity)


def test_picture_and_table_show_every_distance(results):
    figure = initialisation.draw(results, SIGNALS, DISTANCES)
    assert len(list(initialisation.rows(results, DISTANCES))) == 2 * len(DISTANCES)
    initialisation.plt.close(figure)
