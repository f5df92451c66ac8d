"""The PettingZoo view: PettingZoo's own checks, and what they leave out."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import (
    api_test,
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
    state_test,
)

from gridbazaar.data.chance import SPLITS
from gridbazaar.envs import district_v1, street_v1, village_v1
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.observe import observe
from gridbazaar.envs.views import pettingzoo_env
from gridbazaar.envs.views.batch import ResetNeededError
from tests.envs.playing import SHORT, differences, drawn_actions, named
from tests.envs.views.streets import play, street

pytestmark = pytest.mark.filterwarnings("error")


# PettingZoo's own checks; what they only warn of is an error here


def test_the_parallel_contract_holds() -> None:
    parallel_api_test(street(), num_cycles=1000)


def test_the_turn_based_contract_holds() -> None:
    api_test(street_v1.env(), num_cycles=120)


def test_pettingzoo_finds_the_same_episode_for_the_same_seed() -> None:
    parallel_seed_test(street, num_cycles=500)
    seed_test(street_v1.env, num_cycles=100)


@pytest.mark.parametrize("module", [street_v1, village_v1])
def test_max_cycles_sets_the_length_of_an_episode(module: Any) -> None:
    max_cycles_test(module)


def test_every_render_mode_gives_what_it_promises() -> None:
    render_test(street_v1.env)


def test_the_state_lies_in_its_space() -> None:
    state_test(street_v1.env(), street_v1.parallel_env())


@pytest.mark.slow
@pytest.mark.parametrize("module", [village_v1, district_v1])
def test_larger_scenarios_hold_the_contract(module: Any) -> None:
    parallel_api_test(module.parallel_env(), num_cycles=100)


# Reproducible, to the last bit, to the end


def test_two_runs_agree_in_every_array_to_the_end() -> None:
    runs = []
    for _ in range(2):
        env = street()
        begun = env.reset(seed=5)
        runs.append([begun, play(env, drawn_actions(96, 6)), env.reset()])
        assert env.agents
    assert len(runs[0][1]) == 96
    assert not differences(runs[0], runs[1])


def test_another_seed_is_another_episode() -> None:
    env = street()
    first = env.reset(seed=5)[0]
    assert differences(first, env.reset(seed=6)[0])
    assert not differences(first, env.reset(seed=5)[0])


def test_without_a_seed_the_episodes_are_numbered_on() -> None:
    env, twin = street(seed=3), street()
    for number in (3, 4, 5):
        observations, infos = env.reset()
        assert {info["seed"] for info in infos.values()} == {number}
        assert not differences(observations, twin.reset(seed=number)[0])
    assert env.reset(seed=40)[1]["ev_0"]["seed"] == 40
    assert env.reset()[1]["ev_0"]["seed"] == 41


def test_each_split_has_episodes_of_its_own() -> None:
    env = street()
    begun = {}
    for split in SPLITS:
        begun[split] = env.reset(seed=2, options={"split": split})
        assert env.split == split
    assert differences(begun["train"][0], begun["test"][0])
    assert differences(begun["validation"][0], begun["test"][0])
    assert not differences(begun["test"][0], street(split="test").reset(seed=2)[0])
    env.reset(seed=2)
    assert env.split == "train"


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_as_the_original_would(twin_of: Any) -> None:
    env, actions = street(), drawn_actions(96, 6)
    env.reset(seed=1)
    play(env, actions[:40])
    twin = twin_of(env)
    assert not differences(play(twin, actions[40:]), play(env, actions[40:]))
    assert not differences(twin.reset(), env.reset())


def test_a_copy_does_not_move_the_original() -> None:
    env, actions = street(), drawn_actions(8, 6)
    env.reset(seed=1)
    twin, still = copy.deepcopy(env), env.state()
    play(twin, actions)
    assert not differences(env.state(), still)
    assert differences(twin.state(), still)


def test_a_copy_leaves_the_long_series_where_they_are() -> None:
    env = street()
    env.reset(seed=1)
    assert copy.deepcopy(env)._batch.core is env._batch.core
    series_bytes = env._batch.core.world.series.load_kw.nbytes
    assert len(pickle.dumps(env)) < 100_000 < series_bytes


# The same as the core


def test_the_view_gives_what_the_core_gives() -> None:
    env, core = street(), Core("street")
    names, n, actions = list(core.agents), core.n_agents, drawn_actions(96, 6)
    observations, _ = env.reset(seed=9)
    state = core.reset(9)
    for action in actions:
        features = observe(core, state).features[0]
        assert np.array_equal(np.stack([observations[a] for a in names]), features)
        observations, rewards, ended, cut, infos = env.step(named(names, action))
        state, happened = core.step(state, action[None].astype(float))
        assert list(rewards.values()) == happened.reward[0].tolist()
        assert not any(ended.values())
        assert set(cut.values()) == set(happened.truncated.tolist())
        bills_cur = happened.money.bill.ucur[0].sum(0)[:n] / 1e6
        assert [infos[a]["bill_cur"] for a in names] == bills_cur.tolist()
        assert [infos[a]["net_kwh"] for a in names] == (happened.delivery.metered_ukwh[0] / 1e6).tolist()
        assert sum(infos[a]["traded_kwh"] for a in names) == pytest.approx(0, abs=1e-9)
        assert np.array_equal([infos[a]["executed"] for a in names], happened.plan.executed[0])


def test_the_parts_sum_to_the_reward() -> None:
    env = street()
    env.reset()
    for _, rewards, _, _, infos, *_ in play(env, drawn_actions(96, 6)):
        for agent, info in infos.items():
            assert tuple(info["reward_parts"]) == PARTS
            assert sum(info["reward_parts"].values()) == pytest.approx(rewards[agent], abs=1e-9)


def test_episodes_end_by_truncation_and_all_agents_leave() -> None:
    env = street(**SHORT)
    env.reset()
    *before, last = play(env, drawn_actions(12, 6))
    assert not any(any(step[3].values()) or any(step[2].values()) for step in before)
    assert all(last[3].values())
    assert not any(last[2].values())
    assert list(last[3]) == env.possible_agents
    assert env.agents == []
    with pytest.raises(ResetNeededError, match="reset"):
        env.step({})


def test_steps_need_a_reset_first() -> None:
    with pytest.raises(ResetNeededError, match="reset"):
        street().step({})
    with pytest.raises(ResetNeededError, match="reset"):
        street().state()


# Spaces, observations, infos


def test_observations_lie_in_their_space_and_belong_to_the_caller() -> None:
    env = street()
    observations, infos = env.reset(seed=4)
    twin = street()
    twin.reset(seed=4)
    for action in drawn_actions(96, 6):
        assert all(env.observation_space(a).contains(row) for a, row in observations.items())
        before = env.state().copy()
        for row in observations.values():
            row[:] = 9.0
        env.state()[:] = 9.0
        assert not differences(env.state(), before)
        for info in infos.values():
            info.clear()
        observations, _, _, _, infos = given = env.step(named(env.agents, action))
        assert not differences(given, twin.step(named(twin.agents, action)))
    assert env.observation_space("ev_0") is env.observation_space("ev_0")
    assert env.observation_space("ev_0") is not street().observation_space("ev_0")


def test_action_spaces_draw_apart() -> None:
    env = street()
    a, b = env.action_space("ev_0"), env.action_space("battery_0")
    a.seed(1)
    first = a.sample()
    a.seed(1)
    b.sample()
    assert np.array_equal(a.sample(), first)


def test_the_action_of_an_absent_car_changes_nothing() -> None:
    env, twin = street(), street()
    _, infos = env.reset(seed=1)
    twin.reset(seed=1)
    column, n_absent = env.possible_agents.index("ev_0"), 0
    for action in drawn_actions(96, 6):
        if infos["ev_0"]["active"]:
            break
        other = action.copy()
        other[column] *= -1
        given, same = env.step(named(env.agents, action)), twin.step(named(twin.agents, other))
        infos = given[4]
        given[4]["ev_0"].pop("executed"), same[4]["ev_0"].pop("executed")
        assert not differences(given, same)
        n_absent += 1
    assert 4 < n_absent < 90
    assert infos["battery_0"]["active"]


def test_forecasts_come_when_asked_for() -> None:
    env = street(forecasts=True)
    _, infos = env.reset()
    assert infos["prosumer_0"]["forecasts"]["net_kw"].shape == (96,)
    _, _, _, _, infos = env.step(named(env.agents, drawn_actions(1, 6)[0]))
    ahead = infos["prosumer_0"]["forecasts"]
    assert {name: len(values) for name, values in ahead.items()} == {
        "retail_cur_per_kwh": 95, "export_cur_per_kwh": 95, "local_charge_cur_per_kwh": 95, "net_kw": 95,
    }  # fmt: skip
    assert ahead["net_kw"].any()
    assert ahead["retail_cur_per_kwh"] is not infos["ev_0"]["forecasts"]["retail_cur_per_kwh"]
    assert "forecasts" not in street().reset()[1]["ev_0"]


# Bad input


def bad(actions: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {a: x for a, x in (actions | change).items() if x is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ev_0": None, "vpp_0": None}, r"missing \['ev_0', 'vpp_0'\]"),
        ({"ev_7": [0, 0]}, r"unknown \['ev_7'\]"),
        ({"ev_0": [0.0, np.nan]}, r"ev_0: .*\[-1, 1\], got NaN"),
        ({"ev_0": [np.inf, 0.0]}, r"ev_0: .*\[-1, 1\], got NaN or infinity"),
        ({"ev_0": [0.0]}, r"ev_0: .*\(power, eagerness\), shape \(2,\), got shape \(1,\)"),
        ({"ev_0": [[0.0, 0.0]]}, r"ev_0: .*got shape \(1, 2\)"),
        ({"ev_0": 0.5}, r"ev_0: .*got shape \(\)"),
        ({"ev_0": ["much", 0]}, "ev_0: .*much"),
        ({"ev_0": [0.0], "vpp_0": [0.0, np.nan]}, "ev_0: .*; vpp_0: "),
        (dict.fromkeys(("prosumer_0", "prosumer_1", "prosumer_2", "battery_0", "ev_0", "vpp_0"), 0.5), "vpp_0"),
    ],
)
def test_a_bad_action_is_named_and_nothing_happens(change: dict[str, Any], message: str) -> None:
    env, twin, actions = street(**SHORT), street(**SHORT), drawn_actions(2, 6)
    env.reset(seed=1)
    twin.reset(seed=1)
    play(env, actions[:1]), play(twin, actions[:1])
    before = env.state()
    with pytest.raises(ValueError, match=message):
        env.step(bad(named(env.agents, actions[1]), change))
    assert not differences(env.state(), before)
    assert not differences(play(env, actions[1:]), play(twin, actions[1:]))


def test_what_is_out_of_bounds_is_clipped_and_counted() -> None:
    env, twin = street(), street()
    env.reset()
    twin.reset()
    wide = 3 * drawn_actions(1, 6)[0]
    given, clipped = env.step(named(env.agents, wide)), twin.step(named(twin.agents, np.clip(wide, -1, 1)))
    counts = [info.pop("clipped") for info in given[4].values()]
    assert counts == (np.abs(wide) > 1).sum(1).tolist()
    assert sum(counts)
    assert not any(info.pop("clipped") for info in clipped[4].values())
    assert not differences(given, clipped)


def test_strict_refuses_what_is_out_of_bounds() -> None:
    env = street(strict=True)
    env.reset()
    before, wide = env.state(), drawn_actions(1, 6)[0]
    wide[4] = (1.5, 0.0)
    with pytest.raises(ValueError, match=re.escape("['ev_0']")):
        env.step(named(env.agents, wide))
    assert not differences(env.state(), before)
    wide[4] = (1.0, -1.0)
    env.step(named(env.agents, wide))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tset"}, "split: expected one of train, validation, test, got 'tset'"),
        ({"render_mode": "gif"}, "render_mode: expected one of human, rgb_array, ansi"),
        ({"max_cycles": 0}, "max_cycles: expected 1 to 672"),
        ({"max_cycles": 673}, "max_cycles: expected 1 to 672"),
        ({"seed": -1}, "seed: expected a number >= 0, got -1"),
        ({"seed": 1.5}, "seed: expected the whole number"),
        ({"ev.cuont": 3}, "unknown field ev.cuont"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        street(**options)


def test_a_bad_reset_is_named() -> None:
    env = street()
    with pytest.raises(ValueError, match="seed: expected a number >= 0, got -3"):
        env.reset(seed=-3)
    with pytest.raises(ValueError, match="split: expected one of train"):
        env.reset(options={"split": "night"})


def test_the_turn_based_view_has_the_same_rewards() -> None:
    env, turns = street(**SHORT), pettingzoo_env.env("street", **SHORT)
    env.reset(seed=3)
    turns.reset(seed=3)
    for action in drawn_actions(11, 6):
        _, rewards, *_ = env.step(named(env.agents, action))
        for row in action:
            turns.step(row)
        assert turns.rewards == rewards
