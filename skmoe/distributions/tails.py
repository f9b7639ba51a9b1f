"""Logarithms of incomplete gamma and beta functions, where these underflow too."""

import numpy as np
from scipy.special import betainc, betaln, gammainc, gammaincc, gammaln, xlogy

TINY = 1e-290  # what SciPy gives below has lost digits, or is zero
_MAX_TERMS, _ROUNDING = 500, np.finfo(np.float64).eps


def log_tails(below, above):
    """Logarithms of probabilities of both sides, each from the smaller of the two.

    Of probabilities that have their digits where they are small.
    """
    with np.errstate(divide="ignore"):
        return (
            np.where(below > 0.5, np.log1p(-above), np.log(below)),
            np.where(above > 0.5, np.log1p(-below), np.log(above)),
        )


def log_gamma_tails(shape, x):
    """log P(a, x) and log Q(a, x), the regularised incomplete gamma functions."""
    shape, x = np.broadcast_arrays(np.asarray(shape, float), np.asarray(x, float))
    low, high = gammainc(shape, x), gammaincc(shape, x)
    below, above = log_tails(low, high)
    few = (low < TINY) & (x > 0)
    below[few] = _log_below(shape[few], x[few])
    few = (high < TINY) & np.isfinite(x)
    above[few] = _log_above(shape[few], x[few])
    return below, above


def log_beta_tails(a, b, x):
    """log I_x(a, b) and log I_{1-x}(b, a), the regularised incomplete beta function.

    `x` is a pair that sums to 1, so that neither loses digits.
    """
    a, b, x, rest = np.broadcast_arrays(a, b, *x)
    low, high = betainc(a, b, x), betainc(b, a, rest)
    below, above = log_tails(low, high)
    for found, small, arguments in (
        (below, low, (a, b, x, rest)),
        (above, high, (b, a, rest, x)),
    ):
        few = (small < TINY) & (arguments[2] > 0)
        found[few] = _log_beta(*(part[few] for part in arguments))
    return below, above


def _log_below(shape, x):
    """log P(a, x) far below a, by its series."""
    term, total = np.ones_like(x), np.ones_like(x)
    for n in range(1, _MAX_TERMS):
        term = term * x / (shape + n)
        total += term
        if (term <= _ROUNDING * total).all():
            break
    return xlogy(shape, x) - x - gammaln(shape + 1) + np.log(total)


def _log_above(shape, x):
    """log Q(a, x) far above a, by its continued fraction."""

    def terms(n):
        return -n * (n - shape), x + 2 * n + 1 - shape

    return xlogy(shape, x) - x - gammaln(shape) - _log_fraction(terms, x + 1 - shape)


def _log_beta(a, b, x, rest):
    """log I_x(a, b) far below the mean."""
    log_rest = np.where(rest > 0.5, np.log1p(-x), np.log(np.maximum(rest, TINY)))
    front = xlogy(a, x) + b * log_rest - betaln(a, b) - np.log(a)
    return front + log_beta_fraction(a, b, x)


def log_beta_fraction(a, b, x):
    """log of ``a B(a, b) I_x(a, b) / (x^a (1 - x)^b)``, far below the mean.

    By the continued fraction of the incomplete beta function.
    """

    def terms(n):
        m, is_odd = divmod(n, 2)
        if is_odd:
            factor = -(a + m) * (a + b + m) * x
            return factor / ((a + 2 * m) * (a + 2 * m + 1)), np.ones_like(x)
        return m * (b - m) * x / ((a + n - 1) * (a + n)), np.ones_like(x)

    return -_log_fraction(terms, np.ones_like(x))


def _log_fraction(terms, first):
    """log of ``b0 + a1 / (b1 + a2 / (b2 + ...))``, by Lentz's method.

    `terms(n)` are a_n and b_n, and `first` is b0.
    """
    found, ratio, inverse = first.copy(), first.copy(), np.zeros_like(first)
    for n in range(1, _MAX_TERMS):
        above, below = terms(n)
        inverse = 1 / _nonzero(below + above * inverse)
        ratio = _nonzero(below + above / ratio)
        found = found * ratio * inverse
        if (np.abs(ratio * inverse - 1) <= _ROUNDING).all():
            break
    return np.log(found)


def _nonzero(values):
    """Values, none of them exactly zero."""
    return np.where(values == 0, TINY, values)
