"""Objective over the iterations of fits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skmoe._typing import FloatArray
from skmoe.plotting._model import fitted_mixture, require_choice
from skmoe.plotting._style import OKABE_ITO, axes_for, legend_beside, without_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@dataclass(eq=False, repr=False)
class ObjectiveDisplay:
    """Objective over the iterations of one or several fits.

    Use :meth:`from_estimator` or :meth:`from_estimators` to make one.  All parameters
    are stored as attributes.

    Parameters
    ----------
    curves : dict of str to ndarray of shape (n_iter + 1,)
        F at the start and after each iteration, in nats per sample, by name.

    Attributes
    ----------
    lines_ : list of matplotlib.lines.Line2D
        One line for each curve.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    ObjectiveDisplay.from_estimators : Draw the curves of fitted estimators.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> from skmoe.plotting import ObjectiveDisplay
    >>> curves = {"slow": 0.5 ** np.arange(9), "fast": 0.2 ** np.arange(9)}
    >>> display = ObjectiveDisplay(curves).plot()
    >>> display.ax_.get_xlabel()
    'Iteration'
    >>> plt.close(display.figure_)
    """

    curves: dict[str, FloatArray]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        scale: Literal["log", "linear"] = "log",
        ax: Axes | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the objective curve of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted mixture, or a pipeline that ends in one.
        scale, ax, line_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : ObjectiveDisplay

        Raises
        ------
        TypeError
            If the estimator is no mixture of experts.
        ValueError
            If it is not fitted, or `scale` is unknown.
        """
        mixture, _ = fitted_mixture(estimator)
        curves = {type(mixture).__name__: mixture.objective_curve_.copy()}
        return cls(curves).plot(ax, scale=scale, line_kwargs=line_kwargs)

    @classmethod
    def from_estimators(
        cls,
        estimators: Any,
        *,
        scale: Literal["log", "linear"] = "log",
        ax: Axes | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the objective curves of fitted estimators.

        Curves compare well where the objective is the same: the same data, weights,
        penalties and number of experts.

        Parameters
        ----------
        estimators : estimator or dict of str to estimator
            Fitted mixtures, or pipelines that end in one, by the name in the legend.
        scale, ax, line_kwargs
            As in :meth:`plot`.

        Returns
        -------
        display : ObjectiveDisplay

        Raises
        ------
        TypeError
            If an estimator is no mixture of experts.
        ValueError
            If there is no estimator, one is not fitted, or `scale` is unknown.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from skmoe import MixtureOfLinearExperts
        >>> from skmoe.plotting import ObjectiveDisplay
        >>> x = np.linspace(-1, 1, 201)[:, None]
        >>> fits = {
        ...     step: MixtureOfLinearExperts(step_size=step, random_state=0)
        ...     for step in ("auto", 1.0)
        ... }
        >>> fits = {
        ...     f"step_size={step!r}": model.fit(x, np.abs(x[:, 0]) + x[:, 0] ** 2)
        ...     for step, model in fits.items()
        ... }
        >>> display = ObjectiveDisplay.from_estimators(fits)
        >>> len(display.lines_)
        2
        >>> plt.close(display.figure_)
        """
        if not isinstance(estimators, dict):
            last = estimators[-1] if hasattr(estimators, "steps") else estimators
            estimators = {type(last).__name__: estimators}
        if not estimators:
            raise ValueError("estimators={} is empty; give at least one estimator.")
        curves = {}
        for name, estimator in estimators.items():
            mixture, _ = fitted_mixture(estimator, f"estimators: {name!r}")
            curves[str(name)] = mixture.objective_curve_.copy()
        return cls(curves).plot(ax, scale=scale, line_kwargs=line_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        scale: Literal["log", "linear"] = "log",
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; a new figure by default.
        scale : {'log', 'linear'}, default='log'
            'log' draws F less the lowest value of all curves on a logarithmic axis,
            without that value itself; 'linear' draws F.
        line_kwargs : dict, default=None
            Options of :meth:`matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        self : ObjectiveDisplay

        Raises
        ------
        ValueError
            If `scale` is unknown.
        ImportError
            If matplotlib is not installed.
        """
        require_choice("scale", scale, ("log", "linear"))
        ax = axes_for(ax, type(self).__name__, figsize=(7, 4))
        lowest = min(curve.min() for curve in self.curves.values())
        styles = cycle(("-", "--", "-.", ":"))
        self.lines_: list[Line2D] = []
        for (name, curve), color, style in zip(
            self.curves.items(), cycle(OKABE_ITO), styles
        ):
            # A logarithmic axis has no place for the lowest value.
            above = np.where(curve > lowest, curve - lowest, np.nan)
            options: dict[str, Any] = {"color": color, "linestyle": style}
            options |= {"linewidth": 2, "label": name, **(line_kwargs or {})}
            height = above if scale == "log" else curve
            self.lines_ += ax.plot(np.arange(curve.size), height, **options)
        self._label(ax, scale)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label(self, ax, scale):
        """Axes and legend."""
        what = "F less its lowest value" if scale == "log" else "Objective F"
        ax.set(xlabel="Iteration", ylabel=f"{what} (nats per sample)", yscale=scale)
        ax.xaxis.get_major_locator().set_params(integer=True)
        without_frame(ax)
        if len(self.curves) > 1:
            legend_beside(ax, self.lines_, [line.get_label() for line in self.lines_])
