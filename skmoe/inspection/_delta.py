"""The delta method: numbers that follow from a fitted mixture, and how they vary.

With the derivatives J of some numbers by the entries of an :class:`Inference`, whose
covariance is C, the covariance of the numbers is ``J C J'`` to first order.
"""

import copy
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier

from skmoe.data.design import block_rows, blocks_of, is_constant
from skmoe.data.rows import rows_like_fit, warn_of_other_order
from skmoe.engine.derivatives import ExpertMeanRows, GateProbabilityRows, MeanRows
from skmoe.inspection._names import feature_names, name_of, outputs_of

# What can be asked for.
KINDS = {"mean": MeanRows, "experts": ExpertMeanRows, "gate": GateProbabilityRows}
# Derivatives that are smaller, relative to the largest, do not count: those by the
# coefficients of an expert that died are as small as its probability.
_NEGLIGIBLE = 1e-4


class Numbers(NamedTuple):
    """Some numbers and their derivatives by all entries of the fitted attributes."""

    value: np.ndarray  # (...)
    gradient: np.ndarray  # (..., entries)

    def minus(self, other):
        """Differences from other numbers."""
        return Numbers(self.value - other.value, self.gradient - other.gradient)


class DeltaMethod:
    """A fitted mixture as it was when its entries got their covariance.

    Parameters
    ----------
    estimator : BaseMixtureOfExperts
    X, y : array-like
        Rows of the fit, and their targets, which may name outputs.
    expansion : sparse matrix of shape (entries, R)
        From the entries that are listed to all of the fitted attributes.
    root : ndarray of shape (R or more, P)
        A root of the covariance of the entries that are listed, ``root @ root.T``; NaN
        for those without one.  Of columns far from 0 the covariance alone would not do:
        that of intercepts is so large that what is left of the rows is rounding.

    Attributes
    ----------
    estimator : BaseMixtureOfExperts, a copy
    experts : list of int and str, names of all experts
    outputs : list, outputs or classes of means; [None] for one
    target_name : str, of y
    feature_names : list of str, of all columns of X
    is_binary : ndarray of bool, columns that had no values but 0 and 1
    is_classifier : bool
    """

    def __init__(self, estimator, X, y, expansion, root):
        # A later fit, or parameters that are set, must not change it.
        self.estimator, self._model = copy.copy(estimator), estimator._model()
        self._expansion, self._root = expansion, root[: expansion.shape[1]]
        self.is_classifier = is_classifier(estimator)
        self.is_binary = _are_binary(rows_like_fit(estimator, X))
        self.experts = self._model.gate.names
        self.outputs = outputs_of(estimator, y)
        self.feature_names = feature_names(estimator)
        spec, units = self._model.specification, estimator._fitted["column_units"]
        self._gate = _Part(spec.gate_columns, spec.gate_intercept, units)
        self._own = _Part(spec.expert_columns, spec.fit_intercept, units)
        self.target_name = name_of(y)
        self._units = self._units_of_entries()

    def columns(self, of):
        """Columns of X that what is asked for changes with, index array."""
        gate, own = self._gate.columns, self._own.columns
        return {"mean": np.union1d(gate, own), "experts": own, "gate": gate}[of]

    def inputs(self, X, offset, trials):
        """Validated `Inputs` of any rows."""
        return self.estimator._inputs(X, offset, None, trials)

    def inputs_of_sample(self, X, sample_weight, offset, trials, of):
        """Those of rows to average over, like the fit's in all that counts for them."""
        warn_of_other_order(X=X, sample_weight=sample_weight)
        if of != "gate":  # which sees neither
            self.estimator._require(offset=offset, trials=trials)
        return self.inputs(X, offset, trials)

    def scale(self, of):
        """Scale on which intervals of values are normal, see `intervals`."""
        fixed = self._model.fixed
        if self.sums_to_one(of):
            return "logit"
        if fixed is not None and (fixed.moments(len(self.outputs))[0] < 0).any():
            return "identity"
        scales = {"identity": "identity", "exp": "log", "sigmoid": "logit"}
        return scales[self._model.distribution.inverse_link]

    def sums_to_one(self, of):
        """Whether values are probabilities of all experts or classes."""
        return of == "gate" or self.is_classifier

    def by_rows(self, inputs, of):
        """Values of the rows and their standard errors, two arrays (o, n)."""
        values, errors = [], []
        n_values = len(self.outputs) * len(self.experts)
        for rows in _blocks(inputs, n_values * self._units.size):
            parts = KINDS[of](self._model, rows).derivatives()
            numbers = Numbers(parts.value, self._by_entries(parts, rows))
            values.append(numbers.value)
            errors.append(self._errors(numbers))
        return np.concatenate(values, axis=1), np.concatenate(errors, axis=1)

    def averages(self, inputs, weight, of):
        """Means of values over rows whose weights (n,) sum to 1, `Numbers` (o,)."""
        return self._total(inputs, weight, lambda *rows: self._averages_of(*rows, of))

    def average_effects(self, inputs, weight, of):
        """Means of changes along each of `columns`, `Numbers` (o, columns).

        Derivatives, and of columns that are binary differences between 1 and 0.
        """

        def of_block(rows, weight):
            local = KINDS[of](self._model, rows)
            here = local.derivatives()
            effects = [
                self._difference(rows, weight, of, column)
                if self.is_binary[column]
                else self._slope(local, here, rows, weight, column)
                for column in self.columns(of)
            ]
            values, gradients = zip(*effects)
            return Numbers(np.stack(values, axis=1), np.stack(gradients, axis=1))

        return self._total(inputs, weight, of_block)

    def covariance(self, gradient):
        """Covariance of numbers with these derivatives (N, entries), (N, N).

        NaN for numbers that change with entries which have none.
        """
        root, unknown = self._root_of(gradient)
        found = root @ root.T
        found[unknown] = found[:, unknown] = np.nan
        return found

    def _units_of_entries(self):
        """What derivatives by the entries are multiples of, (entries,)."""
        found = [
            np.tile(self._gate.units, np.prod(self._model.gate.shape)),
            np.tile(self._own.units, np.prod(self._model.coef.shape[:2])),
        ]
        n_noises = self._expansion.shape[0] - sum(map(len, found))
        return np.concatenate([*found, np.ones(n_noises)])

    def _errors(self, numbers):
        """Standard errors of `Numbers` (...), (...)."""
        flat = numbers.gradient.reshape(numbers.value.size, -1)
        root, unknown = self._root_of(flat)
        errors = np.sqrt(np.square(root).sum(axis=1))
        errors[unknown] = np.nan
        return errors.reshape(numbers.value.shape)

    def _root_of(self, gradient):
        """A root (N, P) of the covariance of numbers with derivatives (N, entries).

        And which of them change with entries that have no covariance, (N,).
        """
        has_none = np.isnan(self._root).any(axis=1)
        size = np.abs(gradient) / self._units
        least = _NEGLIGIBLE * size.max(axis=1, initial=0.0, keepdims=True)
        unknown = (size[:, self._expansion @ has_none > 0] > least).any(axis=1)
        known = np.flatnonzero(~has_none)
        return (gradient @ self._expansion)[:, known] @ self._root[known], unknown

    def _total(self, inputs, weight, numbers_of):
        """Sum of `numbers_of(rows, weight)` over all parts."""
        start, total, model = 0, None, self._model
        n_predictors = np.prod(model.gate.shape) + np.prod(model.coef.shape[:2])
        n_values = len(self.outputs) * len(self.experts)
        for rows in _blocks(inputs, n_values * n_predictors):
            end = start + rows.X.shape[0]
            found = numbers_of(rows, weight[start:end])
            total = found if total is None else Numbers(*map(np.add, total, found))
            start = end
        return total

    def _averages_of(self, rows, weight, of):
        """Weighted sums of values over a block, `Numbers` (o,)."""
        parts = KINDS[of](self._model, rows).derivatives()
        gradient = self._joined(*self._sums(parts, rows, weight))
        return Numbers(parts.value @ weight, gradient)

    def _difference(self, rows, weight, of, column):
        """Sums of values where a column is 1 less those where it is 0, `Numbers`."""
        ends = []
        for value in (1, 0):
            X = rows.X.copy()
            X[:, column] = value
            ends.append(self._averages_of(rows._replace(X=X), weight, of))
        return ends[0].minus(ends[1])

    def _slope(self, local, here, rows, weight, column):
        """Sums of the derivatives of values by a column, `Numbers`.

        `here` are the `Derivatives` of the rows: they say how a coefficient of the
        column changes what is gained along it.
        """
        in_gate, in_experts = (
            np.flatnonzero(part.columns == column) for part in (self._gate, self._own)
        )
        parts = local.along(
            self._model.gate_coef[..., in_gate].sum(axis=-1).ravel(),
            self._model.coef[..., in_experts].sum(axis=-1),
        )
        by_gate, by_experts = self._sums(parts, rows, weight)
        by_gate[:, :, in_gate] += (here.by_gate @ weight)[..., None]
        by_experts[..., in_experts] += (here.by_experts @ weight)[..., None]
        return Numbers(parts.value @ weight, self._joined(by_gate, by_experts))

    def _by_entries(self, parts, rows):
        """Derivatives by all entries from those by predictors, (o, b, entries)."""
        by_gate = np.einsum("orb,bp->obrp", parts.by_gate, self._gate.seen(rows.X))
        own = np.einsum("okqb,bp->obkqp", parts.by_experts, self._own.seen(rows.X))
        return self._joined(by_gate, own, n_axes=2)

    def _sums(self, parts, rows, weight):
        """Weighted sums of derivatives by entries, (o, R, p) and (o, K, q, p)."""
        by_gate = parts.by_gate @ (weight[:, None] * self._gate.seen(rows.X))
        own = parts.by_experts @ (weight[:, None] * self._own.seen(rows.X))
        return by_gate, own

    def _joined(self, by_gate, by_experts, n_axes=1):
        """Derivatives by all entries; by those of the noise they are 0."""
        shape = by_gate.shape[:n_axes]
        parts = [by_gate.reshape(*shape, -1), by_experts.reshape(*shape, -1)]
        n_noises = self._units.size - sum(part.shape[-1] for part in parts)
        return np.concatenate([*parts, np.zeros((*shape, n_noises))], axis=-1)


