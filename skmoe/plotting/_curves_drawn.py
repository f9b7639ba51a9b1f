"""The parts of the picture of expert curves; each takes the axes and the display."""

import numpy as np

from skmoe.plotting._style import (
    blended_colors,
    expert_colors,
    expert_handles,
    legend_beside,
    names_of_experts,
)

# Opacity of an expert's line where the gate gives it no probability.
_FAINT = 0.06
# Strips above 1 and below 0 that hold the rows of a classifier.
_STRIP = 0.03, 0.1


def draw_band(ax, display):
    """Predictive interval of a regressor, or None."""
    if display.band is None:
        return None
    return ax.fill_between(display.grid, *display.band.T, color="0.9", linewidth=0)


def draw_experts(ax, display, options):
    """A line for each expert, as opaque as the gate trusts it; a list."""
    from matplotlib.collections import LineCollection

    lines = []
    n_experts = display.expert.shape[1]
    for k, color in enumerate(expert_colors(n_experts)):
        points = np.column_stack([display.grid, display.expert[:, k]])
        pieces = np.stack([points[:-1], points[1:]], axis=1)
        gate = (display.gate_proba[:-1, k] + display.gate_proba[1:, k]) / 2
        shades = np.column_stack([np.tile(color, (len(gate), 1)), _opacity(gate)])
        # Round or projecting ends would overlap and show as dots.
        style = {"colors": shades, "linewidth": 3.5, "capstyle": "butt"}
        lines.append(ax.add_collection(LineCollection(pieces, **style | options)))
    return lines


def draw_mean(ax, display):
    """The mixture."""
    return ax.plot(
        display.grid, display.mean, color="black", linestyle=(0, (4, 2)), zorder=3
    )[0]


def draw_rows(ax, display, options):
    """The rows, in the colours of their responsibilities."""
    style = {"color": blended_colors(display.responsibilities), "s": 28, "zorder": 4}
    style |= {"edgecolor": "white", "linewidth": 0.5}
    are_labels = display.band is None and np.isin(display.y, (0, 1)).all()
    height = _strip_heights(display.y) if are_labels else display.y
    return ax.scatter(display.x, height, **style | options)


def set_limits(ax, display):
    """Limits from rows and band: experts run far off where the gate is against them."""
    ax.set_xlim(*display.grid[[0, -1]])
    if display.band is None:
        beyond = sum(_STRIP) + 0.02
        ax.set_ylim(-beyond, 1 + beyond)
        ax.set_yticks(np.linspace(0, 1, 6))
        return
    low = min(display.y.min(), display.band.min())
    high = max(display.y.max(), display.band.max())
    margin = 0.04 * (high - low)
    ax.set_ylim(low - margin, high + margin)


def add_legend(ax, display):
    """Experts, mixture and band."""
    names = names_of_experts(display.gate_proba.shape[1], display.expert_names)
    handles, labels = expert_handles(names, linewidth=3)
    handles.append(display.mean_line_)
    labels.append("Mixture")
    if display.band_ is not None:
        handles.append(display.band_)
        labels.append(f"{100 * display.coverage:g} % of y")
    legend_beside(ax, handles, labels)


def _opacity(gate):
    """Opacity of lines under gate probabilities."""
    return _FAINT + (1 - _FAINT) * gate.clip(0, 1)


def _strip_heights(is_class):
    """Heights of rows in strips outside 0 and 1, so that they hide fewer others."""
    start, width = _STRIP
    # Multiples of the golden ratio fill the strip evenly, without a random state.
    offset = start + width * (np.arange(is_class.size) * (np.sqrt(5) - 1) / 2 % 1)
    return np.where(is_class == 1, 1 + offset, -offset)
