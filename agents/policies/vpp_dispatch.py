"""VPP dispatch: fills storage before a call of the operator, offers what it can sustain, and delivers.

In all other intervals, and for all other agents, it plays another rule. In a scenario without calls it is that rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.agents.dispatch.calls import ASK, FILL_H, with_calls
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Foresight, Observation, widened
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    of_rule: Any


class Policy:
    """Args: ``rule``: what is played otherwise; ``fill_h``: hours before a call from which on storage is filled;
    ``ask``: asked for a called kWh, from 0 to 1, of the most that is paid.
    """

    needs_foresight = False

    def __init__(self, rule: str = "opportunity_cost", fill_h: float = FILL_H, ask: float = ASK) -> None:
        if not 0 <= ask <= 1:
            raise ValueError(f"vpp_dispatch: expected ask in [0, 1], got {ask}")
        self._rule, self._fill_h, self._ask = load_rule(rule), fill_h, ask
        self.needs_forecasts = self._rule.needs_forecasts

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return _Memory(community, self._rule.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        community = memory.community
        action, of_rule = self._rule.act(observation, memory.of_rule)
        action = with_calls(widened(action, community.n_actions), observation, community, self._fill_h, self._ask)
        return action, replace(memory, of_rule=of_rule)
