"""Trees of gates: hierarchical mixtures of experts."""

import numpy as np
import pytest
from _data import MODELS, all_features, random_theta, soft_start, tree_logits
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.engine import mixture as mixture_module
from skmoe.engine.descent import Descent, minimise
from skmoe.engine.gate import Gate, branches_of
from skmoe.engine.m_step import project_exactly
from skmoe.inspection import inference, information
from skmoe.model_selection import n_experts_path
from skmoe.solvers import MirrorDescent, make_solver

TREES = [name for name in MODELS if MODELS[name].depth > 1]
every_tree = pytest.mark.parametrize("name", TREES)


def make_mixture(name, seed=0, n=150, **options):
    model = MODELS[name]
    options = {"alpha": 0.1, "gate_alpha": 0.1} | options
    return model.problem(model.data(n=n, seed=seed, signal=0.5), **options).mixture


def log_gate(mixture, coef):
    """Log-probabilities of the experts by paths from the root, (K, n)."""
    logits = mixture.gate.contrasts @ coef @ all_features(mixture.gate_design)
    gate = mixture.gate
    return log_softmax(tree_logits(logits, gate.n_branches, gate.n_experts), axis=0)


@pytest.mark.parametrize(
    "n_experts, depth, expected",
    [(7, 1, 7), (1, 1, 1), (4, 2, 2), (9, 2, 3), (27, 3, 3), (64, 6, 2), (125, 3, 5)]
    + [(6, 2, None), (1, 2, None), (2, 2, None), (63, 6, None)],
)
def test_a_tree_has_as_many_branches_at_every_node(n_experts, depth, expected):
    assert branches_of(n_experts, depth) == expected


@every_tree
def test_probability_of_an_expert_is_the_product_along_its_path(name):
    mixture = make_mixture(name)
    theta = random_theta(mixture, 1)
    found = mixture.row_moments(theta).model
    expected = np.exp(log_gate(mixture, theta.gate))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=1e-12)


@every_tree
def test_curvature_of_the_gate_is_its_fisher_information(name):
    """Hessian of the expectation, under the gate, of minus its log-probability."""
    mixture = make_mixture(name, n=60)
    theta = random_theta(mixture, 2)
    here = np.exp(log_gate(mixture, theta.gate))

    def loss_gradient(flat):
        coef = flat.reshape(theta.gate.shape)
        gradient = np.empty(flat.size)
        for j in range(flat.size):
            moved = coef.astype(complex)
            moved.ravel()[j] += 1e-30j
            logits = mixture.gate.contrasts @ moved @ all_features(mixture.gate_design)
            gate = mixture.gate
            leaves = tree_logits(logits, gate.n_branches, gate.n_experts)
            top = leaves.real.max(axis=0)
            leaves = leaves - top - np.log(np.exp(leaves - top).sum(axis=0))
            value = -((here * leaves).sum(axis=0) @ mixture.weight)
            gradient[j] = value.imag / 1e-30
        return gradient

    flat = theta.gate.ravel()
    step = 1e-5
    expected = np.stack(
        [
            (loss_gradient(flat + e) - loss_gradient(flat - e)) / (2 * step)
            for e in step * np.eye(flat.size)
        ]
    )
    found = mixture.gate_curvature.at(theta.gate)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-8)
    direction = np.random.default_rng(0).standard_normal(theta.gate.shape)
    product = (found.matrix @ direction.ravel()).reshape(direction.shape)
    np.testing.assert_allclose(found.dot(direction), product, atol=1e-12)
    solved = found.solve(direction, np.full(direction.shape[1], 0.3))
    np.testing.assert_allclose(found.dot(solved) + 0.3 * solved, direction, atol=1e-9)


@every_tree
def test_curvature_that_is_not_stored_is_the_same(name):
    mixture = make_mixture(name)
    gate = random_theta(mixture, 3).gate
    stored = mixture.gate_curvature.at(gate)
    curvature = mixture.gate_curvature.afresh()
    curvature.dense = False
    implicit = curvature.at(gate)
    direction = np.random.default_rng(0).standard_normal(gate.shape)
    expected = stored.dot(direction)
    np.testing.assert_allclose(implicit.dot(direction), expected, rtol=1e-9)


