"""The selected columns, fitted without a penalty."""

from __future__ import annotations

import warnings
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skmoe._base import BaseMixtureOfExperts
from skmoe._docs import see
from skmoe._fitted import STRENGTHS, STRUCTURE, Fitted, check_as_fitted
from skmoe._pipeline import check_mixture
from skmoe._typing import MatrixLike
from skmoe.data.sample import Known
from skmoe.model_selection._penalties import selects
from skmoe.model_selection._refits import fit_of_many, named_init

_Mixture = TypeVar("_Mixture", bound=BaseMixtureOfExperts)


def refit_on_support(
    estimator: _Mixture,
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
) -> _Mixture:
    """Fit the columns that an L1 penalty selected, without a penalty (post-lasso).

    Each expert keeps the columns of which it has a coefficient that is not zero, of any
    output or class, and the gate those of which any expert has one.  The fit starts
    from the responsibilities of the selection, so that experts keep their numbers.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        Fitted with `l1_ratio` or `gate_l1_ratio`, such as ``alpha_path(...).best()``;
        it is not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data of the fit, or rows that took no part in it.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups that share one latent expert.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Known part of the linear predictors.
    expert_labels : array-like of int of shape (n_samples,), default=None
        Experts that are known, else -1.
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

    Returns
    -------
    refit : fitted estimator
        With ``alpha=0`` and ``gate_alpha=0``, and the selection as its
        `expert_features`, `gate_features` and `shared_features`; other parameters, the
        noise prior too, are those of `estimator`.

    Raises
    ------
    ValueError
        If there is no L1 penalty, parameters were set since the fit, the data is
        invalid, or groups or the like are missing where the fit had them.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    UserWarning
        Always: standard errors, tests and criteria of the refit take the columns as
        given, and are too good if the same y chose them.
    ConvergenceWarning
        As `fit`.  A gate that x alone decides has no finite optimum without a penalty:
        set a small `gate_alpha` in the refit and fit it again.

    References
    ----------
    Belloni and Chernozhukov, "Least squares after model selection in high-dimensional
    sparse models", Bernoulli 19, 2013.  Berk et al., "Valid post-selection inference",
    Annals of Statistics 41, 2013.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.model_selection import refit_on_support
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 6))
    >>> y = np.where(rng.uniform(size=300) < 0.5, 2 * X[:, 1], -2 * X[:, 4])
    >>> y = y + 0.5 * rng.standard_normal(300)
    >>> model = MixtureOfLinearExperts(
    ...     alpha=60, l1_ratio=1, gate_features=[], random_state=0
    ... )
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # of what standard errors ignore
    ...     refit = refit_on_support(model.fit(X, y), X, y)
    >>> refit.expert_features
    {0: [1], 1: [4]}
    """
    check_mixture(estimator)
    check_is_fitted(estimator)
    purpose = "its selection is that of the fit"
    check_as_fitted(estimator, STRUCTURE + STRENGTHS, purpose, "fit again")
    if not any(selects(estimator)):
        raise ValueError(
            f"l1_ratio={estimator.l1_ratio!r} and gate_l1_ratio="
            f"{estimator.gate_l1_ratio!r}: without an L1 penalty all columns are "
            "selected; fit with a positive l1_ratio." + see("Selecting columns")
        )
    known = Known(sample_weight, groups, offset, expert_labels, trials, y_upper, entry)
    estimator._check_like_fit(known)
    start = estimator.responsibilities(X, y, **known.given())
    refit = clone(estimator).set_params(
        **_selection(estimator),
        alpha=0.0,
        gate_alpha=0.0,
        l1_ratio=0.0,
        gate_l1_ratio=0.0,
        init=start,
        warm_start=False,
    )
    refit = fit_of_many(refit, X, y, known, is_quiet=False)
    warnings.warn(
        "The columns of this refit were selected by a penalty. If the same y chose "
        "them, standard errors, tests and criteria, which take them as given, are too "
        "good; judge it on rows that took no part." + see("Selecting columns"),
        stacklevel=2,
    )
    return refit.set_params(init=named_init(estimator))


def _selection(estimator):
    """Parameters that name the selected columns, a dict."""
    fitted, features = Fitted(**estimator._fitted), estimator.n_features_in_
    names = getattr(estimator, "feature_names_in_", np.arange(features))
    gate, experts = (
        names if seen is None else names[seen] for seen in fitted.columns[:2]
    )
    coef, gate_coef = estimator.coef_, estimator.gate_coef_
    own = (coef != 0).any(axis=tuple(range(1, coef.ndim - 1)))  # of experts, (K, d)
    in_gate = (gate_coef != 0).any(axis=tuple(range(gate_coef.ndim - 1)))
    found = {"gate_features": gate[in_gate].tolist()}
    if (own == own[0]).all():
        found["expert_features"] = experts[own[0]].tolist()
    else:
        found["expert_features"] = {
            k: experts[seen].tolist() for k, seen in enumerate(own)
        }
    sets = fitted.columns[2] if len(fitted.columns) > 2 else None
    if sets is not None:
        found["shared_features"] = _shared(experts, own, sets[:, :-1])
    return found


def _shared(names, own, sets):
    """Which experts share a coefficient of each column, a dict, or None.

    `own` (K, d) is what experts keep; `sets` (K, d) as `Specification` has them.
    """
    found = {}
    for name, seen, numbers in zip(names.tolist(), own.T, sets.T):
        kept = np.where(seen, numbers, -1)
        groups = [np.flatnonzero(kept == number) for number in np.unique(kept[seen])]
        if groups := [group.tolist() for group in groups if group.size > 1]:
            found[name] = groups
    return found or None
