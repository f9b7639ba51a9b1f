"""Means and scales of all rows, in memory or from those of parts."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmoe.data.design import (
    block_rows,
    blocks_of,
    check_squares,
    column_range,
    column_scale,
    column_squares,
    is_constant,
    means,
)


class Scaling(NamedTuple):
    """What standardises rows; class codes have no mean and scale, counts no scale."""

    total: float | None  # weight of all rows
    mean: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)
    target_mean: np.ndarray | None = None  # (m,)
    target_scale: np.ndarray | None = None  # (m,)
    noise_floor: np.ndarray | None = None  # of targets in units of their scale, (m,)

    @classmethod
    def of_units(cls, columns, outputs):
        """Inverse of `units`, for rows of weights whose total comes later."""
        return cls(None, *columns, *(outputs if outputs.size else ()))

    def columns(self, has_intercept, is_shared=False):
        """Mean and scale of columns, two (d,); without an intercept no mean is taken.

        The scale is then the root mean square, and no column counts as constant.  Nor
        is a mean taken where the intercept `is_shared`: it would move with the slopes
        of each expert.
        """
        if not self.mean.any() or (has_intercept and not is_shared):
            return self.mean, self.scale
        varies = np.isfinite(self.scale)
        size = np.hypot(np.where(varies, self.scale, 0), self.mean)
        counts = varies if has_intercept else size > 0
        return np.zeros_like(self.mean), np.where(counts, size, np.inf)

    def units(self):
        """Mean and scale of columns (2, d), and of targets (2, m) or (2, 0).

        Targets with noise have a third row, the noise floor.
        """
        outputs = np.zeros((2, 0))
        if self.target_scale is not None and self.target_scale.size:
            known = self.target_mean, self.target_scale, self.noise_floor
            outputs = np.stack([values for values in known if values is not None])
        return np.stack([self.mean, self.scale]), outputs

    def with_news(self, X, weight):
        """The same with a scale for columns that were constant until these rows."""
        constant = np.flatnonzero(np.isinf(self.scale))
        if not constant.size:
            return self
        rows, mean, scale = X[:, constant], self.mean.copy(), self.scale.copy()
        value = mean[constant]
        if sparse.issparse(X):
            # It is not centred, so that its value is no longer its mean.
            low, high = column_range(rows)
            ends = np.minimum(low, value), np.maximum(high, value)
            varies = ~is_constant(*ends, X.dtype)
            mean[constant[varies]] = 0.0
            square = rows.power(2, dtype=np.float64).T @ weight
            found = np.where(varies, np.sqrt(square / weight.sum()), np.inf)
        else:
            square = weight @ np.square(rows - value) / weight.sum()
            found = column_scale(square, value, X.dtype)
        scale[constant] = found
        return self._replace(mean=mean, scale=scale)

    def of_target_mean(self, target, weight, offset=None):
        """The same with the mean of targets that keep their units, (n,).

        With offsets (1, n), logarithms of exposures, it is that of all exposure.
        """
        if offset is not None:
            exposure = np.exp(offset[0])
            target, weight = target / exposure, weight * exposure
        mean = means(target[:, None], weight)
        return self._replace(target_mean=mean, target_scale=np.ones(1))

    def of_target(self, target, weight, centred):
        """The same with mean and scale of targets (m, n); weights sum to 1."""
        mean = means(target.T, weight) if centred else np.zeros(target.shape[0])
        square = _target_squares(target, weight, mean)
        scale = _target_scale(square, _largest(target))
        return self._replace(target_mean=mean, target_scale=scale)


class Means(NamedTuple):
    """Weight, weighted means and largest targets of a part of the rows."""

    weight: float
    columns: np.ndarray  # (d,)
    target: np.ndarray  # (m,), or (0,) for class codes
    largest: np.ndarray  # absolute target, (m,)
    exposure: float  # weight of the rows in the mean of targets

    @classmethod
    def of(cls, X, target, weight, exposure=1.0):
        """Those of dense X (n, d), targets (m, n) or codes (n,), weights (n,).

        Targets are rates where there are exposures (n,).
        """
        exposed = weight * exposure
        target = _real(target)
        if not exposed.all():  # such rows are not for the experts
            target, exposed = target[:, exposed > 0], exposed[exposed > 0]
        own, largest = np.zeros((2, target.shape[0]))
        if exposed.size:
            own, largest = means(target.T, exposed), _largest(target)
        found = means(X, weight), own, largest
        return cls(float(weight.sum()), *found, float(exposed.sum()))

    @classmethod
    def joined(cls, parts):
        """Those of several parts together."""
        weight, columns, target, largest, exposure = map(np.array, zip(*parts))
        found = means(columns, weight), means(target, exposure)
        return cls(
            float(weight.sum()), *found, largest.max(axis=0), float(exposure.sum())
        )


class Squares(NamedTuple):
    """Weighted sums of squared deviations over a part of the rows; they add up."""

    columns: np.ndarray  # (d,)
    target: np.ndarray  # (m,)

    @classmethod
    def of(cls, X, target, weight, mean, target_mean, target_weight=None):
        """Deviations are from `mean` and `target_mean`, those of all rows or zero.

        Targets that have no mean, (0,), have no squares.
        """
        real = _real(target)[: target_mean.size]
        own = weight if target_weight is None else target_weight
        target = _target_squares(real, own, target_mean)
        return cls(column_squares(X, weight, mean), target)


def scaling_from(found, squares, origin, dtype):
    """Scaling of all rows from their `Means` and `Squares`; X of a dtype.

    `origin` is what is taken away of columns (d,) and targets (m,), zero or the mean.
    """
    total, (mean, target_mean) = found.weight, origin
    scale = column_scale(squares.columns / total, mean, dtype)
    target_scale = _target_scale(squares.target / found.exposure, found.largest)
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
