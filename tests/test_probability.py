"""`predict_proba` of regressors that are asked for it."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, check_estimator_sparse_array

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 2))
Y = np.ceil(np.exp(np.where(X[:, 0] > 0, X[:, 1], -X[:, 1])))
regressors = pytest.mark.parametrize(
    "model",
    [
        MixtureOfLinearExperts(probability=True, random_state=0),
        MixtureOfGLMExperts(probability=True, random_state=0),
    ],
)


@regressors
def test_it_is_that_of_the_gate_in_pipelines_and_searches(model):
    single = clone(model).fit(X, Y)
    np.testing.assert_array_equal(single.predict_proba(X), single.gate_proba(X))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), clone(model)), {"memory": [None]}, cv=2
    )
    inner = search.fit(X, Y).best_estimator_
    expected = inner[-1].gate_proba(inner[:-1].transform(X))
    np.testing.assert_array_equal(search.predict_proba(X), expected)
    assert is_regressor(search)
    assert not hasattr(single.set_params(probability=False), "predict_proba")


@regressors
def test_cross_val_predict_hands_it_on(model):
    pipe, cv = make_pipeline(StandardScaler(), model), KFold(2)
    found = cross_val_predict(pipe, X, params={"y": Y}, cv=cv, method="predict_proba")
    for train, test in cv.split(X):
        expected = clone(pipe).fit(X[train], Y[train]).predict_proba(X[test])
        np.testing.assert_array_equal(found[test], expected)
    # y itself would be taken for labels; that must not pass.
    with pytest.raises(AttributeError, match="classes_"):
        cross_val_predict(model, X, Y, cv=cv, method="predict_proba")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_one_check_of_scikit_learn_forbids_it():
    name = "check_regressors_no_decision_function"
    results = check_estimator(
        MixtureOfLinearExperts(probability=True),
        expected_failed_checks={name: "asked for"},
        on_fail=None,
    )
    failed = {r["check_name"] for r in results if r["status"] in ("failed", "xfail")}
    assert failed == {name}


@regressors
def test_it_makes_no_classifier(model):
    assert is_regressor(model) and not is_classifier(model)
    check_estimator_sparse_array(type(model).__name__, model)
