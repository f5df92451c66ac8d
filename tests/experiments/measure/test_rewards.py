"""Scales of rewards: what is measured, and that the shipped scenarios hold it."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario_tables import WHOSE
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.measure.rewards import USUAL, measure_rewards


def test_the_spread_is_that_of_the_rewards() -> None:
    """Recomputed for one kind of reward from the transitions of the same random actions."""
    (own, *_) = measure_rewards("street", n_episodes=4)
    assert own.whose == "own"
    core, rng = Core("street", 4), np.random.default_rng(0)
    state, rewards = core.reset(0), []
    has = np.asarray(state.view.has_device)
    for _ in range(core.n_steps):
        state, happened = core.step(state, rng.uniform(-1, 1, (4, core.n_agents, core.n_actions)))
        rewards.append(happened.reward[has] * core.scenario.reward.scale_cur.own)
    rms = float(np.sqrt(np.mean(np.square(rewards))))
    assert own.interval_cur == pytest.approx(rms, rel=1e-12)
    assert own.scale_cur == pytest.approx(rms / USUAL, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_scenarios())
def test_a_shipped_scenario_holds_its_measured_scales(name: str) -> None:
    held = load_scenario(name).reward.scale_cur
    found = {spread.whose: spread.scale_cur for spread in measure_rewards(name)}
    assert {whose: getattr(held, whose) for whose in WHOSE} == pytest.approx(found, rel=0.03)
