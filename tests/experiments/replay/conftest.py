"""Six hours of the village under two policies, and the ledger of one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.audit.audit import audit
from gridbazaar.experiments.evaluation.play import Played, play_episode
from gridbazaar.experiments.replay.audited import audited
from gridbazaar.experiments.replay.record import record

EPISODE = 3


@pytest.fixture(scope="package")
def played() -> dict[str, Played]:
    policies = {"opportunity_cost": "opportunity_cost", "idle": "idle"}
    return play_episode(load_scenario("village", hours=6.0), policies, EPISODE)


@pytest.fixture(scope="package")
def recorded(played: dict[str, Played]) -> dict[str, Any]:
    return record(played)


@pytest.fixture(scope="package")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audited") / "day.db"
    core = Core(load_scenario("village", hours=6.0), 1)
    audit(core, load_policy("opportunity_cost"), "opportunity_cost", [EPISODE], path)
    return path


@pytest.fixture(scope="package")
def with_ledger(recorded: dict[str, Any], played: dict[str, Played], day: Path) -> dict[str, Any]:
    core = played["idle"].tally.core
    return recorded | {"ledger": audited(day, core, list(played), EPISODE, "test")}
