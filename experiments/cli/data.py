"""Commands about data: what can be loaded, and whether yours can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import door, terminal
from gridbazaar.experiments.cli.options import Columns, DropBad, Repair, Stamps, Timezone, of_files

STEPS = (5, 10, 15, 20, 30, 60)
data_app = typer.Typer(no_args_is_help=True, help="What data can be loaded, and whether yours can.")


@data_app.command("list", epilog=terminal.epilog("data list"))
def data_list() -> None:
    """Say what can be loaded, and what the generator makes."""
    from gridbazaar.experiments.cli.show import data_formats

    terminal.console().print(data_formats())


@data_app.command("check", epilog=terminal.epilog("data check meter.csv prices.csv --timezone Europe/Berlin"))
def data_check(
    paths: Annotated[list[Path], typer.Argument(help="A CityLearn folder, files of meters and prices, or folders.")],
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    loader: Annotated[str | None, typer.Option(metavar="FILE.py[:NAME]", help="A loader of your own.")] = None,
    step_min: Annotated[int, typer.Option(help="Length of a market interval.")] = 15,
) -> None:
    """Load data as an evaluation would and say what is used, what is refused and why; exit code 1 if nothing is."""
    from gridbazaar.data.inputs import check_input
    from gridbazaar.data.loaders.load import read
    from gridbazaar.experiments.cli.show import bank_summary

    if step_min not in STEPS:
        raise ValueError(f"--step-min: expected one of {', '.join(map(str, STEPS))}, got {step_min}")
    for path in paths:
        if not check_input(path).exists():
            raise FileNotFoundError(f"{path}: expected a CityLearn folder, a file or a folder of files")
    options = of_files(timezone, repair, stamps, columns, drop_bad)
    try:
        with terminal.quiet("gridbazaar.data.loaders.load"):
            given = {name.removeprefix("data."): value for name, value in options.items()}
            loaded = read(paths, step_min=step_min, loader=loader, **given)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(door.CHECK_FAILED) from error
    typer.echo(str(loaded.report))
    terminal.console().print(bank_summary(loaded.bank))
