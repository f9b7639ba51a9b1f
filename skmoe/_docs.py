"""Where the documentation is, for links to it and messages that name it."""

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


def see(section):
    """End of a message that names a section of the user guide, with a space before.

    The address follows where it is known.
    """
    pointer = f" See '{section}' in the user guide"
    url = site()
    if not url:
        return f"{pointer}."
    anchor = section.lower().replace(" ", "-")
    return f"{pointer}: {url}user_guide.html#{anchor}"


def page_template():
    """Address of an estimator's page as scikit-learn's template, or ''."""
    url = site()
    return url and url + "generated/{estimator_module}.{estimator_name}.html"
