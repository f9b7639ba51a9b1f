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
    "grouped": {"gate_features": [], "expert_features": ["x1", "x2"]},
    "grouped gated": {"gate_features": ["w"], "expert_features": ["x1", "x2"]},
    "grouped logistic": {"gate_features": ["w"], "expert_features": ["x1", "x2"]},
}


def page_data(n=20_000, seed=0):
    """Data frame with the columns y, bought, x1, x2 and start (1 or 2).

    And those of grouped data: id, w (constant in a group), z, chosen and id_start.
    """
    rng = np.random.default_rng(seed)
    x1, x2 = rng.standard_normal((2, n))
    second = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x1))
    predictor = np.where(second, 1 - x1 + 2 * x2, -1 + x1 - 2 * x2)
    y = predictor + np.where(second, 0.5, 1.0) * rng.standard_normal(n)
    bought = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * predictor))
    columns = {"y": y, "bought": bought.astype(int), "x1": x1, "x2": x2}
    return pd.DataFrame(columns).assign(start=1 + second, **_grouped(x1, x2, rng))


def _grouped(x1, x2, rng):
    """Columns of grouped data: 5 to 15 rows share an expert."""
    n = x1.shape[0]
    sizes = rng.integers(5, 16, size=n)
    group = np.repeat(np.arange(n), sizes)[:n]
    w = rng.standard_normal(n)
    second = rng.uniform(size=n) < 1 / (1 + np.exp(-w))
    # A start that is right for 90% of the groups.
    start = second ^ (rng.uniform(size=n) < 0.1)
    second, w, start = second[group], w[group], start[group]
    predictor = np.where(second, 0.5 - x1 + x2, -0.5 + x1 + 0.5 * x2)
    z = predictor + np.where(second, 1.0, 2.0) * rng.standard_normal(n)
    chosen = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * predictor))
    values = {"id": group, "w": w, "z": z, "chosen": chosen.astype(int)}
    return values | {"id_start": 1 + start}


def ours(name, data):
    """Numbers of a model under the names that the R script gives them, a dict."""
    X, start = data[["x1", "x2"]], data["start"].to_numpy() - 1
    kind, y, groups = MixtureOfLinearExperts, data["y"], None
    if name == "logistic":
        kind, y = MixtureOfLogisticExperts, data["bought"]
    if name.startswith("grouped"):
        X, y, groups = data[["x1", "x2", "w"]], data["z"], data["id"]
        start = data["id_start"].to_numpy() - 1
    if name == "grouped logistic":
        kind, y = MixtureOfLogisticExperts, data["chosen"]
    options = {"alpha": 0, "gate_alpha": 0, "tol": 1e-12, "max_iter": 5000}
    if kind is MixtureOfLinearExperts:
        options["noise_prior"] = 0
    model = kind(2, init=start, **options, **MODELS[name]).fit(X, y, groups=groups)
    experts = MODELS[name].get("expert_features", ["x1", "x2"])
    gate = MODELS[name].get("gate_features", ["x1", "x2"])
    numbers = {}
    for k in range(2):
        numbers[f"expert {k} coef.(Intercept)"] = model.intercept_[k]
        for feature, value in zip(experts, model.coef_[k]):
            numbers[f"expert {k} coef.{feature}"] = value
        if "logistic" not in name:
            numbers[f"expert {k} sigma"] = np.sqrt(model.noise_variance_[k])
    if gate:
        # flexmix's gates are relative to the first one.
        numbers["gate (Intercept)"] = np.diff(model.gate_intercept_)[0]
        for feature, value in zip(gate, np.diff(model.gate_coef_, axis=0)[0]):
            numbers[f"gate {feature}"] = value
    proba = model.responsibilities(X, y, groups=groups)
    once = proba if groups is None else proba[~groups.duplicated()]
    numbers |= {f"prior {k}": mass for k, mass in enumerate(once.mean(axis=0))}
    numbers["AIC"] = model.aic(X, y, groups=groups)
    numbers["BIC"] = model.bic(X, y, groups=groups)
    # AIC is 2 parameters - 2 logLik, and BIC log(n) parameters - 2 logLik.
    n_parameters = (numbers["BIC"] - numbers["AIC"]) / (np.log(len(X)) - 2)
    numbers["logLik"] = n_parameters - numbers["AIC"] / 2
    first = proba[:5, 0]
    return numbers | {f"posterior {row}": value for row, value in enumerate(first)}


def of_flexmix(script, data, rscript):
    """Rows of flexmix's answer to an R script: model, name, value."""
    with tempfile.TemporaryDirectory() as folder:
        table, result = Path(folder) / "data.csv", Path(folder) / "result.csv"
        data.to_csv(table, index=False)
        subprocess.run([rscript, script, table, result], check=True)
        with result.open() as file:
            reader = csv.DictReader(file)
            return [(row["model"], row["name"], float(row["value"])) for row in reader]


def compare(description, script, data, ours):
    """Print both packages' numbers; `ours` takes a model's name and the data."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rscript", default="Rscript")
    parser.add_argument("--record")
    options = parser.parse_args()
    rows = of_flexmix(script, data, options.rscript)
    numbers = {name: ours(name, data) for name in dict.fromkeys(row[0] for row in rows)}
    print("| model | number | flexmix | skmoe |\n|---|---|---|---|")
    for model, name, value in rows:
        print(f"| {model} | {name} | {value:.6g} | {numbers[model][name]:.6g} |")
    if options.record:
        with open(options.record, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["model", "name", "value"])
            writer.writerows(rows)


if __name__ == "__main__":
    compare(__doc__, SCRIPT, page_data(), ours)
