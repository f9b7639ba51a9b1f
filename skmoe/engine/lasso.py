"""Quadratic model and lasso: coordinate descent that ends by Newton steps.

Most coefficients are zero and stay it.  Those that are not, and some whose slope says
that they should not be, are a working set, for which the problem is solved as if there
were no others; more join until the slopes of all others agree (Massias, Gramfort and
Salmon 2018).  Within it sweeps (Friedman, Hastie and Tibshirani 2010) find which
coefficients are zero; Newton steps on the others, along which those that would change
sign become zero, end what sweeps would only approach.
"""

import numpy as np
from scipy.linalg import lapack

# Outer iterations repair what is left.
_MAX_SETS, _MAX_ROUNDS = 100, 50
_TOL = 1e-12
# Relative damping where there are more coefficients than rows.
_DAMPING = 1e-9
# So many coefficients need no working set, and cost little to the end; to one join as
# many as there are in it that are not zero, or so many.  It is solved for up to this
# share of the largest excess.
_SMALL, _LEAST, _WITHIN_SET = 50, 30, 0.3


def lasso_step(matrix, score, lasso, coef, left=0.0):
    """Minimiser of ``step' matrix step / 2 - score' step + lasso |coef + step|``.

    Parameters
    ----------
    matrix : ndarray of shape (P, P), positive semidefinite
    score, lasso, coef : ndarray of shape (P,)
    left : float, default=0.0
        How far slopes may be from the minimum's, see `excesses`; those of few
        coefficients never are.
    """
    if coef.size <= _SMALL:
        return _step_within(matrix, score, lasso, coef, _rounding(score, lasso))

    def solve(chosen, score, before, left):
        own = matrix[np.ix_(chosen, chosen)], score[chosen], lasso[chosen]
        step = np.zeros_like(before)
        step[chosen] = _step_within(*own, before[chosen], left)
        return step

    return by_working_sets(lambda step: matrix @ step, solve, score, lasso, coef, left)


def by_working_sets(product, solve, score, lasso, coef, left=0.0):
    """As `lasso_step`, of a matrix that is known by its products with steps (P,).

    `solve(chosen, score, coef, left)` gives the step from `coef` of some coefficients
    (index array), the others being zero.
    """
    left = max(left, _rounding(score, lasso))
    step, slope = np.zeros_like(coef), -score
    for _ in range(_MAX_SETS):
        excess = excesses(coef + step, slope, lasso)
        worst = excess.max(initial=0.0)
        if worst <= left:
            break
        chosen = _working_set(coef + step, excess, left)
        within = max(left, _WITHIN_SET * worst)
        step = step + solve(chosen, -slope, coef + step, within)
        slope = product(step) - score
    return step


def excesses(value, slope, lasso):
    """How far each coefficient is from its optimum given the others, as a slope."""
    at_zero = np.abs(slope) - lasso
    return np.where(value == 0, at_zero, np.abs(slope + lasso * np.sign(value)))


def _rounding(score, lasso):
    """Slope that counts as none."""
    return _TOL * max(np.abs(score).max(), lasso.max())


def _working_set(value, excess, left):
    """Coefficients to be solved for next, indices."""
    is_in = value != 0
    joining = np.flatnonzero(~is_in & (excess > left))
    room = max(_LEAST, np.count_nonzero(is_in))
    if joining.size > room:
        joining = joining[np.argpartition(-excess[joining], room)[:room]]
    is_in[joining] = True
    return np.flatnonzero(is_in)


def _step_within(matrix, score, lasso, coef, left):
    """As `lasso_step`, by sweeps and Newton steps over all coefficients."""
    value, slope = coef.copy(), -score
    for _ in range(_MAX_ROUNDS):
        _sweep(matrix, lasso, value, slope)
        if excesses(value, slope, lasso).max() <= left:
            break
        while _newton(matrix, lasso, value, slope):
            pass
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
    """Minimise in all coefficients that are not zero, as far as signs allow.

    Whether some became zero, so that there may be more to gain.
    """
    support = np.flatnonzero((value != 0) | (lasso == 0))
    if not support.size:
        return False
    own, signs = matrix[np.ix_(support, support)], np.sign(value[support])
    score = -slope[support] - lasso[support] * signs
    _, step, info = lapack.dposv(own, score)
    if info:
        # Some of them can be moved to zero, and the predictors stay.
        own.ravel()[:: support.size + 1] += _DAMPING * own.diagonal().max()
        _, step, info = lapack.dposv(own, score)
    if info:
        return False
    crossing = (lasso[support] > 0) & ((value[support] + step) * signs < 0)
    if crossing.any():
        step = _within_signs(own, score, value[support], step, crossing)
    value[support] += step
    slope += matrix[:, support] @ step
    return bool(crossing.any())


def _within_signs(matrix, score, value, step, crossing):
    """The best of some points along a step that end at zero where a sign would change.

    After the first change of sign, the second, the fourth and so on, or after all.
    """
    share = np.full(step.size, np.inf)
    share[crossing] = -value[crossing] / step[crossing]
    order = np.sort(share[crossing])
    number = 2 ** np.arange(order.size.bit_length()) - 1
    length = np.append(order[number], 1.0)[:, None]
    parts = np.where(share <= length, -value, length * step)
    losses = 0.5 * np.einsum("ij,ij->i", parts @ matrix, parts) - parts @ score
    return parts[losses.argmin()]
