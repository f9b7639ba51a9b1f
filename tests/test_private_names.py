"""Private names of other packages are in one module, or named here."""

import ast
from pathlib import Path

import skmoe

FOLDER = Path(skmoe.__file__).parent
TREES = {
    path.relative_to(FOLDER).as_posix(): ast.parse(path.read_text())
    for path in FOLDER.rglob("*.py")
}
OTHERS = {name: tree for name, tree in TREES.items() if name != "_sklearn.py"}
# Each with its reason where it stands; and methods of named tuples, which are public.
EXPLAINED = {"_mmap", "_meta_nonempty"}
OF_TUPLES = {"_asdict", "_fields", "_replace"}


def is_private(name):
    return any(part[:1] == "_" and part[:2] != "__" for part in name.split("."))


def imported(tree):
    """Full names of what a module imports from other packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            found = []
        yield from (name for name in found if not name.startswith("skmoe"))


def asked_for(tree):
    """The nodes of names that getattr and hasattr are given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) > 1:
            if getattr(node.func, "id", None) in ("getattr", "hasattr"):
                yield node.args[1]


def read(tree):
    """Attributes that a module reads, by a dot or by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
    for node in asked_for(tree):
        yield from [node.value] if isinstance(node, ast.Constant) else []


def defined(tree):
    """Names that a module defines or sets."""
    not_keys = list(asked_for(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Constant) and node not in not_keys:
            yield node.value  # keys of fitted attributes


def test_no_module_but_one_imports_them():
    found = {
        file: [name for name in imported(tree) if is_private(name)]
        for file, tree in OTHERS.items()
    }
    assert {file: names for file, names in found.items() if names} == {}


def test_no_module_but_one_reads_them():
    ours = {name for tree in OTHERS.values() for name in defined(tree)}
    found = {
        name for tree in OTHERS.values() for name in read(tree) if is_private(name)
    }
    assert found - ours - OF_TUPLES == EXPLAINED
