"""Collections of Dask as parts: partitions that stay with the workers."""

from collections import defaultdict
from functools import partial, reduce

import dask
import dask.array as da
import numpy as np
from dask.sizeof import sizeof
from distributed import wait

from skmoe.data.part_checks import Given
from skmoe.engine.mixture import Mixture
from skmoe.engine.parts import added

# Statistics that one task adds up.
_FAN_IN = 8
# Seconds after which a pass looks whether a worker was lost.
_PATIENCE = 1.0


class Partitions:
    """Parts that workers hold, as futures, with the methods of `Stream`.

    Futures remember how they were made: what a worker held that died is made again.

    Parameters
    ----------
    client : distributed.Client
    parts : list of Future
    """

    def __init__(self, client, parts):
        self.client, self.parts = client, parts
        self._known_holders = None

    @classmethod
    def of(cls, client, parts):
        """Partitions of delayed parts."""
        return cls(client, client.compute(parts))

    def with_threads(self, map_threads, n_threads):
        """The same: workers have threads of their own."""
        return self

    def map(self, function, *common):
        """Partitions of `function(part, *common)`, which workers hold too."""
        return Partitions(self.client, self._futures(function, common))

    def select(self, numbers):
        """Some of the partitions, by their positions."""
        return Partitions(self.client, [self.parts[number] for number in numbers])

    def collect(self, function, *common, each=None):
        """List of `function(part, *common)`, or of `function(part, own, *common)`."""
        return self.client.gather(self._futures(function, common, each))

    def total(self, function, *common):
        """Sum of `function(part, *common)`, added up in a tree."""
        holders = self._holders()
        total = self._tree(self._futures(function, common, holders=holders))
        while True:
            try:
                return total.result(timeout=_PATIENCE)
            except TimeoutError:
                if self._is_lost(holders):
                    break
        self._known_holders = None
        return self.total(function, *common)

    def _tree(self, level):
        """Future of the sum of futures, always in the same order."""
        while len(level) > 1:
            groups = [level[i : i + _FAN_IN] for i in range(0, len(level), _FAN_IN)]
            level = self.client.map(_sum, groups, pure=False)
        return level[0]

    def _futures(self, function, common, each=None, holders=None):
        """Futures of a function of each part; what is common travels once a worker."""
        common = self.client.submit(_packed, *common, pure=False)
        own = [()] * len(self.parts) if each is None else [(one,) for one in each]
        everywhere = {None: range(len(self.parts))}
        futures = {}
        for holder, numbers in (holders or everywhere).items():
            found = self.client.map(
                _called,
                [self.parts[number] for number in numbers],
                [own[number] for number in numbers],
                function=function,
                common=common,
                pure=False,
                workers=holder,
            )
            futures.update(zip(numbers, found))
        return [futures[number] for number in range(len(self.parts))]

    def _holders(self):
        """Numbers of the parts that each worker holds; None holds those in the making.

        Each part is worked on where it is: a scheduler that steals work moves rows.
        """
        if self._known_holders is None:
            wait(self.parts)
            found, holders = self.client.who_has(self.parts), defaultdict(list)
            for number, part in enumerate(self.parts):
                holders[next(iter(found.get(part.key, ())), None)].append(number)
            self._known_holders = holders
        return self._known_holders

    def _is_lost(self, holders):
        """Whether a worker is gone that tasks wait for."""
        alive = self.client.nthreads()
        return any(holder not in alive for holder in holders if holder is not None)


@sizeof.register(Mixture)
def _size_of_part(part):
    """Bytes of a part, for the scheduler and for memory limits of workers."""
    return part.gate_design.X.nbytes + part.target.nbytes + part.weight.nbytes


def _packed(*common):
    """Arguments that a worker can make again, unlike scattered ones."""
    return common


def _called(part, own, function, common):
    """What a function makes of a part."""
    return function(part, *own, *common)


def _sum(parts):
    """Sum of statistics."""
    return reduce(added, parts)


def is_collection(data):
    """Whether data is an array, data frame or series of Dask."""
    return isinstance(data, da.Array) or _is_frame(data)


