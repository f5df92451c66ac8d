"""What a kWh costs under a tariff, worked out by hand: windows between steps, over midnight, on weekends; feed-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.market.tariff import Prices, Tariff, Window, price
from gridbazaar.market.tariffs import list_tariffs, load_tariff

MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6


def day(step_min: int, weekday: int, *windows: Window, start_h: float = 0.0, **fields: Any) -> Prices:
    """A day from ``start_h`` under a tariff of 0.20 plus windows, spot 0.10; the weekday turns at midnight."""
    step_h = step_min / 60
    since_h = np.array([start_h + step * step_h for step in range(round(24 / step_h))], np.float64)
    hour, weekdays = since_h % 24, (weekday + since_h // 24).astype(np.int64) % 7
    tariff = Tariff(**{"name": "t", "title": "", "energy_cur_per_kwh": 0.2, "windows": windows, **fields})
    return price(tariff, np.full(len(hour), 0.1), hour, weekdays, step_h)


def added_ct(prices: Prices) -> list[float]:
    """What the windows add in each step, ct per kWh."""
    return [round(float(x) / 1e4 - 20, 6) for x in prices.energy]


def hours_open(prices: Prices, step_min: int, add_ct: float) -> float:
    return sum(added_ct(prices)) / add_ct * step_min / 60


def test_a_window_between_hours_counts_by_its_share() -> None:
    """16:20 to 18:50 is 40 minutes of one hour, a whole one and 50 minutes: 8, 12 and 10 of 12 ct."""
    prices = day(60, MONDAY, Window(16 + 20 / 60, 18 + 50 / 60, 0.12))
    assert added_ct(prices) == [0.0] * 16 + [8.0, 12.0, 10.0] + [0.0] * 5
    assert prices.energy[16:19].tolist() == [280_000, 320_000, 300_000]


@pytest.mark.parametrize("step_min", [5, 15, 30, 60])
def test_it_is_two_and_a_half_hours_whatever_the_step(step_min: int) -> None:
    prices = day(step_min, MONDAY, Window(16 + 20 / 60, 18 + 50 / 60, 0.12))
    assert hours_open(prices, step_min, 12.0) == pytest.approx(2.5, abs=1e-5)


def test_a_window_within_one_step_counts_there_alone() -> None:
    """10:15 to 10:30 is a quarter of an hour: 3 of 12 ct."""
    assert added_ct(day(60, MONDAY, Window(10.25, 10.5, 0.12))) == [0.0] * 10 + [3.0] + [0.0] * 13


def test_a_window_on_the_edges_of_steps_is_open_in_whole_steps() -> None:
    assert added_ct(day(60, MONDAY, Window(6.0, 9.0, -0.08))) == [0.0] * 6 + [-8.0] * 3 + [0.0] * 15


@pytest.mark.parametrize(("to_h", "hours"), [(24.0, 2), (0.0, 2), (6.0, 8)])
def test_a_window_may_pass_midnight_or_end_there(to_h: float, hours: int) -> None:
    open_at_night = [5.0] * (hours - 2)
    expected = open_at_night + [0.0] * (22 - len(open_at_night)) + [5.0, 5.0]
    assert added_ct(day(60, MONDAY, Window(22.0, to_h, 0.05))) == expected


def test_a_window_over_midnight_counts_by_its_share_at_both_ends() -> None:
    """22:30 to 5:45: half of the hour from 22, all from 23 to 5, three quarters of the hour from 5."""
    found = added_ct(day(60, MONDAY, Window(22.5, 5.75, 0.04)))
    assert found == [4.0] * 5 + [3.0] + [0.0] * 16 + [2.0, 4.0]


@pytest.mark.parametrize(
    ("weekday", "weekdays", "weekends", "is_open"),
    [
        (FRIDAY, True, True, True), (FRIDAY, True, False, True), (FRIDAY, False, True, False),
        (SATURDAY, True, True, True), (SATURDAY, True, False, False), (SATURDAY, False, True, True),
        (SUNDAY, True, False, False), (SUNDAY, False, True, True), (MONDAY, False, True, False),
        (MONDAY, True, False, True), (MONDAY, False, False, False),
    ],
)  # fmt: skip
def test_flags_say_on_which_days_a_window_is_open(weekday: int, weekdays: bool, weekends: bool, is_open: bool) -> None:
    found = added_ct(day(60, weekday, Window(16.0, 18.0, 0.1, weekdays=weekdays, weekends=weekends)))
    assert found == [0.0] * 16 + [10.0 * is_open] * 2 + [0.0] * 6


def test_each_hour_of_a_night_belongs_to_its_own_day() -> None:
    """Friday noon to Saturday noon, 22 to 6 on weekdays: two hours of Friday; on weekends: six of Saturday."""
    friday = day(60, FRIDAY, Window(22.0, 6.0, 0.1, weekends=False), start_h=12.0)
    saturday = day(60, FRIDAY, Window(22.0, 6.0, 0.1, weekdays=False), start_h=12.0)
    assert added_ct(friday) == [0.0] * 10 + [10.0] * 2 + [0.0] * 12
    assert added_ct(saturday) == [0.0] * 12 + [10.0] * 6 + [0.0] * 6


def test_sunday_is_followed_by_monday_within_a_step() -> None:
    """A step from 23:30 on Sunday: its second half is Monday's, where the clock is half an hour off."""
    window = Window(23.0, 1.0, 0.1, weekends=False)
    prices = price(
        Tariff(name="t", title="", energy_cur_per_kwh=0.2, windows=(window,)), np.full(2, 0.1), np.array([23.5, 0.5]),
        np.array([SUNDAY, MONDAY]), 1.0,
    )  # fmt: skip
    assert added_ct(prices) == [5.0, 5.0]


