"""What a loader found: which homes it uses, which it refuses and why, what it had to make up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bank import Bank
from gridbazaar.data.calendar import Calendar
from gridbazaar.data.loaders.plausible import load_faults, pv_faults

Floats = NDArray[np.float64]

MOST_CORRELATION = 0.6  # of load and PV; above it one is a copy of the other
LEAST_NIGHT_SHARE = 0.05  # of the mean load between midnight and five
YIELD_KWH_PER_KWP = (300.0, 2200.0)  # a year
_NIGHT_H = (23, 3)  # no sun at any place where the loaders' users live
_YEAR_H = 8760.0
_LEAST_DAYS_FOR_YIELD = 300


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The outcome of reading a data set."""

    source: str
    used: tuple[str, ...]  # homes in the order of the bank's rows
    absent: tuple[str, ...] = ()  # named by the data set, but without a file
    refused: tuple[tuple[str, str], ...] = ()  # home and reason
    notes: tuple[str, ...] = ()  # what was repaired, cut or made up

    def __str__(self) -> str:
        what = f"{len(self.used)} homes ({', '.join(self.used)})" if self.used else "generated homes"
        lines = [f"{self.source}: uses {what}"]
        if self.absent:
            lines.append(f"absent: {', '.join(self.absent)}")
        lines += [f"refused {home}: {reason}" for home, reason in self.refused]
        return "\n".join([*lines, *self.notes])


class Loaded(NamedTuple):
    """A bank and how it came about."""

    bank: Bank
    report: LoadReport


def faults(load_kw: Floats, pv_kw_per_kwp: Floats | None, calendar: Calendar) -> str:
    """Give the reason to refuse a home, or an empty string.

    Args:
        load_kw: [n_steps] from midnight, whole days.
        pv_kw_per_kwp: [n_steps], or None for a home without PV.
        calendar: of the series.
    """
    found: list[str] = []
    hour, step_h = calendar.hour, calendar.step_min / 60
    found += load_faults(load_kw, calendar)
    if found:  # what is no load at all needs no further looks
        return "; ".join(found)
    mean_load = float(load_kw.mean())
    night_load = float(load_kw[hour < 5].mean())
    if mean_load <= 0:
        found.append("its load is zero all the time")
    elif night_load < LEAST_NIGHT_SHARE * mean_load:
        found.append(
            f"its load between 0 and 5 h is {100 * night_load / mean_load:.1f} % of its mean; "
            f"expected at least {100 * LEAST_NIGHT_SHARE:.0f} %"
        )
    if pv_kw_per_kwp is not None and (impossible := pv_faults(pv_kw_per_kwp, calendar)):
        found += impossible
    elif pv_kw_per_kwp is not None:
        found += _pv_faults(load_kw, pv_kw_per_kwp, hour, step_h)
    return "; ".join(found)


def _pv_faults(load_kw: Floats, pv: Floats, hour: Floats, step_h: float) -> list[str]:
    found = []
    is_night = (hour >= _NIGHT_H[0]) | (hour < _NIGHT_H[1])
    at_night = float(pv[is_night].max(initial=0.0))
    if at_night > 0.005:
        found.append(f"its PV gives {at_night:.3g} kW/kWp at night ({_NIGHT_H[0]} to {_NIGHT_H[1]} h)")
    if load_kw.std() > 0 and pv.std() > 0:
        correlation = float(np.corrcoef(load_kw, pv)[0, 1])
        if correlation >= MOST_CORRELATION:
            found.append(
                f"its load follows its PV (correlation {correlation:.2f}; expected less than {MOST_CORRELATION})"
            )
    hours = len(pv) * step_h
    per_year = float(pv.sum()) * step_h * _YEAR_H / hours
    low, high = YIELD_KWH_PER_KWP
    if hours >= 24 * _LEAST_DAYS_FOR_YIELD and not low <= per_year <= high:
        found.append(f"its PV yields {per_year:.0f} kWh/kWp a year; expected {low:.0f} to {high:.0f}")
    return found
