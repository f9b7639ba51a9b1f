"""How what a fitted model says of rows changes with its predictors and its columns.

With gate probabilities ``pi_k``, functions of the logits l of the branches, and means
``mu_k`` of predictors ``eta_k``, the mixture's mean is ``m = sum_k z_k`` with
``z_k = pi_k mu_k``, and

    dm / d l_r = sum of z_k below branch r - p_r * sum of z_k below its node,
    dm / d eta_k = pi_k mu_k'(eta_k),

where ``p_r`` is the probability of a branch given its node.  Both are functions of z,
p, pi and mu alone, so that their changes along a column of X follow by the product
rule.  The gate's probabilities are means, too, of experts that are 1 or 0.
"""

from typing import NamedTuple

import numpy as np


class Derivatives(NamedTuple):
    """Values of b rows, o of each, and their derivatives by the predictors."""

    value: np.ndarray  # (o, b)
    by_gate: np.ndarray  # by the logits of all branches, (o, R, b)
    by_experts: np.ndarray  # by the reported predictors, (o, K, q, b)


class MeanRows:
    """The mixture's mean of y, or class probabilities, of a block.

    Parameters
    ----------
    model : FittedModel, of which all experts count
    inputs : Inputs
    """

    def __init__(self, model, inputs):
        local = model.gate_rows(inputs)
        self.gate, self.probability = model.gate, local.probability
        self.branches = local.branch_probability().reshape(-1, inputs.X.shape[0])
        self.distribution, self.trials = model.distribution, inputs.trials
        # Of one trial, of the experts that have parameters.
        self.own_mean = self.distribution.mean(model.predictor(inputs))
        self.mean = model.expert_mean(inputs)  # (E, c, b)
        slope = self.distribution.mean_slope(self.own_mean)
        self.slope = self._of_all_trials(slope)  # (K, c, q, b)

    def derivatives(self):
        """Values and their derivatives."""
        mass = self.probability[:, None] * self.mean
        by_experts = self.probability[: len(self.slope), None, None] * self.slope
        by_gate = self._below(mass) - self.branches * self._below_nodes(mass)
        return Derivatives(mass.sum(axis=0), by_gate, np.moveaxis(by_experts, 1, 0))

    def along(self, gate_change, expert_change):
        """What values and derivatives change by along a line of predictors.

        Per unit of changes of the logits (R,) and of the experts' predictors (K, q).
        """
        expected = self.gate.siblings @ (self.branches * gate_change[:, None])
        excess = gate_change[:, None] - expected
        change = self.probability * (self.gate.paths @ excess)
        of_mean, bend = self._means_along(expert_change)
        own = slice(len(of_mean))
        mass = self.probability[:, None] * self.mean
        mass_change = change[:, None] * self.mean
        mass_change[own] += self.probability[own, None] * of_mean
        by_gate = self._below(mass_change)
        by_gate -= self.branches * self._below_nodes(mass_change)
        by_gate -= self.branches * excess * self._below_nodes(mass)
        by_experts = change[own, None, None] * self.slope
        by_experts += self.probability[own, None, None] * bend
        value = mass_change.sum(axis=0)
        return Derivatives(value, by_gate, np.moveaxis(by_experts, 1, 0))

    def _means_along(self, change):
        """What means (K, c, b) and slopes change by with the predictors (K, q)."""
        of_mean = np.einsum("kcqb,kq->kcb", self.slope, change)
        of_one = of_mean if self.trials is None else of_mean / self.trials
        bend = self.distribution.mean_slope_change(self.own_mean, of_one)
        return of_mean, self._of_all_trials(bend)

    def _below(self, mass):
        """Sums of (E, c, b) over the experts below each branch, (c, R, b)."""
        return np.einsum("kr,kcb->crb", self.gate.paths, mass)

    def _below_nodes(self, mass):
        """Sums of (E, c, b) over the experts below each branch's node, (c, R, b)."""
        return np.einsum("kr,kcb->crb", self.gate.paths @ self.gate.siblings, mass)

    def _of_all_trials(self, values):
        """Values of one trial times their number."""
        return values if self.trials is None else values * self.trials


class GateProbabilityRows(MeanRows):
    """Probabilities of the experts: means of experts that are 1 or 0, (E, b)."""

    def __init__(self, model, inputs):
        super().__init__(model, inputs)
        n_experts = len(self.probability)
        self.mean = np.eye(n_experts)[:, :, None]
        n_own, _, n_predictors, n_rows = self.slope.shape
        self.slope = np.zeros((n_own, n_experts, n_predictors, n_rows))

    def _means_along(self, change):
        return np.zeros_like(self.slope[:, :, 0]), np.zeros_like(self.slope)


class ExpertMeanRows(MeanRows):
    """Means of y, or class probabilities, of each expert, (E c, b)."""

    def derivatives(self):
        """Values and their derivatives; the gate does not count."""
        return self._without_gate(self.mean, self.slope)

    def along(self, gate_change, expert_change):
        """What values and derivatives change by, see `MeanRows`."""
        of_mean, bend = self._means_along(expert_change)
        change = np.zeros_like(self.mean)
        change[: len(of_mean)] = of_mean
        return self._without_gate(change, bend)

    def _without_gate(self, value, slope):
        """Derivatives of values (E, c, b) by their own predictors, (K, c, q, b)."""
        every = np.arange(len(slope))
        by_experts = np.zeros((len(value), slope.shape[1], *slope[:, 0].shape))
        by_experts[every, :, every] = slope
        value = value.reshape(-1, value.shape[-1])
        by_gate = np.zeros((len(value), *self.branches.shape))
        by_experts = by_experts.reshape(len(value), *by_experts.shape[2:])
        return Derivatives(value, by_gate, by_experts)
