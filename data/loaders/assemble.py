"""Make a bank of measured series; what they lack comes from the generator and is said in the notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.calendar import Calendar, make_calendar
from gridbazaar.data.forecast.forecast import add_forecasts
from gridbazaar.data.loaders.report import Loaded, LoadReport, faults
from gridbazaar.data.resample import resample
from gridbazaar.data.synthetic.home_sessions import make_sessions
from gridbazaar.data.synthetic.load import make_loads
from gridbazaar.data.synthetic.sun import make_pv
from gridbazaar.data.synthetic.wholesale import make_carbon, make_spot

Floats = NDArray[np.float64]

_BASE_MIN = 15  # steps of generated homes and roofs


@dataclass(frozen=True, slots=True)
class Home:
    """One measured home at the steps of its file."""

    name: str
    load_kw: Floats  # [n_steps]
    pv_kw_per_kwp: Floats | None  # [n_steps]
    step_min: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a data set holds, from midnight of its first day, whole days, each series at its own step."""

    source: str
    place: str  # where it was read, for errors
    first_day: np.datetime64
    n_days: int
    homes: tuple[Home, ...]
    timezone: str | None = None  # whose clock they follow; none: every day has 24 hours
    spot: tuple[Floats, int] | None = None  # currency per kWh, minutes a step
    carbon: tuple[Floats, int] | None = None  # kg per kWh, minutes a step
    retail: tuple[Floats, int] | None = None  # currency per kWh, minutes a step
    wind: tuple[Floats, int] | None = None  # m/s, minutes a step
    outdoor: tuple[Floats, int] | None = None  # degrees Celsius, minutes a step
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def calendar(self, step_min: int) -> Calendar:
        """What the local clock shows at each of the steps."""
        return make_calendar(self.first_day, self.n_days, step_min, self.timezone)


@dataclass(frozen=True, slots=True)
class Lacking:
    """How what the data lack is made up."""

    master: int = 0  # seed
    n_cars: int = 64
    n_homes: int = 64  # where there is no load
    mean_load_kwh_per_day: float = 11.0  # of these


def assemble(data: Measured, *, step_min: int, drop_bad: bool, lacking: Lacking, region: str) -> Loaded:
    """Refuse broken homes, bring all to one step length and make up what is missing."""
    notes, master, n_cars = list(data.notes), lacking.master, lacking.n_cars
    data.calendar(step_min)  # refuses steps that its days do not hold
    homes, refused = _sift(data, drop_bad, notes)
    if data.homes and not homes:
        reasons = "\n".join(f"  {home}: {reason}" for home, reason in refused)
        raise ValueError(
            f"{data.place}: no home is left of {len(data.homes)}; drop_bad=false would use them all\n{reasons}"
        )
    if homes:
        load_kw = np.stack([resample(home.load_kw, home.step_min, step_min) for home in homes])
    else:
        n_homes, mean = lacking.n_homes, lacking.mean_load_kwh_per_day
        by_clock = make_loads(master, data.first_day, data.n_days, n_homes, mean)
        load_kw = resample(data.calendar(_BASE_MIN).on_axis(by_clock), _BASE_MIN, step_min)
        notes.append(f"no load in the data: {n_homes} homes are generated (seed {master})")
    if data.retail is not None:
        notes.append(
            "its retail price is kept as retail_cur_per_kwh of the bank and is not used: bills follow the scenario's "
            "tariff"
        )
    with_pv = tuple(home.name for home in homes if home.pv_kw_per_kwp is not None)
    roofs = [resample(home.pv_kw_per_kwp, home.step_min, step_min) for home in homes if home.pv_kw_per_kwp is not None]
    if roofs:
        pv = np.stack(roofs)
    else:
        made = make_pv(master, data.first_day, data.n_days, 16, region)
        pv = resample(data.calendar(_BASE_MIN).on_axis(made), _BASE_MIN, step_min)
        notes.append(f"no PV in the data: 16 roofs are generated ({region})")
    spot, carbon = _prices(data, pv, step_min, master, notes)
    notes.append(f"no cars in the data: the sessions of {n_cars} cars are generated (seed {master})")
    bank = Bank(
        name=data.source,
        step_h=step_min / 60,
        first_day=data.first_day,
        load_kw=load_kw,
        pv_kw_per_kwp=pv,
        spot_cur_per_kwh=spot,
        carbon_kg_per_kwh=carbon,
        sessions=make_sessions(master, data.n_days, n_cars, step_min / 60).on_axis(data.calendar(step_min)),
        load_next_kw=load_kw,
        pv_next_kw_per_kwp=pv,
        load_outlook_kw=load_kw,
        pv_outlook_kw_per_kwp=pv,
        retail_cur_per_kwh=None if data.retail is None else resample(*data.retail, step_min),
        wind_m_per_s=None if data.wind is None else resample(*data.wind, step_min),
        timezone=data.timezone,
        outdoor_c=None if data.outdoor is None else resample(*data.outdoor, step_min),
        homes=tuple(home.name for home in homes),
        roofs=with_pv,
    )
    report = LoadReport(
        source=data.source,
        used=tuple(home.name for home in homes),
        absent=data.absent,
        refused=tuple(refused),
        notes=tuple(notes),
    )
    return Loaded(add_forecasts(bank), report)


def _sift(data: Measured, drop_bad: bool, notes: list[str]) -> tuple[list[Home], list[tuple[str, str]]]:
    """Part the homes in good ones and refused ones; homes with the same PV are only noted."""
    good, refused = [], []
    for home in data.homes:
        reason = faults(home.load_kw, home.pv_kw_per_kwp, data.calendar(home.step_min))
        if reason and drop_bad:
            refused.append((home.name, reason))
            continue
        if reason:
            notes.append(f"{home.name} is used although {reason}")
        good.append(home)
    seen: dict[bytes, str] = {}
    for home in good:
        if home.pv_kw_per_kwp is not None:
            twin = seen.setdefault(home.pv_kw_per_kwp.tobytes(), home.name)
            if twin != home.name:
                notes.append(f"{home.name} has the same PV as {twin}")
    return good, refused


def _prices(data: Measured, pv: Floats, step_min: int, master: int, notes: list[str]) -> tuple[Floats, Floats]:
    """Give the spot price and the carbon intensity, measured or else generated so that they follow the roofs."""
    hourly = data.calendar(60)
    sun = hourly.by_clock(resample(pv.mean(axis=0), step_min, 60))
    usual = sun.mean(axis=0)
    hourly_spot = make_spot(master, sun, usual, 0.0773, 0.0495)
    if data.spot is None:
        spot = resample(hourly.on_axis(hourly_spot), 60, step_min)
        notes.append("no wholesale price in the data: a spot price is generated that falls when these roofs shine")
    else:
        spot = resample(*data.spot, step_min)
        hourly_spot = hourly.by_clock(resample(spot, step_min, 60)).ravel()
    if data.carbon is None:
        made = make_carbon(master, hourly_spot, sun, usual, 0.331, 0.107)
        carbon = resample(hourly.on_axis(made), 60, step_min)
        notes.append("no carbon intensity in the data: one is generated")
    else:
        carbon = resample(*data.carbon, step_min)
    return spot, carbon
