"""EM against gradient EM and gradient descent, the paper's experiment in small."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

from skmoe.solvers import GradientDescent, GradientSteps, MirrorDescent

pytestmark = pytest.mark.long

convergence = load("convergence")


@pytest.fixture(scope="module")
def results():
    return convergence.experiment(
        instances=4, n=600, d=4, n_iter=120, grid=(0.25, 1.0, 4.0), tuned_on=3
    )


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_em_needs_fewer_iterations_than_gradients_of_fixed_step(results, kind):
    needed = {
        name: np.median(convergence.iterations_to(runs.gap, convergence.EXACT))
        for name, runs in results[kind].items()
    }
    assert needed["EM"] < needed["gradient EM"] <= needed["GD"]
    of_gradient_em, of_descent = (
        np.median(results[kind][name].gap[:, 60]) for name in ("gradient EM", "GD")
    )
    assert of_gradient_em < of_descent


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_curves_start_together_and_em_reaches_the_optimum(results, kind):
    runs = results[kind]
    for name in convergence.SOLVERS:
        assert runs[name].gap.shape == runs[name].error.shape == (4, 121)
        np.testing.assert_allclose(runs[name].gap[:, 0], runs["EM"].gap[:, 0])
    assert (np.diff(runs["EM"].gap) <= 0).all()
    assert (np.abs(runs["EM"].gap[:, -1]) < convergence.EXACT).all()


def test_who_reaches_the_optimum_is_as_accurate_as_em(results):
    runs = results["linear"]
    for name in convergence.SOLVERS:
        np.testing.assert_allclose(
            runs[name].error[:, -1], runs["EM"].error[:, -1], rtol=0.02
        )


def test_step_sizes_are_tuned_where_there_is_one(results):
    for runs in results.values():
        tuned = {name for name, one in runs.items() if np.isfinite(one.step_size)}
        assert tuned == set(convergence.TUNED)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_gradient_em_of_one_step_is_gradient_descent(kind):
    problem, start = convergence.make_task(kind, 0, 300, 3, 0.5)[:2]
    solvers = GradientDescent(0.1), MirrorDescent(1.0, GradientSteps(1, 0.1))
    descent, em = (
        convergence.trace(problem.problem, start, solver, 20)[0] for solver in solvers
    )
    assert descent[-1] < descent[0]
    np.testing.assert_allclose(em, descent, rtol=1e-12)


def test_picture_and_table_show_every_solver(results):
    figure = convergence.draw(results)
    assert len(figure.axes) == 4
    assert len(list(convergence.rows(results))) == 2 * len(convergence.SOLVERS)
    convergence.plt.close(figure)


def test_iterations_that_are_never_enough_are_infinite():
    gap = np.array([[1.0, 0.1, 0.01], [1.0, 0.9, 0.8]])
    np.testing.assert_array_equal(convergence.iterations_to(gap, 0.1), [1, np.inf])
