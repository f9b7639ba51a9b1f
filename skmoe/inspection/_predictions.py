"""Predictions of rows with standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmoe._tables import table_of
from skmoe._typing import FloatArray
from skmoe.inspection._delta import KINDS
from skmoe.inspection._intervals import intervals, rest_of


class Predictions:
    """Predictions of rows with standard errors.

    Made by :meth:`Inference.predictions`.

    Attributes
    ----------
    estimate : ndarray
        What the estimator predicts.  Of the mean (n_samples,), (n_samples, n_outputs)
        or (n_samples, n_classes); of the experts (n_samples, n_experts), and with
        several outputs or classes these are a third axis; of the gate
        (n_samples, n_experts).
    standard_error : ndarray of the same shape
        NaN where a prediction changes with an entry that has none.
    """

    def __init__(
        self,
        labels: dict[str, Any],
        rows: NDArray[Any],
        estimate: FloatArray,
        standard_error: FloatArray,
        scale: str,
        unit: FloatArray,
        rest: FloatArray | None,
    ) -> None:
        self._labels, self._rows = labels, rows
        self.estimate, self.standard_error = estimate, standard_error
        # Intervals are those of estimates in these units, see `intervals`.
        self._scale, self._unit, self._rest = scale, unit, rest

    def confidence_interval(self, level: float = 0.95) -> FloatArray:
        """Confidence intervals, normal on a scale that keeps them in range.

        That is the logit for probabilities, of classes, experts or successes, the
        logarithm for means of counts and amounts, and that of y for linear experts.
        They hold for one row at a time.

        Parameters
        ----------
        level : float, default=0.95
            Coverage, between 0 and 1.

        Returns
        -------
        interval : ndarray of the shape of `estimate` with a last axis of 2
            Lower and upper ends.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1, both excluded.
        """
        unit = self._unit
        estimate, error = self.estimate / unit, self.standard_error / unit
        found = intervals(estimate, error, self._scale, level, self._rest)
        return found * unit[..., None]

    def table(self, level: float = 0.95) -> Any:
        """One row for each prediction, with the columns of statsmodels' summary_frame.

        Parameters
        ----------
        level : float, default=0.95
            Coverage of the intervals.

        Returns
        -------
        table : pandas.DataFrame, or structured ndarray without pandas
            Columns expert and output, where there are several, mean, mean_se,
            mean_ci_lower, mean_ci_upper; a DataFrame's index is that of X.
        """
        n_each = self.estimate.size // max(len(self._rows), 1)
        interval = self.confidence_interval(level).reshape(-1, 2)
        columns = {
            name: np.tile(np.asarray(values, dtype=object), len(self._rows))
            for name, values in self._labels.items()
        }
        columns |= {
            "mean": self.estimate.ravel(),
            "mean_se": self.standard_error.ravel(),
            "mean_ci_lower": interval[:, 0],
            "mean_ci_upper": interval[:, 1],
        }
        return table_of(columns, self._rows[np.repeat(range(len(self._rows)), n_each)])

    def __repr__(self) -> str:
        return str(self.table())


def row_labels(X, n_rows):
    """Labels of rows: the index of a pandas data frame, or numbers; (n,)."""
    return X.index if hasattr(X, "iloc") else np.arange(n_rows)


def check_of(of):
    """Raise an error if it is nothing that can be asked for."""
    if not (isinstance(of, str) and of in KINDS):
        names = ", ".join(map(repr, KINDS))
        raise ValueError(f"of={of!r} is unknown; give one of {names}.")


def value_labels(delta, of):
    """Names of experts and outputs of what is asked for, a dict of lists (o,)."""
    experts, outputs = delta.experts, delta.outputs
    if of == "gate":
        return {"expert": experts}
    if of == "mean":
        return {} if outputs == [None] else {"output": outputs}
    every = [(expert, output) for expert in experts for output in outputs]
    labels = {"expert": [expert for expert, _ in every]}
    if outputs != [None]:
        labels["output"] = [output for _, output in every]
    return labels


def predictions_of(delta, inputs, of, rows):
    """`Predictions` by a `DeltaMethod`."""
    check_of(of)
    value, error = delta.by_rows(inputs, of)
    n_rows, n_outputs = value.shape[1], len(delta.outputs)
    shape = {
        "mean": (n_rows, n_outputs),
        "gate": (n_rows, len(delta.experts)),
        "experts": (n_rows, len(delta.experts), n_outputs),
    }[of]
    if of != "gate" and delta.outputs == [None]:
        shape = shape[:-1]
    unit = np.ones(1)
    if inputs.trials is not None and of != "gate":
        unit = inputs.trials.reshape(-1, *[1] * (len(shape) - 1))
    value, error = (values.T.reshape(shape) for values in (value, error))
    rest = rest_of(value) if delta.sums_to_one(of) else None
    found = value, error, delta.scale(of), unit, rest
    return Predictions(value_labels(delta, of), rows, *found)
