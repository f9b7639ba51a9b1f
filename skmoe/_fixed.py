"""Experts without coefficients: the parameters that ask for them."""

from functools import partial

import numpy as np

from skmoe._docs import see
from skmoe.data.fixed_targets import WithFixed
from skmoe.distributions.fixed import FixedExperts, Flat, PointMass

_SECTIONS = {"point_mass": "Zeros in excess", "background": "A background of outliers"}
# Parameters that leave no room for them, what they must be, and why.
_ALONE = {
    "depth": (1, "the branches of a tree are experts with coefficients"),
    "top_k": (None, "a gate that chooses may leave out the only expert of a row"),
    "symmetric": (False, "it is a model of two experts that mirror each other"),
}


def asked_for(settings):
    """Parameters, of a dict, that ask for experts without coefficients, a list."""
    found = ["point_mass"] * (settings.get("point_mass") is not None)
    return found + ["background"] * bool(settings.get("background"))


def fixed_experts(point_mass, background, is_discrete, n_outputs, ends=None):
    """Experts without coefficients, where the ends of y (2, m) are known.

    Without these the background is left out.  `n_outputs` of targets are y, or all.
    """
    found = []
    if point_mass is not None:
        found.append(PointMass(point_mass, is_discrete))
    if background and ends is not None:
        _check_range(*ends)
        found.append(Flat(*ends, is_discrete))
    return FixedExperts(found, n_outputs)


def fixed_of(settings, distribution, ends):
    """Experts without coefficients of a model, or None; ends of y (2, ...) or None."""
    if not asked_for(settings):
        return None
    ends = None if ends is None else ends.reshape(2, -1)
    kind = distribution.is_discrete, distribution.n_predictors
    return fixed_experts(*_given(settings), *kind, ends)


def with_fixed(encoder, settings, is_discrete, n_outputs, ends):
    """Encoder of y that knows of experts without coefficients, if there are some.

    Of its targets `n_outputs` are y, or all.
    """
    if not asked_for(settings):
        return encoder
    make = partial(fixed_experts, *_given(settings), is_discrete, n_outputs)
    return WithFixed(encoder, make, settings["n_experts"], ends)


def check_fixed(settings, distribution):
    """Raise an error if other parameters leave no room for such experts."""
    names = asked_for(settings)
    for name in names:
        for other, (value, reason) in _ALONE.items():
            found = settings.get(other, value)
            if found != value:
                raise ValueError(
                    f"{name}={settings[name]!r} with {other}={found!r}: {reason}; set "
                    f"{other}={value!r}, or leave {name} out." + see(_SECTIONS[name])
                )
    if "background" in names and settings.get("family") == "binomial":
        raise ValueError(
            "background=True with family='binomial': successes of other trials have "
            "no common range; set background=False." + see(_SECTIONS["background"])
        )
    if isinstance(settings.get("point_mass"), bool | np.bool_):
        raise ValueError(
            f"point_mass={settings['point_mass']!r} is no value of y; give one, such "
            "as 0.0." + see(_SECTIONS["point_mass"])
        )
    if "point_mass" in names:
        _check_value(settings["point_mass"], distribution)


def _given(settings):
    """Values of the two parameters."""
    return settings.get("point_mass"), settings.get("background", False)


def _check_value(value, distribution):
    """Raise an error if y cannot be there."""
    if not np.isfinite(value):
        raise ValueError(
            f"point_mass={value!r} is no value of y; give a finite number."
            + see("Zeros in excess")
        )
    if distribution.is_standardised:
        return
    if distribution.is_discrete and (value < 0 or value != np.floor(value)):
        raise ValueError(
            f"point_mass={value!r} is no count; give a whole number, such as 0."
            + see("Zeros in excess")
        )
    if value < 0:
        raise ValueError(
            f"point_mass={value!r} is no amount; give a number of at least 0."
            + see("Zeros in excess")
        )


def _check_range(low, high):
    """Raise an error if y (m,) has no range, or one that overflows."""
    with np.errstate(over="ignore"):
        width = high - low
    if not np.isfinite(width).all():
        raise ValueError(
            f"background=True: y is from {low.min():.3g} to {high.max():.3g}, a range "
            "that overflows; scale y." + see("A background of outliers")
        )
    if not (width > 0).all():
        output = np.flatnonzero(width <= 0)[0]
        of = "" if len(width) == 1 else f" of output {output}"
        raise ValueError(
            f"background=True: y{of} is {low[output]:.6g} in all samples, and has no "
            "range to be spread over; set background=False."
            + see("A background of outliers")
        )
