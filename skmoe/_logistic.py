"""Mixture of logistic experts: the classifier."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state

from skmoe._base import BaseMixtureOfExperts
from skmoe._partial import partial_fit
from skmoe._sklearn import StrOptions, fit_context
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
    keeps_type,
)
from skmoe._validation import check_n_samples
from skmoe.data.sample import Known
from skmoe.data.targets import Classes
from skmoe.distributions import Categorical
from skmoe.engine.fitted import draw_categories


class MixtureOfLogisticExperts(ClassifierMixin, BaseMixtureOfExperts):
    """Mixture of logistic experts, a piecewise logistic classifier.

    With ``x~ = (x, 1)``, the gate gives expert k the probability
    ``pi_k(x) = softmax_k(x~' w_k)``, and expert k gives class c the probability
    ``softmax_c(x~' beta_kc)``; two classes are the plain sigmoid.  `fit` minimises
    ``F``, in nats per sample: the sum over the samples of ``-log p(y_i | x_i)``,
    weighted by `sample_weight`, ``alpha/2 ||beta||^2`` and ``gate_alpha/2 ||w||^2``,
    over the sum of the weights; intercepts are free.

    Parameters
    ----------
    n_experts : int, default=2
        Number of experts, K.
    solver : {'em', 'md', 'gd'}, default='em'
        'em' is expectation maximisation: mirror descent with step 1.
        'md' is mirror descent with the KL mirror map and any step.  'gd' is gradient
        descent on standardised features.
    step_size : float or 'auto', default='auto'
        Step of 'md' and 'gd'.  'auto' finds it by backtracking, and accelerates 'em'
        (longer steps, then L-BFGS); F then never rises.  A float is kept by 'gd' even
        if F rises; 'md' falls back to a shorter step where the blended moments have no
        maximum likelihood or F would rise; 'em' takes any float as 1, the plain EM
        step.
    alpha : float, default=1.0
        Penalty of the experts; ridge unless `l1_ratio` is positive.  It is a total, as
        in scikit-learn: beside more samples it matters less.  With one expert it is
        LogisticRegression with ``C = 1 / alpha``.
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
    class_weight : dict or 'balanced', default=None
        Weights of the classes, positive, as of LogisticRegression: `sample_weight` is
        multiplied by that of the row's class.  A dict maps labels to weights, 1 for
        labels that it leaves out; 'balanced' gives all classes the same total,
        ``sum(sample_weight) / (n_classes * sample_weight[y == c].sum())``.  They count
        in all fits, in `n_experts_path` and for standard errors; scores and criteria of
        a fitted model take `sample_weight` alone.
    symmetric : bool, default=False
        Two experts with opposite coefficients: ``P(y=1 | x, z) = sigmoid(z x'beta)``,
        for ``z`` in {-1, +1} and ``P(z=+1 | x) = sigmoid(x'w)``.  Needs
        ``n_experts=2`` and two classes.
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
    classes_ : ndarray of shape (n_classes,)
        Classes among the samples of positive weight, or named to `partial_fit`.
    coef_ : ndarray of shape (n_experts, n_features) or \
            (n_experts, n_classes, n_features)
        Coefficients of the experts, for the columns in `expert_features`.  With two
        classes, of the logit of ``classes_[1]``; else they sum to zero over classes,
        unless an L1 penalty picks zeros instead.
    intercept_ : ndarray of shape (n_experts,) or (n_experts, n_classes)
        Intercepts of the experts.
    gate_coef_ : ndarray of shape (n_experts, n_gate_features) or \
            (n_nodes, n_branches, n_gate_features)
        Coefficients of the gate's logits; they sum to zero over the experts, in a tree
        over the branches of each node, unless three or more have an L1 penalty, which
        picks zeros instead.  The second shape is that of a tree, ``depth > 1``: nodes
        level by level from the root, each from left to right, and the experts are the
        branches of the last level.
    gate_intercept_ : ndarray of shape (n_experts,) or (n_nodes, n_branches)
        Intercepts of the gate's logits.
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
        Rows seen by `fit` and by `partial_fit` after it; with weights, of rows or of
        classes, their sum.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where X had names that are all strings.

    See Also
    --------
    MixtureOfLinearExperts : The regressor.
    MixtureOfGLMExperts : The regressor for counts and positive amounts.
    sklearn.linear_model.LogisticRegression : The same with one expert.

    Notes
    -----
    Experts come in the order of decreasing mass; in a tree, the branches of each node
    do, and experts follow from left to right.  Where a dict or list tells what single
    experts see or share, they keep their numbers.

    References
    ----------
    Fruytier, Mokhtari, Sanghavi, "Learning Mixtures of Experts with EM: A Mirror
    Descent Perspective", arXiv 2411.06056, sections 3 to 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLogisticExperts
    >>> x = np.linspace(-2, 2, 200)
    >>> y = (np.abs(x) > 1).astype(int)
    >>> model = MixtureOfLogisticExperts(random_state=0).fit(x[:, None], y)
    >>> model.predict([[-1.5], [0.0], [1.5]])
    array([1, 0, 1])
    """

    classes_: NDArray[Any]

    _target_checks: dict = {}
    _parameter_constraints: dict = {
        **BaseMixtureOfExperts._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

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
        expert_features: ExpertColumns = None,
        shared_features: SharedColumns = None,
        shared_intercept: bool | Experts = False,
        init: Start = "short_runs",
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        warm_start: bool = False,
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
        self.class_weight = class_weight
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
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @keeps_type(fit_context(prefer_skip_nested_validation=True))
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        expert_labels: ArrayLike | None = None,
    ) -> Self:
        """Learn from one batch of rows: stochastic mirror descent, online EM.

        Rows are collected until there are 1,000 or, if that is more, 40 per
        coefficient; up to then all of them are fitted as by :meth:`fit`, anew once they
        have grown by a tenth.  Their statistics become running moments.  From then on
        each batch is a step: its moments are blended in, and the parameters become
        those of maximum likelihood on the blend, by Newton steps.

        A batch of b rows, N with all before it, leaves the moments of those a share of
        ``(1 - b / N)**3``: the n-th row counts in proportion to ``n**2``, however rows
        come in batches.  Batches of fewer than 2 rows per coefficient wait for the
        next.  After `fit` it goes on from there, once there are 5 rows per coefficient;
        the rows of the fit are among N.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            One batch, of any number of rows.
        y : array-like of shape (n_samples,)
            Its targets; a batch need not have all classes.
        classes : array-like of shape (n_classes,), default=None
            All classes that may come.  Needed at the first call, unless `fit` came
            before; later it may be left out, or be the same.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, comparable between batches.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`.

        Returns
        -------
        self : object
            The estimator, fitted to all batches so far.

        Raises
        ------
        ValueError
            If the batch or a parameter is invalid, or does not go with earlier batches;
            if `class_weight` is 'balanced', which needs all rows.  The estimator is
            then as before.

        Notes
        -----
        A class that is missing among the collected rows is waited for until there are
        ten times as many.  Rows should come in random order: from sorted ones a start
        learns part of the experts only.  `solver`, `step_size`, `init`, `n_init`,
        `max_iter` and `tol` concern the collected rows.  There is no warning of
        convergence, and callbacks are not called.

        References
        ----------
        Cappe, Moulines, "On-line expectation-maximization algorithm for latent data
        models", Journal of the Royal Statistical Society B 71, 2009.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLogisticExperts
        >>> rng = np.random.default_rng(0)
        >>> model = MixtureOfLogisticExperts(random_state=0)
        >>> for _ in range(20):
        ...     x = rng.uniform(-2, 2, size=(200, 1))
        ...     y = (np.abs(x[:, 0]) > 1).astype(int)
        ...     model = model.partial_fit(x, y, classes=[0, 1])
        >>> model.predict([[-1.5], [0.0], [1.5]])
        array([1, 0, 1])
        """
        known = Known(sample_weight, None, offset, expert_labels)
        partial_fit(self, X, y, classes, known)
        return self

    def predict(
        self,
        X: MatrixLike,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """Most probable class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
        """
        proba = self.predict_proba(X, offset=offset, expert_proba=expert_proba)
        return self.classes_[proba.argmax(axis=1)]

    def predict_proba(
        self,
        X: MatrixLike,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> FloatArray:
        """Class probabilities of the mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._proba(self._inputs(X, offset, expert_proba))

    def predict_log_proba(
        self,
        X: MatrixLike,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> FloatArray:
        """Logarithms of the class probabilities, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        inputs = self._inputs(X, offset, expert_proba)
        return self._cast(np.minimum(self._model().log_mean(inputs), 0), inputs)

    def predict_expert(
        self, X: MatrixLike, *, offset: ArrayLike | None = None
    ) -> FloatArray:
        """Class probabilities under each expert.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_experts, n_classes)
        """
        inputs = self._inputs(X, offset)
        mean = self._model().expert_mean(inputs).transpose(2, 0, 1)
        return self._cast(mean, inputs)

    def sample(
        self,
        X: MatrixLike,
        n_samples: int = 1,
        random_state: RandomState = None,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """Draw classes given x from the fitted mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples_X, n_features)
        n_samples : int, default=1
            Number of draws for each row of X.
        random_state : int, RandomState instance or None, default=None
        offset : array-like of shape (n_samples_X,) or (n_samples_X, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.
        expert_proba : array-like of shape (n_samples_X, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples)

        Notes
        -----
        Each row has an expert of its own, also after a fit with groups.  So that a
        group has one, draw it and give `expert_proba` 1 for it and 0 for the others.
        """
        n_samples = check_n_samples(n_samples)
        rng = check_random_state(random_state)
        return self._drawn(self._inputs(X, offset, expert_proba), n_samples, rng)

    def score(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
    ) -> float:
        """Share of the rows whose class is predicted, as of scikit-learn's classifiers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), \
                default=None
            Known part of the experts' logits, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.

        Returns
        -------
        score : float
        """
        self._require(offset=offset)
        found = self.predict(X, offset=offset, expert_proba=expert_proba)
        return accuracy_score(y, found, sample_weight=sample_weight)

    def _encoder(self, settings):
        known = getattr(self, "classes_", None)
        return Classes(known, settings["class_weight"], settings["symmetric"])

    def _distribution(self, settings, n_targets, known=()):
        return Categorical(n_targets)

    def _n_targets(self, target):
        return self.classes_.shape[0]

    def _proba(self, inputs):
        """Class probabilities, (n, C)."""
        return self._cast(self._model().class_probability(inputs), inputs)

    def _drawn(self, inputs, n_samples, rng):
        """Draws of classes, (n, n_samples)."""
        drawn = draw_categories(self._proba(inputs), n_samples, rng)
        return self.classes_[drawn]

    def _is_flat(self, n_targets):
        return n_targets == 2

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not self.symmetric
        # P(y | x) of a symmetric model without intercepts is even in x.
        tags.classifier_tags.poor_score = bool(self.symmetric)
        return tags
