"""Statistical behaviour: recovery, weights, and what must leave predictions alone."""

from itertools import permutations

import numpy as np
import pytest
from scipy import special

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

SOLVERS = ["em", "md", "gd"]
ENOUGH = {"em": 1000, "md": 1000, "gd": 20_000}
LINEAR = {
    "coef_": np.array([[2.0, -1.0], [-1.5, 1.0]]),
    "intercept_": np.array([1.0, -1.0]),
    "gate_coef_": np.array([[1.0, 0.5], [-1.0, -0.5]]),
    "gate_intercept_": np.array([0.2, -0.2]),
    "noise_variance_": np.array([0.25, 1.0]),
}
TWO_OUTPUTS = {
    **LINEAR,
    "coef_": np.array([[[2.0, -1.0], [0.0, 1.0]], [[-1.5, 1.0], [1.0, 1.0]]]),
    "intercept_": np.array([[1.0, 0.0], [-1.0, 2.0]]),
    "noise_variance_": np.array([[0.25, 1.0], [1.0, 0.5]]),
}
LOGISTIC = {
    "coef_": np.array([[6.0, -3.0], [-4.0, 6.0]]),
    "intercept_": np.array([2.0, -2.0]),
    "gate_coef_": np.array([[2.0, 2.0], [-2.0, -2.0]]),
    "gate_intercept_": np.array([0.5, -0.5]),
}
THREE_CLASSES = {
    **LOGISTIC,
    "coef_": 3
    * np.array([[[1.0, -1], [0, 2], [-1, -1]], [[-1.0, 0], [-1, -1], [2, 1]]]),
    "intercept_": np.array([[1.0, 0, -1], [0, -1, 1.0]]),
}
SYMMETRIC = {
    "coef_": np.array([[2.0, -1.0], [-2.0, 1.0]]),
    "intercept_": np.zeros(2),
    "gate_coef_": np.array([[0.3, 1.0], [-0.3, -1.0]]),
    "gate_intercept_": np.zeros(2),
}
SYMMETRIC_LINEAR = {**SYMMETRIC, "noise_variance_": np.array([0.5, 0.5])}
SYMMETRIC_INTERCEPT = {
    **SYMMETRIC_LINEAR,
    "intercept_": np.array([1.0, -1.0]),
    # z and x'beta + 1 go together, so that the mean of y is not 0.
    "gate_coef_": np.array([[1.0, 0.3], [-1.0, -0.3]]),
    "gate_intercept_": np.array([0.4, -0.4]),
}
SYMMETRIC_LOGISTIC = {
    **SYMMETRIC,
    "coef_": np.array([[3.0, -3.0], [-3.0, 3.0]]),
    "gate_coef_": np.array([[1.0, 1.0], [-1.0, -1.0]]),
}
TRUTHS = {
    "linear": (MixtureOfLinearExperts, {}, LINEAR),
    "linear, two outputs": (MixtureOfLinearExperts, {}, TWO_OUTPUTS),
    "linear, symmetric": (
        MixtureOfLinearExperts,
        {"symmetric": True},
        SYMMETRIC_LINEAR,
    ),
    "linear, symmetric with intercept": (
        MixtureOfLinearExperts,
        {"symmetric": True, "fit_intercept": True},
        SYMMETRIC_INTERCEPT,
    ),
    "logistic": (MixtureOfLogisticExperts, {}, LOGISTIC),
    "logistic, three classes": (MixtureOfLogisticExperts, {}, THREE_CLASSES),
    "logistic, symmetric": (
        MixtureOfLogisticExperts,
        {"symmetric": True},
        SYMMETRIC_LOGISTIC,
    ),
}


def softmax(logits):
    return special.softmax(logits, axis=-1)


def draw_rows(probability, rng):
    """One category for each row of probabilities (n, C)."""
    return (rng.uniform(size=(len(probability), 1)) > probability.cumsum(axis=1)).sum(1)


