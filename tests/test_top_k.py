"""Sparse mixtures: only the most probable experts of a row count."""

import copy
import functools

import numpy as np
import pytest
from _data import Model, flat, penalties, random_theta, soft_start, unflat
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.engine.descent import minimise
from skmoe.engine.gate import close_all_but
from skmoe.engine.information import information_matrices
from skmoe.engine.m_step import project_exactly, project_responsibilities
from skmoe.inspection import inference, information
from skmoe.solvers import make_solver
from skmoe.streaming import array_batches, fit_batches

SPARSE = {
    "masked linear": Model("linear", 5, top_k=2),
    "linear": Model("linear", 8, top_k=2),
    "two outputs, shared noise": Model(
        "linear", 8, n_outputs=2, noise="shared", top_k=2
    ),
    "binary": Model("logistic", 8, top_k=2),
    "student": Model("linear", 8, noise_df=4.0, top_k=2),
    "counts": Model("poisson", 8, top_k=2),
    "amounts": Model("gamma", 8, top_k=2),
    "three classes": Model("logistic", 12, n_classes=3, top_k=3),
    "own columns": Model(
        "linear", 8, top_k=2, gate_columns=(0, 2), expert_columns=(1,)
    ),
}
every_model = pytest.mark.parametrize("name", SPARSE)
ROUTED = [name for name in SPARSE if not name.startswith("masked")]


def make_problem(name, n=200, seed=0, **options):
    data = SPARSE[name].data(n=n, seed=seed, signal=0.5)
    return SPARSE[name].problem(data, **({"alpha": 0.1, "gate_alpha": 0.1} | options))


