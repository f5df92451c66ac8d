"""Commands about market rules: clear an order book, measure mechanisms, forecasts or wires."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.options import MOST_SEED, Force, said

market_app = typer.Typer()


class Measurable(StrEnum):
    """What ``measure`` knows."""

    mechanisms = "mechanisms"
    forecasts = "forecasts"
    rewards = "rewards"
    wires = "wires"


_OPTIONS = {
    Measurable.mechanisms: ("names", "sides", "books", "probes", "seed", "json", "write", "force"),
    Measurable.forecasts: ("data", "step_min", "seed", "json", "force"),
    Measurable.rewards: ("names", "json", "force"),
    Measurable.wires: ("json", "write", "force"),
}
"""What each can be told."""


@market_app.command(
    epilog=terminal.epilog("clear uniform_price book.csv --set k=0.5, where book.csv has the columns side,kwh,price")
)
def clear(
    mechanism: Annotated[str, typer.Argument(help="A name from 'gridbazaar list mechanisms'.")],
    book: Annotated[Path, typer.Argument(help="CSV file with the columns side,kwh,price[,bidder][,arrival].")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the mechanism; repeatable.")
    ] = None,
    import_price: Annotated[float | None, typer.Option(help="What the retailer takes per kWh.")] = None,
    export_price: Annotated[float | None, typer.Option(help="What the retailer gives per kWh.")] = None,
    tick: Annotated[float | None, typer.Option(help="Prices are multiples of it.")] = None,
    price_cap: Annotated[float | None, typer.Option(help="The highest limit allowed.")] = None,
    price_floor: Annotated[float | None, typer.Option(help="The lowest limit allowed.")] = None,
    self_trade: Annotated[str, typer.Option(help="net or allow: a bidder's own crossing buys and sells.")] = "net",
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Seed of the lottery, where the mechanism draws one.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Clear an order book of your own: who trades how much, at what price."""
    from gridbazaar.envs.scenarios import parse_setting
    from gridbazaar.experiments.cli.show import cleared_tables
    from gridbazaar.experiments.files import to_json
    from gridbazaar.market.clear.clear import clear as clear_book
    from gridbazaar.market.clear.csv_book import read_book

    orders = read_book(book)
    options = dict(parse_setting(text) for text in settings or [])
    result = clear_book(
        mechanism, orders.buys, orders.sells, seed=seed, import_price=import_price, export_price=export_price,
        tick=tick, price_cap=price_cap, price_floor=price_floor, self_trade=self_trade, arrival=orders.arrival,
        **options,
    )  # fmt: skip
    if json:
        typer.echo(to_json(result))
        return
    console = terminal.console()
    for shown in cleared_tables(orders, result):
        console.print(shown)


