"""Groups of rows that share one latent expert."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import sklearn
from _data import flat, penalties, random_theta, softmax, unflat
from scipy.sparse import csr_array
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.data.groups import joint_of_groups
from skmoe.data.sample import Known
from skmoe.engine.information import information_matrices
from skmoe.inspection import inference
from skmoe.model_selection import n_experts_path
from skmoe.plotting import (
    CoefficientsDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ResponsibilitiesDisplay,
)

both = pytest.mark.parametrize(
    "kind", [MixtureOfLinearExperts, MixtureOfLogisticExperts]
)
COLUMNS = {"gate_features": [0], "expert_features": [1, 2]}


def panel(kind, n_experts=2, n_groups=200, seed=0, noise=1.5):
    """X (what the gate sees, then two more), y, groups and latent experts of rows."""
    rng = np.random.default_rng(seed)
    slopes = 3 * rng.standard_normal((n_experts, 2))
    sizes = rng.integers(1, 9, n_groups)
    of_group = rng.standard_normal(n_groups)
    gate = softmax(2 * np.outer(np.arange(n_experts) - 0.5, of_group))
    expert = (rng.uniform(size=n_groups) > gate.cumsum(axis=0)[:-1]).sum(axis=0)
    groups = np.repeat(np.arange(n_groups), sizes)
    x = rng.standard_normal((len(groups), 2))
    mean = (x * slopes[expert[groups]]).sum(axis=1)
    X = np.column_stack([of_group[groups], x])
    if kind is MixtureOfLinearExperts:
        y = mean + noise * rng.standard_normal(len(groups))
    else:
        y = (mean + rng.logistic(size=len(groups)) > 0).astype(int)
    return X, y, groups, expert[groups]


def fitted(kind, n_experts=2, **options):
    X, y, groups, _ = panel(kind, n_experts)
    options = {"tol": 1e-9, "random_state": 0, **COLUMNS, **options}
    return kind(n_experts, **options).fit(X, y, groups=groups), X, y, groups


def joint_by_loop(model, X, y, groups, weight=None):
    """Joint log-densities of groups and experts, (G, K), one group at a time."""
    weight = np.ones(len(y)) if weight is None else weight
    joint = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        expert = model.predict_expert(X[rows])
        if isinstance(model, MixtureOfLinearExperts):
            variance = model.noise_variance_
            square = (y[rows][:, None] - expert) ** 2
            log_density = -0.5 * (np.log(2 * np.pi * variance) + square / variance)
        else:
            chosen = y[rows][:, None, None]
            log_density = np.log(np.take_along_axis(expert, chosen, axis=2)[..., 0])
        gate = np.log(model.gate_proba(X[rows[:1]])[0])
        joint.append(gate + weight[rows] @ log_density)
    return np.array(joint)


@pytest.mark.sampled(3)
@both
@pytest.mark.parametrize("n_experts", [2, 3])
@pytest.mark.parametrize("solver", ["em", "md", "gd"])
def test_objective_and_responsibilities_are_those_of_brute_force(
    kind, n_experts, solver
):
    options = {"solver": solver, "max_iter": 3000, "tol": 1e-7}
    model, X, y, groups = fitted(kind, n_experts, **options)
    joint = joint_by_loop(model, X, y, groups)
    loss = -logsumexp(joint, axis=1).sum() / len(y)
    assert model.objective_curve_[-1] == pytest.approx(
        loss + penalties(model, y), abs=1e-10
    )
    assert np.diff(model.objective_curve_).max() < 1e-9
    expected = softmax(joint.T).T[groups]
    found = model.responsibilities(X, y, groups=groups)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@both
def test_fit_is_a_minimum_of_the_groups_objective(kind):
    model, X, y, groups = fitted(kind, tol=1e-12)
    problem, theta, _ = model._fitted_problem(X, y, Known(groups=groups))
    mixture = problem.mixture
    assert np.abs(flat(mixture.gradient(mixture.evaluate(theta)))).max() < 1e-5
    away = random_theta(mixture, 1)
    gradient = flat(mixture.gradient(mixture.evaluate(away)))
    for j in range(gradient.size):
        ends = []
        for sign in (1, -1):
            moved = flat(away) + sign * 1e-6 * (np.arange(gradient.size) == j)
            ends.append(mixture.evaluate(unflat(moved, away)).objective)
        assert gradient[j] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


@both
def test_groups_tell_apart_what_rows_cannot(kind):
    X, y, groups, expert = panel(kind)
    model = kind(random_state=0, **COLUMNS)
    together = model.fit(X, y, groups=groups).responsibilities(X, y, groups=groups)
    alone = clone(model).fit(X, y).responsibilities(X, y)

    def accuracy(proba):
        labels = proba.argmax(axis=1)
        orders = itertools.permutations(range(2))
        return max(np.mean(np.array(order)[labels] == expert) for order in orders)

    assert accuracy(together) > accuracy(alone) + 0.04


@both
def test_groups_of_one_row_are_no_groups(kind):
    X, y, _, _ = panel(kind)
    model = kind(random_state=0, tol=1e-10)
    alone = clone(model).fit(X, y)
    ones = clone(model).fit(X, y, groups=np.arange(len(y)))
    np.testing.assert_allclose(ones.coef_, alone.coef_, atol=1e-6)
    np.testing.assert_allclose(ones.gate_coef_, alone.gate_coef_, atol=1e-6)
    assert ones.bic(X, y, groups=np.arange(len(y))) == pytest.approx(alone.bic(X, y))


@both
def test_order_of_rows_and_kind_of_label_do_not_matter(kind):
    model, X, y, groups = fitted(kind)
    order = np.random.default_rng(1).permutation(len(y))
    labels = np.array([f"unit {group:03d}" for group in groups])[order]
    other = clone(model).fit(X[order], y[order], groups=pd.Series(labels))
    np.testing.assert_allclose(other.coef_, model.coef_, rtol=1e-9)
    np.testing.assert_allclose(
        other.responsibilities(X[order], y[order], groups=labels),
        model.responsibilities(X, y, groups=groups)[order],
        atol=1e-9,
    )


@both
def test_weights_repeat_rows_of_their_group(kind):
    X, y, groups, _ = panel(kind)
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    model = kind(random_state=0, **COLUMNS)
    weighted = clone(model).fit(X, y, weight, groups)
    rows = X[repeated], y[repeated]
    more = clone(model).fit(*rows, groups=groups[repeated])
    np.testing.assert_allclose(weighted.coef_, more.coef_, rtol=1e-8)
    np.testing.assert_allclose(weighted.gate_coef_, more.gate_coef_, rtol=1e-8)
    for criterion in ("log_likelihood", "aic", "bic", "icl"):
        by_weight = getattr(weighted, criterion)(X, y, weight, groups)
        ones = np.ones(len(repeated))
        by_rows = getattr(weighted, criterion)(*rows, ones, groups[repeated])
        assert by_weight == pytest.approx(by_rows, rel=1e-12)
    proba = weighted.responsibilities(X, y, weight, groups)
    expected = more.responsibilities(*rows, groups=groups[repeated])
    np.testing.assert_allclose(proba[repeated], expected, atol=1e-7)
    # Without any weight only what the gate knows is left.
    lost = ~np.isin(groups, groups[repeated])
    np.testing.assert_allclose(proba[lost], weighted.gate_proba(X[lost]))


@both
def test_log_likelihoods_of_groups_are_those_of_brute_force(kind):
    model, X, y, groups = fitted(kind)
    weight = np.random.default_rng(1).uniform(0, 3, len(y))
    expected = logsumexp(joint_by_loop(model, X, y, groups, weight), axis=1)
    labels = np.array([f"unit {number:03d}" for number in groups])
    order = np.random.default_rng(2).permutation(len(y))
    rows = X[order], y[order], weight[order], labels[order]
    np.testing.assert_allclose(model.score_samples(*rows), expected, rtol=1e-9)
    assert model.log_likelihood(*rows) == pytest.approx(expected.sum())
    plain = model.score_samples(X, y, groups=groups)
    expected = logsumexp(joint_by_loop(model, X, y, groups), axis=1)
    np.testing.assert_allclose(plain, expected, rtol=1e-9)


@both
def test_rows_without_weight_are_left_out_of_their_group(kind):
    X, y, groups, _ = panel(kind)
    weight = np.ones(len(y))
    weight[np.unique(groups, return_index=True)[1]] = 0
    kept = np.flatnonzero(weight)
    model = kind(random_state=0, **COLUMNS).fit(X, y, weight, groups)
    # What the gate sees and what was observed may be anything there.
    X = np.where(weight[:, None], X, 7.0)
    found = model.responsibilities(X, y, weight, groups)[kept]
    data = X[kept], y[kept], weight[kept], groups[kept]
    np.testing.assert_allclose(found, model.responsibilities(*data), atol=1e-12)
    y = np.where(weight, y, 9)
    for name in ("log_likelihood", "aic", "bic", "icl"):
        assert getattr(model, name)(X, y, weight, groups) == pytest.approx(
            getattr(model, name)(*data)
        )


@both
def test_criteria_are_those_of_groups(kind):
    model, X, y, groups = fitted(kind, 3)
    joint = joint_by_loop(model, X, y, groups)
    log_likelihood = logsumexp(joint, axis=1).sum()
    n_free = 2 * 2 + 3 * 3 + 3 * (kind is MixtureOfLinearExperts)
    bic = n_free * np.log(len(y)) - 2 * log_likelihood
    assert model.aic(X, y, groups=groups) == pytest.approx(
        2 * n_free - 2 * log_likelihood
    )
    assert model.bic(X, y, groups=groups) == pytest.approx(bic)
    proba = softmax(joint.T)
    entropy = -(proba * np.log(np.maximum(proba, 1e-300))).sum()
    assert model.icl(X, y, groups=groups) == pytest.approx(bic + 2 * entropy)


@both
def test_sparse_input(kind):
    model, X, y, groups = fitted(kind)
    sparse = clone(model).fit(csr_array(X), y, groups=groups)
    np.testing.assert_allclose(sparse.coef_, model.coef_, atol=1e-4)
    with pytest.raises(ValueError, match="feature 1, which varies"):
        clone(model).set_params(gate_features=None).fit(csr_array(X), y, groups=groups)


@both
@pytest.mark.parametrize("init", ["kmeans", "kmeans_xy"])
def test_kmeans_starts_sparse_data_whatever_its_indices(kind, init):
    X, y, groups, _ = panel(kind)
    narrow, wide = csr_array(X), csr_array(X)
    wide.indices, wide.indptr = (
        part.astype(np.int64) for part in (narrow.indices, narrow.indptr)
    )
    for columns in (COLUMNS, {"gate_features": []}):
        model = kind(init=init, random_state=0, **columns)
        expected = clone(model).fit(narrow, y, groups=groups)
        found = clone(model).fit(wide, y, groups=groups)
        np.testing.assert_array_equal(found.coef_, expected.coef_)


@pytest.mark.sampled(5)
@both
@pytest.mark.parametrize(
    "init", ["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]
)
@pytest.mark.parametrize("gate_features", [[], [0]])
def test_every_start_knows_groups(kind, init, gate_features):
    options = {"init": init, "gate_features": gate_features, "n_init": 3}
    model, X, y, groups = fitted(kind, **options)
    proba = model.responsibilities(X, y, groups=groups)
    assert np.isfinite(model.objective_curve_).all()
    for group in np.unique(groups):
        assert np.ptp(proba[groups == group], axis=0).max() == 0


@both
def test_given_responsibilities_are_averaged_over_a_group(kind):
    X, y, groups, expert = panel(kind)
    noisy = np.where(np.random.default_rng(1).uniform(size=len(y)) < 0.2, 0, expert)
    first = kind(init=noisy, max_iter=20, tol=1e9, **COLUMNS)
    mean = pd.DataFrame(np.eye(2)[noisy]).groupby(groups).transform("mean").to_numpy()
    other = clone(first).set_params(init=mean)
    first.fit(X, y, groups=groups), other.fit(X, y, groups=groups)
    np.testing.assert_allclose(first.coef_, other.coef_, rtol=1e-9)


@both
def test_many_rows_and_threads(kind):
    X, y, groups, _ = panel(kind, n_groups=20_000)
    model = kind(random_state=0, **COLUMNS).fit(X, y, groups=groups)
    few, *data = fitted(kind)
    np.testing.assert_allclose(
        np.sort(model.coef_, axis=0), np.sort(few.coef_, axis=0), atol=1.0
    )
    joint = joint_by_loop(model, X[groups < 20], y[groups < 20], groups[groups < 20])
    proba = model.responsibilities(X, y, groups=groups)[groups < 20]
    expected = softmax(joint.T).T[groups[groups < 20]]
    np.testing.assert_allclose(proba, expected, atol=1e-10)


@both
def test_information_is_the_hessian(kind):
    model, X, y, groups = fitted(kind, tol=1e-12, alpha=0.01, gate_alpha=0.01)
    problem, theta, _ = model._fitted_problem(X, y, Known(groups=groups))
    mixture, vector = problem.mixture, flat(theta)

    def gradient(point):
        return flat(mixture.gradient(mixture.evaluate(unflat(point, theta))))

    numeric = np.array(
        [
            (gradient(vector + 1e-5 * unit) - gradient(vector - 1e-5 * unit)) / 2e-5
            for unit in np.eye(vector.size)
        ]
    )
    found = information_matrices(mixture, theta).objective_hessian()
    np.testing.assert_allclose(found, numeric, atol=1e-7 * np.abs(numeric).max())


def test_sandwich_is_of_groups():
    X, y, groups, _ = panel(MixtureOfLinearExperts)
    model = MixtureOfLinearExperts(1, gate_features=[0], alpha=0, expert_features=[1])
    robust = inference(model.fit(X, y, groups=groups), X, y, groups=groups, robust=True)
    scores = []
    residual = y - model.predict(X)
    for group in np.unique(groups):
        rows = groups == group
        inner = np.column_stack([np.ones(rows.sum()), X[rows, 1]])
        scores.append(residual[rows] @ inner)
    inner = np.column_stack([np.ones(len(y)), X[:, 1]])
    bread = np.linalg.inv(inner.T @ inner)
    expected = np.sqrt(np.diag(bread @ np.transpose(scores) @ np.array(scores) @ bread))
    found = dict(zip(robust.names, robust.standard_error))
    assert found["expert 0: (intercept)"] == pytest.approx(expected[0], rel=1e-5)
    assert found["expert 0: x1"] == pytest.approx(expected[1], rel=1e-5)


def moved(model, vector):
    """A copy of a fit of two experts with other free parameters.

    The first gate, expert by expert slopes and intercept, logarithms of the noise.
    """
    other, d = copy.deepcopy(model), model.gate_coef_.shape[1]
    gate, rest = vector[: d + 1], vector[d + 1 :]
    other.gate_coef_ = np.stack([gate[:d], -gate[:d]])
    other.gate_intercept_ = np.array([gate[d], -gate[d]])
    size = model.coef_.size + 2
    experts = rest[:size].reshape(2, -1)
    other.coef_, other.intercept_ = experts[:, :-1], experts[:, -1]
    if rest.size > size:
        other.noise_variance_ = np.exp(rest[size:])
    return other


def free_parameters(model):
    """What `moved` sets to other values."""
    gate = [model.gate_coef_[0], model.gate_intercept_[:1]]
    experts = np.column_stack([model.coef_, model.intercept_]).ravel()
    noise = np.log(getattr(model, "noise_variance_", []))
    return np.concatenate([*gate, experts, noise])


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "kind", [MixtureOfLinearExperts, MixtureOfLogisticExperts, MixtureOfGLMExperts]
)
@pytest.mark.filterwarnings("ignore:The penalties move")
def test_sandwich_is_of_scores_of_groups_about_their_mean(kind):
    """Scores by finite differences of the groups' log-likelihoods."""
    X, y, groups, _ = panel(MixtureOfLinearExperts, n_groups=60)
    if kind is MixtureOfLogisticExperts:
        y = (y > 0).astype(int)
    elif kind is MixtureOfGLMExperts:
        y = np.rint(np.exp(np.clip(y, -4, 4) / 2))
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = kind(alpha=15.0, gate_alpha=5.0, random_state=0, tol=1e-13, **COLUMNS)
    if kind is MixtureOfLinearExperts:
        model.set_params(noise_prior=0.0)
    model.fit(X, y, weight, groups)
    unit = 1.0
    if kind is MixtureOfLinearExperts:
        unit = np.sqrt(np.cov(y, aweights=weight, ddof=0))
    at, steps = free_parameters(model), 1e-4 * np.eye(free_parameters(model).size)

    def log_likelihoods(vector):
        return moved(model, vector).score_samples(X, y, weight, groups)

    def objective(vector):
        other = moved(model, vector)
        penalty = model.alpha * np.square(other.coef_ / unit).sum()
        penalty += model.gate_alpha * np.square(other.gate_coef_).sum()
        return penalty / 2 - log_likelihoods(vector).sum()

    scores = [log_likelihoods(at + s) - log_likelihoods(at - s) for s in steps]
    scores = np.array(scores) / 2e-4
    hessian = [
        [
            objective(at + s + t)
            - objective(at + s - t)
            - objective(at - s + t)
            + objective(at - s - t)
            for s in steps
        ]
        for t in steps
    ]
    bread = np.linalg.inv(np.array(hessian) / 4e-8)
    meat = scores @ scores.T
    centred = meat - np.outer(scores.sum(axis=1), scores.sum(axis=1)) / scores.shape[1]
    assert np.abs(centred / meat - 1).diagonal().max() > 0.02  # it matters
    expected = np.sqrt((bread @ centred @ bread).diagonal())
    result = inference(model, X, y, weight, groups, robust=True)
    names = [name for name in result.names if not name.startswith("gate 1")]
    noise = [name.startswith("noise") for name in names]
    expected[noise] *= getattr(model, "noise_variance_", [])
    found = [result.standard_error[result.names.index(name)] for name in names]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_path_over_the_number_of_experts():
    X, y, groups, _ = panel(MixtureOfLinearExperts, 3)
    model = MixtureOfLinearExperts(random_state=0, **COLUMNS)
    path = n_experts_path(model, X, y, max_experts=4, groups=groups)
    assert path.best("bic").n_experts == 3


