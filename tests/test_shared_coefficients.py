"""Coefficients, intercepts and noise that experts share, and columns of single experts.

The objective is written out here once more, in the free coefficients.
"""

import pickle
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from scipy.special import gammaln, log_softmax, logsumexp
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.distributions import Normal
from skmoe.engine.m_step import first_experts
from skmoe.engine.problem import Problem
from skmoe.engine.specification import Specification
from skmoe.inspection import inference, information
from skmoe.model_selection import n_experts_path
from skmoe.plotting import CoefficientsDisplay
from skmoe.streaming import array_batches, fit_batches

N, D = 400, 3

# Parameters, number of experts, and the free coefficient behind each, intercept last.
CASES = {
    "slope": ({"shared_features": [2]}, [[0, 1, 2, 3], [4, 5, 2, 6]]),
    "intercept": (
        {"shared_features": [0], "shared_intercept": True},
        [[0, 1, 2, 3], [0, 4, 5, 3]],
    ),
    "own columns": (
        {"expert_features": {0: [0, 2], 1: [1, 2]}, "shared_features": [2]},
        [[0, -1, 1, 2], [-1, 3, 1, 4]],
    ),
    "nested": (
        {"shared_features": {1: [0, 2], (2, 0): "all"}},
        [[0, 1, 2, 3], [0, 4, 2, 5], [0, 1, 2, 6]],
    ),
    "nested intercept": (
        {"shared_features": {2: [1, 2]}, "shared_intercept": [0, 1]},
        [[0, 1, 2, 3], [4, 5, 6, 3], [7, 8, 6, 9]],
    ),
}
FAMILIES = {
    "linear": (MixtureOfLinearExperts, {}),
    "binary": (MixtureOfLogisticExperts, {}),
    "classes": (MixtureOfLogisticExperts, {}),
    "poisson": (MixtureOfGLMExperts, {"family": "poisson"}),
    "gamma": (MixtureOfGLMExperts, {"family": "gamma"}),
    "negative_binomial": (MixtureOfGLMExperts, {"family": "negative_binomial"}),
}


# Coefficients by their number: experts that do not share one are far apart.
TRUTH = np.array([2.0, -0.5, 0.7, 1.0, -2.0, 0.8, -0.9, 0.0, 0.5, -1.0])


def drawn(family, case, seed=0, n=N):
    """Rows of a mixture with the coefficients of a case, and their experts."""
    sets = np.array(CASES[case][1])
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, D)) + [0.5, 0, 1]
    expert = (len(sets) * stats.norm.cdf(X[:, 1] + 0.3 * rng.normal(size=n))).astype(
        int
    )
    coef = np.append(TRUTH[: sets.max() + 1], 0)[sets]
    signal = (np.column_stack([X, np.ones(n)]) * coef[expert]).sum(axis=1)
    if family == "linear":
        y = signal + np.array([0.3, 0.6, 0.4])[expert] * rng.normal(size=n)
    elif family == "poisson":
        y = rng.poisson(np.exp(0.6 * signal)).astype(float)
    elif family == "gamma":
        y = rng.gamma(4.0, np.exp(0.6 * signal) / 4)
    elif family == "negative_binomial":
        y = rng.poisson(rng.gamma(1.0, np.exp(0.6 * signal))).astype(float)
    else:
        levels = np.array([0, 1, -0.5])[: 3 if family == "classes" else 2]
        logits = 2 * signal[:, None] * levels + rng.gumbel(size=(n, levels.size))
        y = logits.argmax(axis=1)
    return X, y, expert


def fitted(family, case, **options):
    """A fit that starts from the true experts, its rows, and the case's sets."""
    kind, how = FAMILIES[family]
    given, sets = CASES[case]
    X, y, expert = drawn(family, case)
    options = {"tol": 1e-12, "max_iter": 5000, "init": expert} | options
    if family in ("linear", "gamma"):
        options = {"noise_prior": 0.0} | options
    model = kind(len(sets), **how, **given, **options).fit(X, y)
    return model, X, y, np.array(sets)


