"""A mixture whose rows come in parts: each pass is a map over them and a sum.

A source of parts has the methods of `skmoe.streaming.Stream`.  Everything that a fit
needs of the rows beside sums (starting points, the gate's curvature) comes from samples
that are gathered once.
"""

from typing import Any, NamedTuple

import numpy as np

from skmoe.engine.mixture import Mixture
from skmoe.engine.sweep import sweep


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

    def totals(self, *arguments):
        """As `Threads.totals`, over the gate's rows, which are in memory."""
        return self.sample.passes.totals(*arguments)


def on_parts(mixture, source, gate_sample=None):
    """A mixture on a sample as one on all parts; its experts' curvature is stored.

    Parameters
    ----------
    mixture : Mixture on a sample
    source : source of parts, each a Mixture on its rows
    gate_sample : Mixture on the rows for the gate's curvature; the same by default
    """
    whole = mixture.with_stored_experts()
    whole.passes = OverParts(source, mixture)
    if gate_sample is not None:
        rows = gate_sample.gate_design, gate_sample.weight
        whole.gate_curvature = whole.gate_curvature.on(*rows)
    return whole


def added(first, second):
    """Sum of two named tuples of the same kind, field by field."""
    return type(first)(*map(np.add, first, second))