def quadrants(n=600, seed=0, noise=0.3):
    """Four planes, one in each quadrant."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    slopes = np.array([[1.0, 2.0], [-2.0, 1.0], [3.0, -1.0], [-1.0, -3.0]])
    piece = 2 * (X[:, 0] > 0) + (X[:, 1] > 0)
    y = (slopes[piece] * X).sum(axis=1) + np.array([2.0, -1.0, 0.0, 3.0])[piece]
    return X, y + noise * rng.standard_normal(n)


@functools.cache
def fitted(family, n_experts=8, **options):
    """Model, X and y, which many tests share."""
    X, y = quadrants()
    options = {"random_state": 0} | options
    if family == "linear":
        return MixtureOfLinearExperts(n_experts, **options).fit(X, y), X, y
    if family == "counts":
        y = np.round(np.exp(y / 3))
        return MixtureOfGLMExperts(n_experts, **options).fit(X, y), X, y
    y = np.digitize(y, [0.0, 2.0]) if family == "classes" else y > 1
    return MixtureOfLogisticExperts(n_experts, **options).fit(X, y), X, y


every_family = pytest.mark.parametrize(
    "family", ["linear", "counts", "labels", "classes"]
)


@pytest.mark.parametrize("top_k", [1, 2, 3, 6])
def test_the_largest_logits_stay_open(top_k):
    logits = np.random.default_rng(0).standard_normal((7, 300))
    closed = logits.copy()
    close_all_but(closed, top_k)
    order = np.argsort(-logits, axis=0)
    for rank in range(7):
        kept = np.take_along_axis(closed, order[rank : rank + 1], axis=0)
        value = np.take_along_axis(logits, order[rank : rank + 1], axis=0)
        np.testing.assert_array_equal(kept, value if rank < top_k else -np.inf)


def test_of_equal_logits_the_first_stay_open():
    logits = np.array([[1.0, 0.0, 2.0], [1.0, 0.0, 1.0], [1.0, 3.0, 1.0]])
    close_all_but(logits, 2)
    gone = -np.inf
    expected = [[1.0, 0.0, 2.0], [1.0, gone, 1.0], [gone, 3.0, gone]]
    np.testing.assert_array_equal(logits, expected)


@every_family
def test_gate_renormalises_the_best(family):
    model, X, _ = fitted(family, top_k=3)
    sparse_gate = model.gate_proba(X)
    dense_gate = clone(model).set_params(top_k=None)
    dense_gate.__dict__.update({k: v for k, v in vars(model).items() if k != "top_k"})
    full = softmax(X @ model.gate_coef_.T + model.gate_intercept_, axis=1)
    np.testing.assert_allclose(dense_gate.gate_proba(X), full, rtol=1e-9)
    kept = np.argsort(-full, axis=1)[:, :3]
    expected = np.zeros_like(full)
    np.put_along_axis(expected, kept, np.take_along_axis(full, kept, axis=1), axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sparse_gate, expected, rtol=1e-9, atol=0)
    assert ((sparse_gate > 0).sum(axis=1) == 3).all()


@every_family
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_predictions_are_means_under_the_gate(family, form):
    model, X, _ = fitted(family, top_k=2)
    X = form(X)
    gate = model.gate_proba(X)
    if hasattr(model, "predict_proba"):
        expected = np.einsum("nk,nkc->nc", gate, model.predict_expert(X))
        found = model.predict_proba(X)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    else:
        found, expected = model.predict(X), (gate * model.predict_expert(X)).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    alone = np.concatenate(
        [
            np.atleast_1d(
                model.predict_proba(X[[i]])[0]
                if hasattr(model, "predict_proba")
                else model.predict(X[[i]])
            )
            for i in range(5)
        ]
    )
    np.testing.assert_allclose(found[:5].ravel(), alone, rtol=1e-12)


@every_family
def test_likelihood_is_that_of_the_best(family):
    model, X, y = fitted(family, top_k=2)
    proba = model.responsibilities(X, y)
    assert (proba[model.gate_proba(X) == 0] == 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    expected = -model.score_samples(X, y).mean()
    expected += penalties(model, y)
    assert model.objective_curve_[-1] == pytest.approx(expected, abs=1e-8)


@every_family
def test_as_many_as_there_are_experts_is_all_of_them(family):
    dense, X, _ = fitted(family, n_experts=3)
    same, _, _ = fitted(family, n_experts=3, top_k=3)
    np.testing.assert_array_equal(dense.coef_, same.coef_)
    np.testing.assert_array_equal(dense.predict(X), same.predict(X))


@every_model
def test_gradient(name):
    mixture = make_problem(name).mixture
    theta = random_theta(mixture, 0)
    gradient = flat(mixture.gradient(mixture.evaluate(theta, curvature=False)))
    step = 1e-6

    def objective(vector):
        return mixture.evaluate(unflat(vector, theta), curvature=False).objective

    here = flat(theta)
    for j in range(0, here.size, 3):
        e = step * np.eye(here.size)[j]
        slope = (objective(here + e) - objective(here - e)) / (2 * step)
        assert gradient[j] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("name", ROUTED)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_each_expert_by_itself_is_the_same_as_all_at_once(name, form):
    model = SPARSE[name]
    data = model.data(n=300, signal=0.5)
    data = data._replace(X=form(data.X))
    routed = model.problem(data, alpha=0.1, gate_alpha=0.1).mixture
    together = copy.copy(routed)
    together.is_routed = False
    assert routed.is_routed
    theta = random_theta(routed, 1)
    found, expected = (m.evaluate(theta, blend=True) for m in (routed, together))
    assert found.objective == pytest.approx(expected.objective, rel=1e-13)
    for one, other in zip(found.stats, expected.stats):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-15)
    rows = [m.row_moments(theta) for m in (routed, together)]
    np.testing.assert_array_equal(rows[0].model, rows[1].model)
    if rows[0].expert.size:
        chosen = np.broadcast_to(rows[0].model[:, None] > 0, rows[0].expert.shape)
        difference = rows[0].expert - rows[1].expert
        np.testing.assert_allclose(difference[chosen], 0, atol=1e-14)


@pytest.mark.parametrize("name", ["counts", "amounts"])
def test_curvature_that_is_not_stored_knows_who_counts(name):
    mixture = make_problem(name).mixture
    mixture.experts_are_dense = False
    together = copy.copy(mixture)
    together.is_routed = False
    theta = random_theta(mixture, 1)
    found, expected = (m.evaluate(theta, blend=True).rows for m in (mixture, together))
    np.testing.assert_allclose(
        found.curvature_weights, expected.curvature_weights, rtol=1e-12
    )
    assert found.curvature_weights.any()


@pytest.mark.parametrize("name", ["linear", "three classes"])
def test_groups_choose_together(name):
    model = SPARSE[name]
    data = model.data(n=300, signal=0.5)
    data = data._replace(X=np.repeat(data.X[::3], 3, axis=0))
    group = np.repeat(np.arange(100), 3)
    mixture = model.problem(data, alpha=0.1, gate_alpha=0.1, group=group).mixture
    together = copy.copy(mixture)
    together.is_routed = False
    theta = random_theta(mixture, 2)
    found, expected = (m.evaluate(theta, blend=True) for m in (mixture, together))
    for one, other in zip(found.stats, expected.stats):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-15)
    assert ((mixture.row_moments(theta).model > 0).sum(axis=0) <= model.top_k).all()


@pytest.mark.sampled(1)
@every_model
@pytest.mark.parametrize("solver", ["em", "md", "gd"])
def test_objective_never_rises_and_the_fit_ends(name, solver):
    mixture = make_problem(name, n=400).mixture
    start = soft_start(mixture, SPARSE[name].data(n=400, signal=0.5).expert)
    found = minimise(mixture, start, make_solver(solver, "auto"), 3000, 1e-5)
    assert (np.diff(found.objective_curve) <= 1e-12).all()
    assert found.converged


@every_model
def test_exact_projection_has_no_slope_left(name):
    mixture = make_problem(name).mixture
    state = mixture.evaluate(random_theta(mixture, 3), blend=True)
    moved = project_exactly(mixture, state)
    posterior = mixture.row_moments(state.theta).posterior
    # The same experts stay open, so the moments are those of the gates before.
    logits = mixture.gate.contrasts @ moved.gate @ all_of(mixture)
    logits[posterior == 0] = -np.inf
    excess = mixture.weight * (softmax(logits, axis=0) - posterior)
    slope = mixture.gate.contrasts.T @ excess @ all_of(mixture).T
    slope += mixture.gate_penalty.ridge * moved.gate
    np.testing.assert_allclose(slope, 0, atol=1e-9)


def all_of(mixture):
    design = mixture.gate_design
    return design.block(slice(0, design.n_rows)).dot(np.eye(design.n_columns))


@pytest.mark.parametrize("name", ["masked linear", "linear", "binary"])
def test_information_is_the_hessian(name):
    mixture = make_problem(name, alpha=0.0, gate_alpha=0.0).mixture
    theta = random_theta(mixture, 0)
    matrices = information_matrices(mixture, theta)
    observed = matrices.complete - matrices.missing
    here, step = flat(theta), 1e-5
    for j in range(0, here.size, 5):
        e = step * np.eye(here.size)[j]
        ahead, behind = (
            flat(
                mixture.gradient(
                    mixture.evaluate(unflat(here + s * e, theta), curvature=False)
                )
            )
            for s in (1, -1)
        )
        slope = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(observed[j], slope, atol=2e-7)


@pytest.mark.parametrize("inspect", [inference, information])
def test_a_likelihood_that_jumps_has_no_standard_errors(inspect):
    model, X, y = fitted("linear", n_experts=4, top_k=2)
    with pytest.raises(ValueError, match=r"top_k=2: .*top_k=None"):
        inspect(model, X, y)
    model, X, y = fitted("linear", n_experts=2, top_k=2)
    inspect(model, X, y)


def test_it_may_be_set_after_the_fit():
    model, X, _ = copy.deepcopy(fitted("linear"))
    before = model.predict(X)
    model.set_params(top_k=2)
    assert ((model.gate_proba(X) > 0).sum(axis=1) == 2).all()
    after = model.predict(X)
    assert not np.array_equal(before, after)
    assert np.corrcoef(before, after)[0, 1] > 0.95


@pytest.mark.parametrize("top_k", [1, 0, -1, 2.5, "a"])
def test_what_is_set_after_the_fit_is_checked(top_k):
    model, X, _ = copy.deepcopy(fitted("linear", n_experts=3))
    with pytest.raises(ValueError, match="The 'top_k' parameter"):
        model.set_params(top_k=top_k).predict(X)


def test_learns_the_pieces():
    X, y = quadrants(2000, noise=0.1)
    options = {"top_k": 2, "gate_alpha": 1e-5, "random_state": 0}
    model = MixtureOfLinearExperts(8, **options).fit(X, y)
    assert model.score(*quadrants(500, seed=1, noise=0.1)) > 0.93


def test_batches_lead_to_the_same_objective():
    """Experts that never count together have no common level, which may drift."""
    X, y = quadrants(2000)
    model = MixtureOfLinearExperts(8, top_k=2, random_state=0)
    expected = clone(model).fit(X, y)
    found = fit_batches(clone(model), array_batches(X, y, batch_size=300))
    assert found.n_iter_ == expected.n_iter_
    np.testing.assert_allclose(
        found.objective_curve_, expected.objective_curve_, atol=1e-9
    )
    np.testing.assert_allclose(found.predict(X), expected.predict(X), atol=1e-5)


@every_model
def test_given_responsibilities_are_fitted_by_all_experts(name):
    mixture = make_problem(name).mixture
    drawn = np.random.default_rng(0).uniform(size=(mixture.n_experts, 200))
    drawn /= drawn.sum(axis=0)
    found = project_responsibilities(mixture, drawn)
    dense = mixture.replaced(gate=mixture.gate.with_all_experts())
    expected = project_responsibilities(dense, drawn)
    np.testing.assert_array_equal(flat(found), flat(expected))
    assert found.experts.all()


def test_weights_equal_repeated_rows():
    X, y = quadrants(300)
    weight = np.arange(300) % 3
    model = MixtureOfLinearExperts(8, top_k=2, random_state=0)
    weighted = clone(model).fit(X, y, weight)
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-7)


@pytest.mark.parametrize("top_k", [0, 1, -1, 1.5, "2"])
def test_fewer_than_two_are_refused(top_k):
    X, y = quadrants(50)
    with pytest.raises(ValueError, match="The 'top_k' parameter"):
        MixtureOfLinearExperts(4, top_k=top_k).fit(X, y)


def test_a_tree_does_not_choose():
    X, y = quadrants(50)
    with pytest.raises(ValueError, match=r"depth=2 and top_k=2: .*depth=1 or top_k"):
        MixtureOfLinearExperts(4, depth=2, top_k=2).fit(X, y)
