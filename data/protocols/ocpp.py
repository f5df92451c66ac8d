"""OCPP 2.0.1 charging profiles from JSON, and the composite schedule that a charging station keeps to.

Of profiles for one purpose, the one with the highest stack level that has a limit at a time counts; over purposes the
lowest limit does. A profile for a transaction takes the place of the default one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.protocols.iso8601 import parse_time
from gridbazaar.data.text import parse_json, read_any_text, said, short

PURPOSES = (
    "ChargingStationExternalConstraints", "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile",
)  # fmt: skip
_MOST = 1e9  # seconds, amperes or watts
_EVERY_S = {"Daily": 86_400.0, "Weekly": 604_800.0}


@dataclass(frozen=True, slots=True)
class Period:
    """From when in a schedule a limit holds, until the next one."""

    start_s: float
    limit: float  # in the unit of its schedule
    phases: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One charging profile."""

    id: int
    stack_level: int
    purpose: str
    kind: str  # Absolute, Recurring, Relative
    unit: str  # A, W
    periods: tuple[Period, ...]
    start: datetime | None = None  # none: with the transaction
    duration_s: float | None = None  # none: until it ends otherwise
    every_s: float | None = None  # of what recurs
    valid_from: datetime | None = None
    valid_to: datetime | None = None


def read_profiles(path: str | Path) -> tuple[Profile, ...]:
    """Read a file of profiles; see ``parse_profiles``."""
    return parse_profiles(read_any_text(Path(path))[0], str(path))


def parse_profiles(text: str, where: str = "profiles") -> tuple[Profile, ...]:
    """Read one charging profile or a list of them.

    Raises ``ValueError`` with every faulty profile. Two profiles of a purpose must differ in stack level, as the
    standard wants, unless their times of validity keep them apart.
    """
    loaded = parse_json(text, where)
    rows = loaded if isinstance(loaded, list) else [loaded]
    faults: list[str] = []
    profiles: list[Profile] = []
    for i, row in enumerate(rows):
        before = len(faults)
        own = row.get("id") if isinstance(row, Mapping) else None
        name = f"number {i}" if own is None else short(str(own))
        profile = _profile(row, f"profile {name}", faults)
        if profile is not None and len(faults) == before:
            profiles.append(profile)
    seen: dict[tuple[str, int], list[Profile]] = {}
    for profile in profiles:
        for other in seen.setdefault((profile.purpose, profile.stack_level), []):
            if _meet(profile, other):
                level = f"{profile.purpose} of stack level {profile.stack_level}"
                faults.append(f"profiles {other.id} and {profile.id} are both {level}")
        seen[profile.purpose, profile.stack_level].append(profile)
    if faults:
        raise ValueError(f"{where}: expected OCPP 2.0.1 charging profiles; {'; '.join(faults)}")
    return tuple(profiles)


def composite_kw(
    profiles: Sequence[Profile], begin: datetime, n_steps: int, step_h: float, *, plugged_at: datetime | None = None,
    phase_v: float = 230.0,
) -> NDArray[np.float64]:  # fmt: skip
    """Give the most a station may draw in each step, kW; infinite where no profile says anything.

    Args:
        profiles: of one station.
        begin: of the first step.
        n_steps: how many.
        step_h: length of a step. A limit that changes inside of one counts for the shares of the step, as a mean.
        plugged_at: when the transaction began; none: there is none, so transaction and relative profiles are silent.
        phase_v: voltage of a phase, which turns ampere into watt.
    """
    edges = sorted({x for p in profiles for x in _edges(p, begin, n_steps * step_h, plugged_at)})
    step_s = step_h * 3600
    cuts = np.unique(np.concatenate([np.arange(n_steps + 1) * step_s, [e for e in edges if 0 < e < n_steps * step_s]]))
    limits = np.array([_limit_kw(profiles, begin, s, plugged_at, phase_v) for s in (cuts[:-1] + cuts[1:]) / 2])
    whole = np.full(n_steps, np.inf)
    step_of, lasts = np.minimum((cuts[:-1] / step_s + 1e-9).astype(int), n_steps - 1), np.diff(cuts)
    for t in range(n_steps):
        inside = step_of == t
        if np.isfinite(limits[inside]).all():
            whole[t] = (limits[inside] * lasts[inside]).sum() / lasts[inside].sum()
        elif np.isfinite(limits[inside]).any():  # free for a part of the step, so held to the rest of it
            whole[t] = limits[inside].min()
    return whole


def _limit_kw(
    profiles: Sequence[Profile], begin: datetime, second: float, plugged_at: datetime | None, phase_v: float
) -> float:
    """The limit at a time, kW: the highest level within a purpose, the lowest limit over them."""
    time, found = begin + timedelta(seconds=second), dict[str, tuple[int, float]]()
    for profile in profiles:
        limit = _limit_of(profile, time, plugged_at, phase_v)
        if limit is not None and profile.stack_level >= found.get(profile.purpose, (0, 0.0))[0]:
            found[profile.purpose] = (profile.stack_level, limit)
    if "TxProfile" in found:
        found.pop("TxDefaultProfile", None)
    return min((limit for _, limit in found.values()), default=math.inf)


def _limit_of(profile: Profile, time: datetime, plugged_at: datetime | None, phase_v: float) -> float | None:
    begins = _begins(profile, time, plugged_at)
    if begins is None or (profile.purpose == "TxProfile" and (plugged_at is None or time < plugged_at)):
        return None
    if (profile.valid_from and time < profile.valid_from) or (profile.valid_to and time >= profile.valid_to):
        return None
    since = (time - begins).total_seconds()
    if since < 0 or (profile.duration_s is not None and since >= profile.duration_s):
        return None
    periods = [period for period in profile.periods if period.start_s <= since]
    last = periods[-1]
    return last.limit / 1000 * (phase_v * last.phases if profile.unit == "A" else 1.0)


