"""Fits on a real cluster of two worker processes: the plain estimator's results."""

import os
import pickle
import signal
import traceback

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.utils import get_tags
from test_streaming import assert_same_fit, drawn

import skmoe._callbacks
from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.callbacks import Checkpoint, load_checkpoint
from skmoe.dask import DaskMixture
from skmoe.data import sampling

KINDS = [MixtureOfLinearExperts, MixtureOfLogisticExperts, MixtureOfGLMExperts]


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


def in_chunks(*arrays, size=700):
    """Arrays of Dask, in chunks of so many rows."""
    return [da.from_array(array, chunks=(size,) + array.shape[1:]) for array in arrays]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "name",
    [
        "shared-noise-two-outputs",
        "own-columns",
        "lasso",
        "t-noise",
        "three-class",
        "shared-coefficients",
        "shared-intercept",
        "tree",
        "gamma",
        "two-part",
    ],
)
def test_fit_is_the_plain_one(name, client):
    X, y, weight, estimator = drawn(name, 2000)
    found = DaskMixture(estimator).fit(*in_chunks(X, y, weight))
    assert found.client_ is client
    assert_same_fit(found.to_local(), estimator.fit(X, y, weight))
    assert type(found.to_local()) is type(estimator)


@pytest.mark.long
def test_small_files_are_as_many_partitions_of_y_as_of_x(client, tmp_path):
    """Of one column Dask would read several files at once."""
    X, y, _, estimator = drawn("linear-3", 2000)
    names = [f"x{j}" for j in range(X.shape[1])]
    table = pd.DataFrame(X, columns=names).assign(y=y.ravel())
    for part, rows in enumerate(np.split(np.arange(2000), 4)):
        table.iloc[rows].to_parquet(tmp_path / f"{part}.parquet")
    frame = dd.read_parquet(tmp_path)
    found = DaskMixture(estimator).fit(frame[names], frame["y"])
    assert_same_fit(found.to_local(), estimator.fit(table[names], table["y"]))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["linear-3", "three-class", "poisson-3"])
@pytest.mark.parametrize("solver", ["em", "md", "gd"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_fit_beyond_the_sample_is_the_plain_one(name, solver, client, monkeypatch):
    monkeypatch.setattr(sampling, "_MOST_ROWS", 3000)
    X, y, _, estimator = drawn(name, 20_000, solver)
    estimator.set_params(warm_start=True).fit(X[:2000], y[:2000])
    found = DaskMixture(estimator).fit(*in_chunks(X, y, size=4000))
    assert_same_fit(found.to_local(), estimator.fit(X, y))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["linear-3", "binary-3", "three-class", "poisson-3"])
def test_offsets_and_known_experts_are_those_of_the_plain_fit(name, client):
    X, y, weight, estimator = drawn(name, 2000)
    rng = np.random.default_rng(0)
    offset = rng.normal(size=(2000, 3) if name == "three-class" else 2000)
    drawn_labels = rng.integers(estimator.n_experts, size=2000)
    labels = np.where(rng.random(2000) < 0.1, drawn_labels, -1)
    # Labels at random leave F flat, where steps amplify rounding.
    estimator.set_params(tol=1e-12)
    known = dict(zip(("offset", "expert_labels"), in_chunks(offset, labels)))
    lazy_X, lazy_y, lazy_weight = in_chunks(X, y, weight)
    found = DaskMixture(estimator).fit(lazy_X, lazy_y, lazy_weight, **known)
    plain = estimator.fit(X, y, weight, offset=offset, expert_labels=labels)
    assert_same_fit(found.to_local(), plain)
    bic = found.bic(lazy_X, lazy_y, lazy_weight, **known)
    of_plain = plain.bic(X, y, weight, offset=offset, expert_labels=labels)
    assert np.isclose(bic, of_plain, rtol=1e-9)
    given = {"sample_weight": lazy_weight, **known}
    for missing in given:
        rest = {name: part for name, part in given.items() if name != missing}
        with pytest.raises(ValueError, match=f"{missing}=None, but the model was"):
            found.log_likelihood(lazy_X, lazy_y, **rest)
    score = found.score(lazy_X, lazy_y, offset=known["offset"])
    assert np.isclose(score, plain.score(X, y, offset=offset), rtol=1e-7)
    for lazily, wanted in (
        (found.predict_expert(lazy_X, offset=known["offset"]), plain.predict_expert),
        (found.predict(lazy_X, offset=known["offset"]), plain.predict),
    ):
        assert isinstance(lazily, da.Array)
        np.testing.assert_allclose(lazily, wanted(X, offset=offset), rtol=1e-6)
    samples = found.score_samples(lazy_X, lazy_y, offset=known["offset"])
    wanted = plain.score_samples(X, y, offset=offset)
    np.testing.assert_allclose(samples, wanted, rtol=1e-6)


@pytest.mark.long
def test_many_partitions_are_added_up_in_a_tree(client):
    X, y, weight, estimator = drawn("linear-3", 2000)
    found = DaskMixture(estimator).fit(*in_chunks(X, y, weight, size=27))
    assert_same_fit(found.to_local(), estimator.fit(X, y, weight))


@pytest.mark.long
def test_frames_and_unknown_chunk_sizes(client):
    X, y, _, estimator = drawn("three-class", 2000)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y)
    frame = dd.from_pandas(frame, npartitions=3)
    features = frame[["a", "b", "c"]]
    estimator.set_params(gate_features=["a", "c"])
    found = DaskMixture(estimator).fit(features, frame["y"])
    local = found.to_local()
    assert_same_fit(local, estimator.fit(features.compute(), y))
    proba = found.predict_proba(features)
    assert isinstance(proba, da.Array) and proba.shape[1] == 3
    np.testing.assert_array_equal(proba, local.predict_proba(features.compute()))
    # Their arrays do not know how many rows they have.
    estimator.set_params(gate_features=[0, 2])
    unknown = features.values, frame["y"].values
    found = DaskMixture(estimator).fit(*unknown)
    assert_same_fit(found.to_local(), estimator.fit(X, y))
    score = found.score_samples(*unknown).compute()
    np.testing.assert_allclose(score, estimator.score_samples(X, y), rtol=1e-9)


