"""The API reference, whose list of names is written by hand."""

import importlib
from pathlib import Path

import pytest

DOC = Path(__file__).parents[1] / "doc"


@pytest.mark.parametrize(
    "module",
    [
        "skmoe",
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
