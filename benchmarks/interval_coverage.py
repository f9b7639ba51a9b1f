"""Coverage of the confidence intervals of `skmoe.inspection.inference`.

    python benchmarks/interval_coverage.py [--fits 1000] [--cases linear,logistic]
        [--rows 500,5000,50000] [--defaults] [--bootstrap 99] [--out FILE]

Each case draws data from a known mixture, fits it without penalties and prior, or with
those of the defaults, and counts how often the intervals at 95 percent hold the true
values.  The fits start from the true experts' labels, so that experts keep their order.
With `--bootstrap` standard errors are those of so many refits to rows drawn
anew.  Prints a Markdown table: coverage of
each part of the model, averaged over its entries, the entries that are covered worst
and best, and the ratio of the mean standard error to the spread of the estimates.
"""

import argparse
import warnings
from typing import NamedTuple

import numpy as np

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.inspection import inference


class Case(NamedTuple):
    """A mixture to draw from: gate and experts with the intercept last."""

    n: int
    gate: np.ndarray  # (K, d + 1), or (K,) of a constant gate
    experts: np.ndarray  # (K, d + 1)
    noise: tuple | None  # standard deviations, (K,); None for logistic experts
    robust: bool = False
    uneven: bool = False  # noise that grows with |x_0|: the model is then wrong
    limit: float | None = None  # mean of limits above which y is not known
    entry: float | None = None  # mean of entries below which rows are not seen


_TWO = np.array([[-1.0, 0.5, 0.0], [1.0, -0.5, 0.0]])
_PLANES = np.array([[1.0, 2.0, 0.5], [-1.0, 0.5, -0.5]])
_THREE = np.array([[-1.0, 0.5, 0.0], [1.0, 0.5, 0.0], [0.0, -1.0, 0.0]])
CASES = {
    "linear": Case(1000, _TWO, _PLANES, (0.5, 1.0)),
    "three linear": Case(
        3000, _THREE, np.array([[1.0, 2, 0.5], [-1, 0.5, -2], [0, -2, 2]]), (0.5,) * 3
    ),
    "overlapping linear": Case(5000, _TWO, _PLANES, (1.0, 1.0)),
    "censored linear": Case(1000, _TWO, _PLANES, (0.5, 1.0), limit=0.7),
    "linear above entries": Case(
        1000, _TWO, _PLANES, (0.5, 1.0), limit=1.5, entry=-2.0
    ),
    "logistic": Case(20_000, 2 * _TWO, 2 * _PLANES, None),
    "latent class logit": Case(
        20_000,
        np.array([0.2, -0.2]),
        np.array([[2.0, 0.0, 0.5], [-1.0, 1.5, -0.5]]),
        None,
    ),
    "linear by sandwich": Case(1000, _TWO, _PLANES, (0.5, 1.0), robust=True),
    "uneven noise": Case(2000, 3 * _TWO, _PLANES, (0.3, 0.3), uneven=True),
    "uneven noise by sandwich": Case(
        2000, 3 * _TWO, _PLANES, (0.3, 0.3), robust=True, uneven=True
    ),
}


def draw(case, rng):
    """X (n, d), y (n,) and the expert of each row (n,)."""
    X = rng.standard_normal((case.n, case.experts.shape[1] - 1))
    ones = np.c_[X, np.ones(case.n)]
    logits = case.gate if case.gate.ndim == 1 else ones @ case.gate.T
    logits = logits + rng.gumbel(size=(case.n, len(case.gate)))
    expert = logits.argmax(axis=1)
    predictor = (ones * case.experts[expert]).sum(axis=1)
    if case.noise is None:
        y = rng.uniform(size=case.n) < 1 / (1 + np.exp(-predictor))
        return X, y.astype(int), expert
    noise = np.array(case.noise)[expert]
    if case.uneven:
        noise = noise * np.abs(X[:, 0])
    return X, predictor + noise * rng.standard_normal(case.n), expert


