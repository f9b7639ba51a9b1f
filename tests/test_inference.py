"""Standard errors, tests and intervals against closed forms and repeated fits."""

import builtins
import csv
import warnings

import numpy as np
import pytest
from _paper import ROOT, load
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from test_information import fitted, piecewise

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.inspection import inference, information

PLAIN = {"alpha": 0, "gate_alpha": 0, "tol": 1e-10, "random_state": 0}
FREE = {**PLAIN, "noise_prior": 0}

# What they do to estimates is tested where the prior is.
pytestmark = pytest.mark.filterwarnings("ignore:The penalties move estimates")


def test_one_linear_expert_has_the_standard_errors_of_least_squares():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) * [1.0, 10.0, 0.1] + [0.0, 500.0, 3.0]
    y = X @ [1.0, -0.5, 20.0] + 3 * rng.standard_normal(200)
    model = MixtureOfLinearExperts(1, **FREE).fit(X, y)
    result = inference(model, X, y)
    ones = np.column_stack([X, np.ones(200)])
    solution, residual, *_ = np.linalg.lstsq(ones, y, rcond=None)
    variance = residual[0] / 200
    expected = np.sqrt(variance * np.linalg.inv(ones.T @ ones).diagonal())
    experts = [name.startswith("expert") for name in result.names]
    np.testing.assert_allclose(result.estimate[experts], solution, rtol=1e-6)
    np.testing.assert_allclose(result.standard_error[experts], expected, rtol=1e-6)
    # The variance of a maximum likelihood estimate of a variance: 2 sigma^4 / n.
    assert result.standard_error[-1] == pytest.approx(variance * np.sqrt(2 / 200))
    np.testing.assert_allclose(result.z[experts], solution / expected, rtol=1e-5)
    p_value = 2 * stats.norm.sf(np.abs(solution / expected))
    np.testing.assert_allclose(result.p_value[experts], p_value, rtol=1e-3, atol=1e-30)
    assert np.isnan(result.z[-1]) and np.isnan(result.p_value[-1])


def test_one_linear_expert_has_the_sandwich_of_white():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    y = X.sum(axis=1) + X[:, 0] * rng.standard_normal(300)
    model = MixtureOfLinearExperts(1, **FREE).fit(X, y)
    ones = np.column_stack([X, np.ones(300)])
    bread = np.linalg.inv(ones.T @ ones)
    square = (y - model.predict(X)) ** 2
    expected = bread @ (ones.T * square @ ones) @ bread
    result = inference(model, X, y, robust=True)
    experts = [j for j, name in enumerate(result.names) if name.startswith("expert")]
    found = result.covariance[np.ix_(experts, experts)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)
    assert (
        result.standard_error[experts[0]]
        > 1.3 * (inference(model, X, y).standard_error[experts[0]])
    )


def test_one_logistic_expert_has_the_standard_errors_of_logistic_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 2))
    y = rng.uniform(size=400) < 1 / (1 + np.exp(-X @ [1.0, -1.0] - 0.5))
    model = MixtureOfLogisticExperts(1, **PLAIN).fit(X, y)
    result = inference(model, X, y)
    positive = model.predict_proba(X)[:, 1]
    ones = np.column_stack([X, np.ones(400)])
    hessian = ones.T * (positive * (1 - positive)) @ ones
    expected = np.sqrt(np.linalg.inv(hessian).diagonal())
    np.testing.assert_allclose(result.standard_error[-3:], expected, rtol=1e-6)


@pytest.mark.parametrize("make", [list, np.array], ids=["strings", "integers"])
def test_outputs_have_the_names_of_the_columns_of_y(make):
    pd = pytest.importorskip("pandas")
    _, X, y = fitted()
    frame = pd.DataFrame(np.column_stack([y, X.sum(axis=1) + y**2]))
    frame.columns = ["up", "down"] if make is list else np.array([7, 5])
    model = MixtureOfLinearExperts(**PLAIN).fit(X, frame)
    result, info = inference(model, X, frame), information(model, X, frame)
    first, second = frame.columns
    plain = inference(model, X, frame.to_numpy()).names
    renamed = [
        name.replace(", 0:", f", {first}:").replace(", 1:", f", {second}:")
        for name in plain
    ]
    assert result.names == renamed and f"expert 0, {first}: x0" in renamed
    assert f"expert 1, {second}: x0" in info.names


def test_penalties_count_as_information():
    model, X, y = fitted(alpha=0.05, gate_alpha=0.05)
    info = information(model, X, y)
    covariance = np.linalg.inv(info.observed + info.penalty)
    result = inference(model, X, y)
    for name in ("expert 0: x0", "expert 1: x1"):
        place = info.names.index(name)
        found = result.standard_error[result.names.index(name)]
        assert found == pytest.approx(np.sqrt(covariance[place, place]), rel=1e-6)


