"""Offsets: a known part of the linear predictors, in fits and in all that follows."""

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.data.sample import Known
from skmoe.engine.information import information_matrices
from skmoe.inspection import inference
from skmoe.model_selection import log_likelihood_scorer, n_experts_path
from skmoe.streaming import array_batches, fit_batches

N = 400
RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, size=(N, 2))
GATE = RNG.random(N) < 1 / (1 + np.exp(-2 * X[:, 0]))
ETA = np.where(GATE, 1 + X[:, 1], 0.5 - X[:, 1])
OFFSET = RNG.normal(size=N)
EXPOSURE = np.exp(OFFSET)
GROUPS = np.arange(N) // 2
OF_GROUPS = {"gate_features": [], "expert_features": [0, 1]}
COUNTS = RNG.poisson(EXPOSURE * np.exp(ETA))
AMOUNTS = EXPOSURE * np.exp(ETA) * RNG.gamma(4, 0.25, size=N)
REAL = ETA + OFFSET + 0.3 * RNG.standard_normal(N)
TWO = (RNG.random(N) < 1 / (1 + np.exp(-2 * ETA - OFFSET))).astype(int)
OF_CLASSES = np.column_stack([OFFSET, np.zeros(N), -OFFSET])
THREE = (OF_CLASSES + ETA[:, None] * [1, 0, -1] + RNG.gumbel(size=(N, 3))).argmax(1)
OUTPUTS = np.column_stack([REAL, -ETA + 0.3 * RNG.standard_normal(N)])
OF_OUTPUTS = np.column_stack([OFFSET, np.zeros(N)])
OVERDISPERSED = np.random.default_rng(1).poisson(AMOUNTS)

SMALL = {"random_state": 0, "alpha": 1.0, "gate_alpha": 1.0}
CASES = {
    "linear": (MixtureOfLinearExperts(**SMALL), REAL, OFFSET),
    "t": (MixtureOfLinearExperts(noise_df=5, **SMALL), REAL, OFFSET),
    "outputs": (MixtureOfLinearExperts(**SMALL), OUTPUTS, OF_OUTPUTS),
    "poisson": (MixtureOfGLMExperts(**SMALL), COUNTS, OFFSET),
    "gamma": (MixtureOfGLMExperts(family="gamma", **SMALL), AMOUNTS, OFFSET),
    "negative binomial": (
        MixtureOfGLMExperts(family="negative_binomial", **SMALL),
        OVERDISPERSED,
        OFFSET,
    ),
    "two classes": (MixtureOfLogisticExperts(**SMALL), TWO, OFFSET),
    "three classes": (MixtureOfLogisticExperts(**SMALL), THREE, OF_CLASSES),
}
FITTED = {}


def case(name):
    """A fitted model, its y and offsets."""
    model, y, offset = CASES[name]
    if name not in FITTED:
        FITTED[name] = clone(model).fit(X, y, offset=offset)
    return FITTED[name], y, offset


def log_density(model, y, offset):
    """Log-density of y under each expert, (n, K), by SciPy."""
    n_sets = model.intercept_.reshape(len(model.intercept_), -1).shape[1]
    shape = len(model.intercept_), n_sets
    coef = model.coef_.reshape(*shape, -1)
    eta = np.einsum("kqd,nd->nkq", coef, X) + model.intercept_.reshape(shape)
    offset = offset.reshape(len(y), 1, -1)
    if isinstance(model, MixtureOfLogisticExperts):
        if n_sets == 1:
            zero = np.zeros_like(eta)
            eta = np.concatenate([zero, eta + offset], axis=2)
        else:
            eta = eta + offset
        found = log_softmax(eta, axis=2)
        return np.take_along_axis(found, y[:, None, None], axis=2)[:, :, 0]
    eta = eta + offset
    if isinstance(model, MixtureOfLinearExperts):
        sigma = np.sqrt(model.noise_variance_.reshape(shape))
        y = y.reshape(len(y), 1, -1)
        kind = stats.norm if model.noise_df is None else stats.t(model.noise_df)
        return (kind.logpdf((y - eta) / sigma) - np.log(sigma)).sum(axis=2)
    mean, y = np.exp(eta[:, :, 0]), y[:, None]
    if model.family == "poisson":
        return stats.poisson.logpmf(y, mean)
    shape = 1 / model.dispersion_
    if model.family == "negative_binomial":
        return stats.nbinom.logpmf(y, shape, shape / (shape + mean))
    return stats.gamma.logpdf(y, shape, scale=mean / shape)


