"""The prior on noise variances and dispersions: part of F, and what it is for."""

import warnings

import numpy as np
import pytest
from _data import MODELS, Model, flat, random_theta, unflat
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts
from skmoe.engine.information import information_matrices
from skmoe.engine.m_step import project_exactly, surrogate_gradient
from skmoe.model_selection import n_experts_path
from skmoe.solvers import AcceleratedEM
from skmoe.streaming import array_batches, fit_batches

WITH_NOISE = {
    name: model for name, model in MODELS.items() if model.family in ("linear", "gamma")
} | {"linear-top-2": Model("linear", 4, top_k=2)}
_STEP = 1e-5


def two_lines(n=300, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=n)
    slope = np.where(rng.random(n) < 0.6, 1.0, -1.0)
    return x[:, None], slope * x + noise * rng.standard_normal(n)


def two_amounts(n=500, dispersion=0.05, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=n)
    mean = np.exp(np.where(rng.random(n) < 0.6, x, 1 - x))
    return x[:, None], rng.gamma(1 / dispersion, mean * dispersion)


def with_prior(model, **options):
    """The engine's problem with penalties and a prior, and its data."""
    data = model.data(n=150)
    problem = model.problem(
        data, alpha=0.02, gate_alpha=0.03, noise_prior=6.0, **options
    )
    problem.learn_noise_prior(AcceleratedEM)
    return problem, data


def differences(function, at):
    """Central differences of a function of a vector."""
    steps = _STEP * np.eye(at.size)
    return np.array(
        [(function(at + h) - function(at - h)) / (2 * _STEP) for h in steps]
    )


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", sorted(set(WITH_NOISE) - {"linear-top-2"}))
def test_gradient_and_hessian_of_f_hold_the_prior(name):
    problem, _ = with_prior(WITH_NOISE[name])
    mixture = problem.mixture
    theta = random_theta(mixture, 0, scale=0.3)

    def objective(vector):
        return mixture.evaluate(unflat(vector, theta)).objective

    def gradient(vector):
        return flat(mixture.gradient(mixture.evaluate(unflat(vector, theta))))

    here = flat(theta)
    np.testing.assert_allclose(
        differences(objective, here), gradient(here), atol=2e-9, rtol=1e-7
    )
    hessian = information_matrices(mixture, theta).objective_hessian()
    np.testing.assert_allclose(differences(gradient, here), hessian, atol=1e-7)


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", WITH_NOISE)
@pytest.mark.parametrize("step_size", [0.5, 1.0])
def test_mirror_steps_never_raise_f(name, step_size):
    problem, _ = with_prior(WITH_NOISE[name])
    mixture = problem.mixture
    state = mixture.evaluate(random_theta(mixture, 1, scale=0.3), blend=True)
    after = mixture.evaluate(project_exactly(mixture, state, step_size))
    assert after.objective < state.objective


@pytest.mark.parametrize("name", sorted(set(WITH_NOISE) - {"linear-top-2"}))
def test_an_exact_projection_is_the_optimum_of_the_blended_moments(name):
    """The noise of the M-step is (squares + c s0^2) / (mass + c)."""
    problem, _ = with_prior(WITH_NOISE[name])
    mixture, experts = problem.mixture, problem.experts
    state = mixture.evaluate(random_theta(mixture, 2, scale=0.3))
    posterior = mixture.row_moments(state.theta).posterior
    found = project_exactly(mixture, state)
    if WITH_NOISE[name].hides_z_alone:
        slope = surrogate_gradient(mixture, found, posterior)
        assert np.abs(flat(slope)).max() < 1e-8
    assert experts.noise_prior.rows == pytest.approx(6 / 150)


