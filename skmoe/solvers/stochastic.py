"""Stochastic solvers: one iteration of the loop is a pass over the rows in batches."""

import numpy as np

from skmoe.data.design import blocks_of
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.running import RunningMoments

# Rows for each coefficient before the first projection: fewer leave it singular.
_FIRST_ROWS = 5


class StochasticMirrorDescent:
    """Online EM: mirror descent on running blended moments; F may rise.

    Parameters
    ----------
    batch_size : int
    exponent : float, default=0.6
        Batch t counts for ``(t + 1)**-exponent`` of the running moments; between 0.5
        and 1 the noise of the batches averages out (Cappe and Moulines 2009).
    random_state : int, default=0
        Order of the rows.
    """

    patience = 3

    def __init__(self, batch_size, exponent=0.6, random_state=0):
        self.batch_size, self.exponent = batch_size, exponent
        self.rng = np.random.RandomState(random_state)
        self.moments, self.n_batches, self.n_rows = RunningMoments(), 0, 0

    def evaluate(self, mixture, theta):
        """State at `theta`, F of all rows included."""
        return mixture.evaluate(theta, curvature=False)

    def step(self, mixture, state):
        """State after one pass over the batches, and the last batch's share."""
        theta, share = state.theta, 1.0
        for batch in batches(mixture, self.batch_size, self.rng):
            theta, share = self.update(batch, theta)
        return _finite(self.evaluate(mixture, theta)), share

    def update(self, batch, theta):
        """Parameters after one batch (a Mixture), and its share of the moments."""
        self.n_batches += 1
        self.n_rows += batch.weight.shape[0]
        waits = self.n_rows < _FIRST_ROWS * sum(part.size for part in theta)
        share = self.n_batches ** -(1.0 if waits else self.exponent)
        self.moments.blend(batch, theta, share)
        if not waits:
            theta = self.moments.project(batch, theta)
        return theta, share


class StochasticGradientDescent:
    """Gradient steps on batches, the yardstick; F may rise.

    Parameters
    ----------
    batch_size : int
    step_size : float
        Of the first batch; batch t has ``step_size / (1 + t / decay)**exponent``.
    decay : float, in batches
    exponent : float, default=0.6
    random_state : int, default=0
        Order of the rows.
    """

    patience = 3

    def __init__(self, batch_size, step_size, decay, exponent=0.6, random_state=0):
        self.batch_size, self.step_size = batch_size, step_size
        self.decay, self.exponent = decay, exponent
        self.rng = np.random.RandomState(random_state)
        self.n_batches = 0

    def evaluate(self, mixture, theta):
        """State at `theta`, F of all rows included."""
        return mixture.evaluate(theta, curvature=False)

    def step(self, mixture, state):
        """State after one pass over the batches, and the last step."""
        theta, length = state.theta, self.step_size
        for batch in batches(mixture, self.batch_size, self.rng):
            length = (
                self.step_size * (1 + self.n_batches / self.decay) ** -self.exponent
            )
            gradient = batch.gradient(batch.evaluate(theta, curvature=False))
            theta = batch.feasible(theta.plus(gradient, -length))
            self.n_batches += 1
        return _finite(self.evaluate(mixture, theta)), length


def batches(mixture, batch_size, rng):
    """The rows in random order, batch by batch, as Mixtures."""
    unit_weight = mixture.units.weight
    order = rng.permutation(unit_weight.shape[0])
    for rows in blocks_of(order.shape[0], batch_size):
        rows = np.sort(order[rows])
        weight = unit_weight[rows]
        yield mixture.take(rows, weight / weight.sum())


def _finite(state):
    """The state, if it is one to go on from."""
    if not np.isfinite(state.objective):
        raise InfeasibleStep("the objective is not finite after a pass")
    return state