@pytest.mark.parametrize("name", CASES)
def test_likelihood_and_posteriors_are_those_of_scipy(name):
    model, y, offset = case(name)
    gate = log_softmax(X @ model.gate_coef_.T + model.gate_intercept_, axis=1)
    joint = gate + log_density(model, y, offset)
    total = logsumexp(joint, axis=1)
    found = model.score_samples(X, y, offset=offset)
    np.testing.assert_allclose(found, total, atol=1e-9)
    proba = model.responsibilities(X, y, offset=offset)
    np.testing.assert_allclose(proba, np.exp(joint - total[:, None]), atol=1e-9)
    assert np.isclose(model.log_likelihood(X, y, offset=offset), total.sum())
    none = model.score_samples(X, y, offset=np.zeros_like(offset))
    assert not np.allclose(none, total, atol=1e-2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "name", ["poisson", "gamma", "negative binomial", "two classes", "three classes"]
)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_fit_is_a_minimum_of_the_objective(name, make):
    model, y, offset = CASES[name]
    model = clone(model).set_params(tol=1e-12)
    if name == "gamma":
        model.set_params(noise_prior=0)
    model.fit(make(X), y, offset=offset)
    names = ["gate_coef_", "gate_intercept_", "coef_", "intercept_"]
    shapes = [getattr(model, each).shape for each in names]
    ends = np.cumsum([np.prod(shape) for shape in shapes])

    def objective(flat):
        for each, part, shape in zip(names, np.split(flat, ends[:-1]), shapes):
            setattr(model, each, part.reshape(shape))
        penalty = np.square(model.coef_).sum() + np.square(model.gate_coef_).sum()
        return 0.5 * penalty / N - model.score_samples(X, y, offset=offset).mean()

    start = np.concatenate([getattr(model, each).ravel() for each in names])
    first = objective(start)
    best = minimize(objective, start, method="BFGS", options={"gtol": 1e-7})
    objective(start)
    assert first - best.fun < 1e-7
    assert np.isclose(first, model.objective_curve_[-1], atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_zeros_change_no_bit(name):
    model, y, offset = CASES[name]
    plain = clone(model).fit(X, y)
    zeros = clone(model).fit(X, y, offset=np.zeros_like(offset))
    for attribute in ("coef_", "intercept_", "gate_coef_", "objective_curve_"):
        found, wanted = getattr(zeros, attribute), getattr(plain, attribute)
        assert (found == wanted).all()
    same = np.zeros_like(offset)
    assert (plain.predict(X, offset=same) == plain.predict(X)).all()
    found = plain.score_samples(X, y, offset=same)
    assert (found == plain.score_samples(X, y)).all()


@pytest.mark.parametrize("name", ["linear", "t", "outputs"])
def test_real_outputs_move_with_their_offset(name):
    model, y, offset = case(name)
    rest = clone(model).fit(X, y - offset)
    np.testing.assert_allclose(model.coef_, rest.coef_, atol=1e-10)
    moved = rest.predict(X) + offset
    np.testing.assert_allclose(model.predict(X, offset=offset), moved, atol=1e-10)
    mean, std = model.predict(X, return_std=True, offset=offset)
    np.testing.assert_allclose(std, rest.predict(X, return_std=True)[1], atol=1e-10)
    quantile = model.predict_quantile(X, offset=offset)
    np.testing.assert_allclose(quantile, rest.predict_quantile(X) + offset, atol=1e-8)
    found = model.cdf(X, y, offset=offset)
    np.testing.assert_allclose(found, rest.cdf(X, y - offset), atol=1e-10)
    drawn = model.sample(X, 3, random_state=0, offset=offset)
    wanted = rest.sample(X, 3, random_state=0) + offset[..., None]
    np.testing.assert_allclose(drawn, wanted, atol=1e-8)
    of_experts = rest.predict_expert(X) + offset.reshape(N, 1, *offset.shape[1:])
    np.testing.assert_allclose(model.predict_expert(X, offset=offset), of_experts)
    assert np.isclose(
        model.score(X, y, offset=offset),
        1
        - (
            np.square(y - moved).sum(axis=0) / np.square(y - y.mean(axis=0)).sum(axis=0)
        ).mean(),
    )


@pytest.mark.parametrize("name", ["poisson", "gamma", "negative binomial"])
def test_exposure_multiplies_means(name):
    model, y, offset = case(name)
    mean = EXPOSURE * model.predict(X)
    np.testing.assert_allclose(model.predict(X, offset=offset), mean)
    of_experts = EXPOSURE[:, None] * model.predict_expert(X)
    np.testing.assert_allclose(model.predict_expert(X, offset=offset), of_experts)
    drawn = model.sample(X, 2_000, random_state=0, offset=offset)
    error = drawn.std(axis=1) / np.sqrt(2_000)
    assert (np.abs(drawn.mean(axis=1) - mean) < 5 * error).all()
    lower, upper = model.predict_interval(X, 0.9, offset=offset).T
    inside = (drawn >= lower[:, None]) & (drawn <= upper[:, None])
    assert inside.mean() > 0.89
    median = model.predict_quantile(X, offset=offset)
    assert (model.cdf(X, median, offset=offset) >= 0.5 - 1e-9).all()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("unit", [1e-6, 1e4])
@pytest.mark.parametrize("name", ["poisson", "gamma", "negative binomial"])
def test_unit_of_exposure_is_a_matter_of_intercepts(name, unit):
    model, y, offset = case(name)
    other = clone(model).fit(X, y, offset=offset + np.log(unit))
    np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-8)
    moved = other.intercept_ + np.log(unit)
    np.testing.assert_allclose(moved, model.intercept_, atol=1e-8)
    known = {"offset": offset + np.log(unit)}
    assert np.isclose(other.bic(X, y, **known), model.bic(X, y, offset=offset))


