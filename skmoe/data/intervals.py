"""What is known of y by its ends: intervals that it is in, and entries above which rows
are seen."""

import numpy as np

from skmoe._docs import see
from skmoe._validation import as_numbers

_SECTION = "Censored and truncated y"
# Of each row; fields of an array (n,), so that it is a column like any other y.
_ENDS = np.dtype([(name, np.float64) for name in ("lower", "upper", "entry")])
# Parameters of models whose y must be known, what they must be, and why.
_ALONE = {
    "noise_df": (None, "with t noise the E-step of a censored y has no closed form"),
    "point_mass": (None, "how probable an interval is there would be another model"),
    "background": (False, "the range of a y that is not known is not known either"),
}


def check_alone(settings, known):
    """Raise an error if other parameters of a model ask for y itself."""
    for name, (value, reason) in _ALONE.items():
        found = settings.get(name, value)
        if known.bounds_y and found != value:
            raise ValueError(
                f"{name}={found!r} with {' and '.join(known.of_y())}: {reason}; set "
                f"{name}={value!r}, or give y that is known." + see(_SECTION)
            )


def intervals_of(y, known):
    """Checked ends of y, (n,) with the fields of `_ENDS`; see `Known`."""
    if known.groups is not None and known.entry is not None:
        raise ValueError(
            "entry and groups are given: whether a group is seen would depend on all "
            "of its rows; leave groups out, or entry." + see(_SECTION)
        )
    lower = _column("y", y, len(y))
    upper = (
        lower if known.y_upper is None else _column("y_upper", known.y_upper, len(y))
    )
    entry = np.full_like(lower, -np.inf)
    if known.entry is not None:
        entry = _column("entry", known.entry, len(y))
    _refuse(
        (lower == np.inf) | (upper == -np.inf),
        "y from {:g} to {:g} in row {}, where no number lies; give the ends of an "
        "interval, of which the lower may be -inf and the upper inf.",
        (lower, upper),
    )
    _refuse(
        lower > upper,
        "y has {:g}, above y_upper, {:g}, in row {}; y is the lower end of what is "
        "known and y_upper the upper one.",
        (lower, upper),
    )
    _refuse(
        np.isinf(upper) & (lower <= entry),
        "y from {:g} to {:g} in row {} tells nothing of y, which would be seen with "
        "any value; leave such rows out.",
        (lower, upper),
    )
    _refuse(
        entry > lower,
        "entry has {:g}, above y, {:g}, in row {}: a row is seen only where y is above "
        "its entry; where y is in an interval, give the entry as its lower end.",
        (entry, lower),
    )
    ends = np.empty(len(lower), _ENDS)
    ends["lower"], ends["upper"], ends["entry"] = lower, upper, entry
    return ends


def no_intervals(known):
    """Raise an error if there are ends of y where it must be known."""
    if known.bounds_y:
        name = known.of_y()[0]
        raise ValueError(
            f"{name} is given, but only the y of MixtureOfLinearExperts may be "
            f"censored or truncated; leave {name} out." + see(_SECTION)
        )


def has_ends(y):
    """Whether y is known by its ends."""
    return y.dtype == _ENDS


def one_of_each(ends):
    """Some rows that tell what `check_ends` asks of all."""
    kind = 2 * np.isfinite(ends["lower"]) + np.isfinite(ends["upper"])
    return ends[np.unique(kind, return_index=True)[1]]


def check_ends(ends):
    """Raise an error if y may lie as far out as it likes in all rows."""
    for name in ("lower", "upper"):
        if len(ends) and np.isinf(ends[name]).all():
            raise ValueError(
                f"y has no {name} end in any row of positive weight, so that it may "
                "lie as far out as it likes and coefficients have no optimum; give "
                "rows with one, such as those where y is known." + see(_SECTION)
            )


def targets_of(ends):
    """The engine's targets (4, n): numbers in place of y, and the ends."""
    lower, upper = ends["lower"], ends["upper"]
    return np.stack([middles(lower, upper), lower, upper, ends["entry"]])


def middles(lower, upper):
    """Middles of intervals, and of half-lines their end, (n,) and (n,) -> (n,)."""
    first = np.where(np.isfinite(lower), lower, upper)
    last = np.where(np.isfinite(upper), upper, lower)
    return first + 0.5 * (last - first)


def _column(name, values, n_rows):
    """Numbers (n,) of which none is missing."""
    if np.asarray(values).dtype.kind == "b":
        raise ValueError(
            f"{name} is an array of True and False; give numbers, of an event that was "
            "seen or not y_upper=np.where(event, y, np.inf)." + see(_SECTION)
        )
    found = as_numbers(name, values, _SECTION)
    if found.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {found.shape}, X has {n_rows} rows; a censored or "
            f"truncated y is one output: give one number for each row of X, shape "
            f"({n_rows},)." + see(_SECTION)
        )
    missing = np.flatnonzero(np.isnan(found))
    if missing.size:
        raise ValueError(
            f"{name} has no value in row {missing[0]}; where there is no lower end or "
            "entry give -inf, where there is no upper end inf." + see(_SECTION)
        )
    return found


def _refuse(wrong, message, values):
    """Raise an error if rows (n,) are wrong, about two of their values."""
    rows = np.flatnonzero(wrong)
    if rows.size:
        first = rows[0]
        told = message.format(*(own[first] for own in values), first)
        raise ValueError(told + see(_SECTION))
