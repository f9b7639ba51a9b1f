"""
Inverted images: two experts find out which images were inverted
================================================================

The paper inverts half of the images of Fashion-MNIST at random, ``x -> max - x``.  It
claims that two logistic experts then do far better than one, that EM recovers who was
inverted, and that it beats gradient EM and gradient descent (GD) in accuracy and rate.

Measured here, by default on scikit-learn's digit images: accuracy and cross-entropy on
test images, and how well the gate tells inverted images from the rest, after each
iteration from three starts.  The first is *informed* by labels of which 60 % name the
right kind of image; *random* responsibilities and *small* random coefficients know
nothing.

One EM iteration is a pass over the data and a Newton step for the gate and for each
expert; where coefficients are many it solves by truncated conjugate gradients, of up to
40 more passes.  Gradient EM takes 5 gradient steps on the M-step's objective, a pass
each, after one for the responsibilities; with one step it would be GD, of one pass.
Both have their step size tuned on a grid by the median final objective for each start.

GD's steps depend on coordinates as EM's do not.  They are standardised pixels, and in a
second run whitened ones: all principal components at unit variance.  There the ridge
penalty is another one, so that this run's objective is not compared.

Run it with ``python inverted_images.py [picture.png]``, or on images in the idx format
in which Fashion-MNIST is published, for example the first 5,000 of them, with
``python inverted_images.py --idx DIRECTORY --rows 5000 [picture.png]``.
"""

import argparse
import gzip
import struct
import time
import warnings
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from common import COLOURS, make_problem, plot_band, print_table, save, trace
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLogisticExperts
from skmoe.data.sample import Inputs
from skmoe.engine.fitted import FittedModel
from skmoe.engine.m_step import project_responsibilities
from skmoe.engine.problem import Problem
from skmoe.engine.starts import starting_point
from skmoe.solvers import GradientDescent, GradientSteps, MirrorDescent

ALPHA = 1e-3  # for each row
WHITENED = "GD, whitened"
STARTS = ("informed", "random", "small")
N_GRADIENT_STEPS = 5
# Step sizes for 64 pixels; more pixels make rows longer and bear shorter steps only.
LENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
_RIGHT_LABELS, _LABEL_WEIGHT, _SMALL = 0.6, 0.9, 0.01
_NEAR = 0.01  # nats per image
_RECOVERED = 0.95
_IDX_PARTS = "images-idx3", "labels-idx1"
_LEAST_VARIANCE_KEPT = 1 - 1e-9  # leaves constant pixels out
_UBYTE = 8  # the idx format's code of unsigned bytes


class Images(NamedTuple):
    """Images half of which are inverted."""

    X: np.ndarray  # pixels from 0 to 1, or their principal components, (n, d)
    y: np.ndarray  # class codes (n,)
    inverted: np.ndarray  # bool (n,)


class Task(NamedTuple):
    """What is learnt from, as a problem of two experts, and what is judged by."""

    train: Images
    test: Images
    problem: Problem


class Quality(NamedTuple):
    """Of a model on test images; the last two are shares of images told apart."""

    accuracy: float
    cross_entropy: float  # nats per image
    gate: float  # by the gate, which sees the image alone
    responsibilities: float  # which see its label as well


class Outcome(NamedTuple):
    """What one solver did from one start, arrays of shape (seeds, iterations + 1)."""

    start: str
    solver: str
    length: float | None  # the chosen step size
    objective: np.ndarray
    quality: Quality
    milliseconds: float  # per iteration, median of the seeds


class GradientEM:
    """EM with an M-step of a few gradient steps; like GD it may raise F."""

    patience = 3

    def __init__(self, length, n_steps=N_GRADIENT_STEPS):
        self.project = GradientSteps(n_steps, length)

    def evaluate(self, mixture, theta):
        """State at `theta` with the statistics that `step` needs."""
        return mixture.evaluate(theta, curvature=False)

    def step(self, mixture, state):
        """Next state, and the step of EM itself."""
        return self.evaluate(mixture, self.project(mixture, state, 1.0)), 1.0


