"""A diverging heat map with text in its cells."""

import numpy as np

# Cells without a colour: neither of the map's hues, and not its white.
_NO_COLOR = "0.9"


def draw_map(ax, values, options):
    """Image of values (rows, columns), white at 0; NaN is grey."""
    from matplotlib import colormaps

    finite = np.abs(values[np.isfinite(values)])
    largest = finite.max(initial=0) or 1.0
    # Blue to red over white keeps its two sides apart for colour-blind readers.
    cmap = colormaps["RdBu_r"].with_extremes(bad=_NO_COLOR)
    style = {"cmap": cmap, "vmin": -largest, "vmax": largest, "aspect": "auto"}
    image = ax.imshow(np.ma.masked_invalid(values), **style | options)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def annotate_cells(ax, image, cells, values_format):
    """Value and interval in each cell, an array of texts like the values.

    `cells` are values, lower and upper ends, of the image's shape transposed.
    """
    shape = cells[0].shape
    text = np.empty(shape, dtype=object)
    colors = image.cmap(image.norm(image.get_array()))[..., :3].swapaxes(0, 1)
    for row, column in np.ndindex(shape):
        is_dark = colors[row, column] @ [0.299, 0.587, 0.114] < 0.5
        text[row, column] = ax.text(
            row,
            column,
            _cell(values_format, *(part[row, column] for part in cells)),
            color="white" if is_dark else "black",
            ha="center",
            va="center",
            fontsize="small",
        )
    return text


def _cell(spec, value, lower, upper):
    """Text of one cell; nothing that the data does not determine, or not there."""
    if np.isnan(value):
        return ""
    text = format(value, spec)
    if np.isfinite([lower, upper]).all():
        text += f"\n[{format(lower, spec)}, {format(upper, spec)}]"
    return text
