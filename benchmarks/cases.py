"""The cases of the benchmark: seeded data, saved so that every peer reads the same.

``python cases.py FOLDER A B`` writes cases A and B below FOLDER.  Each case is a folder
with ``data.npz`` (X, y), ``case.json`` and, for R, ``case.csv`` with ``X.bin`` and
``y.bin`` (float64, X column by column).
"""

import argparse
import csv
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

NOISE = 0.5


@dataclass(frozen=True)
class Case:
    """What a peer has to know of a data set."""

    name: str
    family: str  # 'gaussian', 'binary' or 'multiclass'
    n_samples: int
    n_features: int
    n_experts: int
    n_classes: int = 0
    # Where the likelihood has no maximum (E: separable classes) all peers that can do
    # so minimise the same penalised objective, with this ridge in the units of X.
    penalty: float = 0.0


CASES = {
    case.name: case
    for case in (
        Case("A", "gaussian", 10_000, 5, 3),
        Case("B", "gaussian", 100_000, 20, 4),
        Case("C", "binary", 20_000, 10, 3, 2),
        Case("D", "gaussian", 1_000, 2, 2),
        Case("E", "multiclass", 1_797, 64, 2, 10, 1e-3),
        Case("F", "gaussian", 1_000_000, 20, 4),
        Case("G", "gaussian", 50_000, 50, 16),
    )
}


def mixture_data(case, *, gate_scale=2.0, noise=NOISE, seed=0):
    """X, y and the generating expert of each row.

    x is standard normal, gate weights N(0, gate_scale^2 / d), expert weights N(0, 1),
    intercepts included.
    """
    rng = np.random.default_rng(seed)
    n, d, n_experts = case.n_samples, case.n_features, case.n_experts
    gate = rng.normal(scale=gate_scale / np.sqrt(d), size=(n_experts, d + 1))
    experts = rng.normal(size=(n_experts, d + 1))
    X, y, z = np.empty((n, d)), np.empty(n), np.empty(n, dtype=np.intp)
    for start in range(0, n, 10_000):
        rows = slice(start, min(start + 10_000, n))
        X[rows] = rng.standard_normal(X[rows].shape)
        logits = X[rows] @ gate[:, :-1].T + gate[:, -1]
        z[rows] = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        mean = X[rows] @ experts[:, :-1].T + experts[:, -1]
        mean = mean[np.arange(mean.shape[0]), z[rows]]
        if case.family == "gaussian":
            y[rows] = mean + noise * rng.standard_normal(mean.shape)
        else:
            y[rows] = mean + rng.logistic(size=mean.shape) > 0
    return X, y, z


def inverted_digits(seed=0):
    """scikit-learn's digits scaled to [0, 1], a random half of them inverted."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X = X / 16
    rng = np.random.default_rng(seed)
    inverted = rng.permutation(X.shape[0])[: X.shape[0] // 2]
    X[inverted] = 1 - X[inverted]
    return X, y.astype(np.float64)


def scaled(case, scale):
    """The case with fewer rows, for a quick trial; the digits stay as they are."""
    if case.family == "multiclass":
        return case
    return replace(case, n_samples=max(500, int(scale * case.n_samples)))


def write_case(case, folder, for_r):
    """Write a case into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if case.family == "multiclass":
        X, y = inverted_digits()
    else:
        X, y, _ = mixture_data(case)
    np.savez(folder / "data.npz", X=X, y=y)
    (folder / "case.json").write_text(json.dumps(asdict(case)))
    if for_r:
        X.T.tofile(folder / "X.bin")
        y.tofile(folder / "y.bin")
        with open(folder / "case.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, asdict(case))
            writer.writeheader()
            writer.writerow(asdict(case))


def read_case(folder):
    """Case, X and y."""
    case = Case(**json.loads((Path(folder) / "case.json").read_text()))
    with np.load(Path(folder) / "data.npz") as data:
        return case, data["X"], data["y"]


def main():
    parser = argparse.ArgumentParser(description="Write benchmark data.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=CASES)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--penalty", type=float, help="instead of the case's")
    parser.add_argument("--for-r", action="store_true")
    options = parser.parse_args()
    for name in options.names:
        case = scaled(CASES[name], options.scale)
        if options.penalty is not None:
            case = replace(case, penalty=options.penalty)
        write_case(case, options.folder / name, options.for_r)


if __name__ == "__main__":
    main()
