"""Data sets and estimators that hypothesis makes up, some of them hard."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import assume, event
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)

REGRESSOR, CLASSIFIER = MixtureOfLinearExperts, MixtureOfLogisticExperts
GLM = MixtureOfGLMExperts
# What fit documents, and no more.
DOCUMENTED = (
    r"fewer than n_experts=.*lower n_experts",
    r"one class only.*at least two classes",
    r"all weights are zero|at least one non-zero",
    r"do not fit into float32, .*give X as float64",
    r"y is zero in all samples of positive weight",
)
OF_FEW_ROWS = r"(An expert|The model) has .* rows"
SCALES = [1e-12, 1e-6, 1.0, 1e6, 1e12]
OUTLIER = 1e30
STARTS = ["kmeans", "kmeans_xy", "regression_clustering", "short_runs"]


@contextmanager
def quietly():
    """A warning that is not of convergence, few rows or units is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", OF_FEW_ROWS, UserWarning)
        warnings.filterwarnings("ignore", "Columns of X vary little", UserWarning)
        yield


def fit_quietly(model, *arguments, **keywords):
    """Fit, `quietly`."""
    with quietly():
        return model.fit(*arguments, **keywords)


@dataclass
class Case:
    """An estimator, and what its fit is given."""

    estimator: type
    X: object
    y: np.ndarray
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    parameters: dict = field(default_factory=dict)

    def model(self, **changes):
        """The estimator, not fitted."""
        return self.estimator(**{**self.parameters, **changes})

    def fit(self, model):
        """Fit as `fit_quietly`."""
        return fit_quietly(model, self.X, self.y, self.weight, groups=self.groups)

    def fitted(self, **changes):
        """Fitted estimator; data sets with a documented error are passed over."""
        try:
            return self.fit(self.model(**changes))
        except ValueError as error:
            assert_documented(error)
        event("documented error")
        assume(False)

    def __repr__(self):
        X = self.X
        kind = "dense"
        if sparse.issparse(X):
            X, kind = X.toarray(), "sparse"
        return (
            f"Case({self.estimator.__name__}, {self.parameters}, {kind} {X.dtype} "
            f"X={X.tolist()}, y={self.y.tolist()}, weight={listed(self.weight)}, "
            f"groups={listed(self.groups)})"
        )


def listed(values):
    """An array as a list, or None."""
    return None if values is None else values.tolist()


def assert_documented(error):
    """The error is one of those that fit documents."""
    with pytest.raises(ValueError, match="|".join(DOCUMENTED)):
        raise error


def choice(*values):
    """One of the values, the first the simplest."""
    return st.sampled_from(values)


@st.composite
def features(draw, rng, n):
    """X as it may come: (n, d), dense or CSR."""
    d = draw(st.integers(1, 4))
    kind = draw(choice("float64", "float32", "int64"))
    X = rng.standard_normal((n, d))
    if draw(st.booleans()):
        X = X[rng.integers(0, draw(st.integers(1, n)), n)]  # duplicated rows
    if draw(st.booleans()):
        X[:, rng.integers(d)] = draw(choice(0.0, 1.0, -7.3))
    if draw(st.booleans()):
        X[:, -1] = X[:, 0] * draw(choice(1.0, -3.0))
    if draw(st.booleans()):
        X *= rng.uniform(size=X.shape) < draw(choice(0.5, 0.1))
    X += draw(choice(0.0, 0.0, 0.0, 1e3, 1e6)) * (X != 0)
    if kind == "int64":
        X = np.rint(3 * X).astype(np.int64)
    else:
        X = X * rng.choice(SCALES if draw(st.booleans()) else [1.0], d)
        if kind == "float64" and draw(choice(*[False] * 7, True)):
            X[rng.integers(n), rng.integers(d)] = OUTLIER
        X = X.astype(kind)
    return sparse.csr_array(X) if draw(choice(False, False, True)) else X


def signal_of(X, rng):
    """Two crossing lines in the columns of X, scaled, and some noise, (n,)."""
    X = (X.toarray() if sparse.issparse(X) else X).astype(float)
    values = X / np.maximum(np.abs(X).max(axis=0), 1e-300)
    sign = np.where(values[:, 0] > np.median(values[:, 0]), 1.0, -1.0)
    noise = rng.choice([0.0, 0.1, 1.0]) * rng.standard_normal(len(values))
    return sign * values.sum(axis=1) + noise


@st.composite
def targets(draw, rng, X):
    """Real targets, (n,) or (n, 2)."""
    y, n = signal_of(X, rng), X.shape[0]
    kind = draw(choice("signal", "signal", "constant", "two values", "integers"))
    if kind == "constant":
        y = np.full(n, draw(choice(0.0, 3.1)))
    elif kind == "two values":
        y = np.sign(y)
    elif kind == "integers":
        return np.rint(3 * y).astype(np.int64)
    if draw(choice(*[False] * 5, True)):
        y = np.column_stack([y, draw(choice(0.0, 1.0, 1e3)) * rng.standard_normal(n)])
    y = y * draw(choice(*SCALES)) + draw(choice(0.0, 0.0, 1e3))
    if X.dtype != np.float32 and draw(choice(*[False] * 7, True)):
        y.flat[rng.integers(y.size)] = OUTLIER
    return y


