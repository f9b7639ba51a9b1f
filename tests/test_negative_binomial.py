"""Negative binomial experts, against mpmath, SciPy, statsmodels and R."""

import json

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from _recorded import RECORDED, recorded_data
from scipy import optimize, special, stats

from skmoe import MixtureOfGLMExperts
from skmoe.distributions import NegativeBinomial, Poisson
from skmoe.inspection import inference
from skmoe.model_selection import n_experts_path
from skmoe.streaming import array_batches, fit_batches

FAMILY = NegativeBinomial().family
LEAST = 1e-10
MAXIMUM_LIKELIHOOD = {
    "family": "negative_binomial",
    "alpha": 0.0,
    "gate_alpha": 0.0,
    "tol": 1e-10,
    "random_state": 0,
}


def counts_of(mean, dispersion, rng):
    """Draws of a mean and a dispersion, of the shape of the mean."""
    if dispersion:
        mean = mean * rng.gamma(1 / dispersion, dispersion, np.shape(mean))
    return rng.poisson(mean).astype(float)


def one_regression(dispersion, base, n=600, seed=0):
    """X (n, 2), counts and offsets of one expert."""
    rng = np.random.default_rng(seed)
    X, offset = rng.standard_normal((n, 2)), rng.uniform(-1, 1, n)
    mean = np.exp(base + X @ [0.5, -0.3] + offset)
    return X, counts_of(mean, dispersion, rng), offset


def log_density(count, mean, dispersion):
    """By mpmath."""
    count, mean, a = map(mpmath.mpf, (count, mean, dispersion))
    gammas = mpmath.loggamma(count + 1 / a) - mpmath.loggamma(1 / a)
    gammas -= mpmath.loggamma(count + 1)
    log_share = mpmath.log(a * mean / (1 + a * mean))
    return gammas + count * log_share - mpmath.log1p(a * mean) / a


