"""Censored, interval and truncated y of linear experts, as users give them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from scipy.special import log_expit, logsumexp
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference, information
from skmoe.model_selection import log_likelihood_scorer, n_experts_path
from skmoe.plotting import (
    CoefficientsDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ResponsibilitiesDisplay,
)
from skmoe.streaming import array_batches, fit_batches

INF = np.inf
NO_PENALTY = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0}
SLOPES, NOISE = np.array([[2.0, 1.0, 1.0], [-1.0, 0.5, -0.5]]), np.array([0.5, 1.0])


def two_planes(n, seed=0):
    """X (n, 2) and y (n,) of two experts, whose gate sees the first column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    expert = (rng.random(n) > 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int)
    mean = (np.c_[X, np.ones(n)] * SLOPES[expert]).sum(axis=1)
    return X, mean + NOISE[expert] * rng.normal(size=n)


def censored(y, seed=0):
    """Lower and upper ends of y: limits on both sides, intervals, and y itself."""
    rng = np.random.default_rng(seed)
    kind, lower, upper = rng.integers(4, size=y.size), y.copy(), y.copy()
    limit = np.quantile(y, 0.6)
    high, low = (kind == 1) & (y > limit), (kind == 2) & (y < -0.5)
    lower[high], upper[high] = limit, INF
    lower[low], upper[low] = -INF, -0.5
    between = kind == 3
    lower[between], upper[between] = np.floor(y[between]), np.floor(y[between]) + 1
    return lower, upper


@pytest.fixture(scope="module")
def some():
    """Rows that a model was fitted to, and the model."""
    X, y = two_planes(300)
    lower, upper = censored(y)
    model = MixtureOfLinearExperts(random_state=0).fit(X, lower, y_upper=upper)
    return X, lower, upper, model


def brute_force(X, lower, upper, entry, start):
    """Least minus log-likelihood of two experts, by another program."""
    ones = np.c_[X, np.ones(len(X))]

    def loss(v):
        gate = ones @ v[:3]
        mean, scale = ones @ v[3:9].reshape(2, 3).T, np.exp(v[9:])
        # On the side where the tails are small.
        swap = lower[:, None] > mean
        ends = [(end[:, None] - mean) / scale for end in (lower, upper)]
        ends = [np.where(swap, -b, a) for a, b in (ends, ends[::-1])]
        with np.errstate(divide="ignore", invalid="ignore"):
            within = np.log(norm.cdf(ends[1]) - norm.cdf(ends[0]))
            at = norm.logpdf(np.where(np.isinf(lower), 0, lower)[:, None], mean, scale)
        own = np.where((lower < upper)[:, None], within, at)
        log_gate = np.stack([log_expit(gate), log_expit(-gate)], axis=1)
        seen = logsumexp(log_gate + norm.logsf(entry[:, None], mean, scale), axis=1)
        return -(logsumexp(log_gate + own, axis=1) - seen).sum()

    best = optimize.minimize(loss, start, method="BFGS", options={"maxiter": 3000})
    return min(best.fun, optimize.minimize(loss, best.x, method="BFGS").fun)


@pytest.mark.parametrize("has_entry", [False, True])
def test_two_experts_have_the_likelihood_that_brute_force_finds(has_entry):
    X, y = two_planes(400, seed=1)
    entry = np.full(len(y), -INF)
    if has_entry:
        entry = np.random.default_rng(2).normal(-1.0, 1.0, len(y))
        X, y, entry = X[y > entry], y[y > entry], entry[y > entry]
    lower, upper = censored(y)
    lower = np.maximum(lower, entry)
    tells = (lower > entry) | np.isfinite(upper)
    X, lower, upper, entry = X[tells], lower[tells], upper[tells], entry[tells]
    given = {"y_upper": upper} | ({"entry": entry} if has_entry else {})
    model = MixtureOfLinearExperts(
        **NO_PENALTY, tol=1e-12, max_iter=5000, random_state=0
    ).fit(X, lower, **given)
    first = model.coef_[:, 0].argmax()
    order = [first, 1 - first]
    gate = 2 * np.append(model.gate_coef_[first], model.gate_intercept_[first])
    experts = np.c_[model.coef_, model.intercept_][order].ravel()
    noise = 0.5 * np.log(model.noise_variance_[order])
    start = np.concatenate([gate, experts, noise])
    found = model.log_likelihood(X, lower, **given)
    # From the optimum and from afar.
    far = np.concatenate([[1, 0, 0], SLOPES.ravel(), [0, 0]])
    lowest = min(brute_force(X, lower, upper, entry, at) for at in (start, far))
    assert found == pytest.approx(-lowest, abs=1e-5)
    samples = model.score_samples(X, lower, **given)
    assert samples.sum() == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("has_entry", [False, True])
