"""Curvature of the gate's log-partition, on a sample of the rows where there are many.

The gate's projection is one Newton step on its exact gradient.  An approximate matrix
changes how fast that converges, not where to; and it is the dearest part of an exact
step: K (K - 1) / 2 Gram matrices where the experts need K.
"""

import copy
from functools import cached_property

import numpy as np

from skmoe.data.design import block_rows, blocks_of
from skmoe.data.sampling import is_even, sample_rows
from skmoe.engine.preconditioner import with_gram
from skmoe.engine.threads import IN_ONE_THREAD

# A matrix serves until the logits have moved by this much, root mean square.
_STALE = 0.15


class GateCurvature:
    """Curvature of the gate as a function of its coefficients.

    Parameters
    ----------
    design : DenseDesign or SparseDesign
    weight : ndarray of shape (n,)
    gate : Gate
    dense : bool, whether the matrix may be stored
    passes : Threads, of products with a matrix that is not
    """

    def __init__(self, design, weight, gate, dense, passes=IN_ONE_THREAD):
        self.gate, self.dense, self.passes = gate, dense, passes
        self._all_rows = design, weight
        self._known_at, self._known = None, None

    @cached_property
    def rows(self):
        """Design and weights of the sample; not every mixture needs them."""
        return _sampled(*self._all_rows, self.gate.contrasts.shape[1])

    def afresh(self, passes=IN_ONE_THREAD):
        """The same, by other passes, knowing nothing of earlier coefficients."""
        _ = self.rows  # drawn once for all copies
        fresh = copy.copy(self)
        fresh.passes = passes
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
        for rows in blocks_of(design.n_rows, block_rows(design.row_size)):
            block = design.block(rows)
            local = self.gate.at(coef, block)
            local.normalise()
            total.add(rows, block, local)
        self._known_at, self._known = coef, total.collected(self.passes)
        return self._known


def _sampled(design, weight, n_free):
    """Design and weights of a sample, or of all rows."""
    total = weight.sum()
    rows = sample_rows(design.n_rows, design.n_columns, n_free)
    if rows is None or not is_even(weight[rows], total * len(rows) / design.n_rows):
        return design, weight
    weight = weight[rows] * (total / weight[rows].sum())
    return with_gram(design.take(rows), weight), weight
