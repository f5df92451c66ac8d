"""Read wholesale prices as SMARD, the German regulator's site, exports them.

``Datum von;Datum bis;<area> [€/MWh] Originalauflösungen;...``, German time, decimal commas, ``-`` where there is no
price; what the autumn change doubles stands twice, in order. The English export (``Start date``, ``Jan 1, 2024 12:00
AM``) and the older one (``Datum;Anfang;Ende``) are read too. Of several areas Germany/Luxembourg is read, and said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.market_prices import currency_note, price_column
from gridbazaar.data.loaders.readings import Options, Readings, usual_step_s
from gridbazaar.data.loaders.stamps import to_times
from gridbazaar.data.loaders.tables import Rows, Table, name_lines
from gridbazaar.data.text import short

ZONE = "Europe/Berlin"
_BEGINS = {"datum von", "start date", "datum"}
_CLOCKS = {"anfang", "uhrzeit", "start"}
_OWN = ("Deutschland/Luxemburg", "Germany/Luxembourg", "DE/LU", "Deutschland/Österreich/Luxemburg")
_PRICE = re.compile(r"(.+?)\s*\[\s*€/MWh\s*\].*").fullmatch
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,? (\d{1,2}):(\d{2}))?", re.ASCII).fullmatch
_ENGLISH = re.compile(r"([A-Z][a-z]{2}) (\d{1,2}), (\d{4}),? (\d{1,2}):(\d{2})\s*([AP]M)", re.ASCII).fullmatch
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def recognises(rows: Rows) -> bool:
    """Whether it begins with dates as SMARD names them, and has something per MWh or in MWh."""
    head = rows.cells[0]
    return head[0].lower() in _BEGINS and any("MWh" in cell for cell in head)


def read(rows: Rows, options: Options) -> tuple[Readings, ...]:
    """Read the price of one area."""
    table = rows.from_header(0)
    names = list(table.columns)
    areas = {match[1]: name for name in names if (match := _PRICE(name))}
    if not areas:
        came = ", ".join(map(short, names[:10]))
        raise ValueError(f"{table.path}: expected a column of prices [€/MWh], got {came}; export prices")
    own = [area for area in areas if area.startswith(_OWN)]
    if len(areas) > 1 and not own:
        raise ValueError(f"{table.path}: expected one area, got {', '.join(map(short, list(areas)[:10]))}; export one")
    area = own[0] if own else next(iter(areas))
    others = [other for other in areas if other != area]
    notes = currency_note(areas[area]) + ((f"{area} is read, not {', '.join(others)}",) if others else ())
    begin = _times(table, 0)
    found = Readings(
        paths=(table.path,), times=begin, is_utc=False, zone=ZONE, lasts_s=_lasts_s(table, begin),
        columns=(price_column(table, areas[area], np.ones(len(table), np.bool_)),), line=table.line,
        file=np.zeros(len(table), np.int64), identity=f"smard {area}", says_begin=True, notes=notes,
    )  # fmt: skip
    return (found,)


def _times(table: Table, which: int) -> NDArray[np.datetime64]:
    """Beginnings (0) or ends (1), as the clock showed them."""
    names = list(table.columns)
    cells: Sequence[str] = table.columns[names[which]]
    if names[1].lower() in _CLOCKS:  # the older export has the date once
        clock = table.columns[names[min(1 + which, len(names) - 1)]]
        cells = [f"{date} {time}" for date, time in zip(table.columns[names[0]], clock, strict=True)]
    times = to_times(*np.array([_parts(cell) for cell in cells], np.int64).reshape(-1, 6).T)
    wrong = table.line[np.isnat(times)]
    if len(wrong) and not which:
        raise ValueError(f"{table.path}: {names[0]}: expected 31.01.2024 13:45, got another in {name_lines(wrong)}")
    return times


def _lasts_s(table: Table, begin: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """How long each row holds; over a change of the clock as long as most."""
    usual = usual_step_s(table.path, begin)
    gaps = (_times(table, 1) - begin).astype("timedelta64[s]")
    lasts_s = np.where(np.isnat(gaps), usual, gaps.astype(np.int64))
    return np.where(np.isin(lasts_s, (900, 1800, 3600)), lasts_s, usual)


def _parts(cell: str) -> tuple[int, ...]:
    if found := _GERMAN(cell):
        return (int(found[3]), int(found[2]), int(found[1]), int(found[4] or 0), int(found[5] or 0), 0)
    found = _ENGLISH(cell)
    if found is None or found[1] not in _MONTHS or not 1 <= int(found[4]) <= 12:
        return (0, 0, 0, 0, 0, 0)
    hour = int(found[4]) % 12 + 12 * (found[6] == "PM")
    return (int(found[3]), _MONTHS.index(found[1]) + 1, int(found[2]), hour, int(found[5]), 0)
