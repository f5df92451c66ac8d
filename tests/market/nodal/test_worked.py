"""Small cases whose prices can be said beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.market.grid.balanced import Grid
from gridbazaar.market.grid.linear import LinearGrid
from gridbazaar.market.nodal.clearing import NodalClearing, clear_nodal
from gridbazaar.market.orders import Orders, Setting, Wires
from tests.market.nodal.villages import KWH, random_markets, small_feeder

Order = tuple[float, float, int]  # kWh (> 0 buys), price per kWh, bus
TARIFF = Setting(np.array([300_000]), np.array([80_000]))


def a_book(*orders: Order) -> Orders:
    return Orders(
        energy_ukwh=np.array([[round(kwh * KWH) for kwh, _, _ in orders]]),
        limit_ucur_per_kwh=np.array([[round(price * KWH) for _, price, _ in orders]]),
        agent=np.arange(len(orders)),
        bus=np.array([bus for _, _, bus in orders]),
    )


def lossless_wires(grid: LinearGrid, *orders: Order, inelastic: tuple[int, ...] = ()) -> Wires:
    nothing = np.zeros((1, grid.feeder.n_buses))
    return Wires(
        grid=grid, step_h=1.0, fixed_kw=nothing, q_kvar=nothing, is_inelastic=np.isin(np.arange(len(orders)), inelastic)
    )


def clear(
    ratings: list[float],
    *orders: Order,
    parent: list[int] | None = None,
    inelastic: tuple[int, ...] = (),
    setting: Setting = TARIFF,
    exact: bool = False,
) -> NodalClearing:
    grid = LinearGrid(small_feeder(ratings, parent), losses=False, tightening_frac=0, tightening_pu=0)
    wires = lossless_wires(grid, *orders, inelastic=inelastic)
    return clear_nodal(a_book(*orders), setting, wires, exact=exact)


def filled_kwh(cleared: NodalClearing) -> list[float]:
    clearing = cleared.clearing
    kwh: list[float] = (clearing.filled_ukwh[0] / KWH).tolist()
    return kwh


@pytest.mark.parametrize("exact", [False, True])
def test_radial_capacity_curtails_pv_and_leaves_its_price_at_nothing(exact: bool) -> None:
    """Case T28: a line of 3 kW holds back 2 of 6 kWh of sun; the rent is its rating times the difference in price."""
    cleared = clear([10, 3], (4, 0.50, 0), (1, 0.50, 1), (-6, 0.0, 1), exact=exact)
    assert filled_kwh(cleared) == [4, 1, -4]
    assert cleared.clearing.price_ucur_per_kwh.tolist() == [[300_000, 0, 0]]
    assert cleared.clearing.low_ucur_per_kwh.tolist() == [300_000]
    assert cleared.clearing.surplus_ucur.tolist() == [900_000]
    assert cleared.prices.line_rent_cur == pytest.approx(3 * 0.30)
    assert cleared.prices.root_kwh == pytest.approx(1)
    assert cleared.prices.congestion_cur_per_kwh[0] == pytest.approx([0, -0.30])
    assert cleared.check.overload_frac[0] < 1e-6


@pytest.mark.parametrize("exact", [False, True])
def test_where_nobody_orders_anything_a_bus_is_quoted_the_tariff_and_its_losses(exact: bool) -> None:
    """Wires that count losses are cleared in every row; nothing flows but reactive power, a thousandth of the price."""
    market = random_markets(n=2, n_homes=4)
    nothing = replace(market.orders, energy_ukwh=0 * market.orders.energy_ukwh)
    clearing = clear_nodal(nothing, market.setting, market.wires, exact=exact).clearing
    assert not clearing.filled_ukwh.any()
    for price in (clearing.low_ucur_per_kwh, clearing.high_ucur_per_kwh, clearing.price_ucur_per_kwh):
        assert (price >= 80_000).all()
        assert (price <= 300_300).all()


def test_money_and_energy_of_the_radial_case_add_up() -> None:
    clearing = clear([10, 3], (4, 0.50, 0), (1, 0.50, 1), (-6, 0.0, 1)).clearing
    assert clearing.traded_ukwh.sum() == 0
    assert clearing.outside_ukwh.sum() == KWH
    at_the_tariff = 300_000 * np.maximum(clearing.outside_ukwh, 0) // KWH
    assert (clearing.pay_ucur + at_the_tariff).tolist() == [[1_200_000, 0, 0]]


def test_behind_a_full_line_the_dearest_buyer_left_out_sets_the_price() -> None:
    cleared = clear([10, 3], (2, 0.50, 1), (2, 0.40, 1), (2, 0.35, 1), (1, 0.31, 0))
    assert filled_kwh(cleared) == [2, 1, 0, 1]
    assert cleared.clearing.price_ucur_per_kwh.tolist() == [[400_000, 400_000, 400_000, 300_000]]
    assert cleared.clearing.surplus_ucur.tolist() == [300_000]


def test_two_full_lines_in_a_row_each_earn_their_own_rent() -> None:
    cleared = clear([9, 4, 1], (-9, 0.0, 2), (-9, 0.05, 1), (-9, 0.06, 0))
    assert filled_kwh(cleared) == [-1, -3, -5]
    assert cleared.clearing.price_ucur_per_kwh.tolist() == [[0, 50_000, 60_000]]
    assert cleared.clearing.surplus_ucur.tolist() == [9 * 20_000 + 4 * 10_000 + 1 * 50_000]


def test_rising_voltage_lowers_the_price_by_the_shared_resistance() -> None:
    """Up to the band, 2 R p may raise the squared voltage; buses share the resistance of their common path."""
    feeder = small_feeder([1e6, 1e6], ohm=0.16)  # 0.001 pu a kW and line
    grid = LinearGrid(feeder, losses=False, tightening_frac=0, tightening_pu=0)
    orders = ((-200.0, 0.0, 1), (-10.0, 0.03, 0))
    cleared = clear_nodal(a_book(*orders), TARIFF, lossless_wires(grid, *orders))
    p_kw = (1.1**2 - 1 - 2e-3 * 10) / 4e-3
    assert filled_kwh(cleared) == pytest.approx([-p_kw, -10], abs=1e-6)
    assert cleared.prices.voltage_cur_per_kwh[0] == pytest.approx([-0.04, -0.08])
    assert cleared.clearing.price_ucur_per_kwh.tolist() == [[0, 40_000]]
    assert cleared.prices.voltage_rent_cur == pytest.approx(0.08 * p_kw + 0.04 * 10)


def test_the_loss_part_is_the_slope_of_the_losses() -> None:
    """The last kW at the end of a line costs what the AC flow says it costs at the root."""
    grid = LinearGrid(small_feeder([1e6], ohm=0.16))
    wires = replace(lossless_wires(grid, (30, 0.50, 0)), q_kvar=np.full((1, 1), 5.0))
    cleared = clear_nodal(a_book((30, 0.50, 0)), TARIFF, wires)
    ac, h = Grid(grid.feeder), 1e-3
    root = ac.solve(np.array([[30 - h], [30 + h]]), np.full((2, 1), 5.0)).root_kw
    slope = float(root[1] - root[0]) / (2 * h)
    assert slope > 1.05
    assert cleared.prices.price_cur_per_kwh[0, 0] == pytest.approx(0.30 * slope, rel=2e-3)
    assert cleared.prices.loss_cur_per_kwh[0, 0] > 0.05 * 0.30
    assert cleared.prices.loss_kwh[0] == pytest.approx(
        ac.solve(np.array([[30.0]]), np.array([[5.0]])).loss_kw[0], rel=1e-6
    )


def test_inelastic_load_is_served_through_a_full_line_at_the_price_of_an_overload() -> None:
    cleared = clear([10, 3], (5, 0.10, 1), (2, 0.50, 1), (-1, 0.45, 1), inelastic=(0,))
    assert filled_kwh(cleared) == [5, 0, -1]
    assert cleared.clearing.price_ucur_per_kwh.tolist() == [[2_300_000] * 3]
    assert cleared.check.overload_frac == pytest.approx(1 / 3, rel=1e-4)


def test_a_full_connection_is_priced_at_the_root() -> None:
    """Import up to 3 kWh at the tariff, beyond at 0.10 more: the last buyer pays it, and nobody's line is full."""
    setting = replace(TARIFF, import_cap_ukwh=np.array([3 * KWH]), import_scarcity_ucur_per_kwh=np.array([100_000]))
    beyond = clear([90, 90], (4, 0.50, 0), (1, 0.35, 1), setting=setting)
    assert filled_kwh(beyond) == [4, 0]
    grid = LinearGrid(small_feeder([90, 90]))
    orders = ((4.0, 0.50, 0), (1.0, 0.35, 1))
    nodal = clear_nodal(a_book(*orders), setting, lossless_wires(grid, *orders))
    assert nodal.clearing.price_ucur_per_kwh[0, 0] == pytest.approx(400_000, abs=2)
    assert nodal.clearing.over_cap_ukwh[0] == pytest.approx(KWH, abs=10)
    assert nodal.clearing.surplus_ucur[0] == pytest.approx(4 * 100_000, abs=10)


