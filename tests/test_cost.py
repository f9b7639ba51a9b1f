"""What a fit costs, counted instead of timed.

The bounds are a quarter above what was measured when they were set (a half for 'gd',
whose steps amplify rounding): a change that needs more passes over the rows, more Gram
matrices or more iterations shows here.  A fit begins with experts of equal noise, on a
sample, and ends with a look at the second derivatives of F, six passes or more.
"""

import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from _data import MODELS, inverted_patterns
from scipy.sparse import csr_array

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    _fit,
)
from skmoe.data import design, grams, part_checks
from skmoe.data.design import block_rows, blocks_of, make_design
from skmoe.data.groups import check_groups
from skmoe.engine import lasso, predictor
from skmoe.engine.curvature import DenseCurvature, ImplicitCurvature
from skmoe.engine.descent import minimise
from skmoe.engine.mixture import Mixture
from skmoe.engine.one_expert import OneExpert
from skmoe.engine.problem import Problem
from skmoe.engine.starts import starting_point
from skmoe.engine.sweep import InMemory
from skmoe.solvers import MirrorDescent, make_solver
from skmoe.streaming import array_batches, fit_batches

N = 20_000


class Cost(NamedTuple):
    """Rows visited and Gram products of rows, both per row of X, and iterations."""

    passes: float
    grams: float
    n_iter: int


@pytest.fixture
def count(monkeypatch):
    """A function that runs a fit, `fit(model, X, y)` if given, and returns its Cost."""
    visited, products = [], []
    block_of, gram_of = design.DenseDesign.block, design.DenseBlock.gram

    def block(self, rows):
        found = block_of(self, rows)
        visited.append(found.values.shape[1])
        return found

    def gram(self, weights):
        products.append(weights.size)
        return gram_of(self, weights)

    monkeypatch.setattr(design.DenseDesign, "block", block)
    monkeypatch.setattr(design.DenseBlock, "gram", gram)

    def cost_of(model, X, y, fit=None):
        visited.clear()
        products.clear()
        (fit or type(model).fit)(model, X, y)
        return Cost(sum(visited) / len(X), sum(products) / len(X), model.n_iter_)

    return cost_of


