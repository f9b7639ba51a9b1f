"""The gate: one softmax over the experts or a tree of them, of which few may count."""

import copy
from functools import cached_property

import numpy as np

from skmoe.engine.curvature import BlockCurvature, DenseCurvature, SoftmaxCurvature
from skmoe.engine.softmax import gate_contrasts, softmax_in_place


def branches_of(n_experts, depth):
    """Branches of each node of a tree with so many leaves, or None if there is none."""
    if depth == 1:
        return n_experts
    if n_experts < 2 ** min(depth, 64):
        return None
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
    """

    def __init__(self, n_experts, depth=1, smooth=True, top_k=None):
        self.n_experts, self.depth = n_experts, depth
        self.n_branches = branches_of(n_experts, depth)
        self.n_nodes = sum(self.n_branches**level for level in range(depth))
        self.smooth = smooth
        self.top_k = top_k if top_k and top_k < n_experts else None

    @cached_property
    def node_contrasts(self):
        """Free logits of a node to those of its branches, (branches, free)."""
        return gate_contrasts(self.n_branches, self.smooth)

    @cached_property
    def contrasts(self):
        """Free logits of all nodes to those of all branches, (R, F)."""
        return np.kron(np.eye(self.n_nodes), self.node_contrasts)

    def with_all_experts(self):
        """The same gate without `top_k`."""
        dense = copy.copy(self)
        dense.top_k = None
        return dense

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

    def order_of(self, mass):
        """Experts (K,) and branches (R,) in the order of falling mass (K,).

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
        return experts.ravel(), np.concatenate(branches)

    def has_rows(self, mass, least):
        """Whether the node of each free logit has more than a mass, (K,) -> (F,)."""
        found = self.node_masses(mass).sum(axis=1) > least
        return np.repeat(found, self.node_contrasts.shape[1])

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
        if gate.top_k is not None:
            close_all_but(self.logits, gate.top_k)

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

    def add(self, units, block, local, shares=None):
        """Add a block of units (slice) under the gate's rows `local`.

        `shares` (K, b) of the experts, those of the model by default.
        """
        if self.gate.depth == 1:
            self.nodes[0].add(units, block, local.probability)
            return
        shares = self.gate.node_masses(local.probability if shares is None else shares)
        parts = zip(self.nodes, local.branch_probability(), shares.sum(axis=1))
        for node, probability, share in parts:
            node.add(units, block, probability, share)

    def collected(self):
        """The curvature of all blocks added."""
        return _joined([node.collected() for node in self.nodes])


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
