"""Rows go by their place; pandas objects in another order are told."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts
from skmoe.inspection import inference
from skmoe.streaming import fit_batches

N = 120
RNG = np.random.default_rng(0)
LABELS = [f"row {number}" for number in range(N)]
X = pd.DataFrame(RNG.normal(size=(N, 2)), index=LABELS, columns=["a", "b"])
Y = pd.Series(np.abs(X["a"]) + 0.3 * RNG.normal(size=N), index=LABELS)
SERIES = {
    "sample_weight": pd.Series(RNG.integers(1, 4, N), index=LABELS),
    "groups": pd.Series(np.arange(N) // 3, index=LABELS),
    "offset": pd.Series(RNG.normal(size=N), index=LABELS),
    "expert_labels": pd.Series(np.where(np.arange(N) % 9, -1, 0), index=LABELS),
    "y_upper": Y + 1,
    "entry": Y - 9,
}
MODEL = MixtureOfLinearExperts(gate_features=[], tol=1e-2, max_iter=20, random_state=0)
FITTED = MixtureOfLinearExperts(gate_features=[], random_state=0).fit(X, Y)
OFFSET = {"offset": SERIES["offset"][::-1]}
told = pytest.warns(UserWarning, match="has the labels of X's in another order")


def result():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return inference(FITTED, X, Y)


CALLS = {
    "y": lambda: MODEL.fit(X, Y[::-1]),
    "outputs": lambda: MODEL.fit(X, pd.DataFrame({"y": Y, "z": Y})[::-1]),
    "batch": lambda: fit_batches(MODEL, [(X[:60], Y[:60][::-1]), (X[60:], Y[60:])]),
    "partial_fit": lambda: MixtureOfLinearExperts().partial_fit(X, Y[::-1]),
    "responsibilities": lambda: FITTED.responsibilities(X, Y[::-1]),
    "bic": lambda: FITTED.bic(X, Y[::-1]),
    "cdf": lambda: FITTED.cdf(X, Y, **OFFSET),
    "predict": lambda: FITTED.predict(X, **OFFSET),
    "expert_proba": lambda: FITTED.expert_proba(
        X, SERIES["groups"][::-1], X, Y, SERIES["groups"]
    ),
    "predictions": lambda: result().predictions(X, **OFFSET),
    "average": lambda: result().average_effects(X, SERIES["sample_weight"][::-1]),
}


@pytest.mark.parametrize("name", CALLS)
def test_another_order_is_told(name):
    with told:
        CALLS[name]()


@pytest.mark.parametrize("name", SERIES)
def test_it_is_told_of_all_that_goes_with_rows(name):
    known = {name: SERIES[name]}
    aligned = MODEL.fit(X, Y, **known).coef_  # without a warning
    moved = {name: pd.Series(SERIES[name].to_numpy(), index=LABELS[::-1])}
    with pytest.warns(UserWarning, match=f"index of {name} has the labels of X's"):
        by_place = MODEL.fit(X, Y, **moved).coef_
    np.testing.assert_array_equal(by_place, aligned)


def test_trials_and_an_array_of_columns_are_told_too():
    trials = pd.Series(np.full(N, 5), index=LABELS)
    successes = pd.Series(RNG.binomial(5, 0.5, N), index=LABELS)
    model = MixtureOfGLMExperts(1, family="binomial")
    with pytest.warns(UserWarning, match="index of trials has the labels of y's"):
        model.fit(X.to_numpy(), successes, trials=trials[::-1])


@pytest.mark.parametrize(
    "index",
    [range(N), [*range(N - 1, -1, -1)], [0] * N, [*LABELS[1:], "another"]],
    ids=["default", "other labels", "not unique", "one that is another"],
)
def test_other_labels_say_nothing(index):
    y = pd.Series(Y.to_numpy(), index=index)
    np.testing.assert_array_equal(MODEL.fit(X, y).coef_, MODEL.fit(X, Y).coef_)


def test_the_same_order_and_arrays_say_nothing():
    backwards = X[::-1], Y[::-1]
    assert np.isfinite(MODEL.fit(*backwards).score(*backwards))
    MODEL.fit(X, Y[::-1].to_numpy())
    MODEL.fit(X.to_numpy(), Y[::-1])
