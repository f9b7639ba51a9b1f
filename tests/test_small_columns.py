"""Default penalties of columns that vary little: what is said of them, and when."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.data.sample import Known
from skmoe.engine.penalty_units import costs_of_units
from skmoe.streaming import fit_batches

WARNING = "Columns of X vary little .*alpha=.* of column 0.*nats per row"
OUTWEIGHED = "Columns of X vary little .*alpha=.* of all columns"


def jump(scale, n_samples=300):
    """A column of this scale, and y that jumps and bends with it."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.7, 1.7, size=n_samples)
    y = np.where(x < 0.5, 1 + x, 2 * x - 1) + 0.1 * rng.standard_normal(n_samples)
    return scale * x[:, None], y, rng


def fit_linear(X, y, **how):
    return MixtureOfLinearExperts(random_state=0).fit(X, y, **how)


def fit_in_batches(X, y):
    batches = [(X[rows], y[rows]) for rows in (slice(150), slice(150, None))]
    return fit_batches(MixtureOfLinearExperts(random_state=0), lambda: iter(batches))


FITS = {
    "linear": fit_linear,
    "sparse": lambda X, y: fit_linear(sparse.csr_array(X), y),
    "weights": lambda X, y: fit_linear(X, y, sample_weight=np.full(len(y), 2.0)),
    "groups": lambda X, y: fit_linear(
        np.repeat(X, 2, axis=0),
        np.repeat(y, 2),
        groups=np.repeat(np.arange(len(y)), 2),
    ),
    "batches": fit_in_batches,
    "logistic": lambda X, y: MixtureOfLogisticExperts(random_state=0).fit(
        X, np.digitize(y, [-0.5, 1.2]) == 1
    ),
    "counts": lambda X, y: MixtureOfGLMExperts(random_state=0).fit(
        X, np.random.default_rng(1).poisson(np.exp(y))
    ),
    "tree": lambda X, y: MixtureOfLinearExperts(4, depth=2, random_state=0).fit(X, y),
}


@pytest.mark.parametrize("kind", FITS)
def test_small_columns_that_are_held_back_are_a_warning(kind):
    X, y, _ = jump(0.03)
    with pytest.warns(UserWarning, match="Columns of X vary little"):
        FITS[kind](X, y)
    FITS[kind](X / 0.03, y)  # warnings are errors


@pytest.mark.parametrize("scale", [0.1, 0.01, 0.001])
def test_columns_and_costs_are_named(scale):
    X, y, _ = jump(scale)
    with pytest.warns(UserWarning, match=WARNING):
        fit_linear(X, y)


def test_columns_have_the_names_of_a_frame_and_those_that_do_not_matter_none():
    X, y, rng = jump(0.1)
    frame = pd.DataFrame({"other": 0.1 * rng.standard_normal(300), "held": X[:, 0]})
    with pytest.warns(UserWarning, match=r"alpha=3.0 of 'held'[;,] ") as found:
        fit_linear(frame, y)
    assert "other" not in str(found[0].message)


def test_penalties_that_outweigh_all_rows_are_a_warning_where_no_slope_is_seen():
    rng = np.random.default_rng(0)
    X = 0.01 * rng.standard_normal((200, 2))
    with pytest.warns(UserWarning, match=OUTWEIGHED):
        fit_linear(X, rng.standard_normal(200))


@pytest.mark.parametrize("scale", [0.05, 0.03, 0.01, 0.001])
def test_a_column_that_is_held_at_zero_beside_others_is_named(scale):
    """A slope up and one down: with both held at zero nothing slopes."""
    rng = np.random.default_rng(0)
    x, other = rng.standard_normal((2, 500))
    y = np.abs(x) + 0.3 * rng.standard_normal(500)
    with pytest.warns(UserWarning, match="alpha=3.0 of column 1[;.] "):
        fit_linear(np.column_stack([other, scale * x]), y)
    fit_linear(np.column_stack([other, x]), y)


def test_rare_columns_are_not_of_small_units():
    rng = np.random.default_rng(0)
    X = (rng.random((500, 3)) < [0.5, 0.02, 0.004]).astype(float)
    fit_linear(X, X[:, 0] + rng.standard_normal(500))


def test_a_gate_of_groups_is_weighed_by_groups():
    """Ten rows of a group have one expert, and tell the gate as much as one."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(200), 10)
    of_group = rng.standard_normal((200, 2))
    is_first = rng.random(200) < 1 / (1 + np.exp(-3 * of_group[:, 0]))
    x = rng.standard_normal(2000)
    y = np.where(is_first[group], 2 * x, -2 * x) + 0.3 * rng.standard_normal(2000)
    costs = {}
    for groups, size in ((group, 10), (np.arange(200), 1)):
        kept = slice(None, None, 10 // size)
        gate = of_group[group] * [0.05, 1.0]
        X = np.column_stack([gate, x])[kept]
        model = MixtureOfLinearExperts(
            gate_features=[0, 1], expert_features=[2], random_state=0
        )
        with pytest.warns(UserWarning, match="gate_alpha=0.3 of column 0"):
            model.fit(X, y[kept], groups=groups)
        known = Known(groups=groups)
        problem, theta, _ = model._fitted_problem(X, y[kept], known)
        costs[size] = costs_of_units(problem, theta, model._fitted["mass"])[0].gain
    # In nats per row: a group has ten.
    assert costs[10] == pytest.approx(costs[1] / 10, rel=0.3)


def test_a_subclass_with_fewer_parameters_fits():
    class Lines(MixtureOfLinearExperts):
        def __init__(self, n_experts=2):
            super().__init__(n_experts=n_experts, random_state=0)

    X, y, _ = jump(0.01)
    Lines().fit(X, y)


def test_chosen_penalties_are_not_doubted():
    X, y, _ = jump(0.01)
    chosen = {"alpha": 2.0, "gate_alpha": 0.2}
    MixtureOfLinearExperts(random_state=0, **chosen).fit(X, y)
    with pytest.warns(UserWarning, match="or choose gate_alpha") as found:
        MixtureOfLinearExperts(alpha=0.001, random_state=0).fit(X, y)
    assert " alpha=" not in str(found[0].message)


@pytest.mark.filterwarnings("ignore:Columns of X vary little")
@pytest.mark.parametrize("scale", [0.03, 0.1, 0.5])
def test_cost_is_that_of_ridge_regression(scale):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 1))
    X *= scale / X.std()
    y = 2 * X[:, 0] / scale + rng.standard_normal(400)
    model = MixtureOfLinearExperts(1, noise_prior=0, random_state=0).fit(X, y)
    problem, theta, _ = model._fitted_problem(X, y, Known())
    _, cost = costs_of_units(problem, theta, np.ones(1))
    variance = model.noise_variance_[0]

    def log_likelihood(alpha):
        centred, target = X[:, 0] - X.mean(), y - y.mean()
        ridge = alpha * variance / y.var()
        slope = centred @ target / (centred @ centred + ridge)
        return -0.5 * np.mean((target - slope * centred) ** 2) / variance

    expected = log_likelihood(3.0 * scale**2) - log_likelihood(3.0)
    assert cost.gain == pytest.approx(expected, rel=1e-4)
