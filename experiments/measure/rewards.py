"""How much rewards spread in a scenario, and the scale that brings them to the usual size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenario_tables import WHOSE
from gridbazaar.envs.scenarios import load_scenario

USUAL = 0.4
"""Root mean square of an interval's reward that the scales aim at; PPO's settings were found at this size."""
N_EPISODES = 64
_BATCH = 16


@dataclass(frozen=True, slots=True)
class RewardSpread:
    """Rewards of one kind under random actions, of agents that have a device, in the scenario's currency."""

    whose: str
    interval_cur: float  # root mean square over the intervals
    scale_cur: float  # of two digits: with it the same is ``USUAL``
    return_cur: Mapping[str, float]  # by kind: spread of an episode's return over episodes and agents


def measure_rewards(scenario: Scenario | str, n_episodes: int = N_EPISODES) -> list[RewardSpread]:
    """Play random actions in training episodes and measure the rewards of each kind.

    Args:
        scenario: a scenario or its name.
        n_episodes: how many.
    """
    chosen = load_scenario(scenario)
    return [_spread(replace(chosen, reward=replace(chosen.reward, whose=whose)), n_episodes) for whose in WHOSE]


def _spread(scenario: Scenario, n_episodes: int) -> RewardSpread:
    core, rng = Core(scenario, min(_BATCH, n_episodes)), np.random.default_rng(0)
    squares, n, returns = 0.0, 0, []
    for first in range(0, n_episodes, core.n_envs):
        state = core.reset(first)
        has, total = np.asarray(state.view.has_device), np.zeros((core.n_envs, core.n_agents))
        for _ in range(core.n_steps):
            state, happened = core.step(state, rng.uniform(-1, 1, (core.n_envs, core.n_agents, core.n_actions)))
            reward_cur = happened.reward * scenario.reward.scale
            squares, n = squares + float((reward_cur[has] ** 2).sum()), n + int(has.sum())
            total += reward_cur
        returns.append(np.where(has, total, np.nan))
    interval_cur = (squares / max(n, 1)) ** 0.5
    by_agent = np.concatenate(returns)
    return RewardSpread(
        scenario.reward.whose,
        interval_cur,
        float(f"{interval_cur / USUAL:.2g}"),
        {kind: float(np.nanstd(by_agent[:, s])) for kind, s in scenario.kind_slices.items() if s.stop > s.start},
    )
