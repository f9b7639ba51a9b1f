"""Confidence intervals that stay in range."""

from numbers import Real

import numpy as np
from scipy import stats
from scipy.special import expit


def intervals(estimate, standard_error, scales, level, rest=None):
    """Ends of intervals, arrays of one shape (...) -> (..., 2).

    Normal on the scales 'identity', 'log' or 'logit', an array that broadcasts; what
    lies at an end of its range keeps the estimate.  `rest` is what probabilities leave
    to 1, where it is known better than by subtraction.
    """
    if not (isinstance(level, Real) and 0 < level < 1):
        raise ValueError(f"level={level!r} is no coverage; give one in (0, 1).")
    reach = stats.norm.isf((1 - level) / 2) * standard_error
    reach = reach[..., None] * [-1.0, 1.0]
    estimate, scales = estimate[..., None], np.asarray(scales)[..., None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        on_log = estimate * np.exp(reach / estimate)
        rest = 1 - estimate if rest is None else rest[..., None]
        slope = estimate * rest
        on_logit = expit(np.log(estimate) - np.log(rest) + reach / slope)
    on_log = np.where(reach == 0, estimate, on_log)
    is_at_end = (reach == 0) | ((slope == 0) & ~np.isnan(reach))
    on_logit = np.where(is_at_end, estimate, on_logit)
    return np.select(
        [scales == "log", scales == "logit"], [on_log, on_logit], estimate + reach
    )


def rest_of(probability):
    """What probabilities (..., C), which sum to 1, leave to 1, to all digits."""
    largest = probability.argmax(axis=-1)[..., None]
    others = probability.copy()
    np.put_along_axis(others, largest, 0.0, axis=-1)
    rest = 1 - probability
    np.put_along_axis(rest, largest, others.sum(axis=-1, keepdims=True), axis=-1)
    return rest
