"""Episodes that end with the data: nothing looks beyond the last step, in no kind, view or command."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.chance import SPLITS
from gridbazaar.envs.core import Core
from gridbazaar.envs.observe import look_ahead, observe
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import play
from tests.envs.everything import EVERYTHING, OUTAGES
from tests.quick import only

SMALL: dict[str, Any] = {"data.n_homes": 8, "data.n_roofs": 4, "data.n_cars": 8}
MIDNIGHT: dict[str, Any] = {"start_h": 0.0, "hours": 48.0}
CASES = {
    "street": ("street", MIDNIGHT),
    "a week": ("street", {"start_h": 0.0, "hours": 168.0}),
    "everything, called": ("village", MIDNIGHT | EVERYTHING | {"wind.count": 2, "genset.count": 1}),
    "everything, cut off": ("village", MIDNIGHT | OUTAGES | {"wind.count": 2, "genset.count": 1}),
}


@pytest.fixture
def last_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all episodes begin on the last day on which one of their split may begin."""
    plain = Bank.start_days

    def only_last(bank: Bank, *args: Any, **named: Any) -> Any:
        return plain(bank, *args, **named)[-1:]

    monkeypatch.setattr(Bank, "start_days", only_last)


@lru_cache
def days_that_end_with(split: str) -> int:
    """Days of data whose last calendar week is one of the split."""
    first = Core(load_scenario("street", **MIDNIGHT, **SMALL), 1).world.bank.weekday()[0]
    least = HISTORY_DAYS + 6 * 7
    for n_days in range(least + int(-first - least) % 7, least + 6 * 7, 7):
        core = Core(load_scenario("street", **MIDNIGHT, **SMALL, **{"data.n_days": n_days}), 1)
        if ends_with_the_data(core, split):
            return n_days
    raise AssertionError(f"no episode of {split} ends with the data")


def ends_with_the_data(core: Core, split: str) -> bool:
    end = core.reset(0, split=split).episode.start + core.n_steps
    return bool((end == core.world.bank.load_kw.shape[1]).all())


def ending_with_the_data(split: str, scenario: str, overrides: dict[str, Any]) -> Core:
    """A core whose last episodes of a split end with the last step of the data."""
    core = Core(load_scenario(scenario, **overrides, **SMALL, **{"data.n_days": days_that_end_with(split)}), 2)
    assert ends_with_the_data(core, split)
    return core


@pytest.mark.usefixtures("last_day")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("split", SPLITS)
def test_the_last_episode_of_a_split_is_played_to_its_end(split: str, case: str) -> None:
    core = ending_with_the_data(split, *CASES[case])
    state, rng = core.reset(0, split=split), np.random.default_rng(0)
    state = replace(state, t=state.t + core.n_steps - 3)
    for _ in range(3):
        state, happened = core.step(state, rng.uniform(-1, 1, (2, core.n_agents, core.n_actions)))
    assert happened.truncated.all()
    seen = observe(core, state, forecasts=True)
    assert np.isfinite(seen.features).all()
    assert np.isfinite(look_ahead(core, state).net_kw).all()
    assert np.isfinite(happened.reward).all()


@pytest.mark.usefixtures("last_day")
@pytest.mark.parametrize("policy", only(["optimum"], ["opportunity_cost", "optimum", "random"]))
def test_every_sort_of_policy_reaches_the_end_of_the_data(policy: str) -> None:
    core = ending_with_the_data("test", "street", MIDNIGHT)
    assert np.isfinite(play(core, load_policy(policy), [0, 1]).tally.scored_cur).all()


@pytest.mark.usefixtures("last_day")
def test_learners_get_the_observation_after_the_last_step_of_the_data() -> None:
    core = ending_with_the_data("train", "street", MIDNIGHT)
    pytest.importorskip("stable_baselines3")
    from gridbazaar.envs.views.vec_env import vec_env

    venv = vec_env(core.scenario, n_envs=2)
    venv.reset()
    for _ in range(core.n_steps):
        _, _, dones, infos = venv.step(np.zeros((12, 2), np.float32))
    assert dones.all()
    assert all(np.isfinite(info["terminal_observation"]).all() for info in infos)


@pytest.mark.slow
def test_a_week_of_the_street_is_evaluated() -> None:
    found = evaluate("street", ["idle"], seeds=3, hours=156)
    assert (found.result("idle").scored_cur > 0).all()
