"""A fitted mixture as text."""

import numpy as np

from skmoe.inspection._names import (
    beside,
    coefficient_outputs,
    features_of_both,
    noise_of,
)

# Experts side by side in one table; the others follow below.
_N_COLUMNS = 6


def summary_of(estimator, fit, y):
    """Text of a fitted estimator and its `FitToData`; y is as the user gave it."""
    model, mass = estimator._model(), estimator.expert_shares_
    names = [f"expert {k}" for k in range(len(estimator.coef_))]
    names += [] if model.fixed is None else model.fixed.names
    spec = model.specification
    gate, own = features_of_both(estimator, (spec.gate_intercept, spec.fit_intercept))
    shares = {"share of rows": mass}
    if fit.has_groups:
        shares["share of groups"] = fit.shares
    experts = shares | _expert_rows(estimator, y, own, spec.fit_intercept)
    parts = [
        _heading(estimator, fit),
        _table("Experts", names, experts),
        *_gate_tables(estimator, names, gate, spec.gate_intercept),
    ]
    return "\n\n".join(parts)


def _heading(estimator, fit):
    """What was fitted, how it ended, and how well it describes the data."""
    pairs = [
        ("samples", f"{fit.n_samples:g}", "log-likelihood", fit.log_likelihood),
        ("parameters", fit.n_parameters, "AIC", fit.aic),
        ("iterations", estimator.n_iter_, "BIC", fit.bic),
        ("converged", estimator.converged_, "ICL", fit.icl),
    ]
    if fit.has_groups:
        pairs.append(("groups", f"{fit.n_units:g}", "BIC of groups", fit.bic_groups))
    lines = [type(estimator).__name__]
    for name, value, criterion, number in pairs:
        lines.append(f"{name:<12}{value!s:>10}    {criterion:<16}{number:>12.6g}")
    return "\n".join(lines)


def _expert_rows(estimator, y, features, has_intercept):
    """Coefficients and dispersions by name, each (K,)."""
    outputs, n_experts = coefficient_outputs(estimator, y), len(estimator.coef_)
    values = beside(estimator.coef_, estimator.intercept_, has_intercept)
    values = values.reshape(n_experts, len(outputs), len(features))
    kind, noise = noise_of(estimator)
    rows = {}
    for place, output in enumerate(outputs):
        of = "" if output is None else f"{output}: "
        rows |= {f"{of}{name}": values[:, place, j] for j, name in enumerate(features)}
        if noise.size:
            rows[f"{of}({kind})"] = noise.reshape(n_experts, -1)[:, place]
    return rows


def _gate_tables(estimator, names, features, has_intercept):
    """Tables of the gate's coefficients, one for each node, a list."""
    coef, intercept = estimator.gate_coef_, estimator.gate_intercept_
    values = beside(coef, intercept, has_intercept)
    if values.ndim == 2:
        rows = dict(zip(features, values.T))
        return [_table("Gate", names, rows)] if rows else []
    branches = [f"branch {j}" for j in range(values.shape[1])]
    return [
        _table(f"Gate, node {number}", branches, dict(zip(features, node.T)))
        for number, node in enumerate(values)
    ]


def _table(title, headings, rows):
    """Numbers by name as text, (r,) each of at most so many headings."""
    width = max(map(len, [title, *rows]))
    blocks = []
    for start in range(0, len(headings), _N_COLUMNS):
        part = slice(start, start + _N_COLUMNS)
        shown = [f"{name:>12}" for name in headings[part]]
        lines = [f"{title:<{width}}" + "".join(shown)]
        for name, values in rows.items():
            cells = [f"{value:>12.4g}" for value in np.asarray(values)[part]]
            lines.append(f"{name:<{width}}" + "".join(cells))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
