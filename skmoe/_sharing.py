"""Columns and coefficients of single experts: the parameters that say who has which."""

from numbers import Integral

import numpy as np

from skmoe._docs import see
from skmoe._validation import check_columns, check_sees_something
from skmoe.engine.sharing import numbered

# Its matrix takes 800 MB.
_LARGEST_SYSTEM = 10_000


def check_sharing(estimator):
    """Raise an error if coefficients or noise cannot be shared as asked for."""
    settings = vars(estimator)
    if estimator.symmetric:
        for name in ("shared_features", "shared_intercept", "expert_features"):
            value = settings.get(name)
            is_dict = isinstance(value, dict)
            if is_dict or (
                name.startswith("shared") and not (value is None or value is False)
            ):
                raise _error(
                    f"{name}={value!r} with symmetric=True: the second expert is the "
                    f"first, negated, and shares all; set symmetric=False or leave "
                    f"{name} out."
                )
    noise_sets(settings.get("noise"), estimator.n_experts)


def check_expert_columns(estimator, X, has_intercept):
    """Columns that experts see, indices or None, and sets of coefficients or None.

    The second are those of `Specification.coef_sets`.
    """
    seen = _seen(estimator, X)
    columns = None
    if isinstance(estimator.expert_features, dict):
        every = np.unique(np.concatenate(list(seen.values())))
        columns = every if every.size < estimator.n_features_in_ else None
    else:
        columns = check_columns(estimator, "expert_features", X)
        every = np.arange(estimator.n_features_in_) if columns is None else columns
        check_sees_something(estimator, "expert_features", columns, has_intercept)
    n_experts = estimator.n_experts
    sets = np.arange(n_experts * (every.size + 1)).reshape(n_experts, -1)
    for k, own in seen.items():
        if not (own.size or has_intercept):
            raise _error(
                f"expert_features[{k}] selects no feature and there is no intercept; "
                "select a feature or set fit_intercept=True."
            )
        sets[k, :-1][~np.isin(every, own)] = -1
    _share_columns(estimator, X, every, sets)
    _share_intercept(estimator, has_intercept, sets)
    is_own = np.unique(sets).size == sets.size and sets.min() >= 0
    return columns, None if is_own else numbered(sets)


def check_system(specification):
    """Raise an error if the one Newton system of all experts would not be stored."""
    sets, n_classes = specification.coef_sets, specification.distribution.n_categories
    if sets is None:
        return
    size = (sets.max() + 1) * max(n_classes - 1, 1)
    if size > _LARGEST_SYSTEM:
        raise _error(
            f"Experts that share some of their coefficients are solved for together, "
            f"and they have {size}, more than {_LARGEST_SYSTEM}; lower n_experts, "
            "choose columns by expert_features, share more by shared_features, or "
            "share none."
        )


def keeps_numbers(settings):
    """Whether parameters tell experts apart, so that they keep their numbers."""
    return any(
        isinstance(settings.get(name), dict | list | tuple) and kind(settings[name])
        for name, kind in (
            ("expert_features", _is_dict),
            ("shared_features", _is_dict),
            ("shared_intercept", bool),
            ("noise", bool),
        )
    )


def noise_sets(noise, n_experts):
    """Number of the noise of each expert (K,); None where each has its own."""
    if noise is None or isinstance(noise, str):
        return None
    sets = np.arange(n_experts)
    for group in _groups("noise", noise, n_experts):
        sets[group] = sets[group[0]]
    return numbered(sets)


def _is_dict(value):
    """Whether a parameter is a dict."""
    return isinstance(value, dict)


def _seen(estimator, X):
    """Columns of the experts that have a selection of their own, {expert: indices}."""
    given = estimator.expert_features
    if not isinstance(given, dict):
        return {}
    for k in given:
        _check_expert("expert_features", k, estimator.n_experts)
    every = np.arange(estimator.n_features_in_)
    found = {k: every for k in range(estimator.n_experts)}
    for k, selection in given.items():
        own = check_columns(estimator, "expert_features", X, selection)
        found[int(k)] = every if own is None else own
    return found


