"""Policies: what holds for every one in the folder, and what each rule is known for."""

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.bid import eagerness_of
from gridbazaar.agents.kind import encode, scaled_plan
from gridbazaar.agents.policies import list_policies, load_policy
from gridbazaar.data.bank import Bank
from gridbazaar.envs.contract import check_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.episode import world
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.bound import optimum_cost_cur
from gridbazaar.experiments.evaluation.play import play
from tests.conftest import Lend
from tests.quick import only

NAMES = [n for n in list_policies() if n != "trained"]


@pytest.mark.parametrize("hours", [10.0, pytest.param(24.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", only(lambda name: name not in ("mpc", "optimum"), NAMES))
def test_every_policy_acts_within_bounds_and_repeats_itself(name: str, hours: float) -> None:
    check_policy(name, load_scenario("street", hours=hours))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("random", "zero_intelligence", "optimum")])
def test_rules_do_not_look_ahead(name: str, lent: Lend) -> None:
    """A rule that gets the same past must act the same, whatever the rest of the episode will be."""
    core = Core("street", 1)
    state, policy = core.reset(4), load_policy(name)
    assert not policy.needs_foresight
    memory = policy.start(community_of(core), np.random.default_rng(0))
    seen = observe(core, state, forecasts=policy.needs_forecasts)
    first, _ = policy.act(seen, memory)
    lent(core.world.series.load_kw)[:, int(state.episode.start[0]) :] *= 1.5
    again, _ = policy.act(observe(core, state, forecasts=policy.needs_forecasts), memory)
    np.testing.assert_array_equal(first, again)


def test_idle_rests_and_charges_cars_on_arrival() -> None:
    core = Core("street", 4)
    state, idle = core.reset(0), load_policy("idle")
    memory = idle.start(community_of(core), np.random.default_rng(0))
    for _ in range(core.n_steps):
        action, memory = idle.act(observe(core, state), memory)
        before = state.view
        state, happened = core.step(state, action)
        storage = before.is_stationary
        assert (happened.devices.flexible_ukwh[storage] == 0).all()
        charging = (before.need_kwh > 0.5) & (before.high_kw > before.min_kw)
        assert (happened.devices.flexible_ukwh[charging] > 0).all()


def one_home(monkeypatch: pytest.MonkeyPatch, load_kw: float, pv_kw: float) -> Core:
    """A home with a battery, flat prices, sun from 10 to 14 h, everything known."""
    scenario = load_scenario(
        "street",
        step_min=60,
        forecast="perfect",
        tariff="flat",
        constraint="none",
        tariff_options={
            "energy_cur_per_kwh": 0.30, "network_cur_per_kwh": 0.0, "tax_cur_per_kwh": 0.0,
            "local_network_cur_per_kwh": 0.0, "export_cur_per_kwh": 0.08,
        },
        prosumer={
            "count": 1, "pv_kwp": 1.0, "battery_share": 1.0, "battery_kwh": 10.0, "duration_h": 2.0, "start_frac": 0.0,
            "loss_per_h": 0.0, "wear_cur_per_kwh": 0.0,
        },
        battery={"count": 0}, ev={"count": 0}, vpp={"count": 0},
    )  # fmt: skip
    made = world.bank_of(scenario.data, scenario.seed, scenario.step_min)
    hour = made.hour()
    load = np.full_like(made.load_kw, load_kw)
    sun = np.broadcast_to(np.where((hour >= 10) & (hour < 14), pv_kw, 0.0), made.pv_kw_per_kwp.shape).copy()
    flat: dict[str, Any] = {f: getattr(made, f) for f in Bank.__dataclass_fields__}
    flat |= {"load_kw": load, "load_next_kw": load, "load_outlook_kw": load}
    flat |= {"pv_kw_per_kwp": sun, "pv_next_kw_per_kwp": sun, "pv_outlook_kw_per_kwp": sun}
    monkeypatch.setattr(world, "bank_of", lambda *_: Bank(**flat))
    return Core(scenario, 1)


def test_greedy_is_optimal_for_a_home_under_flat_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load 1 kW, 4 kW of sun for four hours, 0.30 to buy and 0.08 to sell: greedy reaches the optimum.

    But for the surplus of the last two hours, which it still stores: what is left is worth the feed-in after losses.
    """
    core = one_home(monkeypatch, 1.0, 4.0)
    idle = play(core, load_policy("idle"), [0]).tally.scored_cur[0]
    greedy = play(core, load_policy("self_consumption"), [0]).tally.scored_cur[0]
    optimum = optimum_cost_cur(core, [0], "test")[0]
    assert idle == pytest.approx(20 * 0.30 - 12 * 0.08 + 0.30)  # with a day's standing charge
    assert greedy == pytest.approx(optimum + 6 * 0.08 * (1 - 0.95**2), abs=1e-4)
    assert greedy < idle - 1.0


def test_encode_is_the_inverse_of_the_plan() -> None:
    core = Core("village", 4)
    state = core.reset(2)
    rng = np.random.default_rng(0)
    for _ in range(20):
        wish: Any = rng.uniform(state.view.low_kw, state.view.high_kw)
        wish = np.where(np.abs(wish) < state.view.min_kw, 0.0, wish)
        plan = scaled_plan(encode(wish, np.zeros_like(wish), state.view), state.view)
        np.testing.assert_allclose(plan.wish_kw, wish, atol=1e-9)
        state, _ = core.step(state, rng.uniform(-1, 1, (4, core.n_agents, 2)))


def test_eagerness_gives_the_wanted_limit() -> None:
    """The rule's limit prices arrive in the book as they were meant."""
    low, high, above = np.array(0.08), np.array(0.28), 0.5
    for buys in (True, False):
        for limit in (-0.3, 0.08, 0.1, 0.2, 0.28, 0.5, 0.7):
            lean = float(eagerness_of(np.array(limit), low, high, above, np.array(buys)))
            lean = lean if buys else -lean
            back = (
                high + above * (2 * lean - 1) if lean > 0.5
                else low + above * (2 * lean + 1) if lean < -0.5
                else low + (high - low) * (lean + 0.5)
            )  # fmt: skip
            assert float(back) == pytest.approx(limit)


def test_an_unknown_policy_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="self_consumption"):
        load_policy("genius")
