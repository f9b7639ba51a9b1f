"""Heat map of coefficients and their confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.preprocessing import StandardScaler

from skmoe._typing import FloatArray, MatrixLike
from skmoe.data.rows import rows_like_fit
from skmoe.inspection import inference
from skmoe.plotting import _model
from skmoe.plotting._coefficient_table import CoefficientTable, color_label
from skmoe.plotting._heat_map import annotate_cells, draw_map
from skmoe.plotting._style import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(eq=False, repr=False)
class CoefficientsDisplay:
    """Heat map of coefficients by expert and feature, with confidence intervals.

    Use :meth:`from_estimator` to make one.  All parameters are stored as attributes.

    Parameters
    ----------
    coefficients : ndarray of shape (n_rows, n_features)
        Coefficients, the intercept last where there is one.  There is a row for each
        expert; with several outputs or classes, one for each of those of each expert.
    lower, upper : ndarray of shape (n_rows, n_features)
        Confidence intervals; NaN for what the data does not determine.
    colors : ndarray of shape (n_rows, n_features)
        What the colours show; NaN for no colour.
    row_names, feature_names : list of str
    color_label : str, default='Coefficient'
        Name of what the colours show.
    level : float, default=0.95
        Coverage of the intervals.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The map, features from top to bottom and experts from left to right.
    text_ : ndarray of shape (n_rows, n_features) of matplotlib.text.Text, or None
    colorbar_ : matplotlib.colorbar.Colorbar
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    CoefficientsDisplay.from_estimator : Draw the coefficients of a fitted estimator.
    skmoe.inspection.inference : The intervals, tests, and a table of them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.plotting import CoefficientsDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, size=(500, 1))
    >>> rises = rng.uniform(size=500) < 1 / (1 + np.exp(-2 * X[:, 0]))
    >>> y = np.where(rises, X[:, 0], -X[:, 0]) + 0.3 * rng.standard_normal(500)
    >>> model = MixtureOfLinearExperts(random_state=0).fit(X, y)
    >>> display = CoefficientsDisplay.from_estimator(model, X, y)
    >>> display.feature_names
    ['x0', '(intercept)']
    >>> plt.close(display.figure_)
    """

    coefficients: FloatArray
    lower: FloatArray
    upper: FloatArray
    colors: FloatArray
    row_names: list[str]
    feature_names: list[str]
    color_label: str = "Coefficient"
    level: float = 0.95

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        *,
        trials: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        entry: ArrayLike | None = None,
        part: Literal["experts", "gate"] = "experts",
        level: float = 0.95,
        robust: bool = False,
        color_scale: Literal["std", "raw"] = "std",
        ax: Axes | None = None,
        annotate: bool = True,
        values_format: str = ".3g",
        image_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the coefficients of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture, or a pipeline that ends in one; the coefficients are
            those of the features as the mixture sees them.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data of the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of the fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the fit.
        groups : array-like of shape (n_samples,), default=None
            Groups of the fit, if it had any.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Offsets of the fit, if it had any.
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
        part : {'experts', 'gate'}, default='experts'
            Whose coefficients.
        level : float, default=0.95
            Coverage of the intervals.
        robust : bool, default=False
            Whether intervals come from the sandwich covariance.
        color_scale : {'std', 'raw'}, default='std'
            'std' colours by the coefficient times the standard deviation of its
            feature, which compares features of any units; 'raw' by the coefficient
            itself.  Intercepts have no colour.
        ax, annotate, values_format, image_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : CoefficientsDisplay

        Raises
        ------
        TypeError
            If the estimator is no mixture of experts.
        ValueError
            If it is not fitted, X or y does not fit it, y is None, F has no minimum at
            the fitted parameters, or `part`, `level` or `color_scale` is invalid.

        Warns
        -----
        ConvergenceWarning
            If the optimum may be more than a quarter of a standard error away.
        """
        mixture, transform = _model.fitted_mixture(estimator)
        _model.require_y(y)
        _model.require_choice("part", part, ("experts", "gate"))
        _model.require_choice("color_scale", color_scale, ("std", "raw"))
        X = transform(X)
        known = sample_weight, groups, offset
        result = inference(
            mixture,
            X,
            y,
            *known,
            trials=trials,
            y_upper=y_upper,
            entry=entry,
            robust=robust,
        )
        table = CoefficientTable(mixture, result.table(level), part)
        scale = np.ones(mixture.n_features_in_)
        if color_scale == "std":
            scaler = StandardScaler(with_mean=False)
            scale = scaler.fit(
                rows_like_fit(mixture, X), sample_weight=sample_weight
            ).scale_
        display = cls(
            table.values("estimate"),
            table.values("lower"),
            table.values("upper"),
            table.scaled(scale),
            table.row_names(),
            table.feature_names(_model.seen_names(estimator, mixture)),
            color_label(mixture, part, color_scale),
            level,
        )
        return display.plot(
            ax,
            annotate=annotate,
            values_format=values_format,
            image_kwargs=image_kwargs,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        annotate: bool = True,
        values_format: str = ".3g",
        image_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; a new figure by default.
        annotate : bool, default=True
            Whether to write coefficient and interval into each cell.
        values_format : str, default='.3g'
            Format of these numbers.
        image_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        self : CoefficientsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_rows, n_features = self.coefficients.shape
        size = (2.6 + 1.5 * n_rows, 1.5 + 0.55 * n_features)
        ax = axes_for(ax, type(self).__name__, figsize=size)
        self.image_ = draw_map(ax, self.colors.T, image_kwargs or {})
        ax.set_xticks(range(n_rows), self.row_names)
        ax.set_yticks(range(n_features), self.feature_names)
        self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax, label=self.color_label)
        self.text_ = None
        if annotate:
            ax.set_title(f"with {100 * self.level:g} % intervals", fontsize="medium")
            cells = self.coefficients, self.lower, self.upper
            self.text_ = annotate_cells(ax, self.image_, cells, values_format)
        self.ax_, self.figure_ = ax, ax.figure
        return self
