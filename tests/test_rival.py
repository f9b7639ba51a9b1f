"""Descents are broken off only where they end no lower, and later starts are short."""

import numpy as np
import pytest
from _data import MODELS

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.engine.descent import minimise
from skmoe.engine.rival import ConfirmedRival
from skmoe.engine.starts import starting_point
from skmoe.solvers import AcceleratedEM

MARGIN = 1e-5


@pytest.fixture(scope="module")
def descents():
    """Mixtures, starts and where they lead to, with several optima among."""
    found = []
    for name in ("linear-3", "binary-2"):
        drawn = MODELS[name].data(n=300, d=2, noise=1.0, signal=1.0, gate_signal=0.7)
        mixture = MODELS[name].problem(drawn, alpha=1e-3, gate_alpha=1e-3).mixture
        for seed in range(5):
            rng = np.random.RandomState(seed)
            theta = starting_point(mixture, "random", rng).theta
            end = minimise(mixture, theta, AcceleratedEM(1), 3000, 1e-9).objective
            found.append((mixture, theta, end))
    return found


@pytest.mark.parametrize("gap", [-1e-2, 0.0, 1e-3])
def test_a_rival_wins_only_where_it_is_as_low(descents, gap):
    wins = 0
    for mixture, theta, end in descents:
        rival = ConfirmedRival(mixture, end + gap, MARGIN)
        descent = minimise(mixture, theta, AcceleratedEM(1), 3000, 1e-9, rival.report)
        if rival.has_won:
            wins += 1
            assert descent.objective >= rival.objective - MARGIN
    if gap > 0:  # hidden, beyond what is quadratic
        assert wins <= 0.05 * len(descents)
    else:
        assert wins > 0


def lines(n=300):
    """Two lines that cross, X and y."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, n)
    slope = np.where(rng.uniform(size=n) < 0.5, 1.0, -2.0)
    return x[:, None], slope * x + 0.3 * rng.standard_normal(n)


def test_the_first_of_equal_optima_is_kept():
    X, y = lines()
    first = MixtureOfLinearExperts(2, random_state=0).fit(X, y)
    model = MixtureOfLinearExperts(2, random_state=0, n_init=6).fit(X, y)
    np.testing.assert_array_equal(model.coef_, first.coef_)
    assert model.converged_


def test_later_starts_find_what_the_first_did_not():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((250, 2))
    logits = np.where(X[:, 0] > 0, 3 * X[:, 1], -3 * X[:, 1])
    y = (rng.logistic(size=250) < logits).astype(int)
    model = MixtureOfLogisticExperts(3, init="random")
    gains = []
    for seed in range(8):
        one, more = (
            model.set_params(random_state=seed, n_init=n_init)
            .fit(X, y)
            .objective_curve_[-1]
            for n_init in (1, 8)
        )
        assert more <= one
        gains.append(one - more)
    assert max(gains) > 1e-3
