"""The genset: outputs, times and ramps that an engine has, its fuel, its ballast, and islands that it carries."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.kinds import genset
from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play

ENGINES = {
    "count": st.just(2),
    "power_kw": st.just([4.0, 12.0]),
    "min_load": st.sampled_from([0.0, 0.3, 0.8]),
    "min_up_h": st.sampled_from([0.0, 0.5, 2.0]),
    "min_down_h": st.sampled_from([0.0, 1.0]),
    "ramp_per_h": st.sampled_from(["none", 0.4, 2.0]),
}


def powered(n_envs: int = 1, **overrides: Any) -> Core:
    return Core(load_scenario("street", **({"genset": {"count": 1, "power_kw": 10.0}} | overrides)), n_envs)


def engines_of(core: Core, state: Any) -> Any:
    return state.devices[core.world.slices.index(core.scenario.kind_slices["genset"])]


def run(core: Core, power: list[float]) -> tuple[list[Any], list[Any]]:
    """Play the engine's actions at any price; its states and transitions."""
    state, columns = core.reset(0), core.scenario.kind_slices["genset"]
    states, happened = [state], []
    for p in power:
        action = np.zeros((core.n_envs, core.n_agents, 2))
        action[:, columns] = [p, 1.0]
        state, transition = core.step(state, action)
        states.append(state)
        happened.append(transition)
    return states, happened


