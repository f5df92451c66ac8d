"""The mid-market rate: worked cases, and a slow oracle.

Of the worked cases T15 is not ours: it takes the middle between the lowest bid and the highest ask.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gridbazaar.market.mechanisms.mid_market_rate import mid_market_rate
from gridbazaar.market.orders import Orders, Setting, Status
from tests.market.books import as_orders, as_setting
from tests.market.metered import KWH, F, R, average_prices, bills_ucur, community, retailer
from tests.reference import Book, Outside, share


@pytest.mark.parametrize(
    ("fed", "drawn", "sell", "buy"), [(6, 10, 0.20, 0.24), (10, 6, 0.16, 0.20), (8, 8, 0.20, 0.20)]
)
def test_worked_case_t17(fed: float, drawn: float, sell: float, buy: float) -> None:
    clearing = mid_market_rate(as_orders(community([fed], [drawn])), retailer())
    assert average_prices(clearing, retailer()) == pytest.approx((sell * KWH, buy * KWH))
    assert clearing.price_ucur_per_kwh.tolist() == [[200_000, 200_000]]


def random_orders(seed: int, n_envs: int = 150) -> Orders:
    rng = np.random.default_rng(seed)
    energy = rng.integers(-3, 4, (n_envs, 8)) * rng.integers(1, KWH, (n_envs, 1))
    return Orders(energy, rng.integers(0, 400_000, (n_envs, 8)), rng.permutation(8), np.zeros(8, np.int64))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_definition(seed: int) -> None:
    orders = random_orders(seed)
    setting = retailer(150)
    clearing, bills = mid_market_rate(orders, setting), bills_ucur(mid_market_rate(orders, setting), setting)
    for env, energy in enumerate(orders.energy_ukwh.tolist()):
        supply, demand = -sum(e for e in energy if e < 0), sum(e for e in energy if e > 0)
        middle, local = Fraction(R + F, 2), min(supply, demand)
        sell = (local * middle + (supply - local) * F) / supply if supply else None
        buy = (local * middle + (demand - local) * R) / demand if demand else None
        for e, bill in zip(energy, bills[env], strict=True):
            price = buy if e > 0 else sell if e < 0 else 0
            assert price is not None
            assert bill == pytest.approx(float(e * price / KWH), abs=2), "micro-units of rounding"
        sides = [share([max(s * e, 0) for e in energy], orders.agent.tolist(), local, total or 1)
                 for s, total in ((1, demand), (-1, supply))]  # fmt: skip
        assert clearing.traded_ukwh[env].tolist() == [b - s for b, s in zip(*sides, strict=True)]


def test_limits_play_no_part() -> None:
    orders = random_orders(3)
    other = replace(orders, limit_ucur_per_kwh=orders.limit_ucur_per_kwh[::-1])
    one, two = mid_market_rate(orders, retailer(150)), mid_market_rate(other, retailer(150))
    assert one.traded_ukwh.tolist() == two.traded_ukwh.tolist()
    assert one.pay_ucur.tolist() == two.pay_ucur.tolist()


def test_nobody_does_worse_than_with_the_retailer() -> None:
    orders, setting = random_orders(4), retailer(150)
    alone = orders.energy_ukwh * np.where(orders.energy_ukwh > 0, R, F) / KWH
    assert (bills_ucur(mid_market_rate(orders, setting), setting) <= alone + 1).all()


def test_the_price_is_a_multiple_of_the_tick() -> None:
    setting = replace(retailer(), tick_ucur_per_kwh=np.array([30_000]))
    clearing = mid_market_rate(as_orders(community([1], [1])), setting)
    assert clearing.price_ucur_per_kwh[0, 0] == 180_000


def test_one_sided_and_empty_communities_meet_the_retailer() -> None:
    books = (Book([KWH, KWH], [0, 0], [0, 1]), Book([-KWH, -KWH], [0, 0], [0, 1]), Book([0, 0], [0, 0], [0, 1]))
    clearing = mid_market_rate(as_orders(*books), as_setting(*[Outside(R, F)] * 3))
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh.tolist() == [[KWH, KWH], [-KWH, -KWH], [0, 0]]
    assert clearing.price_ucur_per_kwh[:, 0].tolist() == [R, F, (R + F) // 2]
    assert clearing.status[2] == Status.EMPTY


def test_where_the_band_is_empty_everybody_meets_the_retailer() -> None:
    clearing = mid_market_rate(as_orders(community([4], [6])), retailer(upper=F, lower=R))
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh.tolist() == [[-4 * KWH, 6 * KWH]]


@pytest.mark.parametrize("setting", [Setting(), Setting(np.array([R])), Setting(None, np.array([F]))])
def test_a_retailer_without_both_prices_is_refused(setting: Setting) -> None:
    with pytest.raises(ValueError, match="mid_market_rate: expected the retailer's import and export price"):
        mid_market_rate(as_orders(community([1], [1])), setting)
