"""Values that are finite but far from those of the fit."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from scipy.special import gammaln, logsumexp
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)

N = 200
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 2))
Y = np.where(X[:, 0] > 0, X[:, 1], 1 - X[:, 1]) + 0.1 * RNG.standard_normal(N)
CLASSES = (Y > 0.3) + (Y > 1).astype(int)
POSITIVE = np.ceil(3 * np.abs(Y))
SHARED = {"max_iter": 500, "tol": 1e-3, "random_state": 0, "init": "kmeans"}
MODELS = {
    "linear": (MixtureOfLinearExperts(**SHARED), Y),
    "outputs": (MixtureOfLinearExperts(**SHARED), np.column_stack([Y, 1e-3 * X])),
    "t": (MixtureOfLinearExperts(noise_df=2.5, **SHARED), Y),
    "heavy tails": (MixtureOfLinearExperts(noise_df=0.5, **SHARED), Y),
    "tree": (MixtureOfLinearExperts(4, depth=2, **SHARED), Y),
    "top_k": (MixtureOfLinearExperts(8, top_k=2, **SHARED), Y),
    "symmetric": (MixtureOfLinearExperts(symmetric=True, **SHARED), Y),
    "binary": (MixtureOfLogisticExperts(**SHARED), CLASSES > 0),
    "classes": (MixtureOfLogisticExperts(3, **SHARED), CLASSES),
    "poisson": (MixtureOfGLMExperts(**SHARED), POSITIVE),
    "gamma": (MixtureOfGLMExperts(family="gamma", **SHARED), POSITIVE + 0.1),
}
LAYOUTS = {
    "dense": np.asarray,
    "float32": lambda rows: np.clip(rows, -3e38, 3e38).astype(np.float32),
    "sparse": sparse.csr_array,
}
LARGEST = np.finfo(np.float64).max
ENDS = [0.5, -1e160, LARGEST, -LARGEST]
FAR_X = np.array(list(itertools.product(ENDS, repeat=2)))


@pytest.fixture(scope="module")
def fitted():
    """Fitted models by name and layout, each made once."""
    made = {}

    def get(name, layout):
        if (name, layout) not in made:
            model, y = MODELS[name]
            made[name, layout] = clone(model).fit(LAYOUTS[layout](X), y)
        return made[name, layout]

    return get


def far_targets(model, y):
    """Targets to ask for, one for each of some rows of X."""
    if isinstance(model, MixtureOfLogisticExperts):
        return model.classes_
    far = np.array([y.flat[0], 1e20, 1e160, LARGEST])
    if isinstance(model, MixtureOfGLMExperts):
        return far
    far = np.concatenate([far, -far])
    if y.ndim == 1:
        return far
    return np.column_stack([np.roll(far, j) for j in range(y.shape[1])])


def assert_finite(found, name):
    assert np.isfinite(found).all(), name
    if name in ("gate_proba", "responsibilities", "predict_proba"):
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MODELS)
def test_far_rows_have_finite_predictions(name, layout, fitted):
    model = fitted(name, layout)
    methods = {
        "gate_proba": {},
        "predict": {},
        "predict_expert": {},
        "predict_proba": {},
        "predict_log_proba": {},
        "predict_quantile": {"q": [1e-3, 0.5, 0.99]},
        "predict_interval": {},
        "sample": {"n_samples": 3, "random_state": 0},
    }
    has_std = isinstance(model, MixtureOfLinearExperts) and model.noise_df != 0.5
    # scikit-learn's check for NaN sums X.
    for row in FAR_X:
        rows = LAYOUTS[layout](row[None])
        for method, keywords in methods.items():
            if hasattr(model, method):
                assert_finite(getattr(model, method)(rows, **keywords), method)
        if has_std:
            assert_finite(model.predict(rows, return_std=True)[1], "std")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MODELS)
def test_far_targets_have_finite_probabilities(name, layout, fitted):
    model = fitted(name, layout)
    y = far_targets(model, np.asarray(MODELS[name][1]))
    for row, number in itertools.product([X[0], *FAR_X], range(len(y))):
        rows, one = LAYOUTS[layout](row[None]), y[number : number + 1]
        for method in ("responsibilities", "score_samples", "cdf"):
            if hasattr(model, method):
                assert_finite(getattr(model, method)(rows, one), method)


@pytest.mark.parametrize("y", [1e155, -1e200, 1e305])
def test_far_target_belongs_to_the_nearest_expert(y, fitted):
    model = fitted("linear", "dense")
    distance = np.abs(y - model.predict_expert(X[:1])) / np.sqrt(model.noise_variance_)
    assert model.responsibilities(X[:1], [y])[0, distance.argmin()] == 1


@pytest.mark.parametrize("y", [1e100, 1e155, -1e200, 1e305])
def test_far_target_has_the_density_of_t_noise(y, fitted):
    model = fitted("t", "dense")
    df, log_scale = model.noise_df, 0.5 * np.log(model.noise_variance_)
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    # There log(1 + z**2 / df) is log(z**2 / df).
    tail = 2 * (np.log(np.abs(y)) - log_scale) - np.log(df)
    expert = constant - log_scale - (df + 1) / 2 * tail
    expected = logsumexp(np.log(model.gate_proba(X[:1])) + expert)
    assert model.score_samples(X[:1], [y])[0] == pytest.approx(expected, rel=1e-12)
