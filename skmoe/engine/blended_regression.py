"""Maximum likelihood on blended moments by Newton's method, to the end.

The projection of a gate and of logistic experts is a softmax regression on soft labels,
that of experts with a log link one in which each row comes twice.
"""

import numpy as np

from skmoe.data.design import block_rows, blocks_of
from skmoe.engine.curvature import DenseCurvature, SoftmaxCurvature
from skmoe.engine.softmax import logsumexp, softmax_in_place

_SUFFICIENT_DECREASE, _MAX_HALVINGS = 1e-4, 30
_ROUNDING = 1e-13


def newton(loss, penalty, coef, max_iter, tol=0.0):
    """Coefficients (q, p) after at most `max_iter` Newton steps from `coef`.

    A line search keeps loss and penalty from rising; the steps end once the predicted
    decrease of one is at most `tol`.

    Parameters
    ----------
    loss : SoftLabels or TwiceSeen, or an object with their `value` and `slope`
    penalty : Penalty
    """
    value = loss.value(coef) + penalty.value(coef)
    for _ in range(max_iter):
        score, curvature = loss.slope(coef)
        step = penalty.solve(curvature, score, coef)
        rough = penalty.rough_value(coef) - penalty.rough_value(coef + step)
        decrease = rough + np.vdot(score - penalty.ridge * coef, step)
        if decrease <= tol:
            break
        if decrease <= _ROUNDING * max(1.0, abs(value)):
            # Too small for the line search to see; Newton's method is safe here.
            coef = coef + step
            continue
        for length in 0.5 ** np.arange(_MAX_HALVINGS):
            trial = coef + length * step
            trial_value = loss.value(trial) + penalty.value(trial)
            if trial_value <= value - _SUFFICIENT_DECREASE * length * decrease:
                break
        else:
            break
        coef, value = trial, trial_value
    return coef


class SoftLabels:
    """Softmax regression, sum_i [ a_i lse(B V x_i) - s_i <t_i, B V x_i> ].

    Each value and slope is one pass over the rows; ``s_i sum_c t_ic = a_i``.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    mass : ndarray `a` of shape (n,)
    target : ndarray `t` of shape (C, n)
    contrasts : ndarray `B` of shape (C, q)
    dense : bool, whether the (q * p, q * p) curvature may be stored
    scale : ndarray `s` of shape (n,) or 1.0
        Factor of the target, so that a large one need not be copied.
    closed : ndarray of bool of shape (C, n), default=None
        Categories that a row cannot have; their target is 0.
    exact : bool, default=False
        Solve Newton systems that are not stored to the end.
    offset : ndarray of shape (C, n), default=None
        Known part of the logits.
    """

    def __init__(
        self,
        design,
        mass,
        target,
        contrasts,
        dense,
        scale=1.0,
        closed=None,
        exact=False,
        offset=None,
    ):
        self.design, self.mass, self.target = design, mass, target
        self.contrasts, self.dense, self.exact = contrasts, dense, exact
        self.scale, self.closed = np.broadcast_to(scale, mass.shape), closed
        self.offset = offset
        self.blocks = blocks_of(design.n_rows, block_rows(design.row_size))

    def value(self, coef):
        """Loss at coefficients (q, p), a float."""
        total = 0.0
        for rows in self.blocks:
            logits = self._logits(self.design.block(rows), coef, rows)
            total -= np.vdot(self._scaled_target(rows), logits)
            total += self.mass[rows] @ logsumexp(self._open(logits, rows))
        return total

    def slope(self, coef):
        """Minus the gradient (q, p), and the curvature."""
        score = np.zeros_like(coef)
        total = SoftmaxCurvature(self.design, self.mass, self.contrasts, self.dense)
        for rows in self.blocks:
            block = self.design.block(rows)
            local = self._open(self._logits(block, coef, rows), rows)
            softmax_in_place(local)
            lack = self._scaled_target(rows) - self.mass[rows] * local
            score += block.adjoint(self.contrasts.T @ lack)
            total.add(rows, block, local)
        return score, total.collected(self.exact)

    def _logits(self, block, coef, rows):
        """Logits of a block of rows, (C, b)."""
        logits = block.dot(self.contrasts @ coef)
        return logits if self.offset is None else logits + self.offset[:, rows]

    def _open(self, logits, rows):
        """Logits (C, b) without those of closed categories, in place."""
        if self.closed is not None:
            logits[self.closed[:, rows]] = -np.inf
        return logits

    def _scaled_target(self, rows):
        """Target of a slice of rows, (C, b)."""
        return self.scale[rows] * self.target[:, rows]


class TwiceSeen:
    """Rows of one expert, each with its target and with the mean the model gave it.

    Targets enter the log-density of a log link by their means, but for terms of the
    dispersion alone.  The loss is multiplied by the dispersion.

    Parameters
    ----------
    distribution : LogLink
    block : all rows of the design
    mass : ndarray of shape (2, n), eta times the posterior's and 1 - eta the model's
    target : ndarray of shape (..., 2, n), targets and the model's means
    dispersion : float
    """

    def __init__(self, distribution, block, mass, target, dispersion):
        self.distribution, self.block, self.dispersion = distribution, block, dispersion
        self.mass, self.target = mass, target

    def value(self, coef):
        """Loss at coefficients (1, p), a float."""
        return -self.dispersion * np.vdot(self.mass, self._at(coef).log_density)

    def slope(self, coef):
        """Weighted residuals times features (1, p), and the curvature."""
        local = self._at(coef)
        residual, weight = local.residual()[:, 0], local.curvature()[:, 0]
        score = self.block.adjoint((self.mass * residual).sum(axis=0)[None])
        gram = self.block.gram((self.mass * weight).sum(axis=0)[None])
        return score, DenseCurvature(gram[0])

    def deviance(self, coef):
        """Weighted deviance, a float."""
        return np.vdot(self.mass, self._at(coef).deviance()[:, 0])

    def _at(self, coef):
        """The distribution's rows."""
        dispersion = np.full((1, 1), self.dispersion)
        predictor = self.block.predictor(coef)[None]
        return self.distribution.at(predictor, self.target, dispersion)
