"""The Gymnasium views: Gymnasium's and stable-baselines3's checks, and the vector against the single ones."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import ClipReward, NormalizeObservation, NormalizeReward, RecordEpisodeStatistics
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.safety import COSTS
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.views.batch import ResetNeededError
from gridbazaar.envs.views.gymnasium_env import MarketAgentEnv, MarketVectorEnv, single_agent_env, vector_env
from gridbazaar.envs.views.others import community_of
from gridbazaar.envs.views.pettingzoo_env import parallel_env
from gridbazaar.envs.views.registration import register_all
from tests.envs.playing import SHORT, differences, drawn_actions, named

pytestmark = pytest.mark.filterwarnings("error")

N_ENVS, N_STEPS = 3, 12
TIGHT: dict[str, Any] = {"constraint": "none", "prosumer.load_scale": (15.0, 15.0)}  # wires break their limits
KINDS = ("prosumer", "battery", "ev", "vpp")


def battery(**options: Any) -> MarketAgentEnv:
    return single_agent_env("street", **(SHORT | options))


def batteries(**options: Any) -> MarketVectorEnv:
    return vector_env("street", N_ENVS, **(SHORT | options))


# One


@pytest.mark.parametrize("kind", KINDS)
def test_gymnasium_finds_no_fault(kind: str) -> None:
    env = gymnasium.make(f"gridbazaar/Street{kind.capitalize()}-v1", max_cycles=N_STEPS)
    check_env(env.unwrapped)


@pytest.mark.parametrize("kind", KINDS)
def test_stable_baselines3_finds_no_fault(kind: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gymnasium.make(f"gridbazaar/Street{kind.capitalize()}-v1", max_cycles=N_STEPS).unwrapped)


@pytest.mark.parametrize("scenario", list_scenarios())
def test_every_kind_of_every_scenario_is_registered(scenario: str) -> None:
    name = scenario.title().replace("_", "")
    for kind, config in load_scenario(scenario).agents.items():
        spec = gymnasium.spec(f"gridbazaar/{name}{kind.capitalize()}-v1")
        assert spec.kwargs == {"scenario": scenario, "agent": f"{kind}_0"}
        assert config.count


def test_registering_again_is_quiet() -> None:
    before = dict(gymnasium.registry)
    register_all()
    assert dict(gymnasium.registry) == before


def test_one_agent_gives_what_pettingzoo_gives_it() -> None:
    env, table = battery(others="idle", hours=24.0), parallel_env("street")
    column = table.possible_agents.index("battery_0")
    seen, info = env.reset(seed=6)
    everyone, infos = table.reset(seed=6)
    policy = load_policy("idle")
    memory = policy.start(community_of(env._batch.core), np.random.default_rng(0))
    for action in drawn_actions(96):
        assert not differences((seen, info), (everyone["battery_0"], infos["battery_0"]))
        joint, memory = policy.act(env._batch.seen, memory)
        joint[0, column] = action
        seen, reward, ended, cut, info = env.step(action)
        everyone, rewards, _, cuts, infos = table.step(named(table.agents, joint[0]))
        assert (reward, ended, cut) == (rewards["battery_0"], False, cuts["battery_0"])
    assert cut


def test_episodes_are_numbered_on() -> None:
    env, twin = battery(seed=8), battery()
    for number in (8, 9):
        seen, info = env.reset()
        assert info["seed"] == number
        assert not differences(seen, twin.reset(seed=number)[0])
    info = env.reset(options={"split": "test"})[1]
    assert (info["active"], info["seed"], env.get_wrapper_attr("split")) == (True, 10, "test")


def test_steps_need_an_episode() -> None:
    env = battery()
    with pytest.raises(ResetNeededError, match="reset"):
        env.step(np.zeros(2, np.float32))
    env.reset()
    for action in drawn_actions(N_STEPS):
        env.step(action)
    with pytest.raises(ResetNeededError, match="reset"):
        env.step(np.zeros(2, np.float32))


@pytest.mark.parametrize("action", [np.zeros(3), np.zeros((1, 2)), np.array([0.0, np.nan])])
def test_a_bad_action_is_refused_and_nothing_happens(action: NDArray[np.float64]) -> None:
    env, twin = battery(), battery()
    env.reset(seed=1), twin.reset(seed=1)
    with pytest.raises(ValueError, match=r"expected .*(shape \(2,\)|numbers in \[-1, 1\])"):
        env.step(action.astype(np.float32))
    good = drawn_actions(1)[0]
    assert not differences(env.step(good), twin.step(good))


def test_unknown_agents_are_named() -> None:
    with pytest.raises(ValueError, match=r"agent: expected one of prosumer_0, .*, got 'boat_0'"):
        battery(agent="boat_0")


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_as_the_original_would(twin_of: Any) -> None:
    env, actions = battery(others="time_of_use"), drawn_actions(N_STEPS)
    env.reset(seed=1)
    for action in actions[:5]:
        env.step(action)
    twin = twin_of(env)
    for action in actions[5:]:
        assert not differences(env.step(action), twin.step(action))


def test_the_picture_and_the_text_are_there() -> None:
    env = battery(render_mode="ansi")
    env.reset()
    env.step(np.zeros(2, np.float32))
    assert "interval 1 of 12" in env.render()
    env.close()
    env.close()


# Many


class Stride(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Plays every n-th episode, as a row of a batch does."""

    def __init__(self, first: int, stride: int, others: Any) -> None:
        super().__init__(single_agent_env("street", "battery_0", others, costs=True, **TIGHT, **SHORT))
        self.number, self.stride = first, stride

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        given = super().reset(seed=self.number, options=options)
        self.number += self.stride
        return given


