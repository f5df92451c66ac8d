"""A car that is away shows nothing of itself: an observation tells what has come, not what will."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.devices.cars.visits import Visits
from gridbazaar.agents.policies import list_policies, load_policy
from gridbazaar.agents.policy import widened
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State
from gridbazaar.envs.views.others import community_of
from tests.quick import only

OPTIONS: dict[str, Any] = {
    "ev.onboard_kw": [3.7, 7.4], "ev.keep_arrival": True, "ev.taper_frac": 0.8, "ev.failure.mtbf_h": 400.0,
    "ev.failure.repair_cur": 5.0, "ev.failure.health_per_cycle": 0.02,
}  # fmt: skip
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "village": ("village", {}),
    "days": ("village", {"hours": 72.0}),
    "options": ("village", OPTIONS),
    "workplace": ("workplace", {}),
    "island": ("blackout", {"outage.chance": 1.0}),
}


def bigger(visits: Visits, waits: np.ndarray) -> Visits:
    """Every car that has yet to come is another one, comes later, wants more and stays shorter."""
    halfway = (visits.arrive + visits.depart) // 2
    return replace(
        visits,
        arrive=np.where(waits, halfway, visits.arrive),
        announced=np.where(waits, visits.depart, visits.announced),
        capacity_kwh=np.where(waits, 2 * visits.capacity_kwh, visits.capacity_kwh),
        charge_kw=np.where(waits, 0.5 * visits.charge_kw, visits.charge_kw),
        arrival_kwh=np.where(waits, 0.2 * visits.arrival_kwh, visits.arrival_kwh),
        required_kwh=np.where(waits, 1.7 * visits.required_kwh, visits.required_kwh),
    )


def never(visits: Visits, waits: np.ndarray) -> Visits:
    """Nobody comes any more."""
    ends = visits.depart.max()
    nobody = {name: np.where(waits, ends, getattr(visits, name)) for name in ("arrive", "depart", "announced")}
    return replace(visits, **nobody)


def with_cars(core: Core, state: State, change: Callable[[Visits, np.ndarray], Visits]) -> State:
    """The same episode with other cars to come; those plugged in at its beginning stay."""
    place = [kind.Config.__module__.rpartition(".")[2] for kind in core.world.kinds].index("ev")
    params = state.episode.params[place]
    waits = params.visits.arrive > 0
    changed = replace(params, visits=change(params.visits, waits))
    every = tuple(changed if i == place else p for i, p in enumerate(state.episode.params))
    own = core.world.kinds[place].start(changed)
    devices = tuple(own if i == place else device for i, device in enumerate(state.devices))
    return replace(state, episode=replace(state.episode, params=every), devices=devices)


@pytest.mark.parametrize("change", only([bigger], [bigger, never]))
@pytest.mark.parametrize("case", CASES)
def test_episodes_that_differ_in_cars_to_come_look_alike_until_one_has(
    case: str, change: Callable[[Visits, np.ndarray], Visits]
) -> None:
    core = Core(load_scenario(CASES[case][0], **CASES[case][1]), 4)
    state = core.reset(2)
    other = with_cars(core, state, change)
    rest = np.zeros((4, core.n_agents, core.n_actions))
    rest[..., 1] = 1.0
    was = state.view.is_active
    # A first step, after which both have looked at their own cars.
    state, other = core.step(state, rest)[0], core.step(other, rest)[0]
    cars = core.scenario.kind_slices["ev"]
    alike, has_differed = np.ones(4, bool), np.zeros(4, bool)
    n_alike = 0
    while not has_differed.all() and int(state.t[0]) < core.n_steps:
        came = ~was & (state.view.is_active | other.view.is_active)
        was = state.view.is_active
        alike &= ~came[:, cars].any(axis=1)
        a, b = observe(core, state, forecasts=True), observe(core, other, forecasts=True)
        differs = (a.features != b.features).any(axis=0)
        names = [feature_columns(core.scenario)[j].name for j in np.flatnonzero(differs.any(axis=0))]
        assert (a.features == b.features)[alike].all(), names
        for field in type(a.view).__slots__:
            if field != "more" and getattr(a.view, field) is not None:
                assert (getattr(a.view, field) == getattr(b.view, field))[alike].all(), field
        assert (a.mask == b.mask)[alike].all()
        n_alike += int(alike.sum())
        has_differed |= ~alike
        state, other = core.step(state, rest)[0], core.step(other, rest)[0]
    assert n_alike > 8, "no car was away"
    assert has_differed.any(), "no car came"


def test_the_optimum_may_know() -> None:
    core = Core(load_scenario("village"), 4)
    state = core.reset(2)
    ahead, other = (foresight(core, s) for s in (state, with_cars(core, state, bigger)))
    assert (ahead.ceiling_kwh != other.ceiling_kwh).any()


def test_an_empty_charger_shows_what_it_is_itself() -> None:
    core = Core(load_scenario("village", **{"ev.onboard_kw": [3.7, 5.0]}), 8)
    state, columns = core.reset(0), core.scenario.kind_slices["ev"]
    n_away = n_there = 0
    for _ in range(core.n_steps):
        view = state.view
        away, there = (~view.is_active[:, columns], view.is_active[:, columns])
        for name in ("low_kw", "high_kw", "firm_kw", "stored_kwh", "room_kwh", "capacity_kwh", "need_kwh", "left_h"):
            assert (getattr(view, name)[:, columns][away] == 0).all(), name
        assert (view.power_kw[:, columns][away] == core.scenario.agents["ev"].charge_kw).all()
        assert (view.power_kw[:, columns][there] <= 5.0).all()
        assert (view.capacity_kwh[:, columns][there] > 0).all()
        assert view.has_device[:, columns].all()
        n_away, n_there = n_away + int(away.sum()), n_there + int(there.sum())
        state, _ = core.step(state, np.zeros((8, core.n_agents, core.n_actions)))
    assert min(n_away, n_there) > 100


@pytest.mark.parametrize("name", [n for n in list_policies() if n not in ("trained", "optimum")])
def test_no_rule_acts_on_cars_to_come(name: str) -> None:
    core, policy = Core(load_scenario("village"), 4), load_policy(name)
    state = core.reset(2)
    rest = np.zeros((4, core.n_agents, core.n_actions))
    actions = []
    for begun in (state, with_cars(core, state, bigger)):
        memory = policy.start(community_of(core, begun), np.random.default_rng(0))
        after = core.step(begun, rest)[0]
        assert not after.view.is_active[:, core.scenario.kind_slices["ev"]].any()
        action, _ = policy.act(observe(core, after, forecasts=policy.needs_forecasts), memory)
        actions.append(widened(action, core.n_actions))
    np.testing.assert_array_equal(*actions)