def linear_data(d, n_experts, *, gate_scale=2.0, noise=0.5):
    """Standard normal X and y of a mixture of linear experts with intercepts."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, d))
    ones = np.column_stack([X, np.ones(N)])
    gate = rng.normal(scale=gate_scale / np.sqrt(d), size=(n_experts, d + 1))
    coef = rng.normal(size=(n_experts, d + 1))
    expert = (ones @ gate.T + rng.gumbel(size=(N, n_experts))).argmax(axis=1)
    return X, (ones * coef[expert]).sum(axis=1) + noise * rng.standard_normal(N)


@pytest.mark.parametrize(
    "d, n_experts, bound",
    [(2, 2, Cost(24, 28, 7)), (5, 3, Cost(31, 68, 8)), (20, 4, Cost(65, 236, 7))],
)
def test_linear_experts(count, d, n_experts, bound):
    model = MixtureOfLinearExperts(n_experts, random_state=0)
    cost = count(model, *linear_data(d, n_experts))
    assert model.converged_
    assert all(found <= most for found, most in zip(cost, bound))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("in_batches", [False, True])
def test_gram_matrices_grow_as_the_experts_do(count, in_batches):
    """A gate of many experts stores none for each pair of them."""

    def fit(model, X, y):
        if in_batches:
            return fit_batches(model, array_batches(X, y, batch_size=1000))
        return model.fit(X, y)

    X, y = (rows[:2000] for rows in linear_data(2, 6))
    options = {"init": "kmeans", "max_iter": 4, "noise_prior": 0, "random_state": 0}
    six, twelve = (
        count(MixtureOfLinearExperts(k, **options), X, y, fit) for k in (6, 12)
    )
    assert six.n_iter == twelve.n_iter == 4
    assert 0 < twelve.grams / twelve.passes <= 2.2 * six.grams / six.passes


def test_many_gram_matrices_copy_no_rows(monkeypatch):
    monkeypatch.setattr(grams, "_of_copies", None)
    X, _ = linear_data(20, 2)
    found = grams.weighted_grams(X[:1000].T, np.ones((16, 1000)))
    np.testing.assert_allclose(found[0], X[:1000].T @ X[:1000], atol=1e-9)


@pytest.mark.parametrize(
    "solver, bound", [("md", Cost(40, 135, 12)), ("gd", Cost(512, 69, 245))]
)
def test_other_solvers(count, solver, bound):
    model = MixtureOfLinearExperts(3, solver=solver, random_state=0, max_iter=5000)
    cost = count(model, *linear_data(5, 3))
    assert model.converged_
    assert all(found <= most for found, most in zip(cost, bound))


def test_logistic_experts(count):
    X, latent = linear_data(3, 2, noise=0)
    y = latent + np.random.default_rng(1).logistic(size=N) > 0
    model = MixtureOfLogisticExperts(random_state=0)
    cost = count(model, X, y)
    assert model.converged_
    assert all(found <= most for found, most in zip(cost, Cost(50, 62, 10)))


def test_predictions_multiply_rows_once(monkeypatch):
    """One product for gate and experts, whatever is asked of them."""
    multiplied, product = [], predictor._product

    def counted(X, coef, intercept):
        multiplied.append(len(X))
        return product(X, coef, intercept)

    monkeypatch.setattr(predictor, "_product", counted)
    X, y = linear_data(3, 2)
    options = {"random_state": 0, "n_init": 1}
    linear = MixtureOfLinearExperts(**options).fit(X[:500], y[:500])
    logistic = MixtureOfLogisticExperts(**options).fit(X[:500], y[:500] > 0)
    for ask in (
        linear.predict,
        lambda X: linear.predict(X, return_std=True),
        lambda X: linear.cdf(X, y),
        lambda X: linear.predict_quantile(X, [0.1, 0.9]),
        logistic.predict,
        logistic.predict_proba,
        logistic.predict_log_proba,
    ):
        multiplied.clear()
        ask(X)
        assert sum(multiplied) == N


def test_logistic_experts_of_many_columns(monkeypatch):
    products, product = [], ImplicitCurvature._product

    def counted(self, *arguments):
        products.append(1)
        return product(self, *arguments)

    monkeypatch.setattr(ImplicitCurvature, "_product", counted)
    X, y, _ = inverted_patterns(1800)
    model = MixtureOfLogisticExperts(alpha=10, gate_alpha=10, random_state=0)
    model.fit(X, y)
    assert model.converged_
    assert len(products) <= 350 and model.n_iter_ <= 5


def test_lasso_of_many_columns(monkeypatch):
    """Working sets, and Newton steps in large ones, of a fit with its starts."""
    sets, sizes = [], []
    working_set, newton = lasso._working_set, lasso._newton

    def counted_set(*arguments):
        sets.append(1)
        return working_set(*arguments)

    def counted_newton(matrix, *arguments):
        sizes.append(len(matrix))
        return newton(matrix, *arguments)

    monkeypatch.setattr(lasso, "_working_set", counted_set)
    monkeypatch.setattr(lasso, "_newton", counted_newton)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 500))
    eta = 1.2 * X[:, 0] + 0.8 * X[:, 1] - 0.6 * X[:, 4]
    y = rng.poisson(np.exp(np.minimum(eta, 6)))
    strength = {"alpha": 20, "gate_alpha": 20, "l1_ratio": 1, "gate_l1_ratio": 1}
    model = MixtureOfGLMExperts(random_state=0, **strength).fit(X, y)
    assert model.converged_ and np.count_nonzero(model.coef_) < 60
    assert len(sets) <= 620
    assert sum(size > 50 for size in sizes) <= 290


def test_blocks_of_sparse_rows_are_as_long_as_what_they_store():
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(3000, size=(N, 15)))
    X = csr_array(
        (np.ones(columns.size), columns.ravel(), np.arange(0, columns.size + 1, 15)),
        shape=(N, 3000),
    )
    design = make_design(X, None, np.zeros(3000), np.ones(3000), True)
    assert len(blocks_of(N, block_rows(design.row_size))) <= 3


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["binary-2", "linear-3"])
def test_acceleration_saves_iterations_where_experts_overlap(name):
    drawn = MODELS[name].data(n=3000, d=2, noise=1.5, signal=1.0, gate_signal=0.7)
    problem = MODELS[name].problem(drawn, alpha=1e-3, gate_alpha=1e-3)
    start = starting_point(problem.mixture, "random", np.random.RandomState(0))
    solvers = {
        "plain": MirrorDescent(1.0),
        "em": make_solver("em", "auto"),
        "md": make_solver("md", "auto"),
    }
    ends = {
        key: minimise(problem.mixture, start.theta, solver, 5000, 1e-8)
        for key, solver in solvers.items()
    }
    assert all(end.converged for end in ends.values())
    assert ends["em"].n_iter <= ends["plain"].n_iter / 3
    assert ends["md"].n_iter <= ends["plain"].n_iter
    lowest = min(end.objective_curve[-1] for end in ends.values())
    assert ends["em"].objective_curve[-1] <= lowest + 1e-6


def test_passes_over_batches_validate_and_set_up_once(monkeypatch):
    """Later passes are sums: what a part needs beside its rows is known before."""
    X, y = linear_data(5, 2)
    calls = []

    def counted(module, name):
        function = getattr(module, name)

        def counting(*args, **kwargs):
            calls.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, counting)

    counted(Problem, "__init__")
    counted(part_checks, "rows_to_fit")
    counted(MixtureOfLinearExperts, "get_params")
    model = MixtureOfLinearExperts(random_state=0, gate_alpha=1.0)
    fit_batches(model, array_batches(X, y, batch_size=2000))
    assert model.n_iter_ > 3
    assert calls.count("rows_to_fit") == 10  # one for each batch
    assert calls.count("__init__") <= 2 and calls.count("get_params") <= 3


@pytest.fixture
def count_passes(monkeypatch):
    """A function that runs a fit and returns its passes, and fits of one expert."""
    passes, ones = [], []
    total, init = InMemory.total, OneExpert.__init__

    def counted_total(self, *arguments):
        passes.append(1)
        return total(self, *arguments)

    def counted_init(self, mixture):
        ones.append(1)
        init(self, mixture)

    monkeypatch.setattr(InMemory, "total", counted_total)
    monkeypatch.setattr(OneExpert, "__init__", counted_init)

    def cost_of(model, X, y):
        passes.clear(), ones.clear()
        model.fit(X, y)
        return len(passes), len(ones)

    return cost_of


def test_a_fit_keeps_no_responsibilities(monkeypatch):
    """Numbers of every row and expert would need more memory than X."""
    monkeypatch.setattr(Mixture, "row_moments", None)
    X, y = (rows[:500] for rows in linear_data(2, 3))
    options = {"noise_prior": 0, "random_state": 0}
    assert MixtureOfLinearExperts(3, **options).fit(X, y).converged_


def test_penalties_are_weighed_in_less_memory_than_the_rows(monkeypatch):
    """Standardised columns are needed, of a block at a time."""
    peaks, weighed = [], _fit.heavy_penalties

    def measured(*arguments):
        tracemalloc.start()
        try:
            return weighed(*arguments)
        finally:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    monkeypatch.setattr(_fit, "heavy_penalties", measured)
    monkeypatch.setattr(design, "_KEPT_BYTES", 0)  # as of more rows
    rng = np.random.default_rng(0)
    X = 0.01 * rng.standard_normal((100_000, 10), dtype=np.float32)
    y = np.abs(X[:, 0]) + 0.001 * rng.standard_normal(100_000)
    with pytest.warns(UserWarning, match="column 0"):
        MixtureOfLinearExperts(2, random_state=0).fit(X, y)
    (peak,) = peaks
    assert peak < X.nbytes


@pytest.mark.parametrize(("n_init", "bound"), [(1, 165), (10, 510)])
def test_small_fits(count_passes, n_init, bound):
    """What starts need of rows and model alone is made once, however many they are."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 200)
    mean = np.where(np.arange(200) % 2, 5 * x, 40 - (x - 5) ** 2)
    y = mean + 3 * rng.normal(size=200)
    model = MixtureOfLinearExperts(2, n_init=n_init, random_state=0)
    passes, ones = count_passes(model, np.column_stack([x, x**2]), y)
    assert passes <= bound
    # Of experts with equal noise, and of those that have their own.
    assert ones == 2


