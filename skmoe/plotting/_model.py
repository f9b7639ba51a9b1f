"""What every display asks of an estimator and its data, checked at the door."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skmoe._base import BaseMixtureOfExperts
from skmoe._pipeline import check_mixture, last_step
from skmoe._validation import check_count

# Kinds of types of arrays that may hold something else than numbers.
_NO_NUMBERS = "OUSMm"


def fitted_mixture(estimator, name="estimator"):
    """The mixture, and a function from X to what the mixture sees of it.

    `estimator` is the mixture itself or a pipeline that ends in one; `name` is what
    errors call it.
    """
    mixture, transform = last_step(estimator)
    remedy = ", fitted, or a pipeline that ends in one; of a search its best_estimator_"
    check_mixture(mixture, name, remedy)
    check_is_fitted(
        mixture, msg=f"{name}: this %(name)s is not fitted yet; call fit first."
    )
    return mixture, transform


def expert_names(mixture):
    """Names of all experts of a fitted mixture, a list of str."""
    names = mixture._model().gate.names
    return [shown_name(name) for name in names]


def shown_name(name):
    """Name of an expert that has a number, or of one without coefficients."""
    return name.capitalize() if isinstance(name, str) else f"Expert {name}"


def checked_array(estimator, X):
    """X as an array (n, p) of floats, of integers or bools, or of objects.

    Before a pipeline values may be missing, or text: it may know what to do with them.
    """
    is_mixture = isinstance(estimator, BaseMixtureOfExperts)
    kind = np.asarray(X).dtype.kind if isinstance(X, list | tuple) else _kind(X)
    dtype = None if kind in "biu" else np.float64
    if kind in _NO_NUMBERS and is_mixture:
        _check_numbers(X)
    elif kind in _NO_NUMBERS:
        dtype = object
    finite = True if is_mixture else "allow-nan"
    values = check_array(X, dtype=dtype, input_name="X", ensure_all_finite=finite)
    check_n_features(estimator, values.shape[1])
    return values


def check_n_features(estimator, n_features):
    """A mixture takes what its fit had; what a pipeline takes is its own to say."""
    if not isinstance(estimator, BaseMixtureOfExperts):
        return
    expected = estimator.n_features_in_
    if n_features != expected:
        raise ValueError(
            f"X has {n_features} features, but the estimator was fitted with "
            f"{expected}; give X with the columns of the fit."
        )


def array_names(estimator, n_features):
    """Names of the columns of an array, those of the fit if it had any."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or len(names) != n_features:
        names = [f"x{j}" for j in range(n_features)]
    return [str(name) for name in names]


def _kind(X):
    """Kind of an array's type, a letter."""
    return getattr(getattr(X, "dtype", None), "kind", "f")


def _check_numbers(X):
    """Raise an error if an array has other values than numbers."""
    try:
        np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"X has values that are no numbers ({error}); give X with numbers alone, a "
            "pipeline that encodes the others, or a data frame if gate and experts do "
            "not see them."
        ) from error


def seen_names(estimator, mixture):
    """Names of the columns that the mixture itself sees, a list of str."""
    names = getattr(mixture, "feature_names_in_", None)
    if names is None and mixture is not estimator and len(estimator.steps) > 1:
        try:
            names = estimator[:-1].get_feature_names_out()
        except AttributeError:  # a step that does not say what it makes
            names = None
    if names is None:
        names = [f"x{j}" for j in range(mixture.n_features_in_)]
    return [str(name) for name in names]


def feature_index(feature, names, parameter):
    """Column of a feature that is given by index or name."""
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    if isinstance(feature, Integral) and 0 <= feature < len(names):
        return int(feature)
    raise ValueError(
        f"{parameter}={feature!r} is no feature of X; give an index from 0 to "
        f"{len(names) - 1} or one of the names {names}."
    )


def feature_pair(features, names):
    """Columns of the two features, a list."""
    if len(names) < 2:
        raise ValueError(
            f"X has {len(names)} feature, regions need two; use ExpertCurvesDisplay."
        )
    # A string has a length too, but is one feature.
    if isinstance(features, str) or np.shape(features) != (2,):
        raise ValueError(
            f"features={features!r} is no pair; give two indices or names of features."
        )
    columns = [feature_index(f, names, "features") for f in features]
    if columns[0] == columns[1]:
        raise ValueError(f"features={features!r} are the same; give two features.")
    return columns


def axis_grid(values, grid_resolution, margin=0.05):
    """Equally spaced points a little beyond the data, (grid_resolution,)."""
    check_count("grid_resolution", grid_resolution, "grid points", least=2)
    low, high = values.min(), values.max()
    # A constant feature still needs an axis.
    beyond = margin * (high - low) if high > low else 0.5
    return np.linspace(low - beyond, high + beyond, grid_resolution)


def require_y(y):
    """Pictures of responsibilities need the targets."""
    if y is None:
        raise ValueError("y=None: the picture needs the targets; give y.")


def require_choice(parameter, value, choices):
    """A parameter has one of a few values."""
    if value not in choices:
        names = " or ".join(map(repr, choices))
        raise ValueError(f"{parameter}={value!r} is unknown; give {names}.")