def test_experts_are_found_where_two_in_five_are_censored(has_entry):
    X, y = two_planes(8000, seed=3)
    given, rng = {}, np.random.default_rng(4)
    if has_entry:
        entry = rng.normal(-1.5, 1.0, len(y))
        X, y, given["entry"] = X[y > entry], y[y > entry], entry[y > entry]
    limit = np.maximum(rng.normal(0.9, 0.5, len(y)), given.get("entry", -INF) + 0.1)
    given["y_upper"] = np.where(y > limit, INF, y)
    y = np.minimum(y, limit)
    assert 0.35 < np.isinf(given["y_upper"]).mean() < 0.6
    model = MixtureOfLinearExperts(random_state=0).fit(X, y, **given)
    result = inference(model, X, y, **given)
    order = np.argsort(-model.coef_[:, 0])
    found = np.c_[model.coef_, model.intercept_][order]
    np.testing.assert_allclose(found, SLOPES, atol=0.12)
    np.testing.assert_allclose(np.sqrt(model.noise_variance_[order]), NOISE, atol=0.06)
    truth = np.concatenate([SLOPES[order].ravel(), np.square(NOISE)[order]])
    inside = result.confidence_interval(0.999)[-8:]
    assert ((inside[:, 0] < truth) & (truth < inside[:, 1])).all()


def test_as_if_it_were_known_a_censored_y_would_mislead():
    X, y = two_planes(4000, seed=5)
    limit = 0.5
    upper, y = np.where(y > limit, INF, y), np.minimum(y, limit)
    model = MixtureOfLinearExperts(random_state=0)
    aware, naive = clone(model).fit(X, y, y_upper=upper), clone(model).fit(X, y)
    assert aware.coef_[:, 0].max() == pytest.approx(2.0, abs=0.15)
    assert naive.coef_[:, 0].max() < 1.5


def test_ends_that_are_equal_are_a_known_y(some):
    X, y = two_planes(200, seed=6)
    model = MixtureOfLinearExperts(random_state=0)
    plain, same = clone(model).fit(X, y), clone(model).fit(X, y, y_upper=y)
    np.testing.assert_allclose(same.coef_, plain.coef_, rtol=1e-9)
    assert same.score(X, y, y_upper=y) == pytest.approx(plain.score(X, y), rel=1e-9)
    np.testing.assert_allclose(
        same.score_samples(X, y, y_upper=y), plain.score_samples(X, y), rtol=1e-8
    )
    # Without entry, as far below as can be.
    nowhere = clone(model).fit(X, y, entry=np.full(len(y), -INF))
    np.testing.assert_allclose(nowhere.coef_, plain.coef_, rtol=1e-9)


def test_the_unit_of_y_changes_nothing(some):
    X, lower, upper, model = some
    scaled = clone(model).fit(X, 1e3 * lower + 7, y_upper=1e3 * upper + 7)
    np.testing.assert_allclose(scaled.coef_, 1e3 * model.coef_, rtol=1e-5)
    known = (lower == upper).sum()
    given = (X, 1e3 * lower + 7), {"y_upper": 1e3 * upper + 7}
    change = scaled.log_likelihood(*given[0], **given[1]) - model.log_likelihood(
        X, lower, y_upper=upper
    )
    assert change == pytest.approx(-known * np.log(1e3), abs=1e-4)
    last = scaled.objective_curve_[-1] - model.objective_curve_[-1]
    # The prior on noise has variances in the units of y.
    prior = scaled.noise_prior / len(lower) * 2 * np.log(1e3)
    assert last == pytest.approx(known / len(lower) * np.log(1e3) + prior, abs=1e-6)


