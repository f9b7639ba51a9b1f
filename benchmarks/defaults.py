"""The measurements by which default penalties and noise priors are chosen.

    python benchmarks/defaults.py regression --alpha 0.1,1 --noise-prior 0,2
    python benchmarks/defaults.py bic --alpha 1 --gate-alpha same --out bic.json
    python benchmarks/defaults.py table bic.json --sets

Five parts: `regression` and `classification` are cross-validated scores on real sets
beside RidgeCV and LogisticRegression; `bic` is the number of experts that BIC picks,
and whether an expert of the pick has hardly any noise; `noise` is how much a noise
prior adds to small noise; `jump` is how well a jump is followed.  Grids are lists with
commas; a parameter that is not given, or is 'default', is left to the estimator, and
``--gate-alpha same`` follows alpha.  Each part prints a Markdown table with one row for
each configuration; `table` prints those of JSON files made with `--out` again.

Nats are held-out log-likelihoods a row, y in units of its standard deviation; those of
a set count as at least -5, and its R2 as at least -1, so that no set rules a mean.
"""

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_sets import classification_sets, few_column_sets, regression_sets

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.model_selection import n_experts_path

PARAMETERS = ("alpha", "gate_alpha", "noise_prior")
LEAST_R2, LEAST_NATS = -1.0, -5.0  # of a set
LEAST_PROBABILITY = np.finfo(float).eps
AT_FLOOR, NEAR_FLOOR = 1.01e-3, 1e-2  # of an expert's noise over std(y)
NOISE_SHARE = 1 / 20  # of the spread of y
JUMPS = {"one jump": [1.2], "two jumps": [1.2, 2.2]}
LINES = (lambda x: x, lambda x: 4 - x, lambda x: x - 2)  # between the jumps


class Part(NamedTuple):
    """One part: its sets, what is measured on one of them, and columns of all."""

    sets: Callable  # from `quick` to {name: data}
    measure: Callable  # from configuration, data and repeats to {measure: value}
    reference: Callable | None  # the same without a configuration
    summary: Callable  # from {name: measures} and those of the reference to columns
    repeats: int  # of cross-validation, or seeds
    experts: list  # default numbers of them; [None] where the sets say


def model(kind, configuration, n_experts=None, **parameters):
    """An estimator with the parameters of a configuration that are not None."""
    given = {name: configuration[name] for name in PARAMETERS}
    given = {name: value for name, value in given.items() if value is not None}
    n_experts = n_experts or configuration["experts"]
    return kind(n_experts, **given, **parameters, random_state=0)


def first(sets, quick):
    """All sets, or every seventh."""
    return dict(list(sets.items())[::7]) if quick else sets


# Regression.


def regression_on(estimator, X, y, repeats, log_density):
    """Mean R2 and held-out nats a row, y in units of its standard deviation."""
    folds = RepeatedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    scores, nats = [], []
    for train, test in folds.split(X):
        scaler = StandardScaler().fit(X[train])
        fitted = estimator.fit(scaler.transform(X[train]), y[train])
        Z = scaler.transform(X[test])
        scores.append(r2_score(y[test], fitted.predict(Z)))
        nats.append(log_density(fitted, Z, y[test]).mean() + np.log(y.std()))
    return {"r2": np.mean(scores), "nats": np.mean(nats)}


def mixture_regression(configuration, data, repeats):
    """Scores of the mixture."""
    estimator = model(MixtureOfLinearExperts, configuration)
    log_density = MixtureOfLinearExperts.score_samples
    return regression_on(estimator, *data, repeats, log_density)


def ridge_log_density(fitted, X, y):
    """Normal, with the mean square of leave-one-out errors as the variance."""
    return norm.logpdf(y, fitted.predict(X), np.sqrt(-fitted.best_score_))


def ridge_regression(data, repeats):
    """Scores of RidgeCV."""
    estimator = RidgeCV(np.logspace(-2, 3, 11))
    return regression_on(estimator, *data, repeats, ridge_log_density)


def column(measures, name, least=-np.inf):
    """One measure of all sets, clipped from below."""
    return np.maximum([of_set[name] for of_set in measures.values()], least)


