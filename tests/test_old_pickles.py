"""Pickles of earlier releases load, predict the same and go on.

`tests/recorded/make_pickles.py` wrote them.
"""

import inspect
import json
import pickle
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skmoe
from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)

FOLDER = Path(__file__).parent / "recorded" / "pickles"
FITTED = [
    pytest.param(path, id=f"{path.parent.name}-{path.stem}")
    for path in sorted(FOLDER.glob("*/*.pkl"))
    if path.stem != "unfitted"
]
fitted = pytest.mark.parametrize("path", FITTED)
ESTIMATORS = [MixtureOfLinearExperts, MixtureOfLogisticExperts, MixtureOfGLMExperts]


def loaded(path):
    """The estimator, rows, their y, and what was predicted for them."""
    expected = json.loads((path.parent / "expected.json").read_text())
    model, of_model = (
        pickle.loads(path.read_bytes()),
        expected["models"][path.stem],
    )
    X, y = np.array(expected["X"]), np.array(of_model["y"])
    return model, X, y, of_model["predictions"]


def more_rows(y):
    """Rows enough for a fit, of the kind of the recorded ones."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((120, 2)), np.resize(y, (120, *y.shape[1:]))


@pytest.mark.parametrize("folder", sorted(FOLDER.glob("*")), ids=lambda path: path.name)
def test_every_release_has_all_estimators(folder):
    names = {path.stem for path in folder.glob("*.pkl")}
    assert {"linear", "linear_online", "logistic", "poisson", "gamma"} <= names


def test_this_release_has_pickles_and_a_citation():
    version, root = skmoe.__version__, FOLDER.parents[2]
    is_released = version.replace(".", "").isdigit()
    if not is_released:
        version = version.partition(".dev")[0]
    citation = (root / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation
    if is_released:
        assert (FOLDER / version / "expected.json").exists()
        # In the form of the other file: 2026-01-31 and 31 January 2026.
        day = re.search(r"date-released: (.+)", citation)[1]
        day = date.fromisoformat(day).strftime("%d %B %Y").lstrip("0")
        assert f"\n## {version}, {day}\n" in (root / "doc" / "whats_new.md").read_text()


@fitted
def test_predicts_as_when_it_was_pickled(path):
    model, X, y, predictions = loaded(path)
    for name, expected in predictions.items():
        needs_y = name in ("responsibilities", "score_samples")
        found = getattr(model, name)(X, y) if needs_y else getattr(model, name)(X)
        expected = np.array(expected)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(found, expected)


@fitted
def test_has_all_parameters_and_fits_again(path):
    model, _, y, _ = loaded(path)
    X, y = more_rows(y)
    assert model.get_params().keys() == type(model)().get_params().keys()
    repr(model)
    expected = clone(model).set_params(max_iter=5000).fit(X, y)
    model.set_params(max_iter=5000).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@fitted
# The rows have nothing to do with their y.
@pytest.mark.filterwarnings("ignore:The .* experts coincide")
def test_goes_on_from_its_parameters(path):
    model, _, y, _ = loaded(path)
    X, y = more_rows(y)
    before = model.coef_
    model.set_params(warm_start=True, max_iter=5000).fit(X, y)
    assert model.coef_.shape == before.shape
    assert (model.coef_ != before).any()


@pytest.mark.parametrize("path", [param for param in FITTED if "online" in param.id])
def test_takes_another_batch(path):
    model, _, y, _ = loaded(path)
    n_seen, before = model.n_samples_seen_, model.coef_
    X, y = more_rows(y)
    model.partial_fit(X, y)
    assert model.n_samples_seen_ == n_seen + len(X)
    assert (model.coef_ != before).any()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/unfitted.pkl")), ids=str)
def test_unfitted_keeps_its_parameters(path):
    model = pickle.loads(path.read_bytes())
    assert (model.n_experts, model.solver, model.random_state) == (3, "md", 0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameter_that_a_pickle_lacks_has_its_default(estimator):
    signature = inspect.signature(estimator).parameters
    for name, parameter in signature.items():
        model = estimator(n_experts=4, tol=0.5)
        delattr(model, name)
        again = pickle.loads(pickle.dumps(model))
        assert getattr(again, name) == parameter.default
        given = {"n_experts": 4, "tol": 0.5} | {name: parameter.default}
        assert again.get_params() == estimator(**given).get_params()
