"""Predictions and scores under given probabilities of the experts."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)

RNG = np.random.default_rng(2)
SUBJECT = np.repeat(np.arange(60), 6)
N = SUBJECT.size
X = RNG.uniform(-2, 2, size=(N, 2))
X[:, 1] = np.repeat(RNG.normal(size=60), 6)
EXPERT = (X[:, 1] + RNG.normal(size=60)[SUBJECT] > 0).astype(int)
ETA = np.where(EXPERT, X[:, 0], -X[:, 0])
TARGETS = {
    "linear": ETA + 0.5 * RNG.standard_normal(N),
    "t": ETA + 0.5 * RNG.standard_normal(N),
    "poisson": RNG.poisson(np.exp(1 + ETA)),
    "gamma": np.exp(ETA) * RNG.gamma(4, 0.25, size=N),
    "classes": (RNG.random(N) < 1 / (1 + np.exp(-3 * ETA))).astype(int),
}
COLUMNS = {"gate_features": [1], "expert_features": [0], "random_state": 0}
KINDS = {
    "linear": MixtureOfLinearExperts(**COLUMNS),
    "t": MixtureOfLinearExperts(noise_df=4, **COLUMNS),
    "poisson": MixtureOfGLMExperts(**COLUMNS),
    "gamma": MixtureOfGLMExperts(family="gamma", **COLUMNS),
    "classes": MixtureOfLogisticExperts(**COLUMNS),
}
PAST = np.arange(N) % 6 < 3
EVERY = pytest.mark.parametrize("name", KINDS)
REGRESSORS = pytest.mark.parametrize("name", ["linear", "t", "poisson", "gamma"])
FITTED = {}


def fitted(name):
    """A fitted model, y, and the later rows of subjects with what is known of them."""
    y = TARGETS[name]
    if name not in FITTED:
        FITTED[name] = clone(KINDS[name]).fit(X, y, groups=SUBJECT)
    model, new = FITTED[name], ~PAST
    past = X[PAST], y[PAST], SUBJECT[PAST]
    return model, y[new], X[new], model.expert_proba(X[new], SUBJECT[new], *past)


@EVERY
def test_means_are_those_of_the_experts_in_these_shares(name):
    model, _, rows, proba = fitted(name)
    of_experts = model.predict_expert(rows)
    if name == "classes":
        wanted = np.einsum("nk,nkc->nc", proba, of_experts)
        found = model.predict_proba(rows, expert_proba=proba)
        np.testing.assert_allclose(found, wanted, atol=1e-12)
        log = model.predict_log_proba(rows, expert_proba=proba)
        np.testing.assert_allclose(np.exp(log), wanted, atol=1e-9)
        best = model.predict(rows, expert_proba=proba)
        assert (best == model.classes_[wanted.argmax(axis=1)]).all()
    else:
        wanted = (proba * of_experts).sum(axis=1)
        found = model.predict(rows, expert_proba=proba)
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@EVERY
def test_shares_are_posteriors_of_the_past(name):
    model, _, rows, proba = fitted(name)
    past = X[PAST], TARGETS[name][PAST]
    of_rows = model.responsibilities(*past, groups=SUBJECT[PAST])
    np.testing.assert_allclose(proba, of_rows, atol=1e-12)  # three rows of each
    gate = model.gate_proba(rows)
    density = [
        model.score_samples(*past, expert_proba=np.tile(one, (PAST.sum(), 1)))
        for one in np.eye(2)
    ]
    joint = np.log(gate) + np.repeat(
        np.array(density).T.reshape(60, 3, 2).sum(axis=1), 3, axis=0
    )
    joint = np.exp(joint - joint.max(axis=1, keepdims=True))
    wanted = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, wanted, atol=1e-9)


@EVERY
def test_the_gates_own_probabilities_change_nothing(name):
    model, y, rows, _ = fitted(name)
    gate = model.gate_proba(rows)
    found = model.score_samples(rows, y, expert_proba=gate)
    alone = model.score_samples(rows, y, groups=np.arange(len(y)))
    np.testing.assert_allclose(found, alone, atol=1e-12)
    assert np.isclose(
        model.score(rows, y, expert_proba=gate), model.score(rows, y), atol=1e-12
    )


@EVERY
def test_the_past_tells_of_what_comes(name):
    model, y, rows, proba = fitted(name)
    gain = model.score_samples(rows, y, expert_proba=proba)
    alone = model.score_samples(rows, y, groups=np.arange(len(y)))
    assert (gain - alone).mean() > 0.03
    assert model.score(rows, y, expert_proba=proba) > model.score(rows, y)


@EVERY
def test_scores_of_groups_add_up_under_each_expert(name):
    model, y, rows, proba = fitted(name)
    groups = SUBJECT[~PAST]
    found = model.score_samples(rows, y, groups=groups, expert_proba=proba)
    density = [
        model.score_samples(rows, y, expert_proba=np.tile(one, (len(y), 1)))
        for one in np.eye(2)
    ]
    of_groups = np.array(density).reshape(2, 60, 3).sum(axis=2).T
    wanted = np.log((proba[::3] * np.exp(of_groups)).sum(axis=1))
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@REGRESSORS
def test_quantiles_and_cdf_are_those_of_the_shares(name):
    model, y, rows, proba = fitted(name)
    found = model.cdf(rows, y, expert_proba=proba)
    of_experts = [
        model.cdf(rows, y, expert_proba=np.tile(one, (len(y), 1))) for one in np.eye(2)
    ]
    np.testing.assert_allclose(found, (proba.T * of_experts).sum(axis=0), atol=1e-12)
    ends = model.predict_interval(rows, 0.8, expert_proba=proba)
    at = model.cdf(rows, ends[:, 1], expert_proba=proba)
    if name == "poisson":
        assert (at >= 0.9 - 1e-9).all()
    else:
        np.testing.assert_allclose(at, 0.9, atol=1e-6)
    median = model.predict_quantile(rows, expert_proba=proba)
    assert not np.allclose(median, model.predict_quantile(rows))


def test_standard_deviation_is_that_of_the_shares():
    model, _, rows, proba = fitted("linear")
    mean, std = model.predict(rows, return_std=True, expert_proba=proba)
    of_experts = model.predict_expert(rows)
    square = (proba * (of_experts**2 + model.noise_variance_)).sum(axis=1)
    np.testing.assert_allclose(std, np.sqrt(square - mean**2), atol=1e-9)


@EVERY
def test_draws_come_from_the_shares(name):
    model, _, rows, proba = fitted(name)
    one = np.tile([[1.0, 0.0]], (len(rows), 1))
    drawn = model.sample(rows, 2_000, random_state=0, expert_proba=one)
    if name == "classes":
        mean = model.predict_expert(rows)[:, 0, 1]
    else:
        mean = model.predict_expert(rows)[:, 0]
    error = drawn.std(axis=1) / np.sqrt(2_000) + 1e-3
    assert stats.norm.sf(np.abs(drawn.mean(axis=1) - mean) / error).min() > 1e-9


def test_unseen_groups_have_the_gates():
    model, _, rows, proba = fitted("linear")
    groups = SUBJECT[~PAST].astype(str)
    known = SUBJECT[PAST] < 30
    past = X[PAST][known], TARGETS["linear"][PAST][known], SUBJECT[PAST][known]
    names = past[2].astype(str)
    found = model.expert_proba(rows, groups, *past[:2], names)
    is_known = SUBJECT[~PAST] < 30
    np.testing.assert_allclose(found[is_known], proba[is_known])
    np.testing.assert_allclose(found[~is_known], model.gate_proba(rows)[~is_known])


def test_forms_and_kinds_of_labels():
    model, _, _, wanted = fitted("linear")
    new, past = ~PAST, (X[PAST], TARGETS["linear"][PAST], SUBJECT[PAST])
    found = model.expert_proba(X[new], SUBJECT[new][:, None], *past)
    assert (found == wanted).all()
    with pytest.raises(ValueError, match="groups are of dtype .*labels of one kind"):
        model.expert_proba(X[new], SUBJECT[new].astype(str), *past)
    with pytest.raises(ValueError, match="groups has 3 labels, X has"):
        model.expert_proba(X[new], SUBJECT[:3], *past)


def test_a_past_without_weight_is_none():
    model, y = fitted("linear")[0], TARGETS["linear"]
    weight = np.where(SUBJECT == 0, 0.0, 1.0)
    other = X.copy()
    other[:, 1] = -X[:, 1]
    found = model.expert_proba(other[:1], SUBJECT[:1], X, y, SUBJECT, weight)
    np.testing.assert_allclose(found, model.gate_proba(other[:1]))


def test_labels_of_the_past_are_heard():
    model, y = fitted("linear")[0], TARGETS["linear"]
    labels = np.where(SUBJECT == 3, 1, -1)
    past = X[PAST], y[PAST], SUBJECT[PAST]
    known = {"expert_labels_past": labels[PAST]}
    found = model.expert_proba(X, SUBJECT, *past, **known)
    assert (found[SUBJECT == 3] == [0, 1]).all()


def test_weights_and_offsets_of_the_past_count():
    model, y = fitted("poisson")[0], TARGETS["poisson"]
    offset, weight = RNG.normal(size=N), RNG.integers(1, 3, size=N).astype(float)
    past = X[PAST], y[PAST], SUBJECT[PAST], weight[PAST], offset[PAST]
    found = model.expert_proba(X[PAST], SUBJECT[PAST], *past)
    wanted = model.responsibilities(
        X[PAST], y[PAST], weight[PAST], SUBJECT[PAST], offset[PAST]
    )
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("depth_or_top", [{"depth": 2}, {"top_k": 2}, {"top_k": 3}])
def test_of_other_gates_too(depth_or_top):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(500, 1))
    y = np.abs(x[:, 0]) + 0.1 * rng.standard_normal(500)
    model = MixtureOfLinearExperts(16, random_state=0, **depth_or_top).fit(x, y)
    proba = rng.dirichlet(np.ones(16), size=500)
    wanted = (proba * model.predict_expert(x)).sum(axis=1)
    found = model.predict(x, expert_proba=proba)
    np.testing.assert_allclose(found, wanted, atol=1e-10)


WRONG = {
    "sums": (lambda proba: 2 * proba, "sums from 2 to 2"),
    "negative": (lambda proba: proba * [3, -3] + [-1, 2], "values from -"),
    "rows": (lambda proba: proba[:-1], "has shape"),
    "columns": (lambda proba: proba[:, :1], "has shape"),
    "NaN": (lambda proba: np.where(proba == proba[0, 0], np.nan, proba), "NaN"),
}


@EVERY
@pytest.mark.parametrize("what", WRONG)
def test_wrong_probabilities_are_named(name, what):
    model, y, rows, proba = fitted(name)
    make, message = WRONG[what]
    wrong = make(proba)
    for call in (
        lambda: model.predict(rows, expert_proba=wrong),
        lambda: model.score_samples(rows, y, expert_proba=wrong),
        lambda: model.sample(rows, expert_proba=wrong),
        lambda: model.score(rows, y, expert_proba=wrong),
    ):
        with pytest.raises(ValueError, match=f"expert_proba.*{message}"):
            call()


def test_rows_of_a_group_have_the_same():
    model, y, rows, proba = fitted("linear")
    wrong = proba.copy()
    wrong[4] = wrong[4, ::-1] * 0.5 + 0.25
    with pytest.raises(ValueError, match="expert_proba has other values in row 4"):
        model.score_samples(rows, y, groups=SUBJECT[~PAST], expert_proba=wrong)
