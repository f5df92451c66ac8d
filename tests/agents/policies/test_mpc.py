"""MPC: what it plans in worked cases, and what it leaves to a rule."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.dispatch.expect import expected
from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.kinds import kinds
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import Community, Forecasts, Observation
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.play import play

LOW, HIGH = 0.10, 0.40


def one_battery(
    prices: list[float], *, stored: float = 0.0, wear: float = 0.0, car: tuple[float, float] | None = None
) -> Observation:
    """A battery, or a car that needs (kWh, by when), of 10 kWh and 5 kW, beside a load of 3 kW; intervals of an hour.

    It loses nothing, what is left in it is worth nothing, and feeding in costs a little.
    """
    n = len(prices)
    need, left = car or (0.0, float(n))

    def one(x: Any) -> Any:
        return np.full((1, 1), x)

    view = View(
        firm_kw=one(0.0), low_kw=one(-min(5.0, stored)), high_kw=one(min(5.0, 10.0 - stored)), stored_kwh=one(stored),
        room_kwh=one(10.0 - stored), capacity_kwh=one(10.0), power_kw=one(5.0), min_kw=one(0.0), eta_ch=one(1.0),
        eta_dis=one(1.0), wear_cur_per_kwh=one(wear), need_kwh=one(need), left_h=one(left),
        is_stationary=one(car is None), has_device=one(True), is_active=one(True),
    )  # fmt: skip
    ahead = Forecasts(
        retail_cur_per_kwh=np.array([prices]), export_cur_per_kwh=np.full((1, n), -0.01),
        local_charge_cur_per_kwh=np.zeros((1, n)), net_kw=np.full((1, 1, n), 3.0), import_cap_kw=np.array([100.0]),
        export_cap_kw=np.array([100.0]), scarcity_cur_per_kwh=0.5, end_value_cur_per_kwh=np.zeros(1),
        inside=np.ones((1, n), bool), step_h=1.0,
    )  # fmt: skip
    return Observation(np.zeros((1, 1, 1), np.float32), one(True), view, ahead)


def community(kind: str) -> Community:
    return Community(
        agents=(f"{kind}_0",), kind_slices={kind: slice(0, 1)}, step_h=1.0, n_steps=24, n_actions=2,
        actions={kind: ("power", "eagerness")}, features=("island",), configs={kind: kinds()[kind].Config()},
    )  # fmt: skip


def first_kw(seen: Observation, kind: str = "battery", **options: Any) -> float:
    """What the first interval draws."""
    policy = load_policy("mpc", **options)
    action, _ = policy.act(seen, policy.start(community(kind), np.random.default_rng(0)))
    power = action[0, 0, 0]
    return float(power * (seen.view.high_kw if power > 0 else -seen.view.low_kw)[0, 0])


def test_a_battery_charges_low_and_releases_high() -> None:
    """What the load of 3 kW will need for two dear hours is bought before them, and then serves it."""
    assert first_kw(one_battery([LOW, HIGH, HIGH])) == pytest.approx(5.0)
    assert first_kw(one_battery([LOW, HIGH])) == pytest.approx(3.0)
    assert first_kw(one_battery([HIGH, LOW], stored=8.0)) == pytest.approx(-3.0)
    assert first_kw(one_battery([LOW, HIGH, HIGH, HIGH], stored=9.0)) == pytest.approx(0.0)


def test_a_battery_rests_where_the_round_trip_costs_more_than_it_saves() -> None:
    assert first_kw(one_battery([LOW, HIGH], wear=HIGH - LOW + 0.01)) == 0.0


def test_a_car_charges_in_the_cheap_hours_before_it_leaves() -> None:
    """7 kWh within three hours of 5 kW; the cheap fourth hour comes too late."""
    prices = [0.30, 0.20, 0.25, 0.05]
    assert first_kw(one_battery(prices, car=(7.0, 3.0)), "ev") == pytest.approx(0.0, abs=1e-9)
    assert first_kw(one_battery(prices[1:], car=(7.0, 2.0)), "ev") == pytest.approx(5.0)
    assert first_kw(one_battery(prices, car=(7.0, 1.0)), "ev") == pytest.approx(5.0)


def test_a_horizon_that_ends_before_the_dear_hours_does_not_see_them() -> None:
    seen = one_battery([LOW, LOW, LOW, HIGH])
    assert first_kw(seen, horizon_h=2.0) == 0.0
    with pytest.raises(ValueError, match="horizon_h > 0 and every >= 1, got 0 and 1"):
        load_policy("mpc", horizon_h=0)


def test_forecasts_that_change_change_the_plan_when_it_is_made_anew() -> None:
    """Prices of the second hour rise after the first: who plans every hour releases, who does not rests as planned."""
    begin, now = one_battery([LOW, LOW, HIGH], stored=3.0, wear=0.05), one_battery([0.60, HIGH], stored=3.0, wear=0.05)
    for every, released in ((1, 3.0), (2, 0.0)):
        policy = load_policy("mpc", every=every)
        _, memory = policy.act(begin, policy.start(community("battery"), np.random.default_rng(0)))
        action, _ = policy.act(now, memory)
        assert -action[0, 0, 0] * 3.0 == pytest.approx(released, abs=1e-9)


class Rests:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Any = None) -> None:
        return None

    def act(self, observation: Observation, memory: None) -> tuple[Any, None]:
        return np.zeros((*observation.mask.shape, 2)), None


def test_no_car_lacks_what_it_needs_though_its_charger_does_not_see_to_it() -> None:
    core = Core(load_scenario("street", step_min=60, ev={"guarantee": False, "min_kw": 0.0, "count": 3}), 3)
    mpc, rests = (play(core, policy, np.arange(3)).tally for policy in (load_policy("mpc"), Rests()))
    assert rests.sums["unserved_kwh"].sum() > 10
    assert mpc.sums["unserved_kwh"].sum() < 1e-3


def test_with_perfect_forecasts_it_saves_what_the_replayed_optimum_does() -> None:
    core, seeds = Core(load_scenario("street", step_min=60, forecast="perfect"), 4), np.arange(4)
    idle, mpc, optimum = (play(core, load_policy(n), seeds).tally.scored_cur.mean() for n in ("idle", "mpc", "optimum"))
    assert idle - mpc > 0.95 * (idle - optimum) > 0.5


def test_switches_left_out_give_the_same_plan_where_energy_is_worth_something() -> None:
    row = one_battery([LOW, HIGH, HIGH])
    assert row.forecasts is not None
    ahead = expected(row.view, row.forecasts, 0, 3, np.array([True]), community("battery"))
    exact, relaxed = (solve_optimum(ahead, 1.0, is_exact=x) for x in (True, False))
    assert exact.cost_cur == pytest.approx((3 + 5) * LOW + HIGH)
    np.testing.assert_allclose(exact.power_kw, relaxed.power_kw, atol=1e-9)


@pytest.mark.parametrize(
    ("scenario", "rest"),
    [("street", "opportunity_cost"), ("vpp_call", "vpp_dispatch"), ("winter", "preheat"), ("weak_feeder", None)],
)
def test_it_plays_what_it_does_not_plan_by_a_rule(scenario: str, rest: str | None) -> None:
    """Components beyond power and eagerness, and VPPs that answer calls, are the rule's to the bit."""
    core = Core(load_scenario(scenario, hours=2.0), 1)
    policy = load_policy("mpc", every=4)
    memory = policy.start(community_of(core), np.random.default_rng(0))
    assert rest is None or type(memory.rest).__module__.endswith(rest)
    rule, actions = load_policy(rest or "opportunity_cost"), []
    for chosen in (policy, rule):
        played = play(core, chosen, [0], keep=True)
        actions.append(np.stack([t.plan.executed for t in played.transitions]))
        assert np.isfinite(played.tally.scored_cur).all()
    assert (actions[0][..., 0] != actions[1][..., 0]).any()
    if scenario == "vpp_call":
        vpps = core.scenario.kind_slices["vpp"]
        np.testing.assert_array_equal(actions[0][0, :, vpps], actions[1][0, :, vpps])
    if scenario == "winter":
        assert actions[0].shape[-1] > 2


def test_in_an_island_the_rule_plays() -> None:
    seen = one_battery([HIGH, LOW], stored=8.0)
    off = replace(seen, features=np.ones((1, 1, 1), np.float32))
    assert first_kw(off) != first_kw(seen)
