"""What the Python peers share: their arguments, the clock, and the result file.

Every peer is started as ``python PEER.py CASE_FOLDER RESULT METHOD REPEATS LIMIT``, and
by `time_to_best.py` with a number of SEEDS after it.
"""

import json
import resource
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cases import read_case  # noqa: E402
from score import as_model, value  # noqa: E402

__all__ = [
    "CHEAP",
    "Arguments",
    "Fits",
    "as_model",
    "needs",
    "value",
    "write",
    "write_seeds",
]

MISSING = 77  # exit status of a peer that is not installed
# Fits are repeated only while all of them together take less than this.
CHEAP = 10.0


class Arguments:
    """The command line, and the data it names."""

    def __init__(self):
        folder, self.result, self.method, repeats, limit, *seeds = sys.argv[1:]
        self.n_seeds = int(seeds[0]) if seeds else 0
        self.case, self.X, self.y = read_case(folder)
        self.repeats, self.limit = int(repeats), float(limit)


@contextmanager
def needs(package):
    """Say that a peer is missing where its import fails."""
    try:
        yield
    except ImportError as error:
        print(f"{package} is not installed: {error}", file=sys.stderr)
        sys.exit(MISSING)


class Fits:
    """Time of a fit, best of a few where fits are cheap.

    Parameters
    ----------
    fit : callable() -> anything
    repeats : int
    """

    def __init__(self, fit, repeats):
        self.memory_before = peak_memory()
        self.times, self.results, cpu = [], [], []
        while len(self.times) < repeats and sum(self.times) < CHEAP:
            start, cpu_start = time.perf_counter(), time.process_time()
            self.results.append(fit())
            self.times.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
        best = int(np.argmin(self.times))
        self.time, self.result = self.times[best], self.results[best]
        self.cpu_time = cpu[best]


def write_seeds(arguments, fit, model_of):
    """Write times and values of fits from seeds 0, 1, ..., within the time limit.

    `model_of` turns what `fit(seed)` gives into a `score.Model`.
    """
    fit(0)  # what a first call loads is not counted
    times, values, begun = [], [], time.perf_counter()
    for seed in range(arguments.n_seeds):
        start = time.perf_counter()
        found = fit(seed)
        times.append(time.perf_counter() - start)
        case, X, y = arguments.case, arguments.X, arguments.y
        values.append(value(case, X, y, model_of(found)))
        if time.perf_counter() - begun > arguments.limit:
            break
    result = {"times": times, "values": values}
    Path(arguments.result).write_text(json.dumps(result))


def peak_memory():
    """Peak resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def write(arguments, fits, model, **more):
    """Write the result file: times, final parameters and what else a peer knows.

    `more` may hold n_iter, note, and a trace: the value (see `score.value`) known at
    some seconds after the start of the fit, as trace_time and trace_value.
    """
    result = {
        "fit_time": fits.time,
        "fit_times": fits.times,
        "cpu_time": fits.cpu_time,
        "memory_before": fits.memory_before,
        "gate": np.ravel(model.gate).tolist(),
        "experts": np.ravel(model.experts).tolist(),
        "variance": np.ravel(model.variance).tolist(),
    }
    for name, entry in more.items():
        result[name] = np.asarray(entry).tolist()
    Path(arguments.result).write_text(json.dumps(result))
