"""Starting points.

The default, short runs, tries several starts on a sample of the rows and goes on with
the best on growing samples (after emEM, Biernacki, Celeux and Govaert 2003).
"""

from collections import Counter
from functools import cache
from itertools import islice, permutations
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from skmoe.data.design import n_varying
from skmoe.engine.clustering import (
    by_distance,
    by_experts,
    by_residuals,
    by_scale,
    distance_design,
    expert_steps,
    kmeans,
    onehot,
)
from skmoe.engine.descent import minimise
from skmoe.engine.draws import Draw, n_coefs, n_units, sample_size, sampled
from skmoe.engine.fixed import others_alone
from skmoe.engine.m_step import first_step, project_responsibilities
from skmoe.engine.one_expert import one_expert
from skmoe.engine.rival import Rival
from skmoe.engine.state import Parameters

SHORT_RUNS = "short_runs"
STRATEGIES = (SHORT_RUNS, "kmeans", "kmeans_xy", "regression_clustering", "random")

_TINY = np.finfo(np.float64).tiny
# Runs of the first two kinds at most, of experts with equal noise; runs that go on.
_N_STARTS, _N_FEWER_STARTS, _N_KEPT = 10, 5, 5
# Random starts where no other is better than one expert, of short runs and of fits.
_N_RANDOM, _N_WAYS_OUT = 5, 2
_SHORT_CLUSTERING_ITER = 3
_SHORT_ITER, _LONG_ITER, _SHORT_TOL = 16, 40, 3e-4
_LAST_ITER, _LAST_TOL = 300, 1e-12
# Runs that must reach the best objective, and fewer where a sample has so many entries
# (times experts) that a run is dear.
_ENOUGH_HITS, _FEW_HITS, _DEAR = 5, 2, 2**23
# Enough of experts with equal noise, and where the best of these is among the starts.
_FEWER_HITS, _KNOWN = 3, "equal noise"
# Objectives that count as the same, and a promise small enough to be believed.
_SAME_OBJECTIVE, _CLEAR = 5e-4, 3e-3
_SAMPLE_TOL, _SAMPLE_GROWTH, _LARGEST_SHARE = 0.25, 4, 0.125
_CLUSTERING_ITER = 20
# Orders of labels that are tried for experts that are not alike.
_MOST_ORDERS = 24
# A hard label keeps this responsibility, so that no expert starts without mass.
_LABEL_WEIGHT = 0.95
# A known expert's responsibility counts as this at least where experts are matched.
_LEAST_SHARE = 1e-6


class Start(NamedTuple):
    """Parameters to start from."""

    theta: Parameters
    is_clear: bool = False  # whether enough short runs agreed that nothing is better


def starting_point(mixture, strategy, rng, solver=None):
    """A `Start`, by the name of a strategy in `STRATEGIES`.

    Short runs need a `solver`, a callable that makes one of some `patience`.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Experts of a few rows may overflow on others; they are not the best there.
        mixture = for_starts(mixture)
        if strategy != SHORT_RUNS or mixture.n_experts == 1:
            return Start(_starting_point(mixture, strategy, rng))
        theta, is_clear = _short_runs(mixture, rng, solver)
        return Start(lighter(mixture, theta), is_clear)


def one_more(mixture, number, rng, solver, rival):
    """Parameters that one more short run leads to, after those that were clear.

    The run that is the n-th such, from 0, starts as is the turn of its kind.  A
    `Rival` on all rows may break it off where it is on these.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        whole = for_starts(mixture)
        size = sample_size(whole)
        starts = Starts(sampled(whole, size, rng), rng)
        n_before, kind = divmod(number, len(starts.kinds))
        theta = starts.theta(starts.kinds[kind], n_before)
        rival = rival if starts.sample is mixture else None
        run = _run(starts.sample, theta, solver, _LONG_ITER, _SHORT_TOL, rival)
        return lighter(whole, _grown(whole, run.theta, size, rng, solver))


def _starting_point(mixture, strategy, rng):
    """Parameters from one clustering, or random ones."""
    if mixture.n_experts == 1:
        return project_responsibilities(mixture, np.ones((1, n_units(mixture))))
    if strategy == "random":
        drawn = rng.uniform(size=(mixture.n_experts, n_units(mixture)))
        return project_responsibilities(mixture, drawn / drawn.sum(axis=0))
    sample = sampled(mixture, sample_size(mixture), rng)
    alone, units = others_alone(sample)
    draw = Draw(alone, rng)
    if strategy == "regression_clustering":
        labels = by_experts(alone, draw, _CLUSTERING_ITER)
    else:
        labels = kmeans(alone, strategy == "kmeans_xy", rng)
    return _from_labels(sample, labels, units)


