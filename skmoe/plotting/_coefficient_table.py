"""The table of inference, arranged by expert and feature."""

import numpy as np
from sklearn.base import is_classifier

from skmoe.inspection._names import feature_names

# Names in the table of inference.
_PARTS = {"experts": "expert", "gate": "gate"}
_INTERCEPT = "(intercept)"


class CoefficientTable:
    """Entries of one part of a table of :func:`skmoe.inspection.inference`.

    R rows are experts, or outputs or classes of each expert; P columns are features,
    the intercept last where there is one.
    """

    def __init__(self, mixture, table, part):
        self._is_tree = part == "gate" and mixture.gate_coef_.ndim == 3
        kept = np.asarray(table["part"]) == _PARTS[part]
        # Without pandas the table is a structured array.
        columns = table.columns if hasattr(table, "columns") else table.dtype.names
        self._columns = {name: np.asarray(table[name])[kept] for name in columns}
        keys = list(zip(*(self._columns[name] for name in self._row_keys())))
        self.rows = list(dict.fromkeys(keys))
        names = enumerate(feature_names(mixture))
        place = {name: j for j, name in names} | {_INTERCEPT: -1}
        first = self._columns["feature"][: kept.sum() // len(self.rows)]
        # Place of each column among the features of X; -1 for the intercept.
        self.features = [place[name] for name in first]

    def values(self, name):
        """A numeric column of the table, (R, P)."""
        return self._columns[name].astype(np.float64).reshape(len(self.rows), -1)

    def scaled(self, scale):
        """Coefficients times the scales of their features, (R, P).

        Intercepts are NaN: they are in other units than the slopes.
        """
        return self.values("estimate") * np.append(scale, np.nan)[self.features]

    def row_names(self):
        """Names of the rows, a list of R str."""
        if self._is_tree:
            return [f"Node {node}\nbranch {branch}" for node, branch in self.rows]
        return ["\n".join([f"Expert {k}", *map(str, out)]) for k, *out in self.rows]

    def feature_names(self, names):
        """Names of the columns, a list of P str; `names` are those of X's features."""
        return [[*names, _INTERCEPT][j] for j in self.features]

    def _row_keys(self):
        """Columns that tell rows apart; a gate has no outputs."""
        has_outputs = "output" in self._columns and any(self._columns["output"] != "")
        return ["expert", "output"] if has_outputs else ["expert"]


def color_label(mixture, part, color_scale):
    """What the colours show."""
    if color_scale == "raw":
        return "Coefficient"
    is_logit = part == "gate" or is_classifier(mixture)
    unit = "logit" if is_logit else "units of y"
    return f"Coefficient × std\n({unit})"
