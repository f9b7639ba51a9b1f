"""The predictive distribution as one object, beside mixtures of SciPy's by hand."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts
from skmoe.distributions import Gamma
from skmoe.distributions.tails import log_gamma_tails

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (300, 2))
LINE = 3 * np.abs(X[:, 0]) + X[:, 1]
OFFSET = 0.3 * RNG.standard_normal(300)
TRIALS = RNG.integers(1, 20, 300)
MEAN = np.exp(LINE / 2)


def linear(**options):
    y = LINE + 0.3 * RNG.standard_normal(300)
    return MixtureOfLinearExperts(2, random_state=0, **options).fit(X, y)


def counts(family, y, **known):
    model = MixtureOfGLMExperts(2, family=family, random_state=0)
    return model.fit(X, y, **known)


def by_hand(model, family, **known):
    """SciPy's distributions of the two experts, each of 300 rows, and their shares."""
    means, phi = model.predict_expert(X, **known).T, getattr(model, "dispersion_", None)
    make = {
        "normal": lambda k: stats.norm(means[k], np.sqrt(model.noise_variance_[k])),
        "t": lambda k: stats.t(4, means[k], np.sqrt(model.noise_variance_[k])),
        "poisson": lambda k: stats.poisson(means[k]),
        "gamma": lambda k: stats.gamma(1 / phi[k], scale=means[k] * phi[k]),
        "negative_binomial": lambda k: stats.nbinom(
            1 / phi[k], 1 / (1 + phi[k] * means[k])
        ),
        "binomial": lambda k: stats.binom(TRIALS, means[k] / TRIALS),
    }[family]
    return [make(k) for k in range(2)], model.gate_proba(X).T


@pytest.fixture(scope="module")
def fitted():
    """Models of each family, and what else is known of the rows."""
    binomial = {"trials": TRIALS}
    shares = RNG.binomial(TRIALS, 1 / (1 + np.exp(-2 * LINE + 3)))
    return {
        "normal": (linear(), {"offset": OFFSET}),
        "t": (linear(noise_df=4.0), {}),
        "poisson": (counts("poisson", RNG.poisson(MEAN)), {"offset": OFFSET}),
        "gamma": (counts("gamma", RNG.gamma(2, MEAN / 2)), {}),
        "negative_binomial": (
            counts("negative_binomial", RNG.negative_binomial(2, 2 / (2 + MEAN))),
            {},
        ),
        "binomial": (counts("binomial", shares, **binomial), binomial),
    }


FAMILIES = ["normal", "t", "poisson", "gamma", "negative_binomial", "binomial"]
COUNTED = {"poisson", "negative_binomial", "binomial"}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("family", FAMILIES)
def test_is_the_mixture_of_scipys_distributions(family, fitted):
    model, known = fitted[family]
    found = model.predictive(X, **known)
    experts, gate = by_hand(model, family, **known)

    def mixed(values):
        return sum(share * value for share, value in zip(gate, values))

    mean = mixed([expert.mean() for expert in experts])
    square = mixed([expert.var() + expert.mean() ** 2 for expert in experts])
    np.testing.assert_allclose(found.mean(), mean, rtol=1e-10)
    np.testing.assert_allclose(found.var(), square - mean**2, rtol=1e-8)
    np.testing.assert_allclose(found.std(), np.sqrt(found.var()))
    y = found.rvs(random_state=0)
    name = "pmf" if family in COUNTED else "pdf"
    density = mixed([getattr(expert, name)(y) for expert in experts])
    np.testing.assert_allclose(getattr(found, name)(y), density, rtol=1e-9)
    log_density = getattr(found, f"log{name}")(y)
    np.testing.assert_allclose(log_density, np.log(density), atol=1e-9)
    below = mixed([expert.cdf(y) for expert in experts])
    np.testing.assert_allclose(found.cdf(y), below, rtol=1e-9)
    np.testing.assert_allclose(found.sf(y), 1 - below, rtol=1e-9, atol=1e-15)
    others = {"pdf", "logpdf", "pmf", "logpmf"} - {name, f"log{name}"}
    assert not any(hasattr(found, other) for other in others)


