"""Standard errors of predictions and effects against the numerical delta method."""

import numpy as np
import pytest
from _effects import KINDS, MODELS, Fit, N

# Few rows and default penalties: here only derivatives count.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The penalties move estimates"),
    pytest.mark.filterwarnings("ignore:The optimum may be"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


# Every third in the short run.
PARAMS = [
    pytest.param(name, marks=[pytest.mark.long] * (number % 3 > 0))
    for number, name in enumerate(MODELS)
]


@pytest.fixture(scope="module", params=PARAMS)
def fit(request):
    return Fit(request.param)


def assert_covariance(found, expected):
    size = np.sqrt(expected.diagonal())
    assert (np.abs(found - expected) <= 2e-5 * np.outer(size, size) + 1e-11).all()


@pytest.mark.sampled(6)
@pytest.mark.parametrize("of", KINDS)
def test_predictions_are_the_estimators_with_numerical_errors(fit, of):
    found = fit.result.predictions(fit.X, **fit.known, of=of)
    expected, slope = (part[0] for part in fit.derivatives(of))
    estimate = found.estimate.reshape(expected.shape)
    np.testing.assert_allclose(estimate, expected, rtol=1e-12)
    variance = np.einsum("nor,rs,nos->no", slope, fit.result.covariance, slope)
    errors = found.standard_error.reshape(expected.shape)
    np.testing.assert_allclose(errors, np.sqrt(variance), rtol=1e-5, atol=1e-7)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("of", KINDS)
def test_averages_are_weighted_with_numerical_errors(fit, of):
    weight = np.arange(N) % 4
    found = fit.result.average_predictions(fit.X, weight, **fit.known, of=of)
    share = weight / weight.sum()
    expected, slope = (np.tensordot(share, p[0], 1) for p in fit.derivatives(of))
    np.testing.assert_allclose(found.estimate, expected, rtol=1e-12)
    assert_covariance(found.covariance, slope @ fit.result.covariance @ slope.T)


@pytest.mark.parametrize("of", KINDS)
def test_average_effects_are_differences_with_numerical_errors(fit, of):
    if of == "gate" and not np.size(fit.model.gate_coef_):
        with pytest.raises(ValueError, match="of='gate' sees no column"):
            fit.result.average_effects(fit.X, of=of)
        return
    found = fit.result.average_effects(fit.X, **fit.known, of=of)
    expected, slope = (fit.effects(p).mean(axis=0) for p in fit.derivatives(of))
    seen = np.isin(["x0", "x1", "x2"], [name.split(": ")[1] for name in found.names])
    np.testing.assert_allclose(expected[:, ~seen], 0, atol=1e-10)
    expected, slope = expected[:, seen].ravel(), slope[:, seen]
    np.testing.assert_allclose(found.estimate, expected, rtol=1e-6, atol=1e-8)
    slope = slope.reshape(expected.size, -1)
    assert_covariance(found.covariance, slope @ fit.result.covariance @ slope.T)
