"""A fitted model: its parameters in the user's units, and what they say of rows.

Rows do not see each other.
"""

import numpy as np
from scipy import special

from skmoe.data.design import blocks_of
from skmoe.engine.gate import GateRows
from skmoe.engine.predictor import linear_predictor, linear_predictors
from skmoe.engine.quantiles import OutputMixture, mixture_quantile
from skmoe.engine.routing import is_worthwhile
from skmoe.engine.softmax import (
    log_softmax_in_place,
    logsumexp,
    normalise_in_place,
)

_LOG_HALF = np.log(0.5)
_BLOCK_ROWS = 8192


class FittedModel:
    """A specification with parameters.

    Parameters
    ----------
    specification : Specification
    fitted : dict of ndarray, as `Problem.attributes` gives them, in float64

    Notes
    -----
    Methods take `Inputs`: rows of X with what else is known of them.
    """

    def __init__(self, specification, fitted):
        self.specification = spec = specification
        self.distribution = spec.distribution
        self.gate, self.fixed = spec.gate(), spec.fixed
        self.gate_coef = fitted["gate_coef_"]
        self.gate_intercept = fitted["gate_intercept_"]
        self.coef, self.intercept = fitted["coef_"], fitted["intercept_"]
        known = fitted.get(self.distribution.dispersion_name)
        self.dispersion = np.ones_like(self.intercept) if known is None else known

    def gate_probability(self, inputs):
        """Probabilities of the experts, (n, K)."""
        if inputs.expert_proba is not None:
            return inputs.expert_proba
        return _by_blocks(
            lambda rows: self._gate(rows, self._gate_predictor(rows)).T, inputs
        )

    def log_joint(self, inputs, target):
        """Logarithms of gate and experts' densities of targets (..., n), two (n, K).

        Densities are those of rows that are seen.
        """
        log_gate = _by_blocks(
            lambda rows: self._log_gate(rows, self._gate_predictor(rows)).T, inputs
        )
        log_density = _by_blocks(self._log_density, inputs, target)
        unseen = self.distribution.unseen(target)
        if unseen is not None:
            above = log_gate + _by_blocks(self._log_density, inputs, unseen[1])
            log_density = log_density - special.logsumexp(above, axis=1, keepdims=True)
        return log_gate, log_density

    def mean(self, inputs):
        """Mean of y, or class probabilities, (n, c)."""
        return _by_blocks(self._mean_of, inputs)

    def _mean_of(self, rows):
        """Mean of y, or class probabilities, of a block, (b, c)."""
        if is_worthwhile(self.gate) and rows.expert_proba is None:
            return _routed_mean(self, rows)
        gate, mean = self._gate_and_means(rows)
        mean = self._with_fixed(mean)
        mean *= gate[:, None]
        return mean.sum(axis=0).T

    def expert_mean(self, inputs):
        """Mean of y, or class probabilities, under each expert, (E, c, n)."""
        return self._with_fixed(self._means(inputs, self.predictor(inputs)))

    def _with_fixed(self, found, moment=0):
        """Means of all experts, or variances (moment 1), (K, c, n) -> (E, c, n)."""
        if self.fixed is None:
            return found
        own = self.fixed.moments(found.shape[1])[moment]
        shape = *own.shape, found.shape[2]
        return np.concatenate([found, np.broadcast_to(own[:, :, None], shape)])

    def _means(self, inputs, predictor):
        """Means under the experts that have parameters, (K, q, n) -> (K, c, n)."""
        mean = self.distribution.mean(predictor)
        return mean if inputs.trials is None else mean * inputs.trials

    def _gate_and_means(self, rows):
        """Probabilities of the experts in a block, (E, b), and `_means`."""
        logits, predictor = self._predictors(rows)
        return self._gate(rows, logits), self._means(rows, predictor)

    def _dispersion_of(self, inputs):
        """Dispersions of the experts, (K, m, 1), or times the trials, (K, m, n)."""
        dispersion = self.dispersion[:, :, None]
        return dispersion if inputs.trials is None else dispersion * inputs.trials

    def log_mean(self, inputs):
        """Logarithms of class probabilities, (n, C)."""

        def of_rows(rows):
            logits, predictor = self._predictors(rows)
            joint = self.distribution.log_mean(predictor)
            joint += self._log_gate(rows, logits)[:, None]
            return logsumexp(joint).T

        return _by_blocks(of_rows, inputs)

    def class_probability(self, inputs):
        """Class probabilities, (n, C), none of which rounding leaves above 1."""

        def of_rows(rows):
            found = self._mean_of(rows)
            found /= found.sum(axis=1, keepdims=True)
            return found

        return _by_blocks(of_rows, inputs)

    def mean_and_std(self, inputs):
        """Mean and standard deviation of y, two (n, m).

        The second is infinite where an expert has none.
        """

        def of_rows(rows):
            gate, own = self._gate_and_means(rows)
            mean = self._with_fixed(own)
            noise = np.sqrt(_mean_variance(gate, self._variances(rows, own)))
            average = np.einsum("kn,kmn->mn", gate, mean)
            # Squares may overflow.
            gap = np.hypot.reduce(np.sqrt(gate)[:, None] * (mean - average), axis=0)
            return np.stack([average, np.hypot(noise, gap)]).T

        found = _by_blocks(of_rows, inputs)
        return found[..., 0], found[..., 1]

    def _variances(self, rows, mean):
        """Variances of y under each expert, (E, m, 1 or b), of own means (K, m, b)."""
        with np.errstate(over="ignore"):
            found = self.distribution.variance(mean, self._dispersion_of(rows))
        return self._with_fixed(found, 1)

    def cdf(self, inputs, target):
        """P(Y <= target) of each output, (m, n) -> (n, m).

        Of targets with more rows, such as the failures behind successes, the first.
        """
        target = np.atleast_2d(target)[: self.dispersion.shape[1]]

        def of_rows(rows, target):
            gate, mean = self._gate_and_means(rows)
            below = self.distribution.cdf(target, mean, self._dispersion_of(rows))
            if self.fixed is not None:
                below = np.concatenate([below, self.fixed.cdf(target)])
            return np.minimum((gate[:, None] * below).sum(axis=0), 1).T

        return _by_blocks(of_rows, inputs, target)

    def log_tails(self, inputs, target):
        """log P(Y <= target) and log P(Y > target), (m, n) -> two (n, m).

        As of `cdf`; both keep their digits, however near to 0 they are.
        """
        target = np.atleast_2d(target)[: self.dispersion.shape[1]]

        def of_rows(rows, target):
            gate, mean = self._gate_and_means(rows)
            dispersion = self._dispersion_of(rows)
            sides = self.distribution.log_tails(target, mean, dispersion)
            with np.errstate(divide="ignore"):
                shares = np.log(gate)[:, None]
                if self.fixed is not None:
                    of_fixed = np.log([self.fixed.cdf(target), self.fixed.sf(target)])
                    sides = [np.concatenate(both) for both in zip(sides, of_fixed)]
                below, above = (
                    np.minimum(special.logsumexp(shares + side, axis=0), 0)
                    for side in sides
                )
                found = (
                    np.where(above < _LOG_HALF, np.log1p(-np.exp(above)), below),
                    np.where(below < _LOG_HALF, np.log1p(-np.exp(below)), above),
                )
            return np.stack(found).transpose(2, 1, 0)

        return np.moveaxis(_by_blocks(of_rows, inputs, target), -1, 0)

    def quantile(self, inputs, levels):
        """Quantiles of each output, (r,) or (r, m, n) -> (n, m, r)."""
        distribution = self.distribution
        fixed = [] if self.fixed is None else self.fixed.experts

        def of_rows(rows, *of_each):
            gate, mean = self._gate_and_means(rows)
            dispersions = np.swapaxes(self._dispersion_of(rows), 0, 1)
            outputs = []
            for j, dispersion in enumerate(dispersions):
                own = dispersion, distribution, [one.of_output(j) for one in fixed]
                mixture = OutputMixture(gate, mean[:, j], *own)
                q = of_each[0][:, j] if of_each else levels
                outputs.append(mixture_quantile(q, mixture))
            return np.stack(outputs).transpose(2, 0, 1)

        return _by_blocks(of_rows, inputs, *([levels] if levels.ndim > 1 else []))

    def sample(self, inputs, n_samples, rng):
        """Draws of y, (n, n_samples, m)."""
        drawn_of = draw_categories(self.gate_probability(inputs), n_samples, rng)
        own = np.minimum(drawn_of, len(self.coef) - 1)

        def of_rows(rows, own):
            mean = self._means(rows, self.predictor(rows))
            return mean[own.T, :, np.arange(own.shape[1])[:, None]]

        mean, dispersion = _by_blocks(of_rows, inputs, own.T), self.dispersion[own]
        if inputs.trials is not None:
            dispersion = dispersion * inputs.trials[:, None, None]
        drawn = self.distribution.sample(mean, dispersion, rng)
        for k, fixed in enumerate([] if self.fixed is None else self.fixed.experts):
            chosen = drawn_of == len(self.coef) + k
            drawn[chosen] = fixed.sample((chosen.sum(), mean.shape[2]), rng)
        return drawn

    def predictor(self, inputs, experts=slice(None)):
        """Linear predictors of some experts, (K, q, n)."""
        X = _seen(inputs.X, self.specification.expert_columns)
        values = self.coef[experts], self.intercept[experts]
        found = linear_predictor(X, *values, self.distribution.is_relative)
        return found if inputs.offset is None else found + inputs.offset

    def _predictors(self, rows):
        """Logits of all branches of the gate (R, b), and linear predictors (K, q, b).

        One product where gate and experts see the same; no logits if none are asked.
        """
        spec = self.specification
        if rows.expert_proba is not None:
            return None, self.predictor(rows)
        if spec.gate_columns is not None or spec.expert_columns is not None:
            return self._gate_predictor(rows), self.predictor(rows)
        gate = self.gate_coef, self.gate_intercept, True
        experts = self.coef, self.intercept, self.distribution.is_relative
        logits, found = linear_predictors(rows.X, gate, experts)
        found = found if rows.offset is None else found + rows.offset
        return logits.reshape(-1, rows.X.shape[0]), found

    def gate_rows(self, inputs):
        """Rows of the gate, normalised, see `GateRows`."""
        local = GateRows(self.gate, self._gate_predictor(inputs))
        local.normalise()
        return local

    def _gate(self, rows, logits):
        """Probabilities of the experts in a block, (R, b) -> (E, b), in place."""
        if rows.expert_proba is not None:
            return rows.expert_proba.T
        found = GateRows(self.gate, logits).logits
        normalise_in_place(found)
        return found

    def _gate_predictor(self, rows):
        """Logits of all branches of the gate, (R, b)."""
        X = _seen(rows.X, self.specification.gate_columns)
        values = linear_predictor(X, self.gate_coef, self.gate_intercept, True)
        return values.reshape(-1, X.shape[0])

    def _log_gate(self, rows, logits):
        """Logarithms of the probabilities of the experts, (R, b) -> (E, b)."""
        if rows.expert_proba is not None:
            with np.errstate(divide="ignore"):
                return np.log(rows.expert_proba).T
        return log_softmax_in_place(GateRows(self.gate, logits).logits)

    def _log_density(self, rows, target):
        """Log-density of targets under each expert, (b, E)."""
        if self.fixed is None:
            return self._log_density_of_others(rows, target)
        of_fixed = self.fixed.log_density(target)
        closed = self.fixed.closed(of_fixed)
        if closed.any() and not self.distribution.is_standardised:
            # Others cannot have these rows, nor need they bear their targets.
            target = np.where(closed, 1.0, target)
        others = self._log_density_of_others(rows, target)
        others[closed] = -np.inf
        return np.concatenate([others, of_fixed.T], axis=1)

    def _log_density_of_others(self, rows, target):
        """Log-density under the experts that have parameters, (b, K)."""
        bounded = self.distribution.bounded
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            predictor = bounded(self.predictor(rows))
            local = self.distribution.at(predictor, target, self.dispersion)
            found = local.log_density
            far = np.flatnonzero(~np.isfinite(found).all(axis=0))
            if far.size:
                predictor = bounded(self.predictor(rows.take(far)))
                found[:, far] = self.distribution.far_log_density(
                    predictor, target[..., far], self.dispersion
                )
        return found.T


