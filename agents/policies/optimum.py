"""Optimum: the cheapest schedule with perfect foresight, by linear programming (HiGHS).

What it costs at least is the bound, see ``agents/dispatch/schedule.py``. ``Policy`` plays the schedule, so that bound
and replay can be compared; where devices can fail it looks after them like ``maintain``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.dispatch.follow import follow
from gridbazaar.agents.dispatch.schedule import Schedule, solve_optimum
from gridbazaar.agents.dispatch.upkeep import with_upkeep
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


@dataclass(frozen=True, slots=True)
class _Memory:
    community: Community
    schedule: Schedule
    is_beside: NDArray[np.bool_]  # [n_envs, n_agents] turbines: the schedule is beside what is firm
    t: int


class Policy:
    """Plays the schedule.

    Args:
        schedule: the optimum of the episodes, where it is at hand; else it is solved for.
    """

    needs_forecasts = False
    needs_foresight = True

    def __init__(self, schedule: Schedule | None = None) -> None:
        self._schedule = schedule

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        if episode is None:
            raise ValueError("optimum: needs the episode's foresight; it is an evaluation policy")
        nobody = np.zeros(episode.firm_kw.shape[:2], bool)
        is_beside = nobody if episode.hold_kw is None else (episode.hold_kw > 0).any(axis=2)
        schedule = self._schedule or solve_optimum(episode, community.step_h)
        return _Memory(community, schedule, is_beside, 0)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        power_kw, room_kwh = (x[:, :, memory.t] for x in (memory.schedule.power_kw, memory.schedule.room_kwh))
        is_beside = observation.view.is_stationary | memory.is_beside
        action = follow(power_kw, room_kwh, observation.view, memory.community.step_h, is_beside)
        return with_upkeep(action, observation, memory.community), replace(memory, t=memory.t + 1)