@pytest.mark.parametrize("family", FAMILIES)
def test_tails_are_those_of_scipys_distributions(family, fitted):
    model, known = fitted[family]
    found = model.predictive(X, **known)
    experts, gate = by_hand(model, family, **known)

    def above(y):
        return sum(share * one.sf(y) for share, one in zip(gate, experts))

    for q in (0.9, 0.1, 1e-5, 1e-30):
        y = found.isf(q)
        if family in COUNTED:  # the least count above which there is no more
            assert (above(y) <= q * (1 + 1e-9)).all()
            assert (above(y - 1) > q * (1 - 1e-9)).all()
        else:
            np.testing.assert_allclose(above(y), q, rtol=1e-9)
        np.testing.assert_allclose(found.sf(y), above(y), rtol=1e-9)
        seen = above(y) > 0
        np.testing.assert_allclose(
            found.logsf(y)[seen], np.log(above(y)[seen]), rtol=1e-9
        )
        np.testing.assert_allclose(found.logcdf(y), np.log1p(-above(y)), rtol=1e-9)
    levels = np.array([[1e-9, 0.5]])
    np.testing.assert_array_equal(found.isf(levels)[:, 0], found.isf(1e-9))


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_log_tails_of_counts_are_sums_where_they_underflow(family, fitted):
    model, known = fitted[family]
    found = model.predictive(X, **known)
    experts, gate = by_hand(model, family, **known)
    y = 4000 if family == "poisson" else 20_000
    counts = y + 1 + np.arange(20_000)
    for row in range(0, 300, 100):
        parts = [
            np.log(share[row]) + stats_of_row(one, row).logpmf(counts)
            for share, one in zip(gate, experts)
        ]
        expected = special.logsumexp(parts)
        assert expected < -800
        assert found.logsf(y)[row] == pytest.approx(expected, rel=1e-10)


def stats_of_row(frozen, row):
    """One row of a frozen distribution of SciPy."""
    args = [np.broadcast_to(part, 300)[row] for part in frozen.args]
    return frozen.dist(*args, **{k: np.ravel(v)[row] for k, v in frozen.kwds.items()})


def test_log_tails_of_amounts_are_integrals_where_they_underflow():
    for shape, x in ((0.5, 900.0), (30.0, 2000.0), (30.0, 1e-12), (3000.0, 1.0)):
        below, above = log_gamma_tails(shape, x)
        density = stats.gamma(shape).logpdf
        if x > shape:
            inside, _ = integrate.quad(
                lambda u, x=x, f=density: np.exp(f(x + u) - f(x)), 0, 60, epsrel=1e-12
            )
            assert above == pytest.approx(density(x) + np.log(inside), rel=1e-10)
        else:  # u = x v**(1 / shape)
            inside, _ = integrate.quad(
                lambda v, x=x, a=shape: np.exp(x - x * v ** (1 / a)), 0, 1
            )
            expected = density(x) + np.log(x / shape * inside)
            assert below == pytest.approx(expected, rel=1e-10)


def test_log_tails_of_normal_noise_go_on_where_probabilities_are_zero():
    model = linear()
    found, (experts, gate) = model.predictive(X), by_hand(model, "normal")
    parts = [np.log(share) + one.logsf(60.0) for share, one in zip(gate, experts)]
    expected = special.logsumexp(parts, axis=0)
    assert (expected < -1000).all() and (found.sf(60.0) == 0).all()
    np.testing.assert_allclose(found.logsf(60.0), expected, rtol=1e-12)
    np.testing.assert_allclose(found.logcdf(60.0), -found.sf(60.0))


def test_tails_of_a_family_of_ones_own_are_those_of_its_cdf():
    class Own(Gamma):
        """With another cdf than that of the class whose tails it has."""

        def cdf(self, target, mean, dispersion):
            return 0.5 * super().cdf(target, mean, dispersion)

    y = RNG.gamma(2, MEAN / 2)
    found = counts(Own(), y).predictive(X)
    np.testing.assert_allclose(found.logcdf(y), np.log(found.cdf(y)))
    np.testing.assert_allclose(found.sf(y), 1 - found.cdf(y))


def test_tails_beside_a_point_mass():
    y = np.where(RNG.uniform(size=300) < 0.3, 0.0, LINE)
    model = MixtureOfLinearExperts(2, point_mass=0.0, background=True, random_state=0)
    found = model.fit(X, y).predictive(X)
    for at in (-1.0, 0.0, 0.5, 100.0):
        np.testing.assert_allclose(np.exp(found.logcdf(at)), found.cdf(at), atol=1e-12)
        np.testing.assert_allclose(found.sf(at), 1 - found.cdf(at), atol=1e-12)


