"""Commands about data: what can be loaded, and whether yours can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import door, terminal

data_app = typer.Typer(no_args_is_help=True, help="What data can be loaded, and whether yours can.")


@data_app.command("list", epilog=terminal.epilog("data list"))
def data_list() -> None:
    """Say what can be loaded, and what the generator makes."""
    from gridbazaar.experiments.cli.show import data_formats

    terminal.console().print(data_formats())


@data_app.command("check", epilog=terminal.epilog("data check citylearn_challenge_2022_phase_all"))
def data_check(
    path: Annotated[Path, typer.Argument(help="A CityLearn folder, a CSV file, or a folder of CSV files.")],
    step_min: Annotated[int, typer.Option(help="Length of a market interval.")] = 15,
) -> None:
    """Load data as an evaluation would and say what is used, what is refused and why; exit code 1 if nothing is."""
    from gridbazaar.data.loaders.load import read
    from gridbazaar.experiments.cli.show import bank_summary

    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a CityLearn folder, a CSV file or a folder of CSV files")
    try:
        with terminal.quiet("gridbazaar.data.loaders.load"):
            loaded = read(path, step_min=step_min)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(door.CHECK_FAILED) from error
    typer.echo(str(loaded.report))
    terminal.console().print(bank_summary(loaded.bank))
