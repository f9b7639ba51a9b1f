"""Likelihood of a fitted mixture, and criteria that follow from it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr
from sklearn.utils.validation import check_is_fitted

from skmoe._docs import see
from skmoe._typing import MatrixLike
from skmoe._validation import of_positive_weight
from skmoe.engine.fitted import mixture_log_density, posterior


class _FitToData(NamedTuple):
    """How well a fitted model fits some data."""

    log_likelihood: float
    uncertainty: float  # entropy of the responsibilities
    n_samples: float  # sum of weights


class HasCriteria:
    """Log-likelihood, AIC, BIC and ICL of a mixture."""

    _fitted: dict[str, Any]

    def log_likelihood(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Log-likelihood of all samples together, in nats; penalties are not in it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight counts as so many rows.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert, as in `fit`.

        Returns
        -------
        log_likelihood : float
            Sum over the samples, or over the groups.

        Raises
        ------
        ValueError
            If the data is invalid, or `groups` is missing where `fit` had it.
        """
        return self._fit_to(X, y, sample_weight, groups).log_likelihood

    def aic(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Akaike information criterion in nats times two; lower is better.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight counts as so many rows.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert, as in `fit`.

        Returns
        -------
        aic : float

        Raises
        ------
        ValueError
            If the data is invalid, or `groups` is missing where `fit` had it.
        """
        fit = self._fit_to(X, y, sample_weight, groups)
        return 2 * self._fitted["n_parameters"] - 2 * fit.log_likelihood

    def bic(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Bayesian information criterion in nats times two; lower is better.

        Its sample size n is the number of rows (sum of weights), also where they are in
        groups.  With k parameters, ``k = aic / 2 + log-likelihood``, the criterion that
        takes the number of groups G is ``bic + k * (log(G) - log(n))``.  Parameters are
        those that the data determined: none of constant columns, of experts with less
        than half a row, of a noise variance at its bound, and no zeros of an L1
        penalty.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight counts as so many rows.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert, as in `fit`.

        Returns
        -------
        bic : float

        Raises
        ------
        ValueError
            If the data is invalid, or `groups` is missing where `fit` had it.
        """
        fit = self._fit_to(X, y, sample_weight, groups)
        penalty = self._fitted["n_parameters"] * np.log(fit.n_samples)
        return penalty - 2 * fit.log_likelihood

    def icl(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Integrated completed likelihood criterion; lower is better.

        BIC and twice the entropy of the responsibilities, in nats: experts that rows
        cannot tell apart cost more (Biernacki, Celeux and Govaert 2000).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight counts as so many rows.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert, as in `fit`.

        Returns
        -------
        icl : float

        Raises
        ------
        ValueError
            If the data is invalid, or `groups` is missing where `fit` had it.
        """
        fit = self._fit_to(X, y, sample_weight, groups)
        penalty = self._fitted["n_parameters"] * np.log(fit.n_samples)
        return penalty - 2 * fit.log_likelihood + 2 * fit.uncertainty

    def _fit_to(self, X, y, sample_weight, groups):
        """How well the model fits some data: what the criteria need."""
        if y is None:
            raise ValueError("y=None: the likelihood needs the targets; give y.")
        check_is_fitted(self)
        self._require_groups(groups)
        data = self._checked_units(X, y, sample_weight, groups)
        X, y, weight, group = of_positive_weight(*data)
        joint = self._log_joint(X, y, weight, group)
        log_density = mixture_log_density(*joint)
        entropy = entr(posterior(*joint)).sum(axis=1)
        # Weights count within a group; groups count once.
        times = weight if group is None else np.ones(len(log_density))
        return _FitToData(
            float(times @ log_density), float(times @ entropy), float(weight.sum())
        )

    def _require_groups(self, groups):
        """Raise an error if groups are missing where the fit had them."""
        if groups is None and self._fitted["has_groups"]:
            raise ValueError(
                "groups=None, but the model was fitted with groups; give those of X."
                + see("Groups")
            )
