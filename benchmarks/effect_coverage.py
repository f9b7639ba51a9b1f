"""Coverage of the intervals of predictions and average effects.

    python benchmarks/effect_coverage.py [--fits 1000] [--cases linear,poisson]
        [--rows 500,2000] [--out FILE]

Each case draws data from a known mixture, fits it without penalties and prior from the
true experts' labels, and counts how often the intervals at 95 percent of
`skmoe.inspection.inference` hold what the true parameters give: of predictions at 25
points drawn as the rows are, of averages over the rows and of average effects, by
differences of the true predictions.  Prints two Markdown tables: coverage, averaged
over points and columns; and that of predictions whose intervals are normal on their
own scale in place of a logarithm or logit, with the points that are covered worst.
"""

import argparse
import copy
import warnings
from typing import NamedTuple

import numpy as np
from interval_coverage import _PLANES, _TWO

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.inspection import inference

_Z = 1.959963984540054  # of 95 percent
_STEP = 1e-5
KINDS = ["mean", "experts", "gate"]


class Case(NamedTuple):
    """A mixture to draw from: gate and experts with the intercept last, (K, d + 1)."""

    family: str
    experts: np.ndarray
    gate: np.ndarray = _TWO
    n: int = 2000
    robust: bool = False


CASES = {
    "linear": Case("linear", _PLANES),
    "linear by sandwich": Case("linear", _PLANES, robust=True),
    "poisson": Case("poisson", 0.5 * _PLANES),
    "binomial": Case("binomial", _PLANES),
    "logistic": Case("logistic", 2 * _PLANES, 2 * _TWO, 20_000),
}


def draw(case, rng):
    """X (n, d), y (n,), the expert of each row (n,) and what goes with the rows."""
    X = rng.standard_normal((case.n, case.experts.shape[1] - 1))
    ones = np.c_[X, np.ones(case.n)]
    expert = (ones @ case.gate.T + rng.gumbel(size=(case.n, 2))).argmax(axis=1)
    predictor = (ones * case.experts[expert]).sum(axis=1)
    if case.family == "linear":
        return X, predictor + 0.7 * rng.standard_normal(case.n), expert, {}
    if case.family == "poisson":
        return X, rng.poisson(np.exp(0.5 + predictor)), expert, {}
    positive = 1 / (1 + np.exp(-predictor))
    if case.family == "logistic":
        return X, rng.binomial(1, positive), expert, {}
    trials = rng.integers(2, 9, case.n)
    return X, rng.binomial(trials, positive), expert, {"trials": trials}


def fitted(case, X, y, expert, known):
    """The model, and one with the true parameters."""
    free = {"alpha": 0, "gate_alpha": 0, "init": expert, "tol": 1e-9, "max_iter": 5000}
    if case.family == "linear":
        model = MixtureOfLinearExperts(noise_prior=0, **free)
    elif case.family == "logistic":
        model = MixtureOfLogisticExperts(**free)
    else:
        model = MixtureOfGLMExperts(family=case.family, **free)
    true = copy.copy(model.fit(X, y, **known))
    shift = 0.5 if case.family == "poisson" else 0.0
    true.coef_, true.intercept_ = case.experts[:, :-1], case.experts[:, -1] + shift
    true.gate_coef_, true.gate_intercept_ = case.gate[:, :-1], case.gate[:, -1]
    return model, true


def predicted(model, X, of, known):
    """What is asked for, (n, o)."""
    if of == "gate":
        return model.gate_proba(X)
    is_classifier = hasattr(model, "classes_")
    name = "predict_proba" if is_classifier else "predict"
    name = "predict_expert" if of == "experts" else name
    return getattr(model, name)(X, **known).reshape(len(X), -1)


def true_effects(true, X, of, known):
    """Average effects by differences, (o d,)."""
    found = []
    for step in _STEP * np.eye(X.shape[1]):
        ends = (predicted(true, X + sign * step, of, known) for sign in (1, -1))
        found.append((next(ends) - next(ends)).mean(axis=0) / (2 * _STEP))
    return np.stack(found, axis=1).ravel()


def holds(result, truth):
    """Whether intervals hold the truth, flat."""
    lower, upper = np.moveaxis(result.confidence_interval(), -1, 0)
    truth = truth.reshape(lower.shape)
    return ((lower <= truth) & (truth <= upper)).ravel()


def one_fit(case, seed, points):
    """What is covered, arrays of bool by (method, what, scale)."""
    rng = np.random.default_rng(seed)
    X, y, expert, known = draw(case, rng)
    model, true = fitted(case, X, y, expert, known)
    result = inference(model, X, y, robust=case.robust, **known)
    found = {}
    for of in KINDS:
        truth = predicted(true, points, of, {})
        predictions = result.predictions(points, of=of)
        gap = np.abs(predictions.estimate.reshape(truth.shape) - truth)
        reach = _Z * predictions.standard_error.reshape(truth.shape)
        found["predictions", of] = holds(predictions, truth)
        found["own scale", of] = (gap <= reach).ravel()
        truth = predicted(true, X, of, known).mean(axis=0)
        averages = result.average_predictions(X, **known, of=of)
        found["averages", of] = holds(averages, truth)
        effects = result.average_effects(X, **known, of=of)
        found["effects", of] = holds(effects, true_effects(true, X, of, known))
    return found


def percent(values):
    """Means of arrays of bool, as text."""
    return f"{100 * np.mean(values):.1f} %"


def rows(name, case, n_fits):
    """A row of each table."""
    points = np.random.default_rng(10**6).standard_normal((25, 2))
    fits = [one_fit(case, seed, points) for seed in range(n_fits)]
    covered = {key: np.mean([fit[key] for fit in fits], axis=0) for key in fits[0]}
    first = [percent(covered["predictions", of]) for of in KINDS]
    first += [percent(covered["averages", of]) for of in KINDS]
    first += [percent(covered["effects", of]) for of in ("mean", "gate")]
    second = []
    for of in KINDS:
        for method in ("predictions", "own scale"):
            values = covered[method, of]
            second.append(f"{percent(values)} ({100 * values.min():.1f})")
    return [name, case.n, *first], [name, case.n, *second]


def line(cells):
    """A row of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rows", help="in place of those of the case")
    parser.add_argument("--out")
    options = parser.parse_args()
    of_points = [f"{of} at points" for of in ("mean", "experts", "gate")]
    of_rows = ["average mean", "average of experts", "shares"]
    headings = [
        ["case", "n", *of_points, *of_rows, "effects on mean", "effects on gate"],
        ["case", "n"]
        + [f"{of}, {scale}" for of in KINDS for scale in ("as given", "own scale")],
    ]
    tables = [[line(heading), "|" + "---|" * len(heading)] for heading in headings]
    for name in options.cases.split(","):
        case = CASES[name]
        sizes = map(int, options.rows.split(",")) if options.rows else [case.n]
        for n in sizes:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = rows(name, case._replace(n=n), options.fits)
            for table, cells in zip(tables, found):
                table.append(line(cells))
                print(table[-1], flush=True)
    text = "\n\n".join("\n".join(table) for table in tables) + "\n"
    print("\n" + text)
    if options.out:
        with open(options.out, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
