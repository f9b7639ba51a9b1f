"""The page "Coming from flexmix": the same models on the same data in both packages.

    python benchmarks/flexmix_page.py [--rscript Rscript] [--record FILE.csv]

Prints a Markdown table of both packages' numbers.  `--record` keeps flexmix's: the
tests compare with those in tests/recorded/flexmix_page.csv.  flexmix divides a noise
variance by n - p, not by n: 20,000 rows make that difference small.
"""

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts

SCRIPT = Path(__file__).parent / "peers" / "flexmix_page.R"
MODELS = {
    "gated": {},
    "constant": {"gate_features": []},
    "own": {"gate_features": ["x1"], "expert_features": ["x2"]},
    "logistic": {},
}


def page_data(n=20_000, seed=0):
    """Data frame with the columns y, bought, x1, x2 and start (1 or 2)."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.standard_normal((2, n))
    second = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x1))
    predictor = np.where(second, 1 - x1 + 2 * x2, -1 + x1 - 2 * x2)
    y = predictor + np.where(second, 0.5, 1.0) * rng.standard_normal(n)
    bought = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * predictor))
    columns = {"y": y, "bought": bought.astype(int), "x1": x1, "x2": x2}
    return pd.DataFrame(columns).assign(start=1 + second)


def ours(name, data):
    """Numbers of a model under the names that the R script gives them, a dict."""
    X, start = data[["x1", "x2"]], data["start"].to_numpy() - 1
    kind, y = MixtureOfLinearExperts, data["y"]
    if name == "logistic":
        kind, y = MixtureOfLogisticExperts, data["bought"]
    options = {"alpha": 0, "gate_alpha": 0, "tol": 1e-12, "max_iter": 5000}
    model = kind(2, init=start, **options, **MODELS[name]).fit(X, y)
    experts = MODELS[name].get("expert_features", ["x1", "x2"])
    gate = MODELS[name].get("gate_features", ["x1", "x2"])
    numbers = {}
    for k in range(2):
        numbers[f"expert {k} coef.(Intercept)"] = model.intercept_[k]
        for feature, value in zip(experts, model.coef_[k]):
            numbers[f"expert {k} coef.{feature}"] = value
        if name != "logistic":
            numbers[f"expert {k} sigma"] = np.sqrt(model.noise_variance_[k])
    if gate:
        # flexmix's gates are relative to the first one.
        numbers["gate (Intercept)"] = np.diff(model.gate_intercept_)[0]
        for feature, value in zip(gate, np.diff(model.gate_coef_, axis=0)[0]):
            numbers[f"gate {feature}"] = value
    mass = model.responsibilities(X, y).mean(axis=0)
    numbers |= {f"prior {k}": mass[k] for k in range(2)}
    numbers["logLik"] = model.score_samples(X, y).sum()
    numbers["AIC"], numbers["BIC"] = model.aic(X, y), model.bic(X, y)
    first = model.responsibilities(X[:5], y[:5])[:, 0]
    return numbers | {f"posterior {row}": value for row, value in enumerate(first)}


def of_flexmix(data, rscript):
    """Rows of flexmix's answer: model, name, value."""
    with tempfile.TemporaryDirectory() as folder:
        table, result = Path(folder) / "data.csv", Path(folder) / "result.csv"
        data.to_csv(table, index=False)
        subprocess.run([rscript, SCRIPT, table, result], check=True)
        with result.open() as file:
            reader = csv.DictReader(file)
            return [(row["model"], row["name"], float(row["value"])) for row in reader]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rscript", default="Rscript")
    parser.add_argument("--record")
    options = parser.parse_args()
    data = page_data()
    rows = of_flexmix(data, options.rscript)
    numbers = {name: ours(name, data) for name in MODELS}
    print("| model | number | flexmix | skmoe |\n|---|---|---|---|")
    for model, name, value in rows:
        print(f"| {model} | {name} | {value:.6g} | {numbers[model][name]:.6g} |")
    if options.record:
        with open(options.record, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["model", "name", "value"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
