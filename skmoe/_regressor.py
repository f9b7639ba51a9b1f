"""What the regressors share: predictions from the distribution of y given x."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import ClassifierTags, check_random_state
from sklearn.utils.metaestimators import available_if

from skmoe._base import BaseMixtureOfExperts
from skmoe._fixed import with_fixed
from skmoe._partial import partial_fit
from skmoe._predictive import PredictiveDistribution
from skmoe._sklearn import fit_context
from skmoe._typing import FloatArray, MatrixLike, RandomState, keeps_type
from skmoe._validation import (
    check_coverage,
    check_n_samples,
    check_probabilities,
    n_all_experts,
)
from skmoe.data.rows import rows_like_fit
from skmoe.data.sample import Known


def _is_asked_for(estimator):
    """Whether a regressor has `predict_proba`; scikit-learn's checks forbid it."""
    if estimator.probability:
        return True
    raise AttributeError(
        "probability=False: this regressor has no predict_proba, as scikit-learn wants "
        "it; gate_proba(X) gives the probability of each expert, and so does "
        "predict_proba(X) with probability=True."
    )


class MixtureRegressor(RegressorMixin, BaseMixtureOfExperts):
    """A mixture of experts whose y are numbers.

    Its `predict_proba`, if asked for, is `gate_proba`.
    """

    n_experts: int
    probability: bool

    @available_if(_is_asked_for)
    def predict_proba(self: Any, X: Any) -> Any:
        """Probability of each expert given x, as `gate_proba`.

        Only with ``probability=True``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            What :meth:`gate_proba` takes.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_experts)
            What :meth:`gate_proba` gives.

        Notes
        -----
        cross_val_predict takes y for labels of classes where its method is
        'predict_proba', and hands on their ranks; so that it does not, give it y as
        ``params={"y": y}`` instead.
        """
        return self.gate_proba(X)

    @keeps_type(fit_context(prefer_skip_nested_validation=True))
    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        expert_labels: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        entry: ArrayLike | None = None,
    ) -> Self:
        """Learn from one batch of rows: stochastic mirror descent, online EM.

        Rows are collected until there are 1,000 or, if that is more, 20 per
        coefficient; up to then all of them are fitted as by :meth:`fit`, anew once they
        have grown by a tenth.  Their statistics become running moments.  From then on
        each batch is a step: its moments are blended in, and the parameters become
        those of maximum likelihood on the blend.

        A batch of b rows, N with all before it, leaves the moments of those a share of
        ``(1 - b / N)**3``: the n-th row counts in proportion to ``n**2``, however rows
        come in batches.  Batches of fewer than 2 rows per coefficient wait for the
        next.  After `fit` it goes on from there, once there are 5 rows per coefficient;
        the rows of the fit are among N.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            One batch, of any number of rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Its targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, comparable between batches.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`.
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
        self : object
            The estimator, fitted to all batches so far.

        Raises
        ------
        ValueError
            If the batch or a parameter is invalid, or does not go with earlier batches.
            The estimator is then as before.

        Notes
        -----
        ``std(y)`` in the penalty, ``var(y)`` in the noise floor, and what the prior
        expects are those of the rows collected first, or of `fit`.  Penalties and prior
        count beside all rows so far.  Rows should come in random order: from sorted
        ones a start learns part of the experts only.  `solver`, `step_size`, `init`,
        `n_init`, `max_iter` and `tol` concern the collected rows.  There is no warning
        of convergence, and callbacks are not called.

        With a log link maximum likelihood is found by Newton steps, of which none
        changes the logarithm of a mean by more than 1 (root mean square).  After a
        first batch of counts that are all zero, means are near zero until other rows
        come.

        References
        ----------
        Cappe, Moulines, "On-line expectation-maximization algorithm for latent data
        models", Journal of the Royal Statistical Society B 71, 2009.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> rng = np.random.default_rng(0)
        >>> model = MixtureOfLinearExperts(random_state=0)
        >>> for _ in range(20):
        ...     x = rng.uniform(-1, 1, size=(200, 1))
        ...     model = model.partial_fit(x, np.abs(x[:, 0]))
        >>> model.n_samples_seen_
        4000
        >>> model.predict([[-0.5], [0.75]]).round(2)
        array([0.5 , 0.75])

        Counts come in the same way:

        >>> from skmoe import MixtureOfGLMExperts
        >>> model = MixtureOfGLMExperts(random_state=0)
        >>> for _ in range(20):
        ...     x = rng.uniform(-2, 2, size=(200, 1))
        ...     model = model.partial_fit(x, rng.poisson(np.exp(3 - np.abs(x[:, 0]))))
        >>> np.sort(model.coef_[:, 0]).round()
        array([-1.,  1.])
        """
        known = Known(
            sample_weight, None, offset, expert_labels, trials, y_upper, entry
        )
        partial_fit(self, X, y, None, known)
        return self

    def predictive(
        self,
        X: MatrixLike,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> PredictiveDistribution:
        """Distribution of y given x as one object, as SciPy's frozen distributions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        distribution : PredictiveDistribution
            With `mean`, `std`, `var`, `median`, `pdf` or `pmf` and their logarithms,
            `cdf`, `sf`, `ppf`, `isf`, `interval` and `rvs`, of each row.

        Raises
        ------
        ValueError
            If the data is invalid.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfGLMExperts
        >>> X, y = np.zeros((40, 1)), np.tile([0, 1, 2, 5], 10)
        >>> model = MixtureOfGLMExperts(1).fit(X, y)
        >>> count = model.predictive([[0.0]])
        >>> count.mean().round(2), count.pmf([[0, 1, 2]]).round(2)
        (array([2.]), array([[0.14, 0.27, 0.27]]))
        """
        inputs = self._inputs(X, offset, expert_proba, trials)
        own = self._fitted_encoder(), self._fitted["is_flat"]
        return PredictiveDistribution(self._model(), inputs, *own)

    def predict_quantile(
        self,
        X: MatrixLike,
        q: ArrayLike = 0.5,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> FloatArray:
        """Quantiles of y given x, of the mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        q : float or array-like of shape (n_quantiles,), default=0.5
            Probabilities, between 0 and 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        quantiles : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With several probabilities, these are the last axis.  Several outputs have
            the quantiles of each.  Of counts, the least that reaches the probability.

        Raises
        ------
        ValueError
            If a probability is not between 0 and 1, both excluded.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> X, y = np.arange(20.0)[:, None], np.arange(20) % 2
        >>> model = MixtureOfLinearExperts(1, alpha=0).fit(X, y)
        >>> model.predict_quantile([[9.5]], [0.1, 0.5, 0.9]).round(2)
        array([[-0.14,  0.5 ,  1.14]])
        """
        levels = check_probabilities("q", q)
        inputs = self._inputs(X, offset, expert_proba, trials)
        quantiles = self._model().quantile(inputs, levels.ravel())
        quantiles = self._cast(self._like_y(quantiles), inputs)
        return quantiles if levels.ndim else quantiles[..., 0]

    def predict_interval(
        self,
        X: MatrixLike,
        coverage: float = 0.9,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> FloatArray:
        """Interval that y given x falls into with some probability.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float, default=0.9
            Probability of the interval; y is as probable below as above it.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper ends.  The interval spans all that lies between the ends,
            also where the experts leave a gap.  Of counts both ends are included, and
            the probability is at least `coverage`.

        Raises
        ------
        ValueError
            If `coverage` is not between 0 and 1, both excluded.
        """
        levels = check_coverage("coverage", coverage)
        return self.predict_quantile(
            X, levels, offset=offset, expert_proba=expert_proba, trials=trials
        )

    def cdf(
        self,
        X: MatrixLike,
        y: ArrayLike,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> FloatArray:
        """Probability that a new y given x is at most the given one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        probability : ndarray of the shape of y
            Of each output.  Uniform between 0 and 1 for data that the model describes
            (probability integral transform).
        """
        self._require(offset=offset, trials=trials)
        known = Known(offset=offset, trials=trials)
        X, y = rows_like_fit(self, X, y, known=known)
        trials = self._fitted_encoder().trials(trials, X.shape[0])
        inputs = self._inputs_of(X, offset, expert_proba, trials)
        y = self._fitted_encoder().observed(y, Known(trials=trials))
        return self._like_y(self._model().cdf(inputs, self._fitted_target(y)))

    def predict_expert(
        self,
        X: MatrixLike,
        *,
        offset: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> FloatArray:
        """Mean of y given x under each expert.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        means : ndarray of shape (n_samples, n_experts) or \
                (n_samples, n_experts, n_outputs)
        """
        inputs = self._inputs(X, offset, trials=trials)
        mean = self._model().expert_mean(inputs).transpose(2, 0, 1)
        mean = self._cast(mean, inputs)
        return mean[:, :, 0] if self._fitted["is_flat"] else mean

    def sample(
        self,
        X: MatrixLike,
        n_samples: int = 1,
        random_state: RandomState = None,
        *,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        trials: ArrayLike | None = None,
    ) -> FloatArray:
        """Draw y given x from the fitted mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples_X, n_features)
        n_samples : int, default=1
            Number of draws for each row of X.
        random_state : int, RandomState instance or None, default=None
        offset : array-like of shape (n_samples_X,) or (n_samples_X, n_outputs), \
                default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples_X, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
        trials : array-like of shape (n_samples_X,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples) or \
                (n_samples_X, n_outputs, n_samples)

        Notes
        -----
        Each row has an expert of its own, also after a fit with groups.  So that a
        group has one, draw it and give `expert_proba` 1 for it and 0 for the others.
        """
        n_samples = check_n_samples(n_samples)
        inputs = self._inputs(X, offset, expert_proba, trials)
        return self._drawn(inputs, n_samples, check_random_state(random_state))

    def _drawn(self, inputs, n_samples, rng):
        """Draws of y, (n, n_samples) or (n, m, n_samples)."""
        drawn = self._model().sample(inputs, n_samples, rng)
        return self._cast(self._like_y(np.moveaxis(drawn, 2, 1)), inputs)

    def _with_fixed(self, encoder, settings, is_discrete, n_outputs):
        """Encoder of y, which knows of experts without coefficients if there are."""
        ends = getattr(self, "background_range_", None)
        return with_fixed(encoder, settings, is_discrete, n_outputs, ends)

    def _like_y(self, values):
        """Drop the axis of outputs, (n, m, ...), where y had none."""
        return values[:, 0] if self._fitted["is_flat"] else values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.probability:
            # scikit-learn's checks look here for how many columns there are.
            n_experts = n_all_experts(vars(self))
            tags.classifier_tags = ClassifierTags(multi_class=n_experts > 2)
        return tags
