"""Experts, mixture and rows over one feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike, NDArray

from skmoe._typing import FloatArray
from skmoe.plotting import _model
from skmoe.plotting._curve_targets import predictions, shown_target
from skmoe.plotting._curves_drawn import (
    add_legend,
    draw_band,
    draw_experts,
    draw_mean,
    draw_rows,
    set_limits,
)
from skmoe.plotting._features import Features
from skmoe.plotting._style import (
    axes_for,
    note_other_features,
    without_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(eq=False, repr=False)
class ExpertCurvesDisplay:
    """Experts, mixture and rows over one feature.

    Each expert's line is the more opaque the more the gate trusts it, rows have the
    colours of their responsibilities, and the dashed line is the mixture.  For a
    regressor these are means of y, with a band that holds y with a given probability.
    For a classifier they are probabilities of one class; rows lie above 1 if they are
    of that class, below 0 if not.

    Use :meth:`from_estimator` to make one.  All parameters are stored as attributes.

    Parameters
    ----------
    grid : ndarray of shape (grid_resolution,)
        Values of the feature.
    gate_proba : ndarray of shape (grid_resolution, n_experts)
        Probability of each expert.
    expert : ndarray of shape (grid_resolution, n_experts)
        What each expert predicts: mean of y, or probability of the class.
    mean : ndarray of shape (grid_resolution,)
        What the mixture predicts.
    x, y : ndarray of shape (n_samples,)
        The feature and target of the rows; for a classifier y is 1 for the class
        shown and 0 for all others.
    responsibilities : ndarray of shape (n_samples, n_experts)
        Probability of each expert given the row.
    band : ndarray of shape (grid_resolution, 2), default=None
        Lower and upper end of y's predictive interval; None for a classifier.
    coverage : float, default=0.9
        Probability of that interval.
    feature_name, target_name : str, default='x0' and 'y'
        Names on the axes.
    n_others : int, default=0
        Number of features that are held: at their means, integers at the observed
        value nearest to it, and what is no number at its most frequent value.
    expert_names : list of str, default=None
        Names of the experts; 'Expert 0' and so on by default.
    n_most_frequent : int, default=0
        How many features are held at their most frequent values.

    Attributes
    ----------
    expert_lines_ : list of matplotlib.collections.LineCollection
        One for each expert.
    mean_line_ : matplotlib.lines.Line2D
    band_ : matplotlib.collections.PolyCollection or None
    scatter_ : matplotlib.collections.PathCollection
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    ExpertCurvesDisplay.from_estimator : Draw the curves of a fitted estimator.
    sklearn.inspection.PartialDependenceDisplay : Predictions averaged over the rows.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.plotting import ExpertCurvesDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(200, 1))
    >>> y = np.abs(X[:, 0]) + 0.1 * rng.standard_normal(200)
    >>> model = MixtureOfLinearExperts(random_state=0).fit(X, y)
    >>> display = ExpertCurvesDisplay.from_estimator(model, X, y)
    >>> display.expert.shape
    (400, 2)
    >>> plt.close(display.figure_)
    """

    grid: FloatArray
    gate_proba: FloatArray
    expert: FloatArray
    mean: FloatArray
    x: FloatArray
    y: NDArray[Any]
    responsibilities: FloatArray
    band: FloatArray | None = None
    coverage: float = 0.9
    feature_name: str = "x0"
    target_name: str = "y"
    n_others: int = 0
    expert_names: list[str] | None = None
    n_most_frequent: int = 0

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        entry: ArrayLike | None = None,
        feature: int | str = 0,
        target: Any = None,
        coverage: float = 0.9,
        grid_resolution: int = 400,
        ax: Axes | None = None,
        line_kwargs: dict[str, Any] | None = None,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture, or a pipeline that ends in one.
        X : {array-like, data frame} of shape (n_samples, n_features)
            Rows to show.  Columns of a data frame or of an array of objects may be
            text, and values may be missing, if the pipeline takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, which count rows within their group.
        groups : array-like of shape (n_samples,), default=None
            Their groups, as in `fit`.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the linear predictors, as in `fit`, for responsibilities;
            curves are those of no offset.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.  Curves and points are then shares of
            successes, and there is no interval.
        y_upper : array-like of shape (n_samples,), default=None
            Upper ends of what is known of y, whose lower ends are then `y`: the same
            where y is known, infinite where it is censored on one side.  Of linear
            experts with normal noise alone.  Points are in the middle of what is known,
            or at its only end.
        entry : array-like of shape (n_samples,), default=None
            What y had to exceed for its row to be seen (left truncation); minus
            infinity for nothing.  Likewise.
        feature : int or str, default=0
            The feature, numbers or bools, by index or name; the others are held at
            their means, integers at the observed value nearest to it, and what is no
            number at its most frequent value.
        target : int or class label, default=None
            Output of a regressor, by index; class of a classifier.  Needed where there
            are several outputs or more than two classes; of two classes, the positive
            one, ``classes_[1]``, is the default.
        coverage : float, default=0.9
            Probability of the band of a regressor.
        grid_resolution : int, default=400
            Number of points on the lines.
        ax, line_kwargs, scatter_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : ExpertCurvesDisplay

        Raises
        ------
        TypeError
            If the estimator is no mixture of experts.
        ValueError
            If it is not fitted, X or y does not fit it, y is None, or `feature`,
            `target` or `coverage` is invalid.
        """
        mixture, transform = _model.fitted_mixture(estimator)
        _model.require_y(y)
        features = Features(estimator, X)
        column = features.index(feature)
        shown = shown_target(mixture, y, target)
        grid = _model.axis_grid(features.known(column), grid_resolution)
        rows = transform(features.rows_at([column], grid[:, None]))
        expert, mean, band = predictions(mixture, rows, shown.position, coverage)
        shares = mixture.responsibilities(
            transform(X),
            y,
            sample_weight,
            groups,
            offset,
            trials=trials,
            y_upper=y_upper,
            entry=entry,
        )
        if y_upper is not None:
            shown = shown.between(y_upper)
        if trials is not None:
            # Curves are of probabilities, and an interval is one of counts.
            shown, band = shown.per_trial(trials), None
        n_others, n_most_frequent = features.n_others([column])
        display = cls(
            grid,
            mixture.gate_proba(rows),
            expert,
            mean,
            features.values(column),
            shown.values,
            shares,
            band,
            coverage,
            features.names[column],
            shown.name,
            n_others,
            _model.expert_names(mixture),
            n_most_frequent,
        )
        return display.plot(ax, line_kwargs=line_kwargs, scatter_kwargs=scatter_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kwargs: dict[str, Any] | None = None,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw experts, mixture and rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; a new figure by default.
        line_kwargs : dict, default=None
            Options of :class:`matplotlib.collections.LineCollection` for the experts.
        scatter_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.scatter` for the rows.

        Returns
        -------
        self : ExpertCurvesDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(ax, type(self).__name__, figsize=(7.5, 4.4))
        self.band_ = draw_band(ax, self)
        self.expert_lines_ = draw_experts(ax, self, line_kwargs or {})
        self.mean_line_ = draw_mean(ax, self)
        self.scatter_ = draw_rows(ax, self, scatter_kwargs or {})
        set_limits(ax, self)
        ax.set(xlabel=self.feature_name, ylabel=self.target_name)
        note_other_features(ax, self.n_others, self.n_most_frequent)
        without_frame(ax)
        add_legend(ax, self)
        self.ax_, self.figure_ = ax, ax.figure
        return self
