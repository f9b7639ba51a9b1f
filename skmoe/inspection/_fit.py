"""A fitted estimator on the data of its fit, as the engine sees it."""

import warnings
from math import isclose
from typing import NamedTuple

from skmoe._docs import see
from skmoe._pipeline import check_mixture
from skmoe.engine.coordinates import Coordinates, coordinates
from skmoe.engine.information import InformationMatrices, evaluated, matrices_of
from skmoe.engine.problem import Problem
from skmoe.engine.state import State


class Fit(NamedTuple):
    """The engine's problem, the fitted parameters in it, and their information."""

    problem: Problem
    state: State
    coordinates: Coordinates
    matrices: InformationMatrices  # of the parameters that the data determines
    n_samples: float  # sum of weights

    def of_learnt(self, parameters):
        """A gradient, as Parameters, by what the data determines."""
        where = self.coordinates
        return (where.copies.T @ parameters.flat())[where.learnt]

    @property
    def intercepts(self):
        """Whether gate and experts have intercepts, two bool."""
        return self.problem.gate_design.intercept, self.problem.expert_design.intercept


def check_estimator(estimator):
    """Only the mixtures themselves can be inspected."""
    check_mixture(estimator, remedy=", fitted; of a search its best_estimator_")


def inspect_fit(estimator, X, y, known):
    """Everything that inspection needs of a fitted estimator and its data."""
    check_estimator(estimator)
    problem, theta, n_samples = estimator._fitted_problem(X, y, known)
    _warn_of_other_rows(n_samples, estimator.n_samples_seen_)
    if not problem.mixture.penalties.is_smooth:
        raise ValueError(
            f"l1_ratio={estimator.l1_ratio} and gate_l1_ratio="
            f"{estimator.gate_l1_ratio}: an L1 penalty leaves no standard errors "
            "and no local rates; fit the selected columns without it (refit_on_support "
            "of skmoe.model_selection)." + see("Selecting columns")
        )
    if not problem.mixture.gate.is_continuous:
        raise ValueError(
            f"top_k={estimator.top_k}: the likelihood jumps where other experts begin "
            "to count, which leaves no standard errors and no local rates; fit with "
            "top_k=None." + see("Sparse and deep mixtures")
        )
    state = evaluated(problem.mixture, theta)
    where = coordinates(problem, theta, problem.mixture.shares(state))
    matrices = matrices_of(problem.mixture, state)
    matrices = matrices.of_free(where.copies).take(where.learnt)
    return Fit(problem, state, where, matrices, n_samples)


def _warn_of_other_rows(n_samples, n_seen):
    """Warn where the data cannot be that of the fit."""
    if not isclose(n_samples, n_seen, rel_tol=1e-6):
        warnings.warn(
            f"The rows weigh {n_samples:g} in all, those of the fit {n_seen:g}; give "
            "X, y, sample_weight and the like as in the fit, or take what follows as "
            "that of other rows." + see("Standard errors and convergence rates"),
            stacklevel=4,
        )
