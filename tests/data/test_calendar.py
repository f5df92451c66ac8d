"""What the local clock shows, against the standard library step by step, and what follows from it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.data.calendar import Calendar, make_calendar

BERLIN, SYDNEY = "Europe/Berlin", "Australia/Sydney"
ZONES = (BERLIN, SYDNEY, "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kolkata")
"""Santiago and Cairo leave out a midnight, Lord Howe changes by half an hour, Kolkata never."""


def shown_by_the_library(calendar: Calendar) -> list[datetime]:
    """What a clock on the wall shows at the beginning of each step."""
    assert calendar.timezone is not None
    zone, first = ZoneInfo(calendar.timezone), calendar.first_day.astype("datetime64[D]").item()
    begin = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
    step = timedelta(minutes=calendar.step_min)
    return [(begin + t * step).astimezone(zone) for t in range(calendar.n_steps)]


@given(st.dates(date(1995, 1, 1), date(2035, 1, 1)), st.sampled_from([5, 15, 30]), st.sampled_from(ZONES))
@settings(max_examples=40, deadline=None)
def test_every_step_has_the_hour_and_the_day_of_the_standard_library(first: date, step_min: int, zone: str) -> None:
    calendar = make_calendar(np.datetime64(first, "D"), 40, step_min, zone)
    shown = shown_by_the_library(calendar)
    assert shown[-1].date() == first + timedelta(days=39)
    assert (shown[-1] + timedelta(minutes=step_min)).date() == first + timedelta(days=40)
    np.testing.assert_allclose(calendar.hour, [time.hour + time.minute / 60 for time in shown], atol=1e-9)
    assert calendar.day.tolist() == [(time.date() - first).days for time in shown]
    assert calendar.weekday_of(calendar.day).tolist() == [time.weekday() for time in shown]
    assert calendar.month_of(calendar.day).tolist() == [time.month for time in shown]


@pytest.mark.parametrize(
    ("zone", "monday", "hours", "on_sunday"),
    [
        (BERLIN, "2024-03-25", 167, [0, 1, *range(3, 24)]),
        (BERLIN, "2024-10-21", 169, [0, 1, 2, 2, *range(3, 24)]),
        (SYDNEY, "2024-09-30", 167, [0, 1, *range(3, 24)]),
        (SYDNEY, "2024-04-01", 169, [0, 1, 2, 2, *range(3, 24)]),
        ("America/Santiago", "2024-09-02", 167, list(range(1, 24))),
        (BERLIN, "2024-06-03", 168, list(range(24))),
    ],
)
def test_a_week_has_as_many_hours_as_its_clock_says(zone: str, monday: str, hours: int, on_sunday: list[int]) -> None:
    calendar = make_calendar(np.datetime64(monday), 7, 60, zone)
    assert calendar.n_steps == hours
    assert calendar.hour[calendar.day == 6].tolist() == on_sunday
    assert [int((calendar.day == day).sum()) for day in range(6)] == [24] * 6
    assert calendar.weekday_of(calendar.day).tolist() == sorted(calendar.weekday_of(calendar.day).tolist())
    # Noon is where the clock shows it, and midnight where it begins the day.
    assert calendar.step_of(np.arange(7), 12.0).tolist() == [12 + 24 * day for day in range(6)] + [hours - 12]
    assert int(calendar.step_of(np.array(7), 0.0)) == hours
    passed = calendar.days_passed()
    assert passed[[0, 24, 144, -1]].tolist() == [0, 1, 6, 7]
    np.testing.assert_allclose(np.diff(passed)[144:], 1 / len(on_sunday))


@given(st.sampled_from([zone for zone in ZONES if zone != "Asia/Kolkata"]), st.floats(0, 365 * 24 - 0.001))
@settings(max_examples=60, deadline=None)
def test_hours_of_the_clock_become_hours_that_pass(zone: str, local_h: float) -> None:
    """Against the first minute at which the clock has shown that much."""
    calendar = make_calendar(np.datetime64("2023-01-01"), 365, 15, zone)
    minutes = make_calendar(np.datetime64("2023-01-01"), 365, 1, zone).shown_min
    expected = np.searchsorted(minutes, np.ceil(local_h * 60 - 1e-6))
    assert float(calendar.elapsed_h(np.array(local_h))) == pytest.approx(expected / 60, abs=1 / 60)
    assert len(calendar.change_h) == 2


def test_a_clock_that_nobody_changes_shows_elapsed_time() -> None:
    calendar = make_calendar(np.datetime64("2024-01-01"), 366, 15)
    steps = np.arange(366 * 96)
    assert calendar.is_even
    assert (calendar.hour == steps % 96 * 0.25).all()
    assert (calendar.day == steps // 96).all()
    assert (calendar.elapsed_h(steps.astype(float)) == steps).all()
    assert calendar.same_clock(7).tolist() == np.maximum(steps - 7 * 96, -1).tolist()
    by_clock = np.arange(366 * 96.0)
    assert calendar.on_axis(by_clock) is by_clock


def test_the_same_clock_is_found_on_days_before() -> None:
    spring = make_calendar(np.datetime64("2024-03-30"), 3, 60, BERLIN)  # a Saturday
    back = spring.same_clock(1)
    assert back[:24].tolist() == [-1] * 24
    assert back[24 + 12 - 1] == 12  # Sunday noon, 23 hours after that of Saturday
    assert back[47 + 2] == 26  # 2 h on Monday: Sunday goes on from 2 to 3 h
    autumn = make_calendar(np.datetime64("2024-10-26"), 3, 60, BERLIN)
    back = autumn.same_clock(1)
    assert back[26:28].tolist() == [2, 2]  # both of Sunday's hours from 2 to 3 h
    assert back[49 + 2] == 26
    assert back[24 + 13] == 12


def test_series_of_the_clock_are_put_on_the_axis_and_read_off_it() -> None:
    by_clock = np.arange(72.0)
    for day, sunday in (("2024-03-30", [24, 25, *range(27, 48)]), ("2024-10-26", [24, 25, 26, 26, *range(27, 48)])):
        calendar = make_calendar(np.datetime64(day), 3, 60, BERLIN)
        on_axis = calendar.on_axis(by_clock[None])[0]
        assert on_axis.tolist() == [*range(24), *sunday, *range(48, 72)]
        read = calendar.by_clock(on_axis).ravel()
        assert (read != by_clock).sum() == (1 if day == "2024-03-30" else 0)  # what was cut is the hour after it


def test_what_no_zone_is_named_and_what_no_step_divides_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone: expected a name such as 'Europe/Berlin', got 'Europe/Atlantis'"):
        make_calendar(np.datetime64("2024-01-01"), 7, 60, "Europe/Atlantis")
    with pytest.raises(ValueError, match="days in Australia/Lord_Howe are no whole number of steps of 60 min"):
        make_calendar(np.datetime64("2024-04-01"), 7, 60, "Australia/Lord_Howe")
