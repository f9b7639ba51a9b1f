"""Make the pictures of doc/images/ that the gallery's examples draw.

    python doc/make_pictures.py

They are in the repository, so that the README and the first page have them before the
gallery is built.
"""

import subprocess
import sys
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]

# Of each picture the example, and what that adds to the name of its file.
PICTURES = {
    "quickstart": ("plot_quickstart.py", ""),
    "convergence_rate": ("understand/plot_convergence_rate.py", ""),
    "regimes": ("understand/plot_displays.py", "-curves"),
    "intervals": ("predict/plot_prediction_intervals.py", ""),
    "types": ("structure/plot_groups.py", ""),
    "counts": ("estimators/plot_counts.py", ""),
}


def make(name, example, suffix):
    """Run an example, and keep its picture as doc/images/NAME.png."""
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "picture.png"
        script = ROOT / "examples" / example
        subprocess.run([sys.executable, script, saved], check=True)
        copy(saved.with_stem(f"picture{suffix}"), ROOT / "doc/images" / f"{name}.png")


if __name__ == "__main__":
    for name, (example, suffix) in PICTURES.items():
        make(name, example, suffix)
