"""Rewards: the returns of two ways to act differ by what they cost, and by nothing else.

The cost is read from bills and devices here, never from the rewards' own parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.agents.policies import list_policies, load_policy
from gridbazaar.agents.policies.learned import list_learned
from gridbazaar.agents.policy import NoBoundError, widened
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.envs.views.others import community_of
from gridbazaar.market.charge import Charge
from gridbazaar.market.design import Design, Netting, Vat
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES
from tests.envs.everything import EVERYTHING, OUTAGES
from tests.quick import only

Floats = NDArray[np.float64]
POLICIES = [name for name in list_policies() if name != "trained"]
SMALL = [name for name in list_scenarios() if name != "district"]
PLAYED = [case for case in product(SMALL, POLICIES) if case[1] != "learned" or case[0] in list_learned()]
NO_SHAPING = {"reward.shaping": 0.0}


@dataclass(frozen=True)
class Played:
    core: Core
    states: list[State]
    happened: list[Transition]
    actions: Floats  # [n_steps, 1, n_agents, n_actions]

    @property
    def rewards(self) -> Floats:
        """[n_steps, n_agents] in currency."""
        found: Floats = np.array([h.reward[0] for h in self.happened]) * self.core.scenario.reward.scale
        return found

    def part(self, name: str) -> Floats:
        """[n_steps, n_agents] in currency."""
        parts = np.array([h.reward_parts[0, :, PARTS.index(name)] for h in self.happened])
        found: Floats = parts * self.core.scenario.reward.scale
        return found

    @property
    def cost_cur(self) -> Floats:
        """[n_steps, n_agents] what each interval cost whom: every line of the bill, and what no bill holds."""
        unserved = self.core.scenario.reward.unserved_cur_per_kwh
        return np.array(
            [
                h.money.bill.ucur[0, :, : self.core.n_agents].sum(0) / 1e6
                + (h.devices.wear_cur + h.devices.discomfort_cur + h.devices.upkeep_cur)[0]
                + (unserved * h.devices.unserved_kwh + h.money.shed_cur - h.money.stored_value_cur)[0]
                for h in self.happened
            ]
        )

    @property
    def operator_cur(self) -> Floats:
        """[n_steps] what the market's operator paid."""
        column = self.core.n_agents + SYSTEM_PARTIES.index("market_operator")
        return np.array([h.money.bill.ucur[0, :, column].sum() / 1e6 for h in self.happened])


def play(core: Core, policy: str, seed: int = 1, n_steps: int | None = None) -> Played:
    state, chosen = core.reset(seed, split="validation"), load_policy(policy)
    ahead = foresight(core, state) if chosen.needs_foresight else None
    memory = chosen.start(community_of(core, state), np.random.default_rng(0), ahead)
    states, happened, actions = [state], [], []
    for _ in range(core.n_steps if n_steps is None else n_steps):
        action, memory = chosen.act(observe(core, state, forecasts=chosen.needs_forecasts), memory)
        actions.append(widened(np.asarray(action), core.n_actions))
        state, transition = core.step(state, actions[-1])
        states.append(state)
        happened.append(transition)
    return Played(core, states, happened, np.array(actions))


def deviated(played: Played, agent: int, first: int, rng: np.random.Generator) -> Played:
    """The same from step ``first`` on with other actions of one agent; the others do as they did."""
    actions, state, happened = played.actions[first:].copy(), played.states[first], []
    actions[:, 0, agent] = rng.uniform(-1, 1, actions[:, 0, agent].shape)
    states = [state]
    for action in actions:
        state, transition = played.core.step(state, action)
        states.append(state)
        happened.append(transition)
    return Played(played.core, states, happened, actions)


def core_of(scenario: str, **overrides: Any) -> Core:
    return Core(load_scenario(scenario, **overrides), 1)


def deciders(played: Played, first: int) -> list[int]:
    """Of each kind the agents that can do most from a step on: in all, and at once."""
    views = [state.view for state in played.states[first:]]
    can_kw = np.array([np.maximum(view.high_kw, -view.low_kw)[0] for view in views])
    slices = [s for s in played.core.scenario.kind_slices.values() if s.stop > s.start]
    return sorted({s.start + int(np.argmax(most[s])) for s in slices for most in (can_kw.sum(0), can_kw.max(0))})


QUICK = ("street", "winter")
OTHERS = ("winter",)
"""Scenarios, beside the street, of which one policy is tried each time."""


def is_quick(case: tuple[str, str]) -> bool:
    scenario, policy = case
    return (
        policy == "random" if scenario in OTHERS else scenario == "street" and policy in ("random", "opportunity_cost")
    )


