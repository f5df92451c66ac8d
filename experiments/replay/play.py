"""One episode under several policies, with all that happened kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.experiments.report.table import policy_names


def play_episode(
    scenario: Scenario,
    policies: Mapping[str, Any],
    episode: int,
    *,
    split: str = "test",
    allow_code: bool = False,
    tick: Callable[[], None] | None = None,
) -> dict[str, Played]:
    """Play one episode with each policy.

    Args:
        scenario: where.
        policies: by label, as ``evaluate`` takes them.
        episode: its number in the split.
        split: test, validation or train.
        allow_code: see ``evaluate``.
        tick: called after every interval.
    """
    core, names = Core(scenario, 1), policy_names(list(policies))
    loaded = {names[label]: load_policy(source, allow_code=allow_code) for label, source in policies.items()}
    return {name: play(core, policy, [episode], split=split, keep=True, tick=tick) for name, policy in loaded.items()}
