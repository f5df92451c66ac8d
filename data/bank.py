"""The bank: long series that every episode points into, and their calendar.

An episode holds indices: which home, which roof, which car, which first step. Nothing is copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HISTORY_DAYS = 8
"""Days at the beginning of a bank that only serve as the past of forecasts."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Car sessions, at most one from each noon to the next. Absent cars have ``present`` False."""

    present: NDArray[np.bool_]  # [n_cars, n_days]
    arrive_h: NDArray[np.float64]  # [n_cars, n_days] hours after noon of the day, >= 0
    depart_h: NDArray[np.float64]  # [n_cars, n_days] hours after noon of the day, <= 24, > arrive_h
    need_kwh: NDArray[np.float64]  # [n_cars, n_days] energy that the car's battery lacks on arrival, > 0 if present


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

    def start_days(self, split: str) -> NDArray[np.int64]:
        """Days on whose noon an episode of this split may begin.

        Whole calendar weeks belong to one split (of five weeks three train, one validates, one tests), and an
        episode that would leave its week is left out, so no split sees a step of another one's episodes.
        """
        first = int((self.first_day.astype("datetime64[D]").astype(np.int64) + 3) % 7)
        days = np.arange(HISTORY_DAYS, self.n_days - 1)
        week, weekday = (days + first) // 7, (days + first) % 7
        wanted = {"train": (0, 1, 3), "validation": (2,), "test": (4,)}[split]
        chosen: NDArray[np.int64] = days[np.isin(week % 5, wanted) & (weekday < 6)]
        if not len(chosen):
            raise ValueError(
                f"data {self.name!r}: {self.n_days} days hold no whole day of the {split} weeks; "
                f"expected at least {HISTORY_DAYS + 5 * 7} days"
            )
        return chosen
