"""
==============================================
In a pipeline, searched by held-out likelihood
==============================================

A mixture of logistic experts behind a scaler, with the number of experts and both
penalties chosen by cross-validated likelihood: how probable new classes are under the
model, not only how often the most probable one is right.

Run it with a path to save the picture there:
``python plot_pipeline_search.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import MixtureOfLogisticExperts
from skmoe.model_selection import log_likelihood_scorer
from skmoe.plotting import GateRegionsDisplay

# %%
# The search
# ----------

X, y = make_moons(1000, noise=0.25, random_state=0)
X, X_new, y, y_new = train_test_split(X, y, random_state=0)
pipeline = make_pipeline(StandardScaler(), MixtureOfLogisticExperts(random_state=0))
name = "mixtureoflogisticexperts"
grid = {
    f"{name}__n_experts": [1, 2, 3],
    f"{name}__alpha": [0.01, 0.1, 1.0],
    f"{name}__gate_alpha": [0.01, 0.1],
}
search = GridSearchCV(pipeline, grid, scoring=log_likelihood_scorer).fit(X, y)
best = search.best_estimator_
single = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
print("Chosen:", {key.split("__")[1]: v for key, v in search.best_params_.items()})
print(f"Accuracy of new rows {best.score(X_new, y_new):.3f}, ", end="")
print(f"of one logistic regression {single.score(X_new, y_new):.3f}")
print(f"Likelihood of new rows {log_likelihood_scorer(best, X_new, y_new):.3f} nats")

# %%
# The picture
# -----------
# Where each expert rules, and the line of even odds that the mixture draws.

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
display = GateRegionsDisplay.from_estimator(best, X, y, ax=ax)
points = [display.xx0.ravel(), display.xx1.ravel()]
positive = best.predict_proba(list(zip(*points)))[:, 1].reshape(display.xx0.shape)
ax.contour(display.xx0, display.xx1, positive, levels=[0.5], colors="black")
ax.set_title("Regions of the experts, and even odds of both classes")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
