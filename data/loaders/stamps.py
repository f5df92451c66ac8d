"""Stamps: cells that say when, as ISO 8601 and the usual local forms write it, with an offset from UTC or without."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]

YEARS = (1970, 2100)
"""First and last that a stamp may have."""
_CLOCK = (
    r"(?:[T ]\s*(?P<h>\d{1,2}):?(?P<min>\d{2})(?::?(?P<s>\d{2})(?:[.,](?P<frac>\d+))?)?"
    r"|[T ]\s*(?P<h_alone>\d{1,2}))?"
)
_OFFSET = r"\s*(?P<offset>Z|UTC|GMT|[+\u2212-]\d{2}(?::?\d{2})?)?(?:\[[\w/+-]+\])?"
_FORMS = tuple(
    re.compile(date + _CLOCK + _OFFSET, re.ASCII | re.IGNORECASE).fullmatch
    for date in (
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})",
        r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})",
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
    )
)
SHAPE = "ISO 8601 such as 2024-01-31T13:45, 2024-01-31 13:45:00+01:00, 2024-01-31T12:45Z or 31.01.2024 13:45"


@dataclass(frozen=True, slots=True)
class Stamps:
    """What cells say; seconds, rounded."""

    shown: Times  # [n] as written, without the offset; NaT where a cell is no stamp
    offset_s: Ints  # [n] east of UTC; 0 where none is written
    has_offset: NDArray[np.bool_]  # [n]

    @property
    def utc(self) -> Times:
        """[n] of those with an offset."""
        times: Times = self.shown - self.offset_s.astype("timedelta64[s]")
        return times


def read_stamps(cells: Sequence[str]) -> Stamps:
    """Read cells such as ``2024-01-31T13:45``; 24:00 is the next midnight."""
    fields = [_fields(cell) for cell in cells]
    table = np.array(fields, np.int64).reshape(-1, 9)
    shown = to_times(*table[:, :6].T)
    shown = shown + np.where(table[:, 6] >= 500, 1, 0).astype("timedelta64[s]")
    return Stamps(shown, table[:, 7], table[:, 8].astype(np.bool_))


def to_times(year: Ints, month: Ints, day: Ints, hour: Ints, minute: Ints, second: Ints) -> Times:
    """[n] seconds; NaT where there is no such time. 24:00:00 is the next midnight."""
    is_date = (year >= YEARS[0]) & (year <= YEARS[1]) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    safe_year, safe_month, safe_day = (np.where(is_date, x, 1) for x in (year, month, day))
    months = ((safe_year - 1970) * 12 + safe_month - 1).astype("datetime64[M]")
    date = months.astype("datetime64[D]") + (safe_day - 1).astype("timedelta64[D]")
    is_date &= date.astype("datetime64[M]") == months
    is_clock = (hour >= 0) & (hour < 24) & (minute >= 0) & (minute < 60) & (second >= 0) & (second < 60)
    is_clock |= (hour == 24) & (minute == 0) & (second == 0)
    seconds = np.where(is_clock, hour * 3600 + minute * 60 + second, 0).astype("timedelta64[s]")
    times: Times = np.where(is_date & is_clock, date.astype("datetime64[s]") + seconds, np.datetime64("NaT", "s"))
    return times


_NONE = (0, 0, 0, -1, 0, 0, 0, 0, 0)


def _fields(cell: str) -> tuple[int, ...]:
    """Year, month, day, hour, minute, second, thousandths, offset in seconds, whether there is one."""
    found = next((match for form in _FORMS if (match := form(cell)) is not None), None)
    if found is None:
        return _NONE
    part = found.groupdict()
    offset_s = _offset_s(part["offset"])
    if offset_s is None:
        return _NONE
    hour = part["h"] or part["h_alone"] or 0
    thousandths = int((part["frac"] or "0")[:3].ljust(3, "0"))
    clock = (int(hour), int(part["min"] or 0), int(part["s"] or 0))
    has_offset = part["offset"] is not None
    return (int(part["y"]), int(part["m"]), int(part["d"]), *clock, thousandths, offset_s, int(has_offset))


def _offset_s(text: str | None) -> int | None:
    """Seconds east of UTC, hours alone or with minutes; None where no clock is that far off."""
    if text is None or text.upper() in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 15 or minutes > 59:
        return None
    return (1 if text[0] == "+" else -1) * (hours * 3600 + minutes * 60)
