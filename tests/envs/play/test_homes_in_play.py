"""Homes with everything: energy and comfort over whole episodes, with wires that bind and outages."""

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.devices.home import heat_pump as heating
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from tests.quick import only

HOMES = slice(0, 12)
OUTAGES: dict[str, Any] = {"outage.chance": 1.0, "outage.mean_h": 5.0, "outage.lines_per_year": 300.0}


def play(core: Core, actions: str, seed: int = 0) -> Any:
    """Yield (before, happened, after) of an episode in each row."""
    state, rng = core.reset(seed), np.random.default_rng(seed)
    for _ in range(core.n_steps):
        shape = (core.n_envs, core.n_agents, core.n_actions)
        action = rng.uniform(-1, 1, shape) if actions == "random" else np.zeros(shape)
        if actions == "most":
            action = np.ones(shape)
        before = state
        state, happened = core.step(before, action)
        yield before, happened, state


WORLDS: list[dict[str, Any]] = [{}, OUTAGES, {"prosumer.load_scale": 40.0}, {"step_min": 60}, {"step_min": 5}]


@pytest.mark.parametrize("world", only(WORLDS[1:2], WORLDS))
def test_every_kilowatt_hour_of_a_home_is_accounted_for(world: dict[str, Any]) -> None:
    core = Core(load_scenario("winter", **world), 3)
    for before, happened, after in play(core, "random"):
        stored = after.devices[0].energy_kwh - before.devices[0].energy_kwh
        used = (happened.devices.load_kwh - happened.devices.pv_kwh + happened.devices.loss_kwh)[:, HOMES] + stored
        assert np.abs(happened.delivery.metered_ukwh[:, HOMES] / 1e6 - used).max() < 3e-6
        assert (happened.money.bill.ucur.sum(2) == 0).all()
        assert np.isfinite(observe(core, after).features).all()


@pytest.mark.parametrize("step_min", [5, 15, 60])
def test_what_a_home_draws_is_load_heat_water_and_appliance(step_min: int) -> None:
    fields = {"prosumer.battery_share": 0.0, "prosumer.pv_share": 0.0, "step_min": step_min}
    core = Core(load_scenario("winter", **fields), 2)
    config = core.scenario.agents["prosumer"]
    for before, happened, after in play(core, "random"):
        params, now = before.episode.params[0], before.episode.start + before.t
        load = core.world.series.load_kw[params.home, now[:, None]] * params.load_scale
        outdoor = core.world.series.outdoor_c[now][:, None]  # type: ignore[index]
        keeps = np.exp(-core.scenario.step_h / (config.heating.k_per_kw * config.heating.kwh_per_k))
        warmer = after.devices[0].inside.indoor_c - keeps * before.devices[0].inside.indoor_c
        heat = (warmer / (1 - keeps) - outdoor) / config.heating.k_per_kw - config.heating.gains_kw
        pump = heat / heating.ratio(config.heating, outdoor)
        drawn = params.devices.water.draw_kwh[np.arange(2), before.t]
        store = config.water.storage
        lam = -np.log1p(-store.loss_per_h)
        share = np.exp(-lam * core.scenario.step_h)
        gained = after.devices[0].inside.tank_kwh - share * before.devices[0].inside.tank_kwh
        rod = gained * lam / (1 - share) + drawn / core.scenario.step_h
        k = before.t[:, None] - after.devices[0].inside.started
        cycle = params.devices.appliance.cycle_kwh
        runs = np.where((k >= 0) & (k < len(cycle)), cycle[np.clip(k, 0, len(cycle) - 1)], 0.0)
        expected = (load + pump + rod) * core.scenario.step_h + runs
        np.testing.assert_allclose(happened.delivery.metered_ukwh[:, HOMES] / 1e6, expected, atol=3e-6)


def test_at_rest_rooms_and_tanks_hold_their_lower_edge() -> None:
    core = Core("winter", 4)
    for before, happened, after in play(core, "rest"):
        inside, params = after.devices[0].inside, before.episode.params[0].devices
        owns = params.heating.pump_kw > 0
        enough = params.heating.pump_kw >= 2.0
        assert (inside.indoor_c[owns & enough] >= 20.0 - 1e-3).all()
        assert happened.devices.discomfort_cur.max() < 1e-3
    assert (inside.started[params.appliance.ready[..., 0] < core.n_steps] <= core.n_steps).all()


def test_more_is_stored_when_all_is_asked_for_and_never_beyond_the_edge() -> None:
    core = Core("winter", 4)
    for before, _, after in play(core, "most"):
        inside, owns = after.devices[0].inside, before.episode.params[0].devices.heating.pump_kw > 0
        assert (inside.indoor_c[owns] <= 22.0 + 1e-3).all()
        assert inside.tank_kwh.max() <= core.scenario.agents["prosumer"].water.storage.ceiling_kwh + 1e-6
    assert inside.indoor_c[owns].mean() > 21.8
    assert (core.stored_value_cur(after)[:, HOMES].sum(1) > 0).all()


