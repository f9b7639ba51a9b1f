"""What the pages say that nothing else would notice: names, and a solver's code."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from _data import MODELS, soft_start

from skmoe.engine.descent import minimise
from skmoe.solvers import make_solver

ROOT = Path(__file__).parents[1]
DOC = ROOT / "doc"


@pytest.mark.parametrize(
    "module",
    [
        "skmoe",
        "skmoe.callbacks",
        "skmoe.inspection",
        "skmoe.model_selection",
        "skmoe.onnx",
        "skmoe.plotting",
    ],
)
def test_api_reference_lists_every_public_name(module):
    page = (DOC / "api.rst").read_text(encoding="utf-8")
    section = page.partition(f".. currentmodule:: {module}\n")[2]
    listed = section.partition(".. currentmodule::")[0].split()
    missing = set(importlib.import_module(module).__all__) - set(listed)
    assert not missing


def test_the_solver_of_the_contributors_guide_runs():
    """Its code, as it stands there, does what `solver='gd'` does with a fixed step."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = guide.partition("## A new solver\n")[2]
    names = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], names)
    data = MODELS["linear-2"].data()
    mixture = MODELS["linear-2"].problem(data, alpha=0.01, gate_alpha=0.01).mixture
    start = soft_start(mixture, data.expert)
    curves = [
        minimise(mixture, start, solver, 20, 0.0).objective_curve
        for solver in (names["FixedGradientDescent"](0.1), make_solver("gd", 0.1))
    ]
    np.testing.assert_allclose(*curves, rtol=1e-12)
    assert curves[0][-1] < curves[0][0]
