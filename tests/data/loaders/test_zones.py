"""Clock changes of the zones of this world: a year of readings in UTC, and of what the clock showed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd
import pytest

from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.loaders import csv
from gridbazaar.data.loaders.grid import Gridded, put_on_grid
from gridbazaar.data.loaders.readings import read_options
from gridbazaar.data.loaders.tables import read_rows
from tests.quick import only

YEARS = range(2019, 2026)
AWKWARD = (
    ("America/Santiago", 2024, {"2024-09-08": 23, "2024-04-06": 25}),
    ("America/Asuncion", 2023, {"2023-10-01": 23, "2023-03-25": 25}),
    ("America/Sao_Paulo", 2019, {"2019-02-16": 25}),
    ("Asia/Beirut", 2023, {"2023-03-26": 23, "2023-10-28": 25}),
    ("Asia/Amman", 2022, {"2022-02-25": 23, "2022-02-24": 24}),
    ("Australia/Lord_Howe", 2024, {"2024-10-06": 23.5, "2024-04-07": 24.5}),
    ("Asia/Jerusalem", 2024, {"2024-03-29": 23, "2024-10-27": 25}),
    ("Africa/Cairo", 2023, {"2023-04-28": 23, "2023-10-26": 25}),
    ("Africa/Casablanca", 2023, {"2023-03-19": 25, "2023-04-23": 23}),
    ("Antarctica/Troll", 2024, {"2024-03-31": 22, "2024-10-27": 26}),
    ("Pacific/Chatham", 2024, {"2024-09-29": 23, "2024-04-07": 25}),
    ("America/Havana", 2024, {"2024-03-10": 23, "2024-11-03": 25}),
    ("America/Nuuk", 2024, {"2024-03-30": 23, "2024-10-26": 25}),
)
"""Zone, year, hours of some of its days: they change at midnight, on other weekdays than Sunday, by 30 or 120 minutes,
or start from no full hour."""
QUICK = ("America/Santiago", "Australia/Lord_Howe")


HALF_HOUR = ("Australia/Lord_Howe", "Australia/LHI")
"""One place by both its names."""


def step_of(zone: str) -> int:
    """Minutes; an hour unless the clock is changed by less."""
    return 30 if zone in HALF_HOUR else 60


def year_of(zone: str, year: int) -> pd.DatetimeIndex:
    """Times of UTC from one local New Year to the next."""
    begin, end = (pd.Timestamp(y, 1, 1, tz=zone).tz_convert("UTC") for y in (year, year + 1))
    return pd.date_range(begin, end, freq=f"{step_of(zone)}min", inclusive="left")


def load(path: Path, stamps: pd.Index | np.ndarray, zone: str | None) -> Gridded:
    """Load a file whose readings count its rows, as files of a community are."""
    rows = "".join(f"{stamp},{i}\n" for i, stamp in enumerate(stamps))
    path.write_text("time,spot_cur_per_mwh\n" + rows, encoding="utf-8")
    options = read_options(zone)
    (readings,) = csv.read(read_rows(path), options)
    return put_on_grid(readings, options, zone)


def check(found: Gridded, utc: pd.DatetimeIndex, zone: str) -> None:
    """Hold a year against what another library says the clock of the zone showed."""
    calendar = make_calendar(found.first_day, found.n_days, found.step_min, zone)
    parts = step_of(zone) // found.step_min
    counted = np.rint(found.columns[0].values * 1000).astype(int)
    first = counted[0] * parts + (0 if parts == 1 else int((counted[:parts] == counted[0]).sum() < parts))
    assert len(counted) == calendar.n_steps
    assert (np.diff(counted) >= 0).all()
    assert (np.bincount(counted - counted[0])[1:-1] == parts).all(), "each reading once, in order"
    begin = utc[0] + pd.Timedelta(minutes=found.step_min * first)
    axis = pd.date_range(begin, periods=len(counted), freq=f"{found.step_min}min").tz_convert(zone)
    np.testing.assert_allclose(calendar.hour, axis.hour + axis.minute / 60, atol=1e-9)
    days = (axis.tz_localize(None).normalize() - pd.Timestamp(str(found.first_day))).days
    np.testing.assert_array_equal(calendar.day, days)


@pytest.mark.parametrize(("zone", "year", "hours"), only(lambda row: row[0] in QUICK, AWKWARD))
def test_a_year_has_its_short_and_long_days(tmp_path: Path, zone: str, year: int, hours: dict[str, float]) -> None:
    utc, path = year_of(zone, year), tmp_path / "year.csv"
    by_utc = load(path, utc.strftime("%Y-%m-%dT%H:%M:%SZ"), zone)
    check(by_utc, utc, zone)
    calendar = make_calendar(by_utc.first_day, by_utc.n_days, by_utc.step_min, zone)
    for day, n_hours in hours.items():
        n = int((calendar.day == int((np.datetime64(day) - by_utc.first_day).astype(int))).sum())
        assert n * by_utc.step_min / 60 == n_hours, day
    by_clock = load(path, utc.tz_convert(zone).strftime("%Y-%m-%d %H:%M"), zone)
    by_offset = load(path, utc.tz_convert(zone).strftime("%Y-%m-%d %H:%M:%S%z"), zone)
    for same in (by_clock, by_offset):
        np.testing.assert_array_equal(same.columns[0].values, by_utc.columns[0].values)


@pytest.mark.parametrize(("zone", "year", "hours"), only(lambda row: row[0] in QUICK, AWKWARD))
def test_clocks_of_24_hours_are_refused_with_advice(
    tmp_path: Path, zone: str, year: int, hours: dict[str, float]
) -> None:
    stamps = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq=f"{step_of(zone)}min", inclusive="left")
    with pytest.raises(ValueError, match=r"repair=dst") as refused:
        load(tmp_path / "year.csv", stamps.strftime("%Y-%m-%dT%H:%M"), zone)
    if any(n < 24 for n in hours.values()):
        assert f"show what the clock of {zone} leaves out" in str(refused.value)
    if any(n > 24 for n in hours.values()):
        assert "missing rows" in str(refused.value)


def changes_of(zone: str, year: int) -> tuple[tuple[str, float], ...]:
    """By how many hours the clock was ahead, each time that it was another: what tells zones apart."""
    found: list[tuple[str, float]] = []
    time, here = datetime(year, 1, 1, tzinfo=UTC), ZoneInfo(zone)
    while time.year <= year:
        ahead = time.astimezone(here).utcoffset()
        assert ahead is not None
        if not found or found[-1][1] != ahead.total_seconds() / 3600:
            found.append((str(time), ahead.total_seconds() / 3600))
        time += timedelta(hours=3)
    return tuple(found)


@pytest.mark.slow
def test_every_zone_that_changed_its_clock_loads_a_year(tmp_path: Path) -> None:
    """UTC readings, and readings of the clock, of every year with a change; zones that agree in it stand for all."""
    done: dict[tuple[object, ...], str] = {}
    zones: set[str] = set()
    for zone in sorted(available_timezones() - {"localtime", "Factory"}):
        for year in YEARS:
            changes = changes_of(zone, year)
            if len(changes) < 2:
                continue
            zones.add(zone)
            if done.setdefault((year, changes), zone) != zone:
                continue
            utc, path = year_of(zone, year), tmp_path / "year.csv"
            by_utc = load(path, utc.strftime("%Y-%m-%dT%H:%M:%SZ"), zone)
            check(by_utc, utc, zone)
            by_clock = load(path, utc.tz_convert(zone).strftime("%Y-%m-%dT%H:%M"), zone)
            np.testing.assert_array_equal(by_clock.columns[0].values, by_utc.columns[0].values)
    print(f"{len(zones)} zones, {len(done)} years that differ")
    assert len(zones) > 190