def test_predictions_are_of_the_uncensored_y(some):
    X, lower, upper, model = some
    gate = model.gate_proba(X)
    expected = (gate * (X @ model.coef_.T + model.intercept_)).sum(axis=1)
    np.testing.assert_allclose(model.predict(X), expected)
    median = model.predict_quantile(X, 0.5)
    np.testing.assert_allclose(model.cdf(X, median), 0.5, atol=1e-8)
    sure = model.score_samples(X)
    np.testing.assert_allclose(
        sure, model.score_samples(X, model.predict(X), y_upper=model.predict(X))
    )


def test_responsibilities_take_what_is_known(some):
    X, lower, upper, model = some
    proba = model.responsibilities(X, lower, y_upper=upper)
    mean = X @ model.coef_.T + model.intercept_
    scale = np.sqrt(model.noise_variance_)
    row = np.flatnonzero(np.isinf(upper))[0]
    own = model.gate_proba(X[[row]])[0] * norm.sf(lower[row], mean[row], scale)
    np.testing.assert_allclose(proba[row], own / own.sum(), rtol=1e-8)


def test_groups_share_an_expert_of_censored_rows():
    rng = np.random.default_rng(7)
    groups, x = np.repeat(np.arange(80), 4), rng.normal(size=320)
    y = np.where(groups % 2, 1 + x, -1 - x) + 0.5 * rng.normal(size=320)
    upper, y = np.where(y > 0.8, INF, y), np.minimum(y, 0.8)
    X = x[:, None]
    model = MixtureOfLinearExperts(gate_features=[], random_state=0)
    model.fit(X, y, groups=groups, y_upper=upper)
    assert np.sort(model.coef_[:, 0]) == pytest.approx([-1, 1], abs=0.15)
    result = inference(model, X, y, groups=groups, y_upper=upper)
    assert np.isfinite(result.standard_error).all()
    past = {"X_past": X[:8], "y_past": y[:8], "groups_past": groups[:8]}
    proba = model.expert_proba(X[:8], groups[:8], **past, y_upper_past=upper[:8])
    own = model.responsibilities(X[:8], y[:8], groups=groups[:8], y_upper=upper[:8])
    np.testing.assert_allclose(proba, own)


def test_known_experts_offsets_and_weights_go_with_censored_y(some):
    X, lower, upper, model = some
    weight = np.random.default_rng(0).integers(1, 3, len(lower)).astype(float)
    rows = np.repeat(np.arange(len(lower)), weight.astype(int))
    offset = X[:, 1] + 1
    whole, repeated = (
        clone(model).fit(X[r], lower[r], **given, y_upper=upper[r])
        for r, given in (
            (slice(None), {"sample_weight": weight}),
            (rows, {}),
        )
    )
    np.testing.assert_allclose(whole.coef_, repeated.coef_, rtol=1e-6)
    moved = (
        clone(model)
        .set_params(alpha=0)
        .fit(X, lower + offset, offset=offset, y_upper=upper + offset)
    )
    still = clone(model).set_params(alpha=0).fit(X, lower, y_upper=upper)
    np.testing.assert_allclose(moved.coef_, still.coef_, rtol=1e-6)
    labels = np.where(np.arange(len(lower)) < 50, X[:, 0] > 0, -1)
    told = clone(model).fit(X, lower, expert_labels=labels, y_upper=upper)
    assert told.coef_[1, 0] > told.coef_[0, 0]


def test_batches_are_the_whole(some):
    X, lower, upper, model = some
    batches = array_batches(X, lower, y_upper=upper, batch_size=70)
    fitted = fit_batches(clone(model), batches)
    np.testing.assert_allclose(fitted.coef_, model.coef_, rtol=1e-4)
    entry = np.minimum(lower, 0.0) - 1
    batches = array_batches(X, lower, y_upper=upper, entry=entry, batch_size=70)
    both = (
        fit_batches(clone(model), batches),
        clone(model).fit(X, lower, y_upper=upper, entry=entry),
    )
    np.testing.assert_allclose(both[0].coef_, both[1].coef_, rtol=1e-3)


