"""Where fits start: kinds of starts, complete M-steps, and never at a saddle.

`recorded/betablocker.csv` is flexmix's data set of that name (deaths in 22 centres,
Yusuf et al. 1985); `recorded/poisreg.csv` is drawn as on the help page of mixtools'
`poisregmixEM`.
"""

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from _data import MODELS
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe._fit import task_in_memory
from skmoe.data.sample import Known
from skmoe.engine import starts
from skmoe.engine.clustering import by_distance, by_residuals, by_scale
from skmoe.engine.draws import Draw, n_units, sampled
from skmoe.engine.m_step import project_responsibilities, surrogate_gradient
from skmoe.engine.one_expert import OneExpert, beats_one_expert, one_expert
from skmoe.streaming import array_batches, fit_batches

RECORDED = Path(__file__).parent / "recorded"
ML = {"gate_features": [], "alpha": 0, "gate_alpha": 0}
COLLAPSED = "experts coincide"
# Rows, the larger of two noises (the other is 1), and a random state.
NOISE_SEEDS = [(250, 3.0, 0), (1000, 5.0, 1)]
# Rows, noise, and the seed of data and fit; others missed the first two.
LINE_SEEDS = [(300, 0.05, 5), (300, 0.05, 8), (100, 0.3, 0)]


def betablocker():
    """X, y, and weights and groups as keywords."""
    deaths = pd.read_csv(RECORDED / "betablocker.csv")
    rows = [
        deaths.assign(y=1, weight=deaths.Deaths),
        deaths.assign(y=0, weight=deaths.Total - deaths.Deaths),
    ]
    rows = pd.concat(rows).query("weight > 0")
    X = (rows.Treatment == "Treated").to_numpy(float)[:, None]
    weight = rows.weight.to_numpy(float)
    return X, rows.y.to_numpy(), {"sample_weight": weight, "groups": rows.Center}


def poisson_data():
    data = pd.read_csv(RECORDED / "poisreg.csv")
    return data[["x"]].to_numpy(), data.y.to_numpy()


def lines(seed, n=100, noise=0.3):
    """Parallel lines eight standard deviations of the noise apart, and the line."""
    rng = np.random.default_rng(1000 + seed)
    x, line = rng.uniform(0, 10, n), rng.random(n) < 0.5
    y = 1 + 0.5 * x + 2.5 * line + noise * rng.normal(size=n)
    return x[:, None], y, line.astype(int)


