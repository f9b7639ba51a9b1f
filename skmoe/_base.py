"""What all estimators share: the scikit-learn shell around the engine."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skmoe._callbacks import FRAMES, CallbackSupportMixin, with_callbacks
from skmoe._criteria import HasCriteria
from skmoe._docs import page_template, see
from skmoe._fit import fit_task, task_in_memory, warn_of
from skmoe._fitted import (
    KNOWN,
    STRENGTHS,
    STRUCTURE,
    Fitted,
    check_as_fitted,
    settings_of,
    specification,
)
from skmoe._fixed import asked_for, check_fixed, fixed_of
from skmoe._pickles import LoadsOldPickles, fitted_before
from skmoe._sharing import check_expert_columns, check_sharing, check_system
from skmoe._sklearn import (
    Hidden,
    Interval,
    StrOptions,
    fit_context,
    validate_parameter_constraints,
)
from skmoe._typing import FloatArray, MatrixLike, keeps_type
from skmoe._validation import check_columns, check_sees_something, n_all_experts
from skmoe.data.canonical import in_groups
from skmoe.data.groups import (
    check_gate_sees_groups,
    check_labels_alike,
    joint_of_groups,
)
from skmoe.data.rows import rows_like_fit, warn_of_other_order
from skmoe.data.sample import (
    Inputs,
    Known,
    check_expert_proba,
    check_offset,
    is_other,
    sample_of,
)
from skmoe.engine.fitted import FittedModel, mixture_log_density, posterior
from skmoe.engine.gate import branches_of
from skmoe.engine.problem import Problem
from skmoe.engine.starts import STRATEGIES

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NON_NEGATIVE = Interval(Real, 0, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="both")
_NOTHING = Known()  # beside X and y


class BaseMixtureOfExperts(
    HasCriteria, CallbackSupportMixin, LoadsOldPickles, metaclass=ABCMeta
):
    """Parameters, `fit` and the methods that do not depend on the family."""

    coef_: FloatArray
    intercept_: FloatArray
    gate_coef_: FloatArray
    gate_intercept_: FloatArray
    background_range_: FloatArray
    n_iter_: int
    converged_: bool
    objective_curve_: FloatArray
    n_samples_seen_: float

    _doc_link_module = "skmoe"
    # Not all estimators have these parameters.
    symmetric: bool = False
    shared_features: Any = None
    shared_intercept: Any = False
    class_weight: Any = None
    point_mass: float | None = None
    background: bool = False
    # Set where fit must not warn, or not of rows: `catch_warnings` is not for threads.
    _is_quiet = _trusts_rows = False
    _known: tuple = ()  # what goes with the rows of a new fit, see `Fitted`
    _parameter_constraints: dict = {
        "n_experts": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"em", "md", "gd"})],
        "step_size": [StrOptions({"auto"}), _POSITIVE],
        "alpha": [_NON_NEGATIVE],
        "gate_alpha": [_NON_NEGATIVE],
        "l1_ratio": [_SHARE],
        "gate_l1_ratio": [_SHARE],
        "fit_intercept": [StrOptions({"auto"}), "boolean"],
        "gate_intercept": [StrOptions({"auto"}), "boolean"],
        "symmetric": ["boolean"],
        "depth": [Interval(Integral, 1, None, closed="left")],
        "top_k": [None, Interval(Integral, 2, None, closed="left")],
        "gate_features": [None, "array-like", callable, Hidden(str)],
        "expert_features": [None, "array-like", callable, dict, Hidden(str)],
        "shared_features": [None, "array-like", callable, dict, Hidden(str)],
        "shared_intercept": ["boolean", list, tuple],
        "init": [StrOptions(set(STRATEGIES)), "array-like"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [_NON_NEGATIVE],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    @keeps_type(with_callbacks)
    @keeps_type(fit_context(prefer_skip_nested_validation=True))
    def fit(
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
    ) -> Self:
        """Fit the mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.  Dense data is not copied, sparse data is not made dense.
            In a data frame, columns that neither gate nor experts see may hold
            anything, such as text or missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.  Several outputs only for the regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.  They count as rows, also beside the penalties, which
            are totals: integer weights equal repeated rows.  Rows of weight zero are
            left out.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups, such as the unit of repeated measurements: rows of a group
            share one latent expert.  The gate decides once for a group, so what it
            sees must be constant within groups; set `gate_features`.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, such as the logarithm of the
            exposure of counts; for linear experts in the units of y, for classes on
            the scale of logits (of two classes that of ``classes_[1]``).
        expert_labels : array-like of int of shape (n_samples,), default=None
            Numbers of experts that are known, from 0 to ``n_experts - 1``, and -1 where
            one is not.  Such a row counts for its expert alone, and one row of a group
            tells the expert of all.  Experts then keep their numbers.
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
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is invalid.  An earlier fit is then untouched.

        Warns
        -----
        ConvergenceWarning
            If the best start ran out of `max_iter` iterations, or found no step that
            lowers the objective before it converged; or if it is no better than one
            expert, and so are other starts.
        UserWarning
            If the model has more parameters than samples (weights count as samples), or
            an expert fewer samples than coefficients; or if columns vary so little in
            their units that `alpha` or `gate_alpha`, left as they are by default, hold
            their coefficients back.
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        task, best = fit_task(
            self, lambda passes: task_in_memory(self, X, y, known, passes)
        )
        warn_of(self, task, best, stacklevel=4 + FRAMES)
        return self

    def gate_proba(self, X: MatrixLike) -> FloatArray:
        """Probability of each expert given x.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_experts)
        """
        check_is_fitted(self)
        inputs = Inputs(rows_like_fit(self, X))
        return self._cast(self._model().gate_probability(inputs), inputs)

    def responsibilities(
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
    ) -> FloatArray:
        """Probability of each expert given x and y (posterior, E-step).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights count rows within their group, as in `fit`: integer weights equal
            repeated rows.  Without `groups` they change nothing; with them they are
            needed after a fit with weights, ones for none.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert; its rows are then equal.
            Needed after a fit with groups, ``np.arange(n_samples)`` for rows on their
            own; without it each row is.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_labels : array-like of int of shape (n_samples,), default=None
            Experts that are known, else -1, as in `fit`; the others of such a row, or
            group, then have none.  Without it labels of the fit are not used.
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
        proba : ndarray of shape (n_samples, n_experts)
            A row for each sample, also with groups.

        Raises
        ------
        ValueError
            If the data is invalid, what the gate sees varies within a group, or
            something is missing that went with the rows of the fit.
        """
        known = Known(
            sample_weight, groups, offset, expert_labels, trials, y_upper, entry
        )
        self._require(**known.of_rows())
        sample = self._sample(X, y, known)
        proba = posterior(*self._log_joint(sample))
        return proba if groups is None else proba[sample.group]

    def score_samples(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        expert_proba: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        entry: ArrayLike | None = None,
    ) -> FloatArray:
        """Log-likelihood log p(y | x) of each sample, or of each group, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Without it, the log-likelihood of what `predict` gives: how sure the model
            is of its own prediction.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights count rows within their group, as in `fit`: integer weights equal
            repeated rows.  Without `groups` they change nothing; with them they are
            needed after a fit with weights, ones for none.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups that share one latent expert.  Needed with y after a fit
            with groups, unless `expert_proba` says what they would tell;
            ``np.arange(n_samples)`` for rows on their own.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the experts' linear predictors, as in `fit`.
        expert_proba : array-like of shape (n_samples, n_experts), default=None
            Probabilities of the experts in place of the gate's, such as those of
            :meth:`expert_proba`.
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
        log_density : ndarray of shape (n_samples,) or (n_groups,)
            With groups of all rows of a group together, in the order of the sorted
            labels, ``np.unique(groups)``; 0 for a group without weight.

        Raises
        ------
        ValueError
            If the data is invalid, what the gate sees varies within a group, or
            something is missing that went with the rows of the fit.
        """
        known = Known(
            sample_weight, groups, offset, trials=trials, y_upper=y_upper, entry=entry
        )
        required = known.of_rows()
        if expert_proba is not None:
            del required["groups"]  # what they tell is told
        if y is None:
            required = {name: required[name] for name in ("offset", "trials", "entry")}
        self._require(**required)
        if y is None:
            counted = {} if trials is None else {"trials": trials}
            y = self.predict(X, offset=offset, expert_proba=expert_proba, **counted)
        sample = self._sample(X, y, known)
        return mixture_log_density(*self._log_joint(sample, expert_proba))

    def expert_proba(
        self,
        X: MatrixLike,
        groups: ArrayLike,
        X_past: MatrixLike,
        y_past: ArrayLike,
        groups_past: ArrayLike,
        sample_weight_past: ArrayLike | None = None,
        offset_past: ArrayLike | None = None,
        expert_labels_past: ArrayLike | None = None,
        *,
        trials_past: ArrayLike | None = None,
        y_upper_past: ArrayLike | None = None,
    ) -> FloatArray:
        """Probability of each expert for rows of groups that have earlier rows.

        What predictions and scores take as `expert_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        groups : array-like of shape (n_samples,)
            Labels of their groups.
        X_past : {array-like, sparse matrix} of shape (n_past, n_features)
            Rows whose y is known.
        y_past : array-like of shape (n_past,) or (n_past, n_outputs)
        groups_past : array-like of shape (n_past,)
            Labels of their groups.
        sample_weight_past : array-like of shape (n_past,), default=None
            Weights count rows within their group.
        offset_past : array-like of shape (n_past,), (n_past, n_outputs) or \
                (n_past, n_classes), default=None
            Known part of the linear predictors of the earlier rows.
        expert_labels_past : array-like of int of shape (n_past,), default=None
            Experts of earlier rows, and so of their groups, that are known, else -1.
        trials_past : array-like of shape (n_past,), default=None
            Number of trials of each earlier row, whose successes y counts; 1 by
            default.  Of ``family='binomial'`` alone.
        y_upper_past : array-like of shape (n_past,), default=None
            Upper ends of what is known of the earlier y, as in `fit`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_experts)
            The responsibilities of a group given its earlier rows; the probabilities of
            the gate for rows of groups that have none.

        Raises
        ------
        ValueError
            If the data is invalid, or what the gate sees varies within a group.

        Examples
        --------
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> rng = np.random.default_rng(0)
        >>> subject, x = np.repeat(np.arange(100), 4), rng.normal(size=(400, 1))
        >>> y = np.where(subject % 2, x[:, 0], -x[:, 0]) + 0.1 * rng.normal(size=400)
        >>> model = MixtureOfLinearExperts(gate_features=[], random_state=0)
        >>> model = model.fit(x, y, groups=subject)
        >>> past = [[2.0]], [2.0], ["a"]  # the slope of this subject is 1
        >>> proba = model.expert_proba([[1.0], [1.0]], ["a", "b"], *past)
        >>> model.predict([[1.0], [1.0]], expert_proba=proba).round(1) + 0.0
        array([1., 0.])
        """
        self._require(
            sample_weight_past=sample_weight_past,
            offset_past=offset_past,
            trials_past=trials_past,
            y_upper_past=y_upper_past,
        )
        warn_of_other_order(X=X, groups=groups)
        gate = self.gate_proba(X)
        groups, past = check_labels_alike(groups, groups_past, len(gate))
        weight, offset, labels = sample_weight_past, offset_past, expert_labels_past
        known = self.responsibilities(
            X_past,
            y_past,
            weight,
            past,
            offset,
            labels,
            trials=trials_past,
            y_upper=y_upper_past,
        )
        counts = np.ones(len(past)) if weight is None else np.asarray(weight)
        past, known = past[counts > 0], known[counts > 0]
        names, first = np.unique(past, return_index=True)
        where = np.minimum(np.searchsorted(names, groups), len(names) - 1)
        is_known = names[where] == groups
        return np.where(is_known[:, None], known[first][where], gate)

    def _target_encoder(self):
        """Encoder of y for a new fit."""
        return self._encoder(settings_of(self))

    def _learn_target(self, summary):
        """Encoder that has learned from a summary of all y; also the attributes."""
        vars(self).pop("background_range_", None)
        encoder = self._target_encoder().learn(summary)
        vars(self).update(encoder.attributes())
        return encoder

    def _fitted_target(self, y):
        """Validated y as the engine wants it, if it is like the y of fit."""
        return self._fitted_encoder().encode(y)

    def _fitted_encoder(self):
        """Encoder of y of the fitted model."""
        return self._encoder(self._fitted["settings"])

    def _class_weighted(self, weight, target):
        """Weights of rows times those of their classes, (n,)."""
        if self.class_weight is None:
            return weight
        encoder = self._target_encoder()
        return weight * encoder.weights(encoder.totals(target, weight))[target]

    @abstractmethod
    def _distribution(self, settings, n_targets, known=()):
        """Distribution of so many outputs, or classes, under an expert.

        `known` names what goes with rows.
        """

    @abstractmethod
    def _n_targets(self, target):
        """Number of classes, or of outputs of targets (m, n) or their means (m,)."""

    @abstractmethod
    def _is_flat(self, n_targets):
        """Whether attributes of a new fit have no axis of outputs or classes."""

    @abstractmethod
    def _encoder(self, settings):
        """Encoder of y, see `skmoe.data.targets`; it knows what the fit learned."""

    def _check_structure(self):
        """Raise an error if the experts cannot be arranged as asked for."""
        if self.symmetric and self.n_experts != 2:
            raise ValueError(
                f"symmetric=True is a model of two experts, got n_experts="
                f"{self.n_experts}; set n_experts=2 or symmetric=False."
                + see("Symmetric models")
            )
        if branches_of(self.n_experts, self.depth) is None:
            raise ValueError(
                f"depth={self.depth} is a tree with as many branches at every node, "
                f"got n_experts={self.n_experts}; set n_experts to the power "
                f"{self.depth} of a whole number above 1, or depth=1."
                + see("Sparse and deep mixtures")
            )
        _check_choice(self.depth, self.top_k)
        settings = settings_of(self)
        if asked_for(settings):
            check_fixed(settings, self._distribution(settings, 1))

    def _check_numbers(self):
        """Raise an error if a number is a bool, which Python counts among them."""
        for name, allowed in self._parameter_constraints.items():
            value = getattr(self, name, None)
            is_number = any(isinstance(one, Interval) for one in allowed)
            if isinstance(value, bool) and is_number and "boolean" not in allowed:
                raise ValueError(f"{name}={value} is no number; give one.")

    def _check_columns(self, X):
        """Columns of the gate and of the experts, given X as the user gave it.

        With them go the sets of shared coefficients, or None.
        """
        self._check_numbers()
        check_sharing(self)
        gate = check_columns(self, "gate_features", X)
        spec = self._specification((gate, None))
        check_sees_something(self, "gate_features", gate, spec.gate_intercept)
        return [gate, *check_expert_columns(self, X, spec.fit_intercept)]

    def _described(self, problem, theta, mass, dtype):
        """Attributes that follow from the parameters, a dict.

        `mass` (K,) are the responsibilities of the experts, summed to 1.
        """
        spec, distribution = problem.specification, problem.specification.distribution
        is_flat = self._is_flat(spec.n_targets)
        attributes = _shaped(problem.attributes(theta, dtype), is_flat)
        exact = {}
        if dtype == np.float32:
            exact = _shaped(problem.attributes(theta, np.float64), is_flat)
        if distribution.dispersion_name is not None:
            noise = problem.prior_noise()
            shaped = float(noise[0]) if is_flat and noise is not None else noise
            attributes[f"prior_{distribution.dispersion_name}"] = shaped
            ones = np.ones_like(attributes["intercept_"])
            attributes.setdefault(distribution.dispersion_name, ones)
        column_units, target_units = problem.scaling.units()
        fitted = Fitted(
            settings_of(self),
            (spec.gate_columns, spec.expert_columns, spec.coef_sets),
            spec.n_targets,
            is_flat,
            column_units,
            target_units,
            mass,
            *problem.account(theta, mass),
            exact,
            self._known,
        )
        return attributes | {"_fitted": fitted._asdict()}

    def _after_fit(self, descent, problem, dtype, n_seen):
        """Attributes of a finished fit, a dict."""
        fitted = self._described(problem, descent.theta, descent.mass, dtype)
        fitted["n_iter_"] = descent.n_iter
        fitted["converged_"] = descent.converged
        fitted["objective_curve_"] = descent.objective_curve
        fitted["n_samples_seen_"] = n_seen
        fitted["_online"] = None
        return fitted

    def _specification(self, columns, n_targets=None):
        """Specification of a fit; columns of gate and experts.

        Before the targets are known it has no distribution.
        """
        settings, distribution = settings_of(self), None
        if n_targets is None:
            return specification(distribution, settings, columns)
        distribution = self._distribution(settings, n_targets, self._known)
        fixed = self._fixed_experts(settings, distribution)
        return specification(distribution, settings, columns, fixed)

    def _fixed_experts(self, settings, distribution):
        """Experts without coefficients of a new or fitted model, or None."""
        ends = getattr(self, "background_range_", None)
        return fixed_of(settings, distribution, ends)

    def _forget_learned(self):
        """Forget what an earlier fit has learned of the distribution of y."""

    def _refined(self, task, best):
        """Task and best descent once the distribution of y is learned, too."""
        return task, best

    def _centres_target(self):
        """Whether the mean of a target is taken away."""
        # Experts of opposite sign have no common mean to take away.
        return self._specification((None, None)).fit_intercept and not self.symmetric

    def _make_problem(self, rows, columns, **options):
        """The engine's problem of a fit to `Rows`; columns of gate and experts."""
        spec = self._specification(columns, self._n_targets(rows.target))
        check_system(spec)
        return self._problem_of(spec, rows, **options)

    def _problem_of(self, spec, rows, **options):
        """The engine's problem of a specification, whose rows it puts in groups."""
        X, target, weight, *known = in_groups(rows)
        known = dict(zip(("group", "offset", "expert", "fixed"), known))
        return Problem(X, target, weight, spec, **known, **options)

    def _require(self, **given):
        """Raise an error if an argument is missing that the fit had."""
        check_is_fitted(self)
        for name, value in given.items():
            of_fit = name.removesuffix("_past")
            if value is None and of_fit in self._fitted["known"]:
                remedy, section = KNOWN[of_fit]
                raise ValueError(
                    f"{name}=None, but the model was fitted with {of_fit}; give "
                    f"{remedy}, in a pipeline or search by metadata routing."
                    + see(section)
                )

    def _fitted_prior(self):
        """Noise variances of the prior of the fit, or None."""
        name = self._fitted_distribution().dispersion_name
        return None if name is None else getattr(self, f"prior_{name}")

    def _fitted_problem(self, X, y, known=_NOTHING):
        """The problem on some data, and the fitted parameters in its coordinates."""
        sample = self._sample_like_fit(X, y, known)
        names, purpose = STRUCTURE + STRENGTHS, "its information is that of the fit"
        check_as_fitted(self, names, purpose, "fit again")
        problem = self._problem_like_fit(sample, prior_noise=self._fitted_prior())
        return problem, self._fitted_theta(problem), float(problem.scaling.total)

    def _sample_like_fit(self, X, y, known):
        """`Sample` of positive weight, for what is asked of the fit itself."""
        self._check_like_fit(known)
        return self._sample(X, y, known).of_positive_weight()

    def _check_like_fit(self, known):
        """Raise an error if what went with the rows of the fit is missing.

        Or if they are in groups now, and were not.
        """
        self._require(**known._asdict())
        if known.groups is not None and "groups" not in self._fitted["known"]:
            raise ValueError(
                "groups are given, but the model was fitted without: to groups it is "
                "another model, whose optimum is elsewhere; fit with groups, or leave "
                "them out. score_samples and responsibilities take the experts as they "
                "are to groups." + see("Groups")
            )

    def _problem_like_fit(self, sample, n_experts=None, **options):
        """The problem of the fitted model on the rows of a `Sample`.

        Or that of so many of its experts, which must all be alike.
        """
        rows = sample.rows(self._fitted_encoder())
        rows = rows._replace(weight=self._class_weighted(rows.weight, rows.target))
        spec = self._model(sample.known).specification
        if sample.group is not None:
            check_gate_sees_groups(self, sample, spec.gate_columns)
        if n_experts is not None:
            spec = spec.of_first(n_experts)
        return self._problem_of(spec, rows, **options)

    def _fitted_theta(self, problem):
        """Fitted parameters in a problem's coordinates."""
        expected = problem.attributes(problem.mixture.initial(), np.float64)
        is_flat = self._is_flat(problem.specification.n_targets)
        for name, value in _shaped(expected, is_flat).items():
            shape = np.shape(getattr(self, name, None))
            if shape != value.shape:
                raise ValueError(
                    f"{name} has shape {shape} where X and y, and the parameters of "
                    f"the estimator, give {value.shape}. warm_start=True and "
                    "inspection need those of the fit: fit again, or set "
                    "warm_start=False." + see("Starting points")
                )
        return problem.parameters(self._parameters(problem.specification.distribution))

    def _fitted_distribution(self, known=()):
        """Distribution of y under an expert of the fitted model.

        `known` names what goes with the rows.
        """
        fitted = Fitted(**self._fitted)
        return self._distribution(fitted.settings, fitted.n_targets, known)

    def _parameters(self, distribution):
        """Fitted attributes in float64, each with an axis of outputs, a dict.

        They are unrounded unless they were set since the fit.
        """
        fitted, found = Fitted(**self._fitted), {}
        for name in _names(distribution):
            public = getattr(self, name)
            exact = fitted.exact.get(name, public)
            is_same = np.array_equal(exact.astype(public.dtype), public)
            found[name] = (exact if is_same else public).astype(np.float64, copy=False)
        return {
            name: value[:, None] if fitted.is_flat and _is_of_experts(name) else value
            for name, value in found.items()
        }

    def _model(self, known=()):
        """What was fitted; parameters set since then change nothing but `top_k`.

        `known` names what goes with the rows that it is asked about.
        """
        fitted = Fitted(**self._fitted)
        settings = fitted.settings
        if self.top_k != settings["top_k"]:
            settings = settings | {"top_k": self._new_top_k(settings["depth"])}
        distribution = self._fitted_distribution(known)
        fixed = self._fixed_experts(settings, distribution)
        spec = specification(distribution, settings, fitted.columns, fixed)
        return FittedModel(spec, self._parameters(distribution))

    def _new_top_k(self, depth):
        """The `top_k` set after a fit, if there can be one."""
        constraints = {"top_k": self._parameter_constraints["top_k"]}
        given = {"top_k": self.top_k}
        validate_parameter_constraints(constraints, given, type(self).__name__)
        _check_choice(depth, self.top_k)
        settings = self._fitted["settings"] | given
        if asked_for(settings):
            check_fixed(settings, self._fitted_distribution())
        return self.top_k

    def _inputs(self, X, offset=None, expert_proba=None, trials=None):
        """Validated `Inputs` of a fitted estimator."""
        check_is_fitted(self)
        known = Known(offset=offset, trials=trials)
        X = rows_like_fit(self, X, known=known)
        trials = self._fitted_encoder().trials(trials, X.shape[0])
        return self._inputs_of(X, offset, expert_proba, trials)

    def _inputs_of(self, X, offset, expert_proba, trials=None):
        """`Inputs` of a validated X, and of validated trials where y is not known."""
        n_rows, n_experts = X.shape[0], n_all_experts(self._fitted["settings"])
        if offset is not None:
            offset = self._fitted_encoder().offset(check_offset(offset, n_rows))
        proba = check_expert_proba(expert_proba, n_rows, n_experts)
        return Inputs(X, offset, proba, trials)

    def _cast(self, values, inputs):
        """Predictions in the type of the attributes, or of X if that is wider."""
        dtype = np.result_type(inputs.X.dtype, self.coef_.dtype)
        ends = np.finfo(dtype)
        return np.clip(values, ends.min, ends.max).astype(dtype, copy=False)

    def _sample(self, X, y, known):
        """Validated `Sample` of a fitted estimator."""
        check_is_fitted(self)
        X, y = rows_like_fit(self, X, y, known=known)
        settings = self._fitted["settings"] | {"top_k": self.top_k}
        return sample_of(self._fitted_encoder(), settings, X, y, known)

    def _log_joint(self, sample, expert_proba=None):
        """Log-probabilities of experts and log-densities of rows, or of groups.

        Of a validated `Sample`; two arrays (n, K) or (G, K).
        """
        model = self._model(sample.known)
        inputs = self._inputs_of(sample.X, sample.offset, expert_proba)
        joint = model.log_joint(inputs, self._fitted_encoder().encode(sample.y))
        if model.fixed is not None:
            # It raises an error if groups or labels want what cannot be.
            sample.of_positive_weight().rows(self._fitted_encoder())
        if sample.expert is not None:
            expert = sample.expert_of_groups()
            joint[0][is_other(expert, model.gate.n_experts)] = -np.inf
        if sample.group is None:
            return joint
        if inputs.expert_proba is not None:
            sample.check_proba_of_groups(inputs.expert_proba)
        else:
            columns = model.specification.gate_columns
            check_gate_sees_groups(self, sample.of_positive_weight(), columns)
        return joint_of_groups(*joint, sample.weight, sample.group)

    @property
    def expert_shares_(self) -> FloatArray:
        """Shares of the experts in the rows of the fit, (n_experts,).

        Means of their responsibilities; rows count by weight, not by groups.
        """
        check_is_fitted(self)
        return self._fitted["mass"].copy()

    @property
    def n_parameters_(self) -> int:
        """Number of parameters that the data determined, as criteria count them."""
        check_is_fitted(self)
        return self._fitted["n_parameters"]

    @property
    def _doc_link_template(self):
        """Page that scikit-learn's diagrams link to; none without a site."""
        return page_template()

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "coef_") and "_fitted" not in vars(self):
            self._fitted = fitted_before(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _names(distribution):
    """Fitted attributes that are parameters of the model, a list."""
    names = ["gate_coef_", "gate_intercept_", "coef_", "intercept_"]
    return names + [distribution.dispersion_name] * distribution.has_dispersion


def _is_of_experts(name):
    """Whether a fitted attribute has an axis of outputs or classes."""
    return not name.startswith("gate_")


def _shaped(attributes, is_flat):
    """Attributes without the axis of outputs or classes, where there is none."""
    return {
        name: value[:, 0] if is_flat and _is_of_experts(name) else value
        for name, value in attributes.items()
    }


def _check_choice(depth, top_k):
    """Raise an error if a gate cannot choose."""
    if depth > 1 and top_k is not None:
        raise ValueError(
            f"depth={depth} and top_k={top_k}: only a single gate can choose; set "
            "depth=1 or top_k=None." + see("Sparse and deep mixtures")
        )
