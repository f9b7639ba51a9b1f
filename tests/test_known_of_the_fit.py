"""What went with the rows of a fit is missed, by one rule in all that takes it."""

import inspect
from itertools import product

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

import skmoe
from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    inspection,
    model_selection,
    plotting,
)
from skmoe.inspection import inference, information
from skmoe.model_selection import log_likelihood_scorer, refit_on_support
from skmoe.streaming import fit_batches

N = 120
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
GROUPS = np.arange(N) // 4
Y = np.where(GROUPS % 2, 2, -2) * X[:, 0] + 0.5 * RNG.normal(size=N)
COUNTS = np.clip(np.rint(Y + 2), 0, 5)
KNOWN = {
    "groups": GROUPS,
    "sample_weight": RNG.integers(1, 4, N),
    "offset": RNG.normal(size=N),
    "expert_labels": np.where(GROUPS % 3 == 0, GROUPS % 2, -1),
    "y_upper": Y + (np.arange(N) % 5 == 0),
    "entry": np.full(N, -20.0),
    "trials": np.full(N, 5),
}
# Each is data of a fit alone, but for weights, which also count rows of groups.
SETS = [(name,) for name in KNOWN] + [("sample_weight", "groups")]
FITS = {}
SMALL = {
    "gate_features": [],
    "l1_ratio": 0.5,  # that `refit_on_support` has something to do
    "max_iter": 20,
    "tol": 1e-2,
    "random_state": 0,
}


def fitted(names):
    """A fit with some of what is known, its y, and what is known, a dict."""
    known = {name: KNOWN[name] for name in names}
    y = COUNTS if "trials" in known else Y
    if names not in FITS:
        model = MixtureOfLinearExperts(**SMALL)
        if "trials" in known:
            model = MixtureOfGLMExperts(family="binomial", **SMALL)
        FITS[names] = model.fit(X, y, **known)
    return FITS[names], y, known


def method(name):
    return lambda model, *data, **known: getattr(model, name)(*data, **known)


# Of the fit itself, whose data is all that went with its rows.
OF_FIT = {
    name: method(name) for name in ("log_likelihood", "aic", "bic", "icl", "summary")
}
OF_FIT |= {
    "inference": inference,
    "information": information,
    "refit_on_support": refit_on_support,
    "CoefficientsDisplay": plotting.CoefficientsDisplay.from_estimator,
    "EffectDisplay": plotting.EffectDisplay.from_estimator,
}
# Of any rows under the experts as they are.
OF_ROWS = {name: method(name) for name in ("responsibilities", "score_samples")}
OF_ROWS |= {
    "log_likelihood_scorer": log_likelihood_scorer,
    "ResponsibilitiesDisplay": plotting.ResponsibilitiesDisplay.from_estimator,
    "ExpertCurvesDisplay": plotting.ExpertCurvesDisplay.from_estimator,
    "GateRegionsDisplay": plotting.GateRegionsDisplay.from_estimator,
}
# Those that fit what they are given; and of earlier rows alone.
OTHERS = {"fit", "alpha_path", "n_experts_path", "bootstrap_lr_test", "expert_proba"}


def public_functions():
    """Name of what takes groups: methods of estimators, functions and displays."""
    for kind in (MixtureOfLinearExperts, skmoe.MixtureOfLogisticExperts):
        yield from inspect.getmembers(kind, inspect.isfunction)
    for module in (inspection, model_selection, plotting):
        for name in module.__all__:
            found = getattr(module, name)
            found = getattr(found, "from_estimator", found)
            yield name, type(found).__call__ if name.endswith("scorer") else found


def test_all_that_takes_groups_is_asked_here():
    found = {
        name
        for name, function in public_functions()
        if not name.startswith(("_", "set_"))
        and not inspect.isclass(function)
        and "groups" in inspect.signature(function).parameters
    }
    assert found == OF_FIT.keys() | OF_ROWS.keys() | OTHERS


# Rows on their own have no weight, and labels would be an answer already.
OF_ROWS_SETS = [s for s in SETS if s not in {("sample_weight",), ("expert_labels",)}]


@pytest.mark.parametrize(
    ("name", "names"), [*product(OF_FIT, SETS), *product(OF_ROWS, OF_ROWS_SETS)]
)
def test_what_went_with_the_fit_is_missed(name, names):
    model, y, known = fitted(names)
    call, missing = (OF_FIT | OF_ROWS)[name], names[0]
    rest = {key: part for key, part in known.items() if key != missing}
    with pytest.raises(ValueError, match=f"{missing}=None, but the model was fitted"):
        call(model, X, y, **rest)


def test_weights_and_labels_change_no_answer_about_single_rows():
    model, y, known = fitted(("sample_weight",))
    for name in ("responsibilities", "score_samples"):
        alone = getattr(model, name)(X, y)
        np.testing.assert_array_equal(alone, getattr(model, name)(X, y, **known))
    model, y, _ = fitted(("expert_labels",))
    assert model.responsibilities(X, y).min() > 0  # what the rows themselves say


def test_what_stands_for_nothing_is_taken():
    """Each row a group of its own, by the densities of its experts."""
    model, y, _ = fitted(("sample_weight", "groups"))
    known = {"groups": np.arange(N), "sample_weight": np.ones(N)}
    density = [
        model.score_samples(X, y, expert_proba=np.tile(one, (N, 1)))
        for one in np.eye(2)
    ]
    joint = np.log(model.gate_proba(X)) + np.transpose(density)
    found = model.responsibilities(X, y, **known)
    np.testing.assert_allclose(found, softmax(joint, axis=1), atol=1e-12)
    total = logsumexp(joint, axis=1).sum()
    assert model.log_likelihood(X, y, **known) == pytest.approx(total, rel=1e-12)
    score = log_likelihood_scorer(model, X, y, **known)
    assert score == pytest.approx(total / N, rel=1e-12)


@pytest.mark.parametrize("name", OF_FIT)
def test_a_fit_to_rows_is_none_to_groups(name):
    model, y, _ = fitted(("sample_weight",))
    known = {"sample_weight": KNOWN["sample_weight"], "groups": GROUPS}
    with pytest.raises(ValueError, match="groups are given, but the model was fitted"):
        OF_FIT[name](model, X, y, **known)
    assert model.responsibilities(X, y, **known).shape == (N, 2)
    assert model.score_samples(X, y, **known).shape == (N // 4,)


@pytest.mark.parametrize("how", ["batches", "partial_fit"])
def test_weights_of_batches_are_missed(how):
    model, weight = MixtureOfLinearExperts(**SMALL), KNOWN["sample_weight"]
    if how == "batches":
        fit_batches(model, [(X[:60], Y[:60], weight[:60]), (X[60:], Y[60:])])
    else:
        model.partial_fit(X, Y, weight)
    with pytest.raises(ValueError, match="sample_weight=None, but the model was"):
        model.bic(X, Y)
    assert np.isfinite(model.bic(X, Y, weight))


def test_predictions_ask_for_no_groups():
    model, _, _ = fitted(("groups",))
    assert model.predict(X).shape == (N,)
    assert np.isfinite(model.score(X, Y))
    assert model.score_samples(X).shape == (N,)  # of its own predictions


def test_what_went_with_earlier_rows_is_missed_by_its_own_name():
    model, y, _ = fitted(("sample_weight", "groups"))
    rows = X, GROUPS, X, y, GROUPS
    with pytest.raises(ValueError, match="sample_weight_past=None, but the model"):
        model.expert_proba(*rows)
    assert model.expert_proba(*rows, np.ones(N)).shape == (N, 2)
