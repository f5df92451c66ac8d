"""Read plain CSV: one file, or a folder of files that cover the same days, each at its own step.

Every column but ``time`` ends in its unit:

==============================================  ====================================================================
``time``                                        beginning of the step; ISO 8601, local time, or with an offset
``<home>_load_kw``, ``_load_w``, ``_load_kwh``  mean power over the step, or energy of the step; >= 0
``<home>_pv_kw_per_kwp``, ``..._w_...``,        output per installed kWp, or energy of the step per kWp; >= 0
``..._kwh_...``
``spot_cur_per_kwh``, ``spot_cur_per_mwh``      wholesale price, may be negative
``retail_cur_per_kwh``                          retail price
``carbon_kg_per_kwh``, ``carbon_g_per_kwh``     intensity of the grid's electricity
``wind_m_per_s``                                mean speed at the hub of a small turbine
==============================================  ====================================================================

Faults are refused, all at once, unless ``repair`` names them:

- ``dst``: with a zone, files whose days all have 24 hours: the hour that the spring change leaves out is cut, the one
  that the autumn change doubles comes twice. Without one, files whose days have 23 and 25: the missing hour is
  interpolated, the doubled one averaged;
- ``gaps``: missing rows and missing numbers are interpolated over at most three hours;
- ``negative``: negative load and PV become zero.

With ``timezone`` the series lie on an axis of time as it passes: the days of the clock change have 23 and 25 hours, and
the clock of the zone says which hour and which day it is. Times with an offset need it. Local times may repeat in the
autumn: what stands first in the file came first. Without a zone every day has 24 hours. Days that are not whole at the
beginning and the end are cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.calendar import local_day, make_calendar, midnight, zone_of
from gridbazaar.data.loaders.assemble import Home, Measured, assemble
from gridbazaar.data.loaders.report import Loaded
from gridbazaar.data.resample import resample

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

REPAIRS = ("dst", "gaps", "negative")

# Ending of the column -> what it is, factor to the unit of the bank, whether it is energy of a step.
_UNITS = {
    "_load_kw": ("load", 1.0, False),
    "_load_w": ("load", 1e-3, False),
    "_load_kwh": ("load", 1.0, True),
    "_pv_kw_per_kwp": ("pv", 1.0, False),
    "_pv_w_per_kwp": ("pv", 1e-3, False),
    "_pv_kwh_per_kwp": ("pv", 1.0, True),
    "spot_cur_per_kwh": ("spot", 1.0, False),
    "spot_cur_per_mwh": ("spot", 1e-3, False),
    "retail_cur_per_kwh": ("retail", 1.0, False),
    "carbon_kg_per_kwh": ("carbon", 1.0, False),
    "carbon_g_per_kwh": ("carbon", 1e-3, False),
    "wind_m_per_s": ("wind", 1.0, False),
}
_LONGEST_GAP_H = 3.0
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$", re.IGNORECASE)
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Column:
    kind: str  # load, pv, spot, retail, carbon, wind
    home: str  # empty for prices and wind
    values: Floats  # [n_steps] in the unit of the bank


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    first_day: np.datetime64
    n_days: int
    step_min: int
    columns: tuple[_Column, ...]
    notes: tuple[str, ...]


def read_csv(
    place: Path,
    *,
    step_min: int,
    drop_bad: bool,
    repair: Sequence[str],
    timezone: str | None,
    master: int,
    n_cars: int,
) -> Loaded:
    """Read a CSV file or a folder of them into a bank."""
    unknown = [name for name in repair if name not in REPAIRS]
    if isinstance(repair, str) or unknown:
        raise ValueError(f"repair: expected a tuple of {', '.join(REPAIRS)}, got {repair!r}")
    paths = sorted(place.glob("*.csv")) if place.is_dir() else [place]
    if not paths:
        raise ValueError(f"{place}: expected schema.json (CityLearn) or CSV files in this folder, found neither")
    files = [_read_file(path, frozenset(repair), timezone) for path in paths]
    _check_same_days(files)
    series = _gather(files)
    data = Measured(
        source=place.stem,
        first_day=files[0].first_day,
        n_days=files[0].n_days,
        timezone=timezone,
        homes=_homes(place, series),
        spot=series.get(("spot", "")),
        carbon=series.get(("carbon", "")),
        retail=series.get(("retail", "")),
        wind=series.get(("wind", "")),
        notes=tuple(f"{file.path.name}: {note}" for file in files for note in file.notes),
    )
    return assemble(data, step_min=step_min, drop_bad=drop_bad, master=master, n_cars=n_cars, region="eu")


def _check_same_days(files: list[_File]) -> None:
    days = {(str(file.first_day), file.n_days) for file in files}
    if len(days) > 1:
        found = "; ".join(f"{file.path.name} has {file.n_days} days from {file.first_day}" for file in files)
        raise ValueError(f"{files[0].path.parent}: expected files of the same days, got {found}; cut them alike")


def _gather(files: list[_File]) -> dict[tuple[str, str], tuple[Floats, int]]:
    series: dict[tuple[str, str], tuple[Floats, int]] = {}
    for file in files:
        for column in file.columns:
            key = (column.kind, column.home)
            if key in series:
                raise ValueError(f"{file.path}: {column.home or 'the series'} has {column.kind} twice; keep one column")
            series[key] = (column.values, file.step_min)
    return series


def _homes(place: Path, series: dict[tuple[str, str], tuple[Floats, int]]) -> tuple[Home, ...]:
    names = [home for kind, home in series if kind == "load"]
    roofs_alone = [home for kind, home in series if kind == "pv" and home not in names]
    if roofs_alone or not names:
        found = f"PV without load of {', '.join(roofs_alone)}" if roofs_alone else "no load at all"
        raise ValueError(f"{place}: expected columns <home>_load_kw, with PV as <home>_pv_kw_per_kwp; found {found}")
    homes = []
    for name in names:
        load_kw, minutes = series["load", name]
        pv = series.get(("pv", name))
        homes.append(Home(name, load_kw, None if pv is None else resample(*pv, minutes), minutes))
    return tuple(homes)


def _read_file(path: Path, repair: frozenset[str], timezone: str | None) -> _File:
    import pandas as pd

    raw = pd.read_csv(path, dtype=str, skipinitialspace=True)
    raw.columns = [str(name).strip() for name in raw.columns]
    known = _columns(path, list(raw.columns))
    problems: list[str] = []
    notes: list[str] = []
    times = _times(path, raw["time"], timezone, "dst" in repair, problems, notes)
    table = pd.DataFrame({name: _numbers(raw[name], name, repair, problems) for name in known}, index=times)
    table = table[table.index.notna()]  # rows of an hour that the clock left out
    table, is_missing, step_min = _regular(path, table, timezone, repair, problems, notes)
    if timezone is not None and "dst" in repair:
        table, is_missing = _doubled(table, is_missing, timezone, step_min, notes)
    table = _filled(table, is_missing, timezone, step_min, repair, problems, notes)
    if problems:
        raise ValueError(f"{path}: {len(problems)} fault{'s' if len(problems) > 1 else ''}\n  " + "\n  ".join(problems))
    columns = []
    for name, (kind, home, factor, is_energy) in known.items():
        values = table[name].to_numpy(np.float64) * factor
        if is_energy:
            values = values * 60 / step_min
        if kind in ("load", "pv"):
            values = np.maximum(values, 0.0)
        columns.append(_Column(kind, home, values))
    first_day = local_day(table.index.to_numpy()[0], timezone)
    n_days = round(len(table) * step_min / 1440)
    return _File(path, first_day, n_days, step_min, tuple(columns), tuple(notes))


def _columns(path: Path, names: list[str]) -> dict[str, tuple[str, str, float, bool]]:
    """Tell what each column is: name -> kind, home, factor, whether it is energy of a step."""
    if "time" not in names:
        raise ValueError(f"{path}: expected a column 'time' (the beginning of each step), got {', '.join(names)}")
    known: dict[str, tuple[str, str, float, bool]] = {}
    unknown = []
    for name in names:
        if name == "time":
            continue
        ending = next((end for end in _UNITS if (name.endswith(end) if end[0] == "_" else name == end)), None)
        home = name.removesuffix(ending) if ending is not None else ""
        if ending is None or (ending[0] == "_" and not home):
            unknown.append(name)
            continue
        kind, factor, is_energy = _UNITS[ending]
        known[name] = (kind, home, factor, is_energy)
    if unknown:
        forms = ", ".join(f"<home>{end}" if end[0] == "_" else end for end in _UNITS)
        raise ValueError(f"{path}: unknown columns or units: {', '.join(unknown)}; expected time, {forms}")
    return known


def _times(
    path: Path,
    column: pd.Series[str],
    timezone: str | None,
    may_cut: bool,
    problems: list[str],
    notes: list[str],
) -> pd.DatetimeIndex:
    """Give times of UTC, NaT where the clock of the zone never showed them; without a zone local times."""
    import pandas as pd

    if timezone is not None:
        zone_of(timezone)

    text = column.fillna("").str.strip()
    has_offset = text.str.contains(_OFFSET)
    parsed = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
    wrong = np.flatnonzero(parsed.isna().to_numpy())
    if len(wrong):
        raise ValueError(f"{path}: time: expected ISO 8601 such as 2024-01-31T13:45, got another in {_lines(wrong)}")
    if not has_offset.any():
        shown = pd.DatetimeIndex(parsed).tz_localize(None)
        return shown if timezone is None else _to_utc(shown, timezone, may_cut, problems, notes)
    if not has_offset.all():
        naive = np.flatnonzero(~has_offset.to_numpy())
        raise ValueError(f"{path}: time: some rows have an offset, {_lines(naive)} have none; write all alike")
    if timezone is None:
        raise ValueError(
            f"{path}: its times carry an offset; name the local zone, such as timezone='Europe/Berlin', because days "
            "and weekdays of people are local"
        )
    return pd.DatetimeIndex(parsed).tz_localize(None)


def _to_utc(
    shown: pd.DatetimeIndex, timezone: str, may_cut: bool, problems: list[str], notes: list[str]
) -> pd.DatetimeIndex:
    """Turn what the clock showed into UTC; of the same reading twice the first one came first."""
    is_first = ~np.asarray(shown.duplicated())
    times = shown.tz_localize(timezone, ambiguous=is_first, nonexistent="NaT")
    left_out = np.flatnonzero(times.isna())
    if len(left_out) and may_cut:
        notes.append(f"cut the hour that the spring change leaves out ({len(left_out)} rows)")
    elif len(left_out):
        problems.append(
            f"time: {_lines(left_out)} show an hour that the clock of {timezone} leaves out; "
            'repair=("dst",) cuts it and doubles the one in autumn'
        )
    return times.tz_convert("UTC").tz_localize(None)


def _numbers(column: pd.Series[str], name: str, repair: frozenset[str], problems: list[str]) -> Floats:
    """Turn text to numbers; an empty cell becomes NaN, for ``_filled`` to judge."""
    import pandas as pd

    numbers: Floats = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, copy=True)
    is_empty = column.isna().to_numpy() | column.fillna("").str.strip().eq("").to_numpy()
    wrong = np.flatnonzero(~np.isfinite(numbers) & ~is_empty)
    if len(wrong):
        problems.append(f"{name}: expected numbers with a decimal point, got other text in {_lines(wrong)}")
    if name.endswith(tuple(end for end in _UNITS if end[0] == "_" or end.startswith("wind"))):
        negative = np.flatnonzero(numbers < 0)
        if len(negative) and "negative" in repair:
            numbers[negative] = 0.0
        elif len(negative):
            problems.append(
                f"{name}: expected values of at least 0, {_lines(negative)} are negative; "
                'correct them, or let repair=("negative",) make them 0'
            )
    return numbers


def _regular(
    path: Path,
    table: pd.DataFrame,
    timezone: str | None,
    repair: frozenset[str],
    problems: list[str],
    notes: list[str],
) -> tuple[pd.DataFrame, NDArray[np.bool_], int]:
    """Give the rows on a regular grid of whole days, which of them were missing (now NaN), and minutes a step."""
    import pandas as pd

    labels = table.index.to_numpy().astype("datetime64[s]")
    unique = np.unique(labels)
    if len(unique) < 2:
        raise ValueError(f"{path}: expected at least one whole day of rows, got {len(labels)} rows")
    gaps_s = np.diff(unique).astype(np.int64)
    values, counts = np.unique(gaps_s, return_counts=True)
    step_s = int(values[np.argmax(counts)])
    if step_s % 60 or 3600 % step_s:
        raise ValueError(f"{path}: time: expected steps of minutes that divide an hour, most rows are {step_s} s apart")
    start = local_day(unique[0], timezone)
    off_grid = np.flatnonzero((labels - midnight(start, timezone)).astype(np.int64) % step_s)
    if len(off_grid):
        raise ValueError(f"{path}: time: expected a row every {step_s // 60} min, {_lines(off_grid)} lie between")

    doubled = np.flatnonzero(table.index.duplicated(keep=False))
    may_average = "dst" in repair and timezone is None
    is_change = _in_clock_change(labels[doubled], step_s, 2) & may_average
    if is_change.any():
        notes.append(f"averaged the doubled hour of the autumn change ({int(is_change.sum())} rows)")
    if not is_change.all():
        hint = "" if may_average or timezone else '; repair=("dst",) averages a doubled autumn hour'
        problems.append(f"time: {_lines(doubled[~is_change])} repeat a time{hint}")
    averaged = table.groupby(level=0).mean() if len(doubled) else table.sort_index()

    end = local_day(unique[-1] + np.timedelta64(step_s, "s"), timezone)
    if unique[0] > midnight(start, timezone):
        start = start + np.timedelta64(1, "D")
    if end <= start:
        raise ValueError(f"{path}: expected at least one whole day from midnight to midnight, got none")
    first, last = midnight(start, timezone), midnight(end, timezone)
    if unique[0] < first or unique[-1] >= last:
        notes.append("cut off the days that are not whole at the beginning or the end")
    grid = np.arange(first, last, np.timedelta64(step_s, "s"))
    is_missing = ~np.isin(grid, unique)
    regular = averaged.reindex(pd.DatetimeIndex(grid))
    return regular, is_missing, step_s // 60


def _in_clock_change(labels: Times, step_s: int, copies: int) -> NDArray[np.bool_]:
    """Mark the rows that are one whole hour of a Sunday night in spring or autumn: [n_labels]."""
    hours = labels.astype("datetime64[h]")
    days = hours.astype("datetime64[D]")
    _, of_row, counts = np.unique(days, return_inverse=True, return_counts=True)
    _, of_hour, hour_counts = np.unique(hours, return_inverse=True, return_counts=True)
    whole = copies * 3600 // step_s
    is_sunday = (days.astype(np.int64) + 3) % 7 == 6
    month = hours.astype("datetime64[M]").astype(np.int64) % 12 + 1
    hour_of_day = (hours - days).astype(np.int64)
    marked: NDArray[np.bool_] = is_sunday & (hour_of_day < 4) & np.isin(month, (3, 4, 9, 10, 11))
    if len(labels):
        marked &= (counts[of_row] == whole) & (hour_counts[of_hour] == whole)
    return marked


def _doubled(
    table: pd.DataFrame, is_missing: NDArray[np.bool_], timezone: str, step_min: int, notes: list[str]
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Let the hour that the autumn change doubles come twice where the file has it once."""
    first_day = local_day(table.index.to_numpy()[0], timezone)
    calendar = make_calendar(first_day, round(len(table) * step_min / 1440), step_min, timezone)
    first = calendar.step_of(calendar.day, calendar.hour)
    is_second = is_missing & (first < np.arange(len(table))) & ~is_missing[first]
    if is_second.any():
        notes.append(f"doubled the hour of the autumn change ({int(is_second.sum())} rows)")
    rows = np.where(is_second, first, np.arange(len(table)))
    return table.iloc[rows].set_axis(table.index), is_missing & ~is_second


