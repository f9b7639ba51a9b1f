"""Log-likelihoods, responsibilities and gradients beside 50 digits, and statsmodels.

What "relative" means: an error of log p is a relative error of p, so where log p is
near 0 it is measured against 1, else against log p.  A responsibility is a ratio of
densities; its relative error is measured against the logarithms of those, if they are
more than 1: beside log-densities of -1e11 the difference of two has lost 11 digits,
with any method that forms them.  Entries of a gradient are sums over rows that cancel;
their errors are measured against the largest entry of the same kind; where experts are
certain, an entry less than 1e-5 is a difference of probabilities that round like 1.
"""

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from _data import MODELS, all_features, random_theta, unflat

from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts
from skmoe.inspection import inference

mpf, exp, log = mpmath.mpf, mpmath.exp, mpmath.log
PRECISION, ROUNDING = 1e-10, 1e-15


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


def dot(coef, x, intercept=0.0):
    """Linear predictor, exactly."""
    terms = (mpf(float(a)) * mpf(float(b)) for a, b in zip(coef, x))
    return sum(terms, mpf(float(intercept)))


def logsumexp(values):
    """log sum exp; 50 digits bear exponents of any size."""
    return log(sum(map(exp, values)))


def log_softmax_of(logits):
    total = logsumexp(logits)
    return [logit - total for logit in logits]


def log_normal(y, mean, variance):
    return -(log(2 * mpmath.pi * variance) + (y - mean) ** 2 / variance) / 2


def joint_of_row(model, x, y):
    """log pi_k(x) + log p_k(y | x) of the experts, from fitted attributes."""
    gate = [dot(w, x, b) for w, b in zip(model.gate_coef_, model.gate_intercept_)]
    return [
        prior + expert_log_density(model, k, x, y)
        for k, prior in enumerate(log_softmax_of(gate))
    ]


def expert_log_density(model, k, x, y):
    """log p_k(y | x)."""
    coef, intercept = model.coef_[k], model.intercept_[k]
    if isinstance(model, MixtureOfLinearExperts):
        variance = mpf(float(model.noise_variance_[k]))
        return log_normal(mpf(float(y)), dot(coef, x, intercept), variance)
    if coef.ndim == 1:
        logits = [mpf(0), dot(coef, x, intercept)]
    else:
        logits = [dot(w, x, b) for w, b in zip(coef, intercept)]
    return log_softmax_of(logits)[y]


def with_attributes(model, **attributes):
    """A fitted model whose attributes are replaced by others."""
    n_experts = len(attributes["coef_"])
    labels = np.arange(12) % n_experts
    n_classes = 2 if attributes["coef_"].ndim == 2 else attributes["coef_"].shape[1]
    X, y = np.arange(24.0).reshape(12, 2) % 7, np.arange(12) % n_classes
    model.set_params(n_experts=n_experts, init=labels, tol=1e9).fit(X, y)
    for name, value in attributes.items():
        assert getattr(model, name).shape == value.shape
        setattr(model, name, value.astype(float))
    return model


def true_joint(model, X, y):
    """Rows of log-joints, mpmath numbers."""
    return [joint_of_row(model, x, label) for x, label in zip(X, y)]


def assert_log_density_is_true(model, X, y):
    """score_samples beside 50 digits; returns the log-joints."""
    joint = true_joint(model, X, y)
    for found, row in zip(model.score_samples(X, y), joint):
        expected = logsumexp(row)
        error = abs(mpf(float(found)) - expected)
        assert error <= PRECISION * max(1, abs(expected)), (found, expected)
    return joint


def assert_responsibilities_are_true(model, X, y):
    """Responsibilities beside 50 digits, as far as a double reaches."""
    for found, row in zip(model.responsibilities(X, y), true_joint(model, X, y)):
        total, size = logsumexp(row), max(1, *map(abs, row))
        for value, term in zip(found, row):
            expected = exp(term - total)
            error = abs(mpf(float(value)) - expected)
            bound = max(PRECISION, ROUNDING * size) * expected
            assert error <= bound + mpf(10) ** -300, (value, expected)


