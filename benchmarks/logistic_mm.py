"""Logistic experts by EM, mirror descent and gradients, beside batch MM.

    python benchmarks/logistic_mm.py [--sets 5] [--rows 1000]

Batch MM in the sense of arXiv 2602.07997, written here from its summary: the
log-likelihood is minorised by EM's bound, and each softmax in it by the quadratic of
Boehning (1992), with curvature (I - 11'/K) / 2 times X'X for the gate and
(I - 11'/C) / 2 times X'X for the experts (``fixed``), or X'RX with R the expert's
responsibilities (``weighted``).  Both have their maximum in closed form, and need no
line search.

Gate weights are N(0, 4 / d), those of the experts N(0, 4), on d normal columns.  No
penalties.  All start at the same parameters, the first iterate from true labels of
which half are drawn anew, and are followed until F is within 1e-4 and 1e-6 nats per row
of the best that any of them found.  Prints a Markdown table: medians of iterations and
of CPU seconds for them, and on how many sets they got there.
"""

import argparse
import copy
import time
import warnings

import numpy as np
from report import table
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLogisticExperts

CLOSE = (1e-4, 1e-6)
# Columns, experts, classes.
SHAPES = {
    "2 classes, K=2": (5, 2, 2),
    "4 classes, K=2": (5, 2, 4),
    "3 classes, K=3": (5, 3, 3),
}
SOLVERS = {
    "em, default": {"solver": "em"},
    "plain EM": {"solver": "md", "step_size": 1.0},
    "gd": {"solver": "gd"},
}


def draw(shape, n, seed):
    """X (n, d), classes (n,) and experts (n,)."""
    d, n_experts, n_classes = shape
    rng = np.random.default_rng(seed)
    gate = 2 / np.sqrt(d) * rng.standard_normal((d + 1, n_experts))
    coef = 2 * rng.standard_normal((n_experts, d + 1, n_classes))
    X = rng.standard_normal((n, d))
    rows = np.c_[X, np.ones(n)]
    z = (rows @ gate + rng.gumbel(size=(n, n_experts))).argmax(axis=1)
    logits = np.einsum("np,npc->nc", rows, coef[z])
    return X, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1), z


def parameters_of(model, n_classes):
    """Gate (d + 1, K) and experts (K, d + 1, C), intercepts last."""
    gate = np.vstack([model.gate_coef_.T, model.gate_intercept_])
    slopes, intercepts = model.coef_, model.intercept_
    if n_classes == 2:  # the logit of the second class
        coef = np.concatenate([slopes, intercepts[:, None]], axis=1)[:, :, None] / 2
        return gate, np.concatenate([-coef, coef], axis=2)
    return gate, np.concatenate(
        [slopes.transpose(0, 2, 1), intercepts[:, None]], axis=1
    )


def batch_mm(gate, coef, rows, target, max_iter, weighted):
    """F of every iterate, in nats per row; `target` is one-hot (n, C)."""
    n, p = rows.shape
    shape = n, len(coef), target.shape[1]
    inverse = np.linalg.inv(rows.T @ rows / 2)
    curve = []
    for _ in range(max_iter + 1):
        log_gate = log_softmax(rows @ gate)
        logits = rows @ coef.transpose(1, 0, 2).reshape(p, -1)
        log_class = log_softmax(logits.reshape(shape))
        joint = log_gate + (log_class * target[:, None]).sum(axis=2)
        log_resp = log_softmax(joint)
        curve.append((log_resp - joint)[:, 0].mean())
        resp = np.exp(log_resp)
        gate = gate + inverse @ (rows.T @ (resp - np.exp(log_gate)))
        error = resp[:, :, None] * (target[:, None] - np.exp(log_class))
        slope = (rows.T @ error.reshape(n, -1)).reshape(p, *shape[1:])
        slope = slope.transpose(1, 0, 2)
        if weighted:
            gram = np.stack([(rows.T * weight) @ rows for weight in resp.T / 2])
            coef = coef + np.linalg.solve(gram, slope)
        else:
            coef = coef + inverse @ slope
    return np.array(curve)


def log_softmax(logits):
    """Along the last axis."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def timed(call):
    """What it returns, and CPU seconds."""
    start = time.process_time()
    return call(), time.process_time() - start


def measure(shape, seed, options):
    """Iterations and CPU seconds to each gap by solver, infinite where not reached."""
    X, y, z = draw(shape, options.rows, seed)
    n_classes = shape[2]
    rows, target = np.c_[X, np.ones(len(y))], np.eye(n_classes)[y]
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(len(y)) < 0.5, rng.integers(shape[1], size=len(y)), z)
    start = MixtureOfLogisticExperts(
        shape[1], alpha=0, gate_alpha=0, init=labels, max_iter=1
    ).fit(X, y)

    def fitted(max_iter, **solver):
        model = copy.deepcopy(start)
        model.set_params(warm_start=True, max_iter=max_iter, tol=1e-12, **solver)
        return model.fit(X, y).objective_curve_

    theta = parameters_of(start, n_classes)
    runs = {
        name: lambda n, solver=solver: fitted(n, **solver)
        for name, solver in SOLVERS.items()
    }
    for kind in ("fixed", "weighted"):
        weighted = kind == "weighted"
        runs[f"batch MM, {kind}"] = lambda n, w=weighted: batch_mm(
            *theta, rows, target, n, w
        )
    curves = {name: run(options.max_iter) for name, run in runs.items()}
    best = min(curve[-1] for curve in curves.values())
    found = {}
    for name, run in runs.items():
        cells = []
        for close in CLOSE:
            there = np.flatnonzero(curves[name] <= best + close)
            if there.size:
                n_iter = max(int(there[0]), 1)
                cells += [n_iter, timed(lambda run=run, n=n_iter: run(n))[1]]
            else:
                cells += [np.inf, np.inf]
        found[name] = cells
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", default="; ".join(SHAPES))
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--max-iter", type=int, default=1_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    header = ["data", "solver"]
    for close in CLOSE:
        header += [f"iterations to {close:g}", "CPU s", "reached"]
    lines = []
    for name in options.shapes.split("; "):
        shape = SHAPES[name]
        results = [measure(shape, seed, options) for seed in range(options.sets)]
        for solver in results[0]:
            values = np.array([result[solver] for result in results])
            cells = []
            for i in (0, 2):
                n_iter, seconds = np.median(values[:, i : i + 2], axis=0)
                reached = np.isfinite(values[:, i]).sum()
                cells += (
                    ["-", "-"]
                    if np.isinf(n_iter)
                    else [f"{n_iter:.0f}", f"{seconds:.3f}"]
                )
                cells.append(f"{reached} of {len(values)}")
            lines.append((name, solver, *cells))
    print("\n".join(table(header, lines)))


if __name__ == "__main__":
    main()