def _filled(
    table: pd.DataFrame,
    is_missing: NDArray[np.bool_],
    timezone: str | None,
    step_min: int,
    repair: frozenset[str],
    problems: list[str],
    notes: list[str],
) -> pd.DataFrame:
    """Interpolate what may be repaired; report the rows and the cells that may not."""
    labels = table.index.to_numpy().astype("datetime64[s]")
    is_change = np.zeros_like(is_missing)
    if "dst" in repair and timezone is None:
        is_change[is_missing] = _in_clock_change(labels[is_missing], step_min * 60, 1)
    if is_change.any():
        notes.append(f"interpolated the missing hour of the spring change ({int(is_change.sum())} rows)")
    most = round(_LONGEST_GAP_H * 60 / step_min) if "gaps" in repair else 0
    cure = (
        "gaps are interpolated over at most three hours"
        if most
        else 'fill them, or let repair=("gaps",) interpolate up to three hours'
    )
    bad_rows = _longer_than(is_missing & ~is_change, most)
    if bad_rows.any():
        which = "an autumn hour" if timezone else "a spring hour"
        hint = "" if "dst" in repair else f' (repair=("dst",): {which})'
        problems.append(f"time: missing rows {_labels(labels[bad_rows], timezone)}; {cure}{hint}")
    for name in table.columns:
        empty = table[name].isna().to_numpy() & ~is_change
        too_long = _longer_than(empty, most) & ~is_missing
        if too_long.any():
            problems.append(f"{name}: no number at {_labels(labels[too_long], timezone)}; {cure}")
        elif empty.any():
            notes.append(f"{name}: interpolated {int(empty.sum())} steps")
    filled: Any = table.interpolate(method="linear", limit_direction="both")
    result: pd.DataFrame = filled
    return result


def _labels(times: Times, timezone: str | None) -> str:
    """Name the first ten times, and how many there are; with a zone they are UTC."""
    shown = ", ".join(str(time)[:16] + ("Z" if timezone else "") for time in times[:_SHOWN])
    return shown + (f" ... ({len(times)} in all)" if len(times) > _SHOWN else "")


def _longer_than(empty: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Mark the runs of True that are longer than ``steps``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]]).astype(np.int8)))
    marked = np.zeros_like(empty)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        marked[begin:end] = end - begin > steps
    return marked


def _lines(rows: NDArray[np.int64]) -> str:
    """Name the first ten lines of a file (the header is line 1), and how many there are."""
    shown = ", ".join(str(row + 2) for row in rows[:_SHOWN])
    return f"line{'s' if len(rows) > 1 else ''} {shown}" + (f" ... ({len(rows)} in all)" if len(rows) > _SHOWN else "")
