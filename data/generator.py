"""A year of homes, roofs, cars, wind and prices made by chance, so that nothing needs to be downloaded.

Each series has a random stream of its own: more homes, roofs or cars never change those that are already there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.bounds import Charge, Count, CountFromOne, NotNegative, OneOf, Positive, Price, Within
from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import zone_of
from gridbazaar.data.forecast.forecast import add_forecasts
from gridbazaar.data.resample import resample
from gridbazaar.data.sessions import check_source, find_sessions
from gridbazaar.data.synthetic.load import make_loads
from gridbazaar.data.synthetic.sun import SITES, make_pv, make_sun, usual_sun
from gridbazaar.data.synthetic.weather import make_outdoor
from gridbazaar.data.synthetic.wholesale import make_carbon, make_spot
from gridbazaar.data.synthetic.wind import make_wind
from gridbazaar.data.tables import check_table

Floats = NDArray[np.float64]

BASE_MIN = 15
STEPS_MIN = (1, 3, 5, 15, 30, 60)


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """What to make. The defaults are a European village in euro."""

    master: Count = 0  # seed
    step_min: Annotated[int, OneOf(*STEPS_MIN)] = 15  # shorter ones hold the power of 15 minutes, longer average it
    n_days: Annotated[int, Within(2)] = 365
    first_day: str = "2024-01-01"  # a Monday
    n_homes: CountFromOne = 64
    n_roofs: CountFromOne = 16
    n_cars: Count = 64
    timezone: str | None = None  # whose clock people read, one of the region; none: every day has 24 hours
    sessions: str = "home"  # where chargers stand, or which sessions are played: see data/sessions.py
    mean_load_kwh_per_day: Positive = 11.0  # of the mean home; the levels of homes spread by a quarter
    region: Annotated[str, OneOf(*SITES)] = "eu"  # where the roofs stand, see data/synthetic/sun.py
    spot_mean_cur_per_kwh: Price = 0.0773
    spot_sd_cur_per_kwh: Charge = 0.0495
    carbon_mean_kg_per_kwh: Positive = 0.331
    carbon_sd_kg_per_kwh: NotNegative = 0.107

    def __post_init__(self) -> None:
        check_table(self, "")
        check_source(self.sessions)
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
