"""What a mixture of experts is, before it has parameters."""

from typing import Any, NamedTuple

import numpy as np


class Specification(NamedTuple):
    """Everything that a `Problem` must know beside the rows.

    Penalties are totals; columns are indices, or None for all.
    """

    distribution: Any  # of y under an expert, see `skmoe.distributions`
    n_experts: int
    symmetric: bool = False  # the second of two experts is the first, negated
    shares_noise: bool = False  # experts have their dispersions in common
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
