"""How a whole fit grows with rows, columns and experts: time, iterations, memory.

    python benchmarks/fit_growth.py [--most-rows 10000000] [--limit 300]

Linear experts of default parameters on float32 rows, from n = 10^4, d = 20, K = 4; one
of the three grows at a time.  Each fit is in a process of its own.  Memory is what the
fit adds to the peak of that process, beside X.  The exponent is the slope of log time
against the size since the row before.  A fit that takes longer than the limit ends its
series.
"""

import argparse
import json
import math
import subprocess
import sys
import time

import numpy as np
from cases import Case, mixture_data
from growth import peak, reset_peak
from report import table
from timing import fit_quietly

from skmoe import MixtureOfLinearExperts

ROWS, COLUMNS, EXPERTS = 10_000, 20, 4
GROWING = {
    "rows": (10**4, 10**5, 10**6, 10**7),
    "columns": (20, 100, 500, 2000),
    "experts": (4, 16, 64),
}


def sizes():
    """Name of what grows, and (n, d, K), a list for each."""
    return {
        "rows": [(n, COLUMNS, EXPERTS) for n in GROWING["rows"]],
        "columns": [(ROWS, d, EXPERTS) for d in GROWING["columns"]],
        "experts": [(ROWS, COLUMNS, k) for k in GROWING["experts"]],
    }


def measured(n, d, n_experts):
    """Seconds, iterations, and memory of a fit, a dict."""
    X, y, _ = mixture_data(Case("growth", "gaussian", n, d, n_experts))
    X, y = X.astype(np.float32), y.astype(np.float32)
    small = MixtureOfLinearExperts(n_experts, max_iter=2, random_state=0)
    fit_quietly(small, X[:2000], y[:2000])  # what libraries load is not the fit's
    before, cpu, start = reset_peak(), time.process_time(), time.perf_counter()
    model = fit_quietly(MixtureOfLinearExperts(n_experts, random_state=0), X, y)
    return {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "n_iter": model.n_iter_,
        "extra": peak() - before,
        "of_x": X.nbytes,
    }


def in_a_process(size, limit):
    """`measured` in a process of its own, or None beyond the limit."""
    command = [sys.executable, __file__, "--one", *map(str, size)]
    try:
        return json.loads(subprocess.check_output(command, timeout=limit))
    except subprocess.TimeoutExpired:
        return None


def series(name, points, limit):
    """Rows of the table of one series, a list."""
    rows, before = [], None
    for size in points:
        found = in_a_process(size, limit)
        if found is None:
            rows.append((name, *(f"{s:,}" for s in size), f"> {limit:g}", *[""] * 5))
            break
        grown = math.prod(size)
        exponent = ""
        if before is not None:
            change = math.log(found["cpu"] / before[1])
            exponent = f"{change / math.log(grown / before[0]):.2f}"
        before = grown, found["cpu"]
        memory = [f"{found[part] / 2**20:.0f}" for part in ("extra", "of_x")]
        seconds = f"{found['wall']:.2f}", f"{found['cpu']:.2f}"
        counts = (f"{s:,}" for s in size)
        rows.append((name, *counts, *seconds, found["n_iter"], *memory, exponent))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most-rows", type=int, default=10_000_000)
    parser.add_argument("--limit", type=float, default=300, help="seconds for a fit")
    parser.add_argument("--one", nargs=3, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(*options.one)))
        return
    rows = []
    for name, points in sizes().items():
        kept = [size for size in points if size[0] <= options.most_rows]
        rows += series(name, kept, options.limit)
    header = (
        "grows",
        "n",
        "d",
        "K",
        "s",
        "CPU s",
        "iterations",
        "MB",
        "X MB",
        "exponent",
    )
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
