"""Where the documentation is, for links to it and messages that name it."""

from importlib.metadata import PackageNotFoundError, metadata

# Pages of the user guide, doc/guide/, with the sections that messages name.
PAGES = {
    "estimators": (
        "Counts and amounts",
        "Binomial counts",
        "Offsets",
        "Censored and truncated y",
        "Zeros in excess",
        "A background of outliers",
        "Outliers",
    ),
    "structure": (
        "Columns of the gate and of the experts",
        "Shared coefficients",
        "Groups",
        "Known experts",
        "Sparse and deep mixtures",
        "Symmetric models",
    ),
    "fit": (
        "Starting points",
        "When a fit stops",
        "Columns of small scale",
        "Sample weights",
        "Parameters after a fit",
    ),
    "understand": ("Standard errors and convergence rates",),
    "choose": ("How many experts", "Selecting columns", "More parameters than rows"),
    "predict": (
        "Predictive distribution",
        "A regressor of skpro",
        "Groups that are known",
    ),
    "scale": ("Batches that arrive one by one",),
    "export": ("Export",),
}
_PAGE_OF = {section: page for page, sections in PAGES.items() for section in sections}


def site():
    """Address of the site, from the package's metadata, or '' if it has none.

    It is the address that `pyproject.toml` gives as ``Documentation`` in
    ``[project.urls]``.
    """
    try:
        entries = metadata("skmoe").get_all("Project-URL", [])
    except PackageNotFoundError:
        return ""
    for entry in entries:
        label, _, url = entry.partition(",")
        if label.strip().lower() == "documentation":
            return url.strip().rstrip("/") + "/"
    return ""


def see(section):
    """End of a message that names a section of the user guide, with a space before.

    The address follows where it is known.  `PAGES` knows the sections.
    """
    page = _PAGE_OF[section]
    pointer = f" See '{section}' in the user guide"
    url = site()
    if not url:
        return f"{pointer}."
    anchor = section.lower().replace(" ", "-")
    return f"{pointer}: {url}guide/{page}.html#{anchor}"


def page_template():
    """Address of an estimator's page as scikit-learn's template, or ''."""
    url = site()
    return url and url + "generated/{estimator_module}.{estimator_name}.html"
