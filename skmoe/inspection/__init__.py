"""What a fitted mixture tells: standard errors, speed of EM, columns that matter."""

from skmoe.inspection._estimates import Estimates, WaldTest
from skmoe.inspection._importance import feature_importances
from skmoe.inspection._inference import inference
from skmoe.inspection._information import Information, information, signal_to_noise
from skmoe.inspection._predictions import Predictions
from skmoe.inspection._result import Inference

__all__ = [
    "Estimates",
    "Inference",
    "Information",
    "Predictions",
    "WaldTest",
    "feature_importances",
    "inference",
    "information",
    "signal_to_noise",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # not the file, which may move
