"""Displays: what they keep, what they draw, and what they refuse."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
)
from skmoe.inspection import inference

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure  # noqa: E402

from skmoe.plotting import (  # noqa: E402
    CoefficientsDisplay,
    EffectDisplay,
    ExpertCurvesDisplay,
    GateRegionsDisplay,
    ObjectiveDisplay,
    ResponsibilitiesDisplay,
)
from skmoe.plotting._coefficient_table import CoefficientTable  # noqa: E402
from skmoe.plotting._features import Features  # noqa: E402

WITH_DATA = [
    GateRegionsDisplay,
    ExpertCurvesDisplay,
    CoefficientsDisplay,
    EffectDisplay,
    ResponsibilitiesDisplay,
]
# Few rows, and displays with standard errors.
pytestmark = pytest.mark.filterwarnings("ignore:The penalties move estimates")


@pytest.fixture(autouse=True)
def _no_open_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def make_data(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(150, 3)) * [1, 10, 1] + [0, 3, 0]
    y = np.abs(X[:, 0]) + 0.02 * X[:, 1] + 0.1 * rng.standard_normal(150)
    return X, y


def fitted(kind):
    """Estimator, X and y."""
    X, y = make_data()
    if kind == "regressor":
        return MixtureOfLinearExperts(random_state=0).fit(X, y), X, y
    y = np.digitize(y, [0.4] if kind == "binary" else [0.4, 0.8])
    y = np.array(["low", "high", "top"])[y]
    model = MixtureOfLogisticExperts(alpha=1e-2, gate_alpha=1e-2, random_state=0)
    return model.fit(X, y), X, y


KINDS = ["regressor", "binary", "multiclass"]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def rendered(display):
    """The figure, drawn: that shows errors which plotting puts off."""
    display.figure_.canvas.draw()
    return display.figure_


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, skmoe, skmoe.plotting; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_without_matplotlib_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="ObjectiveDisplay.plot requires matplotlib"):
        ObjectiveDisplay({"a": np.ones(3)}).plot()


@pytest.mark.parametrize("display_class", WITH_DATA)
def test_a_new_figure_is_made_without_axes(display_class):
    model, X, y = fitted("regressor")
    display = display_class.from_estimator(model, X, y)
    assert display.ax_.figure is display.figure_
    rendered(display)


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_objective_curves_are_those_of_the_fits(ax, scale):
    X, y = make_data()
    fits = {
        name: MixtureOfLinearExperts(step_size=step, random_state=0).fit(X, y)
        for name, step in [("fast", "auto"), ("slow", 1.0)]
    }
    display = ObjectiveDisplay.from_estimators(fits, ax=ax, scale=scale)
    lowest = min(fit.objective_curve_.min() for fit in fits.values())
    for line, (name, fit) in zip(display.lines_, fits.items()):
        assert_array_equal(display.curves[name], fit.objective_curve_)
        shown = line.get_ydata()
        if scale == "log":
            shown = np.where(np.isnan(shown), 0, shown) + lowest
        assert_allclose(shown, fit.objective_curve_, rtol=1e-12)
    assert ax.get_yscale() == scale
    assert "nats per sample" in ax.get_ylabel()
    assert legend_texts(ax) == ["fast", "slow"]
    rendered(display)


def test_objective_of_one_estimator_needs_no_name(ax):
    model, *_ = fitted("binary")
    display = ObjectiveDisplay.from_estimators(model, ax=ax)
    assert list(display.curves) == ["MixtureOfLogisticExperts"]
    assert ax.get_legend() is None


def test_a_flat_objective_can_be_drawn(ax):
    rendered(ObjectiveDisplay({"flat": np.ones(4)}).plot(ax))


@pytest.mark.parametrize("kind", KINDS)
def test_gate_regions_are_the_gate_at_the_means_of_other_features(ax, kind):
    model, X, y = fitted(kind)
    display = GateRegionsDisplay.from_estimator(
        model, X, y, features=(2, 0), grid_resolution=7, ax=ax
    )
    rows = np.tile(X.mean(axis=0), (49, 1))
    rows[:, 2], rows[:, 0] = display.xx0.ravel(), display.xx1.ravel()
    gate = model.gate_proba(rows).reshape(7, 7, 2)
    assert_array_equal(display.gate_proba, gate)
    rgba = display.surface_.get_array()
    assert_allclose(rgba[..., 3], 0.6 * (2 * gate.max(axis=2) - 1), atol=1e-12)
    first = rgba[gate.argmax(axis=2) == 0][:, :3]
    assert_allclose(first, np.tile([0, 0x72 / 255, 0xB2 / 255], (len(first), 1)))
    assert_array_equal(display.scatter_.get_offsets(), X[:, [2, 0]])
    assert_array_equal(display.responsibilities, model.responsibilities(X, y))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x2", "x0")
    assert ax.get_title() == "1 other feature at its mean"
    assert legend_texts(ax) == ["Expert 0", "Expert 1"]
    rendered(display)


def test_regions_of_one_expert_are_sure(ax):
    X, y = make_data()
    model = MixtureOfLinearExperts(1).fit(X, y)
    display = GateRegionsDisplay.from_estimator(model, X, ax=ax)
    assert_allclose(display.surface_.get_array()[..., 3], 0.6)
    assert display.responsibilities is None


def test_curves_of_a_regressor_are_its_predictions(ax):
    model, X, y = fitted("regressor")
    display = ExpertCurvesDisplay.from_estimator(
        model, X, y, feature=1, grid_resolution=9, coverage=0.8, ax=ax
    )
    rows = np.tile(X.mean(axis=0), (9, 1))
    rows[:, 1] = display.grid
    assert_array_equal(display.gate_proba, model.gate_proba(rows))
    assert_array_equal(display.expert, model.predict_expert(rows))
    assert_array_equal(display.mean, model.predict(rows))
    assert_array_equal(display.band, model.predict_interval(rows, 0.8))
    assert_array_equal(display.mean_line_.get_ydata(), display.mean)
    assert_array_equal(display.scatter_.get_offsets(), np.column_stack([X[:, 1], y]))
    assert len(display.expert_lines_) == 2
    assert len(display.expert_lines_[0].get_segments()) == 8
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x1", "y")
    assert legend_texts(ax) == ["Expert 0", "Expert 1", "Mixture", "80 % of y"]
    rendered(display)


@pytest.mark.parametrize("kind, target", [("binary", None), ("multiclass", "low")])
def test_curves_of_a_classifier_are_probabilities_of_a_class(ax, kind, target):
    model, X, y = fitted(kind)
    display = ExpertCurvesDisplay.from_estimator(
        model, X, y, target=target, grid_resolution=9, ax=ax
    )
    rows = np.tile(X.mean(axis=0), (9, 1))
    rows[:, 0] = display.grid
    assert_array_equal(display.mean, model.predict_proba(rows)[:, 1])
    assert_array_equal(display.expert, model.predict_expert(rows)[:, :, 1])
    assert_array_equal(display.y, y == model.classes_[1])
    assert display.band is None and display.band_ is None
    height = display.scatter_.get_offsets()[:, 1]
    assert_array_equal(height > 1, y == "low")
    assert_array_equal(height < 0, y != "low")
    assert ax.get_ylabel() == "P(y = low)"
    rendered(display)


def test_curves_show_one_of_several_outputs(ax):
    X, y = make_data()
    Y = np.column_stack([y, -2 * y])
    model = MixtureOfLinearExperts(random_state=0).fit(X, Y)
    display = ExpertCurvesDisplay.from_estimator(model, X, Y, target=1, ax=ax)
    assert_array_equal(display.y, Y[:, 1])
    assert display.expert.shape == (400, 2) and display.band.shape == (400, 2)
    assert ax.get_ylabel() == "y1"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["experts", "gate"])
@pytest.mark.parametrize("color_scale", ["std", "raw"])
def test_coefficients_are_those_of_inference(ax, kind, part, color_scale):
    model, X, y = fitted(kind)
    display = CoefficientsDisplay.from_estimator(
        model, X, y, part=part, level=0.9, robust=True, color_scale=color_scale, ax=ax
    )
    coef = model.coef_ if part == "experts" else model.gate_coef_
    assert_array_equal(display.coefficients[:, :-1], coef.reshape(-1, 3))
    result = inference(model, X, y, robust=True)
    ends = result.confidence_interval(0.9)
    rows = [name.startswith(part.rstrip("s")) for name in result.names]
    assert_array_equal(display.lower.ravel(), ends[rows, 0])
    assert_array_equal(display.upper.ravel(), ends[rows, 1])
    scale = X.std(axis=0) if color_scale == "std" else 1
    assert_allclose(display.colors[:, :-1], coef.reshape(-1, 3) * scale)
    assert np.isnan(display.colors[:, -1]).all()
    low, high = display.image_.get_clim()
    assert low == -high
    assert display.text_[0, 0].get_text().startswith(f"{coef.flat[0]:.3g}\n[")
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["x0", "x1", "x2", "(intercept)"]
    rendered(display)


def test_coefficients_cover_the_columns_that_the_part_sees(ax):
    X, y = make_data()
    model = MixtureOfLinearExperts(
        expert_features=[2, 0], gate_features=[1, 0], fit_intercept=False
    ).fit(X, y)
    display = CoefficientsDisplay.from_estimator(model, X, y, ax=ax, annotate=False)
    assert display.feature_names == ["x2", "x0"]
    assert_allclose(display.colors, model.coef_ * X.std(axis=0)[[2, 0]])
    assert display.text_ is None


def test_coefficients_without_pandas(monkeypatch):
    model, X, y = fitted("multiclass")
    result = inference(model, X, y)
    framed = CoefficientTable(model, result.table(), "experts")
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = CoefficientTable(model, result.table(), "experts")
    assert table.row_names() == framed.row_names()
    assert table.row_names()[:2] == ["Expert 0\nhigh", "Expert 0\nlow"]
    assert_array_equal(table.values("lower"), framed.values("lower"))


@pytest.mark.parametrize("kind", KINDS)
def test_responsibilities_are_counted_for_each_expert(ax, kind):
    model, X, y = fitted(kind)
    display = ResponsibilitiesDisplay.from_estimator(model, X, y, bins=8, ax=ax)
    expected = model.responsibilities(X, y)
    assert_array_equal(display.responsibilities, expected)
    assert_allclose(display.mass, expected.mean(axis=0))
    for k, bars in enumerate(display.bars_):
        counts, _ = np.histogram(expected[:, k], 8, (0, 1))
        assert_array_equal([bar.get_height() for bar in bars], counts)
        title = display.axes_[k].get_title()
        assert title == f"Expert {k}: mass {expected[:, k].mean():.2f}"
    rendered(display)


def test_weights_count_as_rows(ax):
    model, X, y = fitted("regressor")
    weight = np.arange(150) % 3
    repeated = np.repeat(np.arange(150), weight)
    weighted = ResponsibilitiesDisplay.from_estimator(model, X, y, weight, ax=ax)
    rows = ResponsibilitiesDisplay.from_estimator(model, X[repeated], y[repeated])
    assert_allclose(weighted.mass, rows.mass)
    for one, other in zip(weighted.bars_, rows.bars_):
        heights = [[bar.get_height() for bar in bars] for bars in (one, other)]
        assert_allclose(*heights)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("scaled", [False, True])
def test_data_frames_and_pipelines_keep_the_names_and_units(library, scaled):
    frames = pytest.importorskip(library)
    X, y = make_data()
    frame = frames.DataFrame(dict(zip("abc", X.T)))
    target = frames.Series(y)
    model = MixtureOfLinearExperts(random_state=0)
    model = make_pipeline(StandardScaler(), model) if scaled else model
    model.fit(frame, target)
    regions = GateRegionsDisplay.from_estimator(model, frame, features=("b", "a"))
    assert (regions.ax_.get_xlabel(), regions.ax_.get_ylabel()) == ("b", "a")
    assert_array_equal(regions.points, X[:, [1, 0]])
    curves = ExpertCurvesDisplay.from_estimator(model, frame, target, feature="b")
    rows = np.tile(X.mean(axis=0), (400, 1))
    rows[:, 1] = curves.grid
    rows = frames.DataFrame(dict(zip("abc", rows.T)))
    assert_allclose(curves.mean, model.predict(rows))
    coefficients = CoefficientsDisplay.from_estimator(model, frame, target)
    # scikit-learn 1.6 does not find the names of recent polars.
    names = getattr(model, "feature_names_in_", ["x0", "x1", "x2"])
    assert coefficients.feature_names == [*names, "(intercept)"]
    effects = EffectDisplay.from_estimator(model, frame, target, feature="b")
    assert effects.ax_.get_xlabel() == "b"
    ResponsibilitiesDisplay.from_estimator(model, frame, target)
    assert ObjectiveDisplay.from_estimators(model).lines_


def test_options_reach_the_artists(ax):
    model, X, y = fitted("regressor")
    display = ExpertCurvesDisplay.from_estimator(
        model, X, y, ax=ax, line_kwargs={"linewidth": 7}, scatter_kwargs={"s": 3}
    )
    assert display.expert_lines_[0].get_linewidth() == 7
    assert display.scatter_.get_sizes() == 3
    regions = GateRegionsDisplay.from_estimator(
        model, X, image_kwargs={"alpha": 0.5}, scatter_kwargs={"s": 4}
    )
    assert regions.surface_.get_alpha() == 0.5
    bars = ResponsibilitiesDisplay.from_estimator(
        model, X, y, bar_kwargs={"color": "red"}
    ).bars_[0]
    assert bars[0].get_facecolor() == (1, 0, 0, 1)


def test_columns_of_text_are_named():
    pandas = pytest.importorskip("pandas")
    model, X, y = fitted("regressor")
    frame = pandas.DataFrame({"size": X[:, 0], "town": "Ulm", "age": X[:, 2]})
    model.fit(frame.assign(town=X[:, 1]), y)
    with pytest.raises(ValueError, match="column 'town': could not convert"):
        ExpertCurvesDisplay.from_estimator(model, frame, y)


def test_curves_refuse_y_of_fewer_outputs_than_the_fit():
    X, y = make_data()
    model = MixtureOfLinearExperts(random_state=0).fit(X, np.column_stack([y, -y]))
    with pytest.raises(
        ValueError, match=r"y has shape \(150, 1\); give y of the shape"
    ):
        ExpertCurvesDisplay.from_estimator(model, X, y[:, None], target=1)


@pytest.mark.parametrize("display_class", WITH_DATA)
def test_displays_refuse_what_they_cannot_draw(display_class):
    model, X, y = fitted("regressor")
    draw = display_class.from_estimator
    with pytest.raises(TypeError, match="is a Ridge; give .* its best_estimator_"):
        draw(Ridge().fit(X, y), X, y)
    with pytest.raises(NotFittedError, match="estimator: .* call fit"):
        draw(MixtureOfLinearExperts(), X, y)
    with pytest.raises(ValueError, match="X has 2 features"):
        draw(model, X[:, :2], y)
    if display_class is not GateRegionsDisplay:
        with pytest.raises(ValueError, match="y=None"):
            draw(model, X, None)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "display_class, options, message",
    [
        (GateRegionsDisplay, {"features": (0, 3)}, "features=3 .* from 0 to 2"),
        (GateRegionsDisplay, {"features": (0, "b")}, "features='b' is no feature"),
        (GateRegionsDisplay, {"features": (0,)}, r"features=\(0,\) is no pair"),
        (GateRegionsDisplay, {"features": "ab"}, "features='ab' is no pair"),
        (GateRegionsDisplay, {"features": (1, 1)}, "are the same"),
        (GateRegionsDisplay, {"grid_resolution": 1}, "grid_resolution=1"),
        (ExpertCurvesDisplay, {"feature": -1}, "feature=-1 is no feature"),
        (ExpertCurvesDisplay, {"target": 1}, "target=1 is no output"),
        (ExpertCurvesDisplay, {"coverage": 2.0}, "coverage"),
        (EffectDisplay, {"feature": "b"}, "feature='b' is no feature"),
        (EffectDisplay, {"of": "odds"}, "of='odds' is unknown"),
        (EffectDisplay, {"target": 1}, "target=1 is no output"),
        (EffectDisplay, {"level": 95}, "level=95 is no coverage"),
        (CoefficientsDisplay, {"part": "noise"}, "part='noise' is unknown"),
        (CoefficientsDisplay, {"color_scale": 1}, "color_scale=1 is unknown"),
        (CoefficientsDisplay, {"level": 95}, "level=95 is no coverage"),
        (ResponsibilitiesDisplay, {"bins": 0}, "bins=0"),
    ],
)
def test_errors_name_the_parameter(display_class, options, message):
    model, X, y = fitted("regressor")
    with pytest.raises(ValueError, match=message):
        display_class.from_estimator(model, X, y, **options)


@pytest.fixture(scope="module", params=["pandas", "polars"])
def mixed(request):
    """Frame with text, a flag and missing values, y, and a pipeline that takes them."""
    frames = pytest.importorskip(request.param)
    X, y = make_data()
    kind = np.where(X[:, 1] > np.quantile(X[:, 1], 0.7), "a", "b").astype(object)
    kind[3] = None
    size = np.where(np.arange(len(y)) % 9 == 0, np.nan, X[:, 0])
    columns = {"kind": kind, "size": size, "age": X[:, 2], "old": X[:, 2] > 0.2}
    frame = frames.DataFrame(columns)
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="error"), ["kind", "old"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["size", "age"]),
    )
    model = MixtureOfLinearExperts(tol=1e-10, random_state=0)
    return frame, y, make_pipeline(encode, model).fit(frame, y), frames


def test_curves_hold_text_at_its_most_frequent_value(mixed, ax):
    X, y, model, frames = mixed
    display = ExpertCurvesDisplay.from_estimator(
        model, X, y, feature="size", grid_resolution=3, ax=ax
    )
    age = np.asarray(X["age"])
    old = np.mean(np.asarray(X["old"])) > 0.5
    held = {"kind": ["b"] * 3, "size": display.grid, "age": [age.mean()] * 3}
    rows = frames.DataFrame(held | {"old": [old] * 3})
    assert_allclose(display.mean, model.predict(rows))
    assert np.isnan(display.x).sum() == np.isnan(np.asarray(X["size"])).sum()
    assert np.isfinite(display.grid).all()
    title = "3 other features at their means or most frequent values"
    assert ax.get_title() == title and display.n_most_frequent == 2
    rendered(display)
    with pytest.raises(ValueError, match="feature='kind' has values that are no"):
        ExpertCurvesDisplay.from_estimator(model, X, y, feature="kind")


def test_regions_hold_text_at_its_most_frequent_value(mixed, ax):
    X, y, model, frames = mixed
    display = GateRegionsDisplay.from_estimator(
        model, X, y, features=("size", "age"), grid_resolution=2, ax=ax
    )
    old = np.mean(np.asarray(X["old"])) > 0.5
    grid = {"size": display.xx0.ravel(), "age": display.xx1.ravel()}
    rows = frames.DataFrame({"kind": ["b"] * 4, **grid, "old": [old] * 4})
    mixture, seen = model[-1], model[:-1].transform(rows)
    assert_allclose(display.gate_proba.reshape(4, -1), mixture.gate_proba(seen))
    assert ax.get_title() == "2 other features at their most frequent values"
    rendered(display)


OVER_FEATURES = [ExpertCurvesDisplay, EffectDisplay, GateRegionsDisplay]
LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars"])


def frame_of(library, columns):
    """A data frame of one of the libraries."""
    return pytest.importorskip(library).DataFrame(columns)


def with_codes(*names):
    """Codes 0 to 3 whose mean is none of them, X, y, and a pipeline that takes them."""
    X, y = make_data()
    code = np.random.default_rng(0).choice(4, size=150, p=[0.3, 0.1, 0.3, 0.3])
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), [names[0]]),
        (StandardScaler(), list(names[1:])),
    )
    model = MixtureOfLinearExperts(gate_alpha=0.1, tol=1e-8, random_state=0)
    return code, X, y, make_pipeline(encode, model)


@LIBRARIES
@pytest.mark.parametrize("display_class", OVER_FEATURES)
def test_a_pipeline_may_leave_columns_out(display_class, library):
    code, X, y, model = with_codes("code", "size", "age")
    columns = {"size": X[:, 0], "age": X[:, 1], "code": code}
    frame = frame_of(library, columns)
    wide = frame_of(library, columns | {"id": [[j] for j in range(150)]})
    model.fit(frame, y)
    found = display_class.from_estimator(model, wide, y, grid_resolution=3)
    expected = display_class.from_estimator(model, frame, y, grid_resolution=3)
    shown = "estimate" if display_class is EffectDisplay else "gate_proba"
    assert_allclose(getattr(found, shown), getattr(expected, shown))
    with pytest.raises(ValueError, match="X has 4 features, .* fitted with 6; give"):
        display_class.from_estimator(model[-1], wide, y)


@pytest.mark.parametrize("display_class", OVER_FEATURES)
def test_a_pipeline_refuses_arrays_that_are_too_wide_itself(display_class):
    X, y = make_data()
    model = make_pipeline(StandardScaler(), MixtureOfLinearExperts(random_state=0))
    model.fit(X, y)
    with pytest.raises(ValueError, match="X has 4 features, but StandardScaler"):
        display_class.from_estimator(model, np.column_stack([X, y]), y)


@pytest.mark.parametrize("as_given", [np.asarray, np.ndarray.tolist])
def test_arrays_of_objects_may_have_text(as_given):
    X, y = make_data()
    kind = np.where(X[:, 1] > np.quantile(X[:, 1], 0.7), "a", "b")
    objects = np.column_stack([X[:, [0, 2]].astype(object), kind])
    encode = make_column_transformer(
        (OneHotEncoder(drop="first"), [2]), (StandardScaler(), [0, 1])
    )
    model = make_pipeline(encode, MixtureOfLinearExperts(tol=1e-8, random_state=0))
    model.fit(objects, y)
    given = as_given(objects)
    curves = ExpertCurvesDisplay.from_estimator(model, given, y, grid_resolution=3)
    held = np.array([[x, X[:, 2].mean(), "b"] for x in curves.grid], dtype=object)
    assert_allclose(curves.mean, model.predict(held))
    assert curves.n_most_frequent == 1
    regions = GateRegionsDisplay.from_estimator(model, given, y, grid_resolution=2)
    grid = np.column_stack([regions.xx0.ravel(), regions.xx1.ravel()])
    seen = model[:-1].transform(np.array([[*row, "b"] for row in grid], dtype=object))
    assert_allclose(regions.gate_proba.reshape(4, 2), model[-1].gate_proba(seen))
    effects = EffectDisplay.from_estimator(model, given, y, grid_resolution=2)
    rows = objects.copy()
    rows[:, 0] = effects.grid[1]
    assert_allclose(effects.estimate[1, 0], model.predict(rows).mean())
    with pytest.raises(ValueError, match="feature='x2' .* no numbers or bools, .* 'b'"):
        ExpertCurvesDisplay.from_estimator(model, given, y, feature=2)


def test_a_mixture_has_no_use_for_text_in_arrays():
    model, X, y = fitted("regressor")
    objects = X.astype(object)
    found = ExpertCurvesDisplay.from_estimator(model, objects, y)
    assert_array_equal(found.mean, ExpertCurvesDisplay.from_estimator(model, X, y).mean)
    objects[3, 1] = "b"
    for display_class in (ExpertCurvesDisplay, GateRegionsDisplay):
        with pytest.raises(ValueError, match="X has values .* 'b'.*give X with num"):
            display_class.from_estimator(model, objects, y)


@pytest.mark.parametrize("library", ["pandas", "polars", "numpy"])
def test_integers_are_held_at_a_value_that_there_is(library):
    names = (0, 1, 2) if library == "numpy" else ("code", "size", "age")
    code, X, y, model = with_codes(*names)
    columns = np.column_stack([code, np.rint(9 * X[:, :2]).astype(int)])
    columns = dict(zip(names, columns.T))

    def make(columns):
        if library == "numpy":
            return np.column_stack(list(columns.values()))
        return frame_of(library, columns)

    frame = make(columns)
    model.fit(frame, y)
    display = ExpertCurvesDisplay.from_estimator(
        model, frame, y, feature=1, grid_resolution=3
    )
    mean = columns[names[2]].mean()
    nearest = min(columns[names[2]], key=lambda value: abs(value - mean))
    held = [np.full(3, 2), display.grid, np.full(3, nearest)]
    assert abs(code.mean() - 2) < 0.5 and 2 != code.mean()
    assert_allclose(display.mean, model.predict(make(dict(zip(names, held)))))
    assert display.ax_.get_title() == "2 other features at their means"


def test_floats_of_arrays_are_held_at_their_means():
    code, X, _, _ = with_codes(0, 1, 2)
    X[:, 2] = code
    y = np.random.default_rng(0).normal(size=150)
    model = MixtureOfLinearExperts(random_state=0).fit(X, y)
    display = ExpertCurvesDisplay.from_estimator(model, X, y, grid_resolution=2)
    rows = np.tile(X.mean(axis=0), (2, 1))
    rows[:, 0] = display.grid
    assert_array_equal(display.mean, model.predict(rows))


def test_rows_at_points_keep_the_types_of_what_is_observed():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "x": [1.0, 2.0, 4.0],
            "n": pandas.array([1, None, 4], dtype="Int64"),
            "town": pandas.Categorical(["Ulm", "Bonn", "Bonn"]),
            "day": pandas.to_datetime(["2020-01-01", "2020-01-02", "2020-01-02"]),
            "old": [True, True, False],
            "note": np.array(["a", None, None], dtype=object),
            "mean": np.array([1.5, None, 4], dtype=object),
            7: [[1], [2], [2]],
        },
        index=[5, 6, 7],
    )
    features = Features(make_pipeline(None), frame)
    rows = features.rows_at([0], np.array([[0.5], [1.5]]))
    assert list(rows.index) == [5, 5] and list(rows.columns) == list(frame.columns)
    kept = ["n", "town", "day", "old", "note", 7]
    assert_array_equal(rows.dtypes[kept], frame.dtypes[kept])
    day = pandas.Timestamp("2020-01-02")
    expected = [0.5, 1, "Bonn", day, True, "a", 2.75, [1]]
    assert rows.iloc[0].tolist() == expected
    assert features.n_others([0]) == (7, 5)


@LIBRARIES
def test_an_axis_has_numbers_or_bools(library):
    code, X, y, model = with_codes("code", "size")
    day = np.datetime64("2020-01-01") + code.astype("timedelta64[D]")
    columns = {"code": code.astype(str), "size": X[:, 0], "day": day.astype("M8[us]")}
    frame = frame_of(library, columns | {"old": X[:, 2] > 0, "none": [None] * 150})
    model.fit(frame, y)
    refusal = "has values that are no numbers or bools, such as"
    for display_class in (ExpertCurvesDisplay, EffectDisplay):
        for name, value in {
            "code": "'0'|'2'|'3'",
            "day": ".*2020",
            "none": "N",
        }.items():
            with pytest.raises(
                ValueError, match=f"^feature='{name}' {refusal} ({value})"
            ):
                display_class.from_estimator(model, frame, y, feature=name)
        display = display_class.from_estimator(
            model, frame, y, feature="old", grid_resolution=2
        )
        assert display.ax_.get_xlabel() == "old"
    with pytest.raises(ValueError, match=f"^features='day' {refusal}"):
        GateRegionsDisplay.from_estimator(model, frame, y, features=("size", "day"))
    regions = GateRegionsDisplay.from_estimator(
        model, frame, y, features=("old", "size"), grid_resolution=2
    )
    assert regions.n_others == regions.n_most_frequent == 3


@LIBRARIES
def test_a_data_frame_is_copied_once_whatever_its_columns(library, monkeypatch):
    frame = frame_of(library, {f"x{j}": [float(j), j + 1.0] for j in range(20)})
    copies = []
    kind, name = type(frame), "copy" if library == "pandas" else "with_columns"
    original = getattr(kind, name)

    def counted(self, *args, **options):
        copies.append(self)
        return original(self, *args, **options)

    monkeypatch.setattr(kind, name, counted)
    features = Features(make_pipeline(None), frame)
    rows = features.rows_at([0, 1], np.zeros((3, 2)))
    assert_array_equal(np.asarray(rows)[:, 2:], np.tile(np.arange(2.5, 20), (3, 1)))
    assert len(copies) <= 1


def test_missing_values_of_arrays_are_for_the_pipeline(ax):
    X, y = make_data()
    X[::9, 1] = np.nan
    model = make_pipeline(SimpleImputer(), MixtureOfLinearExperts(random_state=0))
    model.fit(X, y)
    display = ExpertCurvesDisplay.from_estimator(model, X, y, grid_resolution=2, ax=ax)
    rows = np.tile(np.nanmean(X, axis=0), (2, 1))
    rows[:, 0] = display.grid
    assert_allclose(display.mean, model.predict(rows))
    with pytest.raises(ValueError, match="X contains NaN"):
        ExpertCurvesDisplay.from_estimator(model[-1], X, y)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_effects_leave_missing_values_to_the_pipeline(library):
    frames = pytest.importorskip(library)
    X, y = make_data()
    size = np.where(np.arange(len(y)) % 9 == 0, np.nan, X[:, 0])
    kind = np.where(X[:, 1] > 3, "a", "b")
    X = frames.DataFrame({"size": size, "kind": kind})
    encode = make_column_transformer(
        (OneHotEncoder(drop="first"), ["kind"]), (SimpleImputer(), ["size"])
    )
    model = make_pipeline(encode, MixtureOfLinearExperts(random_state=0)).fit(X, y)
    display = EffectDisplay.from_estimator(model, X, y, feature="size")
    assert np.isfinite(display.interval).all()
    is_b = (kind == "b").astype(float)
    ends = [
        model[-1].predict(np.column_stack([is_b, np.full(len(y), value)])).mean()
        for value in display.grid[[0, -1]]
    ]
    np.testing.assert_allclose(display.estimate[[0, -1], 0], ends)


def test_curves_need_a_class_or_output_where_there_are_several():
    model, X, y = fitted("multiclass")
    with pytest.raises(ValueError, match="target=None is no class .* 'top'"):
        ExpertCurvesDisplay.from_estimator(model, X, y)
    Y = make_data()[0][:, :2]
    model = MixtureOfLinearExperts(random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="target=None is no output .* has 2"):
        ExpertCurvesDisplay.from_estimator(model, X, Y)


def test_regions_need_two_features():
    X, y = make_data()
    model = MixtureOfLinearExperts(random_state=0).fit(X[:, :1], y)
    with pytest.raises(ValueError, match="X has 1 feature, .* ExpertCurvesDisplay"):
        GateRegionsDisplay.from_estimator(model, X[:, :1])


def test_objective_display_names_the_estimator_that_is_wrong():
    with pytest.raises(ValueError, match="estimators={} is empty"):
        ObjectiveDisplay.from_estimators({})
    with pytest.raises(NotFittedError, match="estimators: 'b'"):
        ObjectiveDisplay.from_estimators({"b": MixtureOfLinearExperts()})
    with pytest.raises(ValueError, match="scale='root'"):
        ObjectiveDisplay({"a": np.ones(2)}).plot(scale="root")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("of", ["mean", "experts", "gate"])
@pytest.mark.parametrize("kind", KINDS)
def test_effects_are_averages_over_the_rows(ax, kind, of):
    model, X, y = fitted(kind)
    options = {"grid_resolution": 5, "of": of, "level": 0.9, "feature": 1}
    target = "low" if kind == "multiclass" else None
    display = EffectDisplay.from_estimator(model, X, y, target=target, ax=ax, **options)
    result = inference(model, X, y)
    assert_allclose(display.grid, np.linspace(X[:, 1].min(), X[:, 1].max(), 5))
    for value, line, ends in zip(display.grid, display.estimate, display.interval):
        rows = X.copy()
        rows[:, 1] = value
        averages = result.average_predictions(rows, of=of)
        n_outputs = 1 if kind == "regressor" or of == "gate" else len(model.classes_)
        # Of 'high', 'low' and 'top' the second, and of two classes the positive one.
        shown = slice(min(1, n_outputs - 1), None, n_outputs)
        assert_allclose(line, averages.estimate[shown])
        assert_allclose(ends, averages.confidence_interval(0.9)[shown])
    assert_array_equal(display.lines_[-1].get_ydata(), display.estimate[:, -1])
    assert len(display.lines_) == len(display.bands_) == 1 + (of != "mean")
    if of != "mean":
        assert legend_texts(ax) == ["Expert 0", "Expert 1"]
    name = "y" if kind == "regressor" else "P(y = low)"
    assert ax.get_ylabel() == ("Probability of the expert" if of == "gate" else name)
    assert ax.get_xlabel() == "x1"
    rendered(display)
    again = EffectDisplay.from_inference(result, X, target=target, **options)
    assert_array_equal(again.interval, display.interval)


def test_effects_of_a_pipeline_are_those_of_its_columns(ax):
    X, y = make_data()
    plain = MixtureOfLinearExperts(gate_alpha=0.1, tol=1e-10, random_state=0)
    scaled = make_pipeline(StandardScaler(), plain).fit(X, y)
    display = EffectDisplay.from_estimator(scaled, X, y, grid_resolution=4, ax=ax)
    rows = X.copy()
    rows[:, 0] = display.grid[1]
    assert_allclose(display.estimate[1, 0], scaled.predict(rows).mean())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_effects_leave_columns_of_text_as_they_are(library, ax):
    frames = pytest.importorskip(library)
    X, y = make_data()
    kind = np.where(X[:, 1] > np.median(X[:, 1]), "a", "b")
    frame = frames.DataFrame({"size": X[:, 0], "kind": kind})
    one_hot = make_column_transformer(
        (OneHotEncoder(drop="first"), ["kind"]), remainder="passthrough"
    )
    model = MixtureOfLinearExperts(gate_alpha=0.1, tol=1e-10, random_state=0)
    model = make_pipeline(one_hot, model).fit(frame, y)
    display = EffectDisplay.from_estimator(
        model, frame, y, feature="size", grid_resolution=2, ax=ax
    )
    at_first = {"size": np.full(len(y), display.grid[0]), "kind": kind}
    expected = model.predict(frames.DataFrame(at_first)).mean()
    assert_allclose(display.estimate[0, 0], expected)
    # Two points of a feature that is not 0 or 1 are a line.
    assert display.deciles_ is not None and display.lines_[0].get_linestyle() == "-"
    with pytest.raises(ValueError, match="feature='kind' has values that are no"):
        EffectDisplay.from_estimator(model, frame, y, feature="kind")


def test_effects_of_what_is_no_result_are_refused():
    model, X, _ = fitted("regressor")
    with pytest.raises(TypeError, match="result is a MixtureOfLinearExperts"):
        EffectDisplay.from_inference(model, X)


@pytest.mark.filterwarnings("ignore:The optimum may be")
def test_effects_of_a_binary_column_are_two_points_with_bars(ax):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=150), rng.integers(0, 2, 150)])
    trials, weight = rng.integers(1, 5, 150), rng.uniform(size=150)
    y = rng.binomial(trials, 1 / (1 + np.exp(-X.sum(axis=1))))
    model = MixtureOfGLMExperts(family="binomial", random_state=0)
    model.fit(X, y, weight, trials=trials)
    display = EffectDisplay.from_estimator(
        model, X, y, weight, trials=trials, feature=1, ax=ax
    )
    assert_array_equal(display.grid, [0, 1])
    assert display.deciles_ is None and display.lines_[0].get_linestyle() == "None"
    for value, found in zip((0, 1), display.estimate[:, 0]):
        rows = np.column_stack([X[:, 0], np.full(150, value)])
        assert found == pytest.approx(np.average(model.predict(rows), weights=weight))
    assert (display.interval > 0).all() and (display.interval < 1).all()
    rendered(display)


def test_the_objective_of_one_estimator_is_that_of_several():
    model, _, _ = fitted("regressor")
    pipe = make_pipeline(StandardScaler(), model)
    display = ObjectiveDisplay.from_estimator(pipe, scale="linear")
    expected = ObjectiveDisplay.from_estimators(pipe, scale="linear")
    assert display.curves.keys() == expected.curves.keys()
    (line,), (other,) = display.lines_, expected.lines_
    assert_array_equal(line.get_ydata(), other.get_ydata())
    with pytest.raises(TypeError, match="estimator is a Ridge; give"):
        ObjectiveDisplay.from_estimator(Ridge())
