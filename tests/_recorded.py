"""Numbers that R's packages found, and the data that they found them on."""

import json
from functools import cache

import pandas as pd
from _paper import ROOT

RECORDED = ROOT / "tests" / "recorded"


def recorded_data(name):
    """Data frame of a data set of `recorded/flexmix_models.R`, all columns numbers."""
    return pd.read_csv(RECORDED / f"{name}.csv")


@cache
def _numbers(name):
    with (RECORDED / f"{name}.json").open(encoding="utf-8") as file:
        return json.load(file)


def recorded_lcmm(name):
    """Numbers of a latent class model of `recorded/lcmm_models.R`."""
    return _numbers("lcmm_models")[name]


def recorded_lrmoe():
    """Numbers of the model of `recorded/lrmoe_models.R`."""
    return _numbers("lrmoe_models")


def recorded_model(name):
    """Numbers of one model, as the top of `recorded/flexmix_models.R` describes them.

    A dict of `call`, `k`, `family`, `n`, `df`, `constant`, and of `flexmix` and
    `maximum`, each a dict of `logLik`, `coef` and `gate` (term: a number for each
    expert, None where it has none), `sigma`, `prior`, and the first expert's
    `posterior`.
    """
    return _numbers("flexmix_models")[name]


def recorded_zero_inflated(name):
    """Numbers of a model of `recorded/zero_inflated_models.R`."""
    return _numbers("zero_inflated_models")[name]


def recorded_censored(name):
    """Numbers of a regression of `recorded/censored_models.R`."""
    return _numbers("censored_models")[name]


def recorded_entry(name):
    """Numbers of a model of `recorded/entry_models.py`."""
    return _numbers("entry_models")[name]


def recorded_lr_test():
    """Likelihood ratio statistics of `recorded/lr_test.R`, by package and response."""
    return _numbers("lr_test")
