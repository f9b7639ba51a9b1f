"""
================================================
Who decides, and what follows: different columns
================================================

The gate and the experts may each see columns of their own; statisticians call those of
the gate concomitant variables.  Here age decides which of two dose-response lines
holds, and the dose does the rest.  Given all columns, the gate could use the dose as
well, and would have to find out that it should not.

Run it with a path to save the picture there:
``python plot_concomitant_variables.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmoe import MixtureOfLinearExperts

# %%
# Patients, generated
# -------------------

rng = np.random.default_rng(0)
age, dose = rng.uniform(20, 80, size=300), rng.uniform(0, 10, size=300)
old = rng.uniform(size=300) < 1 / (1 + np.exp(-(age - 50) / 5))
response = np.where(old, 8 - 0.3 * dose, 2 + 0.8 * dose) + rng.standard_normal(300)
X = pd.DataFrame({"age": age, "dose": dose})

# %%
# Two models
# ----------
# `coef_` and `gate_coef_` hold just the columns that were chosen.

columns = {"gate_features": ["age"], "expert_features": ["dose"]}
own = MixtureOfLinearExperts(random_state=0, **columns).fit(X, response)
every = MixtureOfLinearExperts(random_state=0).fit(X, response)
print("Slopes over dose:", *own.coef_[:, 0].round(2))
print("Gate's slope over age:", *own.gate_coef_[:, 0].round(2))
print(f"BIC with columns of their own {own.bic(X, response):.0f}, ", end="")
print(f"with all columns {every.bic(X, response):.0f}")

# %%
# The picture
# -----------

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
ages, doses = np.linspace(20, 80, 200), np.linspace(0, 10, 50)
gate = own.gate_proba(pd.DataFrame({"age": ages, "dose": 5.0}))
means = own.predict_expert(pd.DataFrame({"age": 50.0, "dose": doses}))
share = own.responsibilities(X, response)[:, 0]
points = right.scatter(dose, response, c=share, cmap="cividis", s=16)
for k, (colour, style) in enumerate((("#D55E00", "-"), ("#0072B2", "--"))):
    left.plot(ages, gate[:, k], style, color=colour, lw=2.5, label=f"Expert {k}")
    right.plot(doses, means[:, k], style, color=colour, lw=2.5)
left.set(xlabel="Age (years)", ylabel="Probability of the expert")
left.legend(frameon=False, loc="center right")
right.set(xlabel="Dose", ylabel="Response")
figure.colorbar(points, label="Responsibility of expert 0")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