def rates(size, seed=0):
    """Groups with one of two rates; X, y and groups."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(30), size)
    y = rng.random(group.size) < np.where(group % 2, 0.05, 0.15)
    return np.ones((group.size, 1)), y.astype(int), group


def log_likelihood(model, total):
    return -model.objective_curve_[-1] * total


class TestDefaultStart:
    @pytest.mark.parametrize(
        "n_experts, best", [(1, -6089.87), (2, -6009.14), (3, -5986.59)]
    )
    def test_finds_classes_of_centres(self, n_experts, best):
        X, y, rows = betablocker()
        total = rows["sample_weight"].sum()
        for seed in range(3):
            model = MixtureOfLogisticExperts(n_experts, random_state=seed, **ML)
            model.fit(X, y, **rows)
            assert log_likelihood(model, total) == pytest.approx(best, abs=0.05)

    @pytest.mark.parametrize("size", [100, 500])
    def test_finds_rates_of_groups(self, size):
        X, y, group = rates(size)
        options = {"gate_features": [], "expert_features": []}
        found = MixtureOfLogisticExperts(2, random_state=0, **options)
        truth = MixtureOfLogisticExperts(2, init=group % 2, **options)
        found.fit(X, y, groups=group), truth.fit(X, y, groups=group)
        gap = found.objective_curve_[-1] - truth.objective_curve_[-1]
        assert gap < 0.1 / len(y)

    def test_finds_the_best_poisson_regressions(self):
        X, y = poisson_data()
        for seed in range(3):
            model = MixtureOfGLMExperts(2, random_state=seed, **ML).fit(X, y)
            assert model.score_samples(X, y).sum() == pytest.approx(-117.306, abs=0.01)

    def test_finds_experts_that_differ_in_noise_only(self):
        for n, wide, seed in NOISE_SEEDS:
            rng = np.random.default_rng(n)
            scale = np.where(rng.random(n) < 0.3, wide, 1.0)
            X, y = np.ones((n, 1)), scale * rng.normal(size=n)
            model = MixtureOfLinearExperts(2, random_state=seed).fit(X, y)
            truth = MixtureOfLinearExperts(2, init=(scale > 1).astype(int)).fit(X, y)
            assert model.objective_curve_[-1] < truth.objective_curve_[-1] + 1e-3

    @pytest.mark.parametrize("n, noise, seed", LINE_SEEDS)
    def test_finds_parallel_lines(self, n, noise, seed):
        X, y, line = lines(seed, n, noise)
        model = MixtureOfLinearExperts(2, random_state=seed).fit(X, y)
        truth = MixtureOfLinearExperts(2, init=line).fit(X, y)
        assert model.objective_curve_[-1] < truth.objective_curve_[-1] + 1e-3

    def test_of_groups_sees_many_of_them(self):
        X, y, group = rates(500)
        model = MixtureOfLogisticExperts(2, gate_features=[], max_iter=1, tol=1e9)
        problem = _problem(model, X, y, group)
        sample = sampled(problem.mixture, 1000, np.random.RandomState(0))
        assert n_units(sample) == 30


def _problem(model, X, y, group=None):
    from skmoe._fit import task_in_memory
    from skmoe.data.sample import Known

    return task_in_memory(model, X, y, Known(groups=group)).problem


class TestKinds:
    def test_of_residuals_are_the_lines(self):
        X, y, line = lines(0)
        mixture = _problem(MixtureOfLinearExperts(2), X, y).mixture
        draw = Draw(mixture, np.random.RandomState(0))
        labels = by_residuals(OneExpert(mixture), draw, 2, 20)
        expected = _canonical(X, y, line)
        assert max((labels == expected).mean(), (labels != expected).mean()) > 0.95

    def test_of_residuals_are_the_rates_of_groups(self):
        X, y, group = rates(500)
        model = MixtureOfLogisticExperts(2, gate_features=[])
        mixture = _problem(model, X, y, group).mixture
        draw = Draw(mixture, np.random.RandomState(0))
        labels = by_residuals(OneExpert(mixture), draw, 2, 20)
        truth = np.arange(30) % 2
        assert (labels == truth).all() or (labels != truth).all()

    def test_of_scale_have_larger_residuals(self):
        rng = np.random.default_rng(0)
        y = np.where(rng.random(300) < 0.3, 8.0, 1.0) * rng.normal(size=300)
        mixture = _problem(MixtureOfLinearExperts(2), np.ones((300, 1)), y).mixture
        draw = Draw(mixture, np.random.RandomState(0))
        labels = by_scale(OneExpert(mixture), draw, 2, 20)
        far, near = sorted(
            (np.abs(mixture.target[0, labels == k]) for k in (0, 1)),
            key=np.mean,
            reverse=True,
        )
        assert far.min() > near.max() - 0.2

    @pytest.mark.parametrize(
        "name, kinds",
        [
            ("linear-2", {"distance", "experts", "residuals", "scale"}),
            ("linear-shared-noise", {"distance", "experts", "residuals"}),
            ("linear-symmetric", {"distance", "experts"}),
            ("binary-2", {"distance", "experts"}),
            ("poisson-2", {"distance", "experts", "residuals"}),
            ("gamma-2", {"distance", "experts", "residuals", "scale"}),
        ],
    )
    def test_are_those_that_make_sense(self, name, kinds):
        mixture = MODELS[name].problem(MODELS[name].data(60)).mixture
        rng = np.random.RandomState(0)
        assert set(starts.Starts(mixture, rng).kinds) == kinds

    def test_of_one_column_differ_in_their_distances(self):
        X, y, _ = lines(0)
        mixture = _problem(MixtureOfLinearExperts(2), X, y).mixture
        rng = np.random.RandomState(0)
        few = starts.Starts(mixture, rng)
        thetas = [few.theta("distance", number).flat() for number in range(1, 5)]
        gaps = [np.abs(a - b).max() for a, b in zip(thetas, thetas[1:])]
        assert min(gaps) > 1e-3
        assert by_distance(mixture, few.draw, 1).shape == y.shape

    def test_are_counted_apart(self):
        def is_conclusive(kinds):
            runs = [starts._Run(None, 1.0, kind) for kind in kinds]
            return starts._is_conclusive(tries, runs, tries.n_hits)

        tries = SimpleNamespace(
            kinds=["distance", "experts", "residuals"],
            one=SimpleNamespace(is_beaten=lambda sample, objective, margin: True),
            sample=SimpleNamespace(units=SimpleNamespace(weight=np.ones(1))),
            n_hits=5,
        )
        assert not is_conclusive(["distance"] * 9)
        assert is_conclusive(["distance"] * 3 + ["experts"] * 2)
        tries.one.is_beaten = lambda sample, objective, margin: False
        assert not is_conclusive(["distance"] * 3 + ["experts"] * 3)


def _canonical(X, y, labels):
    """Labels in the order of a fit's rows."""
    from skmoe.data.canonical import canonical_rows

    return canonical_rows(X, np.stack([y, labels]), np.ones(len(y)))[1][1]


