"""Input that is an error: what the message names, and that nothing else changes."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference
from skmoe.streaming import fit_batches

N, D = 60, 3
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D))
Y = np.where(X[:, 0] > 0, X @ [1, 2, 3], -X @ [3, 2, 1]) + 0.3 * rng.standard_normal(N)
LABELS = (Y > 0).astype(int)
TERNARY = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
# Errors do not depend on the start; a random one is quick.
REGRESSOR = MixtureOfLinearExperts(init="random", random_state=0)
CLASSIFIER = MixtureOfLogisticExperts(init="random", random_state=0)
both = pytest.mark.parametrize(
    "estimator, y",
    [(REGRESSOR, Y), (CLASSIFIER, LABELS)],
    ids=["regressor", "classifier"],
)


def with_entry(array, value, index=3):
    """Copy of an array, one entry replaced."""
    array = np.array(array, dtype=float)
    array.flat[index] = value
    return array


class TestData:
    @both
    @pytest.mark.parametrize("value, word", [(np.nan, "NaN"), (np.inf, "infinity")])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_x_must_be_finite(self, estimator, y, value, word, dtype):
        bad = with_entry(X, value).astype(dtype)
        for given in (bad, sparse.csr_array(bad)):
            with pytest.raises(ValueError, match=f"X contains.*{word}"):
                clone(estimator).fit(given, y)

    @pytest.mark.parametrize("value, word", [(np.nan, "NaN"), (np.inf, "infinity")])
    def test_y_must_be_finite(self, value, word):
        for y in (Y, np.column_stack([Y, Y])):
            with pytest.raises(ValueError, match=f"y contains.*{word}"):
                clone(REGRESSOR).fit(X, with_entry(y, value))
        with pytest.raises(ValueError, match=f"y contains.*{word}"):
            clone(CLASSIFIER).fit(X, with_entry(LABELS, value))

    @both
    def test_squares_must_be_finite(self, estimator, y):
        for given in (1e160 * X, sparse.csr_array(1e160 * X)):
            with pytest.raises(ValueError, match="X has values .*overflow; scale X"):
                clone(estimator).fit(given, y)
        if estimator is REGRESSOR:
            with pytest.raises(ValueError, match="y has values .*overflow; scale y"):
                clone(estimator).fit(X, 1e160 * y)

    @both
    def test_x_must_have_two_dimensions(self, estimator, y):
        with pytest.raises(
            ValueError, match="(?s)Expected 2D array.*Reshape your data"
        ):
            clone(estimator).fit(X[:, 0], y)
        with pytest.raises(ValueError, match="dim 3"):
            clone(estimator).fit(X[:, None], y)

    @both
    def test_x_must_have_features_and_samples(self, estimator, y):
        with pytest.raises(
            ValueError, match=r"0 feature\(s\).*minimum of 1 is required"
        ):
            clone(estimator).fit(X[:, :0], y)
        with pytest.raises(
            ValueError, match=r"0 sample\(s\).*minimum of 1 is required"
        ):
            clone(estimator).fit(X[:0], y[:0])

    @both
    def test_x_must_be_real_numbers(self, estimator, y):
        with pytest.raises(ValueError, match="Complex data not supported"):
            clone(estimator).fit(X + 1j, y)
        with pytest.raises(ValueError, match="could not convert string to float"):
            clone(estimator).fit(np.full(X.shape, "a"), y)

    @both
    def test_y_must_have_a_value_for_each_row(self, estimator, y):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            clone(estimator).fit(X, y[:-1])

    @both
    def test_y_must_be_given(self, estimator, y):
        with pytest.raises(ValueError, match="requires y to be passed"):
            clone(estimator).fit(X, None)

    def test_y_must_have_at_most_two_dimensions(self):
        with pytest.raises(
            ValueError, match="y.*dim 3|dim 3.*y|Found array with dim 3"
        ):
            clone(REGRESSOR).fit(X, Y[:, None, None])
        with pytest.raises(ValueError, match="y should be a 1d array"):
            clone(CLASSIFIER).fit(X, np.column_stack([LABELS, LABELS]))

    def test_targets_of_the_regressor_must_be_numbers(self):
        with pytest.raises(ValueError, match="could not convert string to float"):
            clone(REGRESSOR).fit(X, np.where(LABELS, "a", "b").astype(object))

    def test_targets_of_the_classifier_must_be_classes(self):
        with pytest.raises(ValueError, match="[Uu]nknown label type.*continuous"):
            clone(CLASSIFIER).fit(X, Y)

    @pytest.mark.parametrize("lacking", [None, 0, True])
    def test_labels_are_all_strings_or_all_numbers(self, lacking):
        X = np.arange(20.0)[:, None]
        y = np.array([*["a", "b"] * 9, lacking, "b"], dtype=object)
        model = MixtureOfLogisticExperts(random_state=0).fit(X, ["a", "b"] * 10)
        message = rf"labels of the types \['{type(lacking).__name__}', 'str'\]; give"
        for use in (
            MixtureOfLogisticExperts().fit,
            model.score_samples,
            model.responsibilities,
            lambda X, y: model.partial_fit(X, y),
        ):
            with pytest.raises(TypeError, match=f"y has {message}"):
                use(X, y)
        with pytest.raises(TypeError, match=f"classes has {message}"):
            MixtureOfLogisticExperts().partial_fit(X, ["a", "b"] * 10, classes=y)

    @pytest.mark.parametrize("name", ["n_experts", "depth", "n_init", "alpha", "tol"])
    def test_numbers_are_no_bools(self, name):
        X, y = np.arange(20.0)[:, None], np.arange(20.0)
        with pytest.raises(ValueError, match=f"{name}=True is no number; give one"):
            MixtureOfLinearExperts(**{name: True}).fit(X, y)

    @pytest.mark.parametrize("label", [1, "a", True])
    def test_classifier_needs_two_classes(self, label):
        with pytest.raises(
            ValueError, match="y has one class only.*at least two classes"
        ):
            clone(CLASSIFIER).fit(X, np.full(N, label))

    def test_classifier_needs_two_classes_of_positive_weight(self):
        with pytest.raises(ValueError, match="class.*positive weight.*at least two"):
            clone(CLASSIFIER).fit(X, LABELS, sample_weight=LABELS)

    @both
    def test_fewer_samples_than_experts(self, estimator, y):
        message = "n_samples = 4.*n_experts=5.*more samples or lower n_experts"
        with pytest.raises(ValueError, match=message):
            clone(estimator).set_params(n_experts=5).fit(X[:4], np.arange(4) % 2)

    @both
    def test_fewer_samples_of_positive_weight_than_experts(self, estimator, y):
        weight = (np.arange(N) < 4).astype(float)
        message = "n_samples = 4 of positive weight.*n_experts=5"
        with pytest.raises(ValueError, match=message):
            clone(estimator).set_params(n_experts=5).fit(X, np.arange(N) % 2, weight)


class TestWeights:
    @both
    def test_must_not_be_negative(self, estimator, y):
        with pytest.raises(ValueError, match="sample_weight has a negative value"):
            clone(estimator).fit(X, y, sample_weight=with_entry(np.ones(N), -1))

    @both
    def test_must_not_all_be_zero(self, estimator, y):
        # The newest scikit-learn has a message of its own.
        message = "[Ss]ample.weight.*at least one (must be positive|non-zero)"
        with pytest.raises(ValueError, match=message):
            clone(estimator).fit(X, y, sample_weight=np.zeros(N))
        with pytest.raises(ValueError, match=message):
            clone(estimator).fit(X, y, sample_weight=0.0)

    @both
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_must_be_finite(self, estimator, y, value):
        with pytest.raises(ValueError, match="sample_weight contains"):
            clone(estimator).fit(X, y, sample_weight=with_entry(np.ones(N), value))

    @both
    def test_must_have_a_finite_sum(self, estimator, y):
        with pytest.raises(ValueError, match="sample_weight.*sum is inf.*divide all"):
            clone(estimator).fit(X, y, sample_weight=np.full(N, 1e307))
        clone(estimator).fit(X, y, sample_weight=np.full(N, 1e305))

    @both
    @pytest.mark.parametrize("shape", [(N - 1,), (N, 1), (N, 2)])
    def test_must_be_one_for_each_row(self, estimator, y, shape):
        with pytest.raises(ValueError, match="[Ss]ample.?weight"):
            clone(estimator).fit(X, y, sample_weight=np.ones(shape))

    @both
    def test_are_checked_by_the_criteria_too(self, estimator, y):
        model = clone(estimator).fit(X, y)
        for criterion in (model.aic, model.bic):
            for weight in (np.zeros(N), -np.ones(N), np.ones(N - 1)):
                with pytest.raises(ValueError, match="[Ss]ample.weight"):
                    criterion(X, y, sample_weight=weight)


INVALID = {
    "n_experts": [0, -1, 1.5, "2", None],
    "solver": ["newton", "EM", None],
    "step_size": [0, -1.0, "fast", None],
    "alpha": [-1e-9, "ridge", None],
    "gate_alpha": [-1.0, None],
    "l1_ratio": [-0.1, 1.1, None],
    "gate_l1_ratio": [-0.1, 1.1, "lasso"],
    "fit_intercept": ["yes", 2, None],
    "gate_intercept": ["yes", 2, None],
    "symmetric": ["yes", None],
    "gate_features": [3, 1.5],
    "expert_features": [0],
    "init": ["k-means++", 0, None],
    "n_init": [0, 1.5, "auto"],
    "max_iter": [0, 10.5, None],
    "tol": [-1.0, "small", None],
    "warm_start": ["yes", None],
    "random_state": ["seed", -1],
    "n_jobs": ["all", 1.5],
    "verbose": ["loud", -1],
}


@both
@pytest.mark.parametrize(
    "name, value", [(name, value) for name in INVALID for value in INVALID[name]]
)
def test_invalid_parameter_is_named_with_what_is_valid(estimator, y, name, value):
    message = rf"The '{name}' parameter of Mixture\w+ must be .* Got .* instead"
    with pytest.raises(ValueError, match=message):
        clone(estimator).set_params(**{name: value}).fit(X, y)


def test_invalid_noise_is_named():
    with pytest.raises(ValueError, match="'noise' parameter .*('\\w+'[,}] ?){2}"):
        MixtureOfLinearExperts(noise="common").fit(X, Y)


@both
@pytest.mark.parametrize("name", ["alpha", "gate_alpha", "tol", "step_size"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_must_be_finite(estimator, y, name, value):
    with pytest.raises(ValueError, match=name):
        clone(estimator).set_params(solver="md", **{name: value}).fit(X, y)


class TestSymmetric:
    @both
    @pytest.mark.parametrize("n_experts", [1, 3])
    def test_needs_two_experts(self, estimator, y, n_experts):
        message = (
            f"symmetric=True.*n_experts={n_experts}.*n_experts=2 or symmetric=False"
        )
        with pytest.raises(ValueError, match=message):
            clone(estimator).set_params(symmetric=True, n_experts=n_experts).fit(X, y)

    def test_needs_two_classes(self):
        message = "symmetric=True.*binary.*symmetric=False"
        with pytest.raises(ValueError, match=message):
            clone(CLASSIFIER).set_params(symmetric=True).fit(X, TERNARY)


@both
@pytest.mark.parametrize("name", ["gate_features", "expert_features"])
class TestColumns:
    frame = pd.DataFrame(X, columns=["age", "height", "size"])

    @pytest.mark.parametrize("form", ["list", "callable"])
    @pytest.mark.parametrize(
        "selection, message",
        [
            (
                ["age", "width"],
                r": \['width'\] are not features of X.*age.*height.*size",
            ),
            ("width", r"width.* not features of X.*age.*height.*size"),
            ([0, 3], "index out of range.*3 features"),
            ([-4], "index out of range.*3 features"),
            ([0.0, 1.0], "names, indices, a boolean mask or a callable"),
            ([None], "names, indices, a boolean mask or a callable|not features"),
            ([0, 0], "more than once.*name each once"),
            ([0, -3], "more than once.*name each once"),
            (["age", "age"], "more than once.*name each once"),
            ([True, False], r"mask of shape \(2,\).*shape \(3,\)"),
            ([True] * 4, r"mask of shape \(4,\).*shape \(3,\)"),
            ([[True, False, True]], r"mask of shape \(1, 3\).*shape \(3,\)"),
            ([[0, 1]], r"shape \(1, 2\)|dimension"),
            ([["age", "size"]], r"shape \(1, 2\)|dimension"),
        ],
        ids=str,
    )
    def test_bad_selection_is_named(self, estimator, y, name, selection, message, form):
        given = selection if form == "list" else lambda X: selection
        model = clone(estimator).set_params(**{name: given})
        with pytest.raises(ValueError, match=rf"{name}.*({message})"):
            model.fit(self.frame, y)

    def test_names_need_a_frame(self, estimator, y, name):
        model = clone(estimator).set_params(**{name: ["age"]})
        with pytest.raises(ValueError, match=f"{name}.*indices or a data frame"):
            model.fit(X, y)

    @pytest.mark.parametrize(
        "wrong, kind",
        [
            ({"a"}, "set"),
            ({"a": 1}.keys(), "dict_keys"),
            ({"a": 1}.values(), "dict_values"),
            ([["a"], ["b", "c"]], "list"),
            (lambda X: {"a"}, "set"),
            (lambda X: None, "NoneType"),
        ],
    )
    def test_columns_come_in_a_list(self, estimator, y, name, wrong, kind):
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        model = clone(estimator).set_params(**{name: wrong})
        with pytest.raises(ValueError, match=f"{name} selects.*{kind}.*give a list"):
            model.fit(frame, y)

    @pytest.mark.parametrize(
        "nothing", [[], np.zeros(D, dtype=bool)], ids=["list", "mask"]
    )
    @pytest.mark.parametrize("how", [{"fit_intercept": False}, {"symmetric": True}])
    def test_nothing_to_see_needs_an_intercept(self, estimator, y, name, nothing, how):
        switch = "fit_intercept"
        if name == "gate_features":
            switch, how = "gate_intercept", {**how, "gate_intercept": False}
        model = clone(estimator).set_params(**{name: nothing}, **how)
        with pytest.raises(ValueError, match=f"{name}.*{switch}=True"):
            model.fit(X, y)


@both
class TestInit:
    @pytest.mark.parametrize(
        "init, message",
        [
            (np.zeros(N - 1, dtype=int), r"shape \(59,\).*labels of shape \(60,\)"),
            (np.full(N, 2), r"labels from 2 to 2.*n_experts=2.*from 0 to 1"),
            (np.full(N, -1), r"labels from -1 to -1.*n_experts=2.*from 0 to 1"),
            (np.zeros(N), r"dtype float64.*integer labels"),
            (np.full(N, "a"), r"integer labels of shape"),
            (np.ones((N, 3)), r"shape \(60, 3\).*responsibilities of shape \(60, 2\)"),
            (np.ones((2, N)), r"shape \(2, 60\).*responsibilities of shape \(60, 2\)"),
            (np.zeros((N, 2)), "positive sum"),
            (-np.ones((N, 2)), "non-negative"),
            (np.full((N, 2), np.nan), "not finite"),
            (np.full((N, 2), np.inf), "not finite"),
            (np.ones((N, 2, 1)), r"responsibilities of shape \(60, 2\)"),
        ],
    )
    def test_bad_array_is_named(self, estimator, y, init, message):
        with pytest.raises(ValueError, match=f"init has .*{message}"):
            clone(estimator).set_params(init=init).fit(X, y)


class TestWarmStart:
    @both
    @pytest.mark.parametrize(
        "change",
        [{"n_experts": 3}, {"gate_features": [0]}, {"expert_features": [0]}],
        ids=str,
    )
    def test_changed_model_cannot_go_on(self, estimator, y, change):
        model = clone(estimator).set_params(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="warm_start=True.*set warm_start=False"):
            model.set_params(**change).fit(X, y)

    @both
    def test_changed_features_cannot_go_on(self, estimator, y):
        model = clone(estimator).set_params(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="warm_start=True.*set warm_start=False"):
            model.fit(X[:, :2], y)

    def test_changed_outputs_cannot_go_on(self):
        model = clone(REGRESSOR).set_params(warm_start=True).fit(X, Y)
        for y in (np.column_stack([Y, Y]), Y[:, None]):
            with pytest.raises(
                ValueError, match="warm_start=True.*set warm_start=False"
            ):
                model.fit(X, y)

    def test_more_classes_cannot_go_on(self):
        model = clone(CLASSIFIER).set_params(warm_start=True).fit(X, LABELS)
        with pytest.raises(ValueError, match="warm_start=True.*set warm_start=False"):
            model.fit(X, TERNARY)


class TestPredictions:
    @both
    def test_unfitted_estimator_says_so(self, estimator, y):
        model = clone(estimator)
        for method in ("predict", "gate_proba", "predict_expert", "sample"):
            with pytest.raises(NotFittedError, match="not fitted yet"):
                getattr(model, method)(X)
        for method in ("score_samples", "responsibilities", "aic", "bic", "score"):
            with pytest.raises(NotFittedError, match="not fitted yet"):
                getattr(model, method)(X, y)

    @both
    @pytest.mark.parametrize(
        "wrong", [X[:, :2], np.hstack([X, X])], ids=["few", "many"]
    )
    def test_number_of_features_must_be_that_of_fit(self, estimator, y, wrong):
        model = clone(estimator).fit(X, y)
        message = f"X has {wrong.shape[1]} features, but .* expecting 3 features"
        for given in (wrong, sparse.csr_array(wrong)):
            for method in ("predict", "gate_proba", "predict_expert", "sample"):
                with pytest.raises(ValueError, match=message):
                    getattr(model, method)(given)
            for method in ("score_samples", "responsibilities", "aic", "bic"):
                with pytest.raises(ValueError, match=message):
                    getattr(model, method)(given, y)

    @both
    def test_x_must_be_finite(self, estimator, y):
        model = clone(estimator).fit(X, y)
        for method in ("predict", "gate_proba", "predict_expert", "sample"):
            with pytest.raises(ValueError, match="X contains NaN"):
                getattr(model, method)(with_entry(X, np.nan))

    @both
    @pytest.mark.parametrize(
        "method", ["score_samples", "responsibilities", "aic", "bic"]
    )
    def test_y_must_have_a_value_for_each_row(self, estimator, y, method):
        model = clone(estimator).fit(X, y)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            getattr(model, method)(X, y[:-1])

    @both
    @pytest.mark.parametrize("method", ["responsibilities", "aic", "bic"])
    def test_y_must_be_given(self, estimator, y, method):
        model = clone(estimator).fit(X, y)
        with pytest.raises(ValueError, match="y"):
            getattr(model, method)(X, None)

    @pytest.mark.parametrize(
        "fitted, given",
        [
            ((N,), (N, 1)),
            ((N,), (N, 2)),
            ((N, 1), (N,)),
            ((N, 2), (N,)),
            ((N, 2), (N, 3)),
            ((N, 2), (N, 1)),
        ],
    )
    def test_y_must_have_the_outputs_of_fit(self, fitted, given):
        model = clone(REGRESSOR).fit(X, np.resize(Y, fitted))
        for method in (
            model.score_samples,
            model.responsibilities,
            model.aic,
            model.bic,
        ):
            with pytest.raises(
                ValueError, match="y has shape.*shape it was fitted with"
            ) as caught:
                method(X, np.resize(Y, given))
            of_fit = f"y of shape {fitted}".replace(str(N), "n_samples")
            assert of_fit in str(caught.value)
            if {*map(np.prod, (fitted, given))} == {N}:
                remedy = "y.ravel()" if fitted == (N,) else "y.reshape(-1, 1)"
                assert remedy in str(caught.value)

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize(
        "known, unknown",
        [
            ([0, 2, 4], -1),
            ([0, 2, 4], 1),
            ([0, 2, 4], 9),
            (["b", "d", "f"], "a"),
            (["b", "d", "f"], "longer"),
            ([0, 2, 4], "b"),
            (["b", "d", "f"], 1),
        ],
    )
    def test_unseen_class_is_named(self, n_classes, known, unknown):
        y = LABELS if n_classes == 2 else TERNARY
        model = clone(CLASSIFIER).fit(X, np.array(known)[y])
        message = f"y has classes.*not seen in fit.*{unknown}"
        for method in (
            model.score_samples,
            model.responsibilities,
            model.aic,
            model.bic,
        ):
            with pytest.raises(ValueError, match=message):
                method(X, np.full(N, unknown))

    @both
    @pytest.mark.parametrize("n_samples", [0, -1, 1.5])
    def test_number_of_draws_must_be_a_positive_integer(self, estimator, y, n_samples):
        model = clone(estimator).fit(X, y)
        with pytest.raises(ValueError, match="n_samples"):
            model.sample(X, n_samples)


class Interrupting:
    """Standard output on which the user presses Ctrl-C after some lines."""

    def __init__(self, after):
        self.left = after

    def write(self, text):
        self.left -= text == "\n"
        if self.left < 0:
            raise KeyboardInterrupt

    def flush(self):
        pass


def snapshot(model, X, y):
    """Fitted attributes and predictions, copied."""
    attributes = {
        name: np.array(value)
        for name, value in vars(model).items()
        if name.endswith("_") and not name.startswith("_")
    }
    predicted = [
        np.array(getattr(model, method)(X))
        for method in ("predict", "gate_proba", "predict_expert")
    ]
    predicted += [
        np.array(getattr(model, method)(X, y))
        for method in ("score_samples", "responsibilities", "aic", "bic", "score")
    ]
    return attributes, predicted


def assert_untouched(model, before, X, y):
    """The snapshot is what it was."""
    attributes, predicted = snapshot(model, X, y)
    assert attributes.keys() == before[0].keys()
    for name, value in before[0].items():
        np.testing.assert_array_equal(attributes[name], value, err_msg=name)
    for found, expected in zip(predicted, before[1]):
        np.testing.assert_array_equal(found, expected)


def interrupt(X):
    raise KeyboardInterrupt


OTHER = np.vstack([X, X])[:, [0, 0, 1, 2]]
FAILURES = {
    "NaN in X": ({}, with_entry(OTHER, np.nan), None, None, ValueError),
    "one target missing": ({}, OTHER, "short", None, ValueError),
    "negative weight": ({}, OTHER, None, -np.ones(2 * N), ValueError),
    "weights all zero": ({}, OTHER, None, np.zeros(2 * N), ValueError),
    "solver": ({"solver": "newton"}, OTHER, None, None, ValueError),
    "too many experts": ({"n_experts": 500}, OTHER, None, None, ValueError),
    "not symmetric": (
        {"n_experts": 3, "symmetric": True},
        OTHER,
        None,
        None,
        ValueError,
    ),
    "gate_features": ({"gate_features": [7]}, OTHER, None, None, ValueError),
    "init": ({"init": np.zeros(3, dtype=int)}, OTHER, None, None, ValueError),
    "warm start": ({"warm_start": True}, OTHER, None, None, ValueError),
    "warm start, other y": ({"warm_start": True}, X, "other", None, ValueError),
    "one class": ({}, OTHER, "constant", None, ValueError),
    "interrupted early": (
        {"gate_features": interrupt},
        OTHER,
        None,
        None,
        KeyboardInterrupt,
    ),
}


class TestFailedRefit:
    frame = pd.DataFrame(X, columns=["age", "height", "size"])

    @pytest.mark.sampled(8)
    @pytest.mark.parametrize(
        "estimator, y, failure",
        [
            *((CLASSIFIER, LABELS, failure) for failure in FAILURES),
            *(
                (REGRESSOR, Y, failure)
                for failure in FAILURES
                if failure != "one class"
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_leaves_the_earlier_fit_as_it_was(self, estimator, y, failure):
        change, other, targets, weight, error = FAILURES[failure]
        model = clone(estimator).set_params(gate_features=[0, 1]).fit(self.frame, y)
        before = snapshot(model, self.frame, y)
        changed = np.concatenate([y, y])[: len(other)]
        if targets == "short":
            changed = changed[:-1]
        elif targets == "constant":
            changed = np.zeros(len(other), dtype=int)
        elif targets == "other":
            changed = TERNARY if estimator is CLASSIFIER else np.column_stack([Y, Y])
        model.set_params(**change)
        with pytest.raises(error):
            model.fit(other, changed, sample_weight=weight)
        assert_untouched(model, before, self.frame, y)

    @pytest.mark.filterwarnings("ignore:The penalties move estimates")
    def test_leaves_what_inspection_needs(self):
        model = clone(REGRESSOR).set_params(warm_start=True).fit(X, Y)
        before = dict(vars(model))
        with pytest.raises(ValueError, match="warm_start=True"):
            model.fit(X, Y[:, None])
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())
        assert np.isfinite(inference(model, X, Y).log_likelihood)

    @both
    @pytest.mark.parametrize(
        "solver, after", [("em", 0), ("em", 3), ("md", 1), ("gd", 1)]
    )
    def test_interrupt_leaves_the_earlier_fit_as_it_was(
        self, estimator, y, solver, after, monkeypatch
    ):
        model = clone(estimator).fit(self.frame, y)
        before = snapshot(model, self.frame, y)
        model.set_params(
            solver=solver,
            verbose=1,
            init="random",
            tol=0,
            n_experts=3,
            gate_features=[1],
        )
        monkeypatch.setattr(sys, "stdout", Interrupting(after))
        with pytest.raises(KeyboardInterrupt):
            model.fit(OTHER, np.concatenate([y, y]))
        monkeypatch.undo()
        assert_untouched(model, before, self.frame, y)

    @both
    def test_interrupt_leaves_an_unfitted_estimator_unfitted(
        self, estimator, y, monkeypatch
    ):
        model = clone(estimator).set_params(verbose=1)
        monkeypatch.setattr(sys, "stdout", Interrupting(0))
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        monkeypatch.undo()
        with pytest.raises(NotFittedError):
            model.predict(X)
        assert not hasattr(model, "n_features_in_")

    @both
    def test_estimator_fits_again_after_a_failure(self, estimator, y):
        model = clone(estimator).fit(X, y)
        with pytest.raises(ValueError):
            model.fit(with_entry(OTHER, np.nan), np.concatenate([y, y]))
        again = model.fit(X, y)
        np.testing.assert_array_equal(again.coef_, clone(estimator).fit(X, y).coef_)

    @both
    def test_warm_start_goes_on_after_a_failure(self, estimator, y):
        model = clone(estimator).set_params(warm_start=True).fit(X, y)
        last = model.objective_curve_[-1]
        with pytest.raises(ValueError):
            model.fit(OTHER, np.concatenate([y, y]))
        assert model.fit(X, y).objective_curve_[0] == pytest.approx(last, rel=1e-9)


@both
def test_fit_leaves_its_arguments_alone(estimator, y):
    given = X.copy(), y.copy(), np.linspace(0, 1, N)
    kept = [value.copy() for value in given]
    for value in given:
        value.flags.writeable = False
    init = np.full((N, 2), 3.0)
    init.flags.writeable = False
    model = clone(estimator).set_params(init=init, expert_features=[]).fit(*given)
    for value, expected in zip(given, kept):
        np.testing.assert_array_equal(value, expected)
    assert model.init is init
    sparse_X = sparse.csc_array(X)
    copy = sparse_X.copy()
    model.fit(sparse_X, y)
    np.testing.assert_array_equal(sparse_X.data, copy.data)


WAYS_IN = {
    "fit": lambda model, X, y, w: model.fit(X, y, w),
    "partial_fit": lambda model, X, y, w: model.partial_fit(
        X, y, **({"classes": np.unique(LABELS)} if is_classifier(model) else {})
    ),
    "batches": lambda model, X, y, w: fit_batches(model, lambda: iter([(X, y)])),
    "weighted batches": lambda model, X, y, w: fit_batches(
        model, lambda: iter([(X, y, w)])
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(
    "kind, y",
    [
        (MixtureOfLinearExperts, Y),
        (MixtureOfLogisticExperts, LABELS),
        (MixtureOfGLMExperts, np.abs(Y)),
    ],
)
class TestEveryWayIn:
    def test_y_must_be_dense(self, kind, y, way):
        for made in (sparse.csr_array(y[:, None]), sparse.csr_matrix(y[:, None])):
            with pytest.raises(TypeError, match="y is sparse; give a dense array"):
                WAYS_IN[way](kind(), X, made, np.ones(N))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_not_finite_is_named_though_it_is_assumed_not_to_be(
        self, kind, y, way, value
    ):
        spoilt = [
            (with_entry(X, value), y, np.ones(N), "X contains NaN or infinite"),
            (
                X,
                with_entry(y.astype(float), value),
                np.ones(N),
                "y contains NaN or inf",
            ),
        ]
        if way in ("fit", "weighted batches"):
            weight = with_entry(np.ones(N), value)
            spoilt.append((X, y, weight, "sample_weight"))
        with config_context(assume_finite=True):
            for *data, message in spoilt:
                with pytest.raises(ValueError, match=message):
                    WAYS_IN[way](kind(random_state=0), *data)
