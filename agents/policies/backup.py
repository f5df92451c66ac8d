"""Backup: storage keeps itself filled for the outage that may come, and trades once it is over.

Until the grid above has failed and come back, stationary storage fills up to a share of its capacity, at the tariff if
need be, and gives nothing below it; cars charge as soon as they can and give nothing. In an island all of it is free.
An episode has one outage at most, so afterwards a storage rule plays on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.agents.bid import ANY_TARIFF
from gridbazaar.agents.kind import encode
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policies.idle import charge_on_arrival_kw
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    rule: Any
    was_off: Array | None = None  # [n_envs] bool, the outage has begun


class Policy:
    """A rule with a reserve.

    Args:
        rule: name of the policy that plays after the outage, and with what lies above the reserve.
        keep: share of the capacity that is kept until then.
    """

    needs_foresight = False

    def __init__(self, rule: str = "opportunity_cost", keep: float = 0.7) -> None:
        self.rule = load_rule(rule)
        if not 0 <= keep <= 1:
            raise ValueError(f"keep: expected a number in [0, 1], got {keep}")
        self.needs_forecasts, self.keep = self.rule.needs_forecasts, keep

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return _Memory(community, self.rule.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, community = observation.view, memory.community
        action, rule = self.rule.act(observation, memory.rule)
        is_off = observation.features[:, 0, community.features.index("island")] > 0.5
        was_off = is_off if memory.was_off is None else memory.was_off | is_off
        is_over = (was_off & ~is_off)[:, None]
        reserve_kwh = self.keep * view.capacity_kwh
        missing_kwh = np.maximum(reserve_kwh - view.stored_kwh, 0.0)
        spare_kw = np.maximum(view.stored_kwh - reserve_kwh, 0.0) * view.eta_dis / community.step_h
        fill_kw = np.minimum(view.high_kw, missing_kwh / (view.eta_ch * community.step_h))
        wish_kw = np.where(view.is_stationary, fill_kw, charge_on_arrival_kw(view, community.step_h))
        held = encode(wish_kw, np.full(wish_kw.shape, ANY_TARIFF), view)
        power = np.where(action[..., 0] >= 0, action[..., 0] * view.high_kw, -action[..., 0] * view.low_kw)
        above = view.is_stationary & (missing_kwh <= 0) & (-power <= spare_kw)
        plays = is_over | above | (is_off[:, None] & view.is_stationary)
        action = np.where(plays[..., None], action[..., :2], held)
        return action, replace(memory, rule=rule, was_off=was_off)
