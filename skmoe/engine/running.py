"""Running moments: what a stochastic mirror step blends and projects.

Cappe and Moulines (2009) replace the E-step's moments of all rows by
``S_t = (1 - gamma_t) S_{t-1} + gamma_t p(theta_{t-1}; batch t)``.  Here the moments
are `Statistics`, residuals and Gram matrices at the current parameters, so they are
taken along when these move: exactly for linear experts, whose moments are quadratic,
and to first order, as a Newton step is, for softmaxes.
"""

import numpy as np

from skmoe.engine.curvature import DenseCurvature
from skmoe.engine.state import Parameters, State, Statistics


class RunningMoments:
    """Blended statistics of the batches so far, at the current parameters."""

    def __init__(self):
        self.stats = self.gate_matrix = None

    def blend(self, batch, theta, share):
        """Blend in a batch (a Mixture) with weight `share`; the first has weight 1."""
        batch = batch.with_stored_curvature()
        stats = batch.evaluate(theta).stats
        gate_matrix = batch.gate_curvature.at(theta.gate).matrix
        if self.stats is None:
            self.stats, self.gate_matrix = stats, gate_matrix
            return
        self.stats = Statistics(
            *(old + share * (new - old) for old, new in zip(self.stats, stats))
        )
        self.gate_matrix = self.gate_matrix + share * (gate_matrix - self.gate_matrix)

    def project(self, mixture, theta):
        """Maximum likelihood on the running moments; they are then taken there."""
        mixture = mixture.with_stored_curvature()
        state = State(theta, np.nan, self.stats, None)
        gate_curvature = DenseCurvature(self.gate_matrix, 1.0)
        gate = mixture.project_gate(state, curvature=gate_curvature)
        moved = Parameters(gate, *mixture.project_experts(state))
        change = moved.minus(theta)
        self.stats = mixture.recentred(state, gate_curvature, change)
        return moved