def _share_columns(estimator, X, every, sets):
    """Give coefficients that are shared one number, in place."""
    name, given = "shared_features", estimator.shared_features
    if given is None:
        return
    if not isinstance(given, dict):
        given = [(given, "all")]
    else:
        given = [
            (list(key) if isinstance(key, tuple) else [key], value)
            for key, value in given.items()
        ]
    place = {column: j for j, column in enumerate(every.tolist())}
    done = set()
    for selection, value in given:
        chosen = check_columns(estimator, name, X, selection)
        groups = _groups(name, value, estimator.n_experts)
        for column in range(estimator.n_features_in_) if chosen is None else chosen:
            if column not in place or (sets[:, place[column]] < 0).all():
                raise _error(
                    f"{name} selects {_named(estimator, column)}, which no expert "
                    "sees; add it to expert_features, or leave it out."
                )
            if column in done:
                raise _error(
                    f"{name} selects {_named(estimator, column)} more than once; name "
                    "each column once, with all the groups of experts that share it, "
                    "such as [[0, 1], [2, 3]]."
                )
            done.add(column)
            _join(name, estimator, column, groups, sets[:, place[column]])


def _join(name, estimator, column, groups, sets):
    """Give the experts of each group, or all that see it, one number, in place."""
    if groups is None:
        groups = [np.flatnonzero(sets >= 0)]
    for group in groups:
        if blind := [k for k in group if sets[k] < 0]:
            raise _error(
                f"{name} shares {_named(estimator, column)} among experts {list(group)}"
                f", but expert {blind[0]} does not see it; add it to "
                f"expert_features[{blind[0]}], or leave the expert out."
            )
        sets[group] = sets[group[0]]


def _share_intercept(estimator, has_intercept, sets):
    """Give intercepts that are shared one number, in place."""
    given = estimator.shared_intercept
    if given is False or given is None or np.size(given) == 0:
        return
    if not has_intercept:
        raise _error(
            f"shared_intercept={given!r}, but experts have no intercepts; set "
            "fit_intercept=True or shared_intercept=False."
        )
    if isinstance(given, list | tuple):
        groups = _groups("shared_intercept", given, estimator.n_experts)
    elif given:
        groups = [np.arange(estimator.n_experts)]
    else:
        return
    for group in groups:
        sets[group, -1] = sets[group[0], -1]


def _groups(name, value, n_experts):
    """Groups of experts, lists of numbers; None for one of all that can be."""
    if isinstance(value, str) and value == "all":
        return None
    is_list = isinstance(value, list | tuple | np.ndarray) and len(value) > 0
    if not is_list:
        raise _error(
            f"{name} has {value!r} where it should say which experts share; give "
            "their numbers, such as [0, 1], or several groups, [[0, 1], [2, 3]]."
        )
    are_groups = {isinstance(one, list | tuple | np.ndarray) for one in value}
    if len(are_groups) > 1:
        raise _error(
            f"{name} has {value!r}, which mixes experts and groups of them; give "
            "numbers, such as [0, 1], or groups alone, [[0, 1], [2, 3]]."
        )
    groups = value if are_groups == {True} else [value]
    named = [k for group in groups for k in np.ravel(np.asarray(group, dtype=object))]
    for k in named:
        _check_expert(name, k, n_experts)
    if len(set(named)) < len(named) or not all(len(group) for group in groups):
        raise _error(
            f"{name} has the groups of experts {value!r}; name each expert once, and "
            "no empty group."
        )
    return [[int(k) for k in group] for group in groups]


def _check_expert(name, k, n_experts):
    """Raise an error if an expert has no such number."""
    is_number = isinstance(k, Integral) and not isinstance(k, bool)
    if not is_number or not 0 <= k < n_experts:
        raise _error(
            f"{name} names the expert {k!r}, but n_experts={n_experts}; give numbers "
            f"from 0 to {n_experts - 1}, or raise n_experts."
        )


def _named(estimator, column):
    """A column for messages: its name, or its index."""
    names = getattr(estimator, "feature_names_in_", None)
    return f"column {column}" if names is None else repr(str(names[column]))


def _error(message):
    """What is wrong, and where to read on."""
    return ValueError(message + see("Shared coefficients"))
