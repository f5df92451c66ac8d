"""Run folders of version 0.1 are played and resumed as they were by it.

``tests/golden/run_of_0.1`` holds such a run, interrupted in the middle (street, six hours, a network of width 8), and
in ``actions.json`` what its policy did in the first interval of validation episode 0: as it was, and after
``--resume``. Both were written by version 0.1, whose episodes began on other days: ``days_of_0_1``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.bank import HISTORY_DAYS, Bank
from gridbazaar.data.chance import episode_keys, integers, uniform
from gridbazaar.envs.core import Core
from gridbazaar.envs.episode import draw
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of
from gridbazaar.experiments.training.checkpoint import about
from gridbazaar.experiments.training.folder import checkpoint_steps
from gridbazaar.experiments.training.train import read_config, train

pytest.importorskip("stable_baselines3")

OLD = Path(__file__).parents[2] / "golden" / "run_of_0.1"
DID = json.loads((OLD / "actions.json").read_text(encoding="utf-8"))
ROUNDING = 1e-5


def days_of_0_1(scenario: Scenario, bank: Bank, split: str, seeds: np.ndarray) -> np.ndarray:
    """Draw as version 0.1 did: all days alike but Sundays, on which a calendar week would end within the episode."""
    first = (bank.first_day.astype("datetime64[D]").astype(int) + 3) % 7
    days = np.arange(HISTORY_DAYS, bank.n_days - 1)
    wanted = {"train": (0, 1, 3), "validation": (2,), "test": (4,)}[split]
    days = days[np.isin((days + first) // 7 % 5, wanted) & ((days + first) % 7 <= 5)]
    drawn: np.ndarray = days[integers(uniform(episode_keys(scenario.seed, split, seeds), "day", 1)[:, 0], len(days))]
    return drawn


@pytest.fixture(autouse=True)
def _days_of_0_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "first_days", days_of_0_1)


def first_actions(folder: Path) -> np.ndarray:
    core = Core(load_scenario("street", hours=6.0), 1)
    state, policy = core.reset(0, split="validation"), load_policy(str(folder))
    action, _ = policy.act(observe(core, state), policy.start(community_of(core), np.random.default_rng(0)))
    return np.asarray(action[0])


def test_an_old_run_plays_as_before() -> None:
    assert first_actions(OLD) == pytest.approx(np.array(DID["played"]), abs=ROUNDING)


def test_an_old_run_is_resumed(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "run"))
    config = read_config(folder)
    done = checkpoint_steps(folder)
    assert done is not None
    assert 0 < done < config.steps
    train(config, folder, resume=True)
    assert checkpoint_steps(folder) == config.steps
    resumed = first_actions(folder)
    assert np.abs(resumed - np.array(DID["played"])).max() > 10 * ROUNDING  # it learned on, from today's rewards


@pytest.mark.parametrize("name", ["model.zip", "best.zip", "best_model.zip", "model.pt", "model.onnx"])
def test_a_model_of_others_is_said_to_be_theirs_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    assert about(tmp_path / name) == "a model that others made"
    if name in ("model.zip", "best.zip"):
        (tmp_path / "config.json").write_text("{}")  # version 0.1 wrote zips of these names
        assert about(tmp_path / name) in ("what the run ended with", "the best on validation")
