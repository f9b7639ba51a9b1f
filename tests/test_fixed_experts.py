"""Experts without coefficients: zeros in excess, two-part models, a background."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
import statsmodels.api as sm
from _data import unflat
from _recorded import recorded_data, recorded_zero_inflated
from scipy import optimize, stats
from scipy.sparse import csr_array
from sklearn.base import clone
from statsmodels.tools.numdiff import approx_hess3

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.distributions.fixed import FixedExperts, Flat, PointMass
from skmoe.engine.information import information_matrices
from skmoe.engine.m_step import project_exactly, surrogate_gradient
from skmoe.inspection import feature_importances, inference
from skmoe.model_selection import n_experts_path
from skmoe.onnx import register_converters
from skmoe.plotting import (
    CoefficientsDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ResponsibilitiesDisplay,
)
from skmoe.streaming import array_batches, fit_batches

PLAIN = {"alpha": 0.0, "gate_alpha": 0.0, "noise_prior": 0.0, "tol": 1e-12}


def zeros_and_others(kind, n=800, seed=0):
    """X, y of which some are 0 with a probability of x1, and y of the others."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    is_zero = rng.uniform(size=n) < 1 / (1 + np.exp(0.5 - X[:, 1]))
    mean = np.exp(0.8 + 0.5 * X[:, 0])
    others = {
        "poisson": lambda: rng.poisson(mean).astype(float),
        "gamma": lambda: rng.gamma(2.0, mean / 2),
        "linear": lambda: 1 + X[:, 0] + 0.3 * rng.normal(size=n),
    }[kind]()
    return X, np.where(is_zero, 0.0, others)


def estimator(kind, n_experts=1, **options):
    options = {"random_state": 0, "point_mass": 0.0, **options}
    if kind == "linear":
        return MixtureOfLinearExperts(n_experts, **options)
    return MixtureOfGLMExperts(n_experts, family=kind, **options)


def inflation(model):
    """Intercept and coefficients of the gate's last logit less its first."""
    gate = np.column_stack([model.gate_intercept_, model.gate_coef_])
    return gate[-1] - gate[0]


def regression(model):
    """Intercept and coefficients of the only expert."""
    return np.append(model.intercept_[0], model.coef_[0])


every_kind = pytest.mark.parametrize("kind", ["poisson", "gamma", "linear"])


# Other programs.


@pytest.mark.parametrize(
    ("name", "gate_features"),
    [
        ("poisson, inflation by all", None),
        ("poisson, constant inflation", []),
        ("negative binomial, inflation by ment", ["ment"]),
        ("negative binomial, inflation by all", None),
    ],
)
def test_one_expert_for_counts_is_zeroinfl_of_pscl(name, gate_features):
    data, found = recorded_data("bioChemists"), recorded_zero_inflated(name)
    X, y = data.drop(columns="art"), data["art"]
    family = name.partition(",")[0].replace(" ", "_")
    model = estimator(family, gate_features=gate_features, **PLAIN).fit(X, y)
    zero, count = (list(found[part].values()) for part in ("zero", "count"))
    np.testing.assert_allclose(inflation(model), zero, atol=2e-5)
    np.testing.assert_allclose(regression(model), count, atol=1e-6)
    if "theta" in found:
        assert 1 / model.dispersion_[0] == pytest.approx(found["theta"], abs=1e-5)
    assert model.log_likelihood(X, y) == pytest.approx(found["logLik"], abs=1e-8)
    told = inference(model, X, y)
    se = dict(zip(told.names, told.standard_error))
    for column in ("femWomen", "ment"):
        expected = found["se"][f"count_{column}"]
        assert se[f"expert 0: {column}"] == pytest.approx(expected, rel=1e-3)
    # The gate's logits sum to zero, so that each is half the difference.
    expected = found["se"]["zero_(Intercept)"]
    assert 2 * se["gate point mass: (intercept)"] == pytest.approx(expected, rel=1e-3)


def test_two_poisson_experts_beside_zero_are_those_of_flexmix():
    data = recorded_data("bioChemists")
    found = recorded_zero_inflated("two poisson, of flexmix")
    X, y = data.drop(columns="art"), data["art"]
    model = estimator("poisson", 2, gate_features=["ment"], **PLAIN).fit(X, y)
    assert model.log_likelihood(X, y) == pytest.approx(found["logLik"], abs=1e-6)
    # flexmix's components by decreasing intercepts of the gate.
    order = sorted(range(2), key=lambda k: -found["gate"][k]["(Intercept)"])
    for k, j in enumerate(order):
        gate, coef = (list(found[part][j].values()) for part in ("gate", "coef"))
        own = np.append(model.gate_intercept_[k], model.gate_coef_[k])
        zero = np.append(model.gate_intercept_[2], model.gate_coef_[2])
        np.testing.assert_allclose(own - zero, gate, atol=5e-4)
        ours = np.append(model.intercept_[k], model.coef_[k])
        np.testing.assert_allclose(ours, coef, atol=2e-4)


