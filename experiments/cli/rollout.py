"""The command that plays episodes and keeps their transitions, to learn from."""

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
    ScenarioName,
    Settings,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
)

rollout_app = typer.Typer()


@rollout_app.command(
    epilog=terminal.epilog("rollout village --policy opportunity_cost --episodes 100 --out village.parquet")
)
def rollout(
    scenario: ScenarioName,
    policy: Annotated[str, typer.Option(help="Of all agents: a name, a run folder, or a file mine.py[:Class].")],
    out: Annotated[Path, typer.Option(help="A file .npz or .parquet, or the folder of a dataset of Minari.")],
    episodes: Annotated[int, typer.Option(min=1, max=100_000, help="How many: 0, 1, ...")] = 10,
    split: Annotated[str, typer.Option("--split", help="Episodes: train, validation or test.")] = "train",
    form: Annotated[
        str | None, typer.Option("--format", help="npz, parquet or minari; none: as the file's name says.")
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
    """Let a policy play episodes and write every transition: what was seen, done, got and broken."""
    from gridbazaar.experiments.files import check_outputs
    from gridbazaar.experiments.rollout.rollout import plan_rollout
    from gridbazaar.experiments.rollout.write import check_destination, format_of, write_rollout

    chosen = format_of(out, form)
    inputs = {f"--data {path}": path for path in data or []} | {"the scenario": scenario, "--policy": policy}
    if chosen != "minari":
        check_outputs({"--out": out}, inputs, force=force)
    check_destination(out, chosen, force=force)
    overrides = read_overrides(settings, data, seed, of_files(timezone, repair, stamps, columns, drop_bad))
    plan = plan_rollout(
        scenario, policy, episodes, split=split, allow_code=allow_code, command=terminal.command(), **overrides
    )
    with terminal.progress() as bar:
        task = bar.add_task("playing", total=-(-episodes // plan.n_at_once) * plan.n_steps)
        write_rollout(plan, out, chosen, force=force, tick=lambda: bar.advance(task))
    o = plan.origin
    typer.echo(
        f"{out}: {episodes * plan.n_steps * len(o.agents):,} transitions of {len(o.agents)} agents in {episodes} "
        f"{split} episodes; read it with gridbazaar.read_rollout({str(out)!r})"
    )
