"""Zero intelligence: random power at a random limit price inside the band (after Gode & Sunder 1993, constrained)."""

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
        eagerness = memory.uniform(-0.5, 0.5, observation.mask.shape)
        return np.stack([power, eagerness], axis=-1), memory
