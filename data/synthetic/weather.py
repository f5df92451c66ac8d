"""Outdoor temperature made by chance: a season, a day, and weather that lasts for some days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.chance import bank_rng

STEPS_PER_DAY = 96

MEAN_C = 10.0
"""Mean over a year, as in the lowlands of Central Europe."""
SEASON_C = 9.5
"""Half the difference between the warmest and the coldest time of the year; the coldest day is 20 January."""
DAY_C = 3.0
"""Half the difference between 15 h and 3 h in spring and autumn; half of it in mid-winter, half more in summer."""
SPELL_C = 3.6
"""Standard deviation of daily means around the season."""
SPELL_KEPT = 0.8
"""How much of a warm or cold spell is left on the next day."""


def make_outdoor(master: int, first_day: np.datetime64, n_days: int) -> NDArray[np.float64]:
    """Make the temperature of quarters of an hour from midnight of the first day, [n_days * 96] in degrees Celsius.

    A day of the calendar is the same however many are asked for after it.
    """
    rng = bank_rng(master, "outdoor", 0)
    shocks = rng.standard_normal(n_days + 1) * SPELL_C
    spell = np.empty(n_days + 1)
    spell[0] = shocks[0]
    for day in range(1, n_days + 1):
        spell[day] = SPELL_KEPT * spell[day - 1] + np.sqrt(1 - SPELL_KEPT**2) * shocks[day]
    days = first_day.astype("datetime64[D]") + np.arange(n_days)
    of_year = (days - days.astype("datetime64[Y]")).astype(np.int64)
    season = -np.cos(2 * np.pi * (of_year - 19) / 365.25)
    hour = np.arange(STEPS_PER_DAY) * 24 / STEPS_PER_DAY
    daily = -np.cos(2 * np.pi * (hour - 3) / 24)
    # A spell goes over into the next one through the day, so that midnight is no step.
    weather = spell[:-1, None] + (spell[1:] - spell[:-1])[:, None] * (hour / 24)
    swing = DAY_C * (1 + 0.5 * season)[:, None] * daily
    outdoor: NDArray[np.float64] = (MEAN_C + SEASON_C * season[:, None] + swing + weather).ravel()
    return outdoor
