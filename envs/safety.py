"""Safety costs: what an interval broke, by agent, for learners that keep a limit instead of weighing it in a reward."""

from __future__ import annotations

from gridbazaar.data.arrays import Array, namespace
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition

COSTS = ("voltage", "overload", "lost_load", "not_ready")
"""Names of the costs: pu h outside the band at the agent's worst meter; pu h beyond the rating of the branches between
the agent and the root; kWh of must-serve load without supply; kWh that a car lacked as it left."""


def safety_costs(core: Core, happened: Transition) -> Array:
    """Give the safety costs of an interval, [n_envs, n_agents, n_costs] >= 0 in the order of ``COSTS``."""
    world, flow, step_h = core.world, happened.wires, core.scenario.step_h
    feeder, xp = world.grid.feeder, namespace(flow.voltage_pu)
    outside_pu = xp.maximum(feeder.v_min_pu - flow.voltage_pu, 0.0) + xp.maximum(flow.voltage_pu - feeder.v_max_pu, 0.0)
    beyond_pu = xp.matmul(xp.maximum(flow.branch_loading - 1.0, 0.0), 1.0 * world.behind)  # of the way to each bus
    found = xp.zeros((*happened.shed_kwh.shape, len(COSTS)), like=happened.money.stored_value_cur)
    at_meter = outside_pu[:, world.meter_bus], beyond_pu[:, world.meter_bus]
    for i, each in enumerate(at_meter):
        if len(world.meter_agent) == core.n_agents:  # a meter each
            found[..., i] = each * step_h
        else:
            of_agent = world.agent_of_meter.T > 0  # [n_agents, n_meters]
            found[..., i] = xp.max(xp.where(of_agent[None], each[:, None, :], 0.0), axis=2) * step_h
    found[..., 2] = happened.shed_kwh
    found[..., 3] = happened.devices.unserved_kwh
    return found
