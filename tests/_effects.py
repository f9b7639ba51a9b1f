"""Mixtures of all kinds, fitted, and derivatives of what they say by differences."""

import copy

import numpy as np

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference

STEP = 1e-4
N = 120
LINEAR, LOGISTIC, GLM = (
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    MixtureOfGLMExperts,
)


def rows():
    """X with a column of 0 and 1, and a predictor of each of two regimes, (2, n)."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(N, 2)), rng.integers(0, 2, N)])
    first = 0.8 * X[:, 0] + 0.5 * X[:, 2]
    regimes = np.stack([first, 0.4 - 0.9 * X[:, 0] + 0.3 * X[:, 1]])
    expert = (rng.uniform(size=N) < 1 / (1 + np.exp(-2 * X[:, 1]))).astype(int)
    return X, regimes[expert, np.arange(N)], rng


def reals(X, predictor, rng):
    return predictor + 0.3 * rng.standard_normal(N), {}


def pairs(X, predictor, rng):
    return np.column_stack([predictor, -predictor + X[:, 2]]) + 0.3 * rng.normal(
        size=(N, 2)
    ), {}


def limited(X, predictor, rng):
    y = reals(X, predictor, rng)[0]
    return np.minimum(y, 0.8), {"y_upper": np.where(y > 0.8, np.inf, y)}


def classes(*edges):
    def of_rows(X, predictor, rng):
        return np.digitize(predictor + 0.5 * rng.logistic(size=N), edges), {}

    return of_rows


def counts(X, predictor, rng):
    return rng.poisson(np.exp(0.7 + predictor)).astype(float), {}


def exposed(X, predictor, rng):
    offset = rng.uniform(-1, 1, N)
    return rng.poisson(np.exp(1 + predictor + offset)), {"offset": offset}


def zeros_in_excess(X, predictor, rng):
    return counts(X, predictor, rng)[0] * (rng.uniform(size=N) < 0.7), {}


def amounts(X, predictor, rng):
    return rng.gamma(3.0, np.exp(predictor) / 3), {}


def successes(X, predictor, rng):
    trials = rng.integers(1, 9, N)
    return rng.binomial(trials, 1 / (1 + np.exp(-predictor))), {"trials": trials}


# Estimator, parameters and how y is drawn.
MODELS = {
    "linear": (LINEAR, {"gate_features": [1], "expert_features": [0, 2]}, reals),
    "two outputs": (LINEAR, {}, pairs),
    "outliers": (LINEAR, {"noise_df": 4.0}, reals),
    "learned df": (LINEAR, {"noise_df": "estimate"}, reals),
    "censored": (LINEAR, {"noise": "shared"}, limited),
    "symmetric": (LINEAR, {"symmetric": True}, reals),
    "constant gate": (LINEAR, {"gate_features": []}, reals),
    "tree": (
        LINEAR,
        {"n_experts": 8, "depth": 3, "alpha": 9, "init": "kmeans", "max_iter": 20},
        reals,
    ),
    "shared": (
        LINEAR,
        {"n_experts": 3, "shared_features": {1: [0, 2], 2: "all"}},
        reals,
    ),
    "shared intercept": (
        LINEAR,
        {"shared_intercept": True, "expert_features": {0: [0], 1: [0, 1]}},
        reals,
    ),
    "background": (LINEAR, {"background": True}, reals),
    "no intercepts": (LINEAR, {"fit_intercept": False}, reals),
    "two classes": (LOGISTIC, {}, classes(0.3)),
    "three classes": (LOGISTIC, {"shared_features": [1]}, classes(-0.2, 0.6)),
    "symmetric logistic": (LOGISTIC, {"symmetric": True}, classes(0.3)),
    "poisson": (GLM, {}, counts),
    "offset": (GLM, {"shared_features": [2]}, exposed),
    "zeros in excess": (GLM, {"point_mass": 0}, zeros_in_excess),
    "negative binomial": (GLM, {"family": "negative_binomial"}, counts),
    "gamma": (GLM, {"family": "gamma"}, amounts),
    "binomial": (GLM, {"family": "binomial"}, successes),
}
KINDS = ["mean", "experts", "gate"]


class Fit:
    """A fitted model with what goes with its rows, and its inference."""

    def __init__(self, name):
        kind, params, draw = MODELS[name]
        X, predictor, rng = rows()
        y, known = draw(X, predictor, rng)
        self.X, self.y = X, y
        options = {"random_state": 0, "tol": 1e-5} | params
        self.model = kind(**options).fit(X, y, **known)
        self.result = inference(self.model, X, y, **known)
        # What predictions take, too.
        self.known = {key: known[key] for key in ("offset", "trials") if key in known}
        # The rows, those moved along both real columns, and at both ends of the third.
        steps = [sign * STEP * (np.arange(3) == j) for j in (0, 1) for sign in (1, -1)]
        ends = [np.column_stack([X[:, :2], np.full(N, end)]) for end in (1.0, 0.0)]
        self._derivatives = {}
        self.stacked = np.stack([X, *(X + step for step in steps), *ends])

    def predict(self, model, of):
        """What is asked for by the estimator's own methods, of all rows (7, n, o)."""
        X = self.stacked.reshape(-1, 3)
        known = {name: np.tile(values, 7) for name, values in self.known.items()}
        if of == "gate":
            found = model.gate_proba(X)
        elif of == "experts":
            found = model.predict_expert(X, **known)
        else:
            name = "predict_proba" if hasattr(model, "classes_") else "predict"
            found = getattr(model, name)(X, **known)
        return found.reshape(7, N, -1)

    def effects(self, predicted):
        """Effects by differences of predictions (7, n, o, ...), (n, o, 3, ...)."""
        _, up, down, right, left, one, zero = predicted
        slopes = (up - down) / (2 * STEP), (right - left) / (2 * STEP)
        return np.stack([*slopes, one - zero], axis=2)

    def derivatives(self, of):
        """Predictions (7, n, o), and their derivatives by the R listed entries."""
        if of not in self._derivatives:
            self._derivatives[of] = self.predict(self.model, of), self._slopes(of)
        return self._derivatives[of]

    def _slopes(self, of):
        found = []
        for j in range(len(self.result.names)):
            ends = (self.predict(self.moved(j, sign * STEP), of) for sign in (1, -1))
            found.append((next(ends) - next(ends)) / (2 * STEP))
        return np.stack(found, axis=-1)

    def moved(self, j, step):
        """The model with one of the entries moved, and all that share it."""
        model, entry = copy.copy(self.model), self.result._entries[j]
        if entry.part == "noise":
            return model
        is_gate = entry.part == "gate"
        name = "gate_" * is_gate + (
            "intercept_" if entry.feature == "(intercept)" else "coef_"
        )
        values = getattr(model, name).copy()
        names = [f"x{k}" for k in range(3)]
        seen = [names[k] for k in self.columns("gate" if is_gate else "expert")]
        last = () if "intercept" in name else (seen.index(entry.feature),)
        for owner in self.owners(entry.expert):
            middle = () if entry.output is None else (self.output(entry, is_gate),)
            values[(owner, *middle, *last)] += step
        setattr(model, name, values)
        return model

    def owners(self, expert):
        if expert == "all":
            return range(len(self.model.coef_))
        if isinstance(expert, str) and " and " in expert:
            return map(int, expert.split(" and "))
        return [-1 if isinstance(expert, str) else expert]

    def output(self, entry, is_gate):
        if is_gate:
            return entry.output
        return list(getattr(self.model, "classes_", range(9))).index(entry.output)

    def columns(self, part):
        chosen = getattr(self.model, f"{part}_features")
        if isinstance(chosen, dict):
            chosen = sorted({k for own in chosen.values() for k in own})
        return range(3) if chosen is None else chosen