def assert_true(model, X, y):
    assert_log_density_is_true(model, X, y)
    assert_responsibilities_are_true(model, X, y)


# Small multiples of powers of two: predictors are exact, the rest is not.
POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 2.0], [0.5, -0.25], [8.0, -8.0]])
GATES = {
    "even": np.zeros((3, 2)),
    "near-tie": np.array([[2.0**-30, 0.0], [0.0, 2.0**-40], [0.0, 0.0]]),
    "sharp": np.array([[350.0, 0.0], [-350.0, 0.0], [0.0, 350.0]]),
    "blunt and sharp": np.array([[1.0, 0.0], [1.0, 2.0**-20], [-700.0, 350.0]]),
}
every_gate = pytest.mark.parametrize("gate", GATES)


def gate_attributes(name):
    return {
        "gate_coef_": GATES[name],
        "gate_intercept_": np.array([0.5, -0.25, -0.25]),
    }


@every_gate
@pytest.mark.parametrize("variance", [1e-10, 1.0, 1e10])
def test_linear_experts(gate, variance):
    model = with_attributes(
        MixtureOfLinearExperts(),
        **gate_attributes(gate),
        coef_=np.array([[1.0, -2.0], [1.0 + 2.0**-20, -2.0], [-4.0, 0.5]]),
        intercept_=np.array([0.0, 0.0, 1.0]),
        noise_variance_=variance * np.array([1.0, 1.5, 0.25]),
    )
    on_first = POINTS @ [1.0, -2.0]
    for y in (on_first, on_first + 2.0**-16, on_first + 1.0, np.full(5, 2.0**20)):
        assert_true(model, POINTS, y)
    if variance >= 1:
        assert_true(model, POINTS, np.full(5, 1e30))


@every_gate
def test_two_classes(gate):
    model = with_attributes(
        MixtureOfLogisticExperts(),
        **gate_attributes(gate),
        coef_=np.array([[700.0, 0.0], [700.0, 2.0**-20], [-350.0, 175.0]]),
        intercept_=np.array([0.0, 2.0**-30, -0.5]),
    )
    for label in (0, 1):
        assert_true(model, POINTS, np.full(5, label))


@every_gate
def test_three_classes(gate):
    coef = np.array([[700.0, 0.0], [0.0, -700.0], [2.0**-30, 0.0]])
    model = with_attributes(
        MixtureOfLogisticExperts(),
        **gate_attributes(gate),
        coef_=np.stack([coef, coef[::-1], 2.0**-20 * coef]),
        intercept_=np.array([[0.0, 0.5, -0.5], [0.0] * 3, [2.0**-40, 0.0, 0.0]]),
    )
    for label in (0, 1, 2):
        assert_true(model, POINTS, np.full(5, label))


def objective(mixture, parts, gate_rows, expert_rows):
    """F of mpmath parameters, nested lists: gate, experts, log-variances."""
    gate, experts, log_variance = parts
    K, weight, target = mixture.n_experts, mixture.weight, mixture.target
    total = mpf(mixture.constant)
    for i in range(weight.shape[0]):
        free = [sum_products(row, gate_rows[i]) for row in gate]
        prior = log_softmax_of([sum_products(b, free) for b in mixture.gate.contrasts])
        joint = []
        for k in range(K):
            sets = [(s, j) for j, s in enumerate(mixture.experts.tie[k]) if s]
            ((sign, j),) = sets
            free = [mpf(sign) * sum_products(row, expert_rows[i]) for row in experts[j]]
            noise = log_variance[k % len(log_variance)] if log_variance else None
            joint.append(prior[k] + log_density(mixture, free, noise, target[..., i]))
        total -= mpf(float(weight[i])) * logsumexp(joint)
    return total