OF_X = [
    "predict",
    "gate_proba",
    "predict_proba",
    "predict_log_proba",
    "predict_expert",
    "predict_quantile",
    "predict_interval",
]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "name", ["linear-3", "shared-noise-two-outputs", "binary-3", "gamma"]
)
def test_predictions_are_lazy_and_the_plain_ones(name, client):
    X, y, _, estimator = drawn(name, 1000)
    # Columns in two chunks, and the rows of y in others.
    lazy_X = da.from_array(X, chunks=(300, 2))
    lazy_y = da.from_array(y, chunks=(400, 1)[: y.ndim])
    found = DaskMixture(estimator).fit(lazy_X, lazy_y)
    local = found.to_local()
    assert_same_fit(local, estimator.fit(X, y))
    for method in OF_X:
        assert hasattr(found, method) == hasattr(local, method)
        if hasattr(local, method):
            lazy, plain = getattr(found, method)(lazy_X), getattr(local, method)(X)
            assert isinstance(lazy, da.Array)
            assert (lazy.shape, lazy.dtype) == (plain.shape, plain.dtype)
            assert lazy.chunks[0] == lazy_X.chunks[0]
            np.testing.assert_array_equal(lazy.compute(), plain)
            np.testing.assert_array_equal(getattr(found, method)(X), plain)
    for method in ["responsibilities", "score_samples", "cdf"]:
        assert hasattr(found, method) == hasattr(local, method)
        if hasattr(local, method):
            lazy = getattr(found, method)(lazy_X, lazy_y).compute()
            np.testing.assert_array_equal(lazy, getattr(local, method)(X, y))


