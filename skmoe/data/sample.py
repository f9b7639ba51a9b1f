"""Validated rows as the user has them, and what is known of them beside X and y."""

from typing import NamedTuple

import numpy as np

from skmoe._docs import see
from skmoe._validation import as_numbers, check_weights, n_all_experts
from skmoe.data.canonical import Rows
from skmoe.data.groups import check_groups, name_of_group
from skmoe.data.intervals import check_alone

# Probabilities of the experts may miss a sum of 1 by so much.
_ROUNDING = 1e-3


class Known(NamedTuple):
    """What the user gives with X and y, or None."""

    sample_weight: object = None
    groups: object = None
    offset: object = None
    expert_labels: object = None
    trials: object = None
    y_upper: object = None
    entry: object = None

    @property
    def bounds_y(self):
        """Whether y is known by its ends, or seen above an entry."""
        return bool(self.of_y())

    def of_y(self):
        """Names of what bounds y, a list."""
        return [name for name in ("y_upper", "entry") if name in self.given()]

    def given(self):
        """What is there, a dict."""
        return {name: part for name, part in self._asdict().items() if part is not None}

    def of_rows(self):
        """What answers about rows, or groups of them, change with, a dict.

        Weights count rows within their group; a known expert is an answer already.
        """
        found = self._asdict()
        del found["expert_labels"]
        if self.groups is None:
            del found["sample_weight"]
        return found

    def take(self, rows):
        """What is known of some rows (index array)."""
        return Known(
            **{name: np.asarray(own)[rows] for name, own in self.given().items()}
        )


class Sample(NamedTuple):
    """Validated rows with y; None for what was not given."""

    X: object  # ndarray or CSR, (n, d)
    y: np.ndarray  # as observed, see `skmoe.data.targets`, (n,) or (n, m)
    weight: np.ndarray  # (n,)
    known: tuple  # names of what was given beside X and y
    group: np.ndarray | None = None  # codes, (n,)
    offset: np.ndarray | None = None  # (n,) or (n, C)
    expert: np.ndarray | None = None  # known experts or -1, (n,)
    group_labels: np.ndarray | None = None  # that the codes stand for, (G,)

    def of_positive_weight(self):
        """The rows of positive weight, whose groups are counted anew."""
        kept = np.flatnonzero(self.weight)
        return self if kept.size == self.weight.size else self.take(kept)

    def take(self, rows):
        """Some rows (index array), whose groups are counted anew."""
        parts = self._asdict()
        del parts["known"], parts["group_labels"]
        sample = self._replace(
            **{name: part[rows] for name, part in parts.items() if part is not None}
        )
        if self.group is None:
            return sample
        kept, codes = np.unique(sample.group, return_inverse=True)
        return sample._replace(group=codes, group_labels=self.group_labels[kept])

    def rows(self, encoder):
        """The engine's `Rows` of a fit, by an encoder that knows y."""
        target = encoder.encode(self.y)
        expert = self.expert_of_groups()
        fixed = encoder.fixed_log_density(target, expert)
        if fixed is not None and self.group is not None:
            self._check_closed(encoder.fixed.closed(fixed))
        target, offset = encoder.less_offset(target, encoder.offset(self.offset))
        return Rows(self.X, target, self.weight, self.group, offset, expert, fixed)

    def expert_of_groups(self):
        """Known experts (n,), which one row of a group tells of all; or None."""
        expert, group = self.expert, self.group
        if expert is None or group is None:
            return expert
        known = np.full(group.max() + 1, -1)
        labelled = np.flatnonzero(expert >= 0)
        known[group[labelled]] = expert[labelled]
        found = known[group]
        wrong = np.flatnonzero((expert >= 0) & (expert != found))
        if wrong.size:
            first = wrong[0]
            raise ValueError(
                f"expert_labels has {expert[first]} and {found[first]} within group "
                f"{name_of_group(self, group[first])}; rows of a group share their "
                "expert, so give it the same label, or -1." + see("Known experts")
            )
        return found

    def check_proba_of_groups(self, expert_proba):
        """Raise an error if probabilities (n, K) change within a group."""
        of_first = np.unique(self.group, return_index=True)[1][self.group]
        change = np.abs(expert_proba - expert_proba[of_first]).max(axis=1)
        wrong = np.flatnonzero(change > _ROUNDING)
        if wrong.size:
            raise ValueError(
                f"expert_proba has other values in row {wrong[0]} than in the first of "
                f"its group, {name_of_group(self, self.group[wrong[0]])}; rows of a "
                "group share their expert, so give them the same probabilities."
                + see("Groups that are known")
            )

    def _check_closed(self, closed):
        """Raise an error if only some rows of a group (n,) are at the point mass."""
        count = np.bincount(self.group, closed)
        mixed = np.flatnonzero((count > 0) & (count < np.bincount(self.group)))
        if mixed.size:
            raise ValueError(
                f"groups: a row of {name_of_group(self, mixed[0])} is at point_mass "
                "and others of its group are not, but rows of a group share one "
                "expert; leave groups or point_mass out, or split such groups in two."
                + see("Zeros in excess")
            )


