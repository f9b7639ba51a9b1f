"""What shares one latent expert: a single row, or a group of rows.

The gate decides once for a unit, and a unit's log-density under an expert is the sum
over its rows.  Both kinds have the same methods; values of rows are (..., b), those of
units (..., u).
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmoe.data.design import blocks_of


class Block(NamedTuple):
    """Units, and their rows, that a pass treats together."""

    units: slice
    rows: slice


class SingleRows:
    """Each row on its own.

    Parameters
    ----------
    weight : ndarray of shape (n,)
    """

    def __init__(self, weight):
        self.weight = weight  # of units

    def blocks(self, size):
        """Blocks of at most so many rows."""
        return [Block(rows, rows) for rows in blocks_of(self.weight.shape[0], size)]

    def sum(self, values, block):
        """Sum over the rows of each unit."""
        return values

    def expand(self, mass, block=None):
        """Mass of units on their rows, of a block or all; the adjoint of `sum`."""
        return mass

    def repeat(self, values, block=None):
        """The unit's value for each row of a block, or of all."""
        return values

    def averaged(self, features):
        """Mean of the rows of each unit, (n, d) -> (n, d)."""
        return features

    def take(self, chosen, weight=None):
        """Some units (index array), of the same weight unless given, and their rows."""
        if weight is None:
            weight = np.full(chosen.shape[0], 1.0 / chosen.shape[0])
        return SingleRows(weight), chosen


class Groups:
    """Groups of consecutive rows.

    A row of weight s counts as s rows of its group; groups count once.

    Parameters
    ----------
    starts : ndarray of int of shape (G + 1,), the first row of each group, and n
    counts : ndarray of shape (n,), weights of the rows
    """

    def __init__(self, starts, counts):
        self.starts, self.counts = starts, counts
        self.sizes = np.diff(starts)
        self.weight = np.full(self.sizes.shape[0], 1.0 / counts.sum())

    def blocks(self, size):
        """Blocks of whole groups, of about so many rows."""
        last = np.searchsorted(self.starts, np.arange(size, self.starts[-1], size))
        bounds = np.unique(np.concatenate([[0], last, [self.sizes.shape[0]]]))
        return [
            Block(slice(a, b), slice(self.starts[a], self.starts[b]))
            for a, b in zip(bounds, bounds[1:])
        ]

    def sum(self, values, block):
        """Sum over the rows of each unit, as often as they count."""
        first = self.starts[block.units] - block.rows.start
        return np.add.reduceat(values * self.counts[block.rows], first, axis=-1)

    def expand(self, mass, block=None):
        """Mass of units on their rows, of a block or all; the adjoint of `sum`."""
        counts = self.counts if block is None else self.counts[block.rows]
        return self.repeat(mass, block) * counts

    def repeat(self, values, block=None):
        """The unit's value for each row of a block, or of all."""
        sizes = self.sizes if block is None else self.sizes[block.units]
        return np.repeat(values, sizes, axis=-1)

    def averaged(self, features):
        """Mean of the rows of each unit, (n, d) -> (G, d)."""
        total = np.add.reduceat(self.counts, self.starts[:-1])
        share = self.counts / np.repeat(total, self.sizes)
        rows = np.arange(self.counts.shape[0])
        shape = self.sizes.shape[0], rows.shape[0]
        return sparse.csr_array((share, rows, self.starts), shape=shape) @ features

    def take(self, chosen, weight=None):
        """Some units (index array) and their rows; groups have no other weights."""
        sizes = self.sizes[chosen]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        offset = np.repeat(self.starts[chosen] - starts[:-1], sizes)
        rows = np.arange(starts[-1]) + offset
        return Groups(starts, self.counts[rows]), rows