def test_predictions_take_the_options_of_the_plain_ones(client):
    X, y, _, estimator = drawn("shared-noise-two-outputs", 600)
    lazy_X, lazy_y = in_chunks(X, y, size=200)
    found = DaskMixture(estimator).fit(lazy_X, lazy_y)
    for method, option in [("predict_quantile", [0.1, 0.5]), ("predict_interval", 0.5)]:
        lazy = getattr(found, method)(lazy_X, option)
        plain = getattr(found.to_local(), method)(X, option)
        assert lazy.shape == plain.shape
        np.testing.assert_array_equal(lazy.compute(), plain)
    with pytest.raises(ValueError, match="coverage=2"):
        found.predict_interval(lazy_X, 2)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "name",
    [
        "linear-3",
        "shared-noise-two-outputs",
        "binary-3",
        "three-class",
        "poisson-3",
        "gamma",
    ],
)
def test_scores_and_criteria_are_the_plain_ones(name, client):
    X, y, _, estimator = drawn(name, 600)
    weight = np.repeat([0.0, 0.5, 2.0], 200)  # a partition without weight
    found = DaskMixture(estimator).fit(*in_chunks(X, y, size=200))
    local = found.to_local()
    lazy = in_chunks(X, y, weight, size=200)
    for method in ["log_likelihood", "aic", "bic", "score"]:
        of_local = getattr(local, method)
        total, plain = getattr(found, method)(*lazy), of_local(X, y, weight)
        assert type(total) is float and total == pytest.approx(plain, rel=1e-10)
        unweighted = getattr(found, method)(*lazy[:2])
        assert unweighted == pytest.approx(of_local(X, y), rel=1e-10)
        assert getattr(found, method)(X, y, weight) == plain
    assert found.log_likelihood(*in_chunks(X, y, size=200)) == pytest.approx(
        local.score_samples(X, y).sum()
    )


@pytest.mark.long
def test_score_of_labels_and_of_far_and_constant_outputs(client):
    X, y, _, estimator = drawn("binary-3", 600)
    names = np.array(["no", "yes"])[y]
    lazy = in_chunks(X, names, size=200)
    found = DaskMixture(estimator).fit(*lazy)
    assert found.score(*lazy) == pytest.approx(found.score(X, names), rel=1e-10)
    X, y, _, estimator = drawn("shared-noise-two-outputs", 600)
    y = 1e6 + 1e-3 * y
    lazy = in_chunks(X, y, size=200)
    found = DaskMixture(estimator).fit(*lazy)
    assert found.score(*lazy) == pytest.approx(found.score(X, y), rel=1e-10)
    y[:, 1] = 0.0
    assert found.score(*in_chunks(X, y)) == pytest.approx(found.score(X, y), rel=1e-10)


@pytest.mark.long
def test_empty_partitions_and_partitions_of_one_class(client):
    X, y, _, estimator = drawn("three-class", 2000)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    lazy_X, lazy_y = in_chunks(X, y, size=100)
    empty = lazy_X[:100][lazy_X[:100, 0] > 100], lazy_y[:100][lazy_X[:100, 0] > 100]
    lazy_X = da.concatenate([empty[0], lazy_X], allow_unknown_chunksizes=True)
    lazy_y = da.concatenate([empty[1], lazy_y], allow_unknown_chunksizes=True)
    found = DaskMixture(estimator).fit(lazy_X, lazy_y)
    assert_same_fit(found.to_local(), estimator.fit(X, y))
    assert found.predict(lazy_X).compute().shape == (2000,)


@pytest.mark.long
def test_fit_goes_on_when_a_worker_is_killed(client, monkeypatch):
    X, y, weight, estimator = drawn("three-class", 3000)
    expected = clone(estimator).fit(X, y, weight)
    killed = []

    def kill_one(number, iteration, *progress):
        if iteration == 3:
            processes = client.run(os.getpid)
            killed.append(next(iter(processes)))
            os.kill(processes[killed[0]], signal.SIGKILL)

    monkeypatch.setattr(skmoe._callbacks, "print_iteration", kill_one)
    lazy = in_chunks(X, y, weight, size=300)
    found = DaskMixture(estimator.set_params(verbose=1)).fit(*lazy)
    assert found.n_iter_ > 5 and len(killed) == 1
    assert_same_fit(found.to_local(), expected)
    client.wait_for_workers(2, timeout=60)
    assert killed[0] not in client.scheduler_info()["workers"]


@pytest.mark.long
def test_callbacks_are_called_where_the_fit_is(client, tmp_path):
    pytest.importorskip("sklearn.callback")
    X, y, weight, estimator = drawn("three-class")
    path = tmp_path / "fit.pkl"
    mixture = DaskMixture(estimator.set_callbacks(Checkpoint(path)))
    model = mixture.fit(*in_chunks(X, y, weight, size=300))
    saved = load_checkpoint(path)
    np.testing.assert_array_equal(saved.coef_, model.coef_)
    path.unlink()
    other = tmp_path / "other.pkl"
    mixture.set_params(estimator__warm_start=True)
    mixture.estimator.set_callbacks(Checkpoint(other))
    mixture.fit(*in_chunks(X, y, weight, size=300))
    assert other.exists() and not path.exists()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("size", [100, 2000])
