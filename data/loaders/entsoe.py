"""Read day-ahead prices as ENTSO-E's transparency platform exports them.

``MTU (CET/CEST)`` is a range ``start - end``, with ``(CET)`` or ``(CEST)`` at the rows of a clock change only, or
without (the older export, ``d.m.Y``); ``Day-ahead Price (EUR/MWh)`` may hold ``n/e``. Rows of an hour and of a quarter
may follow one another. Of several sequences one is read, and said.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.clock import to_utc
from gridbazaar.data.loaders.market_prices import currency_note, only, price_column
from gridbazaar.data.loaders.readings import Options, Readings
from gridbazaar.data.loaders.stamps import to_times
from gridbazaar.data.loaders.tables import Rows, Table, name_lines
from gridbazaar.data.text import short

ZONES = {
    "CET": "Europe/Brussels", "EET": "Europe/Helsinki", "WET": "Europe/Lisbon", "UTC": "Etc/UTC",
    "GMT": "Europe/London", "TRT": "Europe/Istanbul",
}  # fmt: skip
"""Clocks that exports can be made by."""
_AHEAD_H = {"CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "WET": 0, "WEST": 1, "UTC": 0, "GMT": 0, "BST": 1, "TRT": 3}
_HEAD = re.compile(r"MTU\s*\(([A-Z]{3,4})(?:/[A-Z]{3,4})?\)").fullmatch
_PRICE = re.compile(r"Day-ahead Price\s*[\[(].*/MWh[\])]", re.IGNORECASE).fullmatch
_TIME = r"(\d{1,2})[/.](\d{1,2})[/.](\d{4}) (\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*\(([A-Z]{3,4})\))?"
_RANGE = re.compile(rf"{_TIME}\s*-\s*{_TIME}", re.ASCII).fullmatch
Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]


def recognises(rows: Rows) -> bool:
    """Whether there is a column of market time units."""
    return any(_HEAD(cell) for cell in rows.cells[0])


def read(rows: Rows, options: Options) -> tuple[Readings, ...]:
    """Read the prices of one area."""
    table = rows.from_header(0)
    mtu = next(name for name in table.columns if _HEAD(name))
    head = _HEAD(mtu)
    assert head is not None
    if head[1] not in ZONES:
        raise ValueError(f"{table.path}: {mtu}: expected one of {', '.join(ZONES)}; export it in CET/CEST or UTC")
    prices = [name for name in table.columns if _PRICE(name)]
    if len(prices) != 1:
        came = ", ".join(map(short, list(table.columns)[:10]))
        raise ValueError(
            f"{table.path}: expected one column Day-ahead Price (EUR/MWh), got {came}; export these prices"
        )
    rows_read, notes = np.ones(len(table), np.bool_), currency_note(prices[0])
    for name, preferred in (("Area", ()), ("Sequence", ("Without Sequence", "Sequence 1", "Sequence Sequence 1"))):
        if name in table.columns:
            chosen, said = only(table, name, preferred)
            rows_read, notes = rows_read & chosen, notes + said
    column = price_column(table, prices[0], rows_read)
    begin, end = _times(table, mtu, rows_read, ZONES[head[1]])
    is_there = end > begin  # the old export has an empty row for what the clock leaves out
    lasts_s = (end - begin).astype(np.int64)
    used = [
        name for name, cells in table.columns.items()
        if name not in (mtu, prices[0], "Area", "Sequence", "Currency") and any(cells)
    ]  # fmt: skip
    notes += (f"columns {', '.join(used)} are not used",) if used else ()
    line = table.line[rows_read]
    faulty = line[~is_there & np.isfinite(column.values)]
    if len(faulty):
        raise ValueError(f"{table.path}: {mtu}: expected ends after beginnings, got another in {name_lines(faulty)}")
    columns = (replace(column, values=column.values[is_there]),)
    found = Readings(
        paths=(table.path,), times=begin[is_there], is_utc=True, zone=ZONES[head[1]], columns=columns,
        line=line[is_there], file=np.zeros(int(is_there.sum()), np.int64), identity=f"entsoe {prices[0]}",
        lasts_s=lasts_s[is_there], says_begin=True, notes=notes,
    )  # fmt: skip
    return (found,)


def _times(table: Table, mtu: str, rows: NDArray[np.bool_], zone: str) -> tuple[Times, Times]:
    """Beginnings and ends in UTC."""
    cells = [cell for cell, is_read in zip(table.columns[mtu], rows, strict=True) if is_read]
    found = [_RANGE(cell) for cell in cells]
    shown_begin, shown_end = (
        to_times(*np.array([_order(m, first) for m in found], np.int64).reshape(-1, 6).T) for first in (1, 8)
    )
    wrong = table.line[rows][np.isnat(shown_begin) | np.isnat(shown_end)]
    if len(wrong):
        raise ValueError(
            f"{table.path}: {mtu}: expected 31/01/2024 00:00:00 - 31/01/2024 01:00:00, got another in "
            f"{name_lines(wrong)}"
        )
    marks = [(m[7], m[14]) if m is not None else (None, None) for m in found]
    begin, end = (_utc(shown, [pair[i] for pair in marks], zone) for i, shown in enumerate((shown_begin, shown_end)))
    # Without a mark the end of a doubled hour may be either; it is then as far off as the clock shows.
    lasts = shown_end - shown_begin
    has_marks = np.array([all(pair) for pair in marks], np.bool_)
    plain = ~has_marks & (lasts > np.timedelta64(0, "s"))
    return begin, np.where(plain & ~np.isnat(begin), begin + lasts, end)


def _order(match: re.Match[str] | None, first: int) -> tuple[int, ...]:
    if match is None:
        return (0, 0, 0, 0, 0, 0)
    d, m, y, hour, minute, second = (int(match[first + i] or 0) for i in range(6))
    return (y, m, d, hour, minute, second)


def _utc(shown: Times, marks: list[str | None], zone: str) -> Times:
    resolved = to_utc(shown, zone)
    ahead_s = np.array([3600 * _AHEAD_H.get(mark or "", 0) for mark in marks], np.int64)
    is_marked = np.array([mark in _AHEAD_H for mark in marks], np.bool_)
    times: Times = np.where(is_marked, shown - ahead_s.astype("timedelta64[s]"), resolved.times)
    return times
