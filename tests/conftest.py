"""What must be set before numpy and scipy are imported, and which tests are long."""

import gc
import os
from collections import defaultdict

import pytest

# scikit-learn skips a check without it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Processes of pytest-xdist share the cores, and so do the processes that tests start.
# Where BLAS has more threads is for tests to say: waiting for each other on busy cores
# they take twenty times as long.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Scripts that record numbers, with packages that the tests do without.
collect_ignore_glob = ["recorded/*"]


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage among modules and tests: they stay, and it takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as long what `sampled(n)` leaves: all but n parameter sets of a test."""
    tests = defaultdict(list)
    for item in items:
        if mark := item.get_closest_marker("sampled"):
            tests[item.nodeid.partition("[")[0], mark.args[0]].append(item)
    for (_, n), same in tests.items():
        kept = {i * len(same) // n for i in range(n)}
        for i, item in enumerate(same):
            if i not in kept:
                item.add_marker("long")
