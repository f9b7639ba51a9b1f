"""Validation of rows that come in parts; what is wrong is told with the part's name."""

import copy
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from skmoe.data.rows import DTYPES, rows_to_fit
from skmoe.data.sample import Known, Sample, sample_of
from skmoe.data.scaling import Means


class Given(NamedTuple):
    """A part as the user gave it."""

    label: str  # its name in messages
    X: Any
    y: Any
    sample_weight: Any = None
    offset: Any = None
    expert_labels: Any = None
    trials: Any = None
    y_upper: Any = None
    entry: Any = None
    is_known: bool = False  # whether an earlier pass has validated it

    def known(self):
        """What is `Known` of its rows."""
        parts = self._asdict()
        return Known(**{name: parts.get(name) for name in Known._fields})


class Checked(NamedTuple):
    """A part after validation: its rows of positive weight."""

    label: str
    sample: Sample
    names: tuple | None  # of the columns
    columns: list  # of gate and experts, see `check_columns`


class Summary(NamedTuple):
    """What the first pass finds in a part; of an empty one, nothing."""

    label: str
    n_rows: int
    n_features: int = 0
    names: tuple | None = None
    dtype: Any = None
    y_shape: tuple = ()
    has_numbers: bool = True
    y: np.ndarray | None = None  # its `summary` by the encoder of targets
    columns: Any = None
    means: Means | None = None
    known: tuple = ()  # what goes with its rows, see `Sample`


def checked(given, estimator, settings):
    """Validated part; names and columns of it only where it is the first time.

    `settings` are parameters of the model, `settings_of`.
    """
    names = columns = None
    with _named(given.label):
        rows = _as_before(given, estimator) if given.is_known else None
        if rows is None:
            learner = copy.copy(estimator)  # threads share the estimator
            X, y, columns = rows_to_fit(
                learner,
                given.X,
                given.y,
                given.known(),
                accept_sparse=False,
                ensure_min_samples=0,
            )
            names = getattr(learner, "feature_names_in_", None)
        else:
            X, y = rows
        sample = sample_of(
            estimator._target_encoder(),
            settings,
            X,
            y,
            given.known(),
            of_part=True,
        ).of_positive_weight()
    names = None if names is None else tuple(names)
    return Checked(given.label, sample, names, columns)


def _as_before(given, estimator):
    """X and y of a part that were valid in an earlier pass; None if unlike arrays then.

    What has become of their types the whole validation says, and what is at fault.
    """
    sees_all = estimator.gate_features is None or estimator.expert_features is None
    if not (sees_all or isinstance(given.X, np.ndarray)):
        return None
    X, y = np.asarray(given.X), np.asarray(given.y)
    is_flat = y.ndim == 1 or "multi_output" in estimator._target_checks
    is_plain = X.dtype in DTYPES and y.dtype.kind != "O" and is_flat
    if not is_plain or X.shape != (len(y), estimator.n_features_in_):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        sums = [values.sum() for values in (X, y) if values.dtype.kind == "f"]
    return (X, y) if np.isfinite(sums).all() else None


def summary(part, estimator):
    """Summary of a checked part."""
    sample, encoder = part.sample, estimator._target_encoder()
    n_rows, n_features = sample.X.shape
    if n_rows == 0:
        return Summary(part.label, 0)
    has_numbers = sample.y.dtype.kind in "biufV"  # the last of ends
    numbers, exposure = np.empty((0, n_rows)), 1.0
    with _named(part.label):
        y = encoder.summary(sample.y)
        if has_numbers:
            numbers, exposure = encoder.numbers(sample.y, sample.offset)
    return Summary(
        part.label,
        n_rows,
        n_features,
        part.names,
        sample.X.dtype,
        sample.y.shape[1:],
        has_numbers,
        y,
        part.columns,
        Means.of(sample.X, numbers, sample.weight, exposure),
        sample.known,
    )


def check_alike(summaries):
    """Parts that have rows, and the same columns and kind of target."""
    if not summaries:
        raise ValueError(
            "There are no rows of positive weight in any part; give data with rows, "
            "and positive sample weights."
        )
    first = summaries[0]
    for part in summaries[1:]:
        for what, of in _ALIKE.items():
            if of(part) != of(first):
                raise ValueError(
                    f"{part.label} has {what} {of(part)}, but {first.label} has "
                    f"{of(first)}; all parts must have the same."
                )


_ALIKE = {
    "ends of y": lambda part: bool({"y_upper", "entry"}.intersection(part.known)),
    "an offset": lambda part: "offset" in part.known,
    "number of features": lambda part: part.n_features,
    "feature names": lambda part: None if part.names is None else list(part.names),
    "columns of gate and experts": lambda part: [
        None if chosen is None else chosen.tolist() for chosen in part.columns
    ],
    "targets of shape": lambda part: ("n_samples", *part.y_shape),
    "targets that are": lambda part: "numbers" if part.has_numbers else "labels",
}


@contextmanager
def _named(label):
    """Say in which part something is wrong."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{label}: {error}") from error
