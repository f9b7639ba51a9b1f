"""The path over the strength of penalties, and the refit of what it selects."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge, enet_path
from sklearn.model_selection import GroupKFold, KFold
from sklearn.svm import l1_min_c

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference
from skmoe.model_selection import AlphaPath, alpha_path, refit_on_support

LASSO = {"l1_ratio": 1.0, "gate_l1_ratio": 1.0, "alpha": 1.0, "gate_alpha": 0.5}


def switched(n=160, d=6, seed=0):
    """Two regimes by column 2: slopes of columns 0 and 1 in one, of 1 in the other."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    second = rng.uniform(size=n) < 1 / (1 + np.exp(-4 * X[:, 2]))
    mean = np.where(second, -2 * X[:, 1], 2 * X[:, 0] + X[:, 1])
    return X, mean + 0.4 * rng.standard_normal(n), second.astype(int)


X, Y, SECOND = switched()
MODEL = MixtureOfLinearExperts(random_state=0, noise_prior=0, **LASSO)


@pytest.fixture(scope="module")
def path():
    return alpha_path(MODEL, X, Y, n_alphas=6, cv=2)


@pytest.fixture(scope="module")
def refit(path):
    with pytest.warns(UserWarning, match="selected by a penalty.*'Selecting columns'"):
        return refit_on_support(path.best(), X, Y)


def quiet_refit(*data, **known):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The columns of this refit")
        return refit_on_support(*data, **known)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_one_linear_expert_has_the_path_of_enet_path(l1_ratio):
    model = MixtureOfLinearExperts(1, l1_ratio=l1_ratio, noise_prior=0, tol=1e-12)
    path = alpha_path(model, X, Y, n_alphas=5, cv=2)
    centred, y = X - X.mean(axis=0), Y - Y.mean()
    largest = np.abs(centred.T @ y).max() / (y.std() * l1_ratio)
    np.testing.assert_allclose(path.alphas[0], largest, rtol=2e-3)
    assert path.n_nonzero[0] == 0 < path.n_nonzero[1]
    for alpha, fit in zip(path.alphas, path.estimators):
        per_row = alpha / len(y) * fit.noise_variance_[0]
        lasso, ridge = per_row * l1_ratio / y.std(), per_row * (1 - l1_ratio) / y.var()
        ratio, total = lasso / (lasso + ridge), [lasso + ridge]
        _, coef, _ = enet_path(
            centred, y, l1_ratio=ratio, alphas=total, tol=1e-14, max_iter=10_000
        )
        np.testing.assert_allclose(fit.coef_[0], coef[:, 0], atol=1e-8)


def test_one_logistic_expert_has_the_path_of_logistic_regression():
    model = MixtureOfLogisticExperts(1, l1_ratio=1.0, tol=1e-12)
    path = alpha_path(model, X, SECOND, n_alphas=3, cv=2)
    least_c = l1_min_c(X, SECOND, loss="log", fit_intercept=True)
    # liblinear's intercept is penalised, and l1_min_c's null model has none.
    assert path.n_nonzero[0] == 0
    assert path.alphas[0] == pytest.approx(1 / least_c, rel=0.1)
    for alpha, fit in zip(path.alphas[1:], path.estimators[1:]):
        other = LogisticRegression(
            l1_ratio=1, C=1 / alpha, solver="saga", tol=1e-10, max_iter=20_000
        ).fit(X, SECOND)
        np.testing.assert_allclose(fit.coef_, other.coef_, atol=1e-5)


def test_held_out_likelihoods_are_those_of_fits_without_the_fold():
    """Of one expert, which has one optimum; penalties go with the rows."""
    weight = np.random.default_rng(1).uniform(0.5, 2, len(Y))
    model = MixtureOfLinearExperts(1, l1_ratio=0.7, noise_prior=0, tol=1e-10)
    alphas = [3.0, 30.0]
    path = alpha_path(model, X, Y, alphas=alphas, cv=4, sample_weight=weight)
    assert path.alphas.tolist() == [30.0, 3.0]
    shares = []
    for fold, (train, test) in enumerate(KFold(4).split(X)):
        share = weight[train].sum() / weight.sum()
        for row, alpha in enumerate(path.alphas):
            fit = clone(model).set_params(alpha=alpha * share)
            fit.fit(X[train], Y[train], weight[train])
            mean = X[test] @ fit.coef_[0] + fit.intercept_[0]
            density = norm.logpdf(Y[test], mean, np.sqrt(fit.noise_variance_[0]))
            expected = np.average(density, weights=weight[test])
            assert path.cv_log_likelihood[row, fold] == pytest.approx(
                expected, abs=1e-6
            )
        shares.append(1 - share)
    mean = path.cv_log_likelihood @ shares
    spread = [
        np.sqrt(np.average((row - m) ** 2, weights=shares) / 3)
        for row, m in zip(path.cv_log_likelihood, mean)
    ]
    np.testing.assert_allclose(path.mean, mean)
    np.testing.assert_allclose(path.standard_error, spread)