@pytest.mark.parametrize("solver", ["md", "gd"])
@pytest.mark.parametrize("name", ["linear", "poisson", "two classes", "three classes"])
def test_solvers_agree(name, solver):
    model, y, offset = CASES[name]
    how = {"tol": 1e-10, "max_iter": 50_000}
    em, other = (
        clone(model).set_params(solver=each, **how).fit(X, y, offset=offset)
        for each in ("em", solver)
    )
    np.testing.assert_allclose(other.coef_, em.coef_, atol=2e-3)
    assert np.isclose(other.objective_curve_[-1], em.objective_curve_[-1], atol=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CASES)
def test_weights_are_repeated_rows(name):
    model, y, offset = CASES[name]
    times = np.arange(N) % 3
    repeated = (np.repeat(each, times, axis=0) for each in (X, y, offset))
    long_X, long_y, long_offset = repeated
    one = clone(model).fit(X, y, times, offset=offset)
    other = clone(model).fit(long_X, long_y, offset=long_offset)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-8)
    assert np.isclose(
        one.bic(X, y, times, offset=offset),
        other.bic(long_X, long_y, offset=long_offset),
    )


@pytest.mark.parametrize("name", CASES)
def test_groups_sum_their_rows(name):
    model, y, offset = CASES[name]
    model = clone(model).set_params(**OF_GROUPS)
    model.fit(X, y, groups=GROUPS, offset=offset)
    gate = log_softmax(model.gate_intercept_)
    rows = log_density(model, y, offset)
    total = logsumexp(gate + rows.reshape(N // 2, 2, -1).sum(axis=1), axis=1)
    found = model.score_samples(X, y, groups=GROUPS, offset=offset)
    np.testing.assert_allclose(found, total, atol=1e-9)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CASES)
def test_batches_are_the_fit(name):
    model, y, offset = CASES[name]
    model = clone(model).set_params(tol=1e-11)
    whole = clone(model).fit(X, y, offset=offset)
    batches = array_batches(X, y, offset=offset, batch_size=130)
    found = fit_batches(clone(model), batches)
    np.testing.assert_allclose(found.coef_, whole.coef_, atol=1e-7)
    np.testing.assert_allclose(found.gate_coef_, whole.gate_coef_, atol=1e-7)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CASES)
