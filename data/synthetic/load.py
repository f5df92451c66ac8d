"""Household load made by chance: levels, seasons, habits, appliance spikes.

Calibrated to the statistics of metered homes (``tests/data/test_generator.py`` lists each with its band). The shapes
are the mean German household of the HTW Berlin profiles (74 homes), hour by hour and by kind of day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.chance import bank_rng

Floats = NDArray[np.float64]

# Mean kW of a home by local hour; rows are weekday, Saturday, Sunday.
_HOUR_SHAPE = np.array(
    [
        [
            *(0.447, 0.378, 0.357, 0.350, 0.368, 0.479, 0.708, 0.715, 0.690, 0.665, 0.634, 0.643),
            *(0.654, 0.661, 0.662, 0.677, 0.743, 0.844, 0.964, 1.025, 1.009, 0.924, 0.782, 0.600),
        ],
        [
            *(0.500, 0.406, 0.366, 0.352, 0.355, 0.377, 0.459, 0.594, 0.766, 0.896, 0.931, 0.995),
            *(1.000, 0.913, 0.839, 0.815, 0.851, 0.933, 1.002, 1.019, 0.970, 0.896, 0.782, 0.650),
        ],
        [
            *(0.514, 0.422, 0.380, 0.361, 0.358, 0.368, 0.433, 0.541, 0.748, 0.906, 1.015, 1.142),
            *(1.107, 0.979, 0.913, 0.867, 0.898, 0.966, 1.066, 1.122, 1.077, 0.964, 0.819, 0.616),
        ],
    ]
)
_HOUR_SHAPE /= (_HOUR_SHAPE * [[5], [1], [1]]).sum() / (7 * 24)
_MONTH_SHAPE = np.array([20.0, 19.0, 17.4, 16.1, 15.9, 14.1, 13.6, 14.3, 15.3, 16.4, 17.5, 19.8])  # kWh a day
_MONTH_SHAPE /= _MONTH_SHAPE.mean()

_SLOTS = 96  # a day at the base resolution of 15 minutes
_LEVEL_SIGMA = 0.24  # of the log of a home's mean load
_SHIFT_SLOTS = 4  # a home lives up to an hour earlier or later than the mean one
_HABIT_SIGMA = 0.55  # of the log of a home's own daily shape, constant over the year
_DAY_SIGMA, _DAY_PHI = 0.22, 0.60  # of the log of what a day uses, from day to day
_SLOT_SIGMA, _SLOT_PHI = 0.55, 0.90  # of the log within the day, from slot to slot
_COMMON_SHARE = 0.10  # of the variance of the slots, shared by all homes (weather, television)
_SPIKE_SHARE = 0.05  # of the energy: appliances that run for one slot
_SPIKE_POWER = (4.0, 8.5)  # of the home's mean load, 1.8 to 3.9 kW in a home of 11 kWh a day
_BASE_CAP = 6.0  # of the mean load: all that is no spike saturates here
_CAP = 13.5  # of the mean load, 6.2 kW in a home of 11 kWh a day


def calendar(first_day: np.datetime64, n_days: int) -> tuple[NDArray[np.int64], Floats]:
    """Give the kind of each day (0 weekday, 1 Saturday, 2 Sunday) and its season's factor on the load."""
    days = first_day.astype("datetime64[D]") + np.arange(n_days)
    weekday = (days.astype(np.int64) + 3) % 7
    kind = np.maximum(weekday - 4, 0)
    month = days.astype("datetime64[M]")
    in_month = (days - month.astype("datetime64[D]")).astype(np.int64)
    middles = np.concatenate([_MONTH_SHAPE[-1:], _MONTH_SHAPE, _MONTH_SHAPE[:1]])
    season = np.interp(month.astype(np.int64) % 12 + in_month / 30.5, np.arange(-0.5, 13), middles)
    return kind, season


