"""The design: one matrix, however X is stored and cut into blocks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from _data import MODELS, Data, flat, random_theta, soft_start
from scipy import sparse

from skmoe.data.design import block_rows, blocks_of, column_moments, make_design
from skmoe.data.grams import weighted_grams
from skmoe.engine.descent import minimise
from skmoe.solvers import MirrorDescent

N, D = 60, 5


def make_X(seed=0):
    """Half of the entries zero, exact in float32."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, D)) * (rng.uniform(size=(N, D)) < 0.5)
    return X.astype(np.float32).astype(np.float64)


def strided(X):
    """The same values in every second row and column of a larger array."""
    wide = np.full((2 * X.shape[0], 2 * X.shape[1]), np.nan)
    wide[::2, ::2] = X
    return wide[::2, ::2]


def csr_of_unsorted_indices(X):
    backwards = sparse.csr_array(X[:, ::-1])
    indices = X.shape[1] - 1 - backwards.indices
    return sparse.csr_array((backwards.data, indices, backwards.indptr), shape=X.shape)


LAYOUTS = {
    "c": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "strided": strided,
    "reversed": lambda X: X[::-1].copy()[::-1],
    "float32": lambda X: X.astype(np.float32),
    "float32-fortran": lambda X: np.asfortranarray(X, dtype=np.float32),
    "csr": sparse.csr_array,
    "csr-matrix": sparse.csr_matrix,
    "csr-float32": lambda X: sparse.csr_array(X.astype(np.float32)),
    "csr-int64": lambda X: _with_index_dtype(sparse.csr_array(X), np.int64),
    "csr-unsorted": csr_of_unsorted_indices,
    "csc": sparse.csc_array,
}
COLUMNS = {"all": None, "some": np.array([3, 0, 4]), "one": np.array([2])}

every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_selection = pytest.mark.parametrize("columns", COLUMNS)
with_and_without_intercept = pytest.mark.parametrize("intercept", [False, True])


def _with_index_dtype(X, dtype):
    X.indices, X.indptr = X.indices.astype(dtype), X.indptr.astype(dtype)
    return X


def scales(is_sparse, seed=0):
    rng = np.random.default_rng(seed)
    mean = np.zeros(D) if is_sparse else rng.standard_normal(D)
    return mean, rng.uniform(0.5, 2.0, size=D)


def written_out(X, columns, mean, scale, intercept):
    """Standardised features as one array, (n, p)."""
    features = (X - mean) / scale
    features = features if columns is None else features[:, columns]
    return np.column_stack([features, np.ones(N)]) if intercept else features


def make_pair(layout, columns, intercept):
    """A design and the array it stands for."""
    X, columns = make_X(), COLUMNS[columns]
    stored = LAYOUTS[layout](X)
    mean, scale = scales(sparse.issparse(stored))
    design = make_design(stored, columns, mean, scale, intercept)
    return design, written_out(X, columns, mean, scale, intercept)


@every_layout
@every_selection
@with_and_without_intercept
def test_products_are_those_of_the_standardised_array(layout, columns, intercept):
    design, features = make_pair(layout, columns, intercept)
    rng = np.random.default_rng(1)
    assert (design.n_rows, design.n_columns) == features.shape
    rows = slice(7, 51)
    block, features = design.block(rows), features[rows]
    n_rows, n_columns = features.shape
    coef = rng.standard_normal((2, 3, n_columns))
    weights = rng.standard_normal((3, n_rows))
    close = {"rtol": 1e-12, "atol": 1e-12}

    np.testing.assert_allclose(block.dot(coef), coef @ features.T, **close)
    np.testing.assert_allclose(block.adjoint(weights), weights @ features, **close)
    grams = np.einsum("mb,bp,bq->mpq", weights, features, features)
    np.testing.assert_allclose(block.gram(weights), grams, **close)
    squares = weights @ features**2
    np.testing.assert_allclose(block.square_sums(weights), squares, **close)


@pytest.mark.parametrize(
    "n_grams, p, b", [(3, 9, 1500), (30, 3, 2500), (24, 21, 1100), (70, 101, 40)]
)
def test_gram_matrices_of_few_and_of_many_weights(n_grams, p, b):
    """Of copies of the rows or of products of columns, in runs of rows."""
    rng = np.random.default_rng(0)
    values, weights = rng.standard_normal((p, b)), rng.standard_normal((n_grams, b))
    grams = weighted_grams(values, weights)
    expected = np.einsum("mb,pb,qb->mpq", weights, values, values, optimize=True)
    np.testing.assert_allclose(grams, expected, rtol=1e-12, atol=1e-10)