def test_rows_that_partial_fit_collects_are_fitted_as_by_fit(name):
    model, y, offset = CASES[name]
    whole, _, _ = case(name)
    found = clone(model)
    named = {"classes": np.unique(y)} if hasattr(whole, "classes_") else {}
    for rows in (slice(0, 150), slice(150, N)):
        found.partial_fit(X[rows], y[rows], offset=offset[rows], **named)
    np.testing.assert_allclose(found.coef_, whole.coef_, atol=1e-8)


def test_partial_fit_follows_exposures():
    rng = np.random.default_rng(1)
    model = MixtureOfGLMExperts(random_state=0)
    for number in range(20):
        x = rng.uniform(-2, 2, size=(200, 1))
        offset = rng.normal(size=200) + number / 4
        y = rng.poisson(np.exp(2 - np.abs(x[:, 0]) + offset))
        model.partial_fit(x, y, offset=offset)
    np.testing.assert_allclose(np.sort(model.coef_[:, 0]), [-1, 1], atol=0.05)
    np.testing.assert_allclose(model.intercept_, [2, 2], atol=0.05)


@pytest.mark.parametrize("name", ["poisson", "gamma", "two classes", "three classes"])
def test_gradient_vanishes_and_information_is_its_slope(name):
    model, y, offset = CASES[name]
    model = clone(model).set_params(tol=1e-12).fit(X, y, offset=offset)
    problem, theta, _ = model._fitted_problem(X, y, Known(offset=offset))
    gradient = problem.mixture.gradient(problem.mixture.evaluate(theta))
    assert np.abs(gradient.flat()).max() < 1e-5
    found = information_matrices(problem.mixture, theta).objective_hessian()
    step, flat = 1e-5, theta.flat()
    ends = np.cumsum([part.size for part in theta])[:-1]

    def gradient_at(values):
        parts = np.split(values, ends)
        at = type(theta)(*(p.reshape(t.shape) for p, t in zip(parts, theta)))
        mixture = problem.mixture
        return mixture.gradient(mixture.evaluate(at, curvature=False)).flat()

    slope = [
        (gradient_at(flat + e) - gradient_at(flat - e)) / (2 * step)
        for e in step * np.eye(flat.size)
    ]
    np.testing.assert_allclose(found, slope, atol=1e-7)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CASES)
def test_one_expert_more_at_a_time(name):
    model, y, offset = CASES[name]
    path = n_experts_path(model, X, y, max_experts=2, offset=offset)
    assert path.best().n_experts == 2
    assert np.isclose(path.bic[1], case(name)[0].bic(X, y, offset=offset), rtol=1e-3)


def test_inference_covers_the_truth():
    model, y, offset = case("poisson")
    result = inference(model, X, y, offset=offset)
    low, high = result.confidence_interval(0.999).T
    names = list(result.names)
    order = np.argsort(model.coef_[:, 1])
    for expert, slope in zip(order, (-1, 1)):
        at = names.index(f"expert {expert}: x1")
        assert low[at] < slope < high[at]


