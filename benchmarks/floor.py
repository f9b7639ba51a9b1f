"""How near the time of an EM iteration is to that of the products it cannot avoid.

The floor of an iteration: for each block of rows two GEMMs (logits of the gate, means
of the experts) and one weighted Gram product for each expert, with plain BLAS, at the
best of a few block sizes, of two layouts, and of BLAS with its threads or one.  Not in
it: standardising, exponentials, and the curvature of the gate.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from cases import CASES, mixture_data, scaled
from load import wait_until_quiet
from report import table
from threadpoolctl import threadpool_limits
from timing import best_time, iteration_time

BLOCK_SIZES = (512, 1024, 2048, 4096, 8192)
SOLVERS = {
    "em, default": {"solver": "em"},
    "plain em": {"solver": "md", "step_size": 1.0},
}


def rows_major(block, weight, gate, experts, buffer, grams):
    """Products of a block (b, p)."""
    block @ gate
    block @ experts
    weighted = buffer[: block.shape[0]]
    for k in range(weight.shape[0]):
        np.multiply(block, weight[k, :, None], out=weighted)
        np.matmul(weighted.T, block, out=grams[k])


def features_major(block, weight, gate, experts, buffer, grams):
    """Products of a block (p, b)."""
    gate.T @ block
    experts.T @ block
    weighted = buffer[:, : block.shape[1]]
    for k in range(weight.shape[0]):
        np.multiply(block, weight[k], out=weighted)
        np.matmul(weighted, block.T, out=grams[k])


def symmetric(block, weight, gate, experts, buffer, grams):
    """As `rows_major` with the symmetric product of sqrt(w) x that BLAS has."""
    block @ gate
    block @ experts
    weighted = buffer[: block.shape[0]]
    for k in range(weight.shape[0]):
        np.multiply(block, weight[k, :, None], out=weighted)
        np.matmul(weighted.T, weighted, out=grams[k])


class Floor:
    """The floor on rows with a column of ones, (n, p), for K experts."""

    def __init__(self, X, n_experts, repeats):
        rng = np.random.default_rng(0)
        self.X = np.concatenate([X, np.ones((X.shape[0], 1))], axis=1)
        self.n_experts, self.repeats = n_experts, repeats
        self.weight = rng.dirichlet(np.ones(n_experts), size=X.shape[0]).T.copy()
        self.coef = rng.standard_normal((2, self.X.shape[1], n_experts))

    def seconds(self, products, size, n_threads):
        """Seconds of one pass; BLAS uses its threads if `n_threads` is 0, else one.

        The blocks are then spread over `n_threads`.
        """
        p = self.X.shape[1]
        blocks = [
            slice(start, min(start + size, self.X.shape[0]))
            for start in range(0, self.X.shape[0], size)
        ]
        parts = [self.X[rows] for rows in blocks]
        if products is features_major:
            parts = [np.ascontiguousarray(part.T) for part in parts]
        shape = (p, size) if products is features_major else (size, p)

        def run(numbers):
            buffer, grams = np.empty(shape), np.empty((self.n_experts, p, p))
            for i in numbers:
                weight = self.weight[:, blocks[i]]
                products(parts[i], weight, *self.coef, buffer, grams)

        if not n_threads:
            return best_time(lambda: run(range(len(blocks))), self.repeats)
        shares = [range(i, len(blocks), n_threads) for i in range(n_threads)]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor() as pool:
            return best_time(lambda: list(pool.map(run, shares)), self.repeats)

    def best(self, kinds, *n_threads):
        """Least seconds over kinds, block sizes and threads, and which it was."""
        return min(
            (self.seconds(kind, size, n), f"{kind.__name__}, {size} rows, {_named(n)}")
            for kind in kinds
            for size in BLOCK_SIZES
            for n in n_threads
        )


def _named(n_threads):
    return "BLAS's threads" if n_threads == 0 else "1 thread"


def measure(name, options):
    """Rows of the table for a case."""
    case = scaled(CASES[name], options.scale)
    wait_until_quiet(options.quiet)
    X, y, labels = mixture_data(case)
    floor = Floor(X, case.n_experts, options.repeats)
    plain, which = floor.best((rows_major, features_major), 0, 1)
    lower, _ = floor.best((symmetric,), 0, 1)
    threaded, _ = floor.best((rows_major, features_major), options.threads)
    del floor
    for label, parameters in SOLVERS.items():
        seconds = iteration_time(case, X, y, labels, options.repeats, **parameters)
        yield (
            name,
            label,
            f"{1e3 * seconds:.1f}",
            f"{1e3 * plain:.1f} ({which})",
            f"{seconds / plain:.2f}",
            f"{1e3 * lower:.1f}",
            f"{1e3 * threaded:.1f}",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="B,F,G")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--quiet", type=float, default=0, help="wait for idle, seconds")
    parser.add_argument("--threads", type=int, default=2, help="for blocks in threads")
    options = parser.parse_args()
    header = (
        "case",
        "solver",
        "iteration ms",
        "floor ms",
        "iteration / floor",
        "symmetric products ms",
        f"blocks in {options.threads} threads ms",
    )
    rows = [row for name in options.cases.split(",") for row in measure(name, options)]
    print("\n".join(table(header, rows)))


if __name__ == "__main__":
    main()
