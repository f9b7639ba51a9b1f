"""
==================================================
Which features matter, and to whom: an L1 penalty
==================================================

Of twenty features, three matter in one regime, three others in the second, and one
decides between the two.  A ridge penalty gives every feature a coefficient everywhere.
An L1 penalty, `l1_ratio` and `gate_l1_ratio`, makes most of them exactly zero, for the
experts and for the gate; a path of strengths, with the held-out likelihood of each,
tells how strong it should be.

Run it with a path to save the picture there:
``python plot_feature_selection.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import alpha_path

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
# Penalties of experts and gate change together, in the ratio of `alpha` and
# `gate_alpha`.  The rule of one standard error takes the strongest penalty that
# predicts as well as the best, as far as the folds can tell.

strengths = np.geomspace(1, 300, 12)
paths, fits = {}, {}
for name, l1_ratio in (("Ridge", 0.0), ("Lasso", 1.0)):
    model = MixtureOfLinearExperts(
        alpha=1,
        gate_alpha=0.5,
        l1_ratio=l1_ratio,
        gate_l1_ratio=l1_ratio,
        random_state=0,
    )
    path = paths[name] = alpha_path(model, X, y, alphas=strengths)
    fits[name] = path.best()
    print(
        f"{name}: alpha={fits[name].alpha:.3g}, "
        f"{np.count_nonzero(fits[name].coef_)} of 40 slopes and "
        f"{np.count_nonzero(fits[name].gate_coef_[0])} of 20 gate slopes not zero, "
        f"held-out log-likelihood {path.mean.max():.3f} at best"
    )
print(paths["Lasso"].table().round(3))

# %%
# The picture
# -----------
# Above: held-out log-likelihood and its standard error; the strength that was taken is
# filled.  Below: the coefficients, white where they are exactly zero.  The gate has one
# row, for its second expert.

figure, axes = plt.subplots(
    3, 1, figsize=(9, 6.4), layout="constrained", height_ratios=[1.5, 1, 1]
)
for name, path in paths.items():
    drawn = axes[0].errorbar(
        path.alphas, path.mean, path.standard_error, marker="o", mfc="w", label=name
    )
    taken = path.alphas == fits[name].alpha
    axes[0].plot(
        path.alphas[taken], path.mean[taken], "o", color=drawn[0].get_color(), zorder=3
    )
axes[0].set(
    xscale="log", xlabel="alpha", ylabel="Held-out log-likelihood\n(nats per row)"
)
axes[0].legend(frameon=False)
axes[0].spines[["top", "right"]].set_visible(False)
for ax, (name, fit) in zip(axes[1:], fits.items()):
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
axes[2].set_xlabel("Feature")
figure.colorbar(shown, ax=axes[1:], label="Coefficient", shrink=0.8)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
