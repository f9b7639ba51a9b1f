"""Information matrices against finite differences, and rates against what EM does."""

from itertools import count

import numpy as np
import pytest
from _data import MODELS, flat, random_theta, soft_start, unflat
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.engine.coordinates import coordinates
from skmoe.engine.descent import minimise
from skmoe.engine.information import information_matrices
from skmoe.engine.m_step import project_exactly, surrogate_gradient
from skmoe.inspection import information, signal_to_noise
from skmoe.solvers import AcceleratedEM, MirrorDescent, make_solver

every_model = pytest.mark.parametrize("name", MODELS)
every_step_size = pytest.mark.parametrize("step_size", [0.5, 1.0, 1.5])


def make_problem(name, n=300, seed=1, **options):
    """Overlapping experts without unbounded intercepts, and weights of the rows."""
    model = MODELS[name]
    data = model.data(n=n, seed=seed, signal=2.0, gate_signal=2.0)
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, size=n)
    intercept = model.family == "linear" and not model.symmetric
    options = {"alpha": 0.01, "gate_alpha": 0.02, "fit_intercept": intercept, **options}
    return data, model.problem(data, weight=weight, **options)


def optimum(mixture, theta):
    """Stationary point near `theta`, to rounding: EM, then Newton's method."""
    theta = minimise(mixture, theta, AcceleratedEM(), 3000, 0.0).theta
    for _ in range(5):
        hessian = information_matrices(mixture, theta).objective_hessian()
        gradient = flat(mixture.gradient(mixture.evaluate(theta)))
        theta = unflat(flat(theta) - np.linalg.solve(hessian, gradient), theta)
    return theta


def jacobian(function, vector, h):
    """Central differences, (outputs, inputs)."""
    steps = h * np.eye(vector.size)
    columns = [function(vector + s) - function(vector - s) for s in steps]
    return np.array(columns).T / (2 * h)


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@every_model
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_observed_information_is_the_hessian_of_the_objective(name, alpha):
    _, problem = make_problem(name, alpha=alpha, gate_alpha=2 * alpha)
    mixture = problem.mixture
    theta = random_theta(mixture, 0)

    def gradient(vector):
        point = unflat(vector, theta)
        return flat(mixture.gradient(mixture.evaluate(point, curvature=False)))

    expected = jacobian(gradient, flat(theta), 1e-5)
    hessian = information_matrices(mixture, theta).objective_hessian()
    assert relative_error(hessian, expected) <= 1e-7


# Where more than z is hidden, the surrogate holds what `surrogate_gradient` does not.
@pytest.mark.parametrize(
    "name", [name for name, model in MODELS.items() if model.hides_z_alone]
)
def test_complete_information_is_the_hessian_of_the_surrogate(name):
    _, problem = make_problem(name)
    mixture = problem.mixture
    theta = random_theta(mixture, 0)
    posterior = mixture.row_moments(theta).posterior

    def gradient(vector):
        return flat(surrogate_gradient(mixture, unflat(vector, theta), posterior))

    expected = jacobian(gradient, flat(theta), 1e-5)
    matrices = information_matrices(mixture, theta)
    assert relative_error(matrices.step_curvature(1.0), expected) <= 1e-7


@every_model
def test_score_products_are_those_of_the_rows_gradients(name):
    data, problem = make_problem(name, n=60, alpha=0.0, gate_alpha=0.0)
    mixture = problem.mixture
    theta = random_theta(mixture, 0)
    expected = 0.0
    for row, weight in enumerate(mixture.weight):
        alone = mixture.take(np.array([row]))
        gradient = flat(alone.gradient(alone.evaluate(theta)))
        expected = expected + weight * np.outer(gradient, gradient)
    found = information_matrices(mixture, theta).score_products
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.sampled(3)
@every_model
@every_step_size
def test_jacobian_of_the_mirror_map_is_predicted(name, step_size):
    data, problem = make_problem(name, n=1000)
    mixture = problem.mixture
    theta = optimum(mixture, soft_start(mixture, data.expert))

    def step(vector):
        state = mixture.evaluate(unflat(vector, theta), blend=step_size != 1)
        return flat(project_exactly(mixture, state, step_size))

    measured = jacobian(step, flat(theta), 1e-4)
    matrices = information_matrices(mixture, theta)
    change = np.linalg.solve(
        matrices.step_curvature(step_size), matrices.objective_hessian()
    )
    predicted = np.eye(change.shape[0]) - step_size * change
    assert relative_error(predicted, measured) <= 1e-5


