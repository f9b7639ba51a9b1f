"""partial_fit: where it starts, where it leads, and what it refuses."""

import copy
import functools
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from _data import MODELS, soft_start
from _paper import load
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.engine.descent import minimise
from skmoe.engine.running import RunningMoments
from skmoe.solvers import MirrorDescent
from skmoe.streaming import array_batches, fit_batches

N, SIZE = 3000, 300
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 3))
Y = np.where(X[:, 0] > 0, X @ [1, 2, 3], -X @ [3, 2, 1]) + 0.5 * RNG.standard_normal(N)
Y2 = np.column_stack([Y, 100 + 10 * np.abs(X[:, 1]) + RNG.standard_normal(N)])
BINARY = np.where(Y > np.median(Y), "yes", "no")
TERNARY = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
THIN = np.where(np.abs(X) > 0.7, X, 0)

COUNTS = RNG.poisson(np.exp(Y / 5)).astype(float)
AMOUNTS = np.exp(Y / 5) * RNG.gamma(4.0, 0.25, N)
DISPERSED = np.random.default_rng(1).poisson(AMOUNTS).astype(float)

PENALTIES = {"alpha": 3.0, "gate_alpha": 3.0}
LINEAR = MixtureOfLinearExperts(random_state=0, **PENALTIES)
LOGISTIC = MixtureOfLogisticExperts(random_state=0, **PENALTIES)
GLM = MixtureOfGLMExperts(random_state=0, **PENALTIES)
LASSO = {"alpha": 60.0, "l1_ratio": 1.0, "gate_alpha": 30.0, "gate_l1_ratio": 0.5}
KINDS = {
    "linear": (LINEAR, {}, X, Y),
    "four linear": (LINEAR, {"n_experts": 4}, X, Y),
    "one linear": (LINEAR, {"n_experts": 1}, X, Y),
    "two outputs": (LINEAR, {}, X, Y2),
    "shared noise": (LINEAR, {"noise": "shared", "n_experts": 3}, X, Y),
    "t noise": (LINEAR, {"noise_df": 4.0}, X, Y),
    "symmetric linear": (LINEAR, {"symmetric": True}, X, Y),
    "tree": (LINEAR, {"n_experts": 4, "depth": 2}, X, Y),
    "two of eight": (LOGISTIC, {"n_experts": 8, "top_k": 2}, X, BINARY),
    "linear lasso": (LINEAR, LASSO, X, Y),
    "own columns": (LINEAR, {"gate_features": [0], "expert_features": [1, 2]}, X, Y),
    "constant gate": (LINEAR, {"gate_features": []}, X, Y),
    "sparse linear": (LINEAR, {}, sparse.csr_array(THIN), Y),
    "float32": (LINEAR, {}, X.astype(np.float32), Y.astype(np.float32)),
    "binary": (LOGISTIC, {}, X, BINARY),
    "one binary": (LOGISTIC, {"n_experts": 1}, X, BINARY),
    "symmetric binary": (LOGISTIC, {"symmetric": True}, X, BINARY),
    "three classes": (LOGISTIC, {}, X, TERNARY),
    "three classes lasso": (LOGISTIC, LASSO, X, TERNARY),
    "counts": (GLM, {}, X, COUNTS),
    "three counts lasso": (GLM, {**LASSO, "n_experts": 3}, X, COUNTS),
    "sparse counts": (GLM, {}, sparse.csr_array(THIN), COUNTS),
    "amounts": (GLM, {"family": "gamma"}, X, AMOUNTS),
    "dispersed counts": (GLM, {"family": "negative_binomial"}, X, DISPERSED),
    "sparse binary": (LOGISTIC, {}, sparse.csr_matrix(THIN), BINARY),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
both = pytest.mark.parametrize("kind", ["linear", "three classes", "amounts"])


def parts(kind, **params):
    """Estimator, X, y, and what partial_fit needs at its first call."""
    estimator, own, rows, y = KINDS[kind]
    first = {"classes": np.unique(y)} if estimator is LOGISTIC else {}
    return clone(estimator).set_params(**own, **params), rows, y, first


@functools.cache
def fitted(kind):
    """The estimator after a fit to all rows, which tests share."""
    model, rows, y, _ = parts(kind)
    return model.fit(rows, y)


def learn(model, rows, y, size, first, weight=None):
    """All rows once, batch by batch."""
    for start in range(0, rows.shape[0], size):
        some = slice(start, start + size)
        own = {} if weight is None else {"sample_weight": weight[some]}
        model.partial_fit(rows[some], y[some], **first, **own)
    return model


def objective(model, rows, y):
    """F of all rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = copy.deepcopy(model).set_params(warm_start=True, max_iter=1)
        return again.fit(rows, y).objective_curve_[0]


def plain(value):
    """Nested containers of arrays as text that is equal for equal bits."""
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if sparse.issparse(value):
        value = value.toarray()
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tolist())
    return value


def totals(model, factor=1):
    """Penalties and prior of a model, times a factor."""
    names = ("alpha", "gate_alpha", "noise_prior")
    params = model.get_params()
    return {name: factor * params[name] for name in names if name in params}


def learned(model):
    """All that a model knows, but for its parameters."""
    return plain({k: v for k, v in vars(model).items() if k not in model.get_params()})


class TestWhereItLeads:
    @pytest.mark.sampled(7)
    @every_kind
    def test_passes_approach_the_optimum_of_fit(self, kind):
        model, rows, y, first = parts(kind)
        best = fitted(kind).objective_curve_[-1]
        gaps, whole = [], clone(model)
        for number in range(2):
            for seen in range(500, N + 1, 500):
                # As much penalty for each row so far as in the fit.
                model.set_params(**totals(whole, (number * N + seen) / N))
                some = slice(seen - 500, seen)
                model.partial_fit(rows[some], y[some], **first)
            model.set_params(**totals(whole))
            gaps.append(objective(model, rows, y) - best)
        assert gaps[0] < 0.01
        assert gaps[1] < max(0.7 * gaps[0], 5e-4)

    @pytest.mark.sampled(7)
    @every_kind
    def test_one_batch_of_all_rows_is_fit(self, kind):
        model, rows, y, first = parts(kind)
        expected = fitted(kind)
        model.partial_fit(rows, y, **first)
        np.testing.assert_array_equal(model.coef_, expected.coef_)
        np.testing.assert_array_equal(model.gate_coef_, expected.gate_coef_)
        assert model.coef_.dtype == rows.dtype

    @pytest.mark.sampled(1)
    @pytest.mark.parametrize("case, seed", [("A", 0), ("A", 1), ("C", 0)])
    def test_benchmark_cases_in_three_passes(self, case, seed):
        """The small version of `benchmarks/partial_fit.py`, which has 50 seeds."""
        script = load("partial_fit", "benchmarks")
        options = SimpleNamespace(passes=3, batch_size=1000, n_init=1, n_jobs=None)
        gaps, *_ = script.measure(script.CASES[case], seed, options)
        assert gaps[-1] < 0.01

    @pytest.mark.sampled(1)
    @both
    def test_how_rows_come_in_batches_hardly_matters(self, kind):
        fits = []
        for size in (50, 500):
            model, rows, y, first = parts(kind)
            # The same start.
            model.partial_fit(rows[:1000], y[:1000], **first)
            fits.append(learn(model, rows[1000:], y[1000:], size, {}))
        gate = [model.gate_proba(X) for model in fits]
        assert np.abs(gate[0] - gate[1]).mean() < 0.01

    @both
    def test_integer_weights_equal_repeated_rows(self, kind):
        model, rows, y, first = parts(kind)
        # The same start: by other rows it may lie near another optimum.
        model.partial_fit(rows[:1000], y[:1000], **first)
        weight = np.random.default_rng(1).integers(0, 3, N)
        weight[:1000] = 0
        twice = copy.deepcopy(model)
        for start in range(1000, N, SIZE):
            some = np.arange(start, min(start + SIZE, N))
            twice.partial_fit(rows[some], y[some], sample_weight=weight[some])
            some = np.repeat(some, weight[some])
            model.partial_fit(rows[some], y[some])
        assert twice.n_samples_seen_ == model.n_samples_seen_ == 1000 + weight.sum()
        np.testing.assert_allclose(twice.coef_, model.coef_, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(
            twice.gate_coef_, model.gate_coef_, rtol=1e-8, atol=1e-10
        )

    @pytest.mark.sampled(1)
    @both
    def test_scale_of_weights_does_not_matter(self, kind):
        fits = []
        for scale in (1.0, 1e-3):
            model, rows, y, first = parts(kind)
            model.set_params(**totals(model, scale))
            if "noise_prior" in model.get_params():
                model.set_params(noise_prior=0.0)  # it learns from how many rows
            weight = scale * np.random.default_rng(1).uniform(0.5, 2, N)
            fits.append(learn(model, rows, y, SIZE, first, weight))
        np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, rtol=1e-6, atol=1e-8)

    def test_units_do_not_matter_but_for_penalties(self):
        factor, shift = np.array([1e3, 1e-3, 1.0]), np.array([0.0, 5e-3, -7.0])
        model, rows, y, _ = parts("linear", alpha=0.0, gate_alpha=0.0)
        other = learn(clone(model), rows * factor + shift, 1e4 * y - 3, SIZE, {})
        learn(model, rows, y, SIZE, {})
        np.testing.assert_allclose(
            other.coef_ * factor / 1e4, model.coef_, rtol=1e-3, atol=1e-4
        )

    def test_sparse_and_dense_rows_agree(self):
        model, rows, y, _ = parts("sparse linear")
        dense = learn(clone(model), rows.toarray(), y, SIZE, {})
        learn(model, rows, y, SIZE, {})
        np.testing.assert_allclose(dense.coef_, model.coef_, atol=1e-3)

    def test_lasso_keeps_exact_zeros(self):
        model, rows, y, _ = parts("linear", alpha=0.3 * N, l1_ratio=1.0)
        rows = np.column_stack([rows, RNG.standard_normal((N, 2))])
        learn(model, rows, y, SIZE, {})
        assert (model.coef_[:, 3:] == 0).all()

    def test_new_data_takes_over(self):
        model, rows, y, _ = parts("linear")
        learn(model, rows, y, SIZE, {})
        gaps = []
        for _ in range(3):
            learn(model, rows, -y, SIZE, {})
            gaps.append(objective(model, rows, -y))
        assert gaps[0] > gaps[1] > gaps[2]


class TestStart:
    @pytest.mark.sampled(10)
    @every_kind
    @pytest.mark.parametrize("n_rows", [1, 20])
    def test_predicts_after_a_first_call_of_few_rows(self, kind, n_rows):
        model, rows, y, first = parts(kind)
        model.partial_fit(rows[:n_rows], y[:n_rows], **first)
        assert model.predict(rows).shape == y.shape
        assert np.isfinite(model.gate_proba(rows)).all()
        assert model.n_features_in_ == 3
        assert (model.n_iter_, model.n_samples_seen_) == (1, n_rows)

    @both
    def test_small_batches_are_fitted_together(self, kind):
        model, rows, y, first = parts(kind)
        learn(model, rows[:400], y[:400], 100, first)
        expected = clone(model).fit(rows[:400], y[:400])
        np.testing.assert_array_equal(model.coef_, expected.coef_)

    def test_rows_are_dropped_once_the_moments_run(self):
        model, rows, y, _ = parts("linear")
        learn(model, rows[:900], y[:900], SIZE, {})
        assert len(model._online["rows"][2]) == 900
        model.partial_fit(rows[900:1200], y[900:1200])
        assert model._online["rows"] is None

    def test_small_growth_does_not_cost_a_fit(self):
        model, rows, y, _ = parts("linear")
        model.partial_fit(rows[:500], y[:500])
        before = model.coef_
        model.partial_fit(rows[500:520], y[500:520])
        np.testing.assert_array_equal(model.coef_, before)
        model.partial_fit(rows[520:560], y[520:560])
        assert (model.coef_ != before).any()

    def test_classes_are_waited_for(self):
        model, rows, y, first = parts("three classes")
        order = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)])
        learn(model, rows[order], y[order], SIZE, first)
        assert model.predict_proba(rows).shape == (N, 3)
        learn(model, rows, y, SIZE, first)
        assert model.score(rows, y) > clone(model).fit(rows, y).score(rows, y) - 0.05

    def test_class_that_comes_late_is_learned(self, monkeypatch):
        monkeypatch.setattr("skmoe._partial._LONGEST_WAIT", 1)
        model, rows, y, first = parts("three classes")
        known = np.flatnonzero(y < 2)
        learn(model, rows[known], y[known], SIZE, first)
        assert model._online["rows"] is None
        for _ in range(2):
            learn(model, rows, y, SIZE, {})
        assert model.score(rows, y) > clone(model).fit(rows, y).score(rows, y) - 0.05

    @pytest.mark.sampled(1)
    @pytest.mark.parametrize("as_sparse", [False, True])
    def test_column_that_is_constant_at_first_is_learned(self, as_sparse):
        model, rows, y, _ = parts("linear")
        silent = rows.copy()
        silent[:, 1] = 0.0
        learn(model, silent, 2 * silent[:, 2], SIZE, {})
        np.testing.assert_array_equal(model.coef_[:, 1], 0)
        rows = sparse.csr_array(rows) if as_sparse else rows
        model = clone(model).set_params(n_experts=1)
        target = X[:, 1] * 1000 + X[:, 2]
        first = sparse.csr_array(silent) if as_sparse else silent
        learn(model, first, silent[:, 2], SIZE, {})
        for _ in range(3):
            learn(model, rows, target, SIZE, {})
        expected = clone(model).set_params(alpha=0).fit(rows, target)
        assert model.coef_[0, 1] == pytest.approx(expected.coef_[0, 1], rel=0.2)

    @pytest.mark.sampled(1)
    @pytest.mark.parametrize(("seed", "kind"), [(0, "linear"), (4, "counts")])
    def test_no_batch_ruins_a_sparse_mixture(self, kind, seed):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((6000, 3))
        mean = np.where(rows[:, 0] > 0, rows[:, 1], 0.5 - rows[:, 1])
        if kind == "linear":
            estimator, y = (
                MixtureOfLinearExperts,
                mean + 0.3 * rng.standard_normal(6000),
            )
        else:
            estimator, y = MixtureOfGLMExperts, rng.poisson(np.exp(mean))
        model = estimator(8, top_k=2, random_state=0)
        found = []
        for start in range(0, 4500, 300):
            some = slice(start, start + 300)
            model.partial_fit(rows[some], y[some])
            found.append(model.score_samples(rows[4500:], y[4500:]).mean())
        # A gate that always moved lost 6 nats at once, and of counts 1e11.
        assert np.diff(found[4:]).min() > -0.15
        assert found[-1] > max(found) - 0.15

    @pytest.mark.parametrize("start", ["fit", "fit_batches", "partial_fit"])
    def test_noise_floor_is_learned_once(self, start):
        """A batch of one value has no scale to take a floor from."""
        rng = np.random.default_rng(0)
        rows, y = X[:1200], 1e-3 * rng.standard_normal((1200, 2))
        y[rng.uniform(size=1200) < 0.02] = 1e6
        model = MixtureOfLinearExperts(1, noise_df=1.5, noise_prior=0)
        if start == "fit_batches":
            fit_batches(model, array_batches(rows, y, batch_size=300))
        else:
            getattr(model, start)(rows, y)
        before = model.noise_variance_
        for _ in range(3):
            model.partial_fit(rows[:300], np.zeros((300, 2)))
        assert (model.noise_variance_ <= before).all()

    @pytest.mark.sampled(2)
    @pytest.mark.parametrize("kind", ["linear", "binary", "counts"])
    @pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
    def test_constant_column_changes_no_prediction(self, kind, make):
        model, rows, y, first = parts(kind)
        wide = np.column_stack([np.full(len(rows), 0.1), rows])
        other = learn(clone(model), make(wide), y, SIZE, first)
        learn(model, make(rows), y, SIZE, first)
        np.testing.assert_array_equal(other.coef_[..., 0], 0)
        np.testing.assert_allclose(
            other.predict_expert(make(wide)),
            model.predict_expert(make(rows)),
            rtol=1e-6,
        )

    def test_n_init_and_jobs_concern_the_collected_rows(self):
        model, rows, y, _ = parts("four linear", init="random", n_init=3)
        other = learn(clone(model).set_params(n_jobs=1), rows, y, 1500, {})
        learn(model, rows, y, 1500, {})
        np.testing.assert_array_equal(model.coef_, other.coef_)


class TestAfterFit:
    @both
    def test_goes_on_from_the_fit(self, kind):
        model, rows, y, _ = parts(kind)
        model.fit(rows[:600], y[:600])
        before = objective(model, rows, y)
        learn(model, rows[600:], y[600:], SIZE, {})
        assert objective(model, rows, y) < before
        assert model.n_samples_seen_ == N
        assert model.n_iter_ == len(model.objective_curve_) == 8
        assert model.converged_ is False

    @pytest.mark.sampled(5)
    @every_kind
    def test_fit_on_many_rows_hardly_moves(self, kind):
        model, rows, y, _ = parts(kind)
        model.fit(rows, y)
        before, coef = objective(model, rows, y), model.coef_
        model.partial_fit(rows[:300], y[:300])
        assert (model.coef_ != coef).any()
        assert objective(model, rows, y) < before + 0.01

    @pytest.mark.parametrize("kind", ["linear", "amounts"])
    def test_moments_of_the_fit_are_at_their_optimum(self, kind):
        """The same rows again leave an optimum where it is, but for less penalty.

        Of logistic experts, which a penalty moves, the moments are tested below.
        """
        model, rows, y, _ = parts(kind, tol=1e-12, alpha=0.05, gate_alpha=0.5)
        model.fit(rows, y)
        before = model.coef_
        model.partial_fit(rows, y)
        np.testing.assert_allclose(model.coef_, before, rtol=1e-3, atol=1e-4)

    @both
    def test_few_rows_wait(self, kind):
        model, rows, y, _ = parts(kind)
        model.fit(rows, y)
        coef = model.coef_
        model.partial_fit(rows[:5], y[:5])
        np.testing.assert_array_equal(model.coef_, coef)
        assert model.n_samples_seen_ == N + 5

    @both
    def test_fit_forgets_batches(self, kind):
        model, rows, y, first = parts(kind)
        learn(model, rows, y, SIZE, first)
        model.fit(rows[:600], y[:600])
        expected = clone(model).fit(rows[:600], y[:600])
        assert learned(model) == learned(expected)

    def test_warm_start_goes_on_from_batches(self):
        model, rows, y, _ = parts("linear", warm_start=True)
        learn(model, rows, y, SIZE, {})
        model.fit(rows, y)
        assert model.n_iter_ < 6
        assert model.n_samples_seen_ == N

    def test_goes_on_from_a_fit_to_batches(self):
        model, rows, y, _ = parts("linear")
        fit_batches(model, [(rows[:1000], y[:1000]), (rows[1000:2000], y[1000:2000])])
        learn(model, rows[2000:], y[2000:], SIZE, {})
        assert model.n_samples_seen_ == N
        best = clone(model).fit(rows, y).objective_curve_[-1]
        assert objective(model, rows, y) < best + 0.01

    def test_of_groups_is_refused(self):
        model, rows, y, _ = parts("linear", gate_features=[])
        model.fit(rows, y, groups=np.arange(N) // 3)
        with pytest.raises(ValueError, match="groups were given to fit"):
            model.partial_fit(rows, y)


class TestState:
    @pytest.mark.sampled(2)
    @pytest.mark.parametrize(
        "kind", ["two outputs", "sparse linear", "symmetric linear", "binary"]
    )
    @pytest.mark.parametrize("n_before", [2, 7])
    def test_copies_and_pickles_go_on_alike(self, kind, n_before):
        model, rows, y, first = parts(kind)
        learn(model, rows[: n_before * SIZE], y[: n_before * SIZE], SIZE, first)
        others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        rest = slice(n_before * SIZE, None)
        learn(model, rows[rest], y[rest], SIZE, {})
        for other in others:
            learn(other, rows[rest], y[rest], SIZE, {})
            assert learned(other) == learned(model)

    @both
    def test_of_a_copy_is_its_own(self, kind):
        model, rows, y, first = parts(kind)
        learn(model, rows[:2000], y[:2000], SIZE, first)
        before, other = learned(model), copy.copy(model)
        learn(other, rows[2000:], y[2000:], SIZE, {})
        assert learned(model) == before

    @both
    def test_skops_trusts_the_estimator_alone(self, kind):
        io = pytest.importorskip("skops.io")
        model, rows, y, first = parts(kind)
        learn(model, rows[:2000], y[:2000], SIZE, first)
        content = io.dumps(model)
        trusted = io.get_untrusted_types(data=content)
        assert len(trusted) == 1
        other = io.loads(content, trusted=trusted)
        for one in (model, other):
            learn(one, rows[2000:], y[2000:], SIZE, {})
        np.testing.assert_array_equal(model.coef_, other.coef_)

    @pytest.mark.sampled(3)
    @both
    @pytest.mark.parametrize("n_before", [0, 2, 6])
    def test_is_untouched_by_a_call_that_fails(self, kind, n_before):
        model, rows, y, first = parts(kind)
        if n_before:
            learn(model, rows[: n_before * SIZE], y[: n_before * SIZE], SIZE, first)
        before = copy.deepcopy(learned(model))
        bad = rows[:50].copy()
        bad[7, 1] = np.nan
        calls = [
            (bad, y[:50], {}),
            (rows[:50], y[:49], {}),
            (rows[:50], y[:50], {"sample_weight": -np.ones(50)}),
            (rows[:50], np.column_stack([y[:50], y[:50], y[:50]]), {}),
        ]
        calls = calls if n_before else calls[:3]
        for *data, options in calls:
            with pytest.raises(ValueError):
                model.partial_fit(*data, **first, **options)
            assert learned(model) == before

    def test_objective_curve_is_that_of_each_batch_before_it_is_learned(self):
        free = {"alpha": 0.0, "gate_alpha": 0.0, "noise_prior": 0.0}
        model, rows, y, _ = parts("linear", **free)
        learn(model, rows[:1800], y[:1800], SIZE, {})
        some = slice(1800, 2100)
        expected = -model.score_samples(rows[some], y[some]).mean()
        model.partial_fit(rows[some], y[some])
        assert model.objective_curve_[-1] == pytest.approx(expected)
        assert model.objective_curve_.shape == (model.n_iter_,) == (7,)


class TestErrors:
    def test_classes_are_needed_at_the_first_call(self):
        model, rows, y, _ = parts("binary")
        with pytest.raises(ValueError, match="classes=None.*first call.*give classes"):
            model.partial_fit(rows, y)

    def test_classes_must_be_two(self):
        model, rows, y, _ = parts("binary")
        with pytest.raises(ValueError, match=r"classes=\['no'\].*two classes"):
            model.partial_fit(rows, y, classes=["no"])

    def test_classes_may_not_change(self):
        model, rows, y, first = parts("binary")
        model.partial_fit(rows, y, **first)
        model.partial_fit(rows, y, classes=["yes", "no"])
        with pytest.raises(ValueError, match=r"classes=\['maybe', 'no'\] are not"):
            model.partial_fit(rows, y, classes=["no", "maybe"])

    def test_unknown_class_is_named(self):
        model, rows, y, first = parts("three classes")
        with pytest.raises(ValueError, match=r"classes.*partial_fit: \[7\]"):
            model.partial_fit(rows, np.where(y == 2, 7, y), **first)

    def test_symmetric_model_has_two_classes(self):
        model, rows, y, first = parts("three classes", symmetric=True)
        with pytest.raises(ValueError, match="symmetric=True"):
            model.partial_fit(rows, y, **first)

    @pytest.mark.sampled(3)
    @both
    @pytest.mark.parametrize(
        "name, value",
        [
            ("n_experts", 3),
            ("fit_intercept", False),
            ("l1_ratio", 0.5),
            ("top_k", 2),
        ],
    )
    def test_what_shapes_the_moments_may_not_change(self, kind, name, value):
        model, rows, y, first = parts(kind)
        model.partial_fit(rows, y, **first)
        with pytest.raises(ValueError, match=f"{name}={value}.*set it back"):
            model.set_params(**{name: value}).partial_fit(rows, y)

    def test_strength_of_penalties_may_change(self):
        model, rows, y, _ = parts("linear")
        model.partial_fit(rows, y).set_params(alpha=100.0 * N)
        for _ in range(3):
            learn(model, rows, y, SIZE, {})
        assert np.abs(model.coef_).max() < 1

    def test_init_must_be_a_name(self):
        model, rows, y, _ = parts("linear", init=np.zeros(N, dtype=int))
        with pytest.raises(ValueError, match="init is an array.*init='short_runs'"):
            model.partial_fit(rows, y)

    def test_invalid_parameter_is_named(self):
        with pytest.raises(ValueError, match="The 'alpha' parameter"):
            MixtureOfLinearExperts(alpha=-1).partial_fit(X, Y)

    def test_number_and_names_of_features_must_stay(self):
        model = clone(LINEAR).partial_fit(pd.DataFrame(X, columns=list("abc")), Y)
        with pytest.raises(ValueError, match="feature names"):
            model.partial_fit(pd.DataFrame(X, columns=list("abd")), Y)
        with pytest.raises(ValueError, match="2 features"):
            clone(LINEAR).partial_fit(X, Y).partial_fit(X[:, :2], Y)

    def test_number_of_outputs_must_stay(self):
        model = clone(LINEAR).partial_fit(X, Y)
        with pytest.raises(ValueError, match="y has shape"):
            model.partial_fit(X, Y2)

    def test_sparse_rows_after_dense_ones(self):
        model = clone(LINEAR).partial_fit(X, Y)
        with pytest.raises(ValueError, match="X is sparse.*toarray"):
            model.partial_fit(sparse.csr_array(X), Y)

    def test_dense_rows_after_sparse_ones(self):
        model = learn(clone(LINEAR), sparse.csr_array(THIN[:600]), Y[:600], SIZE, {})
        learn(model, THIN[600:], Y[600:], SIZE, {})
        expected = learn(clone(LINEAR), sparse.csr_array(THIN), Y, SIZE, {})
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)

    def test_moments_that_do_not_fit_in_memory(self, monkeypatch):
        monkeypatch.setattr("skmoe._partial._LARGEST_MOMENTS", 10)
        with pytest.raises(ValueError, match="X has 3 features.*gate_features"):
            clone(LINEAR).partial_fit(X, Y)


def test_optimal_moments_are_those_of_an_optimum():
    """With the curvature and masses of the rows they are what the rows would give."""
    for name in ("linear-two-outputs-shared", "three-class-2"):
        data = MODELS[name].data(n=2000, signal=2.0, gate_signal=2.0)
        mixture = MODELS[name].problem(data, alpha=0.05, gate_alpha=0.05).mixture
        start = soft_start(mixture, data.expert)
        theta = minimise(mixture, start, MirrorDescent(1.0), 5000, 1e-14).theta
        moments, optimal = RunningMoments(), RunningMoments()
        for each in (moments, optimal):
            each.blend(mixture, theta, 1.0)
        optimal.make_optimal(mixture, theta, 1.0)
        for part in ("gate_gradient", "expert_score"):
            np.testing.assert_allclose(
                getattr(optimal.stats, part), getattr(moments.stats, part), atol=1e-5
            )
        of_noises = mixture.experts._of_noises
        np.testing.assert_allclose(
            of_noises(optimal.stats.deviance),
            of_noises(moments.stats.deviance),
            atol=1e-5,
        )