def worst(sets, gain):
    """The lowest gain and its set."""
    number = int(np.argmin(gain))
    return f"{gain[number]:+.2f} {list(sets)[number]}"


def regression_summary(measures, references):
    """Means over the sets, and how many are worse or better than the reference."""
    score, nats = column(measures, "r2", LEAST_R2), column(measures, "nats")
    gain = score - column(references, "r2", LEAST_R2)
    nats_gain = nats - column(references, "nats")
    return {
        "R2": score.mean(),
        "R2 lower by .02": int((gain < -0.02).sum()),
        "higher by .02": int((gain > 0.02).sum()),
        "worst": worst(measures, gain),
        "nats": np.maximum(nats, LEAST_NATS).mean(),
        "median gain in nats": np.median(nats_gain),
        "nats lower by .05": int((nats_gain < -0.05).sum()),
        "nats below -5": int((nats < LEAST_NATS).sum()),
        "worst in nats": worst(measures, nats_gain),
    }


# Classification.


def classification_on(estimator, X, y, repeats):
    """Mean log-loss and accuracy."""
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    losses, hits = [], []
    for train, test in folds.split(X, y):
        pipeline = make_pipeline(StandardScaler(), estimator).fit(X[train], y[train])
        probability = pipeline.predict_proba(X[test])
        of_truth = probability[np.arange(len(test)), y[test]]  # classes are 0, 1, ...
        losses.append(-np.log(np.maximum(of_truth, LEAST_PROBABILITY)).mean())
        hits.append(np.mean(probability.argmax(axis=1) == y[test]))
    return {"log-loss": np.mean(losses), "accuracy": np.mean(hits)}


def mixture_classification(configuration, data, repeats):
    """Scores of the mixture."""
    estimator = model(MixtureOfLogisticExperts, configuration)
    return classification_on(estimator, *data, repeats)


def logistic_classification(data, repeats):
    """Scores of LogisticRegression with its defaults."""
    return classification_on(LogisticRegression(max_iter=1000), *data, repeats)


def classification_summary(measures, references):
    """Means over the sets, and how many are worse or better than the reference."""
    loss, accuracy = column(measures, "log-loss"), column(measures, "accuracy")
    gain = column(references, "log-loss") - loss
    hits_gain = accuracy - column(references, "accuracy")
    return {
        "log-loss": loss.mean(),
        "higher by .03": int((gain < -0.03).sum()),
        "lower by .03": int((gain > 0.03).sum()),
        "median gain": np.median(gain),
        "worst": worst(measures, gain),
        "accuracy": accuracy.mean(),
        "accuracy lower by .02": int((hits_gain < -0.02).sum()),
    }


# The number of experts by BIC.


def path(configuration, X, y):
    """The path up to the configuration's number of experts."""
    estimator = model(MixtureOfLinearExperts, configuration)
    return n_experts_path(estimator, X, y, max_experts=configuration["experts"])


def least_noise(fitted, y):
    """The least noise of an expert over the standard deviation of y."""
    return np.sqrt(fitted.noise_variance_.min()) / y.std()


def picks_by_bic(configuration, data, repeats):
    """The pick on all rows and its least noise; held-out nats of the picks on folds."""
    X, y = data
    pick = path(configuration, StandardScaler().fit_transform(X), y).best("bic")
    folds = RepeatedKFold(n_splits=5, n_repeats=repeats, random_state=0)
    nats, of_picks, noises = [], [], []
    for train, test in folds.split(X):
        scaler = StandardScaler().fit(X[train])
        fits = path(configuration, scaler.transform(X[train]), y[train])
        Z, targets = scaler.transform(X[test]), y[test]
        nats.append([fit.score_samples(Z, targets).mean() for fit in fits.estimators])
        of_picks.append(nats[-1][int(np.argmin(fits.bic))])
        noises.append(least_noise(fits.best("bic"), y[train]))
    nats = np.mean(nats, axis=0) + np.log(y.std())
    return {
        "pick": int(pick.n_experts),
        "least noise": least_noise(pick, y),
        "folds near floor": int((np.array(noises) < NEAR_FLOOR).sum()),
        "nats of pick": np.mean(of_picks) + np.log(y.std()),
        "nats of best": nats.max(),
        "best": int(nats.argmax()) + 1,
        "nats of one": nats[0],
    }


