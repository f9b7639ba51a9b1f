"""Examples of the methods of public classes.

pytest finds those of the classes, in the package that they report as their module, but
there doctest passes over methods, which report their file.  Those that regressors share
it finds with the class that has them.
"""

import doctest
import importlib
import inspect

import pytest

CLASSES = [
    pytest.param(value, id=f"{module}.{name}")
    for module in ["skmoe", "skmoe.inspection", "skmoe.plotting"]
    for name, value in vars(importlib.import_module(module)).items()
    if inspect.isclass(value)
]


def examples_of_methods(kind):
    found = doctest.DocTestFinder().find(kind, module=False, globs={})
    return [test for test in found if test.examples and test.name != kind.__name__]


@pytest.mark.parametrize("kind", CLASSES)
def test_examples_of_methods(kind):
    runner = doctest.DocTestRunner()
    for test in examples_of_methods(kind):
        assert runner.run(test).failed == 0, test.name


def test_examples_of_methods_are_found():
    found = {
        test.name for kind in CLASSES for test in examples_of_methods(*kind.values)
    }
    assert found >= {
        "MixtureOfLogisticExperts.partial_fit",
        "ObjectiveDisplay.from_estimators",
        "ResponsibilitiesDisplay.from_estimator",
    }