@st.composite
def classes(draw, rng, X, n_classes):
    """Class labels (n,): noise, rare or separable."""
    y, n = signal_of(X, rng), X.shape[0]
    kind = draw(choice("signal", "noise", "rare", "separable"))
    if kind == "noise":
        return rng.integers(0, n_classes, n)
    if kind == "rare":
        return np.where(np.arange(n) < n_classes, np.arange(n) % n_classes, 0)
    if kind == "separable":
        first = X[:, [0]]
        y = (first.toarray() if sparse.issparse(first) else first).ravel()
    inner = np.quantile(y, np.arange(1, n_classes) / n_classes)
    return np.array(["a", "b", "c"])[np.digitize(y, inner)]


@st.composite
def positive(draw, rng, X, family):
    """Counts, some zero, or amounts, (n,), in all units."""
    spread = draw(choice(0.1, 1.0, 5.0))
    signal = signal_of(X, rng)
    mean = np.exp(spread * signal / np.maximum(np.abs(signal).max(), 1e-300))
    if family in ("poisson", "negative_binomial"):
        y = rng.poisson(draw(choice(3.0, 0.1, 1e5)) * mean).astype(float)
    else:
        y = mean * rng.gamma(draw(choice(3.0, 0.1, 1e6)), size=len(mean)) + 1e-300
    if draw(choice(*[False] * 5, True)):
        y = np.full(len(y), max(y[0], 1.0))
    return y * draw(choice(1.0, *SCALES))


@st.composite
def weights(draw, rng, n):
    """Sample weights (n,), some zero, or None."""
    if draw(st.booleans()):
        return None
    spread = draw(choice(0.0, 1.0, 6.0, 12.0, 100.0))
    weight = 10.0 ** rng.uniform(-spread, spread, n)
    if draw(st.booleans()):
        weight *= rng.uniform(size=n) < draw(choice(0.9, 0.5))
    return weight


@st.composite
def penalties(draw):
    """Strengths of the penalties, of up to 60 rows, and their lasso shares."""
    parameters = {
        "alpha": draw(choice(0.03, 0.0, 30.0)),
        "gate_alpha": draw(choice(0.03, 0.0, 30.0)),
    }
    if draw(choice(*[False] * 3, True)):
        parameters["l1_ratio"] = draw(choice(0.5, 1.0))
        parameters["gate_l1_ratio"] = draw(choice(0.0, 0.5, 1.0))
    return parameters


@st.composite
def parameters(draw, estimator, n, d):
    """Parameters of an estimator for n rows of d columns."""
    chosen = {
        "n_experts": draw(st.integers(1, min(n, 4))),
        "solver": draw(choice("em", "md", "gd")),
        # Mostly the quickest, which is the hardest too.
        "init": draw(choice("random", *STARTS, *["random"] * 7)),
        "max_iter": draw(choice(5, 20, 60)),
        "tol": draw(choice(1e-5, 0.0)),
        "random_state": 0,
        **draw(penalties()),
    }
    if draw(choice(*[False] * 5, True)):
        chosen["step_size"] = draw(choice(1.0, 0.3, 1.7, 100.0))
    if estimator is not CLASSIFIER and draw(choice(False, False, True)):
        chosen["noise_prior"] = draw(choice(0.0, 1e-3, 100.0))
    if estimator is GLM:
        chosen["family"] = draw(choice("poisson", "gamma", "negative_binomial"))
    elif draw(choice(*[False] * 3, True)):
        chosen.update(symmetric=True, n_experts=2)
    elif draw(choice(*[False] * 3, True)):
        chosen.update(n_experts=draw(choice(4, 8)), top_k=2)
    elif n >= 4 and draw(choice(*[False] * 3, True)):
        chosen.update(n_experts=4, depth=2)
    if estimator is REGRESSOR and draw(st.booleans()):
        chosen["noise"] = "shared"
    if estimator is REGRESSOR and draw(choice(False, False, True)):
        chosen["noise_df"] = draw(choice(4.0, 1.0, 0.3, 2.5, 1e9))
        if chosen["solver"] == "gd":
            # F of t noise is finite, however far steps of a given length run away.
            chosen.pop("step_size", None)
    if draw(choice(*[False] * 3, True)):
        chosen["fit_intercept"] = draw(st.booleans())
        chosen["gate_intercept"] = draw(choice("auto", True, False))
    if draw(choice(*[False] * 2, True)):
        for name in ("gate_features", "expert_features"):
            chosen[name] = draw(st.lists(st.integers(0, d - 1), unique=True))
            if not chosen[name]:
                is_gate = name == "gate_features"
                chosen["gate_intercept" if is_gate else "fit_intercept"] = True
    return chosen


@st.composite
def cases(draw):
    """A data set and an estimator for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    n = draw(st.integers(1, 8) | st.integers(2, 60))
    X = draw(features(rng, n))
    estimator = draw(choice(REGRESSOR, CLASSIFIER, GLM))
    chosen = draw(parameters(estimator, *X.shape))
    if estimator is REGRESSOR:
        y = draw(targets(rng, X))
    elif estimator is GLM:
        y = draw(positive(rng, X, chosen["family"]))
    else:
        n_classes = 2 if chosen.get("symmetric") else draw(choice(2, 3))
        y = draw(classes(rng, X, n_classes))
    case = Case(estimator, X, y, draw(weights(rng, n)), None, chosen)
    if draw(choice(*[False] * 4, True)):
        case.groups = rng.integers(0, max(1, n // 2), n)
        chosen.update(gate_features=[], gate_intercept="auto")
    return case
