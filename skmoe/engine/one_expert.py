"""One expert for all units: what a mixture must beat, and how units differ from it."""

from functools import cached_property

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.draws import has_many_rows, sample_size, sampled
from skmoe.engine.gate import Gate
from skmoe.engine.m_step import converged_experts, project_responsibilities
from skmoe.engine.state import Parameters
from skmoe.engine.tie import is_tied

# The scores of groups are kept in so many directions of the features.
_MOST_DIRECTIONS = 32
# A Newton step that gains less is the last, in nats per sample.
_TOL, _MAX_STEPS = 1e-8, 20
# EM steps of one expert beside others that have no parameters.
_MAX_EM_STEPS = 50
# F falls by half of its slope along a Newton step.  That of rows that are like those of
# a part is as short as this, in nats per sample, and F falls by four times as much at
# most: so it is where steps are Newton's or scoring's, not where EM is slow.
_SHORT_SLOPE, _DOUBT = 0.05, 2.0


def one_expert(mixture):
    """`OneExpert` of a mixture, made once for it and those made afresh."""
    return mixture.once("one expert", lambda: OneExpert(mixture))


def beats_one_expert(mixture, objective, margin):
    """Whether an objective is lower than that of one expert, by more than a margin.

    One expert is fitted to a sample.  How F of all rows slopes there bounds what it can
    come to; only where that leaves a doubt is one fitted to all.
    """
    bound = mixture.once("bound by part", lambda: bound_by_part(mixture))
    if objective < bound - margin:
        return True
    return one_expert(mixture).is_beaten(mixture, objective, margin)


def bound_by_part(mixture):
    """`OneExpert.least` of a mixture, or somewhat less, from that of a part of it.

    Minus infinity where the part is all, is far from it, or tells nothing of it.
    """
    if not (has_many_rows(mixture) and _is_bounded(mixture)):
        return -np.inf
    part = sampled(mixture, sample_size(mixture), np.random.RandomState(0))
    if part is mixture:
        return -np.inf
    alone = _alone(mixture)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        state = alone.evaluate(OneExpert(part).theta)
        try:
            experts = alone.project_experts(state)
        except InfeasibleStep:
            return -np.inf
        slope = -alone.slope(state, Parameters(state.theta.gate, *experts))
    if not 0 <= slope <= _SHORT_SLOPE:
        return -np.inf
    return state.objective - _DOUBT * slope + mixture.experts.least_prior_loss


