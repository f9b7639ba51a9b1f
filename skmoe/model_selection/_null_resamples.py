"""Data sets drawn from a fit, and what one expert more gains on each."""

from typing import Any, NamedTuple

import numpy as np

from skmoe._restarts import FitTask, descent_from
from skmoe.data.sample import Inputs, Known, Sample
from skmoe.data.scaling import Scaling
from skmoe.engine.fitted import draw_categories
from skmoe.engine.splitting import best_of_starts, split_starts
from skmoe.engine.starts import starting_point
from skmoe.engine.threads import block_map
from skmoe.solvers import AcceleratedEM


class Resample(NamedTuple):
    """What came of one data set."""

    statistic: float  # twice the gain in log-likelihood; NaN where y had no fit
    converged: bool  # both fits


class NullResamples(NamedTuple):
    """Data sets of the rows of a fit with y drawn from it.

    Rows are standardised once, and refits begin at the fits of the data.
    """

    null: Any  # fitted, K experts
    alternative: Any  # fitted, K + 1 experts
    sample: Sample  # rows of weight 1
    inputs: Inputs  # the same, without y
    scaling: Scaling  # of their columns

    @classmethod
    def of(cls, null, alternative, X, y, known):
        """Those of two fits to some data whose weights are whole numbers."""
        sample = null._sample(X, y, known)
        rows = np.repeat(np.arange(len(sample.y)), sample.weight.astype(np.intp))
        trials = null._fitted_encoder().trials(known.trials, len(sample.y))
        repeated = sample.take(rows)._replace(weight=np.ones(rows.size))
        scaling = null._problem_like_fit(repeated).scaling
        nothing = dict.fromkeys(("target_mean", "target_scale", "noise_floor"))
        inputs = null._inputs_of(
            repeated.X,
            repeated.offset,
            None,
            None if trials is None else trials[rows],
        )
        return cls(null, alternative, repeated, inputs, scaling._replace(**nothing))

    def drawn(self, seed):
        """What one expert more gains on the data set of a seed, a `Resample`."""
        rng = np.random.RandomState(seed)
        sample = self.sample._replace(y=self.drawn_y(rng))
        encoder = self.null._fitted_encoder()
        try:
            encoder.learn(encoder.summary(sample.y))
        except ValueError:  # such as one class only
            return Resample(np.nan, False)
        with block_map(1):
            return self._compared(sample)

    def drawn_y(self, rng):
        """y as observed; rows of a group share one expert."""
        null, inputs, group = self.null, self.inputs, self.sample.group
        if group is not None:
            first = np.unique(group, return_index=True)[1]
            gate = null._model().gate_probability(inputs.take(first))
            expert = draw_categories(gate, 1, rng)[group, 0]
            inputs = inputs._replace(expert_proba=np.eye(gate.shape[1])[expert])
        y = null._drawn(inputs, 1, rng)[..., 0]
        return null._fitted_encoder().observed(y, Known(trials=inputs.trials))

    def _compared(self, sample):
        """Fits of both models to a `Sample`, as a `Resample`."""
        problem = self.null._problem_like_fit(sample, scaling=self.scaling)
        start = self.null._fitted_theta(problem)
        problem.learn_noise_prior(AcceleratedEM, [start])
        below = _refitted(self.null, problem, [start])
        above = self._above(sample, below)
        gain = _log_likelihood(*above) - _log_likelihood(*below)
        # Two experts that are alike are one: no more experts fit worse.
        statistic = max(2 * gain, 0.0)
        return Resample(statistic, below[1].converged and above[1].converged)

    def _above(self, sample, below):
        """Task and descent of one expert more than a task and descent had."""
        estimator, scaling = self.alternative, below[0].problem.scaling
        problem = estimator._problem_like_fit(sample, scaling=scaling)
        starts = [estimator._fitted_theta(problem)]
        if problem.mixture.n_experts > 2:  # short runs of two are a split
            two = estimator._problem_like_fit(sample, 2, scaling=scaling).mixture
            posterior = below[0].mixture.row_moments(below[1].theta).posterior
            starts += split_starts(problem.mixture, two, posterior)
        problem.learn_noise_prior(AcceleratedEM)
        # As the data's fit: a lesser search would reject too often.
        rng, name = np.random.RandomState(0), estimator.init
        for _ in range(estimator.n_init):
            found = starting_point(problem.mixture, name, rng, AcceleratedEM)
            starts.append(found.theta)
        return _refitted(estimator, problem, starts)


def _refitted(estimator, problem, starts):
    """Task and descent of a fit from the best of some starts, a list."""
    start = best_of_starts(problem.mixture, starts, AcceleratedEM)
    task = FitTask(estimator, problem, problem.mixture, start)
    return estimator._refined(task, descent_from(task, start))


def _log_likelihood(task, descent):
    """That of all rows where a descent has ended, in nats; no penalties in it."""
    penalty = task.mixture.penalties.value(descent.theta)
    return task.problem.n_seen * (penalty - descent.objective)