@pytest.mark.parametrize("name", ["linear-3", "three-class-2"])
def test_information_comes_from_all_rows_in_blocks(name, monkeypatch):
    _, problem = make_problem(name, n=900)
    theta = random_theta(problem.mixture, 0)
    whole = information_matrices(problem.mixture, theta)
    monkeypatch.setattr("skmoe.engine.information.block_rows", lambda width: 100)
    for found, expected in zip(information_matrices(problem.mixture, theta), whole):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["linear-2", "binary-3"])
def test_curvature_that_is_not_stored_gives_the_same(name):
    _, problem = make_problem(name)
    theta = random_theta(problem.mixture, 0)
    expected = information_matrices(problem.mixture, theta)
    problem.mixture.experts_are_dense = False
    for found, matrix in zip(information_matrices(problem.mixture, theta), expected):
        np.testing.assert_allclose(found, matrix, rtol=1e-12)


@every_model
def test_coordinates_lead_to_the_fitted_attributes(name):
    _, problem = make_problem(name)
    theta = random_theta(problem.mixture, 0)
    mass = problem.mixture.evaluate(theta).stats.mass
    where = coordinates(problem, theta, mass)

    def reported(vector):
        fitted = problem.attributes(unflat(vector, theta), np.float64)
        intercept = problem.gate_design.intercept
        parts = []
        for part in ("gate_", ""):
            coef, level = fitted[f"{part}coef_"], fitted[f"{part}intercept_"]
            parts.append(
                np.concatenate([coef] + [level[..., None]] * intercept, axis=-1)
            )
        noise = fitted.get("noise_variance_", fitted.get("dispersion_", np.ones(0)))
        parts.append(np.log(noise))
        return np.concatenate([part.ravel() for part in parts])

    expected = jacobian(reported, flat(theta), 1e-4)
    np.testing.assert_allclose(where.reported, expected, atol=1e-8)
    assert np.linalg.matrix_rank(where.relative) == where.relative.shape[0]
    assert where.learnt.size == where.relative.shape[0]


# Problems from easy to hard: the noise of linear experts, the signal of logistic ones.
RATES = [("linear-2", noise) for noise in (0.3, 0.6, 1.0, 1.5, 2.0)]
RATES += [("linear-symmetric", noise) for noise in (0.3, 0.6, 1.0, 1.5)]
RATES += [("linear-3", noise) for noise in (0.3, 0.5, 0.7)]
RATES += [("binary-symmetric", signal) for signal in (6.0, 4.0, 3.0, 2.0)]
RATES += [("binary-2", signal) for signal in (16.0, 8.0)]
RATES += [("three-class-2", signal) for signal in (8.0, 4.0)]


def hard_problem(name, hardness, alpha=1e-3):
    """A mixture of given noise or signal, and a start near its optimum.

    No expert is so rare that its sample decides how long a step may be.
    """
    model = MODELS[name]
    is_linear = model.family == "linear"
    options = {"noise": hardness} if is_linear else {"signal": hardness}
    draws = (model.data(2000, seed=s, gate_signal=2.0, **options) for s in count())
    share = 0.5 / model.n_experts
    data = next(d for d in draws if np.bincount(d.expert).min() > share * 2000)
    problem = model.problem(
        data,
        alpha=alpha,
        gate_alpha=alpha,
        fit_intercept=is_linear and not model.symmetric,
    )
    return problem.mixture, soft_start(problem.mixture, data.expert)


