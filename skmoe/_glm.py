"""Mixture of generalised linear experts: counts and positive amounts."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import d2_tweedie_score

from skmoe._base import _NON_NEGATIVE, BaseMixtureOfExperts
from skmoe._regressor import MixtureRegressor
from skmoe._scores import (
    deviance_power,
    deviances_of_successes,
    share_explained,
)
from skmoe._sklearn import HasMethods, StrOptions
from skmoe._typing import (
    Columns,
    ExpertColumns,
    Experts,
    FloatArray,
    MatrixLike,
    RandomState,
    SharedColumns,
    Solver,
    Start,
)
from skmoe._validation import check_weights
from skmoe.data.fixed_targets import check_others
from skmoe.data.sample import Known
from skmoe.data.targets import Amounts, Successes
from skmoe.distributions import Binomial, Gamma, LogLink, NegativeBinomial, Poisson
from skmoe.distributions.checked import check_distribution

# Distribution of y under an expert, and encoder of y.
_FAMILIES = {
    "poisson": (LogLink(Poisson()), Amounts(Poisson().check)),
    "negative_binomial": (
        NegativeBinomial(),
        Amounts(NegativeBinomial().family.check),
    ),
    "gamma": (LogLink(Gamma()), Amounts(Gamma().check)),
    "binomial": (Binomial(), Successes()),
}


def _response(family):
    """Distribution of y under an expert of a family, and encoder of y."""
    if isinstance(family, str):
        return _FAMILIES[family]
    family = family() if isinstance(family, type) else family
    return LogLink(family), Amounts(family.check)


class MixtureOfGLMExperts(MixtureRegressor):
    """Mixture of generalised linear experts, for counts, amounts and successes.

    With ``x~ = (x, 1)``, the gate gives expert k the probability
    ``pi_k(x) = softmax_k(x~' w_k)``, and expert k is a Poisson, negative binomial or
    Gamma distribution with the mean ``mu_k(x) = exp(x~' beta_k)``.  `fit` minimises
    ``F``, in nats per sample: the sum over the samples of ``-log p(y_i | x_i)``,
    weighted by `sample_weight`, ``alpha/2 ||beta||^2``, ``gate_alpha/2 ||w||^2`` and,
    where there are dispersions of amounts, the prior on each, over the sum of the
    weights; intercepts are free.

    Parameters
    ----------
    n_experts : int, default=2
        Number of experts, K.
    family : {'poisson', 'negative_binomial', 'gamma', 'binomial'} or object, \
            default='poisson'
        Distribution of y under an expert.  'poisson' is for counts, ``y >= 0``;
        'negative_binomial' (NB2) for counts that vary more, and has a dispersion for
        each expert, ``var(y) = mu_k + phi_k mu_k^2``; 'gamma' is for amounts,
        ``y > 0``, with ``var(y) = phi_k mu_k^2``; 'binomial' for successes among the
        `trials` that `fit` is given, with the probability
        ``1 / (1 + exp(-x~' beta_k))``.  An object with the attributes and methods of
        ``skmoe.distributions.Poisson``, or with a dispersion those of
        ``skmoe.distributions.Gamma``, or its class, is a family of your own.
    solver : {'em', 'md', 'gd'}, default='em'
        As of :class:`MixtureOfLinearExperts`.
    step_size : float or 'auto', default='auto'
        Step of 'md' and 'gd'.
    alpha : float, default=1.0
        Penalty of the experts; ridge unless `l1_ratio` is positive.  It is a total:
        beside more samples it matters less.  With one expert it is PoissonRegressor
        with ``alpha / n_samples``, GammaRegressor with that times the dispersion.
    gate_alpha : float, default=0.3
        Penalty of the gate's coefficients, a total too.  This one and `alpha` are meant
        for columns of standard deviation near 1: standardise X first.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the experts' penalty (elastic net).
    gate_l1_ratio : float, default=0.0
        The same for the gate and `gate_alpha`.
    noise_prior : float, default=4.0
        Rows that the prior on each dispersion counts as, so that an expert on a few
        rows cannot drive its dispersion to nothing; 0 for maximum likelihood.  Their
        deviance is that expected under `prior_dispersion_`, which is learned before the
        fit.  Of no effect for counts, whose dispersions cannot collapse: probabilities
        are at most 1.
    fit_intercept : bool, default=True
        Whether experts have intercepts.
    gate_intercept : bool or 'auto', default='auto'
        Whether the gate has intercepts.  'auto' is as the experts have them, and True
        for a gate without features, which is nothing else.
    depth : int, default=1
        Levels of gates.  1 is one softmax over the experts.  With more, the experts are
        the leaves of a tree (hierarchical mixture of experts), and `n_experts` is the
        power `depth` of the number of branches at each node.
    top_k : int, default=None
        So many of the most probable experts count for a row, at least 2; the others
        have gate probability 0 (sparse mixture of experts).  None, or as many as there
        are experts, means all.  Needs ``depth=1``; may be set after `fit`, too.
    gate_features : array-like or callable, default=None
        Columns that the gate sees: names, indices, a boolean mask, or a callable that
        is given X and returns one of them.  None means all; an empty list means a
        constant gate.
    expert_features : array-like, callable or dict, default=None
        Columns that the experts see, in the same forms; or a dict of selections by the
        number of the expert, such as ``{0: ['a', 'b'], 1: ['a']}``.  An expert that is
        not in it sees all.  Experts keep these numbers.
    shared_features : array-like, callable or dict, default=None
        Columns with one coefficient for all experts that see them, in the same forms;
        or a dict that says which experts share, ``{'a': [0, 1], ('b', 'c'): 'all'}``,
        or groups of them, ``{'a': [[0, 1], [2, 3]]}``.  Others keep a coefficient of
        their own.  A shared coefficient counts once, in the penalty too.
    shared_intercept : bool or list, default=False
        Whether experts have one intercept; or the experts that do, or groups of them.
    init : {'short_runs', 'kmeans', 'kmeans_xy', 'regression_clustering', \
            'random'} or array-like, default='short_runs'
        Starting point, or labels of shape (n_samples,) or responsibilities of shape
        (n_samples, n_experts).
    n_init : int, default=1
        Number of starts; the best objective wins.  1 if `init` is an array.
    max_iter : int, default=1000
        Most iterations of one start.
    tol : float, default=1e-5
        Fit stops once the decrease of F still to come is estimated below `tol`, in
        nats per sample, and the second derivatives of F agree: Newton's decrement is
        at most `tol`, and no saddle is in sight.  With `top_k` only the first counts.
    warm_start : bool, default=False
        Whether to go on from the previous fit.
    probability : bool, default=False
        Whether there is a `predict_proba`, which is `gate_proba`, so that pipelines and
        searches pass it on.  scikit-learn's checks do not let a regressor have one by
        default.  May be set after `fit`, too.
    point_mass : float, default=None
        Value of an expert more that has no coefficients and is always there, such as 0
        for zeros in excess.  It comes after the `n_experts` others.  Beside counts it
        makes the zero-inflated model, whose zeros may be of any expert; beside amounts
        the two-part (hurdle) model: these cannot have the value, and ``y = 0`` is then
        allowed.
    background : bool, default=False
        Whether one expert more, the last, has the same density everywhere between the
        least and the largest y of the fit, against outliers.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts.
    n_jobs : int, default=None
        Number of starts made at the same time.
    verbose : int, default=0
        Whether to print iteration, objective, change and step.

    Attributes
    ----------
    coef_ : ndarray of shape (n_experts, n_features)
        Coefficients of the logarithm of the experts' means, or of their logits.
    intercept_ : ndarray of shape (n_experts,)
        Intercepts of the same.
    dispersion_ : ndarray of shape (n_experts,)
        Dispersions phi of the experts: of amounts between 1e-6 and 1e6, of negative
        binomial counts between 1e-10, which is Poisson to rounding, and 1e6; ones for
        Poisson.
    prior_dispersion_ : float or None
        Dispersion that the prior expects: that of as many experts with equal
        dispersions.  None without a prior, and for counts.
    gate_coef_ : ndarray of shape (n_experts, n_gate_features) or \
            (n_nodes, n_branches, n_gate_features)
        Coefficients of the gate's logits; they sum to zero over the experts, in a tree
        over the branches of each node, unless three or more have an L1 penalty, which
        picks zeros instead.  The second shape is that of a tree, ``depth > 1``: nodes
        level by level from the root, each from left to right, and the experts are the
        branches of the last level.
    gate_intercept_ : ndarray of shape (n_experts,) or (n_nodes, n_branches)
        Intercepts of the gate's logits.
    background_range_ : ndarray of shape (2,)
        Least and largest y of the fit, where `background` is; without the rows of
        `point_mass`, if others cannot have these.
    expert_shares_ : ndarray of shape (n_experts,)
        Shares of the experts in the responsibilities of the fit; they sum to 1.  Of
        rows (by weight), also where these are in groups of several sizes.
    n_parameters_ : int
        Number of parameters that the data determined, as `aic` and `bic` count them.
    n_iter_ : int
        Iterations of the best start; after `partial_fit` the number of its calls.
    converged_ : bool
        Whether the best start met `tol`; False after `partial_fit`.
    objective_curve_ : ndarray of shape (`n_iter_` + 1,) or (`n_iter_`,)
        F at the start and after each iteration, in nats per sample.  After
        `partial_fit`, F of the rows of each call before they were learned; of the rows
        collected so far, where these were fitted.
    n_samples_seen_ : int or float
        Rows seen by `fit` and by `partial_fit` after it; with weights, their sum.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where X had names that are all strings.

    See Also
    --------
    MixtureOfLinearExperts : Normal experts, or experts with t noise.
    MixtureOfLogisticExperts : The classifier.
    sklearn.linear_model.PoissonRegressor : The same with one expert, and `alpha` equal.
    sklearn.linear_model.GammaRegressor : The same with one expert; its `alpha` is
        ``alpha * dispersion_``.

    Notes
    -----
    Experts come in the order of decreasing mass; in a tree, the branches of each node
    do, and experts follow from left to right.  Where a dict or list tells what single
    experts see or share, they keep their numbers.

    **Exposure.**  Give the counts as y, and ``offset=np.log(exposure)`` to `fit` and to
    all methods that take X.

    **Experts without coefficients**, `point_mass` and `background`, have columns in
    `gate_proba` and all that goes with it, and rows in `gate_coef_` and
    `gate_intercept_`, after the `n_experts` others.

    References
    ----------
    Fruytier, Mokhtari, Sanghavi, "Learning Mixtures of Experts with EM: A Mirror
    Descent Perspective", arXiv 2411.06056, appendix: EM is mirror descent for
    exponential families.  Gruen and Leisch, "FlexMix Version 2", 2008.  Lawless,
    "Negative Binomial and Mixed Poisson Regression", 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfGLMExperts
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-2, 2, size=1000)
    >>> y = rng.poisson(np.exp(3 - np.abs(x)))
    >>> model = MixtureOfGLMExperts(random_state=0).fit(x[:, None], y)
    >>> np.sort(model.coef_[:, 0]).round(1)
    array([-1.,  1.])
    """

    _target_checks = {"y_numeric": True}
    _parameter_constraints: dict = {
        name: kinds
        for name, kinds in BaseMixtureOfExperts._parameter_constraints.items()
        if name != "symmetric"
    } | {
        "family": [StrOptions(set(_FAMILIES)), HasMethods("log_density")],
        "fit_intercept": ["boolean"],
        "noise_prior": [_NON_NEGATIVE],
        "probability": ["boolean"],
        "point_mass": [None, Real],
        "background": ["boolean"],
    }

    dispersion_: FloatArray
    prior_dispersion_: float | None = None

    def __init__(
        self,
        n_experts: int = 2,
        *,
        family: Literal["poisson", "negative_binomial", "gamma", "binomial"]
        | Any = "poisson",
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
        expert_features: ExpertColumns = None,
        shared_features: SharedColumns = None,
        shared_intercept: bool | Experts = False,
        init: Start = "short_runs",
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        warm_start: bool = False,
        probability: bool = False,
        point_mass: float | None = None,
        background: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
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
        self.shared_features = shared_features
        self.shared_intercept = shared_intercept
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.probability = probability
        self.point_mass = point_mass
        self.background = background
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def predict(
        self,
        X: MatrixLike,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> FloatArray:
        """Mean of y given x, E[y | x].

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,)
        """
        inputs = self._inputs(X, offset, expert_proba, trials)
        return self._cast(self._model().mean(inputs)[:, 0], inputs)

    def score(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
    ) -> float:
        """Share of the deviance explained, D^2, as of scikit-learn's GLMs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        score : float
            At most 1; 0 for the mean of y.  The deviance is that of the variance
            ``mu**family.power``, of negative binomial counts Poisson's, of successes
            that of the binomial distribution; with `point_mass` the power is at most
            1.5, which allows for zeros.
        """
        self._require(offset=offset, trials=trials)
        found = self.predict(X, offset=offset, expert_proba=expert_proba, trials=trials)
        y = self._fitted_encoder().observed(y, Known(trials=trials))
        if np.ndim(y) == 1:
            power = deviance_power(self)
            return d2_tweedie_score(y, found, sample_weight=sample_weight, power=power)
        weight = check_weights(sample_weight, y)
        return share_explained(deviances_of_successes(y, found, weight @ y, weight))

    def _check_structure(self):
        super()._check_structure()
        if not isinstance(self.family, str):
            check_distribution(self.family)

    def _distribution(self, settings, n_targets, known=()):
        return _response(settings["family"])[0]

    def _n_targets(self, target):
        return 1

    def _is_flat(self, n_targets):
        return True

    def _centres_target(self):
        return True  # the mean is where experts start, with an intercept or not

    def _encoder(self, settings):
        distribution, encoder = _response(settings["family"])
        value = settings.get("point_mass")
        if value is not None and not distribution.is_discrete:
            check = partial(check_others, encoder.check, value)
            encoder = encoder._replace(check=check)
        if value is not None and isinstance(encoder, Successes):
            encoder = encoder._replace(least_trials=max(value, 1.0))
        return self._with_fixed(encoder, settings, distribution.is_discrete, 1)

    def _cast(self, values, inputs):
        # Means that are tiny stay positive, as the deviance wants them.
        cast = super()._cast(values, inputs)
        return np.where(values > 0, np.maximum(cast, np.finfo(cast.dtype).tiny), cast)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags
