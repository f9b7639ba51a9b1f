"""Results as tables."""

import numpy as np


def table_of(columns, index):
    """A data frame of named columns, or a structured array (n,) without pandas.

    `index` is the name of the column that is a data frame's index, or its labels,
    which the array then goes without.
    """
    columns = {name: np.asarray(values) for name, values in columns.items()}
    try:
        import pandas
    except ImportError:
        dtype = [(name, values.dtype) for name, values in columns.items()]
        return np.array(list(zip(*columns.values())), dtype=dtype)
    if isinstance(index, str):
        return pandas.DataFrame(columns).set_index(index)
    return pandas.DataFrame(columns, index=index)


def text_of(table):
    """All rows and columns of what `table_of` gave, which data frames elide."""
    return table.to_string() if hasattr(table, "to_string") else str(table)
