"""Predictions and effects with standard errors: what they give and refuse."""

import copy

import numpy as np
import pytest
from _effects import (
    GLM,
    LINEAR,
    LOGISTIC,
    Fit,
    N,
    classes,
    counts,
    pairs,
    reals,
    rows,
)
from scipy import sparse

from skmoe.inspection import inference

# Few rows and default penalties: here only derivatives count.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The penalties move estimates"),
    pytest.mark.filterwarnings("ignore:The optimum may be"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
PLAIN = {"alpha": 0, "gate_alpha": 0, "tol": 1e-12, "random_state": 0}


def one_expert(kind):
    """X, y, a model of one expert and the fit of statsmodels."""
    sm = pytest.importorskip("statsmodels.api")
    X, predictor, rng = rows()
    if kind == "mnlogit":
        X[:, 2] *= 0.5  # of several classes statsmodels has no differences
    ones = np.column_stack([X, np.ones(N)])
    quiet = {"disp": 0, "maxiter": 500}
    if kind == "ols":
        y = reals(X, predictor, rng)[0]
        return X, y, LINEAR(1, noise_prior=0, **PLAIN), sm.OLS(y, ones).fit()
    if kind == "logit":
        y = classes(0.3)(X, predictor, rng)[0]
        return X, y, LOGISTIC(1, **PLAIN), sm.Logit(y, ones).fit(tol=1e-12, **quiet)
    if kind == "mnlogit":
        y = classes(-0.2, 0.6)(X, predictor, rng)[0]
        return X, y, LOGISTIC(1, **PLAIN), sm.MNLogit(y, ones).fit(tol=1e-12, **quiet)
    if kind == "poisson":
        y = counts(X, predictor, rng)[0]
        return X, y, GLM(1, **PLAIN), sm.Poisson(y, ones).fit(tol=1e-12, **quiet)
    y = rng.poisson(np.exp(0.7 + predictor) * rng.gamma(2, 0.5, N)).astype(float)
    model = GLM(1, family="negative_binomial", noise_prior=0, **PLAIN)
    start = sm.NegativeBinomial(y, ones).fit(gtol=1e-5, method="bfgs", **quiet).params
    quiet |= {"start_params": start, "method": "newton", "tol": 1e-10}
    return X, y, model, sm.NegativeBinomial(y, ones).fit(**quiet)


@pytest.mark.parametrize("kind", ["ols", "logit", "poisson", "negative binomial"])
@pytest.mark.filterwarnings("ignore:using default log-link")
def test_predictions_of_one_expert_are_those_of_statsmodels(kind):
    X, y, model, reference = one_expert(kind)
    found = inference(model.fit(X, y), X, y).predictions(X).table()
    ones = np.column_stack([X, np.ones(N)])
    expected = reference.get_prediction(ones).summary_frame().to_numpy()[:, :4].copy()
    if kind == "ols":
        # statsmodels divides by n - 4 in place of n, and takes quantiles of t.
        factor = np.sqrt(reference.df_resid / N)
        expected[:, 1] *= factor
        reach = 1.959963984540054 * expected[:, [1]] * [-1, 1]
        expected[:, 2:] = expected[:, [0]] + reach
    if kind == "logit":
        found = found[found["output"] == 1].drop(columns="output")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["logit", "mnlogit", "poisson", "negative binomial"])
def test_average_effects_of_one_expert_are_those_of_statsmodels(kind):
    X, y, model, reference = one_expert(kind)
    found = inference(model.fit(X, y), X, y).average_effects(X)
    expected = reference.get_margeff(dummy=kind != "mnlogit")
    estimate, error = expected.margeff.T.ravel(), expected.margeff_se.T.ravel()
    kept = slice(-len(estimate), None)  # of two classes those of the second
    np.testing.assert_allclose(found.estimate[kept], estimate, rtol=1e-6)
    np.testing.assert_allclose(found.standard_error[kept], error, rtol=1e-6)


@pytest.fixture(scope="module")
def poisson():
    return Fit("poisson")


@pytest.fixture(scope="module")
def linear():
    return Fit("linear")


