"""Rows of a block under gate and experts, and those that nobody has seen.

A row that was seen only because y was above an entry has the density ``p(y | x) / S``,
``S = P(y > entry | x)``.  In the population it stands for ``F / S`` rows more, in the
mean, with y below the entry, ``F = 1 - S``; with them EM is that of the population
(Dempster, Laird and Rubin 1977, section 4.2).
"""

from typing import Any, NamedTuple

import numpy as np

from skmoe.engine.routing import RoutedRows
from skmoe.engine.softmax import softmax_in_place


def logits_of_block(mixture, theta, block, designs, is_routed=False):
    """Rows under the gate and under the experts, posterior logits (K, u)."""
    gate, local, logits = _joint(
        mixture, theta, block, designs, is_routed, mixture.target
    )
    if mixture.known is not None:
        known = mixture.known[block.units]
        logits[(known >= 0) & (np.arange(len(logits))[:, None] != known)] = -np.inf
    return gate, local, logits


class Unseen(NamedTuple):
    """Unseen rows of a block, one for each row."""

    gate: Any  # normalised
    local: Any  # rows of experts
    posterior: np.ndarray  # (K, b)
    odds: np.ndarray  # how many there are for one that is seen, F / S, (b,)
    log_seen: np.ndarray  # log S, (b,)


def unseen_of_block(mixture, theta, block, designs, is_routed=False):
    """`Unseen` rows of a block of a mixture whose rows have entries."""
    given = mixture, theta, block, designs, is_routed
    below, above = mixture.unseen
    gate, local, posterior = _joint(*given, below)
    seen = _joint(*given, above)[2]
    log_scale = gate.normalise() + mixture.experts.distribution.log_unit
    log_unseen, log_seen = (
        softmax_in_place(logits) - log_scale for logits in (posterior, seen)
    )
    return Unseen(gate, local, posterior, np.exp(log_unseen - log_seen), log_seen)


def _joint(mixture, theta, block, designs, is_routed, targets):
    """Rows under the gate and under the experts, and joint logits of some targets."""
    gate_block, expert_block = designs
    gate = mixture.gate.at(theta.gate, gate_block)
    target = targets[..., block.rows]
    if is_routed:
        chosen = mixture.units.repeat(gate.logits > -np.inf, block)
        local = RoutedRows(mixture.experts, theta, expert_block, target, chosen)
    else:
        local = mixture.experts.at(theta, expert_block, target)
    log_density = local.log_density
    if mixture.fixed is not None:
        log_density = mixture.fixed.joined(log_density, block.rows)
    return gate, local, gate.logits + mixture.units.sum(log_density, block)
