"""Batteries with every option on, in play: energy and money balance, reserves hold, and the optimum stays a bound."""

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.devices.failure import works
from gridbazaar.agents.policy import NoBoundError
from gridbazaar.data.trees import take_rows
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import State
from gridbazaar.experiments.evaluation.evaluate import evaluate
from tests.quick import only

KINDS = ("prosumer", "battery", "vpp")
OPTIONS: dict[str, Any] = {
    "taper_frac": 0.9,
    "release_taper_frac": 0.05,
    "reserve_frac": 0.2,
    "converter": {"k0": 0.0072, "k2": 0.0345},
    "ageing": {"health": [0.7, 1.0], "wear": "depth", "fades": True, "calendar_per_year": 5.0},
    "failure": {
        "mtbf_h": 40.0, "mttr_h": 3.0, "beta": 2.0, "health": [0.3, 1.0], "health_per_cycle": 0.1,
        "health_per_day": 0.1, "maintain_h": 1.0, "maintain_cur": 0.5, "repair_cur": 2.0,
    },
}  # fmt: skip


def street(options: dict[str, Any] = OPTIONS, **overrides: Any) -> Scenario:
    tables = {kind: dict(options) for kind in KINDS}
    return load_scenario("street", **tables, **{"prosumer.battery_share": 1.0}, **overrides)


def drawn_actions(core: Core, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (core.n_steps, core.n_envs, core.n_agents, core.n_actions))


def batteries(core: Core, state: State) -> list[tuple[slice, Any, Any]]:
    """Columns, devices and parameters of the kinds with batteries."""
    blocks = zip(core.scenario.agents, core.world.slices, state.devices, state.episode.params, strict=True)
    return [(columns, device, params) for name, columns, device, params in blocks if name in KINDS]


@pytest.mark.parametrize("step_min", only([15, 60], [5, 15, 30, 60]))
def test_energy_and_money_add_up_with_every_option_on(step_min: int) -> None:
    core = Core(street(step_min=step_min, hours=12.0, outage={"chance": 0.5}), 8)
    state, upkeep, broken = core.reset(3), 0.0, 0
    for action in drawn_actions(core, 1):
        before = state
        state, happened = core.step(before, action)
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()
        metered_kwh = happened.delivery.metered_ukwh.sum(1) / MICRO
        root_kwh = happened.wires.root_kw * core.scenario.step_h
        np.testing.assert_allclose(root_kwh, metered_kwh + happened.wires.loss_kw * core.scenario.step_h, atol=1e-4)
        for (columns, old, _), (_, new, _) in zip(batteries(core, before), batteries(core, state), strict=True):
            gained_kwh = (new.energy_kwh - old.energy_kwh).reshape(8, columns.stop - columns.start, -1).sum(2)
            drawn_kwh = happened.devices.flexible_ukwh[:, columns] / MICRO
            np.testing.assert_allclose(gained_kwh, drawn_kwh - happened.devices.loss_kwh[:, columns], atol=1e-9)
            assert (happened.devices.loss_kwh[:, columns] >= -1e-9).all()
            assert (new.energy_kwh <= new.age.capacity_kwh + 1e-9).all()
            assert (new.energy_kwh >= -1e-9).all()
            assert (new.age.capacity_kwh <= old.age.capacity_kwh).all()
            down = ~works(old.condition).reshape(8, columns.stop - columns.start, -1).any(2)
            assert (happened.devices.flexible_ukwh[:, columns][down] == 0).all()
            broken += int(down.sum())
        assert (happened.devices.wear_cur >= 0).all()
        assert (happened.devices.upkeep_cur >= 0).all()
        assert np.isfinite(happened.reward).all()
        upkeep += happened.devices.upkeep_cur.sum()
    assert upkeep > 0
    assert broken > 0


def test_a_row_is_the_episode_that_it_is_alone() -> None:
    core, alone = Core(street(hours=6.0), 4), Core(street(hours=6.0), 1)
    state, one = core.reset(5), alone.reset(7)
    for action in drawn_actions(core, 2):
        state, happened = core.step(state, action)
        one, single = alone.step(one, action[2:3])
        np.testing.assert_array_equal(happened.reward[2], single.reward[0])
    for many, single_device in zip(take_rows(state.devices, np.array([2])), one.devices, strict=True):
        np.testing.assert_array_equal(many.energy_kwh, single_device.energy_kwh)