def test_weights_of_a_path_repeat_rows_of_their_group():
    rng = np.random.default_rng(0)
    groups, slope = np.repeat(np.arange(60), 4), rng.choice([-1, 1], size=60)
    x = rng.uniform(-1, 1, size=(240, 1))
    y = slope[groups] * x[:, 0] + 0.8 * rng.standard_normal(240)
    weight = rng.integers(1, 6, size=240)
    rows = np.repeat(np.arange(240), weight)
    model = MixtureOfLinearExperts(random_state=0, gate_features=[])
    found = n_experts_path(
        model, x, y, max_experts=3, sample_weight=weight, groups=groups
    )
    more = n_experts_path(model, x[rows], y[rows], max_experts=3, groups=groups[rows])
    np.testing.assert_allclose(found.bic, more.bic, rtol=1e-9)
    np.testing.assert_allclose(found.icl, more.icl, rtol=1e-9)


def test_displays_take_groups():
    plt = pytest.importorskip("matplotlib.pyplot")
    model, X, y, groups = fitted(MixtureOfLinearExperts)
    weight = np.random.default_rng(0).integers(1, 4, len(y))
    expected = model.responsibilities(X, y, weight, groups)
    for display in (ResponsibilitiesDisplay, ExpertCurvesDisplay, GateRegionsDisplay):
        shown = display.from_estimator(model, X, y, weight, groups)
        np.testing.assert_array_equal(shown.responsibilities, expected)
    CoefficientsDisplay.from_estimator(model, X, y, groups=groups)
    plt.close("all")


