"""Groups of rows that share a latent expert: checks, and sums over them."""

import numpy as np
from scipy.sparse import issparse

from skmoe._docs import see


def check_labels_alike(groups, groups_past, n_samples):
    """Labels of groups and of their earlier rows, two arrays, of one kind."""
    groups, past = _labels(groups), _labels(groups_past)
    check_groups(groups, n_samples)
    kinds = [labels.dtype.kind in "biuf" for labels in (groups, past)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"groups are of dtype {groups.dtype}, groups_past of {past.dtype}: no "
            "group would be found among the earlier ones; give labels of one kind."
            + see("Groups that are known")
        )
    return groups, past


def check_groups(groups, n_samples):
    """Codes of the groups from 0 on, (n,), and their labels (G,); or twice None."""
    if groups is None:
        return None, None
    groups = _labels(groups)
    if len(groups) != n_samples:
        raise ValueError(
            f"groups has {len(groups)} labels, X has {n_samples} rows; give one label "
            "for each row of X." + see("Groups")
        )
    if _has_missing(groups):
        raise ValueError(
            "groups has missing labels; give each sample a group of its own or leave "
            "it out." + see("Groups")
        )
    try:
        return _codes(groups)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in groups.tolist()})
        raise ValueError(
            f"groups has labels that cannot be sorted, of types {kinds}; give numbers "
            "or strings." + see("Groups")
        ) from None


def _codes(labels):
    """Codes of labels by their order, (n,), and the labels that differ, (G,).

    It raises TypeError if they have no order.
    """
    if labels.dtype.kind != "O":
        found, codes = np.unique(labels, return_inverse=True)
        return codes, found
    # Objects are hashed: only labels that differ are compared.
    names = labels.tolist()
    found = sorted(set(names))
    code = {name: number for number, name in enumerate(found)}
    codes = np.fromiter(map(code.__getitem__, names), np.intp, len(names))
    return codes, np.fromiter(found, object, len(found))


def name_of_group(sample, code):
    """Label of a group of a `Sample`, by its code, as messages show it."""
    label = sample.group_labels[code]
    if isinstance(label, np.generic) and label.dtype.kind not in "mM":
        label = label.item()
    return repr(label)


def _has_missing(labels):
    """Whether labels are missing among some (n,)."""
    if labels.dtype.kind in "fcmM":
        return bool((labels != labels).any())
    if labels.dtype.kind != "O":
        return False
    # NaN is not itself, None and NA are neither sorted nor equal.
    return any(label is None or label != label for label in labels.tolist())


def _labels(groups):
    """Labels of groups as an array, (n,)."""
    try:
        labels = np.asarray(groups)
    except ValueError:  # sequences of several lengths
        labels = np.array(None)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"groups should be a 1d array, got a {type(groups).__name__} of shape "
            f"{labels.shape}; give a list or array with one label, a number or string, "
            "for each row of X." + see("Groups")
        )
    return labels


def check_gate_sees_groups(estimator, sample, columns):
    """Raise an error if what the gate sees changes within a group of a `Sample`.

    `columns` are indices, or None for all of X.
    """
    X, group = sample.X, sample.group
    of_first = np.unique(group, return_index=True)[1][group]
    seen = X if columns is None else X[:, columns]
    gap = abs(seen - seen[of_first]).max(axis=0)
    differs = (gap.toarray() if issparse(gap) else gap).ravel() > 0
    if not differs.any():
        return
    place = np.flatnonzero(differs)[0]
    values = seen[:, [place]]
    values = (values.toarray() if issparse(values) else values).ravel()
    mixed = np.unique(group[values != values[of_first]])
    of_mixed = values[group == mixed[0]]
    column = place if columns is None else columns[place]
    names = getattr(estimator, "feature_names_in_", np.arange(X.shape[1])).tolist()
    raise ValueError(
        f"gate_features={estimator.gate_features!r} has feature {names[column]!r}, "
        f"which varies within {mixed.size} of {group.max() + 1} groups, such as "
        f"{name_of_group(sample, mixed[0])} (from {of_mixed.min():g} to "
        f"{of_mixed.max():g}); the gate decides once for a group, so choose features "
        "that are constant within groups, or [] for a constant gate." + see("Groups")
    )


def joint_of_groups(log_gate, log_density, weight, group):
    """Gate and weighted expert log-densities of groups, two arrays (G, K).

    Rows without weight are left out; a group of those alone has the density 1.  Where
    all rows are possible the group is too: what overflows is the least number.
    """
    with_weight_first = np.argsort(weight == 0, kind="stable")
    _, first = np.unique(group[with_weight_first], return_index=True)
    seen = np.flatnonzero(weight)
    rows = log_density[seen].T
    with np.errstate(over="ignore"):
        total = _sums(weight[seen] * rows, group[seen], first.shape[0])
    possible = _sums(np.isneginf(rows), group[seen], first.shape[0]) == 0
    least = -np.finfo(np.float64).max
    total = np.where(possible, np.maximum(total, least), total)
    return log_gate[with_weight_first[first]], total.T


def averaged_by_group(init, weight, group):
    """Mean of responsibilities over the rows of each group, (K, n) -> (K, G)."""
    return _sums(weight * init, group, group.max() + 1) / np.bincount(group, weight)


def _sums(values, group, n_groups):
    """Sums over the rows of each group, (K, n) -> (K, G)."""
    return np.stack([np.bincount(group, row, n_groups) for row in values])
