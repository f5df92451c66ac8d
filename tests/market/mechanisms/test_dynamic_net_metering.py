"""Dynamic net metering: worked case, and the welfare that no other price reaches."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.mechanisms import load_mechanism
from gridbazaar.market.mechanisms.dynamic_net_metering import dynamic_net_metering
from gridbazaar.market.orders import Clearing, Orders, Setting, Status
from tests.market.books import as_orders
from tests.market.metered import KWH, F, R, band, community, retailer
from tests.reference import Book

T18 = retailer(upper=300_000, lower=80_000)


@pytest.mark.parametrize(("generated", "price", "each"), [(10, 0.30, 2.0), (30, 0.20, 3.0), (50, 0.08, 4.2)])
def test_worked_case_t18(generated: float, price: float, each: float) -> None:
    """Ten members with U'(d) = 0.5 - 0.1 d want 5 kWh at price 0 and nothing at 0.5; d+ is 20 kWh, d- is 42."""
    clearing = dynamic_net_metering(as_orders(community([generated], [5] * 10, limit_cur=0.5)), T18, demand="linear")
    assert clearing.price_ucur_per_kwh[0].tolist() == [round(price * KWH)] * 11
    filled = clearing.filled_ukwh[0] / KWH
    assert filled.tolist() == pytest.approx([-generated] + [each] * 10, abs=2e-6)
    assert abs(clearing.traded_ukwh[0, 0]) == min(generated, each * 10) * KWH


@pytest.mark.parametrize(("fed", "drawn", "price"), [(4, 6, R), (6, 4, F), (5, 5, 200_000)])
def test_metered_energy_takes_one_of_three_prices(fed: float, drawn: float, price: int) -> None:
    clearing = dynamic_net_metering(as_orders(community([fed], [drawn])), retailer())
    assert clearing.price_ucur_per_kwh.tolist() == [[price, price]]
    assert clearing.pay_ucur[0, 1] == min(fed, drawn) * price
    assert clearing.filled_ukwh.tolist() == [[-fed * KWH, drawn * KWH]]


def price_by_hand(energy: list[int], limit: list[int], upper: int, lower: int) -> Fraction:
    """Walk down from choke price to choke price until the demand that has come in reaches the generation."""
    lines = [(Fraction(e), Fraction(b)) for e, b in zip(energy, limit, strict=True) if e > 0 and b > 0]
    generated = -sum(e for e in energy if e < 0)

    def wanted(price: Fraction) -> Fraction:
        return sum((q * min(1 - price / b, Fraction(1)) for q, b in lines if b > price), Fraction(0))

    if wanted(Fraction(upper)) > generated:
        return Fraction(upper)
    if wanted(Fraction(lower)) < generated:
        return Fraction(lower)
    marks = sorted({b for _, b in lines} | {Fraction(0)}, reverse=True)
    for above, below in pairwise(marks):
        if wanted(below) >= generated:
            at, under = wanted(above), wanted(below)
            return min(above - (above - below) * (generated - at) / (under - at), Fraction(upper))
    raise AssertionError("demand at price 0 falls short of what is wanted at the export price")


def random_lines(seed: int, n_envs: int = 300) -> tuple[Orders, Setting]:
    rng, n = np.random.default_rng(seed), 8
    energy = rng.integers(-3, 5, (n_envs, n)) * rng.integers(1, KWH, (n_envs, 1))
    limit = rng.integers(-2, 12, (n_envs, n)) * 50_000
    lower = rng.integers(-2, 5, n_envs) * 50_000
    setting = Setting(lower + rng.integers(1, 8, n_envs) * 50_000, lower)
    return Orders(energy, limit, rng.permutation(n), np.zeros(n, np.int64)), setting


@pytest.mark.parametrize("seed", [0, 1])
def test_the_price_and_the_fills_agree_with_the_definition(seed: int) -> None:
    orders, setting = random_lines(seed)
    uppers, lowers = band(setting)
    clearing = dynamic_net_metering(orders, setting, demand="linear")
    filled = clearing.filled_ukwh
    n_between = 0
    for env, energy in enumerate(orders.energy_ukwh.tolist()):
        limit = orders.limit_ucur_per_kwh[env].tolist()
        upper, lower = int(uppers[env]), int(lowers[env])
        price = price_by_hand(energy, limit, upper, lower)
        if clearing.traded_ukwh[env].any():
            assert abs(price - clearing.price_ucur_per_kwh[env, 0]) <= 1
        for e, b, got in zip(energy, limit, filled[env].tolist(), strict=True):
            wanted = e * min(max(1 - price / b, 0), 1) if e > 0 and b > 0 else min(e, 0)
            assert got == pytest.approx(float(wanted), abs=1e-4 * KWH), "a micro-unit of price moves some energy"
        if lower < price < upper:
            n_between += 1
            assert not clearing.outside_ukwh[env].any()
            assert clearing.low_ucur_per_kwh[env] == clearing.high_ucur_per_kwh[env]
    assert n_between > 50


