"""Degrees of freedom of t noise that are learned."""

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.base import clone

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import inference
from skmoe.model_selection import n_experts_path
from skmoe.streaming import array_batches, fit_batches

LEARNS = MixtureOfLinearExperts(2, noise_df="estimate", random_state=0)
EXACT = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0, "tol": 1e-10}


def two_lines(df, n=2000, seed=0):
    """Rows of two lines with t noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    noise = rng.standard_normal(n) if np.isinf(df) else rng.standard_t(df, n)
    first = rng.uniform(size=n) < 0.5
    mean = np.where(first, 1 + 2 * X[:, 0], -1 - X[:, 0] + X[:, 1])
    return X, mean + 0.5 * noise


@pytest.fixture(scope="module")
def heavy():
    """Rows with 4 degrees of freedom, and the fit of maximum likelihood."""
    X, y = two_lines(4, 1000)
    return X, y, clone(LEARNS).set_params(**EXACT).fit(X, y)


def negative_likelihood(model, X, y):
    """Minus the log-likelihood by parameters, and those of a fit of two experts."""

    def value(p):
        gate = p[:2] @ X.T + p[2]
        density = [
            stats.t.logpdf(y, np.exp(p[11]), p[i : i + 2] @ X.T + p[i + 2], np.exp(s))
            for i, s in ((3, p[9]), (6, p[10]))
        ]
        log_gate = -np.logaddexp(0, -gate), -np.logaddexp(0, gate)
        return -np.logaddexp(*np.add(log_gate, density)).sum()

    fitted = np.concatenate(
        [
            model.gate_coef_[0] - model.gate_coef_[1],
            [model.gate_intercept_[0] - model.gate_intercept_[1]],
            np.column_stack([model.coef_, model.intercept_]).ravel(),
            0.5 * np.log(model.noise_variance_),
            [np.log(model.noise_df_)],
        ]
    )
    return value, fitted


@pytest.mark.parametrize("df", [3, 5, 30])
def test_degrees_of_freedom_are_found(df):
    X, y = two_lines(df)
    model = clone(LEARNS).fit(X, y)
    result = inference(model, X, y)
    low, high = result.confidence_interval(0.999)[-1]
    assert low < df < high
    given = clone(LEARNS).set_params(noise_df=df).fit(X, y)
    assert model.log_likelihood(X, y) > given.log_likelihood(X, y) - 0.01
    assert (np.diff(model.objective_curve_) <= 1e-12).all()
    assert len(model.objective_curve_) == model.n_iter_ + 1


def test_it_is_the_maximum_of_the_likelihood(heavy):
    X, y, model = heavy
    value, fitted = negative_likelihood(model, X, y)
    assert value(fitted) == pytest.approx(-model.log_likelihood(X, y), rel=1e-12)
    best = optimize.minimize(value, fitted, method="BFGS", options={"gtol": 1e-5})
    assert best.fun > value(fitted) - 1e-5
    np.testing.assert_allclose(fitted, best.x, atol=2e-3)


def test_standard_errors_are_those_of_differences(heavy):
    X, y, model = heavy
    value, fitted = negative_likelihood(model, X, y)
    steps = 1e-3 * np.eye(fitted.size)
    hessian = [
        [
            value(fitted + a + b)
            - value(fitted + a - b)
            - value(fitted - a + b)
            + value(fitted - a - b)
            for b in steps
        ]
        for a in steps
    ]
    covariance = np.linalg.inv(np.array(hessian) / 4e-6)
    expected = np.sqrt(covariance.diagonal())
    result = inference(model, X, y)
    assert result.names[-1] == "all noises: (degrees of freedom)"
    found = result.standard_error
    np.testing.assert_allclose(found[-1], model.noise_df_ * expected[-1], rtol=1e-3)
    # Gates are reported as zero-sum, half of their difference.
    np.testing.assert_allclose(found[:3], expected[:3] / 2, rtol=1e-3)
    np.testing.assert_allclose(found[6:12], expected[3:9], rtol=1e-3)
    scale = 2 * model.noise_variance_ * expected[9:11]
    np.testing.assert_allclose(found[12:14], scale, rtol=1e-3)


def test_normal_noise_ends_at_the_bound():
    X, y = two_lines(np.inf)
    model = clone(LEARNS).set_params(**EXACT).fit(X, y)
    assert model.noise_df_ == 200
    normal = clone(model).set_params(noise_df=None).fit(X, y)
    np.testing.assert_allclose(model.coef_, normal.coef_, atol=0.01)
    # The bound is not a parameter, and has no standard error.
    bic = model.bic(X, y) - 2 * (
        normal.log_likelihood(X, y) - model.log_likelihood(X, y)
    )
    assert bic == pytest.approx(normal.bic(X, y))
    assert len(inference(model, X, y).names) == len(inference(normal, X, y).names)


def test_a_number_that_was_learned_is_a_parameter(heavy):
    X, y, model = heavy
    given = clone(model).set_params(noise_df=model.noise_df_).fit(X, y)
    gain = 2 * (model.log_likelihood(X, y) - given.log_likelihood(X, y))
    assert gain == pytest.approx(0, abs=1e-3)
    difference = model.bic(X, y) - given.bic(X, y)
    assert difference == pytest.approx(np.log(len(y)), abs=1e-2)
    for name in ("predict", "gate_proba", "predict_interval"):
        found, expected = (getattr(fit, name)(X[:20]) for fit in (model, given))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_batches_and_partitions_learn_the_same():
    X, y = two_lines(4, 400)
    model = clone(LEARNS).set_params(tol=1e-8).fit(X, y)
    parts = fit_batches(clone(model), array_batches(X, y, batch_size=200))
    assert parts.noise_df_ == pytest.approx(model.noise_df_, rel=1e-6)
    np.testing.assert_allclose(parts.coef_, model.coef_, rtol=1e-6)
    da = pytest.importorskip("dask.array")
    distributed = pytest.importorskip("distributed")
    from skmoe.dask import DaskMixture

    rows, target = (da.from_array(values, chunks=200) for values in (X, y))
    with distributed.Client(processes=False, dashboard_address=None) as client:
        parts = DaskMixture(clone(model), client=client).fit(rows, target)
        assert parts.noise_df_ == pytest.approx(model.noise_df_, rel=1e-6)
        found = parts.bic(rows, target)
    assert found == pytest.approx(model.bic(X, y), rel=1e-6)


def test_weights_are_rows_and_groups_are_taken():
    X, y = two_lines(4, 300)
    weight = np.random.default_rng(0).integers(1, 3, 300)
    rows = np.repeat(np.arange(300), weight)
    one = clone(LEARNS).fit(X, y, sample_weight=weight)
    other = clone(LEARNS).fit(X[rows], y[rows])
    assert one.noise_df_ == pytest.approx(other.noise_df_, rel=1e-8)


def test_groups_share_an_expert():
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(600, 1)), np.arange(600) // 3
    y = np.where(groups % 2, 1, -1) * X[:, 0] + 0.5 * rng.standard_t(3, 600)
    model = clone(LEARNS).set_params(gate_features=[], **EXACT)
    model.fit(X, y, groups=groups)
    profile = [
        clone(model).set_params(noise_df=df).fit(X, y, groups=groups)
        for df in model.noise_df_ * np.exp([-0.2, 0.0, 0.2])
    ]
    low, best, high = (fit.log_likelihood(X, y, groups=groups) for fit in profile)
    assert best > max(low, high)
    found = model.log_likelihood(X, y, groups=groups)
    assert found == pytest.approx(best, abs=1e-4)


def test_online_learning_goes_on_with_what_was_learned(heavy):
    X, y, model = heavy
    online = clone(LEARNS)
    with pytest.raises(ValueError, match=r"noise_df='estimate' .* fit some rows first"):
        online.partial_fit(X, y)
    online.fit(X[:500], y[:500])
    learned = online.noise_df_
    online.partial_fit(X[500:], y[500:])
    assert online.noise_df_ == learned
    assert online.score(X, y) == pytest.approx(model.score(X, y), abs=0.05)


def test_a_warm_start_and_a_path_learn_anew():
    X, y = two_lines(4, 500)
    model = clone(LEARNS).set_params(warm_start=True).fit(X, y)
    first = model.noise_df_
    assert model.fit(X, y).noise_df_ == pytest.approx(first, rel=0.02)
    path = n_experts_path(clone(LEARNS), X, y, max_experts=2)
    one, two = path.estimators
    assert one.noise_df_ != two.noise_df_
    assert path.best("bic") is two


def test_a_failed_fit_leaves_what_was_learned(heavy):
    X, y, model = heavy
    before = model.noise_df_
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, np.full(len(y), np.nan))
    assert model.noise_df_ == before
    with pytest.raises(ValueError, match="robust=True with noise_df='estimate'"):
        inference(model, X, y, robust=True)
    with pytest.raises(ValueError, match="noise_df"):
        clone(LEARNS).set_params(noise_df="learn").fit(X, y)
