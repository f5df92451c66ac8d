"""Greedy self-consumption: storage takes every surplus as it comes and serves every deficit at once.

Home batteries follow their own meter; stand-alone batteries and VPPs follow what is left of the community's, in
proportion to what they can do. Cars charge on arrival.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.policies.idle import charge_on_arrival_kw
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class Policy:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view = observation.view
        homes = memory.kind_slices.get("prosumer", slice(0, 0))
        wish_kw = charge_on_arrival_kw(view, memory.step_h)
        wish_kw[:, homes] = np.clip(-view.firm_kw, view.low_kw, view.high_kw)[:, homes]
        left_kw = (view.firm_kw + wish_kw).sum(1, keepdims=True)
        shared = view.is_stationary.copy()
        shared[:, homes] = False
        low_kw, high_kw = view.low_kw * shared, view.high_kw * shared
        release = np.minimum(left_kw / np.maximum(-low_kw.sum(1, keepdims=True), 1e-9), 1.0)
        take = np.minimum(-left_kw / np.maximum(high_kw.sum(1, keepdims=True), 1e-9), 1.0)
        wish_kw = np.where(shared, np.where(left_kw > 0, release * low_kw, take * high_kw), wish_kw)
        eagerness = np.where(shared, 0.5, 1.0)
        return encode(wish_kw, eagerness, view), memory
