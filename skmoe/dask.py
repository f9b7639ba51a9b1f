"""Mixtures of experts on Dask: the rows stay where they are.

A fit sends parameters to the workers and adds up statistics of fixed size, once for
each evaluation of the objective.  Needs the extra ``dask``.
"""

from __future__ import annotations

import copy
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skmoe._base import BaseMixtureOfExperts
from skmoe._parts import fit_parts
from skmoe._pipeline import check_mixture
from skmoe._scores import check_has_score
from skmoe._sklearn import callback_attributes
from skmoe.data.sample import Known

try:
    from distributed import get_client

    from skmoe._dask_parts import Partitions, given_parts, is_collection, lazily
    from skmoe._dask_scores import likelihood, score
except ImportError as error:
    raise ImportError(
        "skmoe.dask needs dask and distributed: pip install 'skmoe[dask]'."
    ) from error

__all__ = ["DaskMixture"]

_NOTHING = Known()  # beside X and y

_Estimator = TypeVar("_Estimator", bound=BaseMixtureOfExperts)


def _if_estimator_has(method):
    """Decorator of a method that is there where the plain estimator has it."""

    def has(model):
        getattr(getattr(model, "estimator_", model.estimator), method)
        return True

    return available_if(has)


class DaskMixture(MetaEstimatorMixin, BaseEstimator, Generic[_Estimator]):
    """Mixture of experts on Dask.

    It fits a clone of any estimator of this package, and has its fitted attributes,
    such as `coef_`.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or MixtureOfGLMExperts
        The plain estimator.  Its `init` must be the name of a strategy.  Its `n_jobs`
        does nothing here: the workers share each pass, and starts are made one after
        another.  Its callbacks are called in this process, without X and y.  With
        ``warm_start=True`` a fit goes on from the earlier one or, where there is none,
        from that of `estimator` if it is fitted, for instance to a sample.
    client : distributed.Client, default=None
        Client of the cluster; by default the current one of this process.

    Attributes
    ----------
    estimator_ : MixtureOfLinearExperts, MixtureOfLogisticExperts or MixtureOfGLMExperts
        The plain estimator, fitted.
    client_ : distributed.Client
        The client in use.

    See Also
    --------
    skmoe.streaming.fit_batches : Data that does not fit in memory, without a cluster.

    Notes
    -----
    The fit is that of the plain estimator on the same rows, to rounding.  A worker that
    dies takes its partitions with it; they are computed again elsewhere, and the fit
    goes on, as long as Dask knows how they were made: not if they were scattered.
    Starting points are found in this process on a sample of the rows, of up to 2^18,
    which moves here once, as does one for the curvature of the gate.

    Predictions are lazy where X is a collection of Dask, and those of the plain
    estimator where it is anything else.  What is not here the plain estimator has:
    `to_local` gives it.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.dask import DaskMixture
    >>> client = Client(n_workers=1, processes=False, dashboard_address=None)
    >>> x = da.linspace(-2, 2, 400, chunks=100)
    >>> model = DaskMixture(MixtureOfLinearExperts(random_state=0), client=client)
    >>> model = model.fit(x[:, None], abs(x))
    >>> model.predict(x[:, None]).compute()[:2].round(2)
    array([2.  , 1.99])
    >>> model.coef_.round(1)
    array([[-1.],
           [ 1.]])
    >>> client.close()
    """

    def __init__(self, estimator: _Estimator, *, client: Any = None) -> None:
        self.estimator = estimator
        self.client = client

    def __getattr__(self, name):
        """Fitted attributes of the plain estimator."""
        fitted = self.__dict__.get("estimator_")
        if fitted is None or name[0] == "_" or name[-1] != "_":
            return self.__getattribute__(name)  # the error, with its reason
        return getattr(fitted, name)

    @property
    def client_(self) -> Any:
        """The client in use: `client`, or the current one of this process."""
        if self.client is not None:
            return self.client
        try:
            return get_client()
        except ValueError:
            raise ValueError(
                "client=None, and there is no current client of Dask; give one, or "
                "create a distributed.Client first."
            ) from None

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        expert_labels: Any = None,
        *,
        trials: Any = None,
        y_upper: Any = None,
        entry: Any = None,
    ) -> Self:
        """Fit the mixture.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Training data, dense.  Its partitions are computed once and stay with the
            workers until the fit ends; few large ones are best.  Sizes of chunks may be
            unknown.
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
            Targets, in partitions like those of X.  Several outputs only for linear
            experts.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Non-negative weights.  Rows of weight zero are left out.
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        expert_labels : dask array or series of int of shape (n_samples,), default=None
            Experts that are known, else -1.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        y_upper : dask array or series of shape (n_samples,), default=None
            Upper ends of what is known of y, as the estimator's `fit` takes them.
        entry : dask array or series of shape (n_samples,), default=None
            What y had to exceed for its row to be seen, likewise.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is invalid; the message names the partition,
            counted from 0.  An earlier fit is then untouched.
        TypeError
            If `estimator` is none of this package, or X, y or what goes with them is no
            collection of Dask.

        Warns
        -----
        ConvergenceWarning
            If the best initialisation ran out of `max_iter` iterations.
        """
        local = self._start()
        given = sample_weight, None, offset, expert_labels, trials, y_upper, entry
        fit_parts(local, self._partitions(X, y, Known(*given)))
        self.estimator_ = local
        return self

    def to_local(self) -> _Estimator:
        """Copy of the plain estimator, fitted, which knows nothing of Dask.

        Returns
        -------
        estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
                MixtureOfGLMExperts
        """
        return copy.deepcopy(self._fitted())

    def predict(
        self,
        X: Any,
        *,
        offset: Any = None,
        trials: Any = None,
    ) -> Any:
        """Predictions of y.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        y_pred : dask array of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._lazy("predict", X, known=Known(offset=offset, trials=trials))

    @_if_estimator_has("predict_proba")
    def predict_proba(self, X: Any, *, offset: Any = None) -> Any:
        """Class probabilities, or those of the experts if `probability` asks for them.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.

        Returns
        -------
        proba : dask array of shape (n_samples, n_classes) or (n_samples, n_experts)
            Columns of classes are in the order of `classes_`.
        """
        return self._lazy("predict_proba", X, offset=offset)

    @_if_estimator_has("predict_log_proba")
    def predict_log_proba(self, X: Any, *, offset: Any = None) -> Any:
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.

        Returns
        -------
        log_proba : dask array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._lazy("predict_log_proba", X, offset=offset)

    def predict_expert(
        self,
        X: Any,
        *,
        offset: Any = None,
        trials: Any = None,
    ) -> Any:
        """Prediction of each expert.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        prediction : dask array of shape (n_samples, n_experts, ...)
        """
        return self._lazy(
            "predict_expert", X, known=Known(offset=offset, trials=trials)
        )

    @_if_estimator_has("predict_quantile")
    def predict_quantile(
        self,
        X: Any,
        q: ArrayLike = 0.5,
        *,
        offset: Any = None,
        trials: Any = None,
    ) -> Any:
        """Quantiles of y given x, of the mixture.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        q : float or array-like of shape (n_quantiles,), default=0.5
            Probabilities, between 0 and 1.
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        quantiles : dask array of shape (n_samples, ...)
        """
        return self._lazy(
            "predict_quantile", X, known=Known(offset=offset, trials=trials), q=q
        )

    @_if_estimator_has("predict_interval")
    def predict_interval(
        self,
        X: Any,
        coverage: float = 0.9,
        *,
        offset: Any = None,
        trials: Any = None,
    ) -> Any:
        """Interval that y given x falls into with some probability.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        coverage : float, default=0.9
            Probability of the interval, between 0 and 1.
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        interval : dask array of shape (n_samples, ..., 2)
        """
        return self._lazy(
            "predict_interval",
            X,
            known=Known(offset=offset, trials=trials),
            coverage=coverage,
        )

    @_if_estimator_has("cdf")
    def cdf(
        self,
        X: Any,
        y: Any,
        *,
        offset: Any = None,
        trials: Any = None,
    ) -> Any:
        """Distribution function of y given x, of the mixture.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        probability : dask array of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._lazy("cdf", X, y, known=Known(offset=offset, trials=trials))

    def gate_proba(self, X: Any) -> Any:
        """Probability of each expert given x.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)

        Returns
        -------
        proba : dask array of shape (n_samples, n_experts)
        """
        return self._lazy("gate_proba", X)

    def responsibilities(
        self,
        X: Any,
        y: Any,
        *,
        offset: Any = None,
        trials: Any = None,
        y_upper: Any = None,
        entry: Any = None,
    ) -> Any:
        """Probability of each expert given x and y (posterior, E-step).

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        y_upper : dask array or series of shape (n_samples,), default=None
            Upper ends of what is known of y, as the estimator's `fit` takes them.
        entry : dask array or series of shape (n_samples,), default=None
            What y had to exceed for its row to be seen, likewise.

        Returns
        -------
        proba : dask array of shape (n_samples, n_experts)
        """
        return self._lazy(
            "responsibilities",
            X,
            y,
            known=Known(offset=offset, trials=trials, y_upper=y_upper, entry=entry),
        )

    def score_samples(
        self,
        X: Any,
        y: Any,
        *,
        offset: Any = None,
        trials: Any = None,
        y_upper: Any = None,
        entry: Any = None,
    ) -> Any:
        """Log-likelihood log p(y | x) of each sample, in nats.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        y_upper : dask array or series of shape (n_samples,), default=None
            Upper ends of what is known of y, as the estimator's `fit` takes them.
        entry : dask array or series of shape (n_samples,), default=None
            What y had to exceed for its row to be seen, likewise.

        Returns
        -------
        log_density : dask array of shape (n_samples,)
        """
        return self._lazy(
            "score_samples",
            X,
            y,
            known=Known(offset=offset, trials=trials, y_upper=y_upper, entry=entry),
        )

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        trials: Any = None,
    ) -> float:
        """Accuracy of a classifier; R^2, or D^2 of generalised linear experts.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        sample_weight : dask array or series of shape (n_samples,), default=None
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        score : float
            As of the plain estimator; computed at once, on the workers.
        """
        local = self._fitted()
        if not is_collection(X):
            known = {} if trials is None else {"trials": trials}
            return local.score(X, y, sample_weight, offset, **known)
        local._require(offset=offset, trials=trials)
        check_has_score(local._fitted["known"])
        parts = self._partitions(
            X, y, Known(sample_weight, offset=offset, trials=trials)
        )
        return score(local, parts)

    def log_likelihood(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        expert_labels: Any = None,
        *,
        trials: Any = None,
        y_upper: Any = None,
        entry: Any = None,
    ) -> float:
        """Log-likelihood of all samples together, in nats.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        sample_weight : dask array or series of shape (n_samples,), default=None
            A weight counts as so many rows.
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        expert_labels : dask array or series of int of shape (n_samples,), default=None
            Experts that are known, else -1.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        y_upper : dask array or series of shape (n_samples,), default=None
            Upper ends of what is known of y, as the estimator's `fit` takes them.
        entry : dask array or series of shape (n_samples,), default=None
            What y had to exceed for its row to be seen, likewise.

        Returns
        -------
        log_likelihood : float
            Computed at once, on the workers.
        """
        given = sample_weight, None, offset, expert_labels, trials, y_upper, entry
        return self._likelihood("log_likelihood", X, y, Known(*given))

    def aic(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        expert_labels: Any = None,
        *,
        trials: Any = None,
        y_upper: Any = None,
        entry: Any = None,
    ) -> float:
        """Akaike information criterion in nats times two; lower is better.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        sample_weight : dask array or series of shape (n_samples,), default=None
            A weight counts as so many rows.
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        expert_labels : dask array or series of int of shape (n_samples,), default=None
            Experts that are known, else -1.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        y_upper : dask array or series of shape (n_samples,), default=None
            Upper ends of what is known of y, as the estimator's `fit` takes them.
        entry : dask array or series of shape (n_samples,), default=None
            What y had to exceed for its row to be seen, likewise.

        Returns
        -------
        aic : float
            Computed at once, on the workers.
        """
        given = sample_weight, None, offset, expert_labels, trials, y_upper, entry
        return self._likelihood("aic", X, y, Known(*given))

    def bic(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        expert_labels: Any = None,
        *,
        trials: Any = None,
        y_upper: Any = None,
        entry: Any = None,
    ) -> float:
        """Bayesian information criterion in nats times two; lower is better.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        sample_weight : dask array or series of shape (n_samples,), default=None
            A weight counts as so many rows.
        offset : dask array or series of shape (n_samples,), or array or data frame of \
                shape (n_samples, n_outputs) or (n_samples, n_classes), default=None
            Known part of the experts' linear predictors.
        expert_labels : dask array or series of int of shape (n_samples,), default=None
            Experts that are known, else -1.
        trials : dask array or series of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        y_upper : dask array or series of shape (n_samples,), default=None
            Upper ends of what is known of y, as the estimator's `fit` takes them.
        entry : dask array or series of shape (n_samples,), default=None
            What y had to exceed for its row to be seen, likewise.

        Returns
        -------
        bic : float
            Computed at once, on the workers.
        """
        given = sample_weight, None, offset, expert_labels, trials, y_upper, entry
        return self._likelihood("bic", X, y, Known(*given))

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata that the plain estimator asks for."""
        mapping = MethodMapping()
        for method in ("fit", "score"):
            mapping.add(caller=method, callee=method)
        return MetadataRouter(owner=self).add(
            estimator=self.estimator, method_mapping=mapping
        )

    def _start(self):
        """The plain estimator that is fitted, a new one."""
        check_mixture(self.estimator)
        fresh = clone(self.estimator)
        earlier = self.__dict__.get("estimator_", self.estimator)
        if not fresh.warm_start or type(earlier) is not type(fresh):
            return fresh
        warm = copy.copy(earlier).set_params(**fresh.get_params(deep=False))
        for name in callback_attributes(earlier):
            delattr(warm, name)
        for name in callback_attributes(fresh):
            setattr(warm, name, getattr(fresh, name))
        return warm

    def _fitted(self):
        """The plain estimator, fitted."""
        check_is_fitted(self)
        return self.estimator_

    def _partitions(self, X, y, known):
        """Collections as parts on the workers, with what is `Known`."""
        parts = given_parts({"X": X, "y": y, **known.given()})
        return Partitions.of(self.client_, parts)

    def _lazy(self, method, X, *y, known=_NOTHING, **options):
        """What a method of the plain estimator gives, partition by partition."""
        given = dict(zip("Xy", (X, *y))) | known.given()
        local = self._fitted()
        if not is_collection(X):
            return getattr(local, method)(**given, **options)
        return lazily(local, method, given, **options)

    def _likelihood(self, criterion, X, y, known):
        """The log-likelihood, or a criterion that is made of it."""
        local = self._fitted()
        if not is_collection(X):
            return getattr(local, criterion)(X, y, **known.given())
        local._check_like_fit(known)
        total, n_samples = likelihood(local, self._partitions(X, y, known))
        if criterion == "log_likelihood":
            return total
        per_parameter = 2.0 if criterion == "aic" else np.log(n_samples)
        return float(local._fitted["n_parameters"] * per_parameter - 2 * total)

    def __sklearn_tags__(self):
        tags = get_tags(self.estimator)
        tags.input_tags.sparse = False
        return tags

    def __sklearn_clone__(self):
        # The state that is copied has no client: that cannot be cloned.
        fresh = super(DaskMixture, copy.copy(self)).__sklearn_clone__()
        return fresh.set_params(client=self.client)

    def __getstate__(self):
        # A client belongs to its process.
        return {**super().__getstate__(), "client": None}
