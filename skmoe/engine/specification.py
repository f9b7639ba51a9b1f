"""What a mixture of experts is, before it has parameters."""

from typing import Any, NamedTuple

import numpy as np

from skmoe.engine.gate import Gate
from skmoe.engine.sharing import numbered


class Specification(NamedTuple):
    """Everything that a `Problem` must know beside the rows.

    Penalties are totals; columns are indices, or None for all.
    """

    distribution: Any  # of y under an expert, see `skmoe.distributions`
    n_experts: int
    symmetric: bool = False  # the second of two experts is the first, negated
    shares_noise: bool = False  # experts have their dispersions in common
    # Number of each coefficient, the intercept last, or -1 where an expert does not see
    # the column, (K, columns + 1); experts share what has the same number.
    coef_sets: np.ndarray | None = None
    noise_sets: np.ndarray | None = None  # number of each expert's dispersion, (K,)
    is_numbered: bool = False  # experts keep their numbers
    depth: int = 1  # levels of gates
    top_k: int | None = None  # experts that count for a row; all by default
    gate_columns: np.ndarray | None = None
    expert_columns: np.ndarray | None = None
    fit_intercept: bool = True  # of experts
    gate_intercept: bool = True
    alpha: float = 0.0  # penalty of experts
    gate_alpha: float = 0.0
    l1_ratio: float = 0.0  # share of the lasso in it
    gate_l1_ratio: float = 0.0
    noise_prior: float = 0.0  # rows that the prior on each dispersion counts as
    fixed: Any = None  # experts without parameters, which come after the others

    @property
    def n_all_experts(self):
        """Experts of the gate, those without parameters among them."""
        return self.n_experts + (0 if self.fixed is None else len(self.fixed))

    @property
    def n_targets(self):
        """Number of outputs or classes."""
        return self.distribution.n_categories or self.distribution.n_predictors

    def of_first(self, n_experts):
        """That of the first experts, where all are alike, and a single gate."""
        sets = self.coef_sets
        if sets is not None:
            sets = numbered(sets[:n_experts])
        return self._replace(n_experts=n_experts, coef_sets=sets)

    def gate(self, smooth=True):
        """The gate, which a penalty leaves `smooth` or not."""
        names = [] if self.fixed is None else self.fixed.names
        return Gate(self.n_all_experts, self.depth, smooth, self.top_k, names)

    def widths(self, n_features):
        """Coefficients of each logit of the gate and of each predictor of experts."""
        return [
            has_intercept + (n_features if chosen is None else chosen.shape[0])
            for chosen, has_intercept in (
                (self.gate_columns, self.gate_intercept),
                (self.expert_columns, self.fit_intercept),
            )
        ]

    @property
    def shares_intercept(self):
        """Whether experts have intercepts in common, though not slopes."""
        if self.coef_sets is None or not self.fit_intercept:
            return False
        return np.unique(self.coef_sets[:, -1]).size < self.n_experts
