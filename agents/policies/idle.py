"""Idle: storage rests, cars charge at full power on arrival. The floor of every comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import View
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


def charge_on_arrival_kw(view: View, step_h: float) -> Array:
    """[n_envs, n_agents] full power until a car has what it needs; 0 for everything else."""
    return np.minimum(view.high_kw, view.need_kwh / (view.eta_ch * step_h))


class Policy:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        wish_kw = charge_on_arrival_kw(observation.view, memory.step_h)
        return encode(wish_kw, np.ones_like(wish_kw), observation.view), memory