def test_gates_are_those_of_the_attributes():
    """w and -w have one standard error; their difference has twice that."""
    model, X, y = fitted()
    result, info = inference(model, X, y), information(model, X, y)
    first = result.standard_error[result.names.index("gate 0: x0")]
    second = result.standard_error[result.names.index("gate 1: x0")]
    assert first == pytest.approx(second, rel=1e-10)
    covariance = np.linalg.inv(info.observed + info.penalty)
    assert 2 * first == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    test = result.wald_test({"gate 1: x0": 1, "gate 0: x0": -1})
    assert test.standard_error[0] == pytest.approx(2 * first, rel=1e-8)


def test_weights_count_as_rows():
    X, y = piecewise(200)
    weight = np.random.default_rng(0).integers(1, 4, size=200)
    model = MixtureOfLinearExperts(**PLAIN).fit(X, y, weight)
    rows = np.repeat(np.arange(200), weight)
    for robust in (False, True):
        weighted = inference(model, X, y, weight, robust=robust)
        ones = np.ones(len(rows))
        repeated = inference(model, X[rows], y[rows], ones, robust=robust)
        np.testing.assert_allclose(
            weighted.standard_error, repeated.standard_error, rtol=1e-7
        )
    assert weighted.n_samples == weight.sum()
    assert weighted.log_likelihood == pytest.approx(
        weight @ model.score_samples(X, y), rel=1e-9
    )


@pytest.mark.parametrize("kind", ["two outputs", "shared noise", "three classes"])
def test_the_units_of_x_and_y_change_nothing_but_units(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 2))
    z = rng.uniform(size=500) < 1 / (1 + np.exp(-2 * X[:, 0]))
    mean = np.where(z, X[:, 0] + 2 * X[:, 1], -X[:, 0])
    scale = 1.0
    if kind == "three classes":
        y = (mean + rng.logistic(size=500) > 0).astype(int) + (
            rng.uniform(size=500) < 0.3
        )
        model = MixtureOfLogisticExperts(**PLAIN, fit_intercept=False)
    else:
        y = mean + 0.5 * rng.standard_normal(500)
        model = MixtureOfLinearExperts(**PLAIN)
        scale = 100.0
        if kind == "two outputs":
            y = np.column_stack([y, X[:, 1] + 0.3 * rng.standard_normal(500)])
        else:
            model.set_params(noise="shared")
    first = inference(model.fit(X, y), X, y)
    wide = X * [10.0, 0.01] + (0.0 if kind == "three classes" else 5.0)
    in_units = y if kind == "three classes" else scale * y + 7
    second = inference(model.fit(wide, in_units), wide, in_units)
    slopes = [
        j for j, entry in enumerate(first._entries) if entry.feature in ("x0", "x1")
    ]
    np.testing.assert_allclose(first.z[slopes], second.z[slopes], rtol=2e-3, atol=2e-3)


def test_both_experts_of_a_symmetric_model_are_listed():
    rng = np.random.default_rng(0)
    X, z = rng.standard_normal((500, 2)), rng.choice([-1, 1], size=500)
    y = z * (X @ [1.0, 2.0]) + 0.5 * rng.standard_normal(500)
    model = MixtureOfLinearExperts(symmetric=True, **PLAIN).fit(X, y)
    result = inference(model, X, y)
    coef = result.estimate[4:8]
    np.testing.assert_allclose(coef[:2], -coef[2:])
    np.testing.assert_allclose(result.standard_error[4:6], result.standard_error[6:8])
    # With z known, the standard errors of least squares; unknown z can only add.
    known = np.sqrt(0.25 * np.linalg.inv(X.T @ X).diagonal())
    assert (result.standard_error[4:6] > 0.95 * known).all()


def test_wald_tests_agree_with_z_and_with_each_other():
    model, X, y = fitted()
    result = inference(model, X, y)
    place = result.names.index("expert 0: x0")
    one = result.wald_test({"expert 0: x0": 1})
    assert one.statistic == pytest.approx(result.z[place] ** 2)
    assert one.p_value == pytest.approx(result.p_value[place], rel=1e-6, abs=1e-300)
    weights = np.zeros((2, len(result.names)))
    weights[0, place] = weights[1, result.names.index("expert 1: x0")] = 1
    named = [{"expert 0: x0": 1}, {"expert 1: x0": 1}]
    joint, same = result.wald_test(weights), result.wald_test(named)
    assert joint.df == 2 and joint.statistic == same.statistic
    difference = result.estimate[place]
    assert result.wald_test({"expert 0: x0": 1}, difference).statistic < 1e-20
    # Zero-sum gates: the second restriction repeats the first.
    gates = [{"gate 0: x0": 1}, {"gate 1: x0": 1}]
    assert result.wald_test(gates).df == 1


