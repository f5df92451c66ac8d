"""VPP dispatch: fills storage before a call of the operator, offers what it can sustain, and delivers.

In all other intervals, and for all other agents, it plays another rule. In a scenario without calls it is that rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import ANNOUNCED, OFFERING
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Foresight, Observation, widened
from gridbazaar.data.arrays import Array

_AT_TARIFF = 0.5  # eagerness that buys at the retail price, but not at what a full connection adds


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    of_rule: Any


class Policy:
    """Args: ``rule``: what is played otherwise; ``fill_h``: hours before a call from which on storage is filled;
    ``ask``: asked for a called kWh, from 0 to 1, of the most that is paid.
    """

    needs_foresight = False

    def __init__(self, rule: str = "opportunity_cost", fill_h: float = 5.0, ask: float = 1.0) -> None:
        if not 0 <= ask <= 1:
            raise ValueError(f"vpp_dispatch: expected ask in [0, 1], got {ask}")
        self._rule, self._fill_h, self._ask = load_rule(rule), fill_h, ask
        self.needs_forecasts = self._rule.needs_forecasts

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return _Memory(community, self._rule.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        community, call = memory.community, observation.call
        action, of_rule = self._rule.act(observation, memory.of_rule)
        action, memory = widened(action, community.n_actions), _Memory(community, of_rule)
        if call is None:
            return action, memory
        view, vpps = observation.view, community.kind_slices["vpp"]
        names = community.actions["vpp"]
        fills = np.isin(call.status, (ANNOUNCED, OFFERING)) & (call.starts_h <= self._fill_h)
        is_filling = np.zeros(view.low_kw.shape, bool)
        is_filling[:, vpps] = fills[:, None]
        filling = encode(view.high_kw, np.full_like(view.high_kw, _AT_TARIFF), view)
        action[..., :2] = np.where(is_filling[..., None], filling, action[..., :2])
        action[:, vpps, names.index("capacity")] = call.status[:, None] == OFFERING
        action[:, vpps, names.index("price")] = 2 * self._ask - 1
        return action, memory
