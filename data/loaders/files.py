"""Read the files of a community: meters and prices, in any of the layouts, a folder or several paths.

Each file is told by what it holds. Files of one meter or market, such as a month each, are joined; then all are cut to
the days that they have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.inputs import check_input
from gridbazaar.data.loaders import aemo, awattar, csv, entsoe, espi, green_button, nem12, smard
from gridbazaar.data.loaders.assemble import Home, Measured
from gridbazaar.data.loaders.grid import Gridded, put_on_grid
from gridbazaar.data.loaders.own import load_loader
from gridbazaar.data.loaders.own import read as read_by
from gridbazaar.data.loaders.readings import Options, Readings, join
from gridbazaar.data.loaders.tables import Rows, read_rows
from gridbazaar.data.resample import resample

Floats = NDArray[np.float64]


class Layout(Protocol):
    """A file of this room that reads a layout of tables."""

    def recognises(self, rows: Rows) -> bool:
        """Whether a file is of this layout."""
        ...

    def read(self, rows: Rows, options: Options) -> tuple[Readings, ...]:
        """Give its readings; ``ValueError`` names the file, the line and what to do."""
        ...


LAYOUTS: tuple[Layout, ...] = (nem12, entsoe, smard, aemo, green_button, csv)
"""Tables, in the order in which they are asked; XML and JSON are told by their names."""
_ENDINGS = (".csv", ".csv.gz", ".tsv", ".txt", ".xml")


def read_files(places: Sequence[Path], options: Options) -> Measured:
    """Read files and folders of files into series of whole days that all have."""
    readings = read_all(places, options)
    timezone, notes = _zone(readings, options)
    gridded, cut = _common_days([put_on_grid(one, options, timezone) for one in readings], timezone)
    series = _gather(gridded)
    shared = {kind: found for (kind, home), found in series.items() if not home}
    return Measured(
        source=places[0].name.split(".")[0],
        place=", ".join(map(str, places)),
        first_day=gridded[0].first_day,
        n_days=gridded[0].n_days,
        timezone=timezone,
        homes=_homes(places[0], series),
        spot=shared.get("spot"),
        carbon=shared.get("carbon"),
        retail=shared.get("retail"),
        wind=shared.get("wind"),
        outdoor=shared.get("outdoor"),
        notes=(*notes, *cut, *(f"{file.name}: {note}" for file in gridded for note in file.notes)),
    )


def read_all(places: Sequence[Path], options: Options) -> list[Readings]:
    """Read files and folders of files row by row; those of one meter or market are one."""
    mine, places = _by_own_loader(places, options)
    paths = [path for place in places for path in _paths(place)]
    if len(set(paths)) < len(paths):
        doubled = sorted({str(path) for path in paths if paths.count(path) > 1})
        raise ValueError(f"{', '.join(doubled)}: given twice; give each file once")
    readings = _joined([*mine, *(one for path in paths for one in _read(path, options))])
    _check_columns(readings, options)
    return readings


def _by_own_loader(places: Sequence[Path], options: Options) -> tuple[list[Readings], Sequence[Path]]:
    """Give what a loader of one's own reads of the places, and the places that it leaves to the layouts."""
    if options.loader is None:
        return [], places
    loader = load_loader(options.loader)
    mine: list[Readings] = []
    left: list[Path] = []
    for place in places:
        found = read_by(loader, place, options)
        if found is None:
            left.append(place)
        else:
            mine += found
    if not mine:
        raise ValueError(
            f"loader: expected it to read one of {', '.join(map(str, places))}, it gave a table of none; omit it"
        )
    return mine, left


def _paths(place: Path) -> list[Path]:
    if not place.exists():
        raise ValueError(f"{place}: expected a CityLearn folder, a file or a folder of files; nothing is there")
    if not place.is_dir():
        return [place]
    paths = sorted(path for path in place.iterdir() if path.name.lower().endswith(_ENDINGS) and path.name[0] != ".")
    if not paths:
        raise ValueError(f"{place}: expected schema.json (CityLearn) or CSV files in this folder, found neither")
    return [check_input(path) for path in paths]