def given_parts(data):
    """Delayed `Given` of each partition.

    Parameters
    ----------
    data : dict with the keys X and y, and others that `Given` has, which may be None
    """
    collections = {k: v for k, v in data.items() if v is not None or k == "y"}
    for name, found in collections.items():
        if not is_collection(found):
            raise TypeError(
                f"{name} is of type {type(found).__name__}; give an array, data frame "
                "or series of Dask, or use the plain estimator."
            )
    pieces = _aligned(collections)
    make = dask.delayed(Given, pure=False)
    return [
        make(f"partition {i}", **dict(zip(pieces, row)))
        for i, row in enumerate(zip(*pieces.values()))
    ]


def lazily(local, method, given, **options):
    """What a method of a fitted estimator gives for each partition, a dask array.

    `given` are collections by the names of its arguments, a dict.
    """
    X = given["X"]
    for name, found in given.items():
        if not is_collection(found):
            raise TypeError(
                f"{name} is of type {type(found).__name__}, but X is a collection of "
                "Dask; give all in the same way."
            )
    call = partial(_called_on_rows, method, options, tuple(given))
    empty = call(local, None, *_example(local, given))[:0]
    sizes = X.chunks[0] if isinstance(X, da.Array) else [np.nan] * X.npartitions
    make, shared = dask.delayed(call, pure=False), dask.delayed(local)
    blocks = [
        da.from_delayed(
            make(shared, empty, *rows), shape=(size, *empty.shape[1:]), meta=empty
        )
        for size, *rows in zip(sizes, *_aligned(given).values())
    ]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def _called_on_rows(method, options, names, local, empty, *rows):
    """What a method gives for arguments of some names; `empty` for empty ones."""
    if not len(rows[0]):
        return empty
    return getattr(local, method)(**dict(zip(names, rows)), **options)


def _example(local, given):
    """A row like those of X, and of what else is given."""
    X = given["X"]
    if isinstance(X, da.Array):
        row = np.zeros((1, X.shape[1]), X.dtype)
    else:
        # A frame for each of its types; without it lazy predictions are not made.
        row = X._meta_nonempty.iloc[:1]
    y = np.ones((1, *local.intercept_.shape[1:]))
    known = {"X": row, "y": getattr(local, "classes_", y)[:1], "trials": np.ones(1)}
    known["y_upper"] = np.ones(1)
    return [
        known[name] if name in known else np.zeros((1, *found.shape[1:]))
        for name, found in given.items()
    ]


def _is_frame(data):
    """Whether data is a data frame or series of Dask."""
    return dask.is_dask_collection(data) and hasattr(data, "divisions")


def _aligned(collections):
    """Delayed partitions of each collection, equally many; a dict of lists."""
    X = collections["X"]
    pieces = {}
    for name, data in collections.items():
        data = _like(name, data, X) if name != "X" else data
        pieces[name] = _pieces(data)
        if len(pieces[name]) != len(pieces["X"]):
            raise ValueError(
                f"{name} has {len(pieces[name])} partitions, but X has "
                f"{len(pieces['X'])}; partition i of both must hold the same rows. "
                "Rechunk or repartition one of them."
            )
    return pieces


def _like(name, data, X):
    """An array in the chunks of X, where the sizes of both are known."""
    if not (isinstance(data, da.Array) and isinstance(X, da.Array)):
        return data
    if np.isnan(data.shape[0]) or np.isnan(X.shape[0]):
        return data
    if data.shape[0] != X.shape[0]:
        raise ValueError(
            f"{name} has {data.shape[0]} rows, but X has {X.shape[0]}; give one for "
            "each row of X."
        )
    return data.rechunk({0: X.chunks[0]})


def _pieces(data):
    """Delayed partitions, each with all columns."""
    if not isinstance(data, da.Array):
        # Dask reads small files together, of y others than of X, if it may optimise
        # the rest; what is read are the columns that are asked for all the same.
        return list(data.simplify().to_delayed(optimize_graph=False))
    if data.ndim == 2 and data.numblocks[1] > 1:
        data = data.rechunk({1: -1})
    return list(data.to_delayed().ravel())