class OneExpert:
    """The best fit of one expert, made once for the starts of a mixture.

    A mixture whose experts coincide does no better.  A symmetric one, which has no
    single expert, has both at zero instead.

    Parameters
    ----------
    mixture : Mixture

    Attributes
    ----------
    least : float, lower bound of F of the mixture where all its experts are this one
    """

    def __init__(self, mixture):
        experts = mixture.experts
        self.is_tied = is_tied(experts.tie)
        # Whether experts may differ in their noise alone.
        self.has_scale = experts.noise_tie.shape[1] > 1
        self.mixture = mixture if self.is_tied else _alone(mixture)
        shape = self.mixture.n_experts, self.mixture.units.weight.shape[0]
        shares = np.full(shape, 1 / shape[0])
        self.theta = project_responsibilities(self.mixture, shares, tol=_TOL)
        if mixture.fixed is not None:
            self.theta = _descended(self.mixture, self.theta)
        self.least, self._of_copies = self._lower_bound(mixture), None

    def is_beaten(self, mixture, objective, margin):
        """Whether an objective of the mixture is lower, by more than a margin."""
        # What is not finite is not.
        if objective < self.least - margin:
            return True
        return objective < self.objective_of_copies(mixture) - margin

    def objective_of_copies(self, mixture):
        """F of the mixture where all experts are this one, made once."""
        if self._of_copies is None:
            self._of_copies = self._made_of_copies(mixture)
        return self._of_copies

    def _lower_bound(self, mixture):
        """What copies pay at least: this one's penalty, and no more than the prior.

        It saves most fits the passes with all of them.
        """
        if not _is_bounded(mixture):
            return -np.inf
        prior = mixture.experts.least_prior_loss
        return _objective(self.mixture, self.theta) + prior

    def _made_of_copies(self, mixture):
        """F of experts that are all alike; each pays penalties and prior."""
        theta = mixture.initial()
        if self.is_tied:
            return _objective(mixture, self.theta)
        parts = zip(theta[1:], self.theta[1:])
        theta = Parameters(
            self._gate_of_copies(mixture),
            *(np.broadcast_to(own, part.shape) for part, own in parts),
        )
        # Not all may see the same columns.
        own = mixture.experts.sharing.projected(theta.experts)
        theta = theta._replace(experts=own)
        shares = _shares_of_copies(mixture, theta)
        theta = converged_experts(mixture, theta, shares, _MAX_STEPS, _TOL)
        return _objective(mixture, theta)

    def _gate_of_copies(self, mixture):
        """Gate whose experts share out the probability of this one, (E - 1, p)."""
        if mixture.fixed is None:
            return mixture.initial().gate
        own = self.mixture.gate.reported(self.theta.gate)
        copies = np.repeat(own[:1], mixture.n_experts, axis=0)
        if mixture.gate_design.intercept:
            copies[:, -1] -= np.log(mixture.n_experts)
        return mixture.gate.free(np.concatenate([copies, own[1:]]))

    @property
    def has_shifts(self):
        """Whether residuals tell experts apart: those of a single class cannot."""
        is_single = self.mixture.units.weight.shape == self.mixture.weight.shape
        is_separable = self.mixture.experts.distribution.is_separable
        return not (self.is_tied or (is_separable and is_single))

    @cached_property
    def shifts(self):
        """Score and diagonal curvature of each unit, (u, r) and (u, r).

        In the intercept for rows, in all coefficients for groups, which may differ in
        each of them; along random directions where these are many.
        """
        experts, directions = self.mixture.experts, self._directions()
        scores, curvatures = [], []
        for block, design, local in self._blocks():
            mass = np.ones((1, local.log_density.shape[1]))
            score = local.score(mass)[0]
            curvature = local.curvature_weights(mass, at_model=True)[0]
            curvature = curvature[experts.coupling.own_pairs]
            if self.theta.log_variance.size:
                precision = np.exp(-self.theta.log_variance[0])[:, None]
                score, curvature = precision * score, precision * curvature
            curvature = np.broadcast_to(curvature, score.shape)
            features = np.ones_like(mass)
            if directions is not None:
                features = design.dot(directions)
            for kept, values, factor in (
                (scores, score, features),
                (curvatures, curvature, np.square(features)),
            ):
                product = values[:, None] * factor
                product = product.reshape(-1, product.shape[2])
                kept.append(self.mixture.units.sum(product, block))
        return np.concatenate(scores, axis=1).T, np.concatenate(curvatures, axis=1).T

    @cached_property
    def scale(self):
        """Root mean square of each unit's residuals, but for a factor, (u, 1)."""
        units, found = self.mixture.units, []
        for block, _, local in self._blocks():
            excess = local.complete_score()[1][0].sum(axis=0)
            counts = units.sum(np.ones_like(excess), block)
            found.append(units.sum(excess, block) / counts)
        excess = np.concatenate(found)
        return np.sqrt(excess - excess.min())[:, None]

    def _directions(self):
        """Directions of the features that scores are taken in, (r, p), or None."""
        mixture = self.mixture
        if mixture.units.weight.shape == mixture.weight.shape:
            return None
        n_columns = mixture.expert_design.n_columns
        if n_columns <= _MOST_DIRECTIONS:
            return np.eye(n_columns)
        shape = _MOST_DIRECTIONS, n_columns
        return np.random.RandomState(0).standard_normal(shape)

    def _blocks(self):
        """Blocks of units, their features and their rows under the expert."""
        mixture = self.mixture
        for block in mixture.blocks:
            design = mixture.design_blocks(block)[1]
            target = mixture.target[..., block.rows]
            yield block, design, mixture.experts.at(self.theta, design, target)


def _alone(mixture):
    """The mixture of one expert, beside those that have no parameters."""
    n_fixed = mixture.gate.n_experts - mixture.n_experts
    gate = Gate(1 + n_fixed, smooth=mixture.gate.smooth)
    return mixture.replaced(experts=mixture.experts.alone(), gate=gate, known=None)


def _are_copies(mixture):
    """Whether all experts may be alike, with the same rows and columns."""
    is_open = mixture.fixed is None and mixture.known is None
    experts = mixture.experts
    return is_open and experts.sharing.is_separate and not is_tied(experts.tie)


def _is_bounded(mixture):
    """Whether one expert is as good as fitted once its steps gain nothing.

    EM of hidden scales and values, and of dispersions, may be slow; conjugate gradients
    may stop short.
    """
    if not (_are_copies(mixture) and mixture.experts_are_dense):
        return False
    experts = mixture.experts
    if experts.n_noises and not experts.distribution.is_dispersion_model:
        return False
    block = mixture.blocks[0]
    design, target = mixture.design_blocks(block)[1], mixture.target[..., block.rows]
    return not experts.at(mixture.initial(), design, target).local.hidden()


def _shares_of_copies(mixture, theta):
    """Responsibilities of experts that are copies of one, (E, u)."""
    if not (mixture.gate.is_continuous and _are_copies(mixture)):
        return mixture.row_moments(theta).posterior
    # All are 1 / K: stored, they would be by far the largest arrays of a fit.
    shape = mixture.n_experts, mixture.units.weight.shape[0]
    return np.broadcast_to(1 / shape[0], shape)


def _descended(mixture, theta):
    """Parameters after EM steps, until one gains at most so much."""
    state = mixture.evaluate(theta)
    for _ in range(_MAX_EM_STEPS):
        try:
            following = mixture.evaluate(mixture.project(state))
        except InfeasibleStep:
            break
        if not following.objective < state.objective:
            break
        gain, state = state.objective - following.objective, following
        if gain <= _TOL:
            break
    return state.theta


def _objective(mixture, theta):
    """F at some parameters."""
    return mixture.evaluate(theta, curvature=False).objective
