"""Mixtures of generalised linear experts: counts and positive amounts."""

import csv
import pickle

import mpmath
import numpy as np
import pandas as pd
import pytest
from _data import flat, unflat
from _paper import ROOT, load
from scipy import special, stats
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.linear_model import GammaRegressor, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfGLMExperts
from skmoe.distributions import Gamma, Poisson
from skmoe.distributions.gamma_functions import (
    LARGE,
    log_gamma_gap,
    log_less_psi,
    psi_tail,
    trigamma_excess,
    trigamma_tail,
)
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.information import information_matrices
from skmoe.inspection import inference, information
from skmoe.model_selection import log_likelihood_scorer, n_experts_path
from skmoe.plotting import (
    CoefficientsDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ObjectiveDisplay,
    ResponsibilitiesDisplay,
)
from skmoe.streaming import array_batches, fit_batches

every_family = pytest.mark.parametrize(
    "family", ["poisson", "gamma", "negative_binomial"]
)
every_solver = pytest.mark.parametrize("solver", ["em", "md", "gd"])
SHAPE = 2.5
OVERDISPERSION = 0.4


def two_regimes(family, n=1500, seed=0):
    """X with two columns, y whose logarithmic mean has another slope where x0 > 0."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n, 2))
    mean = np.exp(np.where(X[:, 0] > 0, 0.5 + X[:, 1], 1.5 - X[:, 1]))
    if family == "poisson":
        return X, rng.poisson(mean).astype(np.float64)
    if family == "negative_binomial":
        mean = mean * rng.gamma(1 / OVERDISPERSION, OVERDISPERSION, n)
        return X, rng.poisson(mean).astype(np.float64)
    return X, rng.gamma(SHAPE, mean / SHAPE)


def fitted(family, n_experts=2, **options):
    X, y = two_regimes(family)
    options = {"random_state": 0, **options}
    return MixtureOfGLMExperts(n_experts, family=family, **options).fit(X, y), X, y


@every_solver
@pytest.mark.parametrize("weighted", [False, True])
def test_one_expert_is_poisson_regression(solver, weighted):
    X, y = two_regimes("poisson")
    weight = np.random.default_rng(1).integers(0, 3, len(y)) if weighted else None
    options = {"solver": solver, "tol": 1e-12, "max_iter": 20_000}
    total = len(y) if weight is None else weight.sum()
    model = MixtureOfGLMExperts(1, alpha=0.1 * total, **options).fit(X, y, weight)
    alone = PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=1000).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_[0], alone.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.intercept_[0], alone.intercept_, rtol=1e-5)
    np.testing.assert_allclose(model.predict(X), alone.predict(X), rtol=1e-5)
    assert model.score(X, y, weight) == pytest.approx(alone.score(X, y, weight))
    np.testing.assert_array_equal(model.dispersion_, [1.0])


@every_solver
def test_one_expert_is_gamma_regression(solver):
    X, y = two_regimes("gamma")
    options = {"solver": solver, "tol": 1e-12, "max_iter": 20_000, "noise_prior": 0.0}
    options |= {"family": "gamma", "alpha": 0.1 * len(y)}
    model = MixtureOfGLMExperts(1, **options).fit(X, y)
    strength = 0.1 * model.dispersion_[0]
    alone = GammaRegressor(alpha=strength, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.coef_[0], alone.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict(X), alone.predict(X), rtol=1e-4)
    assert model.score(X, y) == pytest.approx(alone.score(X, y), abs=1e-8)
    # Maximum likelihood of the shape at these means.
    mean = model.predict(X)

    def loss(shape):
        return -stats.gamma.logpdf(y, shape, scale=mean / shape).sum()

    shape = 1 / model.dispersion_[0]
    assert loss(shape) < min(loss(shape * 1.001), loss(shape / 1.001))


@pytest.mark.sampled(3)
@every_family
@every_solver
def test_every_solver_finds_both_regimes(family, solver):
    model, X, y = fitted(family, solver=solver, max_iter=5000)
    assert np.diff(model.objective_curve_).max() < 1e-9
    np.testing.assert_allclose(np.sort(model.coef_[:, 1]), [-1, 1], atol=0.15)
    if family == "gamma":
        np.testing.assert_allclose(model.dispersion_, 1 / SHAPE, rtol=0.2)
    assert model.score(X, y) > MixtureOfGLMExperts(1, family=family).fit(X, y).score(
        X, y
    )


@pytest.mark.sampled(1)
@every_family
def test_objective_is_that_of_brute_force(family):
    model, X, y = fitted(family, 3)
    mean = np.exp(X @ model.coef_.T + model.intercept_)
    if family == "poisson":
        density = stats.poisson.pmf(y[:, None], mean)
    elif family == "negative_binomial":
        phi = model.dispersion_
        density = stats.nbinom.pmf(y[:, None], 1 / phi, 1 / (1 + phi * mean))
    else:
        phi = model.dispersion_
        density = stats.gamma.pdf(y[:, None], 1 / phi, scale=mean * phi)
    log_density = np.log((model.gate_proba(X) * density).sum(axis=1))
    np.testing.assert_allclose(model.score_samples(X, y), log_density, atol=1e-9)
    penalty = model.alpha * (model.coef_**2).sum()
    penalty += model.gate_alpha * (model.gate_coef_**2).sum()
    total = penalty / 2 - log_density.sum()
    if family == "gamma":
        # A row of the prior has the deviance expected there.
        prior = model.prior_dispersion_

        def log_prior(shape):
            gap = shape * np.log(shape) - shape - special.gammaln(shape)
            return gap - shape * log_less_psi(1 / prior)

        # As normal noise: without 2 pi, to which the density tends as phi falls.
        of_rows = log_prior(1 / phi) + np.log(2 * np.pi) / 2
        total -= model.noise_prior * of_rows.sum()
    expected = total / len(y)
    # scipy cancels where an expert is sharp.
    assert model.objective_curve_[-1] == pytest.approx(expected, abs=1e-10)


@every_family
def test_gradient_and_information_are_derivatives(family):
    model, X, y = fitted(family)
    problem, theta, _ = model._fitted_problem(X, y)
    mixture = problem.mixture
    vector = flat(theta) + 0.05 * np.random.default_rng(0).standard_normal(
        flat(theta).size
    )
    away = unflat(vector, theta)

    def difference(function, size):
        moves = size * np.eye(vector.size)
        return np.array(
            [
                (function(vector + move) - function(vector - move)) / (2 * size)
                for move in moves
            ]
        )

    def objective(point):
        return mixture.evaluate(unflat(point, theta)).objective

    def gradient(point):
        return flat(mixture.gradient(mixture.evaluate(unflat(point, theta))))

    np.testing.assert_allclose(gradient(vector), difference(objective, 1e-6), atol=1e-8)
    hessian = information_matrices(mixture, away).objective_hessian()
    np.testing.assert_allclose(hessian, difference(gradient, 1e-5), atol=1e-8)


@pytest.mark.sampled(3)
@every_family
@pytest.mark.parametrize("step_size", [0.5, 1.0, 1.5])
def test_fixed_steps_of_md(family, step_size):
    model, X, y = fitted(family, solver="md", step_size=step_size, tol=1e-9)
    assert np.diff(model.objective_curve_).max() < 1e-9
    best = fitted(family)[0].objective_curve_[-1]
    assert model.objective_curve_[-1] == pytest.approx(best, abs=1e-4)


@every_family
def test_too_long_a_step_is_refused(family):
    """Blended moments of a negative mass or deviance have no maximum likelihood."""
    model, X, y = fitted(family)
    problem, theta, _ = model._fitted_problem(X, y)
    mixture = problem.mixture
    away = unflat(flat(theta) + 0.5, theta)
    state = mixture.evaluate(away, blend=True)
    with pytest.raises(InfeasibleStep):
        mixture.project(state, 50.0)


@every_family
def test_statistics_after_a_small_change_are_foreseen(family):
    """To first order; the curvature is that of the posterior's responsibilities."""
    model, X, y = fitted(family, 1)
    problem, theta, _ = model._fitted_problem(X, y)
    mixture = problem.mixture
    state = mixture.evaluate(theta)
    change = 1e-5 * np.ones_like(theta.experts)
    curvatures = mixture._expert_curvatures(state, 1.0)
    found = mixture.experts.recentred(state.stats, curvatures, change)
    moved = mixture.evaluate(theta._replace(experts=theta.experts + change)).stats
    expected = moved.expert_score - state.stats.expert_score
    assert np.abs(expected).max() > 1e-7
    np.testing.assert_allclose(
        found.expert_score - state.stats.expert_score, expected, rtol=1e-3
    )


