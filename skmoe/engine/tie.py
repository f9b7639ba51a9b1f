"""Experts that share one set of coefficients up to sign (symmetric models)."""

import numpy as np


def tie_matrix(n_experts, symmetric):
    """Signs that expand free coefficients to experts, (n_experts, n_free_experts)."""
    return np.array([[1.0], [-1.0]]) if symmetric else np.eye(n_experts)


def is_tied(tie):
    """Whether experts share coefficients."""
    return tie.shape[0] != tie.shape[1]


def expand(tie, coef):
    """Coefficients of every expert, (J, ...) -> (K, ...)."""
    return np.tensordot(tie, coef, 1) if is_tied(tie) else coef


def expand_adjoint(tie, values):
    """Adjoint of `expand`, (K, ...) -> (J, ...)."""
    return np.tensordot(tie.T, values, 1) if is_tied(tie) else values


def untied(tie, values):
    """What values of each expert (K, q, b) add to each free one, (K, J * q, b)."""
    parts = tie[:, :, None, None] * values[:, None]
    return parts.reshape(tie.shape[0], -1, values.shape[-1])
