"""
=======================================
Signs that nobody wrote down: symmetric
=======================================

Measurements whose sign was lost: ``y = z x'beta + noise`` with z in {-1, +1}.  The
mean of y says nothing, since both signs cancel; the symmetric mixture finds beta, and a
gate that tells the sign as far as x does.  The signal-to-noise ratio says how fast EM
gets there.

Run it with a path to save the picture there: ``python plot_symmetric.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import information, signal_to_noise

# %%
# The data
# --------

rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 2))
z = np.where(rng.uniform(size=1000) < 1 / (1 + np.exp(-X[:, 1])), 1, -1)
y = z * 1.5 * X[:, 0] + 0.5 * rng.standard_normal(1000)

model = MixtureOfLinearExperts(symmetric=True, tol=1e-10, random_state=0).fit(X, y)
print("Linear regression:", *LinearRegression().fit(X, y).coef_.round(2))
print("Symmetric experts:", *(row.round(2).tolist() for row in model.coef_))
print(f"Signal-to-noise ratio {signal_to_noise(model):.2f}")
print(f"An EM step shrinks the error by {information(model, X, y).em_rate:.2f}")
right = (model.responsibilities(X, y).argmax(axis=1) == 0) == (z == 1)
right = right if right.mean() > 0.5 else ~right
print(f"Signs told right: {right.mean():.3f}")

# %%
# The picture
# -----------

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
share = model.responsibilities(X, y)[:, 0]
points = ax.scatter(X[:, 0], y, c=share, cmap="cividis", s=10)
ends = np.array([-3.2, 3.2])
for k, (colour, style) in enumerate((("#D55E00", "-"), ("#0072B2", "--"))):
    ax.plot(ends, ends * model.coef_[k, 0], style, color=colour, lw=2.5)
    ax.annotate(f"Expert {k}", (3.25, 3.2 * model.coef_[k, 0]), color=colour)
ax.set(xlabel="$x_0$", ylabel="y", xlim=(-3.4, 4.2))
ax.spines[["top", "right"]].set_visible(False)
figure.colorbar(points, label="Responsibility of expert 0")

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
