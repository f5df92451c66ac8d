"""Turbines and engines in play: what holds for every kind holds with them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.kinds import kinds
from gridbazaar.agents.policies import is_learned, list_policies, load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import feature_columns, observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.mechanisms import list_mechanisms
from tests.envs.test_core import arrays, balance_of_positions
from tests.envs.test_core import play as play_at_random

SOURCES: dict[str, Any] = {"wind": {"count": 2}, "genset": {"count": 2, "power_kw": [3.0, 8.0]}}


def street(**overrides: Any) -> Scenario:
    return load_scenario("street", **(SOURCES | {"hours": 6.0} | overrides))


def test_all_kinds_are_here() -> None:
    assert {"wind", "genset"} <= set(kinds())


@given(
    st.sampled_from([5, 15, 30, 60]), st.sampled_from(["none", "curtail"]), st.sampled_from([None, 0.5]),
    st.sampled_from(["past", "persistence", "ar", "perfect"]), st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=15, deadline=None)
@pytest.mark.slow
def test_energy_and_money_add_up_for_every_agent(
    step_min: int, constraint: str, ramp: float | None, forecast: str, seed: int
) -> None:
    """What a meter counts is used, stored, lost or, with the other sign, made from sun, wind and fuel."""
    core = Core(street(step_min=step_min, constraint=constraint, forecast=forecast, **{"genset.ramp_per_h": ramp}), 2)
    for before, happened, after in play_at_random(core, seed, seed):
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()
        balance_of_positions(happened)
        for columns, old, new in zip(core.world.slices, before.devices, after.devices, strict=True):
            shape = (core.n_envs, columns.stop - columns.start, -1)
            has_storage = hasattr(new, "energy_kwh")
            stored = (new.energy_kwh - old.energy_kwh).reshape(shape).sum(2) if has_storage else 0.0
            made = happened.devices.pv_kwh[:, columns] + getattr(new, "output_kw", 0.0) * core.scenario.step_h
            used = happened.devices.load_kwh[:, columns] + happened.devices.loss_kwh[:, columns] + stored
            np.testing.assert_allclose(happened.delivery.metered_ukwh[:, columns] / MICRO, used - made, atol=5e-6)


def test_a_device_moves_only_what_its_order_filled() -> None:
    core = Core(street(constraint="none"), 4)
    n = core.n_agents
    for _, happened, _ in play_at_random(core, 2, 2):
        filled = happened.market.clearing.filled_ukwh[:, n:]
        assert np.abs(filled - happened.market.netted_ukwh - happened.devices.flexible_ukwh).max() <= 3


def test_a_row_of_a_batch_is_the_single_run() -> None:
    seeds = [3, 11]
    batch, alone = Core(street(), 2), [Core(street(), 1) for _ in seeds]
    actions = np.random.default_rng(0).uniform(-1, 1, (batch.n_steps, 2, batch.n_agents, 2))
    together, states = batch.reset(seeds), [c.reset([s]) for c, s in zip(alone, seeds, strict=True)]
    for action in actions:
        together, happened = batch.step(together, action)
        for e, core in enumerate(alone):
            states[e], single = core.step(states[e], action[e : e + 1])
            for name in ("delivery.metered_ukwh", "devices.flexible_ukwh", "reward", "devices.upkeep_cur"):
                np.testing.assert_array_equal(attrgetter(name)(happened)[e], attrgetter(name)(single)[0], name)
            np.testing.assert_array_equal(happened.devices.emitted_kg[e], single.devices.emitted_kg[0])
            np.testing.assert_array_equal(observe(batch, together).features[e], observe(core, states[e]).features[0])


def test_two_runs_are_the_same_to_the_last_bit_and_a_core_survives_pickling() -> None:
    core = Core(street(), 2)
    copy = pickle.loads(pickle.dumps(core))
    for (_, a, x), (_, b, y) in zip(play_at_random(core, 7, 7), play_at_random(copy, 7, 7), strict=True):
        for left, right in ((arrays(a), arrays(b)), (arrays(x), arrays(y))):
            assert left.keys() == right.keys()
            for name in left:
                np.testing.assert_array_equal(left[name], right[name], name)


def test_the_order_of_the_kinds_changes_nobodys_energy() -> None:
    """Sources first or last in the file: the same devices, the same wishes, the same meters."""
    ours = street(constraint="none", feeder="street")
    names = list(ours.agents)
    turned = replace(ours, agents={name: ours.agents[name] for name in reversed(names)})
    cores = [Core(s, 2) for s in (ours, turned)]
    states = [c.reset(5) for c in cores]
    rng = np.random.default_rng(3)
    for _ in range(cores[0].n_steps):
        wish = {name: rng.uniform(-1, 1, (2, ours.agents[name].count, 2)) for name in names}
        metered = []
        for i, core in enumerate(cores):
            action = np.concatenate([wish[name] for name in core.scenario.agents], axis=1)
            states[i], happened = core.step(states[i], action)
            metered.append({n: happened.delivery.metered_ukwh[:, s] for n, s in core.scenario.kind_slices.items()})
        for name in names:  # pro-rata shares of a tie may differ by the micro-kWh that the order rounds away
            assert np.abs(metered[0][name] - metered[1][name]).max() <= 20, name


@pytest.mark.slow
def test_torch_plays_the_same_episode() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = Core(street(), 2), Core(street(), 2, backend="torch")
    a, b = ours.reset(5), theirs.reset(5)
    rng = np.random.default_rng(1)
    for _ in range(ours.n_steps):
        action = rng.uniform(-1, 1, (2, ours.n_agents, 2))
        a, x = ours.step(a, action)
        b, y = theirs.step(b, torch.as_tensor(action))
        np.testing.assert_allclose(x.reward, y.reward.numpy(), atol=5e-5)
        np.testing.assert_allclose(x.delivery.metered_ukwh, y.delivery.metered_ukwh.numpy(), atol=2)
        np.testing.assert_allclose(observe(ours, a).features, observe(theirs, b).features.numpy(), atol=1e-5)


def test_features_have_columns_for_the_kinds_of_the_scenario_only() -> None:
    plain = [c.name for c in feature_columns(load_scenario("village"))]
    assert len(plain) == 49
    assert not {"is_wind", "is_genset", "engine_runs"} & set(plain)
    core = Core(street(), 3)
    columns = feature_columns(core.scenario)
    assert {"is_wind", "is_genset", "engine_runs", "engine_wait"} <= {c.name for c in columns}
    low, high = (np.array([getattr(c, end) for c in columns], np.float32) for end in ("low", "high"))
    ran = columns.index(next(c for c in columns if c.name == "engine_runs"))
    seen = set()
    for before, _, _ in play_at_random(core, 0, 0):
        features = observe(core, before).features
        assert features.shape[2] == len(columns)
        assert ((features >= low) & (features <= high)).all()
        seen |= set(features[:, core.scenario.kind_slices["genset"], ran].ravel().tolist())
    assert seen == {0.0, 1.0}


@pytest.mark.parametrize("mechanism", list_mechanisms())
def test_every_mechanism_settles_them(mechanism: str) -> None:
    core = Core(street(mechanism=mechanism, hours=3.0, constraint="nodal" if mechanism == "nodal" else "none"), 1)
    for _, happened, _ in play_at_random(core, 1, 1):
        assert (happened.money.bill.ucur.sum(axis=2) == 0).all()


@pytest.mark.parametrize("name", [n for n in list_policies() if not is_learned(n) and n != "optimum"])
def test_every_rule_acts_for_them(name: str) -> None:
    played = play(Core(street(), 1), load_policy(name), [0])
    assert np.isfinite(played.tally.cost_cur).all()


def test_turbines_have_inverters_that_answer_the_voltage() -> None:
    core = Core(street(**{"inverter.response": "ieee_1547_b", "wind.exposure": 1.5}), 2)
    turbines = core.scenario.kind_slices["wind"]
    assert sum(happened.devices.pv_kwh[:, turbines].sum() for _, happened, _ in play_at_random(core, 1, 1)) > 1
