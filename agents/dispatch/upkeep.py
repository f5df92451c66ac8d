"""Upkeep: when a device that can fail is maintained.

A device is maintained when waiting is expected to cost more than acting until the end of the episode. Waiting risks a
repair and the days without the device, by its hazard in the health it has; acting costs the maintenance, its hours
without the device, and the smaller risk that is left. It waits for quiet hours, those in which the rule lets the
device rest, unless waiting is expected to cost more than all that the device earns in a day.
"""

from __future__ import annotations

import numpy as np

from gridbazaar.agents.devices.failure import HEALTH, MAINTAIN, WORKS, Failure, hazard_per_h
from gridbazaar.agents.policy import Community, Observation, widened
from gridbazaar.data.arrays import Array

_QUIET = 0.05  # share of the feasible power up to which a device counts as resting


def with_upkeep(
    action: Array, observation: Observation, community: Community, worth_cur_per_kwh_day: float = 0.05
) -> Array:
    """Add requests for maintenance to an action, for the kinds that can have it; others keep theirs."""
    able = [kind for kind, names in community.actions.items() if MAINTAIN.name in names]
    if not able:
        return action
    action = widened(action, community.n_actions).copy()
    for kind in able:
        agents, config = community.kind_slices[kind], community.configs[kind]
        works, health = (observation.features[:, agents, community.features.index(c.name)] for c in (WORKS, HEALTH))
        view = observation.view
        earned_cur = worth_cur_per_kwh_day * view.capacity_kwh[:, agents] / community.kinds[kind].meters_each(config)
        gain_cur = gain_of_upkeep_cur(
            np.asarray(health, float), earned_cur / 24, view.left_h[:, agents], config.failure
        )
        is_quiet = np.abs(action[:, agents, 0]) <= _QUIET
        asks = (gain_cur > np.where(is_quiet, 0.0, earned_cur)) & (works > 0) & view.has_device[:, agents]
        action[:, agents, community.actions[kind].index(MAINTAIN.name)] = asks
    return action


def gain_of_upkeep_cur(health: Array, worth_cur_per_h: Array, left_h: Array, config: Failure) -> Array:
    """Expected cost of waiting less that of maintaining now, as if the health stayed as it is.

    Args:
        health: of the device.
        worth_cur_per_h: what an hour without the device costs.
        left_h: until nothing counts any more.
        config: of its kind.
    """
    after = health + config.restored * (1 - health)

    def risk_cur(condition: Array, hours: Array) -> Array:
        chance = 1 - np.exp(-hazard_per_h(condition, config) * hours)
        return chance * (config.repair_cur + worth_cur_per_h * np.minimum(config.mttr_h, hours))

    away_h = np.minimum(config.maintain_h, left_h)
    acting_cur = config.maintain_cur + worth_cur_per_h * away_h + risk_cur(after, left_h - away_h)
    return risk_cur(health, left_h) - acting_cur
