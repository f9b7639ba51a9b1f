"""The gate: one softmax over the experts or a tree of them, of which few may count."""

import copy
from functools import cached_property
from itertools import accumulate

import numpy as np

from skmoe.engine.curvature import BlockCurvature, DenseCurvature, SoftmaxCurvature
from skmoe.engine.experts import DEAD_MASS
from skmoe.engine.penalty import Penalty
from skmoe.engine.softmax import gate_contrasts, softmax_in_place
from skmoe.engine.threads import IN_ONE_THREAD

_TINY = np.finfo(np.float64).tiny


def branches_of(n_experts, depth):
    """Branches of each node of a tree with so many leaves, or None if there is none."""
    if depth == 1:
        return n_experts
    n_branches = round(n_experts ** (1 / depth))
    fits = n_branches > 1 and n_branches**depth == n_experts
    return n_branches if fits else None


class Gate:
    """How logits become probabilities of the experts.

    With depth 1 there is one node, whose branches are the experts.  With more an expert
    is a leaf, reached by one choice at each level: its probability is the product of
    those of the branches on its path (Jordan and Jacobs 1994).  Nodes are numbered
    level by level from the root, each level from left to right; R is the number of all
    branches.

    Parameters
    ----------
    n_experts : int, K
    depth : int, default=1
    smooth : bool, default=True
        Whether the penalty has no lasso.
    top_k : int, default=None
        So many of the most probable experts count, the others have probability 0.
    last_names : list of str, default=()
        Names of the last experts, which have no parameters; others have numbers.

    Attributes
    ----------
    n_counted : int, how many experts count for a row
    is_continuous : bool, whether F is: it jumps where other experts begin to count
    shape : tuple of int, of the reported coefficients but for their columns
    """

    def __init__(self, n_experts, depth=1, smooth=True, top_k=None, last_names=()):
        self.n_experts, self.depth = n_experts, depth
        self.names = [*range(n_experts - len(last_names)), *last_names]
        self.n_branches = branches_of(n_experts, depth)
        self.n_nodes = sum(self.n_branches**level for level in range(depth))
        shape = self.n_nodes, self.n_branches
        self.shape = shape if depth > 1 else (n_experts,)
        self.smooth = smooth
        self._count(min(top_k or n_experts, n_experts))

    def _count(self, n_counted):
        """Let so many experts count."""
        self.n_counted = n_counted
        self.is_continuous = n_counted == self.n_experts

    @cached_property
    def node_contrasts(self):
        """Free logits of a node to those of its branches, (branches, free)."""
        return gate_contrasts(self.n_branches, self.smooth)

    @cached_property
    def contrasts(self):
        """Free logits of all nodes to those of all branches, (R, F)."""
        return np.kron(np.eye(self.n_nodes), self.node_contrasts)

    @cached_property
    def relative(self):
        """Free logits to those of branches less the first of their node, (., F)."""
        own = self.node_contrasts[1:] - self.node_contrasts[0]
        return np.kron(np.eye(self.n_nodes), own)

    @property
    def n_coupled(self):
        """Free logits of a node, which its curvature couples."""
        return self.node_contrasts.shape[1]

    @property
    def levels(self):
        """Branches of each level, from the root, a list of slices."""
        sizes = [self.n_branches ** (level + 1) for level in range(self.depth)]
        return [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes))]

    @cached_property
    def siblings(self):
        """Which branches have the same node, (R, R) of 0 and 1."""
        return np.kron(np.eye(self.n_nodes), np.ones((self.n_branches,) * 2))

    @cached_property
    def paths(self):
        """Which branches lead to each expert, (K, R) of 0 and 1."""
        every = np.arange(self.n_experts)
        found = np.zeros((self.n_experts, len(self.siblings)))
        for level, own in enumerate(self.levels):
            below = self.n_branches ** (self.depth - 1 - level)
            found[every, own.start + every // below] = 1.0
        return found

    @property
    def labels(self):
        """Expert and None of each branch, or node and branch, a list of pairs."""
        if self.depth == 1:
            return [(name, None) for name in self.names]
        return list(np.ndindex(self.shape))

    @property
    def relative_labels(self):
        """Labels of the branches less the first of their node, a list of str."""
        if self.depth == 1:
            return [f"gate {name} - gate 0" for name in self.names[1:]]
        return [f"gate {j}, {branch} - {j}, 0" for j, branch in self.labels if branch]

    def with_all_experts(self):
        """The same gate, of which all experts count."""
        if self.is_continuous:
            return self
        dense = copy.copy(self)
        dense._count(self.n_experts)
        return dense

    def reported(self, coef):
        """Free coefficients as they are reported, (F, p) -> (*shape, p)."""
        return (self.contrasts @ coef).reshape(*self.shape, coef.shape[1])

    def free(self, reported):
        """Inverse of `reported`."""
        return self.contrasts.T @ reported.reshape(self.contrasts.shape[0], -1)

    def free_penalty(self, penalty):
        """Penalty of free coefficients, from that of reported ones."""
        if self.n_branches != 2:
            return penalty
        # They share one logit v, with w_1 = -w_2 = v / sqrt(2).
        return Penalty(penalty.ridge, np.sqrt(2) * penalty.lasso)

    def at(self, coef, block):
        """Rows of a block under free coefficients."""
        return GateRows(self, block.dot(self.contrasts @ coef))

    def masses(self, leaves):
        """Mass of the branches from that of the experts, (K, ...).

        For each level, from the root, an array (nodes, branches, ...).
        """
        levels = []
        for _ in range(self.depth):
            leaves = leaves.reshape(-1, self.n_branches, *leaves.shape[1:])
            levels.append(leaves)
            leaves = leaves.sum(axis=1)
        return levels[::-1]

    def node_masses(self, leaves):
        """Mass of the branches of each node, (K, ...) -> (nodes, branches, ...)."""
        return np.concatenate(self.masses(leaves))

    def ordered(self, coef, mass):
        """Experts (K,) in the order of falling mass (K,), and coefficients in it.

        Branches of a node change places with all that is below them.
        """
        branches, nodes, first = [], np.zeros(1, dtype=int), 0
        experts = np.arange(self.n_experts)[None]
        for _ in range(self.depth):
            experts = experts.reshape(nodes.shape[0], self.n_branches, -1)
            order = np.argsort(-mass[experts].sum(axis=2), axis=1, kind="stable")
            experts = np.take_along_axis(experts, order[:, :, None], axis=1)
            children = (nodes[:, None] * self.n_branches + order).ravel()
            branches.append(first * self.n_branches + children)
            first, nodes = first + nodes.shape[0], children
        coef = (self.contrasts @ coef)[np.concatenate(branches)]
        return experts.ravel(), self.contrasts.T @ coef

    def together(self, split):
        """Experts (K,) in an order in which those of a node lie together.

        `split(experts)` puts some of them in the order of where they lie.
        """
        groups = [np.arange(self.n_experts)]
        for _ in range(self.depth if self.depth > 1 else 0):
            groups = [np.split(split(group), self.n_branches) for group in groups]
            groups = [part for parts in groups for part in parts]
        return np.concatenate(groups)

    def has_rows(self, mass):
        """Whether the node of each free logit has rows, (K,) -> (F,)."""
        found = self.node_masses(mass).sum(axis=1) > DEAD_MASS
        return np.repeat(found, self.n_coupled)

    def n_free(self, penalty, coef, learnt, mass):
        """Number of coefficients (F, p) that are free, where experts have a mass (K,).

        Of those of a node's branches that have rows, one is not.
        """
        ranks = (self.node_masses(mass) > DEAD_MASS).sum(axis=1) - 1
        coef, learnt = (np.split(part, self.n_nodes) for part in (coef, learnt))
        return sum(map(penalty.n_free, coef, learnt, np.maximum(ranks, 0)))

    def variance(self, coef, mass):
        """Variance of reported coefficients (*shape, p) over branches, (p,).

        Branches have the mass of their experts (K,); a sum over the nodes.
        """
        mass = self.node_masses(mass)[:, :, None]
        coef = coef.reshape(*mass.shape[:2], -1)
        of_node = np.maximum(mass.sum(axis=1, keepdims=True), _TINY)
        mean = (mass * coef).sum(axis=1, keepdims=True) / of_node
        return (mass * np.square(coef - mean)).sum(axis=(0, 1))

    def regress(self, solve, moments, coef):
        """Coefficients fitted to moments (K, u), each node by itself.

        `solve(share, target, coef)` fits those of a softmax over branches to targets
        (branches, u), which sum to the share of a node in the units.
        """
        targets = self.node_masses(moments)
        shares = targets.sum(axis=1) if self.depth > 1 else [1.0]
        parts = zip(shares, targets, np.split(coef, self.n_nodes))
        return np.concatenate([solve(*part) for part in parts])

    def closed(self, model):
        """Which experts a row of model moments (K, u) cannot have, if any."""
        return None if self.is_continuous else model == 0

    def information(self, design, weight):
        """Sums of the curvature at posterior masses and at the model's, a list.

        That of one softmax is the same for both.
        """
        return [self.curvature(design, weight, True) for _ in range(min(self.depth, 2))]

    def curvature(self, design, weight, dense):
        """Sum of the curvature over blocks, to be collected."""
        return _BranchCurvature(self, design, weight, dense)

    def stored_curvature(self, matrix, mass):
        """Curvature from its matrix, where experts have a mass (K,)."""
        size = matrix.shape[0] // self.n_nodes
        own = [slice(j * size, (j + 1) * size) for j in range(self.n_nodes)]
        masses = self.node_masses(mass).sum(axis=1)
        blocks = [DenseCurvature(matrix[j, j], mass) for j, mass in zip(own, masses)]
        return _joined(blocks)


class GateRows:
    """The gate of a block of units: `logits` of the experts, (K, b).

    `normalise` makes `probability` of them.
    """

    def __init__(self, gate, values):
        self.gate, self.logits, self.within = gate, values, []
        if gate.depth > 1:
            self._descend(values)
        if not gate.is_continuous:
            close_all_but(self.logits, gate.n_counted)

    def normalise(self):
        """Turn logits into probabilities, in place; their logsumexp, (b,)."""
        self.probability = self.logits
        return softmax_in_place(self.logits)

    def score(self, excess):
        """Adjoint of how the experts' logits follow from the branches', (K, b).

        Excess sums to zero over the experts; what it is for a branch is shared out
        among the branches below by their probabilities.  The result is (R, b).
        """
        if not self.within:
            return excess
        root, *levels = self.gate.masses(excess)
        own = [
            level - within * level.sum(axis=1, keepdims=True)
            for level, within in zip(levels, self.within)
        ]
        return np.concatenate([root, *own]).reshape(-1, excess.shape[1])

    def complete_score(self):
        """Gradient of log p(z=k | x) by the free logits, (K, F, b)."""
        excess = np.eye(self.gate.n_experts)[:, :, None] - self.probability
        scores = [self.gate.contrasts.T @ self.score(row) for row in excess]
        return np.stack(scores)

    def branch_probability(self):
        """Probabilities of the branches given their node, (nodes, branches, b)."""
        root = self.gate.masses(self.probability)[0]
        return np.concatenate([root, *self.within])

    def _descend(self, values):
        """Logits of the leaves of a tree: sums of log-probabilities on their paths."""
        n_branches, n_rows = self.gate.n_branches, values.shape[1]
        values = values.reshape(-1, n_branches, n_rows)
        self.logits, start = values[0], 1
        for _ in range(1, self.gate.depth):
            # The root need not be normalised, since its sum is common to all.
            level = np.array(values[start : start + self.logits.shape[0]])
            within = np.moveaxis(level.copy(), 1, 0)
            level -= softmax_in_place(within)[:, None]
            self.within.append(np.moveaxis(within, 0, 1))
            start += level.shape[0]
            self.logits = (self.logits[:, None] + level).reshape(-1, n_rows)


class _BranchCurvature:
    """Curvature of the gate's log-partition, a softmax's for each node.

    In the tree it is that of the surrogate whose experts have a given mass; at the
    model's it is the Fisher information.
    """

    def __init__(self, gate, design, weight, dense):
        self.gate = gate
        self.nodes = [
            SoftmaxCurvature(design, weight, gate.node_contrasts, dense)
            for _ in range(gate.n_nodes)
        ]

    def add(self, units, block, local, shares=None, counts=None):
        """Add a block of units (slice) under the gate's rows `local`.

        `shares` (K, b) of the experts, those of the model by default; units count
        once, or as often as `counts` (b,).
        """
        if self.gate.depth == 1:
            self.nodes[0].add(units, block, local.probability, counts)
            return
        shares = local.probability if shares is None else shares
        shares = self.gate.node_masses(shares if counts is None else counts * shares)
        parts = zip(self.nodes, local.branch_probability(), shares.sum(axis=1))
        for node, probability, share in parts:
            node.add(units, block, probability, share)

    def collected(self, passes=IN_ONE_THREAD):
        """The curvature of all blocks added, with products by some passes."""
        return _joined([node.collected(passes=passes) for node in self.nodes])


def _joined(blocks):
    """Curvatures of the nodes, a list, as one."""
    return blocks[0] if len(blocks) == 1 else BlockCurvature(blocks)


def close_all_but(logits, top_k):
    """Set all but the largest logits of each column to minus infinity, in place.

    Of equal ones the first count; (K, b).
    """
    rest = logits.copy()
    for _ in range(top_k):
        threshold = rest.max(axis=0)
        rest[rest == threshold] = -np.inf
    closed = logits < threshold
    kept = logits.shape[0] - closed.sum(axis=0)
    ties = np.flatnonzero(kept != top_k)
    if ties.size:
        order = np.argsort(-logits[:, ties], axis=0, kind="stable")
        closed[:, ties] = True
        closed[order[:top_k], ties] = False
    logits[closed] = -np.inf
