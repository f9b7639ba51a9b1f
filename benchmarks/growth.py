"""How time and memory grow: iterations with n, memory of fit, cost of prediction."""

import argparse
import json
import resource
import subprocess
import sys

import numpy as np
from cases import Case, mixture_data
from load import wait_until_quiet
from report import table
from sklearn.linear_model import LogisticRegression
from timing import best_time, fit_quietly, iteration_time, noisy_labels

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

N_FEATURES, N_EXPERTS = 20, 4
LAYOUTS = ("C", "Fortran", "every other column", "every other row")


def make(n_samples, family="gaussian"):
    """A case of this size."""
    return Case("growth", family, n_samples, N_FEATURES, N_EXPERTS, 2)


def time_against_n(sizes, repeats):
    """Print seconds an iteration for each n, and the exponent of their growth."""
    for family in ("gaussian", "binary"):
        seconds = []
        for n in sizes:
            case = make(n, family)
            X, y, labels = mixture_data(case)
            y = y if family == "gaussian" else y.astype(int)
            seconds.append(iteration_time(case, X, y, labels, repeats))
        exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        rows = [
            (f"{n:,}", f"{1e3 * s:.2f}", f"{1e9 * s / n:.0f}")
            for n, s in zip(sizes, seconds)
        ]
        print(f"\n{family}: exponent {exponent:.3f}\n")
        print("\n".join(table(("n", "ms an iteration", "ns a row"), rows)))


def in_layout(X, layout):
    """The same values in another layout of memory."""
    if layout == "C":
        return np.ascontiguousarray(X)
    if layout == "Fortran":
        return np.asfortranarray(X)
    step = (1, 2) if layout == "every other column" else (2, 1)
    base = np.zeros((step[0] * X.shape[0], step[1] * X.shape[1]))
    view = base[:: step[0], :: step[1]]
    view[...] = X
    return view


def memory_of_fit(n_samples, layout):
    """Bytes that fit adds to the peak of this process, by kind of start."""
    case = make(n_samples)
    X, y, labels = mixture_data(case)
    if layout != "C":
        X = in_layout(X, layout)
    init = noisy_labels(labels, N_EXPERTS)
    small = slice(0, 5000)
    found = {}
    for name, start in (("default", "short_runs"), ("labels", init)):
        # Threads and caches of the libraries are not the fit's.
        part = start if isinstance(start, str) else start[small]
        estimator = MixtureOfLinearExperts(N_EXPERTS, init=part, max_iter=2)
        fit_quietly(estimator, X[small], y[small])
        estimator = MixtureOfLinearExperts(N_EXPERTS, init=start, max_iter=5, tol=0)
        before = reset_peak()
        fit_quietly(estimator, X, y)
        found[name] = peak() - before
    return found


def reset_peak():
    """Forget the peak so far where the system can (Linux); the peak then, in bytes."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass
    return peak()


def peak():
    """Peak resident memory of this process, in bytes."""
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def memory_table(n_samples):
    """Print the memory of fit beyond X, each layout in a process of its own."""
    size = 8 * n_samples * N_FEATURES
    rows = []
    for layout in LAYOUTS:
        command = [sys.executable, __file__, "--memory-of", layout, str(n_samples)]
        found = json.loads(subprocess.check_output(command))
        for start, extra in found.items():
            rows.append((layout, start, f"{extra / 2**20:.0f}", f"{extra / size:.2f}"))
    print(f"\nMemory of fit beyond X, n={n_samples:,}, X of {size / 2**20:.0f} MB\n")
    print("\n".join(table(("layout of X", "start", "MB", "share of X"), rows)))


def prediction_table(n_samples, repeats):
    """Print time of prediction beside LogisticRegression's at equal output size."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, N_FEATURES))
    part = X[:5000]
    rows = []
    for n_classes in (2, 4, 10):
        logits = part @ rng.standard_normal((N_FEATURES, n_classes))
        y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        single = LogisticRegression().fit(part, y)
        mixture = MixtureOfLogisticExperts(N_EXPERTS, max_iter=5, random_state=0)
        fit_quietly(mixture, part, y)
        reference = best_time(lambda m=single: m.predict_proba(X), repeats)
        calls = {"predict_proba": mixture.predict_proba}
        if n_classes == N_EXPERTS:
            calls["gate_proba"] = mixture.gate_proba
        for name, call in calls.items():
            seconds = best_time(lambda call=call: call(X), repeats)
            ratio = seconds / reference
            # Logits that the output needs: a gate, and classes of every expert.
            free = 1 if n_classes == 2 else n_classes
            work = N_EXPERTS if name == "gate_proba" else N_EXPERTS * (1 + free)
            rows.append(
                (
                    name,
                    n_classes,
                    f"{1e3 * seconds:.1f}",
                    f"{1e3 * reference:.1f}",
                    f"{ratio:.2f}",
                    f"{ratio * free / work:.2f}",
                )
            )
    header = ("method", "columns", "ms", "LogisticRegression ms", "ratio", "per logit")
    print(f"\nPrediction, n={n_samples:,} d={N_FEATURES} K={N_EXPERTS}\n")
    print("\n".join(table(header, rows)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=1_000_000, help="most rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", default="time,memory,prediction")
    parser.add_argument("--quiet", type=float, default=0, help="wait for idle, seconds")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        layout, n_samples = options.memory_of
        print(json.dumps(memory_of_fit(int(n_samples), layout)))
        return
    parts = options.parts.split(",")
    wait_until_quiet(options.quiet)
    if "time" in parts:
        sizes = np.geomspace(options.largest / 100, options.largest, 5).astype(int)
        time_against_n(sizes, options.repeats)
    if "memory" in parts:
        memory_table(options.largest)
    if "prediction" in parts:
        wait_until_quiet(options.quiet)
        prediction_table(options.largest // 10, options.repeats)


if __name__ == "__main__":
    main()