def ways_out(mixture, rng):
    """Starts of all kinds, a list, for a fit that is no better than one expert."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mixture = for_starts(mixture)
        starts = Starts(mixture, rng)
        kinds = [*starts.kinds, *["random"] * _N_WAYS_OUT]
        return [lighter(mixture, starts.theta(kind, 0)) for kind in kinds]


def for_starts(mixture):
    """The mixture that starts are tried on: of all experts, without outliers.

    It does not know of known experts, see `as_labelled`.
    """
    target = mixture.experts.distribution.without_outliers(
        mixture.target, mixture.weight
    )
    gate = mixture.gate.with_all_experts()
    if gate is mixture.gate and target is mixture.target and mixture.known is None:
        return mixture
    return mixture.replaced(gate=gate, target=target, known=None)


def lighter(mixture, theta):
    """The same model with the lesser penalty, where one can be written in two ways.

    Symmetric logistic experts do not tell their coefficients from those of the gate,
    unless some are known.
    """
    shares_columns = mixture.gate_design is mixture.expert_design
    is_told = mixture.known is not None
    if is_told or not (mixture.experts.can_be_gate and shares_columns):
        return theta
    gap = -mixture.gate.relative[0, 0]
    other = theta._replace(gate=theta.experts[0] / gap, experts=gap * theta.gate[None])
    return min(theta, other, key=mixture.penalties.value)


class _Run(NamedTuple):
    """Where a descent on a sample ended: its objective, or a rival's that it met."""

    theta: Parameters
    objective: float
    kind: str = ""  # of its start


class Starts:
    """Starts of several kinds on a sample; each kind finds experts of another kind.

    Parameters
    ----------
    sample : Mixture
    rng : numpy.random.RandomState
    known : Parameters, default=None
        Another start, the best of experts with equal noise.
    has_equal_noise : bool, default=False
        Whether experts with equal noise are looked for.
    """

    def __init__(self, sample, rng, known=None, has_equal_noise=False):
        # Labels are those of experts that have parameters.
        self.alone, self.units = others_alone(sample)
        self.sample, self.draw, self.known = sample, Draw(self.alone, rng), known
        self.has_equal_noise = has_equal_noise
        self.one, self.one_alone = one_expert(sample), one_expert(self.alone)
        has_gate = n_varying(sample.gate_design) > 0
        # Nothing but the experts tells units apart, and EM is far from them.
        self.is_hard = not (has_gate or sample.experts.m_step_is_exact)
        available = {
            "distance": n_varying(distance_design(self.alone)) > 0,
            "experts": True,
            "residuals": self.one_alone.has_shifts,
            "scale": self.one_alone.has_scale,
            "random": not has_gate,
        }
        self.kinds = [kind for kind, is_there in available.items() if is_there]
        is_first = known is None and not self.has_equal_noise
        self.n_hits = _ENOUGH_HITS if is_first else _FEWER_HITS
        self.n_starts = _N_FEWER_STARTS if self.has_equal_noise else _N_STARTS
        if self.is_hard:
            self.n_hits = self.n_starts
        elif sample.work >= _DEAR or sample.expert_design.gram is not None:
            self.n_hits = _FEW_HITS

    def theta(self, kind, number):
        """Parameters of the start of a kind that is the n-th of it, from 0."""
        alone, draw, n_iter = self.alone, self.draw, _SHORT_CLUSTERING_ITER
        if kind == "distance":
            # In one column k-means has few results.
            is_repeated = number > 0 and n_varying(distance_design(alone)) == 1
            labels = by_distance(alone, draw, 1 if is_repeated else n_iter)
        elif kind == "experts":
            labels = by_experts(alone, draw, n_iter)
        elif kind == "random":
            labels = draw.labels(alone.n_experts)
        else:
            cluster = by_residuals if kind == "residuals" else by_scale
            labels = cluster(self.one_alone, draw, alone.n_experts, n_iter)
        return _from_labels(self.sample, labels, self.units)

    def next_kind(self, runs):
        """Every kind once; then in turn the first two, and others that went as low.

        All of them in turn where that is hard.
        """
        if self.known is not None:
            if not runs:
                return _KNOWN
            runs = runs[1:]
        if len(runs) < len(self.kinds) or self.is_hard:
            return self.kinds[len(runs) % len(self.kinds)]
        lowest = {run.kind: run.objective for run in sorted(runs, key=_objective)[::-1]}
        within = min(lowest.values()) + _SAME_OBJECTIVE * _per_unit(self.sample)
        others = [kind for kind in self.kinds[2:] if lowest[kind] < within]
        tried = Counter(run.kind for run in runs)
        return min(self.kinds[:2] + others, key=tried.get)

    @property
    def most(self):
        """Most runs: some of two kinds, and one of each other."""
        return self.n_starts + max(len(self.kinds) - 2, 0) * (not self.is_hard)

    @property
    def n_random(self):
        """More, of random labels, where no run is better than one expert.

        Experts with equal noise are then no better than one either.
        """
        return 0 if self.has_equal_noise else _N_RANDOM


