"""Types that public signatures share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

FloatArray: TypeAlias = NDArray[np.floating]
MatrixLike: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix
RandomState: TypeAlias = int | np.random.RandomState | None
Columns: TypeAlias = ArrayLike | Callable[[Any], ArrayLike] | None
ExpertColumns: TypeAlias = Columns | Mapping[int, Columns]
SharedColumns: TypeAlias = Columns | Mapping[Any, Any]
Experts: TypeAlias = Sequence[int] | Sequence[Sequence[int]]  # or groups of them
Solver: TypeAlias = Literal["em", "md", "gd"]
Start: TypeAlias = (
    Literal["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]
    | ArrayLike
)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def keeps_type(decorator: Any) -> Callable[[_Function], _Function]:
    """The decorator, known to type checkers as one that keeps signatures."""
    return decorator
