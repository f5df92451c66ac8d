"""Values of readings before they are put on a grid: what may not be negative or lies beyond, registers, spikes.

- ``negative``: negative load, PV and wind become zero.
- ``register``: a counter's differences, in place of what it shows.
- ``spikes``: up to a thousandth of the steps of a load or PV beyond all bounds are interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bounds import MOST_PRICE
from gridbazaar.data.loaders.plausible import LOAD, PV, Bounds, is_register, most_kw
from gridbazaar.data.loaders.readings import Column, Options, Readings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_SPIKES = 1e-3  # of all steps; the share of a larger one is no spike
_NOT_NEGATIVE = ("load", "fed_in", "pv", "wind")
_LIMITS = {"spot": MOST_PRICE, "retail": MOST_PRICE, "carbon": 10.0, "wind": 100.0, "outdoor": 80.0}
_HINTS = {
    "spot": "a price per MWh? name it spot_cur_per_mwh",
    "retail": "a price per MWh?",
    "carbon": "grams? name it carbon_g_per_kwh",
    "wind": "km/h?",
    "outdoor": "Kelvin or Fahrenheit?",
}


@dataclass(slots=True)
class Work:
    """A grid under construction."""

    readings: Readings
    options: Options
    timezone: str | None
    problems: list[str]
    notes: list[str]

    def stop_at_problems(self) -> None:
        if self.problems:
            n = len(self.problems)
            listed = "\n  ".join(self.problems)
            raise ValueError(f"{self.place}: {n} fault{'s' if n > 1 else ''}\n  {listed}")

    @property
    def place(self) -> str:
        paths = self.readings.paths
        return str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({self.readings.name})"


def signed(work: Work, column: Column, order: Ints) -> Column:
    """Refuse or repair what is below zero and may not be; refuse what is beyond the bounds of its kind."""
    values = column.values
    with np.errstate(invalid="ignore"):
        negative = np.flatnonzero(values < 0) if column.kind in _NOT_NEGATIVE else np.zeros(0, np.int64)
        limit = _LIMITS.get(column.kind, np.inf)
        beyond = np.flatnonzero(np.abs(values) > limit)
    if len(negative) and "negative" in work.options.repair:
        values = np.where(values < 0, 0.0, values)
        work.notes.append(f"{column.name}: {len(negative)} negative values are 0")
    elif len(negative):
        work.problems.append(
            f"{column.name}: expected values of at least 0, {work.readings.rows(np.sort(order[negative]))} "
            f"{'is' if len(negative) == 1 else 'are'} negative; correct them, or repair=negative makes them 0"
        )
    if len(beyond):
        hint = _HINTS.get(column.kind, "")
        work.problems.append(
            f"{column.name}: expected values up to {limit:g}, {work.readings.rows(np.sort(order[beyond]))} "
            f"{'is' if len(beyond) == 1 else 'are'} beyond; {hint}"
        )
    return replace(column, values=values)


def as_power(work: Work, column: Column, step_s: int) -> Column:
    """Turn energies of a step, and registers that are to be repaired, into mean power."""
    per_hour = 3600 / step_s if column.is_energy else 1.0
    values = column.values
    if column.kind == "load" and "register" in work.options.repair and is_register(values):
        known = np.flatnonzero(np.isfinite(values))
        used = np.diff(values[known]) / np.diff(known)
        values = np.full(len(values), np.nan)
        values[known[0] : known[-1]] = np.repeat(used, np.diff(known))
        n_falls = int((used < 0).sum())
        values = np.where(values < 0, np.nan, values)
        per_hour = 3600 / step_s
        falls = f"; it falls {n_falls} times, which are gaps" if n_falls else ""
        work.notes.append(f"{column.name}: takes the differences of a meter's register{falls}")
    bounds: Bounds | None = {"load": LOAD, "pv": PV}.get(column.kind)
    values = values * per_hour
    if bounds is not None and "spikes" in work.options.repair:
        limit = most_kw(values, bounds)
        with np.errstate(invalid="ignore"):
            spikes = np.flatnonzero(values > limit)
        if 0 < len(spikes) <= max(_MOST_SPIKES * len(values), 1):
            peak = float(values[spikes].max())
            values[spikes] = np.interp(spikes, *_others(values, spikes))
            work.notes.append(
                f"{column.name}: interpolated {len(spikes)} spike(s) of up to {peak:.4g} {bounds.unit}, "
                f"beyond {limit:.4g}"
            )
    return replace(column, values=values, is_energy=False)


def _others(values: Floats, spikes: Ints) -> tuple[Ints, Floats]:
    good = np.isfinite(values)
    good[spikes] = False
    at = np.flatnonzero(good)
    return (at, values[at]) if len(at) else (np.zeros(1, np.int64), np.zeros(1))