def test_partitions_of_dask_are_the_whole(some):
    pytest.importorskip("distributed")
    import dask.array as da
    from distributed import Client, LocalCluster

    from skmoe.dask import DaskMixture

    X, lower, upper, model = some
    entry = np.minimum(lower, 0.0) - 1
    arrays = [da.from_array(part, chunks=100) for part in (X, lower, upper, entry)]
    given = dict(zip(("y_upper", "entry"), arrays[2:]))
    local = {"y_upper": upper, "entry": entry}
    whole = clone(model).fit(X, lower, **local)
    options = {"processes": False, "dashboard_address": None}
    with LocalCluster(1, threads_per_worker=1, **options) as cluster, Client(cluster):
        parts = DaskMixture(clone(model)).fit(*arrays[:2], **given)
        found = parts.log_likelihood(*arrays[:2], **given)
        proba = parts.responsibilities(*arrays[:2], **given).compute()
        with pytest.raises(ValueError, match="log_likelihood or score_samples"):
            parts.score(*arrays[:2])
    np.testing.assert_allclose(parts.estimator_.coef_, whole.coef_, rtol=1e-3)
    assert found == pytest.approx(whole.log_likelihood(X, lower, **local), abs=1e-3)
    expected = whole.responsibilities(X, lower, **local)
    np.testing.assert_allclose(proba, expected, atol=1e-3)


def test_paths_criteria_and_scorers_take_what_is_known(some):
    X, lower, upper, model = some
    path = n_experts_path(model, X, lower, max_experts=2, y_upper=upper)
    assert np.argmin(path.bic) == 1
    again = path.estimators[1].bic(X, lower, y_upper=upper)
    assert path.bic[1] == pytest.approx(again)
    found = log_likelihood_scorer(model, X, lower, y_upper=upper)
    expected = model.log_likelihood(X, lower, y_upper=upper) / len(X)
    assert found == pytest.approx(expected)
    n = model._fitted["n_parameters"]
    assert model.aic(X, lower, y_upper=upper) == pytest.approx(
        2 * n - 2 * len(X) * expected
    )


def test_batches_that_arrive_one_by_one_learn_of_censored_y():
    X, y = two_planes(6000, seed=8)
    lower, upper = censored(y)
    model = MixtureOfLinearExperts(random_state=0)
    for rows in np.array_split(np.arange(len(y)), 20):
        model.partial_fit(X[rows], lower[rows], y_upper=upper[rows])
    order = np.argsort(-model.coef_[:, 0])
    found = np.c_[model.coef_, model.intercept_][order]
    np.testing.assert_allclose(found, SLOPES, atol=0.15)
    with pytest.raises(ValueError, match="y_upper=None, but the model was fitted"):
        model.partial_fit(X, y)
    plain = MixtureOfLinearExperts(random_state=0).partial_fit(X, y)
    with pytest.raises(ValueError, match="earlier rows had none"):
        plain.partial_fit(X, lower, y_upper=upper)


def test_displays_take_what_is_known(some):
    X, lower, upper, model = some
    assert np.isinf(lower).any()
    frame = pd.DataFrame(X, columns=["a", "b"])
    named = clone(model).set_params(**NO_PENALTY).fit(frame, lower, y_upper=upper)
    for display in (
        CoefficientsDisplay,
        ExpertCurvesDisplay,
        GateRegionsDisplay,
        ResponsibilitiesDisplay,
    ):
        display.from_estimator(named, frame, lower, y_upper=upper)
        plt.close("all")


def test_a_warm_start_goes_on(some):
    X, lower, upper, model = some
    warm = clone(model).set_params(warm_start=True).fit(X, lower, y_upper=upper)
    again = warm.fit(X, lower, y_upper=upper)
    assert again.n_iter_ <= 5
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-2)


def test_what_is_not_known_makes_standard_errors_larger():
    X, y = two_planes(3000, seed=9)
    lower, upper = censored(y)
    known = MixtureOfLinearExperts(random_state=0).fit(X, y)
    less = MixtureOfLinearExperts(random_state=0).fit(X, lower, y_upper=upper)
    errors = [
        inference(known, X, y).standard_error,
        inference(less, X, lower, y_upper=upper).standard_error,
    ]
    assert (errors[1] > errors[0]).all()
    rates = (
        information(known, X, y).em_rate,
        information(less, X, lower, y_upper=upper).em_rate,
    )
    assert rates[0] < rates[1] < 1


