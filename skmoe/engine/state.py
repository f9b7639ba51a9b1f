"""What is passed around: parameters, statistics of the rows, a point visited."""

from typing import NamedTuple

import numpy as np


class Parameters(NamedTuple):
    """Free parameters in standardised coordinates."""

    gate: np.ndarray  # (K - 1, p_gate)
    experts: np.ndarray  # (J, q, p_expert)
    log_variance: np.ndarray  # (K or 1, m), or empty

    def flat(self):
        """All parameters in one vector, (P,)."""
        return np.concatenate([part.ravel() for part in self])

    def plus(self, other, factor=1.0):
        """Sum with a multiple of other parameters."""
        return Parameters(*(a + factor * b for a, b in zip(self, other)))

    def minus(self, other):
        """Difference from other parameters."""
        return Parameters(*map(np.subtract, self, other))

    def dot(self, other):
        """Inner product with other parameters, a float."""
        return float(sum(map(np.vdot, self, other)))


class Statistics(NamedTuple):
    """Means over the rows that determine a step; they add up over blocks."""

    log_likelihood: float
    mass: np.ndarray  # posterior, (K,)
    model_mass: np.ndarray  # (K,)
    gate_gradient: np.ndarray  # B'(pi - r) x', (K - 1, p_gate)
    expert_score: np.ndarray  # r (T - E T) x', (J, q, p_expert)
    deviance: np.ndarray  # r e^2, (K, m) or empty
    expert_grams: np.ndarray  # at r, (J, pairs, p_expert, p_expert) or (0,)
    model_grams: np.ndarray  # at pi, the same, or (0,)
    # What rows tell of dispersions, (K, m); empty where it is their mass.
    dispersion_mass: np.ndarray = np.zeros((0, 0))

    @property
    def behind_dispersion(self):
        """Mass that the deviances are of, (K, m) or (K, 1)."""
        if self.dispersion_mass.size:
            return self.dispersion_mass
        return self.mass[:, None]

    def of_first(self, n_experts):
        """Those of the first experts: ones without parameters have nothing but mass."""
        if len(self.mass) == n_experts:
            return self
        own = self.mass[:n_experts], self.model_mass[:n_experts]
        return self._replace(mass=own[0], model_mass=own[1])

    def towards(self, other, share):
        """Blend with other statistics, which have the weight `share`."""
        return Statistics(*(a + share * (b - a) for a, b in zip(self, other)))


class State(NamedTuple):
    """A point visited: its objective F, statistics, and moments of each row."""

    theta: Parameters
    objective: float
    stats: Statistics
    rows: "RowMoments | None"

    @property
    def has_curvature(self):
        """Whether it knows what a projection needs, stored or of each row."""
        return self.rows is not None or self.stats.expert_grams.size > 0


class RowMoments(NamedTuple):
    """Moments of units and rows, kept for projections without stored curvature."""

    posterior: np.ndarray  # responsibilities r of units, (K, u)
    model: np.ndarray  # gate probabilities pi of units, (K, u)
    expert: np.ndarray  # class probabilities of rows, (K, C, n), or empty
    curvature_weights: np.ndarray  # of other experts, at r and pi, (2, J, n)
