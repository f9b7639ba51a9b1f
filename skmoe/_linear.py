"""Mixture of linear experts: the regressor."""

from __future__ import annotations

from numbers import Real
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MultiOutputMixin
from sklearn.metrics import r2_score

from skmoe._base import _NON_NEGATIVE, _POSITIVE, BaseMixtureOfExperts
from skmoe._fit import goes_on
from skmoe._noise_df import FIRST_DF, is_at_bound, learned
from skmoe._regressor import MixtureRegressor
from skmoe._scores import check_has_score
from skmoe._sklearn import StrOptions
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
from skmoe.data.targets import Outputs
from skmoe.distributions import CensoredNormal, Normal, StudentT


class MixtureOfLinearExperts(MultiOutputMixin, MixtureRegressor):
    """Mixture of linear experts, a piecewise linear and probabilistic regressor.

    With ``x~ = (x, 1)``, the gate gives expert k the probability
    ``pi_k(x) = softmax_k(x~' w_k)``, and expert k is ``N(x~' beta_k, sigma_k^2)``.
    `fit` minimises ``F``, in nats per sample: the sum over the samples of
    ``-log p(y_i | x_i)``, weighted by `sample_weight`, ``alpha/2 ||beta / std(y)||^2``,
    ``gate_alpha/2 ||w||^2`` and, for each noise variance,
    ``noise_prior/2 (log sigma_k^2 + s0^2 / sigma_k^2)``; all that over the sum of the
    weights; intercepts are free.  A noise variance stays above ``1e-6 var(y)``; with
    `noise_df`, in which outliers are no reason to stay higher, var(y) is here that of
    normal data with the median absolute deviation of y.

    Parameters
    ----------
    n_experts : int, default=2
        Number of experts, K.
    solver : {'em', 'md', 'gd'}, default='em'
        'em' is expectation maximisation: mirror descent with step 1.
        'md' is mirror descent with the KL mirror map and any step.  'gd' is gradient
        descent on standardised features and log-variances.
    step_size : float or 'auto', default='auto'
        Step of 'md' and 'gd'.  'auto' finds it by backtracking, and accelerates 'em'
        (longer steps, then L-BFGS); F then never rises.  A float is kept by 'gd' even
        if F rises; 'md' falls back to a shorter step where the blended moments have no
        maximum likelihood or F would rise; 'em' takes any float as 1, the plain EM
        step.
    alpha : float, default=3.0
        Penalty of the experts; ridge unless `l1_ratio` is positive.  It is a total, as
        in scikit-learn: beside more samples it matters less.  Coefficients are taken in
        units of the standard deviation of y, so that the scale of y does not matter;
        with one expert it is Ridge with ``alpha * sigma^2 / var(y)``.
    gate_alpha : float, default=0.3
        Penalty of the gate's coefficients, a total too.  This one and `alpha` are meant
        for columns of standard deviation near 1: standardise X first.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the experts' penalty (elastic net):
        ``alpha * (l1_ratio * ||beta||_1 + (1 - l1_ratio)/2 * ||beta||^2)``.  0 is
        ridge, 1 the lasso.  If positive, coefficients can be exactly zero.
    gate_l1_ratio : float, default=0.0
        The same for the gate and `gate_alpha`.
    fit_intercept : bool or 'auto', default='auto'
        Whether experts have intercepts.  'auto' is True, and False for symmetric
        models.
    gate_intercept : bool or 'auto', default='auto'
        Whether the gate has intercepts.  'auto' is as the experts have them, and True
        for a gate without features, which is nothing else.
    noise : {'per_expert', 'shared'} or list, default='per_expert'
        Whether each expert has a noise variance of its own; or groups of experts that
        share one, such as ``[[0, 1], [2]]``.
    noise_df : float, default=None
        Degrees of freedom of Student's t as the noise, positive; None is normal noise.
        Expert k is then ``x~' beta_k + sigma_k t``, and outliers weigh little: 4 is a
        usual choice, 1 is Cauchy noise.  Several outputs are multivariate t with a
        diagonal scale matrix: an outlier is one in all outputs.  'estimate' learns one
        number for all experts, `noise_df_`, from 0.5 to 200; the fit takes as long as
        some ten.
    noise_prior : float, default=4.0
        Rows that the prior on each noise variance counts as, so that an expert on a few
        rows cannot drive its noise to nothing; 0 for maximum likelihood.  Their squared
        residual, ``s0^2``, is the variance of as many experts with equal noise, learned
        before the fit (`prior_noise_variance_`).
    symmetric : bool, default=False
        Two experts with opposite coefficients: ``y = z x'beta + noise``, for ``z`` in
        {-1, +1} and ``P(z=+1 | x) = sigmoid(x'w)``.  Needs ``n_experts=2``.
    depth : int, default=1
        Levels of gates.  1 is one softmax over the experts.  With more, the experts are
        the leaves of a tree (hierarchical mixture of experts), and `n_experts` is the
        power `depth` of the number of branches at each node.
    top_k : int, default=None
        So many of the most probable experts count for a row, at least 2; the others
        have gate probability 0 (sparse mixture of experts).  None, or as many as there
        are experts, means all.  Needs ``depth=1``; may be set after `fit`, too.
    gate_features : array-like or callable, default=None
        Columns that the gate sees (concomitant variables): names, indices, a boolean
        mask, or a callable that is given X and returns one of them, such as
        :class:`~sklearn.compose.make_column_selector`.  None means all; an empty list
        means a constant gate.
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
        Starting point.  'short_runs' goes on with the best of several short runs of EM
        on a sample of the rows; 'kmeans' clusters the gate's features, 'kmeans_xy' the
        features and targets; 'regression_clustering' refits and reassigns experts in
        turn; 'random' draws responsibilities.  An array is taken as labels of shape
        (n_samples,) or responsibilities of shape (n_samples, n_experts).
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
        where many y are exactly 0.  It comes after the `n_experts` others, which cannot
        have the value: a two-part (hurdle) model.  Of several outputs all are there.
    background : bool, default=False
        Whether one expert more, the last, has the same density everywhere between the
        least and the largest y of the fit, of several outputs in the box of their
        ranges, against outliers.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts.
    n_jobs : int, default=None
        Number of starts made at once, through joblib, if `n_init` is more than 1; None
        means 1 unless in a :func:`joblib.parallel_config` context, -1 as many as there
        are processors.  The result is the same.  With callbacks starts come in turn.
    verbose : int, default=0
        Whether to print iteration, objective, change and step.

    Attributes
    ----------
    coef_ : ndarray of shape (n_experts, n_features) or \
            (n_experts, n_outputs, n_features)
        Coefficients of the experts, for the columns in `expert_features`.
    intercept_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Intercepts of the experts.
    noise_variance_ : ndarray of shape (n_experts,) or (n_experts, n_outputs)
        Noise variances, in squared units of y.  With `noise_df` squared scales
        ``sigma_k^2``; the variance is ``noise_df / (noise_df - 2)`` times as large.
    noise_df_ : float
        Degrees of freedom that were learned; only with ``noise_df='estimate'``.
    prior_noise_variance_ : float or ndarray of shape (n_outputs,), or None
        ``s0^2``, the noise variance that the prior expects, in squared units of y; a
        function of the data alone, not of starts.  None without a prior.
    gate_coef_ : ndarray of shape (n_experts, n_gate_features) or \
            (n_nodes, n_branches, n_gate_features)
        Coefficients of the gate's logits; they sum to zero over the experts, in a tree
        over the branches of each node, unless three or more have an L1 penalty, which
        picks zeros instead.  The second shape is that of a tree, ``depth > 1``: nodes
        level by level from the root, each from left to right, and the experts are the
        branches of the last level.
    gate_intercept_ : ndarray of shape (n_experts,) or (n_nodes, n_branches)
        Intercepts of the gate's logits.
    background_range_ : ndarray of shape (2,) or (2, n_outputs)
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
    MixtureOfLogisticExperts : The classifier.
    MixtureOfGLMExperts : The regressor for counts and positive amounts.
    sklearn.linear_model.Ridge : The same with one expert.

    Notes
    -----
    Experts come in the order of decreasing mass; in a tree, the branches of each node
    do, and experts follow from left to right.  Where a dict or list tells what single
    experts see or share, they keep their numbers.

    **Censored and truncated y**: `fit`, and all else that takes y, has `y_upper` for
    the upper ends of what is known of y, and `entry` for what y had to exceed for its
    row to be seen.  Such a row has the probability of its interval as its likelihood,
    ``Phi((y_upper - x~' beta_k) / sigma_k) - Phi((y - x~' beta_k) / sigma_k)`` under
    expert k, and that of a mixture is divided by its ``P(y > entry | x)``.

    **Experts without coefficients**, `point_mass` and `background`, have columns in
    `gate_proba` and all that goes with it, and rows in `gate_coef_` and
    `gate_intercept_`, after the `n_experts` others.

    References
    ----------
    Fruytier, Mokhtari, Sanghavi, "Learning Mixtures of Experts with EM: A Mirror
    Descent Perspective", arXiv 2411.06056, sections 3 to 5.  Lange, Little, Taylor,
    "Robust statistical modeling using the t distribution", JASA 84, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> x = np.linspace(-1, 1, 201)
    >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0)
    >>> model = model.fit(x[:, None], np.abs(x))  # regimes that meet sharply
    >>> np.sort(model.coef_[:, 0]).round(2)
    array([-1.,  1.])
    >>> model.predict([[-0.5], [0.75]]).round(2)
    array([0.5 , 0.75])
    """

    noise_variance_: FloatArray
    prior_noise_variance_: float | FloatArray | None = None

    _parameter_constraints: dict = {
        **BaseMixtureOfExperts._parameter_constraints,
        "noise": [StrOptions({"per_expert", "shared"}), list, tuple],
        "noise_df": [None, _POSITIVE, StrOptions({"estimate"})],
        "noise_prior": [_NON_NEGATIVE],
        "probability": ["boolean"],
        "point_mass": [None, Real],
        "background": ["boolean"],
    }
    _target_checks = {"multi_output": True, "y_numeric": True}

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
        noise: Literal["per_expert", "shared"] | Experts = "per_expert",
        noise_df: float | Literal["estimate"] | None = None,
        noise_prior: float = 4.0,
        symmetric: bool = False,
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

    @overload
    def predict(
        self,
        X: MatrixLike,
        return_std: Literal[False] = False,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> FloatArray: ...

    @overload
    def predict(
        self,
        X: MatrixLike,
        return_std: Literal[True],
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> tuple[FloatArray, FloatArray]: ...

    def predict(
        self,
        X: MatrixLike,
        return_std: bool = False,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Mean of y given x, E[y | x].

        With `noise_df` of at most 1 there is no mean, and it is the centre of the
        experts' distributions that is averaged.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of y given x too: noise of the
            experts and their disagreement.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        y_std : ndarray of the same shape
            Only with ``return_std=True``, in the units of y; infinite with `noise_df`
            of at most 2.
        """
        inputs, model = self._inputs(X, offset, expert_proba), self._model()
        if return_std and np.isfinite(model.distribution.noise_variance):
            both = model.mean_and_std(inputs)
            return tuple(self._cast(self._like_y(found), inputs) for found in both)
        y_mean = self._cast(self._like_y(model.mean(inputs)), inputs)
        return (y_mean, np.full_like(y_mean, np.inf)) if return_std else y_mean

    def score(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        *,
        y_upper: ArrayLike | None = None,
    ) -> float:
        """Coefficient of determination R^2, as of scikit-learn's regressors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        y_upper : array-like of shape (n_samples,), default=None
            The same as y, where that is known; of a censored y there is no R^2, see
            :meth:`log_likelihood`.

        Returns
        -------
        score : float
            At most 1; 0 for the mean of y.  The mean over several outputs.

        Raises
        ------
        ValueError
            If y is censored, or if rows of the fit were seen above an entry.
        """
        self._require(offset=offset)
        known, is_known = self._fitted["known"], False
        if y_upper is not None:
            known, is_known = (*known, "y_upper"), np.array_equal(y, y_upper)
        check_has_score(known, is_known)
        found = self.predict(X, offset=offset, expert_proba=expert_proba)
        return r2_score(y, found, sample_weight=sample_weight)

    def _encoder(self, settings):
        is_fitted = hasattr(self, "intercept_")
        encoder = Outputs(self.intercept_.shape[1:] if is_fitted else None)
        return self._with_fixed(encoder, settings, False, None)

    def _distribution(self, settings, n_targets, known=()):
        if _bounds_y(known):
            return CensoredNormal()
        df = settings["noise_df"]
        if df == "estimate":
            df = getattr(self, "noise_df_", FIRST_DF)
        if df is None:
            return Normal(n_targets, bool(settings.get("background")))
        return StudentT(df, n_targets)

    def _forget_learned(self):
        if hasattr(self, "noise_df_") and not goes_on(self):
            del self.noise_df_

    def _refined(self, task, best):
        return learned(task, best) if self.noise_df == "estimate" else (task, best)

    def _described(self, problem, theta, mass, dtype):
        found = super()._described(problem, theta, mass, dtype)
        if self.noise_df == "estimate":
            df = problem.specification.distribution.df
            found["noise_df_"] = df
            found["_fitted"]["n_parameters"] += not is_at_bound(df)
        return found

    def _n_targets(self, target):
        return 1 if _bounds_y(self._known) else target.shape[0]

    def _is_flat(self, n_targets):
        return self._y_is_flat

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # E[y | x] of a symmetric model without intercepts is even in x.
        tags.regressor_tags.poor_score = bool(self.symmetric)
        return tags


def _bounds_y(known):
    """Whether y is known by its ends, or above an entry, by names of what is known."""
    return "y_upper" in known or "entry" in known
