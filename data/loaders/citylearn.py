"""Read a folder of the CityLearn Challenge 2022: schema.json and one CSV file a home.

How its columns are read:

- Rows are hours of local civil time from midnight of 1 August 2016. The column ``hour`` runs 1 to 24 and names the
  *beginning* of the hour; 24 is midnight of the next day, so the first row says month 7, hour 24 and is 0 h on
  1 August. The columns are checked against this calendar, then not used.
- The clock has summer time although the column says otherwise. The hours of the change are already squeezed into
  days of 24 hours, so there is nothing to repair.
- ``non_shiftable_load`` is kWh an hour; ``solar_generation`` W per installed kW, 1/1000 of it is kW per kWp.
- ``simulation_start_time_step`` and ``simulation_end_time_step`` of the schema say which rows count; the whole days
  among them are used.
- ``pricing.csv`` is a retail time-of-use tariff, not a wholesale price: it becomes ``retail_cur_per_kwh``, which no
  tariff reads, and the bank's spot price is generated for these dates and roofs. ``carbon_intensity.csv`` is an average
  intensity.
- The weather that the homes name (``weather.csv`` unless they say so) gives the outdoor temperature; where homes have
  different files, or prices and carbon, it is the mean of the homes.
- There are no cars: sessions are generated. Chargers, storage and other devices of the schema, and further columns, are
  named in the report and not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.assemble import Home, Measured
from gridbazaar.data.loaders.tables import Table, name_lines, read_table
from gridbazaar.data.text import parse_json, read_any_text

Floats = NDArray[np.float64]

_FIRST_DAY = np.datetime64("2016-08-01", "D")
_HOUR_S = 3600
_MOST = 1e9
_SHARED = {
    "pricing": ("pricing.csv", "electricity_pricing"),
    "carbon_intensity": ("carbon_intensity.csv", "carbon_intensity"),
    "weather": ("weather.csv", "outdoor_dry_bulb_temperature"),
}
"""Files that homes share, by their key in the schema: the usual name, and the column that is read."""
_READ = ("month", "hour", "day_type", "non_shiftable_load", "solar_generation")
_CLOCK = {*_READ, "daylight_savings_status"}
_PLAIN_KEYS = {
    "include",
    "energy_simulation",
    *_SHARED,
    "inactive_observations",
    "inactive_actions",
    "pv",
    "type",
    "name",
}
Entry = Mapping[str, Any]


def read_citylearn(folder: Path) -> Measured:
    """Read the homes that the schema names and the folder holds; the others are reported as absent."""
    schema = _schema(folder / "schema.json")
    tables: dict[str, Table] = {}
    absent = []
    entries = {name: entry for name, entry in _buildings(folder, schema).items() if entry.get("include", True)}
    for name, entry in entries.items():
        file = folder / str(entry["energy_simulation"])
        if file.is_file():
            tables[name] = read_table(file, _READ)
            _check_calendar(tables[name])
        else:
            absent.append(name)
    if not tables:
        raise ValueError(f"{folder}: expected the CSV files of the homes in schema.json, found none of {len(absent)}")
    n_rows = len(next(iter(tables.values())))
    uneven = [f"{name} ({len(table)})" for name, table in tables.items() if len(table) != n_rows]
    if uneven:
        raise ValueError(
            f"{folder}: expected the same number of hourly rows in each home ({n_rows} in {next(iter(tables))}), got "
            f"{', '.join(uneven)}"
        )
    first, last, notes = _days(folder, schema, n_rows)
    rows = slice(24 * first, 24 * last)
    used = {name: entries[name] for name in tables}
    notes += ["the price of the data is a retail tariff, no wholesale price"]
    series: dict[str, Floats | None] = {key: _mean(folder, used, key, n_rows, notes) for key in _SHARED}
    notes += _unused(schema, used, tables)

    def hourly(key: str) -> tuple[Floats, int] | None:
        values = series[key]
        return None if values is None else (values[rows], 60)

    return Measured(
        source=folder.name,
        place=str(folder),
        first_day=_FIRST_DAY + np.timedelta64(first, "D"),
        n_days=last - first,
        homes=tuple(
            Home(name, _values(table, "non_shiftable_load")[rows], _values(table, "solar_generation")[rows] / 1000, 60)
            for name, table in tables.items()
        ),
        carbon=hourly("carbon_intensity"),
        retail=hourly("pricing"),
        outdoor=hourly("weather"),
        absent=tuple(absent),
        notes=tuple(notes),
    )


def _schema(path: Path) -> Mapping[str, Any]:
    text, _ = read_any_text(path)
    content = parse_json(text, str(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a table 'buildings', got {type(content).__name__}")
    return content


def _buildings(folder: Path, schema: Mapping[str, Any]) -> Mapping[str, Entry]:
    buildings = schema.get("buildings")
    if not isinstance(buildings, dict) or not all(
        isinstance(entry, dict) and isinstance(entry.get("energy_simulation"), str) for entry in buildings.values()
    ):
        raise ValueError(
            f"{folder / 'schema.json'}: expected a table 'buildings' whose entries name their energy_simulation file"
        )
    for name, entry in buildings.items():
        for key in ("energy_simulation", *_SHARED):
            file = entry.get(key)
            if file is not None and not _is_inside(file):
                raise ValueError(
                    f"{folder / 'schema.json'}: {name}: {key}: expected a file of this folder, got {file!r}"
                )
    return buildings


def _is_inside(file: Any) -> bool:
    if not isinstance(file, str) or not file.strip() or "\0" in file:
        return False
    return not Path(file).is_absolute() and ".." not in Path(file).parts


def _days(folder: Path, schema: Mapping[str, Any], n_rows: int) -> tuple[int, int, list[str]]:
    """First day and the one after the last, of the steps that the schema names, counted from the first row."""
    where, limits = folder / "schema.json", []
    if schema.get("seconds_per_time_step", _HOUR_S) != _HOUR_S:
        came = schema["seconds_per_time_step"]
        raise ValueError(f"{where}: seconds_per_time_step: expected {_HOUR_S}, hourly rows; got {came!r}")
    for key, default in (("simulation_start_time_step", 0), ("simulation_end_time_step", n_rows - 1)):
        value = schema.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not value >= 0:
            raise ValueError(f"{where}: {key}: expected a row, from 0 to {n_rows - 1}; got {value!r}")
        limits.append(value)
    start, end = limits[0], min(limits[1], n_rows - 1) + 1
    first, last = -(-start // 24), end // 24
    if first >= last:
        raise ValueError(
            f"{where}: expected at least one whole day of rows, got simulation_start_time_step {start}, "
            f"simulation_end_time_step {limits[1]} and {n_rows} rows"
        )
    notes = []
    if limits[1] > n_rows - 1:
        notes.append(f"simulation_end_time_step is {limits[1]}, but there are {n_rows} rows")
    if (first, last) != (0, n_rows // 24) or n_rows % 24:
        notes.append(f"uses the whole days of steps {start} to {end - 1}: {last - first} of {n_rows / 24:g}")
    return first, last, notes


def _mean(folder: Path, used: Mapping[str, Entry], key: str, n_rows: int, notes: list[str]) -> Floats | None:
    """A series that homes share: the mean over their files; None where there is no weather."""
    usual, column = _SHARED[key]
    names = [str(entry.get(key) or usual) for entry in used.values()]
    if key == "weather" and not any(entry.get(key) for entry in used.values()) and not (folder / usual).is_file():
        return None
    found = {
        name: _values(read_table(folder / name, (column,)), column, least=-np.inf) for name in dict.fromkeys(names)
    }
    for name, values in found.items():
        if len(values) != n_rows:
            raise ValueError(f"{folder / name}: expected {n_rows} rows as in the homes, got {len(values)}")
    if len(found) > 1:
        notes.append(f"{key} differs between homes; their mean is used ({', '.join(found)})")
    mean: Floats = np.mean([found[name] for name in names], axis=0)
    return mean if len(found) > 1 else found[names[0]]


def _unused(schema: Mapping[str, Any], used: Mapping[str, Entry], tables: Mapping[str, Table]) -> list[str]:
    """Name what the folder holds and nothing reads."""
    notes = []
    devices: dict[str, int] = {}
    for entry in used.values():
        for key in entry:
            if key not in _PLAIN_KEYS and entry[key]:
                devices[key] = devices.get(key, 0) + 1
    if devices:
        listed = ", ".join(f"{key} ({n} homes)" for key, n in devices.items())
        notes.append(f"not used, for the scenario says which devices there are: {listed}")
    cars = schema.get("electric_vehicles_def")
    if cars:
        notes.append("electric_vehicles_def is not used: sessions of cars are generated, or come by data.sessions")
    columns: dict[str, None] = {}
    for table in tables.values():
        for name in table.columns:
            if name not in _CLOCK and any(cell not in ("", "0", "0.0", "0.00") for cell in table.columns[name]):
                columns[name] = None
    if columns:
        notes.append(f"columns of the homes that are not used: {', '.join(columns)}")
    return notes


def _check_calendar(table: Table) -> None:
    """Hold the columns against hours from 1 August; they name the beginning of the hour, with 24 for midnight."""
    rows = np.arange(len(table))
    hour = (rows - 1) % 24 + 1
    # Midnight is written as hour 24 of the day before.
    day = _FIRST_DAY + (rows - 1) // 24
    month = day.astype("datetime64[M]").astype(np.int64) % 12 + 1
    weekday = (day.astype(np.int64) + 3) % 7 + 1
    day_type = table.numbers("day_type")
    wrong = table.line[
        (table.numbers("hour") != hour) | (table.numbers("month") != month) | ((day_type != weekday) & (day_type != 8))
    ]
    if len(wrong):
        raise ValueError(
            f"{table.path}: expected hourly rows from 1 August 2016, 0 h (written month 7, hour 24, day_type 7), "
            f"but month, hour or day_type differ in {name_lines(wrong)}; give other years as a plain CSV with a time"
        )


def _values(table: Table, column: str, least: float = 0.0) -> Floats:
    numbers = table.numbers(column)
    wrong = table.line[~(np.isfinite(numbers) & (numbers >= least) & (np.abs(numbers) < _MOST))]
    if len(wrong):
        kind = "numbers" if least == -np.inf else f"numbers of at least {least:g}"
        raise ValueError(
            f"{table.path}: column {column}: expected {kind}; {name_lines(wrong)} {'is' if len(wrong) == 1 else 'are'} "
            "not; repair the file"
        )
    return numbers