def bad(**changes):
    """Arguments of fit to ten rows, but for some."""
    rows = np.arange(10.0)
    return {"X": rows[:, None], "y": rows, "y_upper": rows + 1} | changes


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"y_upper": np.arange(10.0) - 1}, "y has 0, above y_upper, -1, in row 0"),
        ({"entry": np.arange(10.0) + 0.5}, "entry has 0.5, above y, 0, in row 0"),
        ({"y_upper": np.full(10, np.nan)}, "y_upper has no value in row 0"),
        ({"y": np.full(10, np.nan)}, "NaN"),
        ({"entry": np.full(10, np.nan)}, "entry has no value in row 0"),
        ({"y_upper": np.ones(9)}, "y_upper has shape"),
        ({"y_upper": ["a"] * 10}, "y_upper is a list whose values are no"),
        ({"y": np.full(10, -INF), "y_upper": np.full(10, INF)}, "tells nothing of y"),
        ({"y_upper": np.full(10, INF)}, "y has no upper end in any row"),
        ({"y": np.full(10, -INF)}, "y has no lower end in any row"),
        ({"y": np.full(10, INF), "y_upper": np.full(10, INF)}, "no number lies"),
        ({"y": np.full((10, 2), 0.0)}, "is one output"),
        ({"entry": np.zeros(10), "groups": np.arange(10)}, "entry and groups"),
        ({"trials": np.ones(10)}, "trials are given"),
    ],
)
def test_bad_ends_are_refused_with_a_remedy(changes, message):
    given = bad(**changes)
    with pytest.raises(ValueError, match=message):
        MixtureOfLinearExperts(1).fit(given.pop("X"), given.pop("y"), **given)


@pytest.mark.parametrize(
    "estimator, message",
    [
        (MixtureOfLinearExperts(noise_df=4.0), "noise_df=4.0 with y_upper"),
        (MixtureOfLinearExperts(point_mass=0.0), "point_mass=0.0 with y_upper"),
        (MixtureOfLinearExperts(background=True), "background=True with y_upper"),
        (MixtureOfGLMExperts(), "only the y of MixtureOfLinearExperts"),
        (MixtureOfLogisticExperts(), "only the y of MixtureOfLinearExperts"),
    ],
)
def test_others_refuse_ends_of_y(estimator, message):
    y = np.arange(10) % 2
    with pytest.raises(ValueError, match=message):
        estimator.fit(np.arange(10.0)[:, None], y, y_upper=y + 1)


def test_a_score_of_censored_y_is_refused(some):
    X, lower, upper, model = some
    with pytest.raises(ValueError, match="log_likelihood or score_samples"):
        model.score(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="log_likelihood or score_samples"):
        model.score(X, lower, y_upper=upper)
    with pytest.raises(ValueError, match="y_upper=None, but the model was fitted"):
        model.score_samples(X, np.zeros(len(X)))


def test_rows_far_from_all_experts_have_responsibilities(some):
    X, lower, upper, model = some
    far, y = np.array([[1e160, 0.0], [-1e200, 0.0]]), np.array([0.0, 1.0])
    proba = model.responsibilities(far, y, y_upper=[INF, 2.0])
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_searches_hand_on_what_is_known(some):
    X, lower, upper, model = some
    with config_context(enable_metadata_routing=True):
        routed = clone(model).set_fit_request(y_upper=True)
        scorer = log_likelihood_scorer.set_score_request(y_upper=True)
        search = GridSearchCV(routed, {"n_experts": [1, 2]}, scoring=scorer, cv=3)
        search.fit(X, lower, y_upper=upper)
    assert search.best_params_ == {"n_experts": 2}


def test_an_indicator_of_events_is_no_upper_end():
    X, event = np.arange(6.0)[:, None], np.arange(6) % 2 == 0
    with pytest.raises(ValueError, match=r"y_upper=np.where\(event, y, np.inf\)"):
        MixtureOfLinearExperts(1).fit(X, -np.arange(1.0, 7), y_upper=event)
