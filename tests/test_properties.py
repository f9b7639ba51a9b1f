"""Properties of every fit, on data sets that hypothesis makes up.

HYPOTHESIS_PROFILE=fuzz tries 2,000 data sets for each property instead of a few.
"""

import copy
import os
import re
import signal
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
from _generated import (
    CLASSIFIER,
    GLM,
    OF_FEW_ROWS,
    REGRESSOR,
    assert_documented,
    cases,
    fit_quietly,
)
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skmoe.data.canonical import canonical_rows
from skmoe.data.sample import Sample
from skmoe.engine.mixture import Mixture
from skmoe.engine.predictor import linear_predictor

SHARED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("ci", max_examples=20, derandomize=True, **SHARED)
settings.register_profile("fuzz", max_examples=2000, print_blob=True, **SHARED)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def is_monotone(case):
    """Whether F must not rise."""
    return case.parameters["solver"] != "gd" or "step_size" not in case.parameters


def predictions(model, X):
    """What the model says about rows of X, a dict of arrays with rows first."""
    found = {
        "gate_proba": model.gate_proba(X),
        "predict": model.predict(X),
        "predict_expert": model.predict_expert(X),
    }
    if isinstance(model, CLASSIFIER):
        found["predict_proba"] = model.predict_proba(X)
        found["predict_log_proba"] = model.predict_log_proba(X)
    elif isinstance(model, GLM):
        pass
    elif model.noise_df is None or model.noise_df > 2:
        found["std"] = model.predict(X, return_std=True)[1]
    return found


def responsibilities(case, model):
    """Those of single rows, and of groups; only of classes that fit has seen."""
    X, y, groups = case.X, case.y, case.groups
    if case.estimator is CLASSIFIER:
        seen = np.flatnonzero(np.isin(y, model.classes_))
        X, y = X[seen], y[seen]
        groups = None if groups is None else groups[seen]
    ones, alone = np.ones(len(y)), np.arange(len(y))
    if groups is None:
        return [model.responsibilities(X, y)]
    return [model.responsibilities(X, y, ones, own) for own in (alone, groups)]


def assert_distribution(proba, precision):
    """Probabilities on the last axis: from 0 to 1, without allowance, the sum 1."""
    assert (proba >= 0).all() and (proba <= 1).all()
    np.testing.assert_allclose(proba.sum(axis=-1), 1, rtol=0, atol=precision)


def assert_fitted_soundly(case, model):
    """Finite attributes, and an objective that did not rise."""
    has_noise = isinstance(model, REGRESSOR) or case.parameters.get("family") == "gamma"
    for name, value in vars(model).items():
        if name.startswith("prior_") and not (has_noise and model.noise_prior):
            assert value is None
        elif name.endswith("_") and name not in ("classes_", "feature_names_in_"):
            assert np.isfinite(value).all(), name
    if isinstance(model, REGRESSOR):
        assert (model.noise_variance_ > 0).all()
    if is_monotone(case):
        # Solvers refuse whatever raises F, so no allowance for rounding is due.
        assert (np.diff(model.objective_curve_) <= 0).all()
    assert model.objective_curve_.shape == (model.n_iter_ + 1,)


@settings(PROFILE)
@given(case=cases())
def test_fit_is_finite_monotone_and_quiet(case):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = case.model().fit(case.X, case.y, case.weight, groups=case.groups)
        except ValueError as error:
            assert_documented(error)
            event("documented error")
            return
    of_units = [w for w in caught if "Columns of X vary" in str(w.message)]
    assert len(of_units) <= model.converged_
    caught = [w for w in caught if w not in of_units]
    of_rows = [w for w in caught if w.category is UserWarning]
    assert all(re.match(OF_FEW_ROWS, str(w.message)) for w in of_rows)
    assert len(of_rows) == (model._fitted["lack_of_rows"] is not None)
    caught = [w for w in caught if w.category is not UserWarning]
    assert {warning.category for warning in caught} <= {ConvergenceWarning}
    # What is made up may have no second expert.
    is_collapse = ["experts coincide" in str(warning.message) for warning in caught]
    assert sum(is_collapse) <= (model.converged_ and model.n_experts > 1)
    assert not all(is_collapse) == (not model.converged_)
    assert_fitted_soundly(case, model)


