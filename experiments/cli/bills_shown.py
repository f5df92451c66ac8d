"""Bills as tables for the terminal: a row a month, a column a line."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from gridbazaar.data.clock import local_day
from gridbazaar.experiments.bills import Bills
from gridbazaar.experiments.cli.tabled import table
from gridbazaar.market.billing.bill import VAT_LINE, Bill, Entry, cents


def bill_tables(found: Bills) -> Iterator[Table]:
    """One table a home and design, with value added tax in a column of its own."""
    for billed in found.bills:
        for i, home in enumerate(found.meters.homes):
            title = f"\n{home} under {billed.design.name}, {billed.design.currency}"
            heads = [f">{_named(entry, billed)}" for entry in billed.entries]
            rows = [
                (f"{year}-{month:02d}", *map(money, billed.cur[i, m]), money(billed.cur[i, m].sum()))
                for m, (year, month) in enumerate(billed.months)
            ]
            if len(rows) > 1:
                rows.append(("all", *map(money, billed.cur[i].sum(axis=0)), money(billed.total_cur[i])))
            yield table(title, ("month", *heads, ">to pay"), rows)


def _named(entry: Entry, billed: Bill) -> str:
    """The line, with its receiver where several have that line; the tax by its rate is in the design."""
    if entry.line == VAT_LINE:
        return "VAT"
    is_one = [other.line for other in billed.entries].count(entry.line) == 1
    return entry.line if is_one else f"{entry.line} ({entry.to.replace('_', ' ')})"


def total_table(found: Bills) -> Table:
    """What each home pays under each design; money of different currencies is not compared."""
    rows = [
        (home, billed.design.name, billed.design.currency, money(billed.total_cur[i]))
        for i, home in enumerate(found.meters.homes)
        for billed in found.bills
    ]
    return table("", ("home", "tariff", "currency", ">to pay"), rows)


def period(found: Bills) -> str:
    """The local days that are billed."""
    zone = found.meters.timezone
    first, last = (str(local_day(found.meters.starts[i], zone)) for i in (0, -1))
    return f"{first} to {last}, {zone}"


def money(cur: float) -> str:
    """Rounded to cents, half a cent away from zero."""
    return f"{int(cents(cur)) / 100:,.2f}"
