"""The report of a comparison: one HTML file without scripts; every number in it names its cell in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gridbazaar.experiments.comparison.cell import EQUAL, WRITTEN
from gridbazaar.experiments.comparison.customer_rows import PLAYED
from gridbazaar.experiments.comparison.groups import ALL
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.comparison.write import Tables, notes_of
from gridbazaar.experiments.files import versions
from gridbazaar.experiments.report import comparison_grid as grid
from gridbazaar.experiments.report import comparison_money as money
from gridbazaar.experiments.report import drawing
from gridbazaar.experiments.report.comparison_words import PRICES_WORDS, Told, answer, cell_name, told
from gridbazaar.experiments.report.limits import not_modelled
from gridbazaar.experiments.report.page import PAGE, listed, plural, section, seeds_text
from gridbazaar.experiments.report.table import html_table
from gridbazaar.experiments.report.traced import Traced

_SHOWN = 5  # customers whose bills are shown


def render_comparison(found: Study, tables: Tables, *, command: str, shown: Sequence[str] = ()) -> str:
    """Give the text of the page.

    Args:
        found: the comparison.
        tables: of it, as they are written.
        command: what makes it again.
        shown: customers whose bills are shown line by line; none: chosen by what they gain and lose.
    """
    about = told(found, Traced(tables._asdict()))
    scenario = found.scenario(about.hero)
    parts = [
        section("The answer", _lead(about), "<ul>" + "".join(f"<li>{text}</li>" for text in answer(about)) + "</ul>"),
        _question(about),
        money.flows(about),
        money.bills(about, shown),
        money.distribution(about),
        grid.average_days(about),
        grid.duration(about),
        grid.worst_hour(about),
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
    return section("What was asked", html_table(["", ""], rows, "", narrow=True))


def _lead(about: Told) -> str:
    asked = about.found.asked
    return (
        f"<p class='lead'>Who pays what under {listed(map(escape, asked.tariffs))}, with and without a local market, "
        f"with and without automation? In the middle of this page stands <b>{escape(cell_name(about.hero))}</b> at "
        f"prices {escape(PRICES_WORDS[about.prices])}, beside today's tariff, no market and idle devices.</p>"
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
            parts += [f"<h3>Prices {escape(PRICES_WORDS[prices])}</h3>", html_table(head, rows, note)]
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
