"""Quadratic model and lasso: coordinate descent that ends by Newton steps.

Most coefficients are zero and stay it.  Those that are not, and some whose slope says
that they should not be, are a working set, for which the problem is solved as if there
were no others; more join until the slopes of all others agree (Massias, Gramfort and
Salmon 2018).  Within it sweeps (Friedman, Hastie and Tibshirani 2010) find which
coefficients are zero; Newton steps on the others, up to changes of sign, end what
sweeps would only approach.
"""

import numpy as np
from scipy.linalg import lapack

# Outer iterations repair what is left.
_MAX_SETS, _MAX_ROUNDS = 100, 50
_TOL = 1e-12
# Relative damping where there are more coefficients than rows.
_DAMPING = 1e-9
# So many coefficients need no working set; one grows by this share of those in it that
# are not zero, or by so many.
_SMALL, _GROWTH, _LEAST = 50, 0.2, 10


def lasso_step(matrix, score, lasso, coef):
    """Minimiser of ``step' matrix step / 2 - score' step + lasso |coef + step|``.

    Parameters
    ----------
    matrix : ndarray of shape (P, P), positive semidefinite
    score, lasso, coef : ndarray of shape (P,)
    """
    if coef.size <= _SMALL:
        return _step_within(matrix, score, lasso, coef, _least(score, lasso))

    def solve(chosen, score, before):
        own = matrix[np.ix_(chosen, chosen)], score[chosen], lasso[chosen]
        step = np.zeros_like(before)
        step[chosen] = _step_within(*own, before[chosen], _least(score, lasso))
        return step

    return by_working_sets(lambda step: matrix @ step, solve, score, lasso, coef)


def by_working_sets(product, solve, score, lasso, coef):
    """As `lasso_step`, of a matrix that is known by its products with steps (P,).

    `solve(chosen, score, coef)` gives the step from `coef` of some coefficients
    (index array), the others being zero.
    """
    step, slope, least = np.zeros_like(coef), -score, _least(score, lasso)
    for _ in range(_MAX_SETS):
        chosen = _working_set(coef + step, slope, lasso, least)
        if chosen is None:
            break
        step = step + solve(chosen, -slope, coef + step)
        slope = product(step) - score
    return step


def _least(score, lasso):
    """Slope that counts as none."""
    return _TOL * max(np.abs(score).max(), lasso.max())


def _working_set(value, slope, lasso, scale):
    """Coefficients to be solved for next, indices; None once the optimum is found."""
    excess = _excesses(value, slope, lasso)
    if excess.max(initial=0.0) <= scale:
        return None
    is_in = value != 0
    joining = np.flatnonzero(~is_in & (excess > scale))
    room = max(_LEAST, int(_GROWTH * np.count_nonzero(is_in)))
    if joining.size > room:
        joining = joining[np.argpartition(-excess[joining], room)[:room]]
    is_in[joining] = True
    return np.flatnonzero(is_in)


def _excesses(value, slope, lasso):
    """How far each coefficient is from its optimum given the others, as a slope."""
    at_zero = np.abs(slope) - lasso
    return np.where(value == 0, at_zero, np.abs(slope + lasso * np.sign(value)))


def _step_within(matrix, score, lasso, coef, scale):
    """As `lasso_step`, by sweeps and Newton steps over all coefficients."""
    value, slope = coef.copy(), -score
    for _ in range(_MAX_ROUNDS):
        _sweep(matrix, lasso, value, slope)
        while _newton(matrix, lasso, value, slope):
            pass
        if _excesses(value, slope, lasso).max() <= scale:
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
    """The better of two parts of a step, at the end of which no sign has changed.

    To the first change of sign, or with all that would change set to zero.
    """
    share = -value / np.where(crossing, step, 1.0)
    length = share[crossing].min()
    first = length * step
    first[crossing & (share == length)] = -value[crossing & (share == length)]
    clipped = np.where(crossing, -value, step)
    losses = [0.5 * part @ matrix @ part - score @ part for part in (first, clipped)]
    return first if losses[0] <= losses[1] else clipped
