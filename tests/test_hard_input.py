"""Legal but hard input: finite results, F monotone, a warning if it stopped early."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

SOLVERS = ["em", "md", "gd"]
# Gradient descent may stop early, with a warning.
MAX_ITER = {"em": 1000, "md": 1000, "gd": 300}
PENALTIES = {"default": {}, "none": {"alpha": 0.0, "gate_alpha": 0.0}}
N, D = 60, 3
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D))
Y = np.where(X[:, 0] > 0, 1 + X @ [1, 2, 3], -1 - X @ [3, 2, 1])
NOISY = Y + 0.3 * rng.standard_normal(N)
SCALES = np.array([1e-8, 1.0, 1e8])
WIDE = rng.standard_normal((20, 50))

# Features and targets; classes are where the target is above its mean.
DATA = {
    "constant column": (np.column_stack([X, np.full(N, 7.0)]), NOISY),
    "constant columns only": (np.ones((N, 2)), NOISY),
    "columns of zeros": (np.column_stack([X, np.zeros((N, 2))]), NOISY),
    "duplicated rows": (np.repeat(X[:8], 10, axis=0), np.repeat(NOISY[:8], 10)),
    "two distinct rows": (np.repeat(X[:2], 10, axis=0), np.repeat([-1.0, 1.0], 10)),
    "duplicated columns": (np.hstack([X, X]), NOISY),
    "collinear columns": (np.column_stack([X, X @ [1.0, -2.0, 3.0]]), NOISY),
    "nearly collinear columns": (
        np.column_stack([X, X[:, 0] + 1e-9 * rng.standard_normal(N)]),
        NOISY,
    ),
    "separable": (np.column_stack([X, Y]), np.sign(Y)),
    "separable by the gate": (np.sign(X), np.sign(X[:, 0])),
    "columns of wild scales": (X * SCALES, NOISY),
    "tiny columns": (1e-8 * X, NOISY),
    "huge columns": (1e8 * X, NOISY),
    "far from the origin": (X + 1e6, NOISY),
    "tiny targets": (X, 1e-8 * NOISY),
    "huge targets": (X, 1e8 * NOISY),
    "noise-free": (X, Y),
    "noise-free, one line": (X, X @ [1.0, 2.0, 3.0]),
    "outlier": (X, np.append(NOISY[1:], 1e4)),
    "heavy tails": (np.random.default_rng(1).standard_cauchy((N, D)), NOISY),
    "wide": (WIDE, WIDE @ np.linspace(-1, 1, 50)),
    "one feature of two values": ((X[:, :1] > 0).astype(float), NOISY),
    "few rows": (X[:4], np.array([-1.0, 2.0, -3.0, 4.0])),
}
REGRESSION_ONLY = {
    "constant y": (X, np.full(N, 3.0)),
    "constant y of zero": (X, np.zeros(N)),
    "constant y, huge": (X, np.full(N, 1e10)),
    "one constant output": (X, np.column_stack([NOISY, np.full(N, 3.0)])),
    "collinear outputs": (X, np.column_stack([NOISY, 2 * NOISY])),
    "outputs of wild scales": (X, np.column_stack([1e-8 * NOISY, 1e8 * NOISY])),
}
CLASSES_ONLY = {
    "one row of a class": (X, np.arange(N) == 5),
    "label noise only": (X, rng.uniform(size=N) < 0.5),
    "many classes": (X, np.arange(N) % 8),
    "separable classes": (X, np.digitize(X[:, 0], [-0.5, 0.5])),
}
REGRESSOR, CLASSIFIER = MixtureOfLinearExperts, MixtureOfLogisticExperts
CASES = {
    **{f"regressor, {n}": (REGRESSOR, *d) for n, d in (DATA | REGRESSION_ONLY).items()},
    **{
        f"classifier, {n}": (CLASSIFIER, x, y > np.mean(y))
        for n, (x, y) in DATA.items()
    },
    **{f"classifier, {n}": (CLASSIFIER, *d) for n, d in CLASSES_ONLY.items()},
}
every_solver = pytest.mark.parametrize("solver", SOLVERS)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)
# Every solver and every penalty, not every pair.
every_way = pytest.mark.parametrize(
    "solver, penalty",
    [("em", "default"), ("em", "none"), ("md", "none"), ("gd", "default")],
)


def fit(estimator, X, y, solver, sample_weight=None, **kwargs):
    """Fitted model; it warns if, and only if, it stopped early or lacks rows.

    Hard data may have no second expert, of which a fit that converged may warn.
    """
    # The default start is EM's; a random one is quicker and harder.
    start = "short_runs" if solver == "em" else "random"
    kwargs = {"random_state": 0, "max_iter": MAX_ITER[solver], "init": start, **kwargs}
    model = estimator(solver=solver, **kwargs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight=sample_weight)
    assert_warned_rightly(model, caught)
    return model


def assert_warned_rightly(model, caught):
    """Of an early stop, or of experts that coincide, of too few rows, and of units."""
    of_units = [w for w in caught if "Columns of X vary" in str(w.message)]
    assert len(of_units) <= model.converged_
    caught = [w for w in caught if w not in of_units]
    of_rows = [w for w in caught if w.category is UserWarning]
    assert all("rows" in str(w.message) for w in of_rows)
    assert len(of_rows) == (model._fitted["lack_of_rows"] is not None)
    others = [w for w in caught if w.category is not UserWarning]
    for warning in others:
        assert warning.category is ConvergenceWarning, warning
    is_collapse = ["experts coincide" in str(w.message) for w in others]
    if model.converged_:
        assert is_collapse in ([], [True])
        assert not is_collapse or model.n_experts > 1
    else:
        assert is_collapse == [False]


def assert_sound(model, X, y):
    """Finite attributes, predictions and objective; F never rose."""
    curve = model.objective_curve_
    assert np.isfinite(curve).all()
    assert (np.diff(curve) <= 1e-12 * np.maximum(1, np.abs(curve[1:]))).all()
    for name in ("coef_", "intercept_", "gate_coef_", "gate_intercept_"):
        assert np.isfinite(getattr(model, name)).all(), name
    gate = model.gate_proba(X)
    np.testing.assert_allclose(gate.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(model.responsibilities(X, y).sum(axis=1), 1, rtol=1e-9)
    assert np.isfinite(model.predict_expert(X)).all()
    assert np.isfinite(model.score_samples(X, y)).all()
    if isinstance(model, MixtureOfLinearExperts):
        variance = np.asarray(y, dtype=float).var(axis=0)
        assert np.isfinite(model.noise_variance_).all()
        assert (model.noise_variance_ > 0).all()
        # The documented floor.
        assert (model.noise_variance_ >= (1 - 1e-6) * 1e-6 * variance).all()
        mean, std = model.predict(X, return_std=True)
        assert np.isfinite(mean).all()
        assert np.isfinite(std).all()
        assert np.isfinite(model.sample(X, random_state=0)).all()
    else:
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-9)
    assert np.isfinite(model.score(X, y)) or len(X) < 2


@pytest.mark.sampled(12)
@every_way
@pytest.mark.parametrize("case", CASES)
def test_result_is_finite_and_objective_monotone(case, solver, penalty):
    estimator, X, y = CASES[case]
    model = fit(estimator, X, y, solver, **PENALTIES[penalty])
    assert_sound(model, X, y)


@pytest.mark.sampled(4)
@every_way
@pytest.mark.parametrize(
    "case",
    [
        "regressor, constant column",
        "regressor, columns of wild scales",
        "regressor, noise-free",
        "classifier, separable",
    ],
)
def test_sparse_data_may_be_hard_too(case, solver, penalty):
    estimator, X, y = CASES[case]
    X = sparse.csr_array(np.where(np.abs(X) < 0.3 * np.abs(X).mean(axis=0), 0, X))
    model = fit(estimator, X, y, solver, **PENALTIES[penalty])
    assert_sound(model, X, y)


@pytest.mark.parametrize(
    "case, solver",
    [
        ("regressor, constant column", "em"),
        ("regressor, constant y", "em"),
        ("regressor, noise-free", "md"),
        ("regressor, wide", "gd"),
        ("classifier, separable", "em"),
        ("classifier, duplicated columns", "md"),
        ("classifier, wide", "gd"),
    ],
)
def test_float32_may_be_hard_too(case, solver):
    estimator, X, y = CASES[case]
    model = fit(estimator, X.astype(np.float32), y, solver)
    assert model.coef_.dtype == np.float32
    assert np.isfinite(model.objective_curve_).all()
    assert np.isfinite(model.predict_expert(X.astype(np.float32))).all()


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_float32_without_room_for_the_noise_variance_is_an_error(scale):
    model = REGRESSOR(init="random", random_state=0).fit(X, scale * NOISY)
    assert_sound(model, X, scale * NOISY)
    message = "noise_variance_ has values .* fit into float32.*scale X and y"
    with pytest.raises(ValueError, match=message):
        model.fit(X.astype(np.float32), scale * NOISY)


def test_float32_without_room_for_a_divergent_step_is_an_error():
    small = (1e-30 * X).astype(np.float32)
    model = REGRESSOR(solver="gd", step_size=10.0, init="random", random_state=0)
    with pytest.raises(ValueError, match="do not fit into float32.*fixed step_size"):
        model.fit(small, 1e8 * NOISY)


@pytest.mark.sampled(10)
@every_penalty
@every_solver
@pytest.mark.parametrize(
    "case", ["separable", "noise-free", "collinear columns", "columns of wild scales"]
)
@pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
def test_symmetric_models_are_as_robust(estimator, case, solver, penalty):
    X, y = DATA[case]
    y = y if estimator is REGRESSOR else y > 0
    keywords = {"symmetric": True, **PENALTIES[penalty]}
    model = fit(estimator, X, y, solver, fit_intercept=penalty == "none", **keywords)
    assert_sound(model, X, y)


class TestExpertWithoutMass:
    @pytest.mark.sampled(9)
    @every_penalty
    @every_solver
    @pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
    @pytest.mark.parametrize("start", ["empty", "one row", "next to nothing"])
    def test_from_the_start(self, estimator, start, solver, penalty):
        y = NOISY if estimator is REGRESSOR else NOISY > 0
        init = np.zeros((N, 3))
        init[:, 0], init[:, 1] = X[:, 0] > 0, X[:, 0] <= 0
        if start == "one row":
            init[0] = [0, 0, 1]
        elif start == "next to nothing":
            init[:, 2] = 1e-200
        model = fit(
            estimator,
            X,
            y,
            solver,
            **{**PENALTIES[penalty], "n_experts": 3, "init": init},
        )
        assert_sound(model, X, y)

    @pytest.mark.sampled(4)
    @every_penalty
    @every_solver
    @pytest.mark.parametrize(
        "estimator, keywords",
        [(REGRESSOR, {}), (REGRESSOR, {"noise": "shared"}), (CLASSIFIER, {})],
    )
    def test_more_experts_than_the_data_can_feed(
        self, estimator, keywords, solver, penalty
    ):
        few, y = X[:12], NOISY[:12]
        y = y if estimator is REGRESSOR else y > 0
        keywords = {**keywords, **PENALTIES[penalty]}
        model = fit(estimator, few, y, solver, n_experts=8, **keywords)
        assert_sound(model, few, y)

    @every_solver
    @pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
    def test_as_many_experts_as_rows(self, estimator, solver):
        few, y = X[:5], NOISY[:5]
        y = y if estimator is REGRESSOR else y > np.median(y)
        assert_sound(fit(estimator, few, y, solver, n_experts=5), few, y)

    @pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
    @pytest.mark.parametrize(
        "init", ["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]
    )
    def test_in_every_start(self, estimator, init):
        y = NOISY if estimator is REGRESSOR else NOISY > 0
        repeated, target = np.repeat(X[:3], 10, axis=0), np.repeat(y[:3], 10)
        target = target if estimator is REGRESSOR else np.arange(30) % 2
        model = fit(estimator, repeated, target, "em", n_experts=5, init=init)
        assert_sound(model, repeated, target)

    @pytest.mark.parametrize("solver", ["em", "md"])
    def test_warm_start_takes_a_dead_expert_on(self, solver):
        init = np.zeros(N, dtype=int)
        init[0] = 1
        keywords = {"n_experts": 3, "init": init, "warm_start": True}
        model = fit(REGRESSOR, X, NOISY, solver, **keywords)
        last = model.objective_curve_[-1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, NOISY)
        assert model.objective_curve_[0] == pytest.approx(last, rel=1e-9)
        assert_sound(model, X, NOISY)

    def test_keep_coefficients_of_the_size_of_y(self):
        X, y = load_diabetes(return_X_y=True)
        X, y = X[:150], y[:150]
        # Most other penalties leave all experts some mass.
        weak = {"alpha": 0.1, "gate_alpha": 0.1, "noise_prior": 0.0}
        model = fit(REGRESSOR, X, y, "em", n_experts=12, init="kmeans_xy", **weak)
        assert model.responsibilities(X, y).sum(axis=0).min() < 1e-8
        assert np.abs(model.predict_expert(X)).max() < 10 * np.abs(y).max()


@every_solver
@pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
@pytest.mark.parametrize("spread", [1e-12, 1e12])
def test_weights_of_wild_scales(estimator, solver, spread):
    y = NOISY if estimator is REGRESSOR else NOISY > 0
    weight = np.where(np.arange(N) % 2, 1.0, spread)
    model = fit(estimator, X, y, solver, sample_weight=weight)
    assert_sound(model, X, y)


def test_weights_that_leave_one_row_give_gradient_descent_no_step():
    X = np.array([[0, 0, 2], [0, -2, 1], [4, 3, -2]])
    y, weight = np.array([-3, 1, 2]), np.array([1e-94, 1e45, 1e-65])
    keywords = {"init": "regression_clustering", "l1_ratio": 0.5}
    model = fit(REGRESSOR, X, y, "gd", weight, **keywords)
    assert (np.diff(model.objective_curve_) <= 0).all()
    assert np.isfinite(model.predict_expert(X)).all()


@every_solver
def test_separable_classes_are_told_apart(solver):
    X, y = DATA["separable"]
    model = fit(CLASSIFIER, X, y > 0, solver)
    assert model.score(X, y > 0) > 0.95


@pytest.mark.parametrize(
    "seed, init", [(0, "short_runs"), (30, "random"), (33, "random")]
)
def test_unpenalised_classes_may_leave_no_curvature(seed, init):
    X = np.random.default_rng(seed).standard_normal((60, 3))
    y = np.arange(60) == 59
    assert_sound(fit(CLASSIFIER, X, y, "em", init=init, **PENALTIES["none"]), X, y)


@pytest.mark.parametrize("solver", ["em", "md"])
def test_noise_free_lines_are_found(solver):
    model = fit(REGRESSOR, X, Y, solver, alpha=0.0, gate_alpha=1e-6)
    order = np.argsort(model.coef_[:, 0])
    np.testing.assert_allclose(
        model.coef_[order], [[-3, -2, -1], [1, 2, 3]], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(model.noise_variance_, 1e-6 * Y.var(), rtol=1e-3)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_constant_column_gets_no_weight(kind):
    wide, y = DATA["constant column"]
    wide = sparse.csr_array(wide) if kind == "sparse" else wide
    model = fit(REGRESSOR, wide, y, "em", tol=1e-10)
    np.testing.assert_allclose(model.coef_[:, 3], 0, atol=1e-6)
    np.testing.assert_allclose(model.gate_coef_[:, 3], 0, atol=1e-6)


@pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
def test_constant_column_changes_no_prediction(estimator):
    y = NOISY if estimator is REGRESSOR else NOISY > 0
    start = (X[:, 0] > 0).astype(int)
    wide = np.column_stack([X, np.full(N, 7.0)])
    first = fit(estimator, X, y, "em", init=start)
    second = fit(estimator, wide, y, "em", init=start)
    np.testing.assert_allclose(
        second.predict_expert(wide), first.predict_expert(X), rtol=1e-8, atol=1e-10
    )


def test_constant_target_is_predicted():
    for value in (0.0, 3.0, -1e10):
        model = fit(REGRESSOR, X, np.full(N, value), "em")
        np.testing.assert_allclose(model.predict(X), value, rtol=1e-12)


@pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
def test_duplicated_columns_share_the_weight_of_one(estimator):
    y = NOISY if estimator is REGRESSOR else NOISY > 0
    start = (X[:, 0] > 0).astype(int)
    # Ridge on a weight shared by two is half of the ridge on one.
    once = fit(
        estimator, X, y, "em", init=start, tol=1e-13, alpha=0.01, gate_alpha=0.01
    )
    twice = fit(
        estimator,
        np.hstack([X, X]),
        y,
        "em",
        init=start,
        tol=1e-13,
        alpha=0.02,
        gate_alpha=0.02,
    )
    np.testing.assert_allclose(
        twice.coef_[:, :D], twice.coef_[:, D:], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(2 * twice.coef_[:, :D], once.coef_, rtol=1e-4, atol=1e-5)


@every_penalty
@pytest.mark.parametrize("solver", ["em", "md"])
@pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
def test_wild_scales_of_columns_change_no_unpenalised_prediction(
    estimator, solver, penalty
):
    y = NOISY if estimator is REGRESSOR else NOISY > 0
    start = (X[:, 0] > 0).astype(int)
    keywords = {**PENALTIES[penalty], "init": start}
    wild = fit(estimator, X * SCALES, y, solver, **keywords)
    if penalty == "none":
        plain = fit(estimator, X, y, solver, **keywords)
        np.testing.assert_allclose(
            wild.objective_curve_[-1], plain.objective_curve_[-1], atol=1e-5
        )
    else:
        # A column so small that the penalty silences it is as good as none.
        np.testing.assert_allclose(wild.coef_[:, 0] * SCALES[0], 0, atol=1e-6)


class TestStopsEarly:
    @every_solver
    @pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
    @pytest.mark.parametrize("case", ["separable", "noise-free", "collinear columns"])
    def test_warns_and_says_so(self, estimator, case, solver):
        X, y = DATA[case]
        y = y if estimator is REGRESSOR else y > 0
        model = estimator(
            solver=solver, init="random", max_iter=2, tol=0, random_state=0
        )
        with pytest.warns(
            ConvergenceWarning, match="max_iter=2.*Increase max_iter or tol"
        ):
            model.fit(X, y)
        assert model.converged_ is False
        assert model.n_iter_ == 2
        assert_sound(model, X, y)

    @pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
    @pytest.mark.parametrize("step_size", [1e3, 1e9, 1e300])
    def test_divergence_of_a_fixed_step_is_no_convergence(self, estimator, step_size):
        y = NOISY if estimator is REGRESSOR else NOISY > 0
        model = estimator(
            solver="gd", step_size=step_size, init="random", max_iter=50, random_state=0
        )
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y)
        assert model.converged_ is False
        assert np.isfinite(model.objective_curve_).all()
        assert np.isfinite(model.coef_).all()

    @pytest.mark.parametrize("estimator", [REGRESSOR, CLASSIFIER])
    @pytest.mark.parametrize("step_size", [0.05, 1.9, 1e6])
    def test_any_step_of_mirror_descent_descends(self, estimator, step_size):
        y = NOISY if estimator is REGRESSOR else NOISY > 0
        model = fit(estimator, X, y, "md", step_size=step_size, max_iter=20_000)
        assert_sound(model, X, y)
        best = fit(estimator, X, y, "em")
        assert model.objective_curve_[-1] < best.objective_curve_[-1] + 0.01


def test_weights_too_small_to_tell_from_zero_count_as_zero():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    y = np.abs(X[:, 0]) + 0.1 * rng.standard_normal(200)
    weight = np.ones(200)
    weight[:50] = 1e-320
    tiny = MixtureOfLinearExperts(random_state=0).fit(X, y, weight)
    without = MixtureOfLinearExperts(random_state=0).fit(X[50:], y[50:])
    assert tiny.objective_curve_[-1] == pytest.approx(without.objective_curve_[-1])


@pytest.mark.parametrize("experts", [None, []])
def test_kmeans_starts_a_gate_without_features(experts):
    rng = np.random.default_rng(0)
    X, z = rng.standard_normal((300, 2)), rng.choice([-1, 1], size=300)
    y = 5.0 * z + X[:, 0] * (experts is None) + 0.1 * rng.standard_normal(300)
    options = {"gate_features": [], "expert_features": experts, "random_state": 0}
    model = MixtureOfLinearExperts(init="kmeans", **options).fit(X, y)
    assert model.converged_ and np.isfinite(model.coef_).all()
    if experts is not None:  # clusters of y are then all there is to find
        best = MixtureOfLinearExperts(**options).fit(X, y).objective_curve_[-1]
        assert model.objective_curve_[-1] == pytest.approx(best, abs=1e-3)
