"""The paper's data, Fashion-MNIST with a random half of the images inverted.

Two logistic experts with the package's defaults, but for a penalty of 1e-3 per image,
beside one expert, which cannot know who was inverted.  The images are those of Debian's
package ``dataset-fashion-mnist``, or of a folder of idx files::

    python benchmarks/fashion_mnist.py --rows 5000,60000 --seeds 3
    python benchmarks/fashion_mnist.py --idx FOLDER
    python benchmarks/fashion_mnist.py --rows 60000 --solvers picture.png

Prints a row for each number of images and each inversion: time and processor time of
the fit, F, iterations, what the gate tells apart of the test images, and the accuracy
on these of two experts and of one.

With ``--solvers`` a row for EM, gradient EM and GD instead, from the informed start of
``examples/paper/inverted_images.py`` on the first inversion, and a picture: F and what
the gate tells apart after each iteration.  The start is informed by labels of the first
5,000 images, on which the two gradient methods have their best step size.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfLogisticExperts

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "paper"))
from inverted_images import (
    LENGTHS,
    Images,
    agreement,
    as_task,
    inverted_half,
    judge_all,
    load_idx,
    make_solvers,
    make_start,
    run,
)

DEBIAN = "/usr/share/datasets/fashion-mnist"
ALPHA = 1e-3  # for each image
TUNED_ON, NEAR = 5000, 0.01  # images, and nats per image above the best F
N_ITER = {"EM": 25, "gradient EM": 30, "GD": 100}
COLUMNS = (
    "images",
    "seed",
    "s",
    "processor s",
    "F (nats per image)",
    "iterations",
    "told apart by gate (%)",
    "test accuracy (%)",
    "of one expert (%)",
)
OF_SOLVERS = (
    "solver",
    "step size",
    "F (nats per image)",
    f"iterations to {NEAR} nats above the best",
    "ms per iteration",
    "told apart by gate (%)",
    "test accuracy (%)",
)


def fitted(images, n_experts, seed):
    """A fit to images, its time and its processor time."""
    alpha = ALPHA * len(images.X)
    model = MixtureOfLogisticExperts(
        n_experts, alpha=alpha, gate_alpha=alpha, random_state=seed
    )
    began = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        # The penalty, not the number of images, is what many pixels rely on.
        warnings.filterwarnings("ignore", "The model has .* parameters")
        model.fit(images.X, images.y)
    return model, time.perf_counter() - began[0], time.process_time() - began[1]


def cells(train, test, seed):
    """Cells of one row of the table."""
    model, elapsed, processor = fitted(train, 2, seed)
    one, *_ = fitted(train, 1, seed)
    gate = agreement(model.gate_proba(test.X), test.inverted)
    return (
        f"{len(train.X)}",
        f"{seed}",
        f"{elapsed:.1f}",
        f"{processor:.1f}",
        f"{model.objective_curve_[-1]:.4f}",
        f"{model.n_iter_}",
        f"{100 * gate:.2f}",
        f"{100 * model.score(test.X, test.y):.2f}",
        f"{100 * one.score(test.X, test.y):.2f}",
    )


def followed(train, test):
    """F and qualities after each iteration, step size and ms, by solver, a dict."""
    few = Images(*(part[:TUNED_ON] for part in train))
    few, whole = as_task(few, test), as_task(train, test)
    found, start = {}, make_start(few, "informed", np.random.RandomState(0))
    lengths = np.array(LENGTHS) * 64 / train.X.shape[1]
    for name, candidates in make_solvers(lengths).items():
        n_iter = N_ITER[name]
        ends = {
            length: run(few, start, make(), n_iter)[0][-1]
            for length, make in candidates
        }
        length = min(ends, key=ends.get)
        solver = dict(candidates)[length]()
        objective, thetas, milliseconds = run(whole, start, solver, n_iter)
        found[name] = length, objective, judge_all([whole], [thetas]), milliseconds
    return found


def rows_of_solvers(found):
    """Rows of the table of `followed`."""
    floor = min(objective[-1] for _, objective, *_ in found.values())
    for name, (length, objective, quality, milliseconds) in found.items():
        is_near = objective <= floor + NEAR
        yield (
            name,
            "1" if length is None else f"{length:.3g}",
            f"{objective[-1]:.4f}",
            f"{is_near.argmax()}" if is_near.any() else "never",
            f"{milliseconds:.0f}",
            f"{100 * quality.gate[0, -1]:.2f}",
            f"{100 * quality.accuracy[0, -1]:.2f}",
        )


def draw(found):
    """Figure of F above the best, and of what the gate tells apart."""
    floor = min(objective.min() for _, objective, *_ in found.values())
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, (_, objective, quality, _) in found.items():
        iterations = np.arange(1, objective.size)
        axes[0].loglog(iterations, objective[1:] - floor, label=name)
        axes[1].semilogx(iterations, 100 * quality.gate[0, 1:], label=name)
    axes[0].set_ylabel("F above the least seen (nats per image)")
    axes[1].set_ylabel("Told apart by the gate (% of test images)")
    for ax in axes:
        ax.set_xlabel("Iteration")
        ax.grid(alpha=0.3)
    axes[0].legend()
    return figure


def print_rows(columns, rows):
    """Print a table, each row as it comes."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main():
    """Read the images and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idx", metavar="FOLDER", default=DEBIAN)
    parser.add_argument("--rows", default="5000,60000", help="numbers of images")
    parser.add_argument("--seeds", type=int, default=1, help="inversions of each")
    parser.add_argument("--solvers", metavar="PICTURE", help="compare solvers")
    options = parser.parse_args()
    X, y, X_test, y_test = load_idx(options.idx)
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)

    def images(n, seed):
        rng = np.random.RandomState(1000 + seed)
        return inverted_half(X[:n], y[:n], rng), inverted_half(X_test, y_test, rng)

    numbers = [int(n) for n in options.rows.split(",")]
    if options.solvers:
        found = followed(*images(max(numbers), 0))
        print_rows(OF_SOLVERS, rows_of_solvers(found))
        draw(found).savefig(options.solvers, dpi=100)
        return
    tried = ((n, seed) for n in numbers for seed in range(options.seeds))
    print_rows(COLUMNS, (cells(*images(n, seed), seed) for n, seed in tried))


if __name__ == "__main__":
    main()
