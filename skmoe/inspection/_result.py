"""What :func:`skmoe.inspection.inference` returns."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from skmoe._tables import table_of
from skmoe._typing import FloatArray, MatrixLike
from skmoe.inspection._averages import (
    average_differences,
    average_effects,
    average_predictions,
)
from skmoe.inspection._bootstrap import Resamples
from skmoe.inspection._delta import DeltaMethod
from skmoe.inspection._estimates import Estimates
from skmoe.inspection._gate_reference import less_reference, weighted_sums
from skmoe.inspection._names import Entry, labels_of
from skmoe.inspection._predictions import Predictions, predictions_of, row_labels


class Inference(Estimates):
    """Standard errors and tests for every entry of the fitted attributes.

    Made by :func:`inference`.  R is the number of entries: gate, experts, noise; both
    experts of a symmetric model and all K gates are listed, so that what is listed is
    what the attributes hold; a coefficient that experts share has one entry, such as
    ``"all experts: x1"`` or ``"experts 0 and 2: x1"``.  Predictions and effects of
    columns have standard errors by :meth:`predictions`, :meth:`average_predictions` and
    :meth:`average_effects`.

    Attributes
    ----------
    names : list of str
        Names of the R entries, such as ``"expert 0: x1"``; with several outputs
        ``"expert 0, output: x1"``, where a data frame y has named its columns.
    estimate : ndarray of shape (R,)
        The fitted attributes.
    covariance : ndarray of shape (R, R)
        Their covariance; NaN for what the data does not determine.
    standard_error : ndarray of shape (R,)
        Square root of its diagonal.
    z, p_value : ndarray of shape (R,)
        Ratio to the standard error, and its two-sided p-value under the normal
        distribution; NaN for noise variances, which cannot be 0.
    penalty_bias : ndarray of shape (R,)
        How far penalties and the prior on noise move each estimate, to first order and
        in standard errors: ``-H^-1 grad`` of these, with H the Hessian of F.  The
        fit without them is about so much lower.  NaN for the bootstrap.
    robust : bool
        Whether the covariance is the sandwich.
    resamples : Resamples or None
        Of the bootstrap: the `estimates` of the refits that count, (B, R), and
        `n_unmatched`, refits left out since their experts are not those of the fit,
        `n_not_fitted`, data sets drawn that have no fit, and `n_not_converged`.
    n_samples : float
        Number of rows, or sum of weights.
    log_likelihood : float
        Sum over the rows, in nats.
    """

    def __init__(
        self,
        title: str,
        entries: list[Entry],
        estimate: FloatArray,
        covariance: FloatArray,
        penalty_bias: FloatArray,
        robust: bool,
        n_samples: float,
        log_likelihood: float,
        delta: DeltaMethod,
        resamples: Resamples | None = None,
    ) -> None:
        self._title, self._entries = title, entries
        names = [str(entry) for entry in entries]
        is_noise = np.array([entry.part == "noise" for entry in entries])
        scales = np.where(is_noise, "log", "identity")
        super().__init__(names, labels_of(entries), estimate, covariance, scales)
        self.robust, self.penalty_bias = robust, penalty_bias
        self.n_samples, self.log_likelihood = n_samples, log_likelihood
        self._delta, self.resamples = delta, resamples

    def predictions(
        self,
        X: MatrixLike,
        offset: ArrayLike | None = None,
        trials: ArrayLike | None = None,
        *,
        of: Literal["mean", "experts", "gate"] = "mean",
    ) -> Predictions:
        """Predictions with standard errors, by the delta method.

        They say how well the mean is known, not where a new y will be: that is
        `predict_interval` of the estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Any rows.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.
        of : {'mean', 'experts', 'gate'}, default='mean'
            'mean' is that of y under the mixture, or the class probabilities;
            'experts' are those of each expert, as of `predict_expert`; 'gate' are the
            probabilities of the experts, as of `gate_proba`.

        Returns
        -------
        predictions : Predictions
            In the units of y, or probabilities.

        Raises
        ------
        ValueError
            If X does not fit the estimator, or `of` is unknown.

        Notes
        -----
        With ``m = sum_k pi_k mu_k`` the derivatives are ``pi_k (mu_k - m)`` by the
        gate's logits and ``pi_k mu_k'`` by the experts' predictors.  A standard error
        is NaN where a prediction changes with an entry that has none.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> from skmoe.inspection import inference
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-2, 2, size=(500, 1))
        >>> y = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(500)
        >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0).fit(X, y)
        >>> result = inference(model, X, y)
        >>> predicted = result.predictions([[-1.0], [1.0]])
        >>> predicted.estimate.round(1)
        array([1., 1.])
        >>> bool((predicted.standard_error < 0.05).all())
        True
        """
        inputs = self._delta.inputs(X, offset, trials)
        rows = row_labels(X, inputs.X.shape[0])
        return predictions_of(self._delta, inputs, of, rows)

    def average_predictions(
        self,
        X: MatrixLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        trials: ArrayLike | None = None,
        *,
        of: Literal["mean", "experts", "gate"] = "mean",
    ) -> Estimates:
        """Predictions averaged over rows, with their covariance.

        Of the gate these are the shares of the experts (latent class probabilities), of
        the experts their means in the whole sample.  The rows are taken as they are:
        another sample would have other ones.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to average over, such as those of the fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows in the average.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors; needed after a fit with one,
            zeros for none, but not of the gate, which does not see it.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; likewise, ones
            for averages of probabilities.
        of : {'mean', 'experts', 'gate'}, default='mean'
            As of :meth:`predictions`.

        Returns
        -------
        averages : Estimates
            Intervals are on the scales of :meth:`predictions`.

        Raises
        ------
        ValueError
            If X does not fit the estimator, weights are invalid, `of` is unknown, or
            offset or trials are missing.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> from skmoe.inspection import inference
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-2, 2, size=(500, 1))
        >>> rises = rng.uniform(size=500) < 0.7
        >>> y = np.where(rises, X[:, 0], -X[:, 0]) + 0.3 * rng.standard_normal(500)
        >>> model = MixtureOfLinearExperts(gate_features=[], random_state=0).fit(X, y)
        >>> shares = inference(model, X, y).average_predictions(X, of="gate")
        >>> shares.names
        ['gate 0', 'gate 1']
        >>> shares.estimate.round(1)
        array([0.7, 0.3])
        """
        inputs = self._delta.inputs_of_sample(X, sample_weight, offset, trials, of)
        return average_predictions(self._delta, inputs, sample_weight, of)

    def average_effects(
        self,
        X: MatrixLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        trials: ArrayLike | None = None,
        *,
        of: Literal["mean", "experts", "gate"] = "mean",
    ) -> Estimates:
        """What predictions change by with each column of X, averaged over rows.

        Gate and experts together: the average of the derivative of the mean by the
        column (average marginal effect) or, of a column that had no values but 0 and 1
        in the fit, of the difference between the mean at 1 and that at 0, all others as
        they are.  The rows are taken as they are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to average over, such as those of the fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows in the average.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors; needed after a fit with one,
            zeros for none, but not of the gate, which does not see it.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; likewise, ones
            for effects on probabilities.
        of : {'mean', 'experts', 'gate'}, default='mean'
            As of :meth:`predictions`.

        Returns
        -------
        effects : Estimates
            For each output, class or expert one effect of each column that it can
            change with, in units of y, or of probability, per unit of the column.  The
            table's column `contrast` says whether it is a slope, ``'dy/dx'``, or a
            difference, ``'1 - 0'``.

        Raises
        ------
        ValueError
            If X does not fit the estimator, weights are invalid, `of` is unknown, no
            column is seen, or offset or trials are missing.

        Notes
        -----
        A column counts as independent of the others.  Where several are made of one,
        such as x and its square, or the levels of a factor, compare rows by
        :meth:`average_differences`.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> from skmoe.inspection import inference
        >>> rng = np.random.default_rng(0)
        >>> X = np.column_stack([rng.uniform(-2, 2, 500), rng.integers(0, 2, 500)])
        >>> y = np.abs(X[:, 0]) + X[:, 1] + 0.3 * rng.standard_normal(500)
        >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0).fit(X, y)
        >>> effects = inference(model, X, y).average_effects(X)
        >>> effects.names
        ['mean: x0', 'mean: x1']
        >>> bool(abs(effects.estimate - [0, 1]).max() < 0.1)
        True
        """
        inputs = self._delta.inputs_of_sample(X, sample_weight, offset, trials, of)
        return average_effects(self._delta, inputs, sample_weight, of)

    def average_differences(
        self,
        X: MatrixLike,
        X_base: MatrixLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        trials: ArrayLike | None = None,
        *,
        of: Literal["mean", "experts", "gate"] = "mean",
    ) -> Estimates:
        """What predictions change by from some rows to others, averaged over rows.

        For columns that change together: levels of a factor, x and its square, what a
        pipeline makes of one column.

        Parameters
        ----------
        X, X_base : {array-like, sparse matrix} of shape (n_samples, n_features)
            The same rows with other values, of which the second are subtracted.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows in the average.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, of both; needed after a fit
            with one, zeros for none, but not of the gate, which does not see it.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; likewise, ones
            for differences of probabilities.
        of : {'mean', 'experts', 'gate'}, default='mean'
            As of :meth:`predictions`.

        Returns
        -------
        differences : Estimates

        Raises
        ------
        ValueError
            If X or X_base does not fit the estimator, they have not as many rows,
            weights are invalid, `of` is unknown, or offset or trials are missing.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> from skmoe.inspection import inference
        >>> rng = np.random.default_rng(0)
        >>> level = rng.integers(0, 3, 600)  # of a factor of three
        >>> X = np.column_stack([rng.uniform(-2, 2, 600), level == 1, level == 2])
        >>> y = np.abs(X[:, 0]) + level + 0.3 * rng.standard_normal(600)
        >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0).fit(X, y)
        >>> first, last = X.copy(), X.copy()
        >>> first[:, 1:], last[:, 1:] = [1, 0], [0, 1]
        >>> change = inference(model, X, y).average_differences(last, first)
        >>> bool(abs(change.estimate[0] - 1) < 0.1)
        True
        """
        inputs, others = (
            self._delta.inputs_of_sample(rows, sample_weight, offset, trials, of)
            for rows in (X, X_base)
        )
        return average_differences(self._delta, inputs, others, sample_weight, of)

    def table(
        self,
        level: float = 0.95,
        penalty_bias: bool = False,
        gate_reference: int | str | None = None,
    ) -> Any:
        """One row for each entry of the fitted attributes.

        Parameters
        ----------
        level : float, default=0.95
            Coverage of the intervals.
        penalty_bias : bool, default=False
            Whether to add a column with that attribute.
        gate_reference : int or str, default=None
            Expert whose gate coefficients are subtracted from those of the others, as
            in multinomial logit models (nnet's multinom, flexmix), its own being left
            out; in a tree the branch of each node.  A name is that of an expert without
            coefficients, such as 'point mass'.  By default gates sum to zero, as
            `gate_coef_` does.

        Returns
        -------
        table : pandas.DataFrame, or structured ndarray of shape (R,) without pandas
            Columns part, expert, output (with several outputs or classes), feature,
            estimate, std_error, z, p_value, lower, upper; a DataFrame's index has the
            names.  In a tree (``depth > 1``) rows of the gate have the node in the
            column expert and the branch in output.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1, both excluded, or no expert of the gate
            is the reference.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> from skmoe.inspection import inference
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-2, 2, size=(500, 1))
        >>> y = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(500)
        >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0).fit(X, y)
        >>> table = inference(model, X, y).table(gate_reference=0)
        >>> table.index[:2].tolist()
        ['gate 1 - gate 0: x0', 'gate 1 - gate 0: (intercept)']
        """
        shown, bias = self, self.penalty_bias
        if gate_reference is not None:
            shown, weights = less_reference(self, self._entries, gate_reference)
            shift = weighted_sums(weights, bias * self.standard_error)
            bias = shift / shown.standard_error
        columns = shown._columns(level)
        if penalty_bias:
            columns["penalty_bias"] = bias
        return table_of(columns, shown.names)

    def summary(self, level: float = 0.95) -> str:
        """The table as text, with a heading.

        Parameters
        ----------
        level : float, default=0.95
            Coverage of the intervals.

        Returns
        -------
        text : str
        """
        kind = "sandwich" if self.robust else "observed information"
        if self.resamples is not None:
            kind = f"bootstrap, {len(self.resamples.estimates)} refits"
        lines = [
            self._title,
            f"{self.n_samples:g} samples, log-likelihood {self.log_likelihood:.6g} "
            f"nats, covariance from the {kind}",
            "",
            self._lines(level),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()