def bic_summary(measures, references):
    """How many picks are at or near the floor, and their held-out nats."""
    noise = column(measures, "least noise")
    pick, best, one = (
        column(measures, f"nats of {name}", LEAST_NATS)
        for name in ("pick", "best", "one")
    )
    return {
        "sets": len(measures),
        "at floor": int((noise < AT_FLOOR).sum()),
        "near": int((noise < NEAR_FLOOR).sum()),
        "folds near": int(column(measures, "folds near floor").sum()),
        "mean pick": column(measures, "pick").mean(),
        "nats of pick": pick.mean(),
        "of best": best.mean(),
        "of one": one.mean(),
        "pick below one by .05": int((pick < one - 0.05).sum()),
        "above by .05": int((pick > one + 0.05).sum()),
        "below best by .1": int((pick < best - 0.1).sum()),
    }


# Small noise.


def line_regimes(kind, n, rng):
    """Features (n, 1), and means of two lines."""
    x = rng.uniform(-1, 1, n)
    is_gated, is_first = rng.random(n) < 1 / (1 + np.exp(-8 * x)), rng.random(n) < 0.5
    sign = np.where(is_gated if kind == "gated" else is_first, 1.0, -1.0)
    return x[:, None], x + 0.5 * sign if kind == "parallel" else x * sign


def noisy_lines(kind, n, seed):
    """Features, targets and the standard deviation of their noise."""
    rng = np.random.default_rng(seed)
    X, mean = line_regimes(kind, n, rng)
    noise = NOISE_SHARE * mean.std()
    return X, mean + noise * rng.standard_normal(n), noise


def noisy_amounts(kind, n, seed):
    """Features, Gamma targets and the root of their dispersion."""
    rng = np.random.default_rng(seed)
    X, log_mean = line_regimes(kind, n, rng)
    shape = NOISE_SHARE**-2
    return X, np.exp(log_mean) * rng.gamma(shape, 1 / shape, n), NOISE_SHARE


def noise_sets(quick):
    """Family, kind and rows by name."""
    families = {
        "normal": ("crossing", "parallel", "gated"),
        "gamma": ("crossing", "gated"),
    }
    return {
        f"{family}, {kind}, n={n}": (family, kind, n)
        for family, kinds in families.items()
        for kind in kinds
        for n in ((60, 200) if quick else (60, 200, 2000))
    }


def fitted_noise(configuration, family, X, y):
    """Geometric mean of the fitted noise of the experts."""
    if family == "normal":
        fitted = model(MixtureOfLinearExperts, configuration).fit(X, y)
        return np.exp(np.log(fitted.noise_variance_).mean() / 2)
    fitted = model(MixtureOfGLMExperts, configuration, family="gamma").fit(X, y)
    return np.exp(np.log(fitted.dispersion_).mean() / 2)


def small_noise(configuration, data, repeats):
    """Medians of fitted noise over the true one, and over that without a prior."""
    family, kind, n = data
    prior = configuration["noise_prior"]
    if prior is not None and family == "gamma":
        if "noise_prior" not in MixtureOfGLMExperts().get_params():
            return {"over truth": np.nan, "over no prior": np.nan}
    draw = noisy_lines if family == "normal" else noisy_amounts
    over_truth, over_none = [], []
    for seed in range(repeats):
        X, y, noise = draw(kind, n, seed)
        fitted = fitted_noise(configuration, family, X, y)
        over_truth.append(fitted / noise)
        if prior is not None:
            none = {**configuration, "noise_prior": 0.0}
            over_none.append(fitted / fitted_noise(none, family, X, y))
    over_none = np.median(over_none) if over_none else np.nan
    return {"over truth": np.median(over_truth), "over no prior": over_none}


def noise_summary(measures, references):
    """Over the truth and, in brackets, over no prior: means over the kinds."""
    columns = {}
    for name, of_set in measures.items():
        family, _, n = name.split(", ")
        columns.setdefault(f"{family}, {n}", []).append(
            [of_set["over truth"], of_set["over no prior"]]
        )
    return {
        title: "{:.3f} ({:.3f})".format(*np.mean(values, axis=0)).replace("nan", "-")
        for title, values in columns.items()
    }


