"""The experiment on rotated experts: its family, its rates, what they depend on."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from _paper import load

from skmoe.engine.information import information_matrices

pytestmark = pytest.mark.long

paper = load("symmetric_many")


@pytest.fixture(scope="module")
def results():
    return paper.experiment(
        counts=(2, 3, 5), signals=(1.0, 2.0, 4.0, 16.0), n_instances=2, n=3000
    )


def test_experts_are_rotations_that_form_a_group():
    rotations = paper.rotations_of(5, 4)
    for k, rotation in enumerate(rotations):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(4), atol=1e-14)
        expected = rotations[(k + 1) % 5]
        np.testing.assert_allclose(rotations[1] @ rotation, expected, atol=1e-14)
    angle = 2 * np.pi / 5
    assert np.trace(rotations[1]) == pytest.approx(4 * np.cos(angle))


@pytest.mark.parametrize("n_experts", [2, 3, 6])
def test_separation_is_the_smallest_distance_of_experts(n_experts):
    beta = np.array([1.0, 2.0, -2.0, 0.0])
    experts = paper.attributes(beta, beta, 1.0, n_experts)["coef_"][:, 0]
    distances = np.linalg.norm(experts[:, None] - experts, axis=2)
    rates = paper.Rates(*np.zeros((4, 1, 1, 1)))
    found = paper.Results(np.array([n_experts]), np.array([3.0]), rates).separation()
    expected = distances[~np.eye(n_experts, dtype=bool)].min()
    assert found[0, 0] == pytest.approx(expected)


def test_two_tied_experts_are_the_symmetric_model_of_the_engine():
    instance = paper.rotated_instance(2, 1.0, 1000, 4, seed=3)
    X = np.random.default_rng(3).standard_normal((1000, 4))  # as the instance draws it
    y = instance.problem.mixture.target[0] * instance.problem.target_scale
    symmetric = paper.make_problem(X, y, 2, symmetric=True)
    theta = symmetric.parameters(instance.truth)
    expected = paper.missing_eigenvalue(information_matrices(symmetric.mixture, theta))
    directions = paper.tied_directions(instance.problem, 2, 4)
    matrices = information_matrices(instance.problem.mixture, instance.theta)
    found = paper.missing_eigenvalue(matrices, directions)
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n_experts", [3, 4])
def test_tied_directions_are_derivatives(n_experts):
    problem = paper.rotated_instance(n_experts, 2.0, 500, 4, seed=0).problem
    directions = paper.tied_directions(problem, n_experts, 4)
    rng = np.random.default_rng(0)
    halves, changes = rng.standard_normal((2, 2, 4))

    def at(halves, variance):
        fitted = paper.attributes(*halves, variance, n_experts)
        return problem.parameters(fitted).flat()

    found = at(halves + changes, 2.0) - at(halves, 1.0)
    expected = directions @ np.append(changes.ravel(), np.log(2.0))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_measured_rates_are_those_of_the_missing_information(results):
    measured, predicted, free, tied = results.rates
    # Where the two largest eigenvalues nearly agree, the factor converges early.
    np.testing.assert_allclose(measured, predicted, atol=0.02)
    assert (predicted < 1).all()
    # The slowest direction is nearly that of tied experts.
    assert (tied <= free + 1e-9).all() and (free < tied + 0.05).all()


def test_em_is_fast_at_high_snr_and_slow_for_many_experts(results):
    middle = np.median(results.rates.measured, axis=2)
    assert (np.diff(middle, axis=1) < 0).all()
    assert (np.diff(middle, axis=0) > 0).all()
    exponents = [
        paper.power(separation[-2:], rates[-2:])
        for separation, rates in zip(results.separation(), middle)
    ]
    assert all(-1.2 < exponent < -0.6 for exponent in exponents)


def test_laws_of_given_rates():
    rates = np.array([[0.95, 0.85], [0.99, 0.9]])[:, :, None]
    results = paper.Results(
        np.array([2, 3]), np.array([1.0, 4.0]), paper.Rates(rates, rates, rates, rates)
    )
    np.testing.assert_allclose(paper.needed_signal(results), [2.0, 4.0])
    found = [paper.factor_per_expert(results, signal) for signal in results.signals]
    np.testing.assert_allclose(found, [0.01 / 0.05, 0.1 / 0.15])


def test_the_picture_is_drawn(results, tmp_path):
    path = tmp_path / "picture.png"
    paper.draw(results).savefig(path)
    assert path.stat().st_size > 0
    rows = list(paper.table_rows(results))
    assert [row[0] for row in rows] == [2, 3, 5]