@pytest.mark.long
@settings(PROFILE)
@given(case=cases())
def test_probabilities_are_distributions(case):
    model = case.fitted()
    precision = 1e-12 if model.gate_coef_.dtype == np.float64 else 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = predictions(model, case.X)
        proba = [found["gate_proba"]]
        if case.estimator is CLASSIFIER:
            proba += [found["predict_proba"], found["predict_expert"]]
            assert (found["predict_log_proba"] <= 0).all()
        else:
            below = model.cdf(case.X, case.y)
            assert (below >= 0).all() and (below <= 1).all()
        proba += responsibilities(case, model)
    for values in proba:
        assert_distribution(values, precision)
    for name in found.keys() - {"predict", "predict_log_proba"}:
        assert np.isfinite(found[name]).all(), name


@pytest.mark.long
@settings(PROFILE)
@given(case=cases(), seed=st.integers(0, 99))
def test_weights_count_rows_of_their_group(case, seed):
    """However the weight of a row is split between it and a copy of it."""
    model, rng, n = case.fitted(), np.random.default_rng(seed), case.X.shape[0]
    y = case.y
    if case.estimator is CLASSIFIER:
        y = np.where(np.isin(y, model.classes_), y, model.classes_[0])
    twice = np.tile(np.arange(n), 2)
    groups = np.arange(n) if case.groups is None else case.groups
    data = case.X[twice], y[twice]
    total = rng.integers(0, 4, n) * 1.0
    total[rng.integers(n)] = 1.0
    share = rng.choice([0.0, 0.25, 1.0], n)
    split = np.concatenate([total * share, total * (1 - share)])
    whole = np.concatenate([total, np.zeros(n)])
    labels, codes = np.unique(groups[twice], return_inverse=True)
    sample = Sample(*data, split, (), codes, group_labels=labels)
    size = np.abs(model._log_joint(sample)[1]).max(axis=1)
    precision = 1e-6 if model.gate_coef_.dtype == np.float32 else 1e-12
    precision *= np.maximum(1, size)
    proba, scores = (
        [method(*data, weight, groups[twice]) for weight in (split, whole)]
        for method in (model.responsibilities, model.score_samples)
    )
    assert (np.abs(proba[0] - proba[1]) <= precision[codes, None]).all()
    assert (np.abs(scores[0] - scores[1]) <= precision).all()
    if case.groups is not None:
        sums = [model.log_likelihood(*data, w, groups[twice]) for w in (split, whole)]
        assert abs(sums[0] - sums[1]) <= precision.sum()


def row_sizes(X, coef, intercept):
    """Size of the terms of each row's largest linear predictor, (n,)."""
    flat = np.abs(coef).reshape(intercept.size, -1)
    size = abs(X).astype(np.float64) @ flat.T.astype(np.float64)
    return (size + np.abs(intercept).ravel()).max(axis=1)


def of_gate(model, X):
    """What the gate sees of X, and its coefficients."""
    columns = model._fitted["columns"][0]
    seen = X if columns is None else X[:, columns]
    return seen, model.gate_coef_, model.gate_intercept_


def sizes(model, X):
    """Size of the terms in the predictors of gate and experts, two arrays (n,)."""
    columns = model._fitted["columns"][1]
    seen = X if columns is None else X[:, columns]
    of_experts = row_sizes(seen, model.coef_, model.intercept_)
    # An expert's logit in a tree is a sum along its path.
    return model.depth * row_sizes(*of_gate(model, X)), of_experts


def clear_choices(model, X, rounding):
    """Whether no rounding of a row's logits changes which experts count, (n,)."""
    gate, top_k = of_gate(model, X), model.top_k
    if top_k is None or top_k >= model.n_experts:
        return np.ones(X.shape[0], dtype=bool)
    logits = np.sort(linear_predictor(*gate).astype(np.float64), axis=0)
    gap = logits[-top_k] - logits[-top_k - 1]
    return gap > rounding * (1 + row_sizes(*gate))


