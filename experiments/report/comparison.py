"""The report of a comparison: one HTML file without scripts; every number in it names its cell in the tables."""

from __future__ import annotations

from html import escape

import numpy as np

from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN, Cell
from gridbazaar.experiments.comparison.customer_rows import BILL_LINES, CELL, PLAYED, SUN
from gridbazaar.experiments.comparison.groups import ALL, by_customer
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.comparison.write import Tables, notes_of
from gridbazaar.experiments.files import versions
from gridbazaar.experiments.report import comparison_plots as plots
from gridbazaar.experiments.report import drawing
from gridbazaar.experiments.report.comparison_words import SUN_WORDS, Told, answer, told
from gridbazaar.experiments.report.limits import not_modelled
from gridbazaar.experiments.report.page import PAGE, listed, picture, plural, section, seeds_text
from gridbazaar.experiments.report.table import html_table
from gridbazaar.experiments.report.traced import Traced
from gridbazaar.market.settlement.settle import SYSTEM_PARTIES

_SHOWN = 5  # customers whose bills are shown


def render_comparison(found: Study, tables: Tables, *, command: str) -> str:
    """Give the text of the page.

    Args:
        found: the comparison.
        tables: of it, as they are written.
        command: what makes it again.
    """
    about = told(found, Traced(tables._asdict()))
    scenario = found.scenario(about.hero)
    parts = [
        _question(about),
        section("The answer", "<ul>" + "".join(f"<li>{text}</li>" for text in answer(about)) + "</ul>"),
        _flows(about),
        _bills(about),
        _distribution(about),
        _duration(about),
        _cells(about),
        _groups(about),
        _frozen(about),
        _method(about, command),
        not_modelled(scenario, "a comparison does not look for it"),
    ]
    return PAGE.substitute(
        title=escape(f"{', '.join(found.asked.tariffs)}: who pays, who wins"),
        subtitle=escape(f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name),
        light=drawing.theme(dark=False), dark=drawing.theme(dark=True), body="\n".join(parts),
    )  # fmt: skip


def _name(cell: Cell) -> str:
    return f"{cell.tariff}, {cell.mechanism}, {cell.policy}"


def _two_lines(first: str, second: str) -> str:
    """A name as HTML that leaves room for numbers beside it."""
    return f"{escape(first)}<br>{escape(second)}"


def _question(about: Told) -> str:
    asked = about.found.asked
    scenario = about.found.scenario(about.hero)
    days = f"{scenario.dates[0]} to {scenario.dates[1]}" if scenario.dates else f"{scenario.hours:g} hours each"
    n = len(asked.seeds)
    designs = f", and bills under {listed(escape(d.name) for d in asked.designs)}" if asked.designs else ""
    rows = [
        ["tariffs", listed(map(escape, asked.tariffs)) + designs],
        ["market rules", listed(map(escape, asked.mechanisms))],
        ["policies", listed(map(escape, asked.played_policies))],
        ["today", escape(asked.today)],
        ["episodes", f"{n} {plural(n, 'episode')} of the {escape(asked.split)} split, {days}"],
        ["customers", f"{len(asked.customers.agents)}"],
    ]
    text = (
        f"<p class='lead'>Who pays what under {listed(map(escape, asked.tariffs))}, with and without a local market, "
        f"with and without automation? In the middle of this page stands <b>{escape(_name(about.hero))}</b> at prices "
        f"of {escape(about.prices)}, beside today's tariff, no market and idle devices.</p>"
    )
    return section("What was asked", text, html_table(["", ""], rows, "", narrow=True))


def _flows(about: Told) -> str:
    """Who pays whom: in the middle, and as things are today."""
    t, quo = about.traced, about.found.asked.status_quo
    cells = {"today": (quo, WRITTEN), "in the middle": (about.hero, about.prices)}
    rows = {name: about.row("cells", *cell) for name, cell in cells.items()}
    columns = ["customers_pay_cur", *(f"{party}_cur" for party in SYSTEM_PARTIES)]
    used = [c for c in columns if any(abs(t.value("cells", row, c)) > 1e-6 for row in rows.values())]
    received = {
        f"{name}: {_name(cells[name][0])}": {c.removesuffix("_cur"): t.value("cells", row, c) for c in used[1:]}
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
        "What customers pay goes to these parties.",
    )  # fmt: skip
    return section("Who pays whom", figure, table)


