"""Fits to data that does not fit in memory, in exact passes over batches of rows."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from skmoe._base import BaseMixtureOfExperts
from skmoe._parts import fit_parts
from skmoe.data.part_checks import Given
from skmoe.data.sample import Known
from skmoe.engine.parts import added

__all__ = ["array_batches", "fit_batches"]

_Estimator = TypeVar("_Estimator", bound=BaseMixtureOfExperts)
_NAMES = "X", "y", *(name for name in Known._fields if name != "groups")
_Batch = tuple | dict[str, Any]
_Batches = Callable[[], Iterable[_Batch]] | Iterable[_Batch]


def fit_batches(estimator: _Estimator, batches: _Batches) -> _Estimator:
    """Fit an estimator by exact passes over batches of rows.

    Only a batch for each thread and a sample of the rows are in memory.  Each iteration
    reads all batches once: the fit is that of ``estimator.fit`` on all rows, not a
    stochastic approximation.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or MixtureOfGLMExperts
        Fitted in place.  With ``warm_start=True`` it goes on from an earlier fit, for
        instance one to a sample.
    batches : callable or iterable
        A function without arguments that returns a new iterator over all batches, or
        an iterable that can be iterated again and again.  A batch is a tuple
        ``(X, y)`` or ``(X, y, sample_weight)`` of what `fit` takes: arrays or data
        frames, X dense; or a dict with the keys 'X' and 'y', and with 'sample_weight',
        'offset', 'expert_labels', 'trials', 'y_upper' or 'entry' where they are wanted.
        Each pass must give the same batches.

    Returns
    -------
    estimator : object
        The fitted estimator.

    Raises
    ------
    ValueError
        If a batch or a parameter is invalid; the message names the batch, counted from
        0.  An earlier fit is then untouched.
    TypeError
        If `estimator` or `batches` is of another kind.

    Warns
    -----
    ConvergenceWarning
        If the best initialisation ran out of `max_iter` iterations.

    See Also
    --------
    array_batches : Batches of arrays, such as memory maps.

    Notes
    -----
    There are two passes for the scales of the columns and a sample of the rows, and one
    for each evaluation of the objective, mostly one an iteration.  Up to 2^18 rows and
    2^22 numbers the sample is all rows, and the fit starts where `fit` does; beyond,
    starts are tried on a random sample of that size.  The matrices of the Newton steps
    are stored: memory grows with the square of the number of coefficients.

    `init` must be the name of a strategy.  `n_jobs` does nothing: each start reads the
    batches, and so they are made one after another.  Callbacks are called, as by `fit`,
    without X and y.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.streaming import fit_batches
    >>> def batches():  # in earnest, these come from files
    ...     for start in range(0, 400, 100):
    ...         x = np.arange(start, start + 100) / 100 - 2
    ...         yield x[:, None], np.abs(x)
    >>> model = fit_batches(MixtureOfLinearExperts(2, random_state=0), batches)
    >>> model.predict([[-1.5], [1.0]]).round(1)
    array([1.5, 1. ])
    """
    if not isinstance(estimator, BaseMixtureOfExperts):
        raise TypeError(
            f"estimator is of type {type(estimator).__name__}; give a "
            "MixtureOfLinearExperts, MixtureOfLogisticExperts or MixtureOfGLMExperts."
        )
    return fit_parts(estimator, Stream(_Batched(batches)))


def array_batches(
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    offset: ArrayLike | None = None,
    expert_labels: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    y_upper: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    batch_size: int = 65_536,
) -> Callable[[], Iterator[Any]]:
    """Batches of consecutive rows of arrays, for instance of memory maps.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Anything whose slices of rows are dense arrays: an array, a memory map, a data
        set of HDF5 or Zarr.  Pages of a read-only memory map do not stay in memory.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    offset : array-like of shape (n_samples,), (n_samples, n_outputs) or \
            (n_samples, n_classes), default=None
        Known part of the linear predictors.
    expert_labels : array-like of int of shape (n_samples,), default=None
        Experts that are known, else -1.
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
    batch_size : int, default=65536
        Rows of a batch.

    Returns
    -------
    batches : callable
        For :func:`fit_batches`.

    Raises
    ------
    ValueError
        If the lengths differ, or `batch_size` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe.streaming import array_batches
    >>> batches = array_batches(np.ones((5, 2)), np.arange(5), batch_size=2)
    >>> [y for X, y in batches()]
    [array([0, 1]), array([2, 3]), array([4])]
    """
    arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
    known = Known(None, None, offset, expert_labels, trials, y_upper, entry).given()
    everything = [*arrays, *known.values()]
    if any(np.ndim(array) == 0 for array in everything):
        raise ValueError(
            "X, y and what goes with them must be arrays with a row for each sample; "
            "one of them is a single value."
        )
    lengths = [np.shape(array)[0] for array in everything]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"X, y and what goes with them have {lengths} rows; give arrays of one "
            "length."
        )
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}; give a positive number of rows.")

    def batches():
        for start in range(0, lengths[0], batch_size):
            rows = slice(start, start + batch_size)
            batch = tuple(array[rows] for array in arrays)
            if known:
                batch = dict(zip(("X", "y", "sample_weight"), batch))
                batch |= {name: array[rows] for name, array in known.items()}
            yield batch
            _let_go(everything)

    return batches


def _let_go(arrays):
    """Unload the pages of read-only memory maps, which count as this process's."""
    for array in arrays:
        # There is no public way to a map; without this its pages stay in memory.
        pages = getattr(array, "_mmap", None)
        if getattr(array, "mode", None) == "r" and hasattr(pages, "madvise"):
            pages.madvise(mmap.MADV_DONTNEED)