def test_one_poisson_expert_is_zero_inflated_poisson_of_statsmodels_with_offset():
    X, y = zeros_and_others("poisson")
    offset = np.random.default_rng(1).uniform(-0.5, 0.5, size=len(y))
    exog = sm.add_constant(X)
    other = sm.ZeroInflatedPoisson(y, exog, exog_infl=exog[:, [0, 2]], offset=offset)
    other = other.fit(disp=0, maxiter=500, method="bfgs", gtol=1e-8)
    model = estimator("poisson", gate_features=[1], **PLAIN)
    model.fit(X, y, offset=offset)
    ours = np.concatenate([inflation(model), regression(model)])
    np.testing.assert_allclose(ours, other.params, atol=1e-5)
    found = model.log_likelihood(X, y, offset=offset)
    assert found == pytest.approx(other.llf, abs=1e-7)
    # The Hessian that statsmodels has a formula for is not that of its likelihood.
    hessian = approx_hess3(other.params, other.model.loglike)
    se = np.sqrt(np.linalg.inv(-hessian).diagonal())
    told = inference(model, X, y, offset=offset)
    experts = [name.startswith("expert") for name in told.names]
    found = told.standard_error[experts]  # the intercept last
    np.testing.assert_allclose(found, np.roll(se[2:], -1), rtol=1e-5)


@pytest.mark.parametrize("kind", ["gamma", "linear"])
def test_one_expert_and_a_point_are_two_regressions(kind):
    X, y = zeros_and_others(kind)
    exog, is_zero = sm.add_constant(X), y == 0
    logit = sm.Logit(is_zero.astype(float), exog).fit(disp=0, tol=1e-14)
    link = sm.families.links.Log()
    family = sm.families.Gamma(link) if kind == "gamma" else sm.families.Gaussian()
    other = sm.GLM(y[~is_zero], exog[~is_zero], family=family).fit(tol=1e-14)
    model = estimator(kind, **PLAIN).fit(X, y)
    np.testing.assert_allclose(inflation(model), logit.params, atol=1e-6)
    np.testing.assert_allclose(regression(model), other.params, atol=1e-6)
    told = inference(model, X, y)
    se = dict(zip(told.names, told.standard_error))
    assert 2 * se["gate point mass: x1"] == pytest.approx(logit.bse[2], rel=1e-5)
    # The likelihood is a probability of zeros, and a density of the others.
    mean = other.fittedvalues
    if kind == "linear":
        density = stats.norm.logpdf(y[~is_zero], mean, model.noise_variance_[0] ** 0.5)
    else:
        phi = model.dispersion_[0]
        density = stats.gamma.logpdf(y[~is_zero], 1 / phi, scale=mean * phi)
    expected = logit.llf + density.sum()
    assert model.log_likelihood(X, y) == pytest.approx(expected, abs=1e-7)
    assert -len(y) * model.objective_curve_[-1] == pytest.approx(expected, abs=1e-7)
    np.testing.assert_allclose(
        model.responsibilities(X, y)[:, 1], is_zero.astype(float), atol=1e-12
    )


def test_groups_at_zero_share_the_point():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 2))
    is_zero = np.repeat(rng.uniform(size=200) < 0.4, 4)
    y = np.where(is_zero, 0.0, rng.poisson(0.5 * np.exp(1 + 0.5 * X[:, 0])))
    groups = np.repeat(np.arange(200), 4)
    model = estimator("poisson", gate_features=[], **PLAIN).fit(X, y, groups=groups)
    can = np.where((y.reshape(-1, 4) == 0).all(axis=1), 0.0, -np.inf)

    def loss(parameters):
        log_p = stats.poisson.logpmf(y, np.exp(parameters[1] + X @ parameters[2:]))
        log_p = log_p.reshape(-1, 4).sum(axis=1)
        at_zero, other = -np.logaddexp(0, [-parameters[0], parameters[0]])
        return -np.logaddexp(at_zero + can, other + log_p).sum()

    best = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-5})
    found = np.append(np.diff(model.gate_intercept_), regression(model))
    np.testing.assert_allclose(found, best.x, atol=1e-5)
    told = model.log_likelihood(X, y, groups=groups)
    assert told == pytest.approx(-best.fun, abs=1e-8)


# Recovery.


