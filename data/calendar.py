"""The calendar of a bank: what the local clock shows at each step of its axis of elapsed time.

Steps count time as it passes (UTC), each as long as the next. People, tariffs and episodes go by the local clock, which
a zone may set forward and back: the day of the spring change has 23 hours, that of the autumn change 25. Without a zone
nobody touches the clock, and every day has 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.clock import clock_changes, midnight

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY_MIN = 1440


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The local clock over the steps of a bank, which begin at the first local midnight.

    A day is counted from ``first_day``; its hours are those that the clock shows.
    """

    first_day: np.datetime64  # day resolution
    n_days: int
    step_min: int
    timezone: str | None  # such as Europe/Berlin; none: a clock that nobody changes
    hour: Floats  # [n_steps] local hour at the beginning of each step, in [0, 24)
    day: Ints  # [n_steps] local day of each step
    shown_min: Ints  # [n_steps] highest reading of the clock so far, minutes since the first midnight; it never falls
    change_h: Floats  # [n_changes] when the clock is changed, elapsed hours
    ahead_h: Floats  # [n_changes + 1] by how much it is ahead of what has elapsed, before, between and after changes

    @property
    def n_steps(self) -> int:
        return len(self.hour)

    @property
    def slots(self) -> int:
        """Steps of a day of 24 hours."""
        return _DAY_MIN // self.step_min

    @property
    def is_even(self) -> bool:
        """Whether every day has 24 hours."""
        return not len(self.change_h) and not self.ahead_h[0]

    def weekday_of(self, day: Ints) -> Ints:
        """[...] 0 is Monday; of days counted from ``first_day``."""
        monday_based: Ints = (day + int(self.first_day.astype("datetime64[D]").astype(np.int64)) + 3) % 7
        return monday_based

    def month_of(self, day: Ints) -> Ints:
        """[...] 1 is January; of days counted from ``first_day``."""
        months: Ints = (self.first_day + day).astype("datetime64[M]").astype(np.int64) % 12 + 1
        return months

    def step_of(self, day: Ints, hour: Floats | float) -> Ints:
        """Give the first step in which the clock of a day shows an hour, or the first after it where it is left out.

        The arguments broadcast; what lies beyond the last day gives the number of steps.
        """
        wanted_min = np.ceil(day * _DAY_MIN + np.asarray(hour) * 60 - 1e-6).astype(np.int64)
        found: Ints = np.searchsorted(self.shown_min, wanted_min, "left").astype(np.int64)
        return found

    def elapsed_h(self, local_h: Floats) -> Floats:
        """Give the elapsed hours at which the clock first shows ``local_h``, counted on from the first midnight.

        A time that the spring change leaves out is that of the change.
        """
        last_shown_h = self.change_h + self.ahead_h[:-1]
        after = np.searchsorted(np.maximum.accumulate(last_shown_h), local_h, "right")
        begins_h = np.concatenate([[-np.inf], self.change_h])
        elapsed: Floats = np.maximum(local_h - self.ahead_h[after], begins_h[after])
        return elapsed

    def same_clock(self, days: int) -> Ints:
        """[n_steps] step at which the clock showed the same a number of days before; -1 where the bank has none."""
        steps = np.arange(self.n_steps)
        if self.is_even:
            return np.maximum(steps - days * self.slots, -1)
        before = self.day - days
        return np.where(before >= 0, self.step_of(before, self.hour), -1)

    def days_passed(self) -> Floats:
        """[n_steps + 1] local days that have passed, each spread evenly over its own hours."""
        first = self.step_of(np.arange(self.n_days + 1), 0.0)
        passed: Floats = np.interp(np.arange(self.n_steps + 1), first, np.arange(self.n_days + 1))
        return passed

    def on_axis(self, by_clock: Floats) -> Floats:
        """Put series of days of 24 hours on the axis: the hour left out is cut, the doubled one comes twice.

        Args:
            by_clock: [..., n_days * 24 h] at the steps of the calendar.

        Returns:
            [..., n_steps].
        """
        if self.is_even:
            return by_clock
        slot = self.day * self.slots + (self.hour * 60 / self.step_min + 1e-6).astype(np.int64)
        found: Floats = by_clock[..., slot]
        return found

    def by_clock(self, series: Floats) -> Floats:
        """Read series off the clock, [..., n_steps] -> [..., n_days, slots]: the doubled hour once, the first time."""
        day, slot = np.arange(self.n_days)[:, None], np.arange(self.slots)
        step = np.minimum(self.step_of(day, slot * self.step_min / 60), self.n_steps - 1)
        found: Floats = series[..., step]
        return found


@lru_cache(maxsize=32)
def make_calendar(first_day: np.datetime64, n_days: int, step_min: int, timezone: str | None = None) -> Calendar:
    """Make the calendar of a bank.

    Args:
        first_day: local date of its first midnight.
        n_days: local days.
        step_min: minutes a step.
        timezone: name of the zone whose clock people read; none: days of 24 hours.
    """
    if timezone is None:
        change_min, ahead_min, all_min = np.zeros(0, np.int64), np.zeros(1, np.int64), n_days * _DAY_MIN
    else:
        change_min, ahead_min, all_min = _changes(first_day, n_days, timezone)
    if all_min % step_min or ((ahead_min - ahead_min[0]) % step_min).any():
        raise ValueError(
            f"step_min: days in {timezone} are no whole number of steps of {step_min} min, for its clock is changed by "
            "less; take 30, 15 or 5"
        )
    elapsed_min = np.arange(0, all_min, step_min)
    clock_min = elapsed_min + ahead_min[np.searchsorted(change_min, elapsed_min, "right")]
    calendar = Calendar(
        first_day=first_day,
        n_days=n_days,
        step_min=step_min,
        timezone=timezone,
        hour=clock_min % _DAY_MIN / step_min * (step_min / 60),
        day=clock_min // _DAY_MIN,
        shown_min=np.maximum.accumulate(clock_min),
        change_h=change_min / 60,
        ahead_h=ahead_min / 60,
    )
    for values in (calendar.hour, calendar.day, calendar.shown_min, calendar.change_h, calendar.ahead_h):
        values.setflags(write=False)
    return calendar


def _changes(first_day: np.datetime64, n_days: int, timezone: str) -> tuple[Ints, Ints, int]:
    """Give the changes of the clock in elapsed minutes, by how many it is ahead around them, and all minutes."""
    first = first_day.astype("datetime64[D]")
    begin, end = midnight(first, timezone), midnight(first + np.timedelta64(n_days, "D"), timezone)
    changes = clock_changes(begin, end, timezone)
    since_midnight_s = (begin - first.astype("datetime64[s]")).astype(np.int64)
    change_min: Ints = (changes.at - begin).astype(np.int64) // 60
    ahead_min: Ints = (changes.ahead_s + since_midnight_s) // 60
    return change_min, ahead_min, int((end - begin).astype(np.int64)) // 60