class Stream:
    """Parts that are read again at each pass, and functions that are applied to them.

    A source of parts, as `skmoe._parts.fit_parts` wants them.

    Parameters
    ----------
    parts : iterable of parts, the same at each pass
    """

    def __init__(self, parts):
        self.parts, self.functions, self.numbers = parts, [], None
        self.map_threads, self.n_threads = map, 1

    def with_threads(self, map_threads, n_threads):
        """The same source, in so many threads."""
        return self._like(map_threads=map_threads, n_threads=n_threads)

    def map(self, function, *common):
        """Source of `function(part, *common)` for each part."""
        return self._like(functions=[*self.functions, (function, common)])

    def select(self, numbers):
        """Source of some of the parts, by their rising positions."""
        return self._like(numbers=set(numbers))

    def collect(self, function, *common, each=None):
        """List of `function(part, *common)`, or of `function(part, own, *common)`."""
        own = None if each is None else iter(each)
        results = []
        for parts in self._groups():
            arguments = [() if own is None else (next(own),) for _ in parts]
            results += self.map_threads(
                lambda part, extra: function(self._applied(part), *extra, *common),
                parts,
                arguments,
            )
        return results

    def total(self, function, *common):
        """Sum of `function(part, *common)`, named tuples that add up."""
        result = None
        for parts in self._groups():
            for found in self.map_threads(
                lambda part: function(self._applied(part), *common), parts
            ):
                result = found if result is None else added(result, found)
        return result

    def _groups(self):
        """Selected parts, as many at a time as there are threads."""
        parts = (
            part
            for number, part in enumerate(self.parts)
            if self.numbers is None or number in self.numbers
        )
        while group := list(islice(parts, self.n_threads)):
            yield group

    def _applied(self, part):
        """A part after all functions."""
        for function, common in self.functions:
            part = function(part, *common)
        return part

    def _like(self, **changes):
        """A copy with other attributes."""
        changed = Stream(self.parts)
        vars(changed).update({**vars(self), **changes})
        return changed


class _Batched:
    """The user's batches as `Given` parts, the same at each pass.

    Parameters
    ----------
    batches : callable or iterable
    """

    def __init__(self, batches):
        if isinstance(batches, Iterator):
            raise TypeError(
                f"batches is an iterator of type {type(batches).__name__}, which can "
                "be read only once; give a function that returns a new one."
            )
        if not (callable(batches) or isinstance(batches, Iterable)):
            raise TypeError(
                f"batches is of type {type(batches).__name__}; give a function that "
                "returns an iterator over batches (X, y), or a list of them."
            )
        self.batches, self.sizes = batches, None

    def __iter__(self):
        """One pass; later ones are compared with the first."""
        sizes = []
        batches = self.batches() if callable(self.batches) else self.batches
        for number, batch in enumerate(batches):
            rows = _named_rows(batch, number)
            given = Given(f"batch {number}", **rows, is_known=self.sizes is not None)
            sizes.append(np.shape(given.X)[:1])
            if self.sizes is not None and sizes != self.sizes[: number + 1]:
                self._differ(sizes)
            yield given
        if self.sizes is None:
            self.sizes = sizes
        elif len(sizes) != len(self.sizes):
            self._differ(sizes)

    def _differ(self, sizes):
        """A pass is unlike the first."""
        raise ValueError(
            f"batches gave {len(self.sizes)} batches of {_total(self.sizes)} rows in "
            f"the first pass, but {len(sizes)} of {_total(sizes)} in a later one, or "
            "in another order; each pass must give the same batches."
        )


def _named_rows(batch, number):
    """A batch by the names of its parts, a dict."""
    if isinstance(batch, dict):
        if unknown := batch.keys() - _NAMES:
            raise TypeError(
                f"batch {number} has the keys {sorted(map(str, unknown))}; those known "
                f"are {list(_NAMES)}."
            )
        if missing := {"X", "y"} - batch.keys():
            raise TypeError(
                f"batch {number} lacks the keys {sorted(missing)}; give 'X' and 'y'."
            )
        return batch
    elif isinstance(batch, tuple | list) and len(batch) in (2, 3):
        return dict(zip(_NAMES, batch))
    raise TypeError(
        f"batch {number} is {_kind(batch)}; give tuples (X, y) or (X, y, "
        "sample_weight), or dicts with the keys 'X' and 'y'."
    )


def _kind(batch):
    """What a batch is, for messages."""
    length = f" of length {len(batch)}" if isinstance(batch, tuple | list) else ""
    return f"of type {type(batch).__name__}{length}"


def _total(sizes):
    """Number of rows."""
    return sum(size[0] for size in sizes if size)
