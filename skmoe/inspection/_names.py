"""Names of the parameters of a fitted estimator."""

from itertools import compress
from typing import NamedTuple

import numpy as np


class Entry(NamedTuple):
    """One entry of the fitted attributes."""

    part: str  # 'gate', 'expert' or 'noise'
    # Of a tree of gates the node; 'all' or '0 and 2' where shared; a name where there
    # are no coefficients.
    expert: int | str
    output: object  # output, label of the class or branch; None if there is one
    feature: str  # '(intercept)'; for the noise '(variance)' or alike

    def __str__(self):
        output = "" if self.output is None else f", {self.output}"
        owner = f"{self.part} {self.expert}"
        if " and " in str(self.expert):
            owner = f"{self.part}s {self.expert}"
        if self.expert == "all":
            owner = f"all {self.part}s"
        return f"{owner}{output}: {self.feature}"


def labels_of(entries):
    """Columns of a table that say what entries are, a dict."""
    parts, experts, outputs, features = zip(*entries)
    columns = {"part": parts, "expert": experts}
    if any(output is not None for output in outputs):
        labels = ["" if output is None else output for output in outputs]
        columns["output"] = np.array(labels, dtype=object)
    return columns | {"feature": features}


def noise_of(estimator):
    """What the noise parameter of a fitted estimator is, and its values."""
    distribution = estimator._fitted_distribution()
    if not distribution.has_dispersion:
        return "", np.zeros(0)
    return distribution.dispersion_kind, getattr(
        estimator, distribution.dispersion_name
    )


def values_of(attributes, noise_name, intercepts):
    """All fitted attributes in the order of `reported_entries`, (entries,).

    Of a dict that holds the noise by its name, where there is one.
    """
    parts = [
        beside(attributes["gate_coef_"], attributes["gate_intercept_"], intercepts[0]),
        beside(attributes["coef_"], attributes["intercept_"], intercepts[1]),
        attributes.get(noise_name, np.zeros(0)),
    ]
    flat = [np.asarray(part, dtype=np.float64).ravel() for part in parts]
    return np.concatenate(flat)


def beside(coef, intercept, has_intercept):
    """Coefficients with the intercept last, where there is one, (..., p)."""
    if not has_intercept:
        return coef
    return np.concatenate([coef, intercept[..., None]], axis=-1)


def feature_names(estimator):
    """Names of all columns that a fitted estimator has seen, a list."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return [f"x{j}" for j in range(estimator.n_features_in_)]
    return list(names)


def reported_entries(estimator, y, fit):
    """Entries in the order of `Coordinates.reported`, a list.

    Of a `Fit`; `y` is as the user gave it.
    """
    gate, own = features_of_both(estimator, fit.intercepts)
    outputs = coefficient_outputs(estimator, y)
    experts = range(estimator.coef_.shape[0])
    owners = fit.problem.experts.sharing.owners()
    labels = estimator._model().gate.labels
    entries = [Entry("gate", *label, name) for label in labels for name in gate]
    entries += [
        Entry("expert", _named(owners[k % len(owners)][j], k, experts), output, name)
        for k in experts
        for output in outputs
        for j, name in enumerate(own)
    ]
    kind, noise = noise_of(estimator)
    if noise.size:
        entries += [
            Entry("noise", k, output, f"({kind})")
            for k in experts
            for output in outputs
        ]
    return list(compress(entries, fit.coordinates.is_listed))


def _named(owners, k, experts):
    """Which expert an entry of expert k is of; of several that share it their list."""
    if len(owners) < 2:
        return k
    return "all" if len(owners) == len(experts) else " and ".join(map(str, owners))


def relative_names(estimator, y, fit):
    """Names in the order of `Coordinates.relative`, a list of str.

    Of a `Fit`; `y` is as the user gave it.
    """
    gate, own = features_of_both(estimator, fit.intercepts)
    outputs, n_experts = coefficient_outputs(estimator, y), estimator.coef_.shape[0]
    labels = estimator._model().gate.relative_labels
    names = [f"{label}: {name}" for label in labels for name in gate]
    owners = fit.problem.experts.sharing.owners()
    _, noises = np.unique(fit.problem.experts.noise_sets, return_index=True)
    if len(outputs) > 1 and estimator._fitted_distribution().is_relative:
        reference = outputs[0]
        outputs = [f"{output} - {reference}" for output in outputs[1:]]
    names += [
        str(Entry("expert", _named(owner[j], k, range(n_experts)), output, name))
        for k, owner in enumerate(owners)
        for output in outputs
        for j, name in enumerate(own)
    ]
    kind, _ = noise_of(estimator)
    names += [
        str(Entry("noise", k, output, f"log({kind})"))
        for k in noises
        for output in outputs
        if kind
    ]
    return list(compress(names, fit.coordinates.is_first))


def features_of_both(estimator, intercepts):
    """Names of the columns that gate and experts see, intercept last, two lists."""
    found, names = [], feature_names(estimator)
    for chosen, has_intercept in zip(estimator._fitted["columns"], intercepts):
        seen = names if chosen is None else [names[j] for j in chosen]
        found.append(seen + ["(intercept)"] * has_intercept)
    return found


def name_of(y):
    """Name of a series, or 'y'."""
    name = getattr(y, "name", None)
    return "y" if name is None else str(name)


def outputs_of(estimator, y):
    """Outputs or classes that have means, a list; [None] for one output."""
    return list(getattr(estimator, "classes_", coefficient_outputs(estimator, y)))


def coefficient_outputs(estimator, y):
    """Outputs or classes with coefficients of their own, a list; [None] for one.

    Outputs have the names of y's columns, if these tell them apart.
    """
    if estimator._fitted["is_flat"]:
        return [None]
    if estimator._fitted_distribution().n_categories:
        return list(estimator.classes_)
    names = list(map(str, getattr(y, "columns", [])))
    n_outputs = estimator._fitted["n_targets"]
    return names if len(set(names)) == n_outputs else list(range(n_outputs))
