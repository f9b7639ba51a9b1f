"""Dense rows of many columns: a Gram matrix for all systems, products in units of X."""

import numpy as np
import pytest
from _data import Data, Model, inverted_patterns
from scipy import sparse

from skmoe import MixtureOfLogisticExperts
from skmoe.data.design import column_moments, make_design
from skmoe.data.raw_rows import RawRows, raw_rows
from skmoe.engine import preconditioner
from skmoe.engine.curvature import ImplicitCurvature
from skmoe.engine.draws import sample_size
from skmoe.engine.preconditioner import with_gram
from skmoe.engine.softmax import orthonormal_contrasts
from skmoe.engine.threads import Threads, block_map

N, D = 700, 300


def wide_rows(n=N, d=D, seed=0, dtype=np.float64):
    """Correlated columns of unequal means and scales, one of them constant."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, 12)) @ rng.standard_normal((12, d))
    X = factors + 0.3 * rng.standard_normal((n, d))
    X = X * rng.uniform(0.2, 3, d) + rng.uniform(-2, 2, d)
    X[:, 7] = 1.5
    return X.astype(dtype)


def design_of(X, weight, intercept=True, columns=None):
    """Design of standardised rows with its Gram matrix."""
    moments = column_moments(X, weight, intercept)
    return with_gram(make_design(X, columns, *moments, intercept), weight)


def system(X, weight, **options):
    """Curvature of a softmax of 4 classes, its right-hand side and a ridge."""
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((4, len(X)))
    probability = np.exp(logits) / np.exp(logits).sum(axis=0)
    design = design_of(X, weight)
    contrasts = orthonormal_contrasts(4)
    curvature = ImplicitCurvature(design, weight, probability, contrasts, **options)
    score = rng.standard_normal((3, design.n_columns))
    score[:, 7] = 0
    return curvature, score, np.append(np.full(X.shape[1], 1e-3), 0.0)


@pytest.fixture
def weight():
    weight = np.random.default_rng(2).uniform(size=N)
    return weight / weight.sum()


def test_common_gram_is_the_weighted_mean_of_all_rows(weight):
    X = wide_rows()
    mean = weight @ X
    scale = np.sqrt(weight @ np.square(X - mean))
    scale[7] = np.inf
    values = np.column_stack([(X - mean) / scale, np.ones(N)])
    found = design_of(X, weight).gram.matrix
    np.testing.assert_allclose(found, values.T @ (weight[:, None] * values), atol=1e-12)


def test_only_wide_dense_rows_that_are_many_have_a_common_gram(monkeypatch, weight):
    X = wide_rows()
    moments = column_moments(X, weight, True)
    assert design_of(X, weight).gram is not None
    assert with_gram(make_design(X[:299], None, *moments, True), weight).gram is None
    narrow = design_of(X, weight, columns=np.arange(255))
    assert narrow.n_columns == preconditioner.OWN_GRAM_LIMIT and narrow.gram is None
    assert design_of(sparse.csr_array(X), weight).gram is None
    monkeypatch.setattr(preconditioner, "_MOST_COLUMNS", 300)
    assert design_of(X, weight).gram is None


def test_rows_taken_from_a_design_have_no_gram_of_others(weight):
    mixture = wide_problem().mixture
    chosen = np.arange(0, 900, 2)
    taken = mixture.take(chosen)
    assert taken.gate_design is taken.expert_design
    expected = design_values(mixture.expert_design)[:, chosen]
    expected = expected @ expected.T / chosen.size
    np.testing.assert_allclose(taken.expert_design.gram.matrix, expected, atol=1e-12)


def test_systems_need_a_fraction_of_the_products(monkeypatch, weight):
    counts = {}
    X = wide_rows()
    for is_common in (True, False):
        curvature, score, ridge = system(X, weight)
        curvature.forcing, curvature.max_products = 1e-6, 1000
        if not is_common:
            curvature.design.gram = None
        products, product = [], curvature._product

        def counted(*arguments, products=products, product=product):
            products.append(1)
            return product(*arguments)

        monkeypatch.setattr(curvature, "_product", counted)
        step = curvature.solve(score, ridge)
        counts[is_common] = len(products)
        left = curvature.dot(step) + (ridge + curvature.floor) * step - score
        assert np.abs(left).max() < 1e-3 * np.abs(score).max()
    assert counts[True] < counts[False] / 4


def test_exact_systems_are_solved_to_the_end(weight):
    curvature, score, ridge = system(wide_rows(), weight, exact=True)
    rows = np.arange(curvature.design.n_columns)
    expected = curvature.on(rows, rows.size).solve(score, ridge)
    found = curvature.solve(score, ridge)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("dtype, atol", [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_products_of_raw_rows_are_those_of_standardised_ones(
    weight, intercept, dtype, atol
):
    design = design_of(wide_rows(dtype=dtype), weight, intercept)
    raw = raw_rows(design)
    assert isinstance(raw, RawRows)
    rng, rows = np.random.default_rng(3), slice(100, 400)
    coef = rng.standard_normal((4, design.n_columns))
    coef[:, 7] = 0
    change = rng.standard_normal((4, 300))
    for name, argument in (("dot", coef), ("adjoint", change)):
        one, two = (getattr(d.block(rows), name)(argument) for d in (raw, design))
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, two, atol=atol * np.abs(two).max())


@pytest.mark.parametrize("kind", ["far", "sparse", "columns"])
def test_rows_are_standardised_where_raw_ones_lose_digits_or_are_not_at_hand(
    weight, kind
):
    X, columns = wide_rows(), None
    if kind == "far":
        X[:, 3] += 1e4
    elif kind == "sparse":
        X = sparse.csr_array(X)
    else:
        columns = np.arange(280)
    design = design_of(X, weight, columns=columns)
    assert raw_rows(design) is design


def test_products_in_threads_are_those_of_one(monkeypatch, weight):
    monkeypatch.setattr("skmoe.engine.threads._WORK_PER_THREAD", 1)
    monkeypatch.setattr("skmoe.engine.curvature.ROWS_AT_ONCE", 64)
    X, runs = wide_rows(), []

    def counted(function, groups):
        groups = list(groups)
        runs.append(len(groups))
        return map(function, groups)

    one, score, _ = system(X, weight)
    several = system(X, weight, passes=Threads(counted, 3))[0]
    np.testing.assert_allclose(several.dot(score), one.dot(score), rtol=1e-10)
    assert runs == [3]
    with block_map(2) as threads:
        real = system(X, weight, passes=Threads(*threads))[0]
        np.testing.assert_allclose(real.dot(score), one.dot(score), rtol=1e-10)


def wide_problem(n=900):
    """Problem of two logistic experts on such rows."""
    X, y, _ = inverted_patterns(n)
    data = Data(X, y, y)
    return Model("logistic", 2, n_classes=3).problem(data, alpha=1e-3, gate_alpha=1e-3)


def design_values(design):
    """All standardised rows of a design, (p, n)."""
    return design.block(slice(0, design.n_rows)).values


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fit_to_wide_rows_finds_which_were_inverted(dtype):
    X, y, inverted = inverted_patterns(1800, dtype=dtype)
    model = MixtureOfLogisticExperts(alpha=10, gate_alpha=10, random_state=0)
    model.fit(X, y)
    right = (model.gate_proba(X).argmax(axis=1) == inverted).mean()
    assert model.converged_ and max(right, 1 - right) > 0.99
    assert model.score(X, y) > 0.99


def test_starts_are_tried_on_a_few_rows_for_each_of_many_columns():
    wide = wide_problem().mixture
    # 2 experts that see 300 columns and the intercept.
    assert sample_size(wide) == 5 * 2 * 301
    narrow = wide_problem(200).mixture  # fewer rows than columns
    assert sample_size(narrow) > 40 * 4 * 301
