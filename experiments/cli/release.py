"""The command that rebuilds what the package ships of training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridbazaar.experiments.cli import terminal

if TYPE_CHECKING:
    from gridbazaar.experiments.training.release import Recipe, Report

release_app = typer.Typer(no_args_is_help=True, help="Rebuild what the package ships of training.")


@release_app.callback()
def _group() -> None:
    """Rebuild what the package ships of training."""


@release_app.command(epilog=terminal.epilog("release policies --only street,village --runs runs/release"))
def policies(
    runs: Annotated[
        Path, typer.Option(help="Folder of the runs; one that was interrupted there goes on, a complete one is taken.")
    ] = Path("runs/release"),
    out: Annotated[Path | None, typer.Option(help="Where to; none: into the package.")] = None,
    only: Annotated[str | None, typer.Option(metavar="A,B,...", help="Scenarios; none: all.")] = None,
) -> None:
    """Train the policies that come with the package, as its recipes say, and put them where they ship from."""
    from gridbazaar.agents.policies.learned import FOLDER
    from gridbazaar.experiments.training.release import read_recipes, refuse_unknown, release_policies

    recipes, chosen = read_recipes(), [] if only is None else terminal.names(only)
    refuse_unknown(chosen, recipes)
    minutes = sum(recipe.minutes for name, recipe in recipes.items() if not chosen or name in chosen)
    typer.echo(f"about {minutes:.0f} minutes on one core, less what {runs} holds", err=True)
    start_s = time.monotonic()
    with terminal.progress() as bar:

        def begin(recipe: Recipe) -> Report:
            typer.echo(f"{recipe.scenario}: {recipe.algo}, about {recipe.minutes:g} minutes", err=True)
            return terminal.training_bar(bar)

        made = release_policies(runs, FOLDER if out is None else out, only=chosen, begin=begin)
    size = sum(path.stat().st_size for folder in made for path in folder.iterdir())
    typer.echo(
        f"{', '.join(folder.name for folder in made)} in {made[0].parent}: {size / 1e6:.2f} MB, "
        f"{(time.monotonic() - start_s) / 60:.1f} minutes"
    )
