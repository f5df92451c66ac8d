"""Random: power uniform within the feasible range, filled at any price."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class Policy:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return rng

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        power = memory.uniform(-1.0, 1.0, observation.mask.shape)
        return np.stack([power, np.ones_like(power)], axis=-1), memory
