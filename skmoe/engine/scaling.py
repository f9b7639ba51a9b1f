"""Means and scales of all rows, in memory or from sums over parts of them."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmoe.engine.design import (
    block_rows,
    blocks_of,
    check_squares,
    column_scale,
    column_squares,
    column_sums,
)


class Scaling(NamedTuple):
    """What standardises rows; class codes have no mean and scale, counts no scale."""

    total: float | None  # weight of all rows
    mean: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)
    target_mean: np.ndarray | None = None  # (m,)
    target_scale: np.ndarray | None = None  # (m,)

    @classmethod
    def of_units(cls, columns, outputs):
        """Inverse of `units`, for rows of weights whose total comes later."""
        return cls(None, *columns, *(outputs if outputs.size else (None, None)))

    def units(self):
        """Mean and scale of columns (2, d), and of targets (2, m) or (2, 0)."""
        outputs = np.zeros((2, 0))
        if self.target_scale is not None and self.target_scale.size:
            outputs = np.stack([self.target_mean, self.target_scale])
        return np.stack([self.mean, self.scale]), outputs

    def with_news(self, X, weight):
        """The same with a scale for columns that were constant until these rows."""
        constant = np.flatnonzero(np.isinf(self.scale))
        if not constant.size:
            return self
        rows, mean = X[:, constant], self.mean[constant]
        if sparse.issparse(X):
            square = rows.power(2, dtype=np.float64).T @ weight
        else:
            square = weight @ np.square(rows - mean)
        found = np.sqrt(square / weight.sum())
        tiny = 10 * np.finfo(X.dtype).eps * np.abs(mean)
        scale = self.scale.copy()
        scale[constant] = np.where(found <= tiny, np.inf, found)
        return self._replace(scale=scale)

    def of_level(self, target, weight):
        """The same with the mean of targets that keep their units, (n,)."""
        mean = np.array([target @ weight / weight.sum()])
        return self._replace(target_mean=mean, target_scale=np.ones(1))

    def of_target(self, target, weight, centred):
        """The same with mean and scale of targets (m, n); weights sum to 1."""
        mean = target @ weight if centred else np.zeros(target.shape[0])
        square = _target_squares(target, weight, mean)
        scale = _target_scale(square, _largest(target))
        return self._replace(target_mean=mean, target_scale=scale)


class Sums(NamedTuple):
    """Weighted sums over a part of the rows; they add up, but for `largest`."""

    weight: float
    columns: np.ndarray  # (d,)
    target: np.ndarray  # (m,), or (0,) for class codes
    largest: np.ndarray  # absolute target, (m,)

    @classmethod
    def of(cls, X, target, weight):
        """Those of dense X (n, d), targets (m, n) or codes (n,), weights (n,)."""
        target = _real(target)
        columns = column_sums(X, weight)
        return cls(float(weight.sum()), columns, target @ weight, _largest(target))

    def plus(self, other):
        """Those of two parts together."""
        added = map(np.add, self[:-1], other[:-1])
        return Sums(*added, np.maximum(self.largest, other.largest))


class Squares(NamedTuple):
    """Weighted sums of squared deviations over a part of the rows; they add up."""

    columns: np.ndarray  # (d,)
    target: np.ndarray  # (m,)

    @classmethod
    def of(cls, X, target, weight, mean, target_mean):
        """Deviations are from the means of all rows."""
        target = _target_squares(_real(target), weight, target_mean)
        return cls(column_squares(X, weight, mean), target)


def means_from(sums, fit_intercept, centred):
    """Means of columns (d,) and targets (m,); zero where nothing is taken away."""
    mean = sums.columns / sums.weight * fit_intercept
    return mean, sums.target / sums.weight * centred


def scaling_from(sums, squares, means, dtype):
    """Scaling of all rows from sums over them; X of a dtype."""
    total, (mean, target_mean) = sums.weight, means
    scale = column_scale(squares.columns / total, mean, dtype)
    target_scale = _target_scale(squares.target / total, sums.largest)
    return Scaling(total, mean, scale, target_mean, target_scale)


def _real(target):
    """Targets (m, n); none, (0, n), where they are class codes."""
    return target if target.ndim == 2 else np.empty((0, target.shape[0]))


def _largest(target):
    """Largest absolute target, (m,)."""
    rows = blocks_of(target.shape[1], block_rows(target.shape[0]))
    return np.max([np.abs(target[:, r]).max(axis=1) for r in rows], axis=0)


def _target_squares(target, weight, mean):
    """Weighted sum of squared deviations of targets, block by block, (m,)."""
    rows = blocks_of(target.shape[1], block_rows(target.shape[0]))
    with np.errstate(over="ignore"):
        total = sum(np.square(target[:, r] - mean[:, None]) @ weight[r] for r in rows)
    return check_squares("y", total)


def _target_scale(square, largest):
    """Scale of targets with these mean squares; a constant target keeps scale 1."""
    scale = np.sqrt(square)
    scale[scale <= 10 * np.finfo(np.float64).eps * largest] = 1.0
    return scale
