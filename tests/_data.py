"""Data sets drawn from mixtures of experts, and the engine's problems on them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skmoe.distributions import (
    Categorical,
    CensoredNormal,
    Gamma,
    LogLink,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
)
from skmoe.engine.m_step import project_responsibilities
from skmoe.engine.problem import Problem
from skmoe.engine.specification import Specification
from skmoe.engine.state import Parameters

FAMILIES = {
    "poisson": lambda: LogLink(Poisson()),
    "gamma": lambda: LogLink(Gamma()),
    "negative_binomial": NegativeBinomial,
}


class Data(NamedTuple):
    """One draw; `expert` is the latent label of each row."""

    X: np.ndarray  # (n, d)
    target: np.ndarray  # (m, n), or (n,) class codes
    expert: np.ndarray  # (n,)


def softmax(logits):
    """Softmax over the first axis."""
    values = np.exp(logits - logits.max(axis=0))
    return values / values.sum(axis=0)


def tree_logits(logits, n_branches, n_experts):
    """Logits of leaves (K, n) from those of the branches, node by node, (R, n).

    Written as paths from the root: the child c of node j is node
    ``j * branches + c + 1`` or, below the last node, a leaf.
    """
    if n_branches == n_experts:
        return logits.copy()
    nodes = logits.reshape(-1, n_branches, logits.shape[1])
    top = nodes.real.max(axis=1, keepdims=True)
    nodes = nodes - top - np.log(np.exp(nodes - top).sum(axis=1, keepdims=True))
    leaves = []
    for leaf in range(n_experts):
        at, total = len(nodes) + leaf, 0.0
        while at > 0:
            at, branch = divmod(at - 1, n_branches)
            total = total + nodes[at, branch]
        leaves.append(total)
    return np.stack(leaves)


def draw(probability, rng):
    """One category for each column of probabilities (C, n)."""
    uniform = rng.uniform(size=probability.shape[1])
    return (uniform > probability.cumsum(axis=0)[:-1]).sum(axis=0)


def censor(y):
    """Targets (4, n) of which a quarter is known, others to lie in an interval."""
    kind, entry = np.arange(y.size) % 4, np.full_like(y, -np.inf)
    lower = np.select([kind == 1, kind == 2], [-np.inf, np.floor(y)], y)
    upper = np.select([kind == 1, kind == 3], [np.ceil(y), np.inf], y)
    upper[kind == 2] = lower[kind == 2] + 1
    return np.stack([y, lower, upper, entry])


@dataclass(frozen=True)
class Model:
    """What kind of mixture: of its data, and of the problem that fits it."""

    family: str
    n_experts: int = 2
    n_outputs: int = 1
    n_classes: int = 2
    noise: str = "per_expert"
    noise_df: float | None = None
    censored: bool = False
    symmetric: bool = False
    depth: int = 1
    top_k: int | None = None
    gate_columns: tuple | None = None
    expert_columns: tuple | None = None

    def data(self, n=120, d=3, seed=0, *, noise=0.5, signal=1.5, gate_signal=1.0):
        """Rows drawn from a random model of this kind."""
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n, d)) + (not self.symmetric) * rng.standard_normal(d)
        inner = X if self.symmetric else np.column_stack([X, np.ones(n)])
        q = self.n_classes - 1 if self.family == "logistic" else self.n_outputs
        n_nodes = round((self.n_experts - 1) / (self.n_branches - 1))
        n_logits = n_nodes * self.n_branches
        gate = gate_signal * rng.standard_normal((n_logits, inner.shape[1]))
        coef = signal * rng.standard_normal((self.n_experts, q, inner.shape[1]))
        if self.symmetric:
            coef[1] = -coef[0]
        logits = tree_logits(gate @ inner.T, self.n_branches, self.n_experts)
        if self.top_k is not None:
            logits[np.argsort(-logits, axis=0)[self.top_k :], np.arange(n)] = -np.inf
        expert = draw(softmax(logits), rng)
        predictor = np.einsum("nqp,np->qn", coef[expert], inner)
        if self.family in FAMILIES:
            mean = np.exp(0.4 * predictor[0])
            if self.family == "negative_binomial":
                mean = mean * rng.gamma(2.0, 0.5, n)
            if self.family != "gamma":
                return Data(X, rng.poisson(mean).astype(np.float64), expert)
            return Data(X, rng.gamma(3.0, mean / 3), expert)
        if self.family == "linear":
            noise = noise * rng.standard_normal((q, n))
            if self.noise_df is not None:
                noise /= np.sqrt(rng.chisquare(self.noise_df, n) / self.noise_df)
            target = predictor + noise
            return Data(X, censor(target[0]) if self.censored else target, expert)
        logits = np.concatenate([np.zeros((1, n)), predictor])
        return Data(X, draw(softmax(logits), rng), expert)

    @property
    def hides_z_alone(self):
        """Whether the complete data is z and y, and y is seen."""
        return self.noise_df is None and not self.censored

    @property
    def n_branches(self):
        return round(self.n_experts ** (1 / self.depth))

    def distribution(self):
        """Distribution of y under an expert."""
        df, m = self.noise_df, self.n_outputs
        if self.censored:
            return CensoredNormal()
        if self.family == "linear":
            return Normal(m) if df is None else StudentT(df, m)
        if self.family in FAMILIES:
            return FAMILIES[self.family]()
        return Categorical(self.n_classes)

    def problem(
        self,
        data,
        *,
        weight=None,
        alpha=0.0,
        gate_alpha=0.0,
        fit_intercept=None,
        **penalties,
    ):
        """The engine's problem on a draw; intercepts unless the model is symmetric.

        `alpha` and `gate_alpha` are penalties per unit of weight.
        """
        n = data.X.shape[0]
        weight = np.ones(n) if weight is None else weight
        if fit_intercept is None:
            fit_intercept = not self.symmetric
        columns = [
            None if chosen is None else np.array(chosen)
            for chosen in (self.gate_columns, self.expert_columns)
        ]
        options = {
            name: penalties.pop(name)
            for name in ("group", "scaling", "prior_noise", "n_seen")
            if name in penalties
        }
        specification = Specification(
            self.distribution(),
            self.n_experts,
            symmetric=self.symmetric,
            shares_noise=self.noise == "shared",
            depth=self.depth,
            top_k=self.top_k,
            gate_columns=columns[0],
            expert_columns=columns[1],
            fit_intercept=fit_intercept,
            gate_intercept=penalties.pop("gate_intercept", fit_intercept),
            alpha=alpha * weight.sum(),
            gate_alpha=gate_alpha * weight.sum(),
            **penalties,
        )
        return Problem(data.X, data.target, weight, specification, **options)


MODELS = {
    **{f"linear-{k}": Model("linear", k) for k in (2, 3, 4)},
    **{f"binary-{k}": Model("logistic", k) for k in (2, 3, 4)},
    **{f"three-class-{k}": Model("logistic", k, n_classes=3) for k in (2, 3, 4)},
    "linear-shared-noise": Model("linear", 3, noise="shared"),
    "linear-two-outputs": Model("linear", 2, n_outputs=2),
    "linear-two-outputs-shared": Model("linear", 3, n_outputs=2, noise="shared"),
    "linear-own-columns": Model("linear", gate_columns=(2,), expert_columns=(0, 1)),
    "binary-own-columns": Model("logistic", gate_columns=(2, 0), expert_columns=(1,)),
    "linear-symmetric": Model("linear", symmetric=True),
    "linear-symmetric-two-outputs": Model("linear", n_outputs=2, symmetric=True),
    "binary-symmetric": Model("logistic", symmetric=True),
    "linear-tree-4": Model("linear", 4, depth=2),
    "binary-tree-8": Model("logistic", 8, depth=3),
    "three-class-tree-9": Model("logistic", 9, n_classes=3, depth=2),
    "linear-tree-own-columns": Model(
        "linear", 4, depth=2, gate_columns=(0, 2), expert_columns=(0, 1)
    ),
    **{f"poisson-{k}": Model("poisson", k) for k in (2, 3)},
    **{f"gamma-{k}": Model("gamma", k) for k in (2, 3)},
    "poisson-own-columns": Model("poisson", gate_columns=(2,), expert_columns=(0, 1)),
    "linear-student": Model("linear", 2, noise_df=4.0),
    "linear-student-two-outputs-shared": Model(
        "linear", 3, n_outputs=2, noise="shared", noise_df=2.5
    ),
    "linear-student-symmetric": Model("linear", symmetric=True, noise_df=4.0),
    "linear-censored": Model("linear", 2, censored=True),
}


def inverted_patterns(n=900, d=300, seed=0, dtype=np.float64):
    """X, y, and which rows have the pattern of their class inverted: half of them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    pattern = np.repeat(rng.uniform(size=(3, d // 3)), 3, axis=1)
    inverted = rng.uniform(size=n) < 0.5
    X = np.clip(pattern[y] + 0.25 * rng.standard_normal((n, d)), 0, 1)
    return np.where(inverted[:, None], 1 - X, X).astype(dtype), y, inverted


def random_theta(mixture, seed, scale=0.7):
    """Free parameters drawn at random."""
    rng = np.random.default_rng(seed)
    return Parameters(
        *(scale * rng.standard_normal(part.shape) for part in mixture.initial())
    )


def soft_start(mixture, expert, certainty=0.8):
    """Parameters fitted to the latent labels, blurred: near one optimum."""
    onehot = np.arange(mixture.n_experts)[:, None] == expert
    blur = (1 - certainty) / (mixture.n_experts - 1)
    return project_responsibilities(mixture, np.where(onehot, certainty, blur))


def flat(theta):
    """All free parameters in one vector."""
    return theta.flat()


def unflat(vector, like):
    """Inverse of `flat`, in the shapes of `like`."""
    ends = np.cumsum([part.size for part in like])
    parts = np.split(vector, ends[:-1])
    return Parameters(*(part.reshape(old.shape) for part, old in zip(parts, like)))


def all_features(design):
    """Standardised features of all rows, intercept included, (p, n)."""
    return design.block(slice(0, design.n_rows)).dot(np.eye(design.n_columns))


def penalties(model, y):
    """Penalties and prior on noise of a fit to rows of weight 1, in nats per row."""
    is_linear = hasattr(model, "noise_variance_")
    coef = model.coef_ / (np.std(y) if is_linear else 1.0)
    total = model.alpha * np.square(coef).sum()
    total += model.gate_alpha * np.square(model.gate_coef_).sum()
    if is_linear and model.prior_noise_variance_ is not None:
        noise, prior = model.noise_variance_, model.prior_noise_variance_
        total += model.noise_prior * (np.log(noise) + prior / noise).sum()
    return total / 2 / len(y)
