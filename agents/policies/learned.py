"""Learned: what came with the package, already trained for the scenario; it needs neither torch nor a run.

Each lies in a folder of ``agents/learned/shipped``, named after its scenario, as a run keeps it: weights without
pickle, and JSON that says in which settings, by which command and on which columns it learned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.policies.trained import MODEL, load_run
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.agents.policy import Policy as AnyPolicy
from gridbazaar.data.arrays import Array

FOLDER = Path(__file__).parents[1] / "learned" / "shipped"


def list_learned() -> list[str]:
    """Name the scenarios for which a trained policy came with the package."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{MODEL}"))


def folder_of(scenario: str) -> Path:
    """Give the folder of what was trained for a scenario.

    Raises:
        ValueError: nothing was; says for which ones there is something.
    """
    if scenario not in list_learned():
        raise ValueError(
            f"learned: expected a scenario of {', '.join(list_learned())}, for which a trained policy came with the "
            f"package; got {scenario!r}: train one (gridbazaar train) and give the folder of its run"
        )
    return FOLDER / scenario


@lru_cache(maxsize=16)
def _policy_of(scenario: str) -> AnyPolicy:
    return load_run(str(folder_of(scenario)))


@dataclass(frozen=True, slots=True)
class _Memory:
    policy: AnyPolicy
    of_policy: Any


class Policy:
    """Plays what was trained for the scenario of the community.

    Args:
        scenario: plays what was trained for this one instead, which has to have the same kinds and columns.
    """

    needs_forecasts = True
    needs_foresight = False

    def __init__(self, scenario: str | None = None) -> None:
        self.scenario = scenario

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        policy = _policy_of(self.scenario or community.scenario)
        return _Memory(policy, policy.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        action, of_policy = memory.policy.act(observation, memory.of_policy)
        return action, replace(memory, of_policy=of_policy)
