"""skmoe beside its peers: one process for each case and peer, one table for all.

``python benchmarks/run.py`` runs everything that is installed.  This file needs the
standard library only and stays small, since a process starts with the peak memory of
the one that starts it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import report
from load import busy_seconds, wait_until_quiet

HERE = Path(__file__).resolve().parent
MISSING = 77  # exit status of a peer that is not installed
# Beyond the time limit of its fits a process may load data and packages.
_GRACE = 60.0
_FAMILIES = ("gaussian", "binary", "multiclass")


class Peer(NamedTuple):
    """A script, the interpreter that runs it, and what it can fit."""

    interpreter: str  # 'python', 'torch_python', 'cgmm_python' or 'rscript'
    script: str
    method: str
    families: tuple = _FAMILIES
    n_experts: int | None = None


PEERS = {
    "skmoe-em": Peer("python", "skmoe_peer.py", "em"),
    "skmoe-md": Peer("python", "skmoe_peer.py", "md"),
    "skmoe-gd": Peer("python", "skmoe_peer.py", "gd"),
    "skmoe-mle": Peer("python", "skmoe_peer.py", "em-mle"),
    "torch-lbfgs": Peer("torch_python", "torch_peer.py", "lbfgs"),
    "torch-adam": Peer("torch_python", "torch_peer.py", "adam"),
    "torch-lbfgs-1": Peer("torch_python", "torch_peer.py", "lbfgs-1"),
    "torch-adam-1": Peer("torch_python", "torch_peer.py", "adam-1"),
    "flexmix": Peer("rscript", "flexmix.R", "em"),
    "mixtools": Peer("rscript", "mixtools.R", "em", ("gaussian",), 2),
    "cgmm": Peer("cgmm_python", "cgmm_peer.py", "em", ("gaussian",)),
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--cases", default="A,B,C,D,E,F,G", help="names, separated by commas")
    add("--peers", default=",".join(PEERS), help="names, separated by commas")
    add("--timeout", type=float, default=600.0, help="seconds for a process's fits")
    add("--repeats", type=int, default=3, help="fits where they are fast; best counts")
    add("--scale", type=float, default=1.0, help="share of the rows, for a quick trial")
    add("--penalty", type=float, help="one penalty for all cases, see README.md")
    add("--reference", default="skmoe-em", help="the peer that others are compared to")
    add("--quiet", type=float, default=0, help="seconds to wait for an idle machine")
    add("--output", type=Path, default=HERE / "results", help="folder to write to")
    add("--data", type=Path, help="folder for the data; else a temporary one")
    for name, default in (
        ("python", sys.executable),
        ("torch-python", sys.executable),
        ("cgmm-python", sys.executable),
        ("rscript", "Rscript"),
    ):
        variable = "SKMOE_BENCH_" + name.upper().replace("-", "_")
        default = os.environ.get(variable, default)
        add(f"--{name}", default=default, help=f"or ${variable}")
    options = parser.parse_args()
    for name, known in (("cases", report.CASE_NAMES), ("peers", PEERS)):
        chosen = getattr(options, name).split(",")
        unknown = [entry for entry in chosen if entry not in known]
        if unknown:
            parser.error(f"--{name}: {unknown} are not among {list(known)}")
        setattr(options, name, chosen)
    if options.reference not in options.peers:
        parser.error(f"--reference: {options.reference} is not among the peers")
    return options


def run_peer(peer, folder, case, options):
    """Outcome of one process, a dict with a status."""
    reason = _not_applicable(peer, case)
    if reason:
        return {"status": "not applicable", "note": reason}
    interpreter = shutil.which(getattr(options, peer.interpreter))
    if interpreter is None:
        return {"status": "missing", "note": "its interpreter is not installed"}
    result, log = folder / "result.json", folder / "log.txt"
    result.unlink(missing_ok=True)
    script = HERE / "peers" / peer.script
    arguments = [folder, result, peer.method, options.repeats, options.timeout]
    wait_until_quiet(options.quiet)
    start, busy = time.monotonic(), busy_seconds()
    with open(log, "w") as output:
        process = subprocess.Popen(
            [interpreter, str(script), *map(str, arguments)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        exit_status, usage = _wait(process.pid, options.timeout + _GRACE)
        process.returncode = exit_status
    if exit_status == MISSING:
        return {"status": "missing", "note": "not installed"}
    if exit_status is None:
        return {"status": "timeout", "note": f"no result in {options.timeout:g} s"}
    if exit_status != 0 or not result.exists():
        print(log.read_text()[-2000:], file=sys.stderr)
        return {"status": "failed", "note": f"exit status {exit_status}"}
    outcome = {"status": "ok", **json.loads(result.read_text())}
    outcome["peak_memory"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if busy is not None:
        own = usage.ru_utime + usage.ru_stime
        others = busy_seconds() - busy - own
        outcome["other_cores"] = max(others, 0.0) / (time.monotonic() - start)
    command = [options.python, HERE / "score.py", folder, result]
    outcome.update(json.loads(subprocess.check_output(list(map(str, command)))))
    for parameters in ("gate", "experts", "variance"):
        del outcome[parameters]
    return outcome


def _not_applicable(peer, case):
    """Why a peer cannot fit a case, or None."""
    if case["family"] not in peer.families:
        return f"has no {case['family']} experts"
    if peer.n_experts not in (None, case["n_experts"]):
        return f"fits {peer.n_experts} experts only"
    if peer.method.endswith("-mle") and case["penalty"]:
        return "the case has a penalty"
    return None


def _wait(pid, limit):
    """Exit status, None if killed at the limit, and resource usage."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        time.sleep(0.02)
    os.kill(pid, 9)
    return None, os.wait4(pid, 0)[2]


def main():
    options = parse_arguments()
    environment = json.loads(
        subprocess.check_output([options.python, str(HERE / "machine.py")])
    )
    outcomes = {}
    with tempfile.TemporaryDirectory() as temporary:
        data = options.data or Path(temporary)
        for name in options.cases:
            folder = data / name
            command = [options.python, HERE / "cases.py", data, name, "--for-r"]
            command += ["--scale", options.scale]
            if options.penalty is not None:
                command += ["--penalty", options.penalty]
            subprocess.run(list(map(str, command)), check=True)
            case = json.loads((folder / "case.json").read_text())
            outcomes[name] = {"case": case, "peers": {}}
            for peer in options.peers:
                print(f"{name} {peer} ...", end=" ", file=sys.stderr, flush=True)
                outcome = run_peer(PEERS[peer], folder, case, options)
                outcomes[name]["peers"][peer] = outcome
                seconds = outcome.get("fit_time")
                seconds = "" if seconds is None else f"{seconds:.3g} s"
                words = (outcome["status"], seconds, outcome.get("note", ""))
                print(*words, file=sys.stderr)
            # What has been measured is on disk even if the next case never ends.
            report.write(options.output, environment, outcomes, options.reference)
    print(report.markdown(environment, outcomes, options.reference))


if __name__ == "__main__":
    main()
