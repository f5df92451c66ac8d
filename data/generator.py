"""A year of homes, roofs, cars, wind and prices made by chance, so that nothing needs to be downloaded.

Each series has a random stream of its own: more homes, roofs or cars never change those that are already there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.calendar import make_calendar, zone_of
from gridbazaar.data.forecast.forecast import add_forecasts
from gridbazaar.data.resample import resample
from gridbazaar.data.sessions import check_source, find_sessions
from gridbazaar.data.synthetic.load import make_loads
from gridbazaar.data.synthetic.sun import SITES, make_pv, make_sun, usual_sun
from gridbazaar.data.synthetic.weather import make_outdoor
from gridbazaar.data.synthetic.wholesale import make_carbon, make_spot
from gridbazaar.data.synthetic.wind import make_wind

Floats = NDArray[np.float64]

BASE_MIN = 15
STEPS_MIN = (1, 3, 5, 15, 30, 60)


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """What to make. The defaults are a European village in euro."""

    master: int = 0  # seed
    step_min: int = 15  # shorter steps hold the power of the 15 minutes, longer ones average it
    n_days: int = 365
    first_day: str = "2024-01-01"  # a Monday
    timezone: str | None = None  # whose clock people read, one of the region; none: every day has 24 hours
    n_homes: int = 64
    n_roofs: int = 16
    n_cars: int = 64
    sessions: str = "home"  # where chargers stand, or which sessions are played: see data/sessions.py
    mean_load_kwh_per_day: float = 11.0  # of the mean home; the levels of homes spread by a quarter
    region: str = "eu"  # where the roofs stand, see data/synthetic/sun.py
    spot_mean_cur_per_kwh: float = 0.0773
    spot_sd_cur_per_kwh: float = 0.0495
    carbon_mean_kg_per_kwh: float = 0.331
    carbon_sd_kg_per_kwh: float = 0.107

    def __post_init__(self) -> None:
        _whole("master", self.master, 0)
        _whole("n_days", self.n_days, 2)
        _whole("n_homes", self.n_homes, 1)
        _whole("n_roofs", self.n_roofs, 1)
        _whole("n_cars", self.n_cars, 0)
        check_source(self.sessions)
        if self.step_min not in STEPS_MIN:
            raise ValueError(
                f"step_min: expected one of {', '.join(map(str, STEPS_MIN))} minutes, got {self.step_min!r}"
            )
        if self.region not in SITES:
            raise ValueError(f"region: expected one of {', '.join(SITES)}, got {self.region!r}")
        for name in ("mean_load_kwh_per_day", "carbon_mean_kg_per_kwh"):
            _number(name, getattr(self, name), "positive")
        for name in ("spot_sd_cur_per_kwh", "carbon_sd_kg_per_kwh"):
            _number(name, getattr(self, name), "non-negative")
        _number("spot_mean_cur_per_kwh", self.spot_mean_cur_per_kwh, "finite")
        try:
            is_date = not np.isnat(np.datetime64(self.first_day, "D"))
        except (ValueError, TypeError):
            is_date = False
        if not is_date:
            raise ValueError(f"first_day: expected a date such as 2024-01-01, got {self.first_day!r}")
        if self.timezone is not None:
            zone_of(self.timezone)


def make_bank(config: GeneratorConfig) -> Bank:
    """Make the bank that the configuration describes; the same configuration gives the same bank, bit for bit.

    All is made for days of 24 hours by the local clock. A zone cuts the hour that the spring change leaves out, and the
    one that the autumn change doubles comes twice.
    """
    first_day = np.datetime64(config.first_day, "D")
    master, n_days, step_min = config.master, config.n_days, config.step_min
    load_kw = make_loads(master, first_day, n_days, config.n_homes, config.mean_load_kwh_per_day)
    pv = make_pv(master, first_day, n_days, config.n_roofs, config.region)
    # Prices see the sun of the region, not of the roofs that were asked for.
    sun = make_sun(master, first_day, n_days, config.region)
    usual = usual_sun(np.datetime64("2023-01-01"), 365, config.region).mean(axis=0)
    spot = make_spot(master, sun, usual, config.spot_mean_cur_per_kwh, config.spot_sd_cur_per_kwh)
    carbon = make_carbon(master, spot, sun, usual, config.carbon_mean_kg_per_kwh, config.carbon_sd_kg_per_kwh)
    calendar = make_calendar(first_day, n_days, step_min, config.timezone)

    def at_steps(by_clock: Floats, minutes: int) -> Floats:
        on_axis = make_calendar(first_day, n_days, minutes, config.timezone).on_axis(by_clock)
        return resample(on_axis, minutes, step_min)

    load_kw, pv = at_steps(load_kw, BASE_MIN), at_steps(pv, BASE_MIN)
    return add_forecasts(
        Bank(
            name=f"generated_{config.region}",
            step_h=step_min / 60,
            first_day=first_day,
            load_kw=load_kw,
            pv_kw_per_kwp=pv,
            spot_cur_per_kwh=at_steps(spot, 60),
            carbon_kg_per_kwh=at_steps(carbon, 60),
            sessions=find_sessions(config.sessions, master, calendar, config.n_cars),
            load_next_kw=load_kw,
            pv_next_kw_per_kwp=pv,
            load_outlook_kw=load_kw,
            pv_outlook_kw_per_kwp=pv,
            wind_m_per_s=at_steps(make_wind(master, first_day, n_days), BASE_MIN),
            timezone=config.timezone,
            outdoor_c=at_steps(make_outdoor(master, first_day, n_days), BASE_MIN),
        )
    )


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")


def _number(name: str, value: float, kind: str) -> None:
    is_good = np.isfinite(value) and (kind == "finite" or value > 0 or (kind == "non-negative" and value == 0))
    if not is_good:
        raise ValueError(f"{name}: expected a {kind} number, got {value!r}")