@pytest.mark.slow
def test_torch_plays_the_same_episode() -> None:
    torch = pytest.importorskip("torch")
    scenario = street(hours=6.0, outage={"chance": 1.0})
    core, other = Core(scenario, 3), Core(scenario, 3, backend="torch")
    state, twin = core.reset(5), other.reset(5)
    for action in drawn_actions(core, 2):
        state, happened = core.step(state, action)
        twin, same = other.step(twin, torch.as_tensor(action))
        np.testing.assert_array_equal(same.money.bill.ucur.numpy(), happened.money.bill.ucur)
        np.testing.assert_allclose(same.devices.upkeep_cur.numpy(), happened.devices.upkeep_cur, atol=1e-12)
        np.testing.assert_allclose(same.devices.wear_cur.numpy(), happened.devices.wear_cur, atol=1e-12)


def test_observations_stay_within_their_bounds_and_say_who_works() -> None:
    scenario = street(hours=12.0)
    core, columns = Core(scenario, 8), feature_columns(scenario)
    low, high = (np.array([getattr(c, f) for c in columns]) for f in ("low", "high"))
    names = [c.name for c in columns]
    state, seen_down = core.reset(3), False
    for action in drawn_actions(core, 1):
        features = observe(core, state).features
        assert ((features >= low - 1e-6) & (features <= high + 1e-6)).all()
        battery = scenario.kind_slices["battery"]
        up = works(batteries(core, state)[1][1].condition)
        np.testing.assert_array_equal(features[:, battery, names.index("works")], up)
        can = features[:, battery, names.index("can_draw")] + features[:, battery, names.index("can_release")]
        assert (can[~up] == 0).all()
        seen_down |= not up.all()
        state, _ = core.step(state, action)
    assert seen_down


