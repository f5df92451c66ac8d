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

    def by_step(x: float, first: float = 0.0, last: float = 0.0) -> np.ndarray:
        """A number for each step, with something on top in the first and the last one."""
        return np.array([[[x + first, *[x] * (n - 2), x + last] if n > 1 else [x + first + last]]])

    is_car = required is not None
    return Foresight(
        firm_kw=np.broadcast_to(np.asarray(firm_kw, float), (1, 1, n)).copy(),
        upper_cur_per_kwh=prices[None],
        export_cur_per_kwh=(prices if export is None else np.broadcast_to(np.asarray(export, float), n))[None],
        local_charge_cur_per_kwh=np.zeros((1, n)),
        import_cap_kw=np.array([1e6]), export_cap_kw=np.array([1e6]), scarcity_cur_per_kwh=0.5,
        end_value_cur_per_kwh=np.array([0.0]), is_plugged=by_step(1.0) > 0, charge_kw=by_step(power),
        floor_kwh=by_step(min(floor, start)), ceiling_kwh=by_step(capacity), is_kept=by_step(1.0, first=-1.0) > 0,
        brings_kwh=by_step(0.0, first=start), required_kwh=by_step(0.0, last=required or 0.0), unfilled=by_step(0.0),
        discharge_kw=each(power if release is None else release),
        eta_ch=each(eta), eta_dis=each(eta), loss_per_h=each(0.0), wear_cur_per_kwh=each(wear),
        is_stationary=np.full((1, 1), not is_car), lack_cur_per_kwh=each(np.inf), public_cur_per_kwh=each(0.0),
        site_kw=each(np.inf),
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
    windy = replace(calm, hold_kw=np.array([[[4.0, 4.0, 1.0]]]), is_plugged=np.zeros((1, 1, 3), bool))
    assert cost(windy) == pytest.approx(-0.2 + 0.0 + 0.3)
    assert solve_optimum(windy, 1.0).power_kw.tolist() == [[[0.0, 4.0, 1.0]]]


def test_an_engine_serves_what_is_dearer_than_its_fuel() -> None:
    """A kWh of fuel costs 0.40: it serves 2 of the 3 kW at 0.90, none at 0.30, and sells at 0.50."""
    rest = one_storage([0.9, 0.3, 0.9], [3.0, 3.0, 0.0], capacity=0.0, power=0.0, eta=1.0, export=[0.1, 0.1, 0.5])
    found = replace(
        rest, engine_kw=np.array([[2.0]]), engine_cur_per_kwh=np.array([[0.4]]), is_plugged=np.zeros((1, 1, 3), bool)
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


def two_visits(*, is_same: bool, brings: float) -> Foresight:
    """Two hours at 0.10, two away, two at 0.50; 5 kWh are wanted at each departure, nothing is there at first."""
    episode = one_storage([0.1, 0.1, 0.1, 0.1, 0.5, 0.5], 0.0, capacity=10, power=5, eta=1.0, release=0.0, required=5.0)
    is_there = np.array([[[True, True, False, False, True, True]]])
    return replace(
        episode,
        is_plugged=is_there,
        is_kept=np.array([[[False, True, is_same, True, True, True]]]),
        brings_kwh=np.array([[[0.0, 0.0, brings, 0.0, 0.0, 0.0]]]),
        required_kwh=np.array([[[0.0, 5.0, 0.0, 0.0, 0.0, 5.0]]]),
        public_cur_per_kwh=np.full((1, 1), 0.6),
    )


def test_a_car_that_comes_back_is_charged_ahead_of_its_trip() -> None:
    assert cost(two_visits(is_same=True, brings=-3.0)) == pytest.approx(8 * 0.1)
    assert cost(two_visits(is_same=False, brings=2.0)) == pytest.approx(5 * 0.1 + 3 * 0.5)


def test_a_trip_beyond_the_battery_is_charged_on_its_way() -> None:
    assert cost(two_visits(is_same=True, brings=-12.0)) == pytest.approx(10 * 0.1 + 2 * 0.6 + 5 * 0.5)


@pytest.mark.parametrize(("price", "total"), [(0.3, 2 * 0.3 + 3 * 1.0), (1.2, 5 * 1.0)])
def test_what_a_car_lacks_costs_its_price(price: float, total: float) -> None:
    """One kW for two hours toward 5 kWh."""
    episode = one_storage([price] * 2, 0.0, capacity=10, power=1, eta=1.0, export=0.0, release=0.0, required=5.0)
    assert cost(replace(episode, lack_cur_per_kwh=np.full((1, 1), 1.0))) == pytest.approx(total)


def test_chargers_share_the_limit_of_their_site() -> None:
    """Two cars want 2 kWh each; 3 kW for both together leave one kWh to the dear hour."""
    one = one_storage([0.1, 0.5], 0.0, capacity=10, power=5, eta=1.0, release=0.0, required=2.0)
    by_agent: dict[str, Any] = {
        name: np.repeat(getattr(one, name), 2, axis=1)
        for name in Foresight.__slots__
        if getattr(getattr(one, name), "shape", ())[:2] == (1, 1)
    }
    both = replace(one, **by_agent)
    assert cost(both) == pytest.approx(4 * 0.1)
    assert cost(replace(both, site_kw=np.full((1, 2), 3.0))) == pytest.approx(3 * 0.1 + 1 * 0.5)


def test_full_power_leaves_a_share_of_the_room_unfilled() -> None:
    """Half of it: from 8 of 10 kWh to 9, and to 9.5 in the dear hour."""
    episode = one_storage([0.1, 0.5], 0.0, capacity=10, power=5, eta=1.0, release=0.0, start=8.0, required=9.5)
    assert cost(episode) == pytest.approx(1.5 * 0.1)
    assert cost(replace(episode, unfilled=np.full((1, 1, 2), 0.5))) == pytest.approx(1.0 * 0.1 + 0.5 * 0.5)
