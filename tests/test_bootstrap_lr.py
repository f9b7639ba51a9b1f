"""The bootstrapped likelihood ratio test of one expert more."""

import numpy as np
import pytest
from _recorded import recorded_data, recorded_lr_test
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.data.sample import Known
from skmoe.model_selection import bootstrap_lr_test
from skmoe.model_selection._null_resamples import NullResamples

UNPENALISED = {"alpha": 0, "gate_alpha": 0}
MODELS = {
    "linear": MixtureOfLinearExperts(1, random_state=0),
    "logistic": MixtureOfLogisticExperts(1, random_state=0),
    "poisson": MixtureOfGLMExperts(1, random_state=0),
}


def drawn_y(kind, slope, rng):
    """y of rows with slopes (n,), (n,)."""
    if kind == "linear":
        return slope + 0.5 * rng.standard_normal(slope.size)
    if kind == "poisson":
        return rng.poisson(np.exp(0.5 + 0.5 * slope))
    return (rng.uniform(size=slope.size) < 1 / (1 + np.exp(-2 * slope))).astype(int)


def data(kind, n_experts=1, n=80, seed=0):
    """X and y of one or two experts of opposite slopes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    sign = np.where(rng.uniform(size=n) < 0.5, 1, -1) if n_experts == 2 else 1
    return x[:, None], drawn_y(kind, 1.5 * sign * x, rng)


@pytest.fixture(scope="module")
def tests_of_one():
    """Tests of one expert where there is one, by kind of y."""
    return {
        kind: bootstrap_lr_test(model, *data(kind), n_resamples=3, random_state=0)
        for kind, model in MODELS.items()
    }


@pytest.mark.parametrize("kind", ["linear", "poisson", "binomial"])
def test_statistic_is_that_of_r_packages(kind):
    rows = recorded_data("lr_test")
    if kind == "linear":
        model = MixtureOfLinearExperts(1, noise_prior=0, **UNPENALISED)
    else:
        model = MixtureOfGLMExperts(1, family=kind, **UNPENALISED)
    model.set_params(gate_features=[], tol=1e-10, random_state=0)
    known = {"trials": rows.trials} if kind == "binomial" else {}
    test = bootstrap_lr_test(
        model, rows[["x"]], rows[kind], n_resamples=1, random_state=0, **known
    )
    recorded = recorded_lr_test()
    assert test.statistic == pytest.approx(recorded["mixtools"][kind], abs=1e-4)
    # flexmix divides noise variances by n - p.
    within = 5e-3 if kind == "linear" else 1e-4
    assert test.statistic == pytest.approx(recorded["flexmix"][kind], abs=within)
    assert test.pvalue == 0.5


def test_result_says_what_was_done(tests_of_one):
    for kind, test in tests_of_one.items():
        X, y = data(kind)
        assert (test.null.n_experts, test.alternative.n_experts) == (1, 2)
        gain = test.alternative.log_likelihood(X, y) - test.null.log_likelihood(X, y)
        assert test.statistic == pytest.approx(max(2 * gain, 0), abs=1e-9)
        larger = (test.null_distribution > test.statistic - 1e-4).sum()
        assert test.pvalue == (1 + larger) / 4
        assert test.null_distribution.shape == (3,)
        assert (test.null_distribution >= 0).all()
        assert test.n_not_converged == test.n_not_fitted == 0


@pytest.mark.parametrize("kind", ["linear", "poisson"])
def test_two_experts_are_found(kind):
    test = bootstrap_lr_test(
        MODELS[kind], *data(kind, 2), n_resamples=3, random_state=0
    )
    assert test.pvalue == 0.25
    assert test.statistic > test.null_distribution.max() + 10


def test_two_experts_are_enough():
    """K is that of the argument, and its refits stay at their own optimum."""
    X, y = data("linear", 2)
    test = bootstrap_lr_test(
        MODELS["linear"], X, y, n_experts=2, n_resamples=2, random_state=0
    )
    assert (test.null.n_experts, test.alternative.n_experts) == (2, 3)
    assert max(test.statistic, *test.null_distribution) < 25


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_largest_statistics_are_those_of_whole_fits(kind):
    """From starts of their own, on the same data sets."""
    X, y = data(kind)
    model = clone(MODELS[kind])
    test = bootstrap_lr_test(model, X, y, n_resamples=4, random_state=1)
    resamples = NullResamples.of(test.null, test.alternative, X, y, Known())
    whole = []
    for seed in np.random.RandomState(1).randint(2**31 - 1, size=4):
        again = resamples.drawn_y(np.random.RandomState(seed))
        likelihoods = [
            clone(model).set_params(n_experts=k).fit(X, again).log_likelihood(X, again)
            for k in (1, 2)
        ]
        whole.append(2 * np.diff(likelihoods)[0])
    largest = np.sort(whole)[-2:]
    np.testing.assert_allclose(np.sort(test.null_distribution)[-2:], largest, atol=0.1)


def test_y_is_drawn_from_the_null():
    """Means and variances of draws beside those of the fit; offsets count."""
    rng = np.random.default_rng(0)
    X, offset = rng.normal(size=(40, 1)), rng.uniform(-1, 1, size=40)
    y = rng.poisson(np.exp(1 + 0.4 * X[:, 0] + offset))
    model = MixtureOfGLMExperts(1, **UNPENALISED)
    null = model.fit(X, y, offset=offset)
    resamples = NullResamples.of(null, null, X, y, Known(offset=offset))
    draws = np.stack(
        [resamples.drawn_y(np.random.RandomState(seed)) for seed in range(2000)]
    )
    mean = null.predict(X, offset=offset)
    assert np.abs((draws.mean(axis=0) - mean) / np.sqrt(mean / 2000)).max() < 4
    np.testing.assert_allclose(draws.var(axis=0) / mean, 1, atol=0.2)


def test_rows_of_a_group_share_the_expert_that_is_drawn():
    rng = np.random.default_rng(0)
    groups, x = np.repeat(np.arange(30), 4), rng.normal(size=120)
    sign = np.where(groups % 2, 1, -1)
    y = 5 * sign + x + 0.1 * rng.standard_normal(120)
    model = MixtureOfLinearExperts(2, gate_features=[], random_state=0)
    null = model.fit(x[:, None], y, groups=groups)
    known = Known(groups=groups)
    resamples = NullResamples.of(null, null, x[:, None], y, known)
    drawn = np.sign([resamples.drawn_y(np.random.RandomState(s)) for s in range(50)])
    drawn = drawn.reshape(50, 30, 4)
    assert (drawn == drawn[:, :, :1]).all()
    assert 0.4 < (drawn > 0).mean() < 0.6
    assert 1 < (drawn[:, :, 0] > 0).sum(axis=1).std() < 5


@pytest.mark.parametrize("kind", ["linear", "poisson"])
def test_whole_weights_are_repeated_rows(kind):
    X, y = data(kind, n=40)
    weight = np.random.default_rng(0).integers(0, 4, size=40)
    rows = np.repeat(np.arange(40), weight)
    how = {"n_resamples": 2, "random_state": 0}
    test = bootstrap_lr_test(MODELS[kind], X, y, sample_weight=weight, **how)
    other = bootstrap_lr_test(MODELS[kind], X[rows], y[rows], **how)
    assert test.statistic == pytest.approx(other.statistic, abs=1e-4)
    np.testing.assert_allclose(
        test.null_distribution, other.null_distribution, atol=1e-2
    )


def test_result_is_the_same_in_parallel_and_for_sparse_data():
    X, y = data("poisson", n=50)
    how = {"n_resamples": 2, "random_state": 0}
    one = bootstrap_lr_test(MODELS["poisson"], X, y, **how)
    with parallel_config("threading"):
        two = bootstrap_lr_test(MODELS["poisson"], X, y, n_jobs=2, **how)
    np.testing.assert_array_equal(one.null_distribution, two.null_distribution)
    thin = bootstrap_lr_test(MODELS["poisson"], sparse.csr_array(X), y, **how)
    np.testing.assert_allclose(thin.null_distribution, one.null_distribution, atol=1e-3)


def test_progress_is_printed(capfd):
    X, y = data("logistic", n=40)
    how = {"n_resamples": 2, "random_state": 0}
    bootstrap_lr_test(MODELS["logistic"], X, y, verbose=20, **how)
    assert "2 out of   2" in "".join(capfd.readouterr())


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("model", "known"),
    [
        (MixtureOfLinearExperts(1, noise="shared"), ()),
        (MixtureOfLinearExperts(1, noise_df="estimate"), ()),
        (MixtureOfLinearExperts(2, background=True), ()),
        (MixtureOfLinearExperts(2, shared_features=[0]), ()),
        (MixtureOfLinearExperts(1, solver="md", max_iter=500), ()),
        (MixtureOfLinearExperts(2, top_k=2), ()),
        (MixtureOfGLMExperts(1, family="negative_binomial"), ("offset",)),
        (MixtureOfGLMExperts(1, point_mass=0), ()),
        (MixtureOfGLMExperts(1, family="binomial"), ("trials",)),
        (MixtureOfGLMExperts(1, gate_features=[]), ("groups",)),
    ],
)
def test_all_kinds_of_models_have_a_test(model, known):
    X, y = data("linear" if "Linear" in type(model).__name__ else "poisson", n=60)
    parts = {
        "offset": np.full(60, 0.5),
        "trials": np.full(60, y.max()),
        "groups": np.arange(60) // 2,
    }
    test = bootstrap_lr_test(
        model.set_params(random_state=0),
        X,
        y,
        n_resamples=1,
        random_state=0,
        **{name: parts[name] for name in known},
    )
    assert np.isfinite(test.null_distribution).all()
    assert (test.null_distribution >= 0).all()


def test_several_outputs_and_classes_have_a_test():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    Y = np.column_stack([X[:, 0], X[:, 1]]) + 0.5 * rng.standard_normal((90, 2))
    labels = np.array(["a", "b", "c"])[rng.integers(3, size=90)]
    how = {"n_resamples": 1, "random_state": 0}
    for model, y in ((MODELS["linear"], Y), (MODELS["logistic"], labels)):
        test = bootstrap_lr_test(model, X, y, **how)
        assert (test.null_distribution > 0).all()


def test_data_sets_of_one_class_are_left_out_and_counted():
    X, y = np.random.default_rng(0).normal(size=(30, 1)), np.zeros(30, dtype=int)
    y[0] = 1
    test = bootstrap_lr_test(MODELS["logistic"], X, y, n_resamples=8, random_state=0)
    assert 0 < test.n_not_fitted < 8
    assert test.null_distribution.size == 8 - test.n_not_fitted
    larger = (test.null_distribution > test.statistic - 1e-4).sum()
    assert test.pvalue == (1 + larger) / (1 + test.null_distribution.size)


def test_fits_that_do_not_converge_are_counted_and_warned_of():
    X, y = data("logistic", n=60)
    model = MixtureOfLogisticExperts(1, max_iter=6, random_state=0)
    with pytest.warns(ConvergenceWarning, match="n_experts=2 stopped after"):
        test = bootstrap_lr_test(model, X, y, n_resamples=2, random_state=0)
    assert 0 < test.n_not_converged <= 2


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (MixtureOfLinearExperts(2, symmetric=True), {}, "symmetric=True"),
        (MixtureOfLinearExperts(4, depth=2), {}, "depth=2"),
        (MixtureOfLinearExperts(1, noise=[[0]]), {}, "single experts apart"),
        (MixtureOfLogisticExperts(1, class_weight="balanced"), {}, "class_weight"),
        (MODELS["linear"], {"n_resamples": 0}, "n_resamples=0"),
        (MODELS["linear"], {"n_experts": 0}, "n_experts=0"),
        (MODELS["linear"], {"n_experts": 12}, "fewer than n_experts=12"),
        (MODELS["linear"], {"y_upper": np.arange(10.0)}, "y_upper: to draw"),
        (MODELS["linear"], {"entry": np.full(10, -1.0)}, "entry: to draw"),
        (MODELS["linear"], {"sample_weight": np.full(10, 0.5)}, "has the value 0.5"),
        (MODELS["linear"], {"offset": np.zeros(9)}, "offset has shape"),
    ],
)
def test_what_cannot_be_tested_is_refused(model, changes, message):
    X, y = np.arange(10.0)[:, None], np.arange(10) % 2
    with pytest.raises(ValueError, match=message):
        bootstrap_lr_test(model, X, y, **changes)


def test_other_estimators_are_refused():
    pipe = make_pipeline(StandardScaler(), MODELS["linear"])
    with pytest.raises(TypeError, match=r"is a Pipeline.* give pipe\[-1\]"):
        bootstrap_lr_test(pipe, [[0.0]], [0.0])


def test_a_null_that_is_no_better_than_one_expert_is_refused():
    X, y = data("linear", n=60)
    model = MixtureOfLinearExperts(
        2, init=np.zeros(60, dtype=int), max_iter=1, random_state=0
    )
    with pytest.raises(ValueError, match=r"n_experts=2: .*smaller n_experts"):
        bootstrap_lr_test(model, X, y, n_resamples=1)


def test_a_likelihood_that_is_no_guide_is_warned_of():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 12))
    y = X[:, 0] + rng.standard_normal(12)
    with pytest.warns(UserWarning, match="likelihood is no guide"):
        bootstrap_lr_test(MODELS["linear"], X, y, n_resamples=1, random_state=0)
