"""Standard errors, tests and confidence intervals of a fitted mixture."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, block_diag, cho_factor, cho_solve, eigh
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skmoe._base import BaseMixtureOfExperts
from skmoe._docs import see
from skmoe._sklearn import safe_indexing
from skmoe._typing import MatrixLike, RandomState
from skmoe._validation import check_weights
from skmoe.data.sample import Known
from skmoe.inspection._bootstrap import bootstrapped
from skmoe.inspection._delta import DeltaMethod
from skmoe.inspection._fit import check_estimator, inspect_fit
from skmoe.inspection._names import Entry, noise_of, reported_entries, values_of
from skmoe.inspection._noise_df import learned_df, with_df
from skmoe.inspection._result import Inference

# Standard errors between a fit and the optimum that are worth a warning.
_FAR = 0.25
# What entries are of; standard errors between the optimum and that without penalties
# that are worth one, of which intervals at 95 % then cover 94 or 92 %; what moves them.
# Gates that are steep are held by their penalty alone, and few ask for their size.
_PARTS = {
    "gate": ("the gate", 0.5, ["gate_alpha"]),
    "expert": ("the experts", 0.25, ["alpha", "gate_alpha"]),
    "noise": ("the noise", 0.25, ["noise_prior", "alpha"]),
}
# Share of the refits of a bootstrap that are left out which is worth a warning.
_MANY = 0.1


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
    method: Literal["information", "bootstrap"] = "information",
    n_resamples: int = 200,
    parametric: bool = False,
    n_jobs: int | None = None,
    random_state: RandomState = None,
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
    method : {'information', 'bootstrap'}, default='information'
        'bootstrap' takes the covariance of refits to data drawn anew, each started from
        the fit, whose experts are those of the fit by their responsibilities.
    n_resamples : int, default=200
        Refits of the bootstrap, 2 or more.
    parametric : bool, default=False
        Whether the bootstrap draws y from the fit, at the same X (with the groups,
        offset, trials and whole weights of the fit).  Else it draws rows with
        replacement, each with its weight, or whole groups where the fit had some.
    n_jobs : int, default=None
        Refits at once, by joblib; None means 1 unless in a
        :func:`joblib.parallel_config` context, -1 all processors.  The result is the
        same for any number.
    random_state : int, RandomState instance or None, default=None
        Of what the bootstrap draws.

    Returns
    -------
    inference : Inference
        Coefficients of gate and experts, and noise variances; with
        ``noise_df='estimate'`` the degrees of freedom last, unless at a bound.

    Raises
    ------
    ValueError
        If the data is invalid, F has no minimum at the fitted parameters (the bootstrap
        does not ask), or the bootstrap can draw no data or match no refit.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    ConvergenceWarning
        If the optimum may be more than a quarter of a standard error away.
    UserWarning
        If penalties or the prior on noise move an estimate of experts or noise by more
        than a quarter of a standard error, or one of the gate by half; if the rows
        weigh more or less than those of the fit, or more than a tenth of the refits are
        left out.

    See Also
    --------
    information : The matrices behind it.

    References
    ----------
    Louis, "Finding the observed information matrix when using the EM algorithm", 1982;
    White, "Maximum likelihood estimation of misspecified models", 1982; Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997.

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
    _check_method(estimator, method, robust)
    fit = inspect_fit(estimator, X, y, known)
    is_listed = fit.coordinates.is_listed
    estimate, scale = (
        values[is_listed] for values in _estimates(estimator, fit.intercepts)
    )
    entries, resamples = reported_entries(estimator, y, fit), None
    if method == "bootstrap":
        how = n_resamples, parametric, n_jobs, random_state
        resamples = bootstrapped(estimator, X, y, known, fit, *how)
        root = resamples.root()
        covariance = root @ root.T
        unknown = ~fit.coordinates.reported[:, fit.coordinates.learnt].any(axis=1)
        shift = np.full(estimate.size, np.nan)
    else:
        if df := learned_df(estimator):
            estimate, scale = np.append(estimate, df), np.append(scale, df)
            entries = [*entries, Entry("noise", "all", None, "(degrees of freedom)")]
        covariance, root, shift, unknown = _by_information(fit, df, scale, robust)
    covariance[unknown] = covariance[:, unknown] = root[unknown] = np.nan
    bias = shift / np.sqrt(covariance.diagonal())
    mean = float(fit.state.stats.log_likelihood) - fit.problem.mixture.constant
    counted = _counted(X, sample_weight)
    delta = DeltaMethod(estimator, counted, y, fit.coordinates.expansion, root)
    result = Inference(
        f"{type(estimator).__name__}, {estimator.n_experts} experts",
        entries,
        estimate,
        covariance,
        bias,
        bool(robust),
        fit.n_samples,
        fit.n_samples * mean,
        delta,
        resamples,
    )
    _warn_of_penalties(result)
    if resamples is not None:
        _warn_of_left_out(resamples)
    return result


def _root(covariance):
    """A matrix whose product with its transpose is a covariance (P, P)."""
    size = np.sqrt(covariance.diagonal())
    size[size == 0] = 1.0
    values, vectors = eigh(covariance / np.outer(size, size))
    return size[:, None] * vectors * np.sqrt(np.maximum(values, 0))


def _check_method(estimator, method, robust):
    """Raise an error if there are no such standard errors."""
    if method not in ("information", "bootstrap"):
        raise ValueError(
            f"method={method!r} is unknown; give 'information' or 'bootstrap'."
        )
    if robust and method == "bootstrap":
        raise ValueError(
            "robust=True with method='bootstrap': rows that are drawn anew are as "
            "robust as the sandwich; set robust=False."
        )
    if not (robust or method == "bootstrap"):
        return
    check_estimator(estimator)
    check_is_fitted(estimator)
    if df := learned_df(estimator):
        what = "robust=True" if robust else "method='bootstrap'"
        raise ValueError(
            f"{what} with noise_df='estimate': fit with noise_df={df:.4g}, which was "
            "learned." + see("Outliers")
        )


def _by_information(fit, df, scale, robust):
    """Covariance (R, R) by curvature and its root, shift by penalties, what is unknown.

    `df` are degrees of freedom that were learned, if any, the last entry.
    """
    mixture, learnt = fit.problem.mixture, fit.coordinates.learnt
    gradient = fit.of_learnt(mixture.gradient(fit.state))
    penalty_gradient = fit.of_learnt(mixture.penalties.gradient(fit.state.theta))
    reported, matrices = fit.coordinates.reported[:, learnt], fit.matrices
    if df:
        matrices, gradient = with_df(fit, df, gradient)
        penalty_gradient = np.append(penalty_gradient, 0.0)
        reported = block_diag(reported, 1.0)
    score = gradient - penalty_gradient
    meat = _score_covariance(fit, score) if robust else None
    covariance, shift = _covariance(matrices, gradient, score, meat, fit.n_samples)
    root = scale[:, None] * (reported @ _root(covariance))
    covariance = scale[:, None] * (reported @ covariance @ reported.T) * scale
    unknown = ~reported.any(axis=1)
    return covariance, root, scale * (reported @ shift), unknown


def _counted(X, sample_weight):
    """Rows of X that have weight."""
    if sample_weight is None:
        return X
    return safe_indexing(X, np.flatnonzero(check_weights(sample_weight, X)))


def _warn_of_penalties(result):
    """Warn where penalties move much of what gate, experts or noise are estimated."""
    size, entries = np.nan_to_num(np.abs(result.penalty_bias)), result._entries
    moved, stay, remedies = [], [], []
    for part, (what, far, parameters) in _PARTS.items():
        own = [j for j, entry in enumerate(entries) if entry.part == part]
        if not own:
            continue
        worst = max(own, key=size.__getitem__)
        if size[worst] > far:
            shown = f"{size[worst]:.2g} ({result.names[worst]!r})"
            moved.append(f"of {what} by up to {shown}")
            remedies += [name for name in parameters if name not in remedies]
        else:
            stay.append(what)
    if moved:
        rest = f" (those of {' and '.join(stay)} hold)" if stay else ""
        warnings.warn(
            f"The penalties move estimates {' and '.join(moved)} standard errors, so "
            f"that their intervals may miss{rest}; see penalty_bias of the result, and "
            f"fit with smaller {' and '.join(remedies)}."
            + see("Standard errors and convergence rates"),
            stacklevel=3,
        )


def _warn_of_left_out(resamples):
    """Warn where many refits do not count."""
    n_left_out = resamples.n_unmatched + resamples.n_not_fitted
    n_all = n_left_out + len(resamples.estimates)
    if n_left_out > _MANY * n_all:
        warnings.warn(
            f"{n_left_out} of {n_all} refits are left out: experts of "
            f"{resamples.n_unmatched} are not those of the fit, and "
            f"{resamples.n_not_fitted} data sets have no fit. Standard errors are of "
            "the rest, and too small; lower n_experts."
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
            stacklevel=4,
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
    kind, noise = noise_of(estimator)
    names = "gate_coef_", "gate_intercept_", "coef_", "intercept_"
    attributes = {name: getattr(estimator, name) for name in names}
    values = values_of(attributes | {kind: noise}, kind, intercepts)
    scale = np.ones(values.size)
    scale[scale.size - np.size(noise) :] = np.ravel(noise)
    return values, scale
