"""Loads scripts that are not part of the package as modules."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def load(name, folder="examples/paper"):
    """The module of a script NAME.py in a folder of the repository."""
    path = str(ROOT / folder)
    if path not in sys.path:
        sys.path.insert(0, path)
    return importlib.import_module(name)
