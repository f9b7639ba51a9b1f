"""Which rows are a sample: for the curvature of the gate, and for starts."""

from typing import NamedTuple

import numpy as np

from skmoe.data.canonical import Rows

# Of rows in parts all are gathered up to so many rows and entries.
_MOST_ROWS, _MOST_ENTRIES = 2**18, 2**22
# A sample that starts are tried on has at least so many rows for each coefficient, and
# so has the gate's.
_ROWS_PER_COEF = 20
# The gate's has at least so many rows, and this share of all, since confident gates
# have curvature in few rows.
_MIN_ROWS, _SHARE = 8192, 0.0625
# A share of very many rows stops here, in entries: it must fit where they do not.
_MOST_IN_SHARE = 2**24
# A sample that does not save this much, or whose weight says that few rows of large
# weight matter, is not worth its noise.
_WORTHWHILE, _UNEVEN = 0.6, 1.25


class Share(NamedTuple):
    """Which rows of a part are gathered: their indices, or all of them."""

    for_gate: np.ndarray | None  # evenly spread over the rows
    for_start: np.ndarray | None  # positions in the cumulated weights of the part

    def of(self, rows):
        """These rows of a part, a pair of Rows."""
        if self.for_start is None:
            # Copies: a batch may come in a buffer that is filled anew.
            every = np.arange(rows.weight.shape[0])
            return rows.take(every[:0]), rows.take(every)
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


def sample_rows(n_rows, n_columns, n_free):
    """Rows of the sample, one of each stretch of rows; None for all of them."""
    share = min(_SHARE * n_rows, _MOST_IN_SHARE // n_columns)
    size = int(max(_MIN_ROWS, _ROWS_PER_COEF * n_free * n_columns, share))
    if size > _WORTHWHILE * n_rows:
        return None
    rng = np.random.RandomState(0)
    positions = (np.arange(size) + rng.uniform(size=size)) * (n_rows / size)
    return positions.astype(np.intp)


def is_even(weight, share):
    """Whether the weight of a sample is near the given share of all."""
    return 1 / _UNEVEN < weight.sum() / share < _UNEVEN