def _short_runs(mixture, rng, solver):
    """The best of several short runs, finished on growing samples, and if it is clear.

    Starts of all kinds are tried until several of more than one kind have reached the
    best objective, and it is better than that of one expert; where they do not, the
    best go on, on twice the rows.
    """
    size = sample_size(mixture)
    sample = sampled(mixture, size, rng)
    starts = Starts(sample, rng, mixture.equal_noise_start)
    runs = _tried(starts, solver)
    is_clear = _is_conclusive(starts, runs, min(starts.n_hits, _ENOUGH_HITS))
    if not _is_conclusive(starts, runs, starts.n_hits):
        size *= 2
        sample = sampled(mixture, size, rng)
        finalists = sorted(runs, key=_objective)[:_N_KEPT]
        runs = [
            _run(sample, run.theta, solver, _SHORT_ITER, _SHORT_TOL)
            for run in finalists
        ]
    theta = _grown(mixture, min(runs, key=_objective).theta, size, rng, solver)
    return theta, is_clear


def converged(mixture, theta, solver):
    """Parameters taken to their optimum, whatever way led near it."""
    return _run(mixture, theta, solver, _LAST_ITER, _LAST_TOL).theta


def best_of_short_runs(sample, rng, solver):
    """Parameters of the best short run of equal noise on a sample, at its optimum."""
    starts = Starts(sample, rng, has_equal_noise=True)
    best = min(_tried(starts, solver), key=_objective)
    return converged(sample, best.theta, solver)


def _tried(starts, solver):
    """Short runs from starts of all kinds."""
    runs, counts = [], Counter()
    while len(runs) < starts.most + starts.n_random and not _is_conclusive(
        starts, runs, starts.n_hits
    ):
        kind = starts.next_kind(runs)
        if len(runs) >= starts.most:
            if _is_better(starts, runs):
                break
            kind = "random"
        if kind == _KNOWN:
            run = _known_run(starts, solver)
        else:
            theta = starts.theta(kind, counts[kind])
            rival = None if starts.is_hard else min(runs, key=_objective, default=None)
            run = short_run(starts.sample, theta, solver, rival)
        runs.append(run._replace(kind=kind))
        counts[kind] += 1
    return runs


def _known_run(starts, solver):
    """The run from the known start, made once where all starts have the same rows."""
    sample, known = starts.sample, starts.known
    return sample.once(_KNOWN, lambda: short_run(sample, known, solver))


