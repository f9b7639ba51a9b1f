"""Starting points.

The default, short runs, tries several cheap starts on a sample of the rows for a few
iterations and goes on with the best (emEM, Biernacki, Celeux and Govaert 2003).  Its
draws depend on the rows' values and weights, not on their order or number, so that
integer weights equal repeated rows.
"""

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans

from skmoe.engine.descent import minimise
from skmoe.solvers.mirror import MirrorDescent

SHORT_RUNS = "short_runs"
STRATEGIES = (SHORT_RUNS, "kmeans", "kmeans_xy", "regression_clustering", "random")

_N_STARTS = 8
_ROUNDS = ((8, 4), (3, 8))  # (runs kept, iterations of each)
_MIN_SAMPLE, _SAMPLE_PER_COEF = 1000, 20
_POLISH_ITER = 30
_CLUSTERING_ITER = 20
# A hard label keeps this responsibility, so that no expert starts without mass.
_LABEL_WEIGHT = 0.95
# Projections of equal rows differ by rounding only.
_SAME_KEY = 1e-12


def starting_point(mixture, strategy, rng):
    """Parameters to start from, by the name of a strategy in `STRATEGIES`."""
    if mixture.n_experts == 1:
        return mixture.project_responsibilities(np.ones((1, mixture.weight.shape[0])))
    if strategy == SHORT_RUNS:
        return _short_runs(mixture, rng)
    if strategy == "random":
        drawn = rng.uniform(size=(mixture.n_experts, mixture.weight.shape[0]))
        return mixture.project_responsibilities(drawn / drawn.sum(axis=0))
    sample, _ = _sampled(mixture, rng)
    draw = _Draw(sample, rng)
    if strategy == "regression_clustering":
        labels = _cluster_by_experts(sample, draw, _CLUSTERING_ITER)
    else:
        labels = _kmeans(sample, strategy == "kmeans_xy", rng)
    return _from_labels(sample, labels)


def _short_runs(mixture, rng):
    """Best of several short runs on a sample; finished there if rows were left out."""
    sample, is_part = _sampled(mixture, rng)
    draw = _Draw(sample, rng)
    runs = []
    for start in range(_N_STARTS):
        labels = _nearest_rows(sample, draw) if start % 2 else _elemental(sample, draw)
        runs.append((np.inf, start, _from_labels(sample, labels)))
    for kept, n_iter in _ROUNDS:
        runs = [
            (*_run(sample, theta, n_iter, 0.0), start, theta)
            for _, start, theta in sorted(runs, key=lambda run: run[:2])[:kept]
        ]
        runs = [(objective, start, theta) for objective, theta, start, _ in runs]
    best = min(runs, key=lambda run: run[:2])[2]
    return _run(sample, best, _POLISH_ITER, 1e-4)[1] if is_part else best


def _run(mixture, theta, n_iter, tol):
    """Objective and parameters after a few EM iterations."""
    descent = minimise(mixture, theta, MirrorDescent(1.0), n_iter, tol)
    return descent.objective_curve[-1], descent.theta


def _sampled(mixture, rng):
    """The mixture on a sample of its rows, and whether any were left out."""
    n_coefs = mixture.gate_size + mixture.experts.n_coefs
    size = max(_MIN_SAMPLE, _SAMPLE_PER_COEF * n_coefs)
    if size >= mixture.weight.shape[0]:
        return mixture, False
    draw = _Draw(mixture, rng)
    if size >= draw.n_distinct:
        return mixture, False
    return mixture.take(draw.systematic(size)), True


