"""A fit of many iterations, as a script: it goes on from its checkpoint, if any.

python tests/_slow_fit.py PATH SOLVER EVERY SECONDS, which it waits after an iteration
"""

import sys
import time
from pathlib import Path

import numpy as np

from skmoe import MixtureOfLogisticExperts
from skmoe.callbacks import Checkpoint, load_checkpoint

SOLVERS = {
    "plain em": {"solver": "em", "step_size": 1.0},  # a thousand iterations
    "em": {"solver": "em"},
    "gd": {"solver": "gd"},
}


def make_data():
    """X and y of two logistic experts that overlap much."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 2))
    z = rng.uniform(size=400) < 1 / (1 + np.exp(-X[:, 0]))
    mean = np.where(z, X @ [1, 0.5], X @ [-1, 0.5])
    return X, (mean + 0.8 * rng.standard_normal(400) > 0).astype(int)


def make_model(solver):
    """The estimator, with a small `tol`."""
    options = {"alpha": 0.4, "gate_alpha": 0.4, **SOLVERS[solver]}
    return MixtureOfLogisticExperts(
        init="kmeans", tol=1e-11, max_iter=5000, random_state=0, **options
    )


class Wait:
    """Callback that waits after each iteration."""

    def __init__(self, seconds):
        self.seconds = seconds

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        time.sleep(self.seconds)


def main(path, solver, every, seconds):
    model = load_checkpoint(path) if Path(path).exists() else make_model(solver)
    model.set_callbacks(Checkpoint(path, int(every)), Wait(float(seconds)))
    model.fit(*make_data())


if __name__ == "__main__":
    main(*sys.argv[1:])
