"""Logarithms of tails by mpmath, in the middle and where the tails underflow."""

import mpmath
import numpy as np
import pytest
from scipy.special import betaln

from skmoe import MixtureOfLinearExperts
from skmoe.distributions import StudentT
from skmoe.distributions.tails import log_beta_tails, log_gamma_tails

SHAPES = [0.3, 1.0, 2.5, 40.0, 700.0]
# Logarithms of odds or of x, above those of the mean: some have tails below 1e-290.
AWAY = [-690.0, -400.0, -60.0, -3.0, -0.1, 0.0, 0.2, 4.0, 50.0, 690.0]


def logs_of(below, above):
    """Logarithms of two tails, to the digits that these have."""
    if below < above:
        return [mpmath.log(below), mpmath.log1p(-below)]
    return [mpmath.log1p(-above), mpmath.log(above)]


def assert_like(found, expected):
    """Equal to eleven digits of the logarithms; SciPy 1.11 has no more."""
    np.testing.assert_allclose(found, np.array(expected, float).T, rtol=5e-12)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_beta_tails_are_those_of_mpmath(a, b):
    pairs, expected = [], []
    with mpmath.workdps(50):
        for away in AWAY:
            odds = mpmath.exp(away) * a / b
            pairs.append([float(odds / (1 + odds)), float(1 / (1 + odds))])
            x, rest = map(mpmath.mpf, pairs[-1])
            below = mpmath.betainc(a, b, 0, x, regularized=True)
            above = mpmath.betainc(b, a, 0, rest, regularized=True)
            expected.append(logs_of(below, above))
    assert_like(log_beta_tails(a, b, np.transpose(pairs)), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_tails_are_those_of_mpmath(shape):
    x = [shape * np.exp(away) for away in AWAY if away < 40]
    x += [shape + 60 * np.sqrt(shape), 3 * shape + 800]
    with mpmath.workdps(50):
        expected = [
            logs_of(
                mpmath.gammainc(shape, 0, at, regularized=True),
                mpmath.gammainc(shape, at, regularized=True),
            )
            for at in map(mpmath.mpf, x)
        ]
    assert_like(log_gamma_tails(shape, x), expected)


# From the middle to where SciPy's probabilities, and then squares, overflow.
FAR = [0, 1e-300, 1e-8, 0.1, 0.9, 1, 3, 30, 1e4, 1e9, 1e12, 1e100, 1e154, 1e200]


@pytest.mark.parametrize("df", [0.01, 0.7, 1.5, 4, 30, 300])
def test_student_tails_are_those_of_mpmath(df):
    distribution, t, expected = StudentT(df), np.array(FAR, float), []
    with mpmath.workdps(50):
        for square in (mpmath.mpf(at) ** 2 for at in FAR):
            x = df / (df + square)
            above = mpmath.betainc(df / 2, 0.5, 0, x, regularized=True) / 2
            expected.append(logs_of(1 - above, above))
    below, above = distribution._log_tails(t)
    assert_like((below, above), expected)
    assert_like(distribution._log_tails(-t), np.array(expected)[:, ::-1])
    seen = above > -600
    np.testing.assert_allclose(distribution._cdf(-t)[seen], np.exp(above)[seen], 1e-12)
    np.testing.assert_allclose(distribution._cdf(t), np.exp(below), 1e-12)


def test_student_tails_of_many_degrees_of_freedom_are_nearly_normal():
    t = np.array([40.0, 60.0, 100.0])
    above = StudentT(1e9)._log_tails(t)[1]
    # Of the difference of the logarithms the first term is left, t^4 / (4 df).
    expected = [mpmath.log(mpmath.ncdf(-at)) + at**4 / 4e9 for at in t]
    np.testing.assert_allclose(above, np.array(expected, float), rtol=1e-7)


def test_predictive_tails_of_t_noise_are_powers():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (100, 1))
    y = 3 * np.abs(X[:, 0]) + 0.3 * rng.standard_normal(100)
    model = MixtureOfLinearExperts(2, noise_df=30, random_state=0).fit(X, y)
    tail = model.predictive(X).logsf([[1e9, 1e10, 1e11, 1e12]])
    np.testing.assert_allclose(np.diff(tail), -30 * np.log(10), rtol=1e-7)
    model.set_params(noise_df=1.5).fit(X, y)
    found, scale = model.predictive(X), np.sqrt(model.noise_variance_)
    # log P(Y > y) = level - df log(y), beyond the bulk.
    weight = (model.gate_proba(X) * scale**1.5).sum(axis=1)
    level = np.log(weight / 1.5) + 0.75 * np.log(1.5) - betaln(0.75, 0.5)
    for at in (1e100, 1e154, 1e200):
        expected = level - 1.5 * np.log(at)
        np.testing.assert_allclose(found.logsf(at), expected, rtol=5e-12)
        np.testing.assert_allclose(found.logcdf(-at), expected, rtol=5e-12)
    for q in (1e-150, 1e-200, 1e-300):
        expected = np.exp((level - np.log(q)) / 1.5)
        np.testing.assert_allclose(found.isf(q), expected, rtol=1e-12)
        np.testing.assert_allclose(found.ppf(q), -expected, rtol=1e-12)
