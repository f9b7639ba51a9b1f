"""The fit again, to rows or y drawn anew: how its parameters vary."""

from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from skmoe._docs import see
from skmoe._restarts import FitTask, descent_from
from skmoe._typing import FloatArray
from skmoe._validation import check_count
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.threads import block_map
from skmoe.inspection._names import values_of
from skmoe.model_selection._bootstrap import check_can_draw
from skmoe.model_selection._null_resamples import NullResamples
from skmoe.solvers import AcceleratedEM

_SEEDS = 2**31 - 1
_SECTION = "Standard errors and convergence rates"
_TINY = np.finfo(np.float64).tiny


class Resamples(NamedTuple):
    """Refits behind standard errors by the bootstrap."""

    estimates: FloatArray  #: Of each refit that counts, (B, R).
    n_unmatched: int  #: Refits left out: experts that are not those of the fit.
    n_not_fitted: int  #: Data sets left out, which have no fit, as of one class.
    n_not_converged: int  #: Of those that count.

    def root(self):
        """A matrix (R, B) whose product with its transpose is their covariance."""
        centred = self.estimates - self.estimates.mean(axis=0)
        return centred.T / np.sqrt(len(centred) - 1)


class _Refit(NamedTuple):
    """One of them; without values where experts cannot be matched."""

    values: np.ndarray | None
    converged: bool
    is_fitted: bool = True


def bootstrapped(
    estimator, X, y, known, fit, n_resamples, parametric, n_jobs, random_state
):
    """`Resamples` of a `Fit`; parameters as `inference` takes them."""
    n_resamples = check_count("n_resamples", n_resamples, "refits", least=2)
    drawn = _drawn_y if parametric else _drawn_rows
    if parametric:
        if known.expert_labels is not None:
            raise ValueError(
                "expert_labels with parametric=True: y would be drawn whatever the "
                "labels; draw rows, parametric=False." + see(_SECTION)
            )
        check_can_draw(estimator, y, known)
        source = NullResamples.of(estimator, estimator, X, y, known)
    else:
        source = estimator._sample(X, y, known).of_positive_weight()
    refits = _Refits(estimator, fit, source, drawn)
    seeds = check_random_state(random_state).randint(_SEEDS, size=n_resamples)
    found = Parallel(n_jobs=n_jobs)(delayed(refits.refitted)(seed) for seed in seeds)
    kept = [refit for refit in found if refit.values is not None]
    n_fitted = sum(refit.is_fitted for refit in found)
    if len(kept) < 2:
        raise ValueError(
            f"Of {n_resamples} resamples {n_resamples - n_fitted} have no fit, and "
            f"experts of {n_fitted - len(kept)} cannot be matched with those of the "
            "fit, so that there are no standard errors; lower n_experts."
            + see(_SECTION)
        )
    return Resamples(
        np.array([refit.values for refit in kept]),
        n_fitted - len(kept),
        n_resamples - n_fitted,
        sum(not refit.converged for refit in kept),
    )


def _drawn_rows(sample, rng):
    """Rows, or whole groups, drawn with replacement, a `Sample`."""
    if sample.group is None:
        n_rows = len(sample.y)
        counts = np.bincount(rng.randint(n_rows, size=n_rows), minlength=n_rows)
        return sample._replace(weight=sample.weight * counts).of_positive_weight()
    order = np.argsort(sample.group, kind="stable")
    sizes = np.bincount(sample.group)
    chosen = rng.randint(sizes.size, size=sizes.size)
    drawn, starts = sizes[chosen], np.cumsum(sizes) - sizes
    # From the place of a row among those drawn to that in the order of groups.
    offset = np.repeat(starts[chosen] - (np.cumsum(drawn) - drawn), drawn)
    taken = sample.take(order[np.arange(drawn.sum()) + offset])
    # A group that is drawn twice is two groups.
    group = np.repeat(np.arange(chosen.size), drawn)
    return taken._replace(group=group, group_labels=sample.group_labels[chosen])


def _drawn_y(source, rng):
    """The rows with y drawn from the fit, a `Sample`."""
    return source.sample._replace(y=source.drawn_y(rng))


class _Refits(NamedTuple):
    """Refits of an estimator, each from its parameters."""

    estimator: Any
    fit: Any  # `Fit` to the data
    source: Any  # what `drawn(source, rng)` makes samples of
    drawn: Any

    def refitted(self, seed):
        """The fit to the data set of a seed."""
        sample = self.drawn(self.source, np.random.RandomState(seed))
        n_classes = len(getattr(self.estimator, "classes_", []))
        if n_classes and np.unique(sample.y).size < n_classes:
            return _Refit(None, False, False)
        try:
            with block_map(1):
                problem, descent = self._descent(sample)
        except (ValueError, InfeasibleStep):  # such as counts that are all zero
            return _Refit(None, False, False)
        attributes = problem.attributes(descent.theta, np.float64)
        order = self._matched(attributes)
        if order is None:
            return _Refit(None, descent.converged)
        if (order != np.arange(order.size)).any():
            for value in attributes.values():
                value[: order.size] = value[order]
        name = problem.specification.distribution.dispersion_name
        values = values_of(attributes, name, self.fit.intercepts)
        return _Refit(values[self.fit.coordinates.is_listed], descent.converged)

    def _descent(self, sample):
        """Problem and descent of a refit, which starts from the fit."""
        problem = self.estimator._problem_like_fit(sample)
        start = self.estimator._fitted_theta(problem)
        problem.learn_noise_prior(AcceleratedEM, [start])
        task = FitTask(self.estimator, problem, problem.mixture, start)
        return problem, descent_from(task, start)

    def _matched(self, attributes):
        """Numbers of the refit's experts in the order of the fit's, (K,), or None.

        By responsibilities for the rows of the fit: each must be most like its match,
        and its match like it.
        """
        problem = self.fit.problem
        mixture, n_experts = problem.mixture, len(attributes["coef_"])
        own, other = (
            mixture.row_moments(theta).posterior[:n_experts]
            for theta in (self.fit.state.theta, problem.parameters(attributes))
        )
        overlap = (own * mixture.units.weight) @ other.T
        norms = [
            np.sqrt(np.square(part) @ mixture.units.weight) for part in (own, other)
        ]
        likeness = overlap / np.maximum(np.outer(*norms), _TINY)
        rows, order = linear_sum_assignment(likeness, maximize=True)
        is_best = (likeness.argmax(axis=1) == order).all()
        is_best &= (likeness.argmax(axis=0)[order] == rows).all()
        keeps_numbers = problem.experts.is_numbered or self.estimator.depth > 1
        if not is_best or (keeps_numbers and (order != rows).any()):
            return None
        return order
