"""Gate coefficients less those of one reference, as tables of multinomial logits."""

from numbers import Integral

import numpy as np

from skmoe.inspection._estimates import Estimates
from skmoe.inspection._names import labels_of


def less_reference(result, entries, reference):
    """`Estimates` of the entries of an `Inference`, gates less that of the reference.

    Also the weights (R', R) that make them of its entries.  In a tree the reference is
    a branch of each node.  Rows of the reference itself are left out.
    """
    reference = _checked_reference(entries, reference)
    kept = [entry for entry in entries if not _is_of(entry, reference)]
    place = {entry: j for j, entry in enumerate(entries)}
    weights = np.zeros((len(kept), len(entries)))
    names = []
    for row, entry in zip(weights, kept):
        row[place[entry]] = 1
        name = str(entry)
        if entry.part == "gate":
            name = _relative_name(entry, reference)
            row[place[_with_branch(entry, reference)]] = -1
        names.append(name)
    covariance = weighted_sums(weights, result.covariance)
    covariance = weighted_sums(weights, covariance.T)
    scales = result._scales[[place[entry] for entry in kept]]
    estimate = weights @ result.estimate
    return Estimates(names, labels_of(kept), estimate, covariance, scales), weights


def weighted_sums(weights, values):
    """Weighted sums of values (R, ...); NaN where a value that is NaN has weight."""
    known = weights @ np.nan_to_num(values)
    return np.where((weights != 0) @ np.isnan(values), np.nan, known)


def _branch(entry):
    """Expert of a gate's entry, or in a tree its branch."""
    return entry.expert if entry.output is None else entry.output


def _is_of(entry, reference):
    """Whether an entry is one of the reference's gate."""
    return entry.part == "gate" and _branch(entry) == reference


def _with_branch(entry, branch):
    """The same entry of another expert's gate, or of another branch of the node."""
    if entry.output is None:
        return entry._replace(expert=branch)
    return entry._replace(output=branch)


def _relative_name(entry, reference):
    """Name of a difference from the reference, such as 'gate 1 - gate 0: x1'."""
    if entry.output is None:
        return f"gate {entry.expert} - gate {reference}: {entry.feature}"
    node = entry.expert
    return f"gate {node}, {entry.output} - {node}, {reference}: {entry.feature}"


def _checked_reference(entries, reference):
    """The reference, if it is that of a gate."""
    gates = [entry for entry in entries if entry.part == "gate"]
    branches = list(dict.fromkeys(map(_branch, gates)))
    is_number = isinstance(reference, Integral) and not isinstance(reference, bool)
    if not (is_number or isinstance(reference, str)) or reference not in branches:
        raise ValueError(
            f"gate_reference={reference!r} is no expert with a gate (in a tree, no "
            f"branch); give one of {branches}, or None for gates that sum to zero."
        )
    return int(reference) if is_number else reference
