"""Time of use: a clock. Storage fills at night, spread over the hours, and serves the evening; cars charge at night."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class Policy:
    """Hours of the clock between which storage fills and empties; both may pass midnight."""

    needs_forecasts = False
    needs_foresight = False

    def __init__(self, fill_h: tuple[float, float] = (0.0, 6.0), empty_h: tuple[float, float] = (17.0, 22.0)) -> None:
        self.fill_h, self.empty_h = fill_h, empty_h

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, step_h = observation.view, memory.step_h
        assert observation.hour is not None
        hour = np.asarray(observation.hour)[:, None]
        fills_h, empties_h = _left_h(hour, self.fill_h), _left_h(hour, self.empty_h)
        left_h = np.maximum(fills_h, step_h)
        room_kw = view.room_kwh / (view.eta_ch * left_h)
        need_kw = view.need_kwh / (view.eta_ch * np.minimum(left_h, np.maximum(view.left_h, step_h)))
        fill_kw = np.minimum(np.where(view.is_stationary, room_kw, need_kw), view.high_kw)
        empty_kw = -view.stored_kwh * view.eta_dis / np.maximum(empties_h, step_h)
        empty_kw = np.maximum(empty_kw, view.low_kw) * view.is_stationary
        wish_kw = np.where(fills_h > 0, fill_kw, np.where(empties_h > 0, empty_kw, 0.0))
        # A car below the charger's least current still wants its energy.
        wish_kw = np.where(
            (wish_kw > 0) & (view.min_kw > 0), np.maximum(wish_kw, np.minimum(view.min_kw, view.high_kw)), wish_kw
        )
        action = encode(wish_kw, np.full_like(wish_kw, 0.5), view)
        return action, memory


def _left_h(hour: Array, window: tuple[float, float]) -> Array:
    """Hours until the window closes; 0 outside it."""
    since, length = (hour - window[0]) % 24, (window[1] - window[0]) % 24
    return np.where(since < length, length - since, 0.0)
