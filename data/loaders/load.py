"""Read measured data into a bank: CityLearn folders, plain CSV, and the files of meters and markets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gridbazaar.data.bank import Bank
from gridbazaar.data.clock import zone_of
from gridbazaar.data.inputs import check_input
from gridbazaar.data.loaders.assemble import Lacking, assemble
from gridbazaar.data.loaders.citylearn import read_citylearn
from gridbazaar.data.loaders.files import read_files
from gridbazaar.data.loaders.readings import read_options
from gridbazaar.data.loaders.report import Loaded

_log = logging.getLogger(__name__)

Place = str | Path


def load_bank(
    path: Place | Sequence[Place],
    *,
    step_min: int,
    drop_bad: bool = True,
    repair: Sequence[str] = (),
    timezone: str | None = None,
    stamps: str = "begin",
    columns: Sequence[str] = (),
    loader: Any = None,
    master: int = 0,
    n_cars: int = 64,
    n_homes: int = 64,
    mean_load_kwh_per_day: float = 11.0,
) -> Bank:
    """Read measured data into a bank; what was left out or made up is logged as a warning.

    Args:
        path: a CityLearn folder (it holds schema.json), a file, a folder of files, or several of them: plain CSV (see
            ``loaders/csv.py``), Green Button, NEM12, prices of ENTSO-E, SMARD and AEMO.
        step_min: minutes a step of the bank; hourly data at 15 minutes hold their power.
        drop_bad: leave out homes that fail the sanity tests, instead of using them with a warning.
        repair: faults to repair: "dst", "gaps", "negative", "register", "spikes" (``loaders/grid.py``, ``values.py``).
        timezone: the zone whose clock people read (such as "Europe/Berlin"), needed when the times carry an offset or
            come from a clock that is changed; none: that of the files, else every day has 24 hours.
        stamps: what times of plain CSV mark of their steps, "begin" or "end".
        columns: names for columns of plain CSV, each ``"NAME IN THE FILE=name_with_unit"``.
        loader: of your own, asked before the layouts: ``mine.py`` with a function ``read``, ``mine.py:function``, or a
            function of a path that gives a table with the columns of plain CSV (a data frame is one), or none.
        master: seed of what the data lack and the generator makes (cars; homes, prices and PV where there are none).
        n_cars: how many cars to make.
        n_homes, mean_load_kwh_per_day: homes to make where the data hold no load.
    """
    return read(
        path,
        step_min=step_min,
        drop_bad=drop_bad,
        repair=repair,
        timezone=timezone,
        stamps=stamps,
        columns=columns,
        loader=loader,
        master=master,
        n_cars=n_cars,
        n_homes=n_homes,
        mean_load_kwh_per_day=mean_load_kwh_per_day,
    ).bank


def read(
    path: Place | Sequence[Place],
    *,
    step_min: int,
    drop_bad: bool = True,
    repair: Sequence[str] = (),
    timezone: str | None = None,
    stamps: str = "begin",
    columns: Sequence[str] = (),
    loader: Any = None,
    master: int = 0,
    n_cars: int = 64,
    n_homes: int = 64,
    mean_load_kwh_per_day: float = 11.0,
) -> Loaded:
    """Read measured data as ``load_bank`` does, and give the report beside the bank."""
    places = [check_input(each) for each in ([path] if isinstance(path, str | Path) else path)]
    if not places:
        raise ValueError("path: expected a CityLearn folder, a file or a folder of files; got none")
    if not isinstance(step_min, int) or not 1 <= step_min <= 60 or 60 % step_min:
        raise ValueError(f"step_min: expected minutes that divide an hour (such as 5, 15, 30, 60), got {step_min!r}")
    if timezone is not None:
        zone_of(timezone)
    options = read_options(timezone, repair, stamps, columns, loader)
    lacking = Lacking(master, n_cars, n_homes, mean_load_kwh_per_day)
    if loader is None and any((place / "schema.json").is_file() for place in places):
        if len(places) > 1:
            raise ValueError(f"path: expected a CityLearn folder alone, got {', '.join(map(str, places))}")
        if options != read_options():
            raise ValueError(
                f"{places[0]}: timezone, repair, stamps and columns are not for CityLearn folders; omit them"
            )
        data, region = read_citylearn(places[0]), "california"
    else:
        data, region = read_files(places, options), "eu"
    loaded = assemble(data, step_min=step_min, drop_bad=drop_bad, lacking=lacking, region=region)
    report = loaded.report
    if report.absent or report.refused or report.notes:
        _log.warning("%s", report)
    return loaded
