"""The target that curves show: an output of a regressor, a class of a classifier."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.base import is_classifier

from skmoe.data.intervals import middles
from skmoe.inspection._names import name_of


class ShownTarget(NamedTuple):
    """One output or class, and the rows' values of it."""

    position: int  # of the output or class
    name: str
    values: np.ndarray  # (n,), the output, or 1 for the class and 0 for others

    def between(self, upper):
        """Numbers that stand for y between these values and upper ones."""
        return self._replace(values=middles(self.values, np.asarray(upper)))

    def per_trial(self, trials):
        """Shares of successes."""
        values = self.values / np.asarray(trials, dtype=np.float64)
        return self._replace(name=f"{self.name} / trials", values=values)


def shown_target(mixture, y, target):
    """What `target` selects of y."""
    values, index = np.asarray(y), target_position(mixture, target)
    if is_classifier(mixture):
        label = mixture.classes_[index]
        is_shown = (values.reshape(-1) == label).astype(np.float64)
        return ShownTarget(index, f"P({name_of(y)} = {label})", is_shown)
    if values.ndim == 1:
        return ShownTarget(index, name_of(y), values)
    if index >= values.shape[1]:
        raise ValueError(f"y has shape {values.shape}; give y of the shape of the fit.")
    names = getattr(y, "columns", [f"y{j}" for j in range(values.shape[1])])
    return ShownTarget(index, str(names[index]), values[:, index])


def target_position(mixture, target):
    """Index of the output or class that is chosen."""
    if is_classifier(mixture):
        return _class_index(mixture.classes_, target)
    return _output_index(mixture, target)


def predictions(mixture, X, index, coverage):
    """Experts (g, K), mixture (g,) and predictive interval (g, 2) of one target.

    A classifier has no interval, None.
    """
    expert = mixture.predict_expert(X)
    if is_classifier(mixture):
        return expert[:, :, index], mixture.predict_proba(X)[:, index], None
    mean, band = mixture.predict(X), mixture.predict_interval(X, coverage)
    if mean.ndim == 1:
        return expert, mean, band
    return expert[:, :, index], mean[:, index], band[:, index]


def _class_index(classes, target):
    """Index of the class, by default the positive one of two."""
    if target is None and len(classes) == 2:
        return 1
    found = [j for j, label in enumerate(classes) if target == label]
    if not found:
        raise ValueError(
            f"target={target!r} is no class of the estimator; give one of its classes, "
            f"{classes.tolist()}."
        )
    return found[0]


def _output_index(mixture, target):
    """Index of the output, by default the only one."""
    n_outputs = 1 if mixture.intercept_.ndim == 1 else mixture.intercept_.shape[1]
    if target is None and n_outputs == 1:
        return 0
    if not (isinstance(target, Integral) and 0 <= target < n_outputs):
        raise ValueError(
            f"target={target!r} is no output of the estimator, which has {n_outputs}; "
            f"give an index from 0 to {n_outputs - 1}."
        )
    return int(target)
