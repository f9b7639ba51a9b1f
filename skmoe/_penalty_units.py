"""A warning where penalties that nobody chose are too heavy for the units of X."""

import inspect

import numpy as np

from skmoe._docs import see
from skmoe.engine.penalty_units import costs_of_units

# Nats per row that scaled columns gain which are worth a warning: fits to them gain
# more, two to eight times as much on most data, since they reach other optima.
_WORTH_SAYING = 0.015
_MOST_NAMES = 3


def heavy_penalties(estimator, task, descent):
    """What is to be said of default penalties after a fit, or None."""
    settings, costs = _unchosen(estimator), {}
    if settings and descent.converged:  # else losses do not slope as penalties do
        found = costs_of_units(task.problem, descent.theta, descent.mass)
        costs = dict(zip(("gate_alpha", "alpha"), found))
        costs = {name: costs[name] for name in settings}
    gain = sum(cost.gain for cost in costs.values())
    said = {
        name: _of_one(estimator, task.problem.specification, name, cost)
        for name, cost in costs.items()
        if cost.outweighs_rows
        or cost.held.size
        or (gain > _WORTH_SAYING and cost.columns.size)
    }
    if not said:
        return None
    lost = ""
    if gain > _WORTH_SAYING:
        lost = f", which costs {gain:.2g} nats per row or more"
    return (
        "Columns of X vary little in their units, so that default penalties hold their "
        f"coefficients back: {'; '.join(said.values())}{lost}. Scale X (StandardScaler "
        f"in a pipeline), or choose {' and '.join(said)}."
        + see("Columns of small scale")
    )


def _unchosen(estimator):
    """Names of the ridge penalties that are left as they are by default."""
    parameters = inspect.signature(type(estimator)).parameters
    return [
        name
        for name, l1_ratio in (("alpha", "l1_ratio"), ("gate_alpha", "gate_l1_ratio"))
        # A subclass without the parameter has chosen it.
        if name in parameters
        and getattr(estimator, name) == parameters[name].default
        and getattr(estimator, l1_ratio) == 0
    ]


def _of_one(estimator, spec, name, cost):
    """A penalty, its value, and whose coefficients it holds back."""
    value = f"{name}={getattr(estimator, name)}"
    held = [*cost.columns, *(j for j in cost.held if j not in cost.columns)]
    if not held:
        return f"{value} of all columns"
    seen = spec.gate_columns if name == "gate_alpha" else spec.expert_columns
    columns = np.asarray(held) if seen is None else np.asarray(seen)[held]
    names = getattr(estimator, "feature_names_in_", None)
    shown = [
        f"column {j}" if names is None else repr(str(names[j]))
        for j in columns[:_MOST_NAMES]
    ]
    more = columns.size - len(shown)
    shown += [f"{more} more"] * (more > 0)
    return f"{value} of {', '.join(shown)}"
