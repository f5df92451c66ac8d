"""Bill sharing: the horizon's bill in fractions, against what the intervals post."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import carry_width, load_mechanism
from gridbazaar.market.mechanisms.bill_sharing import bill_sharing
from gridbazaar.market.orders import Clearing, Orders, Setting
from tests.market.books import as_orders
from tests.market.metered import KWH, F, R, band, bills_ucur, community, retailer


def play(intervals: list[Orders], settings: list[Setting], **options: Any) -> list[Clearing]:
    """Clear one interval after the other, handing on what is carried."""
    clearings: list[Clearing] = []
    for orders, setting in zip(intervals, settings, strict=True):
        carry = clearings[-1].carry if clearings else None
        clearings.append(bill_sharing(orders, replace(setting, carry=carry), **options))
    return clearings


def random_intervals(seed: int, n_intervals: int, n_envs: int = 60) -> tuple[list[Orders], list[Setting]]:
    """Members who draw in one interval and feed in in another; prices move, and may be negative or upside down."""
    rng, agent = np.random.default_rng(seed), np.random.default_rng(seed).permutation(6)
    intervals, settings = [], []
    for _ in range(n_intervals):
        energy = rng.integers(-3, 4, (n_envs, 6)) * rng.integers(1, KWH, (n_envs, 1))
        intervals.append(Orders(energy, np.zeros((n_envs, 6), np.int64), agent, np.zeros(6, np.int64)))
        lower = rng.integers(-10, 20, n_envs) * 10_000
        settings.append(Setting(lower + rng.integers(-2, 25, n_envs) * 10_000, lower))
    return intervals, settings


def test_worked_case_t17() -> None:
    """1.2 of import cost over 16 kWh drawn, and 0.4 of export income over 16 kWh fed in, after both slots."""
    slots = [as_orders(community([6], [10])), as_orders(community([10], [6]))]
    last = play(slots, [retailer()] * 2)[-1]
    assert last.price_ucur_per_kwh.tolist() == [[25_000, 75_000]]
    bills = np.sum([bills_ucur(c, retailer()) for c in play(slots, [retailer()] * 2)], axis=0)
    assert bills.tolist() == [[-16 * 25_000, 16 * 75_000]]


def test_within_one_slot_local_energy_is_free() -> None:
    clearing = bill_sharing(as_orders(community([6], [4, 6])), retailer())
    assert bills_ucur(clearing, retailer()).tolist() == [[0, 480_000, 720_000]]
    assert not clearing.pay_ucur.any()


def test_a_bill_is_the_share_of_all_that_was_drawn_whenever_it_was() -> None:
    """The first draws when the community has plenty, the second when it is short: both pay 0.3 / 2 a kWh."""
    slots = [as_orders(community([2], [1, 0])), as_orders(community([0], [0, 1]))]
    one, two = play(slots, [retailer()] * 2)
    assert one.pay_ucur.tolist() == [[0, 0, 0]]
    assert two.pay_ucur.tolist() == [[0, 150_000, -150_000]]
    assert two.price_ucur_per_kwh[0, 1] == R, "nobody trades in the second slot: the retailer's quote"


@pytest.mark.parametrize("horizon", [None, 1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_intervals_add_up_to_the_bill_of_the_horizon(seed: int, horizon: int | None) -> None:
    intervals, settings = random_intervals(seed, 6)
    clearings = play(intervals, settings, horizon_intervals=horizon)
    length = horizon or 6
    for first in range(0, 6, length):
        span = range(first, first + length)
        posted = np.sum([bills_ucur(clearings[t], settings[t]) for t in span], axis=0)
        for env in range(intervals[0].energy_ukwh.shape[0]):
            drawn, fed, cost, income = [0] * 6, [0] * 6, Fraction(0), Fraction(0)
            for t in span:
                energy = intervals[t].energy_ukwh[env].tolist()
                upper, lower = (int(price[env]) for price in band(settings[t]))
                supply, demand = -sum(e for e in energy if e < 0), sum(e for e in energy if e > 0)
                local = min(supply, demand) if upper > lower else 0
                cost += Fraction((demand - local) * upper, KWH)
                income += Fraction((supply - local) * lower, KWH)
                drawn = [d + max(e, 0) for d, e in zip(drawn, energy, strict=True)]
                fed = [f + max(-e, 0) for f, e in zip(fed, energy, strict=True)]
            for i in range(6):
                bill = (cost * drawn[i] / sum(drawn) if sum(drawn) else 0) - (income * fed[i] / (sum(fed) or 1))
                assert posted[env, i] == pytest.approx(float(bill), abs=3 * length), "micro-units of rounding"


def test_every_interval_sums_to_zero_among_all() -> None:
    intervals, settings = random_intervals(2, 5)
    for clearing in play(intervals, settings):
        assert not clearing.pay_ucur.sum(axis=1).any()
        assert not clearing.surplus_ucur.any()


def test_what_is_carried_stands_by_agent_and_a_new_horizon_forgets_it() -> None:
    intervals, settings = random_intervals(3, 3)
    place = np.array([4, 2, 0, 5, 1, 3])
    moved = [Orders(o.energy_ukwh[:, place], o.limit_ucur_per_kwh[:, place], o.agent[place], o.bus) for o in intervals]
    for one, two in zip(play(intervals, settings), play(moved, settings), strict=True):
        assert one.carry is not None
        assert two.carry is not None
        assert one.carry.tolist() == two.carry.tolist()
        assert one.carry.shape == (60, carry_width("bill_sharing", 6))
        assert one.pay_ucur[:, place].tolist() == two.pay_ucur.tolist()
    third = play(intervals, settings, horizon_intervals=2)[2]
    assert third.pay_ucur.tolist() == bill_sharing(intervals[2], settings[2]).pay_ucur.tolist()


def test_zeros_and_nothing_carried_are_the_same_beginning() -> None:
    intervals, settings = random_intervals(4, 1)
    zeros = replace(settings[0], carry=np.zeros((60, carry_width("bill_sharing", 6)), np.int64))
    one, two = bill_sharing(intervals[0], settings[0]), bill_sharing(intervals[0], zeros)
    assert one.pay_ucur.tolist() == two.pay_ucur.tolist()


def test_a_quiet_interval_posts_nothing() -> None:
    quiet = as_orders(community([0], [0]))
    clearing = play([as_orders(community([2], [1])), quiet], [retailer()] * 2)[-1]
    assert not clearing.pay_ucur.any()
    assert clearing.price_ucur_per_kwh.tolist() == [[(R + F) // 2] * 2]


@pytest.mark.parametrize("horizon", [0, -1, 1.5, "day"])
def test_a_horizon_that_is_no_number_of_intervals_is_refused(horizon: Any) -> None:
    with pytest.raises(ValueError, match=r"bill_sharing.horizon_intervals: expected a whole number in \[1, "):
        load_mechanism("bill_sharing", horizon_intervals=horizon)


def test_a_market_without_a_retailer_is_refused() -> None:
    with pytest.raises(ValueError, match="bill_sharing: expected the retailer's import and export price"):
        bill_sharing(as_orders(community([1], [1])), Setting())
