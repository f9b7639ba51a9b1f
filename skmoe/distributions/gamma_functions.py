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
    b = 1 / np.square(np.maximum(a, LARGE))
    large = 0.5 / a + b * (1 / 12 - b * (1 / 120 - b / 252))
    return np.where(a < LARGE, np.log(a) - psi(a), large)


def trigamma_excess(a):
    """``a psi'(a) - 1``."""
    b = 1 / np.square(np.maximum(a, LARGE))
    large = 0.5 / a + b * (1 / 6 - b * (1 / 30 - b / 42))
    return np.where(a < LARGE, a * polygamma(1, a) - 1, large)