def read_idx(path, n_dims):
    """Array of `n_dims` dimensions in an idx file of unsigned bytes, maybe gzipped."""
    path = Path(path)
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error})") from None
    start = 4 * (1 + n_dims)
    if len(content) < start:
        raise ValueError(f"{path}: {len(content)} bytes are no whole idx header")
    if content[:3] != bytes([0, 0, _UBYTE]):
        raise ValueError(
            f"{path}: magic number 0x{content[:4].hex()} is not that of an idx file "
            f"of unsigned bytes, 0x00000{_UBYTE}.."
        )
    if content[3] != n_dims:
        raise ValueError(f"{path}: {content[3]} dimensions where {n_dims} are expected")
    shape = struct.unpack(f">{n_dims}I", content[4:start])
    expected = int(np.prod(shape, dtype=object))
    if len(content) - start != expected:
        raise ValueError(
            f"{path}: {len(content) - start} bytes of data, and dimensions {shape} "
            f"that need {expected}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_images(directory, prefix):
    """Images with pixels from 0 to 1 (n, d), and labels (n,), of an idx data set."""
    paths = [Path(directory) / f"{prefix}-{part}-ubyte" for part in _IDX_PARTS]
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{paths[0]} holds {len(images)} images and {paths[1]} {len(labels)} labels"
        )
    return images.reshape(len(images), -1) / 255, labels.astype(int)


def load_idx(directory, rows=None):
    """Training images and labels, the first `rows` of them, test images and labels."""
    X, y = read_images(directory, "train")
    X_test, y_test = read_images(directory, "t10k")
    if X.shape[1] != X_test.shape[1]:
        raise ValueError(
            f"{directory}: {X.shape[1]} pixels in each training image and "
            f"{X_test.shape[1]} in each test image"
        )
    return X[:rows], y[:rows], X_test, y_test


def split_digits(seed):
    """As `load_idx`, of scikit-learn's digits; 70 % of them to learn from."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X / 16, y, test_size=0.3, stratify=y, random_state=seed
    )
    return X, y, X_test, y_test


def make_task(X, y, X_test, y_test, rng):
    """The task after half of the images are inverted at random."""
    return as_task(inverted_half(X, y, rng), inverted_half(X_test, y_test, rng))


def as_task(train, test):
    """The task, its problem included."""
    n_classes = 1 + max(train.y.max(), test.y.max())
    problem = make_problem(train.X, train.y, alpha=ALPHA, n_classes=n_classes)
    return Task(train, test, problem)


def whitened(task):
    """The same task in principal components of standardised pixels, of variance 1."""
    train, test = task.train, task.test
    components = make_pipeline(
        StandardScaler(), PCA(_LEAST_VARIANCE_KEPT, whiten=True, svd_solver="full")
    )
    X = components.fit_transform(train.X)
    return as_task(train._replace(X=X), test._replace(X=components.transform(test.X)))


def inverted_half(X, y, rng):
    """Images of which each is inverted with probability 1/2."""
    inverted = rng.uniform(size=len(X)) < 0.5
    return Images(np.where(inverted[:, None], 1 - X, X), y, inverted)


def make_start(task, name, rng):
    """Parameters to start from, by a name in `STARTS`."""
    mixture = task.problem.mixture
    if name == "random":
        return starting_point(mixture, "random", rng).theta
    if name == "small":
        zero = mixture.initial()
        return type(zero)(*(_SMALL * rng.standard_normal(part.shape) for part in zero))
    is_right = rng.uniform(size=len(task.train.X)) < _RIGHT_LABELS
    weight = np.where(task.train.inverted == is_right, _LABEL_WEIGHT, 1 - _LABEL_WEIGHT)
    return project_responsibilities(mixture, np.stack([1 - weight, weight]))


def judge(task, fitted):
    """Quality on test images of a model of two experts with fitted attributes."""
    test, model = task.test, FittedModel(task.problem.specification, fitted)
    rows = Inputs(test.X)
    log_gate, log_density = model.log_joint(rows, test.y)
    log_joint = log_gate + log_density
    return Quality(
        (model.mean(rows).argmax(axis=1) == test.y).mean(),
        -np.logaddexp.reduce(log_joint, axis=1).mean(),
        agreement(log_gate, test.inverted),
        agreement(log_joint, test.inverted),
    )


def agreement(log_weight, inverted):
    """Share of rows that the heavier expert tells apart, experts in either order."""
    right = (log_weight[:, 1] > log_weight[:, 0]) == inverted
    return max(right.mean(), 1 - right.mean())


def judge_estimator(task, estimator):
    """Quality on test images of a fitted estimator of one or two experts."""
    test = task.test
    if estimator.n_experts == 2:
        return judge(task, vars(estimator))
    accuracy = estimator.score(test.X, test.y)
    cross_entropy = -estimator.score_samples(test.X, test.y).mean()
    return Quality(accuracy, cross_entropy, np.nan, np.nan)


def run(task, theta, solver, n_iter):
    """F and the parameters after each iteration, and milliseconds per iteration."""
    visited = [theta]

    def remember(theta):
        visited.append(theta)
        return len(visited) - 1

    began = time.perf_counter()
    objective, index = trace(task.problem, theta, solver, n_iter, remember)
    elapsed = time.perf_counter() - began
    thetas = [visited[int(i)] for i in index]
    return objective, thetas, 1e3 * elapsed / max(len(visited) - 2, 1)


def follow(tasks, starts, make_solver, n_iter):
    """F (seeds, iterations + 1), parameters and milliseconds of runs on all tasks."""
    runs = [
        run(task, theta, make_solver(), n_iter) for task, theta in zip(tasks, starts)
    ]
    objective, thetas, milliseconds = zip(*runs)
    return np.array(objective), thetas, np.median(milliseconds)


def make_solvers(lengths):
    """Pairs of a step size and a solver's factory, for each solver."""
    return {
        "EM": [(None, partial(MirrorDescent, 1.0))],
        "gradient EM": [(length, partial(GradientEM, length)) for length in lengths],
        "GD": [(length, partial(GradientDescent, length)) for length in lengths],
    }