def test_isf_is_a_point_mass_that_nothing_is_above():
    y = np.where(RNG.uniform(size=300) < 0.3, 10.0, LINE)
    model = MixtureOfLinearExperts(2, point_mass=10.0, random_state=0).fit(X, y)
    found = model.predictive(X)
    assert (found.sf(10.0) < 1e-30).all()
    assert (found.isf([[1e-3, 9e-4, 1e-9, 1e-30]]) == 10).all()
    # Where the point mass is in the tail it is found too.
    share = np.tile([1 - 1e-6, 0, 1e-6], (300, 1))
    found = model.predictive(X, expert_proba=share)
    assert (found.isf([[9e-7, 1e-9, 1e-30]]) == 10).all()
    assert (found.isf(2e-6) < 10).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_quantiles_of_each_row_are_those_of_the_row_alone(family, fitted):
    model, known = fitted[family]
    found = model.predictive(X, **known)
    q = np.random.default_rng(1).uniform(0.001, 0.999, (300, 2))
    quantiles = found.ppf(q)
    for row in range(0, 300, 25):
        own = {name: value[row : row + 1] for name, value in known.items()}
        one = model.predict_quantile(X[row : row + 1], q[row], **own)
        np.testing.assert_allclose(quantiles[row], one[0], rtol=1e-12)
    np.testing.assert_array_equal(found.ppf(q[:, 0]), found.ppf(q[:, :1])[:, 0])


def test_methods_are_those_of_the_estimator(fitted):
    for model, known in fitted.values():
        found = model.predictive(X, **known)
        y = found.rvs(3, random_state=1)
        np.testing.assert_array_equal(
            y, model.sample(X, 3, random_state=1, **known), strict=True
        )
        same = {"rtol": 1e-14}
        np.testing.assert_allclose(found.mean(), model.predict(X, **known), **same)
        assert found.shape == found.mean().shape == found.rvs().shape == (300,)
        levels = [0.1, 0.5, 0.9]
        quantiles = model.predict_quantile(X, levels, **known)
        np.testing.assert_array_equal(found.ppf([levels]), quantiles)
        np.testing.assert_array_equal(found.median(), quantiles[:, 1])
        interval = np.stack(found.interval(0.8), axis=1)
        expected = model.predict_interval(X, 0.8, **known)
        np.testing.assert_array_equal(interval, expected)
        below = np.stack([model.cdf(X, column, **known) for column in y.T], axis=1)
        np.testing.assert_allclose(found.cdf(y), below, **same)


def test_experts_in_place_of_the_gate(fitted):
    model, known = fitted["normal"]
    first = np.tile([1.0, 0.0], (300, 1))
    found = model.predictive(X, **known, expert_proba=first)
    experts, _ = by_hand(model, "normal", **known)
    np.testing.assert_allclose(found.ppf(0.2), experts[0].ppf(0.2))
    np.testing.assert_allclose(found.var(), experts[0].var())


def test_several_outputs_each_and_together():
    y = np.column_stack([LINE, -LINE]) + 0.3 * RNG.standard_normal((300, 2))
    model = MixtureOfLinearExperts(2, random_state=0).fit(X, y)
    found = model.predictive(X)
    assert found.shape == (300, 2)
    np.testing.assert_array_equal(found.mean(), model.predict(X))
    np.testing.assert_array_equal(found.std(), model.predict(X, return_std=True)[1])
    np.testing.assert_array_equal(found.cdf(y), model.cdf(X, y))
    np.testing.assert_array_equal(found.cdf(y[..., None])[..., 0], model.cdf(X, y))
    np.testing.assert_array_equal(found.logpdf(y), model.score_samples(X, y))
    quantiles = model.predict_quantile(X, [0.2, 0.7])
    np.testing.assert_array_equal(found.ppf([[[0.2, 0.7]]]), quantiles)
    q = np.stack([np.full(300, 0.2), np.full(300, 0.7)], axis=1)
    expected = np.stack([quantiles[:, 0, 0], quantiles[:, 1, 1]], axis=1)
    np.testing.assert_allclose(found.ppf(q), expected, rtol=1e-14)
    assert found.rvs().shape == (300, 2) and found.rvs(5).shape == (300, 2, 5)
    drawn = model.sample(X, 5, random_state=0)
    np.testing.assert_array_equal(found.rvs(5, random_state=0), drawn)


