"""Offsets beside other packages: mixtures of flexmix, one expert of statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from _recorded import recorded_data, recorded_model

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference

MAXIMUM_LIKELIHOOD = {"alpha": 0, "gate_alpha": 0, "tol": 1e-13, "max_iter": 10_000}
TERMS = ["Treatment", "log(Day)", "Treatment:log(Day)"]


@pytest.fixture(scope="module")
def seizure():
    """Features, counts and offset of flexmix's data set."""
    data = recorded_data("seizure")
    return data[TERMS], data["Seizures"], np.log(data["Hours"])


def test_a_mixture_with_an_offset_is_that_of_flexmix(seizure):
    X, y, offset = seizure
    record = recorded_model("seizure")
    expected = record["maximum"]
    model = MixtureOfGLMExperts(
        2, gate_features=[], random_state=0, **MAXIMUM_LIKELIHOOD
    ).fit(X, y, offset=offset)
    found = model.score_samples(X, y, offset=offset).sum()
    assert found == pytest.approx(expected["logLik"], abs=1e-6 * len(y))
    assert found > record["flexmix"]["logLik"] - 1e-6 * len(y)
    coef = np.array([expected["coef"][term] for term in TERMS]).T
    np.testing.assert_allclose(model.coef_, coef, atol=1e-4)
    np.testing.assert_allclose(
        model.intercept_, expected["coef"]["(Intercept)"], atol=1e-4
    )
    np.testing.assert_allclose(
        model.gate_intercept_, expected["gate"]["(Intercept)"], atol=1e-4
    )
    posterior = model.responsibilities(X, y, offset=offset)[:, 0]
    np.testing.assert_allclose(posterior, expected["posterior"], atol=1e-4)


def test_means_with_an_offset_are_rates_times_exposures(seizure):
    X, y, offset = seizure
    expected = recorded_model("seizure")["maximum"]
    model = MixtureOfGLMExperts(
        2, gate_features=[], random_state=0, **MAXIMUM_LIKELIHOOD
    ).fit(X, y, offset=offset)
    terms = ["(Intercept)", *TERMS]
    coef = np.array([expected["coef"][term] for term in terms])
    mean = (
        np.exp(sm.add_constant(X.to_numpy()) @ coef)
        * np.exp(offset.to_numpy())[:, None]
    )
    np.testing.assert_allclose(model.predict_expert(X, offset=offset), mean, rtol=1e-3)
    np.testing.assert_allclose(
        model.predict(X, offset=offset), mean @ expected["prior"], rtol=1e-3
    )


def test_one_expert_with_an_offset_is_the_glm_of_r(seizure):
    X, y, offset = seizure
    expected = recorded_model("seizure glm")
    model = MixtureOfGLMExperts(1, **MAXIMUM_LIKELIHOOD).fit(X, y, offset=offset)
    found = model.score_samples(X, y, offset=offset).sum()
    assert found == pytest.approx(expected["logLik"], rel=1e-9)
    coef = [expected["coef"][term] for term in TERMS]
    np.testing.assert_allclose(model.coef_[0], coef, rtol=1e-6)


KINDS = {
    "poisson": (MixtureOfGLMExperts(1, family="poisson"), sm.families.Poisson()),
    "gamma": (
        MixtureOfGLMExperts(1, family="gamma", noise_prior=0),
        sm.families.Gamma(sm.families.links.Log()),
    ),
    "binomial": (MixtureOfLogisticExperts(1), sm.families.Binomial()),
    "gaussian": (MixtureOfLinearExperts(1, noise_prior=0), sm.families.Gaussian()),
}


def one_regression(kind, seed=0):
    """X (400, 3), y, offset and weights of a GLM whose offset is far from nothing."""
    rng = np.random.default_rng(seed)
    X, offset = rng.normal(size=(400, 3)), rng.normal(1.0, 1.5, size=400)
    eta = X @ [0.5, -1.0, 0.0] + 0.3 + offset
    draws = {
        "poisson": lambda: rng.poisson(np.exp(eta)),
        "gamma": lambda: rng.gamma(3.0, np.exp(eta) / 3.0),
        "binomial": lambda: rng.binomial(1, 1 / (1 + np.exp(-eta))),
        "gaussian": lambda: rng.normal(eta, 0.5),
    }
    return X, draws[kind](), offset, rng.integers(1, 4, size=400)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_expert_with_an_offset_is_a_glm_of_statsmodels(kind, weighted):
    estimator, family = KINDS[kind]
    X, y, offset, weight = one_regression(kind)
    if not weighted:
        weight = np.ones(400)
    model = estimator.set_params(**MAXIMUM_LIKELIHOOD)
    model.fit(X, y, sample_weight=weight, offset=offset)
    other = sm.GLM(
        y, sm.add_constant(X), family=family, offset=offset, freq_weights=weight
    ).fit(tol=1e-14, maxiter=200)
    found = np.r_[np.ravel(model.intercept_), np.ravel(model.coef_)]
    np.testing.assert_allclose(found, other.params, atol=1e-6)
    if kind in {"poisson", "binomial"}:
        log_likelihood = weight @ model.score_samples(X, y, offset=offset)
        assert log_likelihood == pytest.approx(other.llf, rel=1e-9)
    if kind != "binomial":
        np.testing.assert_allclose(
            model.predict(X, offset=offset), other.mu, rtol=1e-6, atol=1e-6
        )


def test_one_expert_with_an_offset_has_the_standard_errors_of_statsmodels():
    X, y, offset, _ = one_regression("poisson")
    model = MixtureOfGLMExperts(1, **MAXIMUM_LIKELIHOOD).fit(X, y, offset=offset)
    other = sm.GLM(
        y, sm.add_constant(X), family=sm.families.Poisson(), offset=offset
    ).fit(tol=1e-14)
    table = inference(model, X, y, offset=offset).table()
    found = table["std_error"].to_numpy()[-4:]
    np.testing.assert_allclose(np.sort(found), np.sort(other.bse), rtol=1e-6)
