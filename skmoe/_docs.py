"""Where the documentation is, for links to it."""

from importlib.metadata import PackageNotFoundError, metadata


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


def page_template():
    """Address of an estimator's page as scikit-learn's template, or ''."""
    url = site()
    return url and url + "generated/{estimator_module}.{estimator_name}.html"
