"""The checks that other libraries bring, on every shipped scenario: found by listing, none skipped."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test

from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.views.gymnasium_env import single_agent_env
from gridbazaar.envs.views.pettingzoo_env import env, parallel_env
from tests.stacks import needs

STRICT = pytest.mark.filterwarnings("error")  # what a library only warns of

QUICK = (("street", False), ("winter", True))
"""Without the slow tests these two are checked."""
SPACES = [
    pytest.param(name, padded, id=f"{name}-{'padded' if padded else 'own'}", marks=() if is_quick else pytest.mark.slow)
    for name in list_scenarios()
    for padded in (False, True)
    for is_quick in [(name, padded) in QUICK]
]
AGENTS = [
    (name, f"{kind}_0")
    for name in list_scenarios()
    for kind, config in load_scenario(name).agents.items()
    if config.count
]


def test_every_scenario_is_checked_both_ways() -> None:
    assert len(SPACES) == 2 * len(list_scenarios()) > 16
    assert len(AGENTS) > 25


@pytest.mark.parametrize(("scenario", "padded"), SPACES)
@STRICT
def test_pettingzoos_parallel_contract_holds(scenario: str, padded: bool) -> None:
    community = parallel_env(scenario, max_cycles=6, pad_actions=padded, costs=True)
    assert len({str(community.action_space(a)) for a in community.possible_agents}) == 1 or not padded
    parallel_api_test(community, num_cycles=20)


@pytest.mark.parametrize(("scenario", "padded"), SPACES)
@STRICT
@pytest.mark.filterwarnings("ignore:Observation space for each agent probably should be the same")
@pytest.mark.filterwarnings("ignore:Action space for each agent probably should be the same")
def test_pettingzoos_turn_based_contract_holds(scenario: str, padded: bool) -> None:
    community: Any = env(scenario, max_cycles=3, pad_actions=padded)
    api_test(community, num_cycles=3 * len(community.possible_agents) + 2)


@pytest.mark.slow
@needs("train")
@pytest.mark.parametrize(("scenario", "agent"), AGENTS)
@STRICT
def test_gymnasium_and_stable_baselines3_find_no_fault(scenario: str, agent: str) -> None:
    from stable_baselines3.common.env_checker import check_env as sb3_check_env

    options: dict[str, Any] = {"scenario": scenario, "agent": agent, "max_cycles": 5, "costs": True}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*has no spec.*|.*environment.*spec.*")
        check_env(single_agent_env(**options), skip_render_check=True)
    sb3_check_env(single_agent_env(**options))


@pytest.mark.slow
@needs("minari")
@pytest.mark.parametrize(("scenario", "agent"), AGENTS)
def test_minaris_collector_keeps_what_the_view_gives(
    scenario: str, agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    import minari

    collector: Any = minari.DataCollector(
        single_agent_env(scenario, agent, max_cycles=4, costs=True), record_infos=True, data_format="hdf5"
    )
    seen, infos = [], []
    for episode in range(2):
        now, info = collector.reset(seed=episode)
        seen.append([now])
        infos.append([info])
        ends = False
        while not ends:
            now, _, _, ends, info = collector.step(collector.action_space.sample())
            seen[-1].append(now)
            infos[-1].append(info)
    dataset = collector.create_dataset("own/test-v0")
    assert dataset.total_episodes == 2
    for kept, shown, told in zip(dataset.iterate_episodes(), seen, infos, strict=True):
        assert np.array_equal(kept.observations, np.stack(shown))
        assert kept.infos["net_kwh"].tolist() == [info["net_kwh"] for info in told]
        assert kept.infos["costs"]["voltage"].tolist() == [info["costs"]["voltage"] for info in told]
        assert kept.infos["reward_parts"]["bill"].tolist() == [info["reward_parts"]["bill"] for info in told]


@pytest.mark.slow
@needs("marl")
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("scenario", list_scenarios())
def test_torchrl_finds_no_fault(scenario: str, padded: bool) -> None:
    from torchrl.envs.libs.pettingzoo import PettingZooWrapper
    from torchrl.envs.utils import check_env_specs

    community = parallel_env(scenario, max_cycles=6, pad_actions=padded, infos=False)
    wrapped: Any = PettingZooWrapper(community, return_state=True)
    assert sum(map(len, wrapped.group_map.values())) == len(community.possible_agents)
    check_env_specs(wrapped, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", list_scenarios())
def test_every_registered_agent_can_be_made(scenario: str) -> None:
    name = "".join(part.capitalize() for part in scenario.split("_"))
    ids = [i for i in gymnasium.registry if i.startswith(f"gridbazaar/{name}") and i.endswith("-v1")]
    kinds = [f"gridbazaar/{name}{a.rpartition('_')[0].capitalize()}-v1" for s, a in AGENTS if s == scenario]
    assert set(kinds) <= set(ids)
    made = gymnasium.make(kinds[0], max_cycles=2)
    assert made.reset(seed=1)[0].dtype == np.float32
