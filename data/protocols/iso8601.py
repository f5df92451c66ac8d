"""Times and durations as ISO 8601 writes them; what has no fixed length or no time zone is refused."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from gridbazaar.data.text import said

YEARS = (1970, 2100)
"""First and last that a time may have."""
_LONGEST = timedelta(days=366)
_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
).fullmatch


def parse_duration(text: Any) -> timedelta:
    """Read ``PT1H30M`` and the like.

    Raises ``ValueError`` for anything that is not a positive number of weeks, days, hours, minutes and seconds.
    """
    found = _DURATION(text) if isinstance(text, str) else None
    if found is None or not any(char.isdigit() for char in text):
        raise ValueError(f"expected an ISO 8601 duration of weeks, days, hours, minutes and seconds, got {said(text)}")
    parts = {name: float(value) for name, value in found.groupdict().items() if name != "sign" and value is not None}
    try:
        duration = timedelta(**parts)
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError(f"expected a duration of up to {_LONGEST.days} days, got {said(text[:40])}")
    if found["sign"] or not duration:
        raise ValueError(f"expected a duration above zero, got {said(text)}")
    return duration


def parse_time(text: Any) -> datetime:
    """Read a date and time with its zone, such as ``2026-01-15T18:00:00Z``; ``ValueError`` for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(f"expected an ISO 8601 date and time, got {said(text)}") from None
    if not YEARS[0] <= time.year <= YEARS[1]:
        raise ValueError(f"expected a year from {YEARS[0]} to {YEARS[1]}, got {said(text)}")
    if time.tzinfo is None:
        raise ValueError(f"expected a date and time with its zone, such as Z or +01:00, got {said(text)}")
    return time
