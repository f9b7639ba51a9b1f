"""Who may import whom: the house's floors, and no circle of modules."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import skmoe

ROOT = Path(skmoe.__file__).parent


def module_name(path):
    """Dotted name of a file of the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imported(name):
    """Modules of the package that a module imports when it is imported."""
    found = set()
    for node in ast.parse(MODULES[name].read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in MODULES else node.module for full in names}
    return found & MODULES.keys()


def names_below(package):
    return {name for name in MODULES if name.startswith(f"skmoe.{package}.")}


# Rows as arrays: how they are standardised, walked over and sampled.
ARRAYS = {
    f"skmoe.data.{name}"
    for name in ["canonical", "design", "grams", "raw_rows", "sampling", "scaling"]
}


def test_engine_knows_no_solver_no_distribution_and_no_estimator():
    for name in names_below("engine"):
        assert imported(name) <= names_below("engine") | ARRAYS, name


def test_data_knows_no_model():
    allowed = names_below("data") | {
        f"skmoe.{name}" for name in ["_docs", "_sklearn", "_validation"]
    }
    for name in names_below("data"):
        assert imported(name) <= allowed, name


def test_rows_as_arrays_know_only_each_other():
    for name in ARRAYS:
        assert imported(name) <= ARRAYS, name


def test_distributions_know_only_the_softmax_of_the_engine():
    allowed = names_below("distributions") | {
        "skmoe.engine.softmax",
        "skmoe.engine.counts",
        "skmoe._docs",
    }
    for name in names_below("distributions"):
        assert imported(name) <= allowed, name


def test_solvers_know_only_the_engine():
    allowed = names_below("engine") | names_below("solvers") | ARRAYS
    for name in names_below("solvers"):
        assert imported(name) <= allowed, name


def test_imports_have_no_circle():
    graph = {name: imported(name) for name in MODULES}
    TopologicalSorter(graph).prepare()
