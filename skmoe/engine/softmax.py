"""Softmax over the first axis, in coordinates without its redundant direction.

A softmax over C categories has C - 1 free logits.  `contrasts` B of shape (C, q) maps
free logits to logits.  Columns of an orthonormal B sum to zero, so the coefficients of
the categories come out zero-sum and the ridge penalty is the same in both coordinates.
"""

from functools import cache

import numpy as np
from scipy.linalg import helmert


def orthonormal_contrasts(n_categories):
    """Orthonormal basis of the zero-sum vectors, shape (C, C - 1) (Helmert)."""
    return -helmert(n_categories).T.copy()


def gate_contrasts(n_experts, smooth=True):
    """Contrasts of the gate, (K, K - 1), or one free logit for each with a lasso.

    An L1 penalty of the logits' coefficients is a sum over their own only, unless there
    are two.  As in LogisticRegression it then picks one of the equivalent models.
    """
    return (
        orthonormal_contrasts(n_experts)
        if smooth or n_experts < 3
        else np.eye(n_experts)
    )


def class_contrasts(n_classes, smooth=True):
    """Two classes are the plain sigmoid of one logit, as in LogisticRegression."""
    if n_classes == 2:
        return np.array([[0.0], [1.0]])
    return gate_contrasts(n_classes, smooth)


def logsumexp(values):
    """log sum exp over the first axis, (C, ...) -> (...)."""
    top = values.max(axis=0)
    return top + np.log(np.exp(values - top).sum(axis=0))


def log_softmax_in_place(logits):
    """Turn logits into logarithms of probabilities over the first axis; the same."""
    logits -= logits.max(axis=0)
    logits -= np.log(np.exp(logits).sum(axis=0))
    return logits


def softmax_in_place(logits):
    """Turn logits into probabilities over the first axis; their logsumexp, (...)."""
    top, total = normalise_in_place(logits)
    np.log(total, out=total)
    total += top
    return total


def normalise_in_place(logits):
    """As `softmax_in_place`; their maximum and the sum of exp(logits - maximum)."""
    top = np.maximum.reduce(logits)
    logits -= top
    np.exp(logits, out=logits)
    total = np.add.reduce(logits)
    logits /= total
    return top, total


def positive_probability(logit):
    """Probability of the second of two classes, its variance, and exp(-|logit|)."""
    small = np.exp(-np.abs(logit))
    likely = 1 / (1 + small)
    unlikely = small * likely
    return np.where(logit >= 0, likely, unlikely), unlikely * likely, small


@cache
def free_pairs(n_free):
    """Index pairs a <= b of the free logits, two arrays."""
    return np.triu_indices(n_free)


@cache
def _distinct_pairs(n_categories):
    """Index pairs c < d of the categories, two arrays."""
    return np.triu_indices(n_categories, 1)


def pair_weights(probability, contrasts):
    """B' (diag p - p p') B for each row, upper triangle: (C, b) -> (pairs, b).

    Written as the sum over pairs of categories of ``p_c p_d (B_c - B_d) (B_c - B_d)'``,
    which keeps its relative accuracy, and its sign, where a probability nears 1.
    """
    if contrasts.shape[0] == 2:
        return np.square(contrasts[0] - contrasts[1]) * (
            probability[:1] * probability[1:]
        )
    first, second = free_pairs(contrasts.shape[1])
    c, d = _distinct_pairs(contrasts.shape[0])
    gaps = contrasts[c] - contrasts[d]
    return (gaps[:, first] * gaps[:, second]).T @ (probability[c] * probability[d])


def free_variance(probability, contrasts):
    """Mean diagonal entry of B' (diag p - p p') B for each row, (C, b) -> (b,)."""
    variance = (probability * (1 - probability)).sum(axis=0)
    n_categories, n_free = contrasts.shape
    return contrasts.var(axis=0).sum() * n_categories / n_free**2 * variance


def join_pairs(grams, n_free):
    """Symmetric matrix from its upper blocks, (pairs, p, p) -> (q * p, q * p)."""
    p = grams.shape[-1]
    matrix = np.empty((n_free, p, n_free, p))
    for gram, a, b in zip(grams, *free_pairs(n_free)):
        matrix[a, :, b, :] = gram
        matrix[b, :, a, :] = gram
    return matrix.reshape(n_free * p, n_free * p)
