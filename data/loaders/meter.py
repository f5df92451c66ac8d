"""Read what meters counted in both directions, for bills: imports and exports of homes over whole local days.

The layouts are those of ``files``; of plain CSV also ``import_kwh`` and ``export_kwh``, each with the name of a home
before it or without. Nothing is made up: what is missing is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.clock import midnight
from gridbazaar.data.inputs import check_input
from gridbazaar.data.loaders.files import read_all
from gridbazaar.data.loaders.grid import Gridded, put_on_grid
from gridbazaar.data.loaders.plausible import load_faults
from gridbazaar.data.loaders.readings import Options
from gridbazaar.data.resample import resample

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Meters:
    """Homes over the same whole days."""

    homes: tuple[str, ...]
    starts: NDArray[np.datetime64]  # [n_rows] UTC
    step_min: int
    timezone: str
    import_kwh: Floats  # [n_homes, n_rows]
    export_kwh: Floats  # [n_homes, n_rows]
    spot_cur_per_kwh: Floats | None  # [n_rows]
    notes: tuple[str, ...]


def read_meters(
    places: Sequence[Path], options: Options, timezone: str, spot: Path | None = None, keep_bad: bool = False
) -> Meters:
    """Read files of meters, and the spot price of their days.

    Args:
        places: files of meters, which may hold the spot price too.
        options: how they are read.
        timezone: of the homes.
        spot: a file of prices; none: that of the meters' files, where they have one.
        keep_bad: take homes that can have drawn no such energy.

    Raises:
        ValueError: names the file and what is missing, doubled, or of other days or steps.
    """
    options = replace(options, timezone=timezone, fed_in=True)
    gridded = [put_on_grid(one, options, timezone) for one in read_all([check_input(p) for p in places], options)]
    meters = [file for file in gridded if any(column.kind in ("load", "fed_in") for column in file.columns)]
    if not meters:
        raise ValueError(
            f"{', '.join(map(str, places))}: expected what a meter counted, such as import_kwh; found none"
        )
    first = meters[0]
    for other in meters:
        if (other.first_day, other.n_days, other.step_min) != (first.first_day, first.n_days, first.step_min):
            raise ValueError(
                f"expected meters of the same days and steps: {first.name} has {_said(first)}, {other.name} "
                f"{_said(other)}"
            )
    homes = tuple(dict.fromkeys(c.home for file in meters for c in file.columns if c.kind in ("load", "fed_in")))
    notes = [f"{file.name}: {note}" for file in gridded for note in file.notes]
    drawn, fed_in = (_of_homes(meters, homes, kind) for kind in ("load", "fed_in"))
    _check_homes(homes, drawn, first, timezone, keep_bad, notes)
    prices = gridded if spot is None else [put_on_grid(r, options, timezone) for r in read_all([spot], options)]
    begin = midnight(first.first_day, timezone)
    starts = begin + (np.arange(drawn.shape[1]) * first.step_min * 60).astype("timedelta64[s]")
    step_h = first.step_min / 60
    return Meters(
        homes, starts, first.step_min, timezone, drawn * step_h, fed_in * step_h,
        _spot(prices, first, timezone, required=spot is not None), tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _said(file: Gridded) -> str:
    return f"{file.first_day} to {file.last_day} by {file.step_min} min"


def _of_homes(files: Sequence[Gridded], homes: Sequence[str], kind: str) -> Floats:
    """[n_homes, n_rows] kW; 0 for homes that have no such column."""
    found: dict[str, Floats] = {}
    for file in files:
        for column in file.columns:
            if column.kind == kind and column.home in found:
                raise ValueError(f"{file.name}: {column.home} has {column.name!r} twice; keep one")
            if column.kind == kind:
                found[column.home] = column.values
    n_rows = len(files[0].columns[0].values)
    return np.stack([found.get(home, np.zeros(n_rows)) for home in homes])


def _check_homes(
    homes: Sequence[str], drawn: Floats, first: Gridded, timezone: str, keep_bad: bool, notes: list[str]
) -> None:
    calendar = make_calendar(first.first_day, first.n_days, first.step_min, timezone)
    faults = [f"{home}: {fault}" for home, kw in zip(homes, drawn, strict=True) for fault in load_faults(kw, calendar)]
    if faults and not keep_bad:
        listed = "\n  ".join(faults)
        raise ValueError(f"{first.name}: no bill for what no home can have drawn (--keep-bad bills it)\n  {listed}")
    notes += [f"billed although {fault}" for fault in faults]


def _spot(files: Sequence[Gridded], first: Gridded, timezone: str, required: bool) -> Floats | None:
    """[n_rows] the price over the meters' days."""
    found = [(file, c.values) for file in files for c in file.columns if c.kind == "spot"]
    if len(found) > 1:
        raise ValueError(f"expected one spot price, got {', '.join(file.name for file, _ in found)}; give one")
    if not found:
        if required:
            raise ValueError(
                f"{files[0].name}: expected a spot price (spot_cur_per_kwh, or a market's export), found none"
            )
        return None
    file, _ = found[0]
    if file.first_day > first.first_day or file.last_day < first.last_day:
        raise ValueError(
            f"{file.name}: expected prices of all days of the meter ({first.first_day} to {first.last_day}), got "
            f"{file.first_day} to {file.last_day}"
        )
    cut = file.cut(first.first_day, first.n_days, timezone)
    values = next(column.values for column in cut.columns if column.kind == "spot")
    return resample(values, file.step_min, first.step_min)
