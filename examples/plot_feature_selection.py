"""
==================================================
Which features matter, and to whom: an L1 penalty
==================================================

Of twenty features, three matter in one regime, three others in the second, and one
decides between the two.  A ridge penalty gives every feature a coefficient everywhere.
An L1 penalty, `l1_ratio` and `gate_l1_ratio`, makes most of them exactly zero, for the
experts and for the gate; its strength is found by held-out likelihood.

Run it with a path to save the picture there:
``python plot_feature_selection.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import log_likelihood_scorer

# %%
# Data with two regimes
# ---------------------
# Few rows: 300 for the 63 coefficients of a gate and two experts.

rng = np.random.default_rng(0)
X = rng.standard_normal((300, 20))
slopes = np.zeros((2, 20))
slopes[0, [0, 1, 2]] = [2.0, -1.0, 1.0]
slopes[1, [3, 4, 5]] = [-2.0, 1.0, 1.0]
regime = (rng.uniform(size=300) < 1 / (1 + np.exp(-4 * X[:, 6]))).astype(int)
y = (X * slopes[regime]).sum(axis=1) + 0.5 * rng.standard_normal(300)

# %%
# Ridge and lasso, each with the strength that predicts best
# ----------------------------------------------------------

strengths = {"alpha": [3, 10, 30, 100], "gate_alpha": [3, 10, 30]}
fits = {}
for name, l1_ratio in (("Ridge", 0.0), ("Lasso", 1.0)):
    model = MixtureOfLinearExperts(
        l1_ratio=l1_ratio, gate_l1_ratio=l1_ratio, random_state=0
    )
    search = GridSearchCV(model, strengths, scoring=log_likelihood_scorer).fit(X, y)
    fits[name] = search.best_estimator_
    print(
        f"{name}: {search.best_params_}, "
        f"{np.count_nonzero(fits[name].coef_)} of 40 slopes and "
        f"{np.count_nonzero(fits[name].gate_coef_[0])} of 20 gate slopes not zero, "
        f"held-out log-likelihood {search.best_score_:.3f}"
    )

# %%
# The picture
# -----------
# White is exactly zero.  The gate has one row, for its second expert.

figure, axes = plt.subplots(2, 1, figsize=(9, 3.6), layout="constrained", sharex=True)
for ax, (name, fit) in zip(axes, fits.items()):
    first = int(np.abs(fit.coef_[:, 0]).argmax())
    order = [first, 1 - first]
    rows = np.vstack([fit.coef_[order], fit.gate_coef_[order[1]]])
    shown = ax.imshow(
        np.where(rows == 0, np.nan, rows), cmap="PuOr_r", vmin=-2.2, vmax=2.2
    )
    ax.set_title(f"{name}: {np.count_nonzero(rows)} coefficients of 60")
    ax.set_yticks(range(3), ["First regime", "Second regime", "Gate"])
    ax.set_xticks(range(20))
    ax.set_xticks(np.arange(20) - 0.5, minor=True)
    ax.set_yticks(np.arange(3) - 0.5, minor=True)
    ax.grid(which="minor", color="0.85")
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
axes[1].set_xlabel("Feature")
figure.colorbar(shown, ax=axes, label="Coefficient", shrink=0.8)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
