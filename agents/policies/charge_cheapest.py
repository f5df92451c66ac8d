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


def cheapest_kw(view: View, ahead: Forecasts, spread: float) -> Array:
    """[n_envs, n_agents] draw beside the firm part that the cheaper intervals before departure do not cover.

    Args:
        view: says what cars need, and until when.
        ahead: prices to come.
        spread: a cheaper interval is counted on for full power over this.
    """
    retail = ahead.retail_cur_per_kwh
    steps = np.arange(retail.shape[1])
    window = (steps * ahead.step_h < view.left_h[:, :, None]) & ahead.inside[:, None, :]
    cheaper = (window & (retail < retail[:, :1])[:, None, :]).sum(2)
    full_kw = charge_on_arrival_kw(view, ahead.step_h)
    now_kw = view.need_kwh / (view.eta_ch * ahead.step_h) - cheaper * view.power_kw / spread - view.firm_kw
    wanted_kw = np.where(now_kw > 1e-9, np.maximum(now_kw, view.min_kw), 0.0)
    return np.where(view.need_kwh > 0, np.minimum(wanted_kw, full_kw), 0.0)


class Policy:
    """Args: ``spread``: a cheaper interval is counted on for full power over this; more is more careful."""

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
        wish_kw = np.maximum(cheapest_kw(view, ahead, self.spread), latest_kw(view, memory.step_h))
        return encode(wish_kw, np.ones_like(wish_kw), view), memory
