"""Whole clearings of random villages: prices, money, limits, and who gains from what."""

from __future__ import annotations

import itertools
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import gridbazaar.market.nodal.clearing as clearing_module
from gridbazaar.data.feeder import Feeder
from gridbazaar.market.auction.equilibrium import clear_at_uniform_price
from gridbazaar.market.grid.linear import LinearGrid
from gridbazaar.market.nodal.clearing import NodalClearing, clear_nodal
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution
from gridbazaar.market.nodal.simplex import solve_by_simplex
from gridbazaar.market.orders import Clearing, NodalPrices, Setting
from gridbazaar.market.rule import arrays_of
from gridbazaar.market.settlement.nodal import deviation_ucur, rebate_per_connection
from gridbazaar.market.settlement.position import Position, Use
from tests.market.grid.loading import STIFF_VILLAGE
from tests.market.nodal.villages import KWH, Market, clear, random_markets

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
PER_ORDER = ("traded_ukwh", "outside_ukwh", "pay_ucur", "price_ucur_per_kwh")


class Village(NamedTuple):
    """A market and how it cleared, by the batched solver and by HiGHS."""

    market: Market
    fast: NodalClearing
    exact: NodalClearing


def both_ways(n: int) -> list[Village]:
    """Four batches of ``n``; lines bind in the first and third, voltages in the second and fourth."""
    kinds: list[tuple[str | Path, float, float]] = [
        (STIFF_VILLAGE, 0.5, 2.0),
        (STIFF_VILLAGE, 1.0, 3.0),
        ("ieee33", 0.3, 1.0),
        ("ieee33", 1.0, 2.3),
    ]
    markets = [random_markets(name, n, 7, ratings=ratings, level=level) for name, ratings, level in kinds]
    return [Village(market, clear(market), clear(market, exact=True)) for market in markets]


@pytest.fixture(scope="module")
def villages() -> list[Village]:
    return both_ways(22)


def binds(part_cur_per_kwh: Floats) -> Bools:
    """[n] whether a part of the price is not zero somewhere."""
    result: Bools = np.abs(part_cur_per_kwh).max(axis=1) > 1e-6
    return result


def filled_of(clearing: Clearing) -> NDArray[np.int64]:
    result: NDArray[np.int64] = clearing.filled_ukwh
    return result


