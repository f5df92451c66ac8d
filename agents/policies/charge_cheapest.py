"""Charge cheapest: storage rests, each car charges at full power in the cheapest intervals before its departure."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies.charge_late import latest_kw
from gridbazaar.agents.policies.idle import charge_on_arrival_kw
from gridbazaar.agents.policy import Community, Forecasts, Foresight, Observation
from gridbazaar.data.arrays import Array


def is_cheap(view: View, ahead: Forecasts, spread: float) -> Array:
    """[n_envs, n_agents] whether this interval is among the cheapest that a car needs before its departure.

    Args:
        view: says what cars need, and until when.
        ahead: prices to come.
        spread: over how many times the intervals it needs a car may spread its charging.
    """
    retail = ahead.retail_cur_per_kwh
    steps = np.arange(retail.shape[1])
    window = (steps * ahead.step_h < view.left_h[:, :, None]) & ahead.inside[:, None, :]
    cheaper = (window & (retail < retail[:, :1])[:, None, :]).sum(2)
    needed = view.need_kwh / (view.eta_ch * np.maximum(view.power_kw, 1e-9) * ahead.step_h)
    return (view.need_kwh > 0) & (cheaper < np.maximum(np.ceil(spread * needed), 1))


class Policy:
    """Args: ``spread``: over how many times the intervals it needs a car may spread its charging."""

    needs_forecasts = True
    needs_foresight = False

    def __init__(self, spread: float = 1.0) -> None:
        if spread < 1:
            raise ValueError(f"spread: expected at least 1, got {spread}")
        self.spread = spread

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        cheap = is_cheap(view, ahead, self.spread)
        wish_kw = np.where(cheap, charge_on_arrival_kw(view, memory.step_h), latest_kw(view, memory.step_h))
        return encode(wish_kw, np.ones_like(wish_kw), view), memory