@pytest.mark.parametrize(
    "means, error, picked",
    [
        ([-3.0, -2.1, -2.0, -1.9, -2.5], 0.15, 2),
        ([-3.0, -2.1, -2.0, -1.9, -2.5], 0.05, 3),
        ([-3.0, -2.1, -2.0, -1.9, -2.5], 0.2, 1),
        ([-1.0, -2.0, -3.0, -4.0, -5.0], 0.1, 0),
        ([-np.inf, -2.0, -1.0, -np.inf, -1.0], 0.5, 2),
    ],
)
def test_rules_pick_by_hand(means, error, picked):
    fits, means = list("abcde"), np.array(means)
    errors = np.full(5, error)
    path = AlphaPath(np.arange(5.0)[::-1], fits, None, None, means, errors)
    assert path.best() == path.best("one_standard_error") == fits[picked]
    assert path.best("max") == fits[int(means.argmax())]
    with pytest.raises(ValueError, match="rule='1se' is unknown"):
        path.best("1se")


def test_a_path_goes_from_no_coefficient_to_many(path):
    ratios = path.alphas[1:] / path.alphas[:-1]
    np.testing.assert_allclose(ratios, 1e-3 ** (1 / 5))
    assert path.n_nonzero[0] == 0 and path.n_nonzero[-1] > 15
    first = path.estimators[0]
    assert not first.coef_.any() and not first.gate_coef_.any()
    for alpha, fit, count in zip(path.alphas, path.estimators, path.n_nonzero):
        assert (fit.alpha, fit.gate_alpha) == (alpha, 0.5 * alpha)
        of_gate = np.count_nonzero(fit.gate_coef_[0])
        assert count == np.count_nonzero(fit.coef_) + of_gate
        assert not fit.warm_start and fit.converged_


def test_fits_of_a_path_are_no_worse_than_fits_from_starts_of_their_own(path):
    """On the way down alone they would be, by 0.4 nats per sample."""
    for alpha, fit in zip(path.alphas, path.estimators):
        other = clone(MODEL).set_params(alpha=alpha, gate_alpha=0.5 * alpha).fit(X, Y)
        assert fit.objective_curve_[-1] < other.objective_curve_[-1] + 1e-5


@pytest.mark.long
def test_true_columns_are_found():
    """Four of 45 coefficients, and few others."""
    rows, y, _ = switched(n=400, d=15, seed=1)
    path = alpha_path(MODEL, rows, y, alphas=np.geomspace(10, 160, 5), cv=2)
    best = path.best()
    order = np.argsort(-best.coef_[:, 0])  # the slopes of column 0 are 2 and 0
    found = np.vstack([best.coef_[order] != 0, best.gate_coef_[:1] != 0])
    assert found[[0, 0, 1, 2], [0, 1, 1, 2]].all()
    assert found.sum() <= 10
    assert path.best("max").alpha <= best.alpha


def test_a_path_leaves_the_estimator_alone_whatever_n_jobs():
    model = clone(MODEL)
    one, two = (alpha_path(model, X, Y, alphas=[5, 9], cv=2, n_jobs=k) for k in (1, 2))
    assert model.get_params() == MODEL.get_params() and not hasattr(model, "coef_")
    np.testing.assert_array_equal(one.cv_log_likelihood, two.cv_log_likelihood)
    np.testing.assert_array_equal(one.best().coef_, two.best().coef_)


def test_table_has_a_row_for_each_penalty(path):
    table = path.table()
    assert table.index.tolist() == path.alphas.tolist()
    names = ["gate_alpha", "n_nonzero", "mean", "standard_error"]
    assert table.columns.tolist() == names
    np.testing.assert_array_equal(table["mean"], path.mean)


