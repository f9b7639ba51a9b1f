"""The paper's data, Fashion-MNIST with a random half of the images inverted.

Two logistic experts with the package's defaults, but for a penalty of 1e-3 per image,
beside one expert, which cannot know who was inverted.  The images are those of Debian's
package ``dataset-fashion-mnist``, or of a folder of idx files::

    python benchmarks/fashion_mnist.py --rows 5000,60000 --seeds 3
    python benchmarks/fashion_mnist.py --idx FOLDER

Prints a row for each number of images and each inversion: time and processor time of
the fit, F, iterations, what the gate tells apart of the test images, and the accuracy
on these of two experts and of one.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from skmoe import MixtureOfLogisticExperts

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "paper"))
from inverted_images import agreement, inverted_half, load_idx

DEBIAN = "/usr/share/datasets/fashion-mnist"
ALPHA = 1e-3  # for each image
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


def main():
    """Read the images and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idx", metavar="FOLDER", default=DEBIAN)
    parser.add_argument("--rows", default="5000,60000", help="numbers of images")
    parser.add_argument("--seeds", type=int, default=1, help="inversions of each")
    options = parser.parse_args()
    X, y, X_test, y_test = load_idx(options.idx)
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for n in map(int, options.rows.split(",")):
        for seed in range(options.seeds):
            rng = np.random.RandomState(1000 + seed)
            train, test = (
                inverted_half(X[:n], y[:n], rng),
                inverted_half(X_test, y_test, rng),
            )
            print("| " + " | ".join(cells(train, test, seed)) + " |", flush=True)


if __name__ == "__main__":
    main()
