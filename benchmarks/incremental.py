"""partial_fit beside stochastic gradients and incremental MM, at one pass of the rows.

    python benchmarks/incremental.py [--sets 5] [--rows 20000] [--batch-size 100]

Problems ``two`` and ``three`` are those of `merging.py`; ``random`` has three experts
of five columns, distributed as case A of `cases.py`.  x has zero mean and unit
variance.  Who learns sees the rows once, batch by batch:

- ``partial_fit`` with defaults, which collects the first 1,000 rows and fits them
- ``incremental MM``: running means of the statistics of a surrogate, whose minimum is
  the next iterate; for the experts that of EM, for the gate the quadratic bound of
  Boehning (1992).  Steps t**-a, iterates averaged over the second half.
- ``SGD``, ``RMSProp`` and ``Adam`` on the same parameters and log variances; steps fall
  as 1 / sqrt(1 + t / 50)

All but `partial_fit` have their a or step size chosen from a grid, the best of each set
in hindsight.  They start from what `partial_fit` made of its first 1,000 rows
(``same``), or from small random numbers (``random``).  Prints a Markdown table of
medians, with the largest in brackets: the mean negative log-likelihood of all rows less
that of maximum likelihood (`fit`, five starts), in nats, and the distance of the
parameters from the truth relative to its norm.
"""

import argparse
import warnings
from functools import partial
from itertools import permutations

import numpy as np
from merging import PROBLEMS
from report import table
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from skmoe import MixtureOfLinearExperts

START_ROWS = 1_000
STEPS = {
    "incremental MM": (0.6, 0.8, 1.0),
    "SGD": (0.01, 0.03, 0.1, 0.3, 1.0),
    "RMSProp": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "Adam": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
}


def draw(name, n, seed):
    """Rows (n, d + 1) with ones last, y (n,) and the true parameters (3, ...)."""
    rng = np.random.default_rng(seed)
    if name in PROBLEMS:
        gate, coef, noise = (np.array(v, dtype=float) for v in PROBLEMS[name][:3])
        # x = 1/2 + z / sqrt(12) with z of zero mean and unit variance
        slopes = gate[1:] / np.sqrt(12), coef[1:] / np.sqrt(12)
        gate = np.vstack([slopes[0], gate[0] + gate[1:].sum(axis=0) / 2])
        coef = np.vstack([slopes[1], coef[0] + coef[1:].sum(axis=0) / 2])
        X = np.sqrt(12) * (rng.uniform(size=(n, len(gate) - 1)) - 0.5)
    else:
        gate = np.sqrt(4 / 5) * rng.standard_normal((6, 3))
        coef, noise = rng.standard_normal((6, 3)), np.full(3, 0.5)
        X = rng.standard_normal((n, 5))
    rows = np.c_[X, np.ones(n)]
    z = (rows @ gate + rng.gumbel(size=(n, gate.shape[1]))).argmax(axis=1)
    y = (rows @ coef)[np.arange(n), z] + noise[z] * rng.standard_normal(n)
    return rows, y, (gate, coef, 2 * np.log(noise))


def e_step(theta, rows, y):
    """Gate, responsibilities and errors (n, K), negative log-likelihood (n,)."""
    gate, coef, log_variance = theta
    logits = rows @ gate
    log_gate = logits - logsumexp(logits, axis=1, keepdims=True)
    error = y[:, None] - rows @ coef
    variance = np.exp(log_variance)
    joint = log_gate - 0.5 * (np.log(2 * np.pi) + log_variance + error**2 / variance)
    total = logsumexp(joint, axis=1, keepdims=True)
    return np.exp(log_gate), np.exp(joint - total), error, -total[:, 0]


def gradient(theta, rows, y):
    """Of the mean negative log-likelihood."""
    gate, resp, error, _ = e_step(theta, rows, y)
    variance, n = np.exp(theta[2]), len(y)
    return (
        rows.T @ (gate - resp) / n,
        -rows.T @ (resp * error / variance) / n,
        0.5 * (resp * (1 - error**2 / variance)).mean(axis=0),
    )


def by_gradients(kind, theta, batches, step):
    """SGD, RMSProp (0.99) or Adam (0.9, 0.999)."""
    first = [np.zeros_like(value) for value in theta]
    second = [np.zeros_like(value) for value in theta]
    for t, (rows, y) in enumerate(batches, 1):
        size, slopes, new = step / np.sqrt(1 + t / 50), gradient(theta, rows, y), []
        for i, (value, slope) in enumerate(zip(theta, slopes, strict=True)):
            if kind == "SGD":
                move = slope
            else:
                a, b = (0.9, 0.999) if kind == "Adam" else (0.0, 0.99)
                first[i] = a * first[i] + (1 - a) * slope
                second[i] = b * second[i] + (1 - b) * slope**2
                scale = np.sqrt(second[i] / (1 - b**t)) + 1e-8
                move = first[i] / (1 - a**t) / scale
            new.append(value - size * move)
        theta = tuple(new)
    return theta


