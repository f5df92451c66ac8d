"""What commands share on the terminal: a console, progress, tables of an evaluation, names with commas between."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gridbazaar.experiments.evaluation.result import Evaluation

_LINE_S = 60.0
"""Seconds between two lines of progress in a log."""
_MOST = 1_000_000
_WIDE = 160
"""Columns where the output is no terminal; nothing is folded in a log."""


def console() -> Console:
    """Give a console for results."""
    from rich.console import Console

    return Console(width=None if sys.stdout is not None and sys.stdout.isatty() else _WIDE)


def command() -> str:
    """Give the command line as it was typed."""
    return to_paste(*sys.argv[1:])


def to_paste(*words: object) -> str:
    """Give a command of ours as it can be pasted into a shell, whatever is in its words."""
    return shlex.join(["gridbazaar", *map(str, words)])


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


class Bar(Protocol):
    """What shows progress, as ``rich`` calls it."""

    def add_task(self, description: str, total: float | None = ...) -> Any: ...
    def update(self, task: Any, *, completed: float | None = ..., description: str | None = ...) -> None: ...
    def advance(self, task: Any) -> None: ...


@contextmanager
def progress() -> Iterator[Bar]:
    """Show progress on the error stream: a bar, or where that is no terminal a line a minute."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield cast(Bar, bar)


class _Lines:
    """Progress for a log; a command that is done within a minute says nothing."""

    def __init__(self) -> None:
        self._tasks: list[tuple[str, float | None, float]] = []  # description, total, completed
        self._start = self._last = time.monotonic()

    def add_task(self, description: str, total: float | None = None) -> int:
        self._tasks.append((description, total, 0.0))
        return len(self._tasks) - 1

    def update(self, task: int, *, completed: float | None = None, description: str | None = None) -> None:
        named, total, done = self._tasks[task]
        self._tasks[task] = (description or named, total, done if completed is None else completed)
        self._tell(task)

    def advance(self, task: int) -> None:
        self.update(task, completed=self._tasks[task][2] + 1)

    def _tell(self, task: int) -> None:
        now = time.monotonic()
        if now - self._last < _LINE_S:
            return
        self._last = now
        described, total, done = self._tasks[task]
        share = f", {100 * done / total:.0f} %" if total else ""
        minutes = (now - self._start) / 60
        typer.echo(f"{minutes:.0f} min: {described}{share}", err=True)


def training_bar(bar: Bar, title: str = "training") -> Callable[[int, int, dict[str, float]], None]:
    """Show a training run; give its ``report``."""
    tasks: list[Any] = []

    def report(steps: int, of: int, latest: dict[str, float]) -> None:
        if not tasks:
            tasks.append(bar.add_task(title, total=1.0))
        score = f", validation score {latest['score']:.1f}" if "score" in latest else ""
        bar.update(tasks[0], completed=latest["progress"], description=f"{title}: {steps:,} steps{score}")

    return report


def evaluation_bar(bar: Bar) -> Callable[[str, int, int], None]:
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
    if twice := [name for i, name in enumerate(found) if name in found[:i]]:
        raise ValueError(f"{twice[0]} is named twice; expected each name once")
    return found


def whole_numbers(text: str) -> list[int]:
    """Read whole numbers with commas between."""
    found = names(text)
    if not all(name.isascii() and name.isdecimal() and int(name[:9]) <= _MOST and len(name) < 10 for name in found):
        raise ValueError(f"expected whole numbers up to {_MOST:,} with commas between, got {text!r}")
    return [int(name) for name in found]
