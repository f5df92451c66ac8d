"""Photovoltaic power made by chance: the sun's geometry, the clearness of days and passing clouds.

Two sites: ``eu`` stands near Frankfurt (50.1 N, 8.7 E, about 930 kWh/kWp a year), ``california`` in Fontana
(34.1 N, 117.4 W, about 1515 kWh/kWp, calibrated to the monthly output of 15 metered roofs there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.chance import bank_rng

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Site:
    """Where roofs stand and how much they yield there."""

    latitude_deg: float
    longitude_deg: float
    meridian_deg: float  # of the standard time
    tilt_deg: float
    facing_sd_deg: float  # how far roofs look away from south
    capacity_factor: tuple[float, ...]  # [12] mean kW per kWp of each month
    clearness_mean: float  # of a day's output over that of a clear day
    clearness_sd: float
    is_american: bool  # which Sundays change the clock


SITES = {
    "eu": Site(
        *(50.1, 8.7, 15.0, 35.0, 27.0),
        capacity_factor=(0.034, 0.064, 0.108, 0.153, 0.161, 0.169, 0.168, 0.148, 0.118, 0.078, 0.039, 0.026),
        clearness_mean=0.52,
        clearness_sd=0.28,
        is_american=False,
    ),
    "california": Site(
        *(34.1, -117.4, -120.0, 22.0, 45.0),
        capacity_factor=(0.097, 0.119, 0.194, 0.221, 0.221, 0.249, 0.227, 0.193, 0.168, 0.147, 0.134, 0.100),
        clearness_mean=0.80,
        clearness_sd=0.24,
        is_american=True,
    ),
}

_SLOTS = 96
_DAY_PHI = 0.57  # of the normal score of a day's clearness
_CLOUD_PHI = 0.88  # of passing clouds, from slot to slot
_OWN_CLOUD_SHARE = 0.40  # of their variance, a roof's own


def make_pv(master: int, first_day: np.datetime64, n_days: int, n_roofs: int, region: str) -> Floats:
    """Make the output of roofs at 15 minutes; a roof stays the same when more are asked for.

    Returns:
        [n_roofs, n_days * 96] kW per kWp, >= 0, zero while the sun is down.
    """
    from scipy.signal import lfilter

    site = SITES[region]
    n_steps = n_days * _SLOTS
    tilt_deg, azimuth_deg, size = np.empty((3, n_roofs))
    own = np.empty((n_roofs, n_steps))
    for roof in range(n_roofs):
        rng = bank_rng(master, "pv", roof)
        tilt_deg[roof] = np.clip(rng.normal(site.tilt_deg, 6.0), 5.0, 60.0)
        azimuth_deg[roof] = np.clip(rng.normal(0.0, site.facing_sd_deg), -90.0, 90.0)  # from south, west is positive
        size[roof] = np.clip(rng.normal(1.04, 0.05), 0.9, 1.2)  # dirt, shade, ageing
        own[roof] = rng.standard_normal(n_steps)

    clearness, common = _sky(master, site, n_days)
    clouds = own * np.sqrt(_OWN_CLOUD_SHARE)
    clouds[:, 1:] *= np.sqrt(1 - _CLOUD_PHI**2)
    clouds = np.asarray(lfilter([1.0], [1.0, -_CLOUD_PHI], clouds, axis=1))
    clouds += common * np.sqrt(1 - _OWN_CLOUD_SHARE)
    pv = _passed(clearness, clouds) * clear_sky(first_day, n_days, site, tilt_deg, azimuth_deg) * size[:, None]
    limited: Floats = np.minimum(pv, 1.0)  # the inverter
    return limited


def make_sun(master: int, first_day: np.datetime64, n_days: int, region: str) -> Floats:
    """Give the output of the region's mean roof: [n_days, 24] kW per kWp, under the sky of ``make_pv``."""
    site = SITES[region]
    clearness, common = _sky(master, site, n_days)
    passed = _passed(clearness, common * np.sqrt(1 - _OWN_CLOUD_SHARE))
    clear = clear_sky(first_day, n_days, site, np.array([site.tilt_deg]), np.zeros(1))
    sun: Floats = (passed * clear).reshape(n_days, 24, 4).mean(axis=2)
    return sun


def usual_sun(first_day: np.datetime64, n_days: int, region: str) -> Floats:
    """[n_days, 24] expected kW per kWp of the mean roof in each hour, with clouds at their mean."""
    site = SITES[region]
    clear = clear_sky(first_day, n_days, site, np.array([site.tilt_deg]), np.zeros(1))
    expected: Floats = site.clearness_mean * clear.reshape(n_days, 24, 4).mean(axis=2)
    return expected


