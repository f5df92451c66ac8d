"""What ``train --sweep`` does: begins a sweep or goes on with one, and shows what became of its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gridbazaar.experiments.cli import door, terminal

if TYPE_CHECKING:
    from gridbazaar.experiments.workers import Workers


def begin_sweep(file: Path, out: Path, given: Mapping[str, Any], *, force: bool, resume: bool) -> None:
    """Make the folder of a sweep, or see that the one that is there is the same; ``given`` has fields of all trials."""
    from gridbazaar.experiments.files import to_json
    from gridbazaar.experiments.training.learners import learner
    from gridbazaar.experiments.training.sweep import plan, study

    sweep = plan.read_sweep(file)
    fields = dict(sweep.train) | dict(given)
    if "scenario" not in fields:
        raise ValueError("expected a scenario; see gridbazaar list scenarios")
    fields = {"algo": "ppo"} | fields
    table, _ = learner(str(fields["algo"]), "algo of the sweep")
    plan.check_sweep(sweep, table, fields, file)
    if not resume:
        _check_all(table, fields)
        study.begin_sweep(out, sweep, fields, force=force)
        return
    held = study.read_sweep_folder(out)
    if held is None:
        raise ValueError(f"resume: expected a sweep in {out}, found no {study.SWEEP}; start one without --resume")
    if to_json(asdict(held[0])) != to_json(asdict(sweep)) or to_json(held[1]) != to_json(fields):
        raise ValueError(f"--resume goes on as the sweep began, and {file} or an option says otherwise; leave it out")


def _check_all(table: Any, fields: Mapping[str, Any]) -> None:
    from gridbazaar.data.tables import read_table
    from gridbazaar.envs.scenarios import load_scenario

    config = read_table(table, fields, "")
    load_scenario(config.scenario, allow_code=True, **config.overrides)


def run_sweep(out: Path, *, workers: Workers | None, allow_code: bool) -> None:
    """Train what is left, and show the best trials."""
    from gridbazaar.experiments.training.sweep.study import run_sweep

    tasks: dict[str, Any] = {}
    try:
        with terminal.progress() as bar:

            def tell(what: str, done: int, of: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=of)
                bar.update(tasks[what], completed=done)

            outcomes = run_sweep(out, workers=workers, allow_code=allow_code, tell=tell)
    except KeyboardInterrupt as error:
        code, word = door.answer(error)
        to_go_on = terminal.to_paste("train", "--out", out, "--resume")
        typer.echo(f"{word}; what is trained stays; go on with: {to_go_on}", err=True)
        raise typer.Exit(code) from None
    _show(out, outcomes)


def _show(out: Path, outcomes: Any) -> None:
    from rich.console import Console

    from gridbazaar.experiments.cli.tabled import table
    from gridbazaar.experiments.training.sweep.outcome import BEST, TRIALS, ranked
    from gridbazaar.experiments.training.sweep.study import read_sweep_folder, trial_folder

    names = list(outcomes[0].tried)
    rows = [
        (x.number, x.rounds, x.why or f"{x.score:.1f}", *(_short(x.tried[name]) for name in names))
        for x in ranked(outcomes)
    ]
    Console().print(table("trials, the best first", (">trial", ">rounds", ">score", *names), rows))
    best, held = ranked(outcomes)[0], read_sweep_folder(out)
    assert held is not None
    settings = [x for n, v in held[1].get("overrides", {}).items() for x in ("--set", f"{n}={json.dumps(v)}")]
    more = ("--train-file", out / BEST, "--out", "runs/best")
    again = terminal.to_paste("train", held[1]["scenario"], *settings, *more)
    typer.echo(
        f"{out / TRIALS} has all trials; the best is {trial_folder(out, best.number)}, its fields are in {out / BEST}: "
        f"{again}"
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