def test_intervals_are_normal_and_those_of_variances_logarithmic():
    model, X, y = fitted()
    result = inference(model, X, y)
    for level in (0.5, 0.95):
        interval = result.confidence_interval(level)
        q = stats.norm.ppf(0.5 + level / 2)
        np.testing.assert_allclose(
            interval[0],
            result.estimate[0] + q * result.standard_error[0] * np.array([-1, 1]),
        )
        log_error = result.standard_error[-1] / result.estimate[-1]
        expected = np.log(result.estimate[-1]) + q * log_error * np.array([-1, 1])
        np.testing.assert_allclose(np.log(interval[-1]), expected)


def test_table_is_tidy_with_and_without_pandas(monkeypatch):
    pd = pytest.importorskip("pandas")
    model, X, y = fitted()
    result = inference(model, X, y)
    frame = result.table()
    assert isinstance(frame, pd.DataFrame) and list(frame.index) == result.names
    assert "output" not in frame.columns
    assert frame.loc["expert 1: x0", "estimate"] == model.coef_[1, 0]
    assert frame.loc["noise 0: (variance)", "lower"] > 0

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    real_import = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_pandas)
    table = result.table()
    assert isinstance(table, np.ndarray) and table.dtype.names == tuple(frame.columns)
    for name in table.dtype.names:
        np.testing.assert_array_equal(table[name], frame[name].to_numpy())


def test_table_names_classes():
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, label = rng.standard_normal((300, 2)), rng.choice(["a", "b", "c"], size=300)
    model = MixtureOfLogisticExperts(alpha=0.01, gate_alpha=0.01, tol=1e-9)
    table = inference(model.fit(X, label), X, label).table()
    assert set(table["output"]) == {"", "a", "b", "c"}
    assert "expert 1, c: (intercept)" in table.index


def test_summary_shows_what_the_table_holds():
    model, X, y = fitted()
    text = str(inference(model, X, y))
    assert repr(inference(model, X, y)) == text
    lines = text.splitlines()
    assert lines[0] == "MixtureOfLinearExperts, 2 experts"
    assert "600 samples" in lines[1] and "observed information" in lines[1]
    assert len(lines) == 4 + 14
    assert format(model.coef_[1, 0], ".4g") in text
    assert len({len(line) for line in lines[3:]}) == 1
    assert "nan" not in text
    assert "sandwich" in inference(model, X, y, robust=True).summary(level=0.9)


def test_what_the_data_does_not_determine_has_no_standard_error():
    X, y = piecewise()
    X = np.column_stack([X, np.ones(600)])
    model = MixtureOfLinearExperts(tol=1e-9, random_state=0).fit(X, y)
    result = inference(model, X, y)
    unknown = [name for name, e in zip(result.names, result.standard_error) if e != e]
    assert unknown == [f"{part} {k}: x2" for part in ("gate", "expert") for k in (0, 1)]
    with pytest.raises(ValueError, match="does not determine"):
        result.wald_test({"expert 0: x2": 1})
    assert "nan" not in result.summary()


def test_an_optimum_far_away_is_a_warning():
    X, y = piecewise(5000)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model = MixtureOfLinearExperts(
            step_size=1.0, solver="em", max_iter=3, random_state=0
        ).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="standard errors away"):
        inference(model, X, y)


@pytest.mark.filterwarnings("ignore:The optimum may be")
def test_rows_or_weights_that_are_not_those_of_the_fit_are_told():
    X, y = piecewise(n=200)
    weight = np.full(200, 3.0)
    model = MixtureOfLinearExperts(gate_alpha=0.1, tol=1e-10, random_state=0)
    model.fit(X, y, weight)
    with pytest.warns(UserWarning, match="rows weigh 200 .* of the fit 600"):
        inference(model, X, y, np.ones(200))
    with pytest.warns(UserWarning, match="rows weigh 300 .* of the fit 600"):
        information(model, X[:100], y[:100], weight[:100])
    inference(model, X, y, weight)


