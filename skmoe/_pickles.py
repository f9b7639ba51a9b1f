"""Pickles of earlier releases."""

import inspect

import numpy as np
from sklearn.base import BaseEstimator

from skmoe._fitted import Fitted, settings_of


class LoadsOldPickles(BaseEstimator):
    """An estimator whose missing parameters take their defaults when it is loaded."""

    def __setstate__(self, state):
        """Load a state, of a release that may not have had all parameters."""
        parameters = inspect.signature(type(self)).parameters.items()
        defaults = {name: parameter.default for name, parameter in parameters}
        super().__setstate__(defaults | state)


def fitted_before(estimator):
    """What `Fitted` holds, of an estimator that kept it in attributes of its own."""
    state = vars(estimator)
    old = {name: state.pop(f"_{name}") for name in _OLD_NAMES if f"_{name}" in state}
    settings = settings_of(estimator)
    if "noise_df" in old:
        settings["noise_df"] = old["noise_df"]
    intercept = state["intercept_"]
    is_flat = intercept.ndim == 1
    n_targets = 1 if is_flat else intercept.shape[1]
    if "classes_" in state:
        n_targets = len(state["classes_"])
    names = [name for name in state if name.endswith("_double")]
    exact = {name[1 : -len("double")]: state.pop(name) for name in names}
    n_experts = intercept.shape[0]
    fitted = Fitted(
        settings,
        (old.get("gate_columns"), old.get("expert_columns")),
        n_targets,
        is_flat,
        old.get("column_units"),
        old.get("target_units"),
        np.broadcast_to(old.get("expert_mass", 1 / n_experts), n_experts).copy(),
        old["n_free_parameters"],
        old.get("lack_of_rows"),
        old.get("low_noise"),
        exact,
        ("groups",) if old.get("had_groups") else (),
    )
    return fitted._asdict()


_OLD_NAMES = (
    "gate_columns",
    "expert_columns",
    "had_groups",
    "noise_df",
    "column_units",
    "target_units",
    "n_free_parameters",
    "expert_mass",
    "lack_of_rows",
    "low_noise",
)
