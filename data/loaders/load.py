"""Read measured data into a bank: CityLearn folders and plain CSV files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from gridbazaar.data.bank import Bank
from gridbazaar.data.loaders.citylearn import read_citylearn
from gridbazaar.data.loaders.csv import read_csv
from gridbazaar.data.loaders.report import Loaded

_log = logging.getLogger(__name__)


def load_bank(
    path: str | Path,
    *,
    step_min: int,
    drop_bad: bool = True,
    repair: Sequence[str] = (),
    timezone: str | None = None,
    master: int = 0,
    n_cars: int = 64,
) -> Bank:
    """Read measured data into a bank; what was left out or made up is logged as a warning.

    Args:
        path: a CityLearn folder (it holds schema.json), a CSV file, or a folder of CSV files.
        step_min: minutes a step of the bank; hourly data at 15 minutes hold their power.
        drop_bad: leave out homes that fail the sanity tests, instead of using them with a warning.
        repair: CSV only, faults to repair: "dst", "gaps", "negative" (see ``loaders/csv.py``).
        timezone: CSV only, the zone whose clock people read (such as "Europe/Berlin"), needed when the times carry an
            offset; none: the times are local and every day has 24 hours.
        master: seed of what the data lack and the generator makes (cars; prices and PV where there are none).
        n_cars: how many cars to make.
    """
    return read(
        path,
        step_min=step_min,
        drop_bad=drop_bad,
        repair=repair,
        timezone=timezone,
        master=master,
        n_cars=n_cars,
    ).bank


def read(
    path: str | Path,
    *,
    step_min: int,
    drop_bad: bool = True,
    repair: Sequence[str] = (),
    timezone: str | None = None,
    master: int = 0,
    n_cars: int = 64,
) -> Loaded:
    """Read measured data as ``load_bank`` does, and give the report beside the bank."""
    place = Path(path)
    if not place.exists():
        raise ValueError(f"{place}: expected a CityLearn folder, a CSV file or a folder of CSV files; nothing is there")
    if not isinstance(step_min, int) or not 1 <= step_min <= 60 or 60 % step_min:
        raise ValueError(f"step_min: expected minutes that divide an hour (such as 5, 15, 30, 60), got {step_min!r}")
    if (place / "schema.json").is_file():
        if repair or timezone:
            raise ValueError(f"{place}: repair and timezone are for CSV files; CityLearn folders need neither")
        loaded = read_citylearn(place, step_min=step_min, drop_bad=drop_bad, master=master, n_cars=n_cars)
    else:
        loaded = read_csv(
            place,
            step_min=step_min,
            drop_bad=drop_bad,
            repair=repair,
            timezone=timezone,
            master=master,
            n_cars=n_cars,
        )
    report = loaded.report
    if report.absent or report.refused or report.notes:
        _log.warning("%s", report)
    return loaded
