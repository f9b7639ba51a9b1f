"""A fitted model: its parameters in the user's units, and what they say of rows.

Rows do not see each other.
"""

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from skmoe.engine.design import blocks_of
from skmoe.engine.gate import Gate, GateRows
from skmoe.engine.predictor import linear_predictor
from skmoe.engine.quantiles import mixture_quantile
from skmoe.engine.routing import is_worthwhile
from skmoe.engine.softmax import softmax_in_place

_BLOCK_ROWS = 8192


class FittedModel:
    """A specification with parameters.

    Parameters
    ----------
    specification : Specification
    fitted : dict of ndarray, as `Problem.attributes` gives them, in float64
    """

    def __init__(self, specification, fitted):
        self.specification = spec = specification
        self.distribution = spec.distribution
        self.gate = Gate(spec.n_experts, spec.depth, top_k=spec.top_k)
        self.gate_coef = fitted["gate_coef_"]
        self.gate_intercept = fitted["gate_intercept_"]
        self.coef, self.intercept = fitted["coef_"], fitted["intercept_"]
        known = fitted.get(self.distribution.dispersion_name)
        self.dispersion = np.ones_like(self.intercept) if known is None else known

    def gate_probability(self, X):
        """Gate probabilities, (n, K)."""
        return _by_blocks(lambda X: self._gate(X).T, X)

    def log_joint(self, X, target):
        """Logarithms of gate and experts' densities of targets (..., n), two (n, K)."""
        return (
            _by_blocks(self._log_gate, X),
            _by_blocks(self._log_density, X, target),
        )

    def mean(self, X):
        """Mean of y, or class probabilities, (n, c)."""
        mean_of = _routed_mean if is_worthwhile(self.gate) else _dense_mean
        return _by_blocks(lambda X: mean_of(self, X), X)

    def expert_mean(self, X):
        """Mean of y, or class probabilities, under each expert, (K, c, n)."""
        return self.distribution.mean(self.predictor(X))

    def log_mean(self, X):
        """Logarithms of class probabilities, (n, C)."""

        def of_rows(X):
            log_class = self.distribution.log_mean(self.predictor(X))
            return logsumexp(self._log_gate(X).T[:, None] + log_class, axis=0).T

        return _by_blocks(of_rows, X)

    def std(self, X):
        """Standard deviation of y, (n, m)."""
        variance = self.dispersion * self.distribution.variance

        def of_rows(X):
            gate, mean = self._gate(X), self.expert_mean(X)
            noise = np.sqrt(variance.T @ gate)
            gap = mean - np.einsum("kn,kmn->mn", gate, mean)
            # Squares may overflow.
            gap = np.hypot.reduce(np.sqrt(gate)[:, None] * gap, axis=0)
            return np.hypot(noise, gap).T

        return _by_blocks(of_rows, X)

    def cdf(self, X, target):
        """P(Y <= target) of each output, (m, n) -> (n, m)."""
        dispersion = self.dispersion[:, :, None]

        def of_rows(X, target):
            gate, mean = self._gate(X), self.expert_mean(X)
            below = self.distribution.cdf(target, mean, dispersion)
            return np.minimum((gate[:, None] * below).sum(axis=0), 1).T

        return _by_blocks(of_rows, X, target)

    def quantile(self, X, levels):
        """Quantiles of each output, (r,) -> (n, m, r)."""
        distribution, dispersions = self.distribution, self.dispersion.T[:, :, None]

        def of_rows(X):
            gate, mean = self._gate(X), self.expert_mean(X)
            outputs = [
                mixture_quantile(levels, gate, mean[:, j], dispersion, distribution)
                for j, dispersion in enumerate(dispersions)
            ]
            return np.stack(outputs).transpose(2, 0, 1)

        return _by_blocks(of_rows, X)

    def sample(self, X, n_samples, rng):
        """Draws of y, (n, n_samples, m)."""
        expert = draw_categories(self.gate_probability(X), n_samples, rng)
        mean = np.moveaxis(self.expert_mean(X), 2, 0)
        mean = mean[np.arange(X.shape[0])[:, None], expert]
        return self.distribution.sample(mean, self.dispersion[expert], rng)

    def predictor(self, X, experts=slice(None)):
        """Linear predictors of some experts, (K, q, n)."""
        X = _seen(X, self.specification.expert_columns)
        is_softmax = self.distribution.n_categories > 0
        values = self.coef[experts], self.intercept[experts]
        return linear_predictor(X, *values, is_softmax)

    def _gate(self, X):
        """Gate probabilities of a block, (K, n)."""
        local = GateRows(self.gate, self._gate_predictor(X))
        local.normalise()
        return local.probability

    def _gate_predictor(self, X):
        """Logits of all branches of the gate, (R, n)."""
        X = _seen(X, self.specification.gate_columns)
        values = linear_predictor(X, self.gate_coef, self.gate_intercept, True)
        return values.reshape(-1, X.shape[0])

    def _log_gate(self, X):
        """Logarithms of the gate probabilities, (n, K)."""
        return log_softmax(
            GateRows(self.gate, self._gate_predictor(X)).logits.T, axis=1
        )

    def _log_density(self, X, target):
        """Log-density of targets under each expert, (n, K)."""
        bounded = self.distribution.bounded
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            predictor = bounded(self.predictor(X))
            local = self.distribution.at(predictor, target, self.dispersion)
            found = local.log_density
            far = np.flatnonzero(~np.isfinite(found).all(axis=0))
            if far.size:
                predictor = bounded(self.predictor(X[far]))
                found[:, far] = self.distribution.far_log_density(
                    predictor, target[..., far], self.dispersion
                )
        return found.T


