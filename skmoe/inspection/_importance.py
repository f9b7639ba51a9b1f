"""How much each column matters to a fitted mixture, from its coefficients."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmoe._typing import FloatArray
from skmoe.inspection._fit import check_estimator


def feature_importances(estimator: Any) -> FloatArray:
    """How much each column of X matters to gate and experts together.

    For ``importance_getter`` of :class:`~sklearn.feature_selection.RFE`,
    :class:`~sklearn.feature_selection.RFECV` and
    :class:`~sklearn.feature_selection.SelectFromModel`, which by default take `coef_`
    for that of one linear model and know nothing of the gate.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or MixtureOfGLMExperts
        Fitted.

    Returns
    -------
    importances : ndarray of shape (n_features,)
        In the order of the columns of X, without a unit, at least 0 and less than
        ``sqrt(2)``.  0 for columns that neither gate nor experts see, that are
        constant, or whose coefficients are all zero.

    Raises
    ------
    TypeError
        If `estimator` is no mixture of experts.
    NotFittedError
        If it is not fitted.

    Notes
    -----
    Coefficients are taken for columns of standard deviation 1: multiplied by that of
    column j in the fit or, without intercepts or of sparse X, its root mean square.
    Those of linear experts are divided by the standard deviation of y.  With the shares
    ``m_k`` of the experts in all responsibilities, two numbers follow for column j:

    - ``e_j**2``, the mean of squared coefficients over experts, weighted by ``m_k``,
      and over outputs; of a classifier their variance over the classes' logits;
    - ``g_j**2``, the variance of the gate's coefficients over experts, weighted by
      ``m_k``; of a tree it is that over the branches of a node, summed over nodes that
      are weighted by the shares below them.

    The importance of column j is
    ``sqrt(e_j**2 / (1 + sum(e**2)) + g_j**2 / (1 + sum(g**2)))``: no coefficients of a
    sharp gate are so large that those of the experts would not count beside them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_selection import RFE
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.inspection import feature_importances
    >>> X = np.random.default_rng(0).standard_normal((300, 3))
    >>> y = np.where(X[:, 2] > 0, X[:, 0], -X[:, 0])
    >>> model = MixtureOfLinearExperts(random_state=0)
    >>> selected = RFE(
    ...     model, n_features_to_select=2, importance_getter=feature_importances
    ... )
    >>> selected.fit(X, y).support_
    array([ True, False,  True])
    """
    check_estimator(estimator)
    check_is_fitted(estimator)
    fitted = estimator._fitted
    mass = fitted["mass"] / fitted["mass"].sum()
    scale = fitted["column_units"][1]
    scale = np.where(np.isinf(scale), 0.0, scale)  # of constant columns
    squares = np.zeros((2, estimator.n_features_in_))
    for found, columns, of in (
        (squares[0], fitted["columns"][1], _of_experts),
        (squares[1], fitted["columns"][0], _of_gate),
    ):
        columns = slice(None) if columns is None else columns
        found[columns] = of(estimator, mass, scale[columns])
    squares /= 1 + squares.sum(axis=1, keepdims=True)
    return np.sqrt(squares.sum(axis=0))


def _of_experts(estimator, mass, scale):
    """Mean square of the experts' coefficients for columns of a scale, (d,)."""
    model, unit = estimator._model(), estimator._fitted["target_units"][1]
    unit = unit if unit.size else np.ones(1)  # logits of successes have none
    coef = model.coef * scale
    n_classes = model.distribution.n_categories
    if not n_classes:
        return mass[: len(coef)] @ np.square(coef / unit[:, None]).mean(axis=1)
    if n_classes == 2:  # the logits 0 and x~' beta
        coef = np.concatenate([np.zeros_like(coef), coef], axis=1)
    return mass @ coef.var(axis=1)


def _of_gate(estimator, mass, scale):
    """Variance of the gate's coefficients for columns of a scale, (d,)."""
    return estimator._model().gate.variance(estimator.gate_coef_ * scale, mass)
