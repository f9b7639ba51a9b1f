"""Fits of copies of an estimator with some number of experts, or one more."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from sklearn.base import clone

from skmoe._base import BaseMixtureOfExperts
from skmoe._docs import see
from skmoe._fitted import settings_of
from skmoe._sharing import keeps_numbers
from skmoe._validation import check_weights
from skmoe.model_selection._refits import fit_of_many, named_init

Mixture = TypeVar("Mixture", bound=BaseMixtureOfExperts)

# Responsibilities of a start are at least this, so that no row is lost to an expert.
_LEAST = 1e-6


def check_any_number(estimator, what):
    """Raise an error if a model is of one number of experts; `what` takes several."""
    if estimator.symmetric:
        raise ValueError(
            f"symmetric=True is a model of two experts; set symmetric=False for {what}."
            + see("How many experts")
        )
    if estimator.depth > 1:
        raise ValueError(
            f"depth={estimator.depth}: a tree has no fit for every number of experts; "
            f"set depth=1 for {what}, or search over a list of grids."
            + see("How many experts")
        )
    if keeps_numbers(settings_of(estimator)):
        raise ValueError(
            "expert_features, shared_features, shared_intercept or noise tell single "
            f"experts apart, and {what} has fits of other numbers of them; give what "
            "holds for all experts, or compare fits of your own by bic."
            + see("Shared coefficients")
        )


def doubts_of(fit):
    """What is to be said of a fit whose likelihood is no guide, a list of str."""
    found = fit._fitted["lack_of_rows"], fit._fitted["low_noise"]
    return [doubt for doubt in found if doubt]


def fit_copy(
    estimator,
    X,
    y,
    known,
    n_experts,
    init="short_runs",
    is_quiet=False,
):
    """A fit of a copy with so many experts; `init` is for this fit only."""
    copy = clone(estimator).set_params(n_experts=n_experts, init=init, warm_start=False)
    copy = fit_of_many(copy, X, y, known, is_quiet)
    return copy.set_params(init=named_init(estimator))


def fit_split(fit, X, y, known, is_quiet=False):
    """A fit with one expert more, from the last one with its worst expert split."""
    responsibilities = fit.responsibilities(X, y, **known.given())
    n_experts = fit.n_experts
    # Experts without coefficients stay as they are, the last.
    responsibilities, rest = np.split(responsibilities, [n_experts], axis=1)
    best_gain, start = -np.inf, None
    for k in range(n_experts):
        gain, share = _gain(fit, X, y, known, responsibilities[:, k])
        if gain > best_gain:
            first = responsibilities[:, k] * share
            others = np.delete(responsibilities, k, axis=1)
            second = responsibilities[:, k] - first
            best_gain, start = gain, np.column_stack([others, first, second])
    if start is None:  # no expert has rows enough for two
        start = np.column_stack([responsibilities, np.zeros(len(responsibilities))])
    start = np.maximum(np.column_stack([start, rest]), _LEAST)
    return fit_copy(fit, X, y, known, n_experts + 1, start, is_quiet)


def _gain(fit, X, y, known, responsibility):
    """What two experts gain over one on its rows, and the first's share of each.

    The gain is in nats, summed over the rows; minus infinity where neither can be
    fitted.
    """
    # By responsibility alone, so that weights stay repeated rows.
    is_near = responsibility > _LEAST * responsibility.max()
    known = known._replace(
        sample_weight=check_weights(known.sample_weight, responsibility)
    )
    weight = known.sample_weight * responsibility * is_near
    own = known._replace(sample_weight=weight)
    try:
        one, two = (
            fit_copy(fit, X, y, own, number, is_quiet=True) for number in (1, 2)
        )
        shares = two.responsibilities(X, y, **known.given())
        share = shares[:, 0]
        if shares.shape[1] > 2:  # of the two that have coefficients
            share = share / np.maximum(shares[:, :2].sum(axis=1), _LEAST)
    except ValueError:  # too few rows of positive weight, or one class only
        return -np.inf, None
    gain = one.objective_curve_[-1] - two.objective_curve_[-1]
    return weight.sum() * gain, share
