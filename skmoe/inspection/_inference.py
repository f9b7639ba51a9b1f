"""Standard errors, tests and confidence intervals of a fitted mixture."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, block_diag, cho_factor, cho_solve, eigh
from sklearn.exceptions import ConvergenceWarning

from skmoe._base import BaseMixtureOfExperts
from skmoe._docs import see
from skmoe._sklearn import safe_indexing
from skmoe._typing import MatrixLike
from skmoe._validation import check_weights
from skmoe.data.sample import Known
from skmoe.inspection._delta import DeltaMethod
from skmoe.inspection._fit import inspect_fit
from skmoe.inspection._names import Entry, noise_of, reported_entries
from skmoe.inspection._noise_df import learned_df, with_df
from skmoe.inspection._result import Inference

# Standard errors between a fit and the optimum that are worth a warning, and between
# the optimum and that without penalties.
_FAR = 0.25


def inference(
    estimator: BaseMixtureOfExperts,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    expert_labels: ArrayLike | None = None,
    *,
    trials: ArrayLike | None = None,
    y_upper: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    robust: bool = False,
) -> Inference:
    """Standard errors, tests and confidence intervals of a fitted mixture.

    The covariance of the estimates is the inverse of F's Hessian, observed information,
    penalties and prior on noise, at the fitted parameters.  With `robust`, it is the
    sandwich ``H^-1 G H^-1``, with G the covariance of the scores of the rows, or of the
    groups: right in large samples even where the model is not.  Intervals and tests
    take the number of experts as known, and penalties as small beside the data; where
    they are not, a warning says so, and the result's ``penalty_bias`` which estimates
    they move.  Fit with ``alpha=0``, ``gate_alpha=0`` and ``noise_prior=0``, maximum
    likelihood, then.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        A fitted estimator; the last step of a pipeline, with X as that step sees it.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data of the fit.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets of the fit.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the fit.  A weight counts as so many rows.
    groups : array-like of shape (n_samples,), default=None
        Groups of the fit, if it had any; scores add up within a group.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Offsets of the fit, if it had any.
    expert_labels : array-like of int of shape (n_samples,), default=None
        Known experts of the fit, if it had any.
    trials : array-like of shape (n_samples,), default=None
        Number of trials of each row, whose successes y counts; 1 by default.
        Of ``family='binomial'`` alone.
    y_upper : array-like of shape (n_samples,), default=None
        Upper ends of what is known of y, whose lower ends are then `y`: the same
        where y is known, infinite where it is censored on one side.  Of linear
        experts with normal noise alone.
    entry : array-like of shape (n_samples,), default=None
        What y had to exceed for its row to be seen (left truncation); minus
        infinity for nothing.  Likewise.
    robust : bool, default=False
        Whether to use the sandwich.

    Returns
    -------
    inference : Inference
        Coefficients of gate and experts, and noise variances; with
        ``noise_df='estimate'`` the degrees of freedom last, unless at a bound.

    Raises
    ------
    ValueError
        If the data is invalid, or F has no minimum at the fitted parameters.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    ConvergenceWarning
        If the optimum may be more than a quarter of a standard error away.
    UserWarning
        If penalties or the prior on noise move an estimate by more than a quarter of a
        standard error, or the rows weigh more or less than those of the fit.

    See Also
    --------
    information : The matrices behind it.

    References
    ----------
    Louis, "Finding the observed information matrix when using the EM algorithm", 1982;
    White, "Maximum likelihood estimation of misspecified models", 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.inspection import inference
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-2, 2, size=500)
    >>> rises = rng.uniform(size=500) < 1 / (1 + np.exp(-2 * x))
    >>> y = np.where(rises, x, -x) + 0.3 * rng.standard_normal(500)
    >>> model = MixtureOfLinearExperts(
    ...     alpha=0, gate_alpha=0, noise_prior=0, random_state=0
    ... ).fit(x[:, None], y)
    >>> result = inference(model, x[:, None], y)
    >>> lower, upper = result.confidence_interval()[result.names.index("expert 0: x0")]
    >>> bool(lower < model.coef_[0, 0] < upper)
    True
    >>> opposite = {"expert 0: x0": 1, "expert 1: x0": 1}
    >>> result.wald_test(opposite).p_value > 0.05
    True
    """
    known = Known(sample_weight, groups, offset, expert_labels, trials, y_upper, entry)
    fit = inspect_fit(estimator, X, y, known)
    mixture, n_samples = fit.problem.mixture, fit.n_samples
    learnt = fit.coordinates.learnt
    gradient = fit.of_learnt(mixture.gradient(fit.state))
    penalty_gradient = fit.of_learnt(mixture.penalties.gradient(fit.state.theta))
    reported, matrices = fit.coordinates.reported[:, learnt], fit.matrices
    is_listed = fit.coordinates.is_listed
    estimate, scale = (
        values[is_listed] for values in _estimates(estimator, fit.intercepts)
    )
    entries = reported_entries(estimator, y, fit)
    if df := learned_df(estimator):
        if robust:
            raise ValueError(
                f"robust=True with noise_df='estimate': fit with noise_df={df:.4g}, "
                "which was learned, for the sandwich." + see("Outliers")
            )
        matrices, gradient = with_df(fit, df, gradient)
        penalty_gradient = np.append(penalty_gradient, 0.0)
        reported = block_diag(reported, 1.0)
        estimate, scale = np.append(estimate, df), np.append(scale, df)
        entries = [*entries, Entry("noise", "all", None, "(degrees of freedom)")]
    score = gradient - penalty_gradient
    meat = _score_covariance(fit, score) if robust else None
    covariance, shift = _covariance(matrices, gradient, score, meat, n_samples)
    root = scale[:, None] * (reported @ _root(covariance))
    covariance = scale[:, None] * (reported @ covariance @ reported.T) * scale
    unknown = ~reported.any(axis=1)
    covariance[unknown] = covariance[:, unknown] = root[unknown] = np.nan
    bias = scale * (reported @ shift) / np.sqrt(covariance.diagonal())
    mean = float(fit.state.stats.log_likelihood) - mixture.constant
    title = f"{type(estimator).__name__}, {estimator.n_experts} experts"
    counted = _counted(X, sample_weight)
    delta = DeltaMethod(estimator, counted, y, fit.coordinates.expansion, root)
    result = Inference(
        title,
        entries,
        estimate,
        covariance,
        bias,
        bool(robust),
        n_samples,
        n_samples * mean,
        delta,
    )
    _warn_of_penalties(result)
    return result


def _root(covariance):
    """A matrix whose product with its transpose is a covariance (P, P)."""
    size = np.sqrt(covariance.diagonal())
    size[size == 0] = 1.0
    values, vectors = eigh(covariance / np.outer(size, size))
    return size[:, None] * vectors * np.sqrt(np.maximum(values, 0))


def _counted(X, sample_weight):
    """Rows of X that have weight."""
    if sample_weight is None:
        return X
    return safe_indexing(X, np.flatnonzero(check_weights(sample_weight, X)))


def _warn_of_penalties(result):
    """Warn where penalties move an estimate much."""
    size = np.nan_to_num(np.abs(result.penalty_bias))
    worst = int(size.argmax())
    if size[worst] > _FAR:
        warnings.warn(
            f"The penalties move estimates by up to {size[worst]:.2g} standard errors "
            f"({result.names[worst]!r}), so intervals may miss; see penalty_bias of "
            "the result, and fit with smaller alpha, gate_alpha or noise_prior."
            + see("Standard errors and convergence rates"),
            stacklevel=3,
        )


def _score_covariance(fit, score):
    """Covariance of the scores of rows, or of groups, about their mean, (P, P).

    Per row, as `score` (P,) is, the gradient of the mean loss.
    """
    n_units = fit.n_samples
    if fit.problem.has_groups:
        n_units = fit.problem.mixture.units.weight.shape[0]
    mean_product = np.outer(score, score) * (fit.n_samples / n_units)
    return fit.matrices.score_products - mean_product


def _covariance(matrices, gradient, score, meat, n_samples):
    """Covariance of free parameters, (P, P), and their shift by penalties, (P,).

    `score` (P,) is the gradient of the mean loss, `gradient` that of F; `meat` (P, P)
    is that of the sandwich, or None.
    """
    try:
        factor = cho_factor(matrices.objective_hessian())
    except LinAlgError:
        raise ValueError(
            "The objective has no minimum at the fitted parameters: its Hessian is not "
            "positive definite. Fit with a smaller tol, raise alpha and gate_alpha "
            "(collinear columns, separable classes), or lower n_experts; give X, y and "
            "what goes with them as in the fit."
            + see("Standard errors and convergence rates")
        ) from None
    # No coefficient, and no contrast, is farther from the optimum than this.
    distance = np.sqrt(n_samples * (gradient @ cho_solve(factor, gradient)))
    if distance > _FAR:
        warnings.warn(
            f"The optimum may be {distance:.2g} standard errors away from the fitted "
            "parameters; fit with a smaller tol, and give X, y and what goes with them "
            "as in the fit." + see("Standard errors and convergence rates"),
            ConvergenceWarning,
            stacklevel=3,
        )
    shift = cho_solve(factor, score - gradient)
    inverse = cho_solve(factor, np.eye(gradient.size))
    if meat is not None:
        inverse = inverse @ meat @ inverse
    return inverse / n_samples, shift


def _estimates(estimator, intercepts):
    """All fitted attributes in the order of `reported_entries`, and their scales.

    The scale is the derivative by what `Coordinates.reported` leads to.
    """
    gate = _beside(estimator.gate_coef_, estimator.gate_intercept_, intercepts[0])
    experts = _beside(estimator.coef_, estimator.intercept_, intercepts[1])
    parts = [
        np.asarray(part, dtype=np.float64).ravel()
        for part in (gate, experts, noise_of(estimator)[1])
    ]
    scale = np.ones(sum(part.size for part in parts))
    scale[scale.size - parts[2].size :] = parts[2]
    return np.concatenate(parts), scale


def _beside(coef, intercept, has_intercept):
    """Coefficients with the intercept last, where there is one, (..., p)."""
    if not has_intercept:
        return coef
    return np.concatenate([coef, intercept[..., None]], axis=-1)
