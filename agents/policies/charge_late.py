"""Charge late: storage rests, cars charge as late as full power still suffices."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import View
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


def latest_kw(view: View, step_h: float) -> Array:
    """[n_envs, n_agents] draw beside the firm part without which full power later does not suffice; taper left out."""
    later_kw = view.power_kw * np.maximum(np.rint(view.left_h / step_h) - 1, 0)
    now_kw = view.need_kwh / (view.eta_ch * step_h) - later_kw - view.firm_kw
    wanted_kw = np.where(now_kw > 1e-9, np.maximum(now_kw, view.min_kw), 0.0)
    return np.where(view.need_kwh > 0, np.minimum(wanted_kw, view.high_kw), 0.0)


class Policy:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        wish_kw = latest_kw(observation.view, memory.step_h)
        return encode(wish_kw, np.ones_like(wish_kw), observation.view), memory