def sum_products(first, second):
    return sum((mpf(a) * mpf(b) for a, b in zip(first, second)), mpf(0))


def log_density(mixture, free, log_variance, y):
    """log p_k(y | x) from an expert's free predictors."""
    distribution = mixture.experts.distribution
    if distribution.n_categories:
        logits = [sum_products(b, free) for b in distribution.contrasts]
        return log_softmax_of(logits)[int(y)]
    return sum(
        log_normal(mpf(float(value)), mean, exp(noise))
        for value, mean, noise in zip(y, free, log_variance)
    )


def nested(theta):
    """Parameters as lists of mpmath numbers."""
    return [np.vectorize(mpf, otypes=[object])(part).tolist() for part in theta]


def true_gradient(mixture, theta):
    """Central differences of F with 50 digits: their error is of the order 1e-30."""
    rows = [
        [list(map(float, row)) for row in all_features(design).T]
        for design in (mixture.gate_design, mixture.expert_design)
    ]
    vector = np.array([mpf(float(value)) for value in theta.flat()])
    gradient = np.empty(vector.shape)
    step = mpf(10) ** -16
    for index in range(vector.size):
        ends = []
        for sign in (1, -1):
            moved = vector.copy()
            moved[index] += sign * step
            ends.append(objective(mixture, nested(unflat(moved, theta)), *rows))
        gradient[index] = float((ends[0] - ends[1]) / (2 * step))
    return unflat(gradient, theta)


def hard_points(mixture):
    """Parameters at random, and with logits of 700, tiny variances and near-ties."""
    theta = random_theta(mixture, 0)
    yield theta
    largest = max(np.abs(all_features(mixture.gate_design)).max(), 1.0)
    yield theta._replace(
        gate=700 / largest * np.sign(theta.gate),
        experts=theta.experts
        * (700 if mixture.experts.distribution.n_categories else 1),
        log_variance=np.full_like(theta.log_variance, np.log(1e-10)),
    )
    tie = theta.experts * 0 + theta.experts[:1]
    yield theta._replace(gate=1e-9 * theta.gate, experts=tie * (1 + 1e-9))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "name",
    [
        "linear-3",
        "linear-shared-noise",
        "linear-two-outputs",
        "linear-own-columns",
        "linear-symmetric",
        "binary-2",
        "three-class-3",
        "binary-symmetric",
    ],
)
def test_gradient(name):
    model = MODELS[name]
    data = model.data(n=4, seed=1)
    weight = np.linspace(0.5, 1.5, 4)
    mixture = model.problem(data, weight=weight).mixture
    for theta in hard_points(mixture):
        found = mixture.gradient(mixture.evaluate(theta))
        for part, expected in zip(found, true_gradient(mixture, theta)):
            bound = PRECISION * np.abs(expected).max(initial=ROUNDING / PRECISION)
            np.testing.assert_allclose(part, expected, rtol=0, atol=bound)