def test_weights_count_rows(poisson):
    weight = np.arange(N) % 4
    twice = poisson.X[np.repeat(np.arange(N), weight)]
    for method in ("average_predictions", "average_effects"):
        weighted = getattr(poisson.result, method)(poisson.X, weight)
        repeated = getattr(poisson.result, method)(twice)
        np.testing.assert_allclose(weighted.estimate, repeated.estimate, atol=1e-12)
        np.testing.assert_allclose(weighted.covariance, repeated.covariance, atol=1e-12)


def test_the_sandwich_goes_the_same_way(linear):
    robust = inference(linear.model, linear.X, linear.y, robust=True)
    slope = linear.derivatives("mean")[1][0, :, 0]
    expected = np.sqrt((slope @ robust.covariance * slope).sum(axis=1))
    found = robust.predictions(linear.X).standard_error
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    plain = linear.result.predictions(linear.X).standard_error
    assert (np.abs(found / plain - 1) > 0.01).any()


def test_contrasts_of_effects_are_tested_together(linear):
    effects = linear.result.average_effects(linear.X, of="experts")
    first, second = "expert 0: x0", "expert 1: x0"
    j, k = map(effects.names.index, (first, second))
    covariance = effects.covariance
    test = effects.wald_test({first: 1, second: -1})
    variance = covariance[j, j] + covariance[k, k] - 2 * covariance[j, k]
    assert test.standard_error == pytest.approx(np.sqrt(variance))
    gap = effects.estimate[j] - effects.estimate[k]
    assert test.statistic == pytest.approx(gap**2 / variance)
    # Slopes of linear experts are their coefficients.
    assert effects.estimate[j] == pytest.approx(linear.model.coef_[0, 0])
    entry = linear.result.names.index(first)
    assert effects.standard_error[j] == pytest.approx(
        linear.result.standard_error[entry]
    )


def test_shares_are_no_zeros_to_test(linear):
    shares = linear.result.average_predictions(linear.X, of="gate")
    assert shares.estimate.sum() == pytest.approx(1)
    assert shares.covariance.sum() == pytest.approx(0, abs=1e-12)
    assert np.isnan(shares.p_value).all()
    lower, upper = shares.confidence_interval().T
    assert (0 < lower).all() and (upper < 1).all()
    test = shares.wald_test({"gate 0": 1}, 0.5)
    assert np.isfinite(test.p_value)


def test_intervals_stay_in_range():
    fit = Fit("binomial")
    for of in ("experts", "mean"):
        single = fit.result.predictions(fit.X, of=of)
        several = fit.result.predictions(fit.X, trials=np.full(N, 5), of=of)
        ends = [part.confidence_interval(0.999999) for part in (single, several)]
        np.testing.assert_allclose(ends[1], 5 * ends[0])
    ends = single.confidence_interval(0.999999)
    assert (ends > 0).all() and (ends < 1).all()
    averages = fit.result.average_predictions(fit.X, **fit.known)
    assert averages.confidence_interval(0.999999)[0, 0] > 0


def test_what_is_at_the_end_of_its_range_has_no_width():
    fit = Fit("zeros in excess")
    found = fit.result.predictions(fit.X, of="experts")
    assert (found.estimate[:, 2] == 0).all()
    assert (found.confidence_interval()[:, 2] == 0).all()
    assert (found.confidence_interval()[:, :2, 0] > 0).all()


def test_tables_have_a_row_for_each_number(poisson, monkeypatch):
    pytest.importorskip("pandas")
    table = poisson.result.predictions(poisson.X[:3], of="experts").table()
    assert list(table["expert"]) == [0, 1] * 3
    columns = ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper"]
    assert list(table.columns) == ["expert", *columns]
    found = poisson.result.predictions(poisson.X[:3], of="experts")
    np.testing.assert_array_equal(table["mean"], found.estimate.ravel())
    ends = table[["mean_ci_lower", "mean_ci_upper"]].to_numpy()
    np.testing.assert_array_equal(ends, found.confidence_interval().reshape(-1, 2))
    effects = poisson.result.average_effects(poisson.X).table()
    assert list(effects["contrast"]) == ["dy/dx", "dy/dx", "1 - 0"]
    three = Fit("three classes").result.predictions(poisson.X[:3], of="experts").table()
    assert list(three["output"]) == [0, 1, 2] * 6
    assert list(three["expert"]) == [0, 0, 0, 1, 1, 1] * 3
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    plain = poisson.result.predictions(poisson.X[:3]).table()
    assert plain.dtype.names == tuple(columns)


