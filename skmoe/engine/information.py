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
from skmoe.engine.e_step import logits_of_block, unseen_of_block
from skmoe.engine.softmax import softmax_in_place


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
    return mixture.with_stored_experts().evaluate(theta, blend=True)


def matrices_of(mixture, state):
    """All matrices at a state of `evaluated`; one pass."""
    theta, stats = state.theta, state.stats.of_first(mixture.n_experts)
    gates = mixture.gate.information(mixture.gate_design, mixture.units.weight)
    size = sum(part.size for part in theta)
    missing, score_products, *of_noise = np.zeros((4, size, size))
    for block in mixture.units.blocks(block_rows(size)):
        _add_block(mixture, theta, block, gates, missing, score_products, of_noise)
    matrices = [gate.collected().matrix for gate in gates]
    experts = mixture.experts
    complete, model_complete = (
        block_diag(matrix, experts.complete_information(theta, stats, at_model)) + more
        for matrix, at_model, more in zip(
            (matrices[0], matrices[-1]), (False, True), of_noise
        )
    )
    penalty = np.diag(mixture.penalties.curvature(theta).flat())
    return InformationMatrices(
        complete, model_complete, missing, score_products, penalty
    )


def _add_block(mixture, theta, block, gates, missing, score_products, of_noise):
    """Add a block to the gate's curvatures and the sums, in place.

    `of_noise` are two, of the posterior's and the model's moments.  The score of a
    group is the sum over its rows, as if they were one.  Unseen rows are hidden
    altogether: how many, by a geometric distribution of mean g and variance
    ``g (1 + g)``, and each by itself.
    """
    weight = mixture.units.weight[block.units]
    gate_block, expert_block = designs = mixture.design_blocks(block)
    gate, local, posterior = logits_of_block(mixture, theta, block, designs)
    gate.normalise()
    softmax_in_place(posterior)
    features = [
        gate_block.dot(np.eye(theta.gate.shape[-1])),
        expert_block.dot(np.eye(theta.experts.shape[-1])),
        np.ones((1, local.log_density.shape[-1])),
    ]
    rows = _Rows(mixture.units, block, gate, local, posterior, features)
    for curvature, shares in zip(gates, (posterior, gate.probability)):
        curvature.add(block.units, gate_block, gate, shares)
    score = rows.score()
    rows.add_missing(weight, missing)
    for total, share, at_model in zip(
        of_noise, (posterior, gate.probability), (False, True)
    ):
        rows.add_noise(weight * share, at_model, mixture.experts.noise_tie, total)
    if mixture.unseen is not None:
        unseen = unseen_of_block(mixture, theta, block, designs)
        rows, odds = rows.of_unseen(unseen), unseen.odds
        for curvature, shares in zip(gates, (unseen.posterior, gate.probability)):
            curvature.add(block.units, gate_block, gate, shares, odds)
        rows.add_missing(weight * odds, missing)
        of_one = rows.score()
        missing += (weight * odds * (1 + odds) * of_one) @ of_one.T
        score = score + odds * of_one
    score_products += (weight * score) @ score.T


class _Rows:
    """Complete scores of a block, of what is seen or of unseen rows.

    Parameters
    ----------
    units : SingleRows or Groups
    block : Block
    gate : GateRows, normalised
    local : ExpertRows
    posterior : ndarray of shape (K, u)
    features : list of ndarray, of gate and experts (p, .), and ones
    """

    def __init__(self, units, block, gate, local, posterior, features):
        self.units, self.block, self.local = units, block, local
        self.posterior, self.features = posterior, features
        own = [_of_all(part, len(posterior)) for part in local.complete_score()]
        self.factors = [gate.complete_score(), *own]
        shares = [posterior, *[units.repeat(posterior, block)] * 2]
        pairs = zip(shares, self.factors)
        self.means = [np.einsum("kb,kfb->fb", share, factor) for share, factor in pairs]

    def of_unseen(self, unseen):
        """The same of `Unseen` rows."""
        given = unseen.gate, unseen.local, unseen.posterior, self.features
        return _Rows(self.units, self.block, *given)

    def score(self):
        """Mean scores of the units, (P, u)."""
        return self._score_of(self.means)

    def add_missing(self, weight, missing):
        """Add the covariance of the scores, of units of some weights, in place."""
        mass = weight * self.posterior
        for k, own in enumerate(mass):
            pairs = zip(self.factors, self.means)
            deviation = self._score_of([factor[k] - mean for factor, mean in pairs])
            missing += (own * deviation) @ deviation.T
        # Given the experts, what else is hidden does not covary between rows.
        mass = self.units.expand(mass, self.block)
        of_rows = slice(len(self.features[0]) * len(self.means[0]), None)
        for variance, slopes in self.local.hidden_scores():
            own = mass[: len(variance)] * variance
            missing[of_rows, of_rows] += self._missing_of(own, slopes)

    def add_noise(self, mass, at_model, tie, total):
        """Add what noise has of the complete information by `noise_curvature`.

        Of masses (K, u); dispersions are expanded by `tie` (K, S).
        """
        curvature = self.local.noise_curvature(at_model)
        if curvature is None:
            return
        cross, alone = curvature
        mass = self.units.expand(mass, self.block)[: len(cross)]
        with_coefs = np.einsum("kb,kfb,pb->kfp", mass, cross, self.features[1])
        with_coefs = np.einsum("kfp,ks->fps", with_coefs, tie).reshape(-1, tie.shape[1])
        first = len(total) - tie.shape[1]
        coefs, noises = slice(first - len(with_coefs), first), slice(first, None)
        total[coefs, noises] += with_coefs
        total[noises, coefs] += with_coefs.T
        total[noises, noises] += np.diag(np.einsum("kb,ksb->s", mass, alone))

    def _missing_of(self, weights, slopes):
        """Missing information of something hidden, of weighted variances (K, b).

        ``E[Var(u) S1 S1' | y]``, where ``S0 + u S1`` is the complete score of a row.
        """
        total = 0.0
        for k, weight in enumerate(weights):
            pairs = zip(slopes, self.features[1:])
            slope = np.concatenate([_products(part[k], value) for part, value in pairs])
            total = total + (weight * slope) @ slope.T
        return total

    def _score_of(self, factors):
        """Scores of the units, (P, u), from factors (f, u) and (f, b)."""
        of_gate, *of_rows = map(_products, factors, self.features)
        summed = (self.units.sum(part, self.block) for part in of_rows)
        return np.concatenate([of_gate, *summed])


def _of_all(scores, n_experts):
    """Scores (K, f, b) and those of experts without parameters, zero, (E, f, b)."""
    n_others = n_experts - len(scores)
    if not n_others:
        return scores
    return np.concatenate([scores, np.zeros((n_others, *scores.shape[1:]))])


def _products(factor, values):
    """Each factor (f, b) times each feature (p, b), (f * p, b)."""
    return (factor[:, None] * values).reshape(-1, values.shape[-1])
