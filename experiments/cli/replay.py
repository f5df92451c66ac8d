"""The command that writes a page on which one can watch an episode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import (
    AllowCode,
    Columns,
    Data,
    DropBad,
    Force,
    MasterSeed,
    Repair,
    Settings,
    Split,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
)

replay_app = typer.Typer()
_MOST_POLICIES = 4


@replay_app.command(epilog=terminal.epilog("replay village --policies opportunity_cost,mpc --out replay.html"))
def replay(
    source: Annotated[str, typer.Argument(metavar="SCENARIO|RUN", help="A scenario, or the folder of a training run.")],
    out: Annotated[Path, typer.Option(help="The page, replay.html.")],
    policies: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Up to four, side by side. None: a rule and what was trained, or idle."),
    ] = None,
    episode: Annotated[int, typer.Option(min=0, help="Number of the episode in its split.")] = 0,
    split: Split = "test",
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The day's ledger, of one of the policies; the page checks its trades."),
    ] = None,
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    allow_code: AllowCode = False,
    force: Force = False,
) -> None:
    """Write one page, with nothing to fetch, on which an episode can be watched interval by interval."""
    from gridbazaar.agents.policies.trained import CONFIG
    from gridbazaar.envs.scenarios import load_scenario
    from gridbazaar.experiments.evaluation.evaluate import labelled
    from gridbazaar.experiments.evaluation.play import play_episode
    from gridbazaar.experiments.files import check_outputs, write_text
    from gridbazaar.experiments.replay.audited import audited
    from gridbazaar.experiments.replay.page import render
    from gridbazaar.experiments.replay.record import record
    from gridbazaar.experiments.report.table import policy_names
    from gridbazaar.experiments.training.folder import read_scenario

    check_outputs({"--out": out}, {"the scenario": source, "--ledger": ledger}, force=force)
    overrides = read_overrides(settings, data, seed, of_files(timezone, repair, stamps, columns, drop_bad))
    is_run = (Path(source) / CONFIG).is_file()
    if is_run and overrides:
        raise ValueError(f"{source}: a run is shown in its own scenario; leave {', '.join(overrides)} out")
    chosen = read_scenario(source, allow_code=allow_code) if is_run else load_scenario(source, **overrides)
    named = terminal.names(policies) if policies else ["opportunity_cost", source if is_run else "idle"]
    if not 0 < len(named) <= _MOST_POLICIES:
        raise ValueError(f"--policies: expected one to {_MOST_POLICIES}, got {len(named)}")
    with terminal.progress() as bar:
        task = bar.add_task("playing", total=len(named) * chosen.n_steps)
        played = play_episode(
            chosen, labelled(named), episode, split=split, allow_code=allow_code, tick=lambda: bar.advance(task)
        )
    names = policy_names(list(played))
    shown = record({names[label]: was for label, was in played.items()})
    if ledger is not None:
        core = next(iter(played.values())).tally.core
        held = audited(ledger, core, list(played), episode, split)
        shown["ledger"] = held | {"policy": names[held["policy"]]}
    page = render(shown, terminal.command())
    write_text(out, page)
    typer.echo(f"written: {out}, {len(page.encode()):,} bytes; open it in a browser")