# Jumps.


def truth(x, jumps):
    """Lines between jumps."""
    pieces = np.searchsorted(jumps, x, side="right")
    return np.choose(pieces, [line(x) for line in LINES[: len(jumps) + 1]])


def jump_sets(quick):
    """Jumps and rows by name."""
    return {
        f"{name}, n={n}": (jumps, n)
        for name, jumps in JUMPS.items()
        for n in ((400,) if quick else (400, 4000, 20_000))
    }


def jump_error(fit_predict, jumps, n, repeats):
    """Median over seeds of the RMSE to the truth, on a grid."""
    grid, errors = np.linspace(0, 3, 3001), []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        x = rng.uniform(0, 3, n)
        y = truth(x, jumps) + 0.1 * rng.standard_normal(n)
        error = fit_predict(x, y, grid) - truth(grid, jumps)
        errors.append(np.sqrt(np.mean(error**2)))
    return {"rmse": np.median(errors)}


def mixture_jump(configuration, data, repeats):
    """Error of a mixture of as many experts as there are lines."""
    jumps, n = data
    estimator = model(MixtureOfLinearExperts, configuration, len(jumps) + 1)
    pipeline = make_pipeline(StandardScaler(), estimator)

    def fit_predict(x, y, grid):
        return pipeline.fit(x[:, None], y).predict(grid[:, None])

    return jump_error(fit_predict, jumps, n, repeats)


def known_jump(data, repeats):
    """Error of a line between each two of the true jumps."""
    jumps, n = data

    def fit_predict(x, y, grid):
        predicted = np.empty_like(grid)
        for piece in range(len(jumps) + 1):
            ours, of_grid = (
                np.searchsorted(jumps, v, "right") == piece for v in (x, grid)
            )
            line = LinearRegression().fit(x[ours, None], y[ours])
            predicted[of_grid] = line.predict(grid[of_grid, None])
        return predicted

    return jump_error(fit_predict, jumps, n, repeats)


def jump_summary(measures, references):
    """RMSE to the truth."""
    return {name: f"{of_set['rmse']:.4f}" for name, of_set in measures.items()}


PARTS = {
    "regression": Part(
        lambda quick: first(regression_sets(), quick),
        mixture_regression,
        ridge_regression,
        regression_summary,
        2,
        [2, 3],
    ),
    "classification": Part(
        lambda quick: first(classification_sets(), quick),
        mixture_classification,
        logistic_classification,
        classification_summary,
        2,
        [2, 3],
    ),
    "bic": Part(
        lambda quick: first(few_column_sets(), quick),
        picks_by_bic,
        None,
        bic_summary,
        1,
        [3],
    ),
    "noise": Part(noise_sets, small_noise, None, noise_summary, 20, [2]),
    "jump": Part(jump_sets, mixture_jump, known_jump, jump_summary, 5, [None]),
}


def quietly(function, *arguments):
    """Measures without warnings, and the seconds they took."""
    start = time.perf_counter()
    # Few rows and many coefficients: a warning is part of the result.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measures = function(*arguments)
    return {**measures, "seconds": time.perf_counter() - start}


def configurations(options):
    """All combinations of the grids."""
    grids = [getattr(options, name) for name in (*PARAMETERS, "experts")]
    for values in itertools.product(*grids):
        configuration = dict(zip((*PARAMETERS, "experts"), values))
        if configuration["gate_alpha"] == "same":
            configuration["gate_alpha"] = configuration["alpha"]
        yield configuration


def run(options):
    """Measures of all configurations and sets, printed on the way."""
    part = PARTS[options.part]
    sets = part.sets(options.quick)
    repeats = 1 if options.quick else options.repeats
    parallel = Parallel(n_jobs=options.n_jobs, batch_size=1)

    def on_all(function, *configuration):
        tasks = (
            delayed(quietly)(function, *configuration, sets[name], repeats)
            for name in reversed(sets)  # the largest first
        )
        return dict(reversed(list(zip(reversed(sets), parallel(tasks)))))

    report = {"part": options.part, "quick": options.quick, "repeats": repeats}
    report.update(reference=None, results=[])
    table = Table()
    if part.reference:
        report["reference"] = on_all(part.reference)
        add_row(table, report)
    for configuration in configurations(options):
        result = {**configuration, "sets": on_all(part.measure, configuration)}
        report["results"].append(result)
        add_row(table, report, result)
        if options.out:
            with open(options.out, "w") as file:
                json.dump(report, file, indent=1, default=float)
    return report


