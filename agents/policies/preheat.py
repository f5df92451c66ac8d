"""Preheat: rooms and tanks are warmed in cheap hours and on own surplus, waiting appliances run when it is cheapest.

Warmth is worth the prices that it saves: those of the hours to come, less what is lost until then. A home warms its
room, and its tank, while the price is below the mean of the next hours by a margin, as far as batteries do not hold
what those hours need, and starts an appliance where its cycle costs least within the time that is left. All else is
left to a storage rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridbazaar.agents.bid import ANY_TARIFF
from gridbazaar.agents.devices.home import appliance
from gridbazaar.agents.devices.home import heat_pump as heating
from gridbazaar.agents.devices.home import hot_water as water
from gridbazaar.agents.devices.home.part import CAN_SCALE_KW
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation, widened
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    rule: Any


class Policy:
    """A rule with warmth.

    Args:
        rule: name of the policy that steers batteries and cars.
        room_h, tank_h: hours whose mean price the warmth of a room or a tank may save.
        room_margin, tank_margin: by what share the price must lie below that mean, for what is lost until then.
    """

    needs_forecasts = True
    needs_foresight = False

    def __init__(
        self, rule: str = "opportunity_cost", room_h: float = 4.0, tank_h: float = 12.0, room_margin: float = 0.1,
        tank_margin: float = 0.1,
    ) -> None:  # fmt: skip
        self.rule = load_rule(rule)
        self.room_h, self.room_margin, self.tank_h, self.tank_margin = room_h, room_margin, tank_h, tank_margin

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return _Memory(community, self.rule.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        community, ahead = memory.community, observation.forecasts
        action, rule = self.rule.act(observation, memory.rule)
        memory = replace(memory, rule=rule)
        homes = community.kind_slices.get("prosumer", slice(0, 0))
        columns = community.actions.get("prosumer", ())
        found = {part.ACTION.name: columns.index(part.ACTION.name) for part in _PARTS if part.ACTION.name in columns}
        if not found:
            return action, memory
        assert ahead is not None
        action = widened(action, community.n_actions).copy()
        seen = observation.features[:, homes]
        surplus_kw = np.maximum(-observation.view.firm_kw[:, homes], 0.0)
        price, export = ahead.retail_cur_per_kwh[:, :1], ahead.export_cur_per_kwh[:, :1]
        needed = _needed(observation.view, ahead)
        wishes = np.zeros(surplus_kw.shape, bool)
        for name, can, hours, margin in (
            ("heat", "can_heat", self.room_h, self.room_margin),
            ("water", "can_heat_water", self.tank_h, self.tank_margin),
        ):
            if name in found:
                can_kw = np.asarray(seen[..., community.features.index(can)], float) * CAN_SCALE_KW
                saved = needed * self._mean_ahead(ahead, hours) + (1 - needed) * ahead.end_value_cur_per_kwh
                worth = saved[:, None] * (1 - margin)
                own_kw = np.where(export < worth, np.minimum(surplus_kw, can_kw), 0.0)
                taken_kw = np.where(price < worth, can_kw, own_kw)
                surplus_kw = surplus_kw - np.minimum(taken_kw, surplus_kw)
                action[:, homes, found[name]] = taken_kw / np.maximum(can_kw, 1e-9)
                wishes |= taken_kw > 0
        cost = np.where(surplus_kw > 0.5, export, price)
        if "appliance" in found:
            slack = seen[..., community.features.index("appliance_slack")] * 24.0
            action[:, homes, found["appliance"]] = self._is_best_start(ahead, cost, slack, community)
        resting = np.abs(action[:, homes, 0]) < 1e-9
        raised = np.maximum(action[:, homes, 1], ANY_TARIFF)
        action[:, homes, 1] = np.where(wishes & resting, ANY_TARIFF, np.where(wishes, raised, action[:, homes, 1]))
        return action, memory

    def _mean_ahead(self, ahead: Forecasts, hours: float) -> Array:
        """[n_envs] mean retail price of the next hours of the episode, this interval left out."""
        steps = np.arange(ahead.retail_cur_per_kwh.shape[1])
        inside = ahead.inside & (steps > 0) & (steps <= round(hours / ahead.step_h))
        total = (ahead.retail_cur_per_kwh * inside).sum(1)
        count = inside.sum(1)
        end = ahead.end_value_cur_per_kwh
        return np.where(count > 0, total / np.maximum(count, 1), end)

    def _is_best_start(self, ahead: Forecasts, cost: Array, slack_h: Array, community: Community) -> Array:
        """[n_envs, n_homes] whether no later start within the slack has a cheaper cycle."""
        n = max(1, round(community.configs["prosumer"].appliance.hours / ahead.step_h))
        sums = np.cumsum(np.pad(ahead.retail_cur_per_kwh, ((0, 0), (1, n)), mode="edge"), axis=1)
        cycle = (sums[:, n:] - sums[:, :-n])[:, : ahead.inside.shape[1]] / n
        steps = np.arange(cycle.shape[1]) * ahead.step_h
        allowed = (steps[None, None, :] <= slack_h[:, :, None] + 1e-6) & ahead.inside[:, None, :]
        best = np.where(allowed, cycle[:, None, :], np.inf).min(2)
        return np.minimum(cycle[:, :1], cost) <= best + 1e-9


def _needed(view: View, ahead: Forecasts) -> Array:
    """[n_envs] share of the community's expected deficits that its storage does not cover already."""
    stored_kwh = (view.stored_kwh * view.eta_dis * view.is_stationary).sum(1)
    deficit_kwh = (np.maximum(ahead.net_kw.sum(1), 0.0) * ahead.inside).sum(1) * ahead.step_h
    return np.clip(1 - stored_kwh / np.maximum(deficit_kwh, 1e-6), 0.0, 1.0)


_PARTS = (heating, water, appliance)
