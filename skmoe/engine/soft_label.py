"""Soft-label softmax regression: the projection of the gate and of logistic experts.

Minimises sum_i [ a_i lse(B V x_i) - <t_i, B V x_i> ] + penalty(V) over V, where
``sum_c t_ic = a_i``.  Newton steps with a line search, so the value never rises; the
Newton system is solved with a matrix or without one, as `dense` says.
"""

import numpy as np

from skmoe.engine.curvature import SoftmaxCurvature
from skmoe.engine.design import block_rows, blocks_of
from skmoe.engine.softmax import logsumexp, softmax_in_place

_SUFFICIENT_DECREASE = 1e-4
_MAX_HALVINGS = 30
_ROUNDING = 1e-13


def soft_label_regression(
    design,
    mass,
    target,
    coef,
    contrasts,
    penalty,
    *,
    dense,
    max_iter,
    tol=0.0,
    scale=1.0,
    closed=None,
    exact=False,
):
    """Coefficients V of shape (q, p) after at most `max_iter` Newton steps from `coef`.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    mass : ndarray `a` of shape (n,)
    target : ndarray `t` of shape (C, n)
    coef : ndarray of shape (q, p), the starting point
    contrasts : ndarray `B` of shape (C, q)
    penalty : Penalty
    dense : bool, whether the (q * p, q * p) curvature may be stored
    max_iter : int
    tol : float, stops once the predicted decrease of a Newton step is below it
    scale : ndarray of shape (n,) or 1.0
        Factor of the target, so that a large one need not be copied.
    closed : ndarray of bool of shape (C, n), default=None
        Categories that a row cannot have; their target is 0.
    exact : bool, default=False
        Solve Newton systems that are not stored to the end.
    """
    regression = _SoftLabelRegression(
        design, mass, target, contrasts, penalty, scale, closed
    )
    value = regression.value(coef)
    for _ in range(max_iter):
        gradient, curvature = regression.gradient_and_curvature(coef, dense, exact)
        step = penalty.solve(curvature, -gradient, coef)
        slope = gradient + penalty.ridge * coef
        rough = penalty.rough_value(coef) - penalty.rough_value(coef + step)
        decrease = rough - np.vdot(slope, step)
        if decrease <= tol:
            break
        if decrease <= _ROUNDING * max(1.0, abs(value)):
            # Too small for the line search to see; Newton's method is safe here.
            coef = coef + step
            continue
        length = 1.0
        for _ in range(_MAX_HALVINGS):
            trial = coef + length * step
            trial_value = regression.value(trial)
            if trial_value <= value - _SUFFICIENT_DECREASE * length * decrease:
                break
            length /= 2
        else:
            break
        coef, value = trial, trial_value
    return coef


class _SoftLabelRegression:
    """Value, gradient and curvature of the regression, each one pass over the rows."""

    def __init__(self, design, mass, target, contrasts, penalty, scale, closed):
        self.design, self.mass, self.target = design, mass, target
        self.contrasts, self.penalty = contrasts, penalty
        self.scale, self.closed = np.broadcast_to(scale, mass.shape), closed
        self.blocks = blocks_of(design.n_rows, block_rows(design.n_columns))

    def value(self, coef):
        """Objective at `coef`, a float."""
        total = self.penalty.value(coef)
        for rows in self.blocks:
            logits = self.design.block(rows).dot(self.contrasts @ coef)
            total -= np.vdot(self._scaled_target(rows), logits)
            total += self.mass[rows] @ logsumexp(self._open(logits, rows))
        return total

    def gradient_and_curvature(self, coef, dense, exact):
        """Gradient (q, p) and curvature at `coef`, without the penalty."""
        gradient = np.zeros_like(coef)
        total = SoftmaxCurvature(self.design, self.mass, self.contrasts, dense)
        for rows in self.blocks:
            block = self.design.block(rows)
            local = self._open(block.dot(self.contrasts @ coef), rows)
            softmax_in_place(local)
            excess = self.mass[rows] * local - self._scaled_target(rows)
            gradient += block.adjoint(self.contrasts.T @ excess)
            total.add(rows, block, local)
        return gradient, total.collected(exact)

    def _open(self, logits, rows):
        """Logits (C, b) without those of closed categories, in place."""
        if self.closed is not None:
            logits[self.closed[:, rows]] = -np.inf
        return logits

    def _scaled_target(self, rows):
        """Target of a slice of rows, (C, b)."""
        return self.scale[rows] * self.target[:, rows]
