"""MPC: model-predictive control. The cheapest schedule of what is expected, planned anew as time goes on.

Each time it solves the optimum's own program (``agents/dispatch/schedule.py``) on the environment's forecasts: known
prices, expected loads and sun, the caps of the connection, and what is stored and plugged in now. It takes forecasts
for certain, expects no car that is not there, and plays the beginning of its schedule. No clock decides how far it
gets, so it repeats itself.

Under a charge on power a month's peak is a variable that starts from what it has come to so far. It keeps a distance
from it that grows with the load expected, for that is not certain.

What the program has no variables for follows a rule: engines, heat, hot water and appliances, VPPs that answer the
operator's calls, everybody in an island, upkeep, and cars that came since the last plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.expect import expected
from gridbazaar.agents.dispatch.follow import follow
from gridbazaar.agents.dispatch.schedule import solve_optimum
from gridbazaar.agents.dispatch.upkeep import with_upkeep
from gridbazaar.agents.policies import load_rule
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation
from gridbazaar.agents.policy import Policy as AnyPolicy
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class _Plan:
    power_kw: NDArray[np.float64]  # [n_envs, n_agents, every]
    room_kwh: NDArray[np.float64]  # [n_envs, n_agents, every] left after the interval
    is_planned: NDArray[np.bool_]  # [n_envs, n_agents]
    age: int  # intervals since it was made


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    rest: AnyPolicy
    of_rest: Any
    plan: _Plan | None = None


class Policy:
    """Plans on forecasts.

    Args:
        horizon_h: how far it looks; no further than the forecasts and the episode go.
        every: intervals from one plan to the next.
        rest: name of the rule for what is not planned; none: what suits the community.
        margin: distance kept from a peak that is paid for, over the load or surplus expected.
    """

    needs_forecasts = True
    needs_foresight = False

    def __init__(self, horizon_h: float = 24.0, every: int = 1, rest: str | None = None, margin: float = 1.5) -> None:
        if horizon_h <= 0 or every < 1:
            raise ValueError(f"mpc: expected horizon_h > 0 and every >= 1, got {horizon_h} and {every}")
        if margin < 0:
            raise ValueError(f"mpc: expected margin >= 0, got {margin}")
        self.horizon_h, self.every, self.rest, self.margin = horizon_h, every, rest, margin

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        rest = load_rule(self.rest or _suits(community))
        return _Memory(community, rest, rest.start(community, rng))

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        community, view, ahead = memory.community, observation.view, observation.forecasts
        assert ahead is not None
        action, of_rest = memory.rest.act(observation, memory.of_rest)
        action = action.copy()
        plan = memory.plan
        if plan is None or plan.age >= self.every:
            plan = self._plan(observation, ahead, community)
        power_kw, room_kwh = plan.power_kw[:, :, plan.age], plan.room_kwh[:, :, plan.age]
        planned = follow(power_kw, room_kwh, view, community.step_h, view.is_stationary)
        is_off = observation.features[:, :1, community.features.index("island")] > 0.5
        plays = plan.is_planned & _is_stored(observation, community) & ~is_off
        action[..., :2] = np.where(plays[..., None], planned, action[..., :2])
        action = with_upkeep(action, observation, community)
        plan = _Plan(plan.power_kw, plan.room_kwh, plan.is_planned, plan.age + 1)
        return action, _Memory(community, memory.rest, of_rest, plan)

    def _plan(self, observation: Observation, ahead: Forecasts, community: Community) -> _Plan:
        is_planned = _is_stored(observation, community)
        shape = (*is_planned.shape, self.every)
        power_kw, room_kwh = np.zeros(shape), np.zeros(shape)
        most = max(round(self.horizon_h / community.step_h), 1)
        for e in range(shape[0]):
            n = min(int(ahead.inside[e].sum()), most)
            if n and is_planned[e].any():
                row = expected(observation.view, ahead, e, n, is_planned[e], community, self.margin)
                found = solve_optimum(row, community.step_h, is_exact=False)
                k = min(self.every, n)
                power_kw[e, :, :k], room_kwh[e, :, :k] = found.power_kw[0, :, :k], found.room_kwh[0, :, :k]
        return _Plan(power_kw, room_kwh, is_planned, 0)


def _is_stored(observation: Observation, community: Community) -> Array:
    """[n_envs, n_agents] bool, whose storage the program knows: batteries and plugged cars, but no VPP of the calls."""
    view = observation.view
    found = (view.capacity_kwh > 0) & (view.is_stationary | (view.is_active & (view.left_h > 0)))
    if "capacity" in community.actions.get("vpp", ()):
        found[:, community.kind_slices["vpp"]] = False
    return found


def _suits(community: Community) -> str:
    """The rule for what a program of storage leaves out."""
    if "capacity" in community.actions.get("vpp", ()):
        return "vpp_dispatch"
    if {"heat", "water", "appliance"} & set(community.actions.get("prosumer", ())):
        return "preheat"
    if "genset" in community.kind_slices:
        return "merit"
    return "peak_shaving" if community.pays_for_power else "opportunity_cost"
