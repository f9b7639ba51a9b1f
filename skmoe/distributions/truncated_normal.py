"""The standard normal distribution in an interval: its probability and its moments.

Intervals are turned to the side where the density falls.  Where nothing cancels there
are closed forms; far out, and in narrow intervals, z is its lower end and a distance
whose density is ``exp(-lower t - t^2 / 2)``, a smooth function, which a quadrature rule
integrates to the last digits.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)

# Closed forms from this lower end on, for intervals that are not narrow; and, whatever
# the width, where the interval holds the centre.
_FAR, _WIDE, _CENTRAL = 4.0, 1.0, -1.0
# Ends beyond have no density, and powers of them would overflow.
_NO_DENSITY = 40.0
# Of the density's logarithm, where an integral stops.
_NEGLIGIBLE = 40.0


def _rule(n_nodes):
    """Nodes and weights of Gauss and Legendre, of the interval from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return 0.5 * (nodes + 1), 0.5 * weights


# Narrow intervals that are not far out, whose densities hardly change; and all.
_FEW_NODES, _NODES = _rule(12), _rule(32)


class Moments(NamedTuple):
    """Of z, standard normal, in an interval; all of one shape."""

    log_probability: np.ndarray  # that z is in it
    mean: np.ndarray
    variance: np.ndarray
    third: np.ndarray  # central moments
    fourth: np.ndarray


def truncated_moments(lower, upper, width):
    """`Moments` of intervals, arrays of one shape; lower < upper, one may be infinite.

    The width is given too: ends that are far out may not tell it.
    """
    is_left = -lower > upper
    lower, upper = np.where(is_left, -upper, lower), np.where(is_left, -lower, upper)
    is_wide = (width >= _WIDE) & (lower < _FAR)
    is_plain = is_wide | (lower <= _CENTRAL)
    is_near = ~is_plain & (lower < _FAR)
    kinds = (
        (is_plain, _closed),
        (is_near, partial(_integrated, _FEW_NODES)),
        (~(is_plain | is_near), partial(_integrated, _NODES)),
    )
    moments = Moments(*np.empty((5, *lower.shape)))
    for chosen, moments_of in kinds:
        if chosen.any():
            part = moments_of(lower[chosen], upper[chosen], width[chosen])
            for whole, values in zip(moments, part):
                whole[chosen] = values
    sign = np.where(is_left, -1.0, 1.0)
    return moments._replace(mean=sign * moments.mean, third=sign * moments.third)


def _closed(lower, upper, width):
    """Moments of intervals of some probability, on the right or about the centre.

    By the recursion of raw moments, ``E z^k = (k - 1) E z^(k - 2) + (lower^(k - 1)
    phi(lower) - upper^(k - 1) phi(upper)) / P``, where P is the probability.
    """
    log_probability = _log_probability(lower, upper)
    ends = np.clip(lower, -_NO_DENSITY, None), np.clip(upper, None, _NO_DENSITY)
    at_lower, at_upper = (_density_ratio(end, log_probability) for end in ends)
    raw = [np.ones_like(lower), at_lower - at_upper]
    for order in (2, 3, 4):
        at_lower, at_upper = at_lower * ends[0], at_upper * ends[1]
        raw.append((order - 1) * raw[order - 2] + at_lower - at_upper)
    _, mean, second, third, fourth = raw
    square = mean * mean
    return Moments(
        log_probability,
        mean,
        second - square,
        third - mean * (3 * second - 2 * square),
        fourth - mean * (4 * third - mean * (6 * second - 3 * square)),
    )


def _log_probability(lower, upper):
    """Of intervals that are wide, or hold the centre."""
    outside = np.exp(log_ndtr(lower)) + np.exp(log_ndtr(-upper))
    central = np.log1p(-np.minimum(outside, 1.0 - 1e-16))
    near, far = log_ndtr(-lower), log_ndtr(-upper)
    return np.where(lower < 0, central, near + np.log1p(-np.exp(far - near)))


def _density_ratio(end, log_probability):
    """Density at an end of intervals, over their probability."""
    return np.exp(-0.5 * end * end - _HALF_LOG_2PI - log_probability)


def _integrated(rule, lower, upper, width):
    """Moments of intervals on the right, integrals over the distance from an end."""
    root = np.sqrt(np.square(lower) + 2 * _NEGLIGIBLE)
    reach = np.minimum(width, 2 * _NEGLIGIBLE / (lower + root))
    nodes, weights = rule
    distance = nodes[:, None] * reach
    density = weights[:, None] * np.exp(-distance * (lower + 0.5 * distance))
    total = density.sum(axis=0)
    density /= total
    mean = (density * distance).sum(axis=0)
    distance -= mean
    central = []
    for _ in range(3):
        density *= distance
        central.append((density * distance).sum(axis=0))
    at_lower = -0.5 * np.square(lower) - _HALF_LOG_2PI
    log_probability = at_lower + np.log(reach * total)
    return Moments(log_probability, lower + mean, *central)
