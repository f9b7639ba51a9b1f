"""What y is: distributions by their predictors, row by row; they know no X."""

from skmoe.distributions.binomial import Binomial
from skmoe.distributions.categorical import Categorical
from skmoe.distributions.censored_normal import CensoredNormal
from skmoe.distributions.gamma import Gamma
from skmoe.distributions.log_link import LogLink
from skmoe.distributions.negative_binomial import NegativeBinomial
from skmoe.distributions.normal import Normal
from skmoe.distributions.poisson import Poisson
from skmoe.distributions.student_t import StudentT

__all__ = [
    "Binomial",
    "Categorical",
    "CensoredNormal",
    "Gamma",
    "LogLink",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "StudentT",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # not the file, which may move