def assert_rows_alone(model, X, rows):
    """Some rows on their own have the predictions that they have among all.

    CSR rows keep their bits.  BLAS sums the terms of a dense row in an order that
    depends on the number of rows, so the bound is relative to those terms: logarithms
    of probabilities, and means, move by rounding of the terms of their predictors.
    """
    among, alone = predictions(model, X), predictions(model, X[rows])
    if sparse.issparse(X):
        for name, values in among.items():
            np.testing.assert_array_equal(alone[name], values[rows], err_msg=name)
        return
    is_double = model.gate_coef_.dtype == np.float64
    rounding = 1e-12 if is_double else 1e-4
    clear = clear_choices(model, X, rounding)[rows]
    if not clear.any():
        return
    among = {name: values[rows][clear] for name, values in among.items()}
    alone = {name: values[clear] for name, values in alone.items()}
    gate, experts = (1 + size[rows][clear] for size in sizes(model, X))
    joint = gate + experts
    bounds = {"gate_proba": gate, "predict_expert": experts}
    if isinstance(model, REGRESSOR):
        bounds |= {"predict": gate * experts, "std": gate * experts}
    elif isinstance(model, GLM):
        # Logarithms of means move by rounding of their terms.
        bounds = {"gate_proba": gate}
        first, second = (
            np.log(found["predict_expert"], dtype=np.float64)
            for found in (alone, among)
        )
        gap = np.abs(first - second).max(axis=1)
        assert (gap <= rounding * experts).all()
    else:
        bounds |= {"predict_proba": joint, "predict_log_proba": joint}
    for name, bound in bounds.items():
        if name not in among:
            continue  # no finite deviation
        gap = np.abs(np.subtract(alone[name], among[name], dtype=np.float64))
        gap = gap.reshape(len(gap), -1).max(axis=1)
        assert (gap <= rounding * bound).all(), name


def with_column(case, at, value):
    """The case with a constant column, which gate and experts see."""
    dense = case.X.toarray() if sparse.issparse(case.X) else case.X
    kind = dense.dtype if dense.dtype.kind == "f" else np.float64
    X = np.insert(dense.astype(kind), at, value, axis=1)
    changed = {}
    for name in {"gate_features", "expert_features"} & case.parameters.keys():
        changed[name] = [j + (j >= at) for j in case.parameters[name]] + [at]
    return replace(
        case,
        X=sparse.csr_array(X) if sparse.issparse(case.X) else X,
        parameters=case.parameters | changed,
    )


CONSTANTS = st.builds(
    lambda power, sign: sign * 10.0**power,
    st.floats(-300, 300),
    st.sampled_from([1, -1]),
)


def mean_prediction(model, X):
    """Mean of y, or class probabilities, in units of the largest, a float64 array."""
    predict = model.predict_proba if isinstance(model, CLASSIFIER) else model.predict
    found = predict(X).astype(np.float64)
    return found / max(np.abs(found).max(), np.finfo(np.float32).tiny)


