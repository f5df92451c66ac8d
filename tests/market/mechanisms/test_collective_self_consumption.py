"""Collective self-consumption: worked cases, and a slow oracle for each method.

Of T24 only the energies of its static keys are used: its rate pays the network fee to the seller, which is not ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.mechanisms.collective_self_consumption import collective_self_consumption
from gridbazaar.market.orders import Orders, Setting, Status
from tests.market.books import as_orders
from tests.market.metered import KWH, F, R, bills_ucur, community, retailer

KEYS = [0.0, 0.5, 0.3, 0.2]


def shared_kwh(clearing: Any) -> list[float]:
    """What each order exchanged with neighbours in the first row."""
    energies: list[float] = (clearing.traded_ukwh[0] / KWH).tolist()
    return energies


@pytest.mark.parametrize(
    ("method", "shares", "exported"),
    [("static", [5, 1, 2], 2), ("dynamic", [20 / 3, 5 / 6, 2.5], 0), ("hybrid", [45 / 7, 1, 18 / 7], 0)],
)
def test_worked_case_t26(method: str, shares: list[float], exported: float) -> None:
    orders = as_orders(community([10], [8, 1, 3]))
    clearing = collective_self_consumption(orders, retailer(), method=method, keys=KEYS)
    assert shared_kwh(clearing) == pytest.approx([exported - 10, *shares], abs=2e-6)
    drawn = [8 - shares[0], 1 - shares[1], 3 - shares[2]]
    assert (clearing.outside_ukwh[0] / KWH).tolist() == pytest.approx([-exported, *drawn], abs=2e-6)
    assert (clearing.status[0] == Status.REDUCED) == (method == "static")


def test_keys_may_be_those_of_the_consumers_alone() -> None:
    orders = as_orders(community([10], [8, 1, 3]))
    both = [collective_self_consumption(orders, retailer(), method="static", keys=keys) for keys in (KEYS, KEYS[1:])]
    assert both[0].traded_ukwh.tolist() == both[1].traded_ukwh.tolist()


def test_worked_case_t24_strands_energy_under_static_keys() -> None:
    orders = as_orders(community([2], [7]))
    clearing = collective_self_consumption(orders, retailer(), method="static", keys=[0.6, 0.4])
    assert shared_kwh(clearing) == [-0.8, 0.8]
    assert (clearing.outside_ukwh[0] / KWH).tolist() == [-1.2, 6.2]


def test_sellers_share_pro_rata_to_their_surplus() -> None:
    orders = as_orders(community([6, 4], [8, 1, 3]))
    keys = [0, 0, 0.5, 0.3, 0.2]
    clearing = collective_self_consumption(orders, retailer(), method="static", keys=keys)
    assert shared_kwh(clearing)[:2] == pytest.approx([-4.8, -3.2], abs=2e-6)


@pytest.mark.parametrize(("position", "price"), [(0.0, F), (0.5, 200_000), (1.0, R), (0.25, 150_000)])
def test_the_price_is_a_position_in_the_band(position: float, price: int) -> None:
    clearing = collective_self_consumption(as_orders(community([2], [4])), retailer(), price=position)
    assert clearing.price_ucur_per_kwh.tolist() == [[price, price]]
    assert bills_ucur(clearing, retailer()).tolist() == [[-2 * price, 2 * price + 2 * R]]


def test_the_price_is_a_multiple_of_the_tick() -> None:
    setting = replace(retailer(), tick_ucur_per_kwh=np.array([30_000]))
    clearing = collective_self_consumption(as_orders(community([1], [1])), setting)
    assert clearing.price_ucur_per_kwh[0, 0] == 180_000


def fill_by_hand(wish: Sequence[int], weight: Sequence[Fraction], volume: Fraction) -> list[Fraction]:
    """Hand out the volume by weights, take those who are full out, and begin again with the rest."""
    got = [Fraction(0)] * len(wish)
    open_ = [i for i in range(len(wish)) if weight[i] > 0 and wish[i] > 0]
    while open_ and volume > 0:
        level = min(volume / sum(weight[i] for i in open_), min((wish[i] - got[i]) / weight[i] for i in open_))
        for i in open_:
            got[i] += level * weight[i]
            volume -= level * weight[i]
        open_ = [i for i in open_ if got[i] < wish[i]]
    return got


def by_hand(method: str, energy: list[int], keys: list[Fraction]) -> list[Fraction]:
    drawn, supply = [max(e, 0) for e in energy], -sum(min(e, 0) for e in energy)
    if method == "static":
        return [min(Fraction(d), k * supply) for d, k in zip(drawn, keys, strict=True)]
    if method == "dynamic":
        return [Fraction(d * min(supply, sum(drawn)), sum(drawn) or 1) for d in drawn]
    return fill_by_hand(drawn, keys, Fraction(supply))


@pytest.mark.parametrize("method", ["static", "dynamic", "hybrid"])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_definition(method: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_envs, n = 150, 7
    parts = rng.integers(0, 4, n)
    keys = [Fraction(int(p), int(parts.sum())) for p in parts]
    energy = rng.integers(-4, 4, (n_envs, n)) * rng.integers(1, KWH, (n_envs, 1))
    orders = Orders(energy, np.zeros((n_envs, n), np.int64), rng.permutation(n), np.zeros(n, np.int64))
    given = [float(key) for key in keys]
    clearing = collective_self_consumption(orders, retailer(n_envs), method=method, keys=given)
    for env in range(n_envs):
        shares = by_hand(method, energy[env].tolist(), keys)
        bought = clearing.traded_ukwh[env].clip(0)
        assert bought.tolist() == pytest.approx([float(s) for s in shares], abs=2)
        supply = -energy[env].clip(None, 0).sum()
        sold = -clearing.traded_ukwh[env].clip(None, 0)
        assert sold.tolist() == pytest.approx(-energy[env].clip(None, 0) * bought.sum() / max(supply, 1), abs=1)


def test_a_key_of_an_agent_counts_for_all_its_orders() -> None:
    """Agent 1 draws 5 + 3 kWh in two columns, agent 0 feeds in 10; the first column is served first."""
    orders = Orders(
        np.array([[3, -10, 1, 3, 5]]) * KWH,
        np.zeros((1, 5), np.int64),
        np.array([1, 0, 2, 3, 1]),
        np.zeros(5, np.int64),
    )
    orders = replace(orders, energy_ukwh=orders.energy_ukwh[:, [4, 1, 2, 3, 0]])
    keys = [0.0, 0.6, 0.2, 0.2]
    static = collective_self_consumption(orders, retailer(), method="static", keys=keys)
    assert shared_kwh(static) == pytest.approx([5, -9, 1, 2, 1], abs=2e-6)
    hybrid = collective_self_consumption(orders, retailer(), method="hybrid", keys=keys)
    assert shared_kwh(hybrid) == pytest.approx([5, -10, 1, 2.25, 1.75], abs=2e-6)


def test_without_keys_all_agents_have_equal_ones() -> None:
    orders = as_orders(community([9], [5, 5]))
    clearing = collective_self_consumption(orders, retailer(), method="static")
    assert shared_kwh(clearing) == pytest.approx([-6, 3, 3], abs=2e-6)


def test_whose_key_is_zero_gets_nothing() -> None:
    orders = as_orders(community([9], [5, 5]))
    clearing = collective_self_consumption(orders, retailer(), method="hybrid", keys=[0, 1, 0])
    assert shared_kwh(clearing) == [-5, 5, 0]


@pytest.mark.parametrize("method", ["static", "dynamic", "hybrid"])
def test_one_sided_and_empty_communities_meet_the_retailer(method: str) -> None:
    orders = as_orders(community([], [2, 3]), community([2, 3], []), community([0], [0]))
    clearing = collective_self_consumption(orders, retailer(3), method=method)
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh.tolist() == orders.energy_ukwh.tolist()
    assert clearing.price_ucur_per_kwh[:, 0].tolist() == [R, F, (R + F) // 2]


def test_where_the_band_is_empty_everybody_meets_the_retailer() -> None:
    for method in ("static", "dynamic", "hybrid"):
        clearing = collective_self_consumption(
            as_orders(community([4], [6])), retailer(upper=F, lower=R), method=method, keys=[0, 1]
        )
        assert not clearing.traded_ukwh.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "fair"}, r"\.method: expected one of dynamic, static, hybrid, got 'fair'"),
        ({"price": 1.5}, r"\.price: expected a number in \[0, 1\], got 1.5"),
        (
            {"keys": [0.5, 0.3, 0.1, 0.0]},
            r": keys: expected a sum of 1 within 1e-9, got 0\.9 from keys\[0\] to keys\[3\]",
        ),
        ({"keys": [0.5, 0.5, 1e-8, 0.0]}, ": keys: expected a sum of 1"),
        ({"keys": [1.5, -0.25, 0.0, -0.25]}, r"\.keys\[1\]: expected a number in .*, got -0.25"),
        ({"keys": [float("nan"), 1.0, 0.0, 0.0]}, r"\.keys\[0\]: expected a number in .*, got nan"),
        ({"keys": [0.5, 0.5]}, ": keys: expected one for each of the 4 agents, .* or the 3 of them that draw; got 2"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    orders = as_orders(community([10], [8, 1, 3]))
    with pytest.raises(ValueError, match="collective_self_consumption" + message):
        load_mechanism("collective_self_consumption", **options)(orders, retailer())


def test_a_market_without_a_retailer_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the retailer's import and export price"):
        collective_self_consumption(as_orders(community([1], [1])), Setting())
