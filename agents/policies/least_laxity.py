"""Least laxity: storage rests, cars with the least time to spare charge first, as far as the connection carries.

Laxity is the time until departure less that of charging at full power. Cars are served in its order until the
connection is used up (Liu & Layland 1973 for tasks; Xu, Pan & Tong 2016 for cars). Where the connection has room for
all, that is charging on arrival.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
from gridbazaar.agents.policies.idle import charge_on_arrival_kw
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array


class Policy:
    needs_forecasts = True
    needs_foresight = False

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        return community

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        view, ahead = observation.view, observation.forecasts
        assert ahead is not None
        wish_kw = charge_on_arrival_kw(view, memory.step_h)
        laxity_h = view.left_h - view.need_kwh / (view.eta_ch * np.maximum(view.power_kw, 1e-9))
        cars_kw = (view.firm_kw * (view.left_h > 0) * ~view.is_stationary * view.is_active).sum(1)
        room_kw = np.maximum(ahead.import_cap_kw - ahead.net_kw[:, :, 0].sum(1) - cars_kw, 0.0)[:, None]
        order = np.argsort(np.where(wish_kw > 0, laxity_h, np.inf), axis=1, kind="stable")
        ordered = np.take_along_axis(wish_kw, order, 1)
        given = np.clip(room_kw - (np.cumsum(ordered, axis=1) - ordered), 0.0, ordered)
        fits_kw = np.zeros_like(wish_kw)
        np.put_along_axis(fits_kw, order, given, 1)
        return encode(fits_kw, np.ones_like(wish_kw), view), memory
