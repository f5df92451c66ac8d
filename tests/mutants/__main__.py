"""Single faults planted over the core's files: which of them do the unit tests find?

    python -m tests.mutants 150 --seed 12     draws positions by seed, plants a fault at each, prints what found it
    python -m tests.mutants 150 --seed 12 --only 7 --tests tests/market/settlement    plants one of them again

Run by hand, from the root of the checkout, in one process; faults are planted in a copy of the tree. First the suite
runs once to learn which tests run which statements (``--cover FILE`` keeps that map and uses it again). Each fault is
then shown to the tests that run its statement, those beside its module first, until one fails: ``--budget`` seconds of
them beside its module and as many of others. What is left is shown to the recorded trajectories: a fault that these
alone find changes results and counts as missed. What changes no recorded bit is judged by hand, in ``verdicts.json``.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.mutants.cover import Cover, unhurried
from tests.mutants.faults import Fault, core_files, faults_of

HERE = Path(__file__).parent
RECORD = HERE / "record.csv"
VERDICTS = HERE / "verdicts.json"
TRAJECTORIES = "tests/envs/test_trajectories.py"
HEAVY = (
    "numpy",
    "pandas",
    "scipy.optimize",
    "scipy.sparse",
    "gymnasium",
    "pettingzoo",
    "hypothesis",
)
FOUND, MISSED, SAME = "found", "trajectories only", "nothing changed"


class Outcome(NamedTuple):
    """What became of a fault."""

    outcome: str
    by: str  # the test that failed
    seconds: float


class FirstFailure:
    """A pytest plugin: keeps some tests, in their order, and tells the first that fails."""

    def __init__(self, wanted: list[str], report: Path) -> None:
        self._wanted = {test: n for n, test in enumerate(wanted)}
        self._report = report

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._wanted:
            items[:] = sorted((i for i in items if i.nodeid in self._wanted), key=lambda i: self._wanted[i.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(f"import of {report.nodeid}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._tell(report.nodeid)

    def _tell(self, test: str) -> None:
        if not self._report.exists():
            self._report.write_text(test, encoding="utf-8")


def main() -> None:
    asked = arguments()
    root = Path.cwd().resolve()
    drawn = draw(root, asked.n, asked.seed)
    rows = read(asked.record) if asked.only and asked.record else {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "tree"
        copy_tree(root, scratch)
        for name in HEAVY:
            try:
                importlib.import_module(name)
            except ImportError:
                print(f"without {name}: tests that need it are skipped", flush=True)
        cover = Cover() if asked.tests else learn(root, Path(folder), asked.cover)
        for n, fault in enumerate(drawn):
            if asked.only is None or n in asked.only:
                groups = [asked.tests] if asked.tests else groups_of(fault, cover, asked.budget)
                found = judge(scratch, fault, groups, asked.budget)
                rows[n] = row_of(n, fault, found)
                print(n, f"{fault.file}:{fault.line}", fault.operator, *found, flush=True)
                if asked.record:
                    write(asked.record, rows)
    print(summary(rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("n", type=int, nargs="?", default=150, help="positions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=lambda text: {int(x) for x in text.split(",")}, help="numbers of faults")
    parser.add_argument("--tests", nargs="+", help="what to run in place of the tests that run the statement")
    parser.add_argument("--cover", type=Path, help="where the map of tests lies, or goes")
    parser.add_argument("--budget", type=float, default=150.0, help="seconds of tests shown to one fault")
    parser.add_argument("--record", type=Path, default=None, help=f"such as {RECORD.relative_to(HERE.parents[1])}")
    return parser.parse_args()


def copy_tree(root: Path, to: Path) -> None:
    """Copy what belongs to the checkout, without what lies beside it."""
    hidden = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "runs", "report", "*.egg-info")
    shutil.copytree(root, to, symlinks=True, ignore=lambda f, names: hidden(f, names) if f == str(root) else [])


def learn(root: Path, folder: Path, kept: Path | None) -> Cover:
    """Give the map of tests, made now unless ``kept`` holds it."""
    path = kept or folder / "cover.pickle"
    if not path.exists():
        marked = folder / "marked"
        copy_tree(root, marked)
        command = [sys.executable, "-m", "tests.mutants.cover", str(marked), str(path)]
        subprocess.run(command, check=True, cwd=root, env=os.environ | {"PYTHONPATH": str(marked)})
    return Cover(**pickle.loads(path.read_bytes()))


def draw(root: Path, n: int, seed: int) -> list[Fault]:
    """Draw positions over all core files by chance, at each a way to be wrong and one fault of that way."""
    positions = [
        options for file in core_files(root) for options in faults_of(file, (root / file).read_text(encoding="utf-8"))
    ]
    rng = random.Random(seed)
    drawn = []
    for options in rng.sample(positions, n):
        operator = rng.choice(sorted({fault.operator for fault in options}))
        drawn.append(rng.choice([fault for fault in options if fault.operator == operator]))
    return drawn


def judge(scratch: Path, fault: Fault, groups: Iterable[list[str]], budget_s: float) -> Outcome:
    """Plant a fault, show it to groups of tests up to the first that fails, take it out again."""
    path, began = scratch / fault.file, time.monotonic()
    source = path.read_text(encoding="utf-8")
    path.write_text(fault.planted(source), encoding="utf-8")
    try:
        for tests in groups:
            by = run(scratch, tests, limit_s=60 + 10 * budget_s) if tests else None
            if by is not None:
                is_late = by.startswith(TRAJECTORIES)
                return Outcome(MISSED if is_late else FOUND, by, round(time.monotonic() - began, 1))
        return Outcome(SAME, "", round(time.monotonic() - began, 1))
    finally:
        path.write_text(source, encoding="utf-8")
        for stale in path.parent.glob(f"__pycache__/{path.stem}.*"):
            stale.unlink()


def groups_of(fault: Fault, cover: Cover, budget_s: float) -> list[list[str]]:
    """Give the tests that run the fault's statement: those beside its module, others, and the recorded trajectories.

    The quickest come first, as many as the budget allows in each group.
    """
    seconds = dict(zip(cover.tests, cover.seconds, strict=True))
    those = sorted((cover.tests[n] for n in cover.of(fault.file, fault.statement[0])), key=lambda t: seconds[t])
    beside, of_module = f"tests/{Path(fault.file).parent}/", f"test_{Path(fault.file).stem}"
    groups: list[list[str]] = [[], [], [], []]
    spent = [0.0] * len(groups)
    for test in those:
        is_own = test.startswith(beside + of_module)
        group = 3 if test.startswith(TRAJECTORIES) else 0 if is_own else 1 if test.startswith(beside) else 2
        spent[group] += seconds[test]
        if spent[group] < budget_s:
            groups[group].append(test)
    return groups


def run(scratch: Path, tests: list[str], limit_s: float) -> str | None:
    """Run tests in a fork of this process, up to the first failure; give its name."""
    report = scratch.parent / "report"
    report.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _be_child(scratch, tests, report)
    until, status = time.monotonic() + limit_s, 0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "time limit"
        time.sleep(0.02)
    if report.exists():
        return report.read_text(encoding="utf-8")
    return None if os.waitstatus_to_exitcode(status) in (0, 5) else f"exit code {os.waitstatus_to_exitcode(status)}"


def _be_child(scratch: Path, tests: list[str], report: Path) -> None:
    code = 70
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(quiet, stream)
        here = {"", os.getcwd(), str(HERE.parents[1])}
        os.chdir(scratch)
        sys.path[:] = [str(scratch), *(p for p in sys.path if p not in here)]
        os.environ["PYTHONPATH"] = str(scratch)
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "gridbazaar")]:
            del sys.modules[name]
        named = [test for test in tests if "::" in test]
        files = [*dict.fromkeys(test.split("::")[0] for test in tests)]
        plugin = FirstFailure(named if len(named) == len(tests) else [], report)
        options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        code = int(pytest.main([*options, *(files if len(named) == len(tests) else tests)], plugins=[plugin]))
        import gridbazaar

        assert str(gridbazaar.__file__).startswith(str(scratch))
    finally:
        os._exit(code)


def row_of(number: int, fault: Fault, found: Outcome) -> dict[str, Any]:
    return {
        "number": number, "file": fault.file, "line": fault.line, "operator": fault.operator, "before": fault.before,
        "after": fault.after, **found._asdict(),
    }  # fmt: skip


def write(path: Path, rows: dict[int, dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*next(iter(rows.values()))], lineterminator="\n")
        table.writeheader()
        table.writerows(rows[n] for n in sorted(rows))


def read(path: Path) -> dict[int, dict[str, Any]]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {int(row["number"]): row for row in csv.DictReader(file)}


def summary(rows: dict[int, dict[str, Any]]) -> str:
    """Say what was found, by operator, and how much of what changes any result."""
    held: dict[str, dict[str, str]] = json.loads(VERDICTS.read_text(encoding="utf-8"))
    same = {n for n, row in rows.items() if "{file}: {before} -> {after}".format(**row) in held["equivalent"]}
    counts = Counter((row["operator"], row["outcome"]) for row in rows.values())
    lines = [f"{operator:18} {outcome:18} {n}" for (operator, outcome), n in sorted(counts.items())]
    found = sum(row["outcome"] == FOUND for row in rows.values())
    matter = sum(row["outcome"] == FOUND or n not in same for n, row in rows.items())
    return "\n".join([*lines, f"found {found} of {matter} that change a result, of {len(rows)}"])


if __name__ == "__main__":
    unhurried()
    main()
