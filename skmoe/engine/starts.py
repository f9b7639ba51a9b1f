"""Starting points.

The default, short runs, tries several cheap starts on a sample of the rows for a few
iterations and goes on with the best (emEM, Biernacki, Celeux and Govaert 2003).  Its
draws depend on the rows' values and weights, not on their order or number, so that
integer weights equal repeated rows.
"""

import warnings

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skmoe.engine.descent import minimise
from skmoe.solvers.accelerated import AcceleratedEM

SHORT_RUNS = "short_runs"
STRATEGIES = (SHORT_RUNS, "kmeans", "kmeans_xy", "regression_clustering", "random")

_N_PAIRS = 3
_SHORT_CLUSTERING_ITER = 3
_SHORT_TOL = 1e-3
_ROWS_PER_COEF = 5, 10, 20
_ROUNDS = (4, 3), (8, 1), (20, 1)
_SAME_OBJECTIVE = 1e-4
_MIN_SAMPLE = 1000
# Beyond so many rows they are drawn in the order given.
_ORDERED_ROWS = 5_000
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
    sample = _sampled(mixture, _ROWS_PER_COEF[-1], rng)
    draw = _Draw(sample, rng)
    if strategy == "regression_clustering":
        labels = _cluster_by_experts(sample, draw, _CLUSTERING_ITER)
    else:
        labels = _kmeans(sample, strategy == "kmeans_xy", rng)
    return _from_labels(sample, labels)


def _short_runs(mixture, rng):
    """The winner of a race of short runs on growing samples.

    Clustering by distance and by experts take turns: the first finds pieces that lie
    apart, the second experts that cross.  Where both soon agree on the best objective
    no other start is tried.  Each round runs the better half of the last one on twice
    the rows.
    """
    n_iter, n_kept = _ROUNDS[0]
    sample = _sampled(mixture, _ROWS_PER_COEF[0], rng)
    draw = _Draw(sample, rng)
    runs = []
    for _ in range(_N_PAIRS):
        pair = [
            _run(sample, _from_labels(sample, labels), n_iter, _SHORT_TOL)
            for labels in (
                _cluster_by_distance(sample, draw, _SHORT_CLUSTERING_ITER),
                _cluster_by_experts(sample, draw, _SHORT_CLUSTERING_ITER),
            )
        ]
        runs = _distinct(runs + pair)
        if _agree(*pair) and _agree(pair[0], runs[0]):
            break
    for rows_per_coef, (n_iter, n_left) in zip(_ROWS_PER_COEF[1:], _ROUNDS[1:]):
        sample = _sampled(mixture, rows_per_coef, rng, sample)
        runs = _distinct(
            _run(sample, run.theta, n_iter, _SHORT_TOL) for run in runs[:n_kept]
        )
        n_kept = n_left
    return runs[0].theta


def _distinct(runs):
    """Runs in the order of their objectives, one of those that agree."""
    found = []
    for run in sorted(runs, key=_objective):
        if not found or not _agree(run, found[-1]):
            found.append(run)
    return found


def _agree(first, second):
    """Whether two runs may have found the same optimum."""
    return abs(_objective(first) - _objective(second)) < _SAME_OBJECTIVE


def _objective(run):
    """Objective that a run ended at."""
    return run.objective_curve[-1]


def _run(mixture, theta, max_iter, tol):
    """A descent by accelerated EM."""
    return minimise(mixture, theta, AcceleratedEM(), max_iter, tol)


def _sampled(mixture, rows_per_coef, rng, smaller=None):
    """The mixture on a sample of its rows, or on all if they are few.

    `smaller` is returned if it has as many rows.
    """
    n_rows = mixture.weight.shape[0]
    n_coefs = mixture.gate_size + mixture.experts.n_coefs
    size = min(n_rows, max(_MIN_SAMPLE, rows_per_coef * n_coefs))
    if smaller is not None and size <= smaller.weight.shape[0]:
        return smaller
    if size == n_rows:
        return mixture
    if n_rows > _ORDERED_ROWS:
        positions = (np.arange(size) + rng.uniform(size=size)) / size
        cumulated = np.cumsum(mixture.weight)
        rows = np.searchsorted(cumulated, positions * cumulated[-1], "right")
        return mixture.take(np.minimum(rows, n_rows - 1))
    draw = _Draw(mixture, rng)
    if size >= draw.n_distinct:
        return mixture
    return mixture.take(draw.systematic(size))


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
    rest = (1 - _LABEL_WEIGHT) / (mixture.n_experts - 1)
    softened = np.where(_onehot(mixture, labels) > 0, _LABEL_WEIGHT, rest)
    return mixture.first_step(softened)


def _onehot(mixture, labels):
    """Responsibilities of hard labels, (n,) -> (K, n)."""
    return (np.arange(mixture.n_experts)[:, None] == labels).astype(np.float64)


def _cluster_by_distance(mixture, draw, max_iter):
    """Labels of a few Lloyd iterations on the gate's features, from K drawn rows."""
    design = mixture.gate_design
    centers = design.features(draw.rows(mixture.n_experts))
    centers = centers.toarray() if sparse.issparse(centers) else centers
    labels = np.full(mixture.weight.shape[0], -1)
    for _ in range(max_iter):
        half_norms = 0.5 * np.square(centers).sum(axis=1)
        coef = np.pad(centers, ((0, 0), (0, int(design.intercept))))
        sums, mass = np.zeros_like(coef), np.zeros(mixture.n_experts)
        previous = labels.copy()
        for rows in mixture.blocks:
            block = design.block(rows)
            labels[rows] = (block.dot(coef) - half_norms[:, None]).argmax(axis=0)
            weighted = _onehot(mixture, labels[rows]) * mixture.weight[rows]
            sums += block.adjoint(weighted)
            mass += weighted.sum(axis=1)
        if (labels == previous).all():
            break
        filled = mass > 0
        centers[filled] = sums[filled, : centers.shape[1]] / mass[filled, None]
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
        onehot = _onehot(mixture, labels)
        previous, labels = labels, _best_experts(mixture, onehot)
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
    n_clusters = min(mixture.n_experts, mixture.weight.shape[0])
    kmeans = KMeans(n_clusters, n_init=1, random_state=rng)
    with warnings.catch_warnings():
        # Fewer distinct rows than experts leave experts without rows of their own.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kmeans.fit(features, sample_weight=mixture.weight).labels_