@pytest.mark.long
@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_standard_errors_are_those_of_draws(family):
    """Of many refits to data drawn from the model."""
    model, X, _ = fitted(family)
    y = model.sample(X, 100, random_state=1)
    options = {"warm_start": True, "alpha": 0, "gate_alpha": 0}
    refits = []
    for drawn in y.T:
        again = pickle.loads(pickle.dumps(model)).set_params(**options)
        refits.append(again.fit(X, drawn).coef_.ravel())
    answer = inference(model.set_params(**options).fit(X, y[:, 0]), X, y[:, 0])
    found = [
        error
        for name, error in zip(answer.names, answer.standard_error)
        if name.startswith("expert") and "intercept" not in name
    ]
    np.testing.assert_allclose(found, np.std(refits, axis=0), rtol=0.25)


@every_family
def test_quantiles_invert_the_cdf(family):
    model, X, y = fitted(family)
    levels = [0.001, 0.05, 0.5, 0.9, 0.999]
    quantiles = model.predict_quantile(X[:50], levels)
    for level, at in zip(levels, quantiles.T):
        reached = model.cdf(X[:50], at)
        if family == "gamma":
            np.testing.assert_allclose(reached, level, atol=1e-8)
            continue
        assert (reached >= level).all()
        positive = at > 0
        below = model.cdf(X[:50], np.maximum(at - 1, 0))[positive]
        assert (below < level).all()
    interval = model.predict_interval(X, 0.8)
    inside = (y >= interval[:, 0]) & (y <= interval[:, 1])
    assert 0.78 < inside.mean() < 0.95


