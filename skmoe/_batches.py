"""The user's batches as parts, read by a thread while others are summed."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextvars import copy_context

import numpy as np

from skmoe.data.part_checks import Given
from skmoe.data.sample import Known
from skmoe.engine.threads import thread_pool

_NAMES = "X", "y", *(name for name in Known._fields if name != "groups")
_END = object()


class Batches:
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
        self.share_memory = False

    def read(self, n_threads):
        """Parts of a pass, a generator, and how many of them may be in use at once.

        One by one if a batch takes the memory of another, as buffers do that are filled
        anew; the first pass finds out.
        """
        if self.sizes is None:
            return self._watched(n_threads), 1
        if self.share_memory:
            return self._parts(), 1
        is_at_hand = isinstance(self.batches, list | tuple) or len(self.sizes) < 2
        return self._parts() if is_at_hand else _ahead(self._parts()), n_threads

    def _watched(self, n_threads):
        """Parts of the first pass, compared with those that they may not overwrite."""
        before = deque(maxlen=n_threads)
        for part in self._parts():
            self.share_memory |= any(_share_memory(part, other) for other in before)
            before.append(part)
            yield part
            del part

    def _parts(self):
        """One pass; later ones are compared with the first.

        No name is left to a batch that was given away, nor does `enumerate` keep it.
        """
        sizes = []
        for batch in self.batches() if callable(self.batches) else self.batches:
            number = len(sizes)
            rows = _named_rows(batch, number)
            given = Given(f"batch {number}", **rows, is_known=self.sizes is not None)
            sizes.append(np.shape(given.X)[:1])
            if self.sizes is not None and sizes != self.sizes[: number + 1]:
                self._differ(sizes)
            del batch, rows
            yield given
            del given
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


def _ahead(parts):
    """Items of a generator; a thread takes each while the one before is in use.

    It sees the context of this thread, and has ended when this generator is closed.
    """
    take = copy_context().run
    with thread_pool(1) as reader:
        try:
            coming = reader.submit(take, next, parts, _END)
            while (part := coming.result()) is not _END:
                coming = reader.submit(take, next, parts, _END)
                yield part
                del part
        finally:
            reader.submit(parts.close)  # where it was read


def _share_memory(part, other):
    """Whether two parts have arrays, or other objects, in the same memory."""
    return any(
        np.shares_memory(np.asarray(one), np.asarray(two))
        if hasattr(one, "__array__") and hasattr(two, "__array__")
        else one is two is not None
        for one, two in zip(part[1:-1], other[1:-1])
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
