"""Random: power uniform within the feasible range, filled at any price."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class _Memory(NamedTuple):
    power: NDArray[np.float64]  # [n_envs, n_agents, n_steps] in [-1, 1)
    t: int


class Policy:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return _Memory(2 * community.chance("random.power") - 1, 0)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        power = memory.power[:, :, memory.t]
        return np.stack([power, np.ones_like(power)], axis=-1), memory._replace(t=memory.t + 1)
