"""Episodes of several days: what is known ahead, what happens every day, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import widened
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import look_ahead, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import NOT_ASKED
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.evaluate import evaluate
from tests.conftest import Lend
from tests.envs.everything import EVERYTHING

DAYS = 3


def long(scenario: str = "village", n_envs: int = 2, hours: float = 24.0 * DAYS, **overrides: Any) -> Core:
    return Core(load_scenario(scenario, hours=hours, **overrides), n_envs)


@pytest.mark.parametrize("start_h", [0.0, 12.0])
def test_an_episode_may_last_from_monday_to_monday(start_h: float) -> None:
    core = long(hours=168.0, start_h=start_h)
    start = np.asarray(core.reset(0).episode.start)
    assert (core.world.bank.weekday()[start] == 0).all()
    assert (start % core.world.bank.steps_per_day == 4 * start_h).all()


def test_an_episode_that_leaves_its_week_is_refused() -> None:
    for start_h in (0.0, 12.0):
        with pytest.raises(ValueError, match="hours: expected up to 168 in whole steps"):
            load_scenario("village", hours=169.0, start_h=start_h)
    in_a_zone: dict[str, Any] = {"data.timezone": "Europe/Berlin"}
    with pytest.raises(ValueError, match=r"hours: expected a number in \(0, 169\], got 170.0"):
        load_scenario("village", hours=170.0, **in_a_zone)
    assert load_scenario("village", hours=169.0, **in_a_zone).n_steps == 676
    with pytest.raises(ValueError, match=r"timezone: expected a name such as 'Europe/Berlin', got 'Mars/Olympus'"):
        load_scenario("village", **{"data.timezone": "Mars/Olympus"})


def test_nothing_beyond_a_day_is_known(lent: Lend) -> None:
    """What is seen in a step is the same whatever prices and expectations come a day later."""
    core, t = long(), 50
    state = core.reset(3)
    for _ in range(t):
        state, _ = core.step(state, np.zeros((2, core.n_agents, core.n_actions)))
    before, ahead = observe(core, state).features, look_ahead(core, state)
    world, day = core.world, core.world.bank.steps_per_day
    after = int(state.episode.start.min()) + t + day
    only = state.episode.start + t + day == after
    changed = (world.retail_cur_per_kwh, world.series.load_outlook_kw, world.series.pv_outlook_kw_per_kwp)
    for series in changed:
        lent(series)[..., after:] *= 3.0
    again = core.reset(3)
    # What is left in storage is worth a price of the end, which is announced when the episode begins.
    again = replace(state, episode=replace(again.episode, end_value_cur_per_kwh=state.episode.end_value_cur_per_kwh))
    seen, found = observe(core, again).features, look_ahead(core, again)
    np.testing.assert_array_equal(seen[only], before[only])
    np.testing.assert_array_equal(found.retail_cur_per_kwh[only], ahead.retail_cur_per_kwh[only])
    np.testing.assert_array_equal(found.net_kw[only], ahead.net_kw[only])
    assert found.inside.shape == (2, day)
    later = observe(core, core.step(again, np.zeros((2, core.n_agents, core.n_actions)))[0])
    unchanged = observe(core, core.step(state, np.zeros((2, core.n_agents, core.n_actions)))[0])
    assert (later.features[only] != unchanged.features[only]).any()


def test_calls_come_every_day_and_homes_are_asked_on_their_own_kind_of_day() -> None:
    core = long(n_envs=8, **EVERYTHING)
    episode = core.reset(0).episode
    assert episode.calls is not None
    begin, day = np.asarray(episode.calls.begin), core.world.bank.steps_per_day
    happens = begin < core.n_steps
    assert happens.sum() > 1.5 * DAYS * 8
    for d in range(DAYS):
        assert (happens & (begin // day == d)).any(axis=1).all()
    asked = np.asarray(episode.calls.baseline_ukwh)[:, :-1] != NOT_ASKED
    running = np.asarray(episode.calls.level_ppm)[:, :-1] > 0
    assert not asked[~running].any()
    for d in range(DAYS):
        assert asked[:, d * day : (d + 1) * day].any()


@pytest.mark.parametrize(
    "scenario",
    ["winter", *(pytest.param(name, marks=pytest.mark.slow) for name in ("workplace", "ageing", "blackout"))],
)
@pytest.mark.slow
def test_other_scenarios_last_longer_too(scenario: str) -> None:
    core = long(scenario, n_envs=1, hours=48.0, start_h=0.0)
    state, policy = core.reset(1), load_policy("opportunity_cost")
    memory, bills = policy.start(community_of(core, state), np.random.default_rng(0)), 0
    for _ in range(core.n_steps):
        action, memory = policy.act(observe(core, state, forecasts=True), memory)
        state, happened = core.step(state, widened(action, core.n_actions))
        assert (happened.money.bill.ucur.sum(2) == 0).all()
        bills += np.abs(happened.money.bill.ucur).sum()
    assert bills > 0


def test_cars_come_back_with_what_their_trips_left() -> None:
    core = long(n_envs=4, hours=96.0)
    ev = list(core.scenario.agents).index("ev")
    state, rng, n_back = core.reset(0), np.random.default_rng(0), 0
    visits = state.episode.params[ev].visits
    for _ in range(core.n_steps):
        action = rng.uniform(-1, 1, (4, core.n_agents, core.n_actions))
        before = state.devices[ev]
        state, happened = core.step(state, action)
        after = state.devices[ev]
        assert happened.devices.unserved_kwh[:, core.scenario.kind_slices["ev"]].max() < 1e-6
        goes = np.nonzero(after.visit > before.visit)
        following = (*goes, after.visit[goes])
        moved = happened.delivery.metered_ukwh[:, core.scenario.kind_slices["ev"]]
        left_kwh = before.energy_kwh + moved / 1e6 - happened.devices.loss_kwh[:, core.scenario.kind_slices["ev"]]
        back = visits.is_same_car[following]
        at_home = (left_kwh[goes] - visits.trip_kwh[following])[back]
        floor_kwh = (core.scenario.agents["ev"].trip_floor_frac * visits.capacity_kwh[following])[back]
        np.testing.assert_allclose(after.energy_kwh[goes][back], np.maximum(at_home, floor_kwh), atol=1e-6)
        n_back += int(back.sum())
    assert n_back > 8


@pytest.mark.slow
def test_the_bound_holds_over_several_days_and_the_optimum_comes_near() -> None:
    """The evaluation stops where a policy costs less than the bound."""
    found = evaluate("village", ["optimum", "opportunity_cost"], seeds=3, split="train", hours=36.0)
    assert found.no_bound is None
    assert found.replays is not None
    assert found.replays.perfect_score.mean > 70  # wires take the rest, which the bound leaves out
