"""The sheet of a tariff design in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gridbazaar.experiments.cli.tabled import table
from gridbazaar.experiments.sheet import DAYS, SPOT_CUR_PER_KWH, Week, at_hours, charge_rows, facts, weeks
from gridbazaar.market.billing.sheet import follows_spot, total_of
from gridbazaar.market.design import Design

_BARS = "▁▂▃▄▅▆▇█"


def show_design(design: Design, console: Console) -> None:
    """Print the sheet."""
    console.print(table(f"{design.name}: {design.title}", ("", ""), facts(design)))
    heads = ("line", "to", "on", "price", "")
    console.print(table(f"\ncharges before VAT, {design.currency}", heads, charge_rows(design)))
    shown = list(weeks(design))
    for week in shown:
        console.print(_at_hours(week, design))
    for week in shown:
        console.print(_drawn(week))
    if follows_spot(design):
        console.print(f"at a spot price of {SPOT_CUR_PER_KWH:g} {design.currency}/kWh")


def _at_hours(week: Week, design: Design) -> Table:
    (flow, line, *hours), rows = at_hours(week)
    return table(
        f"\n{week.name}: a kWh with VAT, {design.currency}", (flow, line, *(f">{hour}" for hour in hours)), rows
    )


def _drawn(week: Week) -> Table:
    """Bars of an hour each from the lowest price to the highest, a row a day."""
    rows: list[tuple[str, str, str, str]] = []
    for flow in dict.fromkeys(line.flow for line in week.prices):
        price = total_of(week.prices, flow, 7 * 24)
        low, high = float(price.min()), float(price.max())
        if high == low:
            rows.append((flow, "", "the same at all hours", f"{low:.4g}"))
            continue
        bars = "".join(_BARS[round(float(x) * (len(_BARS) - 1))] for x in (price - low) / (high - low))
        days = [bars[24 * day : 24 * day + 24] for day in range(7)]
        rows += [(flow if not day else "", DAYS[day], days[day], f"{low:.4g} to {high:.4g}" if not day else "")
                 for day in range(7)]  # fmt: skip
    return table(f"\n{week.name}, 0 to 24 h", ("flow", "", "", ">from to"), rows)