def test_f_is_its_definition():
    X, y = two_lines()
    weight = np.random.default_rng(1).integers(1, 4, size=len(y)).astype(float)
    model = MixtureOfLinearExperts(
        alpha=2.0, gate_alpha=3.0, noise_prior=5.0, random_state=0
    ).fit(X, y, sample_weight=weight)
    prior, noise = model.prior_noise_variance_, model.noise_variance_
    mean = np.average(y, weights=weight)
    variance = np.average((y - mean) ** 2, weights=weight)
    total = -weight @ model.score_samples(X, y)
    total += 2.0 / 2 * np.square(model.coef_).sum() / variance
    total += 3.0 / 2 * np.square(model.gate_coef_).sum()
    total += 5.0 / 2 * (np.log(noise) + prior / noise).sum()
    assert model.objective_curve_[-1] == pytest.approx(total / weight.sum(), rel=1e-10)


def test_one_expert_has_the_conjugate_noise():
    X, y = two_lines()
    model = MixtureOfLinearExperts(1, noise_prior=50.0, tol=1e-12).fit(X, y)
    squares = np.square(y - model.predict(X)).sum()
    prior = model.prior_noise_variance_
    expected = (squares + 50 * prior) / (len(y) + 50)
    assert model.noise_variance_[0] == pytest.approx(expected, rel=1e-9)
    # That of one linear model on new rows, which has learned two coefficients.
    free = MixtureOfLinearExperts(1, noise_prior=0.0, tol=1e-12).fit(X, y)
    expected = free.noise_variance_[0] * (len(y) / (len(y) - 2)) ** 2
    assert prior == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [60, 200, 2000])
def test_the_prior_does_not_move_the_noise_of_lines_that_are_well_seen(n, seed):
    """Noise is a twentieth of the spread of y: one line's would be 400 times."""
    X, y = two_lines(n, noise=0.05, seed=seed)
    options = {"gate_features": [], "random_state": 0, "tol": 1e-9}
    free = MixtureOfLinearExperts(noise_prior=0.0, **options).fit(X, y)
    model = MixtureOfLinearExperts(**options).fit(X, y)
    ratio = np.sqrt(model.noise_variance_ / free.noise_variance_)
    assert np.abs(ratio - 1).max() < 0.05


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", range(3))
def test_the_prior_does_not_move_dispersions_that_are_well_seen(seed):
    X, y = two_amounts(n=200, dispersion=0.005, seed=seed)
    options = {"family": "gamma", "gate_features": [], "random_state": 0, "tol": 1e-9}
    free = MixtureOfGLMExperts(noise_prior=0.0, **options).fit(X, y)
    model = MixtureOfGLMExperts(**options).fit(X, y)
    assert np.abs(model.dispersion_ / free.dispersion_ - 1).max() < 0.1
    assert model.prior_dispersion_ == pytest.approx(0.005, rel=0.3)


def test_an_expert_on_few_rows_keeps_noise():
    """Repeated values pull an expert's noise to its floor, and BIC to that expert."""
    rng = np.random.default_rng(0)
    x = np.arange(80.0)
    y = np.round(10 + 0.02 * x + rng.standard_normal(80))
    X = (x - x.mean())[:, None] / x.std()

    def least(model, noise):
        return getattr(model, noise).min() / y.var()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        free = MixtureOfLinearExperts(4, noise_prior=0.0, random_state=0).fit(X, y)
        model = MixtureOfLinearExperts(4, random_state=0).fit(X, y)
        assert least(free, "noise_variance_") < 1e-5
        assert least(model, "noise_variance_") > 3e-3
        gamma = {"family": "gamma", "n_experts": 4, "random_state": 0}
        free = MixtureOfGLMExperts(noise_prior=0.0, **gamma).fit(X, y)
        model = MixtureOfGLMExperts(**gamma).fit(X, y)
    assert free.dispersion_.min() < 1e-5
    assert model.dispersion_.min() > 3e-5


def test_a_pick_with_hardly_any_noise_is_named():
    x = np.linspace(-1, 1, 60)
    with pytest.warns(UserWarning, match="likelihood is no guide.*near the least"):
        path = n_experts_path(
            MixtureOfLinearExperts(noise_prior=0.0, random_state=0),
            x[:, None],
            np.abs(x),
            max_experts=2,
        )
    with pytest.warns(UserWarning, match="aic is lowest with n_experts=2"):
        path.best("aic")


