"""The batch size experiment at a small size."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

pytestmark = pytest.mark.long

batch_size = load("batch_size")

N, SIZES = 2000, (50, 200, 2000)


@pytest.fixture(scope="module")
def results():
    """Gaps and steps of linear experts on few rows."""
    return batch_size.experiment(N, 3, SIZES, kinds=("linear",))


def medians(results, method):
    """Median gaps of a method, (batch sizes, passes + 1) or (passes + 1,)."""
    return np.median(results[0]["linear", method], axis=-2)


def test_all_start_from_the_same_point(results):
    starts = [values[..., 0] for values in results[0].values()]
    for values in starts:
        np.testing.assert_allclose(values, np.broadcast_to(starts[0][0], values.shape))


def test_gaps_are_not_negative(results):
    assert all(values.min() >= 0 for values in results[0].values())


def test_small_batches_win_the_first_pass(results):
    gaps = medians(results, "online EM, 0.6")[:, 1]
    assert gaps[:2].max() < gaps[2]


def test_online_em_on_all_rows_starts_no_worse_than_em_and_then_lags(results):
    whole, em = medians(results, "online EM, 0.6")[-1], medians(results, "EM")
    # EM takes one Newton step, online EM cuts a long one into several.
    assert whole[1] < (1 + 1e-8) * em[1]
    assert em[10] < 1e-2 * whole[10]


def test_online_em_beats_the_tuned_gradient_on_batches(results):
    online, gradient = (
        medians(results, method)[:2, 10]
        for method in ("online EM, 0.6", "stochastic GD")
    )
    assert (online < gradient).all()


def test_tuning_takes_the_best_median_of_each_pass():
    runs = np.array([[[9.0, 1.0], [9.0, 3.0]], [[2.0, 5.0], [4.0, 5.0]]])
    values, best = batch_size.tuned(runs)
    np.testing.assert_array_equal(best, [1, 0])
    np.testing.assert_array_equal(values, [[2.0, 1.0], [4.0, 3.0]])