def test_an_iteration_moves_statistics_only(size, client, monkeypatch):
    X, y, _, estimator = drawn("binary-3", 4 * size)
    moved = []

    def count(*progress):
        of_workers = client.run(
            lambda dask_worker: dask_worker.transfer_outgoing_bytes_total
        )
        moved.append(sum(of_workers.values()))

    monkeypatch.setattr(skmoe._callbacks, "print_iteration", count)
    estimator.set_params(verbose=1, max_iter=8)
    DaskMixture(estimator).fit(*in_chunks(X, y, size=size))
    # Four parts: for each, parameters and statistics with what wraps them.
    assert len(moved) > 5 and np.diff(moved).max() < 4 * 8000


X, y, _, LINEAR = drawn("linear-3", 60)
LOGISTIC = MixtureOfLogisticExperts()
COUNTS = MixtureOfGLMExperts(random_state=0)
CODES = (X[:, 0] > 0).astype(int)


def unknown(array):
    """The array in chunks of unknown sizes."""
    lazy = da.from_array(array, chunks=(20,) + array.shape[1:])
    return lazy[da.ones(60, chunks=20) > 0]


@pytest.mark.parametrize(
    "estimator, data, message",
    [
        (
            LINEAR,
            in_chunks(np.where(np.arange(60)[:, None] == 47, np.nan, X), y, size=20),
            "partition 2: Input X contains NaN",
        ),
        (LINEAR, in_chunks(X, y[:50], size=20), "y has 50 rows, but X has 60"),
        (
            LINEAR,
            [unknown(X), in_chunks(y, size=30)[0]],
            "y has 2 partitions, but X has 3",
        ),
        (
            LINEAR,
            [unknown(X), da.from_array(y[:50], chunks=((20, 10, 20), 1))],
            "partition 1: .*inconsistent numbers of samples: .20, 10",
        ),
        (
            LINEAR,
            in_chunks(X, y, np.where(np.arange(60) == 25, -1.0, 1.0), size=20),
            "partition 1: sample_weight has a negative value",
        ),
        (LOGISTIC, in_chunks(X, CODES * 0, size=20), "y has one class only"),
        (COUNTS, in_chunks(X, CODES * 0, size=20), "y is zero in all samples"),
        (
            COUNTS,
            in_chunks(X, np.where(np.arange(60) == 45, -1.0, 1.0), size=20),
            "partition 2: y has a negative value",
        ),
        (
            LOGISTIC,
            in_chunks(X, np.where(np.arange(60) < 25, X[:, 0], CODES), size=30),
            "partition 0: Unknown label type",
        ),
        (
            MixtureOfLinearExperts(init=CODES),
            in_chunks(X, y),
            "init is an array of",
        ),
    ],
)
def test_bad_partition_is_named(estimator, data, message, client):
    with pytest.raises(ValueError, match=message):
        DaskMixture(estimator).fit(*data)


def test_other_collections_are_told(client):
    lazy_X, lazy_y = in_chunks(X, y)
    with pytest.raises(TypeError, match="X is of type ndarray; give an array"):
        DaskMixture(LINEAR).fit(X, y)
    with pytest.raises(TypeError, match="y is of type NoneType"):
        DaskMixture(LINEAR).fit(lazy_X, None)
    found = DaskMixture(LINEAR).fit(lazy_X, lazy_y)
    with pytest.raises(TypeError, match="y is of type ndarray, but X is a collection"):
        found.score_samples(lazy_X, y)


def test_failed_fit_leaves_an_earlier_one(client):
    lazy_X, lazy_y = in_chunks(X, y)
    model = DaskMixture(LINEAR).fit(lazy_X, lazy_y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="partition 0"):
        model.fit(lazy_X[:, :2] * np.nan, lazy_y)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("kind", KINDS)
