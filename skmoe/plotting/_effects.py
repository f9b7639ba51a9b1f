"""What a mixture predicts over one feature, averaged over the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from skmoe._typing import FloatArray
from skmoe.inspection import Inference, inference
from skmoe.plotting import _model
from skmoe.plotting._curve_targets import target_position
from skmoe.plotting._features import Features
from skmoe.plotting._style import (
    axes_for,
    expert_colors,
    legend_beside,
    without_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Height of the ticks at deciles of the feature, as a share of the axes.
_TICK = 0.03


@dataclass(eq=False, repr=False)
class EffectDisplay:
    """Effect of one feature, with the other ones of each row as they are.

    The feature is set to each value in all rows, and the predictions are averaged over
    them (partial dependence), by gate and experts together; bands say how well the
    average is known, by the delta method.  Ticks on the axis are the deciles of the
    feature.  A feature that is 0 or 1 has two points with bars.

    Use :meth:`from_estimator` or :meth:`from_inference` to make one.  All parameters
    are stored as attributes.

    Parameters
    ----------
    grid : ndarray of shape (n_points,)
        Values of the feature.
    estimate : ndarray of shape (n_points, n_lines)
        Averages: of the mixture, or of each expert.
    interval : ndarray of shape (n_points, n_lines, 2)
        Their confidence intervals, each for itself.
    deciles : ndarray of shape (9,)
        Of the feature in the rows.
    line_names : list of str
        Names of the lines; one is the mixture, several are experts.
    feature_name, target_name : str, default='x0' and 'y'
        Names on the axes.
    level : float, default=0.95
        Coverage of the intervals.

    Attributes
    ----------
    lines_ : list of matplotlib.lines.Line2D
    bands_ : list of matplotlib.collections.PolyCollection or LineCollection
    deciles_ : matplotlib.collections.LineCollection or None
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    EffectDisplay.from_estimator : Draw an effect of a fitted estimator.
    skmoe.inspection.Inference.average_effects : Effects as numbers.
    ExpertCurvesDisplay : Experts over one feature, the others at their means.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.plotting import EffectDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, size=(500, 2))
    >>> y = np.abs(X[:, 0]) + X[:, 1] + 0.3 * rng.standard_normal(500)
    >>> model = MixtureOfLinearExperts(gate_alpha=0.01, random_state=0).fit(X, y)
    >>> display = EffectDisplay.from_estimator(model, X, y, feature=1)
    >>> display.estimate.shape
    (50, 1)
    >>> plt.close(display.figure_)
    """

    grid: FloatArray
    estimate: FloatArray
    interval: FloatArray
    deciles: FloatArray
    line_names: list[str]
    feature_name: str = "x0"
    target_name: str = "y"
    level: float = 0.95

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
        of: Literal["mean", "experts", "gate"] = "mean",
        target: Any = None,
        level: float = 0.95,
        robust: bool = False,
        grid_resolution: int = 50,
        ax: Axes | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw an effect of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture, or a pipeline that ends in one; then the feature is one of
            X, and all that the pipeline makes of it changes with it.  Other columns of
            a data frame or of an array of objects may be text.
        X : {array-like, data frame} of shape (n_samples, n_features)
            Data of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of the fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the fit, and of the rows in averages.
        groups : array-like of shape (n_samples,), default=None
            Groups of the fit, if it had any.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Offsets of the fit, if it had any, and of the rows in averages.
        trials : array-like of shape (n_samples,), default=None
            Number of trials of each row, whose successes y counts; 1 by default.
            Of ``family='binomial'`` alone.  Averages are those of one trial.
        y_upper : array-like of shape (n_samples,), default=None
            Upper ends of what is known of y, whose lower ends are then `y`: the same
            where y is known, infinite where it is censored on one side.  Of linear
            experts with normal noise alone.
        entry : array-like of shape (n_samples,), default=None
            What y had to exceed for its row to be seen (left truncation); minus
            infinity for nothing.  Likewise.
        feature : int or str, default=0
            The feature, numbers or bools, by index or name.
        of : {'mean', 'experts', 'gate'}, default='mean'
            The mixture, its experts, or their probabilities.
        target : int or class label, default=None
            Output of a regressor, by index; class of a classifier.  Needed where there
            are several outputs or more than two classes; of two classes, the positive
            one, ``classes_[1]``, is the default.
        level : float, default=0.95
            Coverage of the intervals.
        robust : bool, default=False
            Whether intervals come from the sandwich covariance.
        grid_resolution : int, default=50
            Number of points on the line.
        ax, line_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : EffectDisplay

        Raises
        ------
        TypeError
            If the estimator is no mixture of experts.
        ValueError
            If it is not fitted, X or y does not fit it, y is None, F has no minimum at
            the fitted parameters, or `feature`, `of`, `target` or `level` is invalid.

        Warns
        -----
        ConvergenceWarning
            If the optimum may be more than a quarter of a standard error away.
        """
        mixture, transform = _model.fitted_mixture(estimator)
        _model.require_y(y)
        Features(estimator, X)  # before what takes long
        result = inference(
            mixture,
            transform(X),
            y,
            sample_weight,
            groups,
            offset,
            trials=trials,
            y_upper=y_upper,
            entry=entry,
            robust=robust,
        )
        rows = _Rows(result, estimator, transform, X, sample_weight, offset, trials)
        display = cls(*rows.curves(feature, of, target, level, grid_resolution))
        return display.plot(ax, line_kwargs=line_kwargs)

    @classmethod
    def from_inference(
        cls,
        result: Inference,
        X: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        *,
        feature: int | str = 0,
        of: Literal["mean", "experts", "gate"] = "mean",
        target: Any = None,
        level: float = 0.95,
        grid_resolution: int = 50,
        ax: Axes | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw an effect by standard errors that are there.

        Parameters
        ----------
        result : Inference
            Of a mixture.
        X : {array-like, data frame} of shape (n_samples, n_features)
            Rows to average over, as the mixture sees them.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Their offsets, needed after a fit with some, but not of the gate.
        feature, of, target, level, grid_resolution
            As in :meth:`from_estimator`.
        ax, line_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : EffectDisplay

        Raises
        ------
        TypeError
            If `result` is none of :func:`skmoe.inspection.inference`.
        ValueError
            If X does not fit the estimator, or `feature`, `of`, `target` or `level` is
            invalid.
        """
        if not isinstance(result, Inference):
            raise TypeError(
                f"result is a {type(result).__name__}; give what "
                "skmoe.inspection.inference returns, or call from_estimator."
            )
        mixture = result._delta.estimator
        rows = _Rows(result, mixture, lambda X: X, X, sample_weight, offset)
        display = cls(*rows.curves(feature, of, target, level, grid_resolution))
        return display.plot(ax, line_kwargs=line_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the averages and their intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; a new figure by default.
        line_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        self : EffectDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(ax, type(self).__name__, figsize=(6, 4))
        n_lines, is_binary = self.estimate.shape[1], _is_binary(self.grid)
        colors = ["black"] if n_lines == 1 else expert_colors(n_lines)
        draw = _draw_points if is_binary else _draw_line
        parts = zip(self.estimate.T, np.moveaxis(self.interval, 1, 0), colors)
        drawn = [draw(ax, self.grid, *part, line_kwargs or {}) for part in parts]
        self.lines_, self.bands_ = map(list, zip(*drawn))
        self.deciles_ = None if is_binary else _draw_deciles(ax, self.deciles)
        ax.set(xlabel=self.feature_name, ylabel=self.target_name)
        title = f"averaged over the rows, {100 * self.level:g} % intervals"
        ax.set_title(title, fontsize="medium")
        without_frame(ax)
        if n_lines > 1:
            legend_beside(ax, self.lines_, self.line_names)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _draw_line(ax, grid, estimate, interval, color, options):
    """Averages (g,) as a line, and a band."""
    (line,) = ax.plot(grid, estimate, **{"color": color} | options)
    band = ax.fill_between(grid, *interval.T, color=color, alpha=0.2, linewidth=0)
    return line, band


def _draw_points(ax, grid, estimate, interval, color, options):
    """Averages (2,) of a binary feature as points, and bars."""
    style = {"color": color, "marker": "o", "linestyle": "none"}
    (line,) = ax.plot(grid, estimate, **style | options)
    ax.set_xticks(grid)
    ax.set_xlim(-0.5, 1.5)
    return line, ax.vlines(grid, *interval.T, color=color, linewidth=2)


def _draw_deciles(ax, deciles):
    """Ticks at the deciles of the feature."""
    across = ax.get_xaxis_transform()
    return ax.vlines(deciles, 0, _TICK, color="0.3", linewidth=1, transform=across)


class _Rows:
    """Rows that are averaged over, and what goes with them.

    `estimator` is the mixture, or a pipeline that ends in it and of which `transform`
    is what comes before.
    """

    def __init__(
        self, result, estimator, transform, X, sample_weight, offset, trials=None
    ):
        self.result, self.transform = result, transform
        self.mixture = result._delta.estimator
        self.X, self.weight, self.offset, self.trials = X, sample_weight, offset, trials
        self.features = Features(estimator, X)
        if "trials" in self.mixture._fitted["known"]:
            self.trials = np.ones(np.shape(X)[0])

    def curves(self, feature, of, target, level, grid_resolution):
        """What a display shows, a tuple of its parameters."""
        column = self.features.index(feature)
        values = self.features.known(column)
        grid = _model.axis_grid(values, grid_resolution, margin=0.0)
        if _is_binary(values):
            grid = np.array([0.0, 1.0])
        chosen, target_name = self._chosen(of, target)
        averages = [self._average(column, value, of) for value in grid]
        names = ["Mixture"] if of == "mean" else _model.expert_names(self.mixture)
        return (
            grid,
            np.stack([average.estimate[chosen] for average in averages]),
            np.stack([a.confidence_interval(level)[chosen] for a in averages]),
            np.quantile(values, np.linspace(0.1, 0.9, 9)),
            names,
            self.features.names[column],
            target_name,
            level,
        )

    def _chosen(self, of, target):
        """Which of the averages are shown, a slice, and their name."""
        if of == "gate":
            return slice(None), "Probability of the expert"
        delta = self.result._delta
        position = target_position(self.mixture, target)
        name = delta.outputs[position]
        if delta.is_classifier:
            name = f"P({delta.target_name} = {name})"
        name = delta.target_name if name is None else str(name)
        return slice(position, None, len(delta.outputs)), name

    def _average(self, column, value, of):
        """Averages where a feature has a value in all rows, `Estimates`."""
        rows = self.features.everywhere(column, value)
        return self.result.average_predictions(
            self.transform(rows), self.weight, self.offset, self.trials, of=of
        )


def _is_binary(values):
    """Whether values are none but 0 and 1."""
    return bool(np.isin(values, (0, 1)).all())