def emptied(core: Core, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Release all that is allowed; give the lowest state of charge with the grid above and as an island, [n_envs]."""
    state, alone = core.reset(0), np.zeros(core.n_envs, bool)
    lowest = {False: np.full(core.n_envs, np.inf), True: np.full(core.n_envs, np.inf)}
    action = np.zeros((core.n_envs, core.n_agents, core.n_actions))
    action[..., 0], action[..., 1] = -1.0, 1.0
    i = list(core.scenario.agents).index(kind)
    for _ in range(core.n_steps):
        outages = state.episode.outages
        if outages is not None:
            alone = (state.t >= outages.begin) & (state.t < outages.end) & outages.can_island
        start = state.devices[i].energy_kwh
        state, _ = core.step(state, action)
        soc = state.devices[i].energy_kwh / np.maximum(state.episode.params[i].capacity_kwh, 1e-9)
        fell = (state.devices[i].energy_kwh < start * (1 - 1e-4)) & (state.episode.params[i].capacity_kwh > 0)
        least = np.where(fell, soc, np.inf).reshape(core.n_envs, -1).min(1)
        for is_island in (False, True):
            lowest[is_island] = np.where(alone == is_island, np.minimum(lowest[is_island], least), lowest[is_island])
    return lowest[False], lowest[True]


@pytest.mark.parametrize("kind", only(["battery"], KINDS))
def test_only_an_island_may_use_the_reserve(kind: str) -> None:
    options = {"reserve_frac": 0.4, "start_frac": 0.6}
    normal, _ = emptied(Core(street(options), 8), kind)
    assert (normal[np.isfinite(normal)] >= 0.4 - 1e-9).all()
    assert np.isfinite(normal).any()
    before, island = emptied(Core(street(options, outage={"chance": 1.0, "mean_h": 6.0}), 8), kind)
    assert (before[np.isfinite(before)] >= 0.4 - 1e-9).all()
    assert island.min() < 0.37


def test_nothing_is_drawn_to_restore_a_reserve() -> None:
    core = Core(street({"reserve_frac": 0.9, "start_frac": 0.3, "loss_per_h": 0.01}), 4)
    state = core.reset(0)
    for _ in range(8):
        state, happened = core.step(state, np.zeros((4, core.n_agents, core.n_actions)))
        own = state.view.is_stationary
        assert (happened.devices.flexible_ukwh[own] == 0).all()
        assert (state.view.low_kw[own] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("outage", [{}, {"chance": 1.0, "mean_h": 4.0}])
def test_no_policy_beats_the_optimum_with_every_option_on(outage: dict[str, Any]) -> None:
    """``evaluate`` refuses a policy that costs less than the bound."""
    scenario = street(outage=outage)
    evaluation = evaluate(
        scenario, ["self_consumption", "time_of_use", "price_threshold", "opportunity_cost", "optimum"], seeds=4
    )
    costs = np.array([r.scored_cur for r in evaluation.results])
    assert (costs >= evaluation.bound_cur - 1e-6).all()


def test_the_optimum_pools_the_reserves_that_are_there() -> None:
    """A device below its reserve lends nothing of it to another one of its VPP."""
    core = Core(street({"reserve_frac": 0.5, "start_frac": [0.1, 0.9]}), 4)
    state = core.reset(0)
    ahead = foresight(core, state)
    for columns, device, params in batteries(core, state):
        kept = np.minimum(0.5 * params.capacity_kwh, device.energy_kwh).reshape(4, columns.stop - columns.start, -1)
        np.testing.assert_allclose(ahead.floor_kwh[:, columns, 0], kept.sum(2))
    outage = Core(street({"reserve_frac": 0.5}, outage={"chance": 0.5}), 4)
    free = foresight(outage, outage.reset(0)).floor_kwh
    assert (free[:, outage.scenario.kind_slices["battery"]] == 0).all()


@pytest.mark.slow
def test_the_optimum_is_a_bound_where_reserves_leak_and_bind() -> None:
    options = {"reserve_frac": 0.5, "start_frac": [0.2, 0.8], "loss_per_h": 0.01, "wear_cur_per_kwh": 0.0}
    evaluation = evaluate(street(options), ["time_of_use", "price_threshold", "optimum"], seeds=6)
    for result in evaluation.results:
        assert (result.scored_cur >= evaluation.bound_cur - 1e-6).all()


def test_an_island_without_a_working_battery_is_dark() -> None:
    """The only grid-forming unit breaks down in the outage; where it is repaired the island goes on."""
    scenario = load_scenario(
        "street", hours=6.0, outage={"chance": 1.0, "mean_h": 50.0},
        battery={"failure": {"mtbf_h": 1.0, "mttr_h": 1.0}, "capacity_kwh": 60.0, "start_frac": 0.9},
    )  # fmt: skip
    core = Core(scenario, 16)
    state, dark, lit = core.reset(0), 0, 0
    for _ in range(core.n_steps):
        outages = state.episode.outages
        assert outages is not None
        is_off = (state.t >= outages.begin) & (state.t < outages.end)
        up = works(batteries(core, state)[1][1].condition)[:, 0]
        state, happened = core.step(state, np.zeros((16, core.n_agents, core.n_actions)))
        homes = scenario.kind_slices["prosumer"]
        assert (happened.delivery.metered_ukwh[is_off & ~up] == 0).all()
        dark += int((is_off & ~up).sum())
        lit += int((happened.devices.load_kwh[:, homes].sum(1) > 0)[is_off & up].sum())
    assert dark > 10
    assert lit > 10


def test_a_broken_charger_does_nothing_and_its_car_keeps_its_energy() -> None:
    failure = {"mtbf_h": 4.0, "mttr_h": 2.0, "maintain_cur": 1.0, "repair_cur": 3.0}
    core = Core(load_scenario("street", ev={"failure": failure, "count": 3}), 8)
    i, cars = list(core.scenario.agents).index("ev"), core.scenario.kind_slices["ev"]
    state, broken, upkeep = core.reset(0), 0, 0.0
    for action in drawn_actions(core, 1):
        before = state
        state, happened = core.step(before, action)
        down = ~works(before.devices[i].condition)
        idle = down & before.views[i].is_active
        assert ((happened.devices.firm_ukwh + happened.devices.flexible_ukwh)[:, cars][down] == 0).all()
        np.testing.assert_array_equal(state.devices[i].energy_kwh[idle], before.devices[i].energy_kwh[idle])
        broken, upkeep = broken + int(idle.sum()), upkeep + float(happened.devices.upkeep_cur[:, cars].sum())
    assert broken > 10
    assert upkeep > 10
    with pytest.raises(NoBoundError, match=r"ev\.failure"):
        foresight(core, core.reset(0))
