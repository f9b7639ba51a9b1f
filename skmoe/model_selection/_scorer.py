"""Held-out likelihood as a score for searches."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from skmoe._docs import see
from skmoe._pipeline import last_step
from skmoe._typing import MatrixLike
from skmoe._validation import check_weights
from skmoe.data.sample import Known

# What the scorer may be given.
_METADATA = "sample_weight", "groups", "offset", "trials", "y_upper", "entry"


class _LogLikelihoodScorer:
    """Mean log-likelihood of held-out data, for ``scoring`` in GridSearchCV.

    Call it as ``log_likelihood_scorer(estimator, X, y, sample_weight, groups,
    offset)``.  With metadata routing,
    ``log_likelihood_scorer.set_score_request(groups=True)`` is a scorer that searches
    give their `groups`; `sample_weight`, `offset`, `trials`, `y_upper` and `entry`
    likewise.

    Parameters
    ----------
    estimator : estimator, Pipeline or search
        Fitted, with a ``score_samples(X, y)``; of a pipeline the last step, of a search
        ``best_estimator_``.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
        A weight counts as so many rows.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups that share one latent expert; needed after a fit with groups,
        ``np.arange(n_samples)`` for rows on their own.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Known part of the linear predictors.
    trials : array-like of shape (n_samples,), default=None
        Number of trials of each row, whose successes y counts; 1 by default.
        Of ``family='binomial'`` alone.
    y_upper : array-like of shape (n_samples,), default=None
        Upper ends of what is known of y, as in `fit`.
    entry : array-like of shape (n_samples,), default=None
        What y had to exceed for its row to be seen, as in `fit`.

    Returns
    -------
    score : float
        Mean of ``log p(y | x)``, in nats per sample; higher is better.  With groups,
        the sum of their log-likelihoods over the number of samples, or their weight.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.model_selection import log_likelihood_scorer
    >>> x = np.linspace(-1, 1, 200)
    >>> y = np.abs(x) + 0.05 * np.random.default_rng(0).standard_normal(200)
    >>> search = GridSearchCV(
    ...     MixtureOfLinearExperts(random_state=0),
    ...     {"n_experts": [1, 2]},
    ...     scoring=log_likelihood_scorer,
    ... )
    >>> search.fit(x[:, None], y).best_params_
    {'n_experts': 2}
    """

    def __init__(self, **requests: bool | str | None) -> None:
        self._requests = requests

    def __repr__(self) -> str:
        return "log_likelihood_scorer"

    def __call__(
        self,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        entry: ArrayLike | None = None,
    ) -> float:
        """Mean log-likelihood, in nats per sample."""
        while isinstance(estimator, Pipeline) or hasattr(estimator, "best_estimator_"):
            best = getattr(estimator, "best_estimator_", estimator)
            estimator, transform = last_step(best)
            X = transform(X)
        weight = check_weights(sample_weight, X)
        if groups is None:
            known = Known(
                offset=offset, trials=trials, y_upper=y_upper, entry=entry
            ).given()
            found = estimator.score_samples(X, y, **known)
            return float(weight @ found / weight.sum())
        known = Known(
            sample_weight, groups, offset, trials=trials, y_upper=y_upper, entry=entry
        ).given()
        of_groups = estimator.score_samples(X, y, **known)
        return float(of_groups.sum() / weight.sum())

    def set_score_request(
        self,
        *,
        sample_weight: bool | str | None = None,
        groups: bool | str | None = None,
        offset: bool | str | None = None,
        trials: bool | str | None = None,
        y_upper: bool | str | None = None,
        entry: bool | str | None = None,
    ) -> _LogLikelihoodScorer:
        """A scorer that searches give `sample_weight`, `groups` and the like.

        Parameters
        ----------
        sample_weight, groups, offset, trials, y_upper, entry : bool, str or None, \
                default=None
            True to be given it, False not to be; a name under which it is passed; None
            for an error where it is passed.

        Returns
        -------
        scorer : callable
            A new one, as `log_likelihood_scorer` is everyone's.

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        if not get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request has no effect without metadata routing; call "
                "sklearn.set_config(enable_metadata_routing=True) first."
                + see("How many experts")
            )
        return _LogLikelihoodScorer(
            sample_weight=sample_weight,
            groups=groups,
            offset=offset,
            trials=trials,
            y_upper=y_upper,
            entry=entry,
        )

    def get_metadata_routing(self) -> MetadataRequest:
        """Metadata that the scorer asks for, as scikit-learn's scorers have it."""
        request = MetadataRequest(owner=repr(self))
        for name in _METADATA:
            request.score.add_request(param=name, alias=self._requests.get(name))
        return request

    def _accept_sample_weight(self):
        """Searches with several scorers ask where there is no metadata routing."""
        return True


log_likelihood_scorer = _LogLikelihoodScorer()