def test_windows_that_overlap_add_up() -> None:
    found = added_ct(day(60, MONDAY, Window(6.0, 8.0, 0.05), Window(7.5, 9.0, 0.02)))
    assert found == [0.0] * 6 + [5.0, 6.0, 2.0] + [0.0] * 15


def test_the_hours_are_those_that_are_given() -> None:
    """A day of 25 hours: the hour from 2 comes twice and is open twice."""
    hour = np.array([0.0, 1.0, 2.0, 2.0, 3.0])
    tariff = Tariff(name="t", title="", windows=(Window(2.0, 3.0, 0.1),))
    assert price(tariff, 0.0 * hour, hour, np.full(5, SUNDAY), 1.0).energy.tolist() == [0, 0, 100_000, 100_000, 0]


@pytest.mark.parametrize("export", [0.28, 0.30, 0.40])
def test_feed_in_is_what_the_tariff_says_also_above_retail(export: float) -> None:
    prices = day(60, MONDAY, energy_cur_per_kwh=0.16, network_cur_per_kwh=0.08, tax_cur_per_kwh=0.06,
                 local_network_cur_per_kwh=0.02, export_cur_per_kwh=export)  # fmt: skip
    assert (prices.export == round(export * 1e6)).all()
    assert (prices.retail == 300_000).all()
    assert (prices.upper == 280_000).all()


def test_fixed_feed_in_does_not_follow_spot() -> None:
    """At -0.30 spot the retail price is 0.14 + 1.2 x -0.30 = -0.22; the feed-in stays."""
    spot = np.array([-0.3, -0.05, 0.0, 0.4])
    prices = price(load_tariff("spot"), spot, np.arange(4.0), np.zeros(4, np.int64), 1.0)
    assert prices.export.tolist() == [60_000] * 4
    assert prices.retail.tolist() == [-220_000, 80_000, 140_000, 620_000]


def test_feed_in_that_follows_spot_does_so_below_zero() -> None:
    tariff = Tariff(name="t", title="", energy_cur_per_kwh=0.3, export_spot_factor=0.9, export_cur_per_kwh=-0.01)
    found = price(tariff, np.array([-0.3, 0.1]), np.zeros(2), np.zeros(2, np.int64), 1.0)
    assert found.export.tolist() == [-280_000, 80_000]


def test_the_shipped_time_of_use_is_what_it_says() -> None:
    """Nights 0 to 6 at 22 ct, evenings 16 to 21 at 42, else 30; every day alike."""
    for weekday in (FRIDAY, SUNDAY):
        prices = price(load_tariff("tou"), np.zeros(24), np.arange(24.0), np.full(24, weekday), 1.0)
        assert (prices.retail / 1e4).round(6).tolist() == [22.0] * 6 + [30.0] * 10 + [42.0] * 5 + [30.0] * 3


@pytest.mark.parametrize("name", list_tariffs())
def test_every_tariff_adds_up_to_its_retail_price(name: str) -> None:
    tariff = load_tariff(name)
    prices = price(tariff, np.full(24, 0.1), np.arange(24.0), np.zeros(24, np.int64), 1.0)
    charges = round((tariff.network_cur_per_kwh + tariff.tax_cur_per_kwh) * 1e6)
    assert (prices.retail == prices.energy + charges).all()
    assert prices.upper.tolist() == (prices.retail - prices.local_network - prices.local_tax).tolist()
