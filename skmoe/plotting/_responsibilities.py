"""Distribution of the responsibilities of each expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skmoe._typing import FloatArray, MatrixLike
from skmoe._validation import check_count, check_weights
from skmoe.plotting import _model
from skmoe.plotting._style import (
    axes_for,
    expert_colors,
    names_of_experts,
    without_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(eq=False, repr=False)
class ResponsibilitiesDisplay:
    """Rootograms of the responsibilities, one for each expert, and their masses.

    Rows near 0 and 1 are clearly told apart, those in between are shared.  Bars are on
    a square-root scale, so that the few rows in between are seen beside the many at
    the ends.

    Use :meth:`from_estimator` to make one.  All parameters are stored as attributes.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_samples, n_experts)
        Probability of each expert given the row.
    mass : ndarray of shape (n_experts,)
        Share of the rows, or of their weight, of each expert.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    expert_names : list of str, default=None
        Names of the experts; 'Expert 0' and so on by default.

    Attributes
    ----------
    bars_ : list of matplotlib.container.BarContainer
        One for each expert.
    axes_ : ndarray of shape (n_experts,) of matplotlib.axes.Axes
        One above the other.
    ax_ : matplotlib.axes.Axes
        The axes given, now without content, or the lowest of `axes_`.
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    ResponsibilitiesDisplay.from_estimator : Draw those of a fitted estimator.

    References
    ----------
    Leisch, "FlexMix: A General Framework for Finite Mixture Models and Latent Class
    Regression in R", 2004, section 3, draws such rootograms.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from skmoe.plotting import ResponsibilitiesDisplay
    >>> first = np.array([0.02, 0.1, 0.6, 0.98])
    >>> both = np.column_stack([first, 1 - first])
    >>> display = ResponsibilitiesDisplay(both, both.mean(axis=0)).plot()
    >>> len(display.axes_)
    2
    >>> plt.close(display.figure_)
    """

    responsibilities: FloatArray
    mass: FloatArray
    sample_weight: FloatArray | None = None
    expert_names: list[str] | None = None

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
        bins: int = 20,
        ax: Axes | None = None,
        bar_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the responsibilities of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture, or a pipeline that ends in one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, of the fit or new.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights.  A weight counts as so many rows.
        groups : array-like of shape (n_samples,), default=None
            Their groups, as in `fit`.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
                (n_samples, n_classes), default=None
            Known part of the linear predictors, as in `fit`.
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
        bins, ax, bar_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : ResponsibilitiesDisplay

        Raises
        ------
        TypeError
            If the estimator is no mixture of experts.
        ValueError
            If it is not fitted, X, y or weights do not fit it, y is None, or `bins` is
            invalid.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from skmoe import MixtureOfLogisticExperts
        >>> from skmoe.plotting import ResponsibilitiesDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MixtureOfLogisticExperts(2, random_state=0).fit(X, y)
        >>> display = ResponsibilitiesDisplay.from_estimator(model, X, y)
        >>> display.responsibilities.shape
        (150, 2)
        >>> plt.close(display.figure_)
        """
        mixture, transform = _model.fitted_mixture(estimator)
        _model.require_y(y)
        known = sample_weight, groups, offset
        rows = mixture.responsibilities(
            transform(X), y, *known, trials=trials, y_upper=y_upper, entry=entry
        )
        weight = None if sample_weight is None else check_weights(sample_weight, rows)
        mass = np.average(rows, axis=0, weights=weight)
        display = cls(rows, mass, weight, _model.expert_names(mixture))
        return display.plot(ax, bins=bins, bar_kwargs=bar_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        bins: int = 20,
        bar_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the rootograms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes whose place the rootograms take; a new figure by default.
        bins : int, default=20
            Number of equal bins from 0 to 1.
        bar_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.hist`.

        Returns
        -------
        self : ResponsibilitiesDisplay

        Raises
        ------
        ValueError
            If `bins` is no positive integer.
        ImportError
            If matplotlib is not installed.
        """
        check_count("bins", bins, "bins")
        n_experts = len(self.mass)
        size = (6.5, 1 + 1.4 * n_experts)
        given = axes_for(ax, type(self).__name__, figsize=size)
        self.figure_, self.axes_ = given.figure, _stacked(given, n_experts)
        self.bars_ = [
            self._draw(self.axes_[k], k, bins, bar_kwargs or {})
            for k in range(n_experts)
        ]
        # Axes share limits and ticks.
        highest = max(bar.get_height() for bars in self.bars_ for bar in bars)
        self.axes_[0].set(ylim=(0, 1.05 * highest), yticks=_round_ticks(highest))
        self.axes_[-1].set_xlabel("Responsibility")
        self.ax_ = given
        return self

    def _draw(self, ax, k, bins, options):
        """Rootogram of one expert."""
        style = {"bins": bins, "range": (0, 1), "color": expert_colors(k + 1)[k]}
        style |= {"edgecolor": "white", "weights": self.sample_weight}
        _, _, bars = ax.hist(self.responsibilities[:, k], **style | options)
        ax.set_yscale("function", functions=(_root, np.square))
        ax.set_xlim(0, 1)
        ax.tick_params(labelbottom=k == len(self.mass) - 1)
        name = names_of_experts(len(self.mass), self.expert_names)[k]
        ax.set_title(f"{name}: mass {self.mass[k]:.2f}", fontsize="medium")
        ax.set_ylabel("Rows" if self.sample_weight is None else "Weight")
        without_frame(ax)
        return bars


def _root(count):
    """Square root on an axis, whose margins may be negative."""
    return np.sqrt(np.maximum(count, 0))


def _round_ticks(highest):
    """Ticks from 0 at even steps of the root, rounded to one digit."""
    return np.unique([float(f"{highest * part:.0e}") for part in (0, 1 / 16, 1 / 4, 1)])


def _stacked(ax, n_axes):
    """Axes one above the other in place of one, with shared limits, (n_axes,)."""
    ax.set_axis_off()
    step = 1 / n_axes
    parts = np.empty(n_axes, dtype=object)
    for k in range(n_axes):
        bounds = (0, 1 - (k + 1) * step, 1, 0.74 * step)
        shared = {} if k == 0 else {"sharex": parts[0], "sharey": parts[0]}
        parts[k] = ax.inset_axes(bounds, **shared)
    return parts