def test_rows_of_a_frame_keep_their_index():
    pd = pytest.importorskip("pandas")
    X, predictor, rng = rows()
    frame = pd.DataFrame(X, columns=list("abc"), index=[f"r{i}" for i in range(N)])
    frame["text"] = "seen by nobody"
    y = pd.DataFrame(pairs(X, predictor, rng)[0], columns=["up", "down"])
    seen = {"gate_features": ["a"], "expert_features": ["a", "c"]}
    model = LINEAR(random_state=0, **seen).fit(frame, y)
    result = inference(model, frame, y)
    table = result.predictions(frame[:2]).table()
    assert list(table.index) == ["r0", "r0", "r1", "r1"]
    assert list(table["output"]) == ["up", "down"] * 2
    effects = result.average_effects(frame)
    assert effects.names == ["mean, up: a", "mean, up: c", "mean, down: a"] + [
        "mean, down: c"
    ]


@pytest.mark.parametrize("kind", [sparse.csr_array, np.float32])
def test_sparse_rows_and_single_precision_say_the_same(poisson, kind):
    model = copy.copy(poisson.model)
    X = kind(poisson.X) if kind is sparse.csr_array else poisson.X.astype(kind)
    result = inference(model, poisson.X, poisson.y)
    for method in ("predictions", "average_predictions", "average_effects"):
        found = getattr(result, method)(X)
        expected = getattr(result, method)(poisson.X)
        np.testing.assert_allclose(found.estimate, expected.estimate, rtol=1e-5)
        np.testing.assert_allclose(
            found.standard_error, expected.standard_error, rtol=1e-5
        )
    assert "1 - 0" in list(result.average_effects(X).table()["contrast"])


@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_constant_column_leaves_errors_only_where_it_is_constant(is_sparse):
    X, predictor, rng = rows()
    y = reals(X, predictor, rng)[0]
    X = np.column_stack([X, np.full(N, 0.1)])
    make = sparse.csr_array if is_sparse else np.asarray
    model = LINEAR(random_state=0).fit(make(X), y)
    result = inference(model, make(X), y)
    without = LINEAR(random_state=0).fit(make(X[:, :3]), y)
    expected = inference(without, make(X[:, :3]), y).predictions(make(X[:, :3]))
    found = result.predictions(make(X))
    np.testing.assert_allclose(found.standard_error, expected.standard_error, rtol=1e-6)
    X[0, 3] = 0.2
    errors = result.predictions(make(X)).standard_error
    assert np.isnan(errors[0]) and np.isfinite(errors[1:]).all()
    effects = result.average_effects(make(X[1:]))
    assert np.isnan(effects.standard_error).tolist() == [False] * 3 + [True]
    with pytest.raises(ValueError, match="without a standard error.*mean: x3"):
        effects.wald_test({"mean: x3": 1})


def test_a_later_fit_changes_no_earlier_result(linear):
    model = copy.copy(linear.model)
    result = inference(model, linear.X, linear.y)
    before = result.predictions(linear.X)
    model.set_params(expert_features=[0], top_k=2, n_experts=3)
    model.fit(linear.X, -linear.y)
    after = result.predictions(linear.X)
    np.testing.assert_array_equal(before.estimate, after.estimate)
    np.testing.assert_array_equal(before.standard_error, after.standard_error)


def test_rows_in_many_blocks_add_up(poisson):
    X = np.tile(poisson.X, (200, 1))
    for method in ("average_predictions", "average_effects"):
        many = getattr(poisson.result, method)(X)
        once = getattr(poisson.result, method)(poisson.X)
        np.testing.assert_allclose(many.estimate, once.estimate, rtol=1e-10)
        np.testing.assert_allclose(many.covariance, once.covariance, rtol=1e-8)
    many = poisson.result.predictions(X).standard_error
    once = poisson.result.predictions(poisson.X).standard_error
    np.testing.assert_allclose(many, np.tile(once, 200), rtol=1e-10)