def as_vector(model, sets):
    """Free parameters of a fitted model, and what makes them whole again."""
    n_experts = len(sets)
    coef = model.coef_.reshape(n_experts, -1, D)
    intercept = model.intercept_.reshape(n_experts, -1)
    whole = np.concatenate([coef, intercept[:, :, None]], axis=2)
    first = [np.argwhere(sets == number)[0] for number in range(sets.max() + 1)]
    free = np.array([whole[k, :, column] for k, column in first])  # (F, q)
    noise = getattr(model, "noise_variance_", np.zeros(0))
    if getattr(model, "family", None) in ("gamma", "negative_binomial"):
        noise = model.dispersion_
    gate = np.column_stack([model.gate_coef_, model.gate_intercept_])
    vector = np.concatenate([gate.ravel(), free.ravel(), np.log(noise)])

    def parts(vector):
        gate, rest = np.split(vector, [n_experts * (D + 1)])
        coefs, noise = np.split(rest, [free.size])
        coefs = coefs.reshape(free.shape)
        # A coefficient that an expert does not have is 0.
        padded = np.concatenate([coefs, np.zeros((1, free.shape[1]))])
        return gate.reshape(n_experts, -1), coefs, padded[sets], noise

    return vector, parts


def objective(family, model, X, y, sets, parts, weight=None):
    """F in nats per sample as a function of the vector."""
    x = np.column_stack([X, np.ones(len(X))])
    weight = np.ones(len(X)) if weight is None else weight
    is_slope = np.arange(sets.max() + 1)[:, None] != np.unique(sets[:, -1])
    is_slope = is_slope.all(axis=1)
    unit = np.std(y) if family == "linear" else 1.0

    def value(vector):
        gate, free, whole, noise = parts(vector)
        predictor = np.einsum("kpq,np->nkq", whole, x)
        at = predictor[:, :, 0]
        phi = np.exp(noise) if noise.size else np.ones(len(sets))
        target = y[:, None]
        if family == "linear":
            log_density = stats.norm.logpdf(target, at, np.sqrt(phi))
        elif family == "poisson":
            log_density = target * at - np.exp(at) - gammaln(target + 1)
        elif family == "negative_binomial":
            size = 1 / phi
            share = size / (size + np.exp(at))
            log_density = stats.nbinom.logpmf(target, size, share)
            # SciPy's terms cancel where it is Poisson's.
            of_poisson = stats.poisson.logpmf(target, np.exp(at))
            log_density = np.where(phi < 1e-8, of_poisson, log_density)
        elif family == "gamma":
            log_density = stats.gamma.logpdf(target, 1 / phi, scale=np.exp(at) * phi)
        elif family == "binary":
            log_density = -np.logaddexp(0, np.where(target == 1, -at, at))
        else:
            log_class = log_softmax(predictor, axis=2)
            log_density = np.take_along_axis(log_class, y[:, None, None], 2)[:, :, 0]
        log_gate = log_softmax(x @ gate.T, axis=1)
        total = -weight @ logsumexp(log_gate + log_density, axis=1)
        total += model.alpha / 2 * np.square(free[is_slope] / unit).sum()
        total += model.gate_alpha / 2 * np.square(gate[:, :-1]).sum()
        return total / weight.sum()

    return value


def slope(function, at, step=1e-5):
    """Central differences."""
    return np.array(
        [
            (function(at + e) - function(at - e)) / (2 * step)
            for e in step * np.eye(at.size)
        ]
    )