def best_outcome(tasks, name, solver, candidates, n_iter):
    """Outcome of a solver with the step size of the least median final objective."""
    starts = [
        make_start(task, name, np.random.RandomState(seed))
        for seed, task in enumerate(tasks)
    ]
    found = [
        (length, *follow(tasks, starts, make_solver, n_iter))
        for length, make_solver in candidates
    ]
    length, objective, thetas, milliseconds = min(
        found, key=lambda one: np.median(one[1][:, -1])
    )
    quality = judge_all(tasks, thetas)
    return Outcome(name, solver, length, objective, quality, milliseconds)


def experiment(load=split_digits, n_seeds=5, n_iter=200, lengths=LENGTHS):
    """Outcomes of all solvers from all starts, and the quality of two estimators.

    `load(seed)` gives training images and labels, test images and labels.
    """
    tasks = [
        make_task(*load(seed), np.random.RandomState(1000 + seed))
        for seed in range(n_seeds)
    ]
    white = [whitened(task) for task in tasks]
    solvers = make_solvers(np.array(lengths) * 64 / tasks[0].train.X.shape[1])
    outcomes = []
    for name in STARTS:
        for solver, candidates in solvers.items():
            outcomes.append(best_outcome(tasks, name, solver, candidates, n_iter))
        outcomes.append(best_outcome(white, name, WHITENED, solvers["GD"], n_iter))
    one = [fitted_quality(task, n_experts=1) for task in tasks]
    two = [fitted_quality(task, random_state=seed) for seed, task in enumerate(tasks)]
    return outcomes, Quality(*np.transpose(one)), Quality(*np.transpose(two))


def judge_all(tasks, thetas):
    """Quality after each iteration of each task, arrays (seeds, iterations + 1)."""
    values = [
        [judge(task, task.problem.attributes(theta, np.float64)) for theta in path]
        for task, path in zip(tasks, thetas)
    ]
    return Quality(*np.moveaxis(np.array(values), -1, 0))


def fitted_quality(task, **options):
    """Quality of the package's estimator on a task."""
    alpha = ALPHA * len(task.train.X)
    estimator = MixtureOfLogisticExperts(alpha=alpha, gate_alpha=alpha, **options)
    with warnings.catch_warnings():
        # The penalty, not the number of images, is what many pixels rely on.
        warnings.filterwarnings("ignore", "The model has .* parameters")
        estimator.fit(task.train.X, task.train.y)
    return judge_estimator(task, estimator)


def iterations_to(outcome, floor):
    """Median iterations until F is near `floor` (seeds,); infinite if it never is."""
    near = outcome.objective <= floor[:, None] + _NEAR
    return np.median(np.where(near.any(axis=1), near.argmax(axis=1), np.inf))


