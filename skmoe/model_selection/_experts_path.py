"""How many experts: fits with 1, 2, ... of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Generic, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmoe._docs import see
from skmoe._pipeline import check_mixture
from skmoe._tables import table_of, text_of
from skmoe._typing import FloatArray, MatrixLike
from skmoe._validation import check_count
from skmoe.data.sample import Known
from skmoe.model_selection._refits import class_weighted
from skmoe.model_selection._split_fits import (
    Mixture,
    check_any_number,
    doubts_of,
    fit_copy,
    fit_split,
)

_CRITERIA = ("aic", "bic", "sabic", "caic", "icl")
# Criteria nearer than this are equal, as fits are to their tolerance: an expert without
# rows counts no parameters, and gains or loses that little.
_TIE = 0.01
# Columns of a path's table, see `FitToData`.
_STATISTICS = (
    "n_parameters",
    "log_likelihood",
    "aic",
    "bic",
    "sabic",
    "caic",
    "icl",
    "relative_entropy",
    "smallest_class",
    "smallest_posterior",
)


@dataclass(frozen=True, repr=False)
class ExpertsPath(Generic[Mixture]):
    """Fits with 1, 2, ... experts, made by :func:`n_experts_path`.

    Attributes
    ----------
    n_experts : ndarray of shape (max_experts,)
        Numbers of experts.
    estimators : list of estimators
        The fits.
    aic, bic, sabic, caic, icl : ndarray of shape (max_experts,)
        Criteria on the data of the fits, see :meth:`table`; lower is better.
    """

    n_experts: NDArray[np.integer]
    estimators: list[Mixture]
    aic: FloatArray
    bic: FloatArray
    sabic: FloatArray
    caic: FloatArray
    icl: FloatArray
    _statistics: dict[str, Any]
    _classifications: list[FloatArray]

    def __repr__(self) -> str:
        return text_of(self.table())

    def table(self) -> Any:
        """Fit statistics of latent class analysis, one row for each number of experts.

        ``print(path)`` shows all of its columns, of which pandas leaves some out.
        Classes are the experts, and a row of the data, or a group, is assigned to the
        one of largest responsibility.

        Returns
        -------
        table : pandas.DataFrame, or structured ndarray without pandas
            Columns n_experts (the index of a DataFrame), n_parameters, log_likelihood,
            aic, bic, sabic (BIC adjusted for the sample size, with
            ``log((n + 2) / 24)`` in place of ``log(n)``), caic (``log(n) + 1``), icl,
            relative_entropy (1 where classes are certain), smallest_class (least share
            of the rows by weight, or with groups of the groups, that is assigned to
            one), smallest_posterior (least mean responsibility of a class for what is
            assigned to it); after a fit with groups bic_groups (BIC with the number of
            groups for n).

        References
        ----------
        Sclove, "Application of model-selection criteria to some problems in
        multivariate analysis", Psychometrika 52, 1987; Bozdogan, "Model selection and
        Akaike's information criterion", Psychometrika 52, 1987; Ramaswamy et al., "An
        empirical pooling approach", Marketing Science 12, 1993.
        """
        columns = {"n_experts": self.n_experts, **self._statistics}
        return table_of(columns, "n_experts")

    def classification_table(self, n_experts: int) -> FloatArray:
        """Mean responsibilities of what is assigned to each expert.

        Parameters
        ----------
        n_experts : int
            Of which fit.

        Returns
        -------
        table : ndarray of shape (K, K)
            Row k: means over the rows of the data, or groups, whose largest
            responsibility is that of expert k; NaN where there are none.  The diagonal
            is near 1 where classes are told apart.

        Raises
        ------
        ValueError
            If there is no fit with so many experts.
        """
        found = np.flatnonzero(self.n_experts == n_experts)
        if not found.size:
            raise ValueError(
                f"n_experts={n_experts!r}: the path has fits with "
                f"{self.n_experts.tolist()} experts; give one of these numbers."
            )
        return self._classifications[found[0]]

    def best(
        self, criterion: Literal["aic", "bic", "sabic", "caic", "icl"] = "bic"
    ) -> Mixture:
        """The fit with the lowest value of a criterion.

        Of values within 0.01 of the lowest, that of the fewest experts: one more has no
        rows then.

        Parameters
        ----------
        criterion : {'aic', 'bic', 'sabic', 'caic', 'icl'}, default='bic'

        Returns
        -------
        estimator : fitted estimator

        Warns
        -----
        UserWarning
            If the fit has more parameters than rows, or an expert with fewer rows than
            coefficients, or with noise near its floor: its likelihood is then no guide.
        """
        if criterion not in _CRITERIA:
            raise ValueError(
                f"criterion={criterion!r} is unknown; give one of {list(_CRITERIA)}."
            )
        return self._best(criterion, stacklevel=3)

    def _best(self, criterion, stacklevel):
        """The fit with the lowest value, with a warning if it is not to be trusted."""
        values = getattr(self, criterion)
        best = self.estimators[int(np.argmax(values <= values.min() + _TIE))]
        for doubt in doubts_of(best):
            warnings.warn(
                f"{criterion} is lowest with n_experts={best.n_experts}, but its "
                f"likelihood is no guide: {doubt} Raise alpha or noise_prior, choose "
                "columns, or compare held-out likelihoods (log_likelihood_scorer)."
                + see("How many experts"),
                stacklevel=stacklevel,
            )
        return best


def n_experts_path(
    estimator: Mixture,
    X: MatrixLike,
    y: ArrayLike,
    *,
    max_experts: int = 5,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    y_upper: ArrayLike | None = None,
    entry: ArrayLike | None = None,
) -> ExpertsPath[Mixture]:
    """Fit with 1, 2, ... `max_experts` experts, each fit started from the last one.

    From K experts to K + 1 the worst is split: the one whose rows gain most likelihood
    from two experts of their own.  The fit then goes on from there with all rows.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        Its parameters are those of all fits, but for `n_experts`, `init` and
        `warm_start`; it is not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    max_experts : int, default=5
        Largest number of experts.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.  Where `estimator` has a `class_weight`, the criteria take
        the weights of the fits, those of rows times those of classes.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups that share one latent expert.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Known part of the linear predictors.
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
    path : ExpertsPath
        Fits and their criteria.  Fitted again, on folds for instance, they start as
        `init` of `estimator` says if it is a name, else by 'short_runs'.

    Raises
    ------
    ValueError
        If `max_experts` is less than 1, the model tells single experts apart (such as
        by `expert_features` as a dict), is symmetric or a tree (``depth > 1``), or the
        data is invalid.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    UserWarning
        If the fit with the lowest BIC is not to be trusted, see
        :meth:`ExpertsPath.best`; other fits are not judged.
    ConvergenceWarning
        If a fit does not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.model_selection import n_experts_path
    >>> x = np.linspace(-1, 1, 300)
    >>> y = np.abs(x) + 0.05 * np.random.default_rng(0).standard_normal(300)
    >>> path = n_experts_path(
    ...     MixtureOfLinearExperts(random_state=0), x[:, None], y, max_experts=3
    ... )
    >>> path.best("bic").n_experts
    2
    """
    check_mixture(estimator, before="fit_transform")
    check_count("max_experts", max_experts, "experts")
    check_any_number(estimator, "a path")
    known = Known(
        sample_weight, groups, offset, trials=trials, y_upper=y_upper, entry=entry
    )
    fits = [fit_copy(estimator, X, y, known, 1)]
    if estimator.class_weight is not None:
        # The classes of an expert's rows have not the weights of the classes of all.
        weight = class_weighted(fits[0], y, sample_weight)
        known = known._replace(sample_weight=weight)
        fits[0].set_params(class_weight=None)
    for _ in range(max_experts - 1):
        fits.append(fit_split(fits[-1], X, y, known))
    found = [fit._fit_to(X, y, known) for fit in fits]
    names = _STATISTICS if groups is None else (*_STATISTICS, "bic_groups")
    statistics = {
        name: np.array([getattr(fit, name) for fit in found]) for name in names
    }
    if estimator.class_weight is not None:
        for fit in fits:
            fit.set_params(class_weight=estimator.class_weight)
    path = ExpertsPath(
        np.arange(1, max_experts + 1),
        fits,
        **{name: statistics[name] for name in _CRITERIA},
        _statistics=statistics,
        _classifications=[fit.classification for fit in found],
    )
    path._best("bic", stacklevel=3)
    return path