def test_conventions_of_a_meta_estimator(kind, client):
    model = DaskMixture(kind(3, alpha=0.5), client=client)
    assert {*model.get_params(deep=False)} == {"estimator", "client"}
    assert model.set_params(estimator__tol=1e-3).estimator.tol == 1e-3
    fresh = clone(model)
    assert fresh.client is client and fresh.estimator is not model.estimator
    assert fresh.get_params()["estimator__alpha"] == 0.5
    assert pickle.loads(pickle.dumps(model)).client is None
    assert "alpha=0.5" in repr(model) and "alpha" in model._repr_html_()
    assert is_classifier(model) == is_classifier(kind())
    assert is_regressor(model) == is_regressor(kind())
    tags = get_tags(model)
    assert tags.target_tags == get_tags(kind()).target_tags
    assert not tags.input_tags.sparse
    assert not hasattr(model, "coef_") and not hasattr(model, "n_features_in_")
    with pytest.raises(NotFittedError):
        model.to_local()
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(AttributeError, match="'DaskMixture' .* has no attribute 'foo'"):
        model.foo()


def test_predict_proba_of_a_regressor_says_why_it_is_missing(client):
    with pytest.raises(AttributeError, match="predict_proba") as caught:
        DaskMixture(LINEAR).predict_proba(X)
    assert "probability=False" in "".join(traceback.format_exception(caught.value))
    assert hasattr(DaskMixture(MixtureOfLinearExperts(probability=True)), OF_X[2])


def test_fitted_attributes_are_those_of_the_plain_estimator(client):
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b", "c"]), npartitions=2)
    labels = frame["a"] > 0
    model = DaskMixture(clone(LOGISTIC), client=client).fit(frame, labels)
    assert model.coef_ is model.estimator_.coef_
    assert model.n_features_in_ == 3 and [*model.feature_names_in_] == ["a", "b", "c"]
    assert [*model.classes_] == [False, True]
    assert not hasattr(model, "_gate_columns") and not hasattr(model, "noise_variance_")
    assert model.estimator is not model.estimator_ is not model.to_local()
    assert not hasattr(model.estimator, "coef_")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert not hasattr(clone(model), "coef_")


class Doubled(MixtureOfLinearExperts):
    def predict(self, X):
        return 2 * super().predict(X)


def test_a_subclass_of_the_users_own(client):
    lazy_X, lazy_y = in_chunks(X, y)
    plain = DaskMixture(LINEAR).fit(lazy_X, lazy_y)
    found = DaskMixture(Doubled(**LINEAR.get_params())).fit(lazy_X, lazy_y)
    assert type(found.to_local()) is Doubled
    assert_same_fit(found.to_local(), plain.to_local())
    np.testing.assert_array_equal(found.predict(X), 2 * plain.predict(X))


def test_other_estimators_are_told(client):
    model = DaskMixture(LinearRegression())
    with pytest.raises(TypeError, match="estimator is a LinearRegression; give"):
        model.fit(*in_chunks(X, y))


def test_warm_fit_goes_on(client):
    lazy = in_chunks(X, y)
    model = DaskMixture(clone(LINEAR).set_params(warm_start=True)).fit(*lazy)
    first = model.estimator_
    model.set_params(estimator__alpha=4.0).fit(*lazy)
    assert model.estimator_ is not first and model.estimator_.alpha == 4.0
    expected = first.set_params(alpha=4.0).fit(X, y)
    assert_same_fit(model.to_local(), expected)


def test_metadata_is_asked_for_by_the_plain_estimator(client):
    with config_context(enable_metadata_routing=True):
        asking = clone(LINEAR).set_fit_request(sample_weight=True)
        asking.set_score_request(sample_weight=False)
        routing = DaskMixture(asking).get_metadata_routing()
        assert routing.consumes("fit", ["sample_weight"]) == {"sample_weight"}
        assert routing.consumes("score", ["sample_weight"]) == set()


def test_a_short_fit_warns(client):
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as caught:
        DaskMixture(clone(LINEAR).set_params(max_iter=1)).fit(*in_chunks(X, y))
    assert caught[0].filename == __file__


def test_a_client_is_needed():
    model = DaskMixture(LINEAR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skmoe.dask.get_client", no_client)
        with pytest.raises(ValueError, match="client=None, and there is no"):
            model.fit(*in_chunks(X, y))


def no_client():
    raise ValueError("No clients found")
