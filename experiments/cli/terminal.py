"""What commands share on the terminal: exit codes, a console, progress bars, tables of an evaluation."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from gridbazaar.experiments.evaluation.evaluate import Evaluation

CHECK_FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit codes: something was found wrong; what was asked cannot be done; stopped by the user."""
_WIDE = 160
"""Columns where the output is no terminal; nothing is folded in a log."""


def console() -> Console:
    """Give a console for results."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE)


def command() -> str:
    """Give the command line as it was typed."""
    return shlex.join(["gridbazaar", *sys.argv[1:]])


def number(x: float) -> str:
    """Write a measurement with the digits that matter."""
    return f"{x:.4g}" if abs(x) < 100 else f"{x:,.0f}"


def print_tables(evaluation: Evaluation) -> None:
    """Print what policies reached, then what the kinds saved."""
    from gridbazaar.experiments.report.table import kind_table, terminal_table

    shown = console()
    for tabled in (terminal_table, kind_table):
        shown.print(tabled(evaluation, width=shown.width))


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Keep a logger silent whose message is shown otherwise."""
    log = logging.getLogger(logger)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def progress() -> Progress:
    """A progress bar on the error stream; off where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def training_bar(bar: Progress) -> Callable[[int, int, dict[str, float]], None]:
    """Show a training run; give its ``report``."""
    tasks: list[Any] = []

    def report(steps: int, of: int, latest: dict[str, float]) -> None:
        if not tasks:
            tasks.append(bar.add_task("training", total=1.0))
        score = f", validation score {latest['score']:.1f}" if "score" in latest else ""
        bar.update(tasks[0], completed=latest["progress"], description=f"training: {steps:,} steps{score}")

    return report


def evaluation_bar(bar: Progress) -> Callable[[str, int, int], None]:
    """Show an evaluation, a line a policy; give its ``tick``."""
    tasks: dict[str, Any] = {}

    def tick(policy: str, done: int, total: int) -> None:
        if policy not in tasks:
            tasks[policy] = bar.add_task(policy, total=total)
        bar.update(tasks[policy], completed=done)

    return tick


def epilog(example: str) -> str:
    """Give the last line of a command's help."""
    return f"Example: gridbazaar {example}"


def names(text: str) -> list[str]:
    """Read names with commas between."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise ValueError(f"expected names with commas between, got {text!r}")
    return found


def whole_numbers(text: str) -> list[int]:
    """Read whole numbers with commas between."""
    wrong = [name for name in names(text) if not name.isdecimal()]
    if wrong:
        raise ValueError(f"expected whole numbers with commas between, got {text!r}")
    return [int(name) for name in names(text)]
