"""One way to score the parameters of every peer.

``python score.py CASE_FOLDER RESULT_JSON`` prints the mean log-likelihood per sample
and the penalised objective of the final parameters that a peer has written.
"""

import json
import sys
from typing import NamedTuple

import numpy as np
from cases import read_case
from scipy.special import log_expit, log_softmax, logsumexp

_ROWS = 10_000


class Model(NamedTuple):
    """Parameters in the units of X; the last column is the intercept."""

    gate: np.ndarray  # (K, d + 1)
    experts: np.ndarray  # (K, d + 1), or (K, C, d + 1)
    variance: np.ndarray  # (K,), or empty


def as_model(case, gate, experts, variance=()):
    """Model from arrays of any shape, in C order."""
    width = case.n_features + 1
    shape = (case.n_experts, width)
    if case.family == "multiclass":
        shape = (case.n_experts, case.n_classes, width)
    return Model(
        np.reshape(gate, (case.n_experts, width)),
        np.reshape(experts, shape),
        np.ravel(variance),
    )


def log_likelihood(case, X, y, model):
    """Mean log p(y | x), in nats per sample."""
    total = 0.0
    for start in range(0, X.shape[0], _ROWS):
        rows = slice(start, start + _ROWS)
        log_gate = log_softmax(_predictor(X[rows], model.gate), axis=1)
        log_density = _log_density(case, X[rows], y[rows], model)
        total += logsumexp(log_gate + log_density, axis=1).sum()
    return total / X.shape[0]


def value(case, X, y, model):
    """What peers are compared by: log-likelihood less the penalty of the case."""
    result = log_likelihood(case, X, y, model)
    if case.penalty:
        gate = model.gate[:, :-1] - model.gate[:, :-1].mean(axis=0)
        experts = model.experts[..., :-1]
        if case.family == "multiclass":
            experts = experts - experts.mean(axis=1, keepdims=True)
        squares = np.square(gate).sum() + np.square(experts).sum()
        result -= 0.5 * case.penalty * squares
    return result


def _predictor(X, coef):
    """Linear predictors, (n, d), (..., d + 1) -> (n, ...)."""
    flat = coef.reshape(-1, coef.shape[-1])
    values = X @ flat[:, :-1].T + flat[:, -1]
    return values.reshape((X.shape[0],) + coef.shape[:-1])


def _log_density(case, X, y, model):
    """Log-density of y under each expert, (n, K)."""
    predictor = _predictor(X, model.experts)
    if case.family == "gaussian":
        square = np.square(y[:, None] - predictor) / model.variance
        return -0.5 * (np.log(2 * np.pi * model.variance) + square)
    if case.family == "binary":
        return log_expit((2 * y[:, None] - 1) * predictor)
    log_probability = log_softmax(predictor, axis=2)
    return log_probability[np.arange(y.shape[0]), :, y.astype(int)]


def main():
    folder, path = sys.argv[1:]
    case, X, y = read_case(folder)
    with open(path) as file:
        result = json.load(file)
    model = as_model(case, *(result[name] for name in ("gate", "experts", "variance")))
    scores = {
        "log_likelihood": log_likelihood(case, X, y, model),
        "value": value(case, X, y, model),
    }
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