def _bills(about: Told) -> str:
    """Bills by line of the largest winner, the largest loser and those between them."""
    t = about.traced
    frame = t.tables["rows"]
    each = by_customer(frame)
    mine = each[(each[list(CELL)] == [PLAYED, about.prices, *about.hero]).all(axis=1)]
    change = (mine["bill_cur"] - mine["today_bill_cur"]).to_numpy()
    order = np.argsort(change)
    chosen = mine.iloc[order[np.unique(np.linspace(0, len(order) - 1, _SHOWN).round().astype(int))]]
    months = sorted(set(frame["month"]))
    month, names, indices = months[0], [], []
    for row in chosen.to_dict("records"):
        who = {"seed": row["seed"], "customer": row["customer"]}
        episode = f", episode {row['seed']}" if len(about.found.asked.seeds) > 1 else ""
        for label, cell in (("today", about.hero._replace(tariff=about.found.asked.today)), ("new", about.hero)):
            of_month = [m for m in months if about.row("rows", cell, month=m, **who) is not None]
            if of_month:
                month = of_month[0]
                indices.append(about.row("rows", cell, month=month, **who))
                sun = SUN_WORDS[row[SUN]]
                names.append(f"{row['customer']} ({sun}{episode}), {label}")
    lines = [line for line in BILL_LINES if any(abs(t.value("rows", i, f"{line}_cur")) > 5e-3 for i in indices)]
    amounts = {line: [t.value("rows", i, f"{line}_cur") for i in indices] for line in lines}
    cells = [
        [escape(name), *(t.number("rows", i, f"{line}_cur") for line in lines), t.number("rows", i, "bill_cur")]
        for name, i in zip(names, indices, strict=True)
    ]
    figure = picture(
        "bills", lambda: plots.bills(amounts, names, about.found.asked.currency), "Stacked bars of bills by line.",
        "From who gains most (above) to who gains least; left of zero is received.",
    )  # fmt: skip
    note = f"{about.currency}; the first calendar month of each customer's episode. All months stand in rows.csv."
    return section("Bills by line", figure, html_table(["customer", *lines, "to pay"], cells, note))


def _distribution(about: Told) -> str:
    each = by_customer(about.traced.tables["rows"])
    mine = each[(each[list(CELL)] == [PLAYED, about.prices, *about.hero]).all(axis=1)]
    parts = {name: mine[mine[SUN] == value] for value, name in SUN_WORDS.items()}
    changes = {
        name: (part["bill_cur"] - part["today_bill_cur"]).to_numpy() for name, part in parts.items() if len(part)
    }
    if about.hero.tariff == about.found.asked.today:
        return ""
    figure = picture(
        "distribution", lambda: plots.distribution(changes, about.found.asked.currency),
        "Dots of what each customer pays more or less.",
        "Each dot is a customer in an episode; right of zero it pays more.",
    )  # fmt: skip
    return section("Winners and losers", figure)


def _duration(about: Told) -> str:
    t, quo = about.traced, about.found.asked.status_quo
    frame = t.tables["duration"]
    alike = about.hero._replace(tariff=quo.tariff)
    shown = dict.fromkeys([(quo, WRITTEN), (alike, about.prices), (about.hero, about.prices)])
    curves = {
        _name(cell): frame[(frame[list(CELL)] == [PLAYED, prices, *cell]).all(axis=1)]["root_kw"].to_numpy(np.float64)
        for cell, prices in shown
    }
    figure = picture(
        "duration", lambda: plots.duration(curves), "Sorted power at the head of the feeder.",
        "How long the transformer carries how much.",
    )  # fmt: skip
    rows = [
        [
            escape(_name(cell)), t.number("cells", row, "peak_import_kw", 1), t.number("cells", row, "max_loading", 3),
            t.number("cells", row, "min_voltage_pu", 4), t.number("cells", row, "max_voltage_pu", 4),
            t.number("cells", row, "loss_kwh", 1), t.number("cells", row, "carbon_kg", 1),
        ]
        for cell, prices in shown
        for row in [about.row("cells", cell, prices)]
    ]  # fmt: skip
    head = ["", "peak kW", "highest loading", "lowest voltage pu", "highest voltage pu", "losses kWh", "carbon kg"]
    return section(
        "The transformer and the wires", figure, html_table(head, rows, "Losses and carbon: a mean episode.")
    )


