"""The bank: long series that every episode points into, and the days on which episodes may begin.

An episode holds indices: which home, which roof, which car, which first step. Nothing is copied.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.calendar import Calendar, make_calendar

HISTORY_DAYS = 8
"""Days at the beginning of a bank that only serve as the past of forecasts."""

_SAME_TIME_H = 1e-9
_MOST_KWH = 250.0  # in the battery of a car


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Who is plugged in when: the sessions of each charger in order of time, then unused slots (``present`` False).

    Hours count time as it passes from the first midnight of the bank.
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

    def on_axis(self, calendar: Calendar) -> Sessions:
        """Give sessions whose hours count time that passes, of those that count days of 24 hours by the clock.

        A stay within the hour that the spring change leaves out did not happen.
        """
        if calendar.is_even:
            return self
        arrive_h, depart_h, announced_h = (
            calendar.elapsed_h(hours) for hours in (self.arrive_h, self.depart_h, self.announced_h)
        )
        present = self.present & (depart_h > arrive_h)
        order = np.argsort(~present, axis=1, kind="stable")
        found = replace(
            self,
            present=present,
            arrive_h=arrive_h,
            depart_h=depart_h,
            announced_h=np.where(announced_h > arrive_h, announced_h, depart_h),
        )
        return Sessions(*(np.take_along_axis(getattr(found, f.name), order, 1) for f in fields(Sessions)))

    def most_within(self, hours: float, begin: NDArray[np.float64]) -> int:
        """Most sessions of a charger of which a part lies in the ``hours`` that begin at any of ``begin`` [n]."""
        n_chargers, n_slots = self.present.shape
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
    """Series at one step length over time as it passes; the first step begins at the local midnight of ``first_day``.

    What the local clock shows is in ``calendar``. The series cover whole local days.

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
    timezone: str | None = None  # whose clock people read, such as Europe/Berlin; none: a clock that nobody changes
    homes: tuple[str, ...] = ()  # names of the loads; none: they have only numbers
    roofs: tuple[str, ...] = ()  # homes that the PV is of

    @property
    def steps_per_day(self) -> int:
        """Steps of 24 hours; a day on which the clock is changed has more or fewer."""
        return round(24 / self.step_h)

    @property
    def calendar(self) -> Calendar:
        """What the local clock shows at each step."""
        n_days = round(self.load_kw.shape[1] * self.step_h / 24)  # changes add up to less than half a day
        return make_calendar(self.first_day, n_days, round(self.step_h * 60), self.timezone)

    @property
    def n_days(self) -> int:
        return self.calendar.n_days

    def hour(self) -> NDArray[np.float64]:
        """[n_steps] local hour at the beginning of each step."""
        return self.calendar.hour

    def weekday(self) -> NDArray[np.int64]:
        """[n_steps] 0 is Monday."""
        return self.calendar.weekday_of(self.calendar.day)

    def month(self) -> NDArray[np.int64]:
        """[n_steps] 1 is January."""
        return self.calendar.month_of(self.calendar.day)

    def start_days(
        self, split: str, *, start_h: float, n_steps: int, months: tuple[float, float] | None = None
    ) -> NDArray[np.int64]:
        """Days on which an episode of this split may begin.

        Args:
            split: train, validation or test.
            start_h: local hour at which it begins.
            n_steps: its steps.
            months: first and last month, 11 and 2 for winter; none: all.

        A week runs from Monday at ``start_h`` to the next, as the local clock has it, and belongs to one split (of five
        weeks three train, one validates, one tests). An episode that would leave its week is left out, so no split
        sees a step of another one's episodes.
        """
        calendar = self.calendar
        days = np.arange(HISTORY_DAYS, calendar.n_days)
        since_monday = calendar.weekday_of(days)
        week = (days + calendar.weekday_of(np.zeros(1, np.int64))) // 7
        begin, end = calendar.step_of(days, start_h), calendar.step_of(days - since_monday + 7, start_h)
        wanted = {"train": (0, 1, 3), "validation": (2,), "test": (4,)}[split]
        chosen: NDArray[np.int64] = days[np.isin(week % 5, wanted) & (begin + n_steps <= end)]
        if months is not None:
            month = calendar.month_of(chosen)
            first_month, last_month = months
            late, early = month >= first_month, month <= last_month
            chosen = chosen[late & early if first_month <= last_month else late | early]
        if not len(chosen) and months is not None:
            raise ValueError(
                f"data {self.name!r}: no day of the {split} weeks lies in the months {months[0]:g} to {months[1]:g}"
            )
        if not len(chosen):
            raise ValueError(
                f"data {self.name!r}: {self.n_days} days hold no {n_steps * self.step_h:g} h of the {split} weeks that "
                f"begin at {start_h:g} h; expected at least {HISTORY_DAYS + 5 * 7} days, and episodes of up to a week"
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
