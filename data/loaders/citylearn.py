"""Read a folder of the CityLearn Challenge 2022: schema.json and one CSV file a home.

How its columns are read:

- Rows are hours of local civil time from midnight of 1 August 2016. The column ``hour`` runs 1 to 24 and names the
  *beginning* of the hour; 24 is midnight of the next day, so the first row says month 7, hour 24 and is 0 h on
  1 August. The columns are checked against this calendar, then not used.
- The clock has summer time although the column says otherwise. The hours of the change are already squeezed into
  days of 24 hours, so there is nothing to repair.
- ``non_shiftable_load`` is kWh an hour; ``solar_generation`` W per installed kW, 1/1000 of it is kW per kWp.
- ``pricing.csv`` is a retail time-of-use tariff, not a wholesale price: it becomes ``retail_cur_per_kwh``, and the
  bank's spot price is generated for these dates and roofs. ``carbon_intensity.csv`` is an average intensity.
- ``weather.csv``, where it is there, gives the outdoor temperature.
- There are no cars: sessions are generated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.assemble import Home, Measured, assemble
from gridbazaar.data.loaders.report import Loaded

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_WEATHER = "weather.csv"
_FIRST_DAY = np.datetime64("2016-08-01", "D")


def read_citylearn(folder: Path, *, step_min: int, drop_bad: bool, master: int, n_cars: int) -> Loaded:
    """Read the homes that the schema names and the folder holds; the others are reported as absent."""
    homes, absent = [], []
    pricing, carbon = "pricing.csv", "carbon_intensity.csv"
    for name, entry in _buildings(folder / "schema.json").items():
        if not entry.get("include", True):
            continue
        file = folder / str(entry["energy_simulation"])
        if file.is_file():
            homes.append(_home(name, file))
            pricing, carbon = str(entry.get("pricing") or pricing), str(entry.get("carbon_intensity") or carbon)
        else:
            absent.append(name)
    if not homes:
        raise ValueError(f"{folder}: expected the CSV files of the homes in schema.json, found none of {len(absent)}")
    n_steps = len(homes[0].load_kw)
    uneven = [f"{home.name} ({len(home.load_kw)})" for home in homes if len(home.load_kw) != n_steps]
    if uneven or n_steps % 24:
        raise ValueError(
            f"{folder}: expected whole days of hourly rows, the same number in each home ({n_steps} in "
            f"{homes[0].name}), got {', '.join(uneven) or 'a broken day'}"
        )
    has_weather = (folder / _WEATHER).is_file()
    data = Measured(
        source=folder.name,
        first_day=_FIRST_DAY,
        n_days=n_steps // 24,
        homes=tuple(homes),
        carbon=_series(folder / carbon, "carbon_intensity", n_steps),
        retail=_series(folder / pricing, "electricity_pricing", n_steps),
        outdoor=_series(folder / _WEATHER, "outdoor_dry_bulb_temperature", n_steps) if has_weather else None,
        absent=tuple(absent),
        notes=("the price of the data is a retail tariff, kept as retail_cur_per_kwh",),
    )
    return assemble(data, step_min=step_min, drop_bad=drop_bad, master=master, n_cars=n_cars, region="california")


def _buildings(schema: Path) -> dict[str, dict[str, object]]:
    try:
        content = json.loads(schema.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{schema}: expected JSON, got {error}") from error
    buildings = content.get("buildings") if isinstance(content, dict) else None
    if not isinstance(buildings, dict) or not all(
        isinstance(entry, dict) and "energy_simulation" in entry for entry in buildings.values()
    ):
        raise ValueError(f"{schema}: expected a table 'buildings' whose entries name their energy_simulation file")
    return buildings


def _home(name: str, file: Path) -> Home:
    table = _table(file, ("month", "hour", "day_type", "non_shiftable_load", "solar_generation"))
    _check_calendar(file, table)
    load_kw = _values(file, table, "non_shiftable_load", least=0.0)
    pv = _values(file, table, "solar_generation", least=0.0) / 1000
    return Home(name, load_kw, pv, 60)


def _check_calendar(file: Path, table: pd.DataFrame) -> None:
    """Hold the columns against hours from 1 August; they name the beginning of the hour, with 24 for midnight."""
    rows = np.arange(len(table))
    hour = (rows - 1) % 24 + 1
    # Midnight is written as hour 24 of the day before.
    day = _FIRST_DAY + (rows - 1) // 24
    month = day.astype("datetime64[M]").astype(np.int64) % 12 + 1
    weekday = (day.astype(np.int64) + 3) % 7 + 1
    wrong = np.flatnonzero(
        (table["hour"].to_numpy() != hour)
        | (table["month"].to_numpy() != month)
        | ((table["day_type"].to_numpy() != weekday) & (table["day_type"].to_numpy() != 8))
    )
    if len(wrong):
        raise ValueError(
            f"{file}: expected hourly rows from 1 August 2016, 0 h (written month 7, hour 24, day_type 7), "
            f"but month, hour or day_type differ in {_name_rows(wrong)}; give other years as a plain CSV with a time"
        )


def _series(file: Path, column: str, n_steps: int) -> tuple[Floats, int]:
    series = _values(file, _table(file, (column,)), column)
    if len(series) != n_steps:
        raise ValueError(f"{file}: expected {n_steps} rows as in the homes, got {len(series)}")
    return series, 60


def _table(file: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file():
        raise ValueError(f"{file}: expected this file, as schema.json names it")
    table = pd.read_csv(file)
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"{file}: expected the columns {', '.join(columns)}; {', '.join(missing)} not found")
    return table


def _values(file: Path, table: pd.DataFrame, column: str, least: float = -np.inf) -> Floats:
    import pandas as pd

    numbers: Floats = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= least)))
    if len(wrong):
        kind = "numbers" if least == -np.inf else f"numbers of at least {least:g}"
        raise ValueError(f"{file}: column {column}: expected {kind}; {_name_rows(wrong)} are not; repair the file")
    return numbers


def _name_rows(rows: NDArray[np.int64], header: int = 2) -> str:
    """Name the first ten lines of a file, and say how many there are."""
    shown = ", ".join(str(row + header) for row in rows[:10])
    return f"line{'s' if len(rows) > 1 else ''} {shown}" + (f" ... ({len(rows)} in all)" if len(rows) > 10 else "")
