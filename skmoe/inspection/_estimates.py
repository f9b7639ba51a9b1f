"""Estimates with a joint covariance: tests, intervals, contrasts and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skmoe._tables import table_of
from skmoe._typing import FloatArray
from skmoe.inspection._intervals import intervals


@dataclass(frozen=True)
class WaldTest:
    """Result of :meth:`Estimates.wald_test`.

    Attributes
    ----------
    estimate : ndarray of shape (r,)
        The contrasts less `value`.
    standard_error : ndarray of shape (r,)
        Theirs.
    statistic : float
        Chi squared.
    df : int
        Its degrees of freedom, the rank of the contrasts' covariance.
    p_value : float
        Probability of a larger statistic under the hypothesis.
    """

    estimate: FloatArray
    standard_error: FloatArray
    statistic: float
    df: int
    p_value: float


class Estimates:
    """Estimates with their covariance.

    Made by :func:`inference`, which returns an :class:`Inference`, and by the methods
    of that which average over rows.  R is the number of estimates.

    Attributes
    ----------
    names : list of str
        Names of the R estimates.
    estimate : ndarray of shape (R,)
    covariance : ndarray of shape (R, R)
        NaN for what the data of the fit does not determine.
    standard_error : ndarray of shape (R,)
        Square root of its diagonal.
    z, p_value : ndarray of shape (R,)
        Ratio to the standard error, and its two-sided p-value under the normal
        distribution; NaN for what cannot be 0, such as probabilities.
    """

    def __init__(
        self,
        names: list[str],
        labels: dict[str, Any],
        estimate: FloatArray,
        covariance: FloatArray,
        scales: NDArray[Any],
        rest: FloatArray | None = None,
    ) -> None:
        self.names, self._labels = names, labels
        self.estimate, self.covariance = estimate, covariance
        # Scales that intervals are normal on, and what is left to 1, see `intervals`.
        self._scales, self._rest = scales, rest
        self.standard_error = np.sqrt(np.maximum(covariance.diagonal(), 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = estimate / self.standard_error
        self.z = np.where(scales == "identity", z, np.nan)
        self.p_value = 2 * stats.norm.sf(np.abs(self.z))

    def confidence_interval(self, level: float = 0.95) -> FloatArray:
        """Confidence intervals, normal on a scale that keeps them in range.

        That is the logarithm for what is positive, such as noise variances and means
        of counts, and the logit for probabilities.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (R, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1, both excluded.
        """
        known = self.estimate, self.standard_error, self._scales
        return intervals(*known, level, self._rest)

    def wald_test(
        self,
        contrast: Mapping[str, float] | Sequence[Mapping[str, float]] | ArrayLike,
        value: ArrayLike = 0.0,
    ) -> WaldTest:
        """Wald test that linear contrasts of the entries have given values.

        Parameters
        ----------
        contrast : dict, list of dict, or array-like of shape (R,) or (r, R)
            Weights of the entries by name, such as
            ``{"expert 0: x1": 1, "expert 1: x1": -1}``, a list of those for a joint
            test, or all weights as an array.
        value : float or array-like of shape (r,), default=0
            Values under the hypothesis.

        Returns
        -------
        test : WaldTest
            With the fields estimate, standard_error, statistic (chi squared), df and
            p_value.

        Raises
        ------
        ValueError
            If a name is unknown, the shape does not fit, or the data does not
            determine a contrast, or no contrast can vary.
        """
        weights = self._weights(contrast)
        used = np.flatnonzero(weights.any(axis=0))
        weights = weights[:, used]
        covariance = weights @ self.covariance[np.ix_(used, used)] @ weights.T
        if not np.isfinite(covariance).all():
            raise ValueError(
                "contrast uses entries without a standard error: "
                f"{[self.names[j] for j in used if np.isnan(self.standard_error[j])]}; "
                "the data does not determine them."
            )
        if not covariance.any():
            raise ValueError(
                "contrast has no variance, such as the share of a single expert, so "
                "that there is nothing to test; leave it out."
            )
        value = np.asarray(value, dtype=np.float64)
        if value.shape not in ((), (len(weights),)):
            raise ValueError(
                f"value has shape {value.shape}; give one number, or one for each of "
                f"the {len(weights)} contrasts."
            )
        estimate = weights @ self.estimate[used] - value
        standard_error = np.sqrt(np.maximum(covariance.diagonal(), 0))
        statistic, df = _chi_squared(estimate, covariance)
        p_value = float(stats.chi2.sf(statistic, df))
        return WaldTest(estimate, standard_error, statistic, df, p_value)

    def table(self, level: float = 0.95) -> Any:
        """One row for each estimate.

        Parameters
        ----------
        level : float, default=0.95
            Coverage of the intervals.

        Returns
        -------
        table : pandas.DataFrame, or structured ndarray of shape (R,) without pandas
            Columns that say of what, then estimate, std_error, z, p_value, lower,
            upper; a DataFrame's index has the names.
        """
        return table_of(self._columns(level), self.names)

    def __repr__(self) -> str:
        return self._lines(0.95)

    def _columns(self, level):
        """Columns of the table, a dict."""
        lower, upper = self.confidence_interval(level).T
        return self._labels | {
            "estimate": self.estimate,
            "std_error": self.standard_error,
            "z": self.z,
            "p_value": self.p_value,
            "lower": lower,
            "upper": upper,
        }

    def _lines(self, level):
        """The numbers of the table as text, with a line of headings."""
        kinds = self._labels.get("contrast", [""] * len(self.names))
        names = [f"{name}  {kind}".rstrip() for name, kind in zip(self.names, kinds)]
        width = max(map(len, names))
        ends = f"[{(1 - level) / 2:.3g}", f"{(1 + level) / 2:.3g}]"
        heading = ("estimate", "std_error", "z", "p_value", *ends)
        lines = [" " * width + "".join(f"{name:>11}" for name in heading)]
        values = np.column_stack(
            [self.estimate, self.standard_error, self.z, self.p_value]
        )
        values = np.column_stack([values, self.confidence_interval(level)])
        formats = (".4g", ".3g", ".2f", ".3g", ".4g", ".4g")
        for name, row in zip(names, values):
            cells = (
                "" if np.isnan(value) else format(value, spec)
                for value, spec in zip(row, formats)
            )
            lines.append(f"{name:<{width}}" + "".join(f"{cell:>11}" for cell in cells))
        return "\n".join(lines)

    def _weights(self, contrast):
        """Weights of a contrast in any of its forms, (r, R)."""
        if isinstance(contrast, dict):
            contrast = [contrast]
        if isinstance(contrast, list | tuple) and all(
            isinstance(row, dict) for row in contrast
        ):
            weights = np.zeros((len(contrast), len(self.names)))
            place = {name: j for j, name in enumerate(self.names)}
            for row, named in zip(weights, contrast):
                unknown = [name for name in named if name not in place]
                if unknown:
                    raise ValueError(
                        f"contrast names {unknown}, which are no entries; the names "
                        f"are {self.names}."
                    )
                for name, weight in named.items():
                    row[place[name]] = weight
        else:
            weights = self._as_numbers(contrast)
        if weights.ndim != 2 or weights.shape[1] != len(self.names):
            raise ValueError(
                f"contrast has shape {weights.shape}; give one weight for each of the "
                f"{len(self.names)} entries, or a dict of names and weights."
            )
        if not (np.isfinite(weights).all() and weights.any(axis=1).all()):
            raise ValueError(
                "contrast has weights that are not finite, or all zero; give at least "
                "one weight other than 0 for each restriction."
            )
        return weights

    def _as_numbers(self, contrast):
        """A contrast without names, (r, R) if it is sound."""
        try:
            return np.atleast_2d(np.asarray(contrast, dtype=np.float64))
        except (TypeError, ValueError):
            raise ValueError(
                f"contrast={contrast!r} is no array of weights; give a dict of names "
                f"and weights, such as {{{self.names[0]!r}: 1}}, or a list of those."
            ) from None


def _chi_squared(estimate, covariance):
    """Wald statistic and its degrees of freedom; redundant contrasts count once."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * values[-1]
    along = vectors.T[kept] @ estimate
    return float((along**2 / values[kept]).sum()), int(kept.sum())
