"""What a fitted estimator offers: attributes, predictions, densities, starts."""

import functools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, sparse, special, stats
from sklearn.compose import make_column_selector
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.linear_model import LogisticRegression, Ridge

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe._restarts import start_rngs

N, D = 300, 3
SOLVERS = ["em", "md", "gd"]
STARTS = ["short_runs", "kmeans", "kmeans_xy", "regression_clustering", "random"]
ENOUGH = {"em": 1000, "md": 1000, "gd": 20_000}


def make_data(n=N, d=D, seed=0):
    """X and y of two linear experts that the first feature tells apart."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    z = rng.uniform(size=n) < special.expit(3 * X[:, 0])
    slope = np.arange(1, d + 1)
    mean = np.where(z, 1 + X @ slope, -1 - X @ slope[::-1])
    return X, mean + 0.5 * rng.standard_normal(n)


X, Y = make_data()
Y2 = np.column_stack([Y, X[:, 0] - 2 * Y + np.sin(5 * X[:, 1])])
BINARY = (Y > np.median(Y)).astype(int)
TERNARY = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
LEFT = (X[:, 0] < 0).astype(int)

# Estimator, keywords, y: one of each kind.
KINDS = {
    "one output": (MixtureOfLinearExperts, {}, Y),
    "column y": (MixtureOfLinearExperts, {}, Y[:, None]),
    "two outputs": (MixtureOfLinearExperts, {}, Y2),
    "shared noise": (MixtureOfLinearExperts, {"noise": "shared"}, Y),
    "symmetric linear": (MixtureOfLinearExperts, {"symmetric": True}, Y),
    "symmetric two outputs": (MixtureOfLinearExperts, {"symmetric": True}, Y2),
    "binary": (MixtureOfLogisticExperts, {}, BINARY),
    "three classes": (MixtureOfLogisticExperts, {}, TERNARY),
    "symmetric logistic": (MixtureOfLogisticExperts, {"symmetric": True}, BINARY),
    "three experts": (MixtureOfLinearExperts, {"n_experts": 3}, Y),
    "three logistic experts": (MixtureOfLogisticExperts, {"n_experts": 3}, TERNARY),
}
SOME_KINDS = ["two outputs", "symmetric linear", "binary", "three logistic experts"]
every_kind = pytest.mark.parametrize("kind", KINDS)
FITTED = ("coef_", "intercept_", "gate_coef_", "gate_intercept_", "noise_variance_")


def build(kind, **kwargs):
    """Unfitted estimator of a kind, with a quick start, and its y."""
    estimator, keywords, y = KINDS[kind]
    quick = {"random_state": 0, "init": "random"}
    return estimator(**{**quick, **keywords, **kwargs}), y


def fit(kind, **kwargs):
    """Fitted estimator of a kind, and its y."""
    estimator, y = build(kind, **kwargs)
    return estimator.fit(X, y), y


@functools.cache
def fitted(kind):
    """As `fit` with the default start; shared, so not to be changed."""
    return fit(kind, init="short_runs")


def expert_means(model, X):
    """Means of linear experts from the attributes, (n, K, m)."""
    coef = model.coef_.reshape(model.coef_.shape[0], -1, model.coef_.shape[-1])
    intercept = model.intercept_.reshape(coef.shape[:2])
    return np.einsum("nd,kmd->nkm", X, coef) + intercept


def expert_class_log_probabilities(model, X):
    """Class log-probabilities of logistic experts from the attributes, (n, K, C)."""
    if model.coef_.ndim == 2:
        logits = X @ model.coef_.T + model.intercept_
        return np.stack(
            [special.log_expit(-logits), special.log_expit(logits)], axis=-1
        )
    logits = np.einsum("nd,kcd->nkc", X, model.coef_) + model.intercept_
    return special.log_softmax(logits, axis=2)


def gate_probabilities(model, X):
    """Gate probabilities from the attributes, (n, K)."""
    return special.softmax(X @ model.gate_coef_.T + model.gate_intercept_, axis=1)


def expert_log_densities(model, X, y):
    """Log-density of y under each expert from the attributes, (n, K)."""
    if hasattr(model, "classes_"):
        codes = np.searchsorted(model.classes_, y)
        rows = np.arange(len(y))
        return expert_class_log_probabilities(model, X)[rows, :, codes]
    mean = expert_means(model, X)
    std = np.sqrt(model.noise_variance_.reshape(mean.shape[1:]))
    y = y.reshape(len(y), 1, -1)
    return stats.norm.logpdf(y, mean, std).sum(axis=2)


def log_densities(model, X, y):
    """log p(y | x) from the attributes, (n,)."""
    gate = gate_probabilities(model, X)
    return special.logsumexp(expert_log_densities(model, X, y), b=gate, axis=1)


class TestFittedAttributes:
    @pytest.mark.sampled(3)
    @pytest.mark.parametrize(
        "kind, coef, intercept",
        [
            ("one output", (2, D), (2,)),
            ("column y", (2, 1, D), (2, 1)),
            ("two outputs", (2, 2, D), (2, 2)),
            ("shared noise", (2, D), (2,)),
            ("symmetric linear", (2, D), (2,)),
            ("symmetric two outputs", (2, 2, D), (2, 2)),
            ("binary", (2, D), (2,)),
            ("three classes", (2, 3, D), (2, 3)),
            ("symmetric logistic", (2, D), (2,)),
            ("three experts", (3, D), (3,)),
            ("three logistic experts", (3, 3, D), (3, 3)),
        ],
    )
    def test_have_the_documented_shapes(self, kind, coef, intercept):
        model, _ = fitted(kind)
        assert model.coef_.shape == coef
        assert model.intercept_.shape == intercept
        assert model.gate_coef_.shape == (coef[0], D)
        assert model.gate_intercept_.shape == (coef[0],)
        if isinstance(model, MixtureOfLinearExperts):
            assert model.noise_variance_.shape == intercept
            assert (model.noise_variance_ > 0).all()
            assert not hasattr(model, "classes_")
        else:
            assert not hasattr(model, "noise_variance_")

    @every_kind
    def test_are_finite_float64(self, kind):
        model, _ = fitted(kind)
        for name in FITTED:
            if hasattr(model, name):
                value = getattr(model, name)
                assert value.dtype == np.float64, name
                assert np.isfinite(value).all(), name

    @every_kind
    def test_tell_how_the_descent_went(self, kind):
        model, _ = fitted(kind)
        assert isinstance(model.n_iter_, int)
        assert model.converged_ is True
        assert model.objective_curve_.dtype == np.float64
        assert model.objective_curve_.shape == (model.n_iter_ + 1,)
        rises = np.diff(model.objective_curve_)
        assert (rises <= 1e-12 * max(1, abs(model.objective_curve_[-1]))).all()

    def test_include_what_scikit_learn_expects(self):
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        model = MixtureOfLinearExperts(random_state=0).fit(frame, Y)
        assert model.n_features_in_ == D
        assert model.feature_names_in_.tolist() == ["a", "b", "c"]
        assert not hasattr(model.fit(X, Y), "feature_names_in_")

    @every_kind
    def test_gate_coefficients_sum_to_zero_over_experts(self, kind):
        model, _ = fitted(kind)
        for value in (model.gate_coef_, model.gate_intercept_):
            atol = 1e-12 * np.abs(value).max()
            np.testing.assert_allclose(value.sum(axis=0), 0, atol=atol)

    @pytest.mark.parametrize("kind", ["three classes", "three logistic experts"])
    def test_class_coefficients_sum_to_zero_over_classes(self, kind):
        model, _ = fitted(kind)
        for value in (model.coef_, model.intercept_):
            atol = 1e-12 * np.abs(value).max()
            np.testing.assert_allclose(value.sum(axis=1), 0, atol=atol)

    # Gradient descent is slow where the noise of an expert goes to its least.
    @pytest.mark.sampled(3)
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("kind", ["one output", "binary", "three experts"])
    def test_experts_come_in_order_of_decreasing_mass(self, kind, solver):
        for seed in range(2):
            model, y = fit(
                kind, solver=solver, max_iter=ENOUGH[solver], random_state=seed
            )
            assert (np.diff(model.responsibilities(X, y).sum(axis=0)) <= 1e-9).all()

    @pytest.mark.parametrize("kind", SOME_KINDS)
    @pytest.mark.parametrize("init", ["short_runs", "random"])
    def test_are_the_same_bits_for_the_same_seed(self, kind, init):
        first, _ = fit(kind, init=init, random_state=3)
        second, _ = fit(kind, init=init, random_state=3)
        for name in (*FITTED, "objective_curve_"):
            if hasattr(first, name):
                np.testing.assert_array_equal(
                    getattr(first, name), getattr(second, name)
                )


class TestShapeOfY:
    def test_column_of_y_gives_the_same_model_as_flat_y(self):
        flat, _ = fitted("one output")
        column, _ = fitted("column y")
        for name in ("coef_", "intercept_", "noise_variance_"):
            np.testing.assert_array_equal(
                getattr(column, name)[:, 0], getattr(flat, name)
            )
        np.testing.assert_array_equal(column.predict(X)[:, 0], flat.predict(X))

    def test_classifier_takes_a_column_of_labels_with_a_warning(self):
        with pytest.warns(DataConversionWarning):
            column = MixtureOfLogisticExperts(random_state=0).fit(X, BINARY[:, None])
        np.testing.assert_array_equal(column.coef_, fitted("binary")[0].coef_)

    @pytest.mark.sampled(2)
    @pytest.mark.parametrize(
        "y, labels",
        [
            (BINARY, np.array(["cat", "dog"])),
            (TERNARY, np.array(["cat", "dog", "emu"])),
            (BINARY, np.array(["cat", "dog"], dtype=object)),
            (TERNARY, np.array(["cat", "dog", "emu"], dtype=object)),
            (BINARY, np.array([-1, 4])),
            (TERNARY, np.array([-1, 4, 7], dtype=np.int8)),
            (TERNARY, np.array([0.0, 1.0, 2.0])),
            (BINARY, np.array([False, True])),
        ],
        ids=lambda value: str(value.dtype),
    )
    def test_classifier_takes_labels_of_any_dtype(self, y, labels):
        plain = MixtureOfLogisticExperts(random_state=0).fit(X, y)
        model = MixtureOfLogisticExperts(random_state=0).fit(X, labels[y])
        assert model.classes_.dtype == labels.dtype
        np.testing.assert_array_equal(model.classes_, labels[np.unique(y)])
        np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
        for given in (labels[y], labels[y].tolist()):
            np.testing.assert_array_equal(
                model.score_samples(X, given), plain.score_samples(X, y)
            )
        assert model.predict(X).dtype == labels.dtype
        np.testing.assert_array_equal(model.predict(X), labels[plain.predict(X)])
        drawn = model.sample(X, 3, random_state=0)
        assert drawn.dtype == labels.dtype
        assert set(np.unique(drawn)) <= set(model.classes_)


class TestPrecision:
    @every_kind
    def test_float32_in_gives_float32_out(self, kind):
        estimator, y = build(kind)
        model = estimator.fit(X.astype(np.float32), y)
        for name in FITTED:
            if hasattr(model, name):
                assert getattr(model, name).dtype == np.float32, name
        X32 = X.astype(np.float32)
        if isinstance(model, MixtureOfLinearExperts):
            outputs = [*model.predict(X32, return_std=True)]
        else:
            outputs = [model.predict_proba(X32), model.predict_log_proba(X32)]
        outputs += [model.gate_proba(X32), model.predict_expert(X32)]
        for output in outputs:
            assert output.dtype == np.float32

    @every_kind
    def test_float32_agrees_with_float64(self, kind):
        estimator, y = build(kind, init=LEFT, n_experts=2)
        X32 = X.astype(np.float32)
        first = estimator.fit(X32.astype(np.float64), y)
        expected, gate = first.coef_, first.gate_proba(X)
        second = estimator.fit(X32, y)
        np.testing.assert_allclose(second.coef_, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(second.gate_proba(X32), gate, rtol=1e-4, atol=1e-4)

    def test_integers_are_taken_as_float64(self):
        model = MixtureOfLinearExperts(random_state=0).fit((10 * X).astype(int), Y)
        assert model.coef_.dtype == np.float64


OTHER_FORMATS = [sparse.csc_array, sparse.csc_matrix, sparse.csr_matrix]


def sparse_rows(n, d, density):
    """Random CSR rows; SciPy 1.11 has no `random_array`."""
    rng = np.random.default_rng(0)
    return sparse.csr_array(sparse.random(n, d, density, "csr", random_state=rng))


class TestSparse:
    @staticmethod
    def sparsified(density=0.4):
        rng = np.random.default_rng(0)
        return X * (rng.uniform(size=X.shape) < density)

    @pytest.mark.sampled(6)
    @pytest.mark.parametrize(
        "kind, make",
        [
            *((kind, sparse.csr_array) for kind in KINDS),
            *(("one output", make) for make in OTHER_FORMATS),
            *(("three classes", make) for make in OTHER_FORMATS),
        ],
    )
    def test_gives_what_dense_gives(self, kind, make):
        dense = self.sparsified()
        init = np.where(np.eye(2)[LEFT] > 0, 0.9, 0.1)
        estimator, y = build(kind, init=init, n_experts=2, tol=1e-14, max_iter=5000)
        expected = estimator.fit(dense, y)
        attributes = {n: getattr(expected, n) for n in FITTED if hasattr(expected, n)}
        predicted = expected.predict_expert(dense)
        scores = expected.score_samples(dense, y)
        model = estimator.fit(make(dense), y)
        for name, value in attributes.items():
            np.testing.assert_allclose(
                getattr(model, name), value, rtol=1e-6, atol=1e-6, err_msg=name
            )
        np.testing.assert_allclose(
            model.predict_expert(make(dense)), predicted, rtol=1e-6, atol=1e-6
        )
        np.testing.assert_allclose(
            model.score_samples(make(dense), y), scores, rtol=1e-6
        )
        assert model.predict(make(dense)).shape == y.shape

    @pytest.mark.sampled(2)
    @pytest.mark.parametrize("kind", ["one output", "binary"])
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_gives_what_dense_gives_from_the_default_start(self, kind, solver):
        dense = X.copy()
        dense[np.abs(dense) < 0.1] = 0
        estimator, y = build(
            kind, solver=solver, init="short_runs", tol=1e-12, max_iter=ENOUGH[solver]
        )
        expected = estimator.fit(dense, y).predict_expert(dense)
        model = estimator.fit(sparse.csr_array(dense), y)
        np.testing.assert_allclose(
            model.predict_expert(dense), expected, rtol=1e-4, atol=1e-5
        )

    @pytest.mark.parametrize("kind", ["one output", "three classes"])
    def test_column_selections_work(self, kind):
        dense = self.sparsified()
        selection = {"gate_features": [0], "expert_features": [2, 1]}
        estimator, y = build(kind, init=LEFT, tol=1e-14, max_iter=5000, **selection)
        expected = estimator.fit(dense, y).predict_expert(dense)
        model = estimator.fit(sparse.csr_array(dense), y)
        assert model.gate_coef_.shape == (2, 1)
        np.testing.assert_allclose(
            model.predict_expert(sparse.csc_array(dense)),
            expected,
            rtol=1e-6,
            atol=1e-6,
        )

    @pytest.mark.parametrize(
        "kind, solver, init",
        [
            *(("one output", "em", init) for init in STARTS),
            *(("three classes", solver, "random") for solver in SOLVERS),
            ("two outputs", "md", "random"),
            ("binary", "gd", "short_runs"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Stopped after", "ignore:The model has")
    def test_is_never_made_dense(self, kind, solver, init, monkeypatch):
        n = 40
        wide = sparse_rows(n, 260, 0.02)
        forbid_dense_copies(monkeypatch, wide.shape)
        estimator, y = build(kind, solver=solver, init=init, max_iter=2, alpha=0.1)
        model = estimator.fit(wide, y[:n])
        model.predict(wide)
        model.score_samples(wide, y[:n])
        model.sample(wide)

    @pytest.mark.filterwarnings("ignore:The model has")
    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_wide_matrix_fits_in_little_memory(self, kind):
        n, d = 200, 50_000
        wide = sparse_rows(n, d, 5e-4)
        start = np.arange(n) % 2
        options = {"alpha": 20.0, "gate_alpha": 20.0, "max_iter": 2}
        estimator, y = build(kind, init=start, **options)
        tracemalloc.start()
        with pytest.warns(ConvergenceWarning):
            model = estimator.fit(wide, y[:n])
        model.predict(wide)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert np.isfinite(model.predict_expert(wide)).all()
        assert peak < 0.5 * 8 * n * d


def forbid_dense_copies(monkeypatch, shape):
    """Make scipy refuse a dense copy of any sparse array of this shape."""
    for cls in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        for method in ("toarray", "todense"):
            original = getattr(cls, method)

            def refuse(self, *args, _original=original, **kwargs):
                assert self.shape not in (shape, shape[::-1]), "X was made dense"
                return _original(self, *args, **kwargs)

            monkeypatch.setattr(cls, method, refuse)


class TestPredictions:
    @every_kind
    def test_shapes(self, kind):
        model, y = fitted(kind)
        k = model.coef_.shape[0]
        assert model.gate_proba(X).shape == (N, k)
        assert model.responsibilities(X, y).shape == (N, k)
        assert model.score_samples(X, y).shape == (N,)
        assert model.predict(X).shape == y.shape
        if isinstance(model, MixtureOfLinearExperts):
            assert model.predict_expert(X).shape == (N, k) + y.shape[1:]
            mean, std = model.predict(X, return_std=True)
            assert mean.shape == std.shape == y.shape
        else:
            n_classes = model.classes_.shape[0]
            assert model.predict_expert(X).shape == (N, k, n_classes)
            assert model.predict_proba(X).shape == (N, n_classes)
            assert model.predict_log_proba(X).shape == (N, n_classes)

    @every_kind
    def test_prediction_is_the_gated_sum_of_the_experts(self, kind):
        model, y = fitted(kind)
        experts = model.predict_expert(X).reshape(N, model.coef_.shape[0], -1)
        expected = np.einsum("nk,nkm->nm", model.gate_proba(X), experts)
        if isinstance(model, MixtureOfLinearExperts):
            np.testing.assert_allclose(
                model.predict(X), expected.reshape(y.shape), rtol=1e-12, atol=1e-12
            )
        else:
            np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-10)
            np.testing.assert_array_equal(
                model.predict(X), model.classes_[expected.argmax(axis=1)]
            )

    @every_kind
    def test_gate_and_experts_follow_from_the_attributes(self, kind):
        model, _ = fitted(kind)
        np.testing.assert_allclose(
            model.gate_proba(X), gate_probabilities(model, X), rtol=1e-10
        )
        if isinstance(model, MixtureOfLinearExperts):
            expected = expert_means(model, X)
            expected = expected.reshape(model.predict_expert(X).shape)
        else:
            expected = np.exp(expert_class_log_probabilities(model, X))
        np.testing.assert_allclose(
            model.predict_expert(X), expected, rtol=1e-10, atol=1e-12
        )

    @pytest.mark.parametrize("kind", ["binary", "three classes", "symmetric logistic"])
    def test_log_probabilities_are_the_logarithm_of_probabilities(self, kind):
        model, _ = fitted(kind)
        proba = model.predict_proba(X)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_allclose(
            np.log(proba), model.predict_log_proba(X), rtol=1e-10
        )
        far = model.predict_log_proba(1e6 * X)
        assert np.isfinite(far).all()

    @every_kind
    def test_responsibilities_are_bayes_rule(self, kind):
        model, y = fitted(kind)
        joint = np.log(gate_probabilities(model, X)) + expert_log_densities(model, X, y)
        found = model.responsibilities(X, y)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_allclose(
            found, special.softmax(joint, axis=1), rtol=1e-8, atol=1e-12
        )

    @pytest.mark.parametrize(
        "kind",
        ["one output", "column y", "two outputs", "shared noise", "three experts"],
    )
    def test_standard_deviation_is_that_of_the_mixture(self, kind):
        model, y = fitted(kind)
        mean, std = model.predict(X, return_std=True)
        np.testing.assert_array_equal(mean, model.predict(X))
        gate, centres = gate_probabilities(model, X), expert_means(model, X)
        second = np.square(centres) + model.noise_variance_.reshape(centres.shape[1:])
        second = np.einsum("nk,nkm->nm", gate, second)
        first = np.einsum("nk,nkm->nm", gate, centres)
        expected = np.sqrt(second - first**2).reshape(y.shape)
        np.testing.assert_allclose(std, expected, rtol=1e-8)

    def test_regressor_has_no_predict_proba_and_says_what_it_has(self):
        model, _ = fitted("one output")
        assert not hasattr(model, "predict_proba")
        assert not hasattr(MixtureOfLinearExperts(), "predict_proba")
        with pytest.raises(AttributeError) as caught:
            model.predict_proba(X)
        said = f"{caught.value} {caught.value.__cause__}"
        assert "gate_proba" in said and "probability=True" in said

    @every_kind
    def test_score_is_that_of_scikit_learn(self, kind):
        model, y = fitted(kind)
        if isinstance(model, MixtureOfLinearExperts):
            errors = np.square(y - model.predict(X)).sum(axis=0)
            expected = np.mean(1 - errors / np.square(y - y.mean(axis=0)).sum(axis=0))
        else:
            expected = np.mean(model.predict(X) == y)
        assert model.score(X, y) == pytest.approx(expected)


class TestDensities:
    @every_kind
    def test_score_samples_is_the_log_density_of_the_mixture(self, kind):
        model, y = fitted(kind)
        np.testing.assert_allclose(
            model.score_samples(X, y), log_densities(model, X, y), rtol=1e-8, atol=1e-10
        )

    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_score_samples_without_y_is_that_of_the_prediction(self, kind):
        model, _ = fitted(kind)
        np.testing.assert_array_equal(
            model.score_samples(X), model.score_samples(X, model.predict(X))
        )

    def test_density_of_the_regressor_integrates_to_one(self):
        model, _ = fitted("one output")
        grid = np.linspace(-40, 40, 20_001)
        rows = np.repeat(X[:1], grid.size, axis=0)
        density = np.exp(model.score_samples(rows, grid))
        assert integrate.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
    @every_kind
    def test_objective_is_penalised_mean_negative_log_likelihood(self, kind, weighted):
        alpha, gate_alpha = 4.0, 9.0
        weight = np.random.default_rng(1).uniform(0, 3, N) if weighted else np.ones(N)
        estimator, y = build(kind, alpha=alpha, gate_alpha=gate_alpha)
        model = estimator.fit(X, y, sample_weight=weight if weighted else None)
        loss = -np.average(log_densities(model, X, y), weights=weight)
        coef = model.coef_
        if isinstance(model, MixtureOfLinearExperts):
            centre = 0.0 if model.symmetric else np.average(y, axis=0, weights=weight)
            scale = np.sqrt(np.average((y - centre) ** 2, axis=0, weights=weight))
            coef = coef / (scale[:, None] if np.ndim(scale) else scale)
        if model.symmetric:
            coef = coef[:1]  # one free set of coefficients
        penalty = 0.5 * alpha * np.sum(coef**2)
        penalty += 0.5 * gate_alpha * np.sum(model.gate_coef_**2)
        if isinstance(model, MixtureOfLinearExperts):
            noise, prior = model.noise_variance_, model.prior_noise_variance_
            if model.symmetric or model.noise == "shared":
                noise = noise[:1]  # one free parameter
            penalty += 0.5 * model.noise_prior * np.sum(np.log(noise) + prior / noise)
        expected = loss + penalty / weight.sum()
        assert model.objective_curve_[-1] == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(
        "kind, n_parameters",
        [
            # gate (K - 1)(D + 1), experts, noise
            ("one output", (D + 1) + 2 * (D + 1) + 2),
            ("column y", (D + 1) + 2 * (D + 1) + 2),
            ("two outputs", (D + 1) + 2 * 2 * (D + 1) + 2 * 2),
            ("shared noise", (D + 1) + 2 * (D + 1) + 1),
            ("symmetric linear", D + D + 1),
            ("symmetric two outputs", D + 2 * D + 2),
            ("binary", (D + 1) + 2 * (D + 1)),
            ("three classes", (D + 1) + 2 * 2 * (D + 1)),
            ("symmetric logistic", D + D),
            ("three experts", 2 * (D + 1) + 3 * (D + 1) + 3),
            ("three logistic experts", 2 * (D + 1) + 3 * 2 * (D + 1)),
        ],
    )
    def test_information_criteria_count_free_parameters(self, kind, n_parameters):
        model, y = fitted(kind)
        total = log_densities(model, X, y).sum()
        assert model.aic(X, y) == pytest.approx(2 * n_parameters - 2 * total)
        assert model.bic(X, y) == pytest.approx(n_parameters * np.log(N) - 2 * total)

    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_information_criteria_count_a_weight_as_so_many_rows(self, kind):
        model, y = fitted(kind)
        weight = np.random.default_rng(0).integers(0, 4, N)
        rows = np.repeat(np.arange(N), weight)
        for criterion in (model.aic, model.bic):
            assert criterion(X, y, sample_weight=weight) == pytest.approx(
                criterion(X[rows], y[rows])
            )

    def test_information_criteria_count_selected_columns_only(self):
        model, y = fit("one output", gate_features=[], expert_features=[0, 2])
        n_parameters = 1 + 2 * 3 + 2
        total = model.score_samples(X, y).sum()
        assert model.aic(X, y) == pytest.approx(2 * n_parameters - 2 * total)


class TestSample:
    @every_kind
    def test_shapes(self, kind):
        model, y = fitted(kind)
        assert model.sample(X).shape == (N,) + y.shape[1:] + (1,)
        assert model.sample(X[:5], n_samples=7).shape == (5,) + y.shape[1:] + (7,)

    @every_kind
    def test_same_seed_draws_the_same(self, kind):
        model, _ = fitted(kind)
        first, second, third = (model.sample(X, 2, random_state=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(first, second)
        assert (first != third).any()

    @pytest.mark.parametrize(
        "kind", ["one output", "two outputs", "shared noise", "symmetric linear"]
    )
    def test_draws_of_the_regressor_have_its_moments(self, kind):
        model, y = fitted(kind)
        n_draws = 40_000
        drawn = model.sample(X[:4], n_draws, random_state=0)
        mean, std = model.predict(X[:4], return_std=True)
        error = np.abs(drawn.mean(axis=-1) - mean)
        assert (error < 4.5 * std / np.sqrt(n_draws)).all()
        np.testing.assert_allclose(drawn.std(axis=-1), std, rtol=0.04)

    def test_draws_of_the_regressor_follow_its_distribution(self):
        model, _ = fitted("one output")
        drawn = model.sample(X[:1], 4000, random_state=0)[0]
        gate, mean = (
            gate_probabilities(model, X[:1])[0],
            expert_means(model, X[:1])[0, :, 0],
        )
        std = np.sqrt(model.noise_variance_)

        def cdf(y):
            return stats.norm.cdf(np.asarray(y)[..., None], mean, std) @ gate

        assert stats.kstest(drawn, cdf).pvalue > 1e-3

    @pytest.mark.parametrize("kind", ["binary", "three classes", "symmetric logistic"])
    def test_draws_of_the_classifier_have_its_frequencies(self, kind):
        model, _ = fitted(kind)
        n_draws = 20_000
        drawn = model.sample(X[:5], n_draws, random_state=0)
        found = (drawn[:, :, None] == model.classes_).mean(axis=1)
        expected = model.predict_proba(X[:5])
        error = np.sqrt(expected * (1 - expected) / n_draws)
        assert (np.abs(found - expected) < 4.5 * error + 1e-12).all()


class TestOneExpert:
    @pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_is_ridge(self, solver, fit_intercept, weighted):
        alpha = 60.0
        weight = np.random.default_rng(0).uniform(0.1, 2, N) if weighted else np.ones(N)
        options = {"fit_intercept": fit_intercept, "noise_prior": 0.0, "tol": 1e-13}
        model = MixtureOfLinearExperts(1, solver=solver, alpha=alpha, **options)
        model.set_params(max_iter=ENOUGH[solver]).fit(X + 1, Y, sample_weight=weight)
        centre = np.average(Y, weights=weight) if fit_intercept else 0.0
        variance = np.average((Y - centre) ** 2, weights=weight)
        strength = alpha * model.noise_variance_[0] / variance
        ridge = Ridge(strength, fit_intercept=fit_intercept, tol=1e-12)
        ridge.fit(X + 1, Y, sample_weight=weight)
        np.testing.assert_allclose(model.coef_[0], ridge.coef_, rtol=1e-5)
        np.testing.assert_allclose(
            model.predict(X), ridge.predict(X), rtol=1e-4, atol=1e-5
        )
        residual = np.average((Y - ridge.predict(X + 1)) ** 2, weights=weight)
        assert model.noise_variance_[0] == pytest.approx(residual, rel=1e-5)
        np.testing.assert_array_equal(model.gate_proba(X), 1)

    @pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
    @pytest.mark.parametrize("y", [BINARY, TERNARY], ids=["binary", "three classes"])
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_is_logistic_regression(self, solver, y, weighted):
        alpha = 10.0
        weight = np.random.default_rng(0).uniform(0.1, 2, N) if weighted else np.ones(N)
        model = MixtureOfLogisticExperts(1, solver=solver, alpha=alpha, tol=1e-13)
        model.set_params(max_iter=ENOUGH[solver]).fit(X, y, sample_weight=weight)
        single = LogisticRegression(
            C=1 / alpha, solver="newton-cg", tol=1e-10, max_iter=5000
        )
        single.fit(X, y, sample_weight=weight)
        coef = model.coef_ if y.max() == 1 else model.coef_[0]
        np.testing.assert_allclose(coef, single.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            model.predict_proba(X), single.predict_proba(X), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_array_equal(model.gate_proba(X), 1)


class TestColumns:
    frame = pd.DataFrame(X, columns=["age", "height", "size_x"])

    @pytest.mark.sampled(8)
    @pytest.mark.parametrize("name", ["gate_features", "expert_features"])
    @pytest.mark.parametrize(
        "selection",
        [
            ["size_x", "age"],
            np.array(["size_x", "age"]),
            np.array(["size_x", "age"], dtype=object),
            pd.Index(["size_x", "age"]),
            ("size_x", "age"),
            [2, 0],
            [-1, 0],
            np.array([2, 0], dtype=np.int8),
            lambda X: ["size_x", "age"],
            lambda X: [2, 0],
        ],
        ids=lambda selection: type(selection).__name__,
    )
    @pytest.mark.parametrize("kind", ["one output", "three classes"])
    def test_names_indices_and_callables_keep_their_order(self, kind, name, selection):
        estimator, y = build(kind, init=LEFT, **{name: selection})
        model = estimator.fit(self.frame, y)
        coef = model.gate_coef_ if name == "gate_features" else model.coef_
        assert coef.shape[-1] == 2
        expected = build(kind, init=LEFT, **{name: [2, 0]})[0].fit(self.frame, y)
        for attribute in ("coef_", "gate_coef_"):
            np.testing.assert_array_equal(
                getattr(model, attribute), getattr(expected, attribute)
            )

    @pytest.mark.parametrize("name", ["gate_features", "expert_features"])
    @pytest.mark.parametrize(
        "selection",
        [
            [True, False, True],
            np.array([True, False, True]),
            make_column_selector(pattern="^age|_x"),
            [0, 2],
        ],
        ids=["list", "array", "make_column_selector", "indices"],
    )
    def test_masks_and_selectors_keep_the_order_of_x(self, name, selection):
        estimator, y = build("one output", init=LEFT, **{name: selection})
        model = estimator.fit(self.frame, y)
        # The model that sees nothing else gives the same.
        columns = {name: ["age", "size_x"]}
        expected = build("one output", init=LEFT, **columns)[0].fit(self.frame, y)
        np.testing.assert_array_equal(model.coef_, expected.coef_)
        np.testing.assert_array_equal(
            model.predict(self.frame), expected.predict(self.frame)
        )

    def test_one_name_may_stand_alone(self):
        estimator, y = build("one output", gate_features="age")
        assert estimator.fit(self.frame, y).gate_coef_.shape == (2, 1)

    def test_experts_and_gate_see_nothing_but_their_columns(self):
        kwargs = {"gate_features": [0], "expert_features": [1, 2]}
        estimator, y = build("one output", **kwargs)
        model = estimator.fit(X, y)
        changed = X.copy()
        changed[:, 0] += 1
        np.testing.assert_array_equal(
            model.predict_expert(changed), model.predict_expert(X)
        )
        assert (model.gate_proba(changed) != model.gate_proba(X)).any()
        changed = X.copy()
        changed[:, 1:] += 1
        np.testing.assert_array_equal(model.gate_proba(changed), model.gate_proba(X))

    def test_selecting_all_columns_is_selecting_none(self):
        everything = {"gate_features": [0, 1, 2], "expert_features": [0, 1, 2]}
        model, _ = fit("one output", init="short_runs", **everything)
        np.testing.assert_array_equal(model.coef_, fitted("one output")[0].coef_)

    def test_selection_equals_leaving_columns_out(self):
        estimator, y = build("one output", gate_features=[0, 1], expert_features=[0, 1])
        found = estimator.set_params(init=LEFT).fit(X, y)
        expected = build("one output", init=LEFT)[0].fit(X[:, :2], y)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8)
        np.testing.assert_allclose(found.gate_coef_, expected.gate_coef_, rtol=1e-6)

    @pytest.mark.parametrize(
        "nothing", [[], np.zeros(D, dtype=bool)], ids=["list", "mask"]
    )
    @pytest.mark.parametrize("kind", ["one output", "three classes", "three experts"])
    def test_gate_without_columns_is_constant(self, kind, nothing):
        model, y = fit(kind, gate_features=nothing)
        k = model.coef_.shape[0]
        assert model.gate_coef_.shape == (k, 0)
        gate = model.gate_proba(X)
        np.testing.assert_array_equal(gate, np.tile(gate[:1], (N, 1)))
        # Maximum likelihood: the constant is the mean responsibility.
        np.testing.assert_allclose(
            gate[0], model.responsibilities(X, y).mean(axis=0), rtol=0.02
        )

    @pytest.mark.parametrize("kind", ["one output", "three classes"])
    def test_experts_without_columns_are_constant(self, kind):
        model, _ = fit(kind, expert_features=[])
        assert model.coef_.shape[-1] == 0
        experts = model.predict_expert(X)
        np.testing.assert_array_equal(experts, np.repeat(experts[:1], N, axis=0))

    def test_later_change_of_the_parameter_leaves_a_fitted_model_alone(self):
        model, _ = fit("one output", gate_features=[0])
        before = model.predict(X)
        model.set_params(gate_features=[1, 2], n_experts=5)
        np.testing.assert_array_equal(model.predict(X), before)


class TestSymmetric:
    SYMMETRIC = ["symmetric linear", "symmetric two outputs", "symmetric logistic"]

    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("kind", SYMMETRIC)
    def test_experts_are_mirror_images_without_intercepts(self, kind, solver):
        model, _ = fit(kind, solver=solver, max_iter=ENOUGH[solver])
        np.testing.assert_array_equal(model.coef_[1], -model.coef_[0])
        np.testing.assert_array_equal(model.gate_coef_[1], -model.gate_coef_[0])
        assert not model.intercept_.any()
        assert not model.gate_intercept_.any()

    @pytest.mark.parametrize("kind", SYMMETRIC)
    def test_has_intercepts_on_request(self, kind):
        model, _ = fit(kind, fit_intercept=True)
        np.testing.assert_array_equal(model.coef_[1], -model.coef_[0])
        assert model.intercept_.any()
        assert model.gate_intercept_.any()

    @pytest.mark.parametrize("kind", SYMMETRIC)
    def test_intercepts_are_mirror_images_too(self, kind):
        model, _ = fit(kind, fit_intercept=True)
        np.testing.assert_allclose(
            model.intercept_[1], -model.intercept_[0], atol=1e-10
        )

    @pytest.mark.parametrize("kind", ["symmetric linear", "symmetric two outputs"])
    def test_experts_share_the_noise(self, kind):
        model, _ = fitted(kind)
        np.testing.assert_array_equal(
            model.noise_variance_[0], model.noise_variance_[1]
        )

    @pytest.mark.parametrize("kind", SYMMETRIC)
    def test_seeds_agree_on_the_sign(self, kind):
        first, second = (
            fit(kind, init="short_runs", random_state=seed)[0] for seed in (0, 1)
        )
        np.testing.assert_allclose(first.coef_, second.coef_, rtol=0.05, atol=0.05)

    def test_shared_noise_is_one_variance(self):
        model, y = fitted("shared noise")
        assert np.unique(model.noise_variance_).size == 1
        model, y = fit("two outputs", noise="shared")
        np.testing.assert_array_equal(
            model.noise_variance_[0], model.noise_variance_[1]
        )
        # Maximum likelihood: the mean squared residual under the posterior.
        residual = np.square(y[:, None] - model.predict_expert(X))
        weight = model.responsibilities(X, y)
        expected = np.einsum("nk,nkm->m", weight, residual) / N
        np.testing.assert_allclose(model.noise_variance_[0], expected, rtol=1e-2)


class TestWarmStart:
    @every_kind
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_goes_on_from_the_previous_fit(self, kind, solver):
        estimator, y = build(
            kind, solver=solver, warm_start=True, init="random", tol=0, max_iter=2
        )
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, y)
        last = estimator.objective_curve_[-1]
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, y)
        first, *_, end = estimator.objective_curve_
        assert first == pytest.approx(last, rel=1e-9)
        assert end < last

    @pytest.mark.parametrize(
        "kind", ["one output", "two outputs", "binary", "three classes"]
    )
    def test_short_fits_add_up_to_a_long_one(self, kind):
        # Plain EM has no memory.
        plain = {"solver": "md", "step_size": 1.0, "init": "random", "tol": 0}
        pieces, y = build(kind, warm_start=True, max_iter=2, **plain)
        curve = []
        for _ in range(3):
            with pytest.warns(ConvergenceWarning):
                pieces.fit(X, y)
            curve.extend(pieces.objective_curve_[bool(curve) :])
        whole, _ = build(kind, max_iter=6, **plain)
        with pytest.warns(ConvergenceWarning):
            whole.fit(X, y)
        np.testing.assert_allclose(curve, whole.objective_curve_, rtol=1e-9)
        np.testing.assert_allclose(pieces.predict(X), whole.predict(X), rtol=1e-7)

    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_takes_float32_attributes_on(self, kind):
        estimator, y = build(kind, warm_start=True)
        model = estimator.fit(X.astype(np.float32), y)
        last = model.objective_curve_[-1]
        again = model.fit(X.astype(np.float32), y)
        assert again.objective_curve_[0] == pytest.approx(last, rel=1e-5)
        assert again.coef_.dtype == np.float32

    def test_can_go_on_with_another_solver_and_more_data(self):
        # A prior would stay that of the first rows.
        options = {"init": "short_runs", "noise_prior": 0.0}
        estimator, y = build("one output", warm_start=True, **options)
        estimator.fit(X, y)
        more, y_more = make_data(400, seed=5)
        estimator.set_params(solver="gd", max_iter=5000).fit(more, y_more)
        assert estimator.converged_
        cold, _ = build("one output", **options)
        cold.fit(more, y_more)
        assert estimator.objective_curve_[0] < cold.objective_curve_[-1] + 1
        assert estimator.objective_curve_[-1] == pytest.approx(
            cold.objective_curve_[-1], abs=1e-3
        )

    def test_is_off_by_default(self):
        estimator, y = build("one output")
        first = estimator.fit(X, y).objective_curve_
        np.testing.assert_array_equal(estimator.fit(X, y).objective_curve_, first)


class TestStarts:
    @pytest.mark.sampled(1)
    @pytest.mark.parametrize(
        "kind, init",
        [
            ("one output", "short_runs"),
            ("three experts", "random"),
            ("binary", "random"),
            ("symmetric linear", "random"),
        ],
    )
    def test_n_init_keeps_the_best(self, kind, init):
        rngs = start_rngs(0, 4)
        singles = [fit(kind, init=init, random_state=rng)[0] for rng in rngs]
        best, margin = singles[0], 1e-5
        for other in singles[1:]:
            if other.objective_curve_[-1] < best.objective_curve_[-1] - margin:
                best = other
        model, _ = fit(kind, init=init, n_init=4, random_state=0)
        if init == "short_runs" and best is not singles[0]:
            # After starts that agreed others are shorter; they may end elsewhere.
            assert model.objective_curve_[-1] < best.objective_curve_[-1] + margin
            return
        np.testing.assert_array_equal(model.objective_curve_, best.objective_curve_)
        np.testing.assert_array_equal(model.coef_, best.coef_)
        assert model.n_iter_ == best.n_iter_

    @pytest.mark.parametrize("init", STARTS)
    @pytest.mark.parametrize(
        "kind", ["two outputs", "symmetric linear", "three classes"]
    )
    def test_every_named_start_works(self, kind, init):
        model, y = fit(kind, init=init)
        assert model.converged_
        assert np.isfinite(model.score_samples(X, y)).all()

    @pytest.mark.sampled(3)
    @every_kind
    @pytest.mark.filterwarnings("ignore:An expert has")
    def test_labels_are_one_hot_responsibilities(self, kind):
        k = KINDS[kind][1].get("n_experts", 2)
        labels = np.random.default_rng(0).integers(0, k, N)
        first, _ = fit(kind, init=labels)
        second, _ = fit(kind, init=np.eye(k)[labels])
        third, _ = fit(kind, init=(7 * np.eye(k, dtype=int)[labels]).tolist())
        for other in (second, third):
            np.testing.assert_allclose(first.predict(X), other.predict(X), rtol=1e-7)
            np.testing.assert_allclose(
                first.objective_curve_, other.objective_curve_, rtol=1e-10
            )

    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_given_start_decides_the_order_of_experts(self, kind):
        first, y = fit(kind, init=LEFT)
        second, _ = fit(kind, init=1 - LEFT)
        np.testing.assert_allclose(
            first.coef_, second.coef_[::-1], rtol=1e-6, atol=1e-8
        )
        np.testing.assert_allclose(first.predict(X), second.predict(X), rtol=1e-6)
        # Class 1 of LEFT holds the negative first feature.
        left = first.gate_proba(X)[:, 1]
        assert left[LEFT == 1].mean() > left[LEFT == 0].mean()

    def test_true_start_stays_at_the_truth(self):
        model, y = fit("one output", init=LEFT)
        assert (
            model.objective_curve_[-1]
            <= fitted("one output")[0].objective_curve_[-1] + 1e-3
        )

    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_rows_of_weight_zero_may_be_in_the_start(self, kind):
        estimator, y = build(kind, init=LEFT)
        weight = (np.arange(N) % 3 > 0).astype(float)
        found = estimator.fit(X, y, sample_weight=weight).coef_
        kept = weight > 0
        estimator.set_params(init=LEFT[kept]).fit(X[kept], y[kept])
        np.testing.assert_allclose(found, estimator.coef_, rtol=1e-9)


class TestStopping:
    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("kind", ["one output", "binary", "symmetric linear"])
    def test_warns_where_max_iter_ends_the_fit(self, kind, solver):
        estimator, y = build(kind, solver=solver, init="random", max_iter=1)
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            estimator.fit(X, y)
        assert estimator.converged_ is False
        assert estimator.n_iter_ == 1
        assert estimator.objective_curve_.shape == (2,)

    @pytest.mark.sampled(1)
    @pytest.mark.parametrize(
        "kind, solver, step_size",
        [
            ("one output", "md", 0.3),
            ("one output", "gd", 0.03),
            ("binary", "md", 0.3),
            ("binary", "gd", 2.0),
        ],
    )
    def test_takes_a_step_size(self, kind, solver, step_size):
        estimator, y = build(
            kind, solver=solver, step_size=step_size, init=LEFT, max_iter=9999, tol=1e-6
        )
        slow = estimator.fit(X, y)
        fast, _ = fit(kind, init=LEFT, tol=1e-6)
        assert slow.n_iter_ > fast.n_iter_
        assert slow.objective_curve_[-1] == pytest.approx(
            fast.objective_curve_[-1], abs=1e-5
        )

    @pytest.mark.parametrize("kind", ["one output", "binary"])
    def test_mirror_descent_of_step_one_is_plain_em(self, kind):
        em, _ = fit(kind, init=LEFT, step_size=1.0)
        md, _ = fit(kind, init=LEFT, solver="md", step_size=1.0)
        np.testing.assert_allclose(md.objective_curve_, em.objective_curve_, rtol=1e-12)
        np.testing.assert_allclose(md.coef_, em.coef_, rtol=1e-9)

    @pytest.mark.sampled(3)
    @pytest.mark.parametrize("kind", KINDS)
    def test_solvers_agree_on_the_minimum(self, kind):
        estimator, y = build(kind, init=LEFT, n_experts=2, tol=1e-10)
        ends = []
        for solver in SOLVERS:
            estimator.set_params(solver=solver, max_iter=50 * ENOUGH[solver])
            ends.append(estimator.fit(X, y).objective_curve_[-1])
        np.testing.assert_allclose(ends, ends[0], atol=1e-6)