def test_tied_sellers_share_what_the_line_carries_pro_rata() -> None:
    cleared = clear([3, 9, 9], (-6, 0.0, 1), (-2, 0.0, 2), (-4, 0.0, 2), parent=[-1, 0, 0])
    assert filled_kwh(cleared) == [-1.5, -0.5, -1]


def test_where_a_line_forbids_the_even_share_the_row_goes_as_far_as_it_allows() -> None:
    cleared = clear([3, 1, 9], (-6, 0.0, 1), (-2, 0.0, 2), (-4, 0.0, 2), parent=[-1, 0, 0])
    assert filled_kwh(cleared) == pytest.approx([-1, -2 / 3, -4 / 3], abs=2e-6)
    assert cleared.clearing.price_ucur_per_kwh.tolist() == [[0, 0, 0]]


def test_an_exact_fit_still_gives_prices_that_support_the_dispatch() -> None:
    """Three kWh behind a line of three: the price there may be anything between the tariff and the bid."""
    cleared = clear([10, 3], (3, 0.50, 1), (1, 0.50, 0))
    assert filled_kwh(cleared) == [3, 1]
    assert 300_000 <= cleared.clearing.price_ucur_per_kwh[0, 0] <= 500_000


def test_who_just_reaches_the_tariff_meets_the_retailer() -> None:
    cleared = clear([10, 3], (1, 0.30, 0), (4, 0.50, 1), (-1, 0.30, 0))
    assert filled_kwh(cleared) == [1, 3, -1]
    sunny = clear([10, 3], (-1, 0.08, 0), (-4, 0.0, 1))
    assert filled_kwh(sunny) == [-1, -3]
    assert sunny.clearing.price_ucur_per_kwh.tolist() == [[80_000, 0]]