def sample_of(encoder, settings, X, y, known, **how):
    """`Sample` of validated X and y and of what is `Known`; `how` of weights.

    `encoder` is that of y, and `settings` are parameters of the model, `settings_of`.
    """
    check_alone(settings, known)
    weight = check_weights(known.sample_weight, X, **how)
    n_rows = X.shape[0]
    labels = check_expert_labels(settings, known.expert_labels, n_rows)
    given = known._replace(expert_labels=labels).given()
    group, group_labels = check_groups(known.groups, n_rows)
    return Sample(
        X,
        encoder.observed(y, known),
        weight,
        tuple(given),
        group,
        check_offset(known.offset, n_rows),
        labels,
        group_labels,
    )


class Inputs(NamedTuple):
    """Rows to predict: all that is known of them but y."""

    X: object  # ndarray or CSR, (n, d)
    offset: np.ndarray | None = None  # known part of the predictors, (C, n)
    expert_proba: np.ndarray | None = None  # in place of the gate, (n, K)
    trials: np.ndarray | None = None  # whose successes y counts, (n,)

    def take(self, rows):
        """Some of them (index array or slice)."""
        return Inputs(
            self.X[rows],
            None if self.offset is None else self.offset[:, rows],
            None if self.expert_proba is None else self.expert_proba[rows],
            None if self.trials is None else self.trials[rows],
        )


def _numbers(name, values, section):
    """Finite values as an array of float64."""
    values = as_numbers(name, values, section)
    if not np.isfinite(values).all():
        raise ValueError(
            f"{name} contains NaN or infinite values (of an exposure of zero the "
            "logarithm is one); give numbers, or leave these rows out." + see(section)
        )
    return values


def check_offset(offset, n_rows):
    """Finite offsets, (n,) or (n, C) float64, or None."""
    if offset is None:
        return None
    offset = _numbers("offset", offset, "Offsets")
    if offset.ndim == 0 or offset.shape[0] != n_rows:
        raise ValueError(
            f"offset has shape {offset.shape}, X has {n_rows} rows; give one value, or "
            "one row of them, for each row of X." + see("Offsets")
        )
    return offset


def check_expert_labels(settings, expert_labels, n_rows):
    """Known experts from 0 on, -1 for unknown ones, (n,), or None if none is known."""
    if expert_labels is None:
        return None
    labels = np.asarray(expert_labels)
    whole = labels
    if labels.dtype.kind in "fO":  # as pandas makes them, where some are missing
        values = [np.nan if label is None else label for label in labels.ravel()]
        try:
            whole = np.array(values, dtype=np.float64).reshape(labels.shape)
        except (TypeError, ValueError):
            whole = np.array(np.nan)
    is_number = whole.dtype.kind in "iuf" and bool((whole == np.floor(whole)).all())
    if labels.shape != (n_rows,) or not is_number:
        raise ValueError(
            f"expert_labels has shape {labels.shape}, dtype {labels.dtype} and values "
            f"such as {labels.ravel()[:3].tolist()}; give integers of shape "
            f"({n_rows},), the number of the expert of each row, and -1 where it is "
            "not known, also for missing values." + see("Known experts")
        )
    labels = whole
    n_experts = n_all_experts(settings)
    if labels.size and (labels.min() < -1 or labels.max() >= n_experts):
        raise ValueError(
            f"expert_labels has values from {labels.min()} to {labels.max()}; with "
            f"n_experts={settings['n_experts']} they must be from 0 to "
            f"{n_experts - 1}, or -1 where the expert is not known."
            + see("Known experts")
        )
    if not (labels >= 0).any():
        return None
    if (settings["top_k"] or n_experts) < n_experts:
        raise ValueError(
            f"top_k={settings['top_k']}: a gate that chooses may leave out an expert "
            "that is known; set top_k=None or leave expert_labels out."
            + see("Known experts")
        )
    return labels.astype(np.intp)


def is_other(expert, n_experts):
    """Whether rows are known to have another expert, (n,) -> (n, K)."""
    return (expert[:, None] >= 0) & (expert[:, None] != np.arange(n_experts))


def check_expert_proba(expert_proba, n_rows, n_experts):
    """Probabilities of the experts, (n, K) float64, or None."""
    if expert_proba is None:
        return None
    proba = _numbers("expert_proba", expert_proba, "Groups that are known")
    if proba.shape != (n_rows, n_experts):
        raise ValueError(
            f"expert_proba has shape {proba.shape}; give one row of probabilities of "
            f"the {n_experts} experts for each row of X, shape ({n_rows}, {n_experts})."
            + see("Groups that are known")
        )
    total = proba.sum(axis=1)
    if not ((proba >= 0).all() and np.allclose(total, 1, rtol=0, atol=_ROUNDING)):
        raise ValueError(
            "expert_proba has rows that are no probabilities, with values from "
            f"{proba.min():.3g} and sums from {total.min():.3g} to {total.max():.3g}; "
            "each must be non-negative with sum 1, as those of responsibilities and "
            "of expert_proba are." + see("Groups that are known")
        )
    return proba / total[:, None]