def welfare(orders: Orders, clearing: Clearing, setting: Setting) -> Any:
    """[n_envs] utility of what was filled, plus what exports earn, less what imports cost."""
    upper, lower = band(setting)
    full, choke = np.maximum(orders.energy_ukwh, 0), np.maximum(orders.limit_ucur_per_kwh, 1)
    full = np.where(orders.limit_ucur_per_kwh > 0, full, 0)
    filled = clearing.filled_ukwh
    drawn = np.maximum(filled, 0) * (full > 0)
    utility = choke * (drawn - drawn**2 / (2 * np.maximum(full, 1)))
    net = filled.sum(axis=1)
    return utility.sum(axis=1) - net * np.where(net > 0, upper, lower)


def test_no_other_consumption_is_worth_more() -> None:
    """The rule's fills, moved at random within what the orders allow, are never worth more."""
    orders, setting = random_lines(2)
    lower = np.maximum(band(setting)[1], 0)
    setting = replace(setting, export_ucur_per_kwh=lower, import_ucur_per_kwh=lower + 150_000)
    clearing = dynamic_net_metering(orders, setting, demand="linear")
    best = welfare(orders, clearing, setting)
    rng = np.random.default_rng(0)
    for size in (0.01, 0.1, 1.0):
        for _ in range(20):
            moved = clearing.outside_ukwh + (rng.normal(size=orders.energy_ukwh.shape) * size * KWH).astype(np.int64)
            total = np.clip(clearing.traded_ukwh + moved, 0, np.maximum(orders.energy_ukwh, 0))
            total = np.where(orders.energy_ukwh > 0, total, orders.energy_ukwh)
            other = replace(clearing, outside_ukwh=total - clearing.traded_ukwh)
            assert (welfare(orders, other, setting) <= best + 1e-6 * abs(best) + KWH).all()


def test_nobody_pays_beyond_the_limit_of_a_line() -> None:
    orders, setting = random_lines(3)
    clearing = dynamic_net_metering(orders, setting, demand="linear")
    buys = (orders.energy_ukwh > 0) & (clearing.filled_ukwh > 0)
    price = np.broadcast_to(clearing.price_ucur_per_kwh, buys.shape)
    assert (price[buys] <= orders.limit_ucur_per_kwh[buys]).all()


def test_lines_on_torch_are_the_same_integers() -> None:
    torch = pytest.importorskip("torch")
    orders, setting = random_lines(4)
    ours = dynamic_net_metering(orders, setting, demand="linear")
    theirs = dynamic_net_metering(
        Orders(
            *(torch.as_tensor(x) for x in (orders.energy_ukwh, orders.limit_ucur_per_kwh, orders.agent, orders.bus))
        ),
        Setting(torch.as_tensor(setting.import_ucur_per_kwh), torch.as_tensor(setting.export_ucur_per_kwh)),
        demand="linear",
    )
    for field in ("traded_ukwh", "outside_ukwh", "pay_ucur", "price_ucur_per_kwh", "low_ucur_per_kwh", "status"):
        assert getattr(ours, field).tolist() == getattr(theirs, field).tolist(), field


def test_lines_that_move_columns_move_the_result() -> None:
    orders, setting = random_lines(5)
    place = np.random.default_rng(1).permutation(8)
    moved = Orders(
        orders.energy_ukwh[:, place], orders.limit_ucur_per_kwh[:, place], orders.agent[place], orders.bus[place]
    )
    one, two = (dynamic_net_metering(o, setting, demand="linear") for o in (orders, moved))
    assert one.traded_ukwh[:, place].tolist() == two.traded_ukwh.tolist()
    assert one.pay_ucur[:, place].tolist() == two.pay_ucur.tolist()


def test_the_price_between_is_a_multiple_of_the_tick_and_all_generation_stays() -> None:
    setting = replace(T18, tick_ucur_per_kwh=np.array([15_000]))
    clearing = dynamic_net_metering(as_orders(community([30], [5] * 10, limit_cur=0.5)), setting, demand="linear")
    assert clearing.price_ucur_per_kwh[0, 0] == 195_000
    assert clearing.traded_ukwh[0].clip(0).sum() == 30 * KWH


@pytest.mark.parametrize("demand", ["metered", "linear"])
def test_one_sided_and_empty_communities_meet_the_retailer(demand: str) -> None:
    books = (community([], [5, 5], 0.6), community([5, 5], []), Book([0, 0], [0, 0], [0, 1]))
    clearing = dynamic_net_metering(as_orders(*books), retailer(3), demand=demand)
    assert not clearing.traded_ukwh.any()
    each = 5 * KWH if demand == "metered" else 5 * KWH // 2
    assert clearing.outside_ukwh.tolist() == [[each, each], [-5 * KWH, -5 * KWH], [0, 0]]
    assert clearing.price_ucur_per_kwh[:, 0].tolist() == [R, F, (R + F) // 2]
    assert clearing.status[2] == Status.EMPTY


def test_where_the_band_is_empty_lines_buy_at_the_import_price() -> None:
    setting = retailer(upper=F, lower=R)
    clearing = dynamic_net_metering(as_orders(community([4], [6], 0.2)), setting, demand="linear")
    assert not clearing.traded_ukwh.any()
    assert clearing.outside_ukwh.tolist() == [[-4 * KWH, 3 * KWH]]


def test_an_unknown_demand_is_refused() -> None:
    with pytest.raises(ValueError, match="demand: expected one of metered, linear, got 'quadratic'"):
        load_mechanism("dynamic_net_metering", demand="quadratic")


def test_a_market_without_a_retailer_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the retailer's import and export price"):
        dynamic_net_metering(as_orders(community([1], [1])), Setting())