@every_tree
@pytest.mark.parametrize("solver", ["em", "md", "gd"])
def test_objective_never_rises(name, solver):
    mixture = make_mixture(name, n=300)
    start = soft_start(mixture, MODELS[name].data(n=300, signal=0.5).expert)
    found = minimise(mixture, start, make_solver(solver, "auto"), 60, 0.0)
    assert (np.diff(found.objective_curve) <= 1e-12).all()
    assert found.objective_curve[-1] < found.objective_curve[0]


@every_tree
def test_natural_step_of_a_tree_needs_no_stored_curvature(name, monkeypatch):
    steps = []
    for limit in (mixture_module.DENSE_LIMIT, 0):
        monkeypatch.setattr(mixture_module, "DENSE_LIMIT", limit)
        mixture = make_mixture(name)
        state = mixture.evaluate(random_theta(mixture, 3))
        steps.append(mixture.natural_step(state, mixture.gradient(state)).gate)
    # Products with vectors stop at a tenth of the residual.
    np.testing.assert_allclose(*steps, atol=0.3 * np.abs(steps[0]).max())


def test_a_tree_of_one_level_is_the_flat_gate():
    values = np.random.default_rng(0).standard_normal((6, 40))
    flat, tree = Gate(6), Gate(6, depth=1)
    np.testing.assert_array_equal(flat.contrasts, tree.contrasts)
    assert tree.n_nodes == 1
    np.testing.assert_array_equal(tree.masses(values)[0][0], values)


@every_tree
def test_order_of_experts_by_mass_does_not_change_the_model(name):
    model = MODELS[name]
    problem = model.problem(model.data(n=150, signal=0.5), alpha=0.1)
    theta = random_theta(problem.mixture, 4)
    state = problem.mixture.evaluate(theta)
    descent = Descent(theta, state.stats.mass, np.zeros(1), 0, True)
    ordered = problem.ordered(descent).theta
    again = problem.mixture.evaluate(ordered)
    assert again.objective == pytest.approx(state.objective, rel=1e-12)
    levels = problem.mixture.gate.masses(again.stats.mass)
    for level in levels:
        assert (np.diff(level, axis=1) <= 1e-12).all()
    assert np.sort(again.stats.mass) == pytest.approx(np.sort(state.stats.mass))


