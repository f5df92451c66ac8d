"""The money of a comparison on its page: who pays whom, bills of some customers line by line, winners and losers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from gridbazaar.experiments.comparison.cell import WRITTEN
from gridbazaar.experiments.comparison.customer_rows import BILL_LINES, CELL, PLAYED, SUN
from gridbazaar.experiments.comparison.flow_table import PARTIES
from gridbazaar.experiments.comparison.groups import by_customer
from gridbazaar.experiments.report import comparison_plots as plots
from gridbazaar.experiments.report.comparison_words import SUN_WORDS, Told, cell_name
from gridbazaar.experiments.report.flow_plot import flow_bands
from gridbazaar.experiments.report.page import listed, picture, section
from gridbazaar.experiments.report.table import html_table
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

SHOWN = 5
"""Customers whose bills are shown where none are chosen."""
_LEAST_CUR = 5e-3  # an amount that is shown as 0.00


def flows(about: Told) -> str:
    """Who pays whom: line by line in the middle, and what each party receives in the middle and as things are today."""
    return section("Who pays whom", _line_by_line(about), _received(about))


def _line_by_line(about: Told) -> str:
    t, frame = about.traced, about.traced.tables["flows"]
    mine = frame[(frame[list(CELL)] == [PLAYED, about.prices, *about.hero]).all(axis=1)]
    sides: dict[str, dict[str, tuple[float, float]]] = {}
    for line, party, pays, receives in zip(
        *(mine[name] for name in ("line", "party", "pays_cur", "receives_cur")), strict=True
    ):
        if max(pays, receives) >= _LEAST_CUR:
            sides.setdefault(line, {})[party] = (pays, receives)
    if not sides:
        return ""
    parties = [party for party in PARTIES if any(party in of for of in sides.values())]
    at = {(mine.at[i, "line"], mine.at[i, "party"]): i for i in mine.index}

    def cell(line: str, party: str) -> str:
        amounts = zip(("pays", "gets"), ("pays_cur", "receives_cur"), sides[line].get(party, (0.0, 0.0)), strict=True)
        return "<br>".join(
            f"{word} {t.number('flows', at[line, party], column)}"
            for word, column, amount in amounts
            if amount >= _LEAST_CUR
        )

    rows = [[escape(line), *(cell(line, party) for party in parties)] for line in LINES if line in sides]
    table = html_table(
        ["line", *(party.replace("_", " ") for party in parties)], rows,
        f"{about.currency} a mean episode. Each line is netted for each customer and month; what all pay of a line is "
        "what all get.",
    )  # fmt: skip
    figure = picture(
        "who_pays_whom", lambda: flow_bands(sides, about.found.asked.currency),
        "Bands from those who pay, on the left, through the lines of the bill to those who receive.",
        f"{escape(cell_name(about.hero))}: who pays (left), for what (middle), and who receives it (right).",
    )  # fmt: skip
    return figure + table


def _received(about: Told) -> str:
    t, quo = about.traced, about.found.asked.status_quo
    cells = {"today": (quo, WRITTEN), "in the middle": (about.hero, about.prices)}
    rows = {name: about.row("cells", *cell) for name, cell in cells.items()}
    columns = ["customers_pay_cur", *(f"{party}_cur" for party in SYSTEM_PARTIES)]
    used = [c for c in columns if any(abs(t.value("cells", row, c)) > 1e-6 for row in rows.values())]
    received = {
        f"{name}: {cell_name(cells[name][0])}": {c.removesuffix("_cur"): t.value("cells", row, c) for c in used[1:]}
        for name, row in rows.items()
    }
    words = [
        [escape(c.removesuffix("_cur").replace("_", " ")), *(t.number("cells", row, c) for row in rows.values())]
        for c in used
    ]
    table = html_table(
        ["", *rows], words,
        f"{about.currency} a mean episode: what all customers pay, and what each party receives of it; below zero it "
        "pays. Together the parties receive what customers pay, to the millionth. The network operator's row also has "
        "what it kept of scarcity and paid for losses.",
        narrow=True,
    )  # fmt: skip
    figure = picture(
        "flows", lambda: plots.flows(received, about.found.asked.currency), "Bars of what each party receives.",
        "What customers pay in all goes to these parties, today and in the middle.",
    )  # fmt: skip
    return figure + table


def bills(about: Told, wanted: Sequence[str] = ()) -> str:
    """Bills by line of the customers that were chosen, or of the largest winner, loser and those between them."""
    t = about.traced
    chosen = _chosen(about, wanted)
    months = sorted(set(t.tables["rows"]["month"]))
    names, indices = [], []
    for row in chosen.to_dict("records"):
        who = {"seed": row["seed"], "customer": row["customer"]}
        episode = f", episode {row['seed']}" if len(about.found.asked.seeds) > 1 else ""
        for label, cell in (("today", about.hero._replace(tariff=about.found.asked.today)), ("new", about.hero)):
            of_month = [m for m in months if about.row("rows", cell, month=m, **who) is not None]
            if of_month:
                indices.append(about.row("rows", cell, month=of_month[0], **who))
                names.append(f"{row['customer']} ({SUN_WORDS[row[SUN]]}{episode}), {label}")
    lines = [line for line in BILL_LINES if any(abs(t.value("rows", i, f"{line}_cur")) > _LEAST_CUR for i in indices)]
    amounts = {line: [t.value("rows", i, f"{line}_cur") for i in indices] for line in lines}
    cells = [
        [escape(name), *(t.number("rows", i, f"{line}_cur") for line in lines), t.number("rows", i, "bill_cur")]
        for name, i in zip(names, indices, strict=True)
    ]
    figure = picture(
        "bills", lambda: plots.bills(amounts, names, about.found.asked.currency), "Stacked bars of bills by line.",
        f"{_rule(about, wanted)} Left of zero is received.",
    )  # fmt: skip
    note = f"{about.currency}; the first calendar month of each customer's episode. All months stand in rows.csv."
    return section("Bills by line", figure, html_table(["customer", *lines, "to pay"], cells, note))


def _rule(about: Told, wanted: Sequence[str]) -> str:
    if wanted:
        episode = f", in episode {about.found.asked.seeds[0]}" if len(about.found.asked.seeds) > 1 else ""
        return f"The customers that were asked for, {listed(map(escape, wanted))}{episode}."
    return (
        f"Chosen by rule: of all customers and episodes in the order of what each pays more than under "
        f"{escape(about.found.asked.today)}, the first, the last, and those at even distances between them: who gains "
        "most above, who loses most below."
    )


def _chosen(about: Told, wanted: Sequence[str]) -> Any:
    mine = _of_hero(about)
    if wanted:
        of_first = mine[mine["seed"] == about.found.asked.seeds[0]]
        return of_first.set_index("customer").loc[list(wanted)].reset_index()
    order = np.argsort((mine["bill_cur"] - mine["today_bill_cur"]).to_numpy(), kind="stable")
    return mine.iloc[order[np.unique(np.linspace(0, len(order) - 1, SHOWN).round().astype(int))]]


def _of_hero(about: Told) -> Any:
    each = by_customer(about.traced.tables["rows"])
    return each[(each[list(CELL)] == [PLAYED, about.prices, *about.hero]).all(axis=1)]


def distribution(about: Told) -> str:
    """What each customer pays more or less than today, with PV and without."""
    if about.hero.tariff == about.found.asked.today:
        return ""
    mine, t = _of_hero(about), about.traced
    parts = {value: mine[mine[SUN] == value] for value in SUN_WORDS}
    changes = {
        SUN_WORDS[value]: (part["bill_cur"] - part["today_bill_cur"]).to_numpy()
        for value, part in parts.items()
        if len(part)
    }
    figure = picture(
        "distribution", lambda: plots.distribution(changes, about.found.asked.currency),
        "Dots of what each customer pays more or less.",
        "Each dot is a customer in an episode; right of zero it pays more.",
    )  # fmt: skip
    rows = [
        [
            escape(SUN_WORDS[value]), t.number("groups", row, "customers", 0),
            *(t.number("groups", row, f"today_{what}", 0) for what in ("winners", "losers")),
            *(t.number("groups", row, f"today_{q}_cur", signed=True) for q in ("q10", "q25", "q50", "q75", "q90")),
        ]
        for value, part in parts.items()
        if len(part)
        for row in [about.row("groups", about.hero, group=SUN, value=value)]
    ]  # fmt: skip
    head = ["", "customers", "pay less", "pay more", "10 %", "25 %", "median", "75 %", "90 %"]
    note = f"{about.currency} an episode more than today; a percentage of customers pays at most so much more."
    return section("Winners and losers, with and without PV", figure, html_table(head, rows, note))