def make_loads(master: int, first_day: np.datetime64, n_days: int, n_homes: int, mean_kwh_per_day: float) -> Floats:
    """Make the loads of homes at 15 minutes; a home stays the same when more are asked for.

    Returns:
        [n_homes, n_days * 96] kW, > 0.
    """
    from scipy.signal import lfilter

    n_steps = n_days * _SLOTS
    kind, season = calendar(first_day, n_days)
    shape = _quarter_hours(_HOUR_SHAPE)[kind]  # [n_days, 96]
    usual = np.empty((n_homes, n_days, _SLOTS))
    noise = np.empty((n_homes, n_steps))
    spikes = np.empty((n_homes, n_steps))
    levels = np.empty(n_homes)
    for home in range(n_homes):
        rng = bank_rng(master, "load", home)
        levels[home] = np.exp(rng.normal(-(_LEVEL_SIGMA**2) / 2, _LEVEL_SIGMA))
        usual[home] = _usual_day(shape, rng) * (season * _day_factors(rng, n_days))[:, None]
        spikes[home] = _spikes(usual[home].ravel(), rng)
        noise[home] = rng.standard_normal(n_steps)

    noise[:, 1:] *= np.sqrt(1 - _SLOT_PHI**2)
    wander: Floats = np.asarray(lfilter([1.0], [1.0, -_SLOT_PHI], noise, axis=1))
    wander *= np.sqrt(1 - _COMMON_SHARE)
    wander += np.sqrt(_COMMON_SHARE) * _common(master, n_steps)
    wander *= _SLOT_SIGMA
    wander -= _SLOT_SIGMA**2 / 2
    loads: Floats = np.exp(wander, out=wander)
    loads *= usual.reshape(n_homes, n_steps)
    loads *= 1 - _SPIKE_SHARE
    loads /= np.sqrt(np.sqrt(1 + (loads / _BASE_CAP) ** 4))  # saturates: not everything runs at once
    loads += spikes
    np.minimum(loads, _CAP, out=loads)
    scaled: NDArray[np.float64] = loads * (levels * mean_kwh_per_day / 24)[:, None]
    return scaled


def _common(master: int, n_steps: int) -> Floats:
    """What all homes share: [n_steps] of unit variance, bounded, so that no evening is out of all bounds."""
    from scipy.signal import lfilter
    from scipy.special import ndtr

    drawn = bank_rng(master, "load_common").standard_normal(n_steps)
    drawn[1:] *= np.sqrt(1 - _SLOT_PHI**2)
    common: Floats = np.sqrt(2) * np.sin(np.pi * (ndtr(lfilter([1.0], [1.0, -_SLOT_PHI], drawn)) - 0.5))
    return common


def _quarter_hours(by_hour: Floats) -> Floats:
    """Draw a line through the middles of the hours: [..., 24] -> [..., 96]."""
    at = (np.arange(_SLOTS) + 0.5) / 4
    return np.array([np.interp(at, np.arange(24) + 0.5, row, period=24) for row in by_hour])


def _usual_day(shape: Floats, rng: np.random.Generator) -> Floats:
    """Shift the mean home's day and bend it by this home's habits: [n_days, 96], mean about one."""
    shifted = np.roll(shape, rng.integers(-_SHIFT_SLOTS, _SHIFT_SLOTS + 1), axis=1)
    bends = rng.standard_normal((1, 12))  # one every two hours
    at = (np.arange(_SLOTS) + 0.5) / 8
    habit = np.exp(_HABIT_SIGMA * np.interp(at, np.arange(12) + 0.5, bends[0], period=12))
    day: Floats = shifted * (habit / (habit * shape.mean(axis=0)).mean())
    return day


def _day_factors(rng: np.random.Generator, n_days: int) -> Floats:
    """How much this home uses on each day: [n_days], an autoregression in logs with mean one."""
    from scipy.signal import lfilter

    drawn = rng.standard_normal(n_days)
    drawn[1:] *= np.sqrt(1 - _DAY_PHI**2)
    factors: Floats = np.exp(_DAY_SIGMA * np.asarray(lfilter([1.0], [1.0, -_DAY_PHI], drawn)) - _DAY_SIGMA**2 / 2)
    return factors


def _spikes(usual: Floats, rng: np.random.Generator) -> Floats:
    """Appliances that run for a slot: [n_steps] in mean loads, more of them when more is used."""
    expected = np.cumsum(usual) * (_SPIKE_SHARE / np.mean(_SPIKE_POWER))
    n = rng.poisson(expected[-1])
    starts = np.searchsorted(expected, rng.random(n) * expected[-1])
    stacked = np.bincount(starts, rng.uniform(*_SPIKE_POWER, n), len(usual))
    spikes: Floats = np.minimum(stacked, _SPIKE_POWER[1])
    return spikes
