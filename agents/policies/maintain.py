"""Maintain: a storage rule that also looks after its devices, where they can fail, see ``dispatch/upkeep.py``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.agents.dispatch.upkeep import with_upkeep
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    rule: Any


class Policy:
    """A rule with upkeep.

    Args:
        rule: name of the policy that steers the power.
        worth_cur_per_kwh_day: what a kWh of capacity is taken to earn in a day.
    """

    needs_foresight = False

    def __init__(self, rule: str = "opportunity_cost", worth_cur_per_kwh_day: float = 0.05) -> None:
        self.rule = load_rule(rule)
        self.needs_forecasts = self.rule.needs_forecasts
        self.worth_cur_per_kwh_day = worth_cur_per_kwh_day

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return _Memory(community, self.rule.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        action, rule = self.rule.act(observation, memory.rule)
        action = with_upkeep(action, observation, memory.community, self.worth_cur_per_kwh_day)
        return action, replace(memory, rule=rule)
