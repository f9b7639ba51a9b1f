"""Gamma functions of large arguments, less the large part that would cancel."""

import numpy as np
from scipy.special import gammaln, polygamma, psi, xlogy

# From here on asymptotic series are exact to rounding.
LARGE = 40.0
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


def stirling(a):
    """``lgamma(a)`` less ``(a - 1/2) log(a) - a + log(2 pi) / 2``, of large a."""
    return (1 / 12 - (1 / 360 - 1 / (1260 * a * a)) / (a * a)) / a


def log_gamma_gap(a):
    """``a log(a) - a - lgamma(a)``."""
    large = 0.5 * np.log(a) - _HALF_LOG_2PI - stirling(np.maximum(a, LARGE))
    return np.where(a < LARGE, xlogy(a, a) - a - gammaln(a), large)


def log_less_psi(a):
    """``log(a) - psi(a)``."""
    return np.where(a < LARGE, np.log(a) - psi(a), 0.5 / a + _psi_series(a))


def psi_tail(a):
    """``log(a) - psi(a)`` less ``1 / (2 a)``."""
    return np.where(a < LARGE, np.log(a) - psi(a) - 0.5 / a, _psi_series(a))


def trigamma_excess(a):
    """``a psi'(a) - 1``."""
    large = 0.5 / a + a * _trigamma_series(a)
    return np.where(a < LARGE, a * polygamma(1, a) - 1, large)


def trigamma_tail(a):
    """``psi'(a)`` less ``1 / a + 1 / (2 a^2)``."""
    near = polygamma(1, a) - (1 + 0.5 / a) / a
    return np.where(a < LARGE, near, _trigamma_series(a))


def _psi_series(a):
    """`psi_tail` of large a."""
    b = 1 / np.square(np.maximum(a, LARGE))
    return b * (1 / 12 - b * (1 / 120 - b * (1 / 252 - b / 240)))


def _trigamma_series(a):
    """`trigamma_tail` of large a."""
    b = 1 / np.square(np.maximum(a, LARGE))
    series = 1 / 6 - b * (1 / 30 - b * (1 / 42 - b / 30))
    return series * b / np.maximum(a, LARGE)


def log1p_gap(t, log1p=None):
    """``t - log1p(t)`` for t > -1; `log1p` is that of t where t rounds to -1."""
    r = t / (2 + t)
    square, series = np.square(r), 0.0
    # log1p(t) = 2 artanh(r), and t = 2 r + r t.
    for odd in (15, 13, 11, 9, 7, 5, 3):
        series = 1 / odd + square * series
    near = r * (t - 2 * square * series)
    far = np.log1p(np.maximum(t, -0.5))
    if log1p is not None:
        far = np.where(t < -0.5, log1p, far)
    return np.where(np.abs(t) < 0.1, near, t - far)
