"""Expert families: a sample's moments, and how blended moments are projected."""

from skmoe.families.categorical import CategoricalExperts
from skmoe.families.gaussian import GaussianExperts, NormalNoise
from skmoe.families.glm import Gamma, GLMExperts, Poisson
from skmoe.families.student import StudentNoise

__all__ = [
    "CategoricalExperts",
    "GLMExperts",
    "Gamma",
    "GaussianExperts",
    "NormalNoise",
    "Poisson",
    "StudentNoise",
]
