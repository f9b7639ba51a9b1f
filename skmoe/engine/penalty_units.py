"""What penalties cost where columns vary little: they are of coefficients per unit.

Where a fit ends the loss slopes as much as the penalty does.  With its second
derivatives that tells what a step towards the optimum under the penalty of a column of
variance 1 gains, without a fit to such columns.
"""

from typing import NamedTuple

import numpy as np

from skmoe.data.design import block_rows, blocks_of

_TINY = np.finfo(np.float64).tiny
# Newton's steps with the information that coefficients of zero would have, at most: the
# second derivatives of a gate say nothing of what is farther.
_FARTHEST = 4.0
# A penalty is light beside rows that tell ten times as much.
_LIGHT = 0.1
# No value of a column in small units is farther from the mean, nor farther in standard
# deviations: columns with few large values are rare, in whatever units.
_SMALL_VALUE, _RARE = 0.3, 10.0
_MOST_CHECKED = 64  # columns whose values are looked at


class UnitCost(NamedTuple):
    """What a penalty costs gate or experts because columns have less variance than 1.

    Columns are counted among those that the design sees.
    """

    gain: float  # in log-likelihood if they had 1, nats per row
    columns: np.ndarray  # those that gain, the one that gains most first
    held: np.ndarray  # of small units, where the penalty outweighs all rows as below
    outweighs_rows: bool  # in every direction of X, though it was light if they had 1


class _Part(NamedTuple):
    """Coefficients of gate or experts, (..., p), and what is known of them."""

    design: object
    weight: np.ndarray  # of the design's rows, (n,)
    coef: np.ndarray
    ridge: np.ndarray  # the penalty's, (p,) or as the coefficients
    strength: float  # of the penalty of a column of variance 1
    information: np.ndarray  # at most, about that of a column of variance 1, (..., 1)
    curvature: object  # of the loss of a block's rows along predictors (..., b), (b,)


def costs_of_units(problem, theta, mass):
    """`UnitCost` of gate and of experts at fitted parameters.

    The experts' responsibilities sum to `mass` (E,).
    """
    parts = _gate(problem, theta, mass), _experts(problem, theta, mass)
    return [_cost(part, problem.n_seen) for part in parts]


def _gate(problem, theta, mass):
    """`_Part` of the gate: its branches of all nodes, (nodes * branches, p)."""
    gate, mixture = problem.mixture.gate, problem.mixture
    share = gate.node_masses(mass) * mixture.units.weight.sum()
    share = share * (1 - share / np.maximum(share.sum(axis=1, keepdims=True), _TINY))

    def curvature(block, predictor):
        rows = gate.at(theta.gate, block)
        rows.normalise()
        share = gate.node_masses(rows.probability)
        predictor = predictor.reshape(share.shape)
        of_node = np.maximum(share.sum(axis=1, keepdims=True), _TINY)
        mean = (share * predictor).sum(axis=1, keepdims=True) / of_node
        return (share * np.square(predictor - mean)).sum(axis=(0, 1))

    return _Part(
        problem.gate_design,
        mixture.units.weight,
        gate.contrasts @ theta.gate,
        mixture.penalties.of_coefs[0].ridge,
        problem.specification.gate_alpha / problem.n_seen,
        share.reshape(-1, 1),
        curvature,
    )


def _experts(problem, theta, mass):
    """`_Part` of the experts."""
    experts = problem.experts
    rows = np.abs(experts.tie).T @ mass[: len(experts.tie)]
    of_row = experts.information_of_row(theta.log_variance)
    information = (rows[:, None] * of_row)[:, :, None]

    def curvature(_, predictor):
        return (information * np.square(predictor)).sum(axis=(0, 1))

    return _Part(
        problem.expert_design,
        problem.mixture.weight,
        theta.experts,
        problem.mixture.penalties.of_coefs[1].ridge,
        problem.specification.alpha / problem.n_seen,
        information,
        curvature,
    )


def _cost(part, n_seen):
    """`UnitCost` of a part."""
    design, d = part.design, part.design.scale.shape[0]
    varies = np.isfinite(design.scale)
    square = np.square(np.where(varies, design.scale, 1.0))
    kept = np.append(np.minimum(square, 1.0), [1.0] * design.intercept) * part.ridge
    more = part.ridge - kept  # than a column of variance 1 would have
    step = more * part.coef
    bend = part.information + kept
    step = np.divide(step, bend, out=np.zeros_like(step), where=bend > 0)
    gain = 0.5 * more * part.coef * (part.coef + step)
    # The largest of so many coefficients of no effect gains about that by chance.
    chance = (1 + np.log(max(gain.size, 1))) / n_seen
    gain, step = (np.where(gain > chance, values, 0.0) for values in (gain, step))
    of_columns = gain[..., :d].sum(axis=tuple(range(gain.ndim - 1)))
    order = np.argsort(-of_columns, kind="stable")
    rows = part.information.max(initial=0.0)  # in the direction of one column
    at_most, scaled = rows * square[varies].sum(), rows * varies.sum()
    return UnitCost(
        _gain_along(part, step, more, kept) if step.any() else 0.0,
        order[: np.count_nonzero(of_columns)],
        _held_back(part, rows, np.where(varies, square, np.inf)),
        bool(at_most < part.strength < _LIGHT * scaled),
    )


def _held_back(part, rows, square):
    """Columns of variances (d,) whose penalty outweighs what so many rows tell.

    It was light if they had 1, and all of their values are small.
    """
    if not part.strength < _LIGHT * rows:
        return np.zeros(0, dtype=np.intp)
    held = np.flatnonzero(rows * square < part.strength)[:_MOST_CHECKED]
    design, is_small = part.design, np.ones(held.size, dtype=bool)
    farthest = np.minimum(_SMALL_VALUE, _RARE * design.scale[held])[:, None]
    basis = np.zeros((held.size, design.n_columns))
    basis[np.arange(held.size), held] = design.scale[held]
    for block in blocks_of(design.n_rows, block_rows(design.row_size)):
        if not is_small.any():
            break
        values = np.abs(design.block(block).dot(basis[is_small]))
        is_small[is_small] = (values < farthest[is_small]).all(axis=1)
    return held[is_small]


def _gain_along(part, step, more, kept):
    """What the loss falls by along a step (..., p), where penalties are as `kept`."""
    bend = _curvature_along(part, step)
    slope = np.sum(part.ridge * part.coef * step)
    paid = np.sum(kept * np.square(step))
    length = np.sum(more * part.coef * step) / max(bend + paid, _TINY)
    length = min(length, _FARTHEST)
    return float(length * slope - 0.5 * length**2 * bend)


def _curvature_along(part, step):
    """Second derivative of F's loss along a step (..., p), about."""
    design, total = part.design, 0.0
    flat, mean = step.reshape(-1, step.shape[-1]), 0.0
    blocks = blocks_of(design.n_rows, block_rows(design.row_size))
    if design.intercept:  # which takes up what the rows have in common
        sums = (design.block(rows).dot(flat) @ part.weight[rows] for rows in blocks)
        mean = sum(sums)[:, None] / part.weight.sum()
    for rows in blocks:  # again: blocks of all rows would be another X in memory
        block = design.block(rows)
        predictor = (block.dot(flat) - mean).reshape(*step.shape[:-1], -1)
        total += part.curvature(block, predictor) @ part.weight[rows]
    return total
