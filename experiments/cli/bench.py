"""The command that measures speed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import MOST_SEED, Force

bench_app = typer.Typer()


@bench_app.command(epilog=terminal.epilog("bench --quick --json bench.json"))
def bench(
    json: Annotated[Path | None, typer.Option("--json", help="Write speeds, versions and machine as JSON.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few steps: whether it runs, not how fast.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of actions and episodes.")] = 0,
    force: Force = False,
) -> None:
    """Measure the speed of steps, resets, views and training on this machine."""
    from gridbazaar.experiments.cli.tabled import table
    from gridbazaar.experiments.files import check_outputs, write_json
    from gridbazaar.experiments.measure.speed import QUICK, machine, measure_speed, to_json

    check_outputs({"--json": json}, force=force)
    with terminal.progress() as bar:
        task = bar.add_task("measuring", total=None)
        found = measure_speed(QUICK if quick else None, seed=seed, tell=lambda name: bar.update(task, description=name))
    here = machine()
    title = f"{here['processor']}, {here['cores']} cores, OMP_NUM_THREADS {here['OMP_NUM_THREADS']}"
    rows = [(s.name, *map(terminal.number, (s.value, s.low, s.high)), s.unit) for s in found]
    if json is not None:
        write_json(json, to_json(found, seed))
    terminal.console().print(table(title, ("measured", ">median", ">lowest", ">highest", "unit"), rows))
