"""
===========================================
How fast EM converges: told from one matrix
===========================================

EM shrinks the distance from an optimum by a constant factor in the end: the largest
eigenvalue of the Missing Information Matrix, the share of the complete data's
information that is lost because nobody recorded which expert a row belongs to.  EM is
mirror descent with step 1, and the same eigenvalues tell how fast other steps are, and
which of them is best.

`skmoe.inspection.information` computes the matrix from a fitted model.  Here its
predictions are held against what EM and mirror descent with other steps do from the
same start.

Run it with a path to save the picture there:
``python plot_convergence_rate.py picture.png``.
"""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts
from skmoe.inspection import information

# %%
# The data
# --------
# Two lines, and a gate that prefers one of them to the left and the other to the right.
# The noise makes many rows ambiguous.

rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 2))
expert = rng.uniform(size=1000) < 1 / (1 + np.exp(-1.5 * X[:, 0]))
slope = np.where(expert[:, None], [1.5, 1.0], [-1.5, 1.0])
y = (slope * X).sum(axis=1) + rng.standard_normal(1000)

# %%
# The prediction
# --------------
# A fit by the default solver to the last digits, and the information at its parameters.
# The rate is that of the parameters; the distance of the objective from its minimum
# shrinks by the square.

STEPS = (0.5, 1.0, 1.5)
N_ITER = 100
# Responsibilities that lean to the truth: the start of all runs, and of the fit.
init = np.where(expert[:, None], [0.4, 0.6], [0.6, 0.4])
fitted = MixtureOfLinearExperts(init=init, tol=1e-14, max_iter=1000).fit(X, y)
theory = information(fitted, X, y)
minimum = fitted.objective_curve_[-1]
predicted = {step: theory.mirror_rate(step) ** 2 for step in STEPS}

# %%
# Practice
# --------
# The same number of iterations for each step.  Nothing but rounding stops them early,
# and so scikit-learn's warning that they did not converge is no news.


def distances(step):
    """Distance of F from its minimum at the start and after each iteration."""
    solver = "em" if step == 1 else "md"
    model = MixtureOfLinearExperts(
        init=init, solver=solver, step_size=step, tol=0.0, max_iter=N_ITER
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y).objective_curve_ - minimum


def measured_rate(gap):
    """Shrinkage per iteration, from 1e-8 down to 1e-12 nats."""
    near = np.flatnonzero((gap < 1e-8) & (gap > 1e-12))
    return (gap[near[-1]] / gap[near[0]]) ** (1 / (near[-1] - near[0]))


gaps = {step: distances(step) for step in STEPS}
print("The objective's distance from its minimum shrinks per iteration by")
for step in STEPS:
    print(
        f"  step {step:g}: predicted {predicted[step]:.4f}, "
        f"measured {measured_rate(gaps[step]):.4f}"
    )
best = theory.best_step_size
print(f"Best step: {best:.2f}, which gives {theory.mirror_rate(best) ** 2:.4f}")

# %%
# The picture
# -----------
# Dashed lines have the predicted slopes, and pass through the first distance below
# 1e-10: the runs join them once the faster directions have died out.  To the right are
# the eigenvalues: step 1 shrinks an error in the direction of an eigenvalue by just
# that factor, so that the first one decides, and a longer step evens them out.

COLOURS = {0.5: "#E69F00", 1.0: "#0072B2", 1.5: "#009E73"}


def draw(plt):
    """Figure of distances with predicted slopes, and of the eigenvalues."""
    fig, (ax, bars) = plt.subplots(
        1, 2, figsize=(9, 3.8), width_ratios=(2, 1), layout="constrained"
    )
    for step, gap in gaps.items():
        seen = np.flatnonzero(gap > 1e-13)
        name = f"EM, step {step:g}" if step == 1 else f"Mirror descent, step {step:g}"
        ax.plot(seen, gap[seen], color=COLOURS[step], lw=3, alpha=0.7, label=name)
        anchor = np.flatnonzero(gap < 1e-10)[0]
        line = gap[anchor] * predicted[step] ** (seen - anchor)
        label = "Predicted slope" if step == STEPS[-1] else None
        ax.plot(seen, line, color="black", ls="--", lw=1.3, label=label)
    ax.set(yscale="log", ylim=(1e-13, 2), xlabel="Iteration")
    ax.set_ylabel("F above its minimum (nats per sample)")
    ax.legend(frameon=False)
    values = theory.missing_eigenvalues
    bars.bar(np.arange(1, values.size + 1), values, color="0.6")
    bars.axhline(theory.em_rate, color=COLOURS[1.0], lw=1.5)
    bars.set(ylim=(0, 1), xlabel="Number", ylabel="Eigenvalue")
    bars.set_title(f"Missing information,\nEM's rate {theory.em_rate:.2f}", fontsize=11)
    for panel in (ax, bars):
        panel.spines[["top", "right"]].set_visible(False)
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
