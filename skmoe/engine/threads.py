"""Threads over blocks of rows, in place of threads inside BLAS.

The products of one block are too small for BLAS to share out.  While a fit runs BLAS
keeps to one thread, and as many threads as it was allowed take blocks instead; the
user's own limits (environment, threadpoolctl, joblib) therefore hold.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from threading import RLock
from typing import NamedTuple

import numpy as np
import threadpoolctl
from sklearn import get_config, set_config

# Less work is not worth a thread, see `Threads.totals`.
_WORK_PER_THREAD = 2**21


class Threads(NamedTuple):
    """Threads that take runs of blocks, as `block_map` gives them."""

    map_threads: Callable = map
    n_threads: int = 1

    def __reduce__(self):
        """A pool stays in its process; copies make the same runs in one thread."""
        return type(self), (map, self.n_threads)

    def totals(self, total_of, blocks, work):
        """Totals of runs of blocks, as many as are worth a thread each.

        Parameters
        ----------
        total_of : callable(run), of a list of blocks
        blocks : list
        work : int, entries of X times experts, or times coefficients of each column
        """

        def quietly(run):
            # Threads do not inherit the caller's error state, see `minimise`.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                return total_of(run)

        runs = thread_runs(blocks, work, self.n_threads)
        return [quietly(runs[0])] if len(runs) == 1 else self.map_threads(quietly, runs)


IN_ONE_THREAD = Threads()


def thread_runs(blocks, work, n_threads):
    """Blocks in as many runs as are worth a thread each, at most `n_threads`."""
    n_threads = min(n_threads, work // _WORK_PER_THREAD, len(blocks))
    if n_threads < 2:
        return [blocks]
    bounds = np.linspace(0, len(blocks), n_threads + 1).astype(int)
    return [blocks[a:b] for a, b in zip(bounds, bounds[1:])]


@cache
def _controller():
    """The BLAS libraries of this process."""
    return threadpoolctl.ThreadpoolController().select(user_api="blas")


def _numbers():
    """Threads that each library may use."""
    return [library["num_threads"] for library in _controller().info()]


def _change(set_numbers, wanted):
    """Set numbers of threads from whatever thread this is.

    threadpoolctl 3.8 listens to one thread only where BLAS is OpenBLAS.  Here one
    thread's fit may set what another's restores.
    """
    set_numbers()
    if _numbers() != wanted:
        blas = getattr(threadpoolctl, "OpenBLASController", None)
        if hasattr(blas, "clear_controlling_thread"):
            blas.clear_controlling_thread(force=True)
            set_numbers()
    with _controller().limit(limits=None):
        pass  # at its end any thread may set them, unless the user holds a limit here


class _BlasLimit:
    """One BLAS thread while any fit runs; the last one to end restores the limit.

    An interrupt may come between any two steps, so each leaves what `leave` can undo.
    """

    def __init__(self):
        # Reentrant: an abandoned `_Use` may be collected while the lock is held.
        self.lock, self.uses = RLock(), set()
        self.before, self.numbers = None, []

    def enter(self, use):
        """Number of threads that BLAS was allowed."""
        with self.lock:
            if self.before is None:
                self.numbers = _numbers()
                self.before = _controller().limit(limits=None)  # sets nothing
            if not self.uses:
                _change(partial(_controller().limit, limits=1), [1] * len(self.numbers))
            self.uses.add(id(use))
            return max(self.numbers, default=1)

    def leave(self, use):
        """Restore the limit if no fit is left; again if this was not done."""
        with self.lock:
            self.uses.discard(id(use))
            if not self.uses and self.before is not None:
                _change(self.before.restore_original_limits, self.numbers)
                self.before = None
            use.has_ended = True


_LIMIT = _BlasLimit()


class _Use:
    """A fit's use of the limit; it ends where an interrupt keeps the fit from that."""

    has_ended = False

    def __del__(self):
        if not self.has_ended:
            _LIMIT.leave(self)


def thread_pool(n_threads):
    """Executor of so many threads."""
    # Threads do not inherit scikit-learn's configuration, which is a thread's.
    configure = partial(set_config, **get_config())
    return ThreadPoolExecutor(n_threads, initializer=configure)


@contextmanager
def block_map(at_most=None):
    """A `map` over groups of blocks, and how many groups it runs at once.

    `at_most` is the share of a fit's threads that one of its parallel starts has.
    """
    use = _Use()
    try:
        n_threads = _LIMIT.enter(use)
        if at_most is not None:
            n_threads = min(n_threads, at_most)
        if n_threads == 1:
            yield map, 1
        else:
            with thread_pool(n_threads) as executor:
                yield executor.map, n_threads
    finally:
        _LIMIT.leave(use)
