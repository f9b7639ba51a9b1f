"""Mutation tests of the engine: does a test fail when a line is changed?

    pip install cosmic-ray
    python tools/mutants.py [--seed 0] [--share 0.08] [--only MODULE ...]
        [--out FILE [--again]] [--durations FILE] [--budget 20]

draws a share of all mutants that cosmic-ray's operators make of `skmoe/data`,
`skmoe/engine`, `skmoe/distributions` and `skmoe/solvers`, at least five of each module
where it has so many.  On each it runs the tests named below, in a fork of a process
that has imported the dependencies: those of the module first, the quickest first, as
far as the budget goes.  Prints a line for each mutant, and a diff of those that
survive.  `--out` gets them as JSON, and a second run goes on from there; with `--again`
it tests survivors again, with a larger budget if you like.  `--durations` keeps how
long the tests take, which is measured first.  Needs a POSIX system.
"""

import argparse
import contextlib
import difflib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ["data", "engine", "distributions", "solvers"]
# Operators by their names: changes that a slip of the pen could make.  The many others
# put a shift or a modulus between floats, which fails at once.
OPERATORS = [
    *("AddNot", "NumberReplacer", "RemoveDecorator", "ZeroIterationForLoop"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd"),
    *(
        f"ReplaceBinaryOperator_{change}"
        for change in [
            *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul", "FloorDiv_Div"),
            *("Mod_Mul", "BitAnd_BitOr", "BitOr_BitAnd"),
        ]
    ),
    *(
        f"ReplaceComparisonOperator_{change}"
        for change in [
            *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is", "Lt_LtE", "Lt_GtE"),
            *("LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
        ]
    ),
]
LEAST = 5
SECONDS = 200  # a mutant that takes longer goes on for ever

# Files of tests, those that know the module first.
COMMON = ["engine_parts", "identities", "statistics", "numerical_truth", "solvers"]
OF_MODULE = {
    "engine/clustering": ["starts", "groups"],
    "engine/coordinates": ["information", "inference"],
    "data/groups": ["groups"],
    "data/part_checks": ["streaming"],
    "data/rows": ["bad_input"],
    "data/sampling": ["streaming", "cost"],
    "data/targets": ["bad_input", "class_weight"],
    "engine/coupling": ["soft_label", "information"],
    "engine/curvature": ["soft_label", "sparsity", "gate", "groups", "hard_input"],
    "engine/descent": ["solvers", "stochastic", "estimators"],
    "data/design": ["design", "estimators"],
    "engine/draws": ["starts", "groups"],
    "engine/gate": [
        "deep",
        "top_k",
        "gate",
        "delta_method",
        "totals",
        "gate_reference",
        "group_past",
        "inference",
        "fit_statistics",
        "information",
        "estimators",
        "sparsity",
    ],
    "engine/gate_curvature": ["gate", "cost", "streaming"],
    "engine/information": ["information"],
    "engine/lasso": ["sparsity"],
    "engine/m_step": ["starts", "groups"],
    "engine/mixture": ["gate", "groups", "sparsity", "partial_fit"],
    "engine/one_expert": ["starts"],
    "engine/parts": ["streaming"],
    "engine/penalty": ["sparsity", "partial_fit"],
    "engine/prediction": ["predictive", "glm", "estimators", "ecosystem"],
    "engine/problem": ["groups", "estimators", "hard_input"],
    "engine/routing": ["top_k"],
    "engine/running": ["stochastic", "partial_fit"],
    "data/scaling": ["streaming", "partial_fit", "hard_input"],
    "engine/softmax": ["soft_label", "gate"],
    "engine/starts": ["starts", "groups", "cost", "estimators", "hard_input"],
    "engine/sweep": ["threads", "groups"],
    "engine/threads": ["threads", "n_jobs"],
    "engine/units": ["groups"],
    "distributions/binomial": [
        "distributions",
        "trials",
        "predictive_object",
        "glm",
        "delta_method",
        "effects",
    ],
    "distributions/bulk": [
        "distributions",
        "predictive_object",
        "predictive",
        "glm",
        "trials",
        "student",
        "starts",
    ],
    "distributions/categorical": [
        "distributions",
        "soft_label",
        "predictive_object",
        "information",
        "partial_fit",
        "delta_method",
        "effects",
    ],
    "distributions/censored_normal": [
        "distributions",
        "censored_engine",
        "censored",
        "censored_references",
        "far_values",
        "predictive_object",
        "inference",
        "partial_fit",
        "hard_input",
    ],
    "distributions/checked": ["distributions", "glm", "bad_input"],
    "distributions/fixed": [
        "distributions",
        "fixed_experts",
        "predictive_object",
        "group_past",
        "far_values",
    ],
    "distributions/gamma": [
        "distributions",
        "glm",
        "predictive_object",
        "predictive",
        "far_values",
    ],
    "distributions/gamma_functions": [
        "distributions",
        "student",
        "glm",
        "negative_binomial",
        "learned_df",
    ],
    "distributions/log_link": [
        "distributions",
        "glm",
        "offset",
        "predictive_object",
        "delta_method",
    ],
    "distributions/negative_binomial": [
        "distributions",
        "negative_binomial",
        "predictive_object",
        "predictive",
        "glm",
        "delta_method",
        "far_values",
    ],
    "distributions/normal": [
        "distributions",
        "information",
        "predictive_object",
        "predictive",
        "sparsity",
        "groups",
        "partial_fit",
        "far_values",
        "student",
        "starts",
    ],
    "distributions/poisson": [
        "distributions",
        "glm",
        "predictive_object",
        "predictive",
        "far_values",
    ],
    "distributions/student_t": [
        "distributions",
        "student",
        "learned_df",
        "predictive_object",
        "predictive",
        "information",
    ],
    "distributions/tails": [
        "distributions",
        "tails",
        "far_values",
        "predictive_object",
        "censored_engine",
        "predictive",
        "censored",
    ],
    "distributions/truncated_normal": [
        "distributions",
        "censored_engine",
        "censored",
        "censored_references",
        "far_values",
        "predictive_object",
        "predictive",
    ],
    "engine/blended_regression": ["soft_label", "groups", "glm"],
    "engine/experts": ["identities", "information", "glm", "groups", "partial_fit"],
    "solvers/accelerated": ["sparsity", "groups", "cost", "hard_input"],
    "solvers/gradient": ["hard_input"],
    "solvers/mirror": ["hard_input", "cost"],
    "solvers/stochastic": ["stochastic"],
}

OPTIONS = ["-q", "-p", "no:cacheprovider", "-k", "not estimator_check"]


def all_mutants(path):
    """Operator and occurrence of every mutant of a file."""
    tree = get_ast(path.read_text())
    found = []
    for name in (f"core/{operator}" for operator in OPERATORS):
        operator = get_operator(name)()
        positions = [p for n in ast_nodes(tree) for p in operator.mutation_positions(n)]
        found += [(name, number) for number in range(len(positions))]
    return found


def drawn(module, share, seed):
    """Some mutants of a module, and the number of all."""
    everything = all_mutants(ROOT / "skmoe" / f"{module}.py")
    size = min(len(everything), max(LEAST, round(share * len(everything))))
    chosen = random.Random(f"{module}-{seed}").sample(everything, size)
    return chosen, len(everything)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source."""

    def __init__(self, name, path, source):
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self.source, self.path, "exec"), module.__dict__)


def tests_of(module):
    """Files of tests, in turn."""
    own = OF_MODULE.get(module, [])
    names = dict.fromkeys([*own[:1], *COMMON, *own])
    return [str(ROOT / "tests" / f"test_{name}.py") for name in names]


class Quickest:
    """pytest plugin: a module's own tests, then others, the quickest first."""

    def __init__(self, module, durations, budget):
        self.durations, self.budget = durations, budget
        self.own = {f"test_{name}.py" for name in OF_MODULE.get(module, COMMON)}

    @pytest.hookimpl(trylast=True)  # after those that take long are left out
    def pytest_collection_modifyitems(self, items):
        def seconds(item):
            return self.durations.get(item.nodeid, 0.5)

        items.sort(key=lambda item: (item.path.name not in self.own, seconds(item)))
        total, kept = 0.0, []
        for item in items:
            total += seconds(item)
            if total < self.budget:
                kept.append(item)
        items[:] = kept


class Stopwatch:
    """pytest plugin: how long each test took."""

    def __init__(self):
        self.durations = {}

    def pytest_runtest_logreport(self, report):
        known = self.durations.get(report.nodeid, 0.0)
        self.durations[report.nodeid] = known + report.duration


def verdict(module, source, durations, budget):
    """What the tests say of a mutant: in a fork, which ends with its children."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        os._exit(_tested(module, source, durations, budget))
    deadline = time.monotonic() + SECONDS
    found = "timeout"
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            found = "survived" if status == 0 else "killed"
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    return found


def _tested(module, source, durations, budget):
    """pytest's exit status on a mutant."""
    path = str(ROOT / "skmoe" / f"{module}.py")
    name = "skmoe." + module.replace("/", ".")
    sys.meta_path.insert(0, Mutated(name, path, source))
    try:
        options = [*OPTIONS, "-x", *tests_of(module)]
        return int(pytest.main(options, plugins=[Quickest(module, durations, budget)]))
    except BaseException:
        return 1


def measured(modules):
    """Seconds of every test of some modules, of an unchanged package."""
    receiving, sending = os.pipe()
    if os.fork() == 0:
        watch = Stopwatch()
        files = sorted({name for module in modules for name in tests_of(module)})
        pytest.main([*OPTIONS, *files], plugins=[watch])
        with os.fdopen(sending, "w") as file:
            json.dump(watch.durations, file)
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as file:
        found = json.load(file)
    os.wait()
    return found


def preload():
    """Import what mutants do not change; nothing of skmoe."""
    import matplotlib.pyplot  # noqa: F401
    import mpmath  # noqa: F401
    import pandas  # noqa: F401
    import scipy.optimize  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.cluster  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import sklearn.model_selection  # noqa: F401
    import sklearn.utils.estimator_checks  # noqa: F401


def diff(source, mutant, module):
    """What a mutant changes."""
    lines = difflib.unified_diff(
        source.splitlines(), mutant.splitlines(), module, module, lineterm="", n=0
    )
    return "\n".join(list(lines)[2:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=0.08)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--durations", type=Path)
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests")
    parser.add_argument("--again", action="store_true", help="test survivors again")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    os.environ.setdefault("SCIPY_ARRAY_API", "1")
    sys.path[:0] = [str(ROOT)]
    os.chdir(ROOT)
    preload()
    modules = arguments.only or [
        f"{folder}/{path.stem}"
        for folder in FOLDERS
        for path in sorted((ROOT / "skmoe" / folder).glob("*.py"))
        if path.stem != "__init__"
    ]
    durations = known_durations(arguments.durations, modules)
    unchanged = (ROOT / "skmoe" / f"{modules[0]}.py").read_text()
    if verdict(modules[0], unchanged, durations, 5.0) != "survived":
        sys.exit("The tests fail, or are not found, without any mutant.")
    results = {}
    if arguments.out and arguments.out.exists():
        results = json.loads(arguments.out.read_text())
    chosen, total = [], 0
    for module in modules:
        some, number = drawn(module, arguments.share, arguments.seed)
        chosen += [(module, *mutant) for mutant in some]
        total += number
    print(f"{len(chosen)} of {total} mutants", flush=True)
    random.Random(arguments.seed).shuffle(chosen)
    for module, operator, number in chosen:
        key = f"{module} {operator} {number}"
        is_again = arguments.again and results.get(key, {}).get("verdict") == "survived"
        if is_again or (key not in results and not arguments.again):
            results[key] = tested(module, operator, number, durations, arguments.budget)
            print(report(key, results[key]), flush=True)
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=1))
    for found in ("killed", "timeout", "survived"):
        print(found, sum(result["verdict"] == found for result in results.values()))


def known_durations(path, modules):
    """Seconds of each test, from a file if it is there, else measured and kept."""
    if path and path.exists():
        return json.loads(path.read_text())
    durations = measured(modules)
    if path:
        path.write_text(json.dumps(durations))
    return durations


def tested(module, operator, number, durations, budget):
    """What the tests say about a mutant, a dict."""
    source = (ROOT / "skmoe" / f"{module}.py").read_text()
    mutant = mutate_code(source, get_operator(operator)(), number)
    begin = time.monotonic()
    found = verdict(module, mutant, durations, budget)
    seconds = round(time.monotonic() - begin, 1)
    changed = diff(source, mutant, module)
    return {"verdict": found, "seconds": seconds, "diff": changed}


def report(key, result):
    """A line, and the diff of a survivor."""
    line = f"{result['verdict']:8} {result['seconds']:5} s  {key}"
    return line if result["verdict"] == "killed" else f"{line}\n{result['diff']}"


if __name__ == "__main__":
    main()