@every_layout
@with_and_without_intercept
def test_adjoint_is_the_transpose_of_dot(layout, intercept):
    design, _ = make_pair(layout, "all", intercept)
    rng = np.random.default_rng(2)
    block = design.block(slice(0, N))
    coef = rng.standard_normal((3, design.n_columns))
    rows = rng.standard_normal((3, N))
    forward = np.vdot(block.dot(coef), rows)
    assert forward == pytest.approx(np.vdot(block.adjoint(rows), coef), rel=1e-12)


@every_layout
@every_selection
def test_features_are_the_rows_asked_for(layout, columns):
    design, features = make_pair(layout, columns, False)
    rows = np.array([5, 0, 5, 31])
    taken = design.features(rows)
    taken = taken.toarray() if sparse.issparse(taken) else taken
    tolerance = 1e-6 if "float32" in layout else 1e-12
    np.testing.assert_allclose(taken, features[rows], rtol=tolerance, atol=tolerance)


@every_layout
@every_selection
@with_and_without_intercept
def test_design_of_some_rows_keeps_its_standardisation(layout, columns, intercept):
    design, features = make_pair(layout, columns, intercept)
    rows = np.array([5, 0, 5, 31])
    taken = design.take(rows)
    values = taken.block(slice(0, 4)).dot(np.eye(design.n_columns))
    assert (taken.n_rows, design.n_rows) == (4, N)
    np.testing.assert_allclose(values.T, features[rows], rtol=1e-12, atol=1e-12)


