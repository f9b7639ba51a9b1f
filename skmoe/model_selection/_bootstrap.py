"""Is one expert more than chance: the parametric bootstrap of the likelihood ratio."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Generic

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skmoe._docs import see
from skmoe._pipeline import check_mixture
from skmoe._typing import FloatArray, MatrixLike, RandomState
from skmoe._validation import check_count, check_weights
from skmoe.data.sample import Known
from skmoe.engine.one_expert import beats_one_expert
from skmoe.model_selection._null_resamples import NullResamples
from skmoe.model_selection._refits import named_init
from skmoe.model_selection._split_fits import (
    Mixture,
    check_any_number,
    doubts_of,
    fit_copy,
    fit_split,
)

_SECTION = "How many experts"
_SEEDS = 2**31 - 1
# An expert with fewer rows has none, as criteria count them.
_LEAST_ROWS = 0.5
# Of F, in nats per row: what is no better than one expert.
_SAME = 1e-8
# Statistics that differ by less are the same: fits end near their optimum.
_SAME_STATISTIC = 1e-4


@dataclass(frozen=True)
class BootstrapLRTest(Generic[Mixture]):
    """Result of :func:`bootstrap_lr_test`.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods of the two fits, in nats times two;
        0 where K + 1 experts were found to be no better than K.
    pvalue : float
        ``(1 + m) / (1 + B)``, with m of the B statistics of `null_distribution` at
        least as large as `statistic`, to 1e-4.
    null_distribution : ndarray of shape (B,)
        Statistics of the data sets that were drawn from `null`, in the order drawn.
    n_not_converged : int
        Data sets of these of which a fit did not converge.
    n_not_fitted : int
        Data sets that were drawn and left out, since their y allows no fit: all of one
        class, all counts zero.
    null, alternative : fitted estimators
        Fits of the data, with K and with K + 1 experts.
    """

    statistic: float
    pvalue: float
    null_distribution: FloatArray = field(repr=False)
    n_not_converged: int
    n_not_fitted: int
    null: Mixture = field(repr=False)
    alternative: Mixture = field(repr=False)


def bootstrap_lr_test(
    estimator: Mixture,
    X: MatrixLike,
    y: ArrayLike,
    *,
    n_experts: int | None = None,
    n_resamples: int = 99,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    y_upper: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    n_jobs: int | None = None,
    random_state: RandomState = None,
    verbose: int = 0,
) -> BootstrapLRTest[Mixture]:
    """Test K experts against K + 1 by a parametric bootstrap of the likelihood ratio.

    The likelihood ratio of mixtures has no chi squared distribution, so its
    distribution is that of data sets whose y is drawn from the fit with K experts, at
    the same X.  To each both models are fitted: K experts from the parameters of the
    data's fit; K + 1 from theirs, as `init` and `n_init` say and, of more than two,
    from each of the K experts split in two, so that the search is that of the data.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        Its parameters are those of all fits, but for `n_experts` and `warm_start`; it
        is not changed.  The K + 1 experts of the data start as its `init` and `n_init`
        say (as 'short_runs' if `init` is an array) and, beside short runs of two, from
        a split of the K as in :func:`n_experts_path`; the lower objective counts.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    n_experts : int, default=None
        K; that of `estimator` by default.
    n_resamples : int, default=99
        Number of data sets drawn, B.  The least p-value is ``1 / (1 + B)``.
    sample_weight : array-like of shape (n_samples,), default=None
        Whole numbers: so many rows, each of which gets a y of its own.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups that share one latent expert, which is drawn once for each.
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Known part of the linear predictors.
    trials : array-like of shape (n_samples,), default=None
        Number of trials of each row, whose successes y counts; 1 by default.
        Of ``family='binomial'`` alone.
    y_upper, entry : array-like of shape (n_samples,), default=None
        Not supported: how y is censored, or which rows are never seen, would have to be
        drawn too, and the model does not say.
    n_jobs : int, default=None
        Data sets at once, by joblib; None means 1 unless in a
        :func:`joblib.parallel_config` context, -1 all processors.  The result is the
        same for any number.
    random_state : int, RandomState instance or None, default=None
        Of the data sets; fits take that of `estimator`.
    verbose : int, default=0
        If positive, progress is printed, as of :class:`joblib.Parallel`.

    Returns
    -------
    test : BootstrapLRTest
        With the fields statistic, pvalue, null_distribution, n_not_converged,
        n_not_fitted, null and alternative.

    Raises
    ------
    ValueError
        If K experts are too many: one has no rows, or they are no better than one;
        if the model tells single experts apart, is symmetric or a tree (``depth > 1``);
        if it has a `class_weight`, weights are no whole numbers, `y_upper` or `entry`
        are given, or the data is invalid.
    TypeError
        If `estimator` is no mixture of experts.

    Warns
    -----
    UserWarning
        If the fit with K experts has more parameters than rows, an expert with fewer
        rows than coefficients, or noise near its floor: its likelihood is no guide.
    ConvergenceWarning
        If a fit of the data does not converge.

    See Also
    --------
    n_experts_path : Fits with 1, 2, ... experts, and their criteria.

    Notes
    -----
    All fits maximise the penalised likelihood that `estimator` stands for, but the
    statistic is of the likelihood alone, that of ``log_likelihood``.  Set `alpha`,
    `gate_alpha` and `noise_prior` to 0 for maximum likelihood; without a
    `noise_prior` that of linear experts has no bound, which costs power.  What noise
    the prior expects is learned from each data set.

    References
    ----------
    McLachlan, "On bootstrapping the likelihood ratio test statistic for the number of
    components in a normal mixture", Applied Statistics 36, 1987; Davison and Hinkley,
    "Bootstrap Methods and their Application", 1997, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.model_selection import bootstrap_lr_test
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, size=100)
    >>> y = np.abs(x) + 0.2 * rng.standard_normal(100)
    >>> model = MixtureOfLinearExperts(n_experts=1, random_state=0)
    >>> test = bootstrap_lr_test(model, x[:, None], y, n_resamples=19, random_state=0)
    >>> test.pvalue
    0.05
    >>> test.null.n_experts, test.alternative.n_experts
    (1, 2)
    """
    check_mixture(estimator, before="fit_transform")
    n_resamples = check_count("n_resamples", n_resamples, "data sets")
    if n_experts is None:
        n_experts = estimator.n_experts
    n_experts = check_count("n_experts", n_experts, "experts")
    check_any_number(estimator, "the test")
    known = Known(
        sample_weight, groups, offset, trials=trials, y_upper=y_upper, entry=entry
    )
    check_can_draw(estimator, y, known)
    null, alternative = _fits(estimator, X, y, known, n_experts)
    statistic = alternative.log_likelihood(X, y, **known.given())
    statistic -= null.log_likelihood(X, y, **known.given())
    statistic = max(2 * statistic, 0.0)
    resamples = NullResamples.of(null, alternative, X, y, known)
    seeds = check_random_state(random_state).randint(_SEEDS, size=n_resamples)
    found = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(resamples.drawn)(seed) for seed in seeds
    )
    fitted = [resample for resample in found if not np.isnan(resample.statistic)]
    null_distribution = np.array([resample.statistic for resample in fitted])
    n_larger = int((null_distribution > statistic - _SAME_STATISTIC).sum())
    return BootstrapLRTest(
        statistic,
        (1 + n_larger) / (1 + len(fitted)),
        null_distribution,
        sum(not resample.converged for resample in fitted),
        n_resamples - len(fitted),
        null,
        alternative,
    )


def check_can_draw(estimator, y, known):
    """Raise an error if the model does not say how y comes about."""
    if known.bounds_y:
        raise ValueError(
            f"{' and '.join(known.of_y())}: to draw y anew, how it is censored, or "
            "which rows are never seen, would have to be drawn too, and the model does "
            "not say; compare criteria of n_experts_path." + see(_SECTION)
        )
    if estimator.class_weight is not None:
        raise ValueError(
            f"class_weight={estimator.class_weight!r}: y drawn from the fit has the "
            "classes as often as they are weighted, not as often as they are; set "
            "class_weight=None." + see(_SECTION)
        )
    if known.sample_weight is None:
        return
    weight = check_weights(known.sample_weight, np.asarray(y))
    other = weight[weight != np.floor(weight)]
    if other.size:
        raise ValueError(
            f"sample_weight has the value {other[0]:g}: a weight is a number of rows, "
            "and y is drawn for each of them; give whole numbers, or leave "
            "sample_weight out." + see(_SECTION)
        )


def _fits(estimator, X, y, known, n_experts):
    """Fits with K and K + 1 experts, with warnings where they are no guide."""
    is_own = n_experts == estimator.n_experts
    name = named_init(estimator)
    init = estimator.init if is_own else name
    null = fit_copy(estimator, X, y, known, n_experts, init, is_quiet=True)
    _check_alive(null, X, y, known)
    alternative = fit_copy(estimator, X, y, known, n_experts + 1, name, is_quiet=True)
    # Short runs of two experts are how one is split.
    if n_experts > 1 or name != "short_runs":
        split = fit_split(null, X, y, known, is_quiet=True)
        both = alternative, split
        alternative = min(both, key=lambda fit: fit.objective_curve_[-1])
    for fit in (null, alternative):
        if not fit.converged_:
            warnings.warn(
                f"The fit with n_experts={fit.n_experts} stopped after {fit.n_iter_} "
                "iterations before it converged; increase max_iter or tol, or scale "
                "the features." + see("When a fit stops"),
                ConvergenceWarning,
                stacklevel=3,
            )
    # Of K + 1 experts one may well be of few rows: so it is in the data sets drawn.
    for doubt in doubts_of(null):
        warnings.warn(
            f"With n_experts={n_experts} the likelihood is no guide: {doubt} Raise "
            "alpha or noise_prior, or choose columns." + see(_SECTION),
            stacklevel=3,
        )
    return null, alternative


def _check_alive(null, X, y, known):
    """Raise an error if fewer experts are as good as those of the null."""
    n_experts = null.n_experts
    if n_experts == 1:
        return
    problem, theta, n_rows = null._fitted_problem(X, y, known)
    mass = null._fitted["mass"][:n_experts]
    mixture = problem.mixture
    objective = mixture.evaluate(theta, curvature=False).objective
    n_dead = np.count_nonzero(mass * n_rows < _LEAST_ROWS)
    if n_dead:
        what = f"{n_dead} of them have no rows"
    elif not beats_one_expert(mixture, objective, _SAME):
        what = "they are no better than one"
    else:
        return
    raise ValueError(
        f"n_experts={n_experts}: {what}, so that there is nothing to test against "
        f"{n_experts + 1}; give a smaller n_experts, or more starts (n_init=10)."
        + see(_SECTION)
    )
