"""Mirror descent with the KL mirror map: project blended moments.

``theta+ = PROJECT((1 - eta) m(theta) + eta p(theta))``; EM is ``eta = 1``.
"""

import numpy as np

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.m_step import surrogate_gradient
from skmoe.engine.state import Parameters

# How over-relaxed steps grow.
GROWTH, LONGEST_STEP = 1.25, 32.0
_MAX_HALVINGS = 30
# Where F jumps as the gate moves few shorter steps of it are tried.
_MAX_HALVINGS_OF_JUMPS = 4
# A step that promises less than this, relative to F, is lost in rounding.
ROUNDING = 1e-12


class MirrorDescent:
    """One step of mirror descent; F never rises.

    `patience` is the number of decreases that must promise little before the loop
    stops.

    Parameters
    ----------
    step_size : float or 'auto'
        ``eta``.  'auto' lengthens the step while F falls and returns to 1, where
        relative smoothness guarantees descent, when it does not.
    project : callable(mixture, state, step_size) -> Parameters, default=None
        Another projection than one Newton step: `project_exactly` of `m_step`, or
        `GradientSteps`, which makes it gradient EM.
    """

    patience = 3

    def __init__(self, step_size, project=None):
        self.adapts = step_size == "auto"
        self.step_size = 1.0 if self.adapts else float(step_size)
        self.project = project

    def evaluate(self, mixture, theta):
        """State at `theta` with the statistics that `step` needs."""
        blend = self.adapts or self.step_size != 1
        return mixture.evaluate(theta, blend=blend)

    def step(self, mixture, state):
        """Next state and step size; None where only rounding is left to gain.

        Raises InfeasibleStep where no step lowers F though one should.
        """
        for step_size, damping, gate_moves in self._candidates(mixture):
            trial = self._try(mixture, state, step_size, damping, gate_moves)
            if trial is None:
                continue
            if trial.objective <= state.objective:
                if self.adapts:
                    self.step_size = min(step_size * GROWTH, LONGEST_STEP)
                return trial, step_size * damping
            if damping == 1 and step_size <= 1:
                slope = mixture.slope(state, trial.theta)
                if abs(slope) <= ROUNDING * max(1.0, abs(state.objective)):
                    return None
        raise InfeasibleStep("no mirror step lowers the objective")

    def _candidates(self, mixture):
        """Triples (eta, damping, whether the gate moves) in the order of the trials.

        Where gates choose few experts F jumps, but not in the experts alone.
        """
        if self.step_size > 1:
            yield self.step_size, 1.0, True
        safe = min(self.step_size, 1.0)
        jumps = not mixture.gate.is_continuous
        halvings = _MAX_HALVINGS_OF_JUMPS if jumps else _MAX_HALVINGS
        for halving in range(1 if self.project else halvings):
            yield safe, 0.5**halving, True
        for halving in range(_MAX_HALVINGS if jumps else 0):
            yield safe, 0.5**halving, False

    def _try(self, mixture, state, step_size, damping, gate_moves):
        """State after one step, or None where it is infeasible or not finite."""
        try:
            if not gate_moves:
                experts = mixture.project_experts(state, step_size, damping)
                theta = Parameters(state.theta.gate, *experts)
            elif self.project is not None:
                theta = self.project(mixture, state, step_size)
            elif self.adapts and step_size > 1:
                theta = _project_far(mixture, state, step_size)
            else:
                theta = mixture.project(state, step_size, damping)
        except InfeasibleStep:
            return None
        trial = self.evaluate(mixture, theta)
        return trial if np.isfinite(trial.objective) else None


class GradientSteps:
    """The projection of gradient EM: gradient steps on the M-step's objective.

    The first one is a step of gradient descent on F, since the surrogate touches F.

    Parameters
    ----------
    n_steps : int
    length : float, of each gradient step
    """

    def __init__(self, n_steps, length):
        self.n_steps, self.length = n_steps, length

    def __call__(self, mixture, state, step_size):
        """Parameters after the steps; the mirror step itself is EM's, 1."""
        gradient, theta = mixture.gradient(state), state.theta
        posterior = mixture.row_moments(theta).posterior if self.n_steps > 1 else None
        for number in range(self.n_steps):
            if number > 0:
                gradient = surrogate_gradient(mixture, theta, posterior)
            theta = mixture.feasible(theta.plus(gradient, -self.length))
        return theta


def _project_far(mixture, state, step_size):
    """Over-relaxed projection; experts without a maximum likelihood there take step 1.

    The projection separates into gate and experts, and so may their steps.
    """
    gate = mixture.project_gate(state, step_size)
    try:
        return Parameters(gate, *mixture.project_experts(state, step_size))
    except InfeasibleStep:
        return Parameters(gate, *mixture.project_experts(state))