def _mean_variance(gate, variance):
    """Variances (E, m, 1 or b) under the gate (E, b), (m, b); infinite if one is."""
    with np.errstate(invalid="ignore"):
        if variance.shape[2] == 1:
            found = variance[:, :, 0].T @ gate
        else:
            found = np.einsum("kb,kmb->mb", gate, variance)
    has_none = np.isinf(variance).any(axis=0)
    return np.where(has_none, np.inf, found) if has_none.any() else found


def _by_blocks(of_rows, inputs, *target):
    """What a function gives for all rows, block by block, (n, ...)."""
    n_rows = inputs.X.shape[0]
    blocks = blocks_of(n_rows, _BLOCK_ROWS)
    if len(blocks) == 1:
        return of_rows(inputs, *target)
    found = None
    for block in blocks:
        values = of_rows(inputs.take(block), *(part[..., block] for part in target))
        if found is None:
            # In the same order: sums over experts or classes are fast where rows lie
            # together.
            found = np.empty_like(values, shape=(n_rows, *values.shape[1:]))
        found[block] = values
    return found


def _seen(X, columns):
    """Columns of X that a part of the model sees."""
    return X if columns is None else X[:, columns]


def _routed_mean(model, rows):
    """Mean of the values of the experts that count, each on its rows alone, (b, c)."""
    expert, probability = _best_experts(model.gate, model._gate_predictor(rows))
    n_experts = model.gate.n_experts
    flat = expert.ravel().astype(np.min_scalar_type(n_experts))
    order = np.argsort(flat, kind="stable")
    sorted_rows = rows.take(order // expert.shape[1])
    ends = np.cumsum(np.bincount(flat, minlength=n_experts))
    starts = np.concatenate([[0], ends[:-1]])
    predictors = [
        model.predictor(sorted_rows.take(slice(start, end)), k)
        for k, (start, end) in enumerate(zip(starts, ends))
        if start < end
    ]
    values = model.distribution.mean(np.concatenate(predictors, axis=1)[None])[0]
    of_rows = np.empty_like(values)
    of_rows[:, order] = values
    of_rows = of_rows.reshape(-1, *expert.shape)
    found = np.einsum("bk,cbk->bc", probability, of_rows)
    return found if rows.trials is None else found * rows.trials[:, None]


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
    normalise_in_place(kept.T)
    return expert, kept


def mixture_log_density(log_gate, log_density):
    """log sum_k pi_k p_k, (n, K), (n, K) -> (n,)."""
    joint = (log_gate + log_density).T
    with np.errstate(invalid="ignore"):
        found = logsumexp(joint)
    infinite = np.isnan(found)
    if infinite.any():
        found[infinite] = special.logsumexp(joint[:, infinite], axis=0)
    return found


def posterior(log_gate, log_density):
    """Responsibilities, (n, K)."""
    joint = log_gate + log_density
    normalise_in_place(joint.T)
    return joint


def draw_categories(probability, n_samples, rng):
    """Independent draws for each row, (n, C) -> (n, n_samples)."""
    cumulated = np.cumsum(probability, axis=1)
    uniform = rng.uniform(size=(probability.shape[0], n_samples))
    uniform *= cumulated[:, -1:]
    drawn = np.zeros(uniform.shape, dtype=np.intp)
    for below in cumulated.T[:-1]:
        drawn += uniform >= below[:, None]
    return drawn