def _by_blocks(of_rows, X, *target):
    """What a function gives for all rows, block by block, (n, ...)."""
    blocks = blocks_of(X.shape[0], _BLOCK_ROWS)
    found = [of_rows(X[b], *(values[..., b] for values in target)) for b in blocks]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _seen(X, columns):
    """Columns of X that a part of the model sees."""
    return X if columns is None else X[:, columns]


def _dense_mean(model, X):
    """Mean of the values of all experts, (b, c)."""
    return np.einsum("kb,kcb->bc", model._gate(X), model.expert_mean(X))


def _routed_mean(model, X):
    """Mean of the values of the experts that count, each on its rows alone, (b, c)."""
    expert, probability = _best_experts(model.gate, model._gate_predictor(X))
    n_experts = model.gate.n_experts
    flat = expert.ravel().astype(np.min_scalar_type(n_experts))
    order = np.argsort(flat, kind="stable")
    X = X[order // expert.shape[1]]
    ends = np.cumsum(np.bincount(flat, minlength=n_experts))
    starts = np.concatenate([[0], ends[:-1]])
    predictors = [
        model.predictor(X[start:end], k)
        for k, (start, end) in enumerate(zip(starts, ends))
        if start < end
    ]
    values = model.distribution.mean(np.concatenate(predictors, axis=1)[None])[0]
    of_rows = np.empty_like(values)
    of_rows[:, order] = values
    of_rows = of_rows.reshape(-1, *expert.shape)
    return np.einsum("bk,cbk->bc", probability, of_rows)


def _best_experts(gate, logits):
    """The experts that count for each row, and their probabilities, (b, counted)."""
    logits = np.ascontiguousarray(logits.T)
    every = np.arange(logits.shape[0])
    expert = np.empty((logits.shape[0], gate.n_counted), dtype=np.intp)
    kept = np.empty(expert.shape)
    for best, logit in zip(expert.T, kept.T):
        best[:] = logits.argmax(axis=1)
        logit[:] = logits[every, best]
        logits[every, best] = -np.inf
    softmax_in_place(kept.T)
    return expert, kept


def mixture_log_density(log_gate, log_density):
    """log sum_k pi_k p_k, (n, K), (n, K) -> (n,)."""
    return logsumexp(log_gate + log_density, axis=1)


def posterior(log_gate, log_density):
    """Responsibilities, (n, K)."""
    return softmax(log_gate + log_density, axis=1)


def draw_categories(probability, n_samples, rng):
    """Independent draws for each row, (n, C) -> (n, n_samples)."""
    cumulated = np.cumsum(probability, axis=1)
    uniform = rng.uniform(size=(probability.shape[0], n_samples))
    uniform *= cumulated[:, -1:]
    drawn = (uniform[:, :, None] >= cumulated[:, None]).sum(axis=2)
    return np.minimum(drawn, probability.shape[1] - 1)