@pytest.mark.parametrize(("scenario", "policy"), only(is_quick, PLAYED))
def test_an_agents_return_differs_by_minus_its_own_cost(scenario: str, policy: str) -> None:
    core = core_of(scenario, **NO_SHAPING)
    try:
        played = play(core, policy)
    except NoBoundError:
        return  # the optimum's program does not cover this scenario
    rng, moved = np.random.default_rng(3), 0.0
    first = int(rng.integers(core.n_steps // 3))
    for agent in deciders(played, first):
        other = deviated(played, agent, first, rng)
        gain = (other.rewards - played.rewards[first:])[:, agent].sum()
        more_cur = (other.cost_cur - played.cost_cur[first:])[:, agent].sum()
        assert gain == pytest.approx(-more_cur, abs=1e-6 * max(1.0, np.abs(played.cost_cur[:, agent]).sum()))
        moved = max(moved, abs(more_cur))
    assert moved > 1e-3, "no deviation cost anything: the test looked at nothing"


@pytest.mark.parametrize("policy", only(("random",), ("random", "peak_shaving", "opportunity_cost")))
def test_the_same_where_power_is_billed_by_the_month(policy: str) -> None:
    """The first two days of a month, in which the peak rises; what an interval adds to it is of the bill."""
    month = {"tariff": "be_flanders", "dates": ("2024-02-01", "2024-02-29"), "step_min": 60, "data.n_days": 100}
    played = play(core_of("street", **NO_SHAPING, **month), policy, n_steps=48)
    capacity = np.array([h.money.bill.line("capacity")[0, : played.core.n_agents] for h in played.happened]) / 1e6
    assert (capacity[1:] > 0.1).any()
    rng = np.random.default_rng(3)
    for agent in deciders(played, 10):
        other = deviated(played, agent, 10, rng)
        gain = (other.rewards - played.rewards[10:])[:, agent].sum()
        more_cur = (other.cost_cur - played.cost_cur[10:])[:, agent].sum()
        assert gain == pytest.approx(-more_cur, abs=1e-6 * max(1.0, np.abs(played.cost_cur[:, agent]).sum()))


MONTHS: dict[str, dict[str, Any]] = {
    "netting": {"netting": Netting("month"), "cur_per_kwh": 0.3},
    "tiers": {"tiers_kwh": (20.0, 40.0), "tier_cur_per_kwh": (0.2, 0.3, 0.5)},
}


@pytest.mark.parametrize("name", only(("tiers",), MONTHS))
def test_the_same_where_energy_is_billed_by_the_month(name: str) -> None:
    """The first two days of a month; what an interval posts is what it adds to what is due so far."""
    given = dict(MONTHS[name])
    netting = given.pop("netting", Netting())
    charges = (
        Charge("retail", "retailer", **given), Charge("retail", "retailer", flow="export", cur_per_kwh=0.05, vat=False)
    )  # fmt: skip
    design = Design("d", "", "", 2024, "EUR", "Europe/Brussels", "", charges, vat=Vat(0.2), netting=netting)
    month = {"tariff": design, "dates": ("2024-02-01", "2024-02-29"), "step_min": 60, "data.n_days": 100}
    played = play(core_of("street", **NO_SHAPING, **month), "random", n_steps=48)
    rng, moved = np.random.default_rng(3), 0.0
    for agent in deciders(played, 10):
        other = deviated(played, agent, 10, rng)
        gain = (other.rewards - played.rewards[10:])[:, agent].sum()
        more_cur = (other.cost_cur - played.cost_cur[10:])[:, agent].sum()
        assert gain == pytest.approx(-more_cur, abs=1e-6 * max(1.0, np.abs(played.cost_cur[:, agent]).sum()))
        moved = max(moved, abs(more_cur))
    assert moved > 1e-3


NODAL = {"constraint": "nodal", "mechanism": "nodal"}


@pytest.mark.parametrize(
    "options", only(lambda options: options is EVERYTHING, [EVERYTHING, OUTAGES, {"mechanism": "vcg"}, NODAL])
)
@pytest.mark.slow
def test_the_same_with_everything_on(options: dict[str, Any]) -> None:
    played = play(core_of("village", **NO_SHAPING, **options), "opportunity_cost")
    rng, moved = np.random.default_rng(5), 0.0
    for agent in deciders(played, 10):
        other = deviated(played, agent, 10, rng)
        gain = (other.rewards - played.rewards[10:])[:, agent].sum()
        more_cur = (other.cost_cur - played.cost_cur[10:])[:, agent].sum()
        assert gain == pytest.approx(-more_cur, abs=1e-6 * max(1.0, np.abs(played.cost_cur[:, agent]).sum()))
        moved = max(moved, abs(more_cur))
    assert moved > 0.01


@pytest.mark.parametrize("whose", ["community", "mix"])
@pytest.mark.parametrize("scenario", only(("street",), SMALL))
def test_everybody_gets_an_equal_part_of_what_the_community_costs(scenario: str, whose: str) -> None:
    """Of the community's own number in ``community``; of its share in ``mix``, the rest being the agent's own."""
    core = core_of(scenario, **{"reward.whose": whose, "reward.mix": 0.25})
    own = core_of(scenario)
    one, other = (play(core, policy) for policy in ("idle", "random"))
    alone = [play(own, policy) for policy in ("idle", "random")]
    n = core.n_agents
    for played, mine in zip((one, other), alone, strict=True):
        cost = played.cost_cur.sum(1) + played.operator_cur
        baseline = mine.part("baseline").sum(1)
        common = (baseline - cost + mine.part("shaping").sum(1)) / n
        expected = common[:, None] + 0.0 * mine.rewards
        if whose == "mix":
            expected = 0.25 * mine.rewards + 0.75 * common[:, None]
        np.testing.assert_allclose(played.rewards, expected, rtol=0, atol=1e-6)
    if whose == "community":
        gain = (other.rewards - one.rewards).sum(0)
        shaped = other.part("shaping").sum() - one.part("shaping").sum()
        more = other.cost_cur.sum() + other.operator_cur.sum() - one.cost_cur.sum() - one.operator_cur.sum()
        np.testing.assert_allclose(n * gain - shaped, -more, atol=1e-5)
        assert abs(more) > 0.01


@pytest.mark.parametrize("scenario", only(QUICK, SMALL))
def test_the_baseline_moves_with_no_action(scenario: str) -> None:
    core = core_of(scenario)
    np.testing.assert_array_equal(play(core, "idle").part("baseline"), play(core, "random").part("baseline"))


def test_the_baseline_is_the_tariff_on_load_less_sun() -> None:
    """Recomputed from the series for every home and interval, with a standing charge of 0.30 a day and the rents."""
    core = core_of("street", tariff="flat", tariff_options={"fixed_cur_per_day": 0.3})
    played = play(core, "idle")
    homes, bank = played.states[0].episode.params[0], core.world.bank
    seen_sun, seen_load = 0, 0
    for h, part in zip(played.happened, played.part("baseline"), strict=True):
        step = int(played.states[0].episode.start[0] + h.t[0])
        for i in range(core.scenario.agents["prosumer"].count):
            load = bank.load_kw[homes.home[0, i], step] * homes.load_scale[0, i]
            sun = bank.pv_kw_per_kwp[homes.roof[0, i], step] * homes.pv_kwp[0, i]
            net_kwh = (load - sun) * core.scenario.step_h
            retail, export = (float(x[0]) / 1e6 for x in (retail_of(h), h.market.rates.export))
            price = retail if net_kwh > 0 else export
            seen_sun, seen_load = seen_sun + (net_kwh < 0), seen_load + (net_kwh > 0)
            rent = float(h.money.bill.ucur[0, LINES.index("share"), i]) / 1e6
            assert part[i] == pytest.approx(net_kwh * price + 0.3 / core.n_steps + rent, abs=2e-6)
    assert min(seen_sun, seen_load) > 20


def retail_of(happened: Transition) -> Any:
    rates = happened.market.rates
    return rates.energy + rates.network + rates.tax


@pytest.mark.parametrize("whose", only(["own"], ["own", "community", "mix"]))
def test_shaping_telescopes_to_nothing_that_an_action_moves(whose: str) -> None:
    totals = []
    for policy in ("idle", "random", "opportunity_cost"):
        played = play(core_of("village", **{"reward.whose": whose}), policy)
        totals.append(played.part("shaping").sum(0))
        assert np.abs(played.part("shaping")).max() > 1e-3
    np.testing.assert_allclose(totals[0], totals[1], atol=1e-9)
    np.testing.assert_allclose(totals[0], totals[2], atol=1e-9)


def test_wear_discomfort_and_lost_load_are_costs() -> None:
    played = play(core_of("village", **OUTAGES, **NO_SHAPING), "random", seed=0)
    devices = [h.devices for h in played.happened]
    for name, amounts in (
        ("wear", [d.wear_cur[0] for d in devices]),
        ("discomfort", [d.discomfort_cur[0] for d in devices]),
        ("upkeep", [d.upkeep_cur[0] for d in devices]),
    ):
        np.testing.assert_allclose(played.part(name), -np.array(amounts), atol=1e-12)
        assert np.sum(amounts) > 0, f"no {name} in the episode"
    unserved = played.core.scenario.reward.unserved_cur_per_kwh
    lost = np.array([h.money.shed_cur[0] + unserved * h.devices.unserved_kwh[0] for h in played.happened])
    np.testing.assert_allclose(played.part("unserved"), -lost, atol=1e-12)
    assert lost.sum() > 0
    assert len(LINES) == played.happened[0].money.bill.ucur.shape[1]


def test_each_kind_of_reward_has_a_scale_of_its_own() -> None:
    scales = {"reward.scale_cur.own": 0.5, "reward.scale_cur.community": 2.0, "reward.scale_cur.mix": 1.0}
    for whose, scale in (("own", 0.5), ("community", 2.0), ("mix", 1.0)):
        scenario = load_scenario("street", **{"reward.whose": whose}, **scales)
        assert scenario.reward.scale == scale
