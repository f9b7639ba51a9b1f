"""The experiment on inverted images: what its solvers reach, and its idx reader."""

import gzip
import struct
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.importorskip("matplotlib")

from _paper import load

from skmoe.engine.m_step import project_exactly
from skmoe.solvers import GradientDescent, MirrorDescent

pytestmark = pytest.mark.long

paper = load("inverted_images")


@pytest.fixture(scope="module")
def results():
    return paper.experiment(n_seeds=2, n_iter=60, lengths=(2.0,))


def last(results, start, solver):
    """Outcome of a solver, and its quality at the end, arrays (seeds,)."""
    (outcome,) = [
        one for one in results[0] if (one.start, one.solver) == (start, solver)
    ]
    return outcome, paper.Quality(*(part[:, -1] for part in outcome.quality))


def test_two_experts_beat_one_and_recover_the_inversion(results):
    _, one, two = results
    assert (two.accuracy > one.accuracy + 0.5).all()
    assert (two.cross_entropy < one.cross_entropy - 1.5).all()
    assert (two.gate > 0.95).all() and (two.responsibilities > 0.95).all()


def test_em_from_an_informed_start_recovers_the_inversion_fastest(results):
    outcomes = {
        solver: last(results, "informed", solver)
        for solver in ("EM", "gradient EM", "GD")
    }
    assert (outcomes["EM"][1].gate > 0.95).all()
    finals = [outcome.objective[:, -1] for outcome, _ in outcomes.values()]
    counts = [
        paper.iterations_to(outcome, np.min(finals, axis=0))
        for outcome, _ in outcomes.values()
    ]
    assert counts == sorted(counts) and counts[0] < counts[1] / 2


def test_from_a_random_start_descent_in_pixels_recovers_it_and_em_does_not(results):
    em, descent = (last(results, "random", solver)[1] for solver in ("EM", "GD"))
    assert (em.gate < 0.9).all()
    assert (descent.cross_entropy < em.cross_entropy).all()
    white = last(results, "random", paper.WHITENED)[1]
    assert (white.gate < 0.9).all() and (white.gate < descent.gate).all()


def test_the_inversion_is_the_direction_of_largest_variance():
    task = paper.make_task(*paper.split_digits(0), np.random.RandomState(0))
    white = paper.whitened(task)
    right = ((white.train.X[:, 0] > 0) == white.train.inverted).mean()
    assert max(right, 1 - right) > 0.99
    np.testing.assert_allclose(white.train.X.std(axis=0, ddof=1), 1)


def test_an_exact_m_step_does_not_help_em_from_a_random_start():
    rng = np.random.RandomState(0)
    task = paper.make_task(*paper.split_digits(0), rng)
    start = paper.make_start(task, "random", rng)
    solver = MirrorDescent(1.0, project=project_exactly)
    _, thetas, _ = paper.run(task, start, solver, 8)
    fitted = task.problem.attributes(thetas[-1], np.float64)
    assert paper.judge(task, fitted).gate < 0.9


def test_gradient_em_of_one_step_is_gradient_descent():
    task = paper.make_task(*paper.split_digits(0), np.random.RandomState(0))
    start = paper.make_start(task, "small", np.random.RandomState(0))
    # Long enough for F to rise on the way.
    found = paper.run(task, start, paper.GradientEM(4.0, 1), 10)[0]
    expected = paper.run(task, start, GradientDescent(4.0), 10)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (np.diff(found) > 0).any()


def test_quality_is_that_of_the_estimator():
    task = paper.make_task(*paper.split_digits(0), np.random.RandomState(0))
    model = paper.MixtureOfLogisticExperts(random_state=0, max_iter=500)
    model.fit(task.train.X, task.train.y)
    found = paper.judge_estimator(task, model)
    X, y, inverted = task.test
    assert found.accuracy == model.score(X, y)
    assert found.cross_entropy == pytest.approx(-model.score_samples(X, y).mean())
    for share, proba in (
        (found.gate, model.gate_proba(X)),
        (found.responsibilities, model.responsibilities(X, y)),
    ):
        right = (proba.argmax(axis=1) == inverted).mean()
        assert share == max(right, 1 - right)