@pytest.mark.slow
@given(
    st.fixed_dictionaries(ENGINES), st.sampled_from([5, 15, 30, 60]), st.sampled_from(["none", "curtail"]),
    st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_outputs_times_and_ramps_hold_whatever_is_wished(
    engine: dict[str, Any], step_min: int, constraint: str, seed: int
) -> None:
    core = powered(2, genset=engine, step_min=step_min, constraint=constraint, hours=6.0)
    config, step_h, columns = core.scenario.agents["genset"], step_min / 60, core.scenario.kind_slices["genset"]
    rng, state = np.random.default_rng(seed), core.reset(seed)
    power_kw = state.episode.params[core.world.slices.index(columns)].power_kw
    least_kw = config.min_load * power_kw
    ramp_kw = power_kw * (1e9 if config.ramp_per_h is None else config.ramp_per_h * step_h)
    jump_kw = np.maximum(least_kw, ramp_kw)
    run_h, stood_h = np.zeros(power_kw.shape), np.full(power_kw.shape, np.inf)
    for _ in range(core.n_steps):
        before = engines_of(core, state)
        state, happened = core.step(state, rng.uniform(-1.2, 1.2, (2, core.n_agents, 2)))
        after = engines_of(core, state)
        sent_kwh = -happened.delivery.metered_ukwh[:, columns] / MICRO
        out = after.output_kw
        assert ((out == 0) | (out >= least_kw - 1e-9)).all()
        assert (out <= power_kw + 1e-9).all()
        assert ((out > 0) <= after.runs).all()
        both = before.runs & after.runs
        assert (np.abs(out - before.output_kw)[both] <= ramp_kw[both] + 1e-6).all()
        starts, stops = after.runs & ~before.runs, before.runs & ~after.runs
        assert (out[starts] <= jump_kw[starts] + 1e-6).all()
        assert (before.output_kw[stops] <= jump_kw[stops] + 1e-6).all()
        assert (stood_h[starts] >= config.min_down_h - 1e-6).all()
        assert (run_h[stops] >= config.min_up_h - 1e-6).all()
        run_h = np.where(after.runs, run_h + step_h, 0.0)
        stood_h = np.where(after.runs, 0.0, stood_h + step_h)
        assert (sent_kwh >= 0).all()
        np.testing.assert_allclose(out * step_h, sent_kwh + happened.devices.loss_kwh[:, columns], atol=3e-6)
        fuel_l = (config.idle_l_per_kwh * power_kw * after.runs + config.fuel_l_per_kwh * out) * step_h
        upkeep = config.fuel_cur_per_l * fuel_l + config.start_cur * starts
        np.testing.assert_allclose(happened.devices.upkeep_cur[:, columns], upkeep, atol=1e-9)
        np.testing.assert_allclose(happened.devices.emitted_kg[:, columns], config.carbon_kg_per_l * fuel_l, atol=1e-9)


def test_an_hour_at_full_load_burns_the_worked_fuel() -> None:
    """10 kW for an hour: 0.08 x 10 + 0.25 x 10 = 3.3 l, 3.96 currency and 0.5 for the start, 8.91 kg."""
    core = powered(step_min=60, constraint="none")
    _, (happened,) = run(core, [-1.0])
    engine = core.scenario.kind_slices["genset"]
    assert happened.delivery.metered_ukwh[0, engine].tolist() == [-10_000_000]
    assert happened.devices.upkeep_cur[0, engine][0] == pytest.approx(3.3 * 1.2 + 0.5)
    assert happened.devices.emitted_kg[0, engine][0] == pytest.approx(8.91)
    played = play(core, load_policy("random"), [0], keep=True)
    grid_kg = sum(tr.wires.root_kw * tr.carbon_kg_per_kwh for tr in played.transitions)
    own_kg = sum(tr.devices.emitted_kg.sum(1) for tr in played.transitions)
    assert own_kg > 1
    np.testing.assert_allclose(played.tally.figures()["carbon_kg"], grid_kg + own_kg)


def test_a_wish_below_the_least_load_is_nothing() -> None:
    core = powered(constraint="none")
    states, happened = run(core, [-0.29, -0.31])
    engine = core.scenario.kind_slices["genset"]
    assert happened[0].delivery.metered_ukwh[0, engine][0] == 0
    assert engines_of(core, states[1]).output_kw[0, 0] == 0
    assert -happened[1].delivery.metered_ukwh[0, engine][0] == pytest.approx(0.31 * 10 * 0.25 * MICRO, abs=2)


def test_a_fill_below_the_least_load_runs_at_it_and_warms_the_ballast() -> None:
    """The order asks for 4 kW at a price that only half a kilowatt of a neighbour's load pays."""
    core = powered(constraint="none", prosumer={"count": 1, "pv_share": 0.0, "battery_share": 0.0})
    engine = core.scenario.kind_slices["genset"]
    state = core.reset(0)
    action = np.zeros((1, core.n_agents, 2))
    action[:, engine] = [-0.4, 0.0]
    state, happened = core.step(state, action)
    sent_kw = -happened.delivery.metered_ukwh[0, engine][0] / MICRO / 0.25
    assert 0 < sent_kw < 3
    assert engines_of(core, state).output_kw[0, 0] == pytest.approx(3.0)
    assert happened.devices.loss_kwh[0, engine][0] == pytest.approx((3.0 - sent_kw) * 0.25, abs=1e-6)
    assert happened.devices.upkeep_cur[0, engine][0] == pytest.approx((0.8 + 0.75) * 0.25 * 1.2 + 0.5)
    assert happened.money.bill.line("imbalance")[0, engine][0] == 0


def test_while_it_may_not_stop_it_sells_its_least_load_at_any_price() -> None:
    core = powered(constraint="none")
    states, happened = run(core, [-1.0, 0.0, 0.0, 0.0, 0.0])
    engine = core.scenario.kind_slices["genset"]
    made = [-int(tr.delivery.metered_ukwh[0, engine][0]) for tr in happened]
    assert made == [2_500_000, 750_000, 750_000, 750_000, 0]
    assert [bool(engines_of(core, s).runs[0, 0]) for s in states] == [False, True, True, True, True, False]
    assert not any(tr.money.bill.line("imbalance")[0, engine][0] for tr in happened)


def blackout(**overrides: Any) -> Core:
    changed = {"genset": {"count": 1, "power_kw": 40.0}, "battery.count": 0, "outage.lines_per_year": 0.0} | overrides
    return Core(load_scenario("blackout", **changed), 12)


@pytest.mark.parametrize("policy", ["idle", "random"])
def test_an_engine_carries_an_island(policy: str) -> None:
    core = blackout()
    played = play(core, load_policy(policy), range(12), split="train", keep=True)
    engine, seen = core.scenario.kind_slices["genset"], 0
    for (before, happened), (after, _) in pairwise(zip(played.states, played.transitions, strict=True)):
        outages = before.episode.outages
        assert outages is not None
        assert outages.can_island.all()
        island = (before.t >= outages.begin) & (before.t < outages.end)
        assert np.abs(happened.wires.root_kw[island]).max(initial=0.0) < 1e-2
        rested = before.view.low_kw[:, engine][:, 0] < -30
        assert not happened.shed_kwh[island & rested].any()
        seen += int((engines_of(core, after).runs[:, 0] & island).sum())
    assert seen > 20


def test_an_engine_that_forms_no_grid_or_lends_nothing_lets_go() -> None:
    dark = blackout(**{"genset.grid_forming": False})
    outages = dark.reset(0).episode.outages
    assert outages is not None
    assert not outages.can_island.any()
    (shed_kwh, lent_kwh), (missed_kwh, nothing_kwh) = (
        shed_and_lent(blackout(**BARE, **changed)) for changed in ({}, {"genset.backup": False})
    )
    assert shed_kwh == 0
    assert nothing_kwh == 0
    assert lent_kwh > 50
    assert missed_kwh == pytest.approx(lent_kwh, rel=0.05), "what is shed is what was lent, but for the losses"


BARE = {"prosumer.battery_share": 0.0, "vpp.count": 0, "ev.backup": False}
"""No storage that would serve the island in the engine's place."""


def shed_and_lent(core: Core) -> tuple[float, float]:
    """Lost load, and what the engine, which places no order, gave to islands, kWh."""
    played = play(core, load_policy("idle"), range(core.n_envs), split="train", keep=True)
    lent_kwh = 0.0
    for before, happened in zip(played.states, played.transitions, strict=True):
        outages = before.episode.outages
        assert outages is not None
        island = (before.t >= outages.begin) & (before.t < outages.end)
        lent_kwh -= float(happened.delivery.metered_ukwh[island][:, core.scenario.kind_slices["genset"]].sum()) / MICRO
    return float(played.tally.sums["shed_kwh"].sum()), lent_kwh


@pytest.mark.slow
def test_the_merit_rule_beats_rest_where_the_connection_is_short_and_nobody_beats_the_bound() -> None:
    scenario = load_scenario(
        "village",
        genset={"count": 1, "power_kw": 10.0},
        wind={"count": 1},
        **{"connection.import_over_load": [0.7, 1.0], "connection.scarcity_cur_per_kwh": 1.0},
    )
    found = evaluate(scenario, ["idle", "opportunity_cost", "merit", "random"], seeds=4, split="test")
    score = {r.policy: r.score.mean for r in found.results}
    cost_cur = {r.policy: r.scored_cur for r in found.results}
    assert (cost_cur["merit"] < cost_cur["idle"]).all()
    assert score["merit"] > score["opportunity_cost"] + 10
    assert min(cost.min() for cost in (x - found.bound_cur for x in cost_cur.values())) >= 0
    assert found.result("merit").figures["upkeep_cur"].min() >= 0


@pytest.mark.slow
def test_the_merit_rule_lets_an_engine_rest_that_is_dearer_than_any_price() -> None:
    scenario = load_scenario("village", genset={"count": 1, "fuel_cur_per_l": 30.0})
    found = evaluate(scenario, ["merit", "opportunity_cost"], seeds=2)
    merit, rest = (found.result(p).figures["cost_cur"] for p in ("merit", "opportunity_cost"))
    np.testing.assert_array_equal(merit, rest)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("genset.count", -1, "genset.count: expected a whole number in .0, "),
        ("genset.power_kw", [-1.0, 2.0], "genset.power_kw: expected two numbers"),
        ("genset.min_load", 1.0, r"genset.min_load: expected a number in \[0, 1\), got 1.0"),
        ("genset.min_load", -0.1, r"genset.min_load: expected a number in \[0, 1\)"),
        ("genset.fuel_cur_per_l", -1.0, "genset.fuel_cur_per_l: expected a number in .0, "),
        ("genset.min_up_h", -1.0, "genset.min_up_h: expected a number in .0, "),
        ("genset.ramp_per_h", 0.0, "genset.ramp_per_h: expected a number in .0, 1000000000., or none"),
    ],
)
def test_engines_that_make_no_sense_are_refused(field: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_scenario("street", **{field: value})


def test_rated_engines_have_a_kilowatt_hour_for_no_less_than_the_bound_takes() -> None:
    config = genset.Config()
    cheapest = min(
        config.fuel_cur_per_l * (config.idle_l_per_kwh / load + config.fuel_l_per_kwh)
        for load in np.linspace(config.min_load, 1.0, 50)
    )
    assert genset.full_load_cur_per_kwh(config) == pytest.approx(cheapest)
