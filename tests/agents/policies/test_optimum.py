"""The optimum against worked cases."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize import OptimizeResult, linprog

from gridbazaar.agents.dispatch.rows import GAP, SOLVE_S
from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.policy import Foresight, NoBoundError


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
        import_cap_kw=np.full((1, n), 1e6), export_cap_kw=np.full((1, n), 1e6), scarcity_cur_per_kwh=0.5,
        end_value_cur_per_kwh=np.array([0.0]), is_plugged=by_step(1.0) > 0, charge_kw=by_step(power),
        floor_kwh=by_step(min(floor, start)), ceiling_kwh=by_step(capacity), is_kept=by_step(1.0, first=-1.0) > 0,
        brings_kwh=by_step(0.0, first=start), required_kwh=by_step(0.0, last=required or 0.0), unfilled=by_step(0.0),
        discharge_kw=each(power if release is None else release),
        eta_ch=each(eta), eta_dis=each(eta), loss_per_h=each(0.0), wear_cur_per_kwh=each(wear),
        is_stationary=np.full((1, 1), not is_car), lack_cur_per_kwh=each(np.inf), public_cur_per_kwh=each(0.0),
        site_kw=each(np.inf), waste_kw=each(0.0), withheld_ratio=by_step(0.0),
        made_good_kw=np.zeros((1, n)), lost_kw=np.zeros((1, n)),
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
    capped = replace(flat, import_cap_kw=np.full((1, 4), 3.0))
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


def cheapest_by_modes(price: float, n: int, *, capacity: float, power: float, eta: float) -> float:
    """The least cost of a store that charges or releases in each hour, by trying all modes of all hours."""
    best = 0.0
    for modes in product((0, 1), repeat=n):  # 1 charges
        level = np.tril(np.ones((n, n))) * np.where(np.array(modes) == 1, eta, -1 / eta)  # stored after each hour
        net = price * np.where(np.array(modes) == 1, 1.0, -1.0)
        found = linprog(net, A_ub=np.vstack([level, -level]), b_ub=[capacity] * n + [0.0] * n, bounds=(0, power))
        best = min(best, float(found.fun))
    return best


def test_nothing_charges_and_releases_at_once_to_burn_energy_that_earns() -> None:
    """-0.30 in four hours, 0.7 in and out, 1 kW, room for two hours of charging.

    Drawn are 1, 1, then 0.49 are sent, which leaves room for 1 more: 2.51 kWh. Both at once would be 4 - 0.98 = 3.02.
    """
    lossy = {"capacity": 1.4, "power": 1.0, "eta": 0.7}
    assert cost(one_storage([-0.3] * 4, 0.0, **lossy)) == pytest.approx(-0.30 * 2.51)
    assert cheapest_by_modes(-0.3, 4, **lossy) == pytest.approx(-0.30 * 2.51)


@pytest.mark.parametrize("n", [3, 5, 6])
def test_below_zero_the_optimum_is_that_of_all_modes(n: int) -> None:
    lossy = {"capacity": 1.0, "power": 0.8, "eta": 0.8}
    expected = cheapest_by_modes(-0.2, n, **lossy)
    assert expected < -0.2
    assert cost(one_storage([-0.2] * n, 0.0, **lossy)) == pytest.approx(expected)


@pytest.mark.parametrize(("wear", "burns"), [(0.313, False), (0.311, True)])
def test_a_round_trip_pays_below_its_break_even_price(wear: float, burns: bool) -> None:
    """For a kWh released 1 / 0.49 are drawn again: 0.30 x (1 / 0.49 - 1) = 0.3122 are earned, less the wear."""
    full = one_storage([-0.3] * 2, 0.0, capacity=1.0, power=2.0, eta=0.7, start=1.0, wear=wear)
    assert (cost(full) < -1e-9) == burns


def test_at_the_limit_of_time_the_bound_is_the_dual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = one_storage([-0.3] * 4, 0.0, capacity=1.4, power=1.0, eta=0.7)
    real, asked = scipy.optimize.milp, []

    def interrupted(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        asked.append(options["options"])
        found.status, found.mip_dual_bound = 1, -0.9
        return found

    monkeypatch.setattr(scipy.optimize, "milp", interrupted)
    assert cost(lossy) == -0.9
    assert asked == [{"time_limit": SOLVE_S, "mip_rel_gap": GAP}]
    monkeypatch.setattr(scipy.optimize, "milp", lambda *_, **__: OptimizeResult(status=1, x=None, mip_dual_bound=None))
    with pytest.raises(NoBoundError, match="not solved within 60 s"):
        cost(lossy)


def test_what_a_converter_loses_is_welcome_below_zero_and_nowhere_else() -> None:
    """Half a kW more may be lost each hour: a full store then draws it, at an efficiency of 0.8."""
    full = one_storage([-0.3] * 2, 0.0, capacity=1.0, power=2.0, eta=0.8, start=1.0, release=0.0)
    assert cost(full) == pytest.approx(0.0)
    assert cost(replace(full, waste_kw=np.full((1, 1), 0.5))) == pytest.approx(-0.3 * 2 * 0.5 / 0.8)
    dear = replace(full, upper_cur_per_kwh=np.full((1, 2), 0.3), export_cur_per_kwh=np.full((1, 2), 0.1))
    assert cost(replace(dear, waste_kw=np.full((1, 1), 0.5))) == pytest.approx(0.0)


def two_meters(first_kw: float, second_kw: float, *, retail: float, export: float, local: float = 0.0) -> Foresight:
    """An hour of two agents without devices."""
    one = one_storage([retail - local], first_kw, capacity=0.0, power=0.0, eta=1.0, export=export)
    by_agent: dict[str, Any] = {
        name: np.repeat(getattr(one, name), 2, axis=1)
        for name in ("firm_kw", "is_plugged", "charge_kw", "floor_kwh", "ceiling_kwh", "is_kept", "brings_kwh",
                     "required_kwh", "unfilled", "discharge_kw", "withheld_ratio", "eta_ch", "eta_dis", "loss_per_h",
                     "waste_kw", "wear_cur_per_kwh", "is_stationary", "lack_cur_per_kwh", "public_cur_per_kwh",
                     "site_kw")
    }  # fmt: skip
    both = replace(one, **by_agent, local_charge_cur_per_kwh=np.full((1, 1), local))
    both.firm_kw[0, 1, 0] = second_kw
    return both


@pytest.mark.parametrize(
    ("export", "local", "expected"),
    [
        (0.10, 0.00, 0.0),  # neighbours trade
        (0.10, 0.02, 2 * 0.02),  # and bear the local charge
        (0.29, 0.02, 2 * 0.30 - 2 * 0.29),  # 0.29 is above 0.28, what a neighbour could pay: each by itself
        (0.40, 0.02, 2 * 0.30 - 2 * 0.40),  # money from nothing, as the tariff says
    ],
)
def test_where_export_earns_more_than_a_neighbour_could_pay_each_meter_stands_alone(
    export: float, local: float, expected: float
) -> None:
    """One draws 2 kWh at 0.30, one sends 2."""
    assert cost(two_meters(2.0, -2.0, retail=0.30, export=export, local=local)) == pytest.approx(expected)


def test_no_meter_draws_and_sends_at_once_where_that_would_pay() -> None:
    """Bought at 0.30 in one hour and sold at 0.40 in the other, 5 kW: not both in both."""
    trader = one_storage([0.3, 0.3], 0.0, capacity=10.0, power=5.0, eta=1.0, export=0.4)
    assert cost(trader) == pytest.approx(-5 * 0.1)
    at_home = one_storage([0.3, 0.3], [1.0, 0.0], capacity=10.0, power=5.0, eta=1.0, export=0.4)
    assert cost(at_home) == pytest.approx(6 * 0.3 - 5 * 0.4)


@pytest.mark.parametrize(
    ("ratio", "rated", "made_good"),
    [(0.0, 4.0, 0.0), (0.5, 4.0, 1.0), (2.0, 4.0, 2.0), (np.inf, 3.0, 1.0), (0.5, 2.0, 0.0)],
)
def test_what_is_sold_and_withheld_is_bought_back_at_the_least_price(
    ratio: float, rated: float, made_good: float
) -> None:
    """5 kW are drawn at 0.30, a store gives the 2 kWh that it has; what is withheld beside them costs 0.10.

    It is a share of what is released, and with it no more than the rating.
    """
    drawn = one_storage([0.3], 5.0, capacity=2.0, power=0.0, eta=1.0, export=0.1, start=2.0, release=rated)
    found = cost(replace(drawn, withheld_ratio=np.full((1, 1, 1), ratio)))
    assert found == pytest.approx((3 - made_good) * 0.3 + made_good * 0.1)


def test_sun_that_is_sold_below_zero_and_withheld_is_paid_back() -> None:
    """4 kWh of sun at -0.1: all is sold and withheld, which costs nothing; nothing is gained above zero."""
    sunny = one_storage([0.3, 0.3], -4.0, capacity=0.0, power=0.0, eta=1.0, export=[-0.1, 0.1])
    all_kw = np.full((1, 2), 4.0)
    assert cost(replace(sunny, made_good_kw=all_kw, lost_kw=all_kw)) == pytest.approx(0.0 - 4 * 0.1)


def test_sun_may_stay_unused_where_it_costs() -> None:
    sunny = one_storage([0.3, 0.3], -4.0, capacity=0.0, power=0.0, eta=1.0, export=[-0.1, 0.1])
    assert cost(replace(sunny, lost_kw=np.array([[1.0, 1.0]]))) == pytest.approx(3 * 0.1 - 4 * 0.1)


def test_beyond_the_export_cap_burning_pays_and_needs_room() -> None:
    """2 kW of sun beyond a cap of 0 cost 0.4 a kWh; a store of 1 kWh with 0.5 out takes 1 kWh, once."""
    sunny = one_storage([0.3] * 2, -2.0, capacity=1.0, power=5.0, eta=1.0, export=0.1)
    sunny = replace(sunny, export_cap_kw=np.zeros((1, 2)), eta_dis=np.full((1, 1), 0.5))
    # An hour takes 1 kWh in; the other sends 2.5 and nothing burns. Or both rest but for the first: 3 kWh at 0.4.
    assert cost(sunny) == pytest.approx(3 * 0.4)
