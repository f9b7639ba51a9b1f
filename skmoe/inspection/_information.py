"""Complete, missing and observed information, and how fast EM converges."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError
from sklearn.utils.validation import check_is_fitted

from skmoe._base import BaseMixtureOfExperts
from skmoe._docs import see
from skmoe._typing import FloatArray, MatrixLike
from skmoe.data.sample import Known
from skmoe.engine.information import InformationMatrices
from skmoe.inspection._fit import check_estimator, inspect_fit
from skmoe.inspection._names import relative_names


class Information:
    """Information matrices of a fitted mixture, and the convergence rates they imply.

    Made by :func:`information`.  P is the number of parameters that the data
    determines: `names` are those of the matrices' rows.  Gates are relative to the
    first expert's and, beyond two classes, classes to the first class, so that the
    directions that change nothing are gone; noise enters as its logarithm.

    Attributes
    ----------
    names : list of str
        Names of the P parameters.
    complete : ndarray of shape (P, P)
        Complete information ``I_c``, the Hessian of EM's surrogate; like the others a
        sum over rows, in nats per squared unit of the parameters.
    missing : ndarray of shape (P, P)
        Missing information ``I_m``, the sum over rows of the covariance that the
        complete data's score has over z given x and y (Louis 1982).
    observed : ndarray of shape (P, P)
        Observed information ``I_o = I_c - I_m``, the Hessian of the negative
        log-likelihood.
    penalty : ndarray of shape (P, P)
        Hessian of the penalties, and of the prior on noise.
    missing_eigenvalues : ndarray of shape (P,)
        Falling eigenvalues of the Missing Information Matrix
        ``(I_c + penalty)^-1 I_m``.
    em_rate : float
        The largest of them: the factor by which an EM step shrinks the distance from
        the optimum, in the end.  The objective's distance shrinks by its square.
    best_step_size : float
        ``eta* = 2 / (2 - lambda_max - lambda_min)``, the step of mirror descent with
        the best rate, as far as the moments of model and data agree.
    strong_convexity : float
        The largest ``a`` for which F is a-strongly convex relative to the mirror map
        here: the smallest eigenvalue of its Hessian relative to the map's.  Negative
        outside the region where EM is known to converge linearly.
    """

    def __init__(
        self,
        names: list[str],
        matrices: InformationMatrices,
        from_relative: FloatArray,
        n_samples: float,
    ) -> None:
        self.names, self._matrices = names, matrices

        def reported(matrix):
            return n_samples * (from_relative.T @ matrix @ from_relative)

        self.complete = reported(matrices.complete)
        self.missing = reported(matrices.missing)
        self.observed = reported(matrices.complete - matrices.missing)
        self.penalty = reported(matrices.penalty)

    def __repr__(self) -> str:
        names = "em_rate", "best_step_size", "strong_convexity"
        try:
            rates = ", ".join(f"{name} {getattr(self, name):.4g}" for name in names)
        except ValueError:
            rates = "not identified, so no rates"
        return f"Information on {len(self.names)} parameters: {rates}"

    @cached_property
    def missing_eigenvalues(self) -> FloatArray:
        """Falling eigenvalues of the Missing Information Matrix, (P,)."""
        return _identified(self._matrices.missing_eigenvalues)[::-1]

    @property
    def em_rate(self) -> float:
        """Factor by which an EM step shrinks the distance from the optimum."""
        return float(self.missing_eigenvalues[0])

    @property
    def best_step_size(self) -> float:
        """Step of mirror descent with the best rate."""
        values = self.missing_eigenvalues
        return float(2 / (2 - values[0] - values[-1]))

    @property
    def strong_convexity(self) -> float:
        """Constant of F's strong convexity relative to the mirror map, here."""
        return float(_identified(self._matrices.strong_convexity))

    def mirror_rate(self, step_size: float) -> float:
        """Convergence rate of mirror descent with a fixed step.

        Parameters
        ----------
        step_size : float
            ``eta``; 1 is EM.

        Returns
        -------
        rate : float
            Largest ``|1 - eta h|``, with the eigenvalues h of F's Hessian relative to
            the curvature of the step.  At the true parameters, and without penalty,
            h is ``1 - lambda`` on average over samples, lambda the missing eigenvalues.
            Above 1, the step is too long to converge.

        Raises
        ------
        ValueError
            If `step_size` is not positive, or so long that the moments it blends have
            no maximum likelihood.
        """
        if not step_size > 0:
            raise ValueError(
                f"step_size={step_size!r} is no step; give a positive one."
            )
        values = _identified(self._matrices.mirror_eigenvalues, step_size)
        return float(np.abs(1 - step_size * values).max())


