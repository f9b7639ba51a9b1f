"""What other processes take of the machine while something is measured (Linux)."""

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
# Fewer busy cores than this are quiet, measured over so many seconds.
_QUIET, _INTERVAL = 0.2, 2.0


def busy_seconds():
    """Seconds of all cores spent working since the system started, or None."""
    if not _STAT.exists():
        return None
    user, nice, system, _, _, irq, softirq = map(int, _STAT.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(limit):
    """Wait, at most `limit` seconds, until the machine has nearly nothing to do."""
    deadline = time.monotonic() + limit
    while busy_seconds() is not None and time.monotonic() < deadline:
        before = busy_seconds()
        time.sleep(_INTERVAL)
        if (busy_seconds() - before) / _INTERVAL < _QUIET:
            break
