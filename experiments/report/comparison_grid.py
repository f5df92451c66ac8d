"""The feeder of a comparison on its page: the average day by season, how long it carries what, its worst hour."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from gridbazaar.data.feeder import Feeder
from gridbazaar.experiments.comparison.cell import WRITTEN, Cell
from gridbazaar.experiments.comparison.customer_rows import CELL, PLAYED
from gridbazaar.experiments.comparison.feeder_tables import SEASONS
from gridbazaar.experiments.report import comparison_plots as plots
from gridbazaar.experiments.report.comparison_words import FEWEST_DAYS, Told, cell_name
from gridbazaar.experiments.report.feeder_plot import feeder_state
from gridbazaar.experiments.report.page import listed, picture, section
from gridbazaar.experiments.report.table import html_table

_MOST_BUSES = 40  # rows of the table of buses; of larger feeders those whose branches are loaded most
_SEASON_WORDS: dict[str, str] = dict(zip(SEASONS, (
    "December to February", "March to May", "June to August", "September to November",
), strict=True))  # fmt: skip


def average_days(about: Told) -> str:
    """Load, sun and power at the head of an average day in each season that was played."""
    quo = about.found.asked.status_quo
    today = _of_cell(about, "average_day", quo, WRITTEN)
    middle = _of_cell(about, "average_day", about.hero, about.prices)
    seasons = [season for season in SEASONS if (middle["season"] == season).any()]
    curves = {
        season: plots.SeasonDay(
            _SEASON_WORDS[season], hour=_hourly(today, season, "hour"), load_kw=_hourly(today, season, "load_kw"),
            pv_kw=_hourly(today, season, "pv_kw"), today_kw=_hourly(today, season, "head_kw"),
            middle_kw=_hourly(middle, season, "head_kw"),
        )
        for season in seasons
    }  # fmt: skip
    figure = picture(
        "average_day", lambda: plots.average_day(curves), "Load, PV and power at the head by hour, a panel a season.",
        f"Means of each hour by the local clock. Today is {escape(cell_name(quo))}; in the middle stands "
        f"{escape(cell_name(about.hero))}.",
    )  # fmt: skip
    rows = [
        _season_row(about, season, today[today["season"] == season], middle[middle["season"] == season])
        for season in seasons
    ]
    head = [
        "", "days", "most load kW", "most PV kW", "most at the head kW, today", "most at the head kW, in the middle",
        "least at the head kW, today", "least at the head kW, in the middle",
    ]  # fmt: skip
    few = [season for season in seasons if int(middle[middle["season"] == season]["days"].max()) < FEWEST_DAYS]
    note = "Hours by the local clock, as they begin; below zero is fed back. Load and PV are those of today."
    if few:
        note += f" Too few days to tell what is usual in {listed(_SEASON_WORDS[season] for season in few)}."
    missing = [_SEASON_WORDS[season] for season in SEASONS if season not in seasons]
    note += f" No day of {listed(missing)} was played." if missing else ""
    return section("The average day by season", figure, html_table(head, rows, note))


def _hourly(frame: Any, season: str, what: str) -> Any:
    return frame[frame["season"] == season][what].to_numpy(np.float64)


def _season_row(about: Told, season: str, today: Any, middle: Any) -> list[str]:
    t, cells = about.traced, [_SEASON_WORDS[season]]
    cells.append(t.number("average_day", int(middle["days"].idxmax()), "days", 0))
    for at, what in (
        (today["load_kw"].idxmax(), "load_kw"), (today["pv_kw"].idxmax(), "pv_kw"),
        (today["head_kw"].idxmax(), "head_kw"), (middle["head_kw"].idxmax(), "head_kw"),
        (today["head_kw"].idxmin(), "head_kw"), (middle["head_kw"].idxmin(), "head_kw"),
    ):  # fmt: skip
        cells.append(f"{t.number('average_day', int(at), what, 1)} ({t.number('average_day', int(at), 'hour', 0)} h)")
    return cells


def _of_cell(about: Told, table: str, cell: Cell, prices: str) -> Any:
    frame = about.traced.tables[table]
    return frame[(frame[list(CELL)] == [PLAYED, prices, *cell]).all(axis=1)]


def duration(about: Told) -> str:
    """How long the transformer carries how much, and what the wires did, today, without the tariff and with it."""
    t, quo = about.traced, about.found.asked.status_quo
    alike = about.hero._replace(tariff=quo.tariff)
    shown = dict.fromkeys([(quo, WRITTEN), (alike, about.prices), (about.hero, about.prices)])
    curves = {
        cell_name(cell): _of_cell(about, "duration", cell, prices)["root_kw"].to_numpy(np.float64)
        for cell, prices in shown
    }
    figure = picture(
        "duration", lambda: plots.duration(curves), "Sorted power at the head of the feeder.",
        "How long the transformer carries how much.",
    )  # fmt: skip
    rows = [
        [
            escape(cell_name(cell)), t.number("cells", row, "peak_import_kw", 1),
            t.number("cells", row, "max_loading", 3), t.number("cells", row, "min_voltage_pu", 4),
            t.number("cells", row, "max_voltage_pu", 4), t.number("cells", row, "loss_kwh", 1),
            t.number("cells", row, "carbon_kg", 1),
        ]
        for cell, prices in shown
        for row in [about.row("cells", cell, prices)]
    ]  # fmt: skip
    head = ["", "peak kW", "highest loading", "lowest voltage pu", "highest voltage pu", "losses kWh", "carbon kg"]
    return section(
        "The transformer and the wires", figure, html_table(head, rows, "Losses and carbon: a mean episode.")
    )


def worst_hour(about: Told) -> str:
    """The feeder in the interval in which a branch is loaded most, bus by bus, and who is connected where."""
    t = about.traced
    mine = _of_cell(about, "feeder", about.hero, about.prices)
    fullest = int(mine["loading"].idxmax())
    if mine.at[fullest, "loading"] <= 0:
        return ""
    feeder = _feeder(about)
    quo = _of_cell(about, "feeder", about.found.asked.status_quo, WRITTEN)
    before = int(quo["loading"].idxmax())
    bus, at = (escape(str(mine.at[fullest, name])) for name in ("bus", "at"))
    sentence = (
        f"In all episodes the fullest branch is that to {bus}, loaded to "
        f"{t.number('feeder', fullest, 'loading', 3)} of its rating at {at} "
        f"(episode {t.number('feeder', fullest, 'seed', 0)}). Today it comes to "
        f"{t.number('feeder', before, 'loading', 3)}, on the branch to {escape(str(quo.at[before, 'bus']))} at "
        f"{escape(str(quo.at[before, 'at']))}. Each bus has the customers that are named below it."
    )
    volts, loading = (mine[name].to_numpy(np.float64) for name in ("voltage_pu", "loading"))
    marked = (int(loading.argmax()), f"{mine.at[fullest, 'bus']} {100 * float(loading.max()):.0f} %")
    people = [_short(str(names)) for names in mine["customers"]] if feeder.n_buses <= _MOST_BUSES else []
    figure = picture(
        "worst_hour", lambda: feeder_state(feeder, volts, loading, marked=marked, people=people),
        f"The feeder as a tree of {feeder.n_buses} buses: colour is voltage, width is loading.", sentence,
    )  # fmt: skip
    shown = mine.sort_values("loading", ascending=False, kind="stable").index[:_MOST_BUSES].sort_values()
    rows = [
        [
            escape(str(mine.at[i, "bus"])), escape(str(mine.at[i, "fed_by"])), t.number("feeder", i, "loading", 3),
            t.number("feeder", i, "voltage_pu", 4), t.number("feeder", i, "net_kw", 1),
            f"<span class='names'>{escape(str(mine.at[i, 'customers'])) or 'nobody'}</span>",
        ]
        for i in shown
    ]  # fmt: skip
    head = ["bus", "fed by", "loading", "voltage pu", "draw kW", "customers"]
    note = f"{escape(cell_name(about.hero))} at {at}. Loading is that of the branch to the bus; below zero is fed in."
    if len(mine) > len(shown):
        note += f" The {len(shown)} buses whose branches are loaded most; all stand in feeder.csv."
    return section("The feeder at its worst hour", figure, html_table(head, rows, note, tight=True))


def _feeder(about: Told) -> Feeder:
    """The feeder of the cell in the middle."""
    one = about.found.outcome(about.hero)
    assert one is not None
    feeder: Feeder = one.accounts[0].core.world.grid.feeder
    return feeder


def _short(names: str) -> str:
    """The first of some customers, and how many more there are."""
    first, *more = names.split("; ")
    return f"{first} +{len(more)}" if more else first
