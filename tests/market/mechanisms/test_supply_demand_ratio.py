"""The supply-demand ratio: worked cases, and the definition in fractions.

T16 names bids and asks of another tool. Its figures are those of our formula with the lowest bid (35) as import price
and the highest ask (15) as export price, so all four are used. T15 has no such reading.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.mechanisms.supply_demand_ratio import supply_demand_ratio
from gridbazaar.market.orders import Orders, Setting
from tests.market.books import as_orders
from tests.market.metered import KWH, F, R, average_prices, band, bills_ucur, community, retailer


@pytest.mark.parametrize(("fed", "sell", "buy"), [(5, 0.15, 0.225), (10, 0.10, 0.10), (12, 0.10, 0.10)])
def test_worked_case_t17(fed: float, sell: float, buy: float) -> None:
    clearing = supply_demand_ratio(as_orders(community([fed], [10])), retailer())
    assert average_prices(clearing, retailer()) == pytest.approx((sell * KWH, buy * KWH))
    assert clearing.price_ucur_per_kwh[0].tolist() == [round(sell * KWH)] * 2


def test_worked_case_t17_without_supply() -> None:
    clearing = supply_demand_ratio(as_orders(community([0], [10])), retailer())
    assert clearing.price_ucur_per_kwh.tolist() == [[R, R]]
    assert bills_ucur(clearing, retailer()).tolist() == [[0, 10 * R]]


@pytest.mark.parametrize(
    ("asks", "compensation", "price"),
    [([500, 400, 500], 0.0, 15.594), ([500, 400, 500], 0.5, 25.485), ([2000], 0.0, 15.0), ([1250], 0.0, 16.579)],
)
def test_worked_case_t16(asks: list[float], compensation: float, price: float) -> None:
    orders = as_orders(community(asks, [500, 500, 500]))
    clearing = supply_demand_ratio(orders, retailer(1, 35 * KWH, 15 * KWH), compensation=compensation)
    assert clearing.price_ucur_per_kwh[0, 0] / KWH == pytest.approx(price, abs=5e-4)


def price_by_hand(supply: int, demand: int, upper: int, lower: int, c: Fraction) -> Fraction:
    """The formula as it stands in the literature, with the compensation in place of the export price."""
    ratio, premium = Fraction(supply, demand), c * (upper - lower)
    if ratio >= 1:
        return lower + premium / ratio
    floor = lower + premium
    return upper * floor / ((upper - floor) * ratio + floor) if floor > 0 else floor


def random_case(rng: np.random.Generator, n_envs: int) -> tuple[Orders, Setting]:
    energy = rng.integers(-3, 4, (n_envs, 6)) * rng.integers(1, KWH, (n_envs, 1))
    lower = rng.integers(-20, 20, n_envs) * 10_000
    setting = Setting(lower + rng.integers(1, 30, n_envs) * 10_000, lower)
    return Orders(energy, np.zeros((n_envs, 6), np.int64), rng.permutation(6), np.zeros(6, np.int64)), setting


@pytest.mark.parametrize("compensation", [0.0, 0.25, 1.0])
def test_it_agrees_with_the_definition(compensation: float) -> None:
    orders, setting = random_case(np.random.default_rng(1), 400)
    clearing = supply_demand_ratio(orders, setting, compensation=compensation)
    n_compared, (uppers, lowers) = 0, band(setting)
    for env, energy in enumerate(orders.energy_ukwh.tolist()):
        supply, demand = -sum(e for e in energy if e < 0), sum(e for e in energy if e > 0)
        if supply and demand:
            upper, lower = int(uppers[env]), int(lowers[env])
            price = price_by_hand(supply, demand, upper, lower, Fraction(compensation))
            assert 0 <= price - clearing.price_ucur_per_kwh[env, 0] < 2, "rounded down, as is the compensation"
            assert clearing.traded_ukwh[env].clip(0).sum() == min(supply, demand)
            n_compared += 1
    assert n_compared > 300


def test_the_price_falls_from_the_import_to_the_export_price() -> None:
    fed = range(1, 25)
    orders = as_orders(*(community([kwh], [10]) for kwh in fed))
    for compensation in (0.0, 0.5):
        price = supply_demand_ratio(orders, retailer(24), compensation=compensation).price_ucur_per_kwh[:, 0]
        assert (np.diff(price) <= 0).all()
        assert (price <= R).all()
        assert (price >= F).all()
    assert price[9] == 200_000, "at a ratio of one the compensation is a share of the band"


def test_nobody_does_worse_than_with_the_retailer() -> None:
    orders, setting = random_case(np.random.default_rng(2), 200)
    upper, lower = band(setting)
    alone = orders.energy_ukwh * np.where(orders.energy_ukwh > 0, upper[:, None], lower[:, None]) / KWH
    assert (bills_ucur(supply_demand_ratio(orders, setting), setting) <= alone + 1).all()


def test_the_price_is_a_multiple_of_the_tick() -> None:
    setting = replace(retailer(), tick_ucur_per_kwh=np.array([20_000]))
    assert supply_demand_ratio(as_orders(community([5], [10])), setting).price_ucur_per_kwh[0, 0] == 140_000


def test_huge_communities_do_not_overflow() -> None:
    clearing = supply_demand_ratio(as_orders(community([5e6], [1e7])), retailer())
    assert clearing.price_ucur_per_kwh[0, 0] == 150_000


@pytest.mark.parametrize("compensation", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_compensation_outside_zero_and_one_is_refused(compensation: Any) -> None:
    with pytest.raises(ValueError, match=r"supply_demand_ratio.compensation: expected a number in \[0, 1\], got"):
        load_mechanism("supply_demand_ratio", compensation=compensation)


def test_a_market_without_a_retailer_is_refused() -> None:
    with pytest.raises(ValueError, match="supply_demand_ratio: expected the retailer's import and export price"):
        supply_demand_ratio(as_orders(community([1], [1])), Setting())


def test_a_premium_goes_to_the_smallest_supply_too() -> None:
    """One micro-kWh on each side: the retailer's price for what is fed in, and half of the band on it."""
    orders = Orders(
        energy_ukwh=np.array([[1, -1]]), limit_ucur_per_kwh=np.array([[300_000, 100_000]]), agent=np.arange(2),
        bus=np.zeros(2, np.int64),
    )  # fmt: skip
    columns: list[Any] = [np.full(1, x) for x in (300_000, 100_000, 10**9, 10**9, 0, 0)]
    cleared = supply_demand_ratio(orders, Setting(*columns), compensation=0.5)
    assert cleared.traded_ukwh.tolist() == [[1, -1]]
    assert cleared.price_ucur_per_kwh.tolist() == [[200_000, 200_000]]