class TestGivenResponsibilities:
    @pytest.mark.parametrize("name", MODELS)
    @pytest.mark.parametrize("alpha", [0.0, 0.01])
    @pytest.mark.parametrize("is_stored", [True, False])
    def test_are_followed_by_a_complete_m_step(self, name, alpha, is_stored):
        model = MODELS[name]
        problem = model.problem(model.data(120), alpha=alpha, gate_alpha=0.01)
        mixture = problem.mixture
        mixture.experts_are_dense = is_stored
        rng = np.random.default_rng(0)
        given = rng.dirichlet(np.full(model.n_experts, 0.3), 120).T
        theta = project_responsibilities(mixture, given)
        # That of the M-step's objective; of t noise the end is approached linearly.
        gradient = surrogate_gradient(mixture, theta, given)
        assert np.abs(gradient.flat()).max() < 3e-5

    @pytest.mark.parametrize(
        "model, data",
        [
            (MixtureOfLinearExperts(2, **ML), "lines"),
            (MixtureOfLogisticExperts(2), "binary-2"),
            (MixtureOfLogisticExperts(2), "three-class-2"),
            (MixtureOfGLMExperts(2), "poisson-2"),
            (MixtureOfGLMExperts(2, family="gamma"), "gamma-2"),
        ],
    )
    def test_of_an_optimum_stay_there(self, model, data):
        if data == "lines":
            X, y, _ = lines(0)
        else:
            X, target, _ = MODELS[data].data(300)
            y = target
        model.set_params(tol=1e-12, random_state=0, max_iter=5000).fit(X, y)
        best, shares = model.objective_curve_[-1], model.responsibilities(X, y)
        curve = model.set_params(init=shares).fit(X, y).objective_curve_
        assert curve[0] == pytest.approx(best, abs=1e-7)
        assert curve[-1] == pytest.approx(best, abs=1e-9)

    def test_of_groups_stay_at_their_optimum(self):
        X, y, group = rates(100)
        model = MixtureOfLogisticExperts(2, tol=1e-12, random_state=0, **ML)
        best = model.fit(X, y, groups=group).objective_curve_[-1]
        shares = model.responsibilities(X, y, groups=group)
        curve = model.set_params(init=shares).fit(X, y, groups=group).objective_curve_
        assert curve[0] == pytest.approx(best, abs=1e-8)

    def test_of_the_best_poisson_regressions_stay_there(self):
        X, y = poisson_data()
        model = MixtureOfGLMExperts(2, random_state=0, **ML).fit(X, y)
        model.set_params(init=model.responsibilities(X, y)).fit(X, y)
        assert model.score_samples(X, y).sum() == pytest.approx(-117.306, abs=0.01)


