"""Gates less that of a reference, as tables of multinomial logit models have them."""

import numpy as np
import pytest
import statsmodels.api as sm

from skmoe import MixtureOfGLMExperts, MixtureOfLinearExperts
from skmoe.inspection import inference

N = 400
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
LOGITS = np.column_stack([np.zeros(N), X[:, 0] - 0.5, 0.7 * X[:, 1]])
EXPERT = (LOGITS + RNG.gumbel(size=(N, 3))).argmax(axis=1)
Y = np.array([0.0, 4.0, -4.0])[EXPERT] + X @ [1, -1] + RNG.normal(size=N)
FREE = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0, "tol": 1e-12}

OTHERS = [3, -1, "point mass", True, 0.5, 0.0, np.array([0]), np.array([0, 1]), [0]]

pytestmark = pytest.mark.filterwarnings("ignore:The penalties move estimates")


@pytest.fixture(scope="module")
def result():
    model = MixtureOfLinearExperts(3, random_state=0, **FREE | {"gate_alpha": 1.0})
    return inference(model.fit(X, Y), X, Y)


@pytest.mark.parametrize("reference", [0, 2])
def test_of_known_experts_it_is_the_multinomial_logit(reference):
    model = MixtureOfLinearExperts(3, **FREE).fit(X, Y, expert_labels=EXPERT)
    result = inference(model, X, Y, expert_labels=EXPERT)
    table = result.table(gate_reference=reference)
    others = [k for k in range(3) if k != reference]
    codes = np.array([*others, reference]).argsort()[EXPERT]
    # statsmodels takes the first class for the reference.
    design = np.column_stack([X, np.ones(N)])
    fit = sm.MNLogit((codes + 1) % 3, design).fit(disp=0, tol=1e-12)
    gate = table[table["part"] == "gate"]
    assert gate["expert"].tolist() == np.repeat(others, 3).tolist()
    np.testing.assert_allclose(gate["estimate"], fit.params.T.ravel(), rtol=1e-5)
    np.testing.assert_allclose(gate["std_error"], fit.bse.T.ravel(), rtol=1e-5)
    np.testing.assert_allclose(gate["p_value"], fit.pvalues.T.ravel(), rtol=1e-3)
    ends = fit.conf_int().reshape(-1, 2)
    np.testing.assert_allclose(gate[["lower", "upper"]], ends, rtol=1e-4)


def test_it_is_what_contrasts_say(result):
    table = result.table(penalty_bias=True, gate_reference=1)
    shift = dict(zip(result.names, result.penalty_bias * result.standard_error))
    for k in (0, 2):
        for feature in ("x0", "x1", "(intercept)"):
            row = table.loc[f"gate {k} - gate 1: {feature}"]
            ends = f"gate {k}: {feature}", f"gate 1: {feature}"
            test = result.wald_test(dict(zip(ends, (1, -1))))
            assert row["estimate"] == pytest.approx(test.estimate[0])
            assert row["std_error"] == pytest.approx(test.standard_error[0])
            assert row["p_value"] == pytest.approx(test.p_value)
            moved = (shift[ends[0]] - shift[ends[1]]) / test.standard_error[0]
            assert row["penalty_bias"] == pytest.approx(moved)
    plain = result.table(penalty_bias=True)
    rest = plain[plain["part"] != "gate"]
    assert rest.equals(table.loc[rest.index])


def test_in_a_tree_it_is_a_branch_of_each_node():
    model = MixtureOfLinearExperts(4, depth=2, gate_alpha=1.0, random_state=0)
    result = inference(model.fit(X, Y), X, Y)
    table = result.table(gate_reference=0)
    row = table.loc["gate 1, 1 - 1, 0: x0"]
    assert (row["expert"], row["output"]) == (1, 1)
    test = result.wald_test({"gate 1, 1: x0": 1, "gate 1, 0: x0": -1})
    assert row["estimate"] == pytest.approx(test.estimate[0])
    assert row["std_error"] == pytest.approx(test.standard_error[0])
    assert (table["part"] == "gate").sum() == 3 * 3


def test_experts_without_coefficients_may_be_it():
    counts = np.where(RNG.random(N) < 0.4, 0, RNG.poisson(np.exp(1 + X[:, 0] / 2)))
    model = MixtureOfGLMExperts(1, point_mass=0.0, gate_alpha=0.1)
    table = inference(model.fit(X, counts), X, counts).table(
        gate_reference="point mass"
    )
    difference = model.gate_coef_[0] - model.gate_coef_[1]
    found = table.loc[["gate 0 - gate point mass: x0", "gate 0 - gate point mass: x1"]]
    np.testing.assert_allclose(found["estimate"], difference)


def test_a_number_of_numpy_is_one(result):
    table = result.table(gate_reference=np.int64(2))
    assert table.equals(result.table(gate_reference=2))


def test_what_is_not_determined_has_no_standard_error():
    constant = np.column_stack([X, np.full(N, 3.0)])
    model = MixtureOfLinearExperts(2, gate_alpha=0.1, random_state=0)
    found = inference(model.fit(constant, Y), constant, Y)
    table = found.table(penalty_bias=True, gate_reference=0)
    is_constant = table["feature"] == "x2"
    known = table[["std_error", "penalty_bias"]].notna().all(axis=1)
    assert (known == ~is_constant).all()
    drawn = inference(
        model, constant, Y, method="bootstrap", n_resamples=3, random_state=0
    )
    table = drawn.table(penalty_bias=True, gate_reference=0)
    assert table["penalty_bias"].isna().all()


@pytest.mark.parametrize("reference", OTHERS)
def test_other_references_are_named(result, reference):
    with pytest.raises(ValueError, match=r"gate_reference=.* give one of \[0, 1, 2\]"):
        result.table(gate_reference=reference)