def test_weights_are_repeated_rows():
    times = np.arange(len(Y)) % 3
    rows = np.repeat(np.arange(len(Y)), times)
    fold = np.arange(len(Y)) % 2
    cv, repeated = (
        [(np.flatnonzero(own != k), np.flatnonzero(own == k)) for k in range(2)]
        for own in (fold, fold[rows])
    )
    options = {"alphas": [2.0, 20.0]}
    one = alpha_path(MODEL, X, Y, cv=cv, sample_weight=times, **options)
    other = alpha_path(MODEL, X[rows], Y[rows], cv=repeated, **options)
    np.testing.assert_allclose(
        one.cv_log_likelihood, other.cv_log_likelihood, atol=1e-3
    )
    np.testing.assert_allclose(one.best().coef_, other.best().coef_, atol=2e-3)


def test_groups_are_never_parted():
    group = np.repeat(np.arange(40), 4)
    gate_X = np.where(np.arange(X.shape[1]) == 2, X[group * 4, 2][:, None], X)
    second = np.repeat(gate_X[::4, 2] > 0, 4)
    y = np.where(second, -2 * X[:, 1], 2 * X[:, 0]) + 0.4 * (Y - Y.mean())
    model = clone(MODEL).set_params(gate_features=[2])
    options = {"alphas": [5.0, 50.0], "groups": group}
    path = alpha_path(model, gate_X, y, cv=3, **options)
    for fold, (train, test) in enumerate(GroupKFold(3).split(X, y, group)):
        own = clone(model).set_params(alpha=50 * len(train) / 160)
        own.set_params(gate_alpha=25 * len(train) / 160)
        own.fit(gate_X[train], y[train], groups=group[train])
        expected = own.log_likelihood(gate_X[test], y[test], groups=group[test])
        found = path.cv_log_likelihood[0, fold]
        assert found == pytest.approx(expected / len(test), abs=2e-3)
    with (
        pytest.warns(UserWarning, match="ignored by KFold"),
        pytest.raises(ValueError, match="parts groups, such as"),
    ):
        alpha_path(model, gate_X, y, cv=KFold(7), **options)


def kinds():
    """Estimators and data with all that may be known of rows."""
    rng = np.random.default_rng(3)
    n = len(Y)
    offset, counts = rng.uniform(-0.2, 0.2, n), rng.poisson(np.exp(X[:, 0] * 0.5 + 1))
    trials = rng.integers(1, 6, n)
    common = {"random_state": 0, **LASSO}
    two = np.column_stack([Y, Y[::-1]])
    classes = np.digitize(Y, [-1, 1])
    linear = MixtureOfLinearExperts(noise_prior=0, **common)
    return {
        "several outputs": (linear, two, {"offset": np.column_stack([offset] * 2)}),
        "censored": (linear, Y, {"y_upper": np.where(Y > 2, np.inf, Y)}),
        "truncated": (linear, Y, {"entry": np.full(n, Y.min() - 1)}),
        "labels": (linear, Y, {"expert_labels": np.where(X[:, 3] > 0, SECOND, -1)}),
        "classes": (MixtureOfLogisticExperts(**common), classes, {"offset": None}),
        "balanced": (
            MixtureOfLogisticExperts(class_weight="balanced", **common),
            SECOND,
            {"sample_weight": trials},
        ),
        "poisson": (MixtureOfGLMExperts(**common), counts, {"offset": offset}),
        "binomial": (
            MixtureOfGLMExperts(family="binomial", **common),
            rng.binomial(trials, 1 / (1 + np.exp(-Y))),
            {"trials": trials},
        ),
        "tree": (clone(linear).set_params(n_experts=4, depth=2), Y, {}),
        "shared": (
            clone(linear).set_params(shared_features=[1], expert_features={0: [0, 1]}),
            Y,
            {},
        ),
        "start given": (clone(linear).set_params(init=SECOND), Y, {}),
        "zeros": (
            clone(linear).set_params(point_mass=0.0),
            np.where(X[:, 5] > 1, 0, Y),
            {},
        ),
    }


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", kinds())
def test_every_kind_has_a_path_and_a_refit(name):
    model, y, known = kinds()[name]
    path = alpha_path(model, X, y, n_alphas=3, cv=2, **known)
    assert path.n_nonzero[0] == 0 < path.n_nonzero[-1]
    assert np.isfinite(path.cv_log_likelihood).all()
    middle = path.estimators[1]
    refit = quiet_refit(middle, X, y, **known)
    columns = refit._fitted["columns"]
    every = np.arange(X.shape[1])
    seen = every if columns[1] is None else columns[1]
    shape = [*refit.coef_.shape[:-1], X.shape[1]]
    coef = np.zeros(shape)
    coef[..., seen] = refit.coef_
    selected = np.zeros_like(coef)
    own = middle._fitted["columns"][1]
    selected[..., every if own is None else own] = middle.coef_
    axes = tuple(range(1, coef.ndim - 1))
    np.testing.assert_array_equal((coef != 0).any(axes), (selected != 0).any(axes))
    value = refit.log_likelihood(X, y, **known)
    assert value > middle.log_likelihood(X, y, **known) - 1e-6