@pytest.mark.parametrize("least", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_constrained_villages_clear_as_with_highs(least: int, villages: list[Village]) -> None:
    """Through all rounds of linearisation; a row that HiGHS solved after all would say so."""
    villages = both_ways(66) if least == 200 else villages
    lines = sum(int(binds(v.exact.prices.congestion_cur_per_kwh).sum()) for v in villages)
    voltages = sum(int(binds(v.exact.prices.voltage_cur_per_kwh).sum()) for v in villages)
    n = sum(
        int((binds(v.exact.prices.congestion_cur_per_kwh) | binds(v.exact.prices.voltage_cur_per_kwh)).sum())
        for v in villages
    )
    assert n >= least, (n, lines, voltages)
    assert lines >= 0.4 * least, lines
    assert voltages >= 0.25 * least, voltages
    for village in villages:
        fast, exact = village.fast.prices, village.exact.prices
        assert np.abs(fast.price_cur_per_kwh - exact.price_cur_per_kwh).max() < 1e-3
        assert not fast.by_highs.any()
        assert exact.by_highs.all()
        assert fast.root_kwh == pytest.approx(exact.root_kwh, abs=1e-3)
        surplus = [c.clearing.surplus_ucur / KWH for c in (village.fast, village.exact)]
        assert surplus[0] == pytest.approx(surplus[1], abs=1e-3)


def test_the_parts_of_price_and_rent_add_up(villages: list[Village]) -> None:
    for market, cleared, _ in villages:
        prices, clearing = cleared.prices, cleared.clearing
        shown = clearing.price_ucur_per_kwh / KWH
        assert np.abs(prices.price_cur_per_kwh[:, market.orders.bus] - shown).max() <= 1.1e-6
        value = (shown * filled_of(clearing)).sum(axis=1) / KWH
        rents = prices.line_rent_cur + prices.voltage_rent_cur + prices.loss_surplus_cur
        assert value == pytest.approx(prices.energy_cur_per_kwh * prices.root_kwh + rents, abs=2e-3)


def test_energy_balances_and_the_surplus_is_declared(villages: list[Village]) -> None:
    for market, cleared, _ in villages:
        clearing, energy = cleared.clearing, market.orders.energy_ukwh
        filled, sign = filled_of(clearing), np.sign(energy)
        assert not clearing.traded_ukwh.sum(axis=1).any()
        assert (clearing.pay_ucur.sum(axis=1) == clearing.surplus_ucur).all()
        assert (filled * sign >= 0).all()
        assert (clearing.traded_ukwh * sign >= 0).all()
        assert (clearing.outside_ukwh * sign >= 0).all()
        assert (abs(filled) <= abs(energy)).all()
        assert (filled == energy)[:, market.wires.is_inelastic & (energy > 0).all(axis=0)].all()
        root_kwh = filled.sum(axis=1) / KWH + cleared.prices.loss_kwh
        assert root_kwh == pytest.approx(cleared.prices.root_kwh, abs=1e-4)
        for field in arrays_of(clearing):
            assert getattr(clearing, field).dtype == np.int64, field


def test_nobody_pays_more_than_the_limit_and_who_could_gain_is_filled(villages: list[Village]) -> None:
    for market, cleared, _ in villages:
        orders, clearing = market.orders, cleared.clearing
        price, filled = clearing.price_ucur_per_kwh, filled_of(clearing)
        elastic = ~(market.wires.is_inelastic & (orders.energy_ukwh > 0))
        gain = (orders.limit_ucur_per_kwh - price) * np.sign(orders.energy_ukwh)
        assert (gain[elastic & (filled != 0)] >= 0).all()
        assert (filled == orders.energy_ukwh)[elastic & (gain > 1)].all()


def test_orders_at_one_bus_share_one_price(villages: list[Village]) -> None:
    for market, cleared, _ in villages:
        for bus in set(market.orders.bus.tolist()):
            price = cleared.clearing.price_ucur_per_kwh[:, market.orders.bus == bus]
            assert (price == price[:, :1]).all()


def test_the_dispatch_keeps_the_limits_in_the_ac_flow(villages: list[Village]) -> None:
    """Where orders could keep them; an overload that inelastic load causes is there, and priced."""
    for market, cleared, _ in villages:
        prices, check, limit = cleared.prices, cleared.check, market.orders.limit_ucur_per_kwh.max() / KWH
        is_kept = prices.price_cur_per_kwh.max(axis=1) < 1.5 * limit
        assert is_kept.mean() > 30 / 66
        assert check.converged.all()
        assert check.overload_frac[is_kept].max() < 5e-3
        assert check.outside_band_pu[is_kept].max() < 5e-4


def test_revenue_is_adequate_where_no_injection_is_feasible(villages: list[Village]) -> None:
    """What the wires bring in covers all but the losses that are there without any trade: iron, reactive draws."""
    for market, cleared, _ in villages:
        prices, wires = cleared.prices, market.wires
        nothing = np.zeros_like(wires.q_kvar)
        assert wires.grid.allows(nothing, wires.q_kvar).all()
        assert (prices.line_rent_cur + prices.voltage_rent_cur > -1e-9).all()
        at_rest_cur = wires.grid.ac.solve(nothing, wires.q_kvar).loss_kw * prices.energy_cur_per_kwh * wires.step_h
        assert (prices.loss_surplus_cur >= -1.05 * at_rest_cur).all()
        assert (cleared.clearing.surplus_ucur >= 0).all()
        assert (prices.line_rent_cur + prices.voltage_rent_cur).max() > 1


def test_without_losses_a_row_that_no_wire_forbids_has_the_uniform_price() -> None:
    market = random_markets(STIFF_VILLAGE, 64, 7, ratings=0.6, level=2, losses=False)
    cleared = clear(market, k=0.3)
    bound = binds(cleared.prices.congestion_cur_per_kwh) | binds(cleared.prices.voltage_cur_per_kwh)
    assert 16 < bound.sum() < 56
    plain = clear_at_uniform_price(market.orders, market.setting, k=0.3)
    for field in arrays_of(cleared.clearing):
        ours, theirs = (getattr(clearing, field)[~bound] for clearing in (cleared.clearing, plain))
        assert ours.tolist() == theirs.tolist(), field


def test_without_losses_and_limits_the_solver_finds_the_uniform_price() -> None:
    """The same rows through the linear program: its first step is the whole of it."""
    market = random_markets(STIFF_VILLAGE, 64, 7, ratings=100, level=2, losses=False)
    feeder = replace(market.wires.grid.feeder, v_min_pu=0.5, v_max_pu=1.5)
    market = market._replace(wires=replace(market.wires, grid=_Everywhere(feeder, losses=False)))
    cleared, plain = clear(market), clear_at_uniform_price(market.orders, market.setting)
    partial = plain.low_ucur_per_kwh == plain.high_ucur_per_kwh
    assert partial.sum() > 60
    price = cleared.clearing.price_ucur_per_kwh
    assert (price == plain.price_ucur_per_kwh)[partial].all()
    assert np.abs(filled_of(cleared.clearing) - filled_of(plain))[partial].max() <= 1
    assert np.abs(cleared.clearing.surplus_ucur).max() < 200


class _Everywhere(LinearGrid):
    """Sends every row to the linear program."""

    def allows(self, p_kw: Floats, q_kvar: Floats) -> Bools:
        return np.zeros(len(p_kw), dtype=bool)


def test_overselling_behind_a_constraint_never_pays(villages: list[Village]) -> None:
    """Firm sellers offer half as much again as they have: what is missing costs what it earned, or more."""
    gained = constrained = 0.0
    for market, cleared, _ in (villages[0], villages[1]):
        some = [market.row(i) for i in np.flatnonzero(binds(cleared.prices.congestion_cur_per_kwh))[:12]]
        for one in some:
            true_ukwh, cost = -one.orders.energy_ukwh[0], one.orders.limit_ucur_per_kwh[0]
            for agent in range(0, 80, 9):
                if true_ukwh[agent] <= 0:
                    continue
                more = one.orders.energy_ukwh.copy()
                more[0, agent] -= true_ukwh[agent] // 2
                honest, greedy = clear(one), clear(one._replace(orders=replace(one.orders, energy_ukwh=more)))
                profits = [
                    profit_cur(one, answer.clearing, agent, int(true_ukwh[agent]), int(cost[agent]))
                    for answer in (honest, greedy)
                ]
                constrained += 1
                gained = max(gained, profits[1] - profits[0] - 1e-3 * true_ukwh[agent] / KWH)
    assert constrained > 40
    assert gained <= 1e-5


def profit_cur(market: Market, clearing: Clearing, agent: int, true_ukwh: int, cost_ucur_per_kwh: int) -> float:
    """What a seller earns over its cost: the retailer bills what it did not deliver, and the bus what that missed."""
    retailer = market.setting.import_ucur_per_kwh, market.setting.export_ucur_per_kwh
    upper, lower = (int(np.asarray(x)[0]) for x in retailer)
    traded, scheduled, pay = (
        int(x[0, agent]) for x in (clearing.traded_ukwh, clearing.outside_ukwh, clearing.pay_ucur)
    )
    missing = max(-traded - scheduled - true_ukwh, 0)
    net = scheduled + missing
    extra = deviation(scheduled, net, int(clearing.price_ucur_per_kwh[0, agent]), (upper, lower))
    owed_ucur = pay + extra + (upper if net > 0 else lower) * net / KWH
    return -(owed_ucur + cost_ucur_per_kwh * (-traded - scheduled - missing) / KWH) / KWH


def deviation(
    scheduled: int,
    net: int,
    at_bus: int,
    retailer: tuple[int, int],
    over: tuple[int, int] = (0, 0),
    is_brp: bool = False,
) -> int:
    """What one party's deviation costs beyond the tariff; ``over`` is the rent and the energy past the cap."""
    position = Position(*(np.array([[x]]) for x in (0, scheduled, net)))
    setting = Setting(np.array([retailer[0]]), np.array([retailer[1]]))
    use = Use(np.array([over[0]]), np.array([over[1]]), np.array([abs(over[0])]))
    return int(deviation_ucur(position, np.array([[at_bus]]), use, setting, np.array([is_brp]))[0, 0])


@pytest.mark.parametrize(
    ("scheduled", "net", "at_bus", "costs"),
    [
        (0, KWH, 400_000, 100_000),  # short at a dear bus: 0.40 where the tariff is 0.30
        (0, KWH, 200_000, 0),
        (0, -KWH, 50_000, 30_000),  # long at a cheap bus: 0.05 where the tariff gives 0.08
        (0, -KWH, 200_000, 0),
        (2 * KWH, KWH, 250_000, 50_000),  # bought at 0.25, given back at 0.30
        (2 * KWH, -KWH, 50_000, 2 * 250_000 + 30_000),  # two of them given back, one beyond
        (-2 * KWH, -KWH, 200_000, 120_000),  # sold at 0.20, bought back at 0.08
        (-2 * KWH, KWH, 400_000, 2 * 320_000 + 100_000),
        (2 * KWH, 3 * KWH, 400_000, 100_000),
    ],
)
def test_a_deviation_costs_the_worse_of_bus_and_retailer(scheduled: int, net: int, at_bus: int, costs: int) -> None:
    assert deviation(scheduled, net, at_bus, (300_000, 80_000)) == costs


def test_a_deviation_past_the_cap_costs_the_scarcity_price() -> None:
    band = (300_000, 80_000)
    assert deviation(0, KWH, 200_000, band, over=(500_000, 1)) == 500_000
    assert deviation(0, -KWH, 200_000, band, over=(500_000, 1)) == 0
    assert deviation(0, -KWH, 200_000, band, over=(-500_000, 1)) == 500_000
    assert deviation(2 * KWH, KWH, 250_000, band, is_brp=True) == 0  # not netted: sold at 0.08, and the bus gives more


def test_the_rebate_is_a_lump_sum_per_connection() -> None:
    surplus, losses = np.array([1_000, 1_000, 100]), np.array([100, 0, 200])
    assert rebate_per_connection(surplus, losses, np.array([1, 1, 5])).tolist() == [
        [129, 129, 643],  # 900 in sevenths: the nearest, here one more than there is
        [143, 143, 714],
        [0, 0, 0],
    ]


def test_a_row_of_the_batch_equals_the_row_alone(villages: list[Village]) -> None:
    market, cleared, _ = villages[1]
    for i in range(0, 22, 4):
        alone = clear(market.row(i))
        for field in arrays_of(cleared.clearing):
            assert getattr(alone.clearing, field)[0].tolist() == getattr(cleared.clearing, field)[i].tolist()


def test_moving_the_columns_moves_the_result(villages: list[Village]) -> None:
    market = villages[0].market
    place = np.random.default_rng(1).permutation(80)
    orders = market.orders
    moved = replace(
        orders,
        energy_ukwh=orders.energy_ukwh[:, place],
        limit_ucur_per_kwh=orders.limit_ucur_per_kwh[:, place],
        agent=np.arange(80)[place],
        bus=orders.bus[place],
    )
    wires = replace(market.wires, is_inelastic=market.wires.is_inelastic[place])
    first = clear(market._replace(orders=replace(orders, agent=np.arange(80))))
    second = clear_nodal(moved, market.setting, wires)
    for field in arrays_of(first.clearing):
        expected = getattr(first.clearing, field)
        expected = expected[:, place] if field in PER_ORDER else expected
        assert np.abs(getattr(second.clearing, field) - expected).max() <= 80, field
    assert np.abs(second.clearing.price_ucur_per_kwh - first.clearing.price_ucur_per_kwh[:, place]).max() <= 1


def renumbered(feeder: Feeder, place: NDArray[np.int64]) -> Feeder:
    """The same feeder with its buses in another order, parents first."""
    number = np.empty(feeder.n_buses + 1, dtype=np.int64)
    number[place], number[-1] = np.arange(feeder.n_buses), -1
    columns = {name: getattr(feeder, name)[place] for name in ("r_ohm", "x_ohm", "rating_kva", "p_kw", "q_kvar")}
    buses = tuple(feeder.buses[i] for i in place)
    return replace(feeder, buses=buses, parent=number[feeder.parent[place]], **columns)


def test_another_order_of_the_buses_changes_nothing(villages: list[Village]) -> None:
    market, cleared, _ = villages[0]
    feeder = market.wires.grid.feeder
    depth = np.zeros(feeder.n_buses)
    for bus, parent in enumerate(feeder.parent):
        depth[bus] = 0 if parent < 0 else depth[parent] + 1
    place = np.lexsort((np.random.default_rng(2).random(feeder.n_buses), depth))
    assert (place != np.arange(feeder.n_buses)).sum() > 20
    wires = replace(
        market.wires,
        grid=LinearGrid(renumbered(feeder, place)),
        fixed_kw=market.wires.fixed_kw[:, place],
        q_kvar=market.wires.q_kvar[:, place],
    )
    orders = replace(market.orders, bus=np.argsort(place)[market.orders.bus])
    moved = clear_nodal(orders, market.setting, wires)
    assert moved.prices.price_cur_per_kwh == pytest.approx(cleared.prices.price_cur_per_kwh[:, place], abs=1e-9)
    assert np.abs(moved.clearing.price_ucur_per_kwh - cleared.clearing.price_ucur_per_kwh).max() <= 1


@pytest.mark.parametrize("hasty_calls", [(0,), (2,), (0, 1, 2)])
def test_rows_that_the_batched_solver_gives_up_go_to_highs_and_say_so(
    hasty_calls: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever round it was."""
    market = random_markets(STIFF_VILLAGE, 24, 1, ratings=0.6, level=2)
    whole, calls = clear(market), itertools.count()

    def sometimes_hasty(problem: NodalProblem) -> NodalSolution:
        return solve_by_simplex(problem, max_steps=1 if next(calls) in hasty_calls else 200)

    monkeypatch.setattr(clearing_module, "solve_by_simplex", sometimes_hasty)
    helped = clear(market)
    assert 0 < helped.prices.by_highs.sum() < 24
    assert helped.prices.price_cur_per_kwh == pytest.approx(whole.prices.price_cur_per_kwh, abs=1e-6)


def test_prices_settle_within_a_few_rounds() -> None:
    """Large orders at the margin of their own losses do not jump to and fro."""
    market = random_markets("ieee33", 32, 0, ratings=0.5)
    four, five = (clear(market, rounds=rounds).prices.price_cur_per_kwh for rounds in (4, 5))
    assert np.abs(four - five).max() < 4e-3
    assert np.abs(four - five).mean() < 5e-5


def test_torch_clears_the_same() -> None:
    torch = pytest.importorskip("torch")
    market = random_markets(STIFF_VILLAGE, 12, 4, ratings=0.6, level=2)

    def moved(batch: Any) -> Any:
        values = {field.name: getattr(batch, field.name) for field in fields(batch)}
        return replace(batch, **{k: torch.as_tensor(x) for k, x in values.items() if isinstance(x, np.ndarray)})

    there = clear(Market(*(moved(batch) for batch in market)))
    here = clear(market)
    for field in fields(NodalPrices):
        ours = getattr(here.prices, field.name)
        assert getattr(there.prices, field.name).numpy() == pytest.approx(ours, abs=1e-9)
    assert np.abs(there.clearing.price_ucur_per_kwh.numpy() - here.clearing.price_ucur_per_kwh).max() <= 1
    filled = there.clearing.filled_ukwh.numpy()
    assert np.abs(filled - filled_of(here.clearing)).max() <= 1


@pytest.mark.slow
def test_sixty_four_villages_half_of_them_constrained_clear_in_fifty_milliseconds() -> None:
    for losses in (True, False):
        market = random_markets(STIFF_VILLAGE, 64, 7, ratings=0.6, level=2, losses=losses)
        cleared = clear(market)
        bound = binds(cleared.prices.congestion_cur_per_kwh) | binds(cleared.prices.voltage_cur_per_kwh)
        assert bound.sum() >= 32
        times = []
        for _ in range(15):
            start = time.perf_counter()
            clear(market)
            times.append(time.perf_counter() - start)
        assert float(np.median(times)) < 0.050, times