class TestMetadataRouting:
    @pytest.fixture(autouse=True)
    def routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    def test_search_passes_groups_to_fit(self):
        X, y, groups, _ = panel(MixtureOfLinearExperts)
        model = MixtureOfLinearExperts(random_state=0, gate_features=[0])
        search = GridSearchCV(
            model.set_fit_request(groups=True), {"n_experts": [1, 2]}, cv=GroupKFold(3)
        )
        search.fit(X, y, groups=groups)
        assert "groups" in search.best_estimator_._fitted["known"]

    def test_pipeline_passes_groups_to_fit(self):
        X, y, groups, _ = panel(MixtureOfLinearExperts)
        model = MixtureOfLinearExperts(random_state=0, gate_features=[0])
        pipeline = make_pipeline(StandardScaler(), model.set_fit_request(groups=True))
        assert "groups" in pipeline.fit(X, y, groups=groups)[-1]._fitted["known"]


class TestBadInput:
    @both
    def test_gate_must_see_what_is_constant_in_groups(self, kind):
        X, y, groups, _ = panel(kind)
        model = kind(random_state=0)
        with pytest.raises(ValueError, match="gate_features=None has feature 1, which"):
            model.fit(X, y, groups=groups)
        frame = pd.DataFrame(X, columns=["age", "dose", "time"])
        labels = np.array([f"unit {group:03d}" for group in groups])
        sizes = np.bincount(groups)
        first, mixed = np.flatnonzero(sizes > 1)[0], (sizes > 1).sum()
        seen = frame["dose"][groups == first]
        said = f"within {mixed} of 200 groups, such as 'unit {first:03d}' "
        said += rf"\(from {seen.min():g} to {seen.max():g}\)"
        for given in (labels, labels.astype(object)):
            with pytest.raises(ValueError, match=said):
                model.fit(frame, y, groups=given)
            # The labels of the rows that are left.
            with pytest.raises(ValueError, match=said.replace(" of 200", " of [0-9]+")):
                weight = np.where((sizes > 1)[groups], 1.0, 0.0)
                model.fit(frame, y, weight, given)
        model.set_params(gate_features=["age", "time"])
        with pytest.raises(ValueError, match="feature 'time', which varies"):
            model.fit(frame, y, groups=groups)
        model.set_params(gate_features=["age"]).fit(frame, y, groups=groups)
        with pytest.raises(ValueError, match="feature 'age', which varies"):
            model.responsibilities(frame, y, groups=np.zeros(len(y)))

    @both
    def test_criteria_and_inspection_need_the_groups(self, kind):
        model, X, y, groups = fitted(kind)
        for method in (model.log_likelihood, model.aic, model.bic, model.icl):
            with pytest.raises(ValueError, match="groups=None, but the model was"):
                method(X, y)
        with pytest.raises(ValueError, match="groups=None, but the model was"):
            inference(model, X, y)

    @both
    @pytest.mark.parametrize(
        "groups, message",
        [
            (lambda n: np.zeros(n - 1), "groups has .* labels, X has"),
            (lambda n: np.zeros((n, 2)), "1d array"),
            (lambda n: np.full(n, np.nan), "missing labels"),
            (lambda n: [None] * n, "missing labels"),
            (lambda n: np.zeros(n), "groups = 1 of positive weight.*n_experts=2"),
            (lambda n: "subject", r"groups should be a 1d array, got a str"),
            (lambda n: 3, r"groups should be a 1d array, got a int"),
            (lambda n: {*range(n)}, r"groups should be a 1d array, got a set"),
            (lambda n: [("a", 1)] * n, r"got a list of shape.*one label.*for each row"),
            (lambda n: [[1], [1, 2]] * n, r"groups should be a 1d array, got a list"),
            (
                lambda n: csr_array(np.ones((n, 1))),
                r"groups should be.*got a csr_array",
            ),
            (lambda n: np.array([1, "a"] * n, object)[:n], r"cannot be sorted.*'int',"),
        ],
    )
    def test_groups_must_be_labels_of_rows(self, kind, groups, message):
        X, y, _, _ = panel(kind)
        model = kind(gate_features=[], random_state=0)
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, groups=groups(len(y)))
        assert not hasattr(model, "coef_")


@both
def test_rows_of_a_group_need_not_be_neighbours(kind):
    """Where the start is given, rows are not sorted by their values."""
    X, y, groups = fitted(kind, 2)[1:]
    start = (groups % 2).astype(int)
    order = np.random.default_rng(0).permutation(len(y))
    options = {"tol": 1e-9, **COLUMNS}
    expected = kind(init=start, **options).fit(X, y, groups=groups)
    found = kind(init=start[order], **options).fit(
        X[order], y[order], groups=groups[order]
    )
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-4)
    assert found.bic(X[order], y[order], groups=groups[order]) == pytest.approx(
        expected.bic(X, y, groups=groups), abs=1e-4
    )


def test_a_density_that_overflows_is_not_zero():
    """Else a group of possible rows would have no responsibilities."""
    log_density = np.array([[-1e308, -1.0], [-1e308, -2.0], [-np.inf, -np.inf]])
    weight, group = np.array([1.0, 3.0, 1.0]), np.array([0, 0, 1])
    gate, total = joint_of_groups(np.zeros((3, 2)), log_density, weight, group)
    assert gate.shape == (2, 2)
    expected = [[-np.finfo(float).max, -7.0], [-np.inf, -np.inf]]
    np.testing.assert_array_equal(total, expected)
