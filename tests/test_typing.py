"""Public functions and methods have type hints, and the package says so."""

import importlib
import inspect
from importlib.resources import files

import pytest

MODULES = [
    "skmoe",
    "skmoe.dask",
    "skmoe.inspection",
    "skmoe.model_selection",
    "skmoe.onnx",
    "skmoe.plotting",
]


def public_functions(module):
    """Names and functions of a module, with the methods that its classes define."""
    for name in importlib.import_module(module).__all__:
        value = getattr(importlib.import_module(module), name)
        if inspect.isfunction(value):
            yield name, value
        else:
            yield from public_methods(value if inspect.isclass(value) else type(value))


def public_methods(cls):
    """Names and functions of the methods that skmoe defines for a class."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != "skmoe":
            continue
        for name, member in vars(base).items():
            function = getattr(member, "__func__", member)
            function = getattr(function, "fget", function)
            function = getattr(function, "func", function)
            is_public = name in ("__init__", "__call__") or not name.startswith("_")
            if is_public and inspect.isfunction(function):
                if function.__module__.startswith("skmoe"):
                    yield f"{base.__name__}.{name}", function


@pytest.mark.parametrize("module", MODULES)
def test_every_public_signature_has_hints(module):
    bare = []
    for name, function in public_functions(module):
        function = inspect.unwrap(function)
        wanted = {*inspect.signature(function).parameters, "return"} - {"self", "cls"}
        if wanted - set(function.__annotations__):
            bare.append(name)
    assert not bare


def test_the_package_is_marked_as_typed():
    assert files("skmoe").joinpath("py.typed").is_file()
