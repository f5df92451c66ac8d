"""Rows on the clock of a design: local month, day and hour, which windows they lie in, which months are whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.clock import midnight, to_local, zone_of
from gridbazaar.data.public_holidays import public_holidays
from gridbazaar.market.charge import Hours, Window
from gridbazaar.market.design import Design

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HOUR_S = 3600
_DAY_S = 86400


@dataclass(frozen=True, slots=True, eq=False)
class LocalRows:
    """What the clock shows as each row begins; a row belongs to the month, day and window of its beginning."""

    step_h: float
    month: Ints  # [n_rows] 1 to 12
    day: Ints  # [n_rows] days since 1970
    hour: Floats  # [n_rows] in [0, 24)
    standard_hour: Floats  # [n_rows] of a clock that stays on winter time
    is_weekend: Bools  # [n_rows] Saturday, Sunday or holiday
    year_hour: Ints  # [n_rows] hour of a year of 365 days; 29 February is the 28th
    day_share: Floats  # [n_rows] of its own local day
    months: tuple[tuple[int, int], ...]  # (year, month), in order
    edges: tuple[int, ...]  # [n_months + 1] first rows of months, and the number of rows
    is_whole: tuple[bool, ...]  # [n_months] whether every row of the month is there

    def days_in(self, m: int) -> int:
        """Days of month ``m`` of the calendar."""
        year, month = self.months[m]
        return int((_first(year + month // 12, month % 12 + 1) - _first(year, month)).astype(np.int64))

    def days_in_year(self, m: int) -> int:
        """Days of the year of month ``m``."""
        year = self.months[m][0]
        return int((_first(year + 1, 1) - _first(year, 1)).astype(np.int64))


def _first(year: int, month: int) -> np.datetime64:
    return np.datetime64(f"{year:04d}-{month:02d}-01", "D")


def local_rows(design: Design, starts: NDArray[np.datetime64], step_min: int, timezone: str | None) -> LocalRows:
    """Read the clock at each row; ``timezone`` stands in for the design's."""
    tz = timezone or design.tz
    first = int(starts[0].astype(np.int64))
    return _rows(first, len(starts), step_min, tz, design.holidays, design.holiday_dates)


@lru_cache(maxsize=64)
def _rows(first_s: int, n: int, step_min: int, tz: str, region: str, dates: tuple[str, ...]) -> LocalRows:
    starts = (first_s + 60 * step_min * np.arange(n)).astype("datetime64[s]")
    local = to_local(starts, tz)
    days = local.astype("datetime64[D]")
    month_index = local.astype("datetime64[M]").astype(np.int64)
    day: Ints = days.astype(np.int64)
    second = (local - days).astype(np.int64)
    year, month = month_index // 12 + 1970, month_index % 12 + 1
    edges = [0, *(int(i) for i in np.flatnonzero(np.diff(month_index)) + 1), n]
    months = tuple((int(year[i]), int(month[i])) for i in edges[:-1])
    holidays = _holidays(region, dates, tuple(sorted(set(year.tolist()))))
    standard_s = (starts.astype(np.int64) + _winter_offset_s(tz, int(year[0]))) % _DAY_S
    starts_of_months = [midnight(_first(y + m // 12, m % 12 + 1), tz) for y, m in months]
    begins = [midnight(_first(y, m), tz) for y, m in months]
    end = starts[-1] + np.timedelta64(60 * step_min, "s")
    return LocalRows(
        step_h=step_min / 60,
        month=month,
        day=day,
        hour=second / _HOUR_S,
        standard_hour=standard_s / _HOUR_S,
        is_weekend=((day + 3) % 7 >= 5) | np.isin(day, holidays),
        year_hour=_hour_of_year(days, month, year, second),
        day_share=_day_share(day, days, tz, step_min),
        months=months,
        edges=tuple(edges),
        is_whole=tuple(
            bool(starts[edges[i]] == begins[i] and (starts[edges[i + 1]] if edges[i + 1] < n else end) == after)
            for i, after in enumerate(starts_of_months)
        ),
    )


def _day_share(day: Ints, days: NDArray[np.datetime64], tz: str, step_min: int) -> Floats:
    """[n_rows] share of a row in its local day, which may have 23 or 25 hours."""
    first = np.concatenate([[0], np.flatnonzero(np.diff(day)) + 1])
    minutes = [
        int((midnight(day_at + np.timedelta64(1, "D"), tz) - midnight(day_at, tz)).astype(np.int64)) // 60
        for day_at in (np.datetime64(each, "D") for each in days[first].tolist())
    ]
    share: Floats = step_min / np.repeat(np.array(minutes, np.float64), np.diff([*first, len(day)]))
    return share


def _hour_of_year(days: NDArray[np.datetime64], month: Ints, year: Ints, second: Ints) -> Ints:
    since = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    is_leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    since = since - (is_leap & (since >= 59))
    found: Ints = since * 24 + second // _HOUR_S
    return found


def _winter_offset_s(tz: str, year: int) -> int:
    zone = zone_of(tz)
    offsets = [datetime(year, month, 1, 12, tzinfo=UTC).astimezone(zone).utcoffset() for month in (1, 7)]
    return min(int(offset.total_seconds()) for offset in offsets if offset is not None)


def _holidays(region: str, dates: tuple[str, ...], years: tuple[int, ...]) -> Ints:
    days = {date.fromisoformat(text) for text in dates}
    if region:
        days |= public_holidays(region, years)
    found: Ints = np.array([(day - date(1970, 1, 1)).days for day in sorted(days)], np.int64)
    return found


def is_in(hours: Hours | Window, rows: LocalRows) -> Bools:
    """[n_rows] whether rows begin in a window."""
    shown = rows.standard_hour if hours.clock == "standard" else rows.hour
    after, before = shown >= hours.from_h, shown < hours.to_h
    found: Bools = after & before if hours.from_h < hours.to_h else after | before
    if hours.months:
        found = found & np.isin(rows.month, hours.months)
    if hours.days != "all":
        found = found & (rows.is_weekend if hours.days == "weekend" else ~rows.is_weekend)
    return found


def window_of(windows: Sequence[Window], rows: LocalRows) -> Ints:
    """[n_rows] the first window that a row lies in, -1 for none."""
    found = np.full(len(rows.month), -1, np.int64)
    for i in reversed(range(len(windows))):
        found = np.where(is_in(windows[i], rows), i, found)
    return found


def is_due(rows: LocalRows, from_day: str, to_day: str) -> Bools:
    """[n_rows] whether rows lie between two days, both included; an empty one is no bound."""
    found = np.ones(len(rows.day), np.bool_)
    if from_day:
        found &= rows.day >= np.datetime64(from_day, "D").astype(np.int64)
    if to_day:
        found &= rows.day <= np.datetime64(to_day, "D").astype(np.int64)
    return found
