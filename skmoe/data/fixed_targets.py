"""Targets where some experts have no parameters: what must be known of all y."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skmoe._docs import see


def check_others(check, value, target):
    """Check targets (n,) but for those at a value."""
    check(target[target != value])


class WithFixed(NamedTuple):
    """An encoder of `skmoe.data.targets` where some experts have no parameters.

    `make` makes these experts of the least and largest y, (2, m), or of None where they
    are not known yet.
    """

    encoder: Any
    make: Callable
    n_experts: int  # others, K
    ends: np.ndarray | None = None  # of y that others can have, (2,) or (2, m)

    def observed(self, y, known):
        """As the encoder's."""
        return self.encoder.observed(y, known)

    def trials(self, trials, n_rows):
        """As the encoder's."""
        return self.encoder.trials(trials, n_rows)

    @property
    def fixed(self):
        """The experts without parameters."""
        return self.make(None if self.ends is None else self.ends.reshape(2, -1))

    def summary(self, y):
        """Least and largest y of rows that other experts can have, (2, ...).

        Infinite if there are none.
        """
        self.encoder.summary(y)
        y = np.asarray(y, dtype=np.float64)[self._is_open(y)]
        low, high = y.min(axis=0, initial=np.inf), y.max(axis=0, initial=-np.inf)
        return np.stack([low, high])

    def learn(self, summary):
        """Encoder that knows the range of all y, if some are for other experts."""
        ends = np.stack([summary[::2].min(axis=0), summary[1::2].max(axis=0)])
        if not (ends[0] <= ends[1]).all():
            raise _nothing_left()
        learnt = self._replace(encoder=self.encoder.learn(ends), ends=ends)
        _ = learnt.fixed  # raises an error if the range is not one
        return learnt

    def of_batch(self, y, classes):
        """The encoder for a batch, which tells nothing of the range of all y."""
        return self._replace(encoder=self.encoder.of_batch(y, classes))

    def attributes(self):
        """What an estimator has of it, a dict."""
        found = self.encoder.attributes()
        if "background" in self.fixed.names:
            found = found | {"background_range_": self.ends}
        return found

    def encode(self, y):
        """As the encoder's."""
        return self.encoder.encode(y)

    def offset(self, values):
        """As the encoder's."""
        return self.encoder.offset(values)

    def less_offset(self, target, offset):
        """As the encoder's."""
        return self.encoder.less_offset(target, offset)

    def numbers(self, y, offset):
        """As the encoder's; rows that no other expert can have weigh nothing."""
        numbers, exposure = self.encoder.numbers(y, offset)
        return numbers, exposure * self._is_open(y)

    def _is_open(self, y):
        """Whether experts with coefficients can have rows, whatever the range, (n,)."""
        fixed = self.make(None)
        if not len(fixed):
            return np.ones(len(y), dtype=bool)
        rows = np.asarray(y, dtype=np.float64).reshape(len(y), -1).T
        return ~fixed.closed(fixed.log_density(rows))

    def own_weight(self, rows):
        """Weights (n,) of `Rows`, zero where no expert with coefficients can be."""
        return np.where(self.fixed.closed(rows.fixed), 0.0, rows.weight)

    def check_others_have_rows(self, log_density):
        """Raise an error if no row is left by what `fixed_log_density` gave."""
        if self.fixed.closed(log_density).all():
            raise _nothing_left()

    def fixed_log_density(self, target, expert=None):
        """Log-densities of targets under experts without parameters, (F, n).

        Raises an error if labels (n,) want what cannot be.
        """
        found = self.fixed.log_density(target)
        if expert is not None:
            _check_labels(found, self.fixed.closed(found), expert, self.n_experts)
        return found


def _nothing_left():
    """Error for y of which other experts can have none."""
    return ValueError(
        "y is at point_mass in all samples of positive weight, so that nothing "
        "is left for the other experts; give samples with other values, or "
        "leave point_mass out." + see("Zeros in excess")
    )


def _check_labels(log_density, closed, expert, n_experts):
    """Raise an error if labels (n,) name an expert that cannot have the row."""
    own = np.maximum(expert - n_experts, 0)
    can = log_density[own, np.arange(own.size)] > -np.inf
    wrong = np.where(expert >= n_experts, ~can, closed & (expert >= 0))
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        kind = "is" if closed[row] else "is not"
        raise ValueError(
            f"expert_labels has {expert[row]} in row {row}, whose y that expert cannot "
            f"have (it {kind} at point_mass); give -1 there." + see("Zeros in excess")
        )
