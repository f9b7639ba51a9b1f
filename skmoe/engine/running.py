"""Running moments: what a stochastic mirror step blends and projects.

Cappe and Moulines (2009) replace the E-step's moments of all rows by
``S_t = (1 - gamma_t) S_{t-1} + gamma_t p(theta_{t-1}; batch t)``.  Here the moments
are `Statistics`, residuals and Gram matrices at the current parameters, so they are
taken along when these move: exactly for linear experts, whose moments are quadratic,
and to first order, as a Newton step is, for softmaxes and log links.
"""

import copy

import numpy as np

from skmoe.engine.state import Parameters, State
from skmoe.engine.sweep import sweep

# A Newton step changes logits, or logarithms of means, by at most this, root mean
# square: beyond it the first order says little.  What is left is for further steps, so
# many at most.
_LONGEST_CHANGE = 1.0
_MAX_STEPS = 10


class RunningMoments:
    """Blended statistics of the batches so far, at the current parameters."""

    def __init__(self, stats=None, gate_matrix=None):
        self.stats, self.gate_matrix = stats, gate_matrix

    def blend(self, batch, theta, share):
        """Blend in a batch (a Mixture) with weight `share`; the first has weight 1.

        Returns the objective of the batch at `theta`.
        """
        batch = batch.with_stored_curvature()
        state = batch.evaluate(theta)
        gate_matrix = batch.gate_curvature.at(theta.gate).matrix
        if self.stats is None:
            self.stats, self.gate_matrix = state.stats, gate_matrix
            return state.objective
        self.stats = self.stats.towards(state.stats, share)
        self.gate_matrix = self.gate_matrix + share * (gate_matrix - self.gate_matrix)
        return state.objective

    def make_optimal(self, mixture, theta, growth):
        """Make `theta` the optimum of the moments; their curvature stays.

        It is that of `growth` times fewer rows than `mixture` counts, which share out
        penalties and prior.
        """
        stats = self.stats
        slopes = [growth * slope for slope in mixture.penalties.slopes(theta)]
        experts, deviance = mixture.experts, stats.deviance
        precision = experts.precision(theta.log_variance)[:, :, None]
        if deviance.size:
            # Experts with a dispersion in common share the rows of its prior.
            count = np.bincount(experts.noise_sets)[experts.noise_sets]
            rows = growth * experts.noise_prior.rows / count
            mass = stats.of_first(mixture.n_experts).behind_dispersion
            deviance = experts.expected_deviance(theta, mass + rows[:, None])
            prior = rows[:, None] * experts.prior_deviance
            deviance = np.maximum(deviance - prior, 0.0)
        self.stats = stats._replace(
            gate_gradient=-slopes[0],
            expert_score=slopes[1] / precision,
            deviance=np.broadcast_to(deviance, stats.deviance.shape).copy(),
        )

    def project(self, mixture, theta):
        """Maximum likelihood on the running moments; they are then taken there.

        `mixture` holds the latest batch: where a step is long, rows have to say how
        moments change.  A gate that chooses experts stays where it is if that is better
        for the batch: moments do not see the experts that it does not choose.
        """
        mixture = mixture.with_stored_curvature()
        if mixture.gate.is_continuous:
            return self._projected(mixture, theta, True)
        before = copy.copy(self)
        moved = self._projected(mixture, theta, True)
        stayed = before._projected(mixture, theta, False)
        first, second = (
            mixture.evaluate(point, curvature=False).objective
            for point in (moved, stayed)
        )
        if first <= second:
            return moved
        self.stats, self.gate_matrix = before.stats, before.gate_matrix
        return stayed

    def _projected(self, mixture, theta, moves_gate):
        """As `project`, with or without the gate."""
        posterior = None
        for _ in range(_MAX_STEPS):
            state = State(theta, np.nan, self.stats, None)
            gate_curvature = mixture.gate.stored_curvature(
                self.gate_matrix, self.stats.model_mass
            )
            gate = theta.gate
            if moves_gate:
                gate = mixture.project_gate(state, curvature=gate_curvature)
            moved = Parameters(gate, *mixture.project_experts(state))
            change, is_long = _bounded(mixture, moved.minus(theta))
            self.stats = mixture.recentred(state, gate_curvature, change)
            before, theta = theta, theta.plus(change)
            if not is_long:
                break
            if posterior is None:
                posterior = mixture.row_moments(before).posterior
            self._carry(mixture, state.stats, before, theta, posterior)
        return theta

    def _carry(self, mixture, stats, before, theta, posterior):
        """Change moments as those of the latest batch change.

        How expected classes, counts and gates change does not depend on y.
        """
        here, there = (
            sweep(mixture, point, True, False, None, posterior)
            for point in (before, theta)
        )
        self.gate_matrix = mixture.gate_curvature.at(theta.gate).matrix
        gate_gradient = stats.gate_gradient + there.gate_gradient - here.gate_gradient
        self.stats = self.stats._replace(gate_gradient=gate_gradient)
        if not mixture.experts.recentres_exactly:
            self.stats = self.stats._replace(
                expert_score=stats.expert_score
                + there.expert_score
                - here.expert_score,
                deviance=stats.deviance + there.deviance - here.deviance,
                dispersion_mass=stats.dispersion_mass
                + there.dispersion_mass
                - here.dispersion_mass,
                expert_grams=there.expert_grams,
            )


def _bounded(mixture, change):
    """A change, shortened where it moves predictors too far, and whether it was."""
    gate, is_long = _shortened(change.gate)
    experts = change.experts
    if not mixture.experts.recentres_exactly:
        separate = len(experts) if mixture.experts.sharing.is_separate else 1
        parts = [_shortened(part) for part in np.split(experts, separate)]
        experts = np.concatenate([part for part, _ in parts])
        is_long |= any(was for _, was in parts)
    return change._replace(gate=gate, experts=experts), is_long


def _shortened(change):
    """A change (..., p) of bounded length, and whether it was longer."""
    # In standardised features a norm is a root mean square.
    longest = np.linalg.norm(change, axis=-1).max(initial=0.0)
    if longest <= _LONGEST_CHANGE:
        return change, False
    return change * (_LONGEST_CHANGE / longest), True
