"""Expert families: a sample's moments, and how blended moments are projected."""

from skmoe.families.categorical import CategoricalExperts
from skmoe.families.gaussian import GaussianExperts

__all__ = ["CategoricalExperts", "GaussianExperts"]
