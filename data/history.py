"""History: days before the first of a bank, so that forecasts have a past and every day of the data may be played."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from gridbazaar.data.bank import HISTORY_DAYS, Bank, Sessions
from gridbazaar.data.forecast.forecast import add_forecasts

_WEEK = 7


def with_history(bank: Bank) -> Bank:
    """Give the bank with days before its first, which are those of a whole number of weeks later; forecasts are anew.

    A year then has the end of its own last summer as the past of its first days, the same weekdays.

    Raises:
        ValueError: the clock of the data is changed, or they are shorter than the history and a week.
    """
    if not bank.calendar.is_even:
        raise ValueError(
            f"data {bank.name!r}: expected days of 24 hours for a history of later weeks, got the clock of "
            f"{bank.timezone}, which is changed"
        )
    weeks_later = bank.n_days // _WEEK * _WEEK
    if weeks_later < HISTORY_DAYS + _WEEK:
        raise ValueError(f"data {bank.name!r}: expected at least {HISTORY_DAYS + _WEEK} days, got {bank.n_days}")
    per_day = bank.steps_per_day
    first = (weeks_later - HISTORY_DAYS) * per_day
    past, n_steps = slice(first, first + HISTORY_DAYS * per_day), bank.load_kw.shape[1]

    def longer(values: Any) -> Any:
        if not isinstance(values, np.ndarray) or values.shape[-1:] != (n_steps,):
            return values
        return np.concatenate([values[..., past], values], axis=-1)

    series = {field.name: longer(getattr(bank, field.name)) for field in fields(bank) if field.name != "sessions"}
    begins = bank.first_day - np.timedelta64(HISTORY_DAYS, "D")
    return add_forecasts(replace(bank, **series | {"first_day": begins, "sessions": _later(bank.sessions)}))


def _later(sessions: Sessions) -> Sessions:
    """Give the same sessions on an axis that begins with the history, in which nobody charges."""
    hours = {name: getattr(sessions, name) + 24.0 * HISTORY_DAYS for name in ("arrive_h", "depart_h", "announced_h")}
    return replace(sessions, **hours)
