"""Zero intelligence: random power at a random limit price inside the band (after Gode & Sunder 1993, constrained)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class _Memory(NamedTuple):
    power: NDArray[np.float64]  # [n_envs, n_agents, n_steps] in [-1, 1)
    eagerness: NDArray[np.float64]  # [n_envs, n_agents, n_steps] in [-0.5, 0.5)
    t: int


class Policy:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        power, eagerness = (community.chance(f"zero_intelligence.{part}") for part in ("power", "eagerness"))
        return _Memory(2 * power - 1, eagerness - 0.5, 0)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        t = memory.t
        action = np.stack([memory.power[:, :, t], memory.eagerness[:, :, t]], axis=-1)
        return action, memory._replace(t=t + 1)
