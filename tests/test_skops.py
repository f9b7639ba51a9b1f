"""Files of skops: the only types to trust are the estimators themselves."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

io = pytest.importorskip("skops.io")
pd = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 3))
Y = np.where(X[:, 0] > 0, X @ [1, 2, 3], -X @ [3, 2, 1]) + RNG.standard_normal(200)
CODES = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
FRAME = pd.DataFrame(X, columns=["age", "bmi", "size"])
NAMED = {"gate_features": ["age"], "expert_features": ["bmi", "size"]}
INDEXED = {"gate_features": np.array([0]), "random_state": np.random.RandomState(0)}

LINEAR = "skmoe.MixtureOfLinearExperts"
LOGISTIC = "skmoe.MixtureOfLogisticExperts"


def loaded(model, trusted):
    """The model after a round trip that trusts one type."""
    content = io.dumps(model)
    assert io.get_untrusted_types(data=content) == [trusted]
    return io.loads(content, trusted=[trusted])


def assert_same_fit(model, other):
    """Same parameters and fitted attributes, the private ones too."""
    assert_same(vars(model), vars(other))


def assert_same(first, second):
    """The same names and values, of dicts in dicts too."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, dict):
            assert_same(value, second[name])
        elif isinstance(value, tuple):
            for one, other in zip(value, second[name], strict=True):
                np.testing.assert_array_equal(one, other)
        elif name != "random_state":
            np.testing.assert_array_equal(second[name], value)


@pytest.mark.parametrize(
    "params, rows, y",
    [
        ({}, X, Y),
        ({}, X.astype(np.float32), np.stack([Y, -X[:, 1]]).T),
        (NAMED, FRAME, Y),
        (INDEXED, X, Y),
        ({"gate_features": []}, X, Y),
    ],
)
def test_regressor(params, rows, y):
    model = MixtureOfLinearExperts(**params).fit(rows, y)
    other = loaded(model, LINEAR)
    assert_same_fit(model, other)
    np.testing.assert_array_equal(other.predict(rows), model.predict(rows))
    np.testing.assert_array_equal(other.gate_proba(rows), model.gate_proba(rows))
    assert other.bic(rows, y) == model.bic(rows, y)


@pytest.mark.parametrize(
    "params, rows, y",
    [
        ({}, X, CODES > 0),
        ({"n_experts": 3}, X.astype(np.float32), CODES),
        (NAMED, FRAME, np.array(["a", "bb", "c"])[CODES]),
        (INDEXED, X, np.array(["a", "bb", "c"], dtype=object)[CODES]),
    ],
)
def test_classifier(params, rows, y):
    model = MixtureOfLogisticExperts(**params).fit(rows, y)
    other = loaded(model, LOGISTIC)
    assert_same_fit(model, other)
    np.testing.assert_array_equal(other.predict(rows), model.predict(rows))
    np.testing.assert_array_equal(other.predict_proba(rows), model.predict_proba(rows))
    assert other.bic(rows, y) == model.bic(rows, y)


@pytest.mark.parametrize(
    "model, trusted",
    [(MixtureOfLinearExperts(), LINEAR), (MixtureOfLogisticExperts(), LOGISTIC)],
)
def test_unfitted(model, trusted):
    assert loaded(model, trusted).get_params() == model.get_params()


def test_pipeline():
    model = make_pipeline(StandardScaler(), MixtureOfLinearExperts()).fit(X, Y)
    np.testing.assert_array_equal(loaded(model, LINEAR).predict(X), model.predict(X))


def test_loaded_fit_goes_on():
    model = MixtureOfLinearExperts(random_state=0, warm_start=True).fit(X, Y)
    other = loaded(model, LINEAR).fit(X, Y)
    np.testing.assert_allclose(other.predict(X), model.fit(X, Y).predict(X))