def test_a_dark_home_gets_cold_and_that_costs() -> None:
    world = {"outage.chance": 1.0, "outage.mean_h": 12.0, "battery.grid_forming": False, "data.months": (1, 2)}
    core = Core(load_scenario("winter", **world), 4)
    coldest, cost = 30.0, 0.0
    for before, happened, after in play(core, "rest", seed=3):
        owns = before.episode.params[0].devices.heating.pump_kw > 0
        coldest = min(coldest, float(after.devices[0].inside.indoor_c[owns].min()))
        cost += float(happened.devices.discomfort_cur.sum())
        parts = core.scenario.reward.scale * happened.reward_parts[..., PARTS.index("discomfort")]
        np.testing.assert_allclose(parts, -happened.devices.discomfort_cur)
    assert coldest < 19.0
    assert cost > 0


def test_withheld_sun_never_reaches_the_meter() -> None:
    world = {"data.months": None, "prosumer.pv_share": 1.0, "prosumer.inverter_kw_per_kwp": 0.5, "constraint": "none"}
    core = Core(load_scenario("winter", **world), 3)
    state = core.reset(5)
    column = [c.name for c in core.action_columns["prosumer"]].index("curtail")
    for _ in range(core.n_steps):
        action = np.zeros((3, core.n_agents, core.n_actions))
        action[0, :, column], action[1, :, column], action[2, :, column] = 1.0, -1.0, 0.25
        params, sun = state.episode.params[0], core.world.series.pv_kw_per_kwp[state.episode.params[0].roof[2]]
        there = np.minimum(sun[:, state.episode.start[2] + state.t[2]], 0.5) * params.pv_kwp[2]
        state, happened = core.step(state, action)
        assert (happened.devices.pv_kwh[0] == 0).all()
        np.testing.assert_allclose(happened.devices.pv_kwh[2, HOMES], 0.75 * there * core.scenario.step_h, atol=1e-9)
        assert (happened.devices.pv_kwh[1, HOMES] <= 0.5 * params.pv_kwp[1] * core.scenario.step_h + 1e-12).all()


def test_one_row_is_the_same_alone() -> None:
    batch, alone = Core("winter", 3), Core("winter", 1)
    action = np.random.default_rng(1).uniform(-1, 1, (batch.n_steps, 3, batch.n_agents, batch.n_actions))
    many, one = batch.reset(7), alone.reset(9)
    for t in range(batch.n_steps):
        many, first = batch.step(many, action[t])
        one, second = alone.step(one, action[t, 2:])
        np.testing.assert_array_equal(first.money.bill.ucur[2], second.money.bill.ucur[0])
        np.testing.assert_array_equal(first.reward[2], second.reward[0])


def test_what_is_off_takes_no_column_and_no_draw() -> None:
    core = Core("village", 2)
    assert core.n_actions == 2
    assert core.own_columns == ()
    assert core.reset(0).devices[0].inside is None


def test_the_optimum_says_what_it_does_not_cover() -> None:
    core = Core("winter", 1)
    with pytest.raises(NoBoundError, match="heat pumps, hot-water tanks, appliances that wait, PV that is withheld"):
        foresight(core, core.reset(0))


def test_data_without_weather_have_no_heat_pumps(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    core = Core("winter", 1)
    object.__setattr__(core.world, "bank", replace(core.world.bank, outdoor_c=None))
    with pytest.raises(ValueError, match="have no outdoor temperature; expected generated data"):
        core.reset(0)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("prosumer.heating.low_c", 23.0, "heating.low_c: expected less than high_c, 22.0; got 23.0"),
        ("prosumer.heating.source", "sun", "source: expected one of air, ground, water, got 'sun'"),
        ("prosumer.heating.k_per_kw", 0.0, r"k_per_kw: expected a number in \(0, "),
        ("prosumer.water.usable_c", 50.0, "expected room_c < usable_c <= low_c"),
        ("prosumer.water.litres", -1.0, r"litres: expected a number in \(0, "),
        ("prosumer.appliance.window_h", (1.0, 2.0), "window_h: expected at least hours, 2.0"),
        ("prosumer.inverter_kw_per_kwp", 0.0, r"inverter_kw_per_kwp: expected a number in \(0, .*, or none"),
        ("data.months", (0, 3), r"months: expected two whole numbers in \[1, 12\]"),
    ],
)
def test_what_no_house_has_is_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load_scenario("winter", **{field: value})


@pytest.mark.slow
def test_preheating_beats_idle_and_the_rule_without_it() -> None:
    found = evaluate("winter", ["opportunity_cost", "preheat"], seeds=16, split="validation")
    assert found.paired("preheat", "idle").low > 0
    assert found.paired("preheat", "opportunity_cost").low > 0
    assert found.no_bound is not None