@pytest.mark.parametrize("background", [False, True])
def test_experts_without_coefficients_have_moments_and_quantiles(background):
    rng = np.random.default_rng(0)
    y = np.where(rng.uniform(size=300) < 0.3, 0.0, LINE + 0.3 * rng.normal(size=300))
    options = {"point_mass": 0.0, "background": background}
    model = MixtureOfLinearExperts(2, random_state=0, **options).fit(X, y)
    found = model.predictive(X)
    assert found.point_mass == 0.0 and linear().predictive(X).point_mass is None
    q = rng.uniform(0.001, 0.999, 300)
    at = found.ppf(q)
    jump = model.gate_proba(X)[:, 2] * (at == 0)
    below = found.cdf(at)
    assert ((below >= q - 1e-12) & (below - jump <= q + 1e-12)).all()
    assert (at == 0).any() and (at != 0).any()
    drawn = model.predictive(X[:1]).rvs(200_000, random_state=0)
    assert found.std()[0] == pytest.approx(drawn.std(), rel=0.01)
    np.testing.assert_array_equal(found.std(), model.predict(X, return_std=True)[1])


def test_density_integrates_to_one(fitted):
    found = fitted["gamma"][0].predictive(X[:1])
    y = np.linspace(1e-9, found.ppf(1 - 1e-9)[0], 20_001)
    assert integrate.simpson(found.pdf(y[None])[0], x=y) == pytest.approx(1, abs=1e-6)
    found = fitted["negative_binomial"][0].predictive(X[:1])
    assert found.pmf(np.arange(500)[None]).sum() == pytest.approx(1)


def test_some_rows_are_those_rows(fitted):
    for model, known in fitted.values():
        found = model.predictive(X, **known)
        assert len(found) == 300 and len(found[5]) == 1
        for rows in (slice(3, 9), [7, 2], np.arange(300) % 3 == 0):
            np.testing.assert_allclose(found[rows].mean(), found.mean()[rows])
            expected = found.ppf(0.8)[rows]
            np.testing.assert_allclose(found[rows].ppf(0.8), expected)


@pytest.mark.parametrize("rows", [[], slice(5, 5), np.zeros(300, bool)])
def test_no_rows_are_refused(rows, fitted):
    model, known = fitted["normal"]
    with pytest.raises(ValueError, match="rows=.* none of the 300 rows; select at le"):
        model.predictive(X, **known)[rows]


def test_t_noise_without_a_variance():
    found = linear(noise_df=1.5).predictive(X)
    assert np.isinf(found.var()).all() and np.isfinite(found.mean()).all()


def test_is_of_the_model_as_it_was():
    model = linear()
    found = model.predictive(X)
    before = found.mean()
    model.fit(X, -LINE)
    np.testing.assert_array_equal(found.mean(), before)
    assert repr(found) == "PredictiveDistribution(shape=(300,), n_experts=2)"


def test_values_that_cannot_be_are_errors(fitted):
    normal, poisson = (fitted[name][0].predictive(X) for name in ("normal", "poisson"))
    shapes = r"has shape \(7,\); give .* \(300,\).* \(300, r\) or \(1, r\)"
    with pytest.raises(ValueError, match=f"y {shapes}"):
        normal.cdf(np.zeros(7))
    with pytest.raises(ValueError, match=f"q {shapes}"):
        normal.ppf(np.full(7, 0.5))
    with pytest.raises(ValueError, match="y has shape"):
        normal.pdf(np.zeros((300, 2, 2)))
    for q in (0, 1.0, [[0.5, np.nan]]):
        with pytest.raises(ValueError, match="q=.* is no probability"):
            normal.ppf(q)
    with pytest.raises(ValueError, match="confidence="):
        normal.interval(1.0)
    with pytest.raises(ValueError, match="y contains NaN or infinite"):
        normal.cdf(np.nan)
    with pytest.raises(ValueError, match="y is a str whose values are no numbers"):
        normal.cdf("a")
    with pytest.raises(ValueError, match="size=0 is no number of draws"):
        normal.rvs(0)
    with pytest.raises(ValueError, match="y has the value 0.5, which is no count"):
        poisson.pmf(0.5)
    with pytest.raises(ValueError, match="y has a negative value"):
        poisson.cdf(-1)
    binomial, known = fitted["binomial"]
    with pytest.raises(ValueError, match="of .* trials"):
        binomial.predictive(X, **known).pmf(21)
