"""Bytes that an iteration on Dask moves, and its time, for several numbers of rows.

Bytes are those sent over the loopback device (Linux), all there is between scheduler,
workers and client, less what the idle cluster sends in the same time.  Other programs
should be quiet.
"""

import argparse
import time

import dask.array as da
import numpy as np
import psutil
from distributed import Client, LocalCluster, wait
from report import table

import skmoe._callbacks
from skmoe import MixtureOfLinearExperts
from skmoe.dask import DaskMixture

N_FEATURES, N_EXPERTS = 10, 3


def lazy_data(n_samples, n_partitions):
    """X and y of a mixture, made by the workers."""
    chunk = n_samples // n_partitions
    rng = da.random.default_rng(0)
    X = rng.standard_normal((n_samples, N_FEATURES), chunks=(chunk, N_FEATURES))
    model = np.random.default_rng(0)
    gate = 2 * model.standard_normal((N_FEATURES, N_EXPERTS)) / np.sqrt(N_FEATURES)
    coef = model.standard_normal((N_FEATURES, N_EXPERTS))
    drawn = rng.gumbel(size=(n_samples, N_EXPERTS), chunks=(chunk, N_EXPERTS))
    expert = (X @ gate + drawn).argmax(axis=1)
    mean = da.choose(expert, list((X @ coef).T))
    y = mean + 0.5 * rng.standard_normal(n_samples, chunks=chunk)
    return X.astype(np.float32).persist(), y.astype(np.float32).persist()


def sent():
    """Bytes sent over the loopback device so far."""
    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent


def idle_rate(seconds=4.0):
    """Bytes a second that the idle cluster sends."""
    before = sent()
    time.sleep(seconds)
    return (sent() - before) / seconds


class Meter:
    """Bytes and time at each iteration, in place of what a verbose fit prints."""

    def __init__(self):
        self.bytes, self.time = [], []

    def __call__(self, *progress):
        self.bytes.append(sent())
        self.time.append(time.perf_counter())


def measure(n_samples, n_partitions, n_iter):
    """A row of the table: bytes and seconds an iteration."""
    X, y = lazy_data(n_samples, n_partitions)
    wait([X, y])
    rate = idle_rate()
    estimator = MixtureOfLinearExperts(
        N_EXPERTS, init="random", random_state=0, max_iter=n_iter, tol=0.0, verbose=1
    )

    skmoe._callbacks.print_iteration = meter = Meter()
    model = DaskMixture(estimator).fit(X, y)
    steps = len(meter.time) - 1
    seconds = (meter.time[-1] - meter.time[0]) / steps
    moved = (meter.bytes[-1] - meter.bytes[0]) / steps - rate * seconds
    parameters = sum(
        getattr(model, name).nbytes
        for name in ("coef_", "intercept_", "gate_coef_", "noise_variance_")
    )
    return (
        f"{n_samples:,}",
        n_partitions,
        f"{moved / 1000:.0f}",
        f"{moved / 1000 / n_partitions:.1f}",
        f"{1000 * seconds:.0f}",
        f"{parameters}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="200000,2000000")
    parser.add_argument("--partitions", default="8,32")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=40)
    options = parser.parse_args()
    rows = []
    cluster = LocalCluster(
        n_workers=options.workers, threads_per_worker=1, dashboard_address=None
    )
    with cluster, Client(cluster):
        measure(10_000, 4, 5)  # starts everything
        for n_partitions in map(int, options.partitions.split(",")):
            for n_samples in map(int, options.rows.split(",")):
                rows.append(measure(n_samples, n_partitions, options.iterations))
    head = ("rows", "partitions", "kB an iteration", "kB a partition", "ms", "bytes")
    print("\n".join(table(head, rows)))


if __name__ == "__main__":
    main()
