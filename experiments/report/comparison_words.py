"""The answer of a comparison in words, made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from gridbazaar.experiments.comparison.cell import EQUAL, NO_MARKET, WRITTEN, Cell
from gridbazaar.experiments.comparison.customer_rows import NO_HOME, PLAYED, SUN
from gridbazaar.experiments.comparison.groups import ALL
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.experiments.evaluation.customers import MEMBER
from gridbazaar.experiments.report.page import listed
from gridbazaar.experiments.report.traced import Traced

FEWEST_DAYS = 7
"""Below which no difference between days is told from chance."""
SUN_WORDS = {"yes": "with PV", "no": "without PV", NO_HOME: "without a home"}
"""What a page calls the values of ``SUN``."""
PRICES_WORDS = {WRITTEN: "as written", EQUAL: "of equal revenue"}
"""What a page calls prices."""
_LEAST_CUR = 0.005


class Told(NamedTuple):
    """What a page tells of: the tables, the cell in the middle, and at which prices."""

    found: Study
    traced: Traced
    hero: Cell
    prices: str

    @property
    def currency(self) -> str:
        return escape(self.found.asked.currency)

    def row(self, table: str, cell: Cell, prices: str | None = None, **more: str) -> int | None:
        """The row of a played cell."""
        named = {"basis": PLAYED, "prices": prices or self.prices} | cell._asdict()
        return self.traced.row(table, **named, **more)


def cell_name(cell: Cell) -> str:
    """A cell in one line."""
    return f"{cell.tariff}, {cell.mechanism}, {cell.policy}"


def told(found: Study, traced: Traced) -> Told:
    """Choose the cell in the middle: the last tariff, the first rule with a market, the last policy."""
    asked = found.asked
    tariff = next((t for t in reversed(list(asked.tariffs)) if t != asked.today), asked.today)
    mechanism = next((m for m in asked.mechanisms if m != NO_MARKET), NO_MARKET)
    play = max(asked.plays, key=lambda play: play.automated_share) if asked.automated else asked.plays[-1]
    return Told(found, traced, Cell(tariff, mechanism, *play), EQUAL if asked.equal_revenue else WRITTEN)


def answer(about: Told) -> list[str]:
    """Sentences as HTML: what tariffs, the market and automation change, who wins, and what the operator recovers."""
    return [
        *_tariffs(about),
        *_market(about),
        *_automation(about),
        *_frozen(about),
        *_operator(about),
        *_outside(about),
    ]


def _tariffs(about: Told) -> Iterator[str]:
    asked = about.found.asked
    for tariff in asked.tariffs:
        cell = about.hero._replace(tariff=tariff)
        if tariff == asked.today:
            continue
        row = about.row("groups", cell, group=ALL)
        n = about.traced.number("groups", row, "customers", 0)
        yield (
            f"<b>{escape(tariff)} in place of {escape(asked.today)}:</b> {_more(about, cell, 'today')} "
            f"Of {n} customers {_who(about, row, 'today')}.{_by_sun(about, cell)}{_by_member(about, cell)}"
        )


def _more(about: Told, cell: Cell, against: str) -> str:
    """What all pay more or less a day, or that there are too few days to tell."""
    row = about.row("cells", cell)
    mean = about.traced.value("cells", row, f"{against}_more_cur_per_day")
    if not math.isfinite(mean):
        return "That counterfactual was not played."
    low, high = (about.traced.value("cells", row, f"{against}_more_{end}") for end in ("low", "high"))
    days = about.traced.value("cells", row, "days")
    size = about.traced.number("cells", row, f"{against}_more_cur_per_day", size=True)
    text = f"All customers together pay {size} {about.currency} a day {'more' if mean > 0 else 'less'}"
    if abs(mean) < _LEAST_CUR:
        return "All customers together pay the same."
    if days < FEWEST_DAYS or not math.isfinite(low):
        days_text = about.traced.number("cells", row, "days", 0)
        return f"{text}; {days_text} {'day is' if days == 1 else 'days are'} too few to tell it from chance."
    ends = [about.traced.number("cells", row, f"{against}_more_{end}", signed=True) for end in ("low", "high")]
    sure = "" if low > 0 or high < 0 else ": too little to tell from chance"
    return f"{text} (95 % of days drawn anew: {ends[0]} to {ends[1]}{sure})."


def _who(about: Told, row: int | None, against: str) -> str:
    t = about.traced
    wins, loses = (t.number("groups", row, f"{against}_{what}", 0) for what in ("winners", "losers"))
    gain, loss = (t.number("groups", row, f"{against}_mean_{what}_cur") for what in ("gain", "loss"))
    return f"{wins} pay less, {gain} {about.currency} each, and {loses} pay more, {loss} each"


def _by_sun(about: Told, cell: Cell) -> str:
    return _of_two(about, cell, SUN, "Of homes with PV", "of those without")


def _by_member(about: Told, cell: Cell) -> str:
    return (
        _of_two(about, cell, MEMBER, "Among members", "among others") if about.found.asked.customers.has_members else ""
    )


def _of_two(about: Told, cell: Cell, group: str, yes: str, no: str) -> str:
    rows = [about.row("groups", cell, group=group, value=value) for value in ("yes", "no")]
    if None in rows:
        return ""
    changes = [about.traced.number("groups", row, "today_change_cur", signed=True) for row in rows]
    return f" {yes} the mean change is {changes[0]}, {no} {changes[1]}."


def _market(about: Told) -> Iterator[str]:
    asked = about.found.asked
    for mechanism in asked.mechanisms:
        cell = about.hero._replace(mechanism=mechanism)
        row = about.row("cells", cell)
        if mechanism == NO_MARKET or not math.isfinite(about.traced.value("cells", row, "no_market_more_cur_per_day")):
            continue
        welfare = about.traced.value("cells", row, "no_market_welfare_cur")
        size = about.traced.number("cells", row, "no_market_welfare_cur", size=True)
        spent = f"society spends {size} {about.currency} an episode {'less' if welfare > 0 else 'more'} on resources"
        spent = spent if abs(welfare) >= _LEAST_CUR else "what society spends on resources stays the same"
        yield (
            f"<b>The market {escape(mechanism)} under {escape(cell.tariff)}, against none:</b> "
            f"{_more(about, cell, 'no_market')} Of it, {spent}; the rest moves between parties."
        )


def _automation(about: Told) -> Iterator[str]:
    if about.hero.policy != "idle":
        name = escape(about.hero.policy)
        yield f"<b>{name} in place of idle devices:</b> {_more(about, about.hero, 'no_automation')}"


def _frozen(about: Told) -> Iterator[str]:
    t, cell = about.traced, about.hero
    row = t.row("frozen", **cell._asdict()) if "members_save_cur" in t.tables["frozen"] else None
    if row is None:
        return
    columns = [name for name in t.tables["frozen"].columns if name.endswith("_loses_cur")]
    parts = [
        f"{escape(name.removesuffix('_loses_cur').replace('_', ' '))} {t.number('frozen', row, name)}"
        for name in columns
        if abs(t.value("frozen", row, name)) >= _LEAST_CUR
    ]
    found = f"it is found with {listed(parts)}" if parts else "nobody pays for it"
    missing, losses = (t.number("frozen", row, name, 0) for name in ("missing_ucur", "loss_change_ukwh"))
    yield (
        f"<b>With the dispatch frozen</b> the market saves its members {t.number('frozen', row, 'members_save_cur')} "
        f"{about.currency} over all episodes, and {found}; {missing} millionths are found with nobody, and losses "
        f"change by {losses} micro-kWh. So the market by itself only moves money."
    )


def _operator(about: Told) -> Iterator[str]:
    t = about.traced
    row = about.row("cells", about.hero, WRITTEN)
    deficit = t.value("cells", row, "deficit_cur")
    if abs(deficit) < _LEAST_CUR:
        yield "<b>The network operator</b> recovers what it may."
        return
    said = "short of" if deficit > 0 else "above"
    text = (
        f"<b>The network operator</b> receives {t.number('cells', row, 'network_revenue_cur')} {about.currency} an "
        f"episode at prices as written, {t.number('cells', row, 'deficit_cur', size=True)} {said} the "
        f"{t.number('cells', row, 'allowed_cur')} that it may: {t.number('cells', row, 'deficit_cur_per_kwh', 4)} on "
        "every kWh that anybody draws."
    )
    equal = about.row("cells", about.hero, EQUAL)
    if equal is not None:
        text += f" Network prices times {t.number('cells', equal, 'scale', 4)} bring it."
        if not bool(t.tables["cells"].at[equal, "is_settled"]):
            text += " They did not come to rest; the factors tried stand in cells.csv."
    yield text


def _outside(about: Told) -> Iterator[str]:
    t, frame = about.traced, about.traced.tables["subsidies"]
    named = about.hero._asdict()
    mine = [
        i for i in frame.index
        if all(frame.at[i, column] == value for column, value in named.items()) and frame.at[i, "group"] == SUN
    ]  # fmt: skip
    if not mine:
        return
    parts = []
    for i in mine:
        who = SUN_WORDS[str(frame.at[i, "value"])]
        pays, least, most = (
            t.number("subsidies", i, name) for name in ("pays_cur", "incremental_cur", "stand_alone_cur")
        )
        parts.append(f"customers {who} pay {pays} and cost between {least} (added) and {most} (alone)")
    yield f"<b>For the network</b>, whose cost is taken to follow its peak, {listed(parts)}, over all episodes."
