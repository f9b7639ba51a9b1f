"""Pickles of this release's fitted estimators, for later releases to load.

python tests/recorded/make_pickles.py

writes, with the oldest NumPy that is supported (later ones load its pickles), a folder
named after the version: a pickle of each estimator, and in
`expected.json` the versions, the rows, and what is predicted for them.  Run it once for
each release, and keep the folders of earlier ones; `tests/test_old_pickles.py` loads
them all.
"""

import json
import pickle
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn

import skmoe
from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)

PROTOCOL = 4
N_KEPT = 8  # rows that are predicted

RNG = np.random.default_rng(0)
X = RNG.standard_normal((240, 2))
Y = np.where(X[:, 0] > 0, 1 + X[:, 1], -1 - X[:, 1]) + 0.3 * RNG.standard_normal(240)
CLASSES = np.array(["a", "b", "c"])[np.digitize(Y, [-1, 1])]
COUNTS = RNG.poisson(np.exp(np.clip(Y, -3, 3)))
AMOUNTS = np.exp(Y)


def models():
    """Fitted estimators by name, each with its y."""
    seeded = {"random_state": 0}
    two = np.column_stack([Y, -Y + X[:, 0]])
    own = {"gate_features": [0], "expert_features": [1]}
    linear, logistic = MixtureOfLinearExperts, MixtureOfLogisticExperts
    glm = MixtureOfGLMExperts
    return {
        "linear": (linear(**seeded).fit(X, Y), Y),
        "linear_own_columns": (linear(**own, **seeded).fit(X, two), two),
        "linear_online": (online(linear(**seeded), Y), Y),
        "logistic": (logistic(**seeded).fit(X, CLASSES), CLASSES),
        "logistic_online": (
            online(logistic(alpha=0.01, **seeded), CLASSES, np.unique(CLASSES)),
            CLASSES,
        ),
        "poisson": (glm(**seeded).fit(X, COUNTS), COUNTS),
        "gamma": (glm(family="gamma", **seeded).fit(X, AMOUNTS), AMOUNTS),
        "negative_binomial": (
            glm(family="negative_binomial", **seeded).fit(X, COUNTS),
            COUNTS,
        ),
        "two_part": (glm(point_mass=0, **seeded).fit(X, COUNTS), COUNTS),
        "outliers": (linear(noise_df=4, background=True, **seeded).fit(X, Y), Y),
        "shared": (linear(shared_features=[1], noise="shared", **seeded).fit(X, Y), Y),
        "tree": (logistic(4, depth=2, alpha=1.0, **seeded).fit(X, CLASSES), CLASSES),
        "sparse_gate": (linear(3, top_k=2, **seeded).fit(X, Y), Y),
        "selected": (linear(l1_ratio=1.0, alpha=5.0, **seeded).fit(X, Y), Y),
        "unfitted": (linear(3, solver="md", **seeded), Y),
    }


def online(model, y, *classes):
    """The model after two batches."""
    for rows in (slice(0, 120), slice(120, 240)):
        model.partial_fit(X[rows], y[rows], *classes)
    return model


def predictions(model, y):
    """What the model says about the first rows, lists by the names of methods."""
    rows, y = X[:N_KEPT], y[:N_KEPT]
    found = {name: getattr(model, name)(rows) for name in ("predict", "gate_proba")}
    found["responsibilities"] = model.responsibilities(rows, y)
    found["score_samples"] = model.score_samples(rows, y)
    if hasattr(model, "predict_proba"):
        found["predict_proba"] = model.predict_proba(rows)
    return {name: values.tolist() for name, values in found.items()}


def main():
    folder = Path(__file__).parent / "pickles" / skmoe.__version__
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, (model, y) in models().items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model, PROTOCOL))
        if name != "unfitted":
            expected[name] = {
                "y": y[:N_KEPT].tolist(),
                "predictions": predictions(model, y),
            }
    written = {
        "versions": {
            "skmoe": skmoe.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "X": X[:N_KEPT].tolist(),
        "models": expected,
    }
    (folder / "expected.json").write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
