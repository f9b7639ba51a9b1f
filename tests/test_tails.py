"""Logarithms of tails by mpmath, in the middle and where the tails underflow."""

import mpmath
import numpy as np
import pytest

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
    """Equal to the last digits of the logarithms, or nearly."""
    np.testing.assert_allclose(found, np.array(expected, float).T, rtol=1e-13)


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
