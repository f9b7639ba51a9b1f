"""Predictions and effects of columns, averaged over rows."""

import numpy as np

from skmoe._validation import check_weights
from skmoe.inspection._estimates import Estimates
from skmoe.inspection._intervals import rest_of
from skmoe.inspection._predictions import check_of, value_labels


def average_predictions(delta, inputs, sample_weight, of):
    """Weighted means of what is asked for, `Estimates`, by a `DeltaMethod`."""
    check_of(of)
    numbers = delta.averages(inputs, _shares(sample_weight, inputs), of)
    scale = delta.scale(of)
    has_counts = inputs.trials is not None and (inputs.trials != 1).any()
    if has_counts and scale == "logit" and of != "gate":
        scale = "log"
    labels, rest = value_labels(delta, of), None
    if delta.sums_to_one(of):
        n_each = len(delta.experts if of == "gate" else delta.outputs)
        rest = rest_of(numbers.value.reshape(-1, n_each)).ravel()
    names = _names(labels, of)
    return _estimates(delta, numbers, names, labels, scale, rest)


def average_effects(delta, inputs, sample_weight, of):
    """Weighted means of changes along the columns, `Estimates`."""
    check_of(of)
    weight = _shares(sample_weight, inputs)
    columns = delta.columns(of)
    if not columns.size:
        raise ValueError(
            f"of={of!r} sees no column, so that none has an effect; give another one."
        )
    numbers = delta.average_effects(inputs, weight, of)
    labels = value_labels(delta, of)
    features = [delta.feature_names[j] for j in columns]
    names = [
        f"{name}: {feature}" for name in _names(labels, of) for feature in features
    ]
    contrasts = np.where(delta.is_binary[columns], "1 - 0", "dy/dx")
    n_values = len(numbers.value)
    labels = {
        name: np.repeat(np.array(values, dtype=object), len(features))
        for name, values in labels.items()
    }
    labels["feature"] = np.tile(features, n_values)
    labels["contrast"] = np.tile(contrasts, n_values)
    return _estimates(delta, numbers, names, labels, "identity")


def average_differences(delta, inputs, others, sample_weight, of):
    """Weighted means at some rows less those at as many others, `Estimates`."""
    check_of(of)
    if inputs.X.shape[0] != others.X.shape[0]:
        raise ValueError(
            f"X has {inputs.X.shape[0]} rows, X_base {others.X.shape[0]}; give the "
            "same rows with other values."
        )
    weight = _shares(sample_weight, inputs)
    numbers = delta.averages(inputs, weight, of)
    numbers = numbers.minus(delta.averages(others, weight, of))
    labels = value_labels(delta, of)
    return _estimates(delta, numbers, _names(labels, of), labels, "identity")


def _shares(sample_weight, inputs):
    """Weights that sum to 1, (n,)."""
    weight = check_weights(sample_weight, inputs.X)
    return weight / weight.sum()


def _names(labels, of):
    """Names of values by their experts and outputs, a list of str."""
    owners = [of]
    if "expert" in labels:
        part = "gate" if of == "gate" else "expert"
        owners = [f"{part} {expert}" for expert in labels["expert"]]
    if "output" not in labels:
        return owners
    outputs = labels["output"]
    owners = owners * (len(outputs) // len(owners))
    return [f"{owner}, {output}" for owner, output in zip(owners, outputs)]


def _estimates(delta, numbers, names, labels, scale, rest=None):
    """`Estimates` of `Numbers`, whose axes lie one after the other."""
    gradient = numbers.gradient.reshape(len(names), -1)
    scales = np.full(len(names), scale)
    found = delta.covariance(gradient)
    return Estimates(names, labels, numbers.value.ravel(), found, scales, rest)