@pytest.mark.sampled(8)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_fit_is_stationary_in_the_free_coefficients(family, case):
    model, X, y, sets = fitted(family, case)
    vector, parts = as_vector(model, sets)
    value = objective(family, model, X, y, sets, parts)
    assert_allclose(value(vector), model.objective_curve_[-1], rtol=1e-9)
    assert_allclose(slope(value, vector), 0, atol=2e-6)
    # Copies are the same to the last bit, and columns that are not seen have none.
    whole = np.concatenate(
        [
            model.coef_.reshape(len(sets), -1, D),
            model.intercept_.reshape(len(sets), -1, 1),
        ],
        axis=2,
    )
    _, _, expected, _ = parts(vector)
    assert_array_equal(whole[:, :, :D], expected.transpose(0, 2, 1)[:, :, :D])
    assert_allclose(whole, expected.transpose(0, 2, 1), atol=1e-13)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "solver, family, case",
    [
        *[("md", family, "slope") for family in FAMILIES],
        *[("md", "gamma", case) for case in CASES],
        ("gd", "linear", "slope"),
        ("gd", "linear", "own columns"),
        ("gd", "binary", "slope"),
        ("gd", "gamma", "nested"),
    ],
)
def test_solvers_end_at_the_same_optimum(solver, family, case):
    reference, _, _, sets = fitted(family, case)
    # Gradient descent is slow where columns are not centred.
    model = fitted(family, case, solver=solver, tol=1e-9, max_iter=20_000)[0]
    end, expected = model.objective_curve_[-1], reference.objective_curve_[-1]
    assert_allclose(end, expected, rtol=1e-6)
    whole = model.coef_.reshape(len(sets), -1, D)
    assert_array_equal((whole == 0).all(axis=1), sets[:, :D] < 0)


@pytest.mark.parametrize("solver", ["em", "md", "gd"])
def test_objective_never_rises(solver):
    options = {"init": "random", "random_state": 0, "tol": 1e-3}
    model = fitted("linear", "nested", solver=solver, **options)[0]
    assert (np.diff(model.objective_curve_) <= 1e-12).all()
    assert model.n_iter_ > 2