def draw(truth, n, seed):
    """X and y of the true mixture."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    gate = softmax(X @ truth["gate_coef_"].T + truth["gate_intercept_"])
    z = draw_rows(gate, rng)
    predictor = (
        np.einsum("n...d,nd->n...", truth["coef_"][z], X) + truth["intercept_"][z]
    )
    if "noise_variance_" in truth:
        noise = rng.standard_normal(predictor.shape)
        return X, predictor + np.sqrt(truth["noise_variance_"][z]) * noise
    if predictor.ndim == 1:
        return X, (rng.uniform(size=n) < special.expit(predictor)).astype(int)
    return X, draw_rows(softmax(predictor), rng)


def distance(model, truth):
    """Root mean square error of the attributes, experts matched."""

    def error(order, found):
        parts = [np.ravel(found[name][list(order)] - truth[name]) for name in truth]
        return np.sqrt(np.mean(np.concatenate(parts) ** 2))

    candidates = [{name: getattr(model, name) for name in truth}]
    if model.symmetric and "noise_variance_" not in truth:
        # P(y=1 | x) = (1 + tanh(x'w/2) tanh(x'beta/2)) / 2: the roles may be swapped.
        gate = 2 * candidates[0]["gate_coef_"], candidates[0]["coef_"] / 2
        candidates.append({**candidates[0], "coef_": gate[0], "gate_coef_": gate[1]})
    k = model.gate_coef_.shape[0]
    return min(error(o, found) for o in permutations(range(k)) for found in candidates)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", TRUTHS)
def test_parameters_are_recovered_ever_better(kind):
    estimator, keywords, truth = TRUTHS[kind]
    model = estimator(random_state=0, alpha=1e-6, gate_alpha=1e-6, **keywords)
    few, many = (
        [distance(model.fit(*draw(truth, n, seed)), truth) for seed in range(3)]
        for n in (1000, 16_000)
    )
    # The square root law says 0.25.
    assert np.mean(many) < 0.5 * np.mean(few)
    scale = np.sqrt(np.mean(np.concatenate([v.ravel() for v in truth.values()]) ** 2))
    assert max(many) < 0.1 * scale


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_every_solver_recovers_the_parameters(kind, solver):
    estimator, keywords, truth = TRUTHS[kind]
    model = estimator(solver=solver, random_state=0, max_iter=ENOUGH[solver])
    model.set_params(alpha=1e-6, gate_alpha=1e-6)
    X, y = draw(truth, 8000, 0)
    scale = np.sqrt(np.mean(np.concatenate([v.ravel() for v in truth.values()]) ** 2))
    assert distance(model.fit(X, y), truth) < 0.1 * scale


def test_three_experts_are_recovered():
    truth = {
        "coef_": np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, -2.0]]),
        "intercept_": np.array([3.0, 0.0, -3.0]),
        "gate_coef_": np.array([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]]),
        "gate_intercept_": np.array([0.0, 0.5, -0.5]),
        "noise_variance_": np.array([0.1, 0.2, 0.3]),
    }
    model = MixtureOfLinearExperts(3, alpha=1e-6, gate_alpha=1e-6, random_state=0)
    assert distance(model.fit(*draw(truth, 10_000, 0)), truth) < 0.1


def test_bic_finds_the_number_of_experts():
    X, y = draw(LINEAR, 2000, 0)
    bics = [
        MixtureOfLinearExperts(k, random_state=0, max_iter=5000).fit(X, y).bic(X, y)
        for k in (1, 2, 3)
    ]
    assert np.argmin(bics) == 1


def fitted_values(model, X, y):
    """Everything a user may look at, by name."""
    names = ("coef_", "intercept_", "gate_coef_", "gate_intercept_", "noise_variance_")
    values = {name: getattr(model, name) for name in names if hasattr(model, name)}
    values["objective"] = model.objective_curve_[-1]
    values["expert"] = model.predict_expert(X)
    values["gate"] = model.gate_proba(X)
    values["score"] = model.score_samples(X, y)
    return values


def assert_same_fit(first, second, X, y, rtol=1e-7):
    """Same attributes and predictions, up to rounding."""
    values = fitted_values(first, X, y)
    for name, expected in fitted_values(second, X, y).items():
        np.testing.assert_allclose(
            values[name],
            expected,
            rtol=rtol,
            atol=rtol * np.abs(expected).max(),
            err_msg=name,
        )


SMALL = {kind: draw(TRUTHS[kind][2], 120, 7) for kind in TRUTHS}
every_truth = pytest.mark.parametrize("kind", TRUTHS)
TWO_KINDS = ["linear", "logistic"]
every_truth_and_solver = pytest.mark.parametrize(
    "kind, solver",
    [
        *((kind, "em") for kind in TRUTHS),
        *((kind, solver) for kind in TWO_KINDS for solver in ("md", "gd")),
    ],
)
every_solver = pytest.mark.parametrize("solver", SOLVERS)


def build(kind, solver="em", **kwargs):
    """Unfitted estimator of a kind."""
    estimator, keywords, _ = TRUTHS[kind]
    keywords = {"solver": solver, "max_iter": ENOUGH[solver], **keywords, **kwargs}
    return estimator(**{"random_state": 0, **keywords})


def fit(kind, X, y, sample_weight=None, **kwargs):
    """Fitted estimator of a kind."""
    return build(kind, **kwargs).fit(X, y, sample_weight=sample_weight)


def penalties(kind, factor):
    """Penalties times a factor, without a prior, which learns from how many rows."""
    options = {"alpha": factor, "gate_alpha": factor}
    return options | ({} if kind.startswith("logistic") else {"noise_prior": 0.0})


class TestWeights:
    @every_truth_and_solver
    def test_integers_equal_repeated_rows(self, kind, solver):
        X, y = SMALL[kind]
        weight = np.random.default_rng(0).integers(1, 4, len(X))
        rows = np.repeat(np.arange(len(X)), weight)
        weighted = fit(kind, X, y, weight, solver=solver)
        repeated = fit(kind, X[rows], y[rows], solver=solver)
        assert_same_fit(weighted, repeated, X, y)

    @every_solver
    @pytest.mark.parametrize("kind", TWO_KINDS)
    def test_integers_equal_shuffled_repeated_rows(self, kind, solver):
        X, y = SMALL[kind]
        rng = np.random.default_rng(0)
        weight = rng.integers(1, 4, len(X))
        rows = rng.permutation(np.repeat(np.arange(len(X)), weight))
        weighted = fit(kind, X, y, weight, solver=solver)
        repeated = fit(kind, X[rows], y[rows], solver=solver)
        assert_same_fit(weighted, repeated, X, y)

    # Few rows that repeat to many, and rows enough to start from a sample of them.
    @pytest.mark.sampled(2)
    @pytest.mark.parametrize("n, most", [(900, 4), (1500, 3), (2500, 2)])
    @pytest.mark.parametrize("kind", TWO_KINDS)
    def test_integers_equal_repeated_rows_at_any_size(self, kind, n, most):
        weight = np.random.default_rng(0).integers(1, most + 1, n)
        rows = np.repeat(np.arange(n), weight)
        for seed in range(2):
            X, y = draw(TRUTHS[kind][2], n, seed)
            weighted = fit(kind, X, y, weight)
            repeated = fit(kind, X[rows], y[rows])
            assert_same_fit(weighted, repeated, X, y)

    @pytest.mark.sampled(3)
    @every_truth_and_solver
    def test_zero_equals_a_row_left_out(self, kind, solver):
        X, y = SMALL[kind]
        weight = np.random.default_rng(1).integers(0, 2, len(X)).astype(float)
        kept = weight > 0
        zeroed = fit(kind, X, y, weight, solver=solver)
        left_out = fit(kind, X[kept], y[kept], solver=solver)
        assert_same_fit(zeroed, left_out, X, y)

    @pytest.mark.parametrize("kind", TWO_KINDS)
    def test_a_row_of_weight_zero_may_be_anything(self, kind):
        X, y = SMALL[kind]
        far = np.vstack([X, [[1e6, -1e6]]])
        weight = np.append(np.ones(len(X)), 0.0)
        model = fit(kind, far, np.append(y, y[0]), weight)
        assert_same_fit(model, fit(kind, X, y), X, y)

    @pytest.mark.sampled(5)
    @pytest.mark.parametrize(
        "kind, solver, factor",
        [
            *((kind, "em", 7.3) for kind in TRUTHS),
            *((kind, solver, 1e9) for kind in TWO_KINDS for solver in SOLVERS),
            *((kind, "em", 1e-6) for kind in TWO_KINDS),
        ],
    )
    @pytest.mark.filterwarnings("ignore:The model has .* rows")
    def test_scaling_weights_and_penalties_changes_nothing(self, kind, solver, factor):
        """Weights count as rows beside penalties, which are totals."""
        X, y = SMALL[kind]
        weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
        first = fit(kind, X, y, weight, solver=solver, **penalties(kind, 1.0))
        second = fit(
            kind, X, y, factor * weight, solver=solver, **penalties(kind, factor)
        )
        assert_same_fit(first, second, X, y)

    @pytest.mark.sampled(2)
    @every_truth
    def test_equal_weights_are_as_less_penalty(self, kind):
        X, y = SMALL[kind]
        first = fit(kind, X, y, **penalties(kind, 1.0))
        second = fit(kind, X, y, np.full(len(X), 3.0), **penalties(kind, 3.0))
        assert_same_fit(first, second, X, y)


# A model without intercepts sees no shift; penalties see scales.
SHIFTABLE = ["linear", "linear, two outputs", "logistic", "logistic, three classes"]
UNPENALISED = {"alpha": 0.0, "gate_alpha": 0.0, "tol": 1e-8}


class TestInvariance:
    @pytest.mark.parametrize("kind", SHIFTABLE)
    def test_shifted_and_scaled_features_predict_the_same(self, kind):
        X, y = draw(TRUTHS[kind][2], 1500, 0)
        X_new = X * [3.0, 0.01] + [-50.0, 2.0]
        first = fit(kind, X, y, **UNPENALISED)
        second = fit(kind, X_new, y, **UNPENALISED)
        np.testing.assert_allclose(
            second.predict_expert(X_new), first.predict_expert(X), rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            second.gate_proba(X_new), first.gate_proba(X), rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            second.score_samples(X_new, y),
            first.score_samples(X, y),
            rtol=1e-4,
            atol=1e-4,
        )
        np.testing.assert_allclose(
            second.coef_ * [3.0, 0.01], first.coef_, rtol=1e-3, atol=1e-3
        )

    @pytest.mark.parametrize("kind", TRUTHS)
    def test_scaled_features_predict_the_same_without_intercept(self, kind):
        X, y = draw(TRUTHS[kind][2], 1500, 0)
        X_new = X * [3.0, 0.01]
        first = fit(kind, X, y, fit_intercept=False, **UNPENALISED)
        second = fit(kind, X_new, y, fit_intercept=False, **UNPENALISED)
        np.testing.assert_allclose(
            second.predict_expert(X_new), first.predict_expert(X), rtol=1e-4, atol=1e-4
        )

    @pytest.mark.parametrize("kind", SHIFTABLE)
    def test_from_a_given_start_shifted_features_give_the_same_descent(self, kind):
        X, y = draw(TRUTHS[kind][2], 500, 0)
        start = (X[:, 0] > 0).astype(int)
        X_new = X * [3.0, 0.01] + [-50.0, 2.0]
        first = fit(kind, X, y, init=start, alpha=0.0, gate_alpha=0.0)
        second = fit(kind, X_new, y, init=start, alpha=0.0, gate_alpha=0.0)
        np.testing.assert_allclose(
            first.objective_curve_, second.objective_curve_, rtol=1e-8
        )

    @pytest.mark.parametrize(
        "scale, shift, solver, alpha",
        [
            (1e-6, 0.0, "em", 0.1),
            (100.0, 0.0, "em", 0.1),
            (10.0, -500.0, "em", 0.1),
            (10.0, -500.0, "em", 0.0),
            (10.0, -500.0, "md", 0.1),
            (10.0, -500.0, "gd", 0.1),
        ],
    )
    def test_shifted_and_scaled_targets_move_predictions_along(
        self, scale, shift, solver, alpha
    ):
        X, y = SMALL["linear"]
        first = fit("linear", X, y, solver=solver, alpha=alpha)
        y_new = scale * y + shift
        second = fit("linear", X, y_new, solver=solver, alpha=alpha)
        mean, std = first.predict(X, return_std=True)
        mean_new, std_new = second.predict(X, return_std=True)
        np.testing.assert_allclose(
            (mean_new - shift) / scale, mean, rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(std_new / scale, std, rtol=1e-5)
        np.testing.assert_allclose(second.gate_proba(X), first.gate_proba(X), rtol=1e-5)
        np.testing.assert_allclose(
            second.coef_ / scale, first.coef_, rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            second.noise_variance_ / scale**2, first.noise_variance_, rtol=1e-5
        )
        # The prior's rows are densities in units of y too, without their constants.
        prior_rows = first.noise_prior * first.n_experts / len(X)
        np.testing.assert_allclose(
            second.objective_curve_[-1],
            first.objective_curve_[-1] + (1 + prior_rows) * np.log(scale),
            atol=1e-7,
        )

    @pytest.mark.parametrize("kind", ["linear, symmetric", "linear, two outputs"])
    def test_scaled_targets_scale_predictions(self, kind):
        X, y = SMALL[kind]
        first = fit(kind, X, y, alpha=0.05)
        second = fit(kind, X, 30 * y, alpha=0.05)
        np.testing.assert_allclose(second.coef_ / 30, first.coef_, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            second.predict(X) / 30, first.predict(X), rtol=1e-6, atol=1e-6
        )

    def test_outputs_may_have_scales_of_their_own(self):
        X, y = SMALL["linear, two outputs"]
        scale = np.array([1e-3, 50.0])
        first = fit(
            "linear, two outputs", X, y, alpha=0.05, init=(X[:, 0] > 0).astype(int)
        )
        second = build(
            "linear, two outputs", alpha=0.05, init=(X[:, 0] > 0).astype(int)
        )
        second.fit(X, y * scale)
        np.testing.assert_allclose(
            second.predict(X) / scale, first.predict(X), rtol=1e-6
        )

    @pytest.mark.parametrize(
        "kind, n",
        [*((kind, 150) for kind in TRUTHS), ("linear", 2500), ("logistic", 2500)],
    )
    def test_order_of_rows_does_not_matter(self, kind, n):
        X, y = draw(TRUTHS[kind][2], n, 5)
        rows = np.random.default_rng(0).permutation(n)
        first, second = fit(kind, X, y), fit(kind, X[rows], y[rows])
        assert_same_fit(first, second, X, y, rtol=1e-6)

    @every_solver
    @pytest.mark.parametrize("kind", TWO_KINDS)
    def test_order_of_rows_does_not_matter_to_any_solver(self, kind, solver):
        X, y = SMALL[kind]
        rows = np.random.default_rng(1).permutation(len(X))
        first = fit(kind, X, y, solver=solver)
        second = fit(kind, X[rows], y[rows], solver=solver)
        assert_same_fit(first, second, X, y)

    @pytest.mark.parametrize("kind", TWO_KINDS)
    def test_order_of_rows_does_not_matter_to_a_given_start(self, kind):
        X, y = SMALL[kind]
        start = (X[:, 0] > 0).astype(int)
        rows = np.random.default_rng(1).permutation(len(X))
        first = fit(kind, X, y, init=start)
        second = fit(kind, X[rows], y[rows], init=start[rows])
        assert_same_fit(first, second, X, y, rtol=1e-6)

    @pytest.mark.parametrize("kind", ["logistic", "logistic, three classes"])
    def test_renamed_classes_permute_the_probabilities(self, kind):
        X, y = SMALL[kind]
        start = (X[:, 0] > 0).astype(int)
        first = fit(kind, X, y, init=start, tol=1e-10)
        second = fit(kind, X, y.max() - y, init=start, tol=1e-10)
        np.testing.assert_allclose(
            second.predict_proba(X)[:, ::-1],
            first.predict_proba(X),
            rtol=1e-5,
            atol=1e-7,
        )
