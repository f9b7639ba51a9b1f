"""Fits to data that does not fit in memory, in exact passes over batches of rows."""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import reduce
from itertools import count, repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from skmoe._base import BaseMixtureOfExperts
from skmoe._batches import Batches
from skmoe._parts import fit_parts
from skmoe.data.sample import Known
from skmoe.engine.parts import added

__all__ = ["array_batches", "fit_batches"]

_Estimator = TypeVar("_Estimator", bound=BaseMixtureOfExperts)
_Batch = tuple | dict[str, Any]
_Batches = Callable[[], Iterable[_Batch]] | Iterable[_Batch]


def fit_batches(estimator: _Estimator, batches: _Batches) -> _Estimator:
    """Fit an estimator by exact passes over batches of rows.

    Only a batch for each thread, the next one and a sample of the rows are in memory.
    Each iteration reads all batches once: the fit is that of ``estimator.fit`` on all
    rows, not a stochastic approximation.

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

    From the second pass on a thread reads the next batch while this one is summed, so
    that what belongs to a thread, such as a connection of sqlite3, is to be opened in
    the function.  Batches in a list are not read ahead, and batches that share memory,
    such as a buffer that is filled anew, come one by one.  What the function raises
    ends the fit after the batches before, and an interrupt after the batch that is
    being read.

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
    return fit_parts(estimator, Stream(Batches(batches)))


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
            batch = tuple(_read(array[rows]) for array in arrays)
            if known:
                batch = dict(zip(("X", "y", "sample_weight"), batch))
                batch |= {name: _read(array[rows]) for name, array in known.items()}
            _let_go(everything)
            yield batch

    return batches


def _read(values):
    """Rows of an array in memory: those of a memory map are read here."""
    return np.array(values) if isinstance(values, np.memmap) else values


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
    parts : object with the method `read` of `skmoe._batches.Batches`
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
        with closing(self._results(function, common, each)) as results:
            return list(results)

    def total(self, function, *common):
        """Sum of `function(part, *common)`, named tuples that add up."""
        with closing(self._results(function, common)) as results:
            return reduce(added, results)

    def _results(self, function, common, each=None):
        """What `collect` makes of each part, in their order."""

        def result(part, extra):
            return function(self._applied(part), *extra, *common)

        own = repeat(()) if each is None else ((one,) for one in each)
        parts, n_at_once = self.parts.read(self.n_threads)
        numbers, running = count(), deque()
        with closing(parts):
            for part in parts:
                if self.numbers is None or next(numbers) in self.numbers:
                    running.append(self.map_threads(result, [part], [next(own)]))
                del part  # before the next is read
                if len(running) == n_at_once:
                    yield from running.popleft()
            for last in running:
                yield from last

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