@pytest.mark.long
@settings(PROFILE)
@given(case=cases(), at=st.integers(0, 4), value=CONSTANTS)
def test_constant_column_of_any_size_changes_nothing(case, at, value):
    assume(case.parameters.get("fit_intercept", not case.parameters.get("symmetric")))
    # Without an intercept a constant column is one.
    assume(case.parameters.get("gate_intercept", True))
    at = min(at, case.X.shape[1])
    if case.X.dtype == np.float32:
        value = np.sign(value) * np.clip(np.abs(value), 1e-37, 1e37)
    wide = with_column(case, at, value)
    # Rounding grows along a descent.
    one, two = case.fitted(max_iter=5), wide.fitted(max_iter=5)
    for name, coef in (("gate", two.gate_coef_), ("expert", two.coef_)):
        seen = wide.parameters.get(f"{name}_features", list(range(wide.X.shape[1])))
        assert (coef[..., seen.index(at)] == 0).all()
    # On the way, rounding may decide when a lassoed coefficient leaves zero.
    is_smooth = not (one.l1_ratio or one.gate_l1_ratio)
    atol = 1e-6 if is_smooth else 1e-4
    np.testing.assert_allclose(
        two.objective_curve_[-1], one.objective_curve_[-1], rtol=1e-6, atol=atol
    )
    found, expected = mean_prediction(two, wide.X), mean_prediction(one, case.X)
    # What rows beside far heavier ones are predicted to be is rounding's to say.
    weight = np.ones(len(found)) if case.weight is None else case.weight
    counts = weight > 1e-8 * weight.max()
    atol = 1e-3 if is_smooth else 0.05
    np.testing.assert_allclose(found[counts], expected[counts], rtol=0, atol=atol)


def in_one_array(X, y, weight, group):
    """All that is known of rows, (n, d + 2 or 3); the weight is last."""
    X = X.toarray() if sparse.issparse(X) else X
    return np.column_stack([X, y, weight] if group is None else [X, y, group, weight])


@settings(PROFILE)
@given(case=cases(), seed=st.integers(0, 99), value=CONSTANTS, power=st.integers(0, 18))
def test_rows_are_merged_only_if_they_are_the_same(case, seed, value, power):
    rng, n = np.random.default_rng(seed), case.X.shape[0]
    X = case.X.toarray() if sparse.issparse(case.X) else case.X
    stamps = 10.0**power + 256 * rng.integers(0, 3, n)
    X = np.column_stack([X.astype(float), np.full(n, value), stamps])
    y, weight = rng.integers(0, 2, n), rng.integers(1, 4, n).astype(float)
    rows = in_one_array(X, y, weight, case.groups)
    distinct, number = np.unique(rows[:, :-1], axis=0, return_inverse=True)
    distinct = np.column_stack([distinct, np.bincount(number.ravel(), weight)])
    order = rng.permutation(n)
    group = None if case.groups is None else case.groups[order]
    for make in (np.asarray, sparse.csr_array):
        found = in_one_array(*canonical_rows(make(X), y, weight, case.groups)[:4])
        again = canonical_rows(make(X[order]), y[order], weight[order], group)
        np.testing.assert_array_equal(in_one_array(*again[:4]), found)
        np.testing.assert_array_equal(np.unique(found, axis=0), distinct)


@pytest.mark.long
@settings(PROFILE)
@given(case=cases(), data=st.data())
def test_rows_do_not_see_each_other(case, data):
    model = case.fitted()
    X = case.X
    n = X.shape[0]
    rows = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n))
    assert_rows_alone(model, X, rows)


def same(first, second):
    """Whether two attributes are the same, to the last bit."""
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if sparse.issparse(first):
        return abs(first - second).nnz == 0
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same(value, second[name]) for name, value in first.items()
        )
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first is second or (type(first) is type(second) and first == second)


