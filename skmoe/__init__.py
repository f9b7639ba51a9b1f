"""Mixtures of linear and logistic experts, fitted by EM as mirror descent."""

from skmoe._glm import MixtureOfGLMExperts
from skmoe._linear import MixtureOfLinearExperts
from skmoe._logistic import MixtureOfLogisticExperts
from skmoe._predictive import PredictiveDistribution
from skmoe._quantile import MixtureQuantileRegressor

__version__ = "0.1.0"

__all__ = [
    "MixtureOfGLMExperts",
    "MixtureOfLinearExperts",
    "MixtureOfLogisticExperts",
    "MixtureQuantileRegressor",
    "PredictiveDistribution",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # not the file, which may move
