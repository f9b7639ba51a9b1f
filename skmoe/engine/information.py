"""Complete, missing and observed information (Louis 1982), blockwise over the rows.

With the complete data's score ``S(z)`` of a row in the free parameters, the missing
information is the mean of ``Cov(S(z) | x, y)`` (of z and of what else is hidden, such
as the scales of t noise), the complete one the Hessian of EM's
surrogate ``Q(. | theta)`` at theta, and their difference the Hessian of the mean loss.
Unlike the matrix of a step, these must come from all rows.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import block_diag, eigh

from skmoe.data.design import block_rows
from skmoe.engine.softmax import softmax_in_place
from skmoe.engine.sweep import logits_of_block


class InformationMatrices(NamedTuple):
    """Means over the rows, (P, P) in the order gate, experts, log-variances."""

    complete: np.ndarray  # of the posterior moments, I_c
    model_complete: np.ndarray  # of the model's moments, Hessian of A
    missing: np.ndarray  # I_m
    score_products: np.ndarray  # of the gradients of the rows' losses
    penalty: np.ndarray  # Hessian of the penalties

    def objective_hessian(self):
        """Hessian of F: observed information and penalties."""
        return self.complete - self.missing + self.penalty

    def step_curvature(self, step_size):
        """Second derivative of what a mirror step minimises, times its length.

        ``(1 - eta) I_model + eta (I_c + penalty)``: blended as the moments are.
        """
        complete = self.complete + self.penalty
        return (1 - step_size) * self.model_complete + step_size * complete

    def missing_eigenvalues(self):
        """Rising eigenvalues of the Missing Information Matrix, (P,)."""
        return eigh(self.missing, self.step_curvature(1.0), eigvals_only=True)

    def mirror_eigenvalues(self, step_size):
        """Rising eigenvalues of F's Hessian relative to a mirror step's curvature."""
        curvature = self.step_curvature(step_size)
        return eigh(self.objective_hessian(), curvature, eigvals_only=True)

    def strong_convexity(self):
        """Largest a for which F is a-strongly convex relative to the mirror map."""
        mirror_map = self.model_complete + self.penalty
        return eigh(self.objective_hessian(), mirror_map, eigvals_only=True)[0]

    def of_free(self, copies):
        """The same of free parameters, that lead to these by a sparse (P, free)."""
        return InformationMatrices(*(copies.T @ (m @ copies) for m in self))

    def take(self, rows):
        """The same for some of the parameters (index array)."""
        return InformationMatrices(*(matrix[np.ix_(rows, rows)] for matrix in self))


def information_matrices(mixture, theta):
    """All matrices at `theta`: two passes over the rows."""
    return matrices_of(mixture, evaluated(mixture, theta))


def evaluated(mixture, theta):
    """State at `theta` with the statistics that `matrices_of` needs; one pass."""
    return mixture.with_stored_curvature().evaluate(theta, blend=True)


def matrices_of(mixture, state):
    """All matrices at a state of `evaluated`; one pass."""
    theta, stats = state.theta, state.stats
    gates = mixture.gate.information(mixture.gate_design, mixture.units.weight)
    size = sum(part.size for part in theta)
    missing, score_products = np.zeros((2, size, size))
    for block in mixture.units.blocks(block_rows(size)):
        _add_block(mixture, theta, block, gates, missing, score_products)
    matrices = [gate.collected().matrix for gate in gates]
    experts = mixture.experts
    complete, model_complete = (
        block_diag(matrix, experts.complete_information(theta, stats, at_model))
        for matrix, at_model in ((matrices[0], False), (matrices[-1], True))
    )
    penalty = np.diag(mixture.penalties.curvature(theta).flat())
    return InformationMatrices(
        complete, model_complete, missing, score_products, penalty
    )


def _add_block(mixture, theta, block, gates, missing, score_products):
    """Add a block to the gate's curvatures and the sums, in place.

    The score of a group is the sum over its rows, as if they were one.
    """
    units = mixture.units
    weight = units.weight[block.units]
    gate_block, expert_block = designs = mixture.design_blocks(block)
    gate, local, posterior = logits_of_block(mixture, theta, block, designs)
    gate.normalise()
    softmax_in_place(posterior)
    for curvature, shares in zip(gates, (posterior, gate.probability)):
        curvature.add(block.units, gate_block, gate, shares)

    features = [
        gate_block.dot(np.eye(theta.gate.shape[-1])),
        expert_block.dot(np.eye(theta.experts.shape[-1])),
        np.ones((1, local.log_density.shape[-1])),
    ]
    factors = [gate.complete_score(), *local.complete_score()]
    shares = [posterior, *[units.repeat(posterior, block)] * 2]
    pairs = zip(shares, factors)
    means = [np.einsum("kb,kfb->fb", share, factor) for share, factor in pairs]

    def score_of(factors):
        """Scores of the units, (P, u), from factors (f, u) and (f, b)."""
        of_gate, *of_rows = map(_products, factors, features)
        summed = (units.sum(part, block) for part in of_rows)
        return np.concatenate([of_gate, *summed])

    score = score_of(means)
    score_products += (weight * score) @ score.T
    for k, mass in enumerate(weight * posterior):
        deviation = score_of([factor[k] - mean for factor, mean in zip(factors, means)])
        missing += (mass * deviation) @ deviation.T
    hidden = local.hidden_scores()
    if hidden is not None:
        mass = units.expand(weight * posterior, block)
        of_rows = slice(theta.gate.size, None)
        missing[of_rows, of_rows] += _missing_of_scales(*hidden, mass, features[1:])


def _missing_of_scales(variance, slopes, mass, features):
    """Missing information of the hidden scales, E[Var(u) S1 S1' | y].

    ``S = S0 + u S1`` is the complete score of a row in experts and noise.  Given the
    experts, scales are independent, also those of the rows of a group.
    """
    total = 0.0
    for k, weight in enumerate(mass * variance):
        pairs = zip(slopes, features)
        slope = np.concatenate([_products(part[k], value) for part, value in pairs])
        total = total + (weight * slope) @ slope.T
    return total


def _products(factor, values):
    """Each factor (f, b) times each feature (p, b), (f * p, b)."""
    return (factor[:, None] * values).reshape(-1, values.shape[-1])