@every_family
def test_draws_have_the_models_mean_and_cdf(family):
    model, X, _ = fitted(family)
    drawn = model.sample(X[:20], 20_000, random_state=0)
    error = drawn.std(axis=1) / np.sqrt(20_000)
    assert (np.abs(drawn.mean(axis=1) - model.predict(X[:20])) < 5 * error).all()
    at = np.median(drawn, axis=1)
    share = (drawn <= at[:, None]).mean(axis=1)
    np.testing.assert_allclose(share, model.cdf(X[:20], at), atol=0.02)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("model", ["poisson 2", "poisson 3", "gamma 2", "gamma 3"])
def test_numbers_are_those_recorded_from_flexmix(model):
    """To 1e-4: its gate, and the shapes, which are not quite maximum likelihood."""
    script = load("flexmix_glm", "benchmarks")
    numbers = script.ours(model, script.glm_data())
    with (ROOT / "tests/recorded/flexmix_glm.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model]
    assert {row["name"] for row in rows} == set(numbers)
    for row in rows:
        rel = 5e-4 if row["name"].endswith("shape") else 1e-4
        expected = pytest.approx(float(row["value"]), rel=rel, abs=1e-4)
        if row["name"] == "logLik per row":
            expected = pytest.approx(float(row["value"]), abs=1e-6)
        assert numbers[row["name"]] == expected


def test_exposure_as_weights_within_rows():
    """Counts of a row of its own group: one expert for the whole count."""
    rng = np.random.default_rng(0)
    X, _ = two_regimes("poisson")
    exposure = rng.uniform(0.5, 5, size=len(X))
    rate = np.exp(np.where(rng.uniform(size=len(X)) < 0.5, 1 + X[:, 1], 1 - X[:, 1]))
    counts = rng.poisson(exposure * rate)
    model = MixtureOfGLMExperts(gate_features=[], random_state=0, alpha=0, tol=1e-10)
    model.fit(X, counts / exposure, exposure, groups=np.arange(len(X)))
    np.testing.assert_allclose(np.sort(model.coef_[:, 1]), [-1, 1], atol=0.1)
    mean = exposure[:, None] * model.predict_expert(X)
    density = stats.poisson.pmf(counts[:, None], mean)
    log_likelihood = np.log((model.gate_proba(X) * density).sum(axis=1)).sum()
    moved = clone(model).set_params(warm_start=True)
    for factor in (0.99, 1.01):
        moved = pickle.loads(pickle.dumps(model))
        moved.coef_ = factor * model.coef_
        mean = exposure[:, None] * moved.predict_expert(X)
        density = stats.poisson.pmf(counts[:, None], mean)
        other = np.log((moved.gate_proba(X) * density).sum(axis=1)).sum()
        assert other < log_likelihood


@pytest.mark.sampled(1)
@every_family
def test_lasso_sparse_input_and_groups(family):
    X, y = two_regimes(family)
    X = np.column_stack([X, np.random.default_rng(1).standard_normal((len(y), 4))])
    strength = 0.02 * len(y)
    lasso = {"l1_ratio": 1, "alpha": strength}
    lasso |= {"gate_l1_ratio": 1, "gate_alpha": strength}
    model = MixtureOfGLMExperts(family=family, random_state=0, **lasso).fit(X, y)
    assert (np.abs(model.coef_[:, 1]) > 0.5).all()
    assert (model.gate_coef_[:, 2:] == 0).all()
    dense = MixtureOfGLMExperts(family=family, random_state=0, fit_intercept=False)
    sparse = clone(dense).fit(csr_array(X), y)
    np.testing.assert_allclose(sparse.coef_, dense.fit(X, y).coef_, atol=1e-3)
    grouped = MixtureOfGLMExperts(family=family, gate_features=[], random_state=0)
    groups = np.arange(len(y)) // 2
    proba = grouped.fit(X, y, groups=groups).responsibilities(X, y, groups=groups)
    np.testing.assert_array_equal(proba[::2], proba[1::2])


@pytest.mark.long
@every_family
def test_works_with_the_rest_of_the_package(family):
    model, X, y = fitted(family)
    frame = pd.DataFrame(X, columns=["x0", "x1"])
    search = GridSearchCV(
        make_pipeline(StandardScaler(), clone(model)),
        {"mixtureofglmexperts__n_experts": [1, 2]},
        scoring=log_likelihood_scorer,
        cv=3,
    )
    assert search.fit(X, y).best_params_["mixtureofglmexperts__n_experts"] == 2
    path = n_experts_path(clone(model), X, y, max_experts=3)
    assert path.best("bic").n_experts == 2
    assert 0 < information(model, X, y).em_rate < 1
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    single = clone(model).fit(X.astype(np.float32), y)
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    plt = pytest.importorskip("matplotlib.pyplot")
    named = clone(model).fit(frame, y)
    ObjectiveDisplay.from_estimators({"em": named})
    GateRegionsDisplay.from_estimator(named, frame)
    ExpertCurvesDisplay.from_estimator(named, frame, y, feature="x1")
    CoefficientsDisplay.from_estimator(named, frame, y)
    ResponsibilitiesDisplay.from_estimator(named, frame, y)
    plt.close("all")


class HalfCounts(Poisson):
    """A family of one's own: counts of which each is seen with probability 1/2."""

    def log_density(self, predictor, mean, target, dispersion):
        return super().log_density(predictor - np.log(2), mean / 2, target, dispersion)

    def residual(self, mean, target):
        return target - mean / 2

    def curvature(self, mean, target):
        return mean / 2

    def expected_curvature(self, mean):
        return mean / 2


def test_a_family_of_ones_own():
    X, y = two_regimes("poisson")
    options = {"alpha": 0, "gate_alpha": 0, "random_state": 0, "tol": 1e-10}
    plain = MixtureOfGLMExperts(**options).fit(X, y)
    own = MixtureOfGLMExperts(family=HalfCounts, **options).fit(X, y)
    np.testing.assert_allclose(own.coef_, plain.coef_, atol=1e-5)
    np.testing.assert_allclose(own.intercept_, plain.intercept_ + np.log(2), atol=1e-5)


NAMES = [
    (kind, name)
    for kind in (Poisson, Gamma)
    for name in vars(kind)
    if not name.startswith("_")
]


class TestFamilies:
    """All that a family of one's own needs is asked for before the fit."""

    @pytest.mark.parametrize("kind, name", NAMES)
    @pytest.mark.parametrize("as_class", [False, True])
    def test_what_is_missing_is_named(self, kind, name, as_class):
        body = {k: v for k, v in vars(kind).items() if not k.startswith("_")}
        if name == "has_dispersion" and kind is Gamma:
            kind = Poisson  # what it is then taken for
        del body[name]
        family = type("Own", (), body)
        model = MixtureOfGLMExperts(family=family if as_class else family())
        X, y = two_regimes("gamma", n=30)
        message = f"lacks .*{name}" if name != "log_density" else "The 'family' param"
        for fit in (
            model.fit,
            model.partial_fit,
            lambda X, y: fit_batches(model, [(X, y)]),
        ):
            with pytest.raises(ValueError, match=message):
                fit(X, y)
        assert not hasattr(model, "coef_")

    @pytest.mark.parametrize(
        "name, value, message",
        [
            ("cdf", None, r"the method cdf\(target, mean, dispersion\)"),
            ("cdf", lambda self, target, mean: 0, "the method cdf"),
            ("power", "two", r"the attribute power \(a number\)"),
            ("has_dispersion", None, r"has_dispersion \(True or False\)"),
            ("__init__", lambda self, size: None, "cannot be called without arguments"),
        ],
    )
    def test_what_is_of_a_wrong_kind_is_named(self, name, value, message):
        family = type("Own", (Gamma,), {name: value})
        with pytest.raises(ValueError, match=message):
            MixtureOfGLMExperts(family=family).fit(*two_regimes("gamma", n=30))


class TestBadInput:
    @pytest.mark.parametrize(
        "family, value, message",
        [
            ("poisson", -1.0, "y has a negative value, -1.0; family='poisson'"),
            ("gamma", 0.0, "y has a value that is not positive, 0.0; family='gamma'"),
            ("gamma", -2.0, "y has a value that is not positive, -2.0"),
        ],
    )
    def test_targets_out_of_range_are_named(self, family, value, message):
        X, y = two_regimes(family)
        model = MixtureOfGLMExperts(family=family, random_state=0).fit(X, y)
        before = model.coef_.copy()
        y[3] = value
        for method in (model.fit, model.responsibilities, model.score_samples):
            with pytest.raises(ValueError, match=message):
                method(X, y)
        np.testing.assert_array_equal(model.coef_, before)

    def test_no_counts_at_all(self):
        with pytest.raises(ValueError, match="y is zero in all samples"):
            MixtureOfGLMExperts().fit(np.ones((5, 1)), np.zeros(5))

    @pytest.mark.parametrize("family", ["normal", None, 3, object()])
    def test_unknown_families(self, family):
        with pytest.raises(ValueError, match="The 'family' parameter"):
            MixtureOfGLMExperts(family=family).fit(*two_regimes("gamma"))

    def test_of_a_batch_are_named(self):
        X, y = two_regimes("poisson")
        y[-1] = -1
        with pytest.raises(ValueError, match="batch 2: y has a negative value, -1.0"):
            fit_batches(MixtureOfGLMExperts(), array_batches(X, y, batch_size=700))
        with pytest.raises(ValueError, match="y is zero in all samples"):
            fit_batches(MixtureOfGLMExperts(), array_batches(X, 0 * y, batch_size=700))


@pytest.mark.filterwarnings(
    "ignore:The . experts coincide:sklearn.exceptions.ConvergenceWarning"
)
def test_hard_data_stays_finite():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    for y in (np.full(60, 1e6), rng.poisson(0.05, 60) + 0.0, rng.poisson(1e5, 60)):
        model = MixtureOfGLMExperts(3, random_state=0).fit(X, np.asarray(y, float))
        assert np.isfinite(model.objective_curve_).all()
        assert np.isfinite(model.coef_).all()
    for y in (np.full(60, 1e-8), rng.gamma(0.1, size=60) + 1e-20):
        model = MixtureOfGLMExperts(2, family="gamma", random_state=0).fit(X, y)
        assert np.isfinite(model.objective_curve_).all()
        assert np.isfinite(model.dispersion_).all()


@pytest.mark.parametrize("shape", [1e-6, 0.01, 1.0, 39.9, 40.0, 41.0, 2e3, 1e6])
def test_gamma_functions_are_exact_to_rounding(shape):
    """Also of large shapes, whose terms cancel."""
    with mpmath.workdps(50):
        a = mpmath.mpf(shape)
        gap, slope = mpmath.log(a) - mpmath.digamma(a), mpmath.polygamma(1, a)
        tails = gap - 1 / (2 * a), slope - 1 / a - 1 / (2 * a**2)
        expected = a * mpmath.log(a) - a - mpmath.loggamma(a), gap, a * slope - 1
        expected, tails = np.array(expected, float), np.array(tails, float)
    functions = log_gamma_gap, log_less_psi, trigamma_excess, psi_tail, trigamma_tail
    found = np.array([float(function(np.float64(shape))) for function in functions])
    np.testing.assert_allclose(found[:3], expected, rtol=1e-12)
    # Below the series tails are differences, whose digits are those of the rest.
    np.testing.assert_allclose(found[3:], tails, rtol=1e-13 if shape >= LARGE else 1e-9)
    if shape >= LARGE:
        exactly = [0.5 / shape + tails[0], 0.5 / shape + shape * tails[1]]
        np.testing.assert_allclose(found[1:3], exactly, rtol=1e-14)


@pytest.mark.parametrize("ratio", [1e-300, 0.4, 0.6, 1 - 1e-6, 1 + 1e-6, 1.6, 1e9])
def test_deviances_near_zero_keep_their_digits(ratio):
    with mpmath.workdps(50):
        expected = float(2 * (mpmath.mpf(ratio) - mpmath.log(ratio) - 1))
    found = float(Gamma().deviance(np.float64(1.0), np.float64(ratio)))
    assert found == pytest.approx(expected, rel=1e-9)


def test_batches_without_counts_are_learned_from():
    X, y = two_regimes("poisson", n=4000)
    model = MixtureOfGLMExperts(random_state=0)
    for start in range(0, 20, 5):
        model.partial_fit(X[start : start + 5], np.zeros(5))
        np.testing.assert_allclose(model.predict(X), 0, atol=1e-250)
    for start in range(0, 4000, 200):
        model.partial_fit(X[start : start + 200], y[start : start + 200])
    np.testing.assert_allclose(np.sort(model.coef_[:, 1]), [-1, 1], atol=0.2)
    fitted = model.objective_curve_.size
    model.partial_fit(X, 0 * y)
    assert model.objective_curve_.size == fitted + 1
    assert model.predict(X).max() < 10
    with pytest.raises(ValueError, match="family='gamma' is not what"):
        model.set_params(family="gamma").partial_fit(X, y + 1)


@pytest.mark.parametrize("family, slope", [("poisson", 5), ("gamma", 5), ("gamma", 10)])
def test_two_regimes_over_many_decades(family, slope):
    """Up to means of exp(35), and down to exp(-35)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 2))
    mean = np.exp(np.where(X[:, 0] > 0, 1 + slope * X[:, 1], 1 - slope * X[:, 1]))
    y = rng.gamma(SHAPE, mean / SHAPE)
    if family == "poisson":
        y = rng.poisson(mean).astype(float)
    model = MixtureOfGLMExperts(family=family, random_state=0).fit(X, y)
    np.testing.assert_allclose(np.sort(model.coef_[:, 1]), [-slope, slope], atol=0.1)
    assert model.n_iter_ < 30


@pytest.mark.long
@pytest.mark.parametrize("decades", [5, 60, 250])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_amounts_over_hundreds_of_decades_stay_finite(decades):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    y = 10 ** rng.uniform(-decades / 2, decades / 2, size=300)
    for n_experts in (1, 2, 3):
        model = MixtureOfGLMExperts(n_experts, family="gamma", random_state=0)
        model.fit(X, y)
        assert np.isfinite(model.objective_curve_).all()
        assert (np.diff(model.objective_curve_) <= 0).all()
        # An expert for all has the shape of its logarithms, about.
        assert model.objective_curve_[-1] < 0.03 * decades + 15


@pytest.mark.sampled(1)
@pytest.mark.parametrize("top_k", [None, 2])
def test_means_of_steep_experts_stay_within_their_type(top_k):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2)).astype(np.float32)
    y = rng.poisson(np.exp(X[:, 0]))
    model = MixtureOfGLMExperts(8, random_state=0, tol=0.1).fit(X, y)
    model.set_params(top_k=top_k)
    model.coef_ = (100 * model.coef_).astype(np.float32)
    model.intercept_ = model.intercept_ + np.float32(90)
    mean = model.predict(X)
    assert mean.dtype == np.float32 and np.isfinite(mean).all()
    wide, rows = clone(model).fit(X, y), X.astype(np.float64)
    for name in ("coef_", "intercept_", "gate_coef_", "gate_intercept_"):
        setattr(wide, name, getattr(model, name).astype(np.float64))
    expected = (wide.gate_proba(rows) * wide.predict_expert(rows)).sum(axis=1)
    expected = np.minimum(expected, np.finfo(np.float32).max)
    np.testing.assert_allclose(mean, expected, rtol=1e-4)


def test_experts_that_do_not_count_leave_quantiles_and_draws_alone():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 2000)
    y = rng.poisson(np.exp(3 - 1.5 * np.abs(x)))
    model = MixtureOfGLMExperts(2, random_state=0).fit(x[:, None], y)
    far = [[20.0], [300.0], [-300.0]]
    found = model.predict_quantile(far, [0.05, 0.5, 0.95])
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(model.sample(far, 3, random_state=0), 0)


def test_quantiles_of_many_counts_go_on_where_the_normal_takes_over():
    family, levels = Poisson(), np.array([1e-6, 0.05, 0.5, 0.95])
    found = family.quantile(levels, 1.001e8, 1.0)
    expected = stats.poisson.ppf(levels, 1.001e8)
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize("mean", [1e9, 1e12, 1e14, 1e18, 1e25, 1e300])
def test_counts_of_huge_means(mean):
    family = Poisson()
    levels = np.array([0.05, 0.5, 0.95])
    found = family.quantile(levels, mean, 1.0)
    expected = mean + np.sqrt(mean) * special.ndtri(levels)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    drawn = family.sample(np.full(2000, mean), 1.0, np.random.RandomState(0))
    assert (drawn > 0).all()
    standardised = (drawn - mean) / np.sqrt(mean)
    if mean < 1e25:  # beyond, a standard deviation is near rounding of the mean
        assert abs(standardised.mean()) < 0.1
        assert standardised.std() == pytest.approx(1, abs=0.1)
