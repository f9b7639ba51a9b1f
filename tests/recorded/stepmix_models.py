"""Records fit statistics of StepMix 3.0: Gaussian classes of one column.

    python tests/recorded/stepmix_models.py tests/recorded

Writes stepmix_models.json: for 1 to 3 classes of the column yn of
NPreg.csv the best of 10 starts, with log_likelihood, n_parameters, aic, bic, caic
and relative_entropy.  Its sabic has log(n (n + 2) / 24) for the log((n + 2) / 24) of
Sclove (1987), and is left out.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from stepmix.stepmix import StepMix


def main(folder):
    X = pd.read_csv(folder / "NPreg.csv")[["yn"]].to_numpy()
    found = {}
    for n_classes in (1, 2, 3):
        model = StepMix(
            n_classes,
            measurement="gaussian_diag",
            n_init=10,
            max_iter=5000,
            abs_tol=1e-10,
            rel_tol=0,
            random_state=0,
            progress_bar=0,
        ).fit(X)
        statistics = {
            name: getattr(model, name)(X)
            for name in ("aic", "bic", "caic", "relative_entropy")
        }
        statistics["log_likelihood"] = model.score(X) * len(X)
        statistics["n_parameters"] = model.n_parameters
        found[n_classes] = {name: float(v) for name, v in statistics.items()}
    found["1"] = found.pop(1) | {"relative_entropy": None}
    text = json.dumps(found, indent=1)
    (folder / "stepmix_models.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main(Path(sys.argv[1]))
