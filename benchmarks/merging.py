"""The number of experts by merging those of one large fit, beside splitting.

    python benchmarks/merging.py [--sets 10] [--data 1,2,3,4,two]

The data are those of `n_experts.py` with one to four experts, and two problems with
known numbers of experts from the repository of arXiv 2510.12744: ``two`` (its
experiment 5) and ``three`` (its experiment 6).  Each way of choosing starts from
nothing and sees up to six experts, four on ``two`` and five on ``three``:

- ``split, BIC``: `n_experts_path`, which splits the worst expert
- ``merge by d, BIC``: one fit of the most experts; the two nearest in the dissimilarity
  of that paper become one, and the fit goes on from their summed responsibilities, down
  to one expert
- ``merge by loss, BIC``: the same, merging the two that lose least likelihood if one
  expert takes the place of both
- ``dendrogram, DSC``: that paper's: atoms are merged with no further fit, and chosen by
  the height of the next merger plus log(n) times the mean log-likelihood; never one

Prints a Markdown table: share of the sets with the true number, mean of the number
found, and CPU seconds of a set.
"""

import argparse
import time
import warnings

import numpy as np
from n_experts import draw
from report import table
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts
from skmoe.model_selection import n_experts_path

TIE = 0.01  # as in n_experts_path: an expert without rows changes BIC by less
# Gate (d + 1, K), experts (d + 1, K), both intercept first, noise (K,).
PROBLEMS = {
    "two": ([[-8, 0], [25, 0]], [[15, -5], [-20, 20]], [0.3, 0.4], 4),
    "three": (
        [[0.3, 0.5, 0], [1, 1, 0], [-1, 0.5, 0]],
        [[0.5, 0.5, 0.5], [1.5, 0.6, 1.1], [0.9, 0.5, -0.3]],
        [0.2, 0.3, 0.2],
        5,
    ),
}


def sample(name, n, seed):
    """X (n, d) uniform, y (n,) and the most experts to try."""
    rng = np.random.default_rng(seed)
    *parts, most = PROBLEMS[name]
    gate, coef, noise = (np.array(part, dtype=float) for part in parts)
    X = rng.uniform(size=(n, len(gate) - 1))
    ones = np.c_[np.ones(n), X]
    z = (ones @ gate + rng.gumbel(size=(n, gate.shape[1]))).argmax(axis=1)
    mean = (ones @ coef)[np.arange(n), z]
    return X, mean + noise[z] * rng.standard_normal(n), most


def atoms_of(model):
    """exp(w0) of sum 1 (K,), w1 and slopes (K, d), intercepts, variances."""
    return (
        softmax(model.gate_intercept_),
        model.gate_coef_,
        model.coef_,
        model.intercept_,
        model.noise_variance_,
    )


def dissimilarity(atoms):
    """That paper's, as its code has it, (K, K), infinite on the diagonal."""
    weight, _, slopes, intercept, variance = atoms
    slow = ((slopes[:, None] - slopes) ** 2).sum(axis=2)
    slow = np.sqrt(slow + (variance[:, None] - variance) ** 2)
    fast = (intercept[:, None] - intercept) ** 2
    share = weight[:, None] * weight / (weight[:, None] + weight)
    found = share * (fast + slow)
    np.fill_diagonal(found, np.inf)
    return found


def merged(atoms, i, j):
    """Atoms with i and j replaced by their mean, weighted by exp(w0)."""
    weight = atoms[0]
    pair, rest = [i, j], np.delete(np.arange(len(weight)), [i, j])
    share = weight[pair] / weight[pair].sum()
    means = [np.tensordot(share, value[pair], 1) for value in atoms[1:]]
    joined = [np.append(weight[rest], weight[pair].sum())]
    for value, mean in zip(atoms[1:], means, strict=True):
        joined.append(np.concatenate([value[rest], [mean]]))
    return tuple(joined)


def mean_log_likelihood(atoms, X, y):
    """Of the rows under these atoms, nats."""
    weight, gate, slopes, intercept, variance = atoms
    logits = X @ gate.T + np.log(weight)
    error = y[:, None] - X @ slopes.T - intercept
    log_density = -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)
    return (logsumexp(logits + log_density, axis=1) - logsumexp(logits, axis=1)).mean()


def by_dendrogram(model, X, y):
    """Number of experts by the dendrogram selection criterion."""
    atoms, criteria = atoms_of(model), {}
    while len(atoms[0]) > 1:
        distance = dissimilarity(atoms)
        fit = np.log(len(y)) * mean_log_likelihood(atoms, X, y)
        criteria[len(atoms[0])] = -(distance.min() + fit)
        atoms = merged(atoms, *np.unravel_index(distance.argmin(), distance.shape))
    return min(criteria, key=criteria.get)


