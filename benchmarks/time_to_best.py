"""Time to the best optimum with 99 percent certainty, skmoe beside PyTorch's L-BFGS.

    python benchmarks/time_to_best.py [--cases A,C,D,E] [--seeds 40] [--penalty 1e-3]
        [--torch-python PYTHON] [--best E=-0.33441] [--limit 600]

A program is fitted from many seeds.  With p the share of them that end within 1e-3 nats
per row of the best value known, and t the mean seconds of a fit,

    T99 = t ln(0.01) / ln(1 - p),

or t if all do, is how long fits from new seeds take until one of them is there.  The
best value known is the best of this run, or what `--best` says.  PyTorch's number is
the better of one and two threads; its interpreter needs SciPy, to score parameters.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
MISSING = 77  # exit status of a peer that is not installed
NEAR = 1e-3
PROGRAMS = {
    "skmoe": ("skmoe_peer.py", "em"),
    "torch, 1 thread": ("torch_peer.py", "lbfgs-1"),
    "torch": ("torch_peer.py", "lbfgs"),
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--cases", default="A,C,D,E", help="names, separated by commas")
    add("--seeds", type=int, default=40)
    add("--penalty", type=float, default=1e-3, help="per row, of all cases")
    add("--limit", type=float, default=600.0, help="seconds for a program's fits")
    add("--scale", type=float, default=1.0, help="share of the rows, for a quick trial")
    add("--torch-python", default=sys.executable, help="with PyTorch and SciPy")
    add("--best", default="", help="values known, such as E=-0.33441,C=-0.5023")
    return parser.parse_args()


def fits_of(program, folder, options):
    """Times and values of the fits of a program, a dict, or None if it is missing."""
    script, method = PROGRAMS[program]
    is_own = program == "skmoe"
    interpreter = sys.executable if is_own else options.torch_python
    result = folder / "seeds.json"
    command = [interpreter, HERE / "peers" / script, folder, result, method]
    command += [1, options.limit, options.seeds]
    status = subprocess.run(list(map(str, command))).returncode
    if status == MISSING:
        return None
    if status:
        sys.exit(f"{program} ended with exit status {status}")
    return json.loads(result.read_text())


def time_to_best(found, best):
    """Share of the fits that are as good as the best, mean seconds, and T99."""
    times, values = found["times"], found["values"]
    share = sum(value >= best - NEAR for value in values) / len(values)
    mean = sum(times) / len(times)
    if share in (0, 1):
        return share, mean, mean if share else math.inf
    return share, mean, max(mean, mean * math.log(0.01) / math.log(1 - share))


def rows_of(name, found, known):
    """Rows of the table for one case, a list."""
    best = max(value for one in found.values() for value in one["values"])
    best = max(best, known.get(name, -math.inf))
    of_programs = {program: time_to_best(one, best) for program, one in found.items()}
    own = of_programs["skmoe"][2]
    rows = []
    for program, (share, mean, total) in of_programs.items():
        values = found[program]["values"]
        seconds = "never" if math.isinf(total) else f"{total:.3g}"
        ratio = total / own if math.isfinite(own) else math.nan
        own_best = f"{max(values):.5f}"
        share, mean = f"{share:.2f}", f"{mean:.3g}"
        row = name, program, len(values), own_best, share, mean, seconds, f"{ratio:.1f}"
        rows.append(row)
    return rows


def main():
    options = parse_arguments()
    pairs = (pair.split("=") for pair in options.best.split(",") if pair)
    known, rows = {name: float(value) for name, value in pairs}, []
    with tempfile.TemporaryDirectory() as data:
        for name in options.cases.split(","):
            command = [sys.executable, HERE / "cases.py", data, name]
            command += ["--scale", options.scale, "--penalty", options.penalty]
            subprocess.run(list(map(str, command)), check=True)
            found = {
                program: fits
                for program in PROGRAMS
                if (fits := fits_of(program, Path(data) / name, options)) is not None
            }
            rows += rows_of(name, found, known)
    header = (
        "case",
        "program",
        "fits",
        "best",
        "p",
        "mean s",
        "T99 s",
        "T99 / skmoe's",
    )
    print("\n".join(report.table(header, rows)))


if __name__ == "__main__":
    main()
