"""Rows a second and memory of a fit to Parquet files that do not fit in memory.

Writes files of random rows (once), then fits MixtureOfLinearExperts to them by streamed
passes.  Each kind of reading runs in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from skmoe import MixtureOfLinearExperts
from skmoe.streaming import array_batches, fit_batches

N_FEATURES, N_EXPERTS = 10, 3
ROWS_PER_FILE, BATCH_ROWS = 1_000_000, 131_072


def write(folder, n_samples):
    """Parquet files, and X and y as .npy, float32, of a mixture of three experts."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (n_samples, N_FEATURES)
    X_file = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, shape)
    y_file = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, shape[:1])
    model = np.random.default_rng(0)
    gate = 2 * model.standard_normal((N_FEATURES, N_EXPERTS)) / np.sqrt(N_FEATURES)
    coef = model.standard_normal((N_EXPERTS, N_FEATURES))
    for number, start in enumerate(range(0, n_samples, ROWS_PER_FILE)):
        rng = np.random.default_rng(1 + number)
        n = min(ROWS_PER_FILE, n_samples - start)
        X = rng.standard_normal((n, N_FEATURES), dtype=np.float32)
        expert = (X @ gate + rng.gumbel(size=(n, N_EXPERTS))).argmax(axis=1)
        y = np.einsum("nd,nd->n", X, coef[expert]) + 0.5 * rng.standard_normal(n)
        X_file[start : start + n], y_file[start : start + n] = X, y
        columns = {f"x{j}": X[:, j] for j in range(N_FEATURES)}
        table = pa.table({**columns, "y": y.astype(np.float32)})
        pa.parquet.write_table(table, folder / f"{number:04d}.parquet")


def parquet_batches(folder):
    """Function that reads the files batch by batch."""
    dataset = pa.dataset.dataset(sorted(map(str, folder.glob("*.parquet"))))

    def batches():
        for batch in dataset.to_batches(batch_size=BATCH_ROWS):
            *columns, y = (column.to_numpy() for column in batch.columns)
            yield np.stack(columns, axis=1), y

    return batches


def memory_map_batches(folder):
    """Function that reads the memory maps batch by batch."""
    X, y = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "Xy")
    return array_batches(X, y, batch_size=BATCH_ROWS)


KINDS = {"Parquet": parquet_batches, "memory map": memory_map_batches}


def memory(field):
    """A field of /proc/self/status in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(folder, kind):
    """One fit: passes over the rows, seconds, memory, parameters."""
    read, seconds, anonymous = KINDS[kind](folder), [], []
    count = [0]

    def batches():
        start, count[0] = time.perf_counter(), 0
        for batch in read():
            count[0] += len(batch[1])
            anonymous.append(memory("RssAnon"))
            yield batch
        seconds.append(time.perf_counter() - start)

    before = memory("VmHWM")
    start = time.perf_counter()
    model = fit_batches(MixtureOfLinearExperts(N_EXPERTS, random_state=0), batches)
    return {
        "rows": count[0],
        "passes": len(seconds),
        "iterations": model.n_iter_,
        "seconds": time.perf_counter() - start,
        "seconds_a_pass": float(np.median(seconds[2:])),
        "rows_a_second": count[0] / float(np.median(seconds[2:])),
        "peak_mb": memory("VmHWM"),
        "peak_without_file_pages_mb": max(anonymous),
        "before_mb": before,
        "objective": float(model.objective_curve_[-1]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files are or shall be")
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.folder, options.one)))
        return
    if not options.folder.exists():
        write(options.folder, options.rows)
    for kind in options.kinds.split(","):
        command = [sys.executable, __file__, str(options.folder), "--one", kind]
        found = json.loads(subprocess.check_output(command))
        print(f"\n{kind}")
        for name, value in found.items():
            print(f"  {name.replace('_', ' '):30} {value:,.6g}")


if __name__ == "__main__":
    main()
