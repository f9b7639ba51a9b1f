"""Distributions one by one, beside SciPy's and finite differences."""

import numpy as np
import pytest
from scipy import stats

from skmoe.distributions import (
    Binomial,
    Categorical,
    CensoredNormal,
    Gamma,
    LogLink,
    NegativeBinomial,
    Normal,
    Poisson,
)
from skmoe.distributions.bulk import bulk_variance
from skmoe.distributions.fixed import Flat

DISTRIBUTIONS = {
    "normal": Normal(2),
    "binomial": Binomial(),
    "two classes": Categorical(2),
    "three classes": Categorical(3),
    "poisson": LogLink(Poisson()),
    "gamma": LogLink(Gamma()),
    "negative binomial": NegativeBinomial(),
}


def predictors(distribution, seed):
    """Predictors of two experts and five rows, (2, q, 5); logits of all classes."""
    n_classes = getattr(distribution, "n_categories", 0)
    n_predictors = n_classes if n_classes > 2 else distribution.n_predictors
    return np.random.default_rng(seed).standard_normal((2, n_predictors, 5))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_slopes_of_means_are_differences(name):
    distribution, step = DISTRIBUTIONS[name], 1e-6
    at = predictors(distribution, 0)
    slope = distribution.mean_slope(distribution.mean(at.copy()))
    mean = distribution.mean(at.copy())
    assert slope.shape == (2, mean.shape[1], at.shape[1], 5)
    for j in range(at.shape[1]):
        ends = [at.copy(), at.copy()]
        ends[0][:, j] -= step
        ends[1][:, j] += step
        low, high = map(distribution.mean, ends)
        np.testing.assert_allclose(slope[:, :, j], (high - low) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_changes_of_slopes_are_differences(name):
    distribution, step = DISTRIBUTIONS[name], 1e-6
    at, along = predictors(distribution, 0), predictors(distribution, 1)
    means = [distribution.mean(at + sign * step * along) for sign in (-1, 0, 1)]
    low, _, high = map(distribution.mean_slope, means)
    change = (means[2] - means[0]) / (2 * step)
    found = distribution.mean_slope_change(means[1], change)
    assert found.shape == low.shape
    np.testing.assert_allclose(found, (high - low) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("is_discrete", [False, True])
def test_a_flat_background_is_the_uniform_distribution(is_discrete):
    low, high = np.array([-2.0]), np.array([3.0])
    flat = Flat(low, high, is_discrete)
    y = np.array([[-3.0, -2.0, -1.0, 0.5, 3.0, 4.0]])
    if is_discrete:
        other, density = stats.randint(-2, 4), stats.randint(-2, 4).pmf
        y = np.floor(y)
    else:
        other, density = stats.uniform(-2, 5), stats.uniform(-2, 5).pdf
    np.testing.assert_allclose(flat.cdf(y), other.cdf(y), atol=1e-15)
    np.testing.assert_allclose(flat.sf(y), other.sf(y), atol=1e-15)
    np.testing.assert_allclose(np.exp(flat.log_density(y)), density(y)[0], atol=1e-15)
    np.testing.assert_allclose(flat.density(y[0]), density(y)[0], atol=1e-15)
    levels = np.array([0.01, 0.3, 0.5, 0.77, 0.99])
    np.testing.assert_allclose(flat.quantile(levels), other.ppf(levels), atol=1e-14)
    assert flat.mean[0] == other.mean()
    assert flat.variance[0] == pytest.approx(other.var())
    drawn = flat.sample((4000, 1), np.random.default_rng(0))
    fractions = np.array([(drawn <= level).mean() for level in y[0]])
    np.testing.assert_allclose(fractions, other.cdf(y[0]), atol=0.03)


@pytest.mark.parametrize("name", ["poisson", "gamma", "negative binomial"])
def test_rows_out_of_reach_have_the_least_density(name):
    """The gate decides where no expert can have a row."""
    distribution = DISTRIBUTIONS[name]
    predictor = np.array([[[1.0, 800.0]], [[2.0, 1e4]]])
    target = np.array([[1.0, 5.0]])
    dispersion = np.ones((2, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        found = distribution.far_log_density(predictor, target, dispersion)
        near = distribution.at(predictor.copy(), target, dispersion).log_density
    np.testing.assert_allclose(found[:, 0], near[:, 0])
    assert (found[:, 1] < -500).all() and np.isfinite(found).all()


def test_far_intervals_are_as_far_as_their_nearer_end():
    censored, normal = CensoredNormal(), Normal(1)
    predictor, dispersion = (
        np.array([[[0.0, 0.0, 5.0]], [[1.0, 1.0, 6.0]]]),
        np.ones((2, 1)),
    )
    lower, upper = np.array([1e200, -np.inf, 4.0]), np.array([np.inf, -1e200, 9.0])
    target = np.stack(
        [np.array([1e200, -1e200, 4.0]), lower, upper, np.full(3, -np.inf)]
    )
    found = censored.far_log_density(predictor, target, dispersion)
    ends = np.clip(predictor, lower, upper)
    np.testing.assert_array_equal(
        found, normal.far_log_density(predictor, ends, dispersion)
    )
    assert np.isfinite(found).all() and (found[:, :2] < found[:, 2:]).all()
    known = censored.far_log_density(predictor, target[:1], dispersion)
    np.testing.assert_array_equal(
        known, normal.far_log_density(predictor, target[:1], dispersion)
    )


def test_a_bulk_of_one_value_has_the_variance_of_all_rows():
    rng = np.random.default_rng(0)
    y = np.stack(
        [np.where(rng.random(1000) < 0.6, 0.0, 5.0), rng.standard_normal(1000)]
    )
    found = bulk_variance(y, np.ones(1000))
    assert found[0] == 1
    assert found[1] == pytest.approx(1, abs=0.1)
