"""How many experts, and how strong a penalty: paths, a test, held-out likelihood."""

from skmoe.model_selection._alpha_path import AlphaPath, alpha_path
from skmoe.model_selection._bootstrap import BootstrapLRTest, bootstrap_lr_test
from skmoe.model_selection._experts_path import ExpertsPath, n_experts_path
from skmoe.model_selection._refit import refit_on_support
from skmoe.model_selection._scorer import _LogLikelihoodScorer, log_likelihood_scorer

__all__ = [
    "AlphaPath",
    "BootstrapLRTest",
    "ExpertsPath",
    "alpha_path",
    "bootstrap_lr_test",
    "log_likelihood_scorer",
    "n_experts_path",
    "refit_on_support",
]

for _public in (
    AlphaPath,
    BootstrapLRTest,
    ExpertsPath,
    _LogLikelihoodScorer,
    alpha_path,
    bootstrap_lr_test,
    n_experts_path,
    refit_on_support,
):
    _public.__module__ = __name__  # not the file, which may move