@every_layout
@pytest.mark.parametrize("size", [1, 7, 59, 60, 1000])
def test_sums_over_blocks_do_not_depend_on_their_size(layout, size):
    design, features = make_pair(layout, "all", True)
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((2, N))
    adjoint = gram = 0
    for rows in blocks_of(N, size):
        block = design.block(rows)
        adjoint = adjoint + block.adjoint(weights[:, rows])
        gram = gram + block.gram(weights[:, rows])
    expected = np.einsum("mb,bp,bq->mpq", weights, features, features)
    np.testing.assert_allclose(adjoint, weights @ features, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gram, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_rows", [1, 10, 11, 4097])
@pytest.mark.parametrize("size", [1, 10, 5000])
def test_blocks_cover_every_row_once(n_rows, size):
    blocks = blocks_of(n_rows, size)
    rows = np.concatenate([np.arange(n_rows)[block] for block in blocks])
    np.testing.assert_array_equal(rows, np.arange(n_rows))
    assert max(block.stop - block.start for block in blocks) <= size
    assert max(block.stop for block in blocks) == n_rows


@pytest.mark.parametrize("n_columns", [0, 1, 10, 1000, 10**6])
def test_blocks_have_room_for_rows_however_many_columns(n_columns):
    assert 1 <= block_rows(n_columns) <= 10**5


@pytest.mark.parametrize("name", ["linear-3", "three-class-2", "binary-own-columns"])
@pytest.mark.parametrize("size", [1, 13, 100])
def test_block_size_does_not_change_the_mixture(name, size):
    problem = MODELS[name].problem(MODELS[name].data(n=100))
    mixture, theta = problem.mixture, random_theta(problem.mixture, 0)
    before = mixture.evaluate(theta, blend=True)
    gradient, step = mixture.gradient(before), mixture.project(before, 0.7)
    mixture.blocks = mixture.units.blocks(size)
    after = mixture.evaluate(theta, blend=True)
    assert after.objective == pytest.approx(before.objective, rel=1e-12)
    np.testing.assert_allclose(
        flat(mixture.gradient(after)), flat(gradient), rtol=1e-9, atol=1e-13
    )
    np.testing.assert_allclose(
        flat(mixture.project(after, 0.7)), flat(step), rtol=1e-9, atol=1e-10
    )


@every_layout
@with_and_without_intercept
def test_column_moments_of_weighted_rows_are_those_of_repeated_rows(layout, intercept):
    X = make_X()
    weight = np.random.default_rng(4).integers(1, 4, size=N)
    repeated = LAYOUTS[layout](np.repeat(X, weight, axis=0))
    from_weights = column_moments(LAYOUTS[layout](X), weight.astype(float), intercept)
    from_repeats = column_moments(repeated, np.ones(weight.sum()), intercept)
    np.testing.assert_allclose(from_weights, from_repeats, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layout", ["c", "fortran", "float32", "csr", "csc"])
@with_and_without_intercept
def test_standardised_columns_have_unit_scale(layout, intercept):
    X, weight = LAYOUTS[layout](make_X()), np.random.default_rng(5).uniform(size=N)
    design = make_design(X, None, *column_moments(X, weight, intercept), intercept)
    features = design.block(slice(0, N)).dot(np.eye(design.n_columns))[:D]
    squares = np.square(features) @ weight / weight.sum()
    np.testing.assert_allclose(squares, 1.0, rtol=1e-6)
    if intercept and not sparse.issparse(X):
        np.testing.assert_allclose(features @ weight, 0, atol=1e-5)


@pytest.mark.parametrize("layout", ["float32", "csr-float32"])
@pytest.mark.parametrize("magnitude", [1e-25, 1e-10, 1e10, 1e25])
def test_columns_of_any_magnitude_are_scaled_alike(layout, magnitude):
    X = make_X()
    _, expected = column_moments(X, np.ones(N), False)
    _, scale = column_moments(LAYOUTS[layout](magnitude * X), np.ones(N), False)
    np.testing.assert_allclose(scale / magnitude, expected, rtol=1e-6)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_column_moments_do_not_depend_on_the_number_of_blocks(make, shift):
    rng = np.random.default_rng(6)
    X, weight = rng.standard_normal((5000, 3)) + shift, rng.uniform(size=5000)
    centred = not sparse.issparse(make(X))
    mean, scale = column_moments(make(X), weight, True)
    expected = np.average(X, axis=0, weights=weight) if centred else np.zeros(3)
    squares = np.average((X - expected) ** 2, axis=0, weights=weight)
    np.testing.assert_allclose(mean, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(scale, np.sqrt(squares), rtol=1e-10)


@pytest.mark.parametrize("name", ["linear-2", "binary-2", "three-class-3"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("constant", [0.0, 1.0, -0.1, 1e6])
def test_constant_column_has_a_coefficient_of_exactly_zero(name, dtype, constant):
    drawn = MODELS[name].data(n=200, d=2, signal=0.7)
    X = np.insert(drawn.X, 1, constant, axis=1).astype(dtype)
    fitted, _ = fit(name, Data(X, drawn.target, drawn.expert))
    assert not fitted["coef_"][..., 1].any()
    assert not fitted["gate_coef_"][:, 1].any()

    without, _ = fit(name, drawn._replace(X=drawn.X.astype(dtype)))
    for part in ("coef_", "gate_coef_"):
        kept = np.delete(fitted[part], 1, axis=-1)
        np.testing.assert_allclose(kept, without[part], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["linear-2", "binary-2", "three-class-3"])
def test_empty_column_of_sparse_data_has_a_coefficient_of_exactly_zero(name):
    drawn = MODELS[name].data(n=200, d=2, signal=0.7)
    X = sparse.csr_array(np.insert(drawn.X, 1, 0.0, axis=1))
    fitted, _ = fit(name, drawn._replace(X=X))
    assert not fitted["coef_"][..., 1].any()
    assert not fitted["gate_coef_"][:, 1].any()


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", ["linear-2", "binary-2", "three-class-3"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_fit_does_not_depend_on_how_X_is_stored(name, layout):
    drawn = MODELS[name].data(n=200, d=3, signal=0.7)
    drawn = drawn._replace(X=drawn.X.astype(np.float32).astype(np.float64))
    expected, objective = fit(name, drawn)
    fitted, reached = fit(name, drawn._replace(X=LAYOUTS[layout](drawn.X)))
    assert reached == pytest.approx(objective, rel=1e-9)
    for part, values in expected.items():
        np.testing.assert_allclose(fitted[part], values, rtol=1e-6, atol=1e-7)


def fit(name, data):
    """Fitted attributes and F after some EM steps, which rescaling leaves the same."""
    problem = MODELS[name].problem(data, alpha=0.01, gate_alpha=0.01)
    theta = soft_start(problem.mixture, data.expert)
    descent = minimise(problem.mixture, theta, MirrorDescent(1.0), 15, 0.0)
    fitted = problem.attributes(descent.theta, np.float64)
    return fitted, descent.objective_curve[-1]


@pytest.mark.parametrize("layout", ["c", "csr"])
def test_a_new_thread_may_begin_with_no_rows(layout):
    """As where an expert has no row in the first block of a thread."""
    X = LAYOUTS[layout](make_X())
    design = make_design(X, None, np.zeros(D), np.ones(D), True)
    block = design.block(slice(0, 10)).take(np.zeros(0, dtype=int))
    with ThreadPoolExecutor(1) as executor:
        grams = executor.submit(block.gram, np.ones((2, 0))).result()
    np.testing.assert_array_equal(grams, np.zeros((2, D + 1, D + 1)))
