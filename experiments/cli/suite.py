"""What ``evaluate --suite`` does: play a suite, hold it to its record, write JSON and JUnit, say what came."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gridbazaar.experiments.cli import door, terminal

if TYPE_CHECKING:
    from gridbazaar.experiments.evaluation.suite import Ran
    from gridbazaar.experiments.workers import Workers


def play_suite(
    name: str, *, json: Path | None, junit: Path | None, golden: Path | None, update_golden: bool, force: bool,
    workers: Workers | None = None,
) -> int:  # fmt: skip
    """Play a suite; give the exit code.

    Args:
        name: of the suite, or its file.
        json, junit: files to write; none: not written.
        golden: its record; none: the one beside it.
        update_golden: write the record instead of comparing with it.
        force: replace results that exist; a record is replaced in any case.
        workers: who plays its runs.
    """
    from gridbazaar.experiments.evaluation.junit import to_junit
    from gridbazaar.experiments.evaluation.suite import read_record, read_suite, run_suite
    from gridbazaar.experiments.files import check_file, check_outputs, write_json, write_text

    suite = read_suite(name)
    record = suite.golden if golden is None else golden
    check_outputs({"--json": json, "--junit": junit}, {"the suite": suite.path, "its record": record}, force=force)
    if update_golden:
        check_file(record, force=True)
    elif not record.is_file():
        raise ValueError(f"{record}: there is no record of {suite.path.name}; make one with --update-golden")
    recorded = None if update_golden else read_record(suite, record)
    with terminal.progress() as bar:
        ran = run_suite(suite, recorded, workers=workers, tick=_ticker(terminal.evaluation_bar(bar)))
    if json is not None:
        write_json(json, ran.to_json())
    if junit is not None:
        write_text(junit, to_junit(ran))
    code = _say(ran)
    if update_golden and code == door.DONE:
        write_json(record, ran.to_golden(terminal.command()))
        typer.echo(f"recorded: {record}")
    return code


def _ticker(tick: Callable[[str, int, int], None]) -> Callable[[str, str, int, int], None]:
    return lambda run, policy, done, total: tick(f"{run}: {policy}", done, total)


def exit_code(ran: Ran) -> int:
    """Give what a suite ends with: what broke weighs most, then figures that moved, then other integers."""
    from gridbazaar.experiments.evaluation.suite import BROKEN, CHANGED, MOVED

    codes = {BROKEN: door.BROKEN, MOVED: door.CHECK_FAILED, CHANGED: door.CHANGED}
    return next((code for verdict, code in codes.items() if ran.verdicts(verdict)), door.DONE)


def _say(ran: Ran) -> int:
    """Show a line a run; on the error stream what is not sound."""
    from gridbazaar.experiments.cli.tabled import table
    from gridbazaar.experiments.evaluation.suite import BROKEN, CHANGED, MOVED, SKIPPED, SOUND

    for outcome in (o for verdict in (BROKEN, MOVED, CHANGED) for o in ran.verdicts(verdict)):
        where = " ".join(part for part in (outcome.run, outcome.policy, outcome.what) if part)
        typer.echo(f"{outcome.verdict}: {where}: {outcome.text}", err=True)
    rows: list[tuple[Any, ...]] = []
    for run, seconds in ran.seconds.items():
        of_run = [o for o in ran.outcomes if o.run == run]
        counts = (sum(o.verdict == verdict for o in of_run) for verdict in (SOUND, MOVED, BROKEN, CHANGED, SKIPPED))
        results = ran.evaluations[run].results if run in ran.evaluations else ()
        scores = ", ".join(f"{r.policy} {r.score.mean:.1f}" for r in results)
        rows.append((run, f"{seconds:.0f}", *counts, scores))
    head = ("run", ">s", ">sound", ">moved", ">broken", ">changed", ">skipped", "scores")
    terminal.console().print(table(f"{ran.suite.path.name}: {sum(ran.seconds.values()):.0f} s", head, rows))
    if skipped := ran.verdicts(SKIPPED):
        typer.echo(f"integers were not compared: {skipped[0].text}")
    return exit_code(ran)