def _begins(profile: Profile, time: datetime, plugged_at: datetime | None) -> datetime | None:
    """When the schedule that counts at a time began."""
    if profile.kind == "Relative":
        return plugged_at
    start = profile.start if profile.start is not None else plugged_at
    if start is None or profile.every_s is None:
        return start
    return start + timedelta(seconds=profile.every_s * ((time - start).total_seconds() // profile.every_s))


def _edges(profile: Profile, begin: datetime, hours: float, plugged_at: datetime | None) -> list[float]:
    """Seconds since ``begin`` at which the profile may change."""
    end = begin + timedelta(hours=hours)
    starts: list[datetime] = []
    first = _begins(profile, begin, plugged_at)
    while first is not None and first < end:
        starts.append(first)
        first = None if profile.every_s is None else first + timedelta(seconds=profile.every_s)
    offsets = [p.start_s for p in profile.periods] + ([] if profile.duration_s is None else [profile.duration_s])
    times = [start + timedelta(seconds=offset) for start in starts for offset in offsets]
    times += [t for t in (profile.valid_from, profile.valid_to, plugged_at) if t is not None]
    return [(t - begin).total_seconds() for t in times]


def _profile(row: Any, at: str, faults: list[str]) -> Profile | None:
    if not isinstance(row, Mapping):
        faults.append(f"{at}: expected an object, got {said(row)}")
        return None
    schedules = row.get("chargingSchedule")
    schedules = schedules if isinstance(schedules, list) else [schedules]
    if len(schedules) != 1 or not isinstance(schedules[0], Mapping):
        faults.append(f"{at}: expected one chargingSchedule")
        return None
    schedule, purpose, kind = schedules[0], row.get("chargingProfilePurpose"), row.get("chargingProfileKind")
    for name, value, allowed in (
        ("chargingProfilePurpose", purpose, PURPOSES),
        ("chargingProfileKind", kind, ("Absolute", "Recurring", "Relative")),
        ("chargingRateUnit", schedule.get("chargingRateUnit"), ("A", "W")),
        *([("recurrencyKind", row.get("recurrencyKind"), tuple(_EVERY_S))] if kind == "Recurring" else []),
    ):
        if not isinstance(value, str) or value not in allowed:
            faults.append(f"{at}: {name} is {said(value)}, expected one of {', '.join(allowed)}")
    for name in ("id", "stackLevel"):
        if type(row.get(name)) is not int or (name == "stackLevel" and row[name] < 0):
            faults.append(f"{at}: {name} is {said(row.get(name))}, expected a whole number")
    places = {"startSchedule": schedule, "validFrom": row, "validTo": row}
    times = {name: _time(place, name, at, faults) for name, place in places.items()}
    if kind == "Recurring" and times["startSchedule"] is None:
        faults.append(f"{at}: startSchedule is missing, expected one for a profile that recurs")
    duration = schedule.get("duration")
    if duration is not None and (not _is_number(duration) or not 0 < duration <= _MOST):
        faults.append(f"{at}: duration is {said(duration)}, expected seconds above 0, up to {_MOST:g}")
    periods = _periods(schedule.get("chargingSchedulePeriod"), at, faults)
    if purpose not in PURPOSES or not periods:
        return None
    return Profile(
        id=row.get("id", 0), stack_level=row.get("stackLevel", 0), purpose=purpose, kind=str(kind),
        unit=str(schedule.get("chargingRateUnit")), periods=periods, start=times["startSchedule"],
        duration_s=duration, every_s=_EVERY_S.get(str(row.get("recurrencyKind"))) if kind == "Recurring" else None,
        valid_from=times["validFrom"], valid_to=times["validTo"],
    )  # fmt: skip


def _time(place: Mapping[str, Any], name: str, at: str, faults: list[str]) -> datetime | None:
    if place.get(name) is None:
        return None
    try:
        return parse_time(place[name])
    except ValueError as error:
        faults.append(f"{at}: {name}: {error}")
        return None


def _periods(rows: Any, at: str, faults: list[str]) -> tuple[Period, ...]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        faults.append(f"{at}: expected at least one chargingSchedulePeriod")
        return ()
    found = []
    for row in rows:
        start, limit, phases = row.get("startPeriod"), row.get("limit"), row.get("numberPhases")
        phases = 3 if phases is None else phases
        if type(start) is not int or not 0 <= start <= _MOST:
            faults.append(f"{at}: startPeriod is {said(start)}, expected whole seconds from 0 to {_MOST:g}")
        elif not _is_number(limit) or not 0 <= limit <= _MOST:
            faults.append(f"{at}: limit is {said(limit)}, expected 0 or more, up to {_MOST:g}")
        elif abs(limit * 10 - round(limit * 10)) > 1e-6:
            faults.append(f"{at}: limit is {said(limit)}, expected a multiple of 0.1")
        elif type(phases) is not int or phases not in (1, 2, 3):
            faults.append(f"{at}: numberPhases is {said(phases)}, expected 1, 2 or 3")
        else:
            found.append(Period(float(start), float(limit), int(phases)))
    starts = [period.start_s for period in found]
    if len(found) == len(rows) and (starts[0] != 0 or sorted(set(starts)) != starts):
        faults.append(f"{at}: startPeriod runs {starts}, expected it to rise from 0")
    return tuple(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _meet(a: Profile, b: Profile) -> bool:
    """Whether two profiles are ever valid at the same time."""
    apart = (a.valid_to and b.valid_from and a.valid_to <= b.valid_from) or (
        b.valid_to and a.valid_from and b.valid_to <= a.valid_from
    )
    return not apart
