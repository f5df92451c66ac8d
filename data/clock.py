"""The clocks of time zones: when they are changed, and what they show at a time of UTC.

All goes by the transitions of the zone itself (``zoneinfo``), never by a guess at weekday or hour: clocks change at
midnight in Santiago, on Thursdays and Fridays in Cairo, by half an hour on Lord Howe Island.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class Changes(NamedTuple):
    """The changes of a clock over a span of time."""

    at: Times  # [n_changes] seconds of UTC
    ahead_s: Ints  # [n_changes + 1] by how many seconds it is ahead of UTC, before, between and after them


class Resolved(NamedTuple):
    """Local readings of a clock as times of UTC."""

    times: Times  # [n] seconds of UTC; NaT where the clock never showed it
    is_left_out: NDArray[np.bool_]  # [n] lies in what a change set forward leaves out
    is_doubled: NDArray[np.bool_]  # [n] lies in what a change set back shows twice


def zone_of(timezone: str) -> ZoneInfo:
    """Give a zone by name."""
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ValueError(f"timezone: expected a name such as 'Europe/Berlin', got {timezone!r}") from error


def midnight(day: np.datetime64, timezone: str | None) -> np.datetime64:
    """Give the time at which a local day begins, in seconds of UTC (without a zone: of its own clock)."""
    begins: np.datetime64 = day.astype("datetime64[s]")
    if timezone is None:
        return begins
    local: Any = begins.item()
    utc = local.replace(tzinfo=zone_of(timezone)).astimezone(UTC)
    return np.datetime64(utc.replace(tzinfo=None), "s")


def local_day(time: np.datetime64, timezone: str | None) -> np.datetime64:
    """Give the local day of a time in seconds of UTC (without a zone: of its own clock)."""
    if timezone is None:
        day: np.datetime64 = time.astype("datetime64[D]")
        return day
    utc: Any = time.astype("datetime64[s]").item()
    return np.datetime64(utc.replace(tzinfo=UTC).astimezone(zone_of(timezone)).date(), "D")


def clock_changes(begin: np.datetime64, end: np.datetime64, timezone: str) -> Changes:
    """Give the changes of a zone's clock after ``begin`` and up to ``end``, both seconds of UTC."""
    first, last = (int(time.astype("datetime64[s]").astype(np.int64)) for time in (begin, end))
    at, ahead_s = _changes(first, last, timezone)
    return Changes(np.array(at, np.int64).astype("datetime64[s]"), np.array(ahead_s, np.int64))


@lru_cache(maxsize=64)
def _changes(first: int, last: int, timezone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    zone = zone_of(timezone)

    def ahead(second: int) -> int:
        offset = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
        assert offset is not None
        return round(offset.total_seconds())

    day_s = round(_DAY.total_seconds())
    at, known = [], [ahead(first)]
    for low in range(first, last, day_s):
        high = min(low + day_s, last)
        if ahead(high) == known[-1]:
            continue
        left, right = low, high  # the change is the first second with the new clock
        while right - left > 1:
            middle = (left + right) // 2
            left, right = (middle, right) if ahead(middle) == known[-1] else (left, middle)
        at.append(right)
        known.append(ahead(high))
    return tuple(at), tuple(known)


def to_local(times: Times, timezone: str) -> Times:
    """[n] what the clock of a zone shows at times of UTC; NaT stays."""
    if not len(times) or np.isnat(times).all():
        return times
    known = times[~np.isnat(times)]
    changes = clock_changes(known.min(), known.max(), timezone)
    ahead_s = changes.ahead_s[np.searchsorted(changes.at, times, "right").clip(max=len(changes.at))]
    shown: Times = times + ahead_s.astype("timedelta64[s]")
    return shown


def to_utc(shown: Times, timezone: str) -> Resolved:
    """Turn what the clock of a zone showed into UTC; of the same reading twice, the first one came first.

    Args:
        shown: [n] seconds, in the order of their file.
        timezone: name of the zone.
    """
    n = len(shown)
    if not n:
        return Resolved(shown, np.zeros(0, np.bool_), np.zeros(0, np.bool_))
    margin = np.timedelta64(2, "D")
    changes = clock_changes(shown.min() - margin, shown.max() + margin, timezone)
    begins = np.concatenate([[np.datetime64(-(2**62), "s")], changes.at])
    ends = np.concatenate([changes.at, [np.datetime64(2**62, "s")]])
    found, first, second = np.zeros(n, np.int64), np.full(n, np.datetime64("NaT", "s")), shown.copy()
    for begin, end, ahead_s in zip(begins, ends, changes.ahead_s, strict=True):
        times = shown - np.timedelta64(int(ahead_s), "s")
        is_so = (times >= begin) & (times < end)
        first = np.where(is_so & (found == 0), times, first)
        second = np.where(is_so, times, second)
        found += is_so
    is_doubled = found > 1
    return Resolved(np.where(is_doubled & _repeats(shown), second, first), found == 0, is_doubled)


def _repeats(values: Times) -> NDArray[np.bool_]:
    """[n] whether a value came before."""
    _, first = np.unique(values, return_index=True)
    again = np.ones(len(values), np.bool_)
    again[first] = False
    return again


def days_of(dates: Sequence[str]) -> tuple[np.datetime64, int]:
    """Give the first of the days between two dates, and how many there are, the last one too.

    Raises:
        ValueError: they are no two dates, or out of order.
    """
    try:
        first, last = (date.fromisoformat(text) for text in dates)
    except (TypeError, ValueError):
        raise ValueError(f"dates: expected first and last day, such as 2024-01-01, 2024-01-31; got {dates}") from None
    if last < first:
        raise ValueError(f"dates: expected the first day not to be after the last, got {first} and {last}")
    return np.datetime64(first, "D"), (last - first).days + 1