def tail_ratios(solver, mixture, theta, best):
    """Ratios of successive distances from `best`, and of F from its minimum.

    The loop runs one iteration at a time; as in a power iteration the distance is then
    scaled back to 1e-3, so that the slowest direction wins before rounding does.
    Geometric means over the last of many iterations.
    """
    objective = mixture.evaluate(best).objective

    def scaled_back(point):
        change = point.minus(best)
        return best.plus(change, 1e-3 / np.sqrt(change.dot(change)))

    theta, ratios = scaled_back(theta), []
    for _ in range(80):
        descent = minimise(mixture, theta, solver, 1, 0.0)
        change = descent.theta.minus(best)
        before, after = descent.objective_curve - objective
        ratios.append((np.sqrt(change.dot(change)) / 1e-3, after / before))
        theta = scaled_back(descent.theta)
    return np.exp(np.log(ratios[-20:]).mean(axis=0))


def rate_of(matrices, step_size):
    """Spectral radius of the Jacobian of a mirror step."""
    change = np.linalg.solve(
        matrices.step_curvature(step_size), matrices.objective_hessian()
    )
    return np.abs(1 - step_size * np.linalg.eigvals(change)).max()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("name", "hardness"), RATES)
@every_step_size
def test_measured_rates_are_the_predicted_ones(name, hardness, step_size):
    mixture, start = hard_problem(name, hardness)
    best = optimum(mixture, start)
    predicted = rate_of(information_matrices(mixture, best), step_size)
    solver = MirrorDescent(step_size, project_exactly)
    measured, of_gaps = tail_ratios(solver, mixture, start, best)
    assert measured == pytest.approx(predicted, rel=0.05)
    assert of_gaps == pytest.approx(predicted**2, rel=0.05)


def test_a_predicted_rate_above_one_is_a_step_that_is_too_long():
    """An expert with 40 of 2,000 rows: posterior and model moments differ much."""
    model = MODELS["linear-2"]
    data = model.data(2000, seed=3, gate_signal=2.0, noise=0.3)
    mixture = model.problem(data, alpha=1e-3, gate_alpha=1e-3).mixture
    best = optimum(mixture, soft_start(mixture, data.expert))
    matrices = information_matrices(mixture, best)
    assert rate_of(matrices, 1.0) < 0.5 and rate_of(matrices, 1.5) > 1
    change = np.linalg.solve(matrices.step_curvature(1.5), matrices.objective_hessian())
    values, vectors = np.linalg.eig(np.eye(change.shape[0]) - 1.5 * change)
    worst = vectors[:, np.abs(values).argmax()].real
    near = unflat(flat(best) + 1e-4 * worst, best)
    after = project_exactly(mixture, mixture.evaluate(near, blend=True), 1.5)
    growth = np.linalg.norm(flat(after) - flat(best)) / 1e-4
    assert growth == pytest.approx(rate_of(matrices, 1.5), rel=0.01)


@pytest.mark.parametrize("solver", ["em", "md"])
@pytest.mark.parametrize("name", ["linear-2", "binary-symmetric"])
def test_default_projections_have_the_predicted_rate_too(name, solver):
    mixture, start = hard_problem(name, 1.0 if name == "linear-2" else 3.0)
    best = optimum(mixture, start)
    predicted = rate_of(information_matrices(mixture, best), 1.0)
    measured, _ = tail_ratios(make_solver(solver, 1.0), mixture, start, best)
    assert measured == pytest.approx(predicted, rel=0.05)


# The public functions


def piecewise(n=600, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2)) * [1.0, 50.0] + [0.0, 1000.0]
    y = 100 * (np.abs(X[:, 0]) + noise * rng.standard_normal(n))
    return X, y


