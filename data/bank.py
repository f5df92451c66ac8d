"""The bank: long series that every episode points into, and their calendar.

An episode holds indices: which home, which roof, which car, which first step. Nothing is copied.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

HISTORY_DAYS = 8
"""Days at the beginning of a bank that only serve as the past of forecasts."""

_SAME_TIME_H = 1e-9
_MOST_KWH = 250.0  # in the battery of a car


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Who is plugged in when: the sessions of each charger in order of time, then unused slots (``present`` False).

    Hours count from the first midnight of the bank.
    """

    present: NDArray[np.bool_]  # [n_chargers, n_slots]
    arrive_h: NDArray[np.float64]  # [n_chargers, n_slots]
    depart_h: NDArray[np.float64]  # [n_chargers, n_slots] when it really leaves, > arrive_h
    need_kwh: NDArray[np.float64]  # [n_chargers, n_slots] energy that the battery lacks on arrival, > 0 if present
    announced_h: NDArray[np.float64]  # [n_chargers, n_slots] when it says on arrival that it will leave, > arrive_h
    trip_kwh: NDArray[np.float64]  # [n_chargers, n_slots] used since the session before, where that was the same car
    is_same_car: NDArray[np.bool_]  # [n_chargers, n_slots] the car of the session before is back

    def __post_init__(self) -> None:
        """Refuse sessions that cannot be.

        Raises:
            ValueError: names every faulty session.
        """
        later = np.zeros(self.present.shape, np.bool_)
        later[:, 1:] = self.arrive_h[:, 1:] < self.depart_h[:, :-1] - _SAME_TIME_H
        finite = np.isfinite(self.arrive_h) & np.isfinite(self.depart_h) & np.isfinite(self.announced_h)
        faults = (
            (~(finite & np.isfinite(self.need_kwh) & np.isfinite(self.trip_kwh)), "is no number somewhere"),
            (self.depart_h <= self.arrive_h, "leaves before it comes"),
            (self.announced_h <= self.arrive_h, "announces to leave before it comes"),
            (later, "comes before the one before has left"),
            (self.need_kwh <= 0, "needs no energy"),
            (self.need_kwh > _MOST_KWH, f"needs more than any battery holds ({_MOST_KWH:g} kWh)"),
            (self.trip_kwh < 0, "used less than nothing on its trip"),
        )
        found = [
            f"charger {charger}, session {slot} {what}"
            for fault, what in faults
            for charger, slot in np.argwhere(fault & self.present).tolist()
        ]
        if found:
            raise ValueError(f"sessions: {len(found)} cannot be\n  " + "\n  ".join(found))

    def first_after(self, hour: NDArray[np.float64], charger: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slot of the first session at each charger that leaves after each hour; arguments broadcast."""
        n_chargers, n_slots = self.present.shape
        end = np.where(self.present, self.depart_h, np.inf)
        span = float(self.depart_h.max(initial=0.0)) + float(np.max(hour)) + 1.0
        order = (np.minimum(end, span) + span * np.arange(n_chargers)[:, None]).ravel()
        found = np.searchsorted(order, hour + _SAME_TIME_H + span * charger, "right")
        slot: NDArray[np.int64] = found - charger * n_slots
        return slot

    def most_within(self, hours: float, begin_h: float, n_days: int) -> int:
        """Most sessions of a charger of which a part lies in the ``hours`` that begin at ``begin_h`` of any day."""
        n_chargers, n_slots = self.present.shape
        begin = begin_h + 24.0 * np.arange(n_days, dtype=np.float64)
        first = self.first_after(begin[None, :], np.arange(n_chargers)[:, None])
        most = 0
        while most < n_slots:
            slot = np.minimum(first + most, n_slots - 1)
            comes = np.where(self.present, self.arrive_h, np.inf)[np.arange(n_chargers)[:, None], slot]
            if not ((first + most < n_slots) & (comes < begin + hours - _SAME_TIME_H)).any():
                break
            most += 1
        return most


@dataclass(frozen=True, slots=True)
class Bank:
    """Series at one step length. Local civil time, the first step begins at midnight of ``first_day``.

    ``load_next_kw``, ``pv_next_kw_per_kwp`` and ``wind_next_m_per_s`` are one-step forecasts made from data before that
    step only;
    ``load_outlook_kw``, ``pv_outlook_kw_per_kwp`` and ``wind_outlook_m_per_s`` are made from data that are at least
    24 hours older than the step: at step t the outlook of the steps t to t plus a day less one step is known.
    """

    name: str
    step_h: float
    first_day: np.datetime64  # day resolution
    load_kw: NDArray[np.float64]  # [n_homes, n_steps] mean power over the step, >= 0
    pv_kw_per_kwp: NDArray[np.float64]  # [n_roofs, n_steps] >= 0
    spot_cur_per_kwh: NDArray[np.float64]  # [n_steps] wholesale day-ahead price, may be negative
    carbon_kg_per_kwh: NDArray[np.float64]  # [n_steps] intensity of grid electricity
    sessions: Sessions
    load_next_kw: NDArray[np.float64]  # [n_homes, n_steps]
    pv_next_kw_per_kwp: NDArray[np.float64]  # [n_roofs, n_steps]
    load_outlook_kw: NDArray[np.float64]  # [n_homes, n_steps]
    pv_outlook_kw_per_kwp: NDArray[np.float64]  # [n_roofs, n_steps]
    retail_cur_per_kwh: NDArray[np.float64] | None = None  # [n_steps] retail price, where the data have one
    wind_m_per_s: NDArray[np.float64] | None = None  # [n_steps] mean speed at the hub of a small turbine, if known
    wind_next_m_per_s: NDArray[np.float64] | None = None  # [n_steps]
    wind_outlook_m_per_s: NDArray[np.float64] | None = None  # [n_steps]
    outdoor_c: NDArray[np.float64] | None = None  # [n_steps] mean outdoor temperature, where the data have one

    @property
    def steps_per_day(self) -> int:
        return round(24 / self.step_h)

    @property
    def n_days(self) -> int:
        return int(self.load_kw.shape[1]) // self.steps_per_day

    def hour(self) -> NDArray[np.float64]:
        """[n_steps] local hour at the beginning of each step."""
        steps = np.arange(self.n_days * self.steps_per_day)
        hour: NDArray[np.float64] = (steps % self.steps_per_day).astype(np.float64) * self.step_h
        return hour

    def weekday(self) -> NDArray[np.int64]:
        """[n_steps] 0 is Monday."""
        first = int((self.first_day.astype("datetime64[D]").astype(np.int64) + 3) % 7)
        days = np.arange(self.n_days * self.steps_per_day) // self.steps_per_day
        return (first + days) % 7

    def month(self) -> NDArray[np.int64]:
        """[n_steps] 1 is January."""
        days = self.first_day + np.arange(self.n_days)
        months = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
        return np.repeat(months, self.steps_per_day)

    def start_days(self, split: str, months: tuple[float, float] | None = None, n_days: int = 2) -> NDArray[np.int64]:
        """Days on which an episode of this split may begin.

        Args:
            split: train, validation or test.
            months: first and last month, 11 and 2 for winter; none: all.
            n_days: calendar days that an episode touches, the first and the last one included.

        Whole calendar weeks belong to one split (of five weeks three train, one validates, one tests), and an
        episode that would leave its week is left out, so no split sees a step of another one's episodes.
        """
        first = int((self.first_day.astype("datetime64[D]").astype(np.int64) + 3) % 7)
        days = np.arange(HISTORY_DAYS, self.n_days - n_days + 1)
        week, weekday = (days + first) // 7, (days + first) % 7
        wanted = {"train": (0, 1, 3), "validation": (2,), "test": (4,)}[split]
        chosen: NDArray[np.int64] = days[np.isin(week % 5, wanted) & (weekday + n_days <= 7)]
        if months is not None:
            month = self.month()[chosen * self.steps_per_day]
            first_month, last_month = months
            late, early = month >= first_month, month <= last_month
            chosen = chosen[late & early if first_month <= last_month else late | early]
        if not len(chosen) and months is not None:
            raise ValueError(
                f"data {self.name!r}: no day of the {split} weeks lies in the months {months[0]:g} to {months[1]:g}"
            )
        if not len(chosen):
            raise ValueError(
                f"data {self.name!r}: {self.n_days} days hold no whole day of the {split} weeks; "
                f"expected at least {HISTORY_DAYS + 5 * 7} days"
            )
        return chosen


def read_only(bank: Bank) -> Bank:
    """Give the bank, into whose arrays nobody can write any more."""
    for part in (bank, bank.sessions):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
    return bank