def test_m_step_of_linear_experts_is_one_stacked_least_squares():
    X, y, _ = drawn("linear", "slope")
    rng = np.random.default_rng(1)
    share = rng.uniform(0.1, 0.9, size=N)
    sets = np.array([[0, 1, 2, 3], [4, 5, 2, 6]])
    spec = Specification(Normal(1), 2, coef_sets=sets, shares_noise=True)
    problem = Problem(X, y[None], np.ones(N), spec)
    theta = problem.mixture.initial()
    found = first_experts(problem.mixture, np.stack([share, 1 - share]))
    theta = theta._replace(experts=found[0], log_variance=found[1])
    fit = problem.attributes(theta, np.float64)

    x = np.column_stack([X, np.ones(N)])
    stacked = np.zeros((2 * N, 7))
    for k in range(2):
        stacked[k * N : (k + 1) * N, sets[k]] = x
    root = np.sqrt(np.concatenate([share, 1 - share]))
    expected, residual, *_ = np.linalg.lstsq(
        root[:, None] * stacked, root * np.tile(y, 2), rcond=None
    )
    assert_allclose(fit["coef_"][:, 0], expected[sets[:, :-1]], rtol=1e-9)
    assert_allclose(fit["intercept_"][:, 0], expected[sets[:, -1]], rtol=1e-9)
    assert_allclose(fit["noise_variance_"].ravel(), residual[0] / N, rtol=1e-9)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "family, case",
    [
        ("linear", "intercept"),
        ("linear", "own columns"),
        ("linear", "nested"),
        ("binary", "slope"),
        ("poisson", "nested intercept"),
    ],
)
def test_standard_errors_are_those_of_the_free_coefficients(family, case):
    # Penalties keep the Hessian positive where classes are nearly separable.
    penalties = {"alpha": 1.0, "gate_alpha": 1.0}
    model, X, y, sets = fitted(family, case, **penalties)
    vector, parts = as_vector(model, sets)
    value = objective(family, model, X, y, sets, parts)
    # Gates are relative: without the last one's intercept nothing is free.
    kept = np.delete(np.arange(vector.size), len(sets) * (D + 1) - 1)
    step = 1e-4

    def gradient(at):
        whole = vector.copy()
        whole[kept] = at
        return slope(value, whole, step)[kept]

    at = vector[kept]
    rows = [gradient(at + e) - gradient(at - e) for e in step * np.eye(at.size)]
    variance = np.linalg.inv(np.array(rows) / (2 * step)).diagonal() / N
    first = len(sets) * (D + 1) - 1
    expected = np.sqrt(variance[first : first + sets.max() + 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the penalties move
        result = inference(model, X, y)
    entries = [
        name.split(" ")[0] in ("expert", "experts", "all") for name in result.names
    ]
    assert sum(entries) == sets.max() + 1
    assert_allclose(result.standard_error[entries], expected, rtol=2e-3)


def n_parameters(model, X, y):
    return model.aic(X, y) / 2 + model.score_samples(X, y).sum()


def test_a_shared_coefficient_counts_once():
    model, X, y, sets = fitted("linear", "nested")
    gate, noise = (len(sets) - 1) * (D + 1), len(sets)
    expected = gate + np.unique(sets).size + noise
    assert_allclose(n_parameters(model, X, y), expected)
    own, *_ = fitted("linear", "own columns")
    X, y, _ = drawn("linear", "own columns")
    assert_allclose(n_parameters(own, X, y), (D + 1) + 5 + 2)


def test_likelihood_ratio_and_wald_test_agree_on_a_hypothesis_that_holds():
    X, y, expert = drawn("linear", "slope", n=4000)
    options = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0, "init": expert}
    whole = MixtureOfLinearExperts(2, **options).fit(X, y)
    shared = MixtureOfLinearExperts(2, shared_features=[2], **options).fit(X, y)
    gap = whole.score_samples(X, y) - shared.score_samples(X, y)
    wald = inference(whole, X, y).wald_test({"expert 0: x2": 1, "expert 1: x2": -1})
    n_more = n_parameters(whole, X, y) - n_parameters(shared, X, y)
    assert wald.df == pytest.approx(n_more)
    assert_allclose(2 * gap.sum(), wald.statistic, rtol=0.05)
    assert wald.p_value > 0.01


def test_names_say_who_shares():
    model, X, y, _ = fitted("linear", "nested")
    result = inference(model, X, y)
    names = [name for name in result.names if "gate" not in name]
    assert names[:7] == [
        "all experts: x0",
        "experts 0 and 2: x1",
        "all experts: x2",
        "expert 0: (intercept)",
        "expert 1: x1",
        "expert 1: (intercept)",
        "expert 2: (intercept)",
    ]
    relative = information(model, X, y).names
    assert [name for name in relative if "gate" not in name][:7] == names[:7]
    assert result.wald_test({"all experts: x2": 1}).p_value < 1e-6
    table = result.table()
    assert list(table["expert"])[12:15] == ["all", "0 and 2", "all"]


def test_an_entry_with_several_outputs_is_shared_in_each():
    X, y, expert = drawn("linear", "slope")
    Y = np.column_stack([y, 1 - 2 * y + X[:, 0]])
    model = MixtureOfLinearExperts(2, shared_features=[2], init=expert).fit(X, Y)
    assert_array_equal(model.coef_[0, :, 2], model.coef_[1, :, 2])
    assert (model.coef_[0, :, :2] != model.coef_[1, :, :2]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = inference(model, X, Y).names
    assert "all experts, 0: x2" in names and "all experts, 1: x2" in names


@pytest.mark.parametrize("groups", [[[0, 1], [2]], [(2, 0)]])
def test_noise_is_that_of_its_group(groups):
    X, y, expert = drawn("linear", "nested")
    options = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0, "init": expert}
    model = MixtureOfLinearExperts(3, noise=groups, tol=1e-12, **options).fit(X, y)
    group = list(groups[0])
    share = model.responsibilities(X, y)
    square = np.square(y[:, None] - (X @ model.coef_.T + model.intercept_))
    for members in (group, np.setdiff1d(range(3), group)):
        of_members = share[:, members]
        expected = (of_members * square[:, members]).sum() / of_members.sum()
        assert_allclose(model.noise_variance_[members], expected, rtol=1e-4)
    assert n_parameters(model, X, y) == pytest.approx(2 * 4 + 3 * 4 + 2)
    names = [name for name in information(model, X, y).names if "noise" in name]
    assert len(names) == 2


def test_experts_keep_the_numbers_of_their_columns():
    X, y, expert = drawn("linear", "own columns", n=800)
    columns = {0: [0, 2], 1: [1, 2]}
    # The second expert has most rows.
    few = (expert == 1) | (np.arange(800) % 3 == 0)
    X, y = X[few], y[few]
    for init in ("short_runs", "regression_clustering"):
        model = MixtureOfLinearExperts(
            expert_features=columns, init=init, random_state=0
        ).fit(X, y)
        assert model.gate_proba(X).mean(axis=0)[1] > 0.5
        assert_allclose(model.coef_[0, 0], 2.0, atol=0.2)
        assert_array_equal(np.argwhere(model.coef_ == 0), [[0, 1], [1, 0]])


def test_columns_by_name_in_a_data_frame():
    pandas = pytest.importorskip("pandas")
    X, y, expert = drawn("linear", "nested")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(text="x")
    reference, *_ = fitted("linear", "nested")
    model = MixtureOfLinearExperts(
        3,
        gate_features=["a", "b", "c"],
        expert_features=["a", "b", "c"],
        shared_features={"b": [0, 2], ("c", "a"): "all"},
        noise_prior=0.0,
        tol=1e-12,
        init=expert,
    ).fit(frame, y)
    assert_allclose(model.coef_, reference.coef_, atol=1e-6)


def test_l1_penalty_counts_a_shared_coefficient_once():
    model, X, y, sets = fitted("linear", "slope", alpha=60.0, l1_ratio=1.0)
    vector, parts = as_vector(model, sets)
    smooth = objective("linear", model, X, y, sets, parts)
    model_alpha, model.alpha = model.alpha, 0.0
    pull = slope(smooth, vector)[len(sets) * (D + 1) :][: sets.max() + 1]
    free = vector[len(sets) * (D + 1) :][: sets.max() + 1]
    threshold = model_alpha / np.std(y) / N
    of_slopes = [0, 1, 2, 4, 5]
    assert_allclose(pull[of_slopes], -threshold * np.sign(free[of_slopes]), atol=2e-5)


def test_enough_l1_penalty_removes_a_shared_coefficient_from_all():
    X, y, expert = drawn("linear", "slope")
    model = MixtureOfLinearExperts(
        2, shared_features=[2], alpha=1e5, l1_ratio=1.0, init=expert
    )
    for solver in ("em", "gd"):
        fit = model.set_params(solver=solver).fit(X, y)
        assert_array_equal(fit.coef_, 0)


def fit_in_another_form(form, model, X, y, expert):
    """The same rows in another form."""
    if form == "sparse":
        return model.fit(sparse.csr_array(X), y)
    if form == "weights":
        weight = np.where(np.arange(N) % 2, 2, 1)
        rows = np.repeat(np.arange(N), weight)
        repeated = clone(model).set_params(init=expert[rows]).fit(X[rows], y[rows])
        fit = model.fit(X, y, sample_weight=weight)
        assert_allclose(fit.coef_, repeated.coef_, atol=1e-5)
        return None
    if form == "groups":
        return model.fit(X, y, groups=np.arange(N))
    return model.fit(X.astype(np.float32), y)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("form", ["sparse", "weights", "groups", "float32"])
@pytest.mark.parametrize("family", ["linear", "classes", "gamma"])
def test_rows_may_come_in_any_form(family, form):
    X, y, expert = drawn(family, "intercept")
    given, _ = CASES["intercept"]
    kind, how = FAMILIES[family]
    model = kind(2, **how, **given, tol=1e-10, init=expert)
    expected = clone(model).fit(X, y)
    found = fit_in_another_form(form, model, X, y, expert)
    if found is not None:
        assert_allclose(found.coef_, expected.coef_, atol=1e-3)
        assert_allclose(found.intercept_, expected.intercept_, atol=1e-3)
        assert_array_equal(found.coef_[0, ..., 0], found.coef_[1, ..., 0])


@pytest.mark.parametrize("case", ["intercept", "own columns"])
def test_batches_give_the_fit_of_all_rows(case):
    X, y, _ = drawn("linear", case)
    given, _ = CASES[case]
    model = MixtureOfLinearExperts(2, **given, random_state=0, tol=1e-10)
    expected = clone(model).fit(X, y)
    fit_batches(model, array_batches(X, y, batch_size=90))
    assert_allclose(model.coef_, expected.coef_, atol=1e-5)
    assert_allclose(model.intercept_, expected.intercept_, atol=1e-5)


@pytest.mark.parametrize(
    "family, case", [("linear", "intercept"), ("poisson", "slope")]
)
def test_partial_fit_keeps_what_is_shared(family, case):
    X, y, _ = drawn(family, case, n=6000)
    kind, how = FAMILIES[family]
    model = kind(2, **how, **CASES[case][0], random_state=0)
    expected = clone(model).fit(X, y)
    for rows in np.split(np.arange(6000), 6):
        model.partial_fit(X[rows], y[rows])
    sets = np.array(CASES[case][1])
    whole = np.column_stack([model.coef_, model.intercept_])
    for number in range(sets.max() + 1):
        assert np.ptp(whole[sets == number]) < 1e-12
    # Experts may come in another order.
    found, expected = (np.sort(fit.coef_, axis=0) for fit in (model, expected))
    assert_allclose(found, expected, atol=0.15)


def test_warm_start_goes_on_from_the_optimum():
    model, X, y, _ = fitted("linear", "nested", warm_start=True, tol=1e-8)
    before = model.objective_curve_[-1]
    model.fit(X, y)
    assert model.n_iter_ <= 5
    assert_allclose(model.objective_curve_[0], before, rtol=1e-9)
    model.set_params(shared_features={1: [0, 1]})
    with pytest.raises(ValueError, match="shared_features"):
        model.fit(X, y)


@pytest.mark.parametrize("gate", [{"top_k": 2}, {"depth": 2}])
def test_gates_of_all_kinds(gate):
    X, y, _ = drawn("linear", "slope")
    model = MixtureOfLinearExperts(
        8 if "top_k" in gate else 4,
        shared_features=[2],
        random_state=0,
        max_iter=20,
        tol=1e-2,
        **gate,
    ).fit(X, y)
    assert (model.coef_[:, 2] == model.coef_[0, 2]).all()


def test_pickles_and_clones_share_too():
    model, X, y, _ = fitted("linear", "own columns")
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert clone(model).get_params()["expert_features"] == model.expert_features


@pytest.mark.parametrize(
    "params, match",
    [
        ({"expert_features": [0], "shared_features": [1]}, "shared_features.*column 1"),
        ({"shared_features": [7]}, "shared_features.*out of range"),
        ({"shared_features": ["a"]}, "shared_features.*no feature names"),
        (
            {"expert_features": {2: [0]}},
            "expert_features names the expert 2.*from 0",
        ),
        ({"expert_features": {"a": [0]}}, "expert_features names the expert 'a'"),
        ({"expert_features": {0: [5]}}, "expert_features.*out of range"),
        (
            {"expert_features": {0: []}, "fit_intercept": False},
            r"expert_features\[0\] selects no feature",
        ),
        ({"shared_features": {0: [0, 4]}}, "shared_features names the expert 4"),
        ({"shared_features": {0: [0, 0]}}, "shared_features.*each expert once"),
        ({"shared_features": {0: True}}, "shared_features has True"),
        (
            {"shared_features": {0: [0, 1], (0, 1): "all"}},
            "shared_features selects column 0 more than once",
        ),
        (
            {"shared_features": {1: [0, 1]}, "expert_features": {0: [0]}},
            r"shared_features.*expert 0 does not see it.*expert_features\[0\]",
        ),
        ({"shared_intercept": True, "fit_intercept": False}, "shared_intercept"),
        ({"shared_intercept": [0, 3]}, "shared_intercept names the expert 3"),
        ({"noise": [[0, 1], [1]]}, "noise has the groups"),
        ({"noise": [[0, 2]]}, "noise names the expert 2"),
        ({"symmetric": True, "shared_features": [0]}, "shared_features.*symmetric"),
        ({"symmetric": True, "shared_intercept": True}, "shared_intercept.*symm"),
        (
            {"symmetric": True, "expert_features": {0: [0]}},
            "expert_features.*symm",
        ),
    ],
)
def test_bad_input_names_parameter_and_remedy_and_spares_the_fit(params, match):
    X, y, _ = drawn("linear", "slope", n=100)
    model = MixtureOfLinearExperts(2, random_state=0).fit(X, y)
    before = model.coef_.copy()
    with pytest.raises(ValueError, match=match):
        model.set_params(**params).fit(X, y)
    assert_array_equal(model.coef_, before)


def test_display_shows_what_is_shared_in_the_column_of_each_expert():
    model, X, y, sets = fitted("linear", "own columns")
    display = CoefficientsDisplay.from_estimator(model, X, y)
    expected = np.column_stack([model.coef_, model.intercept_])
    assert_allclose(display.coefficients, np.where(sets < 0, np.nan, expected))
    assert display.row_names == ["Expert 0", "Expert 1"]
    assert display.text_[0, 1].get_text() == ""
    assert display.lower[0, 2] == display.lower[1, 2]
    plt.close(display.figure_)


def test_a_column_that_nobody_varies_changes_nothing():
    X, y, expert = drawn("linear", "intercept")
    X[:, 2] = 5.0
    model = MixtureOfLinearExperts(
        2, shared_features=[0], shared_intercept=True, init=expert
    ).fit(X, y)
    assert_array_equal(model.coef_[:, 2], 0)
    narrow = clone(model).fit(X[:, :2], y)
    assert_allclose(model.coef_[:, :2], narrow.coef_, atol=1e-6)
    assert_allclose(n_parameters(model, X, y), n_parameters(narrow, X[:, :2], y))


@pytest.mark.parametrize("case", ["slope", "nested"])
def test_classes_relative_to_the_first_have_the_same_standard_errors(case):
    model, X, y, _ = fitted("classes", case, alpha=1.0, gate_alpha=1.0)
    info = information(model, X, y)
    covariance = np.linalg.inv(info.observed + info.penalty)
    error = dict(zip(info.names, np.sqrt(covariance.diagonal())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the penalties move
        result = inference(model, X, y)
    for owner in ("all experts", "expert 0"):
        column = "x2" if owner == "all experts" else "(intercept)"
        contrast = {f"{owner}, 1: {column}": 1, f"{owner}, 0: {column}": -1}
        expected = result.wald_test(contrast).standard_error
        assert_allclose(error[f"{owner}, 1 - 0: {column}"], expected, rtol=1e-6)


def test_more_coefficients_than_one_system_holds_are_an_error():
    X = sparse.csr_array(sparse.random(50, 5_100, 0.01, random_state=0))
    model = MixtureOfLinearExperts(2, shared_features=[0])
    with pytest.raises(ValueError, match="10201, more than 10000; lower n_experts"):
        model.fit(X, np.arange(50.0))


def test_one_expert_has_nothing_to_share():
    X, y, _ = drawn("linear", "slope")
    plain = MixtureOfLinearExperts(1).fit(X, y)
    alone = MixtureOfLinearExperts(1, shared_features=[0], shared_intercept=True)
    assert_allclose(alone.fit(X, y).coef_, plain.coef_, rtol=1e-10)
    assert_allclose(n_parameters(alone, X, y), n_parameters(plain, X, y))


def test_an_expert_without_rows_leaves_what_it_shares_to_the_others():
    X, y, expert = drawn("linear", "slope")
    share = np.column_stack([expert == 0, expert == 1, np.zeros(N)]).astype(float)
    options = {"alpha": 0.0, "gate_alpha": 0.0, "noise_prior": 0.0, "tol": 1e-10}
    model = MixtureOfLinearExperts(3, shared_features=[2], init=share, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two experts explain all
        model.fit(X, y)
    two = MixtureOfLinearExperts(2, shared_features=[2], init=expert, **options)
    two.fit(X, y)
    assert model.responsibilities(X, y)[:, 2].sum() < 0.1
    assert_allclose(model.coef_[:2], two.coef_, atol=1e-3)
    assert_allclose(model.coef_[2, 2], two.coef_[0, 2], atol=1e-3)


def test_path_of_experts_that_share():
    X, y, _ = drawn("linear", "slope")
    model = MixtureOfLinearExperts(shared_features=[2], random_state=0)
    path = n_experts_path(model, X, y, max_experts=3)
    assert path.best("bic").n_experts == 2
    with pytest.raises(ValueError, match="expert_features.*single experts"):
        n_experts_path(model.set_params(expert_features={0: [0]}), X, y)


def test_intercept_of_columns_far_from_zero():
    # Without centring the columns are nearly collinear with the intercept.
    rng = np.random.default_rng(0)
    year = rng.uniform(1992, 2008, size=N)
    is_first = np.arange(N) % 2 == 0
    y = np.where(is_first, 1.0, 1.001) * year + 0.1 * rng.normal(size=N)
    model = MixtureOfLinearExperts(
        gate_features=[],
        shared_intercept=True,
        alpha=0,
        noise_prior=0,
        noise="shared",
        init=np.where(is_first, 0, 1),
        tol=1e-12,
    ).fit(year[:, None], y)
    design = np.column_stack([year * is_first, year * ~is_first, np.ones(N)])
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    assert_allclose(model.coef_.ravel(), expected[:2], rtol=1e-6)
    assert_allclose(model.intercept_, expected[2], atol=1e-3)


def test_a_constant_column_is_no_second_intercept_of_those_that_share_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y, ones = x + rng.choice([-2, 2], 200), np.ones(200)
    model = MixtureOfLinearExperts(
        expert_features={0: [0, 1], 1: [0]}, shared_intercept=True
    )
    with pytest.raises(ValueError, match="X, column 1: it is constant"):
        model.fit(np.column_stack([x, ones]), y)
    model.fit(np.column_stack([x, 0 * ones]), y)


def test_a_column_that_wakes_late_beside_a_shared_intercept():
    rng = np.random.default_rng(0)
    model = MixtureOfLinearExperts(random_state=0, shared_intercept=True)
    for number in range(24):
        X = rng.normal(size=(300, 2))
        X[:, 1] *= number >= 6
        sign = rng.choice([-1, 1], 300)
        y = sign * X[:, 0] + 0.5 * X[:, 1] + 0.2 * rng.normal(size=300)
        model.partial_fit(X, y)
    np.testing.assert_allclose(model.coef_[:, 1], 0.5, atol=0.05)


@pytest.mark.parametrize("groups", [[[0, 1], 2], [0, [1, 2]]])
def test_experts_and_groups_of_them_are_not_mixed(groups):
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50.0)
    model = MixtureOfLinearExperts(3, shared_features={0: groups})
    with pytest.raises(ValueError, match="mixes experts and groups"):
        model.fit(X, y)


def test_mirrored_experts_share_no_array_either():
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50.0)
    model = MixtureOfLinearExperts(symmetric=True, shared_features=np.array([0, 1]))
    with pytest.raises(ValueError, match="shared_features.*symmetric=True"):
        model.fit(X, y)
