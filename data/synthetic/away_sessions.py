"""Charging sessions made by chance where several cars a day come to a charger: at work and in public.

Calibrated to the tables of ElaadNL (2020): shares of arrivals by hour, mean stay and energy by hour of arrival, and
the spread of stays and energies over all sessions. A charger takes one car at a time; so that those it turns away do
not bend the arrivals, cars seek it the more often the less often it is free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Sessions
from gridbazaar.data.chance import bank_rng
from gridbazaar.data.synthetic.home_sessions import in_order

Floats = NDArray[np.float64]

_SLOTS = 96  # quarters of an hour of a day
_LEAST_STAY_H, _MOST_STAY_H = 0.5, 40.0
_LEAST_KWH, _MOST_KWH = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """How cars come to the chargers of a place; 24 numbers are by local hour of arrival."""

    name: str  # of its random streams
    weekday: tuple[float, ...]  # percent of arrivals
    weekend: tuple[float, ...]
    weekday_sessions: float  # a charger and day
    weekend_sessions: float
    stay_h: tuple[float, ...]  # mean
    stay_sigma: float  # of the logarithm, about the mean of the hour
    energy_kwh: tuple[float, ...]  # mean
    energy_sigma: float  # of the logarithm, about the mean of the hour


PLACES = {
    "workplace": Place(
        name="workplace",
        weekday=(
            *(0.03, 0.00, 0.00, 0.01, 0.13, 1.43, 4.33, 14.26, 26.66, 18.07, 7.73, 4.94),
            *(5.40, 5.28, 3.99, 3.04, 2.04, 1.02, 0.58, 0.50, 0.30, 0.14, 0.08, 0.04),
        ),
        weekend=(
            *(0.03, 0.00, 0.00, 0.01, 0.13, 1.43, 4.33, 14.26, 26.66, 18.07, 7.73, 4.94),
            *(5.40, 5.28, 3.99, 3.04, 2.04, 1.02, 0.58, 0.50, 0.30, 0.14, 0.08, 0.04),
        ),
        weekday_sessions=1.0,
        weekend_sessions=0.12,
        stay_h=(
            *(8.3, 8.3, 8.3, 8.3, 8.3, 8.3, 8.5, 8.4, 7.9, 6.2, 4.8, 4.0),
            *(3.7, 3.3, 2.7, 2.3, 2.1, 2.6, 2.6, 2.6, 2.6, 2.6, 2.6, 2.6),
        ),
        stay_sigma=0.55,
        energy_kwh=(
            *(12.2, 12.2, 12.2, 12.2, 12.2, 12.2, 12.9, 13.5, 15.5, 14.8, 14.6, 14.3),
            *(14.8, 13.8, 12.6, 12.4, 11.5, 13.9, 12.4, 12.4, 12.4, 12.4, 12.4, 12.4),
        ),
        energy_sigma=0.95,
    ),
    "public": Place(
        name="public",
        weekday=(
            *(0.98, 0.45, 0.24, 0.16, 0.16, 0.22, 0.73, 3.23, 7.86, 7.72, 5.11, 4.66),
            *(5.35, 5.35, 5.02, 5.12, 5.66, 8.34, 10.91, 8.06, 5.05, 3.96, 3.37, 2.28),
        ),
        weekend=(
            *(2.04, 1.24, 0.64, 0.37, 0.28, 0.25, 0.29, 0.65, 1.73, 3.73, 5.66, 7.00),
            *(7.88, 8.20, 8.46, 8.29, 7.98, 8.02, 7.33, 5.76, 4.87, 3.93, 3.14, 2.25),
        ),
        weekday_sessions=1.0,
        weekend_sessions=1.0,
        stay_h=(
            *(10.0, 9.9, 9.5, 8.5, 6.9, 5.6, 5.3, 5.2, 5.0, 4.0, 3.0, 2.9),
            *(3.0, 3.0, 3.1, 3.6, 4.7, 11.0, 12.5, 11.7, 11.3, 11.1, 10.5, 10.2),
        ),
        stay_sigma=0.80,
        energy_kwh=(
            *(20.9, 21.2, 21.5, 21.3, 20.1, 20.0, 18.9, 15.9, 13.0, 12.5, 12.7, 12.8),
            *(12.9, 13.2, 14.2, 15.5, 16.5, 16.5, 16.5, 17.7, 19.1, 20.4, 20.4, 20.5),
        ),
        energy_sigma=1.0,
    ),
}


def make_away_sessions(
    place: Place, master: int, first_day: np.datetime64, n_days: int, n_chargers: int, step_h: float,
    is_same_car: bool = False,
) -> Sessions:  # fmt: skip
    """Make the sessions of chargers at a place; a charger stays the same when more are asked for.

    Args:
        place: one of ``PLACES``, or one of your own.
        master: seed.
        first_day: date of the bank's first day.
        n_days: days of the bank.
        n_chargers: how many.
        step_h: a stay lasts three steps at least.
        is_same_car: whether the same car comes back each time.
    """
    from scipy.special import ndtri

    weekday = (first_day.astype("datetime64[D]").astype(np.int64) + 3 + np.arange(n_days)) % 7
    chance = np.stack([_chances(place, is_weekend) for is_weekend in (False, True)])[(weekday >= 5).astype(int)]
    stays = []
    for charger in range(n_chargers):
        unit = bank_rng(master, f"charger.{place.name}", charger).random((4, n_days, _SLOTS))
        day, slot = np.nonzero(unit[0] < chance)
        within, stay_noise, energy_noise = (u[day, slot] for u in unit[1:])
        hour = slot // 4
        arrive_h = 24.0 * day + (slot + within) / 4
        stay_h = np.asarray(place.stay_h)[hour] * _lognormal(ndtri(stay_noise), place.stay_sigma)
        stay_h = np.clip(stay_h, max(_LEAST_STAY_H, 3 * step_h), _MOST_STAY_H)
        need_kwh = np.asarray(place.energy_kwh)[hour] * _lognormal(ndtri(energy_noise), place.energy_sigma)
        is_free = free_on_arrival(arrive_h, stay_h) & (arrive_h + stay_h < 24.0 * n_days)
        stays.append((arrive_h[is_free], stay_h[is_free], np.clip(need_kwh, _LEAST_KWH, _MOST_KWH)[is_free]))
    most = max((len(arrive_h) for arrive_h, _, _ in stays), default=0)
    table = np.zeros((3, n_chargers, most + 1))
    present = np.zeros((n_chargers, most + 1), np.bool_)
    for charger, columns in enumerate(stays):
        present[charger, : len(columns[0])] = True
        table[:, charger, : len(columns[0])] = columns
    arrive_h, stay_h, need_kwh = table
    return in_order(present, arrive_h, arrive_h + stay_h, need_kwh, is_same_car=is_same_car, end_h=24.0 * n_days)


def _lognormal(normal: Floats, sigma: float) -> Floats:
    """Numbers of mean 1, the farthest left out."""
    drawn: Floats = np.exp(sigma * np.clip(normal, -2.5, 2.5) - sigma**2 / 2)
    return drawn


def _chances(place: Place, is_weekend: bool) -> Floats:
    """[96] that a car seeks a charger in a quarter of an hour, so that those that find it free come as wanted.

    A charger is free in the share of days on which nobody who came before still stays.
    """
    from scipy.special import ndtr

    percent = np.asarray(place.weekend if is_weekend else place.weekday)
    sessions = place.weekend_sessions if is_weekend else place.weekday_sessions
    wanted = np.repeat(sessions * percent / percent.sum() / 4, 4)
    since_h = (np.arange(2 * _SLOTS) + 0.5) / 4
    mean_h = np.repeat(np.asarray(place.stay_h), 4)[:, None]
    sigma = place.stay_sigma
    still = ndtr(-(np.log(since_h / mean_h) + sigma**2 / 2) / sigma)  # [come, since]
    is_busy = np.zeros(_SLOTS)
    for come in range(_SLOTS):
        later = (come + 1 + np.arange(2 * _SLOTS)) % _SLOTS
        np.add.at(is_busy, later, wanted[come] * still[come])
    chance: Floats = np.minimum(wanted / np.maximum(1 - is_busy, 0.05), 0.9)
    return chance


def free_on_arrival(arrive_h: Floats, stay_h: Floats) -> NDArray[np.bool_]:
    """[n] which of the cars that seek a charger, in order of time, find it free."""
    is_free, until = np.zeros(len(arrive_h), np.bool_), -np.inf
    for i, (come, stay) in enumerate(zip(arrive_h.tolist(), stay_h.tolist(), strict=True)):
        if come >= until:
            is_free[i], until = True, come + stay
    return is_free
