"""What a path of penalties selects, and what standard errors of a refit ignore.

    python benchmarks/selection.py [--sets 40]

Generated sets of 300 rows and 20 columns, as in the example of feature selection: 7
of 60 coefficients are not zero.  `skmoe.model_selection.alpha_path` with five folds;
then `refit_on_support` on the same rows, and on 300 new ones.  Prints two tables in
Markdown: coefficients found and errors of the slopes by rule; and how often slopes that
are zero but were selected have a p-value below 0.05.
"""

import argparse
import warnings

import numpy as np

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import inference
from skmoe.model_selection import alpha_path, refit_on_support

RULES = ("one_standard_error", "max")
SLOPES = np.zeros((2, 20))
SLOPES[0, [0, 1, 2]] = [2.0, -1.0, 1.0]
SLOPES[1, [3, 4, 5]] = [-2.0, 1.0, 1.0]


def draw(seed, n=300):
    """X (n, 20) and y (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 20))
    regime = (rng.uniform(size=n) < 1 / (1 + np.exp(-4 * X[:, 6]))).astype(int)
    return X, (X * SLOPES[regime]).sum(axis=1) + 0.5 * rng.standard_normal(n)


def whole(fit):
    """Slopes of all columns, (2, 20), in the order of the true experts."""
    coef = np.zeros((2, 20))
    seen = fit._fitted["columns"][1]
    coef[:, slice(None) if seen is None else seen] = fit.coef_
    return coef[np.argsort(-coef[:, 0])]


def p_values_of_zeros(refit, X, y):
    """p-values of selected slopes that are truly zero, a list."""
    table = inference(refit, X, y).table()
    first = whole(refit)[0, 0] == refit.coef_[0].max(initial=-np.inf)
    found = []
    for row in table[table["part"] == "expert"].itertuples():
        if row.feature.startswith("x") and not np.isnan(row.std_error):
            true = SLOPES[row.expert if first else 1 - row.expert, int(row.feature[1:])]
            found += [row.p_value] if true == 0 else []
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=40)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    model = MixtureOfLinearExperts(
        alpha=1, gate_alpha=0.5, l1_ratio=1, gate_l1_ratio=1, random_state=0
    )
    counts = {rule: [] for rule in RULES}
    p_values = {"the same": [], "new": []}
    for seed in range(options.sets):
        X, y = draw(seed)
        path = alpha_path(model, X, y)
        for rule in RULES:
            fit = path.best(rule)
            coef, gate = whole(fit), fit.gate_coef_[0]
            hits = np.count_nonzero(coef[SLOPES != 0]) + (gate[6] != 0)
            extra = np.count_nonzero(coef) + np.count_nonzero(gate) - hits
            refit = refit_on_support(fit, X, y)
            errors = [np.sqrt(((c - SLOPES) ** 2).sum()) for c in (coef, whole(refit))]
            counts[rule].append([hits, extra, *errors])
        fit = path.best()
        for name, rows in (("the same", (X, y)), ("new", draw(10_000 + seed))):
            refit = refit_on_support(fit, *rows).set_params(gate_alpha=0.1)
            p_values[name] += p_values_of_zeros(refit.fit(*rows), *rows)
    print("| rule | found of 7 | others of 53 | error of slopes | after the refit |")
    print("|---" * 5 + "|")
    for rule, rows in counts.items():
        cells = [f"{value:.2f}" for value in np.mean(rows, axis=0)]
        print(f"| {rule} | " + " | ".join(cells) + " |")
    print("\n| rows of the refit | selected slopes that are zero | p < 0.05 |")
    print("|---" * 3 + "|")
    for name, values in p_values.items():
        share = 100 * np.mean(np.array(values) < 0.05)
        print(f"| {name} | {len(values)} | {share:.0f} % |")


if __name__ == "__main__":
    main()
