"""Who comes and goes by the clock does so also where the clock is changed; what is made keeps its days."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridbazaar.data.bank import Bank, Sessions
from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.sessions import find_sessions

BERLIN = "Europe/Berlin"
SPRING, AUTUMN = "2024-03-30", "2024-10-26"  # the Saturdays before


def sessions(*stays: tuple[float, float, float]) -> Sessions:
    """One charger; each stay comes, leaves and says that it leaves at hours of the clock since Saturday's midnight."""
    come, leave, say = (np.array([column]) for column in zip(*stays, strict=True))
    here = np.ones(come.shape, np.bool_)
    return Sessions(here, come, leave, 1.0 + np.arange(come.size, dtype=float)[None], say, 0.0 * come, ~here)


def test_stays_last_an_hour_less_or_more_over_a_change() -> None:
    night = sessions((20.0, 31.0, 32.0), (36.0, 44.0, 44.0))  # Saturday 20 h to Sunday 7 h; Sunday 12 h to 20 h
    for first, shift in ((SPRING, -1.0), (AUTUMN, 1.0)):
        found = night.on_axis(make_calendar(np.datetime64(first), 3, 15, BERLIN))
        assert found.arrive_h.tolist() == [[20.0, 36.0 + shift]]
        assert found.depart_h.tolist() == [[31.0 + shift, 44.0 + shift]]
        assert found.announced_h.tolist() == [[32.0 + shift, 44.0 + shift]]
    assert night.on_axis(make_calendar(np.datetime64(SPRING), 3, 15)) is night


def test_a_stay_in_the_hour_that_is_left_out_did_not_happen() -> None:
    """From 2 to 3 h on Sunday: hours 26 to 27 of the clock since Saturday's midnight."""
    calendar = make_calendar(np.datetime64(SPRING), 3, 15, BERLIN)
    found = sessions((1.0, 2.0, 2.0), (26.1, 26.9, 26.9), (26.95, 30.0, 26.99), (40.0, 41.0, 41.0)).on_axis(calendar)
    assert found.present.tolist() == [[True, True, True, False]]
    assert found.need_kwh[0, :3].tolist() == [1.0, 3.0, 4.0]
    assert found.arrive_h[0, :3].tolist() == [1.0, 26.0, 39.0]
    assert found.depart_h[0, :3].tolist() == [2.0, 29.0, 40.0]
    assert found.announced_h[0, 1] == 29.0  # it announced a time that was left out: its departure


@pytest.mark.parametrize("source", ["home", "workplace", "public"])
def test_made_sessions_come_at_the_same_hours_of_the_clock(source: str) -> None:
    first = np.datetime64("2024-01-01")
    plain, zoned = (find_sessions(source, 3, make_calendar(first, 366, 15, zone), 6) for zone in (None, BERLIN))
    lost = int(plain.present.sum() - zoned.present.sum())
    assert 0 <= lost <= 6
    begin = datetime(2024, 1, 1, tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)
    for charger in range(6):
        n = int(zoned.present[charger].sum())
        shown = [
            (begin + timedelta(hours=h)).astimezone(ZoneInfo(BERLIN)) for h in zoned.arrive_h[charger, :n].tolist()
        ]
        local_h = [(t.replace(tzinfo=None) - datetime(2024, 1, 1)).total_seconds() / 3600 for t in shown]
        kept = np.isin(plain.need_kwh[charger], zoned.need_kwh[charger, :n]) & plain.present[charger]
        away = np.abs(plain.arrive_h[charger, kept] - np.array(local_h))
        assert (away > 1e-5).sum() <= 1  # one that would come in the hour left out
        assert away.max() <= 1.0


@pytest.fixture(scope="module")
def banks() -> tuple[Bank, Bank]:
    plain = GeneratorConfig(master=5, n_days=366, n_homes=2, n_roofs=2, n_cars=2, step_min=60)
    return make_bank(plain), make_bank(replace(plain, timezone=BERLIN))


def test_a_generated_year_keeps_its_days_by_the_clock(banks: tuple[Bank, Bank]) -> None:
    plain, zoned = banks
    assert plain.load_kw.shape == zoned.load_kw.shape  # one hour less and one more
    for name in ("load_kw", "pv_kw_per_kwp", "spot_cur_per_kwh", "carbon_kg_per_kwh", "outdoor_c", "wind_m_per_s"):
        before, after = (np.atleast_2d(getattr(bank, name)) for bank in banks)
        day, hour = zoned.calendar.day, zoned.hour().astype(int)
        np.testing.assert_array_equal(after, before[:, 24 * day + hour])
    assert zoned.n_days == plain.n_days == 366
    assert (np.diff(zoned.hour()) % 24 != 1).sum() == 2


def test_the_generated_sun_does_not_jump_where_the_clock_does(banks: tuple[Bank, Bank]) -> None:
    """Over a change the sun's centre of gravity moves by minutes, and by the clock by an hour."""
    _, zoned = banks
    elapsed_h = np.arange(zoned.load_kw.shape[1]) % 24
    pv = zoned.pv_kw_per_kwp.mean(axis=0)
    for change_h in zoned.calendar.change_h.tolist():
        weeks = [slice(round(change_h) + first, round(change_h) + first + 14 * 24) for first in (-15 * 24, 24)]
        by_time = [np.average(elapsed_h[week], weights=pv[week]) for week in weeks]
        by_clock = [np.average(zoned.hour()[week], weights=pv[week]) for week in weeks]
        assert abs(by_time[1] - by_time[0]) < 0.45
        assert abs(abs(by_clock[1] - by_clock[0]) - 1.0) < 0.45
