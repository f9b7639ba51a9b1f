"""A fit as text, and what scikit-learn's diagram shows of it."""

import re

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.uniform(-1, 1, (200, 2)), columns=["load", "speed"])
Y = 3 * X["load"].abs() + 0.3 * RNG.standard_normal(200)
MODEL = MixtureOfLinearExperts(2, random_state=0).fit(X, Y)


def rows_of(text, title):
    """Numbers of a table of the text, by the name of their row."""
    for block in text.split("\n\n"):
        head, *lines = block.splitlines()
        if head.startswith(f"{title}  "):
            rows = [re.fullmatch(r"(.*?)((?: +-?\d\S*){2,})", line) for line in lines]
            return {row[1]: [float(value) for value in row[2].split()] for row in rows}
    raise AssertionError(f"{title} is not in {text}")


def numbers(text):
    """What the first lines say, by name."""
    found = {}
    for line in text.partition("\n\n")[0].splitlines()[1:]:
        one, value, other, number = line.split()
        found |= {one: value, other: float(number)}
    return found


def test_criteria_are_those_of_the_data():
    found = numbers(MODEL.summary(X, Y))
    assert found["samples"] == "200" and found["converged"] == "True"
    assert found["parameters"] == str(MODEL.n_parameters_)
    assert found["iterations"] == str(MODEL.n_iter_)
    for name in ("aic", "bic", "icl"):
        expected = getattr(MODEL, name)(X, Y)
        assert found[name.upper()] == pytest.approx(expected, rel=1e-5)
    likelihood = MODEL.log_likelihood(X, Y)
    assert found["log-likelihood"] == pytest.approx(likelihood, rel=1e-5)
    half = numbers(MODEL.summary(X[:100], Y[:100]))
    assert half["samples"] == "100"


def test_known_parts_of_the_rows_count():
    exposure = RNG.uniform(1, 9, 200)
    y, known = RNG.poisson(exposure), {"offset": np.log(exposure)}
    model = MixtureOfGLMExperts(2, random_state=0).fit(X, y, **known)
    found = numbers(model.summary(X, y, **known))
    assert found["BIC"] == pytest.approx(model.bic(X, y, **known), rel=1e-5)
    with pytest.raises(ValueError, match="offset=None"):
        model.summary(X, y)


def test_tables_are_the_attributes():
    text = MODEL.summary(X, Y)
    experts = rows_of(text, "Experts")
    assert list(experts) == [
        "share of rows",
        "load",
        "speed",
        "(intercept)",
        "(variance)",
    ]
    close = {"rtol": 1e-3, "atol": 1e-6}
    np.testing.assert_allclose(experts["share of rows"], MODEL.expert_shares_, **close)
    np.testing.assert_allclose(experts["load"], MODEL.coef_[:, 0], **close)
    np.testing.assert_allclose(experts["(intercept)"], MODEL.intercept_, **close)
    np.testing.assert_allclose(experts["(variance)"], MODEL.noise_variance_, **close)
    gate = rows_of(text, "Gate")
    np.testing.assert_allclose(gate["speed"], MODEL.gate_coef_[:, 1], **close)
    np.testing.assert_allclose(gate["(intercept)"], MODEL.gate_intercept_, **close)


def test_classes_outputs_and_nodes_have_rows():
    y = np.digitize(Y, [0.5, 1.5])
    model = MixtureOfLogisticExperts(2, random_state=0).fit(X, y)
    experts = rows_of(model.summary(X, y), "Experts")
    np.testing.assert_allclose(experts["2: load"], model.coef_[:, 2, 0], rtol=1e-3)
    both = pd.DataFrame({"up": Y, "down": -Y})
    tree = MixtureOfLinearExperts(4, depth=2, random_state=0).fit(X, both)
    text = tree.summary(X, both)
    experts = rows_of(text, "Experts")
    np.testing.assert_allclose(experts["down: load"], tree.coef_[:, 1, 0], rtol=1e-3)
    noise = tree.noise_variance_[:, 0]
    np.testing.assert_allclose(experts["up: (variance)"], noise, rtol=1e-3)
    node = rows_of(text, "Gate, node 2")
    np.testing.assert_allclose(node["load"], tree.gate_coef_[2, :, 0], rtol=1e-3)


def test_many_experts_follow_below_and_others_have_their_names():
    model = MixtureOfLinearExperts(7, init="random", max_iter=1, gate_features=[])
    y = Y.where(X["speed"] > 0, 9.0)
    with pytest.warns(match="Stopped after 1"):
        model.set_params(point_mass=9.0, random_state=0).fit(X, y)
    text = model.summary(X, y)
    assert text.count("Experts ") == 2 and "point mass" in text
    assert max(map(len, text.splitlines())) <= 88
    last = text.split("\n\n")[2].splitlines()
    assert last[0].split() == ["Experts", "expert", "6", "point", "mass"]
    assert len(last[1].split()) == 3 + 2 and len(last[2].split()) == 2


def test_groups_have_shares_and_a_criterion_of_their_own():
    """Small groups are of one expert, large ones of the other."""
    group = np.repeat(np.arange(50), np.where(np.arange(50) < 40, 2, 12))
    y = np.where(group < 40, 2, -2) * X["load"] + 0.3 * RNG.standard_normal(200)
    weight = RNG.integers(1, 4, 200)
    model = MixtureOfLinearExperts(gate_features=[], random_state=0)
    known = {"sample_weight": weight, "groups": group}
    text = model.fit(X, y, **known).summary(X, y, **known)
    proba = model.responsibilities(X, y, **known)
    experts = rows_of(text, "Experts")
    of_rows = np.average(proba, axis=0, weights=weight)
    of_groups = proba[np.unique(group, return_index=True)[1]].mean(axis=0)
    assert abs(of_rows - of_groups).max() > 0.3
    close = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(experts["share of rows"], of_rows, **close)
    np.testing.assert_allclose(experts["share of groups"], of_groups, **close)
    name, n_groups, *_, bic = text.split("\n")[5].split()
    assert (name, n_groups) == ("groups", "50")
    expected = model.bic(X, y, **known)
    expected += model.n_parameters_ * np.log(50 / weight.sum())
    assert float(bic) == pytest.approx(expected, rel=1e-5)


def test_shares_are_mean_responsibilities():
    fit = clone(MODEL).set_params(tol=1e-12, max_iter=10_000).fit(X, Y)
    expected = fit.responsibilities(X, Y).mean(axis=0)
    np.testing.assert_allclose(fit.expert_shares_, expected, atol=1e-5)
    fit.expert_shares_[:] = 0
    assert fit.expert_shares_.sum() == pytest.approx(1)
    assert fit.n_parameters_ == 3 * 2 + 2 + 3


def test_before_a_fit_there_is_nothing():
    new = clone(MODEL)
    assert not hasattr(new, "expert_shares_") and not hasattr(new, "n_parameters_")
    with pytest.raises(NotFittedError):
        new.summary(X, Y)


@pytest.mark.skipif(
    not hasattr(sklearn.base.BaseEstimator, "_get_fitted_attr_html"),
    reason="scikit-learn shows no fitted attributes before 1.9",
)
def test_the_diagram_shows_experts_gate_and_fit():
    html = MODEL._repr_html_()
    attributes = html.partition("Fitted attributes")[2]
    for name in ("coef_", "gate_coef_", "expert_shares_", "n_parameters_", "n_iter_"):
        assert f">{name}<" in attributes or f"{name}\n" in attributes
    assert "expert_shares_" not in clone(MODEL)._repr_html_()
