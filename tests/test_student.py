"""Linear experts with Student's t noise: outliers."""

import pickle
import warnings
from itertools import permutations

import mpmath
import numpy as np
import pytest
from _data import MODELS, flat, penalties, random_theta, soft_start, unflat
from scipy import optimize, stats
from scipy.sparse import csr_array
from sklearn.base import clone
from statsmodels.miscmodels.tmodel import TLinearModel

from skmoe import MixtureOfLinearExperts
from skmoe.distributions import StudentT
from skmoe.engine.descent import minimise
from skmoe.engine.information import information_matrices
from skmoe.inspection import inference, information
from skmoe.solvers import make_solver
from skmoe.streaming import array_batches, fit_batches

every_solver = pytest.mark.parametrize("solver", ["em", "md", "gd"])
BOTH_LINES = np.array([[1.0, 2.0], [-1.0, -2.0]])  # level and slope in x1


def two_lines(n=2000, outliers=0.1, seed=0, spread=20.0):
    """Two columns, y on one of two lines in x1; the gate sees x0; some are far off."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    z = (rng.uniform(size=n) > 1 / (1 + np.exp(-3 * X[:, 0]))).astype(int)
    level, slope = BOTH_LINES[z].T
    y = level + slope * X[:, 1] + 0.3 * rng.standard_normal(n)
    far = rng.uniform(size=n) < outliers
    y[far] += spread * rng.standard_normal(far.sum())
    return X, y


def distance_to_truth(model):
    """Largest error of levels and slopes, of the better order of the experts."""
    found = np.column_stack([model.intercept_, model.coef_[:, 1]])
    orders = permutations(range(2))
    return min(np.abs(found[list(o)] - BOTH_LINES).max() for o in orders)


class TestDensity:
    @pytest.mark.parametrize("df", [0.1, 1.0, 4.0, 59.9, 60.1, 1e3])
    def test_is_that_of_scipy(self, df):
        rng = np.random.default_rng(0)
        for m in (1, 2, 5):
            residual, variance = rng.standard_normal((50, m)), rng.uniform(1, 9, m)
            distance = (residual**2 / variance).sum(axis=1)
            density = stats.multivariate_t(np.zeros(m), np.diag(variance), df)
            np.testing.assert_allclose(
                StudentT(df).log_density(distance, variance[None, :, None])[0],
                density.logpdf(residual),
                rtol=1e-10,
            )

    @pytest.mark.parametrize("df", [0.01, 3.0, 59.9, 60.1, 1e5, 1e9, 1e15])
    @pytest.mark.parametrize("at", [0.0, 1e-3, 1.0, 30.0, 1e30, 1e150])
    @pytest.mark.parametrize("m", [1, 3])
    def test_is_exact_to_rounding(self, df, at, m):
        with mpmath.workdps(50):
            half, count = mpmath.mpf(df) / 2, mpmath.mpf(m) / 2
            expected = mpmath.loggamma(half + count) - mpmath.loggamma(half)
            expected -= count * mpmath.log(2 * half * mpmath.pi)
            square = mpmath.mpf(at) ** 2
            expected -= (half + count) * mpmath.log1p(square / (2 * half))
            expected = float(expected)
        found = StudentT(df).log_density(np.float64(at) ** 2, np.ones((1, m, 1)))
        assert found == pytest.approx(expected, rel=1e-13, abs=1e-13)

    def test_of_the_estimator_is_a_mixture_of_scipys(self):
        X, y = two_lines(300)
        model = MixtureOfLinearExperts(noise_df=3, random_state=0).fit(X, y)
        scale = np.sqrt(model.noise_variance_)
        density = stats.t.pdf(y[:, None], 3, model.predict_expert(X), scale)
        total = (model.gate_proba(X) * density).sum(axis=1)
        np.testing.assert_allclose(model.score_samples(X, y), np.log(total), rtol=1e-10)
        share = model.gate_proba(X) * density / total[:, None]
        np.testing.assert_allclose(model.responsibilities(X, y), share, atol=1e-12)
        expected = penalties(model, y) - np.log(total).mean()
        assert model.objective_curve_[-1] == pytest.approx(expected, rel=1e-10)


class TestOneExpert:
    @pytest.mark.parametrize("df", [1.5, 4.0])
    def test_is_statsmodels_t_regression(self, df):
        X, y = two_lines(400)
        options = {"alpha": 0, "noise_prior": 0, "tol": 1e-13}
        model = MixtureOfLinearExperts(1, noise_df=df, **options).fit(X, y)
        design = np.column_stack([X, np.ones(len(y))])
        alone = TLinearModel(y, design)
        alone.fix_df = df
        alone.initialize()
        start = np.array([0.0, 0.0, 0.0, 1.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its count of parameters
            found = alone.fit(start, method="bfgs", gtol=1e-7, disp=False).params
        np.testing.assert_allclose(model.coef_[0], found[:2], atol=1e-5)
        assert model.intercept_[0] == pytest.approx(found[2], abs=1e-5)
        scale = np.sqrt(model.noise_variance_[0])
        assert scale == pytest.approx(abs(found[3]), abs=1e-5)

    @every_solver
    def test_is_at_a_maximum_of_the_likelihood(self, solver):
        X, y = two_lines(200)
        options = {"alpha": 0, "tol": 1e-13, "max_iter": 20_000, "solver": solver}
        options["noise_prior"] = 0
        model = MixtureOfLinearExperts(1, noise_df=3, **options).fit(X, y)

        def loss(point):
            mean = X @ point[:2] + point[2]
            return -stats.t.logpdf(y, 3, mean, np.exp(point[3])).mean()

        scale = 0.5 * np.log(model.noise_variance_)
        here = np.concatenate([model.coef_[0], model.intercept_, scale])
        found = optimize.minimize(loss, here + 0.1, options={"gtol": 1e-9})
        np.testing.assert_allclose(here, found.x, atol=1e-5)


def test_two_experts_reach_the_optimum_of_brute_force():
    data = MODELS["linear-student"].data(n=200, d=1)
    problem = MODELS["linear-student"].problem(data, alpha=0.01, gate_alpha=0.01)
    start = soft_start(problem.mixture, data.expert)

    def objective(vector):
        theta = unflat(vector, start)
        return problem.mixture.evaluate(theta, curvature=False).objective

    found = optimize.minimize(objective, flat(start), options={"gtol": 1e-8})
    descent = minimise(problem.mixture, start, make_solver("em", "auto"), 1000, 1e-14)
    np.testing.assert_allclose(flat(descent.theta), found.x, atol=1e-5)
    assert descent.objective_curve[-1] <= found.fun + 1e-12


def test_many_degrees_of_freedom_are_normal_noise():
    X, y = two_lines(outliers=0.0)
    options = {"random_state": 0, "tol": 1e-12}
    normal = MixtureOfLinearExperts(**options).fit(X, y)
    student = MixtureOfLinearExperts(noise_df=1e9, **options).fit(X, y)
    for name in ("coef_", "intercept_", "gate_coef_", "noise_variance_"):
        np.testing.assert_allclose(
            getattr(student, name), getattr(normal, name), rtol=1e-6, atol=1e-6
        )
    args = X, y
    np.testing.assert_allclose(
        student.score_samples(*args), normal.score_samples(*args), atol=1e-6
    )
    np.testing.assert_allclose(student.cdf(*args), normal.cdf(*args), atol=1e-6)
    for found, expected in zip(
        student.predict(X, return_std=True), normal.predict(X, return_std=True)
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.sampled(1)
@every_solver
def test_outliers_hardly_move_the_experts(solver):
    X, y = two_lines()
    options = {"random_state": 0, "solver": solver, "max_iter": 5000}
    student = MixtureOfLinearExperts(noise_df=3, **options).fit(X, y)
    normal = MixtureOfLinearExperts(**options).fit(X, y)
    assert distance_to_truth(student) < 0.15
    assert distance_to_truth(normal) > 1.0
    assert (np.diff(student.objective_curve_) <= 0).all()
    clean, _ = two_lines(outliers=0.0, seed=1)
    truth = MixtureOfLinearExperts(random_state=0).fit(*two_lines(outliers=0.0))
    gap = np.abs(student.predict(clean) - truth.predict(clean)).max()
    assert gap < 0.2


def test_an_outlier_is_one_in_all_outputs():
    X, y = two_lines(outliers=0.0)
    rng = np.random.default_rng(1)
    Y = np.column_stack([y, X.sum(axis=1) + 0.1 * rng.standard_normal(len(y))])
    model = MixtureOfLinearExperts(noise_df=3, random_state=0).fit(X, Y)
    moved = pickle.loads(pickle.dumps(model)).set_params(warm_start=True)
    # Rows whose second output is far off teach nothing of the first.
    Y[:20] += [5.0, 1e4]
    moved.fit(X, Y)
    dropped = model.set_params(warm_start=True).fit(X[20:], Y[20:])
    np.testing.assert_allclose(moved.coef_, dropped.coef_, atol=1e-3)
    assert (moved.noise_variance_[:, 1] < 0.02).all()


class TestPredictions:
    @pytest.mark.parametrize("df", [0.7, 2.0, 4.0, 300.0])
    def test_quantiles_invert_the_cdf_in_both_tails(self, df):
        X, y = two_lines(300)
        model = MixtureOfLinearExperts(noise_df=df, tol=1e-9, random_state=0).fit(X, y)
        levels = np.array([1e-12, 1e-6, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6])
        quantiles = model.predict_quantile(X[:40], levels)
        scale = np.sqrt(model.noise_variance_)
        for level, at in zip(levels, quantiles.T):
            np.testing.assert_allclose(model.cdf(X[:40], at), level, rtol=1e-8)
            below = stats.t.cdf(at[:, None], df, model.predict_expert(X[:40]), scale)
            total = (model.gate_proba(X[:40]) * below).sum(axis=1)
            np.testing.assert_allclose(total, level, atol=1e-8)
        mirrored = clone(model).fit(X, -y)
        np.testing.assert_allclose(
            mirrored.predict_quantile(X[:40], 1e-6),
            -model.predict_quantile(X[:40], 1 - 1e-6),
            rtol=1e-3,
        )

    def test_interval_covers_draws(self):
        X, y = two_lines(3000)
        model = MixtureOfLinearExperts(noise_df=3, random_state=0).fit(X, y)
        drawn = model.sample(X[:50], 4000, random_state=0)
        low, high = model.predict_interval(X[:50], 0.8).T
        inside = (drawn >= low[:, None]) & (drawn <= high[:, None])
        np.testing.assert_allclose(inside.mean(axis=1), 0.8, atol=0.03)

    def test_deviation_is_that_of_draws(self):
        X, y = two_lines(500)
        model = MixtureOfLinearExperts(noise_df=9, random_state=0).fit(X, y)
        drawn = model.sample(X[:20], 100_000, random_state=0)
        mean, std = model.predict(X[:20], return_std=True)
        np.testing.assert_allclose(drawn.std(axis=1), std, rtol=0.03)
        error = 5 * std / np.sqrt(100_000)
        assert (np.abs(drawn.mean(axis=1) - mean) < error).all()

    @pytest.mark.parametrize("df", [1.0, 2.0])
    def test_deviation_is_infinite_with_two_degrees_of_freedom_or_less(self, df):
        X, y = two_lines(300)
        for target in (y, np.column_stack([y, -y])):
            model = MixtureOfLinearExperts(noise_df=df, random_state=0).fit(X, target)
            mean, std = model.predict(X, return_std=True)
            assert np.isposinf(std).all()
            np.testing.assert_array_equal(mean, model.predict(X))

    def test_outputs_of_a_draw_share_its_scale(self):
        X, y = two_lines(300)
        Y = np.column_stack([y, X[:, 0]])
        model = MixtureOfLinearExperts(1, noise_df=5, random_state=0).fit(X, Y)
        drawn = model.sample(X[:1], 200_000, random_state=0)[0]
        noise = (drawn - model.predict(X[:1]).T) / np.sqrt(model.noise_variance_).T
        # E[(1/u)^2] = df^2 / ((df - 2)(df - 4)), which is not E[1/u]^2.
        found = np.minimum(np.abs(noise), 50)
        joint = (found > 3).all(axis=0).mean()
        assert joint > 3 * (found > 3).mean(axis=1).prod()

    def test_parameters_set_after_a_fit_change_no_prediction(self):
        X, y = two_lines(300)
        model = MixtureOfLinearExperts(noise_df=3, random_state=0).fit(X, y)
        before = model.score_samples(X, y), model.predict_quantile(X, 0.1)
        model.set_params(noise_df=None)
        np.testing.assert_array_equal(model.score_samples(X, y), before[0])
        np.testing.assert_array_equal(model.predict_quantile(X, 0.1), before[1])


class TestInspection:
    def test_standard_errors_are_those_of_draws(self):
        X, y = two_lines(600, outliers=0.0)
        options = {"alpha": 0, "gate_alpha": 0, "random_state": 0}
        model = MixtureOfLinearExperts(noise_df=3, **options).fit(X, y)
        answer = inference(model, X, y)
        warm = model.set_params(warm_start=True)
        found = []
        for drawn in model.sample(X, 100, random_state=1).T:
            again = pickle.loads(pickle.dumps(warm)).fit(X, drawn)
            found.append(np.append(again.coef_.ravel(), again.noise_variance_))
        names = [str(name) for name in answer.names]
        kept = [
            j
            for j, name in enumerate(names)
            if "(squared scale)" in name
            or (name.startswith("expert") and ": x" in name)
        ]
        np.testing.assert_allclose(
            answer.standard_error[kept], np.std(found, axis=0), rtol=0.25
        )

    def test_em_rate_is_that_of_plain_em(self):
        X, y = two_lines(500)
        options = {"random_state": 0, "step_size": 1.0, "tol": 1e-15}
        model = MixtureOfLinearExperts(noise_df=3, max_iter=5000, **options).fit(X, y)
        gaps = model.objective_curve_ - model.objective_curve_[-1]
        late = gaps[(gaps < 1e-11) & (gaps > 1e-12)]
        measured = np.exp(np.diff(np.log(late)).mean())
        predicted = information(model, X, y).em_rate ** 2
        assert measured == pytest.approx(predicted, rel=0.02)


class TestRowsInGroups:
    def test_information_is_the_hessian_of_the_objective(self):
        data = MODELS["linear-student-two-outputs-shared"].data(n=120)
        model = MODELS["linear-student-two-outputs-shared"]
        rng = np.random.default_rng(0)
        problem = model.problem(
            data._replace(X=np.repeat(data.X[::3], 3, axis=0)),
            weight=rng.integers(1, 3, 120).astype(float),
            group=np.arange(120) // 3,
        )
        mixture, theta = problem.mixture, random_theta(problem.mixture, 0)

        def gradient(vector):
            return flat(mixture.gradient(mixture.evaluate(unflat(vector, theta))))

        steps = 1e-5 * np.eye(flat(theta).size)
        slopes = [gradient(flat(theta) + s) - gradient(flat(theta) - s) for s in steps]
        hessian = information_matrices(mixture, theta).objective_hessian()
        np.testing.assert_allclose(hessian, np.array(slopes) / 2e-5, atol=1e-7)


@pytest.mark.parametrize("dense_limit", [0, 256])
def test_curvature_that_is_not_stored_gives_the_same_fit(dense_limit, monkeypatch):
    X, y = two_lines(400)
    expected = MixtureOfLinearExperts(noise_df=3, random_state=0, tol=1e-12).fit(X, y)
    monkeypatch.setattr("skmoe.engine.mixture.DENSE_LIMIT", dense_limit)
    for data in (X, csr_array(X)):
        model = clone(expected).fit(data, y)
        np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-4)


def test_shared_noise_lasso_and_weights():
    X, y = two_lines(1500)
    X = np.column_stack([X, np.random.default_rng(1).standard_normal((1500, 3))])
    options = {"noise": "shared", "l1_ratio": 1, "alpha": 750.0, "random_state": 0}
    model = MixtureOfLinearExperts(noise_df=3, **options).fit(X, y)
    assert model.noise_variance_[0] == model.noise_variance_[1]
    assert (model.coef_[:, 2:] == 0).all()
    assert (np.abs(model.coef_[:, 1]) > 1).all()
    weight = np.random.default_rng(2).integers(0, 3, 1500)
    weighted = clone(model).fit(X, y, weight)
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9, atol=1e-9)


def test_batches_give_the_same_fit():
    X, y = two_lines(3000)
    model = MixtureOfLinearExperts(noise_df=3, random_state=0, tol=1e-10)
    expected = clone(model).fit(X, y)
    fit_batches(model, array_batches(X, y, batch_size=700))
    for name in ("coef_", "gate_coef_", "noise_variance_", "intercept_"):
        np.testing.assert_allclose(
            getattr(model, name), getattr(expected, name), rtol=1e-8, atol=1e-8
        )


def test_partial_fit_comes_near_the_fit_of_all_rows():
    X, y = two_lines(20_000)
    model = MixtureOfLinearExperts(noise_df=3, random_state=0)
    for start in range(0, 20_000, 500):
        rows = slice(start, start + 500)
        model.partial_fit(X[rows], y[rows])
    assert distance_to_truth(model) < 0.05
    whole = clone(model).fit(X, y)
    np.testing.assert_allclose(model.predict(X), whole.predict(X), atol=0.1)
    assert model.score_samples(X, y).mean() > whole.score_samples(X, y).mean() - 1e-3
    with pytest.raises(ValueError, match="noise_df=None is not what"):
        model.set_params(noise_df=None).partial_fit(X[:9], y[:9])


@pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan, "normal"])
def test_degrees_of_freedom_that_are_none(value):
    with pytest.raises(ValueError, match="'noise_df' parameter"):
        MixtureOfLinearExperts(noise_df=value).fit(*two_lines(50))


@pytest.mark.parametrize("size", [1e3, 1e6, 1e8])
def test_starts_do_not_follow_far_outliers(size):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=1000)
    y = np.abs(x) + 0.1 * rng.standard_normal(1000)
    y[:10] += size * rng.uniform(-1, 1, 10)
    for seed in range(3):
        model = MixtureOfLinearExperts(noise_df=4, random_state=seed)
        slopes = np.sort(model.fit(x[:, None], y).coef_[:, 0])
        np.testing.assert_allclose(slopes, [-1, 1], atol=0.05)