def test_no_minimum_is_an_error():
    X, y = piecewise()
    X = np.column_stack([X, X[:, 0]])
    model = MixtureOfLinearExperts(**FREE).fit(X, y)
    with pytest.raises(ValueError, match="no minimum"):
        inference(model, X, y)
    model.set_params(alpha=1e-3, gate_alpha=1e-3).fit(X, y)
    assert np.isfinite(inference(model, X, y).standard_error).all()


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        ({"expert 9: x0": 1}, "expert 9"),
        ([1.0, 2.0], "shape"),
        ({}, "all zero"),
        ({"expert 0: x0": np.nan}, "not finite"),
        ("x0 = 1", "'x0 = 1' is no array of weights; give a dict"),
    ],
)
def test_bad_contrasts_are_named(contrast, message):
    model, X, y = fitted()
    with pytest.raises(ValueError, match=message):
        inference(model, X, y).wald_test(contrast)


def test_bad_levels_and_data_are_named():
    model, X, y = fitted()
    with pytest.raises(ValueError, match="level=95"):
        inference(model, X, y).confidence_interval(95)
    with pytest.raises(ValueError, match="value has shape"):
        inference(model, X, y).wald_test({"expert 0: x0": 1}, [0, 0])
    with pytest.raises(ValueError, match="features"):
        inference(model, X[:, :1], y)
    with pytest.raises(TypeError, match=r"give pipe\[-1\]\.$"):
        inference(make_pipeline(model), X, y)
    with pytest.raises(ValueError, match="y of the shape it was fitted with"):
        inference(model, X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="non-zero|all weights are zero"):
        inference(model, X, y, np.zeros(600))


@pytest.mark.parametrize("name", ["linear, K=2", "linear, K=3", "logistic, K=2"])
def test_standard_errors_agree_with_those_recorded_from_flexmix(name):
    """`benchmarks/standard_errors.py --record` wrote them; flexmix differentiates."""
    script = load("standard_errors", "benchmarks")
    with (ROOT / "tests/recorded/flexmix_refit.csv").open() as file:
        rows = [
            (row["name"], float(row["estimate"]), float(row["std_error"]))
            for row in csv.DictReader(file)
            if row["problem"] == name
        ]
    of_estimates, of_errors = script.differences(name, rows)
    assert of_estimates <= 0.01
    assert of_errors <= 1e-3


N_FITS = 150


@pytest.fixture(scope="module")
def fits():
    """Fitted model, X and y for each of many draws from two lines."""
    found = []
    for seed in range(N_FITS):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((1000, 1))
        z = rng.uniform(size=1000) < 1 / (1 + np.exp(-2 * X[:, 0]))
        mean = np.where(z, 1 + 2 * X[:, 0], -1 - X[:, 0])
        y = mean + 0.5 * rng.standard_normal(1000)
        model = MixtureOfLinearExperts(**{**PLAIN, "tol": 1e-8})
        found.append((model.fit(X, y), X, y))
    return found


@pytest.mark.long
@pytest.mark.parametrize("robust", [False, True])
def test_intervals_cover_the_truth(fits, robust):
    """As `benchmarks/interval_coverage.py`, but small: three binomial errors."""

    def truth(model):
        entries = np.array([-1.0, 0, 1, 0, -1, -1, 2, 1, 0.25, 0.25])
        if model.coef_[0, 0] > 0:
            entries = entries[[2, 3, 0, 1, 6, 7, 4, 5, 8, 9]]
        return entries

    hits = []
    for model, X, y in fits:
        below, above = inference(model, X, y, robust=robust).confidence_interval().T
        hits.append((below <= truth(model)) & (truth(model) <= above))
    found = np.mean(hits, axis=0)
    assert found.mean() == pytest.approx(0.95, abs=0.02)
    assert (np.abs(found - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / N_FITS)).all()


class TestPenaltiesThatMoveEstimates:
    """Gate and experts are judged apart."""

    @staticmethod
    def warnings_of(slope):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1.7, 1.7, size=(1000, 1))
        rises = rng.uniform(size=1000) < 1 / (1 + np.exp(-slope * x[:, 0]))
        y = np.where(rises, 1 + x[:, 0], -x[:, 0]) + 0.3 * rng.standard_normal(1000)
        model = MixtureOfLinearExperts(tol=1e-9, random_state=0).fit(x, y)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = inference(model, x, y)
        return [str(warning.message) for warning in caught], result

    def test_are_no_warning_on_clean_data(self):
        assert self.warnings_of(slope=3)[0] == []

    def test_that_are_the_gates_leave_the_experts_alone(self):
        (message,), result = self.warnings_of(slope=10)
        assert "move estimates of the gate by up to" in message
        assert "(those of the experts and the noise hold)" in message
        assert "fit with smaller gate_alpha." in message
        table = result.table(penalty_bias=True)
        worst = table["penalty_bias"].abs().groupby(table["part"]).max()
        assert worst["gate"] > 0.5 and worst[["expert", "noise"]].max() < 0.25
