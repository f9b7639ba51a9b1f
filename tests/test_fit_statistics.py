"""Fit statistics of latent class work, for paths over the number of experts."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from _recorded import RECORDED, recorded_data
from scipy.special import entr

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import n_experts_path

CLASSES = MixtureOfLinearExperts(
    gate_features=[],
    expert_features=[],
    alpha=0,
    gate_alpha=0,
    noise_prior=0,
    tol=1e-12,
    n_init=5,
    random_state=0,
)


@pytest.fixture(scope="module")
def data():
    """Rows with two lines, weights and groups."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    groups = np.arange(300) // 3
    X[:, 1] = X[3 * groups, 1]
    y = np.where(groups % 3 == 0, 1, -1) * X[:, 0] + 0.5 * rng.normal(size=300)
    return X, y, rng.integers(0, 3, 300), groups


def test_statistics_are_those_of_stepmix():
    """Constant experts and a constant gate are a mixture of normal distributions."""
    with (RECORDED / "stepmix_models.json").open(encoding="utf-8") as file:
        expected = json.load(file)
    y = recorded_data("NPreg")["yn"].to_numpy()
    path = n_experts_path(CLASSES, np.zeros((len(y), 1)), y, max_experts=3)
    table = path.table()
    for n_classes, row in table.iterrows():
        for name, value in expected[str(n_classes)].items():
            if value is None:
                assert np.isnan(row[name])
            else:
                assert row[name] == pytest.approx(value, abs=1e-3), (n_classes, name)


@pytest.mark.parametrize("with_groups", [False, True])
def test_statistics_follow_their_formulas(data, with_groups):
    X, y, weight, groups = data
    known = {"sample_weight": weight}
    model = MixtureOfLinearExperts(gate_features=[1], random_state=0)
    if with_groups:
        known["groups"] = groups
    path = n_experts_path(model, X, y, max_experts=3, **known)
    table = path.table()
    np.testing.assert_array_equal(table["bic"], path.bic)
    for fit, (k, row) in zip(path.estimators, table.iterrows()):
        kept = weight > 0
        shares = fit.responsibilities(X, y, **known)[kept]
        times = weight[kept].astype(float)
        if with_groups:
            first = np.unique(groups[kept], return_index=True)[1]
            shares, times = shares[first], np.ones(first.size)
        n, log_likelihood = weight.sum(), fit.log_likelihood(X, y, **known)
        free = fit.aic(X, y, **known) / 2 + log_likelihood
        assert row["n_parameters"] == pytest.approx(free)
        assert row["log_likelihood"] == pytest.approx(log_likelihood)
        expected = free * np.log((n + 2) / 24) - 2 * log_likelihood
        assert row["sabic"] == pytest.approx(expected)
        expected = free * (np.log(n) + 1) - 2 * log_likelihood
        assert row["caic"] == pytest.approx(expected)
        assert row["icl"] == pytest.approx(fit.icl(X, y, **known))
        assert ("bic_groups" in row) == with_groups
        if with_groups:
            expected = free * np.log(times.size) - 2 * log_likelihood
            assert row["bic_groups"] == pytest.approx(expected)
        best = shares.argmax(axis=1)
        means = np.array(
            [
                np.average(shares[best == j], axis=0, weights=times[best == j])
                for j in range(k)
            ]
        )
        np.testing.assert_allclose(path.classification_table(k), means)
        assert row["smallest_posterior"] == pytest.approx(means.diagonal().min())
        sizes = [times[best == j].sum() / times.sum() for j in range(k)]
        assert row["smallest_class"] == pytest.approx(min(sizes))
        if k > 1:
            entropy = times @ entr(shares).sum(axis=1) / (times.sum() * np.log(k))
            assert row["relative_entropy"] == pytest.approx(1 - entropy)


def test_a_path_has_only_its_own_numbers(data):
    X, y, *_ = data
    path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y, max_experts=1)
    with pytest.raises(ValueError, match=r"n_experts=4: .* \[1\]"):
        path.classification_table(4)


def test_without_pandas_the_table_is_an_array(data, monkeypatch):
    X, y, *_ = data
    path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y, max_experts=2)
    frame = path.table()
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = path.table()
    assert found.dtype.names == ("n_experts", *frame.columns)
    np.testing.assert_array_equal(found["caic"], frame["caic"])
    assert isinstance(frame, pd.DataFrame)
