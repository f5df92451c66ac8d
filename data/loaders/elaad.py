"""Read the charging profiles of ElaadNL: distributions from which sessions are made, private, public and at work.

A folder with ``distribution-of-arrival.csv`` and ``-weekend`` (percent of arrivals a quarter of an hour),
``mean-session-length-per.csv`` and ``mean-demand-per-arrival.csv`` (hours and kWh by half-hour of arrival, in any
order, cells left out where nobody came), ``distribution-of-connection-time.csv`` and
``distribution-of-energy-demand.csv`` (what a percentage of the sessions exceeds). How often cars come and how far stays
and energies spread about the mean of their hour is that of ``PLACES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.tables import Table, name_lines, read_table, to_numbers
from gridbazaar.data.synthetic.away_sessions import PLACES, Place

Floats = NDArray[np.float64]

_NAMES = {"home": ("private", "home"), "public": ("public", "public"), "workplace": ("workplace", "work")}
_ARRIVAL, _HOUR = "Arrival time", "Arrival Time"
_MOST = 1e4  # percent, hours or kWh
_PERCENT = "Percentage of charging events"


@dataclass(frozen=True, slots=True)
class ElaadProfile:
    """What the tables say of a place."""

    place: Place  # to make sessions of
    stay_h: Floats  # [n] that 100, 99, ... 0 percent of the sessions exceed
    energy_kwh: Floats  # [n] likewise


def read_elaad(folder: str | Path, place: str) -> ElaadProfile:
    """Read the tables of a place: home, public or workplace.

    Raises:
        ValueError: names every faulty row of a file.
    """
    if place not in _NAMES:
        raise ValueError(f"place: expected one of {', '.join(_NAMES)}, got {place!r}")
    root, (long, short) = Path(folder), _NAMES[place]
    weekday = _by_hour(root / "distribution-of-arrival.csv", _ARRIVAL, long, np.sum)
    # There is no weekend of workplaces in the tables.
    if place == "workplace":
        weekend = weekday
    else:
        weekend = _by_hour(root / "distribution-of-arrival-weekend.csv", _ARRIVAL, long, np.sum)
    stay_h = _exceeded(root / "distribution-of-connection-time.csv", long)
    energy_kwh = _exceeded(root / "distribution-of-energy-demand.csv", long)
    model = PLACES.get(place, PLACES["public"])
    found = replace(
        model,
        name=f"elaad.{place}",
        weekday=weekday,
        weekend=weekend,
        stay_h=_by_hour(root / "mean-session-length-per.csv", _HOUR, short, np.mean),
        energy_kwh=_by_hour(root / "mean-demand-per-arrival.csv", _HOUR, short, np.mean),
    )
    if place == "home":
        found = replace(found, weekday_sessions=0.67, weekend_sessions=0.67)
    return ElaadProfile(found, stay_h, energy_kwh)


def _by_hour(path: Path, key: str, column: str, combine: Callable[[Floats], Any]) -> tuple[float, ...]:
    """24 numbers, of the rows of each hour; an hour without any has that of the nearest one with some."""
    table = read_table(path, (key, column), may_be_short=True)
    values, hour = _numbers(table, column), to_numbers([cell[:2].rstrip(":") for cell in table.columns[key]])
    wrong = table.line[~((hour >= 0) & (hour < 24))]
    if len(wrong):
        raise ValueError(f"{path}: {key}: expected hours such as 07:30, got another in {name_lines(wrong)}")
    rows = [values[(hour == h) & np.isfinite(values)] for h in range(24)]
    known = np.array([h for h in range(24) if len(rows[h])])
    if not len(known):
        raise ValueError(f"{path}: {column}: expected numbers, found none")
    nearest = [int(known[np.abs(known - h).argmin()]) for h in range(24)]
    found = tuple(float(combine(rows[h])) for h in nearest)
    if not sum(found) > 0:
        raise ValueError(f"{path}: {column}: expected a number above 0, found none")
    return found


def _exceeded(path: Path, column: str) -> Floats:
    table = read_table(path, (_PERCENT, column))
    values = _numbers(table, column)
    percent = to_numbers(table.columns[_PERCENT], table.separator)
    wrong = table.line[~np.isfinite(percent) | ~np.isfinite(values)]
    if len(wrong):
        raise ValueError(f"{path}: expected a number a percentage, {name_lines(wrong)} have none")
    ordered: Floats = values[np.argsort(-percent, kind="stable")]
    return ordered


def _numbers(table: Table, column: str) -> Floats:
    """The column, NaN where a cell is empty."""
    values = table.numbers(column)
    wrong = table.line[(values < 0) | (values > _MOST)]
    if len(wrong):
        raise ValueError(
            f"{table.path}: {column}: expected numbers from 0 to {_MOST:g}, got another in {name_lines(wrong)}"
        )
    return values
