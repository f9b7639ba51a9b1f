"""Pictures of fitted mixtures, with scikit-learn's Display convention.

matplotlib is imported only when a picture is drawn.
"""

from skmoe.plotting._coefficients import CoefficientsDisplay
from skmoe.plotting._effects import EffectDisplay
from skmoe.plotting._expert_curves import ExpertCurvesDisplay
from skmoe.plotting._gate_regions import GateRegionsDisplay
from skmoe.plotting._objective import ObjectiveDisplay
from skmoe.plotting._responsibilities import ResponsibilitiesDisplay

__all__ = [
    "CoefficientsDisplay",
    "EffectDisplay",
    "ExpertCurvesDisplay",
    "GateRegionsDisplay",
    "ObjectiveDisplay",
    "ResponsibilitiesDisplay",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # not the file, which may move
