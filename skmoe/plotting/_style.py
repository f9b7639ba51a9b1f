"""Colours and axes that the displays share; imports matplotlib only to draw."""

import numpy as np

# Okabe & Ito, "Color Universal Design", 2008: safe for colour-blind readers.
OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)

# Opacity of a region where the gate is sure; where it is not, it is white.
_SURE = 0.6


def expert_colors(n_experts):
    """RGB colours of the experts, (n_experts, 3); they repeat after eight."""
    rgb = [[int(code[j : j + 2], 16) / 255 for j in (1, 3, 5)] for code in OKABE_ITO]
    return np.array(rgb)[np.arange(n_experts) % len(rgb)]


def blended_colors(responsibilities):
    """Colours of rows between those of their experts, (n_samples, 3)."""
    colors = responsibilities @ expert_colors(responsibilities.shape[1])
    return colors.clip(0, 1)


def region_colors(gate_proba):
    """RGBA of the most probable expert, as opaque as the gate is sure, (g, g, 4)."""
    n_experts = gate_proba.shape[2]
    colors = expert_colors(n_experts)[gate_proba.argmax(axis=2)]
    even = 1 / n_experts
    # A single expert is always sure.
    certainty = (gate_proba.max(axis=2) - even) / (1 - even) if n_experts > 1 else 1.0
    opacity = np.broadcast_to(_SURE * np.clip(certainty, 0, 1), colors.shape[:2])
    return np.dstack([colors, opacity])


def axes_for(ax, caller, **figure_options):
    """The axes to draw on; those of a new figure where there are none."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller}.plot requires matplotlib: pip install matplotlib."
        ) from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained", **figure_options)
    return ax


def names_of_experts(n_experts, names=None):
    """Names of the experts as they are given, or by their numbers, a list of str."""
    return [f"Expert {k}" for k in range(n_experts)] if names is None else list(names)


def expert_handles(names, **line_options):
    """Handles and labels of the experts, which have names, for a legend."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=color, **line_options)
        for color in expert_colors(len(names))
    ]
    return handles, names


def legend_beside(ax, handles, labels):
    """A legend right of the axes, off the data."""
    return ax.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False
    )


def note_other_features(ax, n_others, n_most_frequent=0):
    """Say that the picture is a slice, and where other features are held."""
    if not n_others:
        return
    noun, its, places = "feature", "its", ("mean", "most frequent value")
    if n_others > 1:
        noun, its, places = "features", "their", ("means", "most frequent values")
    kinds = [n_most_frequent < n_others, n_most_frequent > 0]
    where = " or ".join(place for place, is_so in zip(places, kinds) if is_so)
    ax.set_title(f"{n_others} other {noun} at {its} {where}", fontsize="medium")


def without_frame(ax):
    """Take away the lines that carry no scale."""
    ax.spines[["top", "right"]].set_visible(False)
