"""The wind turbine: its power curve, what it holds back, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.kinds import wind
from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.play import play
from tests.conftest import Lend

CONFIG = wind.Config()


def output(speeds: list[float], rated_kw: float = 10.0, exposure: float = 1.0) -> Any:
    params = wind.Params(np.array([[rated_kw]]), np.array([[exposure]]), CONFIG)
    series = np.array(speeds)
    return [float(wind.yield_kw(series, np.array([t]), params)[0, 0]) for t in range(len(series))]


def test_the_power_curve_is_cubic_between_cut_in_and_rated_speed() -> None:
    """(v^3 - 27) / (1728 - 27): a tenth of a percent at 3.1 m/s, 28 % at 8 m/s, all from 12 to just below 25."""
    assert output([0.0, 2.9, 3.0]) == [0.0, 0.0, 0.0]
    assert output([8.0])[0] == pytest.approx(10 * (512 - 27) / (1728 - 27))
    assert output([12.0, 20.0, 24.999]) == [10.0, 10.0, 10.0]
    assert output([25.0, 40.0]) == [0.0, 0.0]
    assert output([6.0], exposure=2.0) == [10.0]


def windy(**overrides: Any) -> Core:
    return Core(load_scenario("street", **({"wind": {"count": 3}} | overrides)), 4)


def test_a_turbine_sells_its_forecast_and_nothing_of_what_it_holds_back() -> None:
    core = windy(constraint="none")
    turbines = core.scenario.kind_slices["wind"]
    state, n = core.reset(1), core.n_agents
    rng, seen = np.random.default_rng(0), 0.0
    for _ in range(core.n_steps):
        action = np.zeros((4, n, 2))
        action[:, turbines, 0] = rng.choice([-1.0, 0.0, 0.25, 1.0], (4, 3))
        held = np.maximum(action[:, turbines, 0], 0.0)
        before, (state, happened) = state, core.step(state, action)
        params = before.episode.params[core.world.slices.index(turbines)]
        real_kw = wind.yield_kw(core.world.series.wind_m_per_s, before.episode.start + before.t, params)
        held *= before.view.firm_kw[:, turbines] < -1e-5  # where nothing is expected, nothing is held back
        sent_kwh = real_kw * (1 - held) * 0.25
        np.testing.assert_allclose(happened.devices.pv_kwh[:, turbines], sent_kwh, atol=2e-6)
        np.testing.assert_allclose(-happened.delivery.metered_ukwh[:, turbines] / 1e6, sent_kwh, atol=2e-6)
        offered_kwh = -before.view.firm_kw[:, turbines] * (1 - held) * 0.25
        np.testing.assert_allclose(-happened.market.orders.energy_ukwh[:, turbines] / 1e6, offered_kwh, atol=3e-6)
        assert not happened.market.orders.energy_ukwh[:, n:][:, turbines].any()
        seen += float((real_kw * held).sum())
    assert seen > 1


def test_holding_back_costs_what_the_energy_would_have_earned() -> None:
    core = windy(constraint="none", hours=6.0)
    turbines = core.scenario.kind_slices["wind"]
    state = core.reset(1)
    action = np.zeros((4, core.n_agents, 2))
    action[:, turbines, 0] = 0.5
    lost_cur, held_kwh = 0.0, 0.0
    for _ in range(core.n_steps):
        _, rested = core.step(state, 0.0 * action)
        state, held = core.step(state, action)
        more_cur = (held.money.bill.ucur - rested.money.bill.ucur).sum(1)[:, turbines] / 1e6
        less = (rested.reward - held.reward)[:, turbines] * core.scenario.reward.scale
        np.testing.assert_allclose(less, more_cur, atol=1e-9)
        lost_cur, held_kwh = lost_cur + more_cur.sum(), held_kwh + held.devices.flexible_ukwh[:, turbines].sum() / 1e6
    assert held_kwh > 0.1
    assert lost_cur > 0.01 * held_kwh


def test_the_community_expects_the_wind() -> None:
    calm, stormy = windy(), windy(**{"wind": {"count": 3, "rated_kw": 50.0, "exposure": 2.0}})
    less, more = (c.reset(0).episode.outlook[:, :, 7:12].sum() for c in (calm, stormy))
    assert more < less - 100


def test_firm_output_is_forecast_from_the_past(lent: Lend) -> None:
    core = windy()
    before = core.reset(1)
    step = int(before.episode.start[0])
    seen = before.view.firm_kw.copy()
    speeds = core.world.series.wind_m_per_s
    assert speeds is not None
    lent(speeds)[step:] += 7.0
    np.testing.assert_array_equal(core.reset(1).view.firm_kw, seen)


def test_an_island_curtails_wind_that_nobody_can_use() -> None:
    scenario = load_scenario(
        "blackout", wind={"count": 1, "rated_kw": 300.0, "exposure": 2.0}, **{"outage.lines_per_year": 0.0}
    )
    core = Core(scenario, 8)
    played = play(core, load_policy("idle"), range(8), split="train", keep=True)
    spilt = 0
    for before, happened in zip(played.states, played.transitions, strict=True):
        outages = before.episode.outages
        assert outages is not None
        island = (before.t >= outages.begin) & (before.t < outages.end)
        assert np.abs(happened.wires.root_kw[island]).max(initial=0.0) < 1e-2
        real = wind.yield_kw(core.world.series.wind_m_per_s, before.episode.start + before.t, before.episode.params[-1])
        spilt += int((happened.devices.pv_kwh[island, -1] < real[island, 0] * 0.25 - 1).sum())
    assert spilt > 3


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0.5, 2))
@settings(max_examples=100, deadline=None)
def test_output_lies_within_the_rating_and_never_falls_with_the_wind(a: float, b: float, exposure: float) -> None:
    low, high = sorted((a, b))
    weak, strong = output([low, high], exposure=exposure)
    assert 0 <= weak <= 10
    assert strong >= weak or high * exposure >= CONFIG.cut_out_m_per_s


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("wind.count", -1, "wind.count: expected a whole number in .0, "),
        ("wind.rated_kw", [-5.0, 5.0], "wind.rated_kw: expected two numbers in .0, .*, first <= second"),
        ("wind.cut_in_m_per_s", 13.0, "cut_in_m_per_s < rated_m_per_s < cut_out_m_per_s, got 13.0, 12.0, 25.0"),
        ("wind.cut_out_m_per_s", 12.0, "got 3.0, 12.0, 12.0"),
        ("wind.exposure", [1.2, 0.8], "wind.exposure"),
    ],
)
def test_turbines_that_make_no_sense_are_refused(field: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_scenario("street", **{field: value})


def test_data_without_wind_are_refused_only_where_there_are_turbines(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from gridbazaar.envs.episode import world

    scenario = load_scenario("street")
    calm = replace(
        world.bank_of(scenario.data, scenario.seed, scenario.step_min),
        wind_m_per_s=None, wind_next_m_per_s=None, wind_outlook_m_per_s=None,
    )  # fmt: skip
    monkeypatch.setattr(world, "bank_of", lambda *_: calm)
    Core("street").reset(0)
    with pytest.raises(ValueError, match="have no wind, which a turbine needs"):
        windy().reset(0)
