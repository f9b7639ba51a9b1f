"""Predictive distribution of rows as one object, as SciPy's frozen distributions."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from skmoe._typing import FloatArray, RandomState
from skmoe._validation import (
    as_numbers,
    check_count,
    check_coverage,
    check_probabilities,
)
from skmoe.data.design import blocks_of
from skmoe.data.sample import Inputs, Known
from skmoe.engine.fitted import FittedModel, mixture_log_density

_SECTION = "Predictive distribution"
# With several values for each row so many rows are asked about at once, or all.
_MOST_ROWS = 8192
# Above probabilities of less quantiles are looked for by the logarithm; values end.
_SMALL, _LARGEST = 1e-3, 1e300


def _is_counted(distribution):
    """Whether y is counted, and so has a `pmf`."""
    return distribution._model.distribution.is_discrete


def _is_measured(distribution):
    """Whether y has a `pdf`."""
    return not _is_counted(distribution)


class PredictiveDistribution:
    """Distribution of y given x, a mixture for each of n rows.

    What `predictive` of a regressor gives.  It has the methods of SciPy's frozen
    distributions, rows along the first axis, and is of the model as it was then.

    Values that methods take, y or probabilities, are one for all rows (a number), one
    for each row (the shape of the rows), or r for each, along one more axis: with n
    rows of shape (n, r), or (1, r) for the same in all.  Results have the shape that
    follows.  ``distribution[rows]`` is that of some rows.

    Attributes
    ----------
    shape : tuple
        Shape of the rows: (n,), or (n, n_outputs) where y has several outputs, each of
        which then has its own mean, cdf and quantiles.
    point_mass : float or None
        Value that has a probability, where all others have a density.

    See Also
    --------
    MixtureOfLinearExperts.predictive : How to get one.
    scipy.stats.rv_continuous : What the names mean.

    Notes
    -----
    Results are float64.  Coefficients count as known, as in ``predict_quantile``.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    >>> model = MixtureOfLinearExperts(1, alpha=0).fit(X, y)
    >>> found = model.predictive([[9.5], [0.0]])
    >>> found.mean().round(2)
    array([0.5 , 0.43])
    >>> found.cdf(0.5).round(2)
    array([0.5 , 0.56])
    >>> found.ppf([[0.1, 0.9]]).round(2)
    array([[-0.14,  1.14],
           [-0.21,  1.07]])
    """

    shape: tuple[int, ...]
    point_mass: float | None

    def __init__(
        self, model: FittedModel, inputs: Inputs, encoder: Any, is_flat: bool
    ) -> None:
        self._model, self._inputs, self._encoder = model, inputs, encoder
        X: Any = inputs.X
        n_rows, n_outputs = X.shape[0], model.dispersion.shape[1]
        self.shape = (n_rows,) if is_flat else (n_rows, n_outputs)
        fixed = [] if model.fixed is None else model.fixed.experts
        values = [expert.value for expert in fixed if expert.is_alone]
        self.point_mass = values[0] if values else None

    def mean(self) -> FloatArray:
        """Mean, as `predict`.

        Returns
        -------
        mean : ndarray of shape (n,) or (n, n_outputs)
        """
        return self._model.mean(self._inputs).reshape(self.shape)

    def std(self) -> FloatArray:
        """Standard deviation: of the experts, and their disagreement.

        Returns
        -------
        std : ndarray of shape (n,) or (n, n_outputs)
            In units of y; infinite where an expert has none, such as t noise of at most
            2 degrees of freedom.
        """
        _, std = self._model.mean_and_std(self._inputs)
        return std.reshape(self.shape)

    def var(self) -> FloatArray:
        """Variance, the square of `std`.

        Returns
        -------
        var : ndarray of shape (n,) or (n, n_outputs)
        """
        with np.errstate(over="ignore"):
            return np.square(self.std())

    def median(self) -> FloatArray:
        """Median, ``ppf(0.5)``.

        Returns
        -------
        median : ndarray of shape (n,) or (n, n_outputs)
        """
        return self.ppf(0.5)

    def cdf(self, y: ArrayLike) -> FloatArray:
        """Probability of at most y, of each output.

        Parameters
        ----------
        y : float or array-like
            Values that y of the fit may have, in the shapes of the class.

        Returns
        -------
        probability : ndarray of shape (n,), (n, n_outputs) or with one more axis

        Raises
        ------
        ValueError
            If y has another shape or a value that it cannot have.
        """
        return self._of_values(y, self._cdf)

    def sf(self, y: ArrayLike) -> FloatArray:
        """Probability of more than y, ``1 - cdf(y)``, with digits where it is small.

        Parameters
        ----------
        y : float or array-like
            As of `cdf`.

        Returns
        -------
        probability : ndarray
            As of `cdf`.

        Raises
        ------
        ValueError
            As of `cdf`.
        """
        return np.exp(self.logsf(y))

    def logcdf(self, y: ArrayLike) -> FloatArray:
        """Logarithm of `cdf`, also where that is too small for a float.

        Parameters
        ----------
        y : float or array-like
            As of `cdf`.

        Returns
        -------
        log_probability : ndarray
            As of `cdf`.  Of a family of your own it is made from its `cdf`.

        Raises
        ------
        ValueError
            As of `cdf`.
        """
        return self._of_values(y, lambda *rows: self._log_tails(*rows)[0])

    def logsf(self, y: ArrayLike) -> FloatArray:
        """Logarithm of `sf`, also where that is too small for a float.

        Parameters
        ----------
        y : float or array-like
            As of `cdf`.

        Returns
        -------
        log_probability : ndarray
            As of `cdf`.  Of a family of your own it is made from its `cdf`, so that
            probabilities below 1e-16 are lost.

        Raises
        ------
        ValueError
            As of `cdf`.
        """
        return self._of_values(y, lambda *rows: self._log_tails(*rows)[1])

    @available_if(_is_measured)
    def pdf(self, y: ArrayLike) -> FloatArray:
        """Density of y; where there is a `point_mass`, the probability of its value.

        Parameters
        ----------
        y : float or array-like
            As of `cdf`.

        Returns
        -------
        density : ndarray of shape (n,) or (n, r)
            Of several outputs together.

        Raises
        ------
        ValueError
            As of `cdf`.
        """
        return np.exp(self.logpdf(y))

    @available_if(_is_measured)
    def logpdf(self, y: ArrayLike) -> FloatArray:
        """Logarithm of `pdf` in nats, as `score_samples`.

        Parameters
        ----------
        y : float or array-like
            As of `cdf`.

        Returns
        -------
        log_density : ndarray of shape (n,) or (n, r)
            Of several outputs together.

        Raises
        ------
        ValueError
            As of `cdf`.
        """
        return self._of_values(y, self._log_density)

    @available_if(_is_counted)
    def pmf(self, y: ArrayLike) -> FloatArray:
        """Probability of a count.

        Parameters
        ----------
        y : int or array-like of int
            As of `cdf`.

        Returns
        -------
        probability : ndarray of shape (n,) or (n, r)

        Raises
        ------
        ValueError
            As of `cdf`, or if y is no whole number.
        """
        return np.exp(self.logpmf(y))

    @available_if(_is_counted)
    def logpmf(self, y: ArrayLike) -> FloatArray:
        """Logarithm of `pmf` in nats, as `score_samples`.

        Parameters
        ----------
        y : int or array-like of int
            As of `cdf`.

        Returns
        -------
        log_probability : ndarray of shape (n,) or (n, r)

        Raises
        ------
        ValueError
            As of `cdf`, or if y is no whole number.
        """
        values = as_numbers("y", y, _SECTION)
        if (is_part := values != np.floor(values)).any():
            raise ValueError(
                f"y has the value {values[is_part][0]}, which is no count; give whole "
                "numbers."
            )
        return self._of_values(values, self._log_density)

    def ppf(self, q: ArrayLike) -> FloatArray:
        """Quantiles, the inverse of `cdf`; of counts the least that reaches q.

        Parameters
        ----------
        q : float or array-like
            Probabilities between 0 and 1, both excluded, in the shapes of the class.

        Returns
        -------
        quantiles : ndarray of shape (n,), (n, n_outputs) or with one more axis

        Raises
        ------
        ValueError
            If q has another shape, or a value that is no such probability.
        """
        levels = as_numbers("q", q, _SECTION)
        check_probabilities("q", levels.ravel())
        each, is_one = self._of_each_row("q", levels)
        n_levels = each.shape[-1]
        if levels.size == n_levels:  # the same for all rows
            levels = levels.ravel()
        else:
            levels = each.reshape(len(each), -1, n_levels).T
        found = self._model.quantile(self._inputs, levels)
        found = found.reshape(*self.shape, -1)
        return found[..., 0] if is_one else found

    def isf(self, q: ArrayLike) -> FloatArray:
        """Inverse of `sf`, also of a q that ``ppf(1 - q)`` would round to 1.

        Parameters
        ----------
        q : float or array-like
            Probabilities between 0 and 1, both excluded, in the shapes of the class.

        Returns
        -------
        quantiles : ndarray of shape (n,), (n, n_outputs) or with one more axis
            The least y above which there is no more probability than q.

        Raises
        ------
        ValueError
            If q has another shape, or a value that is no such probability.
        """
        levels = as_numbers("q", q, _SECTION)
        check_probabilities("q", levels.ravel())
        each, is_one = self._of_each_row("q", levels)
        start = self.ppf(1 - np.maximum(each, _SMALL))
        if (each < _SMALL).any():
            far = self._least_with(np.log(each), start)
            start = np.where(each < _SMALL, far, start)
        return start[..., 0] if is_one else start

    def _least_with(self, log_q, start):
        """Least values whose `logsf` is at most log_q, of which none is below start."""
        return self._bisected(log_q, *self._bracket(log_q, start))

    def _bracket(self, log_q, start):
        """Values below and above `_least_with`, or start twice where it is that."""
        most = np.full(start.shape, _LARGEST)
        if self._inputs.trials is not None:
            most = np.broadcast_to(self._inputs.trials[:, None], start.shape)
        least = 1.0 if _is_counted(self) else np.spacing(np.abs(start))
        width = np.maximum(start - self.ppf(np.full_like(start, 0.5)), least)
        low = high = start
        while (is_low := (self.logsf(high) > log_q) & (high < most)).any():
            low = np.where(is_low, high, low)
            high = np.where(is_low, np.minimum(high + width, most), high)
            width = np.where(is_low, 2 * width, width)
        return low, high

    def _bisected(self, log_q, low, high):
        """Upper ends of brackets once no number, or count, is inside."""
        while True:
            middle = low + (high - low) / 2
            middle = np.floor(middle) if _is_counted(self) else middle
            if not (is_open := (middle > low) & (middle < high)).any():
                return high
            is_low = self.logsf(np.where(is_open, middle, high)) > log_q
            low = np.where(is_open & is_low, middle, low)
            high = np.where(is_open & ~is_low, middle, high)

    def interval(self, confidence: float) -> tuple[FloatArray, FloatArray]:
        """Interval with as much probability below as above, as `predict_interval`.

        Parameters
        ----------
        confidence : float
            Probability of the interval, between 0 and 1, both excluded.

        Returns
        -------
        low, high : ndarray of shape (n,) or (n, n_outputs)

        Raises
        ------
        ValueError
            If `confidence` is no such probability.
        """
        ends = np.array(check_coverage("confidence", confidence))
        found = self._model.quantile(self._inputs, ends).reshape(*self.shape, 2)
        return found[..., 0], found[..., 1]

    def rvs(
        self, size: int | None = None, random_state: RandomState = None
    ) -> FloatArray:
        """Draws, as `sample`.

        Parameters
        ----------
        size : int, default=None
            Number of draws for each row; by default one, without an axis of its own.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_outputs), or with an axis of `size` more

        Raises
        ------
        ValueError
            If `size` is no positive whole number.
        """
        n_samples = 1 if size is None else check_count("size", size, "draws")
        rng = check_random_state(random_state)
        drawn = self._model.sample(self._inputs, n_samples, rng)
        drawn = np.moveaxis(drawn, 2, 1).reshape(*self.shape, n_samples).astype(float)
        return drawn[..., 0] if size is None else drawn

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> PredictiveDistribution:
        """Distribution of some of the rows: a number, slice, mask or indices.

        Raises
        ------
        ValueError
            If `rows` selects none.
        """
        chosen = np.arange(len(self))[rows].reshape(-1)
        if not chosen.size:
            raise ValueError(
                f"rows={short(rows)} selects none of the {len(self)} rows; select at "
                "least one."
            )
        inputs = self._inputs.take(chosen)
        own = self._model, inputs, self._encoder, len(self.shape) == 1
        return PredictiveDistribution(*own)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"{kind}(shape={self.shape}, n_experts={self._model.gate.n_experts})"

    def _of_each_row(self, name, values):
        """Values as they are for each row, (n, ..., r), and whether r is no axis."""
        n_axes = len(self.shape)
        is_one = values.ndim in (0, n_axes)
        try:
            if not is_one and values.ndim != n_axes + 1:
                raise ValueError
            columns = values[..., None] if is_one else values
            shape = *self.shape, columns.shape[-1]
            return np.broadcast_to(columns, shape), is_one
        except ValueError:
            first = ", ".join(map(str, self.shape[1:] + ("r",)))
            raise ValueError(
                f"{name} has shape {values.shape}; give a number, one for each row, of "
                f"shape {self.shape}, or r for each, of shape ({self.shape[0]}, "
                f"{first}) or (1, {first})."
            ) from None

    def _of_values(self, y, of_rows):
        """What a function gives for y, in the shapes of the class."""
        values, is_one = self._of_each_row("y", as_numbers("y", y, _SECTION))
        if not np.isfinite(values).all():
            raise ValueError("y contains NaN or infinite values; give finite numbers.")
        n_rows, values = self.shape[0], np.moveaxis(values, -1, 1)
        found = []
        for some in blocks_of(values.shape[1], max(1, _MOST_ROWS // n_rows)):
            part = values[:, some]
            inputs = self._inputs.take(np.repeat(np.arange(n_rows), part.shape[1]))
            part = part.reshape(-1, *self.shape[1:])
            observed = self._encoder.observed(part, Known(trials=inputs.trials))
            result = of_rows(inputs, self._encoder.encode(observed))
            found.append(result.reshape(n_rows, -1, *result.shape[1:]))
        found = np.moveaxis(np.concatenate(found, axis=1), 1, -1)
        return found[..., 0] if is_one else found

    def _cdf(self, inputs, target):
        """P(Y <= target) of some rows, (n,) or (n, m)."""
        return self._model.cdf(inputs, target).reshape(-1, *self.shape[1:])

    def _log_tails(self, inputs, target):
        """log P(Y <= target) and log P(Y > target) of some rows, two (n,) or (n, m)."""
        shape = -1, *self.shape[1:]
        return [part.reshape(shape) for part in self._model.log_tails(inputs, target)]

    def _log_density(self, inputs, target):
        """Log-density of targets of some rows, (n,)."""
        return mixture_log_density(*self._model.log_joint(inputs, target))
