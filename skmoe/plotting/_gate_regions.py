"""Regions of the gate in two features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skmoe._typing import FloatArray
from skmoe.plotting import _model
from skmoe.plotting._features import Features
from skmoe.plotting._style import (
    axes_for,
    blended_colors,
    expert_handles,
    legend_beside,
    names_of_experts,
    note_other_features,
    region_colors,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(eq=False, repr=False)
class GateRegionsDisplay:
    """Regions of the gate in two features.

    The colour is that of the most probable expert; it is white where all experts are
    equally probable and fullest where the gate is sure.

    Use :meth:`from_estimator` to make one.  All parameters are stored as attributes.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (grid_resolution, grid_resolution)
        Values of the two features, as :func:`numpy.meshgrid` gives them.
    gate_proba : ndarray of shape (grid_resolution, grid_resolution, n_experts)
        Probability of each expert.
    points : ndarray of shape (n_samples, 2)
        The two features of the rows.
    responsibilities : ndarray of shape (n_samples, n_experts), default=None
        Colours the rows; None makes them grey.
    feature_names : sequence of two str, default=('x0', 'x1')
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
    surface_ : matplotlib.image.AxesImage
    scatter_ : matplotlib.collections.PathCollection
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    GateRegionsDisplay.from_estimator : Draw the regions of a fitted estimator.
    sklearn.inspection.DecisionBoundaryDisplay : Regions of the predicted class.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skmoe import MixtureOfLogisticExperts
    >>> from skmoe.plotting import GateRegionsDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = MixtureOfLogisticExperts(2, random_state=0).fit(X, y)
    >>> display = GateRegionsDisplay.from_estimator(
    ...     model, X, y, features=("petal length (cm)", "petal width (cm)")
    ... )
    >>> display.ax_.get_ylabel()
    'petal width (cm)'
    >>> plt.close(display.figure_)
    """

    xx0: FloatArray
    xx1: FloatArray
    gate_proba: FloatArray
    points: FloatArray
    responsibilities: FloatArray | None = None
    feature_names: Sequence[str] = ("x0", "x1")
    n_others: int = 0
    expert_names: list[str] | None = None
    n_most_frequent: int = 0

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        entry: ArrayLike | None = None,
        features: Sequence[int | str] = (0, 1),
        grid_resolution: int = 200,
        ax: Axes | None = None,
        image_kwargs: dict[str, Any] | None = None,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the regions of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture, or a pipeline that ends in one.
        X : {array-like, data frame} of shape (n_samples, n_features)
            Rows to show; at least two features.  Columns of a data frame or of an array
            of objects may be text, and values may be missing, if the pipeline takes
            them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets; with them, rows have the colours of their responsibilities.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which count them within their group.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, as in `fit`.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the linear predictors, as in `fit`, for responsibilities.
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
        features : pair of int or str, default=(0, 1)
            The features on the axes, numbers or bools, by index or name; the others
            are held at their means, integers at the observed value nearest to it, and
            what is no number at its most frequent value.
        grid_resolution : int, default=200
            Number of grid points along each axis.
        ax, image_kwargs, scatter_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : GateRegionsDisplay

        Raises
        ------
        TypeError
            If the estimator is no mixture of experts.
        ValueError
            If it is not fitted, X or y does not fit it, or `features` is not a pair of
            features.
        """
        mixture, transform = _model.fitted_mixture(estimator)
        table = Features(estimator, X)
        columns = _model.feature_pair(features, table.names)
        known = [table.known(j, "features") for j in columns]
        axes = [_model.axis_grid(values, grid_resolution) for values in known]
        xx0, xx1 = np.meshgrid(*axes)
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        rows = transform(table.rows_at(columns, grid))
        shares = None
        if y is not None:
            data = transform(X), y, sample_weight, groups, offset
            shares = mixture.responsibilities(
                *data, trials=trials, y_upper=y_upper, entry=entry
            )
        n_others, n_most_frequent = table.n_others(columns)
        display = cls(
            xx0,
            xx1,
            mixture.gate_proba(rows).reshape(*xx0.shape, -1),
            np.column_stack([table.values(j) for j in columns]),
            shares,
            [table.names[j] for j in columns],
            n_others,
            _model.expert_names(mixture),
            n_most_frequent,
        )
        return display.plot(
            ax, image_kwargs=image_kwargs, scatter_kwargs=scatter_kwargs
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        image_kwargs: dict[str, Any] | None = None,
        scatter_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the regions and the rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; a new figure by default.
        image_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.imshow` for the regions.
        scatter_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.scatter` for the rows.

        Returns
        -------
        self : GateRegionsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(ax, type(self).__name__, figsize=(7, 4.8))
        extent = (*self.xx0[0, [0, -1]], *self.xx1[[0, -1], 0])
        options: dict[str, Any] = {"origin": "lower", "aspect": "auto"}
        options |= {"extent": extent, "zorder": -1, **(image_kwargs or {})}
        self.surface_ = ax.imshow(region_colors(self.gate_proba), **options)
        rows = self.responsibilities
        options = {"color": "0.25" if rows is None else blended_colors(rows)}
        options |= {"s": 28, "edgecolor": "white", "linewidth": 0.6}
        self.scatter_ = ax.scatter(*self.points.T, **options | (scatter_kwargs or {}))
        ax.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1])
        note_other_features(ax, self.n_others, self.n_most_frequent)
        experts = names_of_experts(self.gate_proba.shape[2], self.expert_names)
        handles, labels = expert_handles(
            experts, marker="s", linestyle="", markersize=10
        )
        legend_beside(ax, handles, labels)
        self.ax_, self.figure_ = ax, ax.figure
        return self
