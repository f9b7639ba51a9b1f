"""Fit an estimator to rows that come in parts: batches of a stream, or partitions.

The passes over the parts are: means, with validation; squares for scales, with
samples of the rows; and one for each evaluation of the objective.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skmoe._fit import fit_task, task_of
from skmoe._part_checks import (
    check_alike,
    checked,
    summary,
)
from skmoe._sklearn import validate_parameters
from skmoe._validation import check_enough, check_init_is_named
from skmoe.engine.gate import Gate
from skmoe.engine.parts import Rows, Sampling, added, on_parts
from skmoe.engine.problem import canonical_rows
from skmoe.engine.scaling import Means, Scaling, Squares, scaling_from


class _Model(NamedTuple):
    """What makes a problem of rows, here or in another process."""

    estimator: Any  # parameters and classes, nothing else that was fitted
    encoder: Any  # of targets
    columns: list  # of gate and experts
    dtype: Any  # of X

    def rows(self, part):
        """The engine's rows of a checked part."""
        X = part.X.astype(self.dtype, copy=False)
        return Rows(X, self.encoder.encode(part.y), part.weight)

    def problem(self, rows, scaling):
        """The engine's problem on rows, standardised as all rows are."""
        return self.estimator._make_problem(*rows, self.columns, scaling=scaling)


class _Gathered(NamedTuple):
    """What the second pass finds in a part."""

    squares: Squares
    sample: tuple[Rows, Rows]


class _Data(NamedTuple):
    """All rows: the parts, and what was gathered from them."""

    model: _Model
    rows: Any  # source of Rows
    scaling: Scaling
    sample: tuple[Rows | None, Rows]  # for the gate's curvature, for starts


def fit_parts(estimator, source):
    """Fit an estimator to parts; an earlier fit survives errors.

    Parameters
    ----------
    estimator : estimator of this package
    source : source of `Given` parts, with the methods of `skmoe.streaming.Stream`
    """
    best = fit_task(estimator, partial(_task, estimator, source))
    estimator._warn(best, stacklevel=4)
    return estimator


def _task(estimator, source, passes):
    """Task of a fit that starts from a sample and sums over the parts."""
    validate_parameters(estimator)
    estimator._check_structure()
    check_init_is_named(estimator)
    model, rows, scaling, (gate_rows, start_rows) = _read(
        estimator, source.with_threads(*passes)
    )

    def over(problem):
        """Mixture on all rows."""
        gate_sample = None
        if gate_rows is not None:
            gate_sample = model.problem(gate_rows, problem.scaling).mixture
        parts = rows.map(_mixture_of, model, problem.scaling)
        return on_parts(problem.mixture, parts, gate_sample)

    how = {"over": over, "scaling": scaling, "passes": passes}
    return task_of(estimator, start_rows, model.columns, scaling.total, **how)


def _read(estimator, source):
    """The first two passes, and one for the weights of classes."""
    bare = type(estimator)(**estimator.get_params(deep=False))
    source = source.map(checked, bare)
    found = source.collect(summary, bare)
    filled = [number for number, part in enumerate(found) if part.n_rows]
    source, found = source.select(filled), [found[number] for number in filled]
    check_alike(found)
    check_enough(estimator.n_experts, sum(part.n_rows for part in found))
    model = _learnt(estimator, bare, found)
    if bare.class_weight is not None:
        totals = np.sum(source.collect(_class_totals, model.encoder), axis=0)
        weights = model.encoder.weights(totals)
        source = source.map(_class_weighted, model.encoder, weights)
        found = source.collect(summary, bare)
    return _standardised(model, source.map(_rows_of, model), found)


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
    bare.n_features_in_ = first.n_features
    vars(bare).update(encoder.attributes())
    dtype = np.result_type(*(part.dtype for part in found))
    return _Model(bare, encoder, first.columns, dtype)


def _standardised(model, rows, found):
    """The second pass: scales of all rows, and samples of them."""
    means, estimator = Means.joined([part.means for part in found]), model.estimator
    spec = estimator._specification(model.columns)
    origin = (
        means.columns * (spec.fit_intercept or spec.gate_intercept),
        means.target * estimator._centres_target(),
    )
    sampling = _sampling(model, found)
    gathered = rows.collect(_gathered, origin, each=sampling.shares())
    squares = gathered[0].squares
    for part in gathered[1:]:
        squares = added(squares, part.squares)
    scaling = scaling_from(means, squares, origin, model.dtype)
    gate_rows, start_rows = sampling.gathered([part.sample for part in gathered])
    if gate_rows is None:
        start_rows = Rows(*canonical_rows(*start_rows)[:3])
    return _Data(model, rows, scaling, (gate_rows, start_rows))


def _sampling(model, found):
    """Which rows are gathered."""
    estimator, first = model.estimator, found[0]
    lasso = estimator.gate_alpha * estimator.gate_l1_ratio
    n_free = Gate(estimator.n_experts, estimator.depth, not lasso).contrasts.shape[1]
    widths = [
        1 + (first.n_features if chosen is None else chosen.shape[0])
        for chosen in model.columns
    ]
    n_targets = max(first.means.target.size, len(getattr(estimator, "classes_", [])))
    return Sampling(
        np.array([part.n_rows for part in found]),
        np.array([part.means.weight for part in found]),
        first.n_features + n_targets,
        widths[0],
        n_free,
        n_free * widths[0] + estimator.n_experts * n_targets * widths[1],
    )


# Functions of one part, which may run in another process.


def _class_totals(part, encoder):
    """Weight of the rows of each class in a checked part, (C,)."""
    return encoder.totals(encoder.encode(part.y), part.weight)


def _class_weighted(part, encoder, weights):
    """A checked part whose rows have their own weights times those of classes (C,)."""
    codes = encoder.encode(part.y)
    return part._replace(weight=part.weight * weights[codes])


def _rows_of(part, model):
    """The engine's rows of a checked part."""
    return model.rows(part)


def _gathered(rows, share, origin):
    """Squares and samples of a part."""
    return _Gathered(Squares.of(*rows, *origin), share.of(rows))


def _mixture_of(rows, model, scaling):
    """A part as a mixture on its rows, for the pass over the parts."""
    mixture = model.problem(rows, scaling).mixture.with_stored_curvature()
    mixture.gate_curvature = None  # that of the sample serves
    return mixture
