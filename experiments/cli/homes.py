"""The command that lets real homes answer tariff designs, and bills them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import Address, Dates, Engine, Force, HowMany, read_workers

if TYPE_CHECKING:
    from gridbazaar.experiments.homes import Answers

homes_app = typer.Typer()


@homes_app.command(epilog=terminal.epilog("homes citylearn2022 --designs be_flanders,us_ca_nbt --out homes"))
def homes(
    folder: Annotated[Path, typer.Argument(help="A CityLearn folder: homes with their roofs and batteries.")],
    out: Annotated[Path, typer.Option(help="Folder for bills.csv, a row a home, month and line, and results.json.")],
    designs: Annotated[
        str, typer.Option(metavar="A,B,...", help="Names from 'list designs' or files; all: every one that ships.")
    ] = "all",
    policy: Annotated[str, typer.Option(help="The rule of the batteries.")] = "peak_shaving",
    kwh_per_kwp: Annotated[
        float | None, typer.Option(min=0.01, max=100.0, help="Of every battery; none: those of the data.")
    ] = None,
    dates: Dates = None,
    part: Annotated[bool, typer.Option("--part", help="Bill a part of a year whose netting has a true-up.")] = False,
    workers: HowMany = None,
    engine: Engine = None,
    address: Address = None,
    force: Force = False,
) -> None:
    """Bill real homes under tariff designs, with their batteries at rest and answering each."""
    from gridbazaar.experiments.files import check_folder
    from gridbazaar.experiments.homes import answers, read_homes, write_answers
    from gridbazaar.market.designs import list_designs, load_design

    check_folder(out, force=force)
    who = read_workers(workers, engine, address)
    found_designs = [load_design(name) for name in (list_designs() if designs == "all" else terminal.names(designs))]
    begun = time.perf_counter()
    with terminal.quiet("gridbazaar.data.loaders.load"):
        homes = read_homes(folder, _days(dates), kwh_per_kwp)
    with terminal.progress() as bar:
        task = bar.add_task("homes answer", total=len(found_designs))
        found = answers(
            homes, found_designs, policy, who, lambda n: bar.update(task, completed=n), is_part=part
        )  # fmt: skip
    written = write_answers(found, out, force=force)
    _show(found)
    n, took = len(homes.names), time.perf_counter() - begun
    typer.echo(f"{n} homes under {len(found_designs)} designs, {homes.dates[0]} to {homes.dates[1]}: {took:.0f} s")
    typer.echo(f"written: {', '.join(written)}")


def _days(text: str | None) -> tuple[str, str] | None:
    from gridbazaar.data.clock import days_of

    if text is None:
        return None
    days = tuple(part.strip() for part in text.split(","))
    days_of(days)
    return days[0], days[1]


def _show(found: Answers) -> None:
    """Print a row a design: means over the homes."""
    from gridbazaar.experiments.cli.bills_shown import money
    from gridbazaar.experiments.cli.tabled import table

    peaks = found.net_kw.max(axis=2).mean(axis=1)
    rows = [
        (
            design.name, design.currency, money(found.at_rest[d].total_cur.mean()),
            money(found.answering[d].total_cur.mean()), money(found.worth_cur[d].mean()), f"{peaks[0]:.2f}",
            f"{peaks[1 + d]:.2f}",
        )
        for d, design in enumerate(found.designs)
    ]  # fmt: skip
    heads = ("design", "", ">at rest", ">answering", ">battery is worth", ">peak kW", ">answering")
    terminal.console().print(table(f"\nmeans of {len(found.homes.names)} homes", heads, rows))
