"""A regressor of one quantile, for tools that want one."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.metrics import d2_pinball_score
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skmoe._docs import see
from skmoe._typing import FloatArray, MatrixLike
from skmoe._validation import check_probabilities


class MixtureQuantileRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Regressor whose `predict` is one quantile of a mixture of experts.

    For conformal prediction and other tools that ask a regressor for a quantile by its
    `predict`.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts or MixtureOfGLMExperts
        The mixture, which a clone of is fitted.  In a
        :class:`~sklearn.frozen.FrozenEstimator` it is taken as it is, so that several
        quantiles come from one fit.
    quantile : float, default=0.5
        Probability, between 0 and 1, both excluded.  May be set after `fit`, too, which
        does not depend on it.

    Attributes
    ----------
    estimator_ : MixtureOfLinearExperts or MixtureOfGLMExperts
        The fitted mixture.

    See Also
    --------
    MixtureOfLinearExperts.predict_quantile : Many quantiles at once.
    sklearn.linear_model.QuantileRegressor : A quantile that is linear in x.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts, MixtureQuantileRegressor
    >>> X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    >>> mixture = MixtureOfLinearExperts(1, alpha=0)
    >>> MixtureQuantileRegressor(mixture, 0.9).fit(X, y).predict([[9.5]]).round(2)
    array([1.14])
    """

    estimator_: Any

    def __init__(self, estimator: Any, quantile: float = 0.5) -> None:
        self.estimator = estimator
        self.quantile = quantile

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit the mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.
        **fit_params : dict
            What else the mixture's `fit` takes, such as `groups` and `offset`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `quantile` is no such probability, or the mixture's `fit` raises one.
        TypeError
            If `estimator` has no `predict_quantile`.
        """
        self._check_level()
        if not hasattr(self.estimator, "predict_quantile"):
            raise TypeError(
                f"estimator is a {type(self.estimator).__name__}, which has no "
                "predict_quantile; give a MixtureOfLinearExperts or "
                "MixtureOfGLMExperts, and put this regressor last in a pipeline."
                + see("Predictive distribution")
            )
        if sample_weight is not None:
            fit_params = {"sample_weight": sample_weight, **fit_params}
        self.estimator_ = clone(self.estimator).fit(X, y, **fit_params)
        return self

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during fit."""
        check_is_fitted(self)
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> Any:
        """Names of features, where X had names that are all strings."""
        check_is_fitted(self)
        return self.estimator_.feature_names_in_

    def predict(self, X: MatrixLike, **params: Any) -> FloatArray:
        """Quantile of y given x.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        **params : dict
            What else `predict_quantile` takes: `offset`, `expert_proba`, `trials`.

        Returns
        -------
        quantile : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If `quantile` is no such probability, or the data is invalid.
        """
        check_is_fitted(self)
        self._check_level()
        return self.estimator_.predict_quantile(X, self.quantile, **params)

    def score(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> float:
        """Share of the pinball loss explained, D^2.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        **params : dict
            As of `predict`.

        Returns
        -------
        score : float
            At most 1; 0 for the quantile of y.
        """
        found = self.predict(X, **params)
        own = {"sample_weight": sample_weight, "alpha": self.quantile}
        return float(d2_pinball_score(y, found, **own))

    def _check_level(self):
        """Raise an error if `quantile` is no single probability."""
        level = check_probabilities("quantile", self.quantile)
        if level.ndim:
            raise ValueError(
                f"quantile={self.quantile!r} is not one number; predict_quantile of "
                "the mixture gives several." + see("Predictive distribution")
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__"):
            own = get_tags(self.estimator)
            tags.input_tags, tags.target_tags = own.input_tags, own.target_tags
            tags.regressor_tags = own.regressor_tags or tags.regressor_tags
        return tags
