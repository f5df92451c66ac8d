"""What flowed on an island is paid among its members, at one price."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.orders import Orders, Status
from gridbazaar.market.settlement.island import settle_among_members


def metered(*rows: list[int]) -> Orders:
    energy = np.array(rows)
    n_orders = energy.shape[1]
    return Orders(energy, 0 * energy, np.arange(n_orders), np.zeros(n_orders, np.int64))


def test_who_draws_pays_the_price_and_sellers_share_the_money() -> None:
    """1 and 2 kWh are drawn at 0.50; 4 kWh are given, of which 1 kWh is lost: three quarters of 0.375 for each kWh."""
    found = settle_among_members(metered([1_000_000, -3_000_000, 2_000_000, -1_000_000]), np.array([500_000]))
    assert found.pay_ucur.tolist() == [[500_000, -1_125_000, 1_000_000, -375_000]]
    assert found.traded_ukwh.tolist() == [[1_000_000, -3_000_000, 2_000_000, -1_000_000]]
    assert (found.pool_ukwh is not None, found.surplus_ucur.tolist()) == (True, [0])
    assert found.price_ucur_per_kwh.tolist() == [[500_000] * 4]
    assert found.status.tolist() == [int(Status.ISLAND)]


def test_where_nobody_gives_nobody_pays() -> None:
    assert not settle_among_members(metered([5, 0, 7]), np.array([5_000_000])).pay_ucur.any()


@given(
    st.lists(st.lists(st.integers(-(10**7), 10**7), min_size=5, max_size=5), min_size=1, max_size=4),
    st.integers(0, 10**7),
)
def test_payments_of_an_island_sum_to_zero_and_its_energy_to_the_pool(rows: list[list[int]], price: int) -> None:
    found = settle_among_members(metered(*rows), np.full(len(rows), price))
    assert not found.pay_ucur.sum(axis=1).any()
    assert found.pool_ukwh is not None
    assert (found.traded_ukwh.sum(axis=1) == found.pool_ukwh).all()
    assert (found.pay_ucur * np.array(rows) >= 0).all()
