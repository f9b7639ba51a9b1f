"""Fits under penalties of several strengths, each started from another.

F has many optima.  Under a strong penalty experts are alike, and fits that come from
there stay at poor optima; fits from elsewhere keep coefficients too long.  So the way
leads from the middle up, and from there all the way down.
"""

import copy

import numpy as np
from sklearn.base import clone

from skmoe._docs import see
from skmoe.model_selection._refits import fit_of_many

# The least strength over the largest, as glmnet has it: where there are more rows than
# coefficients, and where there are not.
_LEAST_SHARE, _LEAST_SHARE_OF_WIDE = 1e-3, 1e-2
# A strength for each row that leaves no coefficient, or else this factor of it.
_STRONG, _FACTOR = 1e3, 10.0
# The largest strength is so much above that at which the first coefficient comes.
_ABOVE = 1 + 1e-3
# An objective that is lower by less is the same, in nats per sample.
_SAME_OBJECTIVE = 1e-8


class PenalisedFits:
    """Fits to some data by strength: an estimator's penalties in their ratio.

    Parameters
    ----------
    estimator : mixture of experts with a positive `alpha`
    X, y, known : the data
    share : float
        Its rows over those that the strengths, which are totals, are meant for.
    """

    def __init__(self, estimator, X, y, known, share=1.0):
        self.estimator, self.data, self.share = estimator, (X, y, known), share
        self.gate_ratio = estimator.gate_alpha / estimator.alpha

    def first(self, alpha, is_quiet=True):
        """A fit from starts of its own."""
        fit = clone(self.estimator).set_params(warm_start=False)
        return fit_of_many(self._under(fit, alpha), *self.data, is_quiet=is_quiet)

    def following(self, fit, alpha):
        """A fit that starts from another one; the noise prior expects the same."""
        after = self._under(copy.copy(fit), alpha).set_params(warm_start=True)
        return fit_of_many(after, *self.data).set_params(warm_start=False)

    def along(self, alphas, is_quiet=True, factor=None):
        """Strengths and fits under them, the first the largest.

        With a `factor` the strengths go on by it until no coefficient is left, and as
        many of the largest count.
        """
        alphas, n_alphas, middle = list(alphas), len(alphas), len(alphas) // 2
        fits = [self.first(alphas[middle], is_quiet)]
        for alpha in alphas[:middle][::-1]:
            fits.insert(0, self.following(fits[0], alpha))
        while factor and n_selected(fits[0]):
            alphas.insert(0, alphas[0] * factor)
            fits.insert(0, self.following(fits[0], alphas[0]))
        alphas, fits = alphas[:n_alphas], fits[:n_alphas]
        for j in range(1, n_alphas):
            other = self.following(fits[j - 1], alphas[j])
            if j == len(fits):
                fits.append(other)
            elif _is_lower(other, fits[j]):
                fits[j] = other
        return np.array(alphas), fits

    def grid(self, n_alphas):
        """Decreasing strengths, and the factor from each to the one before."""
        problem, largest = self._largest()
        n_coefs = sum(part.size for part in problem.mixture.initial()[:2])
        is_wide = n_coefs > problem.n_seen
        least = _LEAST_SHARE_OF_WIDE if is_wide else _LEAST_SHARE
        alphas = np.geomspace(largest, least * largest, n_alphas)
        return alphas, least ** (-1 / (n_alphas - 1))

    def _largest(self):
        """The problem, and the least strength that keeps all coefficients at zero.

        At the optimum without them no slope of the likelihood exceeds the lasso; of one
        expert as in LassoCV and l1_min_c.  Several may have other optima.
        """
        alpha = _STRONG * np.shape(self.data[0])[0]
        while n_selected(fit := self.first(alpha)):
            alpha *= _FACTOR
        problem, theta, _ = fit._fitted_problem(*self.data)
        mixture = problem.mixture
        slopes = mixture.gradient(mixture.evaluate(theta, curvature=False))
        share = 0.0
        for penalty, slope in zip(mixture.penalties.of_coefs, slopes):
            lasso = np.broadcast_to(penalty.lasso, slope.shape)
            is_charged = lasso > 0
            ratio = np.abs(slope[is_charged]) / lasso[is_charged]
            share = max(share, ratio.max(initial=0.0))
        if not share:
            raise ValueError(
                "Where all coefficients are zero F has no slope (a symmetric model, or "
                "columns that do not vary), so that the penalty that keeps them there "
                "cannot be told; give alphas." + see("Selecting columns")
            )
        return problem, _ABOVE * share * alpha

    def _under(self, fit, alpha):
        """An estimator with the penalties of a strength."""
        alpha = self.share * float(alpha)
        return fit.set_params(alpha=alpha, gate_alpha=self.gate_ratio * alpha)


def selects(estimator):
    """Whether experts, and whether the gate, have an L1 penalty."""
    has_gate = estimator.gate_alpha > 0 and estimator.gate_l1_ratio > 0
    return estimator.alpha > 0 and estimator.l1_ratio > 0, has_gate


def n_selected(fit):
    """Coefficients of a fit that are not zero, of those with an L1 penalty."""
    parts = zip(selects(fit), (fit.coef_, fit.gate_coef_))
    return sum(np.count_nonzero(coef) for has_lasso, coef in parts if has_lasso)


def n_coefs(fits, X, y, known):
    """Coefficients of fits to some data that are not zero, intercepts left out."""
    problem, _, _ = fits[0]._fitted_problem(X, y, known)
    n_gate, n_expert = problem.gate_design.scale.size, problem.expert_design.scale.size
    is_first, counts = problem.experts.sharing.firsts()[..., :n_expert], []
    for fit in fits:
        gate, experts, _ = fit._fitted_theta(problem)
        own = is_first & (experts[..., :n_expert] != 0)
        counts.append(np.count_nonzero(gate[:, :n_gate]) + np.count_nonzero(own))
    return np.array(counts)


def _is_lower(fit, other):
    """Whether a fit has the lower F, by more than rounding."""
    return fit.objective_curve_[-1] < other.objective_curve_[-1] - _SAME_OBJECTIVE