def fitted(n=600, **options):
    X, y = piecewise(n)
    options = {"tol": 1e-10, "random_state": 0, **options}
    return MixtureOfLinearExperts(**options).fit(X, y), X, y


def test_matrices_are_sums_over_rows_in_the_users_units():
    model, X, y = fitted(alpha=0, gate_alpha=0, noise_prior=0)
    info = information(model, X, y)
    place = info.names.index("expert 0: x1")
    mass = model.responsibilities(X, y)[:, 0]
    expected = (mass * X[:, 1] ** 2).sum() / model.noise_variance_[0]
    assert info.complete[place, place] == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(
        info.observed, info.complete - info.missing, rtol=1e-6, atol=1e-6
    )
    assert not info.penalty.any()


def test_observed_information_is_the_curvature_of_the_log_likelihood():
    model, X, y = fitted(alpha=0, gate_alpha=0)
    info = information(model, X, y)
    place = info.names.index("gate 1 - gate 0: x0")

    def log_likelihood(change):
        moved, gate = fitted(alpha=0, gate_alpha=0)[0], model.gate_coef_.copy()
        gate[:, 0] += [-change / 2, change / 2]
        moved.gate_coef_ = gate
        return moved.score_samples(X, y).sum()

    h = 1e-3
    values = [log_likelihood(change) for change in (-h, 0, h)]
    curvature = -np.diff(values, 2)[0] / h**2
    assert info.observed[place, place] == pytest.approx(curvature, rel=1e-5)


def test_penalty_is_that_of_the_objective():
    model, X, y = fitted(alpha=60.0, gate_alpha=120.0, noise_prior=10.0)
    info = information(model, X, y)
    expert = info.names.index("expert 1: x0")
    gate = info.names.index("gate 1 - gate 0: x0")
    assert info.penalty[expert, expert] == pytest.approx(60 / y.var())
    # With w and -w for gates the difference is 2 w: penalised by half as much.
    assert info.penalty[gate, gate] == pytest.approx(120 / 2)
    noise = info.penalty.diagonal()[-2:]
    prior = 10 * model.prior_noise_variance_ / model.noise_variance_ / 2
    assert noise == pytest.approx(prior)


def test_eigenvalues_fall_from_the_rate_to_zero_or_more():
    model, X, y = fitted()
    info = information(model, X, y)
    values = info.missing_eigenvalues
    assert (np.diff(values) <= 0).all() and values[-1] >= -1e-12
    assert info.em_rate == values[0] == pytest.approx(info.mirror_rate(1.0), rel=1e-9)
    assert info.best_step_size == pytest.approx(2 / (2 - values[0] - values[-1]))
    assert info.mirror_rate(info.best_step_size) < info.em_rate


def test_information_shows_its_rates():
    model, X, y = fitted()
    info = information(model, X, y)
    assert f"11 parameters: em_rate {info.em_rate:.4g}" in repr(info)


def test_information_without_rates_says_so():
    """A column that comes twice, without a penalty."""
    X, y = piecewise()
    twice = np.column_stack([X, X[:, 0]])
    model = MixtureOfLinearExperts(alpha=0, gate_alpha=0, random_state=0).fit(twice, y)
    assert "not identified, so no rates" in repr(information(model, twice, y))


def test_strong_convexity_is_what_information_is_not_missing():
    """On average over samples of the model itself, 1 - lambda_max."""
    model, X, _ = fitted(alpha=0, gate_alpha=0)
    many = np.repeat(X, 100, axis=0)
    y = model.sample(many, random_state=0)[:, 0]
    again = MixtureOfLinearExperts(alpha=0, gate_alpha=0, tol=1e-10, random_state=0)
    info = information(again.fit(many, y), many, y)
    assert info.strong_convexity == pytest.approx(1 - info.em_rate, rel=0.01)


