"""The auction on metered energy: a case by hand, and the auctions on orders with the same limits as oracles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridbazaar.data.arrays import Array
from gridbazaar.market.mechanisms.metered_auction import metered_auction
from gridbazaar.market.mechanisms.pay_as_bid import pay_as_bid
from gridbazaar.market.mechanisms.uniform_price import uniform_price
from gridbazaar.market.orders import Orders, Setting
from tests.market.metered import KWH, F, R, retailer


def metered_of(*kwh: float) -> Orders:
    energy = np.array([[round(x * KWH) for x in kwh]])
    agent = np.arange(len(kwh))
    return Orders(energy, 0 * energy, agent, 0 * agent)


def test_by_hand() -> None:
    """Band 0.10 to 0.30: bids 0.30 and 0.20, asks 0.10 and 0.22 (1 kWh each): one kWh is traded."""
    orders, bids, asks = metered_of(1, 1, -1, -1), (1.0, 0.5, 0.0, 0.0), (0.0, 0.0, 0.0, 0.6)
    assert (F, R) == (100_000, 300_000)
    clearing = metered_auction(orders, retailer(), bids=bids, asks=asks)
    assert clearing.traded_ukwh.tolist() == [[KWH, 0, -KWH, 0]]
    assert clearing.outside_ukwh.tolist() == [[0, KWH, 0, -KWH]]
    assert clearing.price_ucur_per_kwh[0, 0] == 210_000, "between the bid and the ask that find nobody, 0.20 and 0.22"
    paired = metered_auction(orders, retailer(), bids=bids, asks=asks, pricing="pair")
    assert paired.pay_ucur.tolist() == [[200_000, 0, -200_000, 0]], "the middle of 0.30 and 0.10"
    assert metered_auction(orders, retailer(), bids=bids, asks=asks, pricing="pair", k=0.0).pay_ucur[0, 0] == 100_000


def test_limits_are_spread_over_agents() -> None:
    orders = metered_of(1, 1, 1, -3)
    each = metered_auction(orders, retailer(), bids=(0.2, 0.4, 0.6, 0.8), asks=(0.9, 0.7, 0.5, 0.3))
    ends = metered_auction(orders, retailer(), bids=(0.2, 0.8), asks=(0.3, 0.9))
    one = metered_auction(orders, retailer(), bids=(0.3,), asks=(0.3,))
    assert ends.pay_ucur.tolist() == each.pay_ucur.tolist()
    assert each.traded_ukwh.tolist() == [[0, KWH, KWH, -2 * KWH]], "0.2 is below the ask of 0.3"
    assert one.price_ucur_per_kwh[0, 0] == F + 0.3 * (R - F)
    with pytest.raises(ValueError, match=r"metered_auction: bids: expected one share .* of the 4 agents; got 3"):
        metered_auction(orders, retailer(), bids=(0.1, 0.2, 0.3))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_trades_as_the_auctions_on_orders_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    energy = rng.integers(-3, 4, (60, 8)) * rng.integers(1, KWH, (60, 1))
    agent, bids, asks = rng.permutation(8), rng.integers(0, 11, 8) / 10, rng.integers(0, 11, 8) / 10
    limit = F + np.rint(np.where(energy > 0, bids[agent], asks[agent]) * (R - F)).astype(np.int64)
    orders = Orders(energy, limit, agent, 0 * agent)
    for pricing, oracle in (("uniform", uniform_price(orders, Setting())), ("pair", pay_as_bid(orders, Setting()))):
        unlimited, ends = replace(orders, limit_ucur_per_kwh=0 * limit), (bids.tolist(), asks.tolist())
        found = metered_auction(unlimited, retailer(60), bids=ends[0], asks=ends[1], pricing=pricing)
        assert found.traded_ukwh.tolist() == oracle.traded_ukwh.tolist()
        assert found.pay_ucur.tolist() == oracle.pay_ucur.tolist()
        assert (found.traded_ukwh + found.outside_ukwh).tolist() == energy.tolist()


def test_where_the_band_is_empty_nobody_trades() -> None:
    ends: list[Array] = [np.array([x]) for x in (100_000, 100_000)]
    clearing = metered_auction(metered_of(1, -1), Setting(*ends))
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh.tolist() == [[KWH, -KWH]]
