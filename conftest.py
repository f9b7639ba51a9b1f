"""What pytest does not collect where a package is missing."""

from importlib.util import find_spec

# Modules by what their docstring examples, or their imports, need.
NEEDS = {"skmoe/callbacks.py": "sklearn.callback", "skmoe/skpro.py": "skpro"}
collect_ignore = [path for path, package in NEEDS.items() if not find_spec(package)]
