"""Confidence intervals that stay in range."""

import numpy as np
from scipy import stats
from scipy.special import expit, logit


def intervals(estimate, standard_error, scales, level):
    """Ends of intervals, arrays of one shape (...) -> (..., 2).

    Normal on the scales 'identity', 'log' or 'logit', an array that broadcasts; what
    lies at an end of its range keeps the estimate.
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} is no coverage; give one in (0, 1).")
    reach = stats.norm.isf((1 - level) / 2) * standard_error
    reach = reach[..., None] * [-1.0, 1.0]
    estimate, scales = estimate[..., None], np.asarray(scales)[..., None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        on_log = estimate * np.exp(reach / estimate)
        slope = estimate * (1 - estimate)
        on_logit = expit(logit(estimate) + reach / slope)
    on_log = np.where(reach == 0, estimate, on_log)
    on_logit = np.where(reach == 0, estimate, on_logit)
    return np.select(
        [scales == "log", scales == "logit"], [on_log, on_logit], estimate + reach
    )
