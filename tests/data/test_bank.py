import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.data.bank import HISTORY_DAYS, Bank, Sessions
from gridbazaar.data.calendar import make_calendar
from gridbazaar.data.chance import SPLITS, episode_keys, uniform
from gridbazaar.envs.episode.draw import draw_days
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenario_tables import DataConfig
from tests.quick import only


def empty_bank(first_day: str, n_days: int, step_min: int = 60, timezone: str | None = None) -> Bank:
    n_steps = make_calendar(np.datetime64(first_day, "D"), n_days, step_min, timezone).n_steps
    nothing = np.zeros((1, n_steps))
    never, nobody = np.zeros((1, n_days)), np.zeros((1, n_days), np.bool_)
    sessions = Sessions(nobody, never, never, never, never, never, nobody)
    return Bank(
        "empty",
        step_min / 60,
        np.datetime64(first_day, "D"),
        *(nothing, nothing, nothing[0], nothing[0], sessions, nothing, nothing, nothing, nothing),
        timezone=timezone,
    )


@given(st.dates(), st.sampled_from([5, 15, 30, 60]))
@settings(max_examples=30)
def test_the_calendar_is_that_of_the_standard_library(first_day: object, step_min: int) -> None:
    assert isinstance(first_day, datetime.date)
    first = min(first_day, datetime.date(9000, 1, 1))
    bank = empty_bank(first.isoformat(), 40, step_min)
    per_day = 1440 // step_min
    assert bank.steps_per_day == per_day
    assert bank.n_days == 40
    for day in (0, 17, 39):
        date, step = first + datetime.timedelta(days=day), day * per_day + per_day // 2
        assert bank.weekday()[step] == date.weekday()
        assert bank.month()[step] == date.month
        assert bank.hour()[step] == pytest.approx(12.0)


@dataclass(frozen=True)
class Length:
    """When an episode begins, and how long it lasts."""

    start_h: float
    hours: int


def played(bank: Bank, split: str, length: Length) -> np.ndarray:
    """[n, n_steps] steps of all episodes that a split may play."""
    days = bank.start_days(split, start_h=length.start_h, n_steps=length.hours)
    return bank.calendar.step_of(days, length.start_h)[:, None] + np.arange(length.hours)


LENGTHS = st.builds(Length, st.sampled_from([0.0, 4.0, 12.0, 23.0]), st.sampled_from([1, 24, 25, 47, 48, 100, 167]))


@given(st.integers(0, 6), st.integers(80, 400), LENGTHS, st.sampled_from([None, "Europe/Berlin", "Australia/Sydney"]))
@settings(max_examples=60, deadline=None)
def test_no_split_shares_a_step_with_another(offset: int, n_days: int, length: Length, zone: str | None) -> None:
    """Counted over all episodes; weeks run from Monday to Monday at ``start_h`` by the standard library's clock."""
    first = datetime.date(2024, 1, 1) + datetime.timedelta(days=offset)
    bank = empty_bank(first.isoformat(), n_days, timezone=zone)
    owner: dict[int, str] = {}
    shown = clock_of(bank)
    weeks: dict[datetime.date, str] = {}
    for split in SPLITS:
        steps = played(bank, split, length)
        assert steps.max() < len(shown)
        assert steps.min() >= HISTORY_DAYS * 24 - 1
        for episode in steps.tolist():
            begin, last = shown[episode[0]], shown[episode[-1]]
            assert begin.hour == length.start_h
            mondays = {monday_of(time - datetime.timedelta(hours=length.start_h)) for time in (begin, last)}
            assert len(mondays) == 1
            assert weeks.setdefault(mondays.pop(), split) == split
        for step in np.unique(steps).tolist():
            assert owner.setdefault(step, split) == split


def clock_of(bank: Bank) -> list[datetime.datetime]:
    """What a clock on the wall shows at each hour of the bank."""
    zone = datetime.UTC if bank.timezone is None else ZoneInfo(bank.timezone)
    first = bank.first_day.astype("datetime64[D]").item()
    begin = datetime.datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(datetime.UTC)
    hours = (begin + datetime.timedelta(hours=t) for t in range(bank.load_kw.shape[1]))
    return [time.astimezone(zone).replace(tzinfo=None) for time in hours]


