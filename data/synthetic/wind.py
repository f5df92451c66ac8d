"""Wind made by chance: one series of mean speeds at the hub of a small turbine, some 20 m above a village.

The marginal is a Weibull distribution of shape 2 (a Rayleigh), whose scale follows the season (a sixth more in
mid-January than on average, a sixth less in mid-July) and the hour (a tenth more at 14 h, a tenth less at night), as
stations in the plains of northern Europe have it. Weather systems and gusts give its memory: one hour later the
correlation is 0.94, a day later about 0.35.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.chance import bank_rng
from gridbazaar.data.synthetic.memory import with_memory

Floats = NDArray[np.float64]

MEAN_M_PER_S = 5.0
SHAPE = 2.0
SEASON, HOUR = 1 / 6, 0.10  # swing of the scale over the year and over the day
_SLOTS = 96  # a day at the base resolution of 15 minutes
_WEATHER_PHI, _GUST_PHI = 0.9900, 0.50  # from slot to slot
_GUST_SHARE = 0.02  # of the variance


def make_wind(master: int, first_day: np.datetime64, n_days: int) -> Floats:
    """Make wind speeds at 15 minutes, [n_days * 96] m/s, >= 0."""
    from scipy.special import gamma, ndtr

    rng = bank_rng(master, "wind")
    weather, gusts = (with_memory(rng.standard_normal(n_days * _SLOTS), phi) for phi in (_WEATHER_PHI, _GUST_PHI))
    normal = np.sqrt(1 - _GUST_SHARE) * weather + np.sqrt(_GUST_SHARE) * gusts
    scale = MEAN_M_PER_S / gamma(1 + 1 / SHAPE)
    # The upper tail of a normal number is its rank from above: exact where 1 - ndtr would round to zero.
    speed: Floats = usual_swing(first_day, n_days) * scale * (-np.log(ndtr(-normal))) ** (1 / SHAPE)
    return speed


def usual_swing(first_day: np.datetime64, n_days: int) -> Floats:
    """Give the factor of season and hour on the mean speed, [n_days * 96]."""
    days = first_day.astype("datetime64[D]") + np.arange(n_days)
    of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    season = 1 + SEASON * np.cos(2 * np.pi * (of_year - 15) / 365.25)
    hour = 1 + HOUR * np.cos(2 * np.pi * ((np.arange(_SLOTS) + 0.5) / _SLOTS - 14 / 24))
    factor: Floats = (season[:, None] * hour).ravel()
    return factor
