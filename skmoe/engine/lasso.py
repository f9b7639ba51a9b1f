"""Quadratic model and lasso: coordinate descent that ends by Newton steps.

Sweeps (Friedman, Hastie and Tibshirani 2010) find which coefficients are zero; a
Newton step on the others, up to the first change of sign, ends what sweeps would only
approach.
"""

import numpy as np
from scipy.linalg import lapack

# Outer iterations repair what is left.
_MAX_ROUNDS = 50
_TOL = 1e-12


def lasso_step(matrix, score, lasso, coef):
    """Minimiser of ``step' matrix step / 2 - score' step + lasso |coef + step|``.

    Parameters
    ----------
    matrix : ndarray of shape (P, P), positive semidefinite
    score, lasso, coef : ndarray of shape (P,)
    """
    value, slope = coef.copy(), -score
    scale = _TOL * max(np.abs(score).max(), lasso.max())
    for _ in range(_MAX_ROUNDS):
        _sweep(matrix, lasso, value, slope)
        _newton(matrix, lasso, value, slope)
        at_zero = np.abs(slope) - lasso
        excess = np.where(value == 0, at_zero, np.abs(slope + lasso * np.sign(value)))
        if excess.max() <= scale:
            break
    return value - coef


def _sweep(matrix, lasso, value, slope):
    """Minimise in each coefficient in turn; `value` and `slope` in place."""
    for j, curvature in enumerate(matrix.diagonal().tolist()):
        if curvature <= 0:
            continue
        old, threshold = value[j], lasso[j] / curvature
        target = old - slope[j] / curvature
        new = np.sign(target) * max(abs(target) - threshold, 0.0)
        if new != old:
            value[j] = new
            slope += (new - old) * matrix[j]


def _newton(matrix, lasso, value, slope):
    """Minimise in all coefficients that are not zero, as far as signs allow."""
    support = np.flatnonzero((value != 0) | (lasso == 0))
    if not support.size:
        return
    signs = np.sign(value[support])
    score = -slope[support] - lasso[support] * signs
    _, step, info = lapack.dposv(matrix[np.ix_(support, support)], score)
    if info:
        return
    crossing = (lasso[support] > 0) & ((value[support] + step) * signs < 0)
    share = -value[support] / np.where(crossing, step, 1.0)
    length = share[crossing].min(initial=1.0)
    value[support] += length * step
    if crossing.any():
        value[support[crossing & (share == length)]] = 0.0
    slope += matrix[:, support] @ (length * step)