class TestCollapse:
    @pytest.mark.parametrize("init", ["short_runs", "random"])
    def test_warns_once_and_names_remedies(self, init):
        X, y = np.random.default_rng(0).standard_normal((60, 2)), np.full(60, 5.0)
        model = MixtureOfGLMExperts(2, init=init, random_state=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y)
        (warning,) = caught
        assert warning.category is ConvergenceWarning
        for remedy in (COLLAPSED, "n_init", "init as an array", "fewer experts"):
            assert remedy in str(warning.message)
        assert Path(warning.filename).name == "test_starts.py"

    def test_of_a_stream_warns_too(self):
        X, y = np.random.default_rng(0).standard_normal((60, 2)), np.full(60, 5.0)
        model = MixtureOfGLMExperts(2, random_state=0)
        with pytest.warns(ConvergenceWarning, match=COLLAPSED):
            fit_batches(model, array_batches(X, y, batch_size=20))

    def test_of_one_expert_is_none(self):
        X, y = np.random.default_rng(0).standard_normal((60, 2)), np.full(60, 5.0)
        MixtureOfGLMExperts(1).fit(X, y)  # warnings are errors

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_is_left_where_another_start_does_better(self, n_jobs):
        X, y, line = lines(0)
        alike = np.full((len(y), 2), 0.5)
        model = MixtureOfLinearExperts(2, init=alike, n_jobs=n_jobs).fit(X, y)
        truth = MixtureOfLinearExperts(2, init=line).fit(X, y)
        assert model.objective_curve_[-1] < truth.objective_curve_[-1] + 1e-3

    def test_of_a_warm_start_is_left(self):
        X, y, _ = lines(0)
        model = MixtureOfLinearExperts(2, random_state=0, warm_start=True).fit(X, y)
        end = model.objective_curve_[-1]
        model.coef_[:], model.intercept_[:] = 0.5, 1.25
        model.noise_variance_[:], model.gate_coef_[:] = 1.7, 0.0
        assert model.fit(X, y).objective_curve_[0] > end + 0.5
        assert model.objective_curve_[-1] == pytest.approx(end, abs=1e-4)

    def test_of_a_stream_is_left(self, monkeypatch):
        X, y, _ = lines(0)
        monkeypatch.setattr(
            "skmoe._restarts.starting_point",
            lambda mixture, *_: starts.Start(mixture.initial()),
        )
        model = MixtureOfLinearExperts(2, random_state=0)
        fit_batches(model, array_batches(X, y, batch_size=50))
        whole = MixtureOfLinearExperts(2, random_state=0).fit(X, y)
        gap = model.objective_curve_[-1] - whole.objective_curve_[-1]
        assert gap < 1e-3


@pytest.mark.parametrize("kind", ["t", "negative binomial", "censored"])
def test_experts_that_coincide_warn_where_em_of_one_is_slow(kind):
    """What one expert of a part leaves to be gained is not seen from its slope."""
    rng, n = np.random.default_rng(3), 20_000
    x, upper = rng.standard_normal((n, 1)), None
    if kind == "t":
        rare = np.zeros((n, 1))
        rare[rng.choice(n, 20, replace=False)] = 1
        y = (x + 100 * rare)[:, 0] + rng.uniform(-1, 1, n)
        X, options = np.hstack([x, rare]), {"noise_df": 3.0, "alpha": 1e-6}
        model = MixtureOfLinearExperts(2, gate_features=[], **options)
    elif kind == "censored":
        X, y = x, x[:, 0] + rng.standard_normal(n)
        end = np.quantile(y, 0.2)
        y, upper = np.minimum(y, end), np.where(y > end, np.inf, y)
        model = MixtureOfLinearExperts(2, gate_features=[])
    else:
        rng = np.random.default_rng(42)
        X = rng.standard_normal((n, 1))
        y = rng.poisson(np.exp(1.0) * rng.gamma(100, 0.01, n))
        model = MixtureOfGLMExperts(2, family="negative_binomial")
    mixture = task_in_memory(clone(model), X, y, Known(y_upper=upper)).problem.mixture
    one = one_expert(mixture)
    for gap in (-1e-4, 1e-4):
        objective = one.objective_of_copies(mixture) + gap
        assert beats_one_expert(mixture, objective, 1e-5) == (gap < 0)
