"""Set before scipy is imported: scikit-learn skips a check without it."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Scripts that record numbers, with packages that the tests do without.
collect_ignore_glob = ["recorded/*"]
