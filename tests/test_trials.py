"""Successes among trials: binomial experts."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from _recorded import RECORDED
from scipy import sparse, stats
from scipy.special import expit
from sklearn.base import clone

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.data.sample import Known
from skmoe.distributions import Binomial
from skmoe.engine.information import information_matrices
from skmoe.inspection import inference
from skmoe.model_selection import log_likelihood_scorer, n_experts_path
from skmoe.plotting import (
    CoefficientsDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ResponsibilitiesDisplay,
)
from skmoe.streaming import array_batches, fit_batches

DATA = pd.read_csv(RECORDED / "binomial_models.csv")
X, Y = DATA[["x"]].to_numpy(), DATA["y"].to_numpy()
TRIALS, OFFSET = DATA["trials"].to_numpy(), DATA["offset"].to_numpy()
EXACT = {"alpha": 0, "gate_alpha": 0, "tol": 1e-13, "random_state": 0}


@pytest.fixture(scope="module")
def recorded():
    """Numbers of `recorded/binomial_models.R`."""
    with (RECORDED / "binomial_models.json").open(encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def model():
    """Two experts with a constant gate, maximum likelihood."""
    mixture = MixtureOfGLMExperts(2, family="binomial", gate_features=[], **EXACT)
    return mixture.fit(X, Y, trials=TRIALS)


def test_two_experts_are_those_of_mixtools(model, recorded):
    expected = recorded["mixtools"]
    coef = np.array(expected["coef"])
    ours, theirs = np.argsort(model.intercept_), np.argsort(coef[:, 0])
    found = np.column_stack([model.intercept_, model.coef_])
    np.testing.assert_allclose(found[ours], coef[theirs], atol=1e-5)
    logLik = model.log_likelihood(X, Y, trials=TRIALS)
    assert logLik == pytest.approx(expected["logLik"], abs=1e-6)
    gate = np.array(expected["prior"])[theirs]
    np.testing.assert_allclose(model.gate_proba(X[:1])[0][ours], gate, atol=1e-5)
    posterior = model.responsibilities(X, Y, trials=TRIALS)[:, ours[theirs == 0]]
    np.testing.assert_allclose(posterior[:, 0], expected["posterior"], atol=1e-5)


def test_bic_counts_rows_and_not_trials(model):
    known = {"trials": TRIALS}
    expected = 5 * np.log(len(Y)) - 2 * model.log_likelihood(X, Y, **known)
    assert model.bic(X, Y, **known) == pytest.approx(expected, rel=1e-12)


def test_one_expert_with_an_offset_is_glm(recorded):
    expected, known = recorded["glm"], {"trials": TRIALS, "offset": OFFSET}
    one = MixtureOfGLMExperts(1, family="binomial", **EXACT).fit(X, Y, **known)
    found = np.r_[one.intercept_, one.coef_[0]]
    np.testing.assert_allclose(found, expected["coef"], atol=1e-8)
    assert one.log_likelihood(X, Y, **known) == pytest.approx(expected["logLik"])
    result = inference(one, X, Y, **known)
    errors = [
        result.standard_error[result.names.index(f"expert 0: {name}")]
        for name in ("(intercept)", "x0")
    ]
    np.testing.assert_allclose(errors, expected["se"], rtol=1e-6)


@pytest.mark.parametrize("solver", ["em", "md", "gd"])
def test_rows_of_single_trials_in_groups_are_the_same(solver):
    """As logistic experts on two weighted rows in a group for each row."""
    options = EXACT | {"tol": 1e-10, "alpha": 1.0, "gate_alpha": 0.3}
    mixture = MixtureOfGLMExperts(2, family="binomial", solver=solver, **options)
    mixture.set_params(gate_features=[], max_iter=5000).fit(X, Y, trials=TRIALS)
    weight, group = np.r_[Y, TRIALS - Y], np.tile(np.arange(len(Y)), 2)
    kept = weight > 0
    both, label = np.vstack([X, X]), np.repeat([1, 0], len(Y))
    rows = both[kept], label[kept], weight[kept], group[kept]
    logistic = MixtureOfLogisticExperts(2, gate_features=[], **options).fit(*rows)
    ours, theirs = np.argsort(mixture.intercept_), np.argsort(logistic.intercept_)
    # Penalties are totals, and both objectives are sums of the same terms.
    np.testing.assert_allclose(
        mixture.coef_[ours], logistic.coef_[theirs], rtol=2e-3, atol=2e-4
    )
    constant = stats.binom.logpmf(Y, TRIALS, 0.5).sum() + TRIALS.sum() * np.log(2)
    found = mixture.log_likelihood(X, Y, trials=TRIALS) - constant
    assert found == pytest.approx(logistic.log_likelihood(*rows), abs=1e-3)


@pytest.mark.parametrize("successes", [0, 1, 7, 10**8, 3 * 10**8])
@pytest.mark.parametrize("logit", [-30.0, -1.0, 0.3, 8.0])
def test_density_is_that_of_scipy(successes, logit):
    failures = 5 * 10**7 if successes > 100 else 4
    target = np.array([[successes], [failures]], dtype=float)
    found = Binomial().at(np.full((1, 1, 1), logit), target, None).log_density[0, 0]
    trials = successes + failures
    expected = stats.binom.logpmf(successes, trials, expit(logit))
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9 * trials)


def test_gradient_vanishes_and_information_is_its_slope(model):
    problem, theta, _ = model._fitted_problem(X, Y, Known(trials=TRIALS))
    mixture, flat = problem.mixture, theta.flat()
    ends = np.cumsum([part.size for part in theta])[:-1]

    def gradient_at(values):
        parts = zip(np.split(values, ends), theta)
        at = type(theta)(*(new.reshape(old.shape) for new, old in parts))
        return mixture.gradient(mixture.evaluate(at, curvature=False)).flat()

    np.testing.assert_allclose(gradient_at(flat), 0, atol=1e-6)
    step = 1e-5
    slope = [
        (gradient_at(flat + e) - gradient_at(flat - e)) / (2 * step)
        for e in step * np.eye(flat.size)
    ]
    found = information_matrices(mixture, theta).objective_hessian()
    np.testing.assert_allclose(found, slope, atol=1e-7)


def test_predictions_are_those_of_the_mixture(model):
    gate, proba = model.gate_proba(X), model.predict_expert(X)
    np.testing.assert_allclose(model.predict(X), (gate * proba).sum(axis=1))
    mean = model.predict(X, trials=TRIALS)
    np.testing.assert_allclose(mean, TRIALS * model.predict(X))

    def cdf(y):
        below = stats.binom.cdf(np.array(y)[:, None], TRIALS[:, None], proba)
        return (gate * below).sum(axis=1)

    np.testing.assert_allclose(model.cdf(X, Y, trials=TRIALS), cdf(Y), atol=1e-12)
    for q in (0.01, 0.5, 0.9):
        found = model.predict_quantile(X, q, trials=TRIALS)
        assert ((cdf(found) >= q - 1e-12) & (cdf(found - 1) < q)).all()
    density = (gate * stats.binom.pmf(Y[:, None], TRIALS[:, None], proba)).sum(axis=1)
    found = model.score_samples(X, Y, trials=TRIALS)
    np.testing.assert_allclose(found, np.log(density), atol=1e-10)
    drawn = model.sample(X, 4000, random_state=0, trials=TRIALS)
    assert ((drawn >= 0) & (drawn <= TRIALS[:, None])).all()
    error = drawn.std(axis=1) / np.sqrt(4000)
    assert np.abs((drawn.mean(axis=1) - mean) / error).max() < 4.5
    low, high = model.predict_interval(X, 0.9, trials=TRIALS).T
    assert np.mean((low <= Y) & (Y <= high)) > 0.85


def test_score_is_the_share_of_the_deviance(model):
    def deviance(proba):
        saturated = stats.binom.logpmf(Y, TRIALS, Y / TRIALS).sum()
        return 2 * (saturated - stats.binom.logpmf(Y, TRIALS, proba).sum())

    expected = 1 - deviance(model.predict(X)) / deviance(Y.sum() / TRIALS.sum())
    assert model.score(X, Y, trials=TRIALS) == pytest.approx(expected, rel=1e-10)


def test_weights_are_rows_and_groups_share_an_expert():
    weight = np.random.default_rng(0).integers(1, 3, len(Y))
    mixture = MixtureOfGLMExperts(2, family="binomial", random_state=0)
    weighed = clone(mixture).fit(X, Y, sample_weight=weight, trials=TRIALS)
    rows = np.repeat(np.arange(len(Y)), weight)
    repeated = clone(mixture).fit(X[rows], Y[rows], trials=TRIALS[rows])
    np.testing.assert_allclose(weighed.coef_, repeated.coef_, atol=1e-8)
    groups = np.arange(len(Y)) // 4
    grouped = clone(mixture).set_params(gate_features=[])
    grouped.fit(X, Y, groups=groups, trials=TRIALS)
    shares = grouped.responsibilities(X, Y, groups=groups, trials=TRIALS)
    alone = [
        grouped.gate_proba(X[rows])[0]
        * stats.binom.pmf(
            Y[rows][:, None], TRIALS[rows][:, None], grouped.predict_expert(X[rows])
        ).prod(axis=0)
        for rows in (groups == 0, groups == 7)
    ]
    for proba, row in zip(alone, (0, 28)):
        np.testing.assert_allclose(shares[row], proba / proba.sum(), atol=1e-10)


def test_batches_and_partial_fit_take_trials(model):
    batches = array_batches(X, Y, trials=TRIALS, batch_size=60)
    parts = fit_batches(clone(model), batches)
    np.testing.assert_allclose(parts.coef_, model.coef_, atol=1e-6)
    online = clone(model).set_params(alpha=1.0)
    for _ in range(3):
        for batch in batches():
            online.partial_fit(**batch)
    found = online.log_likelihood(X, Y, trials=TRIALS)
    assert found > model.log_likelihood(X, Y, trials=TRIALS) - 10


def test_dask_takes_trials(model):
    da = pytest.importorskip("dask.array")
    distributed = pytest.importorskip("distributed")
    from skmoe.dask import DaskMixture

    rows, y, trials = (da.from_array(values, chunks=60) for values in (X, Y, TRIALS))
    with distributed.Client(processes=False, dashboard_address=None) as client:
        parts = DaskMixture(clone(model), client=client).fit(rows, y, trials=trials)
        local = parts.estimator_
        np.testing.assert_allclose(local.coef_, model.coef_, atol=1e-6)
        found = parts.score(rows, y, trials=trials)
        assert found == pytest.approx(local.score(X, Y, trials=TRIALS), rel=1e-10)
        found = parts.bic(rows, y, trials=trials)
        assert found == pytest.approx(local.bic(X, Y, trials=TRIALS), rel=1e-10)
        found = parts.predict(rows, trials=trials).compute()
        np.testing.assert_allclose(found, local.predict(X, trials=TRIALS))


def test_a_path_and_the_scorer_take_trials(model):
    mixture = clone(model).set_params(tol=1e-6)
    path = n_experts_path(mixture, X, Y, max_experts=3, trials=TRIALS)
    assert path.best("bic").n_experts == 2
    found = log_likelihood_scorer(model, X, Y, trials=TRIALS)
    assert found == pytest.approx(model.score_samples(X, Y, trials=TRIALS).mean())


def test_displays_take_trials(model):
    known = {"trials": TRIALS}
    shares = model.responsibilities(X, Y, trials=TRIALS)
    found = ResponsibilitiesDisplay.from_estimator(model, X, Y, **known)
    np.testing.assert_array_equal(found.responsibilities, shares)
    curves = ExpertCurvesDisplay.from_estimator(model, X, Y, **known)
    np.testing.assert_allclose(curves.y, Y / TRIALS)
    drawn = curves.scatter_.get_offsets()
    np.testing.assert_allclose(drawn, np.column_stack([X[:, 0], Y / TRIALS]))
    assert curves.band is None
    CoefficientsDisplay.from_estimator(model, X, Y, **known)
    wide = np.column_stack([X, X[::-1]])
    mixture = MixtureOfGLMExperts(2, family="binomial", random_state=0)
    mixture.fit(wide, Y, trials=TRIALS)
    GateRegionsDisplay.from_estimator(mixture, wide, Y, **known)
    plt.close("all")


@pytest.mark.parametrize(
    ("y", "trials", "message"),
    [
        (Y + 100, TRIALS, "y has .* of .* trials"),
        (Y + 0.5, TRIALS, "whole numbers"),
        (Y - 50, TRIALS, "from 0 to"),
        (Y, TRIALS * 0, "trials has the value 0"),
        (Y, TRIALS + 0.5, "whole numbers of at least 1"),
        (Y, np.where(TRIALS > 10, np.nan, 9), "trials has the value nan"),
        (Y, TRIALS[:5], r"trials has shape \(5,\)"),
        (Y, "all", "trials is a str whose values are no numbers"),
        (Y, None, "give that as trials"),
        (TRIALS, TRIALS, "y has no failures"),
        (TRIALS * 0, TRIALS, "y has no successes"),
    ],
)
def test_what_is_no_count_of_successes_is_an_error(y, trials, message):
    mixture = MixtureOfGLMExperts(2, family="binomial")
    with pytest.raises(ValueError, match=message):
        mixture.fit(X, y, trials=trials)
    assert not hasattr(mixture, "coef_")


@pytest.mark.parametrize(
    "mixture",
    [MixtureOfGLMExperts(), MixtureOfLinearExperts(), MixtureOfLogisticExperts()],
)
def test_trials_of_other_responses_are_an_error(mixture):
    y = np.minimum(Y, 1)
    with pytest.raises(ValueError, match=r"leave trials out.*family='binomial'"):
        mixture.fit(X, y, trials=TRIALS)
    mixture.set_params(n_experts=1).fit(X, y)
    with pytest.raises(ValueError, match="leave trials out"):
        mixture.responsibilities(X, y, trials=TRIALS)


@pytest.mark.parametrize(
    "method", ["score", "score_samples", "responsibilities", "bic", "log_likelihood"]
)
def test_trials_of_the_fit_are_missed(model, method):
    with pytest.raises(ValueError, match="trials=None, but the model was fitted with"):
        getattr(model, method)(X, np.minimum(Y, 1))
    with pytest.raises(ValueError, match="trials=None"):
        inference(model, X, np.minimum(Y, 1))


@pytest.mark.parametrize(
    "options",
    [
        {"n_experts": 4, "depth": 2},
        {"n_experts": 3, "top_k": 2},
        {"shared_features": [0]},
        {"l1_ratio": 0.5, "gate_l1_ratio": 0.5},
        {"solver": "gd"},
        {"init": "kmeans_xy"},
        {"init": "regression_clustering"},
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_goes_with_trials(options, dtype):
    wide = np.column_stack([X, X[::-1]]).astype(dtype)
    mixture = MixtureOfGLMExperts(
        family="binomial", max_iter=5000, random_state=0, **options
    )
    mixture.fit(sparse.csr_array(wide), Y, trials=TRIALS)
    gate, proba = mixture.gate_proba(wide), mixture.predict_expert(wide)
    density = stats.binom.pmf(Y[:, None], TRIALS[:, None], proba)
    found = mixture.log_likelihood(wide, Y, trials=TRIALS)
    expected = np.log((gate * density).sum(axis=1)).sum()
    assert found == pytest.approx(expected, rel=1e-4 if dtype == np.float32 else 1e-10)
    # Never worse than one expert, which BIC's second one must beat.
    one = clone(mixture).set_params(n_experts=1, depth=1, top_k=None)
    one.fit(wide, Y, trials=TRIALS)
    assert found > one.log_likelihood(wide, Y, trials=TRIALS) + 50
