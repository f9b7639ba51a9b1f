"""Fit an estimator to rows that come in parts: batches of a stream, or partitions.

The passes over the parts are: means, with validation; squares for scales, with
samples of the rows; and one for each evaluation of the objective.
"""

from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from skmoe._callbacks import with_callbacks
from skmoe._fit import fit_task, task_of, warn_of
from skmoe._fitted import settings_of
from skmoe._sklearn import validate_parameters
from skmoe._validation import check_enough, check_init_is_named
from skmoe.data.canonical import canonical_rows
from skmoe.data.part_checks import check_alike, checked, summary
from skmoe.data.sampling import Sampling
from skmoe.data.scaling import Means, Squares, scaling_from
from skmoe.engine.parts import added, on_parts

# What callbacks see of X and y, which are nowhere as a whole.
_UNSEEN = {"X": None, "y": None, "metadata": None}


class _Model(NamedTuple):
    """What makes a problem of rows, here or in another process."""

    estimator: Any  # parameters and classes, nothing else that was fitted
    encoder: Any  # of targets
    columns: list  # of gate and experts
    dtype: Any  # of X

    def problem(self, rows, scaling):
        """The engine's problem on rows, standardised as all rows are."""
        return self.estimator._make_problem(rows, self.columns, scaling=scaling)


def fit_parts(estimator, source):
    """Fit an estimator to parts; an earlier fit survives errors.

    Parameters
    ----------
    estimator : estimator of this package
    source : source of `Given` parts, with the methods of `skmoe.streaming.Stream`
    """
    task, best = _fitted(estimator, source)
    warn_of(estimator, task, best, stacklevel=4)
    return estimator


@with_callbacks
def _fitted(estimator, source):
    """Task and best descent of a fit, whose attributes the estimator gets."""
    return fit_task(estimator, partial(_task, estimator, source))


def _task(estimator, source, passes):
    """Task of a fit that starts from a sample and sums over the parts."""
    validate_parameters(estimator)
    estimator._check_structure()
    check_init_is_named(estimator)
    model, rows, found = _read(estimator, source.with_threads(*passes))
    scaling, gate_rows, start_rows = _standardised(model, rows, found)

    def over(problem):
        """Mixture on all rows."""
        gate_sample = None
        if gate_rows is not None:
            gate_sample = model.problem(gate_rows, problem.scaling).mixture
        parts = rows.map(_mixture_of, problem.without_rows())
        return on_parts(problem.mixture, parts, gate_sample)

    how = {"over": over, "scaling": scaling, "passes": passes, "data": _UNSEEN}
    return task_of(estimator, start_rows, model.columns, scaling.total, **how)


def _read(estimator, source):
    """Model, source of Rows and summaries: a pass, and two for weights of classes."""
    bare = type(estimator)(**estimator.get_params(deep=False))
    source = source.map(checked, bare, settings_of(bare))
    found = source.collect(summary, bare)
    filled = [number for number, part in enumerate(found) if part.n_rows]
    source, found = source.select(filled), [found[number] for number in filled]
    check_alike(found)
    check_enough(estimator.n_experts, sum(part.n_rows for part in found))
    model = _learnt(estimator, bare, found)
    rows = source.map(_rows_of, model)
    if bare.class_weight is not None:
        totals = np.sum(rows.collect(_class_totals, model.encoder), axis=0)
        rows = rows.map(_class_weighted, model.encoder.weights(totals))
        means = rows.collect(_means)
        found = [part._replace(means=own) for part, own in zip(found, means)]
    return model, rows, found


def _learnt(estimator, bare, found):
    """Model of the input; the estimator learns its names and classes."""
    first = found[0]
    estimator.n_features_in_ = first.n_features
    if first.names is not None:
        estimator.feature_names_in_ = np.array(first.names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    summaries = np.concatenate([part.y for part in found])
    encoder = estimator._learn_target(summaries)
    estimator._known = tuple({name: None for part in found for name in part.known})
    bare.n_features_in_, bare._known = first.n_features, estimator._known
    vars(bare).update(encoder.attributes())
    dtype = np.result_type(*(part.dtype for part in found))
    return _Model(bare, encoder, first.columns, dtype)


def _standardised(model, rows, found):
    """A pass for scales of all rows, and samples for the gate, or None, and starts."""
    means, estimator = Means.joined([part.means for part in found]), model.estimator
    spec = estimator._specification(model.columns)
    origin = (
        means.columns * (spec.fit_intercept or spec.gate_intercept),
        means.target * estimator._centres_target(),
    )
    sampling = _sampling(model, found)
    shares = sampling.shares()
    gathered = rows.collect(_gathered, origin, model.encoder, each=shares)
    squares, samples = zip(*gathered)
    scaling = scaling_from(means, reduce(added, squares), origin, model.dtype)
    gate_rows, start_rows = sampling.gathered(samples)
    if gate_rows is None:
        start_rows = canonical_rows(*start_rows)
    return scaling, gate_rows, start_rows


def _sampling(model, found):
    """Which rows are gathered."""
    first = found[0]
    n_targets = model.estimator._n_targets(first.means.target)
    spec = model.estimator._specification(model.columns, n_targets)
    of_gate, of_experts = spec.widths(first.n_features)
    is_smooth = spec.gate_alpha * spec.gate_l1_ratio == 0
    n_free = spec.gate(is_smooth).contrasts.shape[1]
    return Sampling(
        np.array([part.n_rows for part in found]),
        np.array([part.means.weight for part in found]),
        first.n_features + n_targets,
        of_gate,
        n_free,
        n_free * of_gate + spec.n_experts * n_targets * of_experts,
    )


# Functions of one part, which may run in another process.


def _rows_of(part, model):
    """The engine's rows of a checked part."""
    X = part.sample.X.astype(model.dtype, copy=False)
    return part.sample._replace(X=X).rows(model.encoder)


def _class_totals(rows, encoder):
    """Weight of the rows of each class in a part, (C,)."""
    return encoder.totals(rows.target, rows.weight)


def _class_weighted(rows, weights):
    """A part whose rows have their own weights times those of classes (C,)."""
    return rows._replace(weight=rows.weight * weights[rows.target])


def _means(rows):
    """Means of a part."""
    return Means.of(rows.X, rows.target, rows.weight)


def _gathered(rows, share, origin, encoder):
    """Squares and samples of a part."""
    own = None if rows.fixed is None else encoder.own_weight(rows)
    squares = Squares.of(rows.X, rows.target, rows.weight, *origin, own)
    return squares, share.of(rows)


def _mixture_of(rows, problem):
    """A part as a mixture on its rows, for the pass over the parts."""
    mixture = problem.mixture_of(rows).with_stored_experts()
    mixture.gate_curvature = None  # that of the sample serves
    return mixture
