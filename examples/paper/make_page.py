"""Run the experiments and put their pictures and output into the docs page.

    python examples/paper/make_page.py [NAME ...]

Each script saves its picture to doc/images/paper/NAME.png; what it prints replaces
what stands between the comments ``<!-- output: NAME.py -->`` and ``<!-- end -->`` of
doc/paper_experiments.md.  Without names, all of them run.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOC = HERE.parents[1] / "doc"
PAGE = DOC / "paper_experiments.md"


def with_output(page, name, output):
    """The page with a script's output in its place."""
    place = re.compile(rf"(<!-- output: {name}\.py -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise ValueError(f"{PAGE} has no place for the output of {name}.py")
    return place.sub(lambda match: f"{match[1]}\n{output.strip()}\n\n{match[2]}", page)


def main():
    text = PAGE.read_text()
    names = sys.argv[1:] or re.findall(r"<!-- output: (\w+)\.py -->", text)
    for name in names:
        picture = DOC / "images" / "paper" / f"{name}.png"
        command = [sys.executable, HERE / f"{name}.py", picture]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        PAGE.write_text(with_output(PAGE.read_text(), name, run.stdout))
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main()
