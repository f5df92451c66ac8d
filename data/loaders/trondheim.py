"""Read the charging reports of a housing cooperative in Trondheim: private and shared chargers at home.

One CSV file with semicolons, decimal commas and local times (``21.12.2018 10:20``): ``User_ID``, ``Garage_ID``,
``Start_plugin``, ``End_plugout``, ``El_kWh`` and more that is not read. Each user is taken for a charger.
Sorensen, Lindberg, Sartori & Andresen (2021), doi 10.1016/j.dib.2021.107105.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gridbazaar.data.loaders.charging import (
    ChargingSessions,
    LoadedSessions,
    by_clock_on_arrival,
    sift,
    stamps_to_utc,
)
from gridbazaar.data.loaders.stamps import read_stamps
from gridbazaar.data.loaders.tables import read_table, to_numbers

ZONE = "Europe/Oslo"
_COLUMNS = ("User_ID", "Start_plugin", "End_plugout", "El_kWh")


def read_trondheim(place: str | Path) -> LoadedSessions:
    """Read the file, or the one CSV file of a folder."""
    path = Path(place)
    if path.is_dir():
        paths = sorted(path.glob("*.csv"))
        if len(paths) != 1:
            raise ValueError(f"{path}: expected one CSV file in this folder, found {len(paths)}")
        path = paths[0]
    table = read_table(path, _COLUMNS, separator=";")
    users = np.array(table.columns["User_ID"], np.str_)
    begin, end = (stamps_to_utc(read_stamps(table.columns[name]), ZONE) for name in ("Start_plugin", "End_plugout"))
    arrive, (depart,) = by_clock_on_arrival(begin, (end,), ZONE)
    found = ChargingSessions(
        arrive=arrive,
        depart=depart,
        announced=np.full(len(table), np.datetime64("NaT", "s")),
        energy_kwh=to_numbers(table.columns["El_kWh"], table.separator),
        requested_kwh=np.full(len(table), np.nan),
        station=users,
        user=users,
    )
    return sift(path.stem, np.asarray([f"line {line}" for line in table.line.tolist()]), found, begin)
