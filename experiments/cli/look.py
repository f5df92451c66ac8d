"""Commands that look things up: what there is by name, and one thing in full."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal

look_app = typer.Typer()


class Listed(StrEnum):
    """What ``list`` knows."""

    scenarios = "scenarios"
    mechanisms = "mechanisms"
    tenders = "tenders"
    tariffs = "tariffs"
    policies = "policies"
    kinds = "kinds"
    feeders = "feeders"


class Shown(StrEnum):
    """What ``show`` knows."""

    tariff = "tariff"
    mechanism = "mechanism"
    feeder = "feeder"
    scenario = "scenario"
    kind = "kind"


@look_app.command("list", epilog=terminal.epilog("list scenarios"))
def list_(what: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List what is found by name."""
    from gridbazaar.experiments.cli.show import list_things

    terminal.console().print(list_things(what.value))


@look_app.command(epilog=terminal.epilog("show scenario village > mine.toml"))
def show(
    what: Annotated[Shown, typer.Argument(help="What to show.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
) -> None:
    """Show one thing in full."""
    from gridbazaar.experiments.cli.show import show_thing

    show_thing(what.value, name, terminal.console())
