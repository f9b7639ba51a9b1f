"""Starting points.

The default, short runs, tries several starts on a sample of the rows and goes on with
the best on growing samples (after emEM, Biernacki, Celeux and Govaert 2003).  Its
draws depend on the values and weights of the rows, not (up to a few thousand) on their
order or number, so that integer weights equal repeated rows.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.cluster import kmeans_plusplus

from skmoe.engine.descent import minimise, still_to_come
from skmoe.engine.state import Parameters
from skmoe.solvers.accelerated import AcceleratedEM

SHORT_RUNS = "short_runs"
STRATEGIES = (SHORT_RUNS, "kmeans", "kmeans_xy", "regression_clustering", "random")

_TINY = np.finfo(np.float64).tiny
_N_STARTS, _N_KEPT = 10, 5
_SHORT_CLUSTERING_ITER = 3
_SHORT_ITER, _LONG_ITER, _SHORT_TOL = 16, 40, 3e-4
# Runs that must reach the best objective, and fewer where a sample has so many entries
# (times experts) that a run is dear.
_ENOUGH_HITS, _FEW_HITS, _DEAR = 5, 2, 2**23
# Objectives that count as the same, and a promise small enough to be believed.
_SAME_OBJECTIVE, _CLEAR = 5e-4, 3e-3
# Gains that shrink twice by this ratio are those of a descent that nears its end.
_CONTRACTION = 0.5
# A run goes on while five times its promise would beat the rival.
_BENEFIT_OF_DOUBT = 5.0
_MIN_SAMPLE, _ROWS_PER_COEF = 1000, 20
_SAMPLE_TOL, _SAMPLE_GROWTH, _LARGEST_SHARE = 0.25, 4, 0.125
# Beyond so many rows they are drawn in the order given.
_ORDERED_ROWS = 5_000
_CLUSTERING_ITER, _KMEANS_ITER = 20, 300
# A hard label keeps this responsibility, so that no expert starts without mass.
_LABEL_WEIGHT = 0.95
# Projections of equal rows differ by rounding only.
_SAME_KEY = 1e-12


def starting_point(mixture, strategy, rng):
    """Parameters to start from, by the name of a strategy in `STRATEGIES`."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Experts of a few rows may overflow on others; they are not the best there.
        return _starting_point(mixture.for_starts(), strategy, rng)


def _starting_point(mixture, strategy, rng):
    """The start itself."""
    if mixture.n_experts == 1:
        return mixture.project_responsibilities(np.ones((1, _n_units(mixture))))
    if strategy == SHORT_RUNS:
        return mixture.lighter(_short_runs(mixture, rng))
    if strategy == "random":
        drawn = rng.uniform(size=(mixture.n_experts, _n_units(mixture)))
        return mixture.project_responsibilities(drawn / drawn.sum(axis=0))
    sample = _sampled(mixture, sample_size(mixture), rng)
    draw = _Draw(sample, rng)
    if strategy == "regression_clustering":
        labels = _cluster_by_experts(sample, draw, _CLUSTERING_ITER)
    else:
        labels = _kmeans(sample, strategy == "kmeans_xy", rng)
    return _from_labels(sample, labels)


class _Run(NamedTuple):
    """Where a descent on a sample ended: its objective, or a rival's that it met."""

    theta: Parameters
    objective: float


def _short_runs(mixture, rng):
    """The best of several short runs on a sample, finished on growing ones.

    Clustering by distance and by experts take turns: the first finds pieces that lie
    apart, the second experts that cross.  Starts are tried until several have reached
    the best objective; where they do not, the best go on, on twice the rows.
    """
    size = sample_size(mixture)
    sample = _sampled(mixture, size, rng)
    draw = _Draw(sample, rng)
    enough_hits = _ENOUGH_HITS if sample.work < _DEAR else _FEW_HITS
    runs = []
    while len(runs) < _N_STARTS and _n_hits(runs) < enough_hits:
        rival = min(runs, key=_objective, default=None)
        theta = _clustered(sample, draw, len(runs))
        runs.append(_run(sample, theta, _LONG_ITER, _SHORT_TOL, rival))
    if _n_hits(runs) < enough_hits:
        size *= 2
        sample = _sampled(mixture, size, rng)
        finalists = sorted(runs, key=_objective)[:_N_KEPT]
        runs = [_run(sample, run.theta, _SHORT_ITER, _SHORT_TOL) for run in finalists]
    return _grown(mixture, min(runs, key=_objective).theta, size, rng)


