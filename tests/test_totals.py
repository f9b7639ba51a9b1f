"""Penalties are totals, criteria count what was learned, and sparse data is named."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import information
from skmoe.streaming import array_batches, fit_batches


def drawn(n=200, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    weight = rng.integers(1, 4, size=n).astype(float)
    return X, X @ np.arange(1.0, d + 1), weight, rng


@pytest.mark.parametrize("alpha", [0.3, 1.0, 20.0])
class TestOneExpertIsItsLinearModel:
    def test_ridge(self, alpha):
        X, y, weight, rng = drawn()
        y = y + rng.standard_normal(len(y))
        model = MixtureOfLinearExperts(1, alpha=alpha, tol=1e-13)
        model.fit(X, y, sample_weight=weight)
        variance = np.cov(y, aweights=weight, bias=True)
        ridge = Ridge(alpha * model.noise_variance_[0] / variance)
        ridge.fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(model.coef_[0], ridge.coef_, rtol=1e-6)

    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_logistic_regression(self, alpha, n_classes):
        X, y, weight, rng = drawn()
        y = np.digitize(y + 3 * rng.standard_normal(len(y)), [0, 4][: n_classes - 1])
        model = MixtureOfLogisticExperts(1, alpha=alpha, tol=1e-14)
        model.fit(X, y, sample_weight=weight)
        other = LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=10_000)
        other.fit(X, y, sample_weight=weight)
        found = np.squeeze(model.coef_)
        np.testing.assert_allclose(found, np.squeeze(other.coef_), atol=1e-5)

    def test_poisson_regressor(self, alpha):
        X, y, weight, rng = drawn()
        y = rng.poisson(np.exp(y / 4))
        model = MixtureOfGLMExperts(1, alpha=alpha, tol=1e-14)
        model.fit(X, y, sample_weight=weight)
        other = PoissonRegressor(alpha=alpha / weight.sum(), tol=1e-10)
        other.fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(model.coef_[0], other.coef_, atol=1e-5)

    def test_gamma_regressor(self, alpha):
        X, y, weight, rng = drawn()
        y = rng.gamma(2.0, np.exp(y / 4))
        model = MixtureOfGLMExperts(1, family="gamma", alpha=alpha, tol=1e-14)
        model.fit(X, y, sample_weight=weight)
        strength = alpha * model.dispersion_[0] / weight.sum()
        other = GammaRegressor(alpha=strength, tol=1e-10, max_iter=1000)
        other.fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(model.coef_[0], other.coef_, atol=1e-5)


def regimes(n, seed=0):
    X, _, weight, rng = drawn(n, 2, seed)
    y = np.where(X[:, 0] > 0, X[:, 1], -X[:, 1]) + 0.3 * rng.standard_normal(n)
    return X, y, weight


ESTIMATORS = {
    "linear": (MixtureOfLinearExperts(random_state=0), lambda y: y),
    "logistic": (MixtureOfLogisticExperts(random_state=0), lambda y: y > 0),
    "poisson": (MixtureOfGLMExperts(random_state=0), lambda y: np.round(np.exp(y))),
    "gamma": (MixtureOfGLMExperts(family="gamma", random_state=0), np.exp),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("form", ["dense", "sparse", "batches", "groups"])
def test_rows_that_come_twice_are_as_half_the_penalty(name, form):
    """Twice the rows, penalties and prior: the same F per row, so the same fit."""
    model, encode = ESTIMATORS[name]
    X, y, _ = regimes(400)
    y = encode(y)
    model.set_params(alpha=3.0, gate_alpha=2.0, tol=1e-10)
    twice = {"alpha": 6.0, "gate_alpha": 4.0}
    if name in ("linear", "gamma"):
        model.set_params(noise_prior=6.0)
        twice["noise_prior"] = 12.0

    def fit(fresh, times):
        rows = np.tile(np.arange(len(y)), times)
        if form == "batches":
            return fit_batches(fresh, array_batches(X[rows], y[rows], batch_size=170))
        if form == "groups":
            # Weights of rows would count within a group.
            fresh.set_params(gate_features=[])
            return fresh.fit(X[rows], y[rows], groups=np.arange(rows.size) // 4)
        given = sparse.csr_array(X[rows]) if form == "sparse" else X[rows]
        return fresh.fit(given, y[rows])

    one = fit(clone(model), 1)
    two = fit(clone(model).set_params(**twice), 2)
    ends = one.objective_curve_[-1], two.objective_curve_[-1]
    # What the prior expects is corrected for the number of rows.
    tolerance = 1e-3 if "noise_prior" in twice else 1e-8
    assert ends[0] == pytest.approx(ends[1], abs=tolerance)
    np.testing.assert_allclose(one.predict(X), two.predict(X), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_weights_count_as_rows_beside_the_penalty(name):
    model, encode = ESTIMATORS[name]
    X, y, weight = regimes(300)
    y, rows = encode(y), np.repeat(np.arange(300), weight.astype(int))

    model = clone(model).set_params(alpha=20.0, gate_alpha=10.0, tol=1e-10)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    repeated = clone(model).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)
    light = clone(model).fit(X, y, sample_weight=weight / 10)
    assert np.square(light.coef_).sum() < 0.99 * np.square(weighted.coef_).sum()


def test_a_jump_gets_sharper_with_more_rows():
    """A penalty per row would leave it as blurred at any n."""
    errors = []
    for n in (300, 3000, 30_000):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1.5, 1.5, size=n)
        y = np.where(x < -0.3, x + 1.5, 2.5 - x) + 0.1 * rng.standard_normal(n)
        model = MixtureOfLinearExperts(random_state=0).fit(x[:, None], y)
        grid = np.linspace(-1.5, 1.5, 2001)
        truth = np.where(grid < -0.3, grid + 1.5, 2.5 - grid)
        errors.append(np.sqrt(np.mean((model.predict(grid[:, None]) - truth) ** 2)))
    assert errors[1] < 0.8 * errors[0] and errors[2] < 0.8 * errors[1]


class TestCriteria:
    @pytest.mark.parametrize("options", [{}, {"l1_ratio": 0.1, "gate_l1_ratio": 0.1}])
    @pytest.mark.parametrize("name", ["linear", "logistic", "gamma"])
    def test_constant_columns_do_not_count(self, name, options):
        model, encode = ESTIMATORS[name]
        X, y, _ = regimes(300)

        model = clone(model).set_params(**options)
        few = clone(model).fit(X, encode(y))
        Z = np.column_stack([X, np.ones((300, 4))])
        many = clone(model).fit(Z, encode(y))
        assert many.bic(Z, encode(y)) == pytest.approx(few.bic(X, encode(y)), rel=1e-6)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_parameters_are_those_of_information(self, name):
        model, encode = ESTIMATORS[name]
        X, y, _ = regimes(300)
        X = np.column_stack([X, np.ones(300)])
        y = encode(y)

        model = clone(model).fit(X, y)
        k = model.aic(X, y) / 2 + model.score_samples(X, y).sum()
        assert k == pytest.approx(len(information(model, X, y).names), abs=1e-6)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_experts_with_less_than_half_a_row_do_not_count(self, name):
        model, encode = ESTIMATORS[name]
        X, y, _ = regimes(150)
        y = encode(y)

        model = clone(model).set_params(
            n_experts=10, alpha=3.0, gate_alpha=3.0, tol=1e-6
        )
        model.fit(X, y)
        rows = model.responsibilities(X, y).sum(axis=0)
        assert ((rows > 1e-8) & (rows < 0.5)).any()
        n_experts = (rows > 0.5).sum()
        of_expert = 3 + (name in ("linear", "gamma"))
        k = model.aic(X, y) / 2 + model.score_samples(X, y).sum()
        assert k == pytest.approx(3 * (n_experts - 1) + of_expert * n_experts, abs=1e-6)
        of_experts = [n for n in information(model, X, y).names if n[:4] != "gate"]
        assert len(of_experts) == of_expert * n_experts

    @pytest.mark.parametrize("family", ["linear", "gamma"])
    def test_noise_at_its_bound_does_not_count(self, family):
        x = np.linspace(-1, 1, 301)[:, None]
        y = np.abs(x[:, 0])
        if family == "linear":
            model = MixtureOfLinearExperts(random_state=0, noise_prior=0.0)
        else:
            model, y = MixtureOfGLMExperts(family="gamma", random_state=0), np.exp(y)
            model.set_params(noise_prior=0.0)
        model.fit(x, y)
        k = model.aic(x, y) / 2 + model.score_samples(x, y).sum()
        assert k == pytest.approx(len(information(model, x, y).names), abs=1e-6)
        assert k == pytest.approx(6)

    def test_icl_gives_groups_without_weight_nothing(self):
        X, y, _ = regimes(400)
        group = np.arange(400) // 5
        weight = np.where(group < 20, 0.0, 1.0)
        kept = weight > 0
        model = MixtureOfLinearExperts(gate_features=[], random_state=0)
        model.fit(X, y, weight, group)
        for criterion in (model.icl, model.bic):
            assert criterion(X, y, weight, group) == pytest.approx(
                criterion(X[kept], y[kept], weight[kept], group[kept]), rel=1e-12
            )

    def test_bic_by_the_number_of_groups_follows_from_it(self):
        """The formula of its docstring."""
        X, y, _ = regimes(400)
        group = np.arange(400) // 5
        model = MixtureOfLinearExperts(gate_features=[], random_state=0)
        model.fit(X, y, groups=group)
        aic, bic = model.aic(X, y, groups=group), model.bic(X, y, groups=group)
        k = (bic - aic) / (np.log(400) - 2)
        assert k == pytest.approx(round(k), abs=1e-9) and round(k) == 9


class TestWarnings:
    def test_more_parameters_than_rows(self):
        X, y, _, _ = drawn(20, 10)
        with pytest.warns(UserWarning, match="and 20 rows .*raise alpha"):
            MixtureOfLinearExperts(random_state=0).fit(X, y + X[:, 0] ** 2)

    def test_an_expert_with_fewer_rows_than_coefficients(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((200, 8))
        y = X[:, 0] + 0.1 * rng.standard_normal(200)
        labels = (np.arange(200) < 4).astype(int)
        y[:4] += 50
        with pytest.warns(UserWarning, match="An expert has 4.* 9 coefficients"):
            MixtureOfLinearExperts(init=labels).fit(X, y)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_none_where_rows_are_enough(self, name):
        model, encode = ESTIMATORS[name]
        X, y, _ = regimes(400)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(X, encode(y))
