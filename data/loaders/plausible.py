"""What a home can have drawn and a roof can have given: bounds for series of any length, and what breaks them says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.calendar import Calendar

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of mean powers over a step, in kW (of PV: per kWp), and of the energy of days."""

    unit: str
    most_kw: float
    most_kwh_a_day: float  # on any whole day
    most_kwh_on_average: float  # a day
    unit_a_day: str


LOAD = Bounds("kW", 100.0, 1200.0, 600.0, "kWh")
"""A house with a heat pump and two cars stays below 40 kW and 200 kWh a day; above these it is no home."""
PV = Bounds("kW/kWp", 1.5, 12.0, 9.0, "kWh/kWp")
"""Clouds that mirror lift a roof to 1.3 kW/kWp for minutes; the best deserts give 8 kWh/kWp on average."""

LEAST_KWH_PER_DAY = 0.02  # of a home; standby alone takes ten times as much
LEAST_PV_PEAK = 0.01  # kW/kWp over a week; even under snow
_FEW = 1e-3
_MOST_OF_A_HOME_KW, _SPIKE_OVER_USUAL = 30.0, 5.0
_REGISTER_OVER_RISE = 200.0  # what a register shows after two days of quarters of an hour, over what one adds
_WEEK = 7


def is_register(values: Floats) -> bool:
    """Whether a series is a meter's counter: but for a few resets it never falls, and rises little for its height."""
    known = values[np.isfinite(values)]
    if len(known) < 24 or known.min() < 0 or known[-1] == known[0]:
        return False
    steps = np.diff(known)
    rises = steps[steps > 0]
    if not len(rises) or (steps < 0).mean() > _FEW or len(rises) < 0.02 * len(steps):
        return False
    return bool(np.median(known) > _REGISTER_OVER_RISE * np.median(rises) or known.max() > LOAD.most_kw)


def most_kw(values: Floats, bounds: Bounds) -> float:
    """What a step may reach: the bound, and of a load less where but for one step in a thousand it stays far below."""
    if bounds is not LOAD:
        return bounds.most_kw
    known = np.sort(values[np.isfinite(values)])
    usual = known[max(len(known) - 1 - max(int(_FEW * len(known)), 1), 0)] if len(known) else 0.0
    return float(min(bounds.most_kw, max(_MOST_OF_A_HOME_KW, _SPIKE_OVER_USUAL * usual)))


def load_faults(load_kw: Floats, calendar: Calendar) -> list[str]:
    """Say what no home can have drawn, and what it may be instead."""
    if is_register(load_kw):
        return [
            f"its load never falls (from {load_kw[0]:,.4g} to {load_kw[-1]:,.4g} kW), as a meter's register does; "
            "repair=register takes the differences"
        ]
    step_h = calendar.step_min / 60
    mean_kwh = float(load_kw.mean()) * 24
    if 0 < mean_kwh < LEAST_KWH_PER_DAY:
        return [
            f"its load is {mean_kwh:.3g} kWh a day; expected at least {LEAST_KWH_PER_DAY:g}: kilowatts read as watts? "
            "name the column's unit (_load_kw, _load_kwh)"
        ]
    return _above(load_kw, calendar, step_h, LOAD, "load", "watts or watt-hours? name the column _load_w or _load_wh")


def pv_faults(pv: Floats, calendar: Calendar) -> list[str]:
    """Say what no roof can have given, and what it may be instead."""
    step_h = calendar.step_min / 60
    peak = float(pv.max(initial=0.0))
    if calendar.n_days >= _WEEK and 0 < peak < LEAST_PV_PEAK:
        return [
            f"its PV never gives more than {peak:.3g} kW/kWp; expected {LEAST_PV_PEAK:g} at least: kilowatts read as "
            "watts? name the column's unit (_pv_kw_per_kwp)"
        ]
    hint = "watts per kWp, or the whole roof's output? name the column _pv_w_per_kwp, or divide it by the kWp"
    return _above(pv, calendar, step_h, PV, "PV", hint)


def _above(values: Floats, calendar: Calendar, step_h: float, bounds: Bounds, what: str, hint: str) -> list[str]:
    limit, peak = most_kw(values, bounds), float(values.max(initial=0.0))
    n_spikes, n_above = int((values > limit).sum()), int((values > bounds.most_kw).sum())
    if 0 < n_spikes <= max(_FEW * len(values), 1):
        return [
            f"its {what} reaches {peak:,.4g} {bounds.unit} in {n_spikes} step{'s' * (n_spikes > 1)}; expected at most "
            f"{limit:.4g}: repair=spikes interpolates it"
        ]
    if n_above:
        return [
            f"its {what} reaches {peak:,.4g} {bounds.unit}, and in {n_above} steps more than {bounds.most_kw:g}: {hint}"
        ]
    by_day = np.bincount(calendar.day, values, calendar.n_days) * step_h
    mean = float(values.mean()) * 24
    if mean > bounds.most_kwh_on_average:
        return [
            f"its {what} is {mean:,.4g} {bounds.unit_a_day} a day; expected at most {bounds.most_kwh_on_average:g}: "
            f"{hint}"
        ]
    if by_day.max() > bounds.most_kwh_a_day:
        day = calendar.first_day + int(by_day.argmax())
        return [
            f"its {what} sums to {by_day.max():,.4g} {bounds.unit_a_day} on {day}; expected at most "
            f"{bounds.most_kwh_a_day:g}: {hint}"
        ]
    return []