def test_routed_through_a_pipeline_and_a_search():
    with config_context(enable_metadata_routing=True):
        model = MixtureOfGLMExperts(random_state=0).set_fit_request(offset=True)
        model = model.set_predict_request(offset=True)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model.set_score_request(offset=True)),
            {"mixtureofglmexperts__n_experts": [1, 2]},
            scoring=log_likelihood_scorer.set_score_request(offset=True),
        )
        search.fit(X, COUNTS, offset=OFFSET)
        assert search.best_params_ == {"mixtureofglmexperts__n_experts": 2}
        scaled = StandardScaler().fit_transform(X)
        plain = MixtureOfGLMExperts(random_state=0).fit(scaled, COUNTS, offset=OFFSET)
        best = search.best_estimator_
        found = best.predict(X, offset=OFFSET)
        np.testing.assert_allclose(found, plain.predict(scaled, offset=OFFSET))
        wanted = plain.score(scaled, COUNTS, offset=OFFSET)
        assert np.isclose(best.score(X, COUNTS, offset=OFFSET), wanted)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CASES)
def test_an_offset_of_the_fit_is_missed_where_y_is_given(name):
    model, y, offset = case(name)
    calls = [model.score, model.score_samples, model.responsibilities, model.bic]
    calls += [model.log_likelihood, lambda *data: inference(model, *data)]
    if hasattr(model, "cdf"):
        calls.append(model.cdf)
    for call in calls:
        with pytest.raises(ValueError, match="offset=None, but the model was fitted"):
            call(X, y)
    of_parts = fit_batches(clone(model), [{"X": X, "y": y, "offset": offset}])
    online = clone(model)
    named = {"classes": np.unique(y)} if hasattr(model, "classes_") else {}
    online.partial_fit(X, y, offset=offset, **named)
    for other in (of_parts, online):
        with pytest.raises(ValueError, match="offset=None, but the model was fitted"):
            other.bic(X, y)
    with pytest.raises(ValueError, match="offset=None, but the model was fitted"):
        online.partial_fit(X, y)
    model.predict(X)  # at an offset of zero


def test_batches_have_offsets_or_none():
    batches = [{"X": X, "y": COUNTS, "offset": OFFSET}, (X, COUNTS)]
    with pytest.raises(ValueError, match="batch 1 has an offset False, but batch 0"):
        fit_batches(MixtureOfGLMExperts(), batches)


WRONG = {
    "too few rows": (OFFSET[:-1], "offset has shape"),
    "NaN": (np.where(np.arange(N) == 3, np.nan, OFFSET), "offset contains NaN"),
    "infinite": (np.where(np.arange(N) == 3, np.inf, OFFSET), "offset .* infinite"),
    "zeros": (np.zeros((N, 5)), "offset has shape"),
    "a number": (1.0, "offset has shape"),
    "columns": (np.ones((N, 5)), "offset has shape"),
    "text": (np.full(N, "a"), "offset is a ndarray whose values are no numbers"),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", CASES)
def test_wrong_offsets_are_named_and_destroy_nothing(name, what):
    model, y, offset = case(name)
    model, (wrong, message) = clone(model).fit(X, y, offset=offset), WRONG[what]
    coef = model.coef_.copy()
    batches = [{"X": X, "y": y, "offset": wrong}]
    for call in (
        lambda: model.fit(X, y, offset=wrong),
        lambda: model.partial_fit(X, y, offset=wrong),
        lambda: fit_batches(model, batches),
        lambda: model.predict(X, offset=wrong),
        lambda: model.score_samples(X, y, offset=wrong),
        lambda: inference(model, X, y, offset=wrong),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert (model.coef_ == coef).all()
    model.predict(X, offset=offset)


@pytest.mark.parametrize("value", [1e3, -1e3])
def test_offsets_that_no_exposure_has(value):
    offset = np.where(np.arange(N) == 3, value, OFFSET)
    with pytest.raises(ValueError, match=r"offset has values.*np.log\(exposure\)"):
        MixtureOfGLMExperts().fit(X, COUNTS, offset=offset)


def test_mirrored_classes_have_no_offset():
    model = MixtureOfLogisticExperts(symmetric=True, random_state=0)
    with pytest.raises(ValueError, match="symmetric=True.*offset"):
        model.fit(X, TWO, offset=OFFSET)


def test_two_classes_take_the_offset_of_each():
    model, y, offset = case("two classes")
    of_both = np.column_stack([1 - offset, np.ones(N)])
    other = clone(model).fit(X, y, offset=of_both)
    np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-10)
