"""The optimum against worked cases."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies.optimum import solve_optimum
from gridbazaar.agents.policy import Foresight


def one_storage(
    prices: Any, firm_kw: Any, *, capacity: float, power: float, eta: float, export: Any = None, start: float = 0.0,
    release: float | None = None, wear: float = 0.0, floor: float = 0.0, required: float | None = None,
) -> Foresight:  # fmt: skip
    prices = np.asarray(prices, float)
    n = len(prices)

    def each(x: float) -> np.ndarray:
        return np.full((1, 1), x)

    is_car = required is not None
    return Foresight(
        firm_kw=np.broadcast_to(np.asarray(firm_kw, float), (1, 1, n)).copy(),
        upper_cur_per_kwh=prices[None],
        export_cur_per_kwh=(prices if export is None else np.broadcast_to(np.asarray(export, float), n))[None],
        local_charge_cur_per_kwh=np.zeros((1, n)),
        import_cap_kw=np.array([1e6]), export_cap_kw=np.array([1e6]), scarcity_cur_per_kwh=0.5,
        end_value_cur_per_kwh=np.array([0.0]), start_kwh=each(start), floor_kwh=each(floor),
        ceiling_kwh=each(capacity), charge_kw=each(power), discharge_kw=each(power if release is None else release),
        eta_ch=each(eta), eta_dis=each(eta), loss_per_h=each(0.0), wear_cur_per_kwh=each(wear),
        arrive=np.zeros((1, 1), np.int64), depart=np.full((1, 1), n), required_kwh=each(required or 0.0),
        is_stationary=np.full((1, 1), not is_car),
    )  # fmt: skip


ARBITRAGE = [0.10] * 8 + [0.20] * 9 + [0.40] * 4 + [0.20] * 3
EVENING = [0.35, 0.40, 0.38, 0.30, 0.25, 0.22, 0.15, 0.12, 0.10, 0.10, 0.12, 0.18, 0.25]


def cost(episode: Foresight) -> float:
    return float(solve_optimum(episode, 1.0).cost_cur[0])


def test_arbitrage_earns_the_worked_profit() -> None:
    profit = -cost(one_storage(ARBITRAGE, 0.0, capacity=10, power=5, eta=0.95))
    assert profit == pytest.approx(2.7473684, abs=1e-6)
    assert profit == pytest.approx(9.5 * 0.40 - 10 / 0.95 * 0.10)


@pytest.mark.parametrize(("sell", "pays"), [(0.1608, False), (0.1609, True)])
def test_selling_pays_above_the_break_even_price(sell: float, pays: bool) -> None:
    """Bought at 0.10, round trip 0.9025, wear 0.05: break-even at 0.1608033."""
    earned = -cost(one_storage([0.10, sell], 0.0, capacity=10, power=5, eta=0.95, wear=0.05))
    assert (earned > 1e-9) == pays


def test_home_with_battery_costs_the_worked_amount() -> None:
    sun = np.where((np.arange(24) >= 10) & (np.arange(24) < 14), 4.0, 0.0)
    home = {"export": 0.08, "power": 5.0, "eta": 0.95}
    assert cost(one_storage([0.30] * 24, 1.0 - sun, capacity=0.0, **home)) == pytest.approx(5.04)
    assert cost(one_storage([0.30] * 24, 1.0 - sun, capacity=10.0, **home)) == pytest.approx(3.0321053, abs=1e-6)


@pytest.mark.parametrize(("release", "wear", "expected"), [(0.0, 0.0, 2.76), (11.0, 0.0, -0.78), (11.0, 0.08, 0.8332)])
def test_car_costs_the_worked_amount(release: float, wear: float, expected: float) -> None:
    car = one_storage(
        EVENING, 0.0, capacity=60, power=11, release=release, eta=0.9, wear=wear, start=24, floor=12, required=48
    )
    assert cost(car) == pytest.approx(expected, abs=1e-4)


def test_scarcity_is_paid_only_beyond_the_cap() -> None:
    flat = one_storage([0.3] * 4, 5.0, capacity=0.0, power=1.0, eta=0.9)
    capped = replace(flat, import_cap_kw=np.array([3.0]))
    assert cost(flat) == pytest.approx(4 * 5 * 0.3)
    assert cost(capped) == pytest.approx(4 * (5 * 0.3 + 2 * 0.5))


def test_output_that_nobody_wants_is_held_back_as_far_as_it_may_be() -> None:
    """4 kW of wind at a feed-in price of 0.05, -0.10 and -0.10; of the last 4 kW only 1 may be held back."""
    calm = one_storage([0.3] * 3, -4.0, capacity=0.0, power=0.0, eta=1.0, export=[0.05, -0.10, -0.10])
    assert cost(calm) == pytest.approx(-0.2 + 0.4 + 0.4)
    windy = replace(calm, hold_kw=np.array([[[4.0, 4.0, 1.0]]]), depart=np.zeros((1, 1), np.int64))
    assert cost(windy) == pytest.approx(-0.2 + 0.0 + 0.3)
    assert solve_optimum(windy, 1.0).power_kw.tolist() == [[[0.0, 4.0, 1.0]]]


def test_an_engine_serves_what_is_dearer_than_its_fuel() -> None:
    """A kWh of fuel costs 0.40: it serves 2 of the 3 kW at 0.90, none at 0.30, and sells at 0.50."""
    rest = one_storage([0.9, 0.3, 0.9], [3.0, 3.0, 0.0], capacity=0.0, power=0.0, eta=1.0, export=[0.1, 0.1, 0.5])
    found = replace(
        rest, engine_kw=np.array([[2.0]]), engine_cur_per_kwh=np.array([[0.4]]), depart=np.zeros((1, 1), np.int64)
    )
    assert cost(found) == pytest.approx(2 * 0.4 + 0.9 + 3 * 0.3 - 2 * 0.1)
    assert solve_optimum(found, 1.0).power_kw.tolist() == [[[-2.0, 0.0, -2.0]]]


def test_what_leaks_below_a_floor_need_not_be_bought_back() -> None:
    leaky = one_storage([0.3] * 6, 0.0, capacity=10, power=5, eta=0.95, export=0.0, start=5.0, floor=5.0)
    assert cost(replace(leaky, loss_per_h=np.full((1, 1), 0.02))) == pytest.approx(0.0, abs=1e-9)


def test_a_floor_holds_what_is_there_and_no_more() -> None:
    held = one_storage([0.1, 0.5], 0.0, capacity=10, power=10, eta=1.0, start=8.0, floor=5.0)
    assert -cost(held) == pytest.approx(5 * 0.5 - 2 * 0.1)
    assert -cost(one_storage([0.1, 0.5], 0.0, capacity=10, power=10, eta=1.0, start=3.0, floor=5.0)) == pytest.approx(
        7 * 0.5 - 7 * 0.1
    )
