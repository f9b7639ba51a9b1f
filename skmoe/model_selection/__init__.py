"""How many experts: a path over their number, and a score of held-out likelihood."""

from skmoe.model_selection._experts_path import ExpertsPath, n_experts_path
from skmoe.model_selection._scorer import _LogLikelihoodScorer, log_likelihood_scorer

__all__ = ["ExpertsPath", "log_likelihood_scorer", "n_experts_path"]

for _public in (ExpertsPath, _LogLikelihoodScorer, n_experts_path):
    _public.__module__ = __name__  # not the file, which may move