def quadrants(n=3000, seed=0):
    """Four planes; which one holds is decided first by x0, then by x1."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    slopes = np.array([[1.0, 2.0], [-2.0, 1.0], [3.0, -1.0], [-1.0, -3.0]])
    piece = 2 * (X[:, 0] > 0) + (X[:, 1] > 0)
    y = (slopes[piece] * X).sum(axis=1) + np.array([2.0, -1.0, 0.0, 3.0])[piece]
    return X, y + 0.05 * rng.standard_normal(n), piece


def test_a_tree_learns_the_pieces():
    X, y, piece = quadrants()
    model = MixtureOfLinearExperts(4, depth=2, gate_alpha=1e-6, random_state=0)
    model.fit(X, y)
    assert model.gate_coef_.shape == (3, 2, 2)
    assert model.gate_intercept_.shape == (3, 2)
    assert model.score(*quadrants(seed=1)[:2]) > 0.97
    labels = model.responsibilities(X, y).argmax(axis=1)
    table = np.zeros((4, 4))
    np.add.at(table, (labels, piece), 1)
    assert table.max(axis=0).sum() > 0.97 * len(X)


def test_attributes_say_what_gate_proba_gives():
    X, y, _ = quadrants(500)
    model = MixtureOfLinearExperts(9, depth=2, max_iter=50, tol=1e-2, random_state=0)
    model.fit(X, y)
    np.testing.assert_allclose(model.gate_coef_.sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(model.gate_intercept_.sum(axis=1), 0, atol=1e-9)
    logits = X @ np.moveaxis(model.gate_coef_, 2, 1) + model.gate_intercept_[:, None]
    root, *below = np.exp(log_softmax(logits, axis=2))
    expected = np.stack([root.T[:, None] * np.stack(below).transpose(0, 2, 1)])
    np.testing.assert_allclose(
        model.gate_proba(X), expected.reshape(9, -1).T, rtol=1e-9
    )
    np.testing.assert_allclose(
        np.exp(model.score_samples(X, y)),
        (model.gate_proba(X) * density(model, X, y)).sum(axis=1),
        rtol=1e-9,
    )


def density(model, X, y):
    """Normal densities of the experts, (n, K)."""
    variance = model.noise_variance_
    square = np.square(y[:, None] - model.predict_expert(X)) / variance
    return np.exp(-0.5 * square) / np.sqrt(2 * np.pi * variance)


@pytest.fixture(scope="module")
def noisy():
    X, y, _ = quadrants(600)
    y = y + 0.3 * np.random.default_rng(1).standard_normal(len(y))
    return MixtureOfLinearExperts(4, depth=2, tol=1e-10, random_state=0).fit(X, y), X, y


@pytest.mark.filterwarnings("ignore:The penalties move estimates")
def test_inspection_names_nodes_and_branches(noisy):
    model, X, y = noisy
    names = information(model, X, y).names
    assert names[:4] == [
        "gate 0, 1 - 0, 0: x0",
        "gate 0, 1 - 0, 0: x1",
        "gate 0, 1 - 0, 0: (intercept)",
        "gate 1, 1 - 1, 0: x0",
    ]
    text = str(inference(model, X, y))
    assert "\ngate 2, 1: (intercept)" in text and "\nexpert 3: x1" in text


def test_rate_of_a_tree_is_that_of_its_information(noisy):
    """EM steps near the optimum contract as the Missing Information Matrix says."""
    model, X, y = noisy
    rate = information(model, X, y).em_rate
    assert 0 < rate < 1
    problem, theta, _ = model._fitted_problem(X, y)
    rng = np.random.default_rng(0)
    moved = theta._replace(gate=theta.gate + 1e-3 * rng.standard_normal((3, 3)))
    mixture = problem.mixture
    best = minimise(mixture, theta, make_solver("em", "auto"), 500, 1e-15)
    solver = MirrorDescent(1.0, project_exactly)
    found = minimise(mixture, moved, solver, 40, 0.0)
    gap = found.objective_curve - best.objective_curve.min()
    last = np.flatnonzero(gap > 1e-12)[-1]
    ratio = gap[last] / gap[last - 1]
    assert ratio == pytest.approx(rate**2, rel=0.05)


@pytest.mark.filterwarnings("ignore:The penalties move estimates")
def test_displays_name_nodes_and_branches(noisy):
    pytest.importorskip("matplotlib")
    from skmoe.plotting import CoefficientsDisplay

    model, X, y = noisy
    display = CoefficientsDisplay.from_estimator(model, X, y, part="gate")
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    labels += [text.get_text() for text in display.ax_.get_yticklabels()]
    assert "Node 1\nbranch 0" in labels


# Two classes in quadrants leave one of four experts with nothing to do.
@pytest.mark.filterwarnings("ignore:An expert has")
def test_classifier_and_warm_start():
    X, _, piece = quadrants(1500)
    labels = (piece == 1) | (piece == 2)
    model = MixtureOfLogisticExperts(4, depth=2, random_state=0).fit(X, labels)
    assert model.score(X, labels) > 0.95
    warm = clone(model).set_params(warm_start=True).fit(X, labels)
    objective = warm.objective_curve_[-1]
    warm.fit(X, labels)
    assert warm.objective_curve_[0] == pytest.approx(objective, abs=1e-9)


@pytest.mark.long
def test_search_over_depth():
    X, y, _ = quadrants(600)
    grid = {"depth": [1, 2]}
    model = MixtureOfLinearExperts(4, gate_alpha=1e-6, random_state=0)
    search = GridSearchCV(model, grid, cv=2)
    assert search.fit(X, y).best_score_ > 0.9


@pytest.mark.parametrize(
    "n_experts, depth", [(3, 2), (2, 2), (1, 2), (8, 2), (4, 30_000)]
)
def test_numbers_of_experts_that_make_no_tree_are_refused(n_experts, depth):
    X, y, _ = quadrants(50)
    model = MixtureOfLinearExperts(n_experts, depth=depth)
    with pytest.raises(ValueError, match=rf"depth={depth} .*n_experts={n_experts}"):
        model.fit(X, y)


def test_a_path_over_numbers_of_experts_has_no_trees():
    X, y, _ = quadrants(50)
    with pytest.raises(ValueError, match=r"^depth=2: .*depth=1"):
        n_experts_path(MixtureOfLinearExperts(depth=2), X, y, max_experts=4)


def test_reported_coefficients_lead_back_to_free_ones():
    for n_experts, depth in ((5, 1), (4, 2), (8, 3), (9, 2)):
        gate = Gate(n_experts, depth)
        free = np.random.default_rng(0).standard_normal((gate.contrasts.shape[1], 3))
        reported = gate.reported(free)
        assert reported.shape == (*gate.shape, 3)
        np.testing.assert_allclose(gate.free(reported), free)