def idx_bytes(array):
    """An array of unsigned bytes in the idx format."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_set(directory, *, n_labels=None):
    """Digits enlarged to 28 x 28 pixels, as Fashion-MNIST is published."""
    X, y = load_digits(return_X_y=True)
    images = np.kron(X.reshape(-1, 8, 8) * 15, np.ones((3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    for prefix, rows in (("train", slice(0, 400)), ("t10k", slice(400, 600))):
        labels = y[rows] if n_labels is None else y[rows][:n_labels]
        (directory / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(images[rows]))
        compressed = gzip.compress(idx_bytes(labels))
        (directory / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(compressed)
    return images, y


def test_idx_sets_are_read_with_and_without_compression(tmp_path):
    images, y = write_set(tmp_path)
    X, labels, X_test, y_test = paper.load_idx(tmp_path, rows=300)
    np.testing.assert_allclose(X, images[:300].reshape(300, -1) / 255)
    np.testing.assert_array_equal(labels, y[:300])
    np.testing.assert_allclose(X_test, images[400:600].reshape(200, -1) / 255)
    np.testing.assert_array_equal(y_test, y[400:600])


def test_the_script_runs_on_an_idx_set(tmp_path, monkeypatch, capsys):
    write_set(tmp_path)
    picture = tmp_path / "picture.png"
    options = ["--idx", tmp_path, "--rows", 200, "--seeds", 1, "--iterations", 3]
    monkeypatch.setattr(sys, "argv", ["script", str(picture), *map(str, options)])
    paper.main()
    lines = capsys.readouterr().out.splitlines()
    assert picture.stat().st_size > 0
    assert len({line.count("|") for line in lines}) == 1
    assert sum(line.startswith("| random | ") for line in lines) == 4


LABELS = np.arange(5)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\0\0\x0d\1" + idx_bytes(LABELS)[4:], "magic number 0x00000d01"),
        (b"\1" + idx_bytes(LABELS)[1:], "magic number 0x01000801"),
        (idx_bytes(LABELS[:, None]), "2 dimensions where 1"),
        (idx_bytes(LABELS)[:-1], "4 bytes of data"),
        (idx_bytes(LABELS) + b"\0", "6 bytes of data"),
        (idx_bytes(LABELS)[:6], "no whole idx header"),
        (b"", "no whole idx header"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_files_that_are_no_idx_files_are_refused(
    tmp_path, content, message, compressed
):
    path = tmp_path / ("labels.gz" if compressed else "labels")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(ValueError, match=message) as caught:
        paper.read_idx(tmp_path / "labels", 1)
    assert str(path) in str(caught.value)


GZIPPED = gzip.compress(idx_bytes(LABELS), mtime=0)  # names of tests do not change


@pytest.mark.parametrize(
    "content", [GZIPPED[:-9], GZIPPED[:10] + b"\xff" + GZIPPED[11:], b"plain"]
)
def test_broken_gzip_files_are_refused(tmp_path, content):
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole gzip file") as caught:
        paper.read_idx(path, 1)
    assert str(path) in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        paper.load_idx(tmp_path)


def test_different_numbers_of_images_and_labels_are_refused(tmp_path):
    write_set(tmp_path, n_labels=150)
    with pytest.raises(ValueError, match="400 images and .* 150 labels") as caught:
        paper.load_idx(tmp_path)
    assert "train-images" in str(caught.value) and "train-labels" in str(caught.value)


def test_different_sizes_of_images_are_refused(tmp_path):
    write_set(tmp_path)
    small = np.zeros((200, 8, 8), dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(small))
    with pytest.raises(ValueError, match="784 pixels .* 64"):
        paper.load_idx(tmp_path)
