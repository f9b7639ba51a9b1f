"""What y is to the engine: real outputs, codes of classes, or amounts and counts.

Encoders have the same methods.  `observed` joins validated y with what else is known of
it, such as the `trials` whose successes it counts; all others take y as it gives it.
`trials` checks these alone, for predictions.  `summary` checks the y of some rows and
gives what `learn` must see of it, of all rows or of parts together (concatenated);
`learn` gives an encoder that knows what its `attributes` say, those that an estimator
has of it; `encode` checks that y is like what was learned, and gives the engine's
targets.  `of_batch` is the encoder for a batch of partial_fit.

An offset, (n,) or (n, C), is a known part of the linear predictors: `offset` checks it
and gives that of the predictors that coefficients are reported of, (C, n), or None of
zero; `less_offset` gives the targets of a fit and the offset that the engine is left to
add; `numbers` those numbers in some y whose mean counts, (m, n), and what each weighs.
`fixed_log_density` gives log-densities under experts without parameters, (F, n).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from skmoe._docs import see
from skmoe._validation import as_numbers
from skmoe.data.intervals import (
    check_ends,
    has_ends,
    intervals_of,
    no_intervals,
    one_of_each,
    targets_of,
)


class Outputs(NamedTuple):
    """Real outputs; their targets are (m, n), of intervals see `intervals.py`."""

    shape: tuple | None = None  # () of one output without an axis, else (m,)

    def observed(self, y, known):
        """The outputs, or their ends."""
        self.trials(known.trials, len(y))
        return intervals_of(y, known) if known.bounds_y else y

    def trials(self, trials, n_rows):
        """None, as there are none."""
        return _no_trials(trials)

    def summary(self, y):
        """Nothing but the shape of outputs, an array of no rows, or ends of a few."""
        # A view would keep all of y in memory.
        return one_of_each(y) if has_ends(y) else y[:0].copy()

    def learn(self, summary):
        """Encoder of outputs of the shape of `summary`."""
        if has_ends(summary):
            check_ends(summary)
        return Outputs(summary.shape[1:])

    def of_batch(self, y, classes):
        """Encoder that knows the shape, learned from the first batch."""
        return Outputs(y.shape[1:]) if self.shape is None else self

    def attributes(self):
        """What an estimator has of it, a dict."""
        return {"_y_is_flat": not self.shape}

    def encode(self, y):
        """Targets (m, n), if y is of the shape that was learned."""
        y = np.asarray(y)
        n_outputs = self.shape[0] if self.shape else 1
        if y.shape[1:] == self.shape:
            if has_ends(y):
                return targets_of(y)
            return y.astype(np.float64, copy=False).reshape(len(y), n_outputs).T
        shape = f"(n_samples, {n_outputs})" if self.shape else "(n_samples,)"
        remedy = ""
        if y.size == len(y) * n_outputs:
            remedy = ", y.reshape(-1, 1)" if self.shape else ", y.ravel()"
        raise ValueError(
            f"y has shape {y.shape}, but the estimator was fitted to y of shape "
            f"{shape}; give y of the shape it was fitted with{remedy}."
        )

    def offset(self, values):
        """Offsets of the outputs, (m, n)."""
        if values is None:
            return None
        shape = self.shape or ()
        if values.shape[1:] != shape and values.shape[1:] != (1,) * (shape == ()):
            raise _wrong_offset(values, str((len(values), *shape)))
        return values.reshape(len(values), -1).T if values.any() else None

    def less_offset(self, target, offset):
        """The mean of real outputs moves with their predictor."""
        return (target if offset is None else target - offset), None

    def fixed_log_density(self, target, expert=None):
        """None: all experts have parameters."""
        return None

    def numbers(self, y, offset):
        """Outputs less their offset."""
        encoder = Outputs(y.shape[1:])
        target, _ = encoder.less_offset(encoder.encode(y), encoder.offset(offset))
        return (target[:1] if has_ends(y) else target), 1.0


class Amounts(NamedTuple):
    """Amounts or counts; targets (n,) keep their units."""

    check: Callable  # of the distribution, raises an error if y is not what it is of

    def observed(self, y, known):
        """The amounts."""
        no_intervals(known)
        self.trials(known.trials, len(y))
        return y

    def trials(self, trials, n_rows):
        """None, as there are none."""
        return _no_trials(trials)

    def summary(self, y):
        """Smallest and largest y, (2,)."""
        y = self.encode(y)
        return np.array([y.min(), y.max()])

    def learn(self, summary):
        """The same encoder, if the experts have a mean."""
        if not summary.any():
            raise ValueError(
                "y is zero in all samples of positive weight, so that the experts have "
                "no mean; give some that are positive."
            )
        return self

    def of_batch(self, y, classes):
        """The same encoder; a batch may have no counts."""
        return self

    def attributes(self):
        """Nothing."""
        return {}

    def encode(self, y):
        """Targets (n,), if the distribution is of such."""
        y = np.asarray(y, dtype=np.float64)
        self.check(y)
        return y

    def offset(self, values):
        """Offsets of the logarithm of the mean, (1, n)."""
        if values is None:
            return None
        if values.shape[1:] not in ((), (1,)):
            raise _wrong_offset(values, f"({len(values)},)")
        if not values.any():
            return None
        with np.errstate(over="ignore"):
            exposure = np.exp(values)
        if not (np.isfinite(exposure).all() and exposure.all()):
            raise ValueError(
                f"offset has values from {values.min():.3g} to {values.max():.3g}, "
                "whose exponentials overflow or vanish; offsets are on the scale of "
                "the logarithm of the mean, such as np.log(exposure)." + see("Offsets")
            )
        return values.reshape(1, -1)

    def less_offset(self, target, offset):
        """Both as they are: counts stay counts."""
        return target, offset

    def fixed_log_density(self, target, expert=None):
        """None: all experts have parameters."""
        return None

    def numbers(self, y, offset):
        """Rates, which weigh as their exposures."""
        y, offset = self.encode(y), self.offset(offset)
        exposure = 1.0 if offset is None else np.exp(offset[0])
        return (y / exposure)[None], exposure


class Successes(NamedTuple):
    """Successes among trials; y and targets have successes and failures."""

    least_trials: float = 1.0  # of a row, which a point mass must be within

    def observed(self, y, known):
        """Successes and failures, (n,) -> (n, 2)."""
        no_intervals(known)
        y, trials = np.asarray(y, dtype=np.float64), self.trials(known.trials, len(y))
        trials = np.ones(len(y)) if trials is None else trials
        wrong = (y < 0) | (y > trials) | (y != np.floor(y))
        if wrong.any():
            row = np.flatnonzero(wrong)[0]
            raise ValueError(
                f"y has {y[row]:g} in row {row}, of {trials[row]:g} trials; "
                "family='binomial' is for counts of successes, whole numbers from 0 to "
                "the number of trials: give that as trials." + see("Binomial counts")
            )
        return np.column_stack([y, trials - y])

    def trials(self, trials, n_rows):
        """Whole numbers (n,) float64, or None."""
        if trials is None:
            self._check_reach(np.ones(1))
            return None
        trials = as_numbers("trials", trials, "Binomial counts")
        if trials.shape != (n_rows,):
            raise ValueError(
                f"trials has shape {trials.shape}, X has {n_rows} rows; give one "
                "number for each row of X." + see("Binomial counts")
            )
        wrong = ~((trials >= 1) & (trials == np.floor(trials)) & np.isfinite(trials))
        if wrong.any():
            raise ValueError(
                f"trials has the value {trials[wrong][0]:g}; give whole numbers of at "
                "least 1, and leave rows without trials out." + see("Binomial counts")
            )
        self._check_reach(trials)
        return trials

    def _check_reach(self, trials):
        """Raise an error if a row has fewer trials than the point mass successes."""
        if trials.size and trials.min() < self.least_trials:
            raise ValueError(
                f"point_mass={self.least_trials:g} is more than the trials of a row, "
                f"{trials.min():g} (1 where none are given), whose successes can "
                "never be so many; give rows of at least so many trials, or another "
                "point_mass." + see("Zeros in excess")
            )

    def summary(self, y):
        """Total of successes and of failures, (1, 2)."""
        return y.sum(axis=0, keepdims=True)

    def learn(self, summary):
        """The same encoder, if there are both successes and failures."""
        missing = np.flatnonzero(summary.sum(axis=0) == 0)
        if missing.size:
            raise ValueError(
                f"y has no {['successes', 'failures'][missing[0]]} in samples of "
                "positive weight, so that the experts' intercepts have no optimum; "
                "give data with both." + see("Binomial counts")
            )
        return self

    def of_batch(self, y, classes):
        """The same encoder; a batch may have no failures."""
        return self

    def attributes(self):
        """Nothing."""
        return {}

    def encode(self, y):
        """Targets (2, n)."""
        return np.ascontiguousarray(y.T)

    def offset(self, values):
        """Offsets of the logits, (1, n)."""
        if values is None:
            return None
        if values.shape[1:] not in ((), (1,)):
            raise _wrong_offset(values, f"({len(values)},)")
        return values.reshape(1, -1) if values.any() else None

    def less_offset(self, target, offset):
        """Both as they are."""
        return target, offset

    def fixed_log_density(self, target, expert=None):
        """None: all experts have parameters."""
        return None

    def numbers(self, y, offset):
        """None, (0, n)."""
        return np.empty((0, len(y))), 1.0


class Classes(NamedTuple):
    """Classes; their targets are codes (n,)."""

    classes: np.ndarray | None  # sorted, (C,)
    class_weight: Any
    only_two: bool  # of a symmetric model

    def observed(self, y, known):
        """The labels."""
        no_intervals(known)
        self.trials(known.trials, len(y))
        return y

    def trials(self, trials, n_rows):
        """None, as there are none."""
        return _no_trials(trials)

    def summary(self, y):
        """The classes in y, sorted."""
        y = _labels(y)
        check_classification_targets(y)
        return np.unique(y)

    def learn(self, summary):
        """Encoder of the classes in `summary`."""
        classes = np.unique(summary)
        if classes.shape[0] < 2:
            raise ValueError(
                f"y has one class only, {str(classes[0])!r}, among samples of "
                "positive weight; a classifier needs at least two classes."
            )
        return self._of(classes)

    def of_batch(self, y, classes):
        """Encoder of all `classes` that may come, which the first batch must name."""
        check_classification_targets(_labels(y))
        if self.classes is None:
            return self._of(_first_classes(classes))
        if classes is None:
            return self
        classes = np.unique(_labels(classes, "classes"))
        if not np.array_equal(classes, self.classes):
            raise ValueError(
                f"classes={classes.tolist()} are not those of earlier batches, "
                f"{self.classes.tolist()}; leave classes out, or begin anew with a "
                "clone." + see("Batches that arrive one by one")
            )
        return self

    def attributes(self):
        """What an estimator has of it, a dict."""
        return {"classes_": self.classes}

    def encode(self, y):
        """Codes (n,), if all classes in y are known."""
        y = _labels(y)
        codes = np.searchsorted(self.classes, y)
        codes = np.minimum(codes, self.classes.shape[0] - 1)
        unknown = self.classes[codes] != y
        if unknown.any():
            raise ValueError(
                "y has classes that were not seen in fit, nor in the `classes` of "
                f"partial_fit: {np.unique(y[unknown])[:5].tolist()}; known are "
                f"{self.classes.tolist()}."
            )
        return codes

    def offset(self, values):
        """Offsets of the logits, (C, n), of two classes (1, n)."""
        if values is None:
            return None
        n_rows, n_classes = len(values), len(self.classes)
        if values.shape[1:] == (n_classes,):
            found = values.T
            found = found[1:] - found[:1] if n_classes == 2 else found
        elif n_classes == 2 and values.shape[1:] in ((), (1,)):
            found = values.reshape(1, n_rows)
        else:
            flat = f"({n_rows},), of the logit of {self.classes[1]!r}, or "
            raise _wrong_offset(
                values, f"{flat if n_classes == 2 else ''}({n_rows}, {n_classes})"
            )
        if not found.any():
            return None
        if self.only_two:
            raise ValueError(
                "symmetric=True: the classes of mirrored experts leave no room for an "
                "offset; leave offset out, or set symmetric=False." + see("Offsets")
            )
        return found

    def less_offset(self, target, offset):
        """Both as they are."""
        return target, offset

    def fixed_log_density(self, target, expert=None):
        """None: all experts have parameters."""
        return None

    def numbers(self, y, offset):
        """None, (0, n)."""
        return np.empty((0, len(y))), 1.0

    def totals(self, codes, weight):
        """Total weight of the rows of each class, (C,)."""
        return np.bincount(codes, weight, minlength=self.classes.shape[0])

    def weights(self, totals):
        """Weights of classes whose rows have some total weights, two arrays (C,)."""
        if self.class_weight == "balanced":
            totals = np.maximum(totals, np.finfo(np.float64).tiny)
            return totals.sum() / (totals.shape[0] * totals)
        found = compute_class_weight(
            self.class_weight, classes=self.classes, y=self.classes
        )
        if not (np.isfinite(found).all() and (found > 0).all()):
            raise ValueError(
                f"class_weight={self.class_weight!r}: weights of classes must be "
                "positive and finite; leave rows out by a sample_weight of 0."
                + see("Sample weights")
            )
        return found

    def _of(self, classes):
        """Encoder of these classes, if a model can have so many."""
        if self.only_two and classes.shape[0] > 2:
            raise ValueError(
                "symmetric=True: Only binary classification is supported. The type of "
                f"the target is {type_of_target(classes)}; set symmetric=False."
                + see("Symmetric models")
            )
        return self._replace(classes=classes)


def _labels(y, name="y"):
    """Labels (n,) that can be sorted."""
    y = column_or_1d(y, warn=True)
    kinds = {isinstance(label, str) for label in y} if y.dtype == object else set()
    if len(kinds) > 1:
        found = sorted({type(label).__name__ for label in y})
        raise TypeError(
            f"{name} has labels of the types {found}; give labels that are all strings "
            "or all numbers, and leave out rows that have none."
        )
    return y


def _no_trials(trials):
    """None, or an error if there are trials."""
    if trials is not None:
        raise ValueError(
            "trials are given, but y does not count successes; leave trials out, or "
            "use MixtureOfGLMExperts(family='binomial')." + see("Binomial counts")
        )


def _first_classes(classes):
    """Sorted classes of the first call of partial_fit."""
    if classes is None:
        raise ValueError(
            "classes=None: the first call of partial_fit must name all classes that "
            "may come; give classes, such as np.unique of all labels."
            + see("Batches that arrive one by one")
        )
    classes = np.unique(_labels(classes, "classes"))
    if classes.shape[0] < 2:
        raise ValueError(
            f"classes={classes.tolist()}: a classifier needs at least two classes."
        )
    return classes


def _wrong_offset(values, shape):
    """Error for offsets of a shape that does not go with y."""
    return ValueError(
        f"offset has shape {values.shape}; give one for each linear predictor, of "
        f"shape {shape}." + see("Offsets")
    )
