"""Loads scripts that are not part of the package as modules."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def load(name, folder="examples/paper"):
    """The module of a script NAME.py in a folder of the repository.

    Scripts import each other by name, so that no two folders may share one.
    """
    path = ROOT / folder
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
    module = importlib.import_module(name)
    assert Path(module.__file__).parent == path, f"{module.__file__}, not in {path}"
    return module
