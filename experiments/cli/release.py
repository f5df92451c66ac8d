"""The command that rebuilds what the package ships of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import Address, Engine, HowMany, read_workers

if TYPE_CHECKING:
    from gridbazaar.experiments.shipped.rows import Entry
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


@release_app.command(epilog=terminal.epilog("release table --only street,village --runs runs/table --workers 2"))
def table(
    runs: Annotated[
        Path, typer.Option(help="Folder of the runs and of what was played; what is complete there is taken.")
    ] = Path("runs/table"),
    only: Annotated[str | None, typer.Option(metavar="A,B,...", help="Scenarios; none: all.")] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="DOCS",
            help="Also keep the figures in learned.json of that folder, those of other scenarios as they are, and "
            "fill the marks of its learning.md and of the README beside it.",
        ),
    ] = None,
    workers: HowMany = None,
    engine: Engine = None,
    address: Address = None,
) -> None:
    """Train what ships with further seeds and play it in every scenario, beside rules, MPC and the optimum."""
    from gridbazaar.experiments.shipped.asked import read_asked
    from gridbazaar.experiments.shipped.page import check_pages
    from gridbazaar.experiments.shipped.rows import entry_of
    from gridbazaar.experiments.shipped.runs import minutes_left
    from gridbazaar.experiments.shipped.table import chosen, table_of
    from gridbazaar.experiments.training.release import read_recipes

    by, asked, recipes = read_workers(workers, engine, address), read_asked(), read_recipes()
    names = chosen(asked, [] if only is None else terminal.names(only))
    if write is not None:
        check_pages(write)
    minutes = minutes_left(recipes, {name: asked[name].runs for name in names if name in recipes}, runs)
    typer.echo(f"about {minutes:.0f} minutes of training on one core, then every policy plays", err=True)
    found: dict[str, Entry] = {}
    with terminal.progress() as bar:

        def begin(recipe: Recipe, seed: int) -> Report:
            typer.echo(f"{recipe.scenario}, seed {seed}: about {recipe.minutes:g} minutes", err=True)
            return terminal.training_bar(bar)

        for played in table_of(
            runs, only=names, asked=asked, recipes=recipes, workers=by, begin=begin,
            tick=lambda name: _ticker(name, terminal.evaluation_bar(bar)),
        ):  # fmt: skip
            found[played.scenario] = entry_of(played)
    _write_table(found, runs, write)


def _ticker(scenario: str, tick: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
    return lambda policy, done, total: tick(f"{scenario}: {policy}", done, total)


def _write_table(found: dict[str, Entry], runs: Path, docs: Path | None) -> None:
    """Write the table into the folder of the runs, and where asked into the documentation; show it."""
    from gridbazaar.experiments.files import versions, write_text
    from gridbazaar.experiments.fingerprint import processor
    from gridbazaar.experiments.shipped import page

    of_packages = {name: of for name, of in versions().items() if name not in ("platform", "machine")}
    made = {"command": terminal.command(), "processor": processor(), "versions": of_packages}
    page.write_figures(runs / page.FIGURES, found, made)
    told = "\n\n".join((page.table_md(found), page.gains_md(found), page.exceptions_md(found)))
    write_text(runs / "learned.md", told + "\n")
    typer.echo(told)
    if docs is not None:
        page.write_pages(docs, found, made)
        typer.echo(f"written: {docs / page.FIGURES} and {', '.join(map(str, page.pages_of(docs)))}", err=True)
