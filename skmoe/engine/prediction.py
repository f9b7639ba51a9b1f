"""Predictions from parameters in the user's units; rows do not see each other."""

import numpy as np
from scipy import sparse
from scipy.special import (
    log_expit,
    log_softmax,
    logsumexp,
    softmax,
)

from skmoe.engine.design import blocks_of
from skmoe.engine.softmax import positive_probability, softmax_in_place

_BLOCK_ROWS = 8192
_MAX_ROOT_STEPS = 200


def linear_predictor(X, coef, intercept):
    """X coef' + intercept, (n, d), (..., d), (...) -> (n, ...)."""
    flat = coef.reshape(intercept.size, coef.shape[-1])
    values = np.asarray(X @ flat.T) + intercept.ravel()
    return values.reshape((X.shape[0],) + intercept.shape)


def gate_probability(X, coef, intercept):
    """Gate probabilities, (n, K)."""
    proba = np.empty((X.shape[0], intercept.shape[0]), dtype=intercept.dtype)
    for rows in blocks_of(X.shape[0], _BLOCK_ROWS):
        gate = _predictor_of_rows(X, coef, intercept, rows)
        softmax_in_place(gate)
        proba[rows] = gate.T
    return proba


def gate_log_probability(X, coef, intercept):
    """Logarithms of the gate probabilities, (n, K)."""
    return log_softmax(linear_predictor(X, coef, intercept), axis=1)


def expert_log_probability(X, coef, intercept):
    """Class log-probabilities of each expert, (n, K, C)."""
    logits = linear_predictor(X, coef, intercept)
    if logits.ndim == 2:
        return np.stack([log_expit(-logits), log_expit(logits)], axis=-1)
    return log_softmax(logits, axis=2)


def squared_distance(y, mean, variance):
    """In units of the noise, summed over outputs, (n, m), (n, K, m) -> (n, K)."""
    return (np.square(y[:, None] - mean) / variance).sum(axis=2)


def class_probability(gate_arguments, expert_arguments):
    """Class probabilities of the mixture, (n, C); arguments of `linear_predictor`."""
    n_rows, intercept = gate_arguments[0].shape[0], expert_arguments[2]
    n_classes = 2 if intercept.ndim == 1 else intercept.shape[1]
    proba = np.empty((n_rows, n_classes), dtype=intercept.dtype)
    for rows in blocks_of(n_rows, _BLOCK_ROWS):
        gate = _predictor_of_rows(*gate_arguments, rows)
        softmax_in_place(gate)
        logits = _predictor_of_rows(*expert_arguments, rows)
        if n_classes == 2:
            positive, _, _ = positive_probability(logits)
            proba[rows, 0] = (gate * (1 - positive)).sum(axis=0)
            proba[rows, 1] = (gate * positive).sum(axis=0)
            continue
        softmax_in_place(np.moveaxis(logits, 1, 0))
        proba[rows] = np.einsum("kb,kcb->bc", gate, logits)
    return proba


def _predictor_of_rows(X, coef, intercept, rows):
    """As `linear_predictor`, of a slice of rows and with these last, (..., b)."""
    flat = coef.reshape(intercept.size, coef.shape[-1])
    part = X[rows]
    values = np.asarray((part @ flat.T).T) if sparse.issparse(part) else flat @ part.T
    values = values + intercept.ravel()[:, None]
    return values.reshape(intercept.shape + values.shape[1:])


def mixture_log_density(log_gate, log_density):
    """log sum_k pi_k p_k, (n, K), (n, K) -> (n,)."""
    return logsumexp(log_gate + log_density, axis=1)


def posterior(log_gate, log_density):
    """Responsibilities, (n, K)."""
    return softmax(log_gate + log_density, axis=1)


def mixture_mean(gate, mean):
    """Mean of the mixture, (n, K), (n, K, m) -> (n, m)."""
    return np.einsum("nk,nkm->nm", gate, mean)


def mixture_std(gate, mean, variance):
    """Standard deviation of the mixture, (n, K), (n, K, m), (K, m) -> (n, m)."""
    centre = mixture_mean(gate, mean)
    spread = variance + np.square(mean - centre[:, None])
    return np.sqrt(np.einsum("nk,nkm->nm", gate, spread))


def mixture_cdf(y, gate, mean, deviation, noise):
    """P(Y <= y), (..., n), (K, n), (K, n), (K,) -> (..., n)."""
    standardised = (y[..., None, :] - mean) / deviation[:, None]
    return (gate * noise.cdf(standardised)).sum(axis=-2)


def mixture_quantile(q, gate, mean, deviation, noise):
    """Quantiles of mixtures, (r,), (K, n), (K, n), (K,) -> (r, n)."""
    quantile = np.empty((q.shape[0], gate.shape[1]))
    for rows in blocks_of(gate.shape[1], max(1, _BLOCK_ROWS // q.shape[0])):
        part = gate[:, rows], mean[:, rows], deviation, noise
        for number, level in enumerate(q):
            quantile[number, rows] = _quantile_of_rows(level, *part)
    return quantile


def _quantile_of_rows(q, gate, mean, deviation, noise):
    """One quantile of each row by Newton's method within brackets, (n,).

    The quantile lies between those of the components.  Above the median the mixture is
    reflected, so that the tail that is small keeps its digits.
    """
    if q > 0.5:
        return -_quantile_of_rows(1 - q, gate, -mean, deviation, noise)
    ends = mean + deviation[:, None] * noise.quantile(q)
    low, high = ends.min(axis=0), ends.max(axis=0)
    at, step = (low + high) / 2, high - low
    for _ in range(_MAX_ROOT_STEPS):
        excess = mixture_cdf(at, gate, mean, deviation, noise) - q
        low, high = np.where(excess < 0, at, low), np.where(excess < 0, high, at)
        standardised = (at - mean) / deviation[:, None]
        density = (gate * noise.density(standardised) / deviation[:, None]).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = at - excess / density
        # Newton's step if it stays inside and shrinks, else half the bracket.
        good = (newton > low) & (newton < high) & (np.abs(newton - at) < step / 2)
        following = np.where(good, newton, (low + high) / 2)
        # A row that has settled stays: rows do not see each other.
        following = np.where(step <= 4 * np.spacing(np.abs(at)), at, following)
        step = np.abs(following - at)
        if not step.any():
            break
        at = following
    return at


def quantile_between(q, cdf, low, high, is_discrete):
    """Quantiles of rows by bisection of the mixture's `cdf` between two ends, (n,).

    They lie between those of the components.  Of counts it is the least that reaches q.
    """
    if is_discrete:
        low = low - 1
    for _ in range(_MAX_ROOT_STEPS):
        middle = np.floor((low + high) / 2) if is_discrete else (low + high) / 2
        if ((middle <= low) | (middle >= high)).all():
            break
        reached = cdf(middle) >= q
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


def draw_categories(probability, n_samples, random_state):
    """Independent draws for each row, (n, C) -> (n, n_samples)."""
    cumulated = np.cumsum(probability, axis=1)
    uniform = random_state.uniform(size=(probability.shape[0], n_samples))
    uniform *= cumulated[:, -1:]
    drawn = (uniform[:, :, None] >= cumulated[:, None]).sum(axis=2)
    return np.minimum(drawn, probability.shape[1] - 1)
