"""The stable-baselines3 view: against DummyVecEnv, PettingZoo and the core, and under PPO and SAC."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.safety import COSTS, safety_costs
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.gymnasium_env import single_agent_env
from gridbazaar.envs.views.others import community_of
from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, parallel_env
from tests.envs.playing import SHORT, differences, drawn_actions, named

sb3 = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402 - needs the extra that was asked for above
from stable_baselines3.common.monitor import Monitor  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize  # noqa: E402

from gridbazaar.envs.views.vec_env import MarketVecEnv, vec_env  # noqa: E402

N_ENVS, N_AGENTS, N_STEPS = 2, 6, 12


def street(n_envs: int = N_ENVS, **options: Any) -> MarketVecEnv:
    return vec_env("street", n_envs, **(SHORT | options))


class Seat(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One agent of a PettingZoo community whose other agents' actions are known beforehand: what a wrapper sees."""

    def __init__(self, env: int, agent: int, actions: NDArray[np.float32]) -> None:
        self.table: MarketParallelEnv = parallel_env("street", **SHORT)
        self.name = self.table.possible_agents[agent]
        self.env, self.agent, self.actions = env, agent, actions  # actions [n_steps, n_agents, 2]
        self.number, self.t = env, 0
        self.observation_space = self.table.observation_space(self.name)
        self.action_space = self.table.action_space(self.name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observations, infos = self.table.reset(seed=self.number)
        self.number += N_ENVS
        return observations[self.name], infos[self.name]

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        joint = self.actions[self.t].copy()
        joint[self.agent] = action
        self.t += 1
        seen, rewards, ended, cut, infos = self.table.step(named(self.table.agents, joint))
        return seen[self.name], rewards[self.name], ended[self.name], cut[self.name], infos[self.name]


def compare(ours: VecEnv, theirs: VecEnv, actions: NDArray[np.float32]) -> int:
    """Play both and compare all that SB3 reads; the number of ends."""
    n_ends = 0
    assert ours.num_envs == theirs.num_envs
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert not differences(ours.reset(), theirs.reset())
    for action in actions:
        *arrays, infos = ours.step(action)
        *expected_arrays, expected_infos = theirs.step(action)
        assert not differences(arrays, expected_arrays)
        for info, expected in zip(infos, expected_infos, strict=True):
            assert info.get("TimeLimit.truncated", False) == expected["TimeLimit.truncated"]
            assert not differences(info.get("terminal_observation"), expected.get("terminal_observation"))
        n_ends += sum("terminal_observation" in info for info in infos)
    return n_ends


def test_all_agents_give_what_a_dummy_vec_env_gives_over_two_episodes() -> None:
    actions = drawn_actions(2 * N_STEPS + 3, N_ENVS, N_AGENTS)
    seats = [(e, i) for e in range(N_ENVS) for i in range(N_AGENTS)]
    dummy = DummyVecEnv([lambda e=e, i=i: Seat(e, i, actions[:, e]) for e, i in seats])  # type: ignore[misc]
    n_ends = compare(street(), dummy, actions.reshape(len(actions), -1, 2))
    assert n_ends == 2 * N_ENVS * N_AGENTS


class Stride(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Plays every n-th episode, as a row of a batch does."""

    def __init__(self, env: gymnasium.Env[Any, Any], first: int, stride: int) -> None:
        super().__init__(env)
        self.number, self.stride = first, stride

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        given = super().reset(seed=self.number, options=options)
        self.number += self.stride
        return given


def test_a_kind_alone_gives_what_a_dummy_vec_env_of_single_agents_gives() -> None:
    others = {"prosumer": "self_consumption", "vpp": "time_of_use"}

    def seat(e: int) -> Stride:
        return Stride(single_agent_env("street", "battery_0", others, **SHORT), 4 + e, N_ENVS)

    dummy = DummyVecEnv([lambda e=e: seat(e) for e in range(N_ENVS)])  # type: ignore[misc]
    ours = street(kind="battery", others=others, seed=4)
    assert compare(ours, dummy, drawn_actions(2 * N_STEPS + 3, N_ENVS)) == 2 * N_ENVS


def test_rows_are_the_agents_of_the_core_and_of_pettingzoo() -> None:
    venv, core, env = street(3), Core(load_scenario("street", **SHORT), 3), parallel_env("street", **SHORT)
    seen: Any = venv.reset()
    state = core.reset(0)
    third, _ = env.reset(seed=2)
    for action in drawn_actions(N_STEPS - 1, 3, N_AGENTS):
        assert np.array_equal(seen.reshape(3, N_AGENTS, -1), observe(core, state).features)
        assert np.array_equal(seen[2 * N_AGENTS :], np.stack(list(third.values())))
        seen, rewards, _, _ = venv.step(action.reshape(-1, 2))
        state, happened = core.step(state, action.astype(float))
        third, third_rewards, *_ = env.step(named(env.agents, action[2]))
        assert np.array_equal(rewards.reshape(3, N_AGENTS), happened.reward.astype(np.float32))
        assert np.array_equal(rewards[2 * N_AGENTS :], np.array(list(third_rewards.values()), np.float32))
    assert venv.row_agents == 3 * env.possible_agents


def test_policies_act_for_the_rest() -> None:
    venv = street(kind="ev", others="self_consumption", hours=24.0)
    core, policy = Core("street", N_ENVS), load_policy("self_consumption")
    column = core.agents.index("ev_0")
    memory = policy.start(community_of(core), np.random.default_rng(0))
    seen: Any = venv.reset()
    state = core.reset(0)
    for action in drawn_actions(95, N_ENVS):
        assert np.array_equal(seen, observe(core, state).features[:, column])
        joint, memory = policy.act(observe(core, state), memory)
        joint[:, column] = action
        seen, rewards, _, _ = venv.step(action)
        state, happened = core.step(state, joint)
        assert np.array_equal(rewards, happened.reward[:, column].astype(np.float32))


def test_who_is_not_named_is_idle() -> None:
    idle, named_idle, other = (street(kind="ev", others=o) for o in (None, {"battery": "idle"}, "random"))
    for venv in (idle, named_idle, other):
        venv.reset()
    action = drawn_actions(1, N_ENVS)[0]
    assert not differences(idle.step(action)[0], named_idle.step(action)[0])
    assert differences(named_idle.step(action)[0], other.step(action)[0])


def test_a_policy_may_be_an_object_and_know_the_future() -> None:
    by_name, by_object = street(kind="ev", others="optimum"), street(kind="ev", others=load_policy("optimum"))
    assert not differences(by_name.reset(), by_object.reset())
    for action in drawn_actions(N_STEPS + 2, N_ENVS):
        assert not differences(by_name.step(action)[:3], by_object.step(action)[:3])


def test_random_others_repeat_with_the_seed() -> None:
    def rewards(seed: int) -> list[Any]:
        venv = street(kind="ev", others="random", seed=seed)
        venv.reset()
        return [venv.step(action)[1] for action in drawn_actions(N_STEPS, N_ENVS)]

    assert not differences(rewards(1), rewards(1))


# Episodes


def test_environments_take_turns_at_the_episodes() -> None:
    venv, env = street(seed=7), parallel_env("street", **SHORT)
    seen: Any = venv.reset()
    for first in (7, 9, 11):
        for e in range(N_ENVS):
            rows = seen[e * N_AGENTS : (e + 1) * N_AGENTS]
            assert np.array_equal(rows, np.stack(list(env.reset(seed=first + e)[0].values())))
            assert {i["seed"] for i in venv.reset_infos[e * N_AGENTS : (e + 1) * N_AGENTS]} == {first + e}
        for action in drawn_actions(N_STEPS, N_ENVS * N_AGENTS):
            seen = venv.step(action)[0]


def test_seed_begins_the_same_run_again() -> None:
    venv, actions = street(), drawn_actions(2 * N_STEPS, N_ENVS * N_AGENTS)
    runs = []
    for _ in range(2):
        seeds = venv.seed(5)
        begun = venv.reset()
        runs.append([begun, [venv.step(a)[:3] for a in actions]])
    assert seeds == [5] * N_AGENTS + [6] * N_AGENTS
    assert not differences(runs[0], runs[1])
    venv.seed(6)
    assert differences(venv.reset(), runs[0][0])
    assert venv.seed() != venv.seed()


def test_only_the_first_reset_takes_the_seed() -> None:
    venv = street()
    venv.seed(5)
    first = venv.reset()
    assert differences(venv.reset(), first)
    assert venv.reset_infos[0]["seed"] == 7


def test_training_refuses_the_test_split() -> None:
    with pytest.raises(ValueError, match="training refuses the test split"):
        street(split="test")
    venv = street()
    venv.set_options({"split": "test"})
    with pytest.raises(ValueError, match="training refuses the test split"):
        venv.reset()
    tested, plain = street(split="test", allow_test=True).reset(), street().reset()
    assert differences(tested, plain)


def test_options_choose_the_split_of_the_next_reset() -> None:
    venv = street()
    venv.set_options({"split": "validation"})
    assert not differences(venv.reset(), street(split="validation").reset())
    venv.seed(0)
    assert not differences(venv.reset(), street().reset())
    venv.set_options([{"split": "train"}] + [{"split": "validation"}] * (venv.num_envs - 1))
    with pytest.raises(ValueError, match="one split for all rows, got train, validation"):
        venv.reset()


def test_the_end_of_an_episode_is_told_once_a_row() -> None:
    venv = street()
    venv.reset()
    total = np.zeros(venv.num_envs)
    actions = drawn_actions(N_STEPS, venv.num_envs)
    for action in actions[:-1]:
        _, rewards, dones, infos = venv.step(action)
        total += rewards
        assert not dones.any()
        assert infos == [{}] * venv.num_envs
    _, rewards, dones, infos = venv.step(actions[-1])
    assert dones.all()
    assert [i["episode"]["r"] for i in infos] == pytest.approx(list(total + rewards), abs=1e-4)
    assert {i["episode"]["l"] for i in infos} == {N_STEPS}
    assert all(i["episode"]["t"] > 0 and i["TimeLimit.truncated"] for i in infos)
    assert venv.step(actions[0])[3] == [{}] * venv.num_envs


def test_costs_are_those_of_the_core_in_every_step_and_summed_at_the_end() -> None:
    tight: dict[str, Any] = {"constraint": "none", "prosumer.load_scale": (15.0, 15.0)}
    venv, plain = street(costs=True, **tight), street(**tight)
    core = Core(venv.core.scenario, N_ENVS)
    state, total = core.reset(0), np.zeros((venv.num_envs, len(COSTS)))
    venv.reset(), plain.reset()
    for action in drawn_actions(N_STEPS, venv.num_envs):
        *given, infos = venv.step(action)
        assert not differences(tuple(given), plain.step(action)[:3])
        state, happened = core.step(state, action.reshape(N_ENVS, core.n_agents, -1))
        expected = safety_costs(core, happened).reshape(total.shape)
        assert not differences(venv.last_costs, expected)
        assert [i["costs"] for i in infos] == [dict(zip(COSTS, row, strict=True)) for row in expected.tolist()]
        assert [i["cost"] for i in infos] == pytest.approx(expected.sum(axis=1))
        total += expected
    assert total.any()
    assert np.allclose([list(i["episode_costs"].values()) for i in infos], total)
    assert set(infos[0]) >= {"agent", "kind", "reward_parts", "terminal_observation"}
    infos = venv.step(action)[3]
    assert set(infos[0]) == {"cost", "costs"}


def test_what_was_given_stays_as_it_was() -> None:
    venv = street()
    kept = [venv.reset()]
    copies = [kept[0].copy()]
    for action in drawn_actions(N_STEPS + 2, venv.num_envs):
        seen, rewards, dones, infos = venv.step(action)
        arrays = [seen, rewards, dones, *(i["terminal_observation"] for i in infos if i)]
        kept += arrays
        copies += [a.copy() for a in arrays]
    assert not differences(kept, copies)
    kept[0][:] = 9.0
    twin, again = street(), street()
    twin.reset()[:] = 9.0
    again.reset()
    assert not differences(twin.step(action)[:3], again.step(action)[:3])


def test_active_rows_have_a_device() -> None:
    venv = street(hours=24.0)
    seen = venv.reset()
    view = Core("street", N_ENVS).reset(0).view
    assert not differences(venv.active_rows(), view.has_device.reshape(-1))
    assert venv.active_rows().any()
    assert not venv.active_rows().all()
    assert seen.shape == (venv.num_envs, *(venv.observation_space.shape or ()))
    assert street(kind="battery").reset().shape[0] == N_ENVS


def test_actions_out_of_bounds_are_clipped() -> None:
    venv, twin = street(), street()
    venv.reset(), twin.reset()
    wide = 3 * drawn_actions(1, venv.num_envs)[0]
    assert not differences(venv.step(wide)[:3], twin.step(np.clip(wide, -1, 1))[:3])


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros((5, 2)), r"a row for each of 12 agents, shape \(12, 2\), got shape \(5, 2\)"),
        (np.full((12, 2), np.nan), r"NaN or infinity at \[0, 1"),
    ],
)
def test_a_bad_action_is_named(action: NDArray[np.float64], message: str) -> None:
    venv = street()
    venv.reset()
    with pytest.raises(ValueError, match=message):
        venv.step(action)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "boat"}, "kind: expected one of prosumer, battery, ev, vpp, got 'boat'"),
        ({"others": "idle"}, "others: all agents have rows"),
        ({"kind": "ev", "others": {"ev": "idle"}}, r"kinds that are left, prosumer, battery, vpp; got \['ev'\]"),
        ({"kind": "ev", "others": {"boat": "idle"}}, r"got \['boat'\]"),
        ({"kind": "ev", "others": "lazy"}, "policy: expected one of"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        street(**options)


def test_attributes_and_methods_answer_for_each_row() -> None:
    venv = street()
    assert venv.get_attr("render_mode") == [None] * 12
    assert venv.get_attr("n_envs", [0, 3]) == [2, 2]
    assert not venv.has_attr("nothing_of_this_name")
    venv.set_attr("note", 3)
    assert venv.get_attr("note", 1) == [3]
    with pytest.raises(ValueError, match="share"):
        venv.set_attr("note", 4, indices=[0])
    venv.reset()
    assert not differences(venv.env_method("active_rows", indices=[0, 1])[1], venv.active_rows())
    assert venv.env_is_wrapped(Monitor) == [True] * 12
    assert venv.env_is_wrapped(gymnasium.wrappers.TimeLimit, 0) == [False]
    venv.close()
    venv.close()


# Learning


def test_ppo_learns_alike_with_the_same_seed() -> None:
    weights = []
    for _ in range(2):
        model = sb3.PPO("MlpPolicy", street(), n_steps=N_STEPS, batch_size=36, n_epochs=1, seed=3, device="cpu")
        model.learn(3 * N_STEPS * 12)
        weights.append({k: v.numpy().copy() for k, v in model.policy.state_dict().items()})
        assert len(model.ep_info_buffer) == 36
    assert not differences(weights[0], weights[1])


@pytest.mark.slow
def test_sac_learns_one_kind() -> None:
    venv = street(kind="battery", others="self_consumption")
    model = sb3.SAC("MlpPolicy", venv, learning_starts=10, batch_size=16, buffer_size=500, seed=0, device="cpu")
    model.learn(60)
    assert model.replay_buffer.pos == 30
    assert model.replay_buffer.timeouts[N_STEPS - 1].all()
    assert not model.replay_buffer.timeouts[N_STEPS].any()


def test_wrappers_and_evaluation_work() -> None:
    with pytest.warns(UserWarning, match="already wrapped"):
        venv = VecNormalize(VecMonitor(street(kind="battery")))
    model = sb3.PPO("MlpPolicy", venv, n_steps=N_STEPS, batch_size=12, n_epochs=1, device="cpu")
    model.learn(N_STEPS * N_ENVS)
    mean, spread = evaluate_policy(model, street(kind="battery", split="validation"), n_eval_episodes=4)
    assert np.isfinite([mean, spread]).all()
