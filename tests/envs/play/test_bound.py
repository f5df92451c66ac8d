"""The bound: no policy costs less, whatever it does, in any scenario, under any rule, with any option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.kind import encode
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import NoBoundError, Observation
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.evaluation.bound import bound_of
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.market.mechanisms import list_mechanisms
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES
from tests.bound_search import OPTIONS, search
from tests.quick import only

OPERATOR = SYSTEM_PARTIES.index("market_operator")
UNBOUND = {"vpp_call", "winter"}
"""Shipped scenarios whose programs lack something: calls, and what homes have beside a battery."""


@pytest.mark.parametrize("rule", only(("uniform_price", "vcg", "mid_market_rate"), list_mechanisms()))
def test_nobody_plays_below_the_bound_under_any_rule(rule: str) -> None:
    found = search("street", {"mechanism": rule}, 12, seed=0, hours=8.0)
    assert found.margin_cur >= 0
    assert found.bound_cur < found.idle_cur - 0.1  # there is something to win


@pytest.mark.parametrize("name", only([n for n in OPTIONS if not n.startswith("below zero")][::3], OPTIONS))
def test_nobody_plays_below_the_bound_with_any_option(name: str) -> None:
    if name == "thin wires, nodal":
        with pytest.raises(NoBoundError, match="any price of a bus"):
            search("street", OPTIONS[name], 12, seed=2, hours=4.0)
    else:
        assert search("street", OPTIONS[name], 12, seed=2, hours=4.0).margin_cur >= 0


@pytest.mark.parametrize("name", [n for n in list_scenarios() if n not in ("district", *UNBOUND)])
def test_nobody_plays_below_the_bound_in_any_scenario(name: str) -> None:
    assert search(name, {}, 10, seed=3, hours=3.0).margin_cur >= 0


@pytest.mark.slow
@pytest.mark.parametrize("rule", list_mechanisms())
@pytest.mark.parametrize("name", [n for n in list_scenarios() if n not in ("district", *UNBOUND)])
def test_nobody_plays_below_the_bound_in_any_scenario_under_any_rule(name: str, rule: str) -> None:
    changed: dict[str, Any] = {"mechanism": rule}
    if load_scenario(name).constraint == "nodal":
        if rule == "nodal":
            with pytest.raises(NoBoundError, match="any price of a bus"):
                search(name, changed, 40, seed=4, hours=8.0)
            return
        changed["constraint"] = "curtail"  # prices per bus are that rule's alone
    assert search(name, changed, 40, seed=4, hours=8.0).margin_cur >= 0


@pytest.mark.parametrize("name", sorted(UNBOUND))
def test_what_has_no_bound_says_so(name: str) -> None:
    core = Core(name)
    with pytest.raises(NoBoundError, match="does not cover"):
        foresight(core, core.reset([0]))


@pytest.mark.slow
def test_rounding_alone_is_no_policy_above_the_bound() -> None:
    assert len(evaluate("street", ["optimum"], seeds=50, replays=False).seeds) == 50


def test_load_and_sun_of_the_optimum_are_those_that_the_meters_show() -> None:
    """Idle homes without batteries, a day: the meters to a micro-kWh; their forecasts err."""
    core = Core(load_scenario("street", **{"prosumer.battery_share": 0.0}))
    played = play(core, load_policy("idle"), [3], keep=True)
    ahead = foresight(core, played.states[0])
    metered_kw = np.stack([h.delivery.metered_ukwh[0, :3] for h in played.transitions], axis=1) / 1e6 / 0.25
    assert np.abs(ahead.firm_kw[0, :3] - metered_kw).max() <= 4e-6
    expected_kw = np.stack([h.plan.firm_kw[0, :3] for h in played.transitions], axis=1)
    assert np.abs(ahead.firm_kw[0, :3] - expected_kw).max() > 0.1


def test_an_island_has_no_cap_and_other_hours_have_theirs() -> None:
    core = Core(load_scenario("blackout"), 2)
    state = core.reset([0, 1])
    ahead, outages = foresight(core, state), state.episode.outages
    assert outages is not None
    t = np.arange(core.n_steps)
    off = (t >= outages.begin[:, None]) & (t < outages.end[:, None])
    assert off.any()
    assert np.isinf(ahead.import_cap_kw[off]).all()
    assert (ahead.import_cap_kw[~off] >= np.repeat(state.episode.import_cap_kw[:, None], core.n_steps, 1)[~off]).all()
    assert np.isfinite(ahead.import_cap_kw[~off]).all()
    assert (ahead.export_cur_per_kwh[off] == 0).all()


@pytest.mark.parametrize("rule", ["proportional", "equal_share", "last_in"])
@pytest.mark.parametrize("policy", only(["random"], ["random", "time_of_use"]))
def test_wires_withhold_no_larger_share_than_the_bound_expects(rule: str, policy: str) -> None:
    """Of each agent, of what it sends by sun and devices together."""
    core = Core(load_scenario("street", curtailment=rule, **OPTIONS["thin wires"]))
    played = play(core, load_policy(policy), [0], split="train", keep=True)
    ratio = foresight(core, played.states[0]).withheld_ratio[0]
    cut_kwh = np.stack([np.maximum(h.delivery.curtailed_ukwh[0], 0) for h in played.transitions], axis=1) / 1e6
    sent_kwh = np.stack([h.devices.pv_kwh[0] + h.devices.released_kwh[0] for h in played.transitions], axis=1)
    assert cut_kwh.max() > 0.1
    assert (cut_kwh[ratio == 0] == 0).all()
    some = np.isfinite(ratio) & (ratio > 0)
    assert (cut_kwh[some] <= ratio[some] * sent_kwh[some] + 1e-4).all()


def test_wires_that_never_bind_withhold_nothing() -> None:
    core = Core("street")
    assert not foresight(core, core.reset([0])).withheld_ratio.any()


def test_a_market_with_stock_owes_no_scarcity_for_it() -> None:
    full = OPTIONS["full connection"]
    for rule, is_free in (("amm", True), ("uniform_price", False)):
        core = Core(load_scenario("street", mechanism=rule, **full))
        assert np.isinf(foresight(core, core.reset([0])).import_cap_kw).all() == is_free


def test_lost_load_cheaper_than_the_retailer_is_no_bound() -> None:
    cheap = {"outage.chance": 1.0, "outage.lost_load_cur_per_kwh": 0.01, "outage.critical_cur_per_kwh": 0.02}
    core = Core(load_scenario("street", **cheap))
    with pytest.raises(NoBoundError, match="lost load that is cheaper"):
        foresight(core, core.reset([0]))


class WithItself:
    """Two batteries of one owner: in turn one sells at any price what the other buys at any price."""

    needs_forecasts = needs_foresight = False

    def start(self, community: Any, rng: np.random.Generator, episode: Any = None) -> Any:
        return 0

    def act(self, observation: Observation, memory: Any) -> tuple[Any, Any]:
        view, wish = observation.view, np.zeros(observation.view.firm_kw.shape)
        sign = 1 if memory // 2 % 2 else -1
        wish[:, 3] = np.where(sign > 0, np.minimum(view.high_kw[:, 3], -view.low_kw[:, 4]), 0.0)
        wish[:, 4] = np.where(sign > 0, -wish[:, 3], np.minimum(view.high_kw[:, 4], -view.low_kw[:, 3]))
        wish[:, 3] = np.where(sign > 0, wish[:, 3], -wish[:, 4])
        return encode(wish, np.ones(wish.shape), view), memory + 1


PAIR: dict[str, Any] = {"battery.count": 2, "battery.start_frac": (0.5, 0.5), "battery.loss_per_h": 0.0}


def with_itself(rule: str) -> Played:
    return play(Core(load_scenario("street", mechanism=rule, **PAIR)), WithItself(), [5], split="train", keep=True)


@pytest.mark.parametrize(
    "rule", only(["vcg", "mcafee", "amm"], ["vcg", "huang", "mcafee", "uniform_price", "pay_as_bid", "amm"])
)
def test_selling_to_oneself_earns_nothing(rule: str) -> None:
    """Whatever the rule pays, the community and who runs its market have the energy of their meters to pay for.

    The bill that they would have at the least, from the meters alone: retail above, export below, nothing between.
    """
    played = with_itself(rule)
    traded = np.array([h.market.clearing.traded_ukwh[0, [8, 9, 10, 11]] for h in played.transitions])
    if rule in ("uniform_price", "pay_as_bid", "vcg"):
        assert (np.abs(traded).sum(0) > 0).any()
    core, least = played.tally.core, 0.0
    steps = int(played.states[0].episode.start[0]) + np.arange(core.n_steps)
    retail, export = core.world.retail_cur_per_kwh[steps], core.world.rates.export[steps] / 1e6
    local = (core.world.rates.local_network + core.world.rates.local_tax)[steps] / 1e6
    for t, happened in enumerate(played.transitions):
        kwh = happened.delivery.metered_ukwh[0] / 1e6
        net, drawn = kwh.sum(), np.maximum(kwh, 0).sum()
        least += local[t] * drawn + (retail[t] - local[t]) * max(net, 0.0) + export[t] * min(net, 0.0)
    least += 0.30 * (3 + 2 + 1)  # a day's standing charge of homes, batteries and the car
    tally = played.tally
    least += float(tally.wear_cur.sum() - tally.left_cur.sum())
    assert tally.scored_cur[0] >= least - 0.02


def test_a_deficit_of_the_rule_is_a_cost_and_what_it_keeps_is_not() -> None:
    """By the market line alone: agents and operator pay nothing on it together."""
    for rule, sign in (("vcg", 1), ("mcafee", -1)):
        played = play(Core(load_scenario("street", mechanism=rule)), load_policy("zero_intelligence"), [3], keep=True)
        n = played.tally.core.n_agents
        agents = sum(float(h.money.bill.ucur[0, :, :n].sum()) for h in played.transitions) / 1e6
        market = sum(float(h.money.bill.ucur[0, LINES.index("market"), :n].sum()) for h in played.transitions) / 1e6
        assert sign * -market > 1e-4, rule  # agents get more than they pay, or less
        tally = played.tally
        other = float(tally.wear_cur.sum() + tally.lost_load_cur.sum() - tally.left_cur.sum())
        assert tally.scored_cur[0] == pytest.approx(agents - market + other)


class AtTheEnd:
    """Rests, and fills every battery in the last intervals, when nothing of it can be used any more."""

    needs_forecasts = needs_foresight = False

    def start(self, community: Any, rng: np.random.Generator, episode: Any = None) -> Any:
        return community.n_steps - 8

    def act(self, observation: Observation, memory: Any) -> tuple[Any, Any]:
        action = np.ones((*observation.view.firm_kw.shape, 2))
        action[..., 0] = memory <= 0
        return action, memory - 1


def test_nothing_is_won_at_the_end_of_the_episode() -> None:
    core = Core("street", 3)
    state = core.reset([0, 1, 2], split="test")
    bound, played = bound_of(core, state), play(core, AtTheEnd(), [0, 1, 2])
    assert (played.tally.left_cur.sum(1) > 0.1).all()
    assert (played.tally.scored_cur >= bound.cost_cur - bound.rounding_cur).all()


def test_where_outages_are_possible_ordinary_hours_have_their_retailer() -> None:
    """An outage that never comes changes no bill, and the retailer is on them."""
    usual, could = (
        play(Core(load_scenario("street", **o)), load_policy("self_consumption"), [4], keep=True)
        for o in ({}, {"outage.per_year": 1e-9})
    )
    bought = 0
    for a, b in zip(usual.transitions, could.transitions, strict=True):
        assert (a.money.bill.ucur == b.money.bill.ucur).all()
        assert (a.market.clearing.outside_ukwh == b.market.clearing.outside_ukwh).all()
        bought += int(np.abs(b.market.clearing.outside_ukwh).sum())
        upper = b.market.setting.import_ucur_per_kwh
        assert upper is not None
        assert upper.max() < 1_000_000
    assert bought > 1_000_000


def test_an_island_within_a_day_has_a_retailer_before_and_after() -> None:
    played = play(Core(load_scenario("street", **OPTIONS["outages"])), load_policy("idle"), [0], keep=True)
    outages = played.states[0].episode.outages
    assert outages is not None
    begin, end = int(outages.begin[0]), int(outages.end[0])
    assert 0 < end - begin < 96
    for t, happened in enumerate(played.transitions):
        outside = np.abs(happened.market.clearing.outside_ukwh).sum()
        assert (outside == 0) == (begin <= t < end), t


@pytest.mark.parametrize(
    ("table", "name"),
    [("heating", "heat pumps"), ("water", "hot-water tanks"), ("appliance", "appliances that wait")],
)
def test_each_thing_of_a_home_that_the_program_lacks_is_named(table: str, name: str) -> None:
    core = Core(load_scenario("street", **{f"prosumer.{table}.share": [0.0, 1.0]}))
    with pytest.raises(NoBoundError, match=name):
        foresight(core, core.reset([0]))


def test_who_is_cut_last_may_be_anyone() -> None:
    """Where the newest connection is cut first, less sent by one may cut another: any share, wherever anyone is."""
    core = Core(load_scenario("street", curtailment="last_in", **OPTIONS["thin wires"]))
    ratio = foresight(core, core.reset([0], split="train")).withheld_ratio[0]
    is_cut = (ratio > 0).any(axis=0)
    assert is_cut.any()
    assert np.isinf(ratio[:, is_cut]).all()
    assert (ratio[:, ~is_cut] == 0).all()


def test_a_home_withholds_from_none_to_all_of_its_sun() -> None:
    core = Core(load_scenario("street", **{"prosumer.curtailable": True}))
    (curtail,) = (column for column in core.action_columns["prosumer"] if column.name == "curtail")
    assert (curtail.low, curtail.high) == (-1.0, 1.0)


def test_a_battery_of_any_size_follows_the_meter() -> None:
    options = {"prosumer.battery_share": 1.0, "prosumer.battery_kwh": 0.8, "prosumer.follow_meter": True}
    core = Core(load_scenario("street", **options))
    state, kind = core.reset([0]), core.scenario.kind("prosumer")
    program = kind.program(state.episode.params[0], state.devices[0], core.n_steps, core.scenario.step_h)
    assert np.all(program.follows_meter)
