"""Customers in the market: a home, its battery and its car are one meter, one bill and one reward."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.netting import netted_at_home
from gridbazaar.agents.policies import load_policy
from gridbazaar.data.community import Community, Customer
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.market.mechanisms import list_mechanisms
from gridbazaar.market.settlement.settle import LINES
from tests.biller import Row, bill_cur, congestion_cur
from tests.bound_search import OPTIONS, search
from tests.envs.everything import EVERYTHING, OUTAGES
from tests.quick import only

TARIFFS = Path(__file__).parents[3] / "market" / "tariffs"
FAMILY = Customer("family", ("battery_0", "ev_0", "prosumer_1"))
ALONE = Community((FAMILY,))
NO_MEMBERS = Community(
    (
        Customer("family", FAMILY.agents, member=False),
        *(Customer(f"{a}'s", (a,), member=False) for a in ("prosumer_0", "prosumer_2", "vpp_0")),
    )
)
MIXED = Community((FAMILY, Customer("beside", ("prosumer_0",), member=False)))
FULL = {"connection.import_over_load": [1.0, 2.0]}
ROUNDING_CUR = 4e-6


@lru_cache(maxsize=8)
def played(mechanism: str = "uniform_price", who: str = "ALONE", n: int = 2) -> tuple[Core, Played]:
    scenario = load_scenario("street", mechanism=mechanism, community=globals()[who], hours=8.0, **FULL)
    core = Core(scenario, n)
    return core, play(core, load_policy("random"), range(n), split="train", keep=True)


def columns_of(core: Core) -> dict[str, list[int]]:
    return {c.name: [core.agents.index(a) for a in c.agents] for c in core.scenario.customers}


def test_the_first_agent_of_a_family_is_where_it_stands() -> None:
    core, _ = played()
    assert list(columns_of(core)) == ["prosumer_0", "family", "prosumer_2", "vpp_0"]
    assert core.world.connections.tolist() == [1, 1, 1, 0, 0, 0]
    assert core.world.is_brp.tolist() == [False, False, False, False, False, True]
    assert len(set(core.world.order_bus[[1, 3, 4]])) == 1


QUICK = [
    ("uniform_price", "ALONE"),
    ("pay_as_bid", "MIXED"),
    ("mid_market_rate", "ALONE"),
    ("uniform_price", "NO_MEMBERS"),
]


@pytest.mark.parametrize(
    ("mechanism", "who"), only(QUICK, [(m, w) for m in list_mechanisms() for w in ("ALONE", "MIXED", "NO_MEMBERS")])
)
def test_the_plain_biller_agrees_on_every_customers_bill(mechanism: str, who: str) -> None:
    """It reads meters and local trades alone, sums them over the devices of a customer, and bills the sum."""
    core, found = played(mechanism, who)
    table = tomllib.loads((TARIFFS / "tou.toml").read_text())
    bank, n, customers = core.world.bank, core.n_agents, columns_of(core)
    members = {c.name: c.member for c in core.scenario.customers}
    rng, seen, traded = np.random.default_rng(3), set[str](), 0
    for t, env in zip(rng.integers(0, core.n_steps, 60), rng.integers(0, 2, 60), strict=True):
        happened, before = found.transitions[t], found.states[t]
        step = int(before.episode.start[env] + t)
        clock = float(bank.hour()[step]), int(bank.weekday()[step]), float(bank.spot_cur_per_kwh[step])
        clearing, delivery = happened.market.clearing, happened.delivery
        local, outside, paid = (
            x[env, :n] + x[env, n:] for x in (clearing.traded_ukwh, clearing.outside_ukwh, clearing.pay_ucur)
        )
        assert local.sum() == (0 if clearing.pool_ukwh is None else clearing.pool_ukwh[env])
        bills, nets, connections = happened.money.bill.ucur[env, :, :n], [], []
        again = {}
        for name, own in customers.items():
            metered, withheld = (x[env, own].sum() for x in (delivery.metered_ukwh, delivery.curtailed_ukwh))
            is_brp = name in ("vpp_0", "vpp_0's")
            scheduled = outside[own].sum() / MICRO if is_brp else None
            traded_kwh, paid_cur = local[own].sum() / MICRO, paid[own].sum() / MICRO
            row = Row(metered / MICRO, traded_kwh, paid_cur, withheld / MICRO, scheduled, *clock)
            again[name] = {line: float(x) for line, x in bill_cur(table, [row]).items()}
            nets.append(float(metered - withheld - local[own].sum()) / MICRO)
            connections.append(0 if is_brp else 1)
            assert not bills[:, own[1:]].any()  # the whole bill stands with the first
            assert members[name] or not local[own].any()
            assert members[name] or not paid[own].any()
        setting = happened.market.setting
        assert setting.import_cap_ukwh is not None
        assert setting.export_cap_ukwh is not None
        caps = float(setting.import_cap_ukwh[env]) / MICRO, float(setting.export_cap_ukwh[env]) / MICRO
        stock = 0.0 if clearing.pool_ukwh is None else float(clearing.pool_ukwh[env]) / MICRO
        rent = float(clearing.rent_ucur_per_kwh[env]) / MICRO
        scarcity = core.scenario.connection.scarcity_cur_per_kwh
        shares = congestion_cur([*nets, stock], [*connections, 0], caps, scarcity, rent)[:-1]
        for (name, own), share in zip(customers.items(), shares, strict=True):
            again[name]["congestion"] = share
            for line, owed in again[name].items():
                if line != "fixed":
                    had = bills[LINES.index(line), own[0]] / MICRO
                    moved = sum(np.abs(x[env, own]).sum() for x in (delivery.metered_ukwh, delivery.curtailed_ukwh))
                    assert abs(had - owed) <= ROUNDING_CUR + 1e-6 * moved / MICRO, (name, line, had, owed)
                    seen |= {line} if had else set()
        traded += int(np.abs(local).sum())
    assert {"retail", "network", "tax", "congestion"} <= seen
    assert (traded > 0) is (who != "NO_MEMBERS" and mechanism != "none")


@pytest.mark.parametrize(("mechanism", "who"), [("uniform_price", "ALONE"), ("pay_as_bid", "MIXED")])
def test_money_and_energy_sum_to_zero_and_there_is_one_standing_charge(mechanism: str, who: str) -> None:
    core, found = played(mechanism, who)
    fixed = 0
    for happened in found.transitions:
        assert not happened.money.bill.ucur.sum(axis=2).any()
        flows = happened.devices
        assert (flows.firm_ukwh + flows.flexible_ukwh == happened.delivery.metered_ukwh).all()
        fixed = fixed + happened.money.bill.line("fixed")[:, : core.n_agents]
    single = Core(load_scenario("street"), 2)
    begin = np.asarray(found.states[0].episode.start)
    due = single.world.fixed_ucur[begin + core.n_steps] - single.world.fixed_ucur[begin]
    np.testing.assert_array_equal(fixed, due[:, None] * [1, 1, 1, 0, 0, 0])


def test_a_familys_devices_do_not_trade_with_each_other() -> None:
    """What is left for the book has one sign; what one device draws of another has no price and no charge."""
    core, found = played()
    n, own = core.n_agents, columns_of(core)["family"]
    netted = 0
    for happened in found.transitions:
        orders = happened.market.orders
        theirs = orders.energy_ukwh[:, np.isin(np.asarray(orders.agent), own[0])]
        assert theirs.shape[1] == 6
        assert not ((theirs > 0).any(axis=1) & (theirs < 0).any(axis=1)).any()
        netted += int(np.abs(happened.market.netted_ukwh[:, own]).sum())
        wishes = happened.market.netted_ukwh
        assert (orders.energy_ukwh[:, n + np.array(own[1:])] * -wishes[:, own[1:]] >= 0).all()
    assert netted > 10 * MICRO


def test_devices_of_one_meter_serve_each_other_first() -> None:
    """By hand: a battery releases 1 kWh, the car draws 0.4 and the home needs 0.5, so 0.1 is left to be sold."""
    core, _ = played()
    firm, wish = np.zeros((1, 6), np.int64), np.zeros((1, 6), np.int64)
    firm[0, 1], wish[0, 3], wish[0, 4] = 500_000, -1_000_000, 400_000
    left, netted = netted_at_home(firm, wish, core.world.customers)
    assert not left.any()
    assert netted[0].tolist() == [0, 0, 0, 900_000, 400_000, 0]
    firm[0, 1] = -300_000  # the car takes the sun first, and the rest from the battery
    left, netted = netted_at_home(firm, wish, core.world.customers)
    assert not left.any()
    assert netted[0].tolist() == [0, 0, 0, 100_000, 400_000, 0]


def returns(core: Core, actions: Any, first: Any, t: int) -> tuple[Any, Any]:
    """Returns [n_agents] in currency, and what each agent's rows cost in all, from step ``t`` on."""
    state, n, gains, costs = first, core.n_agents, 0.0, 0.0
    unserved = core.scenario.reward.unserved_cur_per_kwh
    for action in actions[t:]:
        state, h = core.step(state, action)
        gains = gains + h.reward[0] * core.scenario.reward.scale
        costs = costs + (
            h.money.bill.ucur[0, :, :n].sum(0) / MICRO
            + (h.devices.wear_cur + h.devices.discomfort_cur + h.devices.upkeep_cur)[0]
            + (unserved * h.devices.unserved_kwh + h.money.shed_cur - h.money.stored_value_cur)[0]
        )
    return gains, costs


