"""What the pages say that nothing else would notice: names, and a solver's code."""

import importlib
import re
import warnings
from email.message import Message
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import statsmodels.api as sm
from _data import MODELS, soft_start
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmoe import (
    MixtureOfGLMExperts,
    MixtureOfLinearExperts,
    MixtureOfLogisticExperts,
    _docs,
)
from skmoe.engine.descent import minimise
from skmoe.inspection import inference
from skmoe.plotting import CoefficientsDisplay
from skmoe.solvers import make_solver
from skmoe.streaming import array_batches, fit_batches

ROOT = Path(__file__).parents[1]
DOC = ROOT / "doc"
GUIDE = DOC / "guide"


PUBLIC = [
    "skmoe",
    "skmoe.callbacks",
    "skmoe.dask",
    "skmoe.inspection",
    "skmoe.model_selection",
    "skmoe.onnx",
    "skmoe.plotting",
    "skmoe.skpro",
    "skmoe.streaming",
]


def imported(module):
    """A public module, or a skip where the package that it adapts to is missing."""
    if module == "skmoe.skpro":
        pytest.importorskip("skpro")
    return importlib.import_module(module)


@pytest.mark.parametrize("module", PUBLIC)
def test_api_reference_lists_every_public_name(module):
    page = (DOC / "api.rst").read_text(encoding="utf-8")
    section = page.partition(f".. currentmodule:: {module}\n")[2]
    listed = section.partition(".. currentmodule::")[0].split()
    missing = set(imported(module).__all__) - set(listed)
    assert not missing


@pytest.mark.parametrize("module", [*PUBLIC, "skmoe.distributions", "skmoe.solvers"])
def test_public_names_report_the_module_they_are_imported_from(module):
    public = imported(module)
    for value in (getattr(public, name) for name in public.__all__):
        assert value.__module__ == module


def test_the_map_of_the_house_is_of_the_files_that_are_there():
    page = (DOC / "contributing" / "layout.md").read_text(encoding="utf-8")
    layout = page.partition("## Modules")[2].partition("##")[0]
    names = set(re.findall(r"\w+\.py", layout)) - {"test_layers.py"}
    assert len(names) > 50
    assert names <= {path.name for path in (ROOT / "skmoe").rglob("*.py")}
    for folder in ("data", "engine", "solvers"):
        there = {path.name for path in (ROOT / "skmoe" / folder).glob("*.py")}
        assert there - {"__init__.py"} <= names