def two_lines(share, n=600, seed=0):
    """x, y on two lines that cross, and which rows are anywhere instead."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=n)
    y = np.where(rng.uniform(size=n) < 0.5, x, 1 - x) + 0.3 * rng.normal(size=n)
    is_far = rng.uniform(size=n) < share
    return x[:, None], np.where(is_far, rng.uniform(-10, 10, size=n), y), is_far


def slope_error(model):
    return np.abs(np.sort(model.coef_[:, 0]) - [-1, 1]).max()


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_background_leaves_lines_as_they_are_without_outliers(share):
    own = {"gate_features": [], "random_state": 0}
    errors = []
    for seed in range(3):
        X, y, is_far = two_lines(share, seed=seed)
        cleared = MixtureOfLinearExperts(background=True, **own).fit(X, y)
        clean = MixtureOfLinearExperts(**own).fit(X[~is_far], y[~is_far])
        errors.append([slope_error(cleared), slope_error(clean)])
        found = cleared.responsibilities(X, y)[:, 2] > 0.5
        assert is_far[found].mean() > 0.9
        assert cleared.gate_proba(X)[0, 2] == pytest.approx(share, abs=0.06)
    cleared, clean = np.mean(errors, axis=0)
    assert cleared < 1.5 * clean


@every_kind
def test_two_experts_beside_a_point_are_found(kind):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(1500, 2))
    slope = np.abs(X[:, 0])
    y = {
        "poisson": lambda: rng.poisson(np.exp(1 + slope)),
        "gamma": lambda: rng.gamma(50.0, np.exp(1 + slope) / 50),
        "linear": lambda: 1 + slope + 0.2 * rng.normal(size=1500),
    }[kind]()
    y = np.where(rng.uniform(size=1500) < 0.4, 0, y)
    model = estimator(kind, 2).fit(X, y)
    np.testing.assert_allclose(np.sort(model.coef_[:, 0]), [-1, 1], atol=0.1)
    assert model.gate_coef_.shape == (3, 2) and model.coef_.shape == (2, 2)


# What a fitted model says.


def mixtures(kind):
    """Models of a kind, with experts without coefficients, and their rows."""
    X, y = zeros_and_others(kind)
    for options in (
        {"point_mass": 0.0},
        {"point_mass": None, "background": True},
        {"point_mass": 0.0, "background": True},
    ):
        shifted = y + (options["point_mass"] is None and kind == "gamma")
        yield estimator(kind, 2, **options).fit(X, shifted), X[:6], shifted[:6]


@pytest.mark.sampled(1)
@every_kind
def test_predictions_are_those_of_draws(kind):
    for model, X, _ in mixtures(kind):
        drawn = model.sample(X, 40_000, random_state=0)
        spread = drawn.std(axis=1)
        error = 5 * spread / 200
        assert (np.abs(drawn.mean(axis=1) - model.predict(X)) < error).all()
        by_expert = (model.gate_proba(X) * model.predict_expert(X)).sum(axis=1)
        np.testing.assert_allclose(model.predict(X), by_expert)
        if kind == "linear":
            _, std = model.predict(X, return_std=True)
            np.testing.assert_allclose(std, spread, rtol=0.03)
        for y in (-0.5, 0.0, 0.7, 3.0) if kind == "linear" else (1.0, 3.0):
            share = (drawn <= y).mean(axis=1)
            found = model.cdf(X, np.full(len(X), y))
            np.testing.assert_allclose(found, share, atol=0.015)


@pytest.mark.sampled(1)
@every_kind
def test_quantiles_invert_the_cdf_and_stay_where_it_jumps(kind):
    levels = np.array([0.001, 0.3, 0.45, 0.62, 0.999])
    for model, X, _ in mixtures(kind):
        found = model.predict_quantile(X, levels)
        assert (np.diff(found, axis=1) >= 0).all()
        for level, at in zip(levels, found.T):
            above = model.cdf(X, at)
            assert (above >= level - 1e-9).all()
            before = at - (1 if kind == "poisson" else 1e-9 * (1 + np.abs(at)))
            inside = before > (-np.inf if kind == "linear" else 0)
            if inside.any():
                below = model.cdf(X[inside], before[inside])
                assert (below <= level + 1e-7).all()
        if kind != "poisson" and model.point_mass is None:
            np.testing.assert_allclose(
                np.stack([model.cdf(X, at) for at in found.T], axis=1),
                np.broadcast_to(levels, found.shape),
            )


@pytest.mark.parametrize("kind", ["gamma", "linear"])
def test_densities_and_the_point_integrate_to_one(kind):
    nodes, weights = np.polynomial.legendre.leggauss(200)
    for model, X, _ in mixtures(kind):
        ends = [-4, 0, 1, 2, 5, 40] if kind == "linear" else [0, 0.1, 1, 3, 10, 100]
        if model.background:
            ends = np.sort(np.append(ends, model.background_range_))
        y, step = [], []
        for low, high in zip(ends, ends[1:]):
            y.append((low + high) / 2 + (high - low) / 2 * nodes)
            step.append((high - low) / 2 * weights)
        y, step = np.concatenate(y), np.concatenate(step)
        density = np.exp(model.score_samples(np.tile(X[:1], (len(y), 1)), y))
        total = step @ density
        if model.point_mass is not None:
            total += np.exp(model.score_samples(X[:1], [0.0])[0])
        assert total == pytest.approx(1, abs=1e-4)


def test_probabilities_of_counts_sum_to_one():
    for model, X, _ in mixtures("poisson"):
        counts = np.arange(200.0)
        log_p = model.score_samples(np.repeat(X[:1], 200, axis=0), counts)
        assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-10)


def test_several_outputs_are_all_at_the_point_or_none():
    X, y = zeros_and_others("linear")
    y = np.column_stack([y, 2 * y])
    y[y[:, 0] != 0] += 0.2 * np.random.default_rng(0).normal(size=y.shape)[y[:, 0] != 0]
    model = MixtureOfLinearExperts(1, point_mass=0.0, background=True).fit(X, y)
    assert model.background_range_.shape == (2, 2)
    is_zero = (y == 0).all(axis=1)
    np.testing.assert_allclose(model.responsibilities(X, y)[:, 1], is_zero, atol=1e-12)
    assert model.predict_quantile(X[:3], [0.2, 0.9]).shape == (3, 2, 2)
    assert model.sample(X[:3], 4, random_state=0).shape == (3, 2, 4)
    width = np.diff(model.background_range_, axis=0)
    far = np.array([[0.0, model.background_range_[1, 1]]])
    bound = np.log(model.gate_proba(X[:1])[0, 2] / width.prod())
    assert model.score_samples(X[:1], far)[0] == pytest.approx(bound, abs=1e-6)


# Standard errors, criteria, sources of rows.


@every_kind
def test_information_is_the_hessian_of_the_likelihood(kind):
    X, y = zeros_and_others(kind, n=300)
    y = y + 0.0
    y[:20] = np.linspace(1, 12, 20).round() if kind == "poisson" else y[:20]
    options = {"background": True, **PLAIN}
    model = estimator(kind, 1, **options).fit(X, y)
    told = inference(model, X, y)
    names = list(told.names)
    j = names.index("expert 0: x0")
    # The profile of the coefficient: other parameters are fitted again.
    information = 1 / told.standard_error[j] ** 2
    step = 0.2 * told.standard_error[j]
    at_best = model.log_likelihood(X, y)
    drop = [at_best - _profile(model, X, y, step * sign) for sign in (-1, 1)]
    found = sum(drop) / step**2
    assert found == pytest.approx(information, rel=0.02)


def _profile(model, X, y, shift):
    """Log-likelihood where the first coefficient is held at its estimate + shift."""
    held = model.coef_[0, 0] + shift
    options = {"expert_features": [1], "warm_start": False}
    return (
        clone(model)
        .set_params(**options)
        .fit(X, y, offset=held * X[:, 0])
        .log_likelihood(X, y, offset=held * X[:, 0])
    )


@every_kind
def test_parameters_are_counted_with_those_of_the_gate(kind):
    X, y = zeros_and_others(kind)
    y[:40] = np.linspace(1, 40, 40)
    model = estimator(kind, 2, background=True).fit(X, y)
    n_coefs, n_gate = 2 * 3, 3 * 3
    expected = n_coefs + n_gate + 2 * (kind != "poisson")
    aic = model.aic(X, y) + 2 * model.log_likelihood(X, y)
    assert aic == pytest.approx(2 * expected)
    assert feature_importances(model).shape == (2,)


@pytest.mark.sampled(1)
@every_kind
def test_batches_give_what_memory_does(kind):
    X, y = zeros_and_others(kind)
    model = estimator(kind, 2, background=True, tol=1e-10)
    whole = clone(model).fit(X, y)
    parts = fit_batches(clone(model), array_batches(X, y, batch_size=130))
    np.testing.assert_array_equal(parts.background_range_, whole.background_range_)
    np.testing.assert_allclose(parts.coef_, whole.coef_, atol=1e-3)
    np.testing.assert_allclose(
        parts.log_likelihood(X, y), whole.log_likelihood(X, y), atol=1e-3
    )


@pytest.mark.parametrize("kind", ["poisson", "gamma", "linear", "binomial"])
def test_partitions_give_the_same_score(kind):
    da = pytest.importorskip("dask.array")
    distributed = pytest.importorskip("distributed")
    from skmoe.dask import DaskMixture

    X, y = zeros_and_others("poisson" if kind == "binomial" else kind, n=300)
    known = {"trials": np.full(300, y.max())} if kind == "binomial" else {}
    model = estimator(kind).fit(X, y, **known)
    chunks = {name: da.from_array(own, chunks=120) for name, own in known.items()}
    rows, targets = (da.from_array(own, chunks=120) for own in (X, y))
    with distributed.Client(processes=False, dashboard_address=None) as client:
        parts = DaskMixture(clone(model), client=client).fit(rows, targets, **chunks)
        found = parts.score(rows, targets, **chunks)
    assert found == pytest.approx(model.score(X, y, **known), abs=1e-6)


@every_kind
def test_partial_fit_learns_beside_a_point(kind):
    X, y = zeros_and_others(kind, n=6000)
    model, whole = estimator(kind), estimator(kind).fit(X, y)
    for rows in np.split(np.arange(6000), 12):
        model.partial_fit(X[rows], y[rows])
    np.testing.assert_allclose(model.coef_, whole.coef_, atol=0.1)
    np.testing.assert_allclose(model.gate_coef_, whole.gate_coef_, atol=0.15)


@pytest.mark.parametrize("kind", ["gamma", "linear"])
def test_first_batches_need_more_than_the_point(kind):
    X, y = zeros_and_others(kind, n=200)
    model = estimator(kind)
    with pytest.raises(ValueError, match="y is at point_mass in all samples"):
        model.partial_fit(X, 0 * y)
    assert not hasattr(model, "coef_")
    model.partial_fit(X, y).partial_fit(X, 0 * y)
    assert model.gate_proba(X)[:, 1].mean() > 0.5 * (1 + np.mean(y == 0)) - 0.02


@pytest.mark.parametrize("kind", ["gamma", "linear"])
@pytest.mark.parametrize("n", [4000, 20_000])
def test_few_others_are_in_the_samples_of_starts(kind, n):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 1)), np.zeros(n)
    others = rng.choice(n, 60, replace=False)
    y[others] = np.exp(1 + 0.5 * X[others, 0] + 0.1 * rng.normal(size=60))
    model = estimator(kind, **PLAIN).fit(X, y)
    assert model.gate_proba(X)[:, 0].mean() == pytest.approx(60 / n, rel=1e-3)
    alone = estimator(kind, point_mass=None, **PLAIN).fit(X[others], y[others])
    if kind == "gamma":
        lone = estimator(kind, point_mass=None).fit(X[others], y[others])
        expected = lone.prior_dispersion_
        found = estimator(kind).fit(X, y).prior_dispersion_
        assert found == pytest.approx(expected, rel=1e-3)
    found = model.predict_expert(X)[:, 0]
    np.testing.assert_allclose(found, alone.predict_expert(X)[:, 0], rtol=1e-3)


@pytest.mark.sampled(1)
@every_kind
def test_integer_weights_are_repeated_rows(kind):
    X, y = zeros_and_others(kind, n=300)
    weight = np.random.default_rng(0).integers(0, 4, size=300)
    model = estimator(kind, 2, background=True)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-8)
    np.testing.assert_allclose(weighted.gate_coef_, repeated.gate_coef_, atol=1e-8)


@pytest.mark.sampled(2)
@every_kind
@pytest.mark.parametrize("n_experts", [1, 2])
def test_derivatives_are_those_of_differences(kind, n_experts):
    X, y = zeros_and_others(kind, n=200)
    options = {"background": True, "alpha": 0.3, "noise_prior": 2.0}
    model = estimator(kind, n_experts, **options).fit(X, y)
    problem, theta, _ = model._fitted_problem(X, y)
    mixture = problem.mixture
    rng = np.random.default_rng(0)
    shifted = unflat(theta.flat() + 0.2 * rng.normal(size=theta.flat().size), theta)
    vector, step = shifted.flat(), 1e-5
    gradients, values = [], []
    for j in range(vector.size):
        ends = [
            unflat(vector + sign * step * _unit(j, vector), theta) for sign in (1, -1)
        ]
        states = [mixture.evaluate(end) for end in ends]
        first, second = (mixture.gradient(state).flat() for state in states)
        gradients.append((first - second) / (2 * step))
        values.append((states[0].objective - states[1].objective) / (2 * step))
    state = mixture.evaluate(shifted)
    np.testing.assert_allclose(mixture.gradient(state).flat(), values, atol=1e-7)
    hessian = information_matrices(mixture, shifted).objective_hessian()
    np.testing.assert_allclose(hessian, gradients, atol=1e-6)


def _unit(j, like):
    return (np.arange(like.size) == j).astype(float)


@every_kind
@pytest.mark.parametrize("n_experts", [1, 3])
def test_em_never_raises_the_objective_and_projections_agree(kind, n_experts):
    X, y = zeros_and_others(kind, n=300)
    model = estimator(kind, n_experts, background=True, alpha=0.0).fit(X, y)
    problem, theta, _ = model._fitted_problem(X, y)
    mixture = problem.mixture
    state = mixture.evaluate(theta._replace(gate=np.zeros_like(theta.gate)))
    for _ in range(5):
        following = mixture.evaluate(project_exactly(mixture, state))
        assert following.objective <= state.objective + 1e-12
        state = following
    responsibilities = mixture.row_moments(theta).posterior
    np.testing.assert_allclose(responsibilities.sum(axis=0), 1)
    slope = surrogate_gradient(mixture, theta, responsibilities)
    expected = mixture.gradient(mixture.evaluate(theta))
    np.testing.assert_allclose(slope.flat(), expected.flat(), atol=1e-10)


@pytest.mark.sampled(1)
@every_kind
def test_curvature_by_products_leads_to_the_same_optimum(kind, monkeypatch):
    X, y = zeros_and_others(kind, n=400)
    model = estimator(kind, 2, tol=1e-10)
    stored = clone(model).fit(X, y)
    monkeypatch.setattr("skmoe.engine.mixture.DENSE_LIMIT", 2)
    found = clone(model).fit(X, y)
    ends = found.objective_curve_[-1], stored.objective_curve_[-1]
    assert ends[0] == pytest.approx(ends[1], abs=1e-7)


@every_kind
@pytest.mark.parametrize("solver", ["md", "gd"])
def test_solvers_find_the_same_optimum(kind, solver):
    X, y = zeros_and_others(kind, n=400)
    options = {"tol": 1e-9, "max_iter": 20_000}
    found = estimator(kind, solver=solver, **options).fit(X, y)
    expected = estimator(kind, **options).fit(X, y)
    ends = found.objective_curve_[-1], expected.objective_curve_[-1]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-3)


@pytest.mark.parametrize(
    "init", ["kmeans", "kmeans_xy", "regression_clustering", "random"]
)
def test_all_starts_begin_beside_experts_without_coefficients(init):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(600, 1))
    y = np.where(rng.uniform(size=600) < 0.3, 0.0, 1 + np.abs(X[:, 0]))
    y[y > 0] += 0.2 * rng.normal(size=(y > 0).sum())
    model = estimator("linear", 2, background=True, init=init, n_init=5).fit(X, y)
    np.testing.assert_allclose(np.sort(model.coef_[:, 0]), [-1, 1], atol=0.1)


def test_sparse_rows_and_penalties_are_no_other_model():
    X, y = zeros_and_others("poisson")
    X = np.where(np.abs(X) > 0.5, X, 0)
    options = {"l1_ratio": 1.0, "gate_l1_ratio": 1.0, "alpha": 30.0, "gate_alpha": 30.0}
    for chosen in ({}, options):
        model = estimator("poisson", 2, tol=1e-10, **chosen)
        dense, sparse = clone(model).fit(X, y), clone(model).fit(csr_array(X), y)
        ends = dense.objective_curve_[-1], sparse.objective_curve_[-1]
        assert ends[0] == pytest.approx(ends[1], abs=1e-6)
    assert (dense.coef_ == 0).any() and dense.gate_coef_.shape == (3, 2)


def test_zeros_in_excess_of_successes_among_trials():
    rng = np.random.default_rng(0)
    X, trials = rng.normal(size=(2000, 1)), rng.integers(3, 9, size=2000)
    proba = 1 / (1 + np.exp(-0.5 - X[:, 0]))
    y = np.where(rng.uniform(size=2000) < 0.3, 0, rng.binomial(trials, proba))
    model = estimator("binomial", gate_features=[], **PLAIN)
    model.fit(X, y, trials=trials)

    def loss(parameters):
        share, intercept, slope = parameters
        p = 1 / (1 + np.exp(-intercept - slope * X[:, 0]))
        share = 1 / (1 + np.exp(-share))
        density = (1 - share) * stats.binom.pmf(y, trials, p) + share * (y == 0)
        return -np.log(density).sum()

    best = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-5})
    found = np.append(np.diff(model.gate_intercept_), regression(model))
    np.testing.assert_allclose(found, best.x, atol=1e-4)
    told = model.log_likelihood(X, y, trials=trials)
    assert told == pytest.approx(-best.fun, abs=1e-6)
    with pytest.raises(ValueError, match="background=True with family='binomial'"):
        estimator("binomial", background=True).fit(X, y, trials=trials)


def test_a_point_of_more_successes_than_a_row_has_trials_is_refused():
    rng = np.random.default_rng(0)
    X, y, trials = rng.normal(size=(60, 1)), rng.integers(0, 7, size=60), np.full(60, 6)
    model = estimator("binomial", point_mass=6.0).fit(X, y, trials=trials)
    assert model.predict(X, trials=trials).max() <= 6
    trials[5], y[5] = 4, 0
    for method in (model.fit, model.score_samples, model.score, model.cdf):
        with pytest.raises(ValueError, match="point_mass=6 is more than the trials"):
            method(X, y, trials=trials)
    with pytest.raises(ValueError, match="trials of a row, 4"):
        model.predict_quantile(X, trials=trials)
    with pytest.raises(ValueError, match="where none are given"):
        estimator("binomial", point_mass=6.0).fit(X, y > 3)


def test_a_path_counts_the_experts_that_have_coefficients():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(600, 1))
    y = np.where(rng.uniform(size=600) < 0.3, 0.0, 1 + np.abs(X[:, 0]))
    y[y > 0] += 0.2 * rng.normal(size=(y > 0).sum())
    path = n_experts_path(estimator("linear"), X, y, max_experts=3)
    assert path.best("bic").n_experts == 2
    assert [len(fit.gate_coef_) for fit in path.estimators] == [2, 3, 4]


# Names.


def test_tables_and_pictures_name_them():
    X, y = zeros_and_others("poisson")
    y[:30] = np.arange(30)
    model = estimator("poisson", 2, background=True).fit(X, y)
    told = inference(model, X, y)
    assert told.names[6] == "gate point mass: x0"
    assert told.names[9] == "gate background: x0"
    assert str(told).count("background") == 3
    for display in (
        ResponsibilitiesDisplay.from_estimator(model, X, y),
        GateRegionsDisplay.from_estimator(model, X, y),
        ExpertCurvesDisplay.from_estimator(model, X, y),
    ):
        names = ["Expert 0", "Expert 1", "Point mass", "Background"]
        assert display.expert_names == names
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[:4] == names
    gate = CoefficientsDisplay.from_estimator(model, X, y, part="gate")
    assert gate.row_names == names
    experts = CoefficientsDisplay.from_estimator(model, X, y)
    assert experts.row_names == names[:2]
    plt.close("all")


def test_models_go_on_after_pickles_and_warm_starts():
    X, y = zeros_and_others("gamma")
    options = {"background": True, "warm_start": True, "tol": 1e-10}
    model = estimator("gamma", 2, **options).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.gate_proba(X), model.gate_proba(X))
    coef = model.coef_
    np.testing.assert_allclose(again.fit(X, y).coef_, coef, atol=1e-4)
    assert again.n_iter_ <= 5
    with pytest.raises(ValueError, match="point_mass=None is not what"):
        again.set_params(point_mass=None).fit(X, y)


# What cannot be.


def test_gamma_experts_tell_what_to_do_with_zeros():
    X, y = zeros_and_others("gamma")
    with pytest.raises(ValueError, match="point_mass=0.0 adds an expert at 0"):
        estimator("gamma", point_mass=None).fit(X, y)
    with pytest.raises(ValueError, match="not positive, -1"):
        estimator("gamma").fit(X, np.where(y == 0, -1.0, y))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 2, "n_experts": 4}, "point_mass=0.0 with depth=2"),
        ({"top_k": 2, "n_experts": 4}, "point_mass=0.0 with top_k=2"),
        ({"symmetric": True}, "point_mass=0.0 with symmetric=True"),
        ({"point_mass": np.nan}, "point_mass=nan is no value"),
    ],
)
def test_structures_without_room_are_refused(options, message):
    X, y = zeros_and_others("linear")
    model = MixtureOfLinearExperts(**{"point_mass": 0.0, **options})
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_values_that_make_no_sense_are_refused_or_told():
    X, y = zeros_and_others("poisson")
    with pytest.raises(ValueError, match="point_mass=0.5 is no count"):
        estimator("poisson", point_mass=0.5).fit(X, y)
    with pytest.raises(ValueError, match="point_mass=-1.0 is no amount"):
        estimator("gamma", point_mass=-1.0).fit(X, y)
    with pytest.warns(UserWarning, match="point_mass=1000.0: y is never that"):
        estimator("poisson", point_mass=1000.0).fit(X, y)
    with pytest.raises(ValueError, match="y is at point_mass in all samples"):
        estimator("linear", point_mass=3.0).fit(X, np.full(len(y), 3.0))
    with pytest.raises(ValueError, match="y has values whose squares"):
        estimator("linear", background=True).fit(X, 1e200 * y)
    with pytest.raises(ValueError, match=r"background=True: y is 3 in all"):
        estimator("linear", point_mass=None, background=True).fit(
            X, np.full(len(y), 3.0)
        )
    far = np.append(np.zeros(len(y) - 2), [-1.5e308, 1.5e308])
    with pytest.raises(ValueError, match="a range that overflows"):
        estimator("linear", point_mass=None, background=True).fit(X, far)
    with pytest.raises(TypeError):
        MixtureOfLogisticExperts(point_mass=0.0)


def test_what_a_fitted_model_cannot_do_is_refused():
    X, y = zeros_and_others("linear")
    model = estimator("linear", 3, background=True)
    with pytest.raises(ValueError, match="background=True needs the range"):
        clone(model).partial_fit(X, y)
    model.fit(X, y).partial_fit(X, y)
    model.set_params(top_k=2)
    with pytest.raises(ValueError, match="point_mass=0.0 with top_k=2"):
        model.predict(X)
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    register_converters()
    with pytest.raises(ValueError, match="point_mass and background: experts without"):
        to_onnx(model.set_params(top_k=None), X[:1])


def test_groups_and_labels_that_contradict_the_point_are_refused():
    X, y = zeros_and_others("gamma")
    groups = np.arange(len(y)) // 2
    model = estimator("gamma", gate_features=[])
    with pytest.raises(ValueError, match="a row of [0-9]+ is at point_mass and others"):
        model.fit(X, y, groups=groups)
    groups = np.where(y == 0, groups, groups + len(y))
    model.fit(X, y, groups=groups)
    mixed = np.zeros(len(y))
    with pytest.raises(ValueError, match="a row of 0.0 is at point_mass and others"):
        model.score_samples(X, y, groups=mixed)
    zero, other = np.flatnonzero(y == 0)[0], np.flatnonzero(y)[0]
    for row, label, how in ((zero, 0, "is at"), (other, 1, "is not at")):
        labels = np.full(len(y), -1)
        labels[row] = label
        with pytest.raises(ValueError, match=how):
            estimator("gamma").fit(X, y, expert_labels=labels)
        with pytest.raises(ValueError, match=how):
            model.responsibilities(X, y, groups=groups, expert_labels=labels)
    with pytest.raises(ValueError, match="from 0 to 1"):
        estimator("gamma").fit(X, y, expert_labels=np.full(len(y), 2))


def test_known_experts_and_starts_may_name_them():
    X, y = zeros_and_others("poisson")
    labels = np.where(y == 0, 1, -1)
    model = estimator("poisson").fit(X, y, expert_labels=labels)
    assert (model.responsibilities(X, y, expert_labels=labels)[y == 0, 1] == 1).all()
    best = estimator("poisson", tol=1e-10).fit(X, y)
    shares = np.column_stack([y > 0, y == 0]).astype(float)
    for init in (shares, shares + 0.5, np.where(y == 0, 1, 0), shares[:, :1] * 0 + 1):
        again = estimator("poisson", init=init, tol=1e-10).fit(X, y)
        np.testing.assert_allclose(again.coef_, best.coef_, atol=1e-4)
    with pytest.raises(ValueError, match="init has shape"):
        estimator("poisson", init=np.ones((len(y), 3))).fit(X, y)


def test_experts_of_the_fit_are_those_of_predictions():
    X, y = zeros_and_others("linear")
    model = estimator("linear", background=True).fit(X, y)
    before = model.gate_proba(X)
    model.set_params(point_mass=None, background=False)
    np.testing.assert_array_equal(model.gate_proba(X), before)
    assert before.shape == (len(y), 3)
    model.fit(X, y)
    assert not hasattr(model, "background_range_")


# Distributions.


@pytest.mark.parametrize("is_discrete", [False, True])
def test_flat_distribution_is_scipys(is_discrete):
    flat = Flat(np.array([2.0]), np.array([9.0]), is_discrete)
    other = stats.randint(2, 10) if is_discrete else stats.uniform(2, 7)
    y = np.array([1.0, 2.0, 4.0, 9.0, 11.0])
    log_p = other.logpmf(y) if is_discrete else other.logpdf(y)
    np.testing.assert_allclose(flat.log_density(y[None]), log_p)
    np.testing.assert_allclose(flat.cdf(y[None])[0], other.cdf(y))
    q = np.array([0.01, 0.3, 0.5, 0.99])
    np.testing.assert_allclose(flat.quantile(q), other.ppf(q))
    assert flat.mean == pytest.approx(other.mean())
    assert flat.variance == pytest.approx(other.var())


def test_rows_at_the_point_are_closed_to_others_unless_counted():
    target = np.array([0.0, 1.0])
    flat = Flat(np.array([-1.0]), np.array([1.0]), False)
    for is_discrete in (False, True):
        fixed = FixedExperts([PointMass(0.0, is_discrete), flat])
        found = fixed.log_density(target)
        np.testing.assert_array_equal(fixed.closed(found), [not is_discrete, False])
        np.testing.assert_array_equal(found[0], [0.0, -np.inf])
        assert np.isfinite(found[1, 0]) == is_discrete


@pytest.mark.sampled(2)
@pytest.mark.parametrize("noise_df", [None, 4])
@pytest.mark.parametrize(("value", "n_there"), [(0.0, 40), (0.0, 5000), (-1e6, 60)])
def test_rows_at_the_point_do_not_change_the_unit_of_y(value, n_there, noise_df):
    """Penalty, floor and noise prior are those of the rows that are not there."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60 + n_there, 2))
    y = 3 + X[:, 0] + 0.5 * rng.normal(size=len(X))
    y[60:] = value
    alone = MixtureOfLinearExperts(1, noise_df=noise_df, tol=1e-9)
    beside = clone(alone).set_params(point_mass=value).fit(X, y)
    # The scales of columns are those of all rows; the penalty is of user's units.
    alone.fit(X[:60], y[:60])
    parts = fit_batches(clone(beside), array_batches(X, y, batch_size=50))
    for found in (beside, parts):
        for name in ("coef_", "intercept_", "noise_variance_", "prior_noise_variance_"):
            expected = getattr(alone, name)
            np.testing.assert_allclose(getattr(found, name), expected, rtol=2e-4)


