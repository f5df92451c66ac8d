"""What the PettingZoo view gives to learners that need it: equal spaces, one reward, costs, small states, choices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.reward import PARTS
from gridbazaar.envs.safety import COSTS, safety_costs
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.discrete import choices, discrete_env
from gridbazaar.envs.views.gymnasium_env import single_agent_env, vector_env
from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, parallel_env
from tests.envs.playing import differences

pytestmark = pytest.mark.filterwarnings("error")


def vec_env(*given: Any, **more: Any) -> Any:
    """Skip what needs stable-baselines3 where there is none."""
    pytest.importorskip("stable_baselines3")
    from gridbazaar.envs.views.vec_env import vec_env as made

    return made(*given, **more)


WIDE: dict[str, Any] = {"vpp.failure.mtbf_h": 300.0}  # the VPP then has a component more than the others


def sampled(env: MarketParallelEnv) -> dict[str, Any]:
    return {agent: env.action_space(agent).sample() for agent in env.agents}


def shapes(value: Any) -> Any:
    """Names, types and shapes of what an info holds."""
    if isinstance(value, dict):
        return {name: shapes(each) for name, each in value.items()}
    return np.shape(value), type(value)


@pytest.mark.parametrize("options", [{}, {"costs": True}])
def test_infos_hold_the_same_numbers_at_reset_and_step(options: dict[str, Any]) -> None:
    env = parallel_env("street", **options)
    _, begun = env.reset(seed=1)
    infos = env.step(sampled(env))[4]
    assert {a: shapes(i) for a, i in begun.items()} == {a: shapes(i) for a, i in infos.items()}
    flat = [x for name, x in infos["ev_0"].items() if not isinstance(x, dict)]
    assert all(isinstance(x, int | float | np.ndarray) for x in flat)


def test_infos_may_be_left_empty() -> None:
    env = parallel_env("street", infos=False)
    assert set(map(str, env.reset()[1].values())) == {"{}"}
    assert set(map(str, env.step(sampled(env))[4].values())) == {"{}"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"costs": True}, "infos: costs would stand in them, and infos=False leaves them empty"),
        ({"forecasts": True, "costs": True}, "infos: forecasts and costs would stand in them"),
    ],
)
def test_what_infos_would_hold_is_refused_without_them(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parallel_env("street", infos=False, **options)


@pytest.mark.parametrize("name", ["pad_actions", "strict"])
def test_what_changes_nothing_for_choices_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: choices are the same for all agents"):
        discrete_env("street", **{name: True})


def test_a_reset_refuses_options_that_it_does_not_have() -> None:
    message = r"options: expected some of split(, reset_mask)?; got 'spilt'"
    with pytest.raises(ValueError, match=message):
        single_agent_env("street").reset(options={"spilt": "validation"})
    with pytest.raises(ValueError, match=message):
        vector_env("street", 2).reset(options={"spilt": "validation"})
    rows = vec_env("street", n_envs=1)
    rows.set_options({"spilt": "validation"})
    with pytest.raises(ValueError, match=message):
        rows.reset()


def test_padded_actions_have_one_space_and_play_the_same() -> None:
    env, padded = parallel_env("street", **WIDE), parallel_env("street", pad_actions=True, **WIDE)
    assert len({str(padded.action_space(a)) for a in padded.possible_agents}) == 1
    assert len({str(env.action_space(a)) for a in env.possible_agents}) > 1
    env.reset(seed=2)
    padded.reset(seed=2)
    for agent in padded.possible_agents:
        padded.action_space(agent).seed(7)
    while padded.agents:
        wide = {a: 1.5 * x for a, x in sampled(padded).items()}
        own = {a: x[padded.action_masks[a]] for a, x in wide.items()}
        assert not differences(env.step(own), padded.step(wide))
    padded.reset()
    with pytest.raises(ValueError, match=r"prosumer_0: action: expected 3 numbers .*power, eagerness, and 1 to spare"):
        padded.step({a: np.zeros(2, np.float32) for a in padded.agents})


def test_a_team_has_one_reward() -> None:
    env, team = parallel_env("street"), parallel_env("street", team_reward=True)
    env.reset(seed=3)
    team.reset(seed=3)
    actions = sampled(env)
    own, common = env.step(actions)[1], team.step(actions)[1]
    assert len(set(own.values())) > 1
    assert set(common.values()) == {np.mean(list(own.values()))}


def test_the_compact_state_is_all_that_is_seen_once() -> None:
    env, full = parallel_env("street"), parallel_env("street", state="full")
    env.reset(seed=4)
    full.reset(seed=4)
    assert env.state_space.contains(env.state())
    assert len(env.state_names) == len(set(env.state_names)) == len(env.state())
    assert len(env.state()) < 0.5 * len(full.state())
    held = dict(zip(full.state_names, full.state(), strict=True))
    for name, value in zip(env.state_names, env.state(), strict=True):
        assert value == held[name if "." in name else f"prosumer_0.{name}"], name
    left_out = {n.partition(".")[2] for n in full.state_names} - {n.rpartition(".")[2] for n in env.state_names}
    assert left_out == {f"is_{kind}" for kind in ("prosumer", "battery", "ev", "vpp")}
    with pytest.raises(ValueError, match="state: expected compact or full, got 'small'"):
        parallel_env("street", state="small")


def test_costs_say_what_was_broken_and_by_whom() -> None:
    tight: dict[str, Any] = {"constraint": "none", "prosumer.load_scale": (15.0, 15.0)}
    env, core = parallel_env("street", costs=True, **tight), Core(load_scenario("street", **tight))
    env.reset(seed=5)
    state, seen = core.reset(5), np.zeros(len(COSTS))
    feeder = core.world.grid.feeder
    while env.agents:
        actions = {a: np.ones(2, np.float32) for a in env.agents}
        infos = env.step(actions)[4]
        state, happened = core.step(state, np.ones((1, core.n_agents, 2)))
        costs = safety_costs(core, happened)[0]
        for i, agent in enumerate(core.agents):
            assert infos[agent]["costs"] == dict(zip(COSTS, costs[i].tolist(), strict=True))
            assert infos[agent]["cost"] == pytest.approx(costs[i].sum())
        volts, loading = happened.wires.voltage_pu[0], happened.wires.branch_loading[0]
        outside = np.maximum(feeder.v_min_pu - volts, 0) + np.maximum(volts - feeder.v_max_pu, 0)
        for meter, agent in zip(core.world.meter_bus, core.world.meter_agent, strict=True):
            assert costs[agent, 0] >= outside[meter] / 4 - 1e-12
            way, bus = 0.0, int(meter)
            while bus >= 0:
                way, bus = way + max(loading[bus] - 1, 0.0), int(feeder.parent[bus])
            assert costs[agent, 1] >= way / 4 - 1e-12
        seen += costs.sum(axis=0)
    assert seen[0] > 0
    assert seen[1] > 0


@pytest.mark.parametrize(
    ("powers", "eagerness", "expected"),
    [(3, 1, [(-1, 0), (0, 0), (1, 0)]), (2, 2, [(-1, -1), (-1, 1), (1, -1), (1, 1)])],
)
def test_choices_are_a_grid(powers: int, eagerness: int, expected: list[Any]) -> None:
    assert choices(powers, eagerness).tolist() == [list(map(float, row)) for row in expected]


def test_a_choice_plays_what_it_means() -> None:
    env, plain = discrete_env("street", n_powers=3, **WIDE), parallel_env("street", **WIDE)
    parallel_api_test(discrete_env("street"), num_cycles=20)
    env.reset(seed=6)
    plain.reset(seed=6)
    rng = np.random.default_rng(0)
    for _ in range(5):
        numbers = {a: int(rng.integers(env.action_space(a).n)) for a in env.agents}
        meant = {a: np.zeros(int(plain.action_masks[a].sum()), np.float32) for a in plain.agents}
        for agent, number in numbers.items():
            meant[agent][:2] = env.choices[number]
        assert not differences(env.step(numbers), plain.step(meant))
    with pytest.raises(ValueError, match=r"numbers from 0 to 8, got others from \['ev_0'\]"):
        env.step(numbers | {"ev_0": 9})


def test_the_last_infos_of_a_vec_env_name_the_agent_and_the_parts_of_its_return() -> None:
    venv = vec_env("street", n_envs=2, hours=2.0)
    venv.reset()
    for _ in range(8):
        infos = venv.step(np.zeros((venv.num_envs, venv.core.n_actions)))[3]
    assert [i["agent"] for i in infos] == venv.row_agents
    assert [i["kind"] for i in infos] == [a.rpartition("_")[0] for a in venv.row_agents]
    for info in infos:
        assert tuple(info["reward_parts"]) == PARTS
        assert sum(info["reward_parts"].values()) == pytest.approx(info["episode"]["r"], abs=1e-9)
