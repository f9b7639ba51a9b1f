"""Rows under experts that have no parameters: their log-densities never change.

Such experts come after the others in the gate, and nowhere else.
"""

from typing import NamedTuple

import numpy as np

from skmoe.engine.gate import Gate
from skmoe.engine.units import Block


class FixedRows(NamedTuple):
    """What is known of rows, all of them, under F experts without parameters."""

    log_density: np.ndarray  # (F, n)
    closed: np.ndarray  # bool, rows that no other expert can have, (n,)
    first_shares: np.ndarray  # of rows that an expert can have, where fits begin, (F,)

    def take(self, rows):
        """Some of the rows (index array or slice)."""
        return self._replace(
            log_density=self.log_density[:, rows], closed=self.closed[rows]
        )

    def joined(self, log_density, rows):
        """Log-densities of all experts in a block, from those of the others (K, b)."""
        others = np.where(self.closed[rows], -np.inf, log_density)
        return np.concatenate([others, self.log_density[:, rows]])

    def completed(self, responsibilities, n_experts, units):
        """Responsibilities of all experts, (E, u), as far as they can be.

        From those of all, or of the `n_experts` others, (K, u): fixed ones then have
        their first shares.
        """
        whole = Block(slice(0, units.weight.size), slice(0, self.closed.size))
        can = units.sum(self.log_density, whole) > -np.inf
        is_open = ~self.closed_units(units)
        if len(responsibilities) == n_experts:
            shares = can * self.first_shares[:, None]
            rest = responsibilities * (1 - shares.sum(axis=0))
            responsibilities = np.concatenate([rest, shares])
        can = np.concatenate([np.tile(is_open, (n_experts, 1)), can])
        found = responsibilities * can
        total = found.sum(axis=0)
        possible = total > 0
        even = can / can.sum(axis=0)
        return np.where(possible, found / np.where(possible, total, 1.0), even)

    def closed_units(self, units):
        """Units that no other expert can have, (u,)."""
        whole = Block(slice(0, units.weight.size), slice(0, self.closed.size))
        return units.sum(self.closed.astype(np.float64), whole) > 0


def others_alone(mixture):
    """The mixture of the experts that have parameters, on the units that can be theirs.

    And which these are, an index array; starts are made from their labels.
    """
    every = np.arange(mixture.units.weight.size)
    if mixture.fixed is None:
        return mixture, every
    gate = Gate(mixture.n_experts, smooth=mixture.gate.smooth)
    alone = mixture.replaced(fixed=None, gate=gate)
    is_closed = mixture.fixed.closed_units(mixture.units)
    if not is_closed.any():
        return alone, every
    kept = np.flatnonzero(~is_closed)
    weight = mixture.units.weight[kept]
    return alone.take(kept, weight / weight.sum()), kept