def test_predictions_want_the_trials_that_a_point_mass_needs():
    rng = np.random.default_rng(0)
    X, trials = rng.normal(size=(300, 1)), np.full(300, 10)
    y = np.where(rng.uniform(size=300) < 0.2, 5, rng.binomial(10, 0.3, size=300))
    model = MixtureOfGLMExperts(1, family="binomial", point_mass=5.0, random_state=0)
    model.fit(X, y, trials=trials)
    for name in ("predict", "predict_interval", "predict_expert", "sample"):
        with pytest.raises(ValueError, match="point_mass=5 is more than the trials"):
            getattr(model, name)(X)
        getattr(model, name)(X, trials=trials)
    np.testing.assert_allclose(model.gate_proba(X).sum(axis=1), 1)
    # What takes y has the trials in it.
    gate, proba = model.gate_proba(X), model.predict_expert(X, trials=trials)[:, 0] / 10
    density = gate[:, 0] * stats.binom.pmf(y, 10, proba) + gate[:, 1] * (y == 5)
    found = model.score_samples(X, y, trials=trials)
    np.testing.assert_allclose(found, np.log(density), atol=1e-10)
    total = model.log_likelihood(X, y, trials=trials)
    assert total == pytest.approx(np.log(density).sum())
    model.responsibilities(X, y, trials=trials)


@pytest.mark.parametrize("far", [1e4, 1e5, 1e7])
def test_far_outliers_beside_a_background_do_not_raise_the_noise(far):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(800, 1))
    first = rng.uniform(size=800) < 0.5
    y = np.where(first, 1 + X[:, 0], 3 - 1.5 * X[:, 0]) + 0.3 * rng.normal(size=800)
    y[:16] = rng.uniform(-far, far, size=16)
    model = MixtureOfLinearExperts(
        2, gate_features=[], background=True, noise_prior=0, alpha=0, random_state=0
    ).fit(X, y)
    np.testing.assert_allclose(np.sort(model.coef_[:, 0]), [-1.5, 1], atol=0.1)
    np.testing.assert_allclose(np.sqrt(model.noise_variance_), 0.3, atol=0.04)


def test_a_point_mass_is_a_number():
    with pytest.raises(ValueError, match="point_mass=True is no value of y"):
        MixtureOfGLMExperts(point_mass=True).fit([[0.0], [1.0]], [0, 1])
