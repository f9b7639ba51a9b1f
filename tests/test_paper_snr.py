"""EM's rate by signal-to-noise ratio, the paper's experiment in small."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

pytestmark = pytest.mark.long

snr = load("snr")
SIGNALS = (0.5, 2.0, 8.0)


@pytest.fixture(scope="module")
def results():
    return snr.experiment(
        instances=2,
        n=5000,
        d=3,
        n_iter=150,
        signals=SIGNALS,
        curve_signals=(4.0, 1.0),
        curve_instances=2,
        no_signal_rows=20000,
        no_signal_instances=1,
    )


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_the_largest_missing_eigenvalue_is_the_rate_of_em(results, kind):
    sweep = results[kind].sweep
    np.testing.assert_allclose(sweep.measured, sweep.largest, atol=0.03)
    np.testing.assert_allclose(sweep.gap_ratio, sweep.measured**2, atol=0.05)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_low_signals_are_slow(results, kind):
    for values in (results[kind].sweep.largest, results[kind].sweep.measured):
        assert (np.diff(values, axis=0) < 0).all()
    curves = results[kind].curves
    assert np.median(curves[4.0][:, 20]) < np.median(curves[1.0][:, 20])


def test_rates_at_low_signal_near_one(results):
    for result in results.values():
        assert (result.sweep.largest[0] > 0.85).all()
        assert (result.by_gate[:, 0] > 0.8).all()


def test_a_strong_gate_slows_linear_experts_and_speeds_logistic_ones(results):
    assert (np.diff(results["linear"].by_gate, axis=0) > 0).all()
    # Of the logistic model w and beta may change places: the weaker one decides.
    by_gate = results["logistic"].by_gate
    assert (np.diff(by_gate[:, -1]) < 0).all()
    np.testing.assert_allclose(by_gate, by_gate.T, atol=0.05)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_without_signal_convergence_is_sublinear(results, kind):
    gap = np.median(results[kind].no_signal, axis=0)
    ratios = gap[1:] / gap[:-1]
    assert ratios[1] < 0.8 < 0.95 < ratios[100] < 1
    assert -3 < snr.power(results[kind].no_signal, 2, 10) < -1


def test_ratios_come_from_late_distances_above_rounding():
    distances = 0.5 ** np.arange(20.0)
    distances[15:] = distances[14]
    first, last = snr.late(distances)
    assert first < last <= 14
    assert snr.mean_ratio(distances, first, last) == pytest.approx(0.5)
    assert snr.late(0.99 ** np.arange(100.0)) == (74, 99)


def test_picture_and_table_show_every_signal(results):
    figure = snr.draw(results, SIGNALS)
    assert len(list(snr.rows(results, SIGNALS))) == 2 * len(SIGNALS)
    snr.plt.close(figure)
