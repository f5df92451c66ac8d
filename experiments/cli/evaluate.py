"""The command that lets policies play and measures them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridbazaar.experiments.cli import door, terminal
from gridbazaar.experiments.cli.options import (
    MOST_SEED,
    Address,
    AllowCode,
    Columns,
    Data,
    Dates,
    DropBad,
    Engine,
    Force,
    HowMany,
    MasterSeed,
    Repair,
    Seeds,
    Settings,
    Split,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
    read_workers,
    said,
)
from gridbazaar.experiments.cli.suite import play_suite

if TYPE_CHECKING:
    from gridbazaar.envs.scenario import Scenario
    from gridbazaar.experiments.audit.audit import Audited
    from gridbazaar.experiments.evaluation.result import Evaluation

evaluate_app = typer.Typer()
_RULES = ("idle", "self_consumption", "time_of_use", "price_threshold", "opportunity_cost")
_OF_SUITE = ("suite", "json", "junit", "golden", "update_golden", "force", "workers", "engine", "address")


@evaluate_app.command(
    epilog=terminal.epilog("evaluate village --policies self_consumption,runs/a --seeds 20 --json out.json")
)
def evaluate(
    context: typer.Context,
    scenario: Annotated[
        str | None, typer.Argument(help="A name from 'gridbazaar list scenarios', or a .toml file; none with --suite.")
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Names, run folders, files mine.py[:Class], LABEL=any of them; and idle. None: rules, the optimum, "
            "and what came with the package trained for the scenario.",
        ),
    ] = None,
    seeds: Seeds = 20,
    first: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Number of the first episode.")] = 0,
    split: Split = "test",
    dates: Dates = None,
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Play a suite and hold it to its record: ci, or a .toml file."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Of a suite: write JUnit XML.")] = None,
    golden: Annotated[Path | None, typer.Option("--golden", help="Of a suite: its record; none: beside it.")] = None,
    update_golden: Annotated[
        bool, typer.Option("--update-golden", help="Of a suite: write its record instead of comparing with it.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write one row a policy and episode.")] = None,
    marl_eval: Annotated[
        Path | None, typer.Option("--marl-eval", help="Write runs and their learning curves as marl-eval reads them.")
    ] = None,
    check: Annotated[Path | None, typer.Option("--check", help="Compare with a record; code 1 if it differs.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write a record for --check.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="What a figure may differ by, and by which share of itself: 0 on the same machine; else as the "
            "record says, 0.001 in a new one.",
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", help="Play the first episode of the first policy named again, into a ledger."),
    ] = None,
    workers: HowMany = None,
    engine: Engine = None,
    address: Address = None,
    allow_code: AllowCode = False,
    force: Force = False,
) -> None:
    """Let policies play the same held-out episodes, between idle (score 0) and the optimum (100)."""
    from gridbazaar.envs.scenarios import load_scenario
    from gridbazaar.experiments.evaluation.evaluate import evaluate as play
    from gridbazaar.experiments.evaluation.golden import TOLERANCE, golden_of, read_golden, refuse_other_settings
    from gridbazaar.experiments.files import check_outputs, write_json, write_text
    from gridbazaar.experiments.report.table import runs_table

    by = read_workers(workers, engine, address)
    if suite is not None:
        _refuse_beside_suite(context)
        code = play_suite(
            suite, json=json, junit=junit, golden=golden, update_golden=update_golden, force=force, workers=by
        )
        raise typer.Exit(code)
    if scenario is None:
        raise ValueError("expected a scenario, or --suite; see gridbazaar list scenarios")
    if junit is not None or golden is not None or update_golden:
        raise ValueError("--junit, --golden and --update-golden are of --suite; give --suite ci, or leave them out")
    if tolerance is not None and not (math.isfinite(tolerance) and (check or record)):
        raise ValueError(f"--tolerance: expected a number, with --check or --record, got {tolerance}")
    outputs = {"--json": json, "--csv": csv, "--marl-eval": marl_eval, "--record": record, "--ledger": ledger}
    inputs = {f"--data {path}": path for path in data or []} | {"--check": check, "the scenario": scenario}
    check_outputs(outputs, inputs, force=force)
    files = of_files(timezone, repair, stamps, columns, drop_bad)
    chosen = load_scenario(scenario, allow_code=allow_code, **read_overrides(settings, data, seed, files, dates))
    named = usual(chosen) if policies is None else terminal.names(policies)
    recorded, numbers = None if check is None else read_golden(check), range(first, first + seeds)
    if recorded is not None and check is not None:
        refuse_other_settings(recorded, check, chosen, split, numbers)
    curves = {} if marl_eval is None else _curves(named)
    with terminal.progress() as bar:
        found = play(
            chosen, named, seeds=numbers, split=split, tick=terminal.evaluation_bar(bar), allow_code=allow_code,
            workers=by,
        )  # fmt: skip
    if json is not None:
        write_json(json, found.to_json())
    if csv is not None:
        write_text(csv, found.to_frame().to_csv(index=False))
    if marl_eval is not None:
        from gridbazaar.experiments.evaluation.marl_eval import to_marl_eval

        write_json(marl_eval, to_marl_eval(found, curves))
    if record is not None:
        within = TOLERANCE if tolerance is None else tolerance
        write_json(record, golden_of(found, tolerance=within, command=terminal.command()))
    audited = None if ledger is None else _audited(found, named[0], ledger, allow_code=allow_code)
    agrees = recorded is None or check is None or _agrees(found, recorded, check, tolerance)
    terminal.print_tables(found)
    if found.runs:
        terminal.console().print(runs_table(found, named[0].partition("=")[0]))
    _say_what_played(named)
    if audited is not None:
        _say_ledger(audited, found.scenario.mechanism)
    if not agrees:
        raise typer.Exit(door.CHECK_FAILED)
    if check is not None:
        typer.echo(f"all figures agree with {check}")


def usual(scenario: Scenario) -> list[str]:
    """Name what is played where nobody says it: rules, what ships trained for just this scenario, the optimum."""
    from gridbazaar.agents.policies import LEARNED
    from gridbazaar.experiments.training.release import ships_for

    return [*_RULES, *[LEARNED] * ships_for(scenario), "optimum"]


def _refuse_beside_suite(context: typer.Context) -> None:
    """Refuse options that a suite has in its file."""
    if other := [name for name in said(context) if name not in _OF_SUITE]:
        raise ValueError(f"--suite: {', '.join(other)}: a suite says in its file what is played; leave that out")


def _sources(policies: list[str]) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """What each policy is read from, by the label under which it is shown; and the labels of the runs of a folder."""
    from gridbazaar.experiments.evaluation.evaluate import labelled
    from gridbazaar.experiments.evaluation.runs import with_runs

    return with_runs(labelled(policies))


def _curves(policies: list[str]) -> dict[str, list[dict[str, float]]]:
    """The learning curves of runs, by the label under which they are shown; before anything is played."""
    from gridbazaar.agents.policies import list_policies
    from gridbazaar.agents.policies.trained import model_of
    from gridbazaar.experiments.evaluation.marl_eval import refuse_unequal
    from gridbazaar.experiments.training.folder import algo_of, read_curve

    named, runs = _sources(policies)
    sources = {label: str(source) for label, source in named.items() if source not in list_policies()}
    models = {label: model_of(source) for label, source in sources.items()}
    folders = {label: model.parent for label, model in models.items() if model is not None}
    curves = {label: read_curve(folder) for label, folder in folders.items() if algo_of(folder) is not None}
    refuse_unequal(list(named), runs, curves)
    return curves


def _say_what_played(policies: list[str]) -> None:
    """Name the file that each training run played, for a run has several."""
    from gridbazaar.agents.policies import list_policies
    from gridbazaar.agents.policies.trained import model_of
    from gridbazaar.experiments.training.checkpoint import about

    for label, source in _sources(policies)[0].items():
        path = None if source in list_policies() else model_of(str(source))
        if path is not None:
            typer.echo(f"{label} played {path}, {about(path)}")


def _audited(found: Evaluation, policy: str, path: Path, *, allow_code: bool) -> Audited:
    """Write the ledger of the first policy's first episode."""
    from gridbazaar.experiments.audit.audit import audit_evaluated

    with terminal.progress() as bar:
        task = bar.add_task("ledger", total=found.scenario.n_steps)
        return audit_evaluated(found, policy, path, tick=lambda: bar.advance(task), allow_code=allow_code)


