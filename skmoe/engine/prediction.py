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
from skmoe.engine.gate import Gate, GateRows
from skmoe.engine.routing import is_worthwhile
from skmoe.engine.softmax import positive_probability, softmax_in_place

_BLOCK_ROWS = 8192
_MAX_ROOT_STEPS = 200
# Predictors and distances beyond are brought back, so that differences, and squares of
# distances, are finite.
_LARGEST, _LARGEST_POWER = 1e300, 990
_FAR, _FARTHEST = 1e150, 1e307


def linear_predictor(X, coef, intercept, is_softmax=False):
    """X coef' + intercept, (n, d), (..., d), (...) -> (n, ...), within +-1e300.

    `is_softmax` says that what counts are differences along the last axis.
    """
    flat = coef.reshape(intercept.size, coef.shape[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(X @ flat.T) + intercept.ravel()
    values = values.reshape((X.shape[0],) + intercept.shape)
    return _finite(values, X, coef, intercept, is_softmax)


def _finite(values, X, coef, intercept, is_softmax):
    """Linear predictors (n, ...), where they overflow computed in parts."""
    far = ~(np.abs(values) <= _LARGEST).reshape(values.shape[0], -1).all(axis=1)
    if not far.any():
        return values
    X, flat = X[far], coef.reshape(intercept.size, coef.shape[-1])
    X = (X.toarray() if sparse.issparse(X) else X).astype(np.float64)
    # Terms in units of the largest, in powers of 2: their sums cannot overflow.
    x_power, power = (
        np.frexp(np.abs(a).max(axis=1, initial=0.0))[1] for a in (X, flat)
    )
    X, flat = np.ldexp(X, -x_power[:, None]), np.ldexp(flat, -power[:, None])
    power = x_power[:, None] + power
    with np.errstate(over="ignore", under="ignore"):
        found = X @ flat.T + np.ldexp(intercept.ravel(), -power)
        found, power = (a.reshape(-1, *values.shape[1:]) for a in (found, power))
        if is_softmax:
            excess = power.max(axis=-1, keepdims=True) - _LARGEST_POWER
            power = power - np.maximum(excess, 0)
        found = np.clip(np.ldexp(found, power), -_LARGEST, _LARGEST)
    values[far] = found
    return values


def gate_probability(X, coef, intercept, gate=None):
    """Gate probabilities, (n, K); without a Gate, of one softmax."""
    gate = gate or Gate(intercept.shape[0])
    proba = np.empty((X.shape[0], gate.n_experts), dtype=intercept.dtype)
    for rows in blocks_of(X.shape[0], _BLOCK_ROWS):
        proba[rows] = _gate_of_rows(X[rows], coef, intercept, gate).T
    return proba


def gate_log_probability(X, coef, intercept, gate=None):
    """Logarithms of the gate probabilities, (n, K)."""
    gate = gate or Gate(intercept.shape[0])
    values = linear_predictor(X, coef, intercept, True).reshape(X.shape[0], -1)
    return log_softmax(GateRows(gate, values.T).logits.T, axis=1)


def _gate_of_rows(X, coef, intercept, gate):
    """As `gate_probability`, experts first, (K, b)."""
    values = _predictor_first(X, coef, intercept, True)
    local = GateRows(gate, values.reshape(-1, X.shape[0]))
    local.normalise()
    return local.probability


def expert_log_probability(X, coef, intercept):
    """Class log-probabilities of each expert, (n, K, C)."""
    logits = linear_predictor(X, coef, intercept, intercept.ndim == 2)
    if logits.ndim == 2:
        return np.stack([log_expit(-logits), log_expit(logits)], axis=-1)
    return log_softmax(logits, axis=2)


def squared_distance(y, mean, variance):
    """In units of the noise, summed over outputs, (n, m), (n, K, m) -> (n, K).

    Where squares would overflow for all experts, they are smaller by a factor that
    experts have in common, so that their order remains; its logarithm, (n, 1).
    """
    with np.errstate(over="ignore"):
        gap = np.abs(y[:, None] - mean) / np.sqrt(variance, dtype=np.float64)
    distance = np.hypot.reduce(np.minimum(gap, _FARTHEST), axis=2)
    factor = np.maximum(distance.min(axis=1, keepdims=True) / _FAR, 1.0)
    distance = np.minimum(distance / factor, _FAR * 1e3)
    return np.square(distance), 2 * np.log(factor)


def expected(gate_arguments, expert_arguments, link):
    """Mean of the experts' values under the gate, (n, c).

    Parameters
    ----------
    gate_arguments : those of `gate_probability`
    expert_arguments : those of `linear_predictor`
    link : callable
        Makes values (K, c, b) of linear predictors (K, q, b), which it may overwrite.
    """
    found = []
    X_gate, *gate_arguments = gate_arguments
    X, coef, intercept = expert_arguments
    intercept = intercept.reshape(intercept.shape[0], -1)
    if is_worthwhile(gate_arguments[-1]):
        gate_of_rows, mean = _best_experts, _routed_mean
    else:
        gate_of_rows, mean = _gate_of_rows, _dense_mean
    for rows in blocks_of(X.shape[0], _BLOCK_ROWS):
        gate = gate_of_rows(X_gate[rows], *gate_arguments)
        found.append(mean(gate, X[rows], coef, intercept, link))
    return np.concatenate(found)


def _dense_mean(gate, X, coef, intercept, link):
    """Mean of the values of all experts, (K, b) -> (b, c)."""
    values = link(_predictor_first(X, coef, intercept))
    return np.einsum("kb,kcb->bc", gate, values)


def _best_experts(X, coef, intercept, gate):
    """The experts that count for each row, and their probabilities, two (b, top_k)."""
    logits = linear_predictor(X, coef, intercept, True)
    every = np.arange(X.shape[0])
    expert = np.empty((X.shape[0], gate.top_k), dtype=np.intp)
    kept = np.empty(expert.shape, dtype=logits.dtype)
    for best, logit in zip(expert.T, kept.T):
        best[:] = logits.argmax(axis=1)
        logit[:] = logits[every, best]
        logits[every, best] = -np.inf
    softmax_in_place(kept.T)
    return expert, kept


def _routed_mean(gate, X, coef, intercept, link):
    """Mean of the values of the experts that count, each on its rows alone, (b, c)."""
    expert, probability = gate
    flat = expert.ravel().astype(np.min_scalar_type(coef.shape[0]))
    order = np.argsort(flat, kind="stable")
    X = X[order // expert.shape[1]]
    ends = np.cumsum(np.bincount(flat, minlength=coef.shape[0]))
    starts = np.concatenate([[0], ends[:-1]])
    predictors = [
        _predictor_first(X[start:end], coef[k], intercept[k])
        for k, (start, end) in enumerate(zip(starts, ends))
        if start < end
    ]
    values = link(np.concatenate(predictors, axis=1)[None])[0]
    of_rows = np.empty_like(values)
    of_rows[:, order] = values
    of_rows = of_rows.reshape(-1, *expert.shape)
    return np.einsum("bk,cbk->bc", probability, of_rows)


def class_probabilities(logits):
    """Class probabilities, (K, q, b) -> (K, C, b); in place where q = C."""
    if logits.shape[1] == 1:
        positive = positive_probability(logits)[0]
        return np.concatenate([1 - positive, positive], axis=1)
    softmax_in_place(np.moveaxis(logits, 1, 0))
    return logits


def _predictor_first(X, coef, intercept, is_softmax=False):
    """As `linear_predictor`, rows last, (..., b)."""
    flat = coef.reshape(intercept.size, coef.shape[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray((X @ flat.T).T) if sparse.issparse(X) else flat @ X.T
        values = values + intercept.ravel()[:, None]
    values = values.reshape(intercept.shape + values.shape[1:])
    _finite(np.moveaxis(values, -1, 0), X, coef, intercept, is_softmax)
    return values


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
    noise = np.sqrt(np.einsum("nk,km->nm", gate, variance))
    gap = np.sqrt(gate)[:, :, None] * (mean - mixture_mean(gate, mean)[:, None])
    # Squares may overflow.
    return np.hypot(noise, np.hypot.reduce(gap, axis=1))


def mixture_cdf(y, gate, mean, deviation, noise):
    """P(Y <= y), (..., n), (K, n), (K, n), (K,) -> (..., n)."""
    with np.errstate(over="ignore"):
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
    with np.errstate(over="ignore"):
        ends = mean + deviation[:, None] * noise.quantile(q)
    ends = np.clip(ends, -_LARGEST, _LARGEST)
    low, high = ends.min(axis=0), ends.max(axis=0)
    at, step = (low + high) / 2, high - low
    for _ in range(_MAX_ROOT_STEPS):
        excess = mixture_cdf(at, gate, mean, deviation, noise) - q
        low, high = np.where(excess < 0, at, low), np.where(excess < 0, high, at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            standardised = (at - mean) / deviation[:, None]
            density = noise.density(standardised) / deviation[:, None]
            newton = at - excess / (gate * density).sum(axis=0)
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
