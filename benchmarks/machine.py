"""What the measurements ran on, as JSON: ``python machine.py``."""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import scipy  # noqa: F401, loads the BLAS that scipy uses
from threadpoolctl import threadpool_info


def describe():
    """Processor, cores, system, versions and BLAS, a dict of strings."""
    found = {
        "processor": _processor(),
        "cores": str(_cores()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "load before the run": _load(),
        "Python": platform.python_version(),
        "BLAS": "; ".join(sorted(set(_blas()))),
    }
    for package in ("numpy", "scipy", "scikit-learn", "skmoe"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory():
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"


def _load():
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def _blas():
    np.ones((2, 2)) @ np.ones((2, 2))
    for library in threadpool_info():
        if library["user_api"] == "blas":
            name, threads = library["internal_api"], library["num_threads"]
            yield f"{name} {library['version']}, {threads} threads"


if __name__ == "__main__":
    print(json.dumps(describe()))
