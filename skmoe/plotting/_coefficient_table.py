"""The table of inference, arranged by expert and feature."""

import numpy as np
from sklearn.base import is_classifier

from skmoe.inspection._names import feature_names
from skmoe.plotting._model import shown_name

# Names in the table of inference.
_PARTS = {"experts": "expert", "gate": "gate"}
_INTERCEPT = "(intercept)"

# What the coefficients of experts count in, by the link.
_UNITS = {"identity": "units of y", "exp": "log of the mean", "sigmoid": "logit"}


class CoefficientTable:
    """Entries of one part of a table of :func:`skmoe.inspection.inference`.

    R rows are experts, or outputs or classes of each expert; P columns are features,
    the intercept last where there is one.  What experts share is in the row of each.
    """

    def __init__(self, mixture, table, part):
        self._is_tree = part == "gate" and mixture.gate_coef_.ndim == 3
        kept = np.asarray(table["part"]) == _PARTS[part]
        # Without pandas the table is a structured array.
        columns = table.columns if hasattr(table, "columns") else table.dtype.names
        self._columns = {name: np.asarray(table[name])[kept] for name in columns}
        keys = zip(*(self._columns[name] for name in self._row_keys()))
        n_experts = len(mixture.coef_)
        owners = [
            [(k, *rest) for k in _experts_of(owner, n_experts)] for owner, *rest in keys
        ]
        # A stable sort: outputs stay in their order.
        rows = dict.fromkeys(row for of_entry in owners for row in of_entry)
        self.rows = sorted(rows, key=_rank)
        names = enumerate(feature_names(mixture))
        place = {name: j for j, name in names} | {_INTERCEPT: -1}
        columns = mixture._fitted["columns"][part == "experts"]
        columns = range(mixture.n_features_in_) if columns is None else columns
        found = [place[name] for name in self._columns["feature"]]
        # Place of each column among the features of X; -1 for the intercept.
        self.features = [j for j in [*columns, -1] if j in found]
        # Entry of each cell, or the one after the last where there is none.
        self._entries = np.full((len(self.rows), len(self.features)), len(found))
        for entry, (of_entry, feature) in enumerate(zip(owners, found)):
            for row in of_entry:
                at = self.rows.index(row), self.features.index(feature)
                self._entries[at] = entry

    def values(self, name):
        """A numeric column of the table, (R, P); NaN for what is not there."""
        values = self._columns[name].astype(np.float64)
        return np.append(values, np.nan)[self._entries]

    def scaled(self, scale):
        """Coefficients times the scales of their features, (R, P).

        Intercepts are NaN: they are in other units than the slopes.
        """
        return self.values("estimate") * np.append(scale, np.nan)[self.features]

    def row_names(self):
        """Names of the rows, a list of R str."""
        if self._is_tree:
            return [f"Node {node}\nbranch {branch}" for node, branch in self.rows]
        return ["\n".join([shown_name(k), *map(str, out)]) for k, *out in self.rows]

    def feature_names(self, names):
        """Names of the columns, a list of P str; `names` are those of X's features."""
        return [[*names, _INTERCEPT][j] for j in self.features]

    def _row_keys(self):
        """Columns that tell rows apart; a gate has no outputs."""
        has_outputs = "output" in self._columns and any(self._columns["output"] != "")
        return ["expert", "output"] if has_outputs else ["expert"]


def _rank(row):
    """Number of the expert, or the node, of a row; names come after all numbers."""
    return np.inf if isinstance(row[0], str) else row[0]


def _experts_of(owner, n_experts):
    """Experts, or the node, that an entry of the column expert names."""
    if owner == "all":
        return range(n_experts)
    if isinstance(owner, str) and owner[0].isdigit():
        return map(int, owner.split(", "))
    return [owner]


def color_label(mixture, part, color_scale):
    """What the colours show."""
    if color_scale == "raw":
        return "Coefficient"
    unit = "logit"
    if part != "gate" and not is_classifier(mixture):
        unit = _UNITS[mixture._fitted_distribution().inverse_link]
    return f"Coefficient × std\n({unit})"
