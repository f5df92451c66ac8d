"""Day-ahead prices and carbon intensity made by chance, tied to the sun.

Calibrated to the Dutch day-ahead market of 2024 (mean 77 EUR/MWh, sd 50, a midday valley, 5 % negative hours) and to
the average intensity of German electricity in 2019 (.33 kg/kWh, sd .11). The intensity is an average one; a marginal
signal moves the other way at noon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.chance import bank_rng
from gridbazaar.data.synthetic.memory import with_memory

Floats = NDArray[np.float64]

# EUR/MWh, Netherlands 2024, by hour.
_HOUR_PRICE = np.array(
    [
        *(76.0, 70.0, 67.0, 65.0, 64.0, 68.0, 81.0, 95.0, 96.0, 83.0, 68.0, 57.0),
        *(49.0, 44.0, 45.0, 54.0, 69.0, 92.0, 109.0, 118.0, 115.0, 99.0, 90.0, 80.0),
    ]
)
_MEAN, _SD = 77.3, 49.5
_LOWEST, _HIGHEST = -200.0, 873.0
_LEVEL_SD, _LEVEL_PHI = 32.0, 0.77  # EUR/MWh from day to day
_SWING_SIGMA = 0.35  # of the log of how far the day swings
_SUN_SLOPE = -130.0  # EUR/MWh for one kW/kWp more than is usual at that hour of the day
_HOUR_SD, _HOUR_PHI = 19.0, 0.80
_SCARCE_SHARE, _SCARCE_MEAN = 0.06, 100.0  # of the evenings, and how much dearer


def make_spot(master: int, sun: Floats, usual: Floats, mean_cur_per_kwh: float, sd_cur_per_kwh: float) -> Floats:
    """Make hourly day-ahead prices that fall when the sun shines more than it usually does at that hour.

    Args:
        master: seed.
        sun: [n_days, 24] kW per kWp of the roofs of the region.
        usual: [24] kW per kWp usual in each hour of the day, over the year.
        mean_cur_per_kwh: over a year.
        sd_cur_per_kwh: over the hours of a year.

    Returns:
        [n_days * 24] currency per kWh, sometimes negative.
    """
    n_days = len(sun)
    rng = bank_rng(master, "spot")
    level = with_memory(rng.standard_normal(n_days), _LEVEL_PHI) * _LEVEL_SD
    swing = np.exp(rng.normal(-(_SWING_SIGMA**2) / 2, _SWING_SIGMA, n_days))
    hourly = with_memory(rng.standard_normal(n_days * 24), _HOUR_PHI).reshape(n_days, 24) * _HOUR_SD
    scarce = (rng.random(n_days) < _SCARCE_SHARE) * rng.exponential(_SCARCE_MEAN, n_days)
    evening = np.exp(-(((np.arange(24) - 19.0) / 1.5) ** 2))
    away = (
        level[:, None]
        + swing[:, None] * (_HOUR_PRICE - _HOUR_PRICE.mean())
        + _SUN_SLOPE * (sun - usual)
        + hourly
        + scarce[:, None] * (evening - _SCARCE_SHARE)
    )
    price = np.clip(_MEAN + away, _LOWEST, _HIGHEST).ravel()
    spot: Floats = mean_cur_per_kwh + (price - _MEAN) * (sd_cur_per_kwh / _SD)
    return spot


def make_carbon(
    master: int, spot_cur_per_kwh: Floats, sun: Floats, usual: Floats, mean_kg_per_kwh: float, sd_kg_per_kwh: float
) -> Floats:
    """Make the hourly average intensity of the grid's electricity: dear hours are dirty ones, sunny ones clean.

    Returns:
        [n_days * 24] kg per kWh, > 0.
    """
    n_days = len(sun)
    rng = bank_rng(master, "carbon")
    dear = (spot_cur_per_kwh - spot_cur_per_kwh.mean()) / max(float(spot_cur_per_kwh.std()), 1e-9)
    wind = with_memory(rng.standard_normal(n_days * 24), 0.975)
    sunny = (sun - usual).ravel()
    away = 0.60 * np.clip(dear, -2.0, 2.5) + 0.75 * wind - 0.8 * sunny
    carbon: Floats = np.clip(mean_kg_per_kwh + sd_kg_per_kwh * away, 0.25 * mean_kg_per_kwh, 1.8 * mean_kg_per_kwh)
    return carbon