@pytest.mark.parametrize("others", ["self_consumption", {"prosumer": "time_of_use"}])
def test_the_vector_gives_what_single_environments_give(others: Any) -> None:
    singles = SyncVectorEnv(
        [lambda e=e: Stride(2 + e, N_ENVS, others) for e in range(N_ENVS)],  # type: ignore[misc]
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    vector = batteries(others=others, seed=2, costs=True, **TIGHT)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert vector.single_observation_space == singles.single_observation_space
    assert vector.observation_space == singles.observation_space
    assert vector.action_space == singles.action_space
    (seen, infos), (expected, expected_infos) = vector.reset(), singles.reset()
    assert not differences(seen, expected)
    assert not differences(sort(infos), sort(expected_infos))
    n_ends, broken = 0, 0.0
    for action in drawn_actions(2 * N_STEPS + 3, N_ENVS):
        *ours, infos = vector.step(action)
        *theirs, expected_infos = singles.step(action)
        assert not differences(ours, theirs)
        broken += infos["cost"].sum()
        for name in COSTS:  # of voltages, which are the same but for rounding
            assert infos["costs"].pop(name) == pytest.approx(expected_infos["costs"].pop(name), rel=1e-9)
        assert infos.pop("cost") == pytest.approx(expected_infos.pop("cost"), rel=1e-9)
        assert not differences(sort(infos), sort(expected_infos))
        n_ends += int(ours[3].sum())
    assert n_ends == 2 * N_ENVS
    assert broken > 0


def sort(infos: dict[str, Any]) -> dict[str, Any]:
    """By name, for the order of infos means nothing."""
    return {key: sort(value) if isinstance(value, dict) else value for key, value in sorted(infos.items())}


def test_the_registry_makes_vectors() -> None:
    vector = gymnasium.make_vec("gridbazaar/StreetEv-v1", num_envs=2, max_cycles=4)
    assert isinstance(vector.unwrapped, MarketVectorEnv)
    seen, _ = vector.reset(seed=3)
    assert seen.shape == (2, *vector.single_observation_space.shape)  # type: ignore[misc]
    vector.close()


def test_a_mask_resets_some_rows_and_leaves_the_others_alone() -> None:
    options: dict[str, Any] = {"others": {"prosumer": "time_of_use", "vpp": "optimum"}, "hours": 24.0}
    vector, actions = batteries(autoreset_mode="Disabled", **options), drawn_actions(80, N_ENVS)
    calm, fresh = batteries(autoreset_mode="Disabled", **options), battery(**options)
    vector.reset(seed=1), calm.reset(seed=1)
    for action in actions[:30]:
        vector.step(action), calm.step(action)
    middle = np.array([False, True, False])
    seen, infos = vector.reset(seed=[0, 20, 0], options={"reset_mask": middle})
    assert not differences(seen[1], fresh.reset(seed=20)[0])
    assert infos["seed"][1] == 20
    assert infos["_seed"].tolist() == middle.tolist()
    for action in actions[30:]:
        ours, expected = vector.step(action), calm.step(action)
        alone = fresh.step(action[1])
        for i in (0, 1, 2, 3):
            assert not differences(np.asarray(ours[i])[~middle], np.asarray(expected[i])[~middle])
        assert not differences((ours[0][1], float(ours[1][1])), (alone[0], alone[1]))
    assert vector._batch.state.t.tolist() == [80, 50, 80]


def test_disabled_leaves_the_reset_to_the_caller() -> None:
    vector, actions = batteries(autoreset_mode=AutoresetMode.DISABLED), drawn_actions(N_STEPS + 5, N_ENVS)
    with pytest.raises(ResetNeededError, match=r"rows \[0, 1, 2\]"):
        vector.step(actions[0])
    vector.reset()
    for action in actions[:5]:
        vector.step(action)
    vector.reset(options={"reset_mask": np.array([True, False, False])})
    for action in actions[5:N_STEPS]:
        _, _, ended, cut, infos = vector.step(action)
    assert cut.tolist() == [False, True, True]
    assert not ended.any()
    assert "final_obs" not in infos
    with pytest.raises(ResetNeededError, match=r"rows \[1, 2\] .* reset"):
        vector.step(actions[0])
    vector.reset(options={"reset_mask": np.array([False, True, False])})
    with pytest.raises(ResetNeededError, match=r"rows \[2\] .* reset"):
        vector.step(actions[0])
    _, infos = vector.reset(options={"reset_mask": cut})
    assert infos["seed"][cut].tolist() == [5, 6]
    for action in actions[N_STEPS:]:
        *_, cut, _ = vector.step(action)
    assert cut.tolist() == [True, False, False]


def test_rows_that_are_not_in_step_begin_anew_each_for_itself() -> None:
    vector, actions = batteries(), drawn_actions(N_STEPS + 1, N_ENVS)
    vector.reset()
    for action in actions[:5]:
        vector.step(action)
    vector.reset(seed=30, options={"reset_mask": np.array([True, False, False])})
    for action in actions[5:N_STEPS]:
        seen, _, _, cut, infos = vector.step(action)
    late = np.array([False, True, True])
    assert not differences(cut, late)
    for name in ("final_obs", "final_info"):
        assert not differences(infos[f"_{name}"], late)
    assert infos["_executed"].all()
    assert not differences(infos["executed"].any(axis=1), ~late)
    assert infos["_active"].all()
    assert infos["active"].all()
    assert infos["final_obs"][0] is None
    assert infos["final_info"]["active"].tolist() == [False, True, True]
    assert infos["seed"][late].tolist() == [31, 32]
    fresh = battery()
    assert not differences(seen[1], fresh.reset(seed=31)[0])
    assert not differences(vector.step(actions[-1])[0][1], fresh.step(actions[-1][1])[0])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([True, False, False], "expected a bool array"),
        (np.array([1, 0, 0]), "expected a bool array"),
        (np.array([True, False]), "expected a bool array"),
        (np.array([False, False, False]), "at least one row"),
    ],
)
def test_a_bad_mask_is_named(mask: Any, message: str) -> None:
    vector = batteries()
    vector.reset()
    with pytest.raises(ValueError, match=message):
        vector.reset(options={"reset_mask": mask})