def _is_conclusive(starts, runs, enough):
    """Whether enough runs reached the best objective, from starts of several kinds.

    Starts of one kind may all be alike; they count in full once the others have failed
    as often as can be asked of them.
    """
    if not _is_better(starts, runs):
        return False
    within = min(map(_objective, runs)) + _SAME_OBJECTIVE * _per_unit(starts.sample)
    hits = Counter(run.kind for run in runs if run.objective < within)
    tried = Counter(run.kind for run in runs)
    of_a_kind = -(-enough // 2)
    if all(tried[kind] >= of_a_kind for kind in starts.kinds):
        return hits.total() >= enough
    return sum(min(count, of_a_kind) for count in hits.values()) >= enough


def _is_better(starts, runs):
    """Whether the best run is better than one expert."""
    best = min(map(_objective, runs), default=np.inf)
    margin = _SAME_OBJECTIVE * _per_unit(starts.sample)
    return starts.one.is_beaten(starts.sample, best, margin)


def _per_unit(mixture):
    """Nats per sample that are one nat per unit: a group has many samples."""
    return float(mixture.units.weight.sum())


def short_run(sample, theta, solver, rival=None):
    """A short descent: its Parameters and objective, or those of a rival that it met.

    It is broken off once it is clear that it ends at or above a rival, another run.
    """
    if rival is not None:
        unit = _per_unit(sample)
        rival = Rival(rival.objective, _SAME_OBJECTIVE * unit, _CLEAR * unit)
    return _run(sample, theta, solver, _LONG_ITER, _SHORT_TOL, rival)


def _run(sample, theta, solver, max_iter, tol, rival=None):
    """A descent that a `Rival` may break off."""
    tol *= _per_unit(sample)
    report = None if rival is None else rival.report
    descent = minimise(sample, theta, solver(patience=1), max_iter, tol, report)
    is_met = rival is not None and rival.is_met
    return _Run(descent.theta, rival.objective if is_met else descent.objective)


def _objective(run):
    """Objective of a run."""
    return run.objective


def _grown(mixture, theta, size, rng, solver):
    """Parameters carried on through growing samples, up to a part of all rows.

    On each sample the descent goes on until what is left to gain is small beside the
    error of the sample, which is of the order of (coefficients / rows).
    """
    n_rows = mixture.weight.shape[0]
    while (size := _SAMPLE_GROWTH * size) <= _LARGEST_SHARE * n_rows:
        sample = sampled(mixture, size, rng)
        tol = _SAMPLE_TOL * sum(n_coefs(mixture)) / size
        theta = _run(sample, theta, solver, _LONG_ITER, tol).theta
    return theta


def _from_labels(mixture, of_units, units):
    """Parameters that fit hard labels of some units (index array), softened a little.

    The other units are those that no expert with a label can have.
    """
    labels = np.zeros(n_units(mixture), dtype=np.intp)
    labels[units] = of_units
    labels = _arranged(mixture, labels)
    rest = (1 - _LABEL_WEIGHT) / (mixture.n_experts - 1)
    softened = np.where(onehot(mixture.n_experts, labels) > 0, _LABEL_WEIGHT, rest)
    steps = expert_steps(mixture)
    if not mixture.experts.is_numbered:
        return first_step(mixture, softened, *steps)
    # Labels have no numbers, but the experts are not alike.
    orders = islice(permutations(range(mixture.n_experts)), _MOST_ORDERS)
    found = [first_step(mixture, softened[list(order)], *steps) for order in orders]
    return min(found, key=lambda theta: _objective_at(mixture, theta))


def _objective_at(mixture, theta):
    """F at some parameters, infinite where it is not a number."""
    objective = mixture.evaluate(theta, curvature=False).objective
    return objective if np.isfinite(objective) else np.inf


def as_labelled(mixture, theta):
    """Parameters with experts in the order of those that are known, if that is better.

    Starts know nothing of labels, which may be few: a sample need not hold any.
    """
    if mixture.known is None:
        return theta
    n_experts = mixture.n_experts
    seen = np.flatnonzero((mixture.known >= 0) & (mixture.known < n_experts))
    rows = mixture.replaced(known=None).row_moments(theta).posterior
    share = np.log(np.maximum(rows[:n_experts, seen], _LEAST_SHARE))
    share = share * mixture.units.weight[seen]
    agreement = share @ onehot(n_experts, mixture.known[seen]).T
    _, order = linear_sum_assignment(agreement, maximize=True)
    if (order == np.arange(order.size)).all():
        return theta
    rows[:n_experts] = rows[np.argsort(order)]
    other = project_responsibilities(mixture, rows)
    return min(theta, other, key=lambda theta: _objective_at(mixture, theta))


def of_labels(mixture):
    """Parameters that known experts alone lead to."""
    shape = mixture.n_experts, n_units(mixture)
    return project_responsibilities(mixture, np.full(shape, 1 / shape[0]))


def _arranged(mixture, labels):
    """Labels (u,) renumbered, so that experts that lie together share a node."""

    @cache
    def centers():
        return _centers(mixture, labels)

    order = mixture.gate.together(lambda group: _along_main_axis(centers(), group))
    return np.argsort(order)[labels]


def _centers(mixture, labels):
    """Means of the gate's features over the units of each label, (K, p)."""
    design = mixture.gate_design
    sums = np.zeros((mixture.n_experts, design.n_columns))
    for units, _ in mixture.blocks:
        mass = onehot(mixture.n_experts, labels[units]) * mixture.units.weight[units]
        sums += design.block(units).adjoint(mass)
    mass = onehot(mixture.n_experts, labels) @ mixture.units.weight
    return sums / np.maximum(mass, _TINY)[:, None]


def _along_main_axis(centers, group):
    """Some experts (index array) in the order of their centers' main axis."""
    own = centers[group] - centers[group].mean(axis=0)
    axis = np.linalg.svd(own, full_matrices=False)[2][0]
    return group[np.argsort(own @ axis, kind="stable")]
