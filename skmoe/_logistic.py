"""Mixture of logistic experts: the classifier."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from skmoe._base import BaseMixtureOfExperts
from skmoe.engine import prediction
from skmoe.families import CategoricalExperts


class MixtureOfLogisticExperts(ClassifierMixin, BaseMixtureOfExperts):
    _target_checks: dict = {}

    def __init__(
        self,
        n_experts=2,
        *,
        solver="em",
        step_size="auto",
        alpha=1e-3,
        gate_alpha=1e-3,
        fit_intercept="auto",
        symmetric=False,
        gate_features=None,
        expert_features=None,
        init="short_runs",
        n_init=1,
        max_iter=1000,
        tol=1e-5,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_experts = n_experts
        self.solver = solver
        self.step_size = step_size
        self.alpha = alpha
        self.gate_alpha = gate_alpha
        self.fit_intercept = fit_intercept
        self.symmetric = symmetric
        self.gate_features = gate_features
        self.expert_features = expert_features
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X):
        """Class probabilities of the mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        X = self._checked(X)
        log_gate = prediction.gate_log_probability(*self._gate_arguments(X))
        log_class = prediction.expert_log_probability(*self._expert_arguments(X))
        return prediction.mixture_log_density(log_gate[:, :, None], log_class)

    def predict_expert(self, X):
        """Class probabilities under each expert.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_experts, n_classes)
        """
        X = self._checked(X)
        arguments = self._expert_arguments(X)
        return np.exp(prediction.expert_log_probability(*arguments))

    def sample(self, X, n_samples=1, random_state=None):
        """Draw classes given x from the fitted mixture.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples_X, n_features)
        n_samples : int, default=1
            Number of draws for each row of X.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples)
        """
        rng = check_random_state(random_state)
        drawn = prediction.draw_categories(self.predict_proba(X), n_samples, rng)
        return self.classes_[drawn]

    def _encode_target(self, y):
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        self._target_type = type_of_target(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.shape[0] < 2:
            raise ValueError(
                f"y has one class only, {self.classes_[0]!r}, among samples of positive "
                "weight; a classifier needs at least two classes."
            )
        return codes

    def _make_experts(self, ridge, target):
        return CategoricalExperts(
            self.n_experts, self.classes_.shape[0], ridge, self.symmetric
        )

    def _shape_fitted(self, fitted):
        if self.classes_.shape[0] == 2:
            for name in ("coef_", "intercept_"):
                fitted[name] = fitted[name][:, 0]

    def _unshape_fitted(self, fitted):
        if self.classes_.shape[0] > 2:
            return fitted
        names = ("coef_", "intercept_")
        return {k: v[:, None] if k in names else v for k, v in fitted.items()}

    def _check_symmetric(self):
        if self.classes_.shape[0] > 2:
            raise ValueError(
                "symmetric=True: Only binary classification is supported. The type of "
                f"the target is {self._target_type}; set symmetric=False."
            )

    def _expert_log_density(self, X, y):
        y = column_or_1d(y, warn=True)
        codes = np.searchsorted(self.classes_, y)
        codes = np.minimum(codes, self.classes_.shape[0] - 1)
        unknown = self.classes_[codes] != y
        if unknown.any():
            raise ValueError(
                f"y has classes that were not seen in fit: "
                f"{np.unique(y[unknown])[:5].tolist()}; fit knew {self.classes_.tolist()}."
            )
        log_class = prediction.expert_log_probability(*self._expert_arguments(X))
        return log_class[np.arange(y.shape[0]), :, codes]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not self.symmetric
        # P(y | x) of a symmetric model without intercepts is even in x.
        tags.classifier_tags.poor_score = bool(self.symmetric)
        return tags
