"""Price threshold: fill below the lower quartile of the prices ahead, empty above the upper one.

Only where the spread pays for losses and wear; what is released is offered at the middle of the band or more. Cars
charge below the lower quartile of the prices until their departure, or at the charger's guarantee.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import encode
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
        prices = np.where(ahead.inside, ahead.retail_cur_per_kwh, np.nan)
        low, high = np.nanquantile(prices, [0.25, 0.75], axis=1)
        now = prices[:, 0]
        pays = high[:, None] * view.eta_ch * view.eta_dis > low[:, None] + view.wear_cur_per_kwh
        wish_kw = np.where(pays & (now <= low)[:, None], view.high_kw, 0.0)
        wish_kw = np.where(pays & (now >= high)[:, None], view.low_kw, wish_kw) * view.is_stationary
        steps = np.arange(prices.shape[1])
        until = steps[None, None, :] * memory.step_h < view.left_h[:, :, None]
        window = np.where(until & ahead.inside[:, None, :], prices[:, None, :], np.inf)
        cheap = np.sort(window, axis=2)
        rank = np.floor(0.25 * np.maximum((window < np.inf).sum(2) - 1, 0)).astype(int)
        quartile = np.take_along_axis(cheap, rank[..., None], 2)[..., 0]
        car_kw = np.minimum(view.high_kw, view.need_kwh / (view.eta_ch * memory.step_h))
        wish_kw = np.where((view.need_kwh > 0) & (now[:, None] <= quartile), car_kw, wish_kw)
        eagerness = np.where(wish_kw < 0, 0.0, 0.5)
        return encode(wish_kw, eagerness, view), memory
