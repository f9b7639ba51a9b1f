"""Curvature of the gate's log-partition, on a sample of the rows where there are many.

The gate's projection is one Newton step on its exact gradient.  An approximate matrix
changes how fast that converges, not where to; and it is the dearest part of an exact
step: K (K - 1) / 2 Gram matrices where the experts need K.
"""

import copy
from functools import cached_property

import numpy as np

from skmoe.engine.design import block_rows, blocks_of

# Rows in the sample: at least so many, so many for each coefficient, and this share of
# all, since confident gates have curvature in few rows.
_MIN_ROWS, _ROWS_PER_COEF, _SHARE = 8192, 20, 0.0625
# A share of very many rows stops here, in entries: it must fit where they do not.
_MOST_ENTRIES = 2**24
# A matrix serves until the logits have moved by this much, root mean square.
_STALE = 0.15
# A sample that does not save this much, or whose weight says that few rows of large
# weight matter, is not worth its noise.
_WORTHWHILE, _UNEVEN = 0.6, 1.25


class GateCurvature:
    """Curvature of the gate as a function of its coefficients.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    weight : ndarray of shape (n,)
    gate : Gate
    dense : bool, whether the matrix may be stored
    """

    def __init__(self, design, weight, gate, dense):
        self.gate, self.dense = gate, dense
        self._all_rows = design, weight
        self._known_at, self._known = None, None

    @cached_property
    def rows(self):
        """Design and weights of the sample; not every mixture needs them."""
        return _sampled(*self._all_rows, self.gate.contrasts.shape[1])

    def afresh(self):
        """The same, knowing nothing of earlier coefficients."""
        _ = self.rows  # drawn once for all copies
        fresh = copy.copy(self)
        fresh._known_at, fresh._known = None, None
        return fresh

    def on(self, design, weight):
        """The same on given rows, all of them."""
        moved = copy.copy(self)
        moved.rows = design, weight
        return moved

    def near(self, coef):
        """Curvature at, or not far from, coefficients (K - 1, p)."""
        # In standardised features the norm is the root mean square of the logits.
        moved = np.inf if self._known is None else np.linalg.norm(coef - self._known_at)
        return self.at(coef) if moved > _STALE else self._known

    def at(self, coef):
        """Curvature at coefficients (K - 1, p), a pass over the sample."""
        if coef is self._known_at:  # a refused step is tried again, shorter
            return self._known
        design, weight = self.rows
        total = self.gate.curvature(design, weight, self.dense)
        for rows in blocks_of(design.n_rows, block_rows(design.n_columns)):
            block = design.block(rows)
            local = self.gate.at(coef, block)
            local.normalise()
            total.add(rows, block, local)
        self._known_at, self._known = coef, total.collected()
        return self._known


def sample_rows(n_rows, n_columns, n_free):
    """Rows of the sample, one of each stretch of rows; None for all of them."""
    share = min(_SHARE * n_rows, _MOST_ENTRIES // n_columns)
    size = int(max(_MIN_ROWS, _ROWS_PER_COEF * n_free * n_columns, share))
    if size > _WORTHWHILE * n_rows:
        return None
    rng = np.random.RandomState(0)
    positions = (np.arange(size) + rng.uniform(size=size)) * (n_rows / size)
    return positions.astype(np.intp)


def is_even(weight, share):
    """Whether the weight of a sample is near the given share of all."""
    return 1 / _UNEVEN < weight.sum() / share < _UNEVEN


def _sampled(design, weight, n_free):
    """Design and weights of a sample, or of all rows."""
    total = weight.sum()
    rows = sample_rows(design.n_rows, design.n_columns, n_free)
    if rows is None or not is_even(weight[rows], total * len(rows) / design.n_rows):
        return design, weight
    return design.take(rows), weight[rows] * (total / weight[rows].sum())