def seen(case, X, y, expert, rng):
    """The rows that are seen, and what is known of their y, a dict of (n,)."""
    known = {}
    if case.entry is not None:
        entry = case.entry + rng.standard_normal(len(y))
        rows = y > entry
        X, y, expert, known["entry"] = X[rows], y[rows], expert[rows], entry[rows]
    if case.limit is not None:
        limit = case.limit + rng.standard_normal(len(y))
        if case.entry is not None:
            limit = np.maximum(limit, known["entry"] + 0.1)
        known["y_upper"] = np.where(y > limit, np.inf, y)
        y = np.minimum(y, limit)
    return X, y, expert, known


def one_fit(case, seed, has_penalties, n_resamples):
    """Whether intervals hold the truth, estimates and standard errors, (R,) each."""
    rng = np.random.default_rng(seed)
    X, y, expert, known = seen(case, *draw(case, rng), rng)
    kind = MixtureOfLogisticExperts if case.noise is None else MixtureOfLinearExperts
    model = kind(len(case.gate), init=expert, tol=1e-9, max_iter=5000)
    if case.gate.ndim == 1:
        model.set_params(gate_features=[])
    if not has_penalties:
        names = {"alpha", "gate_alpha", "noise_prior"} & set(model.get_params())
        model.set_params(**dict.fromkeys(names, 0.0))
    model.fit(X, y, **known)
    how = {"robust": case.robust}
    if n_resamples:
        how = {"method": "bootstrap", "n_resamples": n_resamples, "random_state": seed}
    result = inference(model, X, y, **how, **known)
    truth = [case.gate.ravel(), case.experts.ravel()]
    if case.noise is not None:
        truth.append(np.square(case.noise))
    truth = np.concatenate(truth)
    lower, upper = result.confidence_interval().T
    return (lower <= truth) & (truth <= upper), result.estimate, result.standard_error


def row(name, case, n_fits, *how):
    """A row of the table."""
    fits = [one_fit(case, seed, *how) for seed in range(n_fits)]
    hits, estimates, errors = map(np.array, zip(*fits))
    covered = hits.mean(axis=0)
    ratio = errors.mean(axis=0) / estimates.std(axis=0)
    ends = np.cumsum([case.gate.size, case.experts.size])
    parts = [covered[: ends[0]], covered[ends[0] : ends[1]]]
    ratios = ratio[: ends[1]]
    noise = "-"
    if case.noise is not None and not case.uneven:
        parts.append(covered[ends[1] :])
        noise = f"{100 * parts[2].mean():.1f} %"
    entries = np.concatenate(parts)
    return (
        name,
        case.n,
        *(f"{100 * part.mean():.1f} %" for part in parts[:2]),
        noise,
        f"{100 * entries.min():.1f} - {100 * entries.max():.1f} %",
        f"{ratios.min():.2f} - {ratios.max():.2f}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rows", help="in place of those of the case")
    parser.add_argument("--defaults", action="store_true", help="their penalties")
    parser.add_argument("--bootstrap", type=int, default=0, help="number of refits")
    parser.add_argument("--out")
    options = parser.parse_args()
    heading = (
        "case",
        "n",
        "gate",
        "experts",
        "noise",
        "single entries",
        "s.e. / spread",
    )
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    print("\n".join(lines), flush=True)
    for name in options.cases.split(","):
        case = CASES[name]
        sizes = map(int, options.rows.split(",")) if options.rows else [case.n]
        for n in sizes:
            with warnings.catch_warnings():
                # Small penalised sets have what `inference` warns of.
                is_small = options.defaults or options.bootstrap or n < case.n
                warnings.simplefilter("ignore" if is_small else "error")
                how = options.defaults, options.bootstrap
                cells = row(name, case._replace(n=n), options.fits, *how)
            lines.append("| " + " | ".join(map(str, cells)) + " |")
            print(lines[-1], flush=True)
    if options.out:
        with open(options.out, "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
