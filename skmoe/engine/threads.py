"""Threads over blocks of rows, in place of threads inside BLAS.

The products of one block are too small for BLAS to share out.  While a fit runs BLAS
keeps to one thread, and as many threads as it was allowed take blocks instead; the
user's own limits (environment, threadpoolctl, joblib) therefore hold.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController


@cache
def _controller():
    """The BLAS libraries of this process."""
    return ThreadpoolController().select(user_api="blas")


class _BlasLimit:
    """One BLAS thread while any fit runs; the last one to end restores the limit."""

    def __init__(self):
        self.lock, self.running = Lock(), 0
        self.limiter, self.allowed = None, 1

    def enter(self):
        """Number of threads that BLAS was allowed."""
        with self.lock:
            if self.running == 0:
                found = [library["num_threads"] for library in _controller().info()]
                self.allowed = max(found, default=1)
                self.limiter = _controller().limit(limits=1)
            self.running += 1
            return self.allowed

    def leave(self):
        """Restore the limit if no fit is left."""
        with self.lock:
            self.running -= 1
            if self.running == 0:
                self.limiter.restore_original_limits()


_LIMIT = _BlasLimit()


@contextmanager
def block_map(at_most=None):
    """A `map` over groups of blocks, and how many groups it runs at once.

    `at_most` is the share of a fit's threads that one of its parallel starts has.
    """
    n_threads = _LIMIT.enter()
    if at_most is not None:
        n_threads = min(n_threads, at_most)
    try:
        if n_threads == 1:
            yield map, 1
        else:
            with ThreadPoolExecutor(n_threads) as executor:
                yield executor.map, n_threads
    finally:
        _LIMIT.leave()