class TestStatsmodels:
    """One expert without penalty is a regression that statsmodels knows."""

    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)) + 1
    design = sm.add_constant(X, prepend=False)
    latent = X @ [1.0, -0.5, 0.0] + rng.logistic(size=200)
    weight = rng.integers(1, 4, 200).astype(float)

    def fitted(self, estimator, y, weight=None):
        model = estimator(1, alpha=0, gate_alpha=0, tol=1e-13)
        if "noise_prior" in model.get_params():
            model.set_params(noise_prior=0)
        return model.fit(self.X, y, sample_weight=weight)

    def errors(self, model, y, weight=None, robust=False):
        """Standard errors of the expert's coefficients."""
        result = inference(model, self.X, y, sample_weight=weight, robust=robust)
        chosen = [name.startswith("expert") for name in result.names]
        return result.standard_error[chosen]

    @pytest.mark.parametrize("robust", [False, True])
    def test_ordinary_least_squares(self, robust):
        y, n = self.latent, 200
        model = self.fitted(MixtureOfLinearExperts, y)
        other = sm.OLS(y, self.design).fit(cov_type="HC0" if robust else "nonrobust")
        found = np.append(model.coef_, model.intercept_)
        np.testing.assert_allclose(found, other.params, rtol=1e-8)
        likelihood = model.score_samples(self.X, y).sum()
        assert likelihood == pytest.approx(other.llf, rel=1e-12)
        # theirs divides the sum of squares by n - 4, maximum likelihood by n
        factor = 1 if robust else np.sqrt((n - 4) / n)
        errors = self.errors(model, y, robust=robust)
        np.testing.assert_allclose(errors, factor * other.bse, rtol=1e-6)

    def test_weighted_least_squares(self):
        y, weight = self.latent, self.weight * 200 / self.weight.sum()
        model = self.fitted(MixtureOfLinearExperts, y, weight)
        other = sm.WLS(y, self.design, weights=weight).fit()
        found = np.append(model.coef_, model.intercept_)
        np.testing.assert_allclose(found, other.params, rtol=1e-8)
        # There a weight divides the noise variance, here it repeats the row.
        likelihood = weight @ model.score_samples(self.X, y)
        likelihood += 0.5 * np.log(weight).sum()
        assert likelihood == pytest.approx(other.llf, rel=1e-12)
        errors = self.errors(model, y, weight)
        np.testing.assert_allclose(errors, np.sqrt(196 / 200) * other.bse, rtol=1e-6)

    @pytest.mark.parametrize("robust", [False, True])
    def test_logit(self, robust):
        y = (self.latent > 0).astype(int)
        model = self.fitted(MixtureOfLogisticExperts, y)
        kind = "HC0" if robust else "nonrobust"
        other = sm.Logit(y, self.design).fit(disp=0, tol=1e-12, cov_type=kind)
        found = np.append(model.coef_, model.intercept_)
        np.testing.assert_allclose(found, other.params, rtol=1e-5)
        likelihood = model.score_samples(self.X, y).sum()
        assert likelihood == pytest.approx(other.llf, rel=1e-10)
        errors = self.errors(model, y, robust=robust)
        np.testing.assert_allclose(errors, other.bse, rtol=1e-5)

    def test_weighted_logit(self):
        y = (self.latent > 0).astype(int)
        model = self.fitted(MixtureOfLogisticExperts, y, self.weight)
        family = sm.families.Binomial()
        other = sm.GLM(y, self.design, family=family, freq_weights=self.weight)
        other = other.fit(tol=1e-12)
        found = np.append(model.coef_, model.intercept_)
        np.testing.assert_allclose(found, other.params, rtol=1e-5)
        np.testing.assert_allclose(
            self.errors(model, y, self.weight), other.bse, rtol=1e-5
        )

    def test_multinomial_logit(self):
        y = np.digitize(self.latent, [-0.5, 1.5])
        model = self.fitted(MixtureOfLogisticExperts, y)
        other = sm.MNLogit(y, self.design).fit(disp=0, tol=1e-12)
        # Theirs are contrasts to the first class.
        found = np.column_stack([model.coef_[0], model.intercept_[0]])
        found = (found[1:] - found[0]).T
        np.testing.assert_allclose(found, other.params, rtol=1e-4)
        likelihood = model.score_samples(self.X, y).sum()
        assert likelihood == pytest.approx(other.llf, rel=1e-10)
        result = inference(model, self.X, y)
        features = ["x0", "x1", "x2", "(intercept)"]
        for column, label in enumerate((1, 2)):
            for row, feature in enumerate(features):
                contrast = {
                    f"expert 0, {label}: {feature}": 1,
                    f"expert 0, 0: {feature}": -1,
                }
                error = result.wald_test(contrast).standard_error[0]
                assert error == pytest.approx(other.bse[row, column], rel=1e-5)
