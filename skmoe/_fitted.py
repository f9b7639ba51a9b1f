"""What was fitted, and the comparison of that with an estimator's parameters."""

from inspect import isroutine
from typing import NamedTuple

import numpy as np

from skmoe._docs import see
from skmoe._sharing import keeps_numbers, noise_sets
from skmoe.engine.specification import Specification

# Parameters that say what the model is, and those that say how strongly it is held.
STRUCTURE = (
    "n_experts",
    "family",
    "noise",
    "noise_df",
    "symmetric",
    "depth",
    "fit_intercept",
    "gate_intercept",
    "gate_features",
    "expert_features",
    "shared_features",
    "shared_intercept",
    "point_mass",
    "background",
)
STRENGTHS = (
    "alpha",
    "gate_alpha",
    "l1_ratio",
    "gate_l1_ratio",
    "noise_prior",
    "class_weight",
)
# What may go with the rows of a fit; what is to be given where it did, and where that
# is explained.
KNOWN = {
    "groups": ("those of X, or np.arange(len(y)) for rows on their own", "Groups"),
    "sample_weight": ("that of X, or ones for none", "Sample weights"),
    "offset": ("that of X, or zeros for none", "Offsets"),
    "expert_labels": ("those of X, or -1 for none", "Known experts"),
    "y_upper": (
        "that of X, or y where it is known",
        "Censored and truncated y",
    ),
    "entry": ("that of X, or -inf for none", "Censored and truncated y"),
    "trials": ("those of X, or ones for single ones", "Binomial counts"),
}


class Fitted(NamedTuple):
    """What fits leave beside the public attributes.

    Estimators keep it as a dict of plain values, so that files of skops need no trust.
    """

    settings: dict  # parameters of the fit, those named above and `top_k`
    # Indices of gate and experts, or None for all; sets of coefficients, or None.
    columns: tuple
    n_targets: int  # outputs or classes
    is_flat: bool  # whether attributes have no axis of outputs or classes
    column_units: np.ndarray  # mean and scale of columns, (2, d)
    target_units: np.ndarray  # and of targets, see `Scaling.units`
    mass: np.ndarray  # shares of all experts in the responsibilities, (E,)
    n_parameters: int  # that were learned
    lack_of_rows: str | None  # what is to be said of them
    low_noise: str | None
    exact: dict  # attributes in float64, where the public ones are rounded
    known: tuple = ()  # what went with the rows of the fit, of the names in `KNOWN`


def settings_of(estimator):
    """Parameters that shape the model, a dict."""
    params = vars(estimator)  # `get_params` reads the signature at each call
    names = STRUCTURE + STRENGTHS + ("top_k",)
    return {name: params[name] for name in names if name in params}


def specification(distribution, settings, columns, fixed=None):
    """Specification of a model with some settings, and columns of gate and experts.

    And `FixedExperts`, if there are some.
    """
    symmetric = settings.get("symmetric", False)
    fit_intercept = settings["fit_intercept"]
    if fit_intercept == "auto":
        fit_intercept = not symmetric
    gate_intercept, noise = settings["gate_intercept"], settings.get("noise")
    if gate_intercept == "auto":
        sees_nothing = columns[0] is not None and not columns[0].size
        gate_intercept = fit_intercept or sees_nothing
    coef_sets = columns[2] if len(columns) > 2 else None  # not in old files
    same = "n_experts", "depth", "top_k", "alpha", "gate_alpha", "l1_ratio"
    return Specification(
        distribution,
        symmetric=symmetric,
        shares_noise=isinstance(noise, str) and noise == "shared",
        coef_sets=coef_sets,
        noise_sets=noise_sets(noise, settings["n_experts"]),
        is_numbered=keeps_numbers(settings),
        gate_columns=columns[0],
        expert_columns=columns[1],
        fit_intercept=bool(fit_intercept),
        gate_intercept=bool(gate_intercept),
        gate_l1_ratio=settings["gate_l1_ratio"],
        noise_prior=settings.get("noise_prior", 0.0),
        fixed=fixed,
        **{name: settings[name] for name in same},
    )


def check_as_fitted(estimator, names, purpose, remedy):
    """Raise an error if a parameter is not what the model was fitted with."""
    before = estimator._fitted["settings"]
    for name, now in settings_of(estimator).items():
        # Files of earlier versions lack parameters that were added since.
        if name in names and not _is_same(now, before.get(name, now)):
            raise ValueError(
                f"{name}={now!r} is not what the model was fitted with, "
                f"{before[name]!r}, and {purpose}; set it back, or {remedy}."
                + see("Parameters after a fit")
            )


def _is_same(one, other):
    """Whether two values of a parameter mean the same."""
    if one is other:
        return True
    if type(one) is not type(other):
        return np.isscalar(one) and np.isscalar(other) and one == other
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            _is_same(value, other[name]) for name, value in one.items()
        )
    if isroutine(one) or not hasattr(one, "__dict__") or isinstance(one, type):
        return bool(one == other)
    # Objects that were loaded from a file are other ones.
    return _is_same(vars(one), vars(other))
