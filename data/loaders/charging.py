"""Measured charging sessions: what a loader gives, which rows it refuses, and how they are played in a bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Sessions
from gridbazaar.data.clock import to_local, to_utc, zone_of
from gridbazaar.data.loaders.stamps import Stamps
from gridbazaar.data.synthetic.away_sessions import free_on_arrival
from gridbazaar.data.synthetic.home_sessions import CHARGER_EFFICIENCY, in_order
from gridbazaar.data.trees import take_rows

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

MOST_KWH = 120.0  # in one session; no car's battery takes more
MOST_KW = 60.0  # mean over the stay; the fastest charger of the data sets gives 50
_MINUTE_H = 1 / 60  # to which some clocks are read
_WEEK_H = 168.0


@dataclass(frozen=True, slots=True)
class ChargingSessions:
    """Sessions in order of arrival; [n] each.

    Times are those of the clock on arrival, as if nobody changed it while the car is there: their differences are what
    passed.
    """

    arrive: Times  # seconds
    depart: Times
    announced: Times  # the driver's word on arrival; NaT where there is none
    energy_kwh: Floats  # metered
    requested_kwh: Floats  # the driver's word; NaN where there is none
    station: NDArray[np.str_]
    user: NDArray[np.str_]  # empty where unknown

    def __len__(self) -> int:
        return len(self.arrive)


@dataclass(frozen=True, slots=True)
class SessionReport:
    """The outcome of reading sessions."""

    source: str
    n_rows: int
    n_used: int
    refused: tuple[tuple[str, str], ...] = ()  # row and reason

    def __str__(self) -> str:
        lines = [f"{self.source}: uses {self.n_used} of {self.n_rows} sessions"]
        return "\n".join(lines + [f"refused {row}: {reason}" for row, reason in self.refused])


class LoadedSessions(NamedTuple):
    """Sessions and how they came about."""

    sessions: ChargingSessions
    report: SessionReport


def by_clock_on_arrival(arrive: Times, leave: Sequence[Times], zone: str) -> tuple[Times, list[Times]]:
    """Give arrivals on the clock of a zone and later times counted on from them; all are of UTC.

    Args:
        arrive: [n] seconds of UTC; NaT where there is none.
        leave: later times of the same sessions.
        zone: whose clock people read there.
    """
    shown = to_local(arrive, zone_of(zone).key)
    return shown, [shown + (times - arrive) for times in leave]


def stamps_to_utc(stamps: Stamps, zone: str) -> Times:
    """[n] seconds of UTC of stamps with an offset, or of the clock of a zone where they have none; NaT stays."""
    times = stamps.utc.copy()
    local = np.flatnonzero(~stamps.has_offset & ~np.isnat(stamps.shown))
    times[local] = to_utc(stamps.shown[local], zone).times
    return times


def sift(source: str, rows: NDArray[np.str_], found: ChargingSessions, begin: Times | None = None) -> LoadedSessions:
    """Leave out what cannot have been, and say why of each row.

    Args:
        source: name of the data set.
        rows: [n] where each session stands, to name it by.
        found: all rows, in any order; NaT and NaN where a cell holds no time or number.
        begin: arrivals on a clock that is never changed, which say who came first; none: those of ``found``.

    Raises:
        ValueError: no session is left; names every row.
    """
    stay = found.depart - found.arrive
    hours = np.maximum(_hours(found.depart, found.arrive), _MINUTE_H)
    key = np.array([f"{s}|{a}|{d}|{e}" for s, a, d, e in zip(
        found.station, found.arrive, found.depart, found.energy_kwh, strict=True)])  # fmt: skip
    _, first = np.unique(key, return_index=True)
    is_double = np.ones(len(found), np.bool_)
    is_double[first] = False
    faults = (
        (np.isnat(found.arrive), "has no time of arrival"),
        (np.isnat(found.depart), "has no time of departure"),
        (stay <= np.timedelta64(0, "s"), "does not leave after it comes"),
        (~np.isfinite(found.energy_kwh), "has no energy"),
        (found.energy_kwh <= 0, "charges nothing"),
        (found.energy_kwh > MOST_KWH, f"charges more than any battery takes ({MOST_KWH:g} kWh)"),
        (found.energy_kwh / hours > MOST_KW, f"charges faster than any charger gives ({MOST_KW:g} kW)"),
        (is_double, "repeats another row"),
    )
    reason = np.full(len(found), "", dtype=object)
    for fault, text in faults:
        reason[fault & (reason == "")] = text
    good = np.flatnonzero(reason == "")
    begin = found.arrive if begin is None else begin
    end = begin + stay
    good = good[np.lexsort((end[good], begin[good], found.station[good]))]
    is_free = np.ones(len(good), np.bool_)
    for station in np.unique(found.station[good]):
        at = np.flatnonzero(found.station[good] == station)
        until = np.datetime64("0000-01-01", "s")
        for i in at:
            is_free[i] = begin[good[i]] >= until
            until = end[good[i]] if is_free[i] else until
    reason[good[~is_free]] = "comes before another one at its charger has left"
    used = np.sort(good[is_free])
    used = used[np.argsort(found.arrive[used], kind="stable")]
    refused = tuple((str(rows[i]), str(reason[i])) for i in np.flatnonzero(reason != "").tolist())
    report = SessionReport(source, len(found), len(used), refused)
    if not len(used):
        raise ValueError(f"no session is left\n{report}")
    return LoadedSessions(take_rows(found, used), report)


def play(found: ChargingSessions, first_day: np.datetime64, n_days: int) -> Sessions:
    """Put measured sessions on the days of a bank: Mondays on Mondays, empty weeks left out, again from the start.

    Args:
        found: sessions; each station becomes a charger, in order of name, and each session another car.
        first_day: date of the bank's first day.
        n_days: days of the bank.

    Drivers without a word leave when they announced. The battery lacked what the meter gave, less losses.
    """
    day = found.arrive.astype("datetime64[D]")
    weekday = (day.astype(np.int64) + 3) % 7
    monday: Times = day - weekday.astype("timedelta64[D]")
    weeks, week = np.unique(monday, return_inverse=True)
    hour = _hours(found.arrive, monday) + _WEEK_H * week
    stay_h = _hours(found.depart, found.arrive)
    said_h = np.where(np.isnat(found.announced), stay_h, _hours(found.announced, found.arrive))
    said_h = np.where(said_h > 0, said_h, stay_h)

    before_h = 24.0 * int((first_day.astype("datetime64[D]").astype(np.int64) + 3) % 7)
    span_h = _WEEK_H * len(weeks)
    rounds = int(np.ceil((24.0 * n_days + before_h) / span_h))
    again = np.repeat(np.arange(rounds), len(found))
    arrive_h: Floats = np.tile(hour, rounds) + span_h * again - before_h
    columns = [arrive_h, *(np.tile(x, rounds) for x in (stay_h, said_h, found.energy_kwh * CHARGER_EFFICIENCY))]
    inside = (arrive_h >= 0) & (arrive_h + columns[1] <= 24.0 * n_days)
    station = np.tile(found.station, rounds)
    chargers = []
    for name in np.unique(found.station):
        here = np.flatnonzero(inside & (station == name))
        here = here[np.argsort(arrive_h[here], kind="stable")]
        here = here[free_on_arrival(arrive_h[here], columns[1][here])]  # a stay may reach over a week left out
        chargers.append(np.stack([x[here] for x in columns]))
    most = max(c.shape[1] for c in chargers)
    table = np.zeros((4, len(chargers), most + 1))
    present = np.zeros((len(chargers), most + 1), np.bool_)
    for i, c in enumerate(chargers):
        present[i, : c.shape[1]] = True
        table[:, i, : c.shape[1]] = c
    come_h, stay_h, said_h, need_kwh = table
    return in_order(
        present, come_h, come_h + stay_h, need_kwh, is_same_car=False, end_h=24.0 * n_days, announced_h=come_h + said_h
    )


def _hours(late: Times, early: Times) -> Floats:
    """[n] hours from one to the other; NaN where there is no time."""
    seconds = late.astype("datetime64[s]") - early.astype("datetime64[s]")
    hours: Floats = np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 3600.0)
    return hours
