"""The rule with a reserve: what it keeps, when it lets go, and what it saves where the grid fails."""

from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policies.backup import Policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import observe
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.evaluation.statistics import mean_interval


def test_storage_fills_and_keeps_its_share_until_the_outage() -> None:
    core, policy = Core("blackout", 8), Policy(keep=0.6)
    state = core.reset(0, split="validation")
    memory: Any = policy.start(community_of(core), np.random.default_rng(0))
    seen_island = np.zeros(8, bool)
    for t in range(core.n_steps):
        seen = observe(core, state, forecasts=True)
        action, memory = policy.act(seen, memory)
        view = state.view
        low = view.is_stationary & (view.stored_kwh < 0.6 * view.capacity_kwh - 1e-3)
        seen_island |= seen.features[:, 0, community_of(core).features.index("island")] > 0.5
        before = low & ~seen_island[:, None]
        assert (action[..., 0][before] >= 0).all(), t
        state, _ = core.step(state, action)


def test_it_trades_on_once_the_grid_is_back() -> None:
    core, policy, rule = Core("blackout", 8), Policy(), load_policy("opportunity_cost")
    state = core.reset(0, split="validation")
    community = community_of(core)
    memory: Any = policy.start(community, np.random.default_rng(0))
    plain = rule.start(community, np.random.default_rng(0))
    island, over, same = community.features.index("island"), np.zeros(8, bool), 0
    was = np.zeros(8, bool)
    for _ in range(core.n_steps):
        seen = observe(core, state, forecasts=True)
        action, memory = policy.act(seen, memory)
        own, plain = rule.act(seen, plain)
        off = seen.features[:, 0, island] > 0.5
        was |= off
        over = was & ~off
        np.testing.assert_array_equal(action[over], own[over])
        same += int(over.sum())
        state, _ = core.step(state, action)
    assert same > 50


@pytest.mark.slow
def test_a_reserve_beats_idle_and_the_rule_without_one_where_the_grid_fails() -> None:
    core, seeds = Core("blackout", 32), np.arange(32)
    idle, plain, kept = (
        play(core, load_policy(name), seeds, split="validation").tally
        for name in ("idle", "opportunity_cost", "backup")
    )
    assert mean_interval(idle.scored_cur - kept.scored_cur).low > 0
    assert kept.sums["shed_kwh"].mean() < 0.7 * plain.sums["shed_kwh"].mean()
    assert mean_interval(plain.scored_cur - kept.scored_cur).low > 0  # on few days much, on most a little less


@pytest.mark.parametrize("keep", [-0.1, 1.5])
def test_shares_that_are_none_are_refused(keep: float) -> None:
    with pytest.raises(ValueError, match=r"keep: expected a number in \[0, 1\]"):
        Policy(keep=keep)
