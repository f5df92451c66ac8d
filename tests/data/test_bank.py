import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.data.bank import HISTORY_DAYS, Bank, Sessions
from gridbazaar.data.chance import SPLITS
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.scenario import DataConfig


def empty_bank(first_day: str, n_days: int, step_min: int = 60) -> Bank:
    n_steps = n_days * 1440 // step_min
    nothing = np.zeros((1, n_steps))
    never, nobody = np.zeros((1, n_days)), np.zeros((1, n_days), np.bool_)
    sessions = Sessions(nobody, never, never, never, never, never, nobody)
    return Bank(
        "empty",
        step_min / 60,
        np.datetime64(first_day, "D"),
        *(nothing, nothing, nothing[0], nothing[0], sessions, nothing, nothing, nothing, nothing),
    )


@given(st.dates(), st.sampled_from([5, 15, 30, 60]))
@settings(max_examples=30)
def test_the_calendar_is_that_of_the_standard_library(first_day: object, step_min: int) -> None:
    import datetime

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


@given(st.integers(0, 6), st.integers(60, 400), st.integers(2, 7))
@settings(max_examples=60)
def test_no_episode_leaves_its_week_and_no_week_has_two_splits(offset: int, n_days: int, touched: int) -> None:
    first = np.datetime64("2024-01-01", "D") + offset
    bank = empty_bank(str(first), n_days)
    owner: dict[int, str] = {}
    for split in SPLITS:
        days = bank.start_days(split, n_days=touched)
        assert days.min() >= HISTORY_DAYS
        assert days.max() + touched - 1 < n_days
        for day in (first + days).tolist():
            monday = day.toordinal() - day.weekday()
            last = day.toordinal() + touched - 1
            assert last - monday < 7
            assert owner.setdefault(monday, split) == split


def test_a_bank_too_short_for_a_split_says_so() -> None:
    with pytest.raises(ValueError, match="12 days hold no whole day of the test weeks"):
        empty_bank("2024-01-01", 12).start_days("test")


def test_nobody_writes_into_the_series_that_all_share() -> None:
    bank = bank_of(DataConfig(n_days=63), 0, 60)
    for values in (bank.load_kw, bank.spot_cur_per_kwh, bank.load_next_kw, bank.sessions.arrive_h):
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0.0
