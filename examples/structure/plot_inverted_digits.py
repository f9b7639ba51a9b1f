"""
======================================
Inverted digits: two experts, one gate
======================================

Half of scikit-learn's digit images are inverted at random, ``x -> 16 - x``: a bright
digit on a dark ground becomes a dark one on a bright ground, and nothing says which
image was inverted.  One logistic regression would need each pixel to mean two opposite
things, and fails.  A mixture of two logistic experts with default parameters learns who
was inverted without being told, and one classifier for each kind.

Run it with a path to save the picture there:
``python plot_inverted_digits.py picture.png``.
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skmoe import MixtureOfLogisticExperts

# %%
# The data
# --------
# 1,797 images of 8 x 8 pixels from 0 to 16; 70 percent of them to learn from.

rng = np.random.RandomState(0)
images, digits = load_digits(return_X_y=True)
inverted = rng.uniform(size=len(images)) < 0.5
X = np.where(inverted[:, None], 16 - images, images) / 16
X_train, X_test, y_train, y_test, clean_train, clean_test, _, inverted_test = (
    train_test_split(
        X, digits, images / 16, inverted, test_size=0.3, stratify=digits, random_state=0
    )
)

# %%
# Accuracy
# --------

single = LogisticRegression(max_iter=1000).fit(X_train, y_train)
moe = MixtureOfLogisticExperts(random_state=0).fit(X_train, y_train)
without = LogisticRegression(max_iter=1000).fit(clean_train, y_train)
print("Test accuracy, half of the images inverted:")
print(f"  one logistic regression   {single.score(X_test, y_test):.3f}")
print(f"  two logistic experts      {moe.score(X_test, y_test):.3f}")
print("Test accuracy, no image inverted:")
print(f"  one logistic regression   {without.score(clean_test, y_test):.3f}")

# %%
# Who was inverted?
# -----------------
# The gate sees the image only, the responsibilities its digit as well.  Which of the
# experts takes the inverted images is for the fit to choose.

gate = moe.gate_proba(X_test)
responsibilities = moe.responsibilities(X_test, y_test)
inverted_expert = int(gate[inverted_test].mean(axis=0).argmax())
print(f"\nTest images of {inverted_test.sum()} inverted ones and the rest told apart:")
for name, proba in (("gate", gate), ("responsibilities", responsibilities)):
    right = (proba.argmax(axis=1) == inverted_expert) == inverted_test
    sure = proba.max(axis=1).mean()
    print(f"  {name:<17} {right.mean():.3f} right, mean certainty {sure:.3f}")

# %%
# The picture
# -----------
# The gate's logit for the expert of inverted images: bright pixels at the border, which
# are dark in every image that was not inverted, speak for it.  To the right are test
# images that the gate gives to each expert, and the digit that is read.


def draw(plt):
    """Figure of the gate's coefficients and of test images with their experts."""
    fig = plt.figure(figsize=(9, 3.3), layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=(1, 2))
    ax = left.subplots()
    coef = 2 * moe.gate_coef_[inverted_expert].reshape(8, 8)
    limit = np.abs(coef).max()
    shown = ax.imshow(coef, cmap="PuOr_r", vmin=-limit, vmax=limit)
    ax.set(xticks=[], yticks=[])
    ax.set_title("Gate coefficients", fontsize=11)
    left.colorbar(shown, ax=ax, orientation="horizontal", shrink=0.9).set_label(
        f"log-odds of expert {inverted_expert} per pixel"
    )
    predicted = moe.predict(X_test)
    axes = right.subplots(2, 6)
    for k, row in enumerate(axes):
        for ax, i in zip(row, np.flatnonzero(gate.argmax(axis=1) == k)):
            ax.imshow(X_test[i].reshape(8, 8), cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            truth = "" if predicted[i] == y_test[i] else f", is {y_test[i]}"
            ax.set_title(f"reads {predicted[i]}{truth}", fontsize=10)
        row[0].set_ylabel(f"Expert {k}", fontsize=11)
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
