"""Read NEM12, the meter data file of Australia's market: kWh an interval, a row a day, by meter and register.

100 is the header, 200 begins a register (NMI, suffix, unit, interval in minutes), 300 holds a day in AEST all the year
(UTC+10, no clock changes) with its quality, 400 the quality of parts of a day, 900 ends. Registers E* are drawn by the
customer and summed by meter; B* (fed in) and reactive ones are reported and not used. Quality N is no reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.loaders.readings import Column, Options, Readings
from gridbazaar.data.loaders.stamps import to_times
from gridbazaar.data.loaders.tables import Rows, to_numbers

ZONE = "Australia/Brisbane"
"""Eastern standard time, all the year."""
_KWH = {"KWH": 1.0, "WH": 1e-3, "MWH": 1e3}
_QUALITY = re.compile(r"([AEFNSV])\d*").fullmatch
_HEAD, _REGISTER, _DAY, _PART, _END = "100", "200", "300", "400", "900"


@dataclass(slots=True)
class _Register:
    """Days of one register."""

    nmi: str
    suffix: str
    factor: float
    minutes: int
    days: dict[int, tuple[int, NDArray[np.float64]]] = field(default_factory=dict)  # date -> line, kWh an interval


def recognises(rows: Rows) -> bool:
    """Whether the file begins as a meter data file."""
    head = rows.cells[0]
    return head[0] == _HEAD and len(head) > 1 and head[1].upper().startswith("NEM1")


def read(rows: Rows, options: Options) -> tuple[Readings, ...]:
    """Read the meters of a file, each a home."""
    if rows.cells[0][1].upper() != "NEM12":
        raise ValueError(
            f"{rows.path}: line 1: expected NEM12 (intervals), got {rows.cells[0][1]}; ask for interval data"
        )
    registers, unused, estimated = _registers(rows, ("E", "B") if options.fed_in else ("E",))
    drawn: dict[str, list[_Register]] = {}
    fed_in: dict[str, list[_Register]] = {}
    for register in registers:
        side = drawn if register.suffix.startswith("E") else fed_in
        side.setdefault(register.nmi, []).append(register)
    if not drawn:
        raise ValueError(
            f"{rows.path}: expected a register E*, drawn by the customer, in kWh; found {unused or 'none'}"
        )
    notes = [f"registers {', '.join(unused)} are not used; E* are drawn by the customer"] if unused else []
    notes += [f"{estimated} days are estimated or substituted by the meter's operator"] if estimated else []
    notes.append(f"its times are eastern standard time all the year ({ZONE})")
    return (
        *(_readings(rows, nmi, found, notes, "load") for nmi, found in drawn.items()),
        *(_readings(rows, nmi, found, notes, "fed_in") for nmi, found in fed_in.items()),
    )


def _fail(rows: Rows, i: int, expected: str, came: object) -> ValueError:
    return ValueError(f"{rows.path}: line {rows.line[i]}: expected {expected}, got {str(came)[:60]!r}")


def _registers(rows: Rows, sides: tuple[str, ...]) -> tuple[list[_Register], list[str], int]:
    found: dict[tuple[str, str], _Register] = {}
    unused: list[str] = []
    at: _Register | None = None
    last: int | None = None
    is_read, estimated, has_end = False, 0, False
    for i, row in enumerate(rows.cells):
        if has_end:
            raise _fail(rows, i, "nothing after record 900", row[0])
        if row[0] == _REGISTER:
            at, is_read = _register(rows, i, found, unused, sides), True
        elif row[0] == _DAY:
            if not is_read:
                raise _fail(rows, i, "a record 200 before the first 300", row[0])
            if at is not None:
                last, is_estimate = _day(rows, i, at)
                estimated += is_estimate
        elif row[0] == _PART:
            if at is not None and last is not None:
                estimated += _part(rows, i, at, last)
        elif row[0] == _END:
            has_end = True
        elif row[0] not in (_HEAD, "500"):
            raise _fail(rows, i, "a record 100, 200, 300, 400, 500 or 900", row[0])
    if not has_end:
        raise ValueError(f"{rows.path}: expected record 900 at the end; the file was cut off, download it again")
    return [register for register in found.values() if register.days], unused, estimated


def _register(
    rows: Rows, i: int, found: dict[tuple[str, str], _Register], unused: list[str], sides: tuple[str, ...]
) -> _Register | None:
    row = rows.cells[i]
    if len(row) < 9 or not row[1]:
        raise _fail(rows, i, "a record 200 of nine cells (NMI, ..., suffix, ..., unit, minutes)", ",".join(row))
    nmi, suffix, unit, minutes = row[1], row[4].upper() or row[3].upper(), row[7].upper(), row[8]
    if not minutes.isdecimal() or int(minutes) not in (1, 5, 15, 30, 60):
        raise _fail(rows, i, "an interval of 1, 5, 15, 30 or 60 minutes", minutes)
    if not suffix.startswith(sides) or unit not in _KWH:
        unused.append(f"{suffix} ({row[7]})")
        return None
    register = found.setdefault((nmi, suffix), _Register(nmi, suffix, _KWH[unit], int(minutes)))
    if register.minutes != int(minutes):
        raise _fail(rows, i, f"{register.minutes} minutes, as before for {nmi} {suffix}", minutes)
    return register


def _day(rows: Rows, i: int, register: _Register) -> tuple[int, bool]:
    row, n = rows.cells[i], 1440 // register.minutes
    if len(row) < n + 3:
        raise _fail(rows, i, f"a date, {n} values and their quality, {n + 3} cells or more", f"{len(row)} cells")
    if not re.fullmatch(r"\d{8}", row[1], re.ASCII):
        raise _fail(rows, i, "a date such as 20240131", row[1])
    day = np.array([[int(row[1][:4]), int(row[1][4:6]), int(row[1][6:]), 0, 0, 0]], np.int64)
    begins = to_times(*day.T)[0]
    if np.isnat(begins):
        raise _fail(rows, i, "a date such as 20240131", row[1])
    quality = _QUALITY(row[n + 2].upper())
    if quality is None:
        raise _fail(rows, i, f"a quality (A, S, F, E, V, N) after {n} values", row[n + 2])
    values = to_numbers(row[2 : n + 2]) * register.factor
    if not np.isfinite(values).all() and quality[1] not in "NV":
        wrong = row[2 + int(np.flatnonzero(~np.isfinite(values))[0])]
        raise _fail(rows, i, f"{n} numbers", wrong)
    date = int(begins.astype("datetime64[D]").astype(np.int64))
    if date in register.days:
        raise _fail(rows, i, f"each day once for {register.nmi} {register.suffix}", row[1])
    register.days[date] = (rows.line[i], np.full(n, np.nan) if quality[1] == "N" else values)
    return date, quality[1] in "SFE"


def _part(rows: Rows, i: int, register: _Register, date: int) -> bool:
    """The quality of some intervals of the day before."""
    row, n = rows.cells[i], 1440 // register.minutes
    quality = _QUALITY(row[3].upper()) if len(row) > 3 else None
    if quality is None or not (row[1].isdecimal() and row[2].isdecimal() and 1 <= int(row[1]) <= int(row[2]) <= n):
        raise _fail(rows, i, f"first and last interval of 1 to {n}, and their quality", ",".join(row))
    if quality[1] == "N":
        register.days[date][1][int(row[1]) - 1 : int(row[2])] = np.nan
    return False


def _readings(rows: Rows, nmi: str, registers: list[_Register], notes: list[str], kind: str) -> Readings:
    """Sum the registers of a meter; a day that one of them lacks has no reading."""
    minutes = {register.minutes for register in registers}
    if len(minutes) > 1:
        raise ValueError(f"{rows.path}: expected registers of {nmi} with one interval, got {sorted(minutes)} minutes")
    step, n = minutes.pop(), 1440 // registers[0].minutes
    dates = sorted(set.union(*(set(register.days) for register in registers)))
    nothing = (0, np.full(n, np.nan))
    kwh = np.concatenate([sum(register.days.get(date, nothing)[1] for register in registers) for date in dates])
    line = [max(register.days.get(date, nothing)[0] for register in registers) for date in dates]
    first = np.array(dates, np.int64).astype("datetime64[D]").astype("datetime64[s]")
    within = (np.arange(n) * step * 60).astype("timedelta64[s]")
    return Readings(
        paths=(rows.path,), times=(first[:, None] + within).ravel(), is_utc=False, zone=ZONE,
        columns=(Column("+".join(r.suffix for r in registers), kind, nmi, kwh, True),),
        line=np.repeat(np.array(line, np.int64), n), file=np.zeros(len(kwh), np.int64), identity=f"nmi {nmi}",
        says_begin=True, notes=tuple(notes),
    )  # fmt: skip
