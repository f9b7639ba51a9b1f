"""Configuration of the site that Sphinx builds; it needs no network."""

import importlib
import inspect
import re
from functools import cached_property, reduce
from posixpath import dirname, join, normpath

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx_gallery.sorting import ExplicitOrder

import skmoe

project = "skmoe"
copyright = author = "The skmoe developers"
version = release = skmoe.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["skmoe.css"]
html_title = f"skmoe {version}"
html_show_sourcelink = False
html_sidebars = {"*": []}  # only pages in folders have neighbours to list
toc_object_entries_show_parents = "hide"
highlight_language = "none"  # of indented blocks, which are formulas and commands
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"  # which browsers draw without a script or a network
autodoc_typehints = "none"  # the docstrings say more
autodoc_mock_imports = ["skpro"]  # whose base classes the pages do not repeat

# A class page lists the methods itself, see _templates/autosummary/class.rst.
numpydoc_show_class_members = False
# On some disks inference.html and Inference.html are one file.
autosummary_filename_map = {
    f"skmoe.inspection.{name}": f"skmoe.inspection.{name}-class"
    for name in ("Inference", "Information")
}

# `name` links to what the API reference knows, and is plain otherwise: a parameter.
# Of other packages' names nothing is known without their inventories.
default_role = "py:obj"
nitpick_ignore_regex = [
    ("py:obj", r"\w+"),
    ("py:.*", r"(joblib|matplotlib|numpy|pandas|scipy|skl2onnx|sklearn|skpro)\..*"),
    ("std:ref", "accuracy_score|r2_score"),  # in scikit-learn's docstrings of score
]

# Folders of the gallery, named as the pages of the guide.
QUESTIONS = ["estimators", "structure", "understand", "choose", "predict"]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": "/paper/",
    "subsection_order": ExplicitOrder([f"../examples/{name}" for name in QUESTIONS]),
    "within_subsection_order": ExplicitOrder(["plot_quickstart.py", "*"]),
    "backreferences_dir": "generated/examples",
    "doc_module": "skmoe",
    "reference_url": {"skmoe": None},  # code links to the API reference
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

# What has a page here under another name.
PAGES = {
    "README.md": "getting_started.md",
    "CONTRIBUTING.md": "contributing/index.md",
    "examples": "auto_examples/index.rst",
}


def adapt_links(app, docname, source):
    """Keep links that leave doc/, which are right on a code host, on the site."""
    folder = dirname(docname)
    up = "../" * (1 + docname.count("/"))

    def site_link(match):
        """Target on the site of a link to a path, or the link as it is."""
        path = normpath(join("doc", folder, match["path"]))
        if path.startswith("doc/"):
            return match[0]
        if example := re.fullmatch(r"examples/((?:\w+/)?plot_\w+)\.py", path):
            return f"](/auto_examples/{example[1]}.rst)"
        # MyST offers what follows "path:" as a download.
        return f"](/{PAGES[path]})" if path in PAGES else f"](path:{up}{path})"

    text = re.sub(r"\]\((?P<path>\.\./[^)]+)\)", site_link, source[0])
    script = r"Script: [\1](path:../examples/paper/\1)"
    source[0] = re.sub(r"<!-- output: (\w+\.py) -->", script, text)


def inline_math(writer, node):
    """Write a formula of a line as MathML."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_math(writer, node):
    """Write a displayed formula as MathML."""
    formula = tex2mathml(node.astext(), as_block=True)
    writer.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def skip_member(app, what, name, obj, skip, options):
    """Leave out metadata routing, and properties: numpydoc lists the attributes."""
    if isinstance(obj, property | cached_property):
        return True
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) else None


def source_module(app, modname, attribute):
    """Module with the source of what reports the public module as its own."""
    module = importlib.import_module(modname)
    value = reduce(
        lambda found, name: getattr(found, name, None), attribute.split("."), module
    )
    members = vars(value).values() if inspect.isclass(value) else [value]
    functions = (
        inspect.unwrap(member) for member in members if inspect.isfunction(member)
    )
    return next((function.__globals__["__name__"] for function in functions), None)


def setup(app):
    renderers = (inline_math, None), (block_math, None)
    app.add_html_math_renderer("mathml", *renderers)
    app.connect("source-read", adapt_links)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("viewcode-follow-imported", source_module)
