"""Read Green Button CSV, the usage download of North American utilities.

Some lines about the customer, then ``TYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES`` or ``USAGE,UNITS``; homes
with PV have ``IMPORT (kWh),EXPORT (kWh)``. START is the beginning on the local clock. What was fed in says nothing of
the sun behind the meter; it is reported and not used. Several files of one account and service are one home.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.readings import Column, Options, Readings
from gridbazaar.data.loaders.stamps import to_times
from gridbazaar.data.loaders.tables import Rows, Table, is_missing, name_lines, to_numbers
from gridbazaar.data.text import short

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII).fullmatch
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(AM|PM)?", re.ASCII | re.IGNORECASE).fullmatch
_USAGE = re.compile(r"(USAGE|IMPORT|EXPORT)\s*(?:\(\s*(\w+)\s*\))?", re.IGNORECASE).fullmatch
_KWH = {"KWH": 1.0, "WH": 1e-3, "MWH": 1e3}


def recognises(rows: Rows) -> bool:
    """Whether there is the header of usage among the first lines."""
    return _header(rows) is not None


def _header(rows: Rows) -> int | None:
    wanted = {"TYPE", "DATE", "START TIME"}
    found = (i for i, row in enumerate(rows.cells[:40]) if wanted <= {cell.upper() for cell in row})
    return next(found, None)


def read(rows: Rows, options: Options) -> tuple[Readings, ...]:
    """Read the usage of one meter."""
    at = _header(rows)
    assert at is not None
    table = rows.from_header(at)
    names = {name.upper(): name for name in table.columns}
    kind = [cell.lower() for cell in table.columns[names["TYPE"]]]
    is_electric = np.array(["electric" in cell or "consumption" in cell for cell in kind], np.bool_)
    notes = []
    if not is_electric.any():
        came = ", ".join(sorted(set(kind))[:3])
        raise ValueError(f"{rows.path}: TYPE: expected rows of electric usage, got only {came}")
    if not is_electric.all():
        notes.append(f"{int((~is_electric).sum())} rows that are no electric usage are not used")
    times = _times(table, names)
    kwh, fed_in = _usage(table, names, notes, options.fed_in)
    notes += [f"{name} is not used" for name in ("COST", "NOTES") if any(table.columns.get(names.get(name, ""), ()))]
    identity = "|".join(",".join(row) for row in rows.cells[:at])
    home = rows.path.name.split(".")[0]
    columns = [Column("USAGE", "load", home, kwh[is_electric], True)]
    if fed_in is not None:
        columns.append(Column("EXPORT", "fed_in", home, fed_in[is_electric], True))
    found = Readings(
        paths=(rows.path,), times=times[is_electric], is_utc=False, line=table.line[is_electric],
        columns=tuple(columns), file=np.zeros(int(is_electric.sum()), np.int64),
        identity=identity, says_begin=True, notes=tuple(notes),
    )  # fmt: skip
    return (found,)


def _times(table: Table, names: dict[str, str]) -> NDArray[np.datetime64]:
    parts = [
        _parts(d, c) for d, c in zip(table.columns[names["DATE"]], table.columns[names["START TIME"]], strict=True)
    ]
    times = to_times(*np.array(parts, np.int64).reshape(-1, 6).T)
    wrong = table.line[np.isnat(times)]
    if len(wrong):
        raise ValueError(
            f"{table.path}: DATE, START TIME: expected 2024-01-31 or 1/31/2024, and 13:45 or 1:45 PM; got another in "
            f"{name_lines(wrong)}"
        )
    return times


def _parts(date: str, clock: str) -> tuple[int, ...]:
    day, time = _DATE(date), _CLOCK(clock)
    if day is None or time is None:
        return (0, 0, 0, 0, 0, 0)
    y, m, d, us_m, us_d, us_y = (int(part or 0) for part in day.groups())
    hour, half = int(time[1]), (time[4] or "").upper()
    if half and not 1 <= hour <= 12:
        return (0, 0, 0, 0, 0, 0)
    hour = hour % 12 + 12 * (half == "PM") if half else hour
    return (y or us_y, m or us_m, d or us_d, hour, int(time[2]), int(time[3] or 0))


def _usage(
    table: Table, names: dict[str, str], notes: list[str], with_fed_in: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """[n_rows] kWh drawn, and where that is wanted fed in: of its own column, or what usage has below zero."""
    found = {match[1].upper(): (name, match[2]) for name in table.columns if (match := _USAGE(name))}
    drawn = found.get("IMPORT") or found.get("USAGE")
    if drawn is None:
        came = ", ".join(map(short, list(table.columns)[:10]))
        raise ValueError(f"{table.path}: expected a column USAGE (kWh) or IMPORT (kWh), got {came}")
    name, unit = drawn
    units = [unit] if unit else sorted(set(table.columns.get(names.get("UNITS", ""), [])))
    factors = {_KWH.get(str(each).upper()) for each in units}
    if len(factors) != 1 or None in factors:
        raise ValueError(f"{table.path}: expected one unit of {', '.join(_KWH)} for {name}, got {units or 'none'}")
    factor = float(factors.pop() or 1)
    values = to_numbers(table.columns[name], table.separator) * factor
    wrong = table.line[~np.isfinite(values) & ~is_missing(table.columns[name])]
    if len(wrong):
        raise ValueError(f"{table.path}: {name}: expected numbers, got other text in {name_lines(wrong)}")
    if with_fed_in and "EXPORT" in found:
        return values, table.numbers(found["EXPORT"][0]) * factor
    if with_fed_in and (values < 0).any():
        return np.maximum(values, 0.0), np.maximum(-values, 0.0)
    if "EXPORT" in found:
        out = to_numbers(table.columns[found["EXPORT"][0]], table.separator)
        fed_in = float(np.nansum(out))
        notes.append(f"EXPORT ({fed_in:.4g} in all) is not used: a meter does not say what the sun behind it gave")
    return values, None