def _read(path: Path, options: Options) -> tuple[Readings, ...]:
    if espi.recognises(path):
        return espi.read(path, options.fed_in)
    if awattar.recognises(path):
        return awattar.read(path)
    rows = read_rows(path)
    layout: Layout = next(one for one in LAYOUTS if one.recognises(rows))
    return layout.read(rows, options)


def _joined(readings: list[Readings]) -> list[Readings]:
    """Join the files of one meter or market."""
    groups: dict[tuple[object, ...], list[Readings]] = {}
    for i, one in enumerate(readings):
        key = (one.identity or i, *(column.kind for column in one.columns))
        groups.setdefault(key, []).append(one)
    return [join(parts) for parts in groups.values()]


def _check_columns(readings: Sequence[Readings], options: Options) -> None:
    """Refuse names of columns that no file has."""
    wanted = [old for old, new in options.columns if new != "time"]
    names = {column.name for one in readings for column in one.columns}
    if unknown := [old for old in wanted if old not in names]:
        raise ValueError(f"columns: no file has {', '.join(map(repr, unknown))}; found {', '.join(sorted(names))}")


def _zone(readings: Sequence[Readings], options: Options) -> tuple[str | None, tuple[str, ...]]:
    """The zone of the community: the one given, else the only one that the files know."""
    if options.timezone is not None:
        return options.timezone, ()
    known = {one.zone: one.name for one in readings if one.zone is not None}
    if len(known) > 1:
        found = ", ".join(f"{zone} of {name}" for zone, name in known.items())
        raise ValueError(f"timezone: expected the zone whose clock people read, for the files have several: {found}")
    for zone, name in known.items():
        return zone, (f"timezone={zone}, that of {name}, is taken for all; give another if people live by it",)
    return None, ()


def _common_days(files: list[Gridded], timezone: str | None) -> tuple[list[Gridded], tuple[str, ...]]:
    """Cut all to the days that all have."""
    first, last = max(file.first_day for file in files), min(file.last_day for file in files)
    spans = "; ".join(f"{file.name} has {file.first_day} to {file.last_day}" for file in files)
    if first > last:
        raise ValueError(f"expected files with days in common, got none: {spans}; give files of the same time")
    if all(file.first_day == first and file.last_day == last for file in files):
        return files, ()
    n_days = int((last - first).astype(np.int64)) + 1
    note = f"cut to the {n_days} days that all files have, {first} to {last}: {spans}"
    return [file.cut(first, n_days, timezone) for file in files], (note,)


def _gather(files: Sequence[Gridded]) -> dict[tuple[str, str], tuple[Floats, int]]:
    series: dict[tuple[str, str], tuple[Floats, int]] = {}
    for file in files:
        for column in file.columns:
            key = (column.kind, column.home)
            if key in series:
                raise ValueError(
                    f"{file.name}: {column.home or 'the community'} has {column.kind} twice, the second as "
                    f"{column.name!r}; keep one"
                )
            series[key] = (column.values, file.step_min)
    return series


def _homes(place: Path, series: dict[tuple[str, str], tuple[Floats, int]]) -> tuple[Home, ...]:
    names = [home for kind, home in series if kind == "load"]
    roofs_alone = [home for kind, home in series if kind == "pv" and home not in names]
    if roofs_alone:
        raise ValueError(
            f"{place}: expected columns <home>_load_kw, with PV as <home>_pv_kw_per_kwp; found PV without load of "
            f"{', '.join(roofs_alone)}"
        )
    homes = []
    for name in names:
        load_kw, minutes = series["load", name]
        pv = series.get(("pv", name))
        homes.append(Home(name, load_kw, None if pv is None else resample(*pv, minutes), minutes))
    return tuple(homes)