@pytest.mark.parametrize("options", [{}, {"noise": "shared"}, {"noise_df": 4.0}])
@pytest.mark.parametrize("solver", ["md", "gd"])
def test_solvers_agree(solver, options):
    X, y = two_lines()
    options = {"noise_prior": 40.0, "random_state": 0, "tol": 1e-12, **options}
    expected = MixtureOfLinearExperts(**options).fit(X, y)
    model = MixtureOfLinearExperts(solver=solver, max_iter=20_000, **options).fit(X, y)
    np.testing.assert_allclose(
        model.noise_variance_, expected.noise_variance_, rtol=1e-4
    )
    assert model.prior_noise_variance_ == expected.prior_noise_variance_


def test_solvers_agree_on_dispersions():
    X, y = two_amounts()
    options = {"family": "gamma", "noise_prior": 40.0, "random_state": 0, "tol": 1e-12}
    expected = MixtureOfGLMExperts(**options).fit(X, y)
    for solver in ("md", "gd"):
        model = MixtureOfGLMExperts(solver=solver, max_iter=20_000, **options)
        model.fit(X, y)
        np.testing.assert_allclose(model.dispersion_, expected.dispersion_, rtol=1e-3)


def test_the_prior_is_the_same_for_all_starts_and_seeds():
    X, y = two_lines()
    labels = (y > 0).astype(int)
    found = {
        MixtureOfLinearExperts(**options).fit(X, y).prior_noise_variance_
        for options in (
            {"random_state": 0},
            {"random_state": 1, "n_init": 3},
            {"init": "kmeans", "random_state": 2},
            {"init": labels},
        )
    }
    # Rows are sorted where no start belongs to them: sums round in another order.
    assert max(found) / min(found) - 1 < 1e-9


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_prior_follows_units_and_repeated_rows(n_outputs):
    X, y = two_lines()
    Y = y if n_outputs == 1 else np.column_stack([y, 3 - 2 * y])
    weight = np.random.default_rng(1).integers(1, 4, size=len(y))
    options = {"random_state": 0, "tol": 1e-10}
    one = MixtureOfLinearExperts(**options).fit(X, Y, sample_weight=weight)
    far = MixtureOfLinearExperts(**options).fit(X, 1e3 * Y, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)
    many = MixtureOfLinearExperts(**options).fit(X[rows], Y[rows])
    prior = one.prior_noise_variance_
    assert np.shape(prior) == (() if n_outputs == 1 else (2,))
    np.testing.assert_allclose(far.prior_noise_variance_, 1e6 * prior, rtol=1e-6)
    np.testing.assert_allclose(many.prior_noise_variance_, prior, rtol=1e-6)
    np.testing.assert_allclose(many.noise_variance_, one.noise_variance_, rtol=1e-6)


def test_without_the_prior_there_is_none():
    model = MixtureOfLinearExperts(noise_prior=0.0, random_state=0).fit(*two_lines())
    assert model.prior_noise_variance_ is None
    counts = MixtureOfGLMExperts(random_state=0).fit(two_lines()[0], np.arange(300) % 4)
    assert counts.prior_dispersion_ is None


def test_a_warm_start_keeps_the_prior():
    X, y = two_lines()
    model = MixtureOfLinearExperts(random_state=0, warm_start=True).fit(X, y)
    before, end = model.prior_noise_variance_, model.objective_curve_[-1]
    model.fit(X, y)
    assert model.prior_noise_variance_ == before
    assert model.objective_curve_[0] == pytest.approx(end, rel=1e-12)
    other = y + np.random.default_rng(3).standard_normal(len(y))
    assert model.fit(X, other).prior_noise_variance_ == before