def test_in_an_empty_band_everybody_meets_the_retailer() -> None:
    """Export pays more than import costs: no local trade, and the line is still priced."""
    setting = Setting(np.array([100_000]), np.array([150_000]))
    clearing = clear([10, 3], (2, 0.50, 0), (-5, 0.0, 1), setting=setting).clearing
    assert clearing.traded_ukwh.tolist() == [[0, 0]]
    assert clearing.outside_ukwh.tolist() == [[2 * KWH, -3 * KWH]]
    at_the_tariff = np.array([[200_000, -450_000]])
    assert (clearing.pay_ucur + at_the_tariff).tolist() == [[200_000, 0]]


def test_a_row_that_nobody_trades_in_has_prices() -> None:
    cleared = clear([10, 3], (0, 0.50, 0), (0, 0.0, 1))
    assert filled_kwh(cleared) == [0, 0]
    assert np.isfinite(cleared.prices.price_cur_per_kwh).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"setting": Setting()}, "expected an import and an export price of the retailer at the root, came None"),
        ({"rounds": 0}, "expected rounds >= 1"),
        ({"overload_cur_per_kwh": 0.0}, "overload_cur_per_kwh > 0"),
        ({"orders": a_book((1, 0.1, 0), (1, 0.1, 2), (1, 0.1, -1))}, r"a bus from 0 to 1 .*columns 1, 2"),
    ],
)
def test_what_would_give_wrong_prices_is_refused(change: dict[str, Any], message: str) -> None:
    orders = ((1.0, 0.1, 0), (1.0, 0.1, 1), (1.0, 0.1, 1))
    grid = LinearGrid(small_feeder([10, 3]))
    given: dict[str, Any] = {
        "orders": a_book(*orders),
        "setting": TARIFF,
        "wires": lossless_wires(grid, *orders),
    } | change
    with pytest.raises(ValueError, match=message):
        clear_nodal(**given)


def test_wires_without_time_are_refused() -> None:
    orders = ((1.0, 0.1, 0), (1.0, 0.1, 1), (1.0, 0.1, 1))
    wires = replace(lossless_wires(LinearGrid(small_feeder([10, 3])), *orders), step_h=0.0)
    with pytest.raises(ValueError, match=r"step_h > 0, came .* and 0\.0"):
        clear_nodal(a_book(*orders), TARIFF, wires)
