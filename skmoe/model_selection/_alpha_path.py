"""How strong a penalty: fits along a path of strengths, by held-out likelihood."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils.multiclass import type_of_target

from skmoe._base import BaseMixtureOfExperts
from skmoe._docs import see
from skmoe._pipeline import check_mixture
from skmoe._sklearn import safe_indexing, validate_parameters
from skmoe._tables import table_of, text_of
from skmoe._typing import FloatArray, MatrixLike
from skmoe._validation import as_numbers, check_count, check_weights
from skmoe.data.sample import Known
from skmoe.model_selection._penalties import PenalisedFits, n_coefs, selects
from skmoe.model_selection._refits import class_weighted

_Mixture = TypeVar("_Mixture", bound=BaseMixtureOfExperts)

_RULES = "one_standard_error", "max"


@dataclass(frozen=True, repr=False)
class AlphaPath(Generic[_Mixture]):
    """Fits under penalties of decreasing strength, made by :func:`alpha_path`.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Values of `alpha`, the largest first.
    estimators : list of estimators
        The fits to all rows.
    n_nonzero : ndarray of int of shape (n_alphas,)
        Coefficients of experts and gate that are not zero, without intercepts.  What is
        shared counts once, and so does the one logit of a gate of two.
    cv_log_likelihood : ndarray of shape (n_alphas, n_folds)
        Log-likelihood of the rows of each fold under the fit to the others, in nats per
        row.
    mean : ndarray of shape (n_alphas,)
        Mean over the folds, each with the weight of its rows.
    standard_error : ndarray of shape (n_alphas,)
        Standard error of the mean, from the spread over the folds.
    """

    alphas: FloatArray
    estimators: list[_Mixture]
    n_nonzero: np.ndarray
    cv_log_likelihood: FloatArray
    mean: FloatArray
    standard_error: FloatArray

    def __repr__(self) -> str:
        return text_of(self.table())

    def best(
        self, rule: Literal["one_standard_error", "max"] = "one_standard_error"
    ) -> _Mixture:
        """The fit to all rows that a rule picks.

        Parameters
        ----------
        rule : {'one_standard_error', 'max'}, default='one_standard_error'
            'max' picks the penalty of the largest mean held-out log-likelihood.
            'one_standard_error' picks the largest penalty whose mean is within one
            standard error of that: fewer coefficients, which predict as well as far as
            the folds can tell.

        Returns
        -------
        estimator : fitted estimator

        Raises
        ------
        ValueError
            If there is no such rule.

        References
        ----------
        Breiman, Friedman, Olshen, Stone, "Classification and regression trees", 1984,
        section 3.4.3; ``lambda.1se`` and ``lambda.min`` of glmnet.
        """
        if rule not in _RULES:
            raise ValueError(f"rule={rule!r} is unknown; give one of {list(_RULES)}.")
        top = int(self.mean.argmax())
        if rule == "max":
            return self.estimators[top]
        within = self.mean[:top] >= self.mean[top] - self.standard_error[top]
        return self.estimators[int(np.append(within, True).argmax())]

    def table(self) -> Any:
        """One row for each penalty.

        Returns
        -------
        table : pandas.DataFrame, or structured ndarray without pandas
            Columns alpha (the index of a DataFrame), gate_alpha, n_nonzero, mean and
            standard_error (of the held-out log-likelihood, nats per row).
        """
        columns = {
            "alpha": self.alphas,
            "gate_alpha": [fit.gate_alpha for fit in self.estimators],
            "n_nonzero": self.n_nonzero,
            "mean": self.mean,
            "standard_error": self.standard_error,
        }
        return table_of(columns, "alpha")


def alpha_path(
    estimator: _Mixture,
    X: MatrixLike,
    y: ArrayLike,
    *,
    alphas: ArrayLike | None = None,
    n_alphas: int = 20,
    cv: Any = 5,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    expert_labels: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    y_upper: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> AlphaPath[_Mixture]:
    """Fit under penalties from strong to weak, with their held-out log-likelihoods.

    `alpha` and `gate_alpha` change together and keep the ratio that they have in
    `estimator`; of these two numbers nothing else counts.  Penalties are totals, so
    that the fits without a fold have them by its share of the rows: as strong for each
    row.  A fit in the middle of the path has starts of its own; from there the path
    goes up to the largest penalty and then down to the smallest, each fit started from
    the last one, and the lower F is kept where it comes twice.  Folds have paths of
    their own, from their own starts.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        Its parameters are those of all fits, but for penalties and `warm_start`; it is
        not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Standardised, if one penalty is to suit all columns.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    alphas : array-like of shape (n_alphas,), default=None
        Values of `alpha`, positive, in any order.  By default `n_alphas` of them in
        equal ratios.  The largest leaves no coefficient that has an L1 penalty; with
        one expert it is the least that does, else the least on the way up.  The
        smallest is a thousandth of it, or a hundredth where coefficients are more than
        rows.
    n_alphas : int, default=20
        Number of penalties, at least 2; not used if `alphas` is given.
    cv : int, splitter or iterable of (train, test), default=5
        Number of folds, or how to split.  Of a number, folds are those of KFold,
        StratifiedKFold for classes, and with groups GroupKFold and
        StratifiedGroupKFold: in the order of the rows, not shuffled.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.  A weight counts as so many rows.  Where `estimator` has a
        `class_weight`, folds have the weights of the fit to all rows.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups that share one latent expert; no fold may part a group.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Known part of the linear predictors.
    expert_labels : array-like of int of shape (n_samples,), default=None
        Experts that are known, else -1; they are data of the held-out rows too.
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
    n_jobs : int, default=None
        Number of folds fitted at once, through joblib; None means 1 unless in a
        :func:`joblib.parallel_config` context, -1 as many as there are processors.
        The result is the same.

    Returns
    -------
    path : AlphaPath

    Raises
    ------
    ValueError
        If the data or a parameter is invalid, `alphas` is None and there is no L1
        penalty, ``alpha=0`` leaves the ratio open, a fold parts a group, or a class is
        in one fold alone.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    ConvergenceWarning
        If fits do not converge: the first of them as `fit` says it, and a count.

    See Also
    --------
    refit_on_support : Fit the selected columns without a penalty.

    References
    ----------
    Friedman, Hastie, Tibshirani, "Regularization paths for generalized linear models
    via coordinate descent", Journal of Statistical Software 33, 2010.  Städler,
    Bühlmann, van de Geer, "l1-penalization for mixture regression models", TEST 19,
    2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.model_selection import alpha_path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 6))
    >>> y = np.where(rng.uniform(size=300) < 0.5, 2 * X[:, 1], -2 * X[:, 4])
    >>> y = y + 0.5 * rng.standard_normal(300)
    >>> model = MixtureOfLinearExperts(l1_ratio=1, gate_features=[], random_state=0)
    >>> path = alpha_path(model, X, y, n_alphas=8)
    >>> path.n_nonzero
    array([ 0,  2,  3,  7, 10, 10, 12, 12])
    >>> path.best().coef_.round(1) + 0.0
    array([[ 0. ,  1.9,  0. ,  0. ,  0. ,  0. ],
           [ 0. ,  0. ,  0. ,  0. , -1.9,  0. ]])
    """
    check_mixture(estimator, before="fit_transform")
    known = Known(sample_weight, groups, offset, expert_labels, trials, y_upper, entry)
    _check_penalties(estimator, alphas)
    split = _splits(estimator, X, y, known, cv)
    fits, factor = PenalisedFits(estimator, X, y, known), None
    if alphas is None:
        check_count("n_alphas", n_alphas, "penalties", least=2)
        grid, factor = fits.grid(n_alphas)
    else:
        grid = _checked(alphas)
    grid, found = fits.along(grid, is_quiet=False, factor=factor)
    n_nonzero = n_coefs(found, X, y, known)
    for_folds = clone(estimator)
    if estimator.class_weight is not None:
        weight = class_weighted(found[0], y, sample_weight)
        known = known._replace(sample_weight=weight)
        for_folds.set_params(class_weight=None)
    scored = Parallel(n_jobs=n_jobs)(
        delayed(_scored)(for_folds, X, y, known, grid, *rows) for rows in split
    )
    scores, weights, n_failed = map(np.array, zip(*scored))
    n_failed = n_failed.sum() + sum(not fit.converged_ for fit in found)
    _warn_of(n_failed, len(found) * (1 + len(split)))
    for fit in found:
        fit.set_params(warm_start=estimator.warm_start)
    return AlphaPath(grid, found, n_nonzero, scores.T, *_mean(scores.T, weights))


def _check_penalties(estimator, alphas):
    """Raise an error if the penalties leave the path open."""
    validate_parameters(estimator)
    if not estimator.alpha > 0:
        raise ValueError(
            f"alpha={estimator.alpha!r}: a path changes alpha and gate_alpha in the "
            "ratio that they have; give a positive alpha, and gate_alpha=0 for a gate "
            "without a penalty." + see("Selecting columns")
        )
    if alphas is None and not any(selects(estimator)):
        raise ValueError(
            f"l1_ratio={estimator.l1_ratio!r} and gate_l1_ratio="
            f"{estimator.gate_l1_ratio!r}: without an L1 penalty no strength sets all "
            "coefficients to zero, from which a path could start; give alphas, or a "
            "positive l1_ratio." + see("Selecting columns")
        )


def _checked(alphas):
    """Strengths from the largest to the smallest, (n_alphas,)."""
    values = as_numbers("alphas", alphas, "Selecting columns")
    if values.ndim != 1 or not values.size or not (values > 0).all():
        raise ValueError(
            f"alphas={alphas!r} are no penalties; give positive numbers, such as "
            "np.geomspace(0.1, 100, 20)." + see("Selecting columns")
        )
    if not np.isfinite(values).all():
        raise ValueError("alphas has infinite values; give finite ones.")
    return np.unique(values)[::-1]


def _splits(estimator, X, y, known, cv):
    """Indices of the rows without and with each fold, a list of pairs."""
    if known.groups is not None and (cv is None or isinstance(cv, Integral)):
        kind = StratifiedGroupKFold if is_classifier(estimator) else GroupKFold
        cv = kind(5 if cv is None else cv)
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    groups = None if known.groups is None else np.asarray(known.groups)
    splits = list(splitter.split(X, y, groups))
    if len(splits) < 2:
        raise ValueError(
            f"cv={cv!r} gives {len(splits)} folds; a standard error needs two or more."
            + see("Selecting columns")
        )
    for train, test in splits if groups is not None else []:
        if (parted := np.intersect1d(groups[train], groups[test])).size:
            raise ValueError(
                f"cv={cv!r} parts groups, such as {parted.tolist()[0]!r}, whose rows "
                "share an expert; give a number of folds, or a splitter that keeps "
                "groups, such as GroupKFold(5)." + see("Selecting columns")
            )
    # What is no classes is for fit to refuse.
    kind = "" if y is None or not is_classifier(estimator) else type_of_target(y)
    if kind in ("binary", "multiclass"):
        _check_classes(np.ravel(y), known, splits, cv)
    return splits


def _check_classes(y, known, splits, cv):
    """Raise an error if a class is in one fold alone."""
    is_seen = check_weights(known.sample_weight, y) > 0
    for train, test in splits:
        without = y[train][is_seen[train]]
        if missing := set(y[test][is_seen[test]].tolist()) - set(without.tolist()):
            raise ValueError(
                f"cv={cv!r} has all rows of class {missing.pop()!r} in one fold, so "
                "that the fit without it does not know the class; give fewer or "
                "shuffled folds, or merge rare classes." + see("Selecting columns")
            )


def _scored(estimator, X, y, known, alphas, train, test):
    """Of a fold: log-likelihoods (n_alphas,), their weight, and fits that failed."""
    weight = check_weights(known.sample_weight, X)
    share = weight[train].sum() / weight.sum()
    own = [safe_indexing(X, train), safe_indexing(y, train), known.take(train)]
    if not isinstance(estimator.init, str):
        estimator = clone(estimator).set_params(init=np.asarray(estimator.init)[train])
    _, fits = PenalisedFits(estimator, *own, share).along(alphas)
    held_out = safe_indexing(X, test), safe_indexing(y, test), known.take(test)
    found = [fit._fit_to(*held_out) for fit in fits]
    scores = [one.log_likelihood / one.n_samples for one in found]
    n_failed = sum(not fit.converged_ for fit in fits)
    return np.array(scores), found[0].n_samples, n_failed


def _mean(scores, weights):
    """Mean over folds of scores (n_alphas, n_folds), and its standard error."""
    shares = weights / weights.sum()
    mean = scores @ shares
    spread = np.square(scores - mean[:, None]) @ shares
    return mean, np.sqrt(spread / (scores.shape[1] - 1))


def _warn_of(n_failed, n_fits):
    """Warn of fits of the path and its folds that did not converge."""
    if n_failed:
        warnings.warn(
            f"{n_failed} of the {n_fits} fits of the path and its folds did not "
            "converge. Increase max_iter or tol, or leave out the smallest penalties "
            "by alphas." + see("When a fit stops"),
            ConvergenceWarning,
            stacklevel=3,
        )