@pytest.fixture(scope="module")
def extending():
    """Names that the code of the tutorials defines, run as it stands there."""
    page = (DOC / "extending.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, names)
    return names


def test_the_tutorials_solver_is_gradient_descent(extending):
    data = MODELS["linear-2"].data()
    mixture = MODELS["linear-2"].problem(data, alpha=0.01, gate_alpha=0.01).mixture
    start = soft_start(mixture, data.expert)
    curves = [
        minimise(mixture, start, solver, 20, 0.0).objective_curve
        for solver in (extending["FixedGradientDescent"](0.1), make_solver("gd", 0.1))
    ]
    np.testing.assert_allclose(*curves, rtol=1e-12)
    assert curves[0][-1] < curves[0][0]


def test_the_parquet_code_of_the_guide_fits_as_fit_does(tmp_path, monkeypatch):
    blocks = code_blocks("doc/guide/scale.md")
    code = next(code for _, code in blocks if "pyarrow.dataset" in code)
    data = MODELS["linear-3"].data(600, d=3)
    columns = {f"x{j}": column for j, column in enumerate(data.X.T)}
    table = pa.table({**columns, "y": data.target[0]})
    (tmp_path / "measurements").mkdir()
    pa.parquet.write_table(table, tmp_path / "measurements" / "0.parquet")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    model = MixtureOfLinearExperts(3, random_state=0)
    model.fit(table.select(["x0", "x1", "x2"]).to_pandas(), data.target[0])
    np.testing.assert_allclose(names["model"].coef_, model.coef_, atol=1e-8)
    assert names["model"].feature_names_in_.tolist() == ["x0", "x1", "x2"]


def test_the_tutorials_distribution_finds_both_regimes(extending):
    np.testing.assert_allclose(
        np.sort(extending["model"].coef_[:, 0]), [-1, 1], atol=0.1
    )


def test_the_tutorials_distribution_is_that_of_statsmodels(extending):
    """Negative binomial with the variance mu + mu^2."""
    x, waits = extending["x"], extending["waits"]
    model = MixtureOfGLMExperts(1, family=extending["Geometric"], alpha=0, tol=1e-12)
    model.fit(x, waits)
    family = sm.families.NegativeBinomial(alpha=1.0)
    other = sm.GLM(waits, sm.add_constant(x), family=family).fit(tol=1e-12)
    found = [model.intercept_[0], model.coef_[0, 0]]
    np.testing.assert_allclose(found, other.params, rtol=1e-6)
    assert model.score_samples(x, waits).sum() == pytest.approx(other.llf)
    error = inference(model, x, waits).table()["std_error"].to_numpy()[-2:]
    hessian = sm.GLM(waits, sm.add_constant(x), family=family).hessian(other.params)
    expected = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(np.sort(error), np.sort(expected), rtol=1e-5)


def test_the_tutorials_distribution_works_everywhere(extending):
    x, waits = extending["x"], extending["waits"]
    model = clone(extending["model"]).set_params(tol=1e-9)
    expected = clone(model).fit(x, waits)
    for fit in (
        clone(model).fit(sparse.csr_array(x), waits),
        fit_batches(clone(model), array_batches(x, waits, batch_size=500)),
        clone(model).set_params(solver="gd").fit(x, waits),
    ):
        np.testing.assert_allclose(fit.predict(x), expected.predict(x), rtol=1e-3)
    online = clone(model)
    for rows in np.split(np.random.default_rng(1).permutation(2000), 4):
        online.partial_fit(x[rows], waits[rows])
    np.testing.assert_allclose(online.predict(x), expected.predict(x), rtol=0.15)
    below, above = expected.predict_interval(x).T
    assert 0.9 <= np.mean((waits >= below) & (waits <= above)) < 0.97
    drawn = expected.sample(x, random_state=0)[:, 0]
    assert drawn.mean() == pytest.approx(waits.mean(), rel=0.1)
    CoefficientsDisplay.from_estimator(expected, x, waits)


def code_blocks(page):
    """Python of a page: pairs of the module that a comment says it needs, and code."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = r"(?:<!-- needs: (\S+) -->\n)?```python\n(.*?)```"
    return re.findall(blocks, text, re.DOTALL)


PAGES = [
    "README.md",
    "doc/index.md",
    *(f"doc/guide/{path.name}" for path in sorted(GUIDE.glob("*.md"))),
    "doc/coming_from_lcmm_and_lrmoe.md",
    "doc/coming_from_stata_fmm.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    names = {}
    for module, code in code_blocks(page):
        if not module:
            exec(code, names)
        elif find_spec(module):
            with warnings.catch_warnings():
                warnings.simplefilter("default")  # another package's are its own
                exec(code, names)
    pyplot.close("all")


def test_the_tests_that_the_page_of_numbers_cites_are_there():
    page = (DOC / "same_numbers.md").read_text(encoding="utf-8")
    cited = re.findall(r"`tests/(\w+\.py)::(?:(\w+)::)?(\w+)`", page)
    assert len(cited) == page.count("`tests/test_") > 30
    for module, kind, test in cited:
        text = (ROOT / "tests" / module).read_text(encoding="utf-8")
        holder = text.partition(f"\nclass {kind}:\n")[2] if kind else text
        assert f"def {test}(" in holder


@pytest.fixture
def set_site(monkeypatch):
    """Function that gives the installed package's metadata some project URLs."""

    def set_site(*urls):
        metadata = Message()
        for url in urls:
            metadata["Project-URL"] = url
        monkeypatch.setattr(_docs, "metadata", lambda name: metadata)

    return set_site


@pytest.mark.parametrize("kind", [MixtureOfLinearExperts, MixtureOfLogisticExperts])
@pytest.mark.parametrize("slash", ["", "/"])
def test_diagram_links_to_the_page_of_the_estimator(set_site, kind, slash):
    set_site(
        "Source, https://code.invalid", f"Documentation, https://a.invalid/b{slash}"
    )
    page = f"https://a.invalid/b/generated/skmoe.{kind.__name__}.html"
    assert f'href="{page}"' in kind()._repr_html_()
    assert f'href="{page}"' in make_pipeline(StandardScaler(), kind())._repr_html_()


def test_diagram_of_a_subclass_elsewhere_has_no_link(set_site):
    set_site("Documentation, https://a.invalid")
    kind = type("Mine", (MixtureOfLinearExperts,), {"__module__": "mine"})
    assert "a.invalid" not in kind()._repr_html_()


def test_without_a_site_diagrams_have_no_link(set_site, monkeypatch):
    set_site("Source, https://code.invalid")
    assert "href" not in MixtureOfLinearExperts()._repr_html_()

    def not_installed(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_docs, "metadata", not_installed)
    assert "href" not in MixtureOfLinearExperts()._repr_html_()


def sources():
    """Pairs of name and text of the package's modules, but for that of the titles."""
    for path in sorted((ROOT / "skmoe").rglob("*.py")):
        if path.name != "_docs.py":
            yield path.stem, path.read_text(encoding="utf-8")


def named_sections():
    """Sections of the user guide that messages name, with the module that does."""
    named = r'(?:\bsee\(|\b_SECTION = )"(.*?)"'
    return {
        (name, title) for name, text in sources() for title in re.findall(named, text)
    }


SECTIONS = [(page, title) for page, titles in _docs.PAGES.items() for title in titles]


def test_every_section_that_a_message_names_is_known():
    known = {title for _, title in SECTIONS}
    assert {pair for pair in named_sections() if pair[1] not in known} == set()


@pytest.mark.parametrize(("page", "section"), SECTIONS)
def test_a_known_section_is_on_its_page_and_named(set_site, page, section):
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    assert f"\n## {section}\n" in text
    assert any(f'"{section}"' in source for _, source in sources())
    set_site("Documentation, https://a.invalid")
    address = f"https://a.invalid/guide/{page}.html#"
    anchor = _docs.see(section).partition(address)[2]
    overview = (GUIDE / "index.md").read_text(encoding="utf-8")
    assert f"[{section}]({page}.md#{anchor})" in overview


def test_the_overview_of_the_guide_lists_every_section():
    overview = (GUIDE / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"\[(.*?)\]\((\w+)\.md#", overview)
    sections = [
        (title, path.stem)
        for path in GUIDE.glob("*.md")
        for title in re.findall(r"\n## (.*)", path.read_text(encoding="utf-8"))
    ]
    assert sorted(listed) == sorted(sections)


def test_messages_name_a_section_and_its_address_if_there_is_one(set_site):
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20.0) ** 2
    model = MixtureOfLinearExperts(gate_features=["age"])
    set_site()
    section = "See 'Columns of the gate and of the experts' in the user guide"
    with pytest.raises(ValueError, match=rf"^gate_features=.* frame\. {section}\.$"):
        model.fit(X, y)
    set_site("Documentation, https://a.invalid")
    page = "https://a.invalid/guide/structure.html"
    address = f"{page}#columns-of-the-gate-and-of-the-experts"
    with pytest.raises(ValueError, match=f"{section}: {address}$"):
        model.fit(X, y)
    section = "See 'When a fit stops' in the user guide"
    with pytest.warns(ConvergenceWarning, match=f"max_iter=1 .* {section}"):
        MixtureOfLinearExperts(max_iter=1).fit(X, y)
