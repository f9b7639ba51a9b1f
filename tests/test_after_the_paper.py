"""The algorithms of `doc/after_the_paper.md`, in NumPy, agree with fits."""

import numpy as np
import pytest
from _paper import load

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

incremental = load("incremental", "benchmarks")
logistic_mm = load("logistic_mm", "benchmarks")
merging = load("merging", "benchmarks")

EXACT = {"alpha": 0, "gate_alpha": 0, "tol": 1e-10, "random_state": 0}


def test_surrogate_of_incremental_mm_is_least_at_maximum_likelihood():
    rows, y, _ = incremental.draw("random", 1000, 0)
    fit = MixtureOfLinearExperts(3, noise_prior=0, **EXACT).fit(rows[:, :-1], y)
    theta = incremental.parameters_of(fit)
    again = incremental.minimum(incremental.surrogate(theta, rows, y))
    for before, after in zip(theta, again, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_gradient_of_the_stochastic_methods_vanishes_there():
    rows, y, truth = incremental.draw("random", 1000, 0)
    fit = MixtureOfLinearExperts(3, noise_prior=0, **EXACT).fit(rows[:, :-1], y)
    for slope in incremental.gradient(incremental.parameters_of(fit), rows, y):
        np.testing.assert_allclose(slope, 0, atol=1e-5)
    assert max(abs(s).max() for s in incremental.gradient(truth, rows, y)) > 1e-3


@pytest.mark.filterwarnings("ignore:Stopped after")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", logistic_mm.SHAPES)
def test_batch_mm_never_lowers_the_likelihood(name, weighted):
    shape = logistic_mm.SHAPES[name]
    X, y, z = logistic_mm.draw(shape, 500, 0)
    rows, target = np.c_[X, np.ones(500)], np.eye(shape[2])[y]
    fit = MixtureOfLogisticExperts(shape[1], init=z, max_iter=1).fit(X, y)
    theta = logistic_mm.parameters_of(fit, shape[2])
    curve = logistic_mm.batch_mm(*theta, rows, target, 30, weighted)
    assert curve[0] == pytest.approx(-fit.log_likelihood(X, y) / 500, rel=1e-12)
    assert np.all(np.diff(curve) < 0)


def test_dendrogram_merges_the_two_halves_of_an_expert():
    X, y, _ = merging.sample("two", 2000, 0)
    fit = MixtureOfLinearExperts(2, random_state=0).fit(X, y)
    weight, gate, slopes, intercepts, variances = merging.atoms_of(fit)
    doubled = (
        np.array([weight[0] / 2, weight[1], weight[0] / 2]),
        *(value[[0, 1, 0]] for value in (gate, slopes, intercepts, variances)),
    )
    assert np.argmin(merging.dissimilarity(doubled)) == 2
    assert merging.mean_log_likelihood(doubled, X, y) == pytest.approx(
        fit.log_likelihood(X, y) / 2000
    )
    joined = merging.merged(doubled, 0, 2)
    assert joined[0] == pytest.approx(weight[::-1])
    assert joined[2] == pytest.approx(slopes[::-1])