def _are_binary(X):
    """Which columns have no values but 0 and 1, (d,)."""
    if not sparse.issparse(X):
        return ((X == 0) | (X == 1)).all(axis=0)
    other = sparse.csc_array(X)
    other.data = ~np.isin(other.data, (0, 1))
    return np.asarray(other.sum(axis=0)).ravel() == 0


def _blocks(inputs, size):
    """The rows in parts, dense, where so many numbers of each row are held."""
    for rows in blocks_of(inputs.X.shape[0], block_rows(size)):
        block = inputs.take(rows)
        X = block.X.toarray() if sparse.issparse(block.X) else block.X
        yield block._replace(X=X)


class _Part:
    """What gate or experts see of X, as their entries multiply it.

    A column that was constant in the fit is part of the intercept there: nothing is
    known of its coefficient, which counts where the column has another value.

    Attributes
    ----------
    columns : ndarray of int
    units : ndarray of shape (p,), root mean squares of the columns, 1 of the others
    """

    def __init__(self, columns, has_intercept, units):
        mean, scale = units
        self.columns = np.arange(mean.size) if columns is None else columns
        self.has_intercept = has_intercept
        is_constant_in_fit = np.isinf(scale) & bool(has_intercept)
        self._constant = np.flatnonzero(is_constant_in_fit[self.columns])
        self._value = mean[self.columns][self._constant]
        units = np.hypot(mean, scale)[self.columns]
        units[~(np.isfinite(units) & (units > 0))] = 1.0
        self.units = np.append(units, [1.0] * int(has_intercept))

    def seen(self, X):
        """Columns of dense X in float64, and ones for the intercept, (b, p).

        Of those that were constant whether they have another value.
        """
        seen = X[:, self.columns].astype(np.float64)
        value = seen[:, self._constant]
        ends = np.minimum(value, self._value), np.maximum(value, self._value)
        seen[:, self._constant] = ~is_constant(*ends, X.dtype)
        return np.pad(seen, ((0, 0), (0, int(self.has_intercept))), constant_values=1)