def _n_hits(runs):
    """How many runs reached the best objective."""
    best = min(map(_objective, runs), default=0.0)
    return sum(run.objective < best + _SAME_OBJECTIVE for run in runs)


def _run(sample, theta, max_iter, tol, rival=None):
    """A descent, broken off once it is clear that it ends at or above a rival."""
    gains, met = [0.0, 0.0], []

    def is_decided(iteration, state, change, step_size):
        # What an EM step gains; a longer one gains more.
        gains.append(-change / max(step_size, 1.0))
        first, before, last = gains[-3:]
        is_ending = before < _CONTRACTION * first and last < _CONTRACTION * before
        if rival is None or not is_ending:
            return False
        remaining = still_to_come(before, last)
        if remaining < _CLEAR:
            end = state.objective - remaining
            if abs(end - rival.objective) < _SAME_OBJECTIVE:
                met.append(rival.objective)
            return bool(met)
        return state.objective - _BENEFIT_OF_DOUBT * remaining > rival.objective

    solver = AcceleratedEM(patience=1)
    descent = minimise(sample, theta, solver, max_iter, tol, is_decided)
    return _Run(descent.theta, met[0] if met else descent.objective_curve[-1])


def _objective(run):
    """Objective of a run."""
    return run.objective


def _grown(mixture, theta, size, rng):
    """Parameters carried on through growing samples, up to a part of all rows.

    On each sample the descent goes on until what is left to gain is small beside the
    error of the sample, which is of the order of (coefficients / rows).
    """
    n_rows, n_coefs = mixture.weight.shape[0], _n_coefs(mixture)
    while (size := _SAMPLE_GROWTH * size) <= _LARGEST_SHARE * n_rows:
        sample = _sampled(mixture, size, rng)
        tol = _SAMPLE_TOL * n_coefs / size
        theta = _run(sample, theta, _LONG_ITER, tol).theta
    return theta


def _clustered(sample, draw, number):
    """Parameters from a short clustering, in turn by distance and by experts."""
    has_distance = sample.gate_design.scale.size > 0 and number % 2 == 0
    cluster = _cluster_by_distance if has_distance else _cluster_by_experts
    return _from_labels(sample, cluster(sample, draw, _SHORT_CLUSTERING_ITER))


def _n_coefs(mixture):
    """Number of coefficients of gate and experts."""
    return mixture.gate_size + mixture.experts.n_coefs


def sample_size(mixture):
    """Rows that starts are tried on; a class tells less than a number does."""
    has_classes = mixture.experts.contrasts is not None
    rows_per_coef = (1 + has_classes) * _ROWS_PER_COEF
    return max(_MIN_SAMPLE, rows_per_coef * _n_coefs(mixture))


def _sampled(mixture, size, rng):
    """The mixture on a sample of its rows, or on all if they are few."""
    n_rows = mixture.weight.shape[0]
    if size >= n_rows:
        return mixture
    size = _in_units(mixture, size)
    if n_rows > _ORDERED_ROWS:
        positions = (np.arange(size) + rng.uniform(size=size)) / size
        return mixture.take(_units_at(positions, np.cumsum(mixture.units.weight)))
    draw = _Draw(mixture, rng)
    if size >= draw.n_distinct:
        return mixture
    return mixture.take(draw.systematic(size))


def _n_units(mixture):
    """Number of units: of rows, or of groups of rows."""
    return mixture.units.weight.shape[0]


