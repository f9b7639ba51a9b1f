"""Tables of what `run.py` measured, and how they compare with the targets."""

import json

CASE_NAMES = ("A", "B", "C", "D", "E", "F", "G")
# All who come this close to the best value found count as equally good, in nats.
TOLERANCE = 1e-4
_TORCH = ("torch-lbfgs", "torch-adam", "torch-lbfgs-1", "torch-adam-1")
# How many times faster skmoe is to be: (peers, the best of which counts), by case.
TARGETS = (
    (("flexmix",), {"A": 40, "B": 250, "C": 100, "D": 4}),
    (_TORCH, {"A": 8, "B": 8, "C": 3, "E": 3, "G": 3}),
)
_HEADER = (
    "peer",
    "fit s",
    "cpu s",
    "to target s",
    "iterations",
    "log-lik.",
    "behind best",
    "peak MB",
    "fit MB",
    "others",
    "x cpu",
    "x fit",
    "x target",
    "x common",
    "",
)


def write(folder, environment, outcomes, reference):
    """Write results.json and results.md."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"environment": environment, "cases": outcomes}
    (folder / "results.json").write_text(json.dumps(found, indent=1))
    (folder / "results.md").write_text(markdown(environment, outcomes, reference))


def markdown(environment, outcomes, reference):
    """The whole report; `reference` is the peer that others are compared to."""
    lines = ["# skmoe beside its peers", "", _describe(environment), ""]
    for name, entry in outcomes.items():
        lines += [f"## {name}: {_title(entry['case'])}", ""]
        lines += table(_HEADER, _rows(entry["peers"], reference)) + [""]
    lines += ["## Targets", ""]
    header = ("case", "against", "target", "measured", "")
    lines += table(header, _verdicts(outcomes, reference))
    legend = _LEGEND.format(tolerance=TOLERANCE, reference=reference)
    lines += ["", "## Reading the tables", "", legend]
    return "\n".join(lines)


def table(header, rows):
    """Lines of a Markdown table with aligned columns."""
    cells = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def time_to(outcome, value):
    """Seconds until a peer's value was at least `value`, or None if it never was."""
    if outcome["status"] != "ok":
        return None
    trace = zip(outcome.get("trace_time", ()), outcome.get("trace_value", ()))
    times = [seconds for seconds, found in trace if found and found >= value]
    if times:
        return min(times[0], outcome["fit_time"])
    return outcome["fit_time"] if outcome["value"] >= value else None


def target_value(peers):
    """What counts as equally good: the best value found less a tolerance."""
    values = [p["value"] for p in peers.values() if p["status"] == "ok"]
    return max(values) - TOLERANCE if values else None


def ratio_to_target(peers, name, reference):
    """Time to the target over the reference's, as text, and as a number or None."""
    target = target_value(peers)
    own = time_to(peers[reference], target) if target is not None else None
    if own is None:
        return f"{reference} not there", None
    outcome = peers[name]
    seconds = time_to(outcome, target)
    if seconds is not None:
        return f"{seconds / own:.2f}", seconds / own
    if outcome["status"] == "ok":
        # Never there: at least as long as it ran.
        return f"> {outcome['fit_time'] / own:.2f}", outcome["fit_time"] / own
    return "-", None


def ratio_to_common(peers, name, reference):
    """As above, for the best value that both this peer and the reference reach."""
    one, outcome = peers[reference], peers[name]
    if one["status"] != "ok" or outcome["status"] != "ok":
        return "-"
    common = min(one["value"], outcome["value"]) - TOLERANCE
    own, other = time_to(one, common), time_to(outcome, common)
    return "-" if own is None or other is None else f"{other / own:.2f}"


def _rows(peers, reference):
    target = target_value(peers)
    for name, outcome in peers.items():
        if outcome["status"] != "ok":
            note = f"{outcome['status']}: {outcome['note']}"
            yield (name, *["-"] * (len(_HEADER) - 2), note)
            continue
        seconds = time_to(outcome, target)
        before, peak = outcome["memory_before"], outcome["peak_memory"]
        yield (
            name,
            f"{outcome['fit_time']:.4g}",
            f"{outcome['cpu_time']:.4g}",
            "not reached" if seconds is None else f"{seconds:.4g}",
            outcome["n_iter"],
            f"{outcome['log_likelihood']:.5f}",
            f"{target + TOLERANCE - outcome['value']:.1e}",
            f"{peak / 2**20:.0f}",
            "-" if before is None else f"{(peak - before) / 2**20:.0f}",
            f"{outcome['other_cores']:.1f}" if "other_cores" in outcome else "-",
            _quotient(outcome, peers[reference], "cpu_time"),
            _quotient(outcome, peers[reference], "fit_time"),
            ratio_to_target(peers, name, reference)[0],
            ratio_to_common(peers, name, reference),
            outcome.get("note", ""),
        )


def _quotient(outcome, reference, name):
    """How many times a figure is the reference's, as text."""
    own = reference.get(name)
    return f"{outcome[name] / own:.2f}" if own else "-"


def _verdicts(outcomes, reference):
    """Rows of the table of targets."""
    for case, entry in outcomes.items():
        peers = entry["peers"]
        for rivals, wanted in TARGETS:
            present = [name for name in rivals if name in peers]
            if case in wanted and present:
                yield _verdict(case, peers, reference, present, wanted[case])
        others = [name for name in peers if not name.startswith("skmoe")]
        if others:
            yield _verdict(case, peers, reference, others, 1)


def _verdict(case, peers, reference, rivals, wanted):
    label = "every peer"
    if wanted > 1:
        label = "the best PyTorch" if rivals[0] in _TORCH else rivals[0]
    found = [(*ratio_to_target(peers, name, reference)[::-1], name) for name in rivals]
    found = [entry for entry in found if entry[0] is not None]
    if not found:
        texts = {ratio_to_target(peers, name, reference)[0] for name in rivals}
        return case, label, wanted, ", ".join(sorted(texts)), "not measured"
    # A rival that reached the target counts before one that did not.
    number, text, name = min(found, key=lambda entry: (entry[1][0] == ">", entry[0]))
    verdict = "met" if number >= wanted else "missed"
    return case, label, wanted, f"{text} ({name})", verdict


def _title(case):
    words = f"{case['family']}, n={case['n_samples']:,} d={case['n_features']} "
    words += f"K={case['n_experts']}"
    if case["n_classes"] > 2:
        words += f", {case['n_classes']} classes"
    if case["penalty"]:
        words += f", penalty {case['penalty']:g}"
    return words


def _describe(environment):
    return "\n".join(f"- {name}: {value}" for name, value in environment.items())


_LEGEND = """\
Target: the best value that any peer of the case ended at, less {tolerance:g} nats per
sample.  The value is the unpenalised mean log-likelihood; where a case has a penalty,
less that penalty (skmoe and PyTorch then minimise the same objective).  "log-lik." is
always unpenalised.  All final values are computed from the parameters by `score.py`.

- fit s: the whole fit without imports and loading; to target s: until the target.
- cpu s: of the fit, all threads together.
- iterations: of PyTorch, evaluations of the gradient.
- peak MB: of the process; fit MB: how much of that the fit added to imports and data.
- others: cores that other processes kept busy meanwhile; far above 0, times are too
  long, those of threaded programs most.
- x cpu, x fit, x target: times as much as {reference}, cpu s, fit s, and to target s
  ("> 5": never there, and stopped after 5 times as long).
- x common: until the worse of the final values of this peer and of {reference}."""
