"""Clusterings of units, whose labels experts are fitted to.

Each looks for experts that differ in another way: where they have their rows
(distance), in their coefficients (experts), in their mean (residuals) or in their
noise (scale).  A unit is a row, or a group of rows.
"""

import numpy as np
from scipy import sparse
from sklearn.cluster import kmeans_plusplus

from skmoe.data.design import n_varying
from skmoe.engine.draws import in_units, n_units
from skmoe.engine.m_step import first_experts

_TINY = np.finfo(np.float64).tiny
_KMEANS_ITER = 300
# Newton steps of experts fitted to labels, until one gains so much in nats per unit.
_EXPERT_STEPS, _EXPERT_TOL = 4, 1e-2


def onehot(n_experts, labels):
    """Responsibilities of hard labels, (u,) -> (K, u)."""
    return (np.arange(n_experts)[:, None] == labels).astype(np.float64)


def expert_steps(mixture):
    """Most Newton steps of experts fitted to labels, and the gain at which they stop.

    Few rows have separable targets, and then there is no end: single rows of a class
    take one step.  In groups and for means that may be far from 1 it is too short.
    """
    experts = mixture.experts
    is_single = n_units(mixture) == mixture.weight.shape[0]
    is_endless = is_single and experts.distribution.is_separable
    if experts.m_step_is_exact or is_endless:
        return 1, 0.0
    return _EXPERT_STEPS, _EXPERT_TOL * mixture.units.weight.sum()


def distance_design(mixture):
    """Design of the features that tell distances: the gate's, or else the experts'.

    A group has no features for its experts alone: then it is that of the gate.
    """
    is_grouped = n_units(mixture) < mixture.weight.shape[0]
    if n_varying(mixture.gate_design) or is_grouped:
        return mixture.gate_design
    return mixture.expert_design


def by_distance(mixture, draw, max_iter):
    """Labels of a few Lloyd iterations on features, from K drawn units."""
    design = distance_design(mixture)
    centers = design.features(draw.independent(mixture.n_experts))
    centers = centers.toarray() if sparse.issparse(centers) else centers
    labels = np.full(n_units(mixture), -1)
    for _ in range(max_iter):
        half_norms = 0.5 * np.square(centers).sum(axis=1)
        coef = np.pad(centers, ((0, 0), (0, int(design.intercept))))
        sums, mass = np.zeros_like(coef), np.zeros(mixture.n_experts)
        previous = labels.copy()
        for units, _ in mixture.blocks:
            block = design.block(units)
            labels[units] = (block.dot(coef) - half_norms[:, None]).argmax(axis=0)
            weighted = (
                onehot(mixture.n_experts, labels[units]) * mixture.units.weight[units]
            )
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
    design = mixture.expert_design
    n_columns = n_varying(design) + design.intercept
    size = min(n_columns + 1, max(draw.n_distinct // n_experts, 2))
    size = in_units(mixture, size)
    drawn = (draw.independent(size) for _ in range(n_experts))
    picked = np.stack([np.bincount(units, minlength=weight.size) for units in drawn])
    # A weight may be too small to be told from zero.
    return _best_experts(mixture, picked / np.maximum(weight, _TINY))


def _best_experts(mixture, responsibilities):
    """Labels by the density, at unit noise, of experts fitted to (K, u)."""
    experts, _ = first_experts(mixture, responsibilities, *expert_steps(mixture))
    theta = mixture.initial()._replace(experts=experts)
    labels = np.empty(n_units(mixture), dtype=np.intp)
    for block in mixture.blocks:
        design = mixture.design_blocks(block)[1]
        local = mixture.experts.at(theta, design, mixture.target[..., block.rows])
        log_density = mixture.units.sum(local.log_density, block)
        labels[block.units] = log_density.argmax(axis=0)
    return labels


def by_experts(mixture, draw, max_iter):
    """Labels of regression clustering (k-planes): refit and reassign in turn."""
    labels = _elemental(mixture, draw)
    for _ in range(max_iter):
        own = onehot(mixture.n_experts, labels)
        previous, labels = labels, _best_experts(mixture, own)
        if (labels == previous).all():
            break
    return labels


def by_residuals(one, draw, n_clusters, max_iter):
    """Labels by how units differ from one expert in their mean.

    To second order, coefficients that are c away from those of the one expert change
    the log-likelihood of a unit by ``score'c - c' curvature c / 2``; here the curvature
    is diagonal.
    """
    return _by_shifts(*one.shifts, draw, n_clusters, max_iter)


def by_scale(one, draw, n_clusters, max_iter):
    """Labels by the size of units' residuals from one expert."""
    scale = one.scale
    return _by_shifts(scale, np.ones_like(scale), draw, n_clusters, max_iter)


def _by_shifts(score, curvature, draw, n_clusters, max_iter):
    """Labels by the best of K shifts, (u, r) and (u, r), refitted in turn."""
    weight = draw.weight[:, None]
    drawn = draw.independent(n_clusters)
    shifts = score[drawn] / np.maximum(curvature[drawn], _TINY)
    labels = np.full(score.shape[0], -1)
    for _ in range(max_iter):
        gain = score @ shifts.T - 0.5 * curvature @ np.square(shifts).T
        previous, labels = labels, gain.argmax(axis=1)
        if (labels == previous).all():
            break
        own = onehot(n_clusters, labels)
        scores, curvatures = own @ (weight * score), own @ (weight * curvature)
        shifts = np.where(
            curvatures > 0, scores / np.maximum(curvatures, _TINY), shifts
        )
    return labels


def kmeans(mixture, with_target, rng):
    """Labels of k-means on the gate's features, with the targets if asked for.

    A gate without features leaves those of the experts, and experts without any leave
    the targets.
    """
    designs = mixture.gate_design, mixture.expert_design
    design = next((d for d in designs if n_varying(d)), designs[0])
    features = design.features(np.arange(design.n_rows))
    if design is not mixture.gate_design:
        features = mixture.units.averaged(features)
    if with_target or not n_varying(design):
        moments = mixture.experts.distribution.moments(mixture.target)
        moments = mixture.units.averaged(moments.T)
        stack = sparse.hstack if sparse.issparse(features) else np.hstack
        features = stack([features, moments])
    features = _narrow(features) if sparse.issparse(features) else features
    n_clusters = min(mixture.n_experts, n_units(mixture))
    return lloyd(features, mixture.units.weight, n_clusters, rng)


def lloyd(features, weight, n_clusters, rng):
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
        weighted = weight * onehot(n_clusters, labels)
        sums, mass = (features.T @ weighted.T).T, weighted.sum(axis=1)
        filled = mass > 0
        centers[filled] = sums[filled] / mass[filled, None]
    return labels


def _narrow(features):
    """CSR with indices of 32 bits: all that scikit-learn takes, and a sample needs."""
    features = sparse.csr_array(features)
    ends, indices = (a.astype(np.int32) for a in (features.indptr, features.indices))
    return sparse.csr_array((features.data, indices, ends), shape=features.shape)
