"""Likelihood of a fitted mixture, and criteria that follow from it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skmoe._fit_statistics import FitToData
from skmoe._typing import MatrixLike
from skmoe.data.sample import Known
from skmoe.engine.fitted import mixture_log_density, posterior


class HasCriteria:
    """Log-likelihood, AIC, BIC and ICL of a mixture."""

    _fitted: dict[str, Any]

    def log_likelihood(
        self,
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
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`; they are then data too.
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
        log_likelihood : float
            Sum over the samples, or over the groups.

        Raises
        ------
        ValueError
            If the data is invalid, something is missing that went with the rows of the
            fit, or `groups` are given after a fit without.
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        return self._fit_to(X, y, known).log_likelihood

    def aic(
        self,
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
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`; they are then data too.
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
        aic : float

        Raises
        ------
        ValueError
            If the data is invalid, something is missing that went with the rows of the
            fit, or `groups` are given after a fit without.
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        return self._fit_to(X, y, known).aic

    def bic(
        self,
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
    ) -> float:
        """Bayesian information criterion in nats times two; lower is better.

        Its sample size n is the number of rows (sum of weights), also where they are in
        groups.  With k parameters, ``k = aic / 2 + log-likelihood``, the criterion that
        takes the number of groups G is ``bic + k * (log(G) - log(n))``; `summary` and
        the table of `n_experts_path` have it.  Parameters are
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
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`; they are then data too.
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
        bic : float

        Raises
        ------
        ValueError
            If the data is invalid, something is missing that went with the rows of the
            fit, or `groups` are given after a fit without.
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        return float(self._fit_to(X, y, known).bic)

    def icl(
        self,
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
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`; they are then data too.
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
        icl : float

        Raises
        ------
        ValueError
            If the data is invalid, something is missing that went with the rows of the
            fit, or `groups` are given after a fit without.
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        return float(self._fit_to(X, y, known).icl)

    def summary(
        self,
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
    ) -> str:
        """Text of the fit: criteria, experts and gate.

        Standard errors are those of :func:`skmoe.inspection.inference`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight counts as so many rows.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert, as in `fit`.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`; they are then data too.
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
        text : str
            Criteria are those of the given data; shares of rows, coefficients and noise
            those of the fit.  Experts are columns.  With groups there are also shares
            of the groups that are given, each of which counts once, and a BIC whose
            sample size is their number.

        Raises
        ------
        ValueError
            If the data is invalid, something is missing that went with the rows of the
            fit, or `groups` are given after a fit without.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> x = np.linspace(-1, 1, 201)[:, None]
        >>> y = np.abs(x[:, 0]) + 0.1 * np.cos(50 * x[:, 0])
        >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0).fit(x, y)
        >>> print(model.summary(x, y))  # doctest: +ELLIPSIS
        MixtureOfLinearExperts
        samples            201    log-likelihood ...
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        from skmoe._summary import summary_of  # which asks what is below this module

        return summary_of(self, self._fit_to(X, y, known), y)

    def _fit_to(self, X, y, known):
        """How well the model fits some data: what the criteria need."""
        if y is None:
            raise ValueError("y=None: the likelihood needs the targets; give y.")
        sample = self._sample_like_fit(X, y, known)
        joint = self._log_joint(sample)
        log_density = mixture_log_density(*joint)
        # Weights count within a group; groups count once.
        times = sample.weight if sample.group is None else np.ones(len(log_density))
        return FitToData(
            self._fitted["n_parameters"],
            float(sample.weight.sum()),
            float(times @ log_density),
            posterior(*joint),
            times,
            sample.group is not None,
        )
