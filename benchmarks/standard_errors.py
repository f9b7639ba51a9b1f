"""Standard errors beside those of flexmix's `refit`, on generated problems.

    python benchmarks/standard_errors.py [--rscript Rscript] [--record FILE.csv]

Fits both packages from the same start without penalties and prints, for each problem,
the largest differences of estimates and of standard errors, relative to the standard
error.  `--record` keeps flexmix's numbers: the tests compare with those in
tests/recorded/flexmix_refit.csv.
"""

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from interval_coverage import CASES, draw

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.inspection import inference

SCRIPT = Path(__file__).parent / "peers" / "flexmix_refit.R"
# Problem: case of interval_coverage.py and the number of rows.
PROBLEMS = {
    "linear, K=2": ("linear", 1000),
    "linear, K=3": ("three linear", 3000),
    "logistic, K=2": ("logistic", 20_000),
}


def problem_data(name):
    """X, y, labels and number of experts of a problem."""
    case, n = PROBLEMS[name]
    case = CASES[case]._replace(n=n)
    return *draw(case, np.random.default_rng(0)), len(case.gate)


def ours(name):
    """Estimates and standard errors in flexmix's parameters, two dicts."""
    X, y, expert, n_experts = problem_data(name)
    is_linear = name.startswith("linear")
    kind = MixtureOfLinearExperts if is_linear else MixtureOfLogisticExperts
    options = {"alpha": 0, "gate_alpha": 0, "tol": 1e-12, "max_iter": 5000}
    if is_linear:
        options["noise_prior"] = 0
    model = kind(n_experts, init=expert, **options)
    # flexmix's gates are less that of the first expert.
    table = inference(model.fit(X, y), X, y).table(gate_reference=0)
    estimates, errors = {}, {}
    features = {"(Intercept)": "(intercept)", "x1": "x0", "x2": "x1"}
    for k in range(n_experts):
        for theirs, feature in features.items():
            label = f"model.1_Comp.{k + 1}_coef.{theirs}"
            row = table.loc[f"expert {k}: {feature}"]
            estimates[label], errors[label] = row["estimate"], row["std_error"]
            if k > 0:
                label = f"concomitant_Comp.{k + 1}.{theirs}"
                row = table.loc[f"gate {k} - gate 0: {feature}"]
                estimates[label], errors[label] = row["estimate"], row["std_error"]
        if is_linear:
            label = f"model.1_Comp.{k + 1}_log(sigma)"
            row = table.loc[f"noise {k}: (variance)"]
            estimates[label] = 0.5 * np.log(row["estimate"])
            errors[label] = 0.5 * row["std_error"] / row["estimate"]
    return estimates, errors


def of_flexmix(name, rscript):
    """Rows of flexmix's answer: name, estimate, standard error."""
    X, y, expert, n_experts = problem_data(name)
    family = "gaussian" if name.startswith("linear") else "binary"
    with tempfile.TemporaryDirectory() as folder:
        data, result = Path(folder) / "data.csv", Path(folder) / "result.csv"
        np.savetxt(
            data,
            np.c_[X, y, expert + 1],
            delimiter=",",
            header="x1,x2,y,label",
            comments="",
        )
        command = [rscript, SCRIPT, data, str(n_experts), family, result]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with result.open() as file:
            return [
                (row["name"], float(row["estimate"]), float(row["std_error"]))
                for row in csv.DictReader(file)
            ]


def differences(name, rows):
    """Largest differences of estimates and standard errors, in standard errors."""
    estimates, errors = ours(name)
    assert sorted(estimates) == sorted(label for label, _, _ in rows)
    of_estimates = [abs(estimates[label] - est) / err for label, est, err in rows]
    of_errors = [abs(errors[label] / err - 1) for label, _, err in rows]
    return max(of_estimates), max(of_errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rscript", default="Rscript")
    parser.add_argument("--record")
    options = parser.parse_args()
    print("| problem | rows | parameters | estimates differ by | standard errors by |")
    print("|---|---|---|---|---|")
    recorded = []
    for name, (_, n) in PROBLEMS.items():
        rows = of_flexmix(name, options.rscript)
        recorded += [(name, *row) for row in rows]
        of_estimates, of_errors = differences(name, rows)
        cells = (name, n, len(rows), f"{of_estimates:.1e} s.e.", f"{of_errors:.1e}")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    if options.record:
        with open(options.record, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["problem", "name", "estimate", "std_error"])
            writer.writerows(recorded)


if __name__ == "__main__":
    main()
