"""Commands that look things up: what there is by name, and one thing in full."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import Force, Settings

look_app = typer.Typer()


class Listed(StrEnum):
    """What ``list`` knows."""

    scenarios = "scenarios"
    mechanisms = "mechanisms"
    tenders = "tenders"
    tariffs = "tariffs"
    designs = "designs"
    policies = "policies"
    kinds = "kinds"
    feeders = "feeders"
    rewards = "rewards"
    loaders = "loaders"


class Shown(StrEnum):
    """What ``show`` knows."""

    tariff = "tariff"
    mechanism = "mechanism"
    feeder = "feeder"
    scenario = "scenario"
    kind = "kind"
    policy = "policy"
    community = "community"


@look_app.command("list", epilog=terminal.epilog("list scenarios"))
def list_(what: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List what is found by name."""
    from gridbazaar.experiments.cli.show import list_things

    terminal.console().print(list_things(what.value))


@look_app.command(epilog=terminal.epilog("show tariff tou --toml > mine.toml"))
def show(
    what: Annotated[Shown, typer.Argument(help="What to show.")],
    name: Annotated[
        str, typer.Argument(help="Its name, or a file of your own; tariff: a design, or OpenEI's JSON too.")
    ],
    toml: Annotated[
        bool, typer.Option("--toml", help="A scenario, tariff or feeder as the file to start from one of your own.")
    ] = False,
    source: Annotated[
        bool, typer.Option("--source", help="The code of a policy, mechanism or kind, to start from one of your own.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw a week of a tariff design: png, svg or pdf.")
    ] = None,
    settings: Settings = None,
    force: Force = False,
) -> None:
    """Show one thing in full; of a scenario's community the table from which the same one is read again."""
    from gridbazaar.experiments.cli.show import show_thing
    from gridbazaar.experiments.cli.starting import source_of, table_of, toml_of

    if settings and what is not Shown.community:
        raise ValueError(f"--set goes with the community of a scenario, not with a {what.value}")
    if plot is not None and (toml or source):
        raise ValueError("--plot writes a picture, --toml and --source print a file; give one of them")
    if force and plot is None:
        raise ValueError("--force: it lets --plot replace a file; leave it out, or give --plot FILE")
    if toml or source:
        if toml and source:
            raise ValueError("--toml shows data, --source shows code; give one of them")
        typer.echo((toml_of if toml else source_of)(what.value, name), nl=False)
        return
    if plot is not None:
        _plot(what, name, plot, force=force)
        return
    if what is Shown.community:
        typer.echo(table_of(name, settings), nl=False)
        return
    show_thing(what.value, name, terminal.console())


def _plot(what: Shown, name: str, path: Path, *, force: bool) -> None:
    """Draw a tariff design."""
    from gridbazaar.experiments.files import check_outputs
    from gridbazaar.experiments.sheet import plot_design
    from gridbazaar.market.designs import load_design

    if what is not Shown.tariff:
        raise ValueError(f"--plot draws the week of a tariff design, not a {what.value}; omit it")
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--plot: expected a name ending in .png, .svg or .pdf, got {path.name!r}")
    check_outputs({"--plot": path}, force=force)
    plot_design(load_design(name), path)
    typer.echo(f"written: {path}")
