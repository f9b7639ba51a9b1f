"""partial_fit: rows collected for a start, then a mirror step for each batch.

The state between calls is a dict of arrays, numbers and tuples, so that copies, pickles
and files of skops go on as the estimator would.  It is replaced, never changed.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmoe._docs import see
from skmoe._fitted import STRUCTURE, check_as_fitted, settings_of
from skmoe._restarts import FitTask, best_descent
from skmoe._validation import (
    check_init_is_named,
    restored_on_failure,
)
from skmoe.data.canonical import Rows, canonical_rows
from skmoe.data.rows import rows_like_fit, rows_to_fit
from skmoe.data.sample import sample_of
from skmoe.data.scaling import Scaling
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.draws import n_coefs, sample_size
from skmoe.engine.m_step import project_responsibilities
from skmoe.engine.running import RunningMoments
from skmoe.engine.state import Parameters, Statistics
from skmoe.engine.sweep import InMemory
from skmoe.engine.threads import block_map
from skmoe.solvers import AcceleratedEM

# Moments of the rows before a batch of b, N in all, keep a share (1 - b / N)**POWER:
# the n-th row counts like n**(POWER - 1), however rows come in batches.  This is the
# polynomial decay of Shamir and Zhang (2013); averages of more rows are less noisy, of
# fewer rows quicker to forget the responsibilities of the start.
_POWER = 3
# Rows for each coefficient in a step, and in the first after `fit`, which has no other
# curvature; smaller batches wait for others.
_ROWS_PER_COEF, _FIRST_ROWS_PER_COEF = 2, 5
# Most entries of the moments' matrices, 1 GiB.
_LARGEST_MOMENTS = 2**27
# Rows with a class that is missing are waited for until there are so many times enough.
_LONGEST_WAIT = 10
# Collected rows are fitted anew once they have grown by this factor.
_GROWTH = 1.1
_TINY = np.finfo(np.float64).tiny


class Progress(NamedTuple):
    """What partial_fit knows beside the fitted attributes."""

    rows: tuple | None  # those collected, see `Rows`; None once the moments run
    n_fitted: int  # how many of them the parameters were fitted to
    after_fit: bool  # whether the parameters came from fit
    theta: tuple | None  # see `Parameters`
    stats: tuple | None  # running moments, see `Statistics`
    gate_matrix: np.ndarray | None


def partial_fit(estimator, X, y, classes, known):
    """Learn from one batch, with what is `Known`; a failure leaves all as before."""
    with restored_on_failure(estimator), block_map() as threads:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            rows, columns, n_rows = _batch(estimator, X, y, classes, known)
            learner = _Learner(estimator, columns, InMemory(*threads))
            progress, objective = learner.learn(rows)
        estimator._online = progress._asdict()
        estimator.objective_curve_ = np.append(estimator.objective_curve_, objective)
        estimator.n_iter_ = estimator.objective_curve_.shape[0]
        estimator.n_samples_seen_ += n_rows
        estimator.converged_ = False


def _batch(estimator, X, y, classes, known):
    """Validated rows of a batch, and how many they are, or their weight."""
    is_first = not hasattr(estimator, "coef_")
    if is_first:
        X, y, columns = rows_to_fit(estimator, X, y, known)
    else:
        X, y = rows_like_fit(estimator, X, y, known=known)
        columns = estimator._fitted["columns"]
        required = "offset", "trials", "y_upper", "entry"
        estimator._require(**{name: getattr(known, name) for name in required})
    _check_settings(estimator)
    encoder = estimator._target_encoder()
    sample = sample_of(encoder, settings_of(estimator), X, y, known)
    sample = sample.of_positive_weight()
    before = () if is_first else estimator._fitted["known"]
    _check_numbered(estimator, sample, before)
    if not is_first:
        _check_same_targets(known, before)
    estimator._known = tuple(dict.fromkeys([*before, *sample.known]))
    encoder = encoder.of_batch(sample.y, classes)
    vars(estimator).update(encoder.attributes())
    rows = sample.rows(encoder)
    if is_first and rows.fixed is not None:
        encoder.check_others_have_rows(rows.fixed)
    rows = rows._replace(weight=estimator._class_weighted(rows.weight, rows.target))
    n_rows = rows.X.shape[0]
    if known.sample_weight is not None or estimator.class_weight is not None:
        n_rows = float(rows.weight.sum())
    return rows, columns, n_rows


def _check_numbered(estimator, sample, before):
    """Raise an error if labels come once experts have numbers of their own.

    `before` names what went with earlier rows.
    """
    if sample.expert is None or not hasattr(estimator, "coef_"):
        return
    state = getattr(estimator, "_online", None)
    is_collecting = state is not None and state["stats"] is None
    if "expert_labels" not in before and (not is_collecting or state["after_fit"]):
        raise ValueError(
            "expert_labels are given, but earlier rows had none, and experts have "
            "their numbers since then; give labels from the first batch on, or to fit, "
            "or begin anew with a clone." + see("Known experts")
        )


def _check_same_targets(known, before):
    """Raise an error if rows have ends of y, and earlier ones had none."""
    if known.bounds_y and not {"y_upper", "entry"}.intersection(before):
        raise ValueError(
            f"{known.of_y()[0]} is given, but earlier rows had none; give it from the "
            "first batch on, y where y is known and -inf where there is no entry, or "
            "begin anew with a clone." + see("Censored and truncated y")
        )


def _check_settings(estimator):
    """Raise an error if a parameter does not go with the others, or has changed."""
    estimator._check_structure()
    check_init_is_named(estimator)
    if estimator.class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' needs the classes of all rows, which partial_fit "
            "does not know; give a dict of weights, such as those of "
            "sklearn.utils.class_weight.compute_class_weight on many rows."
            + see("Batches that arrive one by one")
        )
    if estimator.background and not hasattr(estimator, "background_range_"):
        raise ValueError(
            "background=True needs the range of all y, which partial_fit does not "
            "know; fit some rows first, or use noise_df against outliers."
            + see("A background of outliers")
        )
    is_new = not hasattr(estimator, "coef_")
    if is_new and vars(estimator).get("noise_df") == "estimate":
        raise ValueError(
            "noise_df='estimate' needs many passes over all rows, which partial_fit "
            "does not have; fit some rows first, or give the number (4 is a usual "
            "choice)." + see("Outliers")
        )
    if is_new:
        return
    fitted = estimator._fitted
    if "groups" in fitted["known"]:
        raise ValueError(
            "groups were given to fit, but rows of partial_fit have none; fit without "
            "groups, or fit all rows again." + see("Batches that arrive one by one")
        )
    names = *STRUCTURE, "top_k"
    remedy = "begin anew with a clone"
    check_as_fitted(estimator, names, "partial_fit goes on from that", remedy)
    for name in ("l1_ratio", "gate_l1_ratio"):
        if (getattr(estimator, name) > 0) != (fitted["settings"][name] > 0):
            purpose = "moments with and without it differ"
            check_as_fitted(estimator, [name], purpose, remedy)


def _stepped(mixture, theta, moments, share, growth):
    """Parameters after rows (a Mixture) were blended in with some weight.

    `growth` is that of the rows since `fit`.
    """
    if moments.stats is None:
        moments.blend(mixture, theta, 1.0)
        moments.make_optimal(mixture, theta, growth)
    moments.blend(mixture, theta, share)
    try:
        theta = moments.project(mixture, theta)
    except InfeasibleStep:
        return theta  # the next rows may bring the curvature that is missing
    if not np.isfinite(theta.flat()).all():
        raise ValueError(
            "X has NaN, or X or y values so large that a step is not finite; impute or "
            "scale them."
        )
    return theta


def _check_size(problem):
    """Raise an error if the moments' matrices would not fit in memory."""
    gate, experts = problem.mixture.initial()[:2]
    n_sets, n_free, n_columns = experts.shape
    pairs = n_free * (n_free + 1) // 2 if problem.target_scale is None else 1
    n_entries = gate.size**2 + n_sets * pairs * n_columns**2
    if n_entries > _LARGEST_MOMENTS:
        raise ValueError(
            f"X has {problem.scaling.mean.size} features: the moments that "
            f"partial_fit keeps would have {n_entries:.1e} entries, more than "
            f"{_LARGEST_MOMENTS:.1e}; choose columns by gate_features and "
            "expert_features, or use fit." + see("Batches that arrive one by one")
        )


