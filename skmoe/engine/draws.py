"""Units drawn for starting points.

Draws depend on the values and weights of the rows, not (up to a few thousand) on their
order or number, so that integer weights equal repeated rows.
"""

import numpy as np

from skmoe.data.design import n_varying

# Beyond so many rows they are drawn in the order given.
_ORDERED_ROWS = 5_000
# A sample of groups has so many of them, or so many for each coefficient of the gate.
_MIN_GROUPS, _GROUPS_PER_COEF = 100, 20
# Where fewer of the weight are units that experts with parameters can have, half of a
# sample are such.
_FEW = 0.25
# Rows that starts are tried on, at least, and for each coefficient.
_MIN_SAMPLE, _ROWS_PER_COEF = 1000, 20
# Where columns are many so many rows suffice for each of an expert's: all classes or
# outputs learn from a row.
_ROWS_PER_COLUMN = 5
# Projections of equal rows differ by rounding only.
_SAME_KEY = 1e-12


def n_units(mixture):
    """Number of units: of rows, or of groups of rows."""
    return mixture.units.weight.shape[0]


def in_units(mixture, n_rows):
    """How many units have about so many rows."""
    return -(-n_rows * n_units(mixture) // mixture.weight.shape[0])


def n_coefs(mixture):
    """Numbers of coefficients of gate and experts, none of constant columns."""
    gate, experts = mixture.gate_design, mixture.expert_design
    sets = mixture.gate.contrasts.shape[1], mixture.experts.n_coefs // experts.n_columns
    return tuple(
        n_sets * (n_varying(design) + design.intercept)
        for n_sets, design in zip(sets, (gate, experts))
    )


def sample_size(mixture):
    """Rows that starts are tried on; a class tells less than a number does."""
    rows_per_coef = _ROWS_PER_COEF * mixture.experts.distribution.rows_per_number
    size = max(_MIN_SAMPLE, rows_per_coef * sum(n_coefs(mixture)))
    design = mixture.expert_design
    if design.gram is None:
        return size
    return min(size, _ROWS_PER_COLUMN * mixture.n_experts * design.n_columns)


def has_many_rows(mixture):
    """Whether rows are drawn in the order given, whatever their values."""
    return mixture.weight.shape[0] > _ORDERED_ROWS


def sampled(mixture, size, rng):
    """The mixture on a sample of about `size` rows, or on all if they are few."""
    n_rows = mixture.weight.shape[0]
    if size >= n_rows:
        return mixture
    size = in_units(mixture, size)
    if n_units(mixture) < n_rows:
        # Groups may be large, but few of them tell little.
        size = max(size, _MIN_GROUPS, _GROUPS_PER_COEF * n_coefs(mixture)[0])
    if size >= n_units(mixture):
        return mixture
    if mixture.fixed is not None:
        closed = mixture.fixed.closed_units(mixture.units)
        if mixture.units.weight[~closed].sum() < _FEW * mixture.units.weight.sum():
            return _sampled_apart(mixture, size, closed, rng)
    if has_many_rows(mixture):
        positions = (np.arange(size) + rng.uniform(size=size)) / size
        return mixture.take(units_at(positions, np.cumsum(mixture.units.weight)))
    draw = Draw(mixture, rng)
    if size >= draw.n_distinct:
        return mixture
    return mixture.take(draw.systematic(size))


def _sampled_apart(mixture, size, closed, rng):
    """Samples of the units that are closed (u,) and of the others, half each."""
    units, weights = [], []
    for own in (np.flatnonzero(~closed), np.flatnonzero(closed)):
        weight, number = mixture.units.weight[own], size // 2
        if number < own.size:
            positions = (np.arange(number) + rng.uniform(size=number)) / number
            own = own[units_at(positions, np.cumsum(weight))]
            weight = np.full(number, weight.sum() / number)
        units.append(own)
        weights.append(weight)
    weight = np.concatenate(weights)
    return mixture.take(np.concatenate(units), weight / weight.sum())


class Draw:
    """Draws of units that repeated rows and integer weights leave the same.

    Units are put in the order of a random projection of their values, where equal ones
    are neighbours, and drawn from the cumulated weights.
    """

    def __init__(self, mixture, rng):
        self.rng, self.weight = rng, mixture.units.weight
        of_gate = _direction(mixture.gate_design, rng)
        of_experts = _direction(mixture.expert_design, rng)
        at_y = rng.standard_normal(mixture.target[..., 0].size)
        key = np.empty(n_units(mixture))
        for block in mixture.blocks:
            gate, experts = mixture.design_blocks(block)
            of_rows = experts.dot(of_experts)[0]
            of_rows += at_y @ np.atleast_2d(mixture.target[..., block.rows])
            key[block.units] = gate.dot(of_gate)[0]
            key[block.units] += mixture.units.sum(of_rows, block)
        self.order = np.argsort(key, kind="stable")
        self.cumulated = np.cumsum(mixture.units.weight[self.order])
        gaps = np.diff(key[self.order])
        self.n_distinct = 1 + int((gaps > _SAME_KEY * np.abs(key).max()).sum())

    def independent(self, size):
        """Independent draws, (size,)."""
        return self._at(self.rng.uniform(size=size))

    def systematic(self, size):
        """Evenly spread draws, (size,)."""
        return self._at((self.rng.uniform() + np.arange(size)) / size)

    def labels(self, n_labels):
        """A random label of each unit, (u,)."""
        labels = np.empty(self.order.shape[0], dtype=np.intp)
        labels[self.order] = self.rng.randint(n_labels, size=labels.shape[0])
        return labels

    def _at(self, positions):
        """Units at positions in [0, 1) of the cumulated weights."""
        return self.order[units_at(positions, self.cumulated)]


def _direction(design, rng):
    """A random direction of the columns of a design, (1, p); constant ones get 0."""
    counts = np.ones(design.n_columns, dtype=bool)
    counts[: design.scale.size] = np.isfinite(design.scale)
    direction = np.zeros((1, design.n_columns))
    direction[0, counts] = rng.standard_normal(counts.sum())
    return direction


def units_at(positions, cumulated):
    """Index of the unit at each position in [0, 1) of cumulated weights (u,)."""
    index = np.searchsorted(cumulated, positions * cumulated[-1], "right")
    return np.minimum(index, cumulated.shape[0] - 1)