def table_rows(results):
    """Rows of the table: medians at the end."""
    outcomes, one, two = results
    yield "–", "one expert", "", "", "", *quality_cells(one)[:2], "", "", "", ""
    for name in STARTS:
        here = [outcome for outcome in outcomes if outcome.start == name]
        comparable = [outcome for outcome in here if outcome.solver != WHITENED]
        floor = np.min([outcome.objective[:, -1] for outcome in comparable], axis=0)
        for outcome in here:
            yield (
                name,
                outcome.solver,
                "1" if outcome.length is None else f"{outcome.length:.3g}",
                *(
                    objective_cells(outcome, floor)
                    if outcome.solver != WHITENED
                    else ("", "")
                ),
                *quality_cells(Quality(*(part[:, -1] for part in outcome.quality))),
                f"{outcome.milliseconds:.1f}",
            )
    yield "default", "accelerated EM", "auto", "", "", *quality_cells(two), ""


def objective_cells(outcome, floor):
    """Cells of the final objective and of the iterations it took."""
    count = iterations_to(outcome, floor)
    return (
        f"{np.median(outcome.objective[:, -1]):.4f}",
        f"{count:.0f}" if np.isfinite(count) else "never",
    )


def quality_cells(quality):
    """Cells of the qualities (seeds,) at the end."""
    recovered = (quality.gate > _RECOVERED).sum()
    return (
        f"{100 * np.median(quality.accuracy):.1f}",
        f"{np.median(quality.cross_entropy):.3f}",
        f"{100 * np.median(quality.gate):.1f}",
        f"{100 * np.median(quality.responsibilities):.1f}",
        f"{recovered} of {quality.gate.size}",
    )


def draw(results):
    """Figure of the curves on test images, a column for each start."""
    outcomes, one, _ = results
    panels = {
        "accuracy": "Test accuracy (%)",
        "cross_entropy": "Test cross-entropy\n(nats per image)",
        "gate": "Told apart by the gate\n(% of test images)",
    }
    figure, axes = plt.subplots(
        3, len(STARTS), figsize=(10, 8), sharex=True, sharey="row", layout="constrained"
    )
    for row, (field, label) in zip(axes, panels.items()):
        scale = 1 if field == "cross_entropy" else 100
        for ax, name in zip(row, STARTS):
            for outcome in outcomes:
                if outcome.start == name:
                    values = scale * getattr(outcome.quality, field)
                    plot_band(ax, values, outcome.solver, COLOURS["other"])
            if field != "gate":
                level = scale * np.median(getattr(one, field))
                ax.axhline(level, color="0.4", linestyle=":", label="one expert")
            ax.grid(alpha=0.3)
        row[0].set_ylabel(label)
    for ax, name in zip(axes[0], STARTS):
        ax.set_title(f"{name} start")
    for ax in axes[-1]:
        # Symmetric logarithm, so that iteration 0 has its place.
        ax.set_xlabel("Iteration")
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(0, outcomes[0].objective.shape[1] - 1)
    axes[1, 0].set_yscale("log")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def parse_arguments():
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Randomly inverted images.")
    parser.add_argument("picture", nargs="?", help="PNG file to save the picture to")
    parser.add_argument(
        "--idx", metavar="DIRECTORY", help="images and labels in the idx format"
    )
    parser.add_argument("--rows", type=int, help="training images to take of --idx")
    parser.add_argument("--seeds", type=int, default=5, help="inversions and starts")
    parser.add_argument("--iterations", type=int, default=200, help="of each solver")
    return parser.parse_args()


def main():
    """Run, print the table and save the picture."""
    options = parse_arguments()
    load = split_digits
    if options.idx:
        data = load_idx(options.idx, options.rows)

        def load(seed):
            return data

    results = experiment(load, options.seeds, options.iterations)
    print_table(
        [
            "start",
            "solver",
            "step size",
            "final F (nats per image)",
            f"iterations to {_NEAR} nats above the best of the start",
            "test accuracy (%)",
            "test cross-entropy (nats)",
            "told apart by gate (%)",
            "by responsibilities (%)",
            f"seeds with gate above {100 * _RECOVERED:.0f} %",
            "ms per iteration",
        ],
        table_rows(results),
    )
    save(draw(results), "inverted_images.png")


if __name__ == "__main__":
    main()
