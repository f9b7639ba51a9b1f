"""What the theory of EM says about a fitted mixture: speed, and standard errors."""

from skmoe.inspection._inference import Inference, WaldTest, inference
from skmoe.inspection._information import Information, information, signal_to_noise

__all__ = [
    "Inference",
    "Information",
    "WaldTest",
    "inference",
    "information",
    "signal_to_noise",
]