class _Draw:
    """Draws of rows that repeated rows and integer weights leave the same.

    Rows are put in the order of a random projection of their values, where equal rows
    are neighbours, and drawn from the cumulated weights.
    """

    def __init__(self, mixture, rng):
        self.rng = rng
        width = mixture.gate_design.n_columns + mixture.expert_design.n_columns
        direction = rng.standard_normal(width)
        at_y = rng.standard_normal(mixture.target[..., 0].size)
        key = np.empty(mixture.weight.shape[0])
        for rows in mixture.blocks:
            gate, experts = mixture.design_blocks(rows)
            split = mixture.gate_design.n_columns
            key[rows] = gate.dot(direction[None, :split])[0]
            key[rows] += experts.dot(direction[None, split:])[0]
            key[rows] += at_y @ np.atleast_2d(mixture.target[..., rows])
        self.order = np.argsort(key, kind="stable")
        self.cumulated = np.cumsum(mixture.weight[self.order])
        gaps = np.diff(key[self.order])
        self.n_distinct = 1 + int((gaps > _SAME_KEY * np.abs(key).max()).sum())

    def rows(self, size):
        """Independent draws, (size,)."""
        return self._at(self.rng.uniform(size=size))

    def systematic(self, size):
        """Evenly spread draws, (size,)."""
        return self._at((self.rng.uniform() + np.arange(size)) / size)

    def _at(self, positions):
        """Rows at positions in [0, 1) of the cumulated weights."""
        index = np.searchsorted(self.cumulated, positions * self.cumulated[-1], "right")
        return self.order[np.minimum(index, self.order.shape[0] - 1)]


def _from_labels(mixture, labels):
    """Parameters that fit hard labels (n,), softened a little."""
    onehot = np.arange(mixture.n_experts)[:, None] == labels
    rest = (1 - _LABEL_WEIGHT) / (mixture.n_experts - 1)
    return mixture.project_responsibilities(np.where(onehot, _LABEL_WEIGHT, rest))


def _nearest_rows(mixture, draw):
    """Labels by the nearest of K drawn rows in the gate's features."""
    design = mixture.gate_design
    centers = design.features(draw.rows(mixture.n_experts))
    centers = centers.toarray() if sparse.issparse(centers) else centers
    half_norms = 0.5 * np.square(centers).sum(axis=1)
    coef = np.pad(centers, ((0, 0), (0, int(design.intercept))))
    labels = np.empty(mixture.weight.shape[0], dtype=np.intp)
    for rows in mixture.blocks:
        closeness = design.block(rows).dot(coef) - half_norms[:, None]
        labels[rows] = closeness.argmax(axis=0)
    return labels


def _elemental(mixture, draw):
    """Labels by the best fitting of K experts, each fitted to a few drawn rows."""
    n_rows, n_experts = mixture.weight.shape[0], mixture.n_experts
    size = min(
        mixture.expert_design.n_columns + 1, max(draw.n_distinct // n_experts, 2)
    )
    picked = np.zeros((n_experts, n_rows))
    for row in picked:
        np.add.at(row, draw.rows(size), 1.0)
    return _best_experts(mixture, picked / mixture.weight)


def _best_experts(mixture, responsibilities):
    """Labels by the density, at unit noise, of experts fitted to (K, n)."""
    experts, _ = mixture.project_experts(responsibilities)
    theta = mixture.initial()._replace(experts=experts)
    labels = np.empty(mixture.weight.shape[0], dtype=np.intp)
    for rows in mixture.blocks:
        block = mixture.design_blocks(rows)[1]
        local = mixture.experts.at(theta, block, mixture.target[..., rows])
        labels[rows] = local.log_density.argmax(axis=0)
    return labels


def _cluster_by_experts(mixture, draw, max_iter):
    """Labels of regression clustering (k-planes): refit and reassign in turn."""
    labels = _elemental(mixture, draw)
    for _ in range(max_iter):
        onehot = np.arange(mixture.n_experts)[:, None] == labels
        previous, labels = labels, _best_experts(mixture, onehot.astype(float))
        if (labels == previous).all():
            break
    return labels


def _kmeans(mixture, with_target, rng):
    """Labels of k-means on the gate's features, with the targets if asked for."""
    features = mixture.gate_design.features(np.arange(mixture.weight.shape[0]))
    if with_target:
        moments = mixture.experts.moments(mixture.target).T
        stack = sparse.hstack if sparse.issparse(features) else np.hstack
        features = stack([features, moments])
    kmeans = KMeans(mixture.n_experts, n_init=1, random_state=rng)
    return kmeans.fit(features, sample_weight=mixture.weight).labels_