def monday_of(time: datetime.datetime) -> datetime.date:
    return time.date() - datetime.timedelta(days=time.weekday())


@pytest.mark.parametrize("zone", only([None], [None, "Europe/Berlin", "Australia/Sydney"]))
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("length", [Length(12.0, 24), Length(0.0, 24), Length(4.0, 24), Length(12.0, 10)])
def test_an_episode_of_a_day_begins_on_each_weekday_with_the_same_chance(
    split: str, length: Length, zone: str | None
) -> None:
    """Of 10,000 each has a seventh, within four standard deviations; two sevenths of the hours are weekend's."""
    bank, n = empty_bank("2024-01-01", 365, timezone=zone), 10_000
    days = bank.start_days(split, start_h=length.start_h, n_steps=length.hours)
    unit = uniform(episode_keys(0, split, np.arange(n)), "day", 1)[:, 0]
    drawn = draw_days(days, bank.calendar.weekday_of(days), unit)
    begin = [date.weekday() for date in (bank.first_day + drawn).astype("datetime64[D]").tolist()]
    counts = np.bincount(begin, minlength=7)
    np.testing.assert_allclose(counts, n / 7, atol=4 * np.sqrt(n * 6 / 49))
    assert set(drawn.tolist()) == set(days.tolist())
    if length.hours == 24:
        steps = bank.calendar.step_of(drawn, length.start_h)[:, None] + np.arange(24)
        assert (bank.weekday()[steps] >= 5).mean() == pytest.approx(2 / 7, abs=0.012)


def test_days_are_drawn_evenly_within_a_weekday_and_a_weekday_without_days_has_no_chance() -> None:
    unit = (np.arange(6000) + 0.5) / 6000
    drawn = draw_days(np.array([3, 4, 10, 17]), np.array([0, 1, 0, 0]), unit)
    assert {day: int((drawn == day).sum()) for day in (3, 4, 10, 17)} == {3: 1000, 4: 3000, 10: 1000, 17: 1000}


def test_a_whole_week_may_begin_at_any_hour_but_not_in_the_week_that_is_too_short() -> None:
    bank = empty_bank("2024-01-01", 365, timezone="Europe/Berlin")
    of_year = {
        hours: {
            str(bank.first_day + day)
            for split in SPLITS
            for day in bank.start_days(split, start_h=12.0, n_steps=hours).tolist()
        }
        for hours in (167, 168)
    }
    assert all(np.datetime64(day).astype(datetime.date).weekday() == 0 for day in of_year[168])
    assert of_year[167] - of_year[168] >= {"2024-03-25"}
    autumn = [bank.start_days(split, start_h=12.0, n_steps=169) for split in SPLITS if week_of_autumn(bank) == split]
    assert [str(bank.first_day + day) for days in autumn for day in days.tolist()] == ["2024-10-21"]
    for split in {*SPLITS} - {week_of_autumn(bank)}:
        with pytest.raises(ValueError, match=f"no 169 h of the {split} weeks that begin at 12 h"):
            bank.start_days(split, start_h=12.0, n_steps=169)


def week_of_autumn(bank: Bank) -> str:
    """The split of the week in which the clock is set back: weeks 0, 1, 3 train, 2 validates, 4 tests."""
    week = (np.datetime64("2024-10-21") - bank.first_day).astype(int) // 7
    return {0: "train", 1: "train", 2: "validation", 3: "train", 4: "test"}[week % 5]


def test_a_bank_too_short_for_a_split_says_so() -> None:
    with pytest.raises(ValueError, match="12 days hold no 24 h of the test weeks that begin at 12 h"):
        empty_bank("2024-01-01", 12).start_days("test", start_h=12.0, n_steps=24)


def test_nobody_writes_into_the_series_that_all_share() -> None:
    bank = bank_of(DataConfig(n_days=63), 0, 60)
    for values in (bank.load_kw, bank.spot_cur_per_kwh, bank.load_next_kw, bank.sessions.arrive_h):
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0.0