def test_outputs_of_an_expert_share_a_factorisation(monkeypatch):
    """No system is solved for one output alone."""
    X, y = linear_data(5, 2)
    noise = np.random.default_rng(3).standard_normal((2000, 12))
    Y = y[:2000, None] * np.linspace(-1, 1, 12) + noise * np.linspace(0.1, 1, 12)
    sizes, solve = [], DenseCurvature.solve

    def counting(self, gradient, ridge):
        sizes.append(gradient.shape[1])
        return solve(self, gradient, ridge)

    monkeypatch.setattr(DenseCurvature, "solve", counting)
    model = MixtureOfLinearExperts(gate_features=[0], random_state=0).fit(X[:2000], Y)
    assert model.n_iter_ > 1
    assert set(sizes) == {2}  # the gate's


def test_labels_of_groups_are_compared_once_each():
    """What sorts labels sorts those that differ, not one for each row."""
    compared = []

    class Label(str):
        def __lt__(self, other):
            compared.append(self)
            return str.__lt__(self, other)

    names = [Label(number % 20) for number in range(2000)]
    codes, labels = check_groups(np.array(names, dtype=object), 2000)
    order = sorted(map(str, range(20)))
    assert [order[code] for code in codes] == list(map(str, names))
    assert labels.tolist() == order
    assert len(compared) < 200