def test_refit_is_the_fit_of_the_selected_columns(path, refit):
    best = path.best()
    assert (refit.alpha, refit.gate_alpha, refit.l1_ratio) == (0, 0, 0)
    chosen = {k: np.flatnonzero(best.coef_[k]).tolist() for k in range(2)}
    gate = np.flatnonzero(best.gate_coef_[0]).tolist()
    other = MixtureOfLinearExperts(
        alpha=0,
        gate_alpha=0,
        noise_prior=0,
        expert_features=chosen,
        gate_features=gate,
        init=best.responsibilities(X, Y),
    ).fit(X, Y)
    assert refit.expert_features == chosen and refit.gate_features == gate
    np.testing.assert_allclose(refit.coef_, other.coef_, rtol=1e-10)
    np.testing.assert_allclose(refit.gate_coef_, other.gate_coef_, rtol=1e-10)
    assert refit.init == "short_runs" and not hasattr(refit, "_is_quiet_")
    assert np.isfinite(inference(refit, X, Y).standard_error).all()


def test_refit_of_one_expert_is_least_squares_on_its_columns():
    model = MixtureOfLinearExperts(1, alpha=40, l1_ratio=1, noise_prior=0).fit(X, Y)
    chosen = np.flatnonzero(model.coef_[0])
    assert 0 < chosen.size < X.shape[1]
    refit = quiet_refit(model, X, Y)
    assert refit.expert_features == chosen.tolist()
    other = Ridge(alpha=0).fit(X[:, chosen], Y)
    np.testing.assert_allclose(refit.coef_[0], other.coef_, rtol=1e-8)


def test_names_sparse_rows_and_arrays_give_the_same(path, refit):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    kept = path.alphas[2:4]
    expected = alpha_path(MODEL, X, Y, alphas=kept, cv=2)
    for rows in (frame, sparse.csr_array(X)):
        found = alpha_path(MODEL, rows, Y, alphas=kept, cv=2)
        np.testing.assert_allclose(
            found.cv_log_likelihood, expected.cv_log_likelihood, atol=1e-4
        )
    best = clone(path.best()).fit(frame, Y)
    of_frame = quiet_refit(best, frame, Y)
    names = [name for name in of_frame.gate_features]
    assert set(names) <= set("abcdef") and "c" in names


def test_ridge_has_a_path_of_given_penalties_only():
    ridge = MixtureOfLinearExperts(random_state=0)
    found = alpha_path(ridge, X, Y, alphas=[1, 10], cv=2)
    assert (found.n_nonzero == 3 * X.shape[1]).all()
    with pytest.raises(ValueError, match="without an L1 penalty no strength"):
        alpha_path(ridge, X, Y)
    with pytest.raises(ValueError, match="all columns are selected"):
        refit_on_support(found.best(), X, Y)


def test_symmetric_experts_have_a_path_of_given_penalties_only():
    """Without coefficients F has no slope, as the two are then alike."""
    model, y = clone(MODEL).set_params(symmetric=True), np.abs(X[:, 0]) * X[:, 0]
    y = np.where(X[:, 1] > 0, y, -y) + 0.1 * X[:, 3]
    with pytest.raises(ValueError, match="F has no slope"):
        alpha_path(model, X, y)
    path = alpha_path(model, X, y, alphas=[5, 30], cv=2)
    chosen = np.flatnonzero(path.estimators[0].coef_[0]).tolist()
    gate = np.flatnonzero(path.estimators[0].gate_coef_[0]).tolist()
    assert path.n_nonzero[0] == len(chosen) + len(gate) < 2 * X.shape[1]
    refit = quiet_refit(path.estimators[0], X, y)
    assert refit.expert_features == chosen and refit.gate_features == gate