def assert_same_state(found, expected):
    """Two estimators' attributes, private ones too, are the same."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert same(found[name], value), name


def state(model):
    """All attributes, copied."""
    return copy.deepcopy(vars(model))


@pytest.mark.long
@settings(PROFILE)
@given(case=cases())
def test_fit_again_gives_the_same_bits(case):
    model = case.fitted()
    once = state(model)
    assert_same_state(vars(case.fit(model)), once)
    assert_same_state(vars(case.fitted()), once)


def spoilt(case, how, rng):
    """Arguments of a fit that must fail, and parameters to set before."""
    X, y, weight = case.X, case.y, case.weight
    n = X.shape[0]
    parameters = {}
    if how == "target":
        y = y.astype(object if case.estimator is CLASSIFIER else float)
        y.flat[rng.integers(y.size)] = np.nan
    elif how == "feature":
        X = (X.toarray() if sparse.issparse(X) else X).astype(float)
        X[rng.integers(n), -1] = np.nan
    elif how == "weight":
        weight = -np.ones(n)
    elif how == "parameter":
        parameters = {rng.choice(["alpha", "tol", "n_experts", "solver"]): -1}
    elif how == "penalty":
        parameters = {"alpha": np.nan}
    elif how == "warm start":
        # Noticed late: y had another shape, or the model fewer experts.
        parameters = {"warm_start": True, "n_experts": case.parameters["n_experts"] + 1}
        if case.estimator is REGRESSOR:
            y = y[:, 0] if y.ndim == 2 else np.column_stack([y, y])
    elif how == "groups":
        return parameters, (X, y, weight, np.zeros(n + 1))
    return parameters, (X, y, weight, case.groups)


WAYS_TO_FAIL = (
    "target",
    "feature",
    "weight",
    "parameter",
    "penalty",
    "warm start",
    "groups",
)


@settings(PROFILE)
@given(case=cases(), how=st.sampled_from(WAYS_TO_FAIL), seed=st.integers(0, 99))
def test_failing_fit_leaves_the_earlier_one(case, how, seed):
    model = case.fitted()
    parameters, arguments = spoilt(case, how, np.random.default_rng(seed))
    model.set_params(**parameters)
    before = state(model)
    with pytest.raises(ValueError):
        model.fit(*arguments)
    assert_same_state(vars(model), before)


class Interrupted:
    """A pass over the rows during which the user presses Ctrl-C, at the n-th."""

    def __init__(self, after):
        self.left, self.evaluate = after, Mixture.evaluate

    def __enter__(self):
        def evaluate(mixture, *args, **kwargs):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return self.evaluate(mixture, *args, **kwargs)

        Mixture.evaluate = evaluate

    def __exit__(self, *error):
        Mixture.evaluate = self.evaluate


@settings(PROFILE)
@given(case=cases(), after=st.integers(0, 30), was_fitted=st.booleans())
def test_interrupt_leaves_what_was_there(case, after, was_fitted):
    model = case.model()
    if was_fitted:
        # The earlier fit is of other data, in other columns, without groups.
        X = np.random.default_rng(0).standard_normal((20, 4))
        y = 1 + np.arange(20) % 2
        earlier = {"gate_features": None, "expert_features": [1, 3]}
        fit_quietly(model.set_params(**earlier), X, y)
        model.set_params(**{name: getattr(case.model(), name) for name in earlier})
    before = state(model)
    try:
        with Interrupted(after):
            case.fit(model)
    except KeyboardInterrupt:
        event("interrupted")
        assert_same_state(vars(model), before)
        return
    except ValueError as error:
        assert_documented(error)
        assert_same_state(vars(model), before)
        return
    assert_fitted_soundly(case, model)


@pytest.fixture
def interruptible():
    """Python's own handler of Ctrl-C, which a process in the background lacks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals to oneself need POSIX")
@pytest.mark.parametrize("was_fitted", [False, True])
@pytest.mark.parametrize("delay", [0.01, 0.1, 0.3])
def test_real_interrupt_leaves_what_was_there(delay, was_fitted, interruptible):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 4))
    y = np.abs(X).sum(axis=1) + rng.standard_normal(4000)
    model = REGRESSOR(n_experts=4, tol=0, max_iter=10**6, solver="gd", step_size=1e-9)
    if was_fitted:
        model.set_params(n_experts=2, max_iter=1)
        with pytest.warns(ConvergenceWarning):
            model.fit(X[:, :2], y > 1)
        model.set_params(n_experts=4, max_iter=10**6)
    before = state(model)
    ctrl_c = threading.Timer(delay, signal.raise_signal, [signal.SIGINT])
    with pytest.raises(KeyboardInterrupt):
        ctrl_c.start()
        model.fit(X, y)
    ctrl_c.join()
    assert_same_state(vars(model), before)
    if was_fitted:
        assert np.isfinite(model.predict(X[:, :2])).all()
    else:
        with pytest.raises(NotFittedError):
            model.predict(X)