def information(
    estimator: BaseMixtureOfExperts,
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
) -> Information:
    """Complete, missing and observed information of a fitted mixture.

    Analytic, in two passes over the rows; memory and time grow with the square of
    the number of parameters.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        A fitted estimator; the last step of a pipeline, with X as that step sees it.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data of the fit.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets of the fit.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the fit.  A weight counts as so many rows.
    groups : array-like of shape (n_samples,), default=None
        Groups of the fit, if it had any; scores add up within a group.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Offsets of the fit, if it had any.
    expert_labels : array-like of int of shape (n_samples,), default=None
        Known experts of the fit, if it had any.
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
    information : Information
        Matrices, eigenvalues and rates at the fitted parameters.  Parameters that the
        data does not determine are left out: coefficients of constant columns, experts
        with less than half a row, noise variances at their bound.

    Raises
    ------
    ValueError
        If the data is invalid or does not fit the estimator.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    UserWarning
        If the rows weigh more or less than those of the fit.

    See Also
    --------
    inference : Standard errors and tests from the observed information.

    References
    ----------
    Fruytier, Mokhtari, Sanghavi, arXiv 2411.06056, section 5 and appendix B; Louis,
    "Finding the observed information matrix when using the EM algorithm", 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.inspection import information
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, size=500)
    >>> y = np.abs(x) + 0.2 * rng.standard_normal(500)
    >>> model = MixtureOfLinearExperts(random_state=0).fit(x[:, None], y)
    >>> info = information(model, x[:, None], y)
    >>> 0 < info.em_rate < 1
    True
    >>> info.mirror_rate(info.best_step_size) < info.em_rate
    True
    """
    known = Known(sample_weight, groups, offset, expert_labels, trials, y_upper, entry)
    fit = inspect_fit(estimator, X, y, known)
    learnt, relative = fit.coordinates.learnt, fit.coordinates.relative
    names = relative_names(estimator, y, fit)
    names = [names[j] for j in learnt]
    from_relative = np.linalg.inv(relative[np.ix_(learnt, learnt)])
    return Information(names, fit.matrices, from_relative, fit.n_samples)


def signal_to_noise(estimator: BaseMixtureOfExperts) -> float | FloatArray:
    """Signal-to-noise ratio of a symmetric model.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts or MixtureOfLogisticExperts
        Fitted with ``symmetric=True``.

    Returns
    -------
    ratio : float or ndarray of shape (n_outputs,)
        ``||beta|| / sigma`` of linear experts, for each output if y has several, and
        ``||beta||`` of logistic ones.  It is the standard deviation of the signal in
        units of the noise if X has uncorrelated columns of mean 0 and variance 1.

    Raises
    ------
    ValueError
        If the model is not symmetric.
    TypeError
        If `estimator` is no mixture of experts.

    References
    ----------
    Fruytier, Mokhtari, Sanghavi, arXiv 2411.06056, section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.inspection import signal_to_noise
    >>> rng = np.random.default_rng(0)
    >>> X, z = rng.standard_normal((1000, 2)), rng.choice([-1, 1], size=1000)
    >>> y = z * X.sum(axis=1) + 0.5 * rng.standard_normal(1000)
    >>> model = MixtureOfLinearExperts(symmetric=True, random_state=0).fit(X, y)
    >>> round(signal_to_noise(model), 1)
    2.8
    """
    check_estimator(estimator)
    check_is_fitted(estimator)
    if not estimator.symmetric:
        raise ValueError(
            "signal_to_noise is defined for symmetric models; the estimator has "
            "symmetric=False." + see("Symmetric models")
        )
    signal = np.linalg.norm(estimator.coef_[0], axis=-1)
    ratio = signal / np.sqrt(getattr(estimator, "noise_variance_", np.ones(1))[0])
    return float(ratio) if np.ndim(ratio) == 0 else ratio


def _identified(eigenvalues, *arguments):
    """What a function of eigenvalues returns, if the curvature is positive."""
    try:
        return eigenvalues(*arguments)
    except LinAlgError:
        raise ValueError(
            "The curvature of the step is not positive definite: the parameters are "
            "not identified here (raise alpha and gate_alpha, or lower n_experts), are "
            "far from an optimum (fit with a smaller tol), or the step is too long."
            + see("Standard errors and convergence rates")
        ) from None
