"""Expert families: a sample's moments, and how blended moments are projected."""

from skmoe.families.categorical import CategoricalExperts
from skmoe.families.gaussian import GaussianExperts
from skmoe.families.glm import Gamma, GLMExperts, Poisson

__all__ = ["CategoricalExperts", "GLMExperts", "Gamma", "GaussianExperts", "Poisson"]