def test_strong_convexity_is_negative_at_a_saddle():
    X, y = piecewise()
    same = np.full((600, 2), 0.5)
    model = MixtureOfLinearExperts(init=same, max_iter=1, solver="em", step_size=1.0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert information(model, X, y).strong_convexity < 0


def test_weights_count_as_rows():
    X, y = piecewise(200)
    weight = np.random.default_rng(0).integers(1, 4, size=200)
    model = MixtureOfLinearExperts(random_state=0).fit(X, y, weight)
    weighted = information(model, X, y, weight)
    rows = np.repeat(np.arange(200), weight)
    repeated = information(model, X[rows], y[rows], np.ones(len(rows)))
    np.testing.assert_allclose(weighted.observed, repeated.observed, rtol=1e-8)


def test_names_follow_features_classes_and_outputs():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((300, 2)), columns=["age", "dose"])
    label = np.array(["a", "b", "c"])[rng.integers(3, size=300)]
    model = MixtureOfLogisticExperts(
        gate_features=["age"], expert_features=["dose"], alpha=0.01, gate_alpha=0.01
    ).fit(X, label)
    names = information(model, X, label).names
    assert names[:2] == ["gate 1 - gate 0: age", "gate 1 - gate 0: (intercept)"]
    assert names[2] == "expert 0, b - a: dose"
    outputs = rng.standard_normal((300, 2))
    model = MixtureOfLinearExperts(noise="shared", random_state=0).fit(X, outputs)
    names = information(model, X, outputs).names
    assert names[-2:] == ["noise 0, 0: log(variance)", "noise 0, 1: log(variance)"]
    assert len(names) == 3 + 2 * 2 * 3 + 2


def test_constant_columns_and_noise_at_its_bound_are_left_out():
    X, _ = piecewise()
    X = np.column_stack([X, np.ones(600)])
    y = np.abs(X[:, 0])
    model = MixtureOfLinearExperts(random_state=0, gate_alpha=0.01).fit(X, y)
    names = information(model, X, y).names
    assert not [name for name in names if "x2" in name or "noise" in name]
    assert "expert 1: x1" in names


def test_sparse_data_gives_what_dense_data_gives():
    from scipy import sparse

    X, y = piecewise()
    X[np.abs(X) < 0.3] = 0.0
    model = MixtureOfLinearExperts(alpha=0, gate_alpha=0, random_state=0).fit(X, y)
    dense = information(model, X, y)
    found = information(model, sparse.csr_array(X), y)
    np.testing.assert_allclose(found.observed, dense.observed, rtol=1e-6, atol=1e-6)


def test_steps_without_a_projection_are_an_error():
    model, X, y = fitted()
    info = information(model, X, y)
    with pytest.raises(ValueError, match="step is too long"):
        info.mirror_rate(1e4)
    with pytest.raises(ValueError, match="step_size=0"):
        info.mirror_rate(0)


def test_signal_to_noise_is_that_of_the_data():
    rng = np.random.default_rng(0)
    X, z = rng.standard_normal((4000, 3)), rng.choice([-1, 1], size=4000)
    y = z * (X @ [1.0, 2.0, 2.0]) + 0.5 * rng.standard_normal(4000)
    model = MixtureOfLinearExperts(symmetric=True, random_state=0).fit(X, y)
    assert signal_to_noise(model) == pytest.approx(6.0, rel=0.05)
    both = np.column_stack([y, 2 * y])
    model.fit(X, both)
    np.testing.assert_allclose(signal_to_noise(model), [6.0, 6.0], rtol=0.05)
    label = (rng.uniform(size=4000) < 1 / (1 + np.exp(-z * X[:, 0] * 3))).astype(int)
    model = MixtureOfLogisticExperts(symmetric=True, random_state=0).fit(X, label)
    assert signal_to_noise(model) == np.linalg.norm(model.coef_[0])
    with pytest.raises(ValueError, match="symmetric=False"):
        signal_to_noise(MixtureOfLinearExperts().fit(X, y))