def _cells(about: Told) -> str:
    """All cells before and after, with the operator's accounts."""
    t = about.traced
    parts = []
    for prices in (WRITTEN, EQUAL):
        rows = []
        for i, row in enumerate(t.tables["cells"].to_dict("records")):
            if row["prices"] != prices or row["basis"] == "frozen":
                continue
            names = _two_lines(f"{row['tariff']}, {row['mechanism']}", row["policy"])
            billed = "" if row["basis"] == PLAYED else " <small>billed on the dispatch</small>"
            rows.append([
                names + billed, t.number("cells", i, "customers_pay_cur"),
                *(t.number("cells", i, f"{name}_more_cur_per_day", signed=True)
                  for name in ("today", "no_market", "no_automation")),
                t.number("cells", i, "network_revenue_cur"), t.number("cells", i, "deficit_cur"),
                t.number("cells", i, "deficit_cur_per_kwh", 4), t.number("cells", i, "scale", 4),
            ])  # fmt: skip
        if rows:
            head = [
                "tariff, rule, policy", "customers pay", "a day than today", "a day than no market",
                "a day than idle", "network receives", "deficit", "deficit a kWh", "factor",
            ]  # fmt: skip
            note = f"{about.currency} a mean episode; allowed {t.number('cells', 0, 'allowed_cur')}."
            parts += [f"<h3>Prices {escape(prices)}</h3>", html_table(head, rows, note)]
    return section("Before and after equal revenue", *parts)


def _groups(about: Told) -> str:
    t = about.traced
    rows = []
    for i, row in enumerate(t.tables["groups"].to_dict("records")):
        if row["basis"] != PLAYED or row["prices"] != about.prices or row["tariff"] == about.found.asked.today:
            continue
        if row["policy"] != about.hero.policy:
            continue
        group = row["group"] if row["group"] == ALL else f"{row['group']} {row['value']}"
        names = _two_lines(f"{row['tariff']}, {row['mechanism']}", group)
        rows.append([
            names, t.number("groups", i, "customers", 0), t.number("groups", i, "bill_cur"),
            *(t.number("groups", i, f"today_{what}", digits)
              for what, digits in (("winners", 0), ("mean_gain_cur", 2), ("losers", 0), ("mean_loss_cur", 2),
                                   ("q10_cur", 2), ("q50_cur", 2), ("q90_cur", 2))),
            t.number("groups", i, "burden_frac", 4),
        ])  # fmt: skip
    if not rows:
        return ""
    head = [
        "group", "customers", "mean bill", "pay less", "each", "pay more", "each", "10 %", "median", "90 %",
        "share of income",
    ]  # fmt: skip
    note = f"Against {escape(about.found.asked.today)}, {about.currency} an episode; {escape(about.hero.policy)}."
    return section("By group", html_table(head, rows, note))


def _frozen(about: Told) -> str:
    t, frame = about.traced, about.traced.tables["frozen"]
    if frame.empty:
        return ""
    columns = [name for name in frame.columns if name.endswith("_loses_cur")]
    rows = [
        [
            _two_lines(f"{row['tariff']}, {row['mechanism']}", row["policy"]),
            t.number("frozen", i, "members_save_cur"),
            *(t.number("frozen", i, name) for name in columns), t.number("frozen", i, "loss_change_ukwh", 0),
            t.number("frozen", i, "missing_ucur", 0),
        ]
        for i, row in enumerate(frame.to_dict("records"))
    ]  # fmt: skip
    paid = [f"{name.removesuffix('_loses_cur').replace('_', ' ')} loses" for name in columns]
    head = ["tariff, rule, policy", "members save", *paid, "losses, micro-kWh", "found with nobody, millionths"]
    note = f"{about.currency}, all episodes: the same meters settled with the market and without."
    return section("Dispatch frozen", html_table(head, rows, note))


def _method(about: Told, command: str) -> str:
    asked = about.found.asked
    notes = "".join(
        f"<li>{escape(name.replace('_', ' '))}: {escape(text)}</li>" for name, text in notes_of(about.found).items()
    )
    method = (
        "<p>Every cell plays the same episodes. Beside each stand three counterfactuals: today's tariff; the same "
        "without a local market; the same with idle devices. Differences are paired by day and their intervals are "
        "those of a bootstrap over days. Equal revenue scales the network lines of a cell by one factor until the "
        "network operator receives what it may, the dispatch answering the new prices in each of at most eight rounds."
        "</p><p>Each number of this page names its cell: point at it, or look for the file, line and column in its "
        "source.</p>"
    )
    rows = [[escape(k), escape(v)] for k, v in versions().items()]
    return section(
        "Method, versions, command", method, f"<ul>{notes}</ul>", f'<pre class="command">{escape(command)}</pre>',
        f"<p>Episodes: {seeds_text(asked.seeds)} of the {escape(asked.split)} split.</p>",
        html_table(["software", "version"], rows, "", narrow=True),
    )  # fmt: skip