def test_wide_data_has_a_shorter_path():
    wide = np.random.default_rng(0).standard_normal((40, 50))
    y = wide[:, 0] + 0.1 * wide[:, 1]
    model = MixtureOfLinearExperts(1, alpha=1, l1_ratio=1)
    path = alpha_path(model, wide, y, n_alphas=3, cv=2)
    assert path.alphas[-1] / path.alphas[0] == pytest.approx(1e-2)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alphas": []}, "alphas=.* are no penalties"),
        ({"alphas": [1.0, 0.0]}, "alphas=.* are no penalties"),
        ({"alphas": [[1.0]]}, "alphas=.* are no penalties"),
        ({"alphas": [1.0, np.nan]}, "alphas=.* are no penalties"),
        ({"alphas": [1.0, np.inf]}, "infinite values"),
        ({"alphas": ["strong"]}, "alphas is a list whose values are no numbers"),
        ({"n_alphas": 1}, "n_alphas=1 is no number of penalties"),
        ({"cv": [(np.arange(80), np.arange(80, 160))], "alphas": [9]}, "1 folds"),
        ({"offset": np.zeros(300), "alphas": [9]}, "offset has shape"),
        ({"sample_weight": np.ones(300), "alphas": [9]}, "sample_weight has shape"),
    ],
)
def test_what_is_wrong_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        alpha_path(MODEL, X, Y, **options)


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_class_in_one_fold_alone_is_told_before_any_fit(monkeypatch):
    monkeypatch.setattr(MixtureOfLogisticExperts, "fit", None)
    model = MixtureOfLogisticExperts(l1_ratio=1)
    y = (Y > 0).astype(int)
    y[5] = 7
    with pytest.raises(ValueError, match="all rows of class 7 in one fold"):
        alpha_path(model, X, y)
    y = np.array(["no", "yes"])[y % 2]
    folds = KFold(2)
    with pytest.raises(ValueError, match="all rows of class '.*' in one fold"):
        alpha_path(model, X, np.sort(y), cv=folds)


@pytest.mark.parametrize("y", [None, Y])
def test_what_is_no_classes_is_told_as_fit_does(y):
    with pytest.raises(ValueError, match="y to be passed|Unknown label type"):
        alpha_path(MixtureOfLogisticExperts(l1_ratio=1), X, y)


def test_lists_have_the_path_of_arrays():
    found = alpha_path(MODEL, X.tolist(), Y.tolist(), n_alphas=2, cv=2)
    expected = alpha_path(MODEL, X, Y, n_alphas=2, cv=2)
    np.testing.assert_array_equal(found.mean, expected.mean)


def test_wrong_parameters_are_told_as_fit_does():
    with pytest.raises(ValueError, match="'alpha' parameter"):
        alpha_path(MixtureOfLinearExperts(alpha="strong"), X, Y, alphas=[1.0])


def test_the_ratio_of_penalties_must_be_known():
    with pytest.raises(ValueError, match="alpha=0: a path changes"):
        alpha_path(clone(MODEL).set_params(alpha=0), X, Y)


def test_only_fitted_mixtures_have_a_path_and_a_refit(path):
    with pytest.raises(TypeError, match="estimator is a Ridge"):
        alpha_path(Ridge(), X, Y)
    with pytest.raises(NotFittedError):
        refit_on_support(MODEL, X, Y)
    changed = alpha_path(MODEL, X, Y, alphas=[20], cv=2).best().set_params(alpha=1)
    with pytest.raises(ValueError, match="alpha=1 is not what the model was fitted"):
        refit_on_support(changed, X, Y)


def test_fits_that_do_not_converge_are_counted():
    model = clone(MODEL).set_params(max_iter=1)
    with pytest.warns(ConvergenceWarning) as caught:
        alpha_path(model, X, Y, alphas=[1, 10], cv=2)
    messages = [str(one.message) for one in caught]
    assert any("6 of the 6 fits of the path" in message for message in messages)
