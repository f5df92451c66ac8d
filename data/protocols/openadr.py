"""OpenADR 3 events from JSON: when an operator calls for flexibility or changes a price.

Read are a list of events, or an object with ``events`` and the ``program`` that they belong to. An event has intervals,
each with a period and one payload: SIMPLE (level 0 to 3), LOAD_DISPATCH (kW of change in load, below zero draws less)
or PRICE (currency per kWh). Null says the same as nothing. Everything else is refused, all faulty events at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from gridbazaar.data.bounds import MOST_PRICE
from gridbazaar.data.protocols.iso8601 import parse_duration, parse_time
from gridbazaar.data.text import parse_json, read_any_text, said, short

PAYLOADS = ("SIMPLE", "PRICE", "LOAD_DISPATCH")
SIMPLE_LEVELS = 3
"""The highest level; 0 is normal operation."""
_MOST_KW = 1e6


@dataclass(frozen=True, slots=True)
class Signal:
    """One interval of an event."""

    start: datetime
    end: datetime
    payload: str  # of ``PAYLOADS``
    value: float


@dataclass(frozen=True, slots=True)
class Event:
    """An event, its intervals in the order of time."""

    name: str
    program: str
    signals: tuple[Signal, ...]

    @property
    def is_price(self) -> bool:
        return self.signals[0].payload == "PRICE"


def read_events(path: str | Path, *, now: datetime | None = None) -> tuple[Event, ...]:
    """Read a file of events; see ``parse_events``."""
    return parse_events(read_any_text(Path(path))[0], str(path), now=now)


def parse_events(text: str, where: str = "events", *, now: datetime | None = None) -> tuple[Event, ...]:
    """Read events from JSON, in the order of time.

    Args:
        text: JSON.
        where: named in errors.
        now: an event that begins before it is refused; none: the time at which each event was created, if it says so.

    Raises ``ValueError`` with every faulty event: past, of no or negative duration, overlapping, of another program or
    with other payloads.
    """
    loaded = parse_json(text, where)
    program = None
    if isinstance(loaded, Mapping) and "events" in loaded:
        program, loaded = loaded.get("program"), loaded["events"]
    rows = loaded if isinstance(loaded, list) else [loaded]
    faults: list[str] = []
    events: list[Event] = []
    for i, row in enumerate(rows):
        words = (row.get("eventName"), row.get("id")) if isinstance(row, Mapping) else ()
        named = next((short(str(word)) for word in words if word is not None), i)
        try:
            events.append(_event(row, str(named), program, now))
        except _FaultsError as found:
            faults += [f"event {named}: {fault}" for fault in found.faults]
    events.sort(key=lambda event: event.signals[0].start)
    faults += _overlaps(events)
    if not rows:
        faults.append("there is no event")
    if faults:
        raise ValueError(f"{where}: expected OpenADR 3 events; {'; '.join(faults)}")
    return tuple(events)


class _FaultsError(Exception):
    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)


def _event(row: Any, name: str, program: Any, now: datetime | None) -> Event:
    if not isinstance(row, Mapping):
        raise _FaultsError([f"expected an object, got {said(row)}"])
    faults: list[str] = []
    own = row.get("programID")
    if not isinstance(own, str):
        faults.append(f"programID is {said(own)}, expected a text")
    elif isinstance(program, Mapping) and program.get("id") != own:
        faults.append(f"programID is {said(own)}, expected that of the program, {said(program.get('id'))}")
    if row.get("objectType") not in (None, "EVENT"):
        faults.append(f"objectType is {said(row['objectType'])}, expected EVENT")
    intervals = row.get("intervals")
    if not isinstance(intervals, list) or not intervals:
        raise _FaultsError([*faults, "it has no intervals"])
    signals = _signals(row.get("intervalPeriod"), intervals, faults)
    if now is None and row.get("createdDateTime") is not None:
        now = _tried(parse_time, row["createdDateTime"], "createdDateTime", faults)
    if now is not None and any(s.start < now for s in signals):
        faults.append(f"it begins at {min(s.start for s in signals).isoformat()}, in the past of {now.isoformat()}")
    if len({s.payload == "PRICE" for s in signals}) > 1 or len({s.payload for s in signals} - {"PRICE"}) > 1:
        faults.append("it mixes payload types; expected one an event")
    faults += [
        f"its intervals at {a.start.isoformat()} and {b.start.isoformat()} overlap"
        for a, b in pairwise(signals)
        if b.start < a.end
    ]
    if faults:
        raise _FaultsError(faults)
    return Event(name, str(own), tuple(signals))


def _signals(period: Any, intervals: list[Any], faults: list[str]) -> list[Signal]:
    """Give intervals in the order of time; those without a period follow one another with that of the event."""
    found: list[Signal] = []
    usual = _period(period, "intervalPeriod", faults)
    following = _tried(parse_time, usual["start"], "intervalPeriod.start", faults) if "start" in usual else None
    for i, interval in enumerate(intervals):
        at = f"interval {interval.get('id', i) if isinstance(interval, Mapping) else i}"
        if not isinstance(interval, Mapping):
            faults.append(f"{at} is {said(interval)}, expected an object")
            continue
        own = _period(interval.get("intervalPeriod"), f"{at}: intervalPeriod", faults)
        start = _tried(parse_time, own["start"], f"{at}: start", faults) if "start" in own else following
        lasting = own.get("duration", usual.get("duration"))
        duration = _tried(parse_duration, lasting, f"{at}: duration", faults)
        for one in (own, usual):
            if one.get("randomizeStart", "PT0S") != "PT0S":
                faults.append(f"{at}: randomizeStart is {said(one['randomizeStart'])}, expected none")
        if start is None and "start" not in own and following is None and "start" not in usual:
            faults.append(f"{at}: start is missing here and in the event's intervalPeriod")
        payload = _payload(interval.get("payloads"), at, faults)
        if start is not None and duration is not None:
            following = start + duration
            if payload is not None:
                found.append(Signal(start, following, *payload))
    return sorted(found, key=lambda signal: signal.start)


def _period(period: Any, at: str, faults: list[str]) -> Mapping[str, Any]:
    """Give what a period says; null says nothing, as a whole or in a part."""
    if period is not None and not isinstance(period, Mapping):
        faults.append(f"{at} is {said(period)}, expected an object")
    if not isinstance(period, Mapping):
        return {}
    return {key: value for key, value in period.items() if value is not None}


def _payload(payloads: Any, at: str, faults: list[str]) -> tuple[str, float] | None:
    if not isinstance(payloads, list) or len(payloads) != 1 or not isinstance(payloads[0], Mapping):
        faults.append(f"{at}: payloads is {said(payloads)}, expected one payload")
        return None
    kind, values = payloads[0].get("type"), payloads[0].get("values")
    if kind not in PAYLOADS:
        faults.append(f"{at}: payload type is {said(kind)}, expected one of {', '.join(PAYLOADS)}")
        return None
    value = values[0] if isinstance(values, list) and len(values) == 1 else None
    most = MOST_PRICE if kind == "PRICE" else _MOST_KW
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= most:
        faults.append(f"{at}: values is {said(values)}, expected one number, up to {most:g}")
        return None
    if kind == "SIMPLE" and (value != int(value) or not 0 <= value <= SIMPLE_LEVELS):
        faults.append(f"{at}: SIMPLE level is {said(value)}, expected 0 to {SIMPLE_LEVELS}")
        return None
    if kind == "LOAD_DISPATCH" and value > 0:
        faults.append(f"{at}: LOAD_DISPATCH is {said(value)} kW, expected 0 or less, which draws less")
        return None
    return str(kind), float(value)


def _tried(parse: Callable[[Any], Any], value: Any, at: str, faults: list[str]) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        faults.append(f"{at}: {error}")
        return None


def _overlaps(events: list[Event]) -> list[str]:
    """Name events of one sort, calls or prices, that run at the same time; given in the order of time."""
    found = []
    for is_price in (False, True):
        running: Event | None = None
        for event in (e for e in events if e.is_price == is_price):
            if running is not None and event.signals[0].start < running.signals[-1].end:
                found.append(f"events {running.name} and {event.name} overlap")
            if running is None or event.signals[-1].end > running.signals[-1].end:
                running = event
    return found


def hours_from(time: datetime, begin: datetime) -> float:
    """Hours from one time to another."""
    return (time - begin) / timedelta(hours=1)