@market_app.command(epilog=terminal.epilog("measure mechanisms --names mcafee,vcg --sides 4,16"))
def measure(
    context: typer.Context,
    what: Annotated[Measurable, typer.Argument(help="What to measure.")],
    names: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Mechanisms, or scenarios for rewards; none: all."),
    ] = None,
    sides: Annotated[str, typer.Option(metavar="N,...", help="Buyers, and as many sellers.")] = "4,8,16,64",
    books: Annotated[int, typer.Option(min=1, max=1_000_000, help="Random books of each size.")] = 1000,
    probes: Annotated[int, typer.Option(min=1, max=1_000_000, help="Traders who try every limit of a grid.")] = 300,
    data: Annotated[Path | None, typer.Option(help="Series to forecast, a folder or a CSV; none: generated.")] = None,
    step_min: Annotated[int, typer.Option("--step-min", help="Minutes a step of the forecast series.")] = 60,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Seed of books, lotteries and probes, or of the series.")
    ] = 0,
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="DOCS", help="Fill the page (and pictures) of the documentation.")
    ] = None,
    force: Force = False,
) -> None:
    """Measure what market rules cost, how far forecasts err, how rewards spread, or what wires do."""
    if other := [name for name in said(context) if name not in ("what", *_OPTIONS[what])]:
        known = ", ".join(_option(name) for name in _OPTIONS[what])
        raise ValueError(f"{', '.join(map(_option, other))}: measure {what.value} takes {known}; leave that out")
    if what is Measurable.rewards:
        _measure_rewards(None if names is None else terminal.names(names), json, force=force)
        return
    if what is Measurable.forecasts:
        _measure_forecasts(data, step_min, seed, json, force=force)
        return
    if what is Measurable.wires:
        _measure_wires(json, write, force=force)
        return
    from gridbazaar.experiments.cli.show import card_tables
    from gridbazaar.experiments.docs.cards import FIGURES, read_figures, with_others, write_page
    from gridbazaar.experiments.files import check_outputs, write_json
    from gridbazaar.experiments.measure.mechanisms import measured

    check_outputs({"--json": json}, force=force)
    _check_page(write, "mechanisms.md")
    with terminal.progress() as bar:
        task = bar.add_task(f"measuring {what.value}", total=None)
        found = measured(
            None if names is None else terminal.names(names), terminal.whole_numbers(sides), n_books=books,
            n_probes=probes, seed=seed, tick=lambda name: bar.update(task, description=name),
        )  # fmt: skip
    if json is not None:
        write_json(json, asdict(found))
    written = []
    if write is not None:
        kept = write / FIGURES
        all_found = found if names is None or not kept.is_file() else with_others(found, read_figures(kept))
        written = write_page(all_found, write)
    for shown in card_tables(found):
        terminal.console().print(shown)
    for path in written:
        typer.echo(f"written: {path}")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_page(folder: Path | None, page: str) -> None:
    """Refuse to measure for a documentation that is not there."""
    if folder is not None and not (folder / page).is_file():
        raise FileNotFoundError(f"{folder / page}: expected the page whose marks are to be filled")


def _measure_forecasts(data: Path | None, step_min: int, seed: int, json: Path | None, *, force: bool) -> None:
    from gridbazaar.experiments.cli.show import forecast_table
    from gridbazaar.experiments.files import check_outputs, write_json
    from gridbazaar.experiments.measure.forecasts import bank_to_measure, measure_forecasts

    check_outputs({"--json": json}, force=force)
    bank = bank_to_measure(data, step_min, seed)
    cards = measure_forecasts(bank)
    if json is not None:
        write_json(json, {"data": bank.name, "step_min": step_min, "seed": seed, "cards": [asdict(c) for c in cards]})
    terminal.console().print(forecast_table(cards, f"{bank.name}, {step_min} min: error (rms) in % of the mean"))


def _measure_rewards(names: list[str] | None, json: Path | None, *, force: bool) -> None:
    from gridbazaar.envs.scenarios import list_scenarios
    from gridbazaar.experiments.cli.show import reward_table
    from gridbazaar.experiments.files import check_outputs, write_json
    from gridbazaar.experiments.measure.rewards import measure_rewards

    check_outputs({"--json": json}, force=force)
    found = {}
    with terminal.progress() as bar:
        task = bar.add_task("measuring rewards", total=None)
        for name in list_scenarios() if names is None else names:
            bar.update(task, description=f"rewards of {name}")
            found[name] = measure_rewards(name)
    if json is not None:
        write_json(json, {name: [asdict(spread) for spread in spreads] for name, spreads in found.items()})
    terminal.console().print(reward_table(found))


def _measure_wires(json: Path | None, write: Path | None, *, force: bool) -> None:
    from gridbazaar.experiments.cli.tabled import table
    from gridbazaar.experiments.docs.wires import write_wires
    from gridbazaar.experiments.files import check_outputs, write_json
    from gridbazaar.experiments.measure.wires import HEAD, MEASURED, measure_wires, wire_row

    check_outputs({"--json": json}, force=force)
    _check_page(write, "grid.md")
    with terminal.progress() as bar:
        task = bar.add_task("measuring wires", total=None)
        found = {
            name: measure_wires(name, *treatments, tick=lambda told: bar.update(task, description=told))
            for name, treatments in MEASURED.items()
        }
    if json is not None:
        write_json(json, {name: [asdict(card) for card in cards] for name, cards in found.items()})
    written = None if write is None else write_wires(found, write)
    for name, cards in found.items():
        terminal.console().print(table(name, HEAD, [wire_row(card) for card in cards]))
    if written is not None:
        typer.echo(f"written: {written}")