def test_all_ones_are_a_binary_column(poisson):
    treated = poisson.X[poisson.X[:, 2] == 1]
    effects = poisson.result.average_effects(treated)
    assert list(effects.table()["contrast"]) == ["dy/dx", "dy/dx", "1 - 0"]
    without = treated * [1, 1, 0]
    gap = poisson.model.predict(treated) - poisson.model.predict(without)
    assert effects.estimate[2] == pytest.approx(gap.mean())


def test_bad_input_is_an_error(poisson, linear):
    result, X = poisson.result, poisson.X
    for method in ("predictions", "average_predictions", "average_effects"):
        with pytest.raises(ValueError, match="of='odds' is unknown; give one of 'mean"):
            getattr(result, method)(X, of="odds")
        with pytest.raises(ValueError, match="of=\\['mean'\\] is unknown"):
            getattr(result, method)(X, of=["mean"])
        with pytest.raises(ValueError, match="features"):
            getattr(result, method)(X[:, :2])
        with pytest.raises(ValueError, match="trials"):
            getattr(result, method)(X, trials=np.ones(N))
    with pytest.raises(ValueError, match="sample_weight"):
        result.average_effects(X, np.ones(3))
    with pytest.raises(ValueError, match="level=95 is no coverage"):
        result.predictions(X).confidence_interval(95)
    with pytest.raises(ValueError, match="level=None is no coverage"):
        result.predictions(X).confidence_interval(None)
    with pytest.raises(ValueError, match="names \\['mean: x9'\\]"):
        result.average_effects(X).wald_test({"mean: x9": 1})


@pytest.mark.parametrize("name", ["offset", "binomial"])
def test_averages_miss_what_the_fit_had(name):
    fit = Fit(name)
    missing = "offset" if name == "offset" else "trials"
    for method in ("average_predictions", "average_effects"):
        with pytest.raises(ValueError, match=f"{missing}=None, but the model"):
            getattr(fit.result, method)(fit.X)
    with pytest.raises(ValueError, match=f"{missing}=None, but the model"):
        fit.result.average_differences(fit.X, fit.X)
    assert fit.result.predictions(fit.X).estimate.shape == (N,)


@pytest.mark.parametrize("name", ["offset", "binomial"])
def test_the_gate_sees_no_offset_and_no_trials(name):
    fit = Fit(name)
    for method in ("average_predictions", "average_effects"):
        plain = getattr(fit.result, method)(fit.X, of="gate")
        given = getattr(fit.result, method)(fit.X, of="gate", **fit.known)
        np.testing.assert_array_equal(plain.estimate, given.estimate)
        np.testing.assert_array_equal(plain.covariance, given.covariance)
    change = fit.result.average_differences(fit.X + 1, fit.X, of="gate")
    gain = fit.model.gate_proba(fit.X + 1) - fit.model.gate_proba(fit.X)
    np.testing.assert_allclose(change.estimate, gain.mean(axis=0), atol=1e-12)


def test_an_expert_that_died_counts_where_it_has_a_say():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 1))
    y = X[:, 0] + 0.1 * rng.standard_normal(200)
    start = np.tile([0.999, 0.001], (200, 1))
    model = LINEAR(init=start, tol=1e-8).fit(X, y)
    result = inference(model, X, y)
    is_dead = [name.startswith("expert 1") for name in result.names]
    assert np.isnan(result.standard_error[is_dead]).all()
    far = -1e6 * np.sign(model.gate_coef_[0])
    gate = model.gate_proba([[0.0], far])[:, 1]
    assert gate[0] < 1e-6 and gate[1] > 0.5
    errors = result.predictions([[0.0], far]).standard_error
    assert np.isfinite(errors[0]) and np.isnan(errors[1])
    assert np.isnan(result.predictions([[0.0]], of="experts").standard_error[0, 1])