def test_seeds_are_one_or_one_a_row() -> None:
    vector, env = batteries(), battery()
    seen, infos = vector.reset(seed=[9, 4, 9])
    assert infos["seed"].tolist() == [9, 4, 9]
    assert not differences(seen[1], env.reset(seed=4)[0])
    assert not differences(seen[0], seen[2])
    assert vector.reset()[1]["seed"].tolist() == [10, 11, 12]
    assert vector.reset(seed=5)[1]["seed"].tolist() == [5, 6, 7]
    with pytest.raises(ValueError, match="seed: expected one number or 3, got 2"):
        vector.reset(seed=[1, 2])


def test_next_step_begins_the_next_episodes_in_the_step_after_the_last() -> None:
    same, later = batteries(), batteries(autoreset_mode=AutoresetMode.NEXT_STEP)
    first, second = same.reset(seed=3)[0], later.reset(seed=3)[0]
    assert not differences(first, second)
    for _ in range(2):
        ends = np.zeros(3, bool)
        while not ends.any():
            actions = same.action_space.sample()
            one, two = same.step(actions), later.step(actions)
            ends = two[3]
            assert not differences(one[1:4], two[1:4])
        assert not differences(two[0], np.stack(list(one[4]["final_obs"])))
        seen, rewards, ended, cut, infos = later.step(actions)
        assert not differences(seen, one[0])
        assert not np.any([rewards, ended, cut])
        assert infos["seed"].tolist() == one[4]["seed"].tolist()
    with pytest.raises(ValueError, match="reset_mask"):
        later.reset(options={"reset_mask": np.array([True, False, False])})


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_vector_wrappers_of_gymnasium_work_in_every_mode(mode: AutoresetMode) -> None:
    plain, wrapped = batteries(autoreset_mode=mode), batteries(autoreset_mode=mode)
    statistics = RecordEpisodeStatistics(wrapped)
    inner = NormalizeObservation(statistics) if mode is AutoresetMode.NEXT_STEP else statistics  # it takes no other
    vector = NormalizeReward(ClipReward(inner, -1.0, 1.0))
    plain.reset(seed=4)
    seen, _ = vector.reset(seed=4)
    totals, n_ends = np.zeros(N_ENVS), 0
    for action in drawn_actions(2 * N_STEPS + 2, N_ENVS):
        _, rewards, _, ends, _ = plain.step(action)
        seen, _, _, cut, infos = vector.step(action)
        assert not differences(cut, ends)
        assert np.isfinite(seen).all()
        totals += rewards
        if ends.any():
            n_ends += 1
            assert np.allclose(infos["episode"]["r"], totals)
            assert (infos["episode"]["l"] == N_STEPS).all()
            totals[:] = 0.0
            if mode is AutoresetMode.DISABLED:
                plain.reset(options={"reset_mask": ends.copy()})
                vector.reset(options={"reset_mask": ends.copy()})
    assert n_ends == 2
    assert statistics.episode_count == 2 * N_ENVS


def test_a_bad_row_of_actions_is_named() -> None:
    vector = batteries()
    vector.reset()
    action = drawn_actions(1, N_ENVS)[0]
    action[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"got NaN or infinity at \[2\]"):
        vector.step(action)
    with pytest.raises(ValueError, match=r"shape \(3, 2\), got shape \(2,\)"):
        vector.step(action[0])


def test_what_was_given_stays_as_it_was() -> None:
    vector = batteries()
    kept = [vector.reset()]
    copies = copy.deepcopy(kept)
    for action in drawn_actions(N_STEPS + 2, N_ENVS):
        kept.append(vector.step(action))  # type: ignore[arg-type]
        copies.append(copy.deepcopy(kept[-1]))
    assert not differences(kept, copies)
