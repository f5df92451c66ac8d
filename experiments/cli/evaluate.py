"""Commands that let policies play: evaluate them, and compare tariffs by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import (
    Columns,
    Data,
    DropBad,
    Force,
    MasterSeed,
    Policies,
    Repair,
    ScenarioName,
    Seeds,
    Settings,
    Split,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
)

if TYPE_CHECKING:
    from gridbazaar.experiments.evaluation.evaluate import Evaluation

evaluate_app = typer.Typer()
_BASELINES = "idle,self_consumption,time_of_use,price_threshold,opportunity_cost,optimum"


@evaluate_app.command(
    epilog=terminal.epilog("evaluate village --policies self_consumption,runs/a --seeds 20 --json out.json")
)
def evaluate(
    scenario: ScenarioName,
    policies: Policies = _BASELINES,
    seeds: Seeds = 20,
    split: Split = "test",
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write one row a policy and episode.")] = None,
    check: Annotated[Path | None, typer.Option("--check", help="Compare with a record; code 1 if it differs.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write a record for --check.")] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="Play episode 0 of the first policy named once more, into a ledger.")
    ] = None,
    force: Force = False,
) -> None:
    """Let policies play the same held-out episodes, between idle (score 0) and the optimum (100)."""
    from gridbazaar.experiments.evaluation.evaluate import evaluate as play
    from gridbazaar.experiments.evaluation.golden import check as differences
    from gridbazaar.experiments.evaluation.golden import golden_of, read_golden
    from gridbazaar.experiments.files import check_file, write_json, write_text

    for path in (json, csv, record, ledger):
        if path is not None:
            check_file(path, force=force)
    if check is not None:
        read_golden(check)
    with terminal.progress() as bar:
        found = play(
            scenario, terminal.names(policies), seeds=seeds, split=split, tick=terminal.evaluation_bar(bar),
            **read_overrides(settings, data, seed, of_files(timezone, repair, stamps, columns, drop_bad)),
        )  # fmt: skip
    terminal.print_tables(found)
    _say_what_played(terminal.names(policies))
    if json is not None:
        write_json(json, found.to_json())
    if csv is not None:
        write_text(csv, found.to_frame().to_csv(index=False))
    if record is not None:
        write_json(record, golden_of(found))
    if ledger is not None:
        _audit(found, terminal.names(policies)[0], ledger)
    if check is not None:
        _report_differences(differences(found, check), check)


@evaluate_app.command(
    epilog=terminal.epilog("compare village --tariffs flat,tou,spot --policies self_consumption --out report")
)
def compare(
    scenario: ScenarioName,
    tariffs: Annotated[str, typer.Option(metavar="A,B,...", help="Tariffs; differences are from the first.")],
    out: Annotated[Path, typer.Option(help="Folder for compare.json and compare.csv.")],
    policies: Policies = "idle,self_consumption",
    seeds: Seeds = 20,
    split: Split = "test",
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    force: Force = False,
) -> None:
    """Show what each kind of agent pays under several tariffs, with the same policies on the same episodes."""
    from gridbazaar.experiments.cli.show import comparison_table
    from gridbazaar.experiments.evaluation.compare import compare as play
    from gridbazaar.experiments.files import check_folder, new_folder, write_json, write_text

    overrides = read_overrides(settings, data, seed, of_files(timezone, repair, stamps, columns, drop_bad))
    check_folder(out, force=force)
    with terminal.progress() as bar:
        found = play(
            scenario, terminal.names(tariffs), terminal.names(policies), seeds=seeds, split=split,
            tick=terminal.evaluation_bar(bar), **overrides,
        )  # fmt: skip
    new_folder(out, force=force)
    write_json(out / "compare.json", found.to_json())
    write_text(out / "compare.csv", found.to_frame().to_csv(index=False))
    terminal.console().print(comparison_table(found))
    typer.echo(f"written: {out / 'compare.json'}, {out / 'compare.csv'}")


def _say_what_played(policies: list[str]) -> None:
    """Name the file that each training run played, for a run has several."""
    from gridbazaar.agents.policies import list_policies
    from gridbazaar.agents.policies.trained import BEST, CHECKPOINT, MODEL, model_of
    from gridbazaar.experiments.evaluation.evaluate import labelled

    what = {MODEL: "what the run ended with", BEST: "the best on validation", CHECKPOINT: "the last checkpoint"}
    for label, source in labelled(policies).items():
        path = None if source in list_policies() else model_of(source)
        if path is not None:
            typer.echo(f"{label} played {path}, {what[path.name]}")


def _audit(found: Evaluation, policy: str, path: Path) -> None:
    """Write the ledger of the first policy's first episode, and say what a checker must know."""
    from gridbazaar.experiments.audit.audit import audit_evaluated

    with terminal.progress() as bar:
        task = bar.add_task("ledger", total=found.scenario.n_steps)
        audited = audit_evaluated(found, policy, path, tick=lambda: bar.advance(task))
    typer.echo(f"{path}: {audited.policy}, episode {audited.seeds[0]}\nkey: {audited.did}\norigin: {audited.origin}")
    typer.echo(f"last checkpoint, to be kept where the operator cannot change it:\n\n{audited.checkpoint}")
    typer.echo(f"check it: gridbazaar ledger verify {path} --key {audited.did} --origin {audited.origin}")


def _report_differences(found: list[Any], golden: Path) -> None:
    for d in found:
        typer.echo(f"{d.policy} {d.figure}: expected {d.expected:g} +- {d.tolerance:g}, came {d.came:g}", err=True)
    if found:
        typer.echo(f"{len(found)} figures differ from {golden}", err=True)
        raise typer.Exit(terminal.CHECK_FAILED)
    typer.echo(f"all figures agree with {golden}")