@pytest.mark.parametrize("size", [50, 301])
def test_batches_have_the_prior_of_all_rows(size):
    X, y = two_lines()
    options = {"random_state": 0, "tol": 1e-10, "noise_prior": 20.0}
    expected = MixtureOfLinearExperts(**options).fit(X, y)
    model = MixtureOfLinearExperts(**options)
    fit_batches(model, array_batches(X, y, batch_size=size))
    assert model.prior_noise_variance_ == pytest.approx(
        expected.prior_noise_variance_, rel=1e-8
    )
    np.testing.assert_allclose(
        model.noise_variance_, expected.noise_variance_, rtol=1e-6
    )


@pytest.mark.parametrize("after_fit", [False, True])
def test_partial_fit_counts_penalties_and_prior_once(after_fit):
    """Shares of totals fall as rows come; a share per batch would stay."""
    X, y = two_lines(n=20_000, noise=0.3)
    options = {
        "alpha": 200.0,
        "gate_alpha": 200.0,
        "noise_prior": 200.0,
        "random_state": 0,
    }
    expected = MixtureOfLinearExperts(tol=1e-9, **options).fit(X, y)
    model, first = MixtureOfLinearExperts(**options), 0
    if after_fit:
        model.fit(X[:1500], y[:1500])
        first = 1500
    prior = None
    for start in range(first, len(y), 500):
        model.partial_fit(X[start : start + 500], y[start : start + 500])
        if start >= 3000:
            prior = prior or model.prior_noise_variance_
            assert model.prior_noise_variance_ == prior
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=0.02)
    np.testing.assert_allclose(
        model.noise_variance_, expected.noise_variance_, rtol=0.1
    )


def test_inference_knows_the_prior():
    """Standard errors of log-variances are those of rows and prior together."""
    from skmoe.inspection import inference

    X, y = two_lines(n=200)
    prior = 300.0
    model = MixtureOfLinearExperts(
        1, alpha=0.0, gate_alpha=0.0, noise_prior=prior, tol=1e-13
    ).fit(X, y)
    result = inference(model, X, y)
    error = result.standard_error[-1] / result.estimate[-1]
    assert error == pytest.approx(np.sqrt(2 / (200 + prior)), rel=1e-9)


def test_inference_tells_how_far_penalties_move_estimates():
    """To first order: beside a fit without them, in standard errors."""
    from skmoe.inspection import inference

    X, y = two_lines(n=2000, noise=0.5)
    options = {"gate_features": [], "tol": 1e-13, "random_state": 0}
    free = {"alpha": 0.0, "gate_alpha": 0.0, "noise_prior": 0.0}
    model = MixtureOfLinearExperts(alpha=60.0, noise_prior=100.0, **options).fit(X, y)
    with pytest.warns(UserWarning, match="penalties move estimates of the experts by"):
        result = inference(model, X, y)
    other = inference(MixtureOfLinearExperts(**free, **options).fit(X, y), X, y)
    moved = (result.estimate - other.estimate) / result.standard_error
    np.testing.assert_allclose(result.penalty_bias, moved, atol=0.15, rtol=0.2)
    assert np.abs(other.penalty_bias).max() == 0
    assert "penalty_bias" in result.table(penalty_bias=True)


@pytest.mark.parametrize("value", [-1.0, "much", None])
def test_a_prior_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="noise_prior"):
        MixtureOfLinearExperts(noise_prior=value).fit(*two_lines(50))


def test_an_expert_without_rows_takes_the_prior():
    X, y = two_lines()
    problem = Model("linear", 3).problem(
        Model("linear", 3).data(n=100), noise_prior=4.0, prior_noise=0.5
    )
    mixture = problem.mixture
    theta = mixture.initial()
    theta.gate[:, -1] = mixture.gate.contrasts.T[:, 0] * -500
    after = mixture.project(mixture.evaluate(theta))
    prior = problem.experts.noise_prior.variance
    np.testing.assert_allclose(np.exp(after.log_variance[0]), prior, rtol=1e-6)


def test_fits_that_learned_a_prior_converge():
    X, y = two_lines()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        MixtureOfLinearExperts(random_state=0, tol=1e-9).fit(X, y)