def _say_ledger(audited: Audited, mechanism: Any) -> None:
    """Say what a checker must know, of a rule of a user's own its file too."""
    from gridbazaar.data.own import reference_of

    path = audited.path
    typer.echo(f"{path}: {audited.policy}, episode {audited.seeds[0]}\nkey: {audited.did}\norigin: {audited.origin}")
    typer.echo(f"last checkpoint, to be kept where the operator cannot change it:\n\n{audited.checkpoint}")
    own = reference_of(mechanism)
    rule = () if own is None else ("--mechanism", own.path if own.name is None else f"{own.path}:{own.name}")
    to_check = terminal.to_paste("ledger", "verify", path, "--key", audited.did, "--origin", audited.origin, *rule)
    typer.echo(f"check it: {to_check}")


def _agrees(found: Evaluation, recorded: dict[str, Any], golden: Path, tolerance: float | None) -> bool:
    """Say on the error stream where figures are not those of a record, and what cannot be compared."""
    from gridbazaar.experiments.evaluation.golden import check, other_versions, unmatched

    differences = check(found, golden, tolerance=tolerance)
    missing, new = unmatched(recorded, [result.policy for result in found.results])
    if new:
        typer.echo(f"played and not recorded, so not checked: {', '.join(new)}", err=True)
    if missing:
        typer.echo(f"recorded and not played: {', '.join(missing)}", err=True)
    for d in differences:
        if d.policy not in missing:
            off = f"expected {d.expected:.10g} +- {d.tolerance:g}, came {d.came:.10g}"
            typer.echo(f"{d.policy} {d.figure}: {off}", err=True)
    if differences:
        typer.echo(f"{len(differences)} figures differ from {golden}", err=True)
        if others := other_versions(recorded):
            typer.echo(f"it was recorded with {', '.join(others)}", err=True)
    return not differences