def clear_sky(first_day: np.datetime64, n_days: int, site: Site, tilt_deg: Floats, azimuth_deg: Floats) -> Floats:
    """Give the output under a clear sky: [n_roofs, n_days * 96] kW per kWp, scaled to the site's monthly yields."""
    # A year of the mean roof tells by how much each month's clear sky falls short of the measured yields.
    year = np.datetime64("2023-01-01")
    months = (year + np.arange(365)).astype("datetime64[M]").astype(np.int64) % 12
    mean_roof = _irradiance(year, 365, site, np.array([site.tilt_deg]), np.zeros(1)).reshape(365, _SLOTS).mean(axis=1)
    by_month = np.bincount(months, mean_roof) / np.bincount(months)
    factor = np.array(site.capacity_factor) / (by_month * site.clearness_mean)
    days = first_day.astype("datetime64[D]") + np.arange(n_days)
    month = days.astype("datetime64[M]")
    in_month = (days - month.astype("datetime64[D]")).astype(np.int64) / 30.5
    middles = np.concatenate([factor[-1:], factor, factor[:1]])
    daily = np.interp(month.astype(np.int64) % 12 + in_month, np.arange(-0.5, 13), middles)
    clear = _irradiance(first_day, n_days, site, tilt_deg, azimuth_deg)
    scaled: Floats = clear * np.repeat(daily, _SLOTS)
    return scaled


def _irradiance(first_day: np.datetime64, n_days: int, site: Site, tilt_deg: Floats, azimuth_deg: Floats) -> Floats:
    """[n_roofs, n_steps] kW/m2 on each roof: beam after Meinel & Meinel (1976), a tenth of it more from the sky."""
    days = first_day.astype("datetime64[D]") + np.arange(n_days)
    of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    angle = 2 * np.pi * (of_year - 80) / 365.25
    declination = np.repeat(np.arcsin(0.39795 * np.sin(angle + 0.033 * np.sin(angle))), _SLOTS)
    equation_h = (9.87 * np.sin(2 * angle) - 7.53 * np.cos(angle) - 1.5 * np.sin(angle)) / 60
    shift_h = (site.longitude_deg - site.meridian_deg) / 15 + equation_h - _is_summer_time(days, site.is_american)
    solar_h = (((np.arange(_SLOTS) + 0.5) / 4)[None, :] + shift_h[:, None]).ravel()

    latitude = np.deg2rad(site.latitude_deg)
    turn = np.deg2rad(15 * (solar_h - 12))
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(turn)
    south = np.sin(latitude) * np.cos(declination) * np.cos(turn) - np.cos(latitude) * np.sin(declination)
    west = np.cos(declination) * np.sin(turn)

    is_up = up > 0
    air_mass = 1 / np.maximum(up, 0.02)
    beam = np.where(is_up, 1.353 * 0.7 ** (air_mass**0.678), 0.0)
    tilt, azimuth = np.deg2rad(tilt_deg), np.deg2rad(azimuth_deg)
    facing = np.outer(np.cos(tilt), up)
    facing += np.outer(np.sin(tilt) * np.cos(azimuth), south) + np.outer(np.sin(tilt) * np.sin(azimuth), west)
    sky = 0.1 * (1 + np.cos(tilt)) / 2
    return beam * (np.maximum(facing, 0.0) + sky[:, None])


def _is_summer_time(days: NDArray[np.datetime64], is_american: bool) -> NDArray[np.bool_]:
    """Say on which days the clock is an hour ahead (the days of the change count as if it came at midnight)."""
    start = _sunday(days, 3, 8) if is_american else _sunday(days, 3, 25)
    end = _sunday(days, 11, 1) if is_american else _sunday(days, 10, 25)
    return (days >= start) & (days < end)


def _sunday(days: NDArray[np.datetime64], month: int, earliest: int) -> NDArray[np.datetime64]:
    """The first Sunday on or after a day of the month, in the year of each day."""
    first = (days.astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)).astype("datetime64[D]") + (
        earliest - 1
    )
    sunday: NDArray[np.datetime64] = first + (6 - (first.astype(np.int64) + 3) % 7).astype("timedelta64[D]")
    return sunday


def _sky(master: int, site: Site, n_days: int) -> tuple[Floats, Floats]:
    """Give the clearness of the day and the clouds that all roofs share, in normal scores: [n_steps] each."""
    from scipy.signal import lfilter

    rng = bank_rng(master, "sky")
    clearness = np.repeat(_day_clearness(site, n_days, rng), _SLOTS)
    drawn = rng.standard_normal(n_days * _SLOTS)
    drawn[1:] *= np.sqrt(1 - _CLOUD_PHI**2)
    return clearness, np.asarray(lfilter([1.0], [1.0, -_CLOUD_PHI], drawn))


def _passed(clearness: Floats, clouds: Floats) -> Floats:
    """Give the share of the clear sky's power that passes: clouds come and go most on half-clear days."""
    passed: Floats = np.clip(clearness + 0.9 * clearness * (1 - clearness) * clouds, 0.02, 1.05)
    return passed


def _day_clearness(site: Site, n_days: int, rng: np.random.Generator) -> Floats:
    """[n_days] output over that of a clear day: beta distributed, correlated from day to day."""
    from scipy.signal import lfilter
    from scipy.special import betaincinv, ndtr

    drawn = rng.standard_normal(n_days)
    drawn[1:] *= np.sqrt(1 - _DAY_PHI**2)
    score = ndtr(lfilter([1.0], [1.0, -_DAY_PHI], drawn))
    mean = site.clearness_mean
    weight = mean * (1 - mean) / site.clearness_sd**2 - 1
    clearness: Floats = betaincinv(mean * weight, (1 - mean) * weight, score)
    return clearness