MONTH: dict[str, Any] = {
    "tariff": "be_flanders", "dates": ("2024-02-01", "2024-02-29"), "step_min": 60, "data.n_homes": 8, "data.n_cars": 4,
    "data.n_days": 100,
}  # fmt: skip
VILLAGERS = Community((Customer("f", ("prosumer_3", "ev_1", "battery_0")),))


@pytest.mark.parametrize(
    ("scenario", "more"),
    [
        ("street", {"community": ALONE, "hours": 8.0}),
        pytest.param("street", {"community": MIXED, "mechanism": "mid_market_rate"}, marks=pytest.mark.slow),
        pytest.param("street", {"community": ALONE, "mechanism": "vcg", **FULL}, marks=pytest.mark.slow),
        pytest.param("street", {"community": ALONE, **MONTH}, marks=pytest.mark.slow),
        ("street", {"community": ALONE, "tariff": "be_flanders", "carry": "drawn", "hours": 6.0}),
        pytest.param("village", {"community": VILLAGERS, **EVERYTHING}, marks=pytest.mark.slow),
        pytest.param("village", {"community": VILLAGERS, **OUTAGES}, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_every_agents_return_differs_by_minus_what_its_customer_pays_more(scenario: str, more: dict[str, Any]) -> None:
    """One agent of a family acts at random from some interval on; the others do as they did."""
    core = Core(load_scenario(scenario, **more, **{"reward.shaping": 0.0, "reward.whose": "own"}), 1)
    rng, moved, n = np.random.default_rng(3), 0.0, core.n_agents
    actions = rng.uniform(-1, 1, (core.n_steps, 1, n, core.n_actions))
    state, t = core.reset(1, split="validation"), core.n_steps // 4
    for action in actions[:t]:
        state, _ = core.step(state, action)
    before, had = returns(core, actions, state, t)
    for own in (of for of in columns_of(core).values() if len(of) > 1):
        for agent in own:
            other = actions.copy()
            other[t:, 0, agent] = rng.uniform(-1, 1, other[t:, 0, agent].shape)
            after, has = returns(core, other, state, t)
            more_cur = (has - had)[own].sum()
            assert (after - before)[own] == pytest.approx(-more_cur, abs=1e-6 * max(1.0, np.abs(had[own]).sum()))
            moved = max(moved, abs(more_cur))
    assert moved > 0.01, "no deviation cost anything: the test looked at nothing"


BOUND: dict[str, dict[str, Any]] = {
    "plain": {},
    "metered": {"mechanism": "mid_market_rate"},
    "export above retail": {"tariff": "flat", "tariff_options": {"export_cur_per_kwh": 0.4}},
    **{name: more for name, more in OPTIONS.items() if "nodal" not in name},
}


@pytest.mark.parametrize("who", ["ALONE", "MIXED"])
@pytest.mark.parametrize("name", only(("plain", "metered"), BOUND))
def test_nobody_plays_below_the_bound_of_customers(name: str, who: str) -> None:
    if who == "MIXED" and "outages" in name:
        pytest.skip("an island has no retailer for those who are no members")
    found = search("street", {**BOUND[name], "community": globals()[who]}, 10, seed=2, hours=3.0)
    assert found.margin_cur >= 0


def test_the_optimum_nets_a_family_as_the_market_does() -> None:
    """Where what is metered is priced, its replay costs what it says; a family costs less than its parts."""
    bounds = []
    for community in (ALONE, None):
        core = Core(load_scenario("street", mechanism="mid_market_rate", hours=8.0, community=community), 1)
        bound = bound_of(core, core.reset([1], split="test")).cost_cur
        assert play(core, load_policy("optimum"), [1]).tally.scored_cur == pytest.approx(bound, abs=1e-3)
        bounds.append(float(bound[0]))
    assert bounds[0] < bounds[1] - 0.01


def test_all_as_one_customer_cost_what_all_without_charges_on_local_kwh_do() -> None:
    """One meter pays the tariff on what all of them together draw; so does a street whose local kWh bear no charge."""
    alone = {"vpp.count": 0, "tariff": "flat", "hours": 12.0}
    names = load_scenario("street", **alone).agent_names
    free = {"tariff_options": {"local_network_cur_per_kwh": 0.0, "local_tax_cur_per_kwh": 0.0}}
    costs = []
    for more in ({"community": Community((Customer("all", names),))}, free, {}):
        core = Core(load_scenario("street", **alone, **more), 1)
        costs.append(float(bound_of(core, core.reset([1], split="test")).schedule.cost_cur[0]))
    assert costs[0] == pytest.approx(costs[1], abs=1e-6)
    assert costs[0] < costs[2] - 0.01


def test_rents_of_a_second_home_stand_with_the_first() -> None:
    two = Community((Customer("two homes", ("prosumer_2", "prosumer_1")),))
    shares = []
    for community in (two, None):
        core = Core(load_scenario("street", community=community, hours=1.0), 1)
        seen = play(core, load_policy("idle"), [0], keep=True).transitions
        shares.append(sum(h.money.bill.line("share")[0, : core.n_agents] for h in seen))
    assert shares[1][2] < 0
    assert shares[0].tolist() == [shares[1][0], shares[1][1] + shares[1][2], 0, *shares[1][3:].tolist()]
