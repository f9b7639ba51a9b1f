"""A mixture whose rows come in parts: each pass is a map over them and a sum.

A source of parts has the methods of `skmoe.streaming.Stream`.  Everything that a fit
needs of the rows beside sums (starting points, the gate's curvature) comes from samples
that are gathered once.
"""

from typing import Any, NamedTuple

import numpy as np

from skmoe.engine.gate_curvature import is_even, sample_rows
from skmoe.engine.mixture import Mixture
from skmoe.engine.rows import Rows
from skmoe.engine.sweep import sweep

# Up to so many rows and entries all rows are gathered, and a fit starts as in memory.
_MOST_ROWS, _MOST_ENTRIES = 2**18, 2**22
# A sample that starts are tried on has at least so many rows for each coefficient.
_ROWS_PER_COEF = 20


class Share(NamedTuple):
    """Which rows of a part are gathered: their indices, or all of them."""

    for_gate: np.ndarray | None  # evenly spread over the rows
    for_start: np.ndarray | None  # positions in the cumulated weights of the part

    def of(self, rows):
        """These rows of a part, a pair of Rows."""
        if self.for_start is None:
            return rows.take(slice(0, 0)), rows
        cumulated = np.cumsum(rows.weight)
        drawn = np.searchsorted(cumulated, self.for_start, "right")
        drawn = np.minimum(drawn, cumulated.shape[0] - 1)
        return rows.take(self.for_gate), rows.take(drawn)


class Sampling:
    """Samples of rows that are in parts: which rows, and what becomes of them.

    Up to some number of rows the sample is all of them.  Beyond, one sample is drawn by
    weight for starting points, and one evenly for the gate's curvature, the rows that a
    fit in memory takes.

    Parameters
    ----------
    sizes : ndarray of int of shape (parts,), rows of each part
    weights : ndarray of shape (parts,), total weight of each part
    width : int, columns of X and targets
    gate_columns, n_free : int, of the gate, and its free logits
    n_coefs : int, coefficients of gate and experts
    """

    def __init__(self, sizes, weights, width, gate_columns, n_free, n_coefs):
        self.sizes, self.weights = sizes, weights
        n_rows, total = sizes.sum(), weights.sum()
        fitting = min(_MOST_ROWS, _MOST_ENTRIES // width)
        size = max(fitting, _ROWS_PER_COEF * n_coefs)
        self.is_whole = size >= n_rows
        if self.is_whole:
            return
        rng = np.random.RandomState(0)
        positions = np.arange(size) + rng.uniform(size=size)
        self.for_start = positions * (total / size)
        rows = sample_rows(n_rows, gate_columns, n_free)
        self.for_gate = np.empty(0, dtype=np.intp) if rows is None else rows

    def shares(self):
        """What is gathered from each part, a list of Share."""
        if self.is_whole:
            return [Share(None, None)] * self.sizes.shape[0]
        gate = _split(self.for_gate, self.sizes)
        start = _split(self.for_start, self.weights)
        return list(map(Share, gate, start))

    def gathered(self, parts):
        """Rows for the gate or None, and Rows for starts, from `Share.of` of parts."""
        gate, start = map(Rows.joined, zip(*parts))
        if self.is_whole:
            return None, start
        total = self.weights.sum()
        weight = np.full(start.weight.shape[0], total / start.weight.shape[0])
        start = start._replace(weight=weight)
        share = gate.weight.shape[0] / self.sizes.sum()
        if share == 0 or not is_even(gate.weight / total, share):
            return start, start
        return gate._replace(weight=gate.weight * (total / gate.weight.sum())), start


def _split(positions, lengths):
    """Sorted positions by the stretch that they fall into, and from its start on."""
    ends = np.cumsum(lengths)
    bounds = np.searchsorted(positions, ends[:-1], "left")
    starts = np.concatenate([[0], ends[:-1]]).astype(positions.dtype)
    return [part - start for part, start in zip(np.split(positions, bounds), starts)]


class OverParts(NamedTuple):
    """Passes over rows in parts, of one model on a sample of them."""

    source: Any  # source of parts, each a Mixture on its rows
    sample: Mixture

    def total(self, mixture, theta, curvature, blend, keep, given):
        """Statistics of all parts; what is of single rows they do not give."""
        same = "experts", "gate", "target", "weight"
        is_same = all(
            getattr(mixture, name) is getattr(self.sample, name) for name in same
        )
        if not is_same or keep is not None or given is not None:
            raise TypeError("Parts have sums at the parameters of their own model only")
        return self.source.total(sweep, theta, curvature, blend, None)


def on_parts(mixture, source, gate_sample=None):
    """A mixture on a sample as one on all parts; its curvature is stored.

    Parameters
    ----------
    mixture : Mixture on a sample
    source : source of parts, each a Mixture on its rows
    gate_sample : Mixture on the rows for the gate's curvature; the same by default
    """
    whole = mixture.with_stored_curvature()
    whole.passes = OverParts(source, mixture)
    if gate_sample is not None:
        rows = gate_sample.gate_design, gate_sample.weight
        whole.gate_curvature = whole.gate_curvature.on(*rows)
    return whole


def added(first, second):
    """Sum of two named tuples of the same kind, field by field."""
    return type(first)(*map(np.add, first, second))
