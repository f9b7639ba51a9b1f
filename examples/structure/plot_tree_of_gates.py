"""
===============
A tree of gates
===============

A mixture of four experts can split the plane by one softmax or by a tree of two levels.
Here the left half is split high up and the right half far down, like bricks.  The line
between two experts of a softmax is the difference of their logits, so that its lines
depend on each other: it cannot draw this.  In a tree each node splits its own half.

Run it with a path to save the picture there:
``python plot_tree_of_gates.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from skmoe import MixtureOfLinearExperts
from skmoe.plotting import GateRegionsDisplay

# %%
# Four planes, laid like bricks
# -----------------------------


def bricks(n, seed):
    """Features, targets and which plane holds."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 2))
    right = X[:, 0] > 0
    piece = 2 * right + (X[:, 1] > np.where(right, -0.5, 0.5))
    slopes = np.array([[1.0, 2.0], [-2.0, 1.0], [3.0, -1.0], [-1.0, -3.0]])
    level = np.array([2.0, -1.0, 0.0, 3.0])
    y = (slopes[piece] * X).sum(axis=1) + level[piece]
    return X, y + 0.3 * rng.standard_normal(n)


X, y = bricks(2000, seed=0)
X_new, y_new = bricks(2000, seed=1)

# %%
# Two gates
# ---------

gates = {
    "One softmax": {"depth": 1},
    "Tree of two levels": {"depth": 2},
}
models = {
    name: MixtureOfLinearExperts(4, gate_alpha=1e-3, random_state=0, **gate).fit(X, y)
    for name, gate in gates.items()
}
for name, model in models.items():
    held_out = model.score_samples(X_new, y_new).mean()
    print(f"{name}: R2 {model.score(X_new, y_new):.3f}, ", end="")
    print(f"log-likelihood of new rows {held_out:.3f} nats")

# %%
# The tree's gate has one softmax for each node: the root, and one for each half.

tree = models["Tree of two levels"]
print("Shape of gate_coef_:", tree.gate_coef_.shape)

# %%
# The picture
# -----------

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for ax, (name, model) in zip(axes, models.items()):
    GateRegionsDisplay.from_estimator(model, X[:300], ax=ax)
    for x0, x1 in (([0, 0], [-1, 1]), ([-1, 0], [0.5, 0.5]), ([0, 1], [-0.5, -0.5])):
        ax.plot(x0, x1, "--", color="black", lw=1)
    ax.set_title(name)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
