"""Checks at the door that scikit-learn does not have."""

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_array

from skmoe._docs import see
from skmoe._sklearn import callback_attributes


@contextmanager
def restored_on_failure(estimator):
    """Put the fitted attributes, private ones too, back if the block fails."""

    def fitted():
        # scikit-learn takes its callbacks' attributes away by itself.
        of_callbacks = callback_attributes(estimator)
        return {
            name: value
            for name, value in vars(estimator).items()
            if name.endswith("_") or (name[0] == "_" and name not in of_callbacks)
        }

    before = fitted()
    try:
        yield
    except BaseException:
        for name in fitted():
            delattr(estimator, name)
        for name, value in before.items():
            setattr(estimator, name, value)
        raise


def as_numbers(name, values, section):
    """Values as an array of float64, if they are numbers."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} is a {type(values).__name__} whose values are no numbers; give an "
            "array of numbers." + see(section)
        ) from None


def check_weights(sample_weight, X, of_part=False):
    """Non-negative weights (n,) float64; not all zero, but those of a part may be."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if sample_weight is None:
        return np.ones(n_rows)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    weight = check_array(
        sample_weight,
        dtype=np.float64,
        order="C",
        ensure_2d=False,
        ensure_min_samples=0,
        input_name="sample_weight",
    )
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has shape {weight.shape}, X has {n_rows} rows; give "
            f"weights of shape ({n_rows},)." + see("Sample weights")
        )
    if not (weight.any() or of_part):
        raise ValueError(
            "sample_weight: all weights are zero; at least one must be positive."
            + see("Sample weights")
        )
    if (weight < 0).any():
        raise ValueError(
            f"sample_weight has a negative value, {weight.min()}; weights must be "
            "positive or zero." + see("Sample weights")
        )
    with np.errstate(over="ignore"):
        total = weight.sum()
    if np.isnan(total):
        raise ValueError(
            "sample_weight contains NaN; give 0 to leave a row out."
            + see("Sample weights")
        )
    if not np.isfinite(total):
        raise ValueError(
            f"sample_weight: the sum is {total}, the largest {weight.max():.3g}; "
            "divide all by a constant, which changes no fit." + see("Sample weights")
        )
    return weight


def check_init_is_named(estimator):
    """Raise an error if `init` is of rows, which are not all in one place."""
    if not isinstance(estimator.init, str):
        raise ValueError(
            f"init is an array of shape {np.shape(estimator.init)}, but in parts that "
            "come one by one its rows cannot be told; name a strategy, such as "
            "init='short_runs', or fit some rows first (before fit_batches or Dask "
            "with warm_start=True)." + see("Starting points")
        )


def n_all_experts(settings):
    """Experts of a model, those without coefficients among them, of parameters."""
    has_point = settings.get("point_mass") is not None
    has_background = bool(settings.get("background", False))
    return settings["n_experts"] + has_point + has_background


def check_enough(n_experts, n_rows, group=None):
    """At least one row, or group of rows (codes, (n,)), for each expert."""
    kind, found = "n_samples", n_rows
    if group is not None:
        kind, found = "groups", group.max() + 1
    if found < n_experts:
        raise ValueError(
            f"Found {kind} = {found} of positive weight, fewer than n_experts="
            f"{n_experts}; give more samples or lower n_experts."
            + see("How many experts")
        )


_GIVEN = object()


def check_columns(estimator, name, X, selection=_GIVEN):
    """Column indices that `gate_features` or `expert_features` select, or None.

    Parameters
    ----------
    estimator : estimator with `n_features_in_` (and `feature_names_in_`) set
    name : str, the parameter
    X : the X given to fit, for a callable
    selection : a part of the parameter; by default all of it
    """
    if selection is _GIVEN:
        selection = getattr(estimator, name)
    if selection is None:
        return None
    if callable(selection):
        selection = selection(X)
    selection = np.atleast_1d(_as_selection(name, selection))
    if selection.ndim != 1 and selection.dtype.kind != "b":
        raise _column_error(
            f"{name} selects features by an array of shape {selection.shape}; give one "
            "dimension."
        )
    return _columns(estimator, name, selection)


def check_sees_something(estimator, name, columns, has_intercept):
    """Raise an error if the gate or the experts see no column and no intercept."""
    if has_intercept or columns is None or columns.size:
        return
    switch = "gate_intercept" if name == "gate_features" else "fit_intercept"
    raise _column_error(
        f"{name}={getattr(estimator, name)!r} selects no feature and there is no "
        f"intercept; select a feature or set {switch}=True."
    )


def _as_selection(name, selection):
    """A selection of columns as an array."""
    try:
        values = np.asarray(selection)
    except ValueError:  # lists of several lengths
        values = np.array(None)
    if values.ndim == 0 and values.dtype.kind == "O":
        raise _column_error(
            f"{name} selects features by a {type(selection).__name__}, {selection!r}; "
            "give a list (their order is that of the coefficients), such as "
            "['a', 'b'], of names or of indices."
        )
    return values