def _in_units(mixture, n_rows):
    """How many units have about so many rows."""
    return -(-n_rows * _n_units(mixture) // mixture.weight.shape[0])


class _Draw:
    """Draws of units that repeated rows and integer weights leave the same.

    Units are put in the order of a random projection of their values, where equal ones
    are neighbours, and drawn from the cumulated weights.
    """

    def __init__(self, mixture, rng):
        self.rng = rng
        width = mixture.gate_design.n_columns + mixture.expert_design.n_columns
        direction = rng.standard_normal(width)
        at_y = rng.standard_normal(mixture.target[..., 0].size)
        key = np.empty(_n_units(mixture))
        for block in mixture.blocks:
            gate, experts = mixture.design_blocks(block)
            split = mixture.gate_design.n_columns
            of_rows = experts.dot(direction[None, split:])[0]
            of_rows += at_y @ np.atleast_2d(mixture.target[..., block.rows])
            key[block.units] = gate.dot(direction[None, :split])[0]
            key[block.units] += mixture.units.sum(of_rows, block)
        self.order = np.argsort(key, kind="stable")
        self.cumulated = np.cumsum(mixture.units.weight[self.order])
        gaps = np.diff(key[self.order])
        self.n_distinct = 1 + int((gaps > _SAME_KEY * np.abs(key).max()).sum())

    def independent(self, size):
        """Independent draws, (size,)."""
        return self._at(self.rng.uniform(size=size))

    def systematic(self, size):
        """Evenly spread draws, (size,)."""
        return self._at((self.rng.uniform() + np.arange(size)) / size)

    def _at(self, positions):
        """Units at positions in [0, 1) of the cumulated weights."""
        return self.order[_units_at(positions, self.cumulated)]


def _units_at(positions, cumulated):
    """Index of the unit at each position in [0, 1) of cumulated weights (u,)."""
    index = np.searchsorted(cumulated, positions * cumulated[-1], "right")
    return np.minimum(index, cumulated.shape[0] - 1)


def _from_labels(mixture, labels):
    """Parameters that fit hard labels (u,), softened a little."""
    if mixture.gate.depth > 1:
        labels = _arranged(mixture, labels)
    rest = (1 - _LABEL_WEIGHT) / (mixture.n_experts - 1)
    softened = np.where(_onehot(mixture, labels) > 0, _LABEL_WEIGHT, rest)
    return mixture.first_step(softened)


def _arranged(mixture, labels):
    """Labels (u,) renumbered, so that experts that lie together share a node."""
    design = mixture.gate_design
    sums = np.zeros((mixture.n_experts, design.n_columns))
    for units, _ in mixture.blocks:
        mass = _onehot(mixture, labels[units]) * mixture.units.weight[units]
        sums += design.block(units).adjoint(mass)
    mass = _onehot(mixture, labels) @ mixture.units.weight
    centers = sums / np.maximum(mass, _TINY)[:, None]
    groups = [np.arange(mixture.n_experts)]
    for _ in range(mixture.gate.depth):
        split = [_along_main_axis(centers, group) for group in groups]
        groups = [
            part for group in split for part in np.split(group, mixture.gate.n_branches)
        ]
    number = np.empty(mixture.n_experts, dtype=np.intp)
    number[np.concatenate(groups)] = np.arange(mixture.n_experts)
    return number[labels]


def _along_main_axis(centers, group):
    """Some experts (index array) in the order of their centers' main axis."""
    own = centers[group] - centers[group].mean(axis=0)
    axis = np.linalg.svd(own, full_matrices=False)[2][0]
    return group[np.argsort(own @ axis, kind="stable")]


def _onehot(mixture, labels):
    """Responsibilities of hard labels, (u,) -> (K, u)."""
    return (np.arange(mixture.n_experts)[:, None] == labels).astype(np.float64)


def _cluster_by_distance(mixture, draw, max_iter):
    """Labels of a few Lloyd iterations on the gate's features, from K drawn units."""
    design = mixture.gate_design
    centers = design.features(draw.independent(mixture.n_experts))
    centers = centers.toarray() if sparse.issparse(centers) else centers
    labels = np.full(_n_units(mixture), -1)
    for _ in range(max_iter):
        half_norms = 0.5 * np.square(centers).sum(axis=1)
        coef = np.pad(centers, ((0, 0), (0, int(design.intercept))))
        sums, mass = np.zeros_like(coef), np.zeros(mixture.n_experts)
        previous = labels.copy()
        for units, _ in mixture.blocks:
            block = design.block(units)
            labels[units] = (block.dot(coef) - half_norms[:, None]).argmax(axis=0)
            weighted = _onehot(mixture, labels[units]) * mixture.units.weight[units]
            sums += block.adjoint(weighted)
            mass += weighted.sum(axis=1)
        if (labels == previous).all():
            break
        filled = mass > 0
        centers[filled] = sums[filled, : centers.shape[1]] / mass[filled, None]
    return labels


def _elemental(mixture, draw):
    """Labels by the best fitting of K experts, each fitted to a few drawn units."""
    n_experts, weight = mixture.n_experts, mixture.units.weight
    size = min(
        mixture.expert_design.n_columns + 1, max(draw.n_distinct // n_experts, 2)
    )
    size = _in_units(mixture, size)
    picked = np.zeros((n_experts, weight.shape[0]))
    for row in picked:
        np.add.at(row, draw.independent(size), 1.0)
    # A weight may be too small to be told from zero.
    return _best_experts(mixture, picked / np.maximum(weight, _TINY))


def _best_experts(mixture, responsibilities):
    """Labels by the density, at unit noise, of experts fitted to (K, u)."""
    experts, _ = mixture.first_experts(responsibilities)
    theta = mixture.initial()._replace(experts=experts)
    labels = np.empty(_n_units(mixture), dtype=np.intp)
    for block in mixture.blocks:
        design = mixture.design_blocks(block)[1]
        local = mixture.experts.at(theta, design, mixture.target[..., block.rows])
        log_density = mixture.units.sum(local.log_density, block)
        labels[block.units] = log_density.argmax(axis=0)
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
    """Labels of k-means on the gate's features, with the targets if asked for.

    A gate without features leaves those of the experts, and experts without any leave
    the targets.
    """
    designs = mixture.gate_design, mixture.expert_design
    design = next((d for d in designs if d.scale.size), designs[0])
    features = design.features(np.arange(design.n_rows))
    if design is not mixture.gate_design:
        features = mixture.units.averaged(features)
    if with_target or not design.scale.size:
        moments = mixture.units.averaged(mixture.experts.moments(mixture.target).T)
        stack = sparse.hstack if sparse.issparse(features) else np.hstack
        features = stack([features, moments])
    features = _narrow(features) if sparse.issparse(features) else features
    n_clusters = min(mixture.n_experts, _n_units(mixture))
    return _lloyd(features, mixture.units.weight, n_clusters, rng)


def _lloyd(features, weight, n_clusters, rng):
    """Labels of k-means.

    `KMeans` warns where rows repeat; to silence that would silence other threads too.
    """
    centers, _ = kmeans_plusplus(
        features, n_clusters, sample_weight=weight, random_state=rng
    )
    centers = centers.toarray() if sparse.issparse(centers) else centers
    labels = np.full(weight.shape, -1)
    for _ in range(_KMEANS_ITER):
        half_norms = 0.5 * np.square(centers).sum(axis=1)
        previous, labels = labels, (features @ centers.T - half_norms).argmax(axis=1)
        if (labels == previous).all():
            break
        weighted = weight * (np.arange(n_clusters)[:, None] == labels)
        sums, mass = (features.T @ weighted.T).T, weighted.sum(axis=1)
        filled = mass > 0
        centers[filled] = sums[filled] / mass[filled, None]
    return labels


def _narrow(features):
    """CSR with indices of 32 bits: all that scikit-learn takes, and a sample needs."""
    features = sparse.csr_array(features)
    ends, indices = (a.astype(np.int32) for a in (features.indptr, features.indices))
    return sparse.csr_array((features.data, indices, ends), shape=features.shape)