class Table:
    """A Markdown table, printed row by row."""

    def __init__(self):
        self.is_new = True

    def add(self, **cells):
        """Print a row, under a heading if it is the first."""
        if self.is_new:
            self.put(cells)
            print("|---" * len(cells) + "|")
            self.is_new = False
        self.put(map(text, cells.values()))

    def put(self, cells):
        print("| " + " | ".join(cells) + " |", flush=True)


def text(value):
    """A cell."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def labels(result):
    """The cells of a configuration; without one those of the reference."""
    if result is None:
        return {
            "alpha": "reference",
            "gate_alpha": "",
            "noise_prior": "",
            "experts": "",
        }
    cells = {
        name: "default" if result[name] is None else f"{result[name]:g}"
        for name in (*PARAMETERS, "experts")
    }
    return cells if result["experts"] else {**cells, "experts": "one a line"}


def add_row(table, report, result=None):
    """The row of a configuration or of the reference."""
    sets = result["sets"] if result else report["reference"]
    columns = PARTS[report["part"]].summary(sets, report["reference"])
    seconds = round(column(sets, "seconds").sum())
    table.add(**labels(result), **columns, s=seconds)


def list_sets(report):
    """A table of all sets, of the reference and of each configuration."""
    for result in [None, *report["results"]]:
        sets = result["sets"] if result else report["reference"]
        if sets is None:
            continue
        names = [f"{name} {value}" for name, value in labels(result).items() if value]
        print("\n" + (", ".join(names) if result else "reference") + "\n")
        table = Table()
        for name, measures in sets.items():
            table.add(set=name, **measures)


def print_files(options):
    """The tables of JSON files, those of one part together."""
    reports = {}
    for name in options.files:
        with open(name) as file:
            report = json.load(file)
        if report["part"] in reports:
            reports[report["part"]]["results"] += report["results"]
        else:
            reports[report["part"]] = report
    for report in reports.values():
        print(f"\n{report['part']}\n")
        table = Table()
        if report["reference"]:
            add_row(table, report)
        for result in report["results"]:
            add_row(table, report, result)
        if options.sets:
            list_sets(report)


def grid(kind=float, words=("default",)):
    """A parser of lists with commas; 'default' is None."""

    def parse(given):
        names = given.split(",")
        values = [name if name in words else kind(name) for name in names]
        return [None if value == "default" else value for value in values]

    return parse


def parser():
    """Of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=__doc__[__doc__.index("Five parts") :],
    )
    commands = parser.add_subparsers(dest="part", required=True)
    for name, part in PARTS.items():
        command = commands.add_parser(name)
        command.set_defaults(noise_prior=[None], experts=part.experts)
        command.add_argument("--alpha", type=grid(), default=[None])
        words = ("default", "same")
        command.add_argument("--gate-alpha", type=grid(words=words), default=[None])
        if name != "classification":
            command.add_argument("--noise-prior", type=grid(), default=[None])
        if part.experts != [None]:
            meaning = "largest number" if name == "bic" else "numbers"
            command.add_argument(
                "--experts", type=grid(int, ()), help=f"{meaning} of experts"
            )
        command.add_argument("--n-jobs", type=int, default=1, help="processes")
        command.add_argument("--quick", action="store_true", help="few sets, 1 repeat")
        meaning = "of the cross-validation, or seeds"
        command.add_argument("--repeats", type=int, default=part.repeats, help=meaning)
        command.add_argument("--sets", action="store_true", help="list all sets too")
        command.add_argument("--out", metavar="FILE.json")
    command = commands.add_parser("table", help="print tables of JSON files again")
    command.add_argument("files", nargs="+")
    command.add_argument("--sets", action="store_true", help="list all sets too")
    return parser


def main():
    options = parser().parse_args()
    if options.part == "table":
        print_files(options)
        return
    report = run(options)
    if options.sets:
        list_sets(report)


if __name__ == "__main__":
    main()