def surrogate(theta, rows, y):
    """Statistics of the surrogate at theta, means over the rows."""
    gate, resp, _, _ = e_step(theta, rows, y)
    n, n_experts = resp.shape
    # Half of xx' times I - 11'/K bounds the softmax's Hessian (Boehning 1992); on
    # coefficients of sum zero the second factor is the identity.
    bound = rows.T @ rows / (2 * n)
    linear = rows.T @ (resp - gate) / n + bound @ theta[0]
    gram = np.einsum("np,nk,nq->kpq", rows, resp, rows) / n
    moment = rows.T @ (resp * y[:, None]) / n
    return bound, linear, gram, moment, resp.T @ y**2 / n, resp.mean(axis=0)


def minimum(statistics):
    """Parameters that minimise the surrogate."""
    bound, linear, gram, moment, square, mass = statistics
    gate = np.linalg.solve(bound, linear)
    coef = np.linalg.solve(gram, moment.T[:, :, None])[:, :, 0].T
    variance = (square - (moment * coef).sum(axis=0)) / mass
    return gate - gate.mean(axis=1, keepdims=True), coef, np.log(variance)


def by_incremental_mm(theta, batches, power):
    """Incremental MM with steps t**-power; the mean of the second half's iterates."""
    theta = (theta[0] - theta[0].mean(axis=1, keepdims=True), *theta[1:])
    ahead = [np.concatenate(part) for part in zip(*batches[:10], strict=True)]
    running, kept = surrogate(theta, *ahead), []
    for t, (rows, y) in enumerate(batches, 2):
        step = t**-power
        new = surrogate(theta, rows, y)
        running = [
            old + step * (now - old) for old, now in zip(running, new, strict=True)
        ]
        theta = minimum(running)
        if t > len(batches) // 2:
            kept.append(theta)
    return tuple(np.mean(part, axis=0) for part in zip(*kept, strict=True))


LEARNERS = {"incremental MM": by_incremental_mm} | {
    kind: partial(by_gradients, kind) for kind in ("SGD", "RMSProp", "Adam")
}


def parameters_of(model):
    """Gate and experts (d + 1, K) with intercepts last, log variances (K,)."""
    gate = np.vstack([model.gate_coef_.T, model.gate_intercept_])
    coef = np.vstack([model.coef_.T, model.intercept_])
    return gate, coef, np.log(model.noise_variance_)


def distance(theta, truth):
    """Relative to the norm of the truth, the experts matched as well as can be."""
    flat = [
        np.vstack([gate - gate.mean(axis=1, keepdims=True), coef, variance])
        for gate, coef, variance in (theta, truth)
    ]
    orders = permutations(range(flat[0].shape[1]))
    best = min(np.linalg.norm(flat[0][:, list(order)] - flat[1]) for order in orders)
    return best / np.linalg.norm(flat[1])


def online(rows, y, batch_size, n_experts, seed):
    """What partial_fit knows after its start, and after all rows."""
    model = MixtureOfLinearExperts(n_experts, random_state=seed)
    for start in range(0, len(y), batch_size):
        batch = slice(start, start + batch_size)
        model.partial_fit(rows[batch, :-1], y[batch])
        if start + batch_size == START_ROWS:
            first = parameters_of(model)
    return first, parameters_of(model)


def measure(name, seed, options):
    """Gap and distance by (learner, start), a dict."""
    rows, y, truth = draw(name, options.rows, seed)
    n_experts = len(truth[2])
    size = options.batch_size
    batches = [(rows[i : i + size], y[i : i + size]) for i in range(0, len(y), size)]
    first, last = online(rows, y, size, n_experts, seed)
    exact = {"alpha": 0, "gate_alpha": 0, "noise_prior": 0}
    fit = MixtureOfLinearExperts(n_experts, n_init=5, random_state=seed, **exact)
    best = parameters_of(fit.fit(rows[:, :-1], y))
    rng = np.random.default_rng(seed)
    shape = truth[0].shape
    spread = np.full(n_experts, np.log(y.var()))
    starts = {
        "same": first,
        "random": (*(0.1 * rng.standard_normal((2, *shape))), spread),
    }
    least = e_step(best, rows, y)[3].mean()

    def quality(theta):
        gap = e_step(theta, rows, y)[3].mean() - least
        return (gap if np.isfinite(gap) else np.inf), distance(theta, truth)

    found = {
        ("maximum likelihood", ""): quality(best),
        ("partial_fit", "own"): quality(last),
    }
    for start, theta in starts.items():
        found["start", start] = quality(theta)
        for learner, steps in STEPS.items():
            results = []
            for step in steps:
                try:
                    results.append(quality(LEARNERS[learner](theta, batches, step)))
                except np.linalg.LinAlgError:
                    continue
            found[learner, start] = min(results)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", default="two,three,random")
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    np.seterr(over="ignore", invalid="ignore", divide="ignore")
    names, columns = options.problems.split(","), []
    for name in names:
        results = [measure(name, seed, options) for seed in range(options.sets)]
        for i in range(2):
            values = np.array([[found[i] for found in r.values()] for r in results])
            middle, worst = np.median(values, axis=0), values.max(axis=0)
            columns.append([f"{m:.4f} ({w:.4f})" for m, w in zip(middle, worst)])
    header = ["learner", "start"]
    header += [f"{name}: {what}" for name in names for what in ("gap", "distance")]
    rows = [(*key, *cells) for key, *cells in zip(results[0], *columns, strict=True)]
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