def _columns(estimator, name, selection):
    """Column indices of a selection (one dimension): names, mask or indices."""
    n_features = estimator.n_features_in_
    if selection.size == 0:
        return np.zeros(0, dtype=np.intp)
    if selection.dtype.kind in "OU":
        return _columns_by_name(estimator, name, selection)
    if selection.dtype.kind == "b":
        if selection.shape != (n_features,):
            raise _column_error(
                f"{name} is a mask of shape {selection.shape}; X has {n_features} "
                f"features, so the mask must have shape ({n_features},)."
            )
        return np.flatnonzero(selection)
    if selection.dtype.kind not in "iu":
        raise _column_error(
            f"{name}={getattr(estimator, name)!r} selects no features; give None, "
            "names, indices, a boolean mask or a callable that returns one of them."
        )
    if (selection >= n_features).any() or (selection < -n_features).any():
        raise _column_error(
            f"{name}={getattr(estimator, name)!r} has an index out of range; X has "
            f"{n_features} features."
        )
    return _unique(name, selection % n_features)


def check_count(name, value, of, least=1):
    """A whole number, not below the least."""
    if not isinstance(value, Integral) or value < least:
        remedy = "a positive integer" if least == 1 else f"an integer from {least} on"
        raise ValueError(f"{name}={value!r} is no number of {of}; give {remedy}.")
    return int(value)


def check_n_samples(n_samples):
    """A positive number of draws."""
    return check_count("n_samples", n_samples, "draws")


def check_probabilities(name, values):
    """Probabilities strictly between 0 and 1, an array of no or one dimension."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim > 1 or values.size == 0 or not ((values > 0) & (values < 1)).all():
        raise ValueError(
            f"{name}={_shown(values)} is no probability; give one between 0 and 1, "
            "both excluded."
        )
    return values


def _shown(values):
    """An array for messages: its values, or its shape where they are many."""
    few = values.size <= 10
    return str(values.tolist()) if few else f"an array of shape {values.shape}"


def check_coverage(name, coverage):
    """Probabilities of the two ends of an interval with some coverage, a list."""
    level = check_probabilities(name, coverage)
    if level.ndim:
        raise ValueError(
            f"{name}={_shown(level)} is not one number; call "
            "predict_quantile for several."
        )
    tail = (1 - level) / 2
    return [tail, 1 - tail]


def check_init(init, n_samples, n_experts, n_all):
    """Responsibilities (K or E, n) from labels (n,) or responsibilities (n, K or E).

    Of the experts that have coefficients, K, or of all.
    """
    values = np.asarray(init)
    if values.shape == (n_samples,) and values.dtype.kind in "iu":
        if values.min() < 0 or values.max() >= n_all:
            raise ValueError(
                f"init has labels from {values.min()} to {values.max()}; with "
                f"n_experts={n_experts} they must be from 0 to {n_all - 1}."
                + see("Starting points")
            )
        n_named = n_all if values.max() >= n_experts else n_experts
        return (np.arange(n_named)[:, None] == values).astype(np.float64)
    shapes = (n_samples, n_experts), (n_samples, n_all)
    if values.shape not in shapes or values.dtype.kind not in "biuf":
        raise ValueError(
            f"init has shape {values.shape} and dtype {values.dtype}; give integer "
            f"labels of shape ({n_samples},) or responsibilities of shape "
            f"({n_samples}, {n_experts})." + see("Starting points")
        )
    values = values.astype(np.float64)
    total = values.sum(axis=1)
    if not (np.isfinite(values).all() and (values >= 0).all() and (total > 0).all()):
        raise ValueError(
            "init has responsibilities that are negative, not finite or zero for all "
            "experts of a sample; each row must be non-negative with a positive sum."
            + see("Starting points")
        )
    return (values / total[:, None]).T


def _columns_by_name(estimator, name, selection):
    """Indices of columns given by name."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is None:
        raise _column_error(
            f"{name}={getattr(estimator, name)!r} are names, but X has no feature "
            "names; give indices or a data frame."
        )
    known = list(known)
    missing = [str(feature) for feature in selection if feature not in known]
    if missing:
        raise _column_error(
            f"{name}: {missing} are not features of X, which has {known}."
        )
    return _unique(name, np.array([known.index(feature) for feature in selection]))


def _unique(name, columns):
    """The columns, if none comes twice."""
    if np.unique(columns).size != columns.size:
        raise _column_error(f"{name} selects a feature more than once; name each once.")
    return columns


def _column_error(message):
    """What is wrong with a selection of columns, and where to read on."""
    return ValueError(message + see("Columns of the gate and of the experts"))
