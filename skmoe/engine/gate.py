"""Curvature of the gate's log-partition, on a sample of the rows where there are many.

The gate's projection is one Newton step on its exact gradient.  An approximate matrix
changes how fast that converges, not where to; and it is the dearest part of an exact
step: K (K - 1) / 2 Gram matrices where the experts need K.
"""

import numpy as np

from skmoe.engine.curvature import SoftmaxCurvature
from skmoe.engine.design import block_rows, blocks_of
from skmoe.engine.softmax import softmax_in_place

# Rows in the sample: at least so many, so many for each coefficient, and this share of
# all, since confident gates have curvature in few rows.
_MIN_ROWS, _ROWS_PER_COEF, _SHARE = 8192, 20, 0.0625
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
    contrasts : ndarray of shape (K, K - 1)
    dense : bool, whether the matrix may be stored
    """

    def __init__(self, design, weight, contrasts, dense):
        self.contrasts, self.dense = contrasts, dense
        self.design, self.weight = _sampled(design, weight, contrasts.shape[1])
        self.blocks = blocks_of(self.design.n_rows, block_rows(design.n_columns))
        self.forget()

    def forget(self):
        """Forget the curvature of earlier coefficients."""
        self._known_at, self._known = None, None

    def near(self, gate):
        """Curvature at, or not far from, coefficients (K - 1, p)."""
        # In standardised features the norm is the root mean square of the logits.
        moved = np.inf if self._known is None else np.linalg.norm(gate - self._known_at)
        return self.at(gate) if moved > _STALE else self._known

    def at(self, gate):
        """Curvature at coefficients (K - 1, p), a pass over the sample."""
        if gate is self._known_at:  # a refused step is tried again, shorter
            return self._known
        total = SoftmaxCurvature(self.design, self.weight, self.contrasts, self.dense)
        coef = self.contrasts @ gate
        for rows in self.blocks:
            block = self.design.block(rows)
            probability = block.dot(coef)
            softmax_in_place(probability)
            total.add(rows, block, probability)
        self._known_at, self._known = gate, total.collected()
        return self._known


def _sampled(design, weight, n_free):
    """Design and weights of a sample, one row of each stretch of rows, or of all."""
    n_rows = design.n_rows
    n_coefs = n_free * design.n_columns
    size = int(max(_MIN_ROWS, _ROWS_PER_COEF * n_coefs, _SHARE * n_rows))
    if size > _WORTHWHILE * n_rows:
        return design, weight
    stride = n_rows / size
    rng = np.random.RandomState(0)
    rows = ((np.arange(size) + rng.uniform(size=size)) * stride).astype(np.intp)
    total = weight.sum()
    share = weight[rows].sum() * stride / total
    if not 1 / _UNEVEN < share < _UNEVEN:
        return design, weight
    return design.take(rows), weight[rows] * (total / weight[rows].sum())
