"""Mixtures of experts on Dask: the rows stay where they are.

A fit sends parameters to the workers and adds up statistics of fixed size, once for
each evaluation of the objective.  Needs the extra ``dask``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from skmoe._glm import MixtureOfGLMExperts
from skmoe._linear import MixtureOfLinearExperts
from skmoe._logistic import MixtureOfLogisticExperts
from skmoe._parts import fit_parts
from skmoe._pickles import LoadsOldPickles
from skmoe._probability import HasGateProbability
from skmoe._typing import Columns, RandomState, Solver

try:
    from distributed import get_client

    from skmoe._dask_parts import (
        Partitions,
        given_parts,
        is_collection,
        lazily,
        log_likelihood_of,
    )
except ImportError as error:
    raise ImportError(
        "skmoe.dask needs dask and distributed: pip install 'skmoe[dask]'."
    ) from error

__all__ = [
    "DaskMixtureOfGLMExperts",
    "DaskMixtureOfLinearExperts",
    "DaskMixtureOfLogisticExperts",
]

_Init = Literal["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]


class _DaskMixture(LoadsOldPickles):
    """What all estimators share; fitted attributes are those of `to_local()`."""

    client: Any
    _local: Callable[..., Any]

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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the mixture.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Training data, dense.  Its partitions are computed once and stay with the
            workers until the fit ends; few large ones are best.  Sizes of chunks may be
            unknown.
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
            Targets, in partitions like those of X.  Several outputs only for the
            regressor.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Non-negative weights.  Rows of weight zero are left out.

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
            If X, y or sample_weight is no collection of Dask.

        Warns
        -----
        ConvergenceWarning
            If the best initialisation ran out of `max_iter` iterations.
        """
        local = self._plain()
        parts = given_parts({"X": X, "y": y, "sample_weight": sample_weight})
        fit_parts(local, Partitions.of(self.client_, parts))
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        for name, value in vars(local).items():
            setattr(self, name, value)
        return self

    def to_local(self) -> Any:
        """The plain estimator, fitted, which knows nothing of Dask.

        Returns
        -------
        estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
                MixtureOfGLMExperts
        """
        check_is_fitted(self)
        return self._plain()

    def predict(self, X: Any) -> Any:
        """Predictions, as of the plain estimator.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Anything else goes to the plain estimator.

        Returns
        -------
        y_pred : dask array of shape (n_samples,) or (n_samples, n_outputs)
            Not computed yet.
        """
        return self._lazy("predict", X)

    def gate_proba(self, X: Any) -> Any:
        """Probability of each expert given x.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Anything else goes to the plain estimator.

        Returns
        -------
        proba : dask array of shape (n_samples, n_experts)
            Not computed yet.
        """
        return self._lazy("gate_proba", X)

    def responsibilities(self, X: Any, y: Any) -> Any:
        """Probability of each expert given x and y (posterior, E-step).

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Anything else goes to the plain estimator.
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)

        Returns
        -------
        proba : dask array of shape (n_samples, n_experts)
            Not computed yet.
        """
        return self._lazy("responsibilities", X, y)

    def score_samples(self, X: Any, y: Any) -> Any:
        """Log-likelihood log p(y | x) of each sample, in nats.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Anything else goes to the plain estimator.
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)

        Returns
        -------
        log_density : dask array of shape (n_samples,)
            Not computed yet.
        """
        return self._lazy("score_samples", X, y)

    def log_likelihood(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Log-likelihood of all samples together, in nats.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Anything else goes to the plain estimator.
        y : dask array, series or data frame of shape (n_samples,) or \
                (n_samples, n_outputs)
        sample_weight : dask array or series of shape (n_samples,), default=None
            A weight counts as so many rows.

        Returns
        -------
        log_likelihood : float
            Computed at once, on the workers.
        """
        local = self.to_local()
        if not is_collection(X):
            return local.log_likelihood(X, y, sample_weight)
        parts = given_parts({"X": X, "y": y, "sample_weight": sample_weight})
        partitions = Partitions.of(self.client_, parts)
        return sum(partitions.collect(log_likelihood_of, local))

    def _plain(self):
        """The plain estimator with the same parameters and fitted attributes."""
        parameters = self.get_params(deep=False)
        del parameters["client"]
        local = self._local(**parameters)
        state = {k: v for k, v in vars(self).items() if k != "client"}
        vars(local).update(state)
        return local

    def _lazy(self, method, X, *y):
        """What a method of the plain estimator gives, partition by partition."""
        local = self.to_local()
        if not is_collection(X):
            return getattr(local, method)(X, *y)
        return lazily(local, method, X, *y)

    def __sklearn_clone__(self):
        parameters = self.get_params(deep=False)
        del parameters["client"]
        fresh = clone(self._local(**parameters)).get_params(deep=False)
        return type(self)(client=self.client, **fresh)

    def __getstate__(self):
        # A client belongs to its process.
        return {**super().__getstate__(), "client": None}


class DaskMixtureOfLinearExperts(HasGateProbability, RegressorMixin, _DaskMixture):
    """Mixture of linear experts on Dask.

    Its parameters are those of :class:`~skmoe.MixtureOfLinearExperts`, but for
    `init`, which must be the name of a strategy, `n_jobs`, which does nothing here, and
    `client`.

    Parameters
    ----------
    n_experts : int, default=2
        Number of experts, K.
    client : distributed.Client, default=None
        Client of the cluster; by default the current one of this process.
    **parameters
        As of :class:`~skmoe.MixtureOfLinearExperts`.

    Attributes
    ----------
    client_ : distributed.Client
        The client in use.

    See Also
    --------
    skmoe.MixtureOfLinearExperts : The plain estimator, and its fitted
        attributes, which are the same here.
    skmoe.streaming.fit_batches : Data that does not fit in memory, without a cluster.

    Notes
    -----
    The fit is that of the plain estimator on the same rows, to rounding.  A worker that
    dies takes its partitions with it; they are computed again elsewhere, and the fit
    goes on, as long as Dask knows how they were made: not if they were scattered.
    Starting points are found in this process on a sample of the rows, of up to 2^18,
    which moves here once, as does one for the curvature of the gate.

    `predict` and its relatives are lazy.  What is not here the plain estimator has:
    `to_local` gives it.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skmoe.dask import DaskMixtureOfLinearExperts
    >>> client = Client(n_workers=1, processes=False, dashboard_address=None)
    >>> x = da.linspace(-2, 2, 400, chunks=100)
    >>> model = DaskMixtureOfLinearExperts(client=client, random_state=0)
    >>> model = model.fit(x[:, None], abs(x))
    >>> model.predict(x[:, None]).compute()[:2].round(2)
    array([2.  , 1.99])
    >>> client.close()
    """

    _local = MixtureOfLinearExperts

    def __init__(
        self,
        n_experts: int = 2,
        *,
        solver: Solver = "em",
        step_size: float | Literal["auto"] = "auto",
        alpha: float = 3.0,
        gate_alpha: float = 0.3,
        l1_ratio: float = 0.0,
        gate_l1_ratio: float = 0.0,
        fit_intercept: bool | Literal["auto"] = "auto",
        gate_intercept: bool | Literal["auto"] = "auto",
        noise: Literal["per_expert", "shared"] = "per_expert",
        noise_df: float | None = None,
        noise_prior: float = 4.0,
        symmetric: bool = False,
        depth: int = 1,
        top_k: int | None = None,
        gate_features: Columns = None,
        expert_features: Columns = None,
        init: _Init = "short_runs",
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        warm_start: bool = False,
        probability: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        client: Any = None,
    ) -> None:
        self.n_experts = n_experts
        self.solver = solver
        self.step_size = step_size
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.l1_ratio = l1_ratio
        self.gate_l1_ratio = gate_l1_ratio
        self.fit_intercept = fit_intercept
        self.gate_intercept = gate_intercept
        self.noise = noise
        self.noise_df = noise_df
        self.noise_prior = noise_prior
        self.symmetric = symmetric
        self.depth = depth
        self.top_k = top_k
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.probability = probability
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.client = client


class DaskMixtureOfLogisticExperts(ClassifierMixin, _DaskMixture):
    """Mixture of logistic experts on Dask.

    Its parameters are those of :class:`~skmoe.MixtureOfLogisticExperts`, but for
    `init`, which must be the name of a strategy, `n_jobs`, which does nothing here, and
    `client`.

    Parameters
    ----------
    n_experts : int, default=2
        Number of experts, K.
    client : distributed.Client, default=None
        Client of the cluster; by default the current one of this process.
    **parameters
        As of :class:`~skmoe.MixtureOfLogisticExperts`.

    Attributes
    ----------
    client_ : distributed.Client
        The client in use.

    See Also
    --------
    skmoe.MixtureOfLogisticExperts : The plain estimator, and its fitted
        attributes, which are the same here.
    skmoe.streaming.fit_batches : Data that does not fit in memory, without a cluster.

    Notes
    -----
    The fit is that of the plain estimator on the same rows, to rounding.  A worker that
    dies takes its partitions with it; they are computed again elsewhere, and the fit
    goes on, as long as Dask knows how they were made: not if they were scattered.
    Starting points are found in this process on a sample of the rows, of up to 2^18,
    which moves here once, as does one for the curvature of the gate.

    `predict` and its relatives are lazy.  What is not here the plain estimator has:
    `to_local` gives it.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skmoe.dask import DaskMixtureOfLogisticExperts
    >>> client = Client(n_workers=1, processes=False, dashboard_address=None)
    >>> x = da.linspace(-2, 2, 400, chunks=100)
    >>> model = DaskMixtureOfLogisticExperts(client=client, random_state=0)
    >>> model = model.fit(x[:, None], (abs(x) > 1).astype(int))
    >>> model.predict(x[:, None]).compute()[::100]
    array([1, 0, 0, 1])
    >>> client.close()
    """

    _local = MixtureOfLogisticExperts

    def __init__(
        self,
        n_experts: int = 2,
        *,
        solver: Solver = "em",
        step_size: float | Literal["auto"] = "auto",
        alpha: float = 1.0,
        gate_alpha: float = 0.3,
        l1_ratio: float = 0.0,
        gate_l1_ratio: float = 0.0,
        fit_intercept: bool | Literal["auto"] = "auto",
        gate_intercept: bool | Literal["auto"] = "auto",
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        symmetric: bool = False,
        depth: int = 1,
        top_k: int | None = None,
        gate_features: Columns = None,
        expert_features: Columns = None,
        init: _Init = "short_runs",
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        warm_start: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        client: Any = None,
    ) -> None:
        self.n_experts = n_experts
        self.solver = solver
        self.step_size = step_size
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.l1_ratio = l1_ratio
        self.gate_l1_ratio = gate_l1_ratio
        self.fit_intercept = fit_intercept
        self.gate_intercept = gate_intercept
        self.class_weight = class_weight
        self.symmetric = symmetric
        self.depth = depth
        self.top_k = top_k
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.client = client

    def predict_proba(self, X: Any) -> Any:
        """Class probabilities of the mixture.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Anything else goes to the plain estimator.

        Returns
        -------
        proba : dask array of shape (n_samples, n_classes)
            Columns in the order of `classes_`; not computed yet.
        """
        return self._lazy("predict_proba", X)


class DaskMixtureOfGLMExperts(HasGateProbability, RegressorMixin, _DaskMixture):
    """Mixture of generalised linear experts on Dask.

    Its parameters are those of :class:`~skmoe.MixtureOfGLMExperts`, but for
    `init`, which must be the name of a strategy, `n_jobs`, which does nothing here, and
    `client`.

    Parameters
    ----------
    n_experts : int, default=2
        Number of experts, K.
    client : distributed.Client, default=None
        Client of the cluster; by default the current one of this process.
    **parameters
        As of :class:`~skmoe.MixtureOfGLMExperts`.

    Attributes
    ----------
    client_ : distributed.Client
        The client in use.

    See Also
    --------
    skmoe.MixtureOfGLMExperts : The plain estimator, and its fitted
        attributes, which are the same here.
    skmoe.streaming.fit_batches : Data that does not fit in memory, without a cluster.

    Notes
    -----
    The fit is that of the plain estimator on the same rows, to rounding.  A worker that
    dies takes its partitions with it; they are computed again elsewhere, and the fit
    goes on, as long as Dask knows how they were made: not if they were scattered.
    Starting points are found in this process on a sample of the rows, of up to 2^18,
    which moves here once, as does one for the curvature of the gate.

    `predict` and its relatives are lazy.  What is not here the plain estimator has:
    `to_local` gives it.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from skmoe.dask import DaskMixtureOfGLMExperts
    >>> client = Client(n_workers=1, processes=False, dashboard_address=None)
    >>> x = da.linspace(-2, 2, 400, chunks=100)
    >>> model = DaskMixtureOfGLMExperts(client=client, random_state=0)
    >>> model = model.fit(x[:, None], da.rint(da.exp(3 - abs(x))))
    >>> model.predict(x[:, None]).compute()[:2].round()
    array([3., 3.])
    >>> client.close()
    """

    _local = MixtureOfGLMExperts

    def __init__(
        self,
        n_experts: int = 2,
        *,
        family: Literal["poisson", "gamma"] | Any = "poisson",
        solver: Solver = "em",
        step_size: float | Literal["auto"] = "auto",
        alpha: float = 1.0,
        gate_alpha: float = 0.3,
        l1_ratio: float = 0.0,
        gate_l1_ratio: float = 0.0,
        noise_prior: float = 4.0,
        fit_intercept: bool = True,
        gate_intercept: bool | Literal["auto"] = "auto",
        depth: int = 1,
        top_k: int | None = None,
        gate_features: Columns = None,
        expert_features: Columns = None,
        init: _Init = "short_runs",
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        warm_start: bool = False,
        probability: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        client: Any = None,
    ) -> None:
        self.n_experts = n_experts
        self.family = family
        self.solver = solver
        self.step_size = step_size
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.l1_ratio = l1_ratio
        self.gate_l1_ratio = gate_l1_ratio
        self.noise_prior = noise_prior
        self.fit_intercept = fit_intercept
        self.gate_intercept = gate_intercept
        self.depth = depth
        self.top_k = top_k
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.probability = probability
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.client = client

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the deviance explained, D^2, of data in memory.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            As of :class:`~skmoe.MixtureOfGLMExperts`.
        """
        return self.to_local().score(X, y, sample_weight)
