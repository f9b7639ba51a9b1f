"""How often AIC, BIC and ICL find the number of experts along a path.

    python benchmarks/n_experts.py [--sets 50]

Generated sets of 2,000 rows with two features and moderately overlapping linear
experts, `skmoe.model_selection.n_experts_path` up to six of them.  Prints a Markdown
table: share of the sets in which each criterion picks the true number.
"""

import argparse

import numpy as np

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import n_experts_path

CRITERIA = ("aic", "bic", "icl")


def draw(n_experts, seed, n=2000, d=2, noise=0.5):
    """X (n, d) and y (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    ones = np.c_[X, np.ones(n)]
    gate = np.sqrt(4 / d) * rng.standard_normal((n_experts, d + 1))
    coef = 2 * rng.standard_normal((n_experts, d + 1))
    expert = (ones @ gate.T + rng.gumbel(size=(n, n_experts))).argmax(axis=1)
    return X, (ones * coef[expert]).sum(axis=1) + noise * rng.standard_normal(n)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=50)
    options = parser.parse_args()
    print("| experts | sets | " + " | ".join(map(str.upper, CRITERIA)) + " |")
    print("|---" * (2 + len(CRITERIA)) + "|")
    for n_experts in (1, 2, 3, 4):
        hits = []
        for seed in range(options.sets):
            model = MixtureOfLinearExperts(random_state=0)
            path = n_experts_path(model, *draw(n_experts, seed), max_experts=6)
            hits.append([path.best(c).n_experts == n_experts for c in CRITERIA])
        shares = [f"{100 * share:.0f} %" for share in np.mean(hits, axis=0)]
        cells = [n_experts, options.sets, *shares]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
