"""Properties of fits to parts of the rows, on data sets that hypothesis makes up.

Under HYPOTHESIS_PROFILE=fuzz they are tried on as many as those of whole fits are.
"""

import re
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from _generated import CLASSIFIER, assert_documented, cases, quietly
from distributed import Client
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from scipy import sparse
from test_properties import (
    PROFILE,
    assert_fitted_soundly,
    assert_same_state,
    state,
)

from skmoe.dask import DaskMixture
from skmoe.streaming import fit_batches

# What `partial_fit` documents, and `fit` does not.
OF_PARTS = "values so large that a step is not finite|classifier needs at least two"


@st.composite
def cases_in_parts(draw):
    """A case whose rows have positive weights, and no groups, and a size of parts."""
    case = draw(cases())
    assume(case.groups is None)
    n = len(case.y)
    weight = np.ones(n) if case.weight is None else case.weight
    rows = np.random.default_rng(draw(st.integers(0, 99))).permutation(n)
    rows = rows[weight[rows] > 0]
    assume(rows.size > 1)
    case = replace(case, X=case.X[rows], y=case.y[rows], weight=weight[rows])
    return case, draw(st.integers(1, 30))


def dense(case):
    """The case with X dense, as batches and Dask want it."""
    return replace(case, X=case.X.toarray() if sparse.issparse(case.X) else case.X)


def in_batches(case, size):
    """Function that gives batches of so many rows."""

    def batches():
        for start in range(0, len(case.y), size):
            part = slice(start, start + size)
            yield case.X[part], case.y[part], case.weight[part]

    return batches


def fit_to_batches(case, model, size):
    """Fit to batches of so many rows."""
    return fit_batches(model, in_batches(dense(case), size))


def fit_to_parts(case, model, size):
    """Fit by a `partial_fit` to each part of so many rows."""
    options = {"classes": np.unique(case.y)} if case.estimator is CLASSIFIER else {}
    for X, y, weight in in_batches(case, size)():
        model.partial_fit(X, y, **options, sample_weight=weight)
    return model


def fit_on_dask(case, model, size):
    """Fit to chunks of so many rows."""
    X, y, weight = (
        da.from_array(values, chunks=(size, *values.shape[1:]))
        for values in (dense(case).X, case.y, case.weight)
    )
    return DaskMixture(model).fit(X, y, weight).to_local()


def tried(fit, case, size):
    """The model that a fit in parts gives, or None where its error is documented."""
    try:
        with quietly():
            return fit(case, case.model(), size)
    except ValueError as error:
        if not (fit is fit_to_parts and re.search(OF_PARTS, str(error))):
            assert_documented(error)
        event("documented error")


@pytest.mark.long
@settings(PROFILE)
@given(cases_in_parts())
def test_fits_to_batches_are_sound(given_case):
    case, size = given_case
    model = tried(fit_to_batches, case, size)
    if model is not None:
        assert_fitted_soundly(case, model)


@pytest.mark.long
@settings(PROFILE)
@given(cases_in_parts())
def test_fits_to_parts_are_sound(given_case):
    case, size = given_case
    model = tried(fit_to_parts, case, size)
    if model is None:
        return
    assert model.n_samples_seen_ == pytest.approx(case.weight.sum())
    for name, value in vars(model).items():
        if name.endswith("_") and np.asarray(value).dtype.kind == "f":
            assert np.isfinite(value).all(), name
    assert np.isfinite(model.predict_expert(case.X)).all()


@pytest.fixture(scope="module")
def client():
    options = {"processes": False, "dashboard_address": ":0"}
    with Client(n_workers=1, threads_per_worker=2, **options) as client:
        yield client


@pytest.mark.long
@settings(PROFILE)
@given(given_case=cases_in_parts())
def test_fits_on_dask_are_sound(client, given_case):
    case, size = given_case
    model = tried(fit_on_dask, case, size)
    if model is not None:
        assert_fitted_soundly(case, model)


def spoilt(batches, at):
    """The batches, whose reader fails at the n-th."""

    def spoilt_batches():
        for number, batch in enumerate(batches()):
            if number == at:
                raise OSError("disk is gone")
            yield batch

    return spoilt_batches


@pytest.mark.long
@settings(PROFILE)
@given(cases_in_parts(), st.integers(0, 30))
def test_a_part_that_fails_leaves_the_earlier_fit(given_case, at):
    case, size = given_case
    for fit in (fit_to_batches, fit_to_parts):
        model = tried(fit, case, size)
        assume(model is not None)
        before = state(model)
        batches = in_batches(dense(case), size)
        with pytest.raises(OSError), quietly():
            fit_batches(model, spoilt(batches, at % -(-len(case.y) // size)))
        assert_same_state(vars(model), before)
        if fit is fit_to_parts:
            X = dense(case).X[:2].astype(float)
            X[0, -1] = np.inf
            with pytest.raises(ValueError), quietly():
                model.partial_fit(X, case.y[:2])
            assert_same_state(vars(model), before)