def test_intervals_of_all_but_certain_experts_are_those_of_the_others(linear):
    far = np.array([[0.0, scale, 0.0] for scale in (5, 20, 30, 60)])
    predicted = linear.result.predictions(far, of="gate")
    assert (predicted.estimate[1:].max(axis=1) == 1).any()
    assert (predicted.standard_error > 0).all()
    lower, upper = np.moveaxis(predicted.confidence_interval(), 2, 0)
    np.testing.assert_allclose(lower, 1 - upper[:, ::-1], atol=1e-12)
    share = linear.result.average_predictions(far[-1:], of="gate")
    lower, upper = share.confidence_interval().T
    np.testing.assert_allclose(lower, 1 - upper[::-1], atol=1e-12)


def test_lists_have_tables_and_frames_keep_all_levels_of_their_index(linear):
    pd = pytest.importorskip("pandas")
    rows = linear.X[:2]
    table = linear.result.predictions(rows.tolist()).table()
    assert table.index.tolist() == [0, 1]
    levels = pd.MultiIndex.from_tuples([(1, "a"), (1, "b")], names=["who", "when"])
    frame = pd.DataFrame(rows, index=levels)
    table = linear.result.predictions(frame, of="experts").table()
    assert table.index.equals(levels.repeat(2))
    assert table.index.names == levels.names


def test_what_cannot_vary_is_not_tested():
    X, y, _ = rows()
    result = inference(LINEAR(1, random_state=0).fit(X, y), X, y)
    share = result.average_predictions(X, of="gate")
    with pytest.raises(ValueError, match="nothing to test"):
        share.wald_test({"gate 0": 1})


def test_the_rows_of_the_fit_say_what_is_binary(poisson):
    few = poisson.X[:5].copy()
    few[:, 0], few[:, 2] = [0, 1, 1, 0, 1], 0.4
    effects = poisson.result.average_effects(few)
    assert list(effects.table()["contrast"]) == ["dy/dx", "dy/dx", "1 - 0"]
    assert "mean: x2  1 - 0" in repr(effects)
    sure = np.ones(N)
    sure[0], other = 0, poisson.X.copy()
    other[0, 2] = 7
    model = GLM(2, random_state=0).fit(other, poisson.y, sure)
    effects = inference(model, other, poisson.y, sure).average_effects(poisson.X)
    assert list(effects.table()["contrast"]) == ["dy/dx", "dy/dx", "1 - 0"]


@pytest.mark.parametrize("of", ["mean", "experts", "gate"])
def test_differences_are_those_of_averages_and_of_a_binary_column(poisson, of):
    one, zero = poisson.X.copy(), poisson.X.copy()
    one[:, 2], zero[:, 2] = 1, 0
    found = poisson.result.average_differences(one, zero, of=of)
    averages = [
        poisson.result.average_predictions(X, of=of).estimate for X in (one, zero)
    ]
    np.testing.assert_allclose(found.estimate, averages[0] - averages[1], rtol=1e-10)
    effects = poisson.result.average_effects(poisson.X, of=of).table()
    effects = effects[effects["feature"] == "x2"]
    np.testing.assert_allclose(found.estimate, effects["estimate"], rtol=1e-10)
    np.testing.assert_allclose(found.standard_error, effects["std_error"], rtol=1e-8)
    weight = np.arange(N) % 3
    weighted = poisson.result.average_differences(one, zero, weight, of=of)
    kept = np.repeat(np.arange(N), weight)
    repeated = poisson.result.average_differences(one[kept], zero[kept], of=of)
    np.testing.assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-10)


def test_differences_are_of_the_same_rows(poisson):
    with pytest.raises(ValueError, match="X has 120 rows, X_base 119"):
        poisson.result.average_differences(poisson.X, poisson.X[1:])


def test_errors_stay_where_columns_are_far_from_zero(linear):
    X = linear.X + [1e8, 0, 0]
    options = {"tol": 1e-9, "gate_alpha": 0.1, "random_state": 0}
    near, far = (
        inference(LINEAR(2, **options).fit(rows, linear.y), rows, linear.y)
        for rows in (linear.X, X)
    )
    for of in ("mean", "experts", "gate"):
        expected = near.predictions(linear.X, of=of).standard_error
        found = far.predictions(X, of=of).standard_error
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        expected = near.average_effects(linear.X, of=of).standard_error
        found = far.average_effects(X, of=of).standard_error
        np.testing.assert_allclose(found, expected, rtol=1e-4)