CASES = [
    (count, mean, dispersion)
    for dispersion in (LEAST, 1e-6, 1e-3, 0.0251, 1.0, 30.0, 1e6)
    for mean in (1e-8, 0.5, 50.0, 1e8)
    for count in sorted({0.0, 1.0, 2.5, 40.0, mean // 1, mean // 0.9, 1e8})
]


class TestDensity:
    def test_is_exact_to_rounding(self):
        """Over 16 decades of the dispersion, and up to counts of 1e8."""
        with mpmath.workdps(60):
            expected = [float(log_density(*case)) for case in CASES]
        count, mean, dispersion = np.array(CASES).T
        found = FAMILY.log_density(np.log(mean), mean, count, dispersion)
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    def test_derivatives_are_those_of_mpmath(self):
        for count, mean, a in CASES:
            # Variance over the mean: the unit of the derivatives.
            one = 1 + a * mean
            case = np.array([mean]), np.array([count]), np.array([a])
            found = FAMILY.residual(*case)[0] / a, FAMILY.dispersion_score(*case)[0]
            cross, alone = (part[0] for part in FAMILY.dispersion_curvatures(*case))
            found += FAMILY.curvature(*case)[0] / a, cross / a, alone / a**2
            size = (count + (count - mean) ** 2) / one**2
            with mpmath.workdps(80):
                eta, log_a = mpmath.log(mean), mpmath.log(a)

                def at(x, t, count=count):
                    return log_density(count, mpmath.exp(x), mpmath.exp(t))

                orders = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
                slopes = [
                    mpmath.diff(at, (eta, log_a), order, h=mpmath.mpf(10) ** -20)
                    for order in orders
                ]
                units = 1, a, -1, -a, -(a**2)
                slopes = [float(s / unit) for s, unit in zip(slopes, units)]
            np.testing.assert_allclose(found[0], slopes[0], rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(found[1], slopes[1], rtol=1e-7, atol=1e-9 * size)
            np.testing.assert_allclose(found[2:4], slopes[2:4], rtol=1e-10, atol=1e-15)
            atol = 1e-5 * (size + (mean / one) ** 2) / a * min(1, a)
            np.testing.assert_allclose(found[4], slopes[4], rtol=1e-5, atol=atol)

    def test_is_poissons_at_the_least_dispersion(self):
        counts, mean = np.arange(30.0), np.full(30, 8.0)
        found = FAMILY.log_density(np.log(mean), mean, counts, LEAST)
        expected = stats.poisson.logpmf(counts, mean)
        np.testing.assert_allclose(found, expected, atol=1e-7)
        below = FAMILY.cdf(counts, mean, LEAST)
        np.testing.assert_allclose(below, stats.poisson.cdf(counts, mean), rtol=1e-8)

    @pytest.mark.parametrize("dispersion", [LEAST, 0.01, 0.7, 20.0])
    def test_of_rows_far_from_an_expert_is_finite(self, dispersion):
        predictor = np.array([[-800.0, -700.0, 0.0, 700.0, 800.0]])
        for count in (0.0, 3.0, 1e150):
            rows = NegativeBinomial().at(
                predictor[:, None], np.full(5, count), np.full((1, 1), dispersion)
            )
            assert np.isfinite(rows.log_density).all()
            assert np.isfinite(rows.residual()).all()


class TestCdf:
    @pytest.mark.parametrize("dispersion", [1e-10, 1e-4, 0.3, 5.0, 1e3])
    @pytest.mark.parametrize("mean", [0.01, 4.0, 300.0])
    def test_sums_the_density_and_quantiles_invert_it(self, dispersion, mean):
        counts = np.arange(2000.0)
        density = np.exp(FAMILY.log_density(np.log(mean), mean, counts, dispersion))
        below = np.cumsum(density)
        np.testing.assert_allclose(
            FAMILY.cdf(counts, mean, dispersion), below, rtol=1e-9
        )
        levels = np.array([1e-9, 0.01, 0.3, 0.5, 0.9, 0.999])
        levels = levels[levels < below[-1]]
        found = FAMILY.quantile(levels, mean, dispersion)
        np.testing.assert_array_equal(found, np.searchsorted(below, levels))

    def test_below_zero_is_zero(self):
        found = FAMILY.cdf(np.array([-1.0, -1e-9, 0.0]), 2.0, 0.5)
        np.testing.assert_allclose(found, [0, 0, 1 / 4])

    def test_quantiles_of_extreme_means(self):
        mean = np.array([1e-300, 1e-5, 1e12, 1e250])
        for dispersion in (LEAST, 1.0, 1e6):
            found = FAMILY.quantile(0.5, mean, dispersion)
            assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
        # Counts of large means are those of the hidden Gamma weights.
        found = FAMILY.quantile(0.3, 1e12, 0.5) / 1e12
        assert found == pytest.approx(special.gammaincinv(2, 0.3) / 2, rel=1e-5)


def test_draws_have_mean_and_variance():
    rng = np.random.default_rng(0)
    for mean, a in [(3.0, 0.5), (50.0, LEAST), (0.2, 4.0), (1e10, 0.1)]:
        drawn = FAMILY.sample(np.full(40_000, mean), a, rng)
        spread = np.sqrt(mean + a * mean**2)
        assert abs(drawn.mean() - mean) < 5 * spread / 200
        assert drawn.var() == pytest.approx(spread**2, rel=0.15)
        assert (drawn >= 0).all() and (drawn % 1 == 0).all()


class TestOneExpert:
    @pytest.mark.parametrize("solver", ["em", "md", "gd"])
    @pytest.mark.parametrize("dispersion, base", [(0.4, 1), (0.05, 4), (3, -1)])
    def test_is_that_of_statsmodels(self, solver, dispersion, base):
        X, y, offset = one_regression(dispersion, base)
        options = MAXIMUM_LIKELIHOOD | {"solver": solver, "max_iter": 20_000}
        model = MixtureOfGLMExperts(1, **options).fit(X, y, offset=offset)
        other = sm.NegativeBinomial(
            y, sm.add_constant(X), loglike_method="nb2", offset=offset
        )
        start = [*model.intercept_, *model.coef_[0], *model.dispersion_]
        rough = other.fit(disp=0, method="bfgs", maxiter=1000)
        assert rough.llf <= model.log_likelihood(X, y, offset=offset) + 1e-7
        other = other.fit(disp=0, method="newton", start_params=start, tol=1e-12)
        np.testing.assert_allclose(start, other.params, atol=1e-6, rtol=1e-6)
        found = model.log_likelihood(X, y, offset=offset)
        assert found == pytest.approx(other.llf, abs=1e-7)
        errors = inference(model, X, y, offset=offset).standard_error[-4:]
        expected = other.bse[[1, 2, 0, 3]]
        np.testing.assert_allclose(errors, expected, rtol=1e-5)

    @pytest.mark.parametrize(
        "name, target, columns, exposure",
        [
            ("bioChemists", "art", "femWomen marMarried kid5 phd ment", None),
            ("seizure", "Seizures", "Treatment log(Day) Treatment:log(Day)", "Hours"),
            ("fabricfault", "Faults", "log(Length)", None),
        ],
    )
    def test_is_that_of_r(self, name, target, columns, exposure):
        with (RECORDED / "negative_binomial.json").open() as file:
            expected = json.load(file)[name]
        data = recorded_data(name)
        X, y = data[columns.split()].to_numpy(), data[target].to_numpy(float)
        offset = np.log(data[exposure].to_numpy(float)) if exposure else None
        model = MixtureOfGLMExperts(1, **MAXIMUM_LIKELIHOOD).fit(X, y, offset=offset)
        coef = list(expected["coef"].values())
        np.testing.assert_allclose(model.intercept_, coef[0], rtol=1e-6)
        np.testing.assert_allclose(model.coef_[0], coef[1:], rtol=1e-6, atol=1e-7)
        assert 1 / model.dispersion_[0] == pytest.approx(expected["theta"], rel=1e-6)
        found = model.log_likelihood(X, y, offset=offset)
        assert found == pytest.approx(expected["logLik"], abs=1e-6)

    @pytest.mark.parametrize("base, n_experts", [(-1, 1), (2, 1), (6, 1), (2, 2)])
    def test_of_poisson_counts_is_poissons(self, base, n_experts):
        """Counts that vary less than Poisson's, without a warning."""
        rng = np.random.default_rng(1)
        X = rng.uniform(-2, 2, (800, 2))
        noise = rng.logistic(size=800)
        slope = np.where((n_experts == 2) & (X[:, 1] > noise), -1.0, 0.5)
        mean = np.exp(base + slope * X[:, 0])
        most = np.ceil(2 * mean).astype(int)
        y = rng.binomial(most, mean / most).astype(float)
        model, poisson = (
            MixtureOfGLMExperts(
                n_experts, **(MAXIMUM_LIKELIHOOD | {"tol": 1e-8, "family": family})
            ).fit(X, y)
            for family in ("negative_binomial", "poisson")
        )
        np.testing.assert_allclose(model.dispersion_, LEAST)
        assert model.n_iter_ <= poisson.n_iter_ + 15
        np.testing.assert_allclose(model.coef_, poisson.coef_, atol=1e-4)
        found = model.log_likelihood(X, y)
        assert found == pytest.approx(poisson.log_likelihood(X, y), abs=1e-4)
        assert model.bic(X, y) == pytest.approx(poisson.bic(X, y), abs=2e-4)
        errors = inference(model, X, y).standard_error
        expected = inference(poisson, X, y).standard_error
        np.testing.assert_allclose(errors[: expected.size], expected, rtol=1e-3)
        assert np.isnan(errors[expected.size :]).all()


SETS = {
    "constant gate": ([0.0, 0.0], [[0.8, 0.5], [-0.8, 2.5]], [0.3, 0.1]),
    "one nearly Poisson": ([0.6, 1.5], [[0.5, 1.0], [-0.7, 3.0]], [1.0, 0.005]),
    "heavy": ([-0.5, 1.0], [[1.0, -0.5], [0.0, 3.0]], [3.0, 0.4]),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", SETS)
def test_two_experts_are_those_of_brute_force(name):
    """Of several of SciPy's optimisers, from several starts."""
    gate, coef, dispersion = map(np.array, SETS[name])
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, 700)
    inner = np.column_stack([x, np.ones(700)])
    z = (rng.uniform(size=700) > special.expit(inner @ gate)).astype(int)
    mean = np.exp((inner * coef[z]).sum(axis=1))
    y = rng.poisson(mean * rng.gamma(1 / dispersion[z], dispersion[z]))

    def loss(theta):
        logit, size = inner @ theta[:2], np.exp(-theta[6:8])
        mean = np.exp(np.clip(inner @ theta[2:6].reshape(2, 2).T, -50, 50))
        log_density = stats.nbinom.logpmf(y[:, None], size, size / (size + mean))
        log_gate = -np.logaddexp(0, np.column_stack([-logit, logit]))
        return -special.logsumexp(log_gate + log_density, axis=1).sum()

    truth = np.concatenate([gate, coef.ravel(), np.log(dispersion)])
    best = np.inf
    for method in ("BFGS", "L-BFGS-B", "Powell"):
        for scale in (0, 0.3):
            start = truth + scale * rng.standard_normal(8)
            found = optimize.minimize(loss, start, method=method)
            best = min(best, found.fun)
    best = min(best, optimize.minimize(loss, found.x, method="BFGS").fun)
    model = MixtureOfGLMExperts(2, **MAXIMUM_LIKELIHOOD).fit(x[:, None], y)
    assert model.log_likelihood(x[:, None], y) == pytest.approx(-best, abs=1e-4)
    weight = model.gate_coef_[0, 0] - model.gate_coef_[1, 0]
    own = [weight, model.gate_intercept_[0] - model.gate_intercept_[1]]
    pairs = np.column_stack([model.coef_, model.intercept_[:, None]]).ravel()
    own = np.concatenate([own, pairs, np.log(model.dispersion_)])
    assert loss(own) == pytest.approx(-model.log_likelihood(x[:, None], y), abs=1e-6)
    slopes = optimize.approx_fprime(own, loss, 1e-6)
    assert np.abs(slopes).max() < 0.05


@pytest.mark.long
def test_one_expert_suffices_where_poisson_takes_three():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(600, 1))
    y = counts_of(np.exp(1 + 0.5 * x[:, 0]), 0.5, rng)
    taken = {}
    for family in ("poisson", "negative_binomial"):
        model = MixtureOfGLMExperts(family=family, gate_features=[], random_state=0)
        taken[family] = n_experts_path(model, x, y, max_experts=4).best("bic").n_experts
    assert taken == {"poisson": 3, "negative_binomial": 1}


def test_three_experts_without_columns():
    """Counts alone, as on R-help in November 2016."""
    rng = np.random.default_rng(0)
    mean, a = np.array([2.0, 20.0, 120.0]), np.array([0.3, 0.1, 0.05])
    z = rng.choice(3, p=[0.5, 0.3, 0.2], size=3000)
    y = rng.poisson(mean[z] * rng.gamma(1 / a[z], a[z]))
    options = MAXIMUM_LIKELIHOOD | {"gate_features": [], "expert_features": []}
    model = MixtureOfGLMExperts(3, **options).fit(np.zeros((3000, 1)), y)
    np.testing.assert_allclose(model.gate_proba([[0]])[0], [0.5, 0.3, 0.2], atol=0.03)
    np.testing.assert_allclose(np.exp(model.intercept_), mean, rtol=0.1)
    np.testing.assert_allclose(model.dispersion_, a, rtol=0.3)
    proba = model.gate_proba([[0]])[0]

    def cdf(count):
        sizes = 1 / model.dispersion_
        of_experts = stats.nbinom.cdf(
            count, sizes, sizes / (sizes + np.exp(model.intercept_))
        )
        return proba @ of_experts

    for level in (0.1, 0.5, 0.77, 0.99):
        (found,) = model.predict_quantile([[0]], level)
        assert cdf(found) >= level > cdf(found - 1)


def test_no_prior_of_dispersions():
    X, y, offset = one_regression(0.4, 1)
    one, other = (
        MixtureOfGLMExperts(
            1, family="negative_binomial", noise_prior=rows, random_state=0
        ).fit(X, y, offset=offset)
        for rows in (0, 50)
    )
    np.testing.assert_array_equal(one.dispersion_, other.dispersion_)
    assert other.prior_dispersion_ is None


@pytest.mark.long
def test_batches_one_by_one_come_near_the_fit():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (12_000, 2))
    mean = np.exp(np.where(X[:, 0] > 0, 0.5 + X[:, 1], 1.5 - X[:, 1]))
    y = counts_of(mean, 0.3, rng)
    options = {"family": "negative_binomial", "random_state": 0}
    online = MixtureOfGLMExperts(2, **options)
    for start in range(0, len(y), 300):
        online.partial_fit(X[start : start + 300], y[start : start + 300])
    whole = MixtureOfGLMExperts(2, **options).fit(X, y)
    order = np.argsort(online.coef_[:, 1]), np.argsort(whole.coef_[:, 1])
    for name, atol in (("coef_", 0.03), ("dispersion_", 0.03)):
        found, expected = (getattr(m, name)[o] for m, o in zip((online, whole), order))
        np.testing.assert_allclose(found, expected, atol=atol)


def test_batches_that_are_read_again_are_the_fit_in_memory():
    X, y, offset = one_regression(0.4, 1)
    options = {"family": "negative_binomial", "random_state": 0, "tol": 1e-9}
    whole = MixtureOfGLMExperts(2, **options).fit(X, y, offset=offset)
    parts = MixtureOfGLMExperts(2, **options)
    fit_batches(parts, array_batches(X, y, offset=offset, batch_size=130))
    found, expected = (m.objective_curve_[-1] for m in (parts, whole))
    assert found == pytest.approx(expected, abs=1e-7)
    np.testing.assert_allclose(parts.coef_, whole.coef_, atol=1e-3)
    np.testing.assert_allclose(parts.dispersion_, whole.dispersion_, atol=1e-3)


def test_with_a_point_mass_it_is_the_zero_inflated_model_of_statsmodels():
    X, y, _ = one_regression(0.5, 1, n=1500)
    rng = np.random.default_rng(5)
    y = y * (rng.uniform(size=1500) < special.expit(1 - X[:, 0]))
    options = MAXIMUM_LIKELIHOOD | {"point_mass": 0.0}
    model = MixtureOfGLMExperts(1, **options).fit(X, y)
    inner = sm.add_constant(X)
    other = sm.ZeroInflatedNegativeBinomialP(y, inner, exog_infl=inner)
    other = other.fit(disp=0, method="bfgs", maxiter=500, gtol=1e-8)
    assert model.log_likelihood(X, y) == pytest.approx(other.llf, abs=1e-6)
    gate = 2 * np.append(model.gate_intercept_[1], model.gate_coef_[1])
    coef = np.append(model.intercept_[0], model.coef_[0])
    found = np.concatenate([gate, coef, model.dispersion_])
    np.testing.assert_allclose(found, other.params, atol=1e-4)
    errors = inference(model, X, y).standard_error[-4:]
    np.testing.assert_allclose(errors, other.bse[[4, 5, 3, 6]], rtol=1e-3)


def test_batches_of_poisson_counts_end_near_poisson():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (9000, 1))
    y = rng.poisson(np.exp(2 + X[:, 0]))
    model = MixtureOfGLMExperts(1, family="negative_binomial", random_state=0)
    for start in range(0, 9000, 300):
        model.partial_fit(X[start : start + 300], y[start : start + 300])
    assert model.dispersion_[0] < 0.01
    np.testing.assert_allclose(model.coef_, 1, atol=0.03)


def test_a_negative_count_is_named():
    X, y, _ = one_regression(0.4, 1)
    y[3] = -1
    with pytest.raises(ValueError, match=r"negative value, -1.0; family='negative_b"):
        MixtureOfGLMExperts(family="negative_binomial").fit(X, y)


def test_first_steps_start_from_poissons_means():
    target = np.array([0.0, 3.0, 10.0])
    first = FAMILY.first_mean(target, 4.0)
    np.testing.assert_array_equal(first, Poisson().first_mean(target, 4.0))