def nearest(model, resp, X, y):
    """The pair of least dissimilarity."""
    distance = dissimilarity(atoms_of(model))
    return np.unravel_index(distance.argmin(), distance.shape)


def cheapest(model, resp, X, y):
    """The pair whose union, one expert for both, loses least likelihood."""
    ones = np.c_[X, np.ones(len(y))]
    gate = model.gate_proba(X)
    variance = model.noise_variance_
    error = y[:, None] - X @ model.coef_.T - model.intercept_
    density = np.exp(-0.5 * error**2 / variance) / np.sqrt(2 * np.pi * variance)
    joint = gate * density
    best, pair = -np.inf, None
    for i, j in zip(*np.triu_indices(gate.shape[1], 1), strict=True):
        weight = resp[:, i] + resp[:, j]
        root = np.sqrt(weight)
        coef = np.linalg.lstsq(root[:, None] * ones, root * y, rcond=None)[0]
        square = (y - ones @ coef) ** 2
        noise = weight @ square / weight.sum()
        one = np.exp(-0.5 * square / noise) / np.sqrt(2 * np.pi * noise)
        both = joint[:, i] + joint[:, j]
        likelihood = joint.sum(axis=1) - both + (gate[:, i] + gate[:, j]) * one
        value = np.log(np.maximum(likelihood, 1e-300)).sum()
        if value > best:
            best, pair = value, (i, j)
    return pair


def by_merging(model, X, y, choose):
    """Number of experts with the lowest BIC, and BIC by number of experts."""
    criteria = {model.n_experts: model.bic(X, y)}
    while model.n_experts > 1:
        resp = model.responsibilities(X, y)
        pair = list(choose(model, resp, X, y))
        start = np.c_[np.delete(resp, pair, axis=1), resp[:, pair].sum(axis=1)]
        n_experts = model.n_experts - 1
        model = MixtureOfLinearExperts(n_experts, init=np.maximum(start, 1e-6))
        model.fit(X, y)
        criteria[n_experts] = model.bic(X, y)
    least = min(criteria.values())
    return min(k for k, bic in criteria.items() if bic <= least + TIE), criteria


def measure(X, y, most):
    """Numbers found and CPU seconds, dicts by way of choosing."""
    found, seconds, bic = {}, {}, {}
    start = time.process_time()
    path = n_experts_path(
        MixtureOfLinearExperts(random_state=0), X, y, max_experts=most
    )
    seconds["split, BIC"] = time.process_time() - start
    found["split, BIC"] = path.best().n_experts
    bic["split"] = dict(zip(path.n_experts.tolist(), path.bic, strict=True))
    start = time.process_time()
    large = MixtureOfLinearExperts(most, random_state=0).fit(X, y)
    common = time.process_time() - start
    for name, choose in (("d", nearest), ("loss", cheapest)):
        start = time.process_time()
        label = f"merge by {name}, BIC"
        found[label], bic[name] = by_merging(large, X, y, choose)
        seconds[label] = common + time.process_time() - start
    start = time.process_time()
    found["dendrogram, DSC"] = by_dendrogram(large, X, y)
    seconds["dendrogram, DSC"] = common + time.process_time() - start
    return found, seconds, bic


def problems(names, n_sets):
    """Label, true number, and X, y and the most experts of each set."""
    for name in names:
        if name.isdigit():
            sets = [(*draw(int(name), seed), 6) for seed in range(n_sets)]
            yield f"{name} experts, n=2,000", int(name), sets
            continue
        number = len(PROBLEMS[name][2])
        for n in (1_000, 10_000):
            sets = [sample(name, n, seed) for seed in range(n_sets)]
            yield f"{name}, n={n:,}", number, sets


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--data", default="1,2,3,4,two")
    parser.add_argument("--each", action="store_true", help="print every set")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", ".*its likelihood is no guide.*")
    header = ("data", "sets", "way", "right", "mean number", "CPU s")
    rows = []
    for label, number, sets in problems(options.data.split(","), options.sets):
        results = []
        for seed, data in enumerate(sets):
            results.append(measure(*data))
            if options.each:
                print(label, seed, results[-1][0], flush=True)
                for name, values in results[-1][2].items():
                    shown = {k: round(float(v), 1) for k, v in sorted(values.items())}
                    print("   ", name, shown, flush=True)
        for way in results[0][0]:
            found = np.array([result[0][way] for result in results])
            spent = np.mean([result[1][way] for result in results])
            right = f"{100 * np.mean(found == number):.0f} %"
            rows.append(
                (label, len(sets), way, right, f"{found.mean():.1f}", f"{spent:.1f}")
            )
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