class _Learner:
    """One call of partial_fit.

    Parameters
    ----------
    estimator : BaseMixtureOfExperts
    columns : pair of those of gate and experts, indices or None
    passes : InMemory
    """

    def __init__(self, estimator, columns, passes):
        self.estimator, self.columns, self.passes = estimator, columns, passes
        state = getattr(estimator, "_online", None)
        if state is not None:
            self.before = Progress(*(state[name] for name in Progress._fields))
            return
        after_fit = hasattr(estimator, "coef_")
        self.before = Progress(None, 0, after_fit, None, None, None)
        estimator.objective_curve_ = np.zeros(0)
        if not after_fit:
            estimator.n_samples_seen_ = 0

    def learn(self, rows):
        """Progress after the rows, and the objective to report."""
        if self.before.after_fit or self.before.stats is not None:
            return self._advance(self._like_units(rows))
        return self._collect(rows)

    def _collect(self, rows):
        """Fit the rows collected so far, if they have grown; or start the moments."""
        fresh, before = rows, self.before
        if before.rows is not None:
            fresh = self._like_units(rows)
            rows = Rows.joined([Rows(*before.rows), fresh])
        n_rows = rows.weight.size
        problem = self._problem(canonical_rows(*rows))
        is_enough = self._is_enough(rows, sample_size(problem.mixture))
        if n_rows < _GROWTH * before.n_fitted and not is_enough:
            return before._replace(rows=tuple(rows)), self._objective(fresh)
        problem.learn_noise_prior(AcceleratedEM)
        theta, mass, objective = self._fit(problem, n_rows)
        self._publish(problem, theta, mass, rows.X.dtype)
        if not is_enough:
            return before._replace(rows=tuple(rows), n_fitted=n_rows), objective
        moments = RunningMoments()
        moments.blend(problem.mixture, theta, 1.0)
        return self._running(moments, theta), objective

    def _is_enough(self, rows, size):
        """Whether collected rows, at least `size`, tell experts apart.

        Experts that agree on all rows stay alike, so classes and values of y that are
        missing are waited for, but not for ever.
        """
        n_rows = rows.weight.size
        if n_rows < size or n_rows >= _LONGEST_WAIT * size:
            return n_rows >= size
        if hasattr(self.estimator, "classes_"):
            return np.unique(rows.target).size == self.estimator.classes_.size
        return bool(np.ptp(np.atleast_2d(rows.target), axis=1).all())

    def _fit(self, problem, n_rows):
        """The parameters that fit collected rows, and F."""
        mixture, n_experts = problem.mixture, self.estimator.n_experts
        if n_rows < n_experts:
            # Too few to tell experts apart: all are the same.
            shares = np.full((n_experts, mixture.weight.shape[0]), 1 / n_experts)
            theta = project_responsibilities(mixture, shares)
            state = mixture.evaluate(theta, curvature=False)
            return theta, state.stats.mass, state.objective
        task = FitTask(self.estimator, problem, mixture, self.estimator.init)
        best = problem.ordered(best_descent(task))
        return best.theta, best.mass, best.objective

    def _advance(self, rows):
        """One mirror step on the rows that wait, once there are enough."""
        before, fresh, estimator = self.before, rows, self.estimator
        objective = self._objective(fresh)
        if before.rows is not None:
            rows = Rows.joined([Rows(*before.rows), fresh])
        seen = estimator.n_samples_seen_
        total = seen + fresh.weight.sum()
        scaling = self._scaling()
        spec = estimator._specification(self.columns)
        if spec.gate_intercept == spec.fit_intercept:
            # Else one of them sees the columns that are constant so far.
            constant = np.isinf(scaling.scale)
            if not (spec.shares_intercept and scaling.mean[constant].any()):
                scaling = scaling.with_news(rows.X, rows.weight)
        problem = self._problem(rows, scaling, total)
        theta, moments = self._moments(problem)
        is_first = moments.stats is None
        rows_per_coef = _FIRST_ROWS_PER_COEF if is_first else _ROWS_PER_COEF
        n_learnt = sum(n_coefs(problem.mixture)) + theta.log_variance.size
        if rows.weight.size < rows_per_coef * n_learnt:
            return before._replace(rows=tuple(rows)), objective
        batch = rows.weight.sum()
        kept = (1 - batch / total) ** _POWER
        growth = total / max(total - batch, _TINY)
        theta = _stepped(problem.mixture, theta, moments, 1 - kept, growth)
        self._publish(problem, theta, moments.stats.mass, rows.X.dtype)
        return self._running(moments, theta), objective

    def _moments(self, problem):
        """Parameters so far, and the moments, which `fit` leaves to be made."""
        before = self.before
        if before.stats is not None:
            moments = RunningMoments(Statistics(*before.stats), before.gate_matrix)
            return Parameters(*before.theta), moments
        return self.estimator._fitted_theta(problem), RunningMoments()

    def _objective(self, rows):
        """F of some rows under the parameters so far."""
        seen = self.estimator.n_samples_seen_ + rows.weight.sum()
        problem = self._problem(rows, self._scaling(), seen)
        theta = self.estimator._fitted_theta(problem)
        return problem.mixture.evaluate(theta, curvature=False).objective

    def _running(self, moments, theta):
        """Progress with running moments."""
        return self.before._replace(
            rows=None,
            theta=tuple(theta),
            stats=tuple(moments.stats),
            gate_matrix=moments.gate_matrix,
        )

    def _publish(self, problem, theta, mass, dtype):
        """Set the attributes that follow from the parameters."""
        estimator = self.estimator
        fitted = estimator._described(problem, theta, mass, dtype)
        for name, value in fitted.items():
            setattr(estimator, name, value)

    def _problem(self, rows, scaling=None, n_seen=None):
        """The engine's problem on some rows; on the way so many were seen in all."""
        prior = None
        if scaling is not None:
            scaling = scaling._replace(total=rows.weight.sum())
            prior = self.estimator._fitted_prior()
        problem = self.estimator._make_problem(
            rows,
            self.columns,
            scaling=scaling,
            n_seen=n_seen,
            prior_noise=prior,
            passes=self.passes,
        )
        _check_size(problem)
        return problem

    def _scaling(self):
        """Scaling of the parameters so far."""
        fitted = self.estimator._fitted
        return Scaling.of_units(fitted["column_units"], fitted["target_units"])

    def _like_units(self, rows):
        """Rows in the form, dense or sparse, that the units ask for."""
        mean, scale = self.estimator._fitted["column_units"]
        is_centred = (np.isfinite(scale) & (mean != 0)).any()
        if is_centred and sparse.issparse(rows.X):
            raise ValueError(
                "X is sparse, but earlier rows were dense, and centred; give dense "
                "batches, X.toarray(), or sparse ones from the beginning."
            )
        kept = self.before.rows
        if kept is None or sparse.issparse(kept[0]) == sparse.issparse(rows.X):
            return rows
        if sparse.issparse(kept[0]):
            return rows._replace(X=sparse.csr_array(rows.X))
        return rows._replace(X=rows.X.toarray())
